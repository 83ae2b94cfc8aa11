//! Where results lie: by tenant, the least recently used first to go, under ceilings of number and size.
//!
//! Where the whole is over a ceiling, the tenant that holds most loses its oldest. So nobody who holds no more than an equal
//! share of the whole ever loses a result to somebody else: whoever holds most holds more than that.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use lru::LruCache;
use serde::Serialize;
use tokio::time::Instant;
use toolcell_core::{CallId, ResultText, Sealed, Tenant, ToolId};

use super::key::Key;

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// Results in all.
    pub entries: usize,
    /// Bytes in all, as far as they can be told: results, names and receipts.
    pub bytes: u64,
    /// Results of one tenant.
    pub tenant_entries: usize,
    /// Bytes of one tenant.
    pub tenant_bytes: u64,
}

/// A result as its call left it.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) result: ResultText,
    pub(super) receipt: Option<Sealed>,
    pub(super) call: CallId,
    pub(super) at: Instant,
}

/// What a result costs beside its text: its receipt's fixed part, its place in the list and in the map.
const OVERHEAD: u64 = 1_024;

impl Made {
    fn bytes(&self, key: &Key) -> u64 {
        // A row of a receipt is a name and a number, or a name and a sentence.
        let rows = |sealed: &Sealed| 96 * sealed.receipt.host_calls.len() + 256 * sealed.receipt.denied.len();
        let receipt = self.receipt.as_ref().map_or(0, rows);
        OVERHEAD + key.bytes() + self.result.get().len() as u64 + receipt as u64
    }
}

/// What became of the calls of one tool, and what lies there of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Calls that found a result.
    pub hits: u64,
    /// Calls that shared what another call came to, its failure included, while that was under way.
    pub joins: u64,
    /// Calls that had to be made.
    pub misses: u64,
    /// Results that had to make room before their time was over.
    pub evictions: u64,
    /// Results now.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Tools whose calls are counted. Beyond that the one called least recently is counted anew.
const COUNTED: usize = 10_000;

pub(super) struct Shelf {
    caps: Caps,
    keep_for: Duration,
    shares: HashMap<Tenant, Share>,
    entries: usize,
    bytes: u64,
    counts: LruCache<ToolId, Counts>,
}

struct Share {
    kept: LruCache<Key, (Arc<Made>, u64)>,
    bytes: u64,
}

impl Shelf {
    pub(super) fn new(caps: Caps, keep_for: Duration) -> Self {
        let counts = LruCache::unbounded();
        Self { caps, keep_for, shares: HashMap::new(), entries: 0, bytes: 0, counts }
    }

    /// A result that is still good.
    pub(super) fn get(&mut self, tenant: &Tenant, key: &Key, now: Instant) -> Option<Arc<Made>> {
        let (made, _) = self.shares.get_mut(tenant)?.kept.get(key)?;
        if now.saturating_duration_since(made.at) < self.keep_for {
            return Some(made.clone());
        }
        self.remove(tenant, Some(key));
        None
    }

    /// Puts a result there, and takes others away where it needs their room. One that is too large for its tenant is left.
    pub(super) fn put(&mut self, tenant: &Tenant, key: Key, made: Arc<Made>, now: Instant) {
        let bytes = made.bytes(&key);
        let caps = self.caps;
        if bytes > caps.tenant_bytes.min(caps.bytes) || caps.tenant_entries.min(caps.entries) == 0 {
            return;
        }
        self.remove(tenant, Some(&key));
        loop {
            let (entries, held) = self.shares.get(tenant).map_or((0, 0), |share| (share.kept.len(), share.bytes));
            if entries < caps.tenant_entries && held.saturating_add(bytes) <= caps.tenant_bytes {
                break;
            }
            self.evict(&tenant.clone(), now);
        }
        let share =
            self.shares.entry(tenant.clone()).or_insert_with(|| Share { kept: LruCache::unbounded(), bytes: 0 });
        share.kept.put(key, (made, bytes));
        share.bytes += bytes;
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        // The tenants are looked through once for each result that goes: a tenant without a result has no share here.
        while self.bytes > caps.bytes {
            let Some(most) = self.shares.iter().max_by_key(|(_, share)| share.bytes).map(|(tenant, _)| tenant.clone())
            else {
                break;
            };
            self.evict(&most, now);
        }
        while self.entries > caps.entries {
            let Some(most) =
                self.shares.iter().max_by_key(|(_, share)| share.kept.len()).map(|(tenant, _)| tenant.clone())
            else {
                break;
            };
            self.evict(&most, now);
        }
    }

    /// Takes the least recently used result of a tenant away.
    fn evict(&mut self, tenant: &Tenant, now: Instant) {
        if let Some((key, made)) = self.remove(tenant, None)
            && now.saturating_duration_since(made.at) < self.keep_for
        {
            self.count(&key.tool).evictions += 1;
        }
    }

    /// Removes a result, or the least recently used of a tenant.
    fn remove(&mut self, tenant: &Tenant, key: Option<&Key>) -> Option<(Key, Arc<Made>)> {
        let share = self.shares.get_mut(tenant)?;
        let (key, (made, bytes)) = match key {
            Some(key) => share.kept.pop_entry(key),
            None => share.kept.pop_lru(),
        }?;
        share.bytes -= bytes;
        self.bytes -= bytes;
        self.entries -= 1;
        if share.kept.is_empty() {
            self.shares.remove(tenant);
        }
        Some((key, made))
    }

    /// Forgets every result, of one tenant where one is named.
    pub(super) fn clear(&mut self, tenant: Option<&Tenant>) {
        let tenants: Vec<Tenant> = match tenant {
            Some(tenant) => vec![tenant.clone()],
            None => self.shares.keys().cloned().collect(),
        };
        for share in tenants.iter().filter_map(|tenant| self.shares.remove(tenant)) {
            self.bytes -= share.bytes;
            self.entries -= share.kept.len();
        }
    }

    /// The counts of a tool, to add to.
    pub(super) fn count(&mut self, tool: &ToolId) -> &mut Counts {
        if !self.counts.contains(tool) && self.counts.len() >= COUNTED {
            self.counts.pop_lru();
        }
        self.counts.get_or_insert_mut(tool.clone(), Counts::default)
    }

    /// What became of the calls of each tool, by tool.
    pub(super) fn statistics(&self) -> BTreeMap<ToolId, Counts> {
        let mut all: BTreeMap<ToolId, Counts> =
            self.counts.iter().map(|(tool, counts)| (tool.clone(), *counts)).collect();
        for (key, (_, bytes)) in self.shares.values().flat_map(|share| share.kept.iter()) {
            let counts = all.entry(key.tool.clone()).or_default();
            counts.entries += 1;
            counts.bytes += bytes;
        }
        all
    }

    #[cfg(test)]
    pub(super) fn totals(&self) -> (usize, u64) {
        (self.entries, self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::scripted::{call, card};
    use proptest::prelude::*;
    use toolcell_core::{Arguments, Effects};

    const CAPS: Caps = Caps { entries: 12, bytes: 20_000, tenant_entries: 8, tenant_bytes: 12_000 };
    const KEEP: Duration = Duration::from_secs(10);

    fn key(n: u32) -> Key {
        let mut call = call(1, "shop.read");
        call.arguments = Arguments::from_text(n.to_string()).expect("small");
        Key::of(&call, &card("shop.read", Effects::ReadOnly), 100).expect("a name")
    }

    fn made(length: usize, at: Instant) -> Arc<Made> {
        let result = ResultText::new(format!("\"{}\"", "x".repeat(length)));
        Arc::new(Made { result, receipt: None, call: CallId(1), at })
    }

    fn tenant(n: u8) -> Tenant {
        Tenant(format!("tenant-{n}").into())
    }

    #[test]
    fn the_least_recently_used_goes_first_and_the_old_is_not_found() {
        let (mut shelf, now, a) = (Shelf::new(CAPS, KEEP), Instant::now(), tenant(1));
        (0..8).for_each(|n| shelf.put(&a, key(n), made(1, now), now));
        assert!(shelf.get(&a, &key(0), now).is_some());
        shelf.put(&a, key(8), made(1, now), now);
        assert!(shelf.get(&a, &key(0), now).is_some(), "used of late");
        assert!(shelf.get(&a, &key(1), now).is_none());
        assert_eq!(shelf.statistics()[&key(0).tool].evictions, 1);
        assert!(shelf.get(&tenant(2), &key(0), now).is_none(), "another's is not found");
        assert!(shelf.get(&a, &key(0), now + KEEP).is_none());
        assert_eq!(shelf.totals().0, 7, "what was too old when it was asked for is gone");
        shelf.clear(None);
        assert_eq!(shelf.totals(), (0, 0));
    }

    #[test]
    fn what_is_too_large_for_its_tenant_moves_nothing_else() {
        let (mut shelf, now, a) = (Shelf::new(CAPS, KEEP), Instant::now(), tenant(1));
        shelf.put(&a, key(1), made(1, now), now);
        shelf.put(&a, key(2), made(12_000, now), now);
        assert!(shelf.get(&a, &key(1), now).is_some() && shelf.get(&a, &key(2), now).is_none());
    }

    proptest! {
        #[test]
        fn its_ceilings_hold_and_nobody_loses_what_is_within_an_equal_share(
            steps in prop::collection::vec((0_u8..4, 0_u32..12, 0_usize..6_000, 0_u8..8), 1..200),
        ) {
            let (mut shelf, mut now) = (Shelf::new(CAPS, KEEP), Instant::now());
            for (who, what, length, how) in steps {
                now += Duration::from_millis(u64::from(how) * 100);
                let held = |shelf: &Shelf| -> HashMap<Tenant, (usize, u64)> {
                    shelf.shares.iter().map(|(tenant, share)| (tenant.clone(), (share.kept.len(), share.bytes))).collect()
                };
                let before = held(&shelf);
                if how == 7 {
                    shelf.get(&tenant(who), &key(what), now);
                } else {
                    shelf.put(&tenant(who), key(what), made(length, now), now);
                }
                let after = held(&shelf);
                let (entries, bytes) = shelf.totals();
                prop_assert!(entries <= CAPS.entries && bytes <= CAPS.bytes);
                prop_assert_eq!(entries, after.values().map(|held| held.0).sum::<usize>());
                prop_assert_eq!(bytes, after.values().map(|held| held.1).sum::<u64>());
                let tenants = before.len() + usize::from(!before.contains_key(&tenant(who)));
                for (other, had) in before.iter().filter(|(other, _)| **other != tenant(who)) {
                    let has = after.get(other).copied().unwrap_or_default();
                    let within = had.0 <= CAPS.entries / tenants && had.1 <= CAPS.bytes / tenants as u64;
                    prop_assert!(!within || has == *had, "{other:?} had {had:?} and has {has:?}");
                }
                for (entries, bytes) in after.values() {
                    prop_assert!(*entries <= CAPS.tenant_entries && *bytes <= CAPS.tenant_bytes);
                }
            }
        }
    }
}
