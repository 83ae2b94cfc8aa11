//! How many calls a call and all that it calls have made together.
//!
//! Each call has a tally of its own, for its receipt and its own limit, and charges those of the calls above it with it.
//! What is left of a limit cannot be handed down as a number: no limit can be zero, so whoever has nothing left would
//! still give one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use toolcell_core::{Limit, Limits};

use super::ends::Exhausted;

/// The nested calls of one call, those that its callees make included.
#[derive(Debug)]
pub struct Tally {
    used: AtomicU64,
    most: u64,
    above: Option<Arc<Self>>,
    is_over: AtomicBool,
}

impl Tally {
    /// Of a call with these limits, made by the one whose tally is above.
    pub fn new(limits: &Limits, above: Option<Arc<Self>>) -> Self {
        Self { used: AtomicU64::new(0), most: limits.get(Limit::NestedCalls), above, is_over: AtomicBool::new(false) }
    }

    /// Counts one more call, here and above, before it is made; where one of them may make no more, it counts nowhere.
    ///
    /// # Errors
    /// With the limit of whoever may make no more.
    pub fn charge(&self) -> Result<(), Exhausted> {
        let full = |_| Exhausted { limit: Limit::NestedCalls, value: self.most };
        let add = |used: u64| (used < self.most).then_some(used + 1);
        // Relaxed: nothing else is published through these values.
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).map_err(full)?;
        let Some(above) = &self.above else { return Ok(()) };
        above.charge_for_another().inspect_err(|_| {
            self.used.fetch_sub(1, Ordering::Relaxed);
        })
    }

    /// How many were made.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether a call that this one made was refused a call because this one may make no more.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn charge_for_another(&self) -> Result<(), Exhausted> {
        if self.used() >= self.most {
            self.is_over.store(true, Ordering::Relaxed);
        }
        self.charge()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(most: u64, above: Option<&Arc<Tally>>) -> Arc<Tally> {
        let limits = Limits::default().with(Limit::NestedCalls, most).expect("in range");
        Arc::new(Tally::new(&limits, above.cloned()))
    }

    #[test]
    fn calls_within_calls_share_the_limits_of_all_above_them() {
        let first = tally(3, None);
        let second = tally(3, Some(&first));
        let third = tally(3, Some(&second));
        first.charge().expect("the first of three");
        second.charge().expect("the second");
        third.charge().expect("the third");
        let refused = Err(Exhausted { limit: Limit::NestedCalls, value: 3 });
        assert_eq!(third.charge(), refused);
        assert_eq!([first.used(), second.used(), third.used()], [3, 2, 1]);
        assert_eq!([first.is_over(), second.is_over(), third.is_over()], [true, false, false]);
        assert_eq!([second.charge(), first.charge()], [refused, refused]);
    }

    #[test]
    fn a_callee_s_own_smaller_limit_ends_the_callee_alone() {
        let first = tally(9, None);
        let second = tally(1, Some(&first));
        second.charge().expect("the one");
        assert_eq!(second.charge(), Err(Exhausted { limit: Limit::NestedCalls, value: 1 }));
        assert_eq!((first.used(), first.is_over(), second.is_over()), (1, false, false));
    }
}
