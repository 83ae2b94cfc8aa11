//! The demo's question: a step that a person must decide about pauses itself and not its run, and what was done stays done.

use serde_json::json;
use toolcell_core::runs::{Answer, RunState, StepKey};
use toolcell_core::{RunId, Tenant};
use toolcell_host::schema::inert;

use super::super::answer::give;
use super::super::plan::run::go_on;
use super::super::plan::stored::find;
use super::plans::{ended, follow, step};
use super::upstream::Upstream;
use super::{claim, took};
use crate::exit::CliError;
use crate::terminal::{Style, out, say};
use crate::workbench::Workbench;

const PLAN: &str = include_str!("plans/question.toml");

/// The step that asks.
const ASKS: &str = "sealed";

/// The page that somebody has to unlock.
const SEALED: &str = "/sealed";

/// The page that is read once that one was.
const AFTER: &str = "/page/after";

/// Pages that need nobody.
const PAGES: usize = 5;

/// Runs the plan up to its question.
pub(super) async fn ask(bench: &Workbench, upstream: &Upstream) -> Result<RunId, CliError> {
    let end = follow(bench, PLAN, &json!({ "origin": upstream.origin() })).await?;
    claim(end.state == RunState::Waiting, || format!("the run waits for a person; it is {}", end.state.name()))?;
    let [(key, question)] = end.questions.as_slice() else {
        return claim(false, || "exactly one step asks".to_owned()).map(|()| end.run);
    };
    say(&format!(
        "  {}  {}: {}",
        out(Style::Warn, "asks"),
        out(Style::Name, &key.to_string()),
        inert(&question.text, 600)
    ));
    say(&format!("        {} {}", out(Style::Dim, "choices"), question.choices.join(", ")));
    let done = step(&end, "pages")?.state.as_ref().is_some_and(|state| state.name() == "done");
    claim(done, || "the pages beside it were read all the same".to_owned())?;
    let begun = upstream.asked(AFTER);
    claim(begun == 0 && step(&end, "after")?.state.is_none(), || "what needs its answer has not begun".to_owned())?;
    say(&format!(
        "  the run waits after {}; the {PAGES} pages beside the question are read, what needs its answer has not begun",
        took(end.makespan)
    ));
    Ok(end.run)
}

/// Answers as `toolcell answer` does, and goes on with the run as `toolcell plan resume` does.
pub(super) async fn answer(bench: &Workbench, upstream: &Upstream, run: RunId) -> Result<(), CliError> {
    let head = find(bench.store(), &Tenant::default(), &run.to_string()).await?;
    upstream.unseal();
    let key = StepKey { step: ASKS.into(), item: None };
    give(bench.store(), &head, &key, Answer::Retry, "the demo".to_owned()).await?;
    say(&format!(
        "  {}  the demo is the person here: it unlocked the page, and says `toolcell answer {:.8} {ASKS} --retry`",
        out(Style::Good, "answered"),
        run.to_string()
    ));
    let (handle, _) = go_on(bench, &run.to_string()).await?;
    let end = ended(handle).await?;
    claim(end.state == RunState::Completed, || format!("the run completed; it is {}", end.state.name()))?;
    let mut pages = upstream.asked_below("/page/");
    let after = pages.remove(AFTER).unwrap_or_default();
    let (sealed, again) = (upstream.asked(SEALED), pages.values().filter(|count| **count != 1).count());
    claim(pages.len() == PAGES && again == 0, || {
        format!("what was done was not done again: {again} of {} pages were asked for twice", pages.len())
    })?;
    claim((sealed, after) == (2, 1), || {
        format!("the sealed page was asked for twice and the last one once, and not {sealed} and {after} times")
    })?;
    say(&format!(
        "  resumed by another host over the same home, whose cache is empty: completed in {}",
        took(end.makespan)
    ));
    say(&format!(
        "  the upstream saw the {PAGES} pages {}, the sealed one twice, the one after it once",
        out(Style::Good, "once each, before and after"),
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::plans::outline;
    use super::*;

    #[test]
    fn only_the_last_step_needs_the_one_that_asks() {
        let plan = outline(PLAN);
        let asks = plan.steps.iter().position(|step| &*step.id == ASKS).expect("it is there");
        let needing: Vec<_> = plan.steps.iter().filter(|step| step.needs.contains(&asks)).collect();
        assert!(needing.len() == 1 && &*needing[0].id == "after");
    }
}
