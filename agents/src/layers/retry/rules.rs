//! How often, and how soon, a call that failed is made again.

use std::collections::BTreeSet;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use toolcell_core::{Kind, Limit, ToolId};

use crate::plan::Criticality;

/// The operator's rules.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Attempts after which a failure of each category is final.
    pub attempts: [(Category, Attempts); CATEGORIES.len()],
    /// The longest wait before the second attempt; each further one may be twice as long. The wait itself is drawn from
    /// nothing up to that, so that calls that failed together do not come back together.
    pub first_wait: Duration,
    /// The longest wait before any attempt that no failure asked for.
    pub longest_wait: Duration,
    /// The longest wait that a failure may ask for. One that asks for more is final: to come back sooner would be rude,
    /// and the number is the tool's word.
    pub longest_asked: Duration,
    /// The tools that do a call with an idempotency key once, however often it is made.
    pub keyed: BTreeSet<ToolId>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            attempts: std::array::from_fn(|n| (CATEGORIES[n].category, CATEGORIES[n].attempts)),
            first_wait: Duration::from_millis(50),
            longest_wait: Duration::from_secs(10),
            longest_asked: Duration::from_mins(1),
            keyed: BTreeSet::new(),
        }
    }
}

impl Rules {
    /// How many attempts a call may have in all whose last failure is of this kind.
    pub fn attempts(&self, kind: Kind, criticality: Criticality) -> u32 {
        let category = Category::of(kind);
        let row = self.attempts.iter().find(|row| row.0 == category);
        row.map_or(1, |row| row.1.of(criticality)).min(MOST_ATTEMPTS)
    }

    /// The longest wait before the second attempt, the third, and so on without end.
    pub(super) fn ceilings(&self) -> ExponentialBackoff {
        ExponentialBuilder::new()
            .with_factor(2.0)
            .with_min_delay(self.first_wait.min(self.longest_wait))
            .with_max_delay(self.longest_wait)
            .without_max_times()
            .build()
    }
}

/// The most attempts that any rules come to.
pub const MOST_ATTEMPTS: u32 = 10;

/// Attempts in all, the first included, by how much the call's success matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts {
    /// Where the plan goes on without it.
    pub optional: u32,
    /// Where the plan fails without it.
    pub required: u32,
    /// Where a person is asked before it fails.
    pub critical: u32,
}

impl Attempts {
    fn of(self, criticality: Criticality) -> u32 {
        match criticality {
            Criticality::Optional => self.optional,
            Criticality::Required => self.required,
            Criticality::Critical => self.critical,
        }
    }
}

/// What kind of trouble a failure that may pass is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// The host has no place for the call.
    Busy,
    /// What the tool needs does not answer.
    Away,
    /// The host itself could not go on.
    Host,
    /// It took longer than it may.
    Slow,
    /// The tool's code broke. Once may be the random numbers of that call; twice is a fault of the tool.
    Broke,
    /// Whatever else says that the same call may work later.
    Other,
}

/// A row of the table of categories.
#[derive(Debug)]
pub struct Row {
    /// The category.
    pub category: Category,
    /// The kinds in it.
    pub kinds: &'static [Kind],
    /// Attempts where nobody sets others.
    pub attempts: Attempts,
    /// Whether the failure proves that nothing was done, so that even a call that must not be repeated may be made.
    pub nothing_done: bool,
}

const fn attempts(optional: u32, required: u32, critical: u32) -> Attempts {
    Attempts { optional, required, critical }
}

/// Every category. Time that ran out costs its whole length each time, and a broken host seldom mends within seconds:
/// both are tried less.
pub const CATEGORIES: &[Row; 6] = &[
    Row {
        category: Category::Busy,
        kinds: &[Kind::Limit(Limit::QueueTime), Kind::Limit(Limit::QueueLength), Kind::Limit(Limit::Rate)],
        attempts: attempts(2, 4, 6),
        nothing_done: true,
    },
    Row { category: Category::Away, kinds: &[Kind::Unavailable], attempts: attempts(2, 4, 6), nothing_done: false },
    Row { category: Category::Host, kinds: &[Kind::HostFault], attempts: attempts(1, 2, 3), nothing_done: false },
    Row {
        category: Category::Slow,
        kinds: &[Kind::Limit(Limit::Time), Kind::Limit(Limit::HttpTime)],
        attempts: attempts(1, 2, 3),
        nothing_done: false,
    },
    Row { category: Category::Broke, kinds: &[Kind::Trap], attempts: attempts(1, 2, 2), nothing_done: false },
    Row { category: Category::Other, kinds: &[], attempts: attempts(1, 2, 3), nothing_done: false },
];

impl Category {
    /// The category of a kind.
    pub fn of(kind: Kind) -> Self {
        CATEGORIES.iter().find(|row| row.kinds.contains(&kind)).map_or(Self::Other, |row| row.category)
    }

    /// Whether a failure of it proves that nothing was done.
    pub fn nothing_done(self) -> bool {
        CATEGORIES.iter().any(|row| row.category == self && row.nothing_done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_grows_up_to_its_longest_and_goes_on_for_ever() {
        let rules = Rules { longest_wait: Duration::from_millis(450), ..Rules::default() };
        let waits: Vec<u64> =
            rules.ceilings().take(100).map(|wait| wait.as_millis().try_into().expect("small")).collect();
        assert_eq!(waits[..5], [50, 100, 200, 400, 450]);
        assert_eq!(waits.len(), 100);
    }

    #[test]
    fn no_setting_gives_more_attempts_than_the_most() {
        let mut rules = Rules::default();
        rules.attempts[1].1.critical = u32::MAX;
        assert_eq!(rules.attempts(Kind::Unavailable, Criticality::Critical), MOST_ATTEMPTS);
        assert_eq!(rules.attempts(Kind::Unavailable, Criticality::Optional), 2);
    }

    #[test]
    fn only_a_call_that_never_began_has_done_nothing() {
        for row in CATEGORIES {
            assert_eq!(row.category.nothing_done(), row.category == Category::Busy);
            assert!(row.kinds.iter().all(|kind| Category::of(*kind) == row.category));
        }
        assert_eq!(Category::of(Kind::ToolFailed), Category::Other);
    }
}
