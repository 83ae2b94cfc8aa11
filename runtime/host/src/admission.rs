//! Lets calls in: tenant first, then tool, then host. A slot is a value that releases on drop.
//!
//! Waiting is fair (first come, first served at each gate), bounded in number and in time, and each bound has its own
//! failure. Nobody waits while holding the host's slots: those are taken last.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use toolcell_core::{Failure, Limit, Tenant, ToolId};

/// How many calls may run at one time, wait, and begin in a minute.
#[derive(Clone, Copy, Debug)]
pub struct Width {
    /// Calls in flight on this host; no more than the engine has slots.
    pub host: usize,
    /// Calls in flight for one tenant.
    pub tenant: usize,
    /// Calls in flight of one tool, over all tenants.
    pub tool: usize,
    /// Calls waiting on this host.
    pub queue: usize,
    /// Calls that one tenant may begin in a minute.
    pub per_minute: u64,
}

/// The gates of a host.
#[derive(Debug)]
pub(crate) struct Admission {
    width: Width,
    host: Arc<Semaphore>,
    tenants: Mutex<HashMap<Tenant, Arc<TenantGate>>>,
    tools: Mutex<HashMap<ToolId, Arc<Semaphore>>>,
    nested: Arc<Semaphore>,
    waiting: AtomicUsize,
    began: Instant,
}

/// The right to run one call. Dropping it lets the next one in.
#[derive(Debug)]
pub(crate) struct Slot(#[allow(dead_code, reason = "held, and released on drop")] Permits);

#[derive(Debug)]
enum Permits {
    Direct { _host: OwnedSemaphorePermit, _tool: OwnedSemaphorePermit, _tenant: OwnedSemaphorePermit },
    Nested { _place: OwnedSemaphorePermit },
}

#[derive(Debug)]
struct TenantGate {
    slots: Arc<Semaphore>,
    rate: Rate,
}

/// Gates that nobody uses are forgotten beyond this number, so that names chosen by callers cannot fill memory.
const IDLE_GATES: usize = 10_000;

impl Admission {
    /// Gates of these widths, and places for so many calls that calls in flight make.
    pub(crate) fn new(width: Width, nested: usize) -> Self {
        // A semaphore panics over its own largest number.
        let most = |calls: usize| calls.min(Semaphore::MAX_PERMITS);
        let width = Width { host: most(width.host), tenant: most(width.tenant), tool: most(width.tool), ..width };
        Self {
            width,
            host: Arc::new(Semaphore::new(width.host)),
            tenants: Mutex::default(),
            tools: Mutex::default(),
            nested: Arc::new(Semaphore::new(most(nested))),
            waiting: AtomicUsize::new(0),
            began: Instant::now(),
        }
    }

    /// Waits for a slot from `now` on, at most `patience`.
    pub(crate) async fn admit(
        &self,
        tenant: &Tenant,
        tool: &Arc<Semaphore>,
        now: Instant,
        patience: Duration,
    ) -> Result<Slot, Box<Failure>> {
        let gate = self.tenant(tenant);
        if let Err(wait) = gate.rate.take(now.saturating_duration_since(self.began), self.width.per_minute) {
            let mut failure = Failure::limit(Limit::Rate, self.width.per_minute);
            failure.retry_after_ms = Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1));
            return Err(Box::new(failure));
        }
        if let Some(slot) = self.at_once(&gate.slots, tool) {
            return Ok(slot);
        }
        let _place = self.queue()?;
        let closed = "the gates of a host are never closed";
        let all = async {
            let tenant = gate.slots.clone().acquire_owned().await.expect(closed);
            let tool = tool.clone().acquire_owned().await.expect(closed);
            let host = self.host.clone().acquire_owned().await.expect(closed);
            Slot(Permits::Direct { _host: host, _tool: tool, _tenant: tenant })
        };
        tokio::time::timeout(patience, all).await.map_err(|_| {
            let limit = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
            Box::new(Failure::limit(Limit::QueueTime, limit).hint("Call again when fewer calls are in flight."))
        })
    }

    /// Waits for a place for a call that a call in flight makes, at most `patience`.
    ///
    /// Its caller holds slots of tenant, tool and host meanwhile. If it took others of the same, calls that all wait for
    /// the calls they make could wait for each other; so these places are apart.
    pub(crate) async fn admit_nested(&self, patience: Duration) -> Result<Slot, Box<Failure>> {
        let place = tokio::time::timeout(patience, self.nested.clone().acquire_owned()).await.map_err(|_| {
            let limit = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
            Box::new(Failure::limit(Limit::QueueTime, limit).hint("Call again when fewer calls are in flight."))
        })?;
        Ok(Slot(Permits::Nested { _place: place.expect("the gates of a host are never closed") }))
    }

    /// The way without waiting: taken unless somebody is before us at any of the gates.
    fn at_once(&self, tenant: &Arc<Semaphore>, tool: &Arc<Semaphore>) -> Option<Slot> {
        let tenant = tenant.clone().try_acquire_owned().ok()?;
        let tool = tool.clone().try_acquire_owned().ok()?;
        let host = self.host.clone().try_acquire_owned().ok()?;
        Some(Slot(Permits::Direct { _host: host, _tool: tool, _tenant: tenant }))
    }

    fn queue(&self) -> Result<Place<'_>, Box<Failure>> {
        let place = Place(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.width.queue {
            let failure = Failure::limit(Limit::QueueLength, self.width.queue as u64);
            return Err(Box::new(failure.hint("Call again when fewer calls are waiting.")));
        }
        Ok(place)
    }

    fn tenant(&self, tenant: &Tenant) -> Arc<TenantGate> {
        let slots = self.width.tenant;
        // A call in flight holds a place of the gate, not the gate.
        let idle = |gate: &Arc<TenantGate>| Arc::strong_count(gate) == 1 && Arc::strong_count(&gate.slots) == 1;
        find(&self.tenants, tenant, idle, || {
            Arc::new(TenantGate { slots: Arc::new(Semaphore::new(slots)), rate: Rate(AtomicU64::new(0)) })
        })
    }

    /// The gate of a tool, whose calls all share it.
    pub(crate) fn tool(&self, tool: &ToolId) -> Arc<Semaphore> {
        find(&self.tools, tool, |gate| Arc::strong_count(gate) == 1, || Arc::new(Semaphore::new(self.width.tool)))
    }
}

fn find<K: Hash + Eq + Clone, V>(
    map: &Mutex<HashMap<K, Arc<V>>>,
    key: &K,
    idle: impl Fn(&Arc<V>) -> bool,
    make: impl FnOnce() -> Arc<V>,
) -> Arc<V> {
    let mut map = map.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = map.get(key) {
        return found.clone();
    }
    if map.len() >= IDLE_GATES {
        map.retain(|_, gate| !idle(gate));
    }
    let gate = make();
    map.insert(key.clone(), gate.clone());
    gate
}

/// A place in the queue.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts beginnings over a minute by the generic cell rate algorithm: the time, in nanoseconds, until which the
/// tenant has used up what it was given.
#[derive(Debug)]
struct Rate(AtomicU64);

impl Rate {
    /// Takes one beginning at `now`, or says how long until there is one.
    fn take(&self, now: Duration, per_minute: u64) -> Result<(), Duration> {
        const MINUTE: u64 = 60_000_000_000;
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let cost = MINUTE / per_minute.clamp(1, MINUTE);
        let mut until = self.0.load(Ordering::Relaxed);
        loop {
            let next = until.max(now) + cost;
            if next > now + MINUTE {
                return Err(Duration::from_nanos(next - now - MINUTE));
            }
            match self.0.compare_exchange_weak(until, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(other) => until = other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use toolcell_core::Kind;

    const WIDTH: Width = Width { host: 4, tenant: 2, tool: 3, queue: 2, per_minute: 1_000 };

    fn names() -> (Tenant, Tenant, ToolId) {
        (Tenant("a".into()), Tenant("b".into()), "json.query".parse().expect("an id"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenant_that_is_full_waits_and_another_does_not() {
        let (a, b, tool) = names();
        let gates = Admission::new(WIDTH, 1);
        let tool = gates.tool(&tool);
        let patience = Duration::from_secs(1);
        let first = gates.admit(&a, &tool, Instant::now(), patience).await.expect("free");
        let _second = gates.admit(&a, &tool, Instant::now(), patience).await.expect("free");
        let refused = gates.admit(&a, &tool, Instant::now(), patience).await.expect_err("full");
        assert_eq!(refused.kind, Kind::Limit(Limit::QueueTime));
        assert!(gates.admit(&b, &tool, Instant::now(), patience).await.is_ok());
        drop(first);
        assert!(gates.admit(&a, &tool, Instant::now(), patience).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_has_an_end() {
        let (a, _, tool) = names();
        let gates = Arc::new(Admission::new(Width { tenant: 1, ..WIDTH }, 1));
        let tool = gates.tool(&tool);
        let _held = gates.admit(&a, &tool, Instant::now(), Duration::from_secs(1)).await.expect("free");
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..3 {
            let (gates, a, tool) = (gates.clone(), a.clone(), tool.clone());
            waiting.spawn(async move {
                gates.admit(&a, &tool, Instant::now(), Duration::from_secs(1)).await.expect_err("full").kind.name()
            });
        }
        let mut kinds = waiting.join_all().await;
        kinds.sort_unstable();
        assert_eq!(kinds, ["queue-full", "queue-time-limit", "queue-time-limit"]);
        assert_eq!(gates.waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_minute_has_so_many_beginnings_and_no_more() {
        let rate = Rate(AtomicU64::new(0));
        let at = Duration::from_secs;
        assert!((0..10).all(|_| rate.take(at(5), 10).is_ok()));
        assert_eq!(rate.take(at(5), 10), Err(Duration::from_secs(6)));
        assert!(rate.take(at(11), 10).is_ok());
        assert!(rate.take(at(11), 10).is_err());
        assert!((0..10).all(|_| rate.take(at(200), 10).is_ok()));
    }
}
