//! What a call cost its caller in all, attempts that failed included.

use toolcell_core::{History, Outcome, Then};

/// What was used up, in the units of [`crate::plan::Budget`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Calls that left the layers. An attempt that the breaker refused or the deadline forestalled counts too: the layers
    /// never count too few.
    pub calls: u64,
    /// Fuel.
    pub fuel: u64,
    /// HTTP requests.
    pub http_requests: u64,
}

impl Spent {
    /// What an outcome cost. One that another call made costs nothing but the attempts before it.
    pub fn on(outcome: &Outcome) -> Self {
        let History { attempts, kept } = &outcome.history;
        // Where the call fell back, the attempt that failed is the one that the outcome's own receipt speaks of.
        let before = attempts.iter().filter(|attempt| attempt.then != Then::FellBack).count() as u64;
        let mut spent = Self { calls: before, ..Self::default() };
        for attempt in attempts {
            spent.fuel = spent.fuel.saturating_add(attempt.used.fuel);
            spent.http_requests = spent.http_requests.saturating_add(attempt.used.http_requests);
        }
        if kept.is_some() {
            return spent;
        }
        spent.calls += 1;
        if let Some(sealed) = &outcome.receipt {
            spent.fuel = spent.fuel.saturating_add(sealed.receipt.used.fuel);
            spent.http_requests = spent.http_requests.saturating_add(sealed.receipt.used.http_requests);
        }
        spent
    }
}
