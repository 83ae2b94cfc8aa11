//! Error budgets: how much may fail, and how fast that is used up.

use serde::Serialize;
use toolcell_core::UnixMillis;

use super::odds::float;

/// What an objective leaves room for, and how much of it is gone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Budget {
    /// The share of calls that should complete.
    pub objective: f64,
    /// Calls that count: those that completed, and those whose failure speaks about the tool.
    pub calls: u64,
    /// Failures that the objective leaves room for among them.
    pub allowed: f64,
    /// Failures there were.
    pub failed: u64,
    /// The share of the room that is left; below 0 where it is overdrawn. None where nothing was called.
    pub left: Option<f64>,
    /// The windows in which it is used up too fast.
    pub burning: Vec<Burn>,
}

/// A pair of windows in both of which the budget is used up too fast: the long one shows that it matters, the short one that it
/// still goes on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Burn {
    /// The long window, in minutes.
    pub long_minutes: u64,
    /// The short one, in minutes.
    pub short_minutes: u64,
    /// The rate from which on it is too fast: 1 uses the budget of 30 days up in 30 days.
    pub threshold: f64,
    /// The rate in the long window.
    pub long: f64,
    /// The rate in the short one.
    pub short: f64,
    /// Calls in the short window.
    pub calls: u64,
}

/// Long window and short window in minutes, and the rate from which on both together matter. They are those of "The Site
/// Reliability Workbook" (Beyer et al. 2018), chapter 5, table 5-8: 2 % of a month's budget in an hour, 5 % in six hours, 10 % in
/// three days.
pub const WINDOWS: [(u64, u64, f64); 3] = [(60, 5, 14.4), (360, 30, 6.0), (4_320, 360, 1.0)];

/// Calls that the short window must have: the failure of the only call is no rate.
const FEWEST: u64 = 10;

impl Budget {
    /// The budget over a whole window. `calls` gives the moment of each call that counts, and whether it completed.
    pub(super) fn of(calls: &[(UnixMillis, bool)], objective: f64, now: UnixMillis) -> Self {
        let objective = objective.clamp(0.0, 0.999_999);
        let (all, failed) = count(calls, 0);
        let allowed = float(all) * (1.0 - objective);
        let rate = |minutes: u64| {
            let (all, failed) = count(calls, now.0.saturating_sub(minutes * 60_000));
            (all, if all == 0 { 0.0 } else { float(failed) / float(all) / (1.0 - objective) })
        };
        let burning = WINDOWS.iter().filter_map(|&(long_minutes, short_minutes, threshold)| {
            let ((_, long), (calls, short)) = (rate(long_minutes), rate(short_minutes));
            let burns = calls >= FEWEST && long > threshold && short > threshold;
            burns.then_some(Burn { long_minutes, short_minutes, threshold, long, short, calls })
        });
        let left = (all > 0).then(|| 1.0 - float(failed) / allowed);
        Self { objective, calls: all, allowed, failed, left, burning: burning.collect() }
    }
}

fn count(calls: &[(UnixMillis, bool)], since: u64) -> (u64, u64) {
    let within = calls.iter().filter(|(at, _)| at.0 >= since);
    within.fold((0, 0), |(all, failed), (_, completed)| (all + 1, failed + u64::from(!completed)))
}
