//! Keeps the results of tools that change nothing, and makes no call twice that is under way already.
//!
//! A result is found again by the same tenant only, for the same bytes of code under the same grant with the same arguments.
//! Failures are shared with whoever waits, and never kept. Nothing is kept of a tool whose calls may carry secrets, unless the
//! operator says so: what a secret opens may be for other eyes.

mod flight;
mod key;
mod shelf;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use toolcell_core::history::Kept;
use toolcell_core::{
    CallId, Card, Clock, Directory, Effects, Events, History, Kind, Outcome, Tenant, Then, ToolCall, ToolId, Toolbox,
    Verdict,
};

use self::flight::{Course, Fell, Flights, Landed, Part, Seat};
use self::key::Key;
pub use self::shelf::{Caps, Counts};
use self::shelf::{Made, Shelf};
use super::cancel::{Cancels, Underway, cancelled};
use super::{CallOptions, Layered, deadline, millis, timeout};

/// The operator's rules.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The most that a tool's effects may be for its results to be kept. [`Effects::Once`] is taken as
    /// [`Effects::Idempotent`]: what must not be repeated is never answered for.
    pub effects: Effects,
    /// What is done with tools whose calls may carry secrets.
    pub secrets: Secrets,
    /// How long a result is good.
    pub keep_for: Duration,
    /// The largest arguments that are looked at, in bytes; a call with larger ones is simply made.
    pub largest_arguments: usize,
    /// How much is kept.
    pub caps: Caps,
}

/// What is done with tools whose calls may carry secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// Their results are neither kept nor shared.
    Pass,
    /// Their results are kept as others are.
    Keep,
}

impl Default for Rules {
    fn default() -> Self {
        const MIB: u64 = 1 << 20;
        Self {
            effects: Effects::ReadOnly,
            secrets: Secrets::Pass,
            keep_for: Duration::from_mins(5),
            largest_arguments: 256 << 10,
            caps: Caps { entries: 10_000, bytes: 256 * MIB, tenant_entries: 5_000, tenant_bytes: 128 * MIB },
        }
    }
}

/// Keeps results, and shares those that are being made.
pub struct Cache {
    inner: Arc<dyn Layered>,
    directory: Arc<dyn Directory>,
    clock: Arc<dyn Clock>,
    rules: Rules,
    shelf: Mutex<Shelf>,
    flights: Flights,
    cancels: Cancels,
}

impl Cache {
    /// Around another layer.
    pub fn around(inner: Arc<dyn Layered>, directory: Arc<dyn Directory>, clock: Arc<dyn Clock>, rules: Rules) -> Self {
        let shelf = Mutex::new(Shelf::new(rules.caps, rules.keep_for));
        Self { inner, directory, clock, rules, shelf, flights: Flights::default(), cancels: Cancels::default() }
    }

    /// What became of the calls of each tool. Calls that are not for the cache are not counted.
    pub fn statistics(&self) -> BTreeMap<ToolId, Counts> {
        self.shelf().statistics()
    }

    /// Forgets every result, of one tenant where one is named.
    pub fn clear(&self, tenant: Option<&Tenant>) {
        self.shelf().clear(tenant);
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tool, and the name of the call's result; none where the call is not for the cache.
    fn name(&self, call: &ToolCall) -> Option<(Arc<Card>, Key)> {
        let card = self.directory.card(&call.tool, &call.tenant).ok()?;
        let kept = match card.effects {
            Effects::ReadOnly => true,
            // A key says that the caller tells its calls apart itself.
            Effects::Idempotent => self.rules.effects != Effects::ReadOnly && call.idempotency_key.is_none(),
            Effects::Once => false,
        };
        let secret = card.secrets && !card.keeps_results && self.rules.secrets == Secrets::Pass;
        // A call that means other code is refused inside.
        let other = call.component.is_some_and(|component| component != card.component);
        if !kept || secret || other {
            return None;
        }
        let key = Key::of(call, &card, self.rules.largest_arguments)?;
        Some((card, key))
    }

    fn find(&self, tenant: &Tenant, key: &Key) -> Option<Outcome> {
        let now = Instant::now();
        let mut shelf = self.shelf();
        let made = shelf.get(tenant, key, now)?;
        shelf.count(&key.tool).hits += 1;
        drop(shelf);
        Some(shared(&made, now, Join::After))
    }

    /// Makes the call for all who wait, and keeps its result.
    async fn lead(
        &self,
        call: ToolCall,
        options: &CallOptions,
        events: &dyn Events,
        underway: &Underway<'_>,
        seat: &Seat<'_>,
        (card, key): (&Card, &Key),
    ) -> Outcome {
        self.shelf().count(&key.tool).misses += 1;
        let asked = ToolCall { arguments: toolcell_core::Arguments::none(), ..call.clone() };
        let outcome = underway.make(&*self.inner, call, options, events).await;
        match &outcome.verdict {
            Verdict::Completed { result } => {
                let changed = |then: &Then| !matches!(then, Then::Again { .. });
                let plain = outcome.history.kept.is_none()
                    && !outcome.history.attempts.iter().any(|attempt| changed(&attempt.then));
                // The code or the grant may have changed while the call was on its way: then the name is not its own.
                let now = self.directory.card(&asked.tool, &asked.tenant);
                let same = now.is_ok_and(|now| {
                    (&now.id, now.component, now.grant, now.effects, now.secrets)
                        == (&card.id, card.component, card.grant, card.effects, card.secrets)
                });
                if !(plain && same) {
                    return outcome;
                }
                let at = Instant::now();
                let by = outcome.receipt.as_ref().map_or(asked.id, |sealed| sealed.receipt.call);
                let made = Arc::new(Made { result: result.clone(), receipt: outcome.receipt.clone(), call: by, at });
                self.shelf().put(&asked.tenant, key.clone(), made.clone(), at);
                seat.land(Landed::Made(made));
            }
            // It was this caller's wish; the next that waits makes the call.
            verdict => match verdict.failure() {
                Some(failure) if failure.kind != Kind::Cancelled => {
                    seat.land(Landed::Failed(Arc::new(Fell::new(Box::new(failure.clone()), &asked))));
                }
                _ => {}
            },
        }
        outcome
    }
}

#[async_trait]
impl Layered for Cache {
    async fn call_with(&self, call: ToolCall, options: &CallOptions, events: &dyn Events) -> Outcome {
        let Some((card, key)) = self.name(&call) else {
            return self.inner.call_with(call, options, events).await;
        };
        if let Some(found) = self.find(&call.tenant, &key) {
            return found;
        }
        let underway = self.cancels.enter(call.id);
        let (began, until) = (Instant::now(), deadline(&call, &*self.clock));
        let course = Course {
            tenant: call.tenant.clone(),
            key: key.clone(),
            timeout: options.timeout,
            criticality: options.criticality,
        };
        loop {
            let seat = self.flights.board(course.clone());
            let part = tokio::select! {
                biased;
                part = seat.wait() => part,
                () = underway.cancelled() => return cancelled(),
                () = until_then(until) => {
                    let hint = "The same call was under way, and it took longer than this one may wait.";
                    return Outcome::unsealed(Verdict::of(timeout::out_of_time(began.elapsed()).hint(hint)));
                }
            };
            match part {
                Part::Leads(_permit) => {
                    // It may have been made between the look and the boarding.
                    if let Some(found) = self.find(&call.tenant, &key) {
                        return found;
                    }
                    return self.lead(call, options, events, &underway, &seat, (&card, &key)).await;
                }
                Part::Shares(Landed::Made(made)) => {
                    self.shelf().count(&key.tool).joins += 1;
                    return shared(&made, Instant::now(), Join::Meanwhile);
                }
                Part::Shares(Landed::Failed(fell)) if fell.speaks_for(&call) => {
                    self.shelf().count(&key.tool).joins += 1;
                    let kept = Some(Kept { call: fell.call, age_ms: 0, joined: true });
                    let history = History { kept, ..History::default() };
                    return Outcome { history, ..Outcome::unsealed(Verdict::of((*fell.failure).clone())) };
                }
                Part::Shares(Landed::Failed(_)) => {}
            }
        }
    }
}

#[async_trait]
impl Toolbox for Cache {
    async fn call(&self, call: ToolCall, events: &dyn Events) -> Outcome {
        self.call_with(call, &CallOptions::default(), events).await
    }

    /// Ends a call's own part. Who waits for the same result is not touched.
    fn cancel(&self, call: CallId) -> bool {
        self.cancels.cancel(call) || self.inner.cancel(call)
    }
}

/// When a call came to a result that another made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Join {
    After,
    Meanwhile,
}

fn shared(made: &Made, now: Instant, join: Join) -> Outcome {
    let age_ms = millis(now.saturating_duration_since(made.at));
    let kept = Some(Kept { call: made.call, age_ms, joined: join == Join::Meanwhile });
    Outcome {
        verdict: Verdict::Completed { result: made.result.clone() },
        receipt: made.receipt.clone(),
        history: History { kept, ..History::default() },
    }
}

async fn until_then(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
