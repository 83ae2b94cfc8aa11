//! The demo's batch: many searches against a slow upstream, how near that comes to the best that can be, and what a second time costs.

use serde_json::json;
use toolcell_agents::schedule::RunEnd;
use toolcell_core::runs::RunState;

use super::plans::follow;
use super::upstream::{LATENCY, Upstream};
use super::{claim, took};
use crate::exit::CliError;
use crate::terminal::{Style, out, say};
use crate::workbench::Workbench;

const PLAN: &str = include_str!("plans/batch.toml");

/// The plan's `concurrency`.
const AT_ONCE: u32 = 16;

const CONCEPTS: u32 = 57;

/// What is searched for about each concept.
const ASPECTS: [&str; 5] = ["definition", "example", "exercise", "history", "application"];

pub(super) async fn show(bench: &Workbench, upstream: &Upstream) -> Result<(), CliError> {
    let origin = upstream.origin();
    let about = |n: u32| {
        let origin = &origin;
        ASPECTS.map(|aspect| format!("{origin}/search?q=concept-{n}+{aspect}"))
    };
    let searches: Vec<String> = (1..=CONCEPTS).flat_map(about).collect();
    let each = u32::try_from(searches.len()).unwrap_or(u32::MAX);
    let (ideal, sequential, calls) = (LATENCY * each.div_ceil(AT_ONCE), LATENCY * each, u64::from(each));
    say(&format!(
        "  {CONCEPTS} concepts × {} searches, each a call in a fresh sandbox; the upstream takes {} ms, {AT_ONCE} at a time",
        ASPECTS.len(),
        LATENCY.as_millis()
    ));

    let input = json!({ "searches": searches });
    let first = follow(bench, PLAN, &input).await?;
    completed(&first, calls)?;
    let ratio = first.makespan.as_secs_f64() / ideal.as_secs_f64();
    say(&format!(
        "    first   {:>9}   the ideal is {}: {}",
        took(first.makespan),
        took(ideal),
        out(Style::Good, &format!("{ratio:.2} times that"))
    ));
    claim(ratio >= 1.0, || "no search was answered before the upstream could".to_owned())?;
    // How near the ideal it comes is the machine's affair; that it ran in parallel is not.
    claim(first.makespan < sequential, || {
        format!("the batch ran in parallel: it took {}, and {} in a row", took(first.makespan), took(sequential))
    })?;
    claim(first.totals.cached == 0, || "every search of the first time was sent".to_owned())?;

    let second = follow(bench, PLAN, &input).await?;
    completed(&second, calls)?;
    let kept = second.totals.cached;
    say(&format!(
        "    again   {:>9}   {} out of the cache ({kept} of {calls})",
        took(second.makespan),
        out(Style::Good, &format!("{} %", kept * 100 / calls)),
    ));
    claim(kept == calls, || format!("all {calls} results were kept, and not {kept}"))?;
    claim(results(&first) == results(&second), || "what was kept is what was found".to_owned())?;

    let asked = upstream.asked_below("/search");
    let (requests, twice) = (asked.len() as u64, asked.values().filter(|count| **count != 1).count());
    claim(requests == calls && twice == 0, || {
        format!("the upstream saw each of {calls} requests once; it saw {requests}, {twice} of them more than once")
    })?;
    say(&format!("    the upstream saw {requests} requests, {}", out(Style::Good, "each exactly once")));
    Ok(())
}

fn completed(end: &RunEnd, calls: u64) -> Result<(), CliError> {
    let because = || end.because.as_deref().unwrap_or("no reason");
    claim(end.state == RunState::Completed, || format!("the batch completed; it did not, because of {}", because()))?;
    // A result that was kept costs no call.
    let (made, kept) = (end.totals.used.calls, end.totals.cached);
    claim(made + kept == calls, || format!("{calls} searches were answered, and not {made} by a call and {kept} kept"))
}

fn results(end: &RunEnd) -> Option<&str> {
    end.output.as_ref().map(toolcell_core::ResultText::get)
}

#[cfg(test)]
mod tests {
    use super::super::plans::outline;
    use super::*;

    #[test]
    fn the_ideal_is_that_of_the_plans_own_concurrency() {
        let plan = outline(PLAN);
        assert_eq!(plan.concurrency, AT_ONCE as usize);
        assert!(plan.steps.len() == 1 && plan.steps[0].for_each.is_some());
    }
}
