//! What a run may still use up.

use toolcell_core::runs::Spent;
use toolcell_core::{Limit, Limits};

use crate::plan::Budget;

/// A run's budget and what was used of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Purse {
    budget: Budget,
    /// Calls that were given out and have not come back.
    out: u64,
    pub(super) used: Spent,
}

impl Purse {
    pub(super) fn new(budget: Budget) -> Self {
        Self { budget, ..Self::default() }
    }

    /// Takes one call out, with what it may use.
    ///
    /// Calls that are under way at one time are each told all that is left, so that fuel and requests can be overdrawn by as
    /// many calls as run at one time, and by no more: the next one finds nothing left.
    ///
    /// # Errors
    /// What is used up, by its name in the plan.
    pub(super) fn take(&mut self) -> Result<Option<Limits>, &'static str> {
        let left = |budget: Option<u64>, used: u64| budget.map(|budget| budget.saturating_sub(used));
        let Spent { calls, fuel, http_requests } = self.used;
        if left(self.budget.calls, calls.saturating_add(self.out)) == Some(0) {
            return Err("calls");
        }
        let mut limits = None;
        for (limit, name, left) in [
            (Limit::Fuel, "fuel", left(self.budget.fuel, fuel)),
            (Limit::HttpRequests, "http_requests", left(self.budget.http_requests, http_requests)),
        ] {
            let Some(left) = left else { continue };
            if left == 0 {
                return Err(name);
            }
            let all = limits.unwrap_or_else(Limits::ceiling);
            limits = Some(all.with(limit, left.min(limit.row().ceiling)).expect("at least 1 and at most the ceiling"));
        }
        self.out += 1;
        Ok(limits)
    }

    /// A call came back.
    pub(super) fn back(&mut self, used: Spent) {
        self.out = self.out.saturating_sub(1);
        self.add(used);
    }

    /// Something was used before.
    pub(super) fn add(&mut self, used: Spent) {
        self.used = self.used.and(used);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_told_what_is_left_and_none_goes_out_when_nothing_is() {
        let budget = Budget { calls: Some(3), fuel: Some(100), http_requests: None };
        let mut purse = Purse::new(budget);
        let left = |limits: Option<Limits>| limits.map(|limits| limits.get(Limit::Fuel));
        assert_eq!(purse.take().map(left), Ok(Some(100)));
        purse.back(Spent { calls: 2, fuel: 60, http_requests: 9 });
        let told = purse.take().expect("one call is left").expect("fuel is bounded");
        assert_eq!(told.get(Limit::Fuel), 40);
        assert_eq!(told.get(Limit::HttpRequests), Limit::HttpRequests.row().ceiling, "nobody bounds those");
        assert_eq!(purse.take(), Err("calls"), "one is under way");
        purse.back(Spent::default());
        purse.take().expect("that one was not made");
        purse.back(Spent { calls: 0, fuel: u64::MAX, http_requests: 0 });
        assert_eq!(purse.take(), Err("fuel"));
    }

    #[test]
    fn a_budget_beyond_the_ceiling_is_handed_on_as_the_ceiling() {
        let mut purse = Purse::new(Budget { calls: None, fuel: Some(u64::MAX), http_requests: Some(0) });
        assert_eq!(purse.take(), Err("http_requests"));
        purse = Purse::new(Budget { calls: None, fuel: Some(u64::MAX), http_requests: None });
        assert_eq!(
            purse.take().map(|limits| limits.map(|limits| limits.get(Limit::Fuel))),
            Ok(Some(Limit::Fuel.row().ceiling))
        );
    }
}
