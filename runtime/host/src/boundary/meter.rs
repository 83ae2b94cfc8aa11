//! Memory, tables and instances of one call.
//!
//! Wasmtime's own `StoreLimits` bounds each memory by itself, so that several memories multiply the limit. This one
//! adds up. Over the limit it ends the call with a typed error: the `-1` that a guest would get otherwise becomes the
//! guest's own panic, and nobody learns the reason.

use toolcell_core::{Limit, Limits};
use wasmtime::ResourceLimiter;

use super::ends::Exhausted;

/// Counts what the instances of a store hold together.
#[derive(Debug)]
pub struct Meter {
    memory: Held,
    table: Held,
    instances: usize,
    exhausted: Option<Limit>,
}

/// One kind of thing that grows.
#[derive(Debug)]
struct Held {
    limit: Limit,
    most: u64,
    now: u64,
    peak: u64,
    /// The growth that was last allowed, to be taken back where it then fails.
    last: u64,
}

impl Meter {
    /// Nothing held yet.
    pub fn new(limits: &Limits) -> Self {
        let held = |limit| Held { limit, most: limits.get(limit), now: 0, peak: 0, last: 0 };
        Self {
            memory: held(Limit::Memory),
            table: held(Limit::Table),
            instances: usize::try_from(limits.get(Limit::Instances)).unwrap_or(usize::MAX),
            exhausted: None,
        }
    }

    /// The most linear memory held at one time, in bytes.
    pub fn peak_memory(&self) -> u64 {
        self.memory.peak
    }

    /// The linear memory held now, in bytes.
    pub(crate) fn memory_now(&self) -> u64 {
        self.memory.now
    }

    /// The limit that was reached here, if one was.
    pub fn exhausted(&self) -> Option<Limit> {
        self.exhausted
    }

    fn grow(
        &mut self,
        which: fn(&mut Self) -> &mut Held,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // The guest's own declared maximum: a failed growth is what the language of the guest expects there. One that is no lower than
        // the limit is the end of a pooled table, or makes no difference: the limit is exceeded, and is what is named.
        if maximum.is_some_and(|maximum| desired > maximum && (maximum as u64) < which(self).most) {
            return Ok(false);
        }
        match which(self).grow(desired.saturating_sub(current) as u64) {
            Ok(()) => Ok(true),
            Err(exhausted) => {
                self.exhausted = Some(exhausted.limit);
                Err(exhausted.into())
            }
        }
    }
}

impl Held {
    fn grow(&mut self, by: u64) -> Result<(), Exhausted> {
        let now = self.now.saturating_add(by);
        if now > self.most {
            return Err(Exhausted { limit: self.limit, value: self.most });
        }
        self.now = now;
        self.last = by;
        Ok(())
    }

    /// Takes back the growth that was last allowed. The peak keeps it: it is what was asked for at that moment.
    fn fail(&mut self) {
        self.now = self.now.saturating_sub(std::mem::take(&mut self.last));
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = self.grow(|meter| &mut meter.memory, current, desired, maximum)?;
        self.memory.peak = self.memory.peak.max(self.memory.now);
        Ok(allowed)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory.fail();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.grow(|meter| &mut meter.table, current, desired, maximum)
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.table.fail();
        Ok(())
    }

    fn instances(&self) -> usize {
        self.instances
    }

    // No component needs more tables or memories than it has instances; toolchains make one of each an instance.
    fn tables(&self) -> usize {
        self.instances
    }

    fn memories(&self) -> usize {
        self.instances
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(memory: u64, table: u64) -> Meter {
        let limits = Limits::default().with(Limit::Memory, memory).expect("in range");
        Meter::new(&limits.with(Limit::Table, table).expect("in range"))
    }

    #[test]
    fn all_memories_of_a_call_count_together() {
        let mut meter = meter(100, 10);
        assert!(meter.memory_growing(0, 60, None).expect("within the limit"));
        assert!(meter.memory_growing(0, 40, None).expect("within the limit"));
        let error = meter.memory_growing(60, 61, None).expect_err("one byte over");
        assert_eq!(error.downcast_ref::<Exhausted>(), Some(&Exhausted { limit: Limit::Memory, value: 100 }));
        assert_eq!((meter.peak_memory(), meter.exhausted()), (100, Some(Limit::Memory)));
    }

    #[test]
    fn tables_count_apart_from_memories() {
        let mut meter = meter(100, 10);
        assert!(meter.table_growing(0, 10, None).expect("within the limit"));
        assert!(meter.table_growing(0, 1 << 31, None).is_err());
        assert_eq!(meter.exhausted(), Some(Limit::Table));
        assert!(meter.memory_growing(0, 100, None).expect("memory is untouched"));
    }

    #[test]
    fn the_guests_own_maximum_fails_softly_and_costs_nothing() {
        let mut meter = meter(100, 10);
        assert!(!meter.memory_growing(0, 50, Some(40)).expect("the guest's own limit"));
        assert_eq!((meter.peak_memory(), meter.exhausted()), (0, None));
    }

    #[test]
    fn a_maximum_no_lower_than_the_limit_does_not_hide_the_limit() {
        let mut meter = meter(100, 10);
        assert!(meter.table_growing(0, 1 << 31, Some(10)).is_err());
        assert_eq!(meter.exhausted(), Some(Limit::Table));
    }

    #[test]
    fn a_growth_that_fails_later_is_given_back() {
        let mut meter = meter(100, 10);
        assert!(meter.memory_growing(0, 100, None).expect("within the limit"));
        meter.memory_grow_failed(wasmtime::format_err!("no memory")).expect("never fails");
        assert!(meter.memory_growing(0, 100, None).expect("the room is free again"));
    }
}
