//! The demo's plan in parallel: calls that fail in several ways, what each was repaired by, and the siblings that did not notice.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use toolcell_agents::schedule::{RunEnd, StepEnd};
use toolcell_core::fixes::{Edit, Fix, FixStore};
use toolcell_core::runs::{RunState, StepState};
use toolcell_core::{Attempt, Change, ChangeKind, Repairer, Tenant, Then};
use toolcell_host::schema::inert;

use super::plans::{follow, step, together};
use super::upstream::{RETRY_AFTER_S, Upstream};
use super::{claim, took};
use crate::exit::CliError;
use crate::terminal::{Style, out, say};
use crate::workbench::Workbench;

/// A failure and the caller's own correction of it.
const LESSON: &str = include_str!("plans/lesson.toml");

/// The calls that fail, and some that do not.
const PLAN: &str = include_str!("plans/repaired.toml");

/// The tool that has something to remember.
const TAUGHT: &str = "leads.conversion";

/// The longest excerpt of a value that is shown, in characters.
const SHOWN: usize = 48;

/// What must become of a step.
#[derive(Clone, Copy)]
enum Must {
    /// Repaired by a rule, with a change of this kind.
    Rule(ChangeKind),
    /// Repaired by what was remembered.
    Memory,
    /// Made again as it was, so often.
    Again(usize),
    /// Given the plan's own value.
    FallBack,
    /// Failed, and nobody minds.
    Fail,
    /// Done at once.
    Complete,
}

/// Each step: its id, what is wrong with its call, and what must become of it.
const STEPS: &[(&str, &str, Must)] = &[
    ("misnamed", "a name with two letters swapped", Must::Rule(ChangeKind::Renamed)),
    ("as-text", "a number that is a text", Must::Rule(ChangeKind::Number)),
    ("near-miss", "a case of an enum, nearly", Must::Rule(ChangeKind::Case)),
    ("stringified", "JSON inside a string", Must::Rule(ChangeKind::Parsed)),
    ("remembered", "what failed in the lesson", Must::Memory),
    ("busy", "503 with Retry-After, then 429", Must::Again(2)),
    ("gone", "404", Must::FallBack),
    ("extra", "a folder that is not there; optional", Must::Fail),
    ("tiers", "", Must::Complete),
    ("companies", "", Must::Complete),
    ("words", "", Must::Complete),
    ("value", "", Must::Complete),
];

/// Teaches one fix, runs the plan, and shows what became of each step.
pub(super) async fn show(bench: &Workbench, source: &Path, upstream: &Upstream) -> Result<(), CliError> {
    lesson(bench).await?;
    let end = follow(bench, PLAN, &input(source, &upstream.origin())?).await?;
    say("");
    for (id, wrong, must) in STEPS {
        let step = step(&end, id)?;
        tell(step, wrong);
        claim(became(step, *must), || format!("the step `{id}` ended as it must"))?;
    }
    claim(end.steps.len() == STEPS.len(), || "every step of the plan was looked at".to_owned())?;
    whole(&end, upstream)
}

/// A caller asks for a column by a name that the data has not, and corrects itself. No rule could know the right one.
async fn lesson(bench: &Workbench) -> Result<(), CliError> {
    // What an earlier demo taught is forgotten, so that this one can be seen to learn.
    for fix in remembered(bench).await? {
        bench.store().forget(&fix.tenant, fix.id).await.map_err(|error| unusable(&error))?;
    }
    let asks = |column: &str| json!({ "source": { "file": "/data/leads.csv" }, "by": column });
    let input = json!({ "asked": asks("sector"), "corrected": asks("industry") });
    let end = follow(bench, LESSON, &input).await?;
    let failed = match &step(&end, "asked")?.state {
        Some(StepState::Failed { failure }) => inert(&failure.message, 200),
        _ => return claim(false, || "a column that is not there was refused, and no rule made one up".to_owned()),
    };
    let fixes = remembered(bench).await?;
    let edit = fixes.iter().flat_map(|fix| &fix.edits).next();
    let Some(Edit::Replace { at, from, to }) = edit else {
        return claim(false, || "the caller's own correction was remembered".to_owned());
    };
    claim(end.state == RunState::Completed, || "the corrected call completed".to_owned())?;
    say(&format!("  a lesson: {} by \"sector\" failed: {failed}", out(Style::Name, TAUGHT)));
    say("  No rule can know better. The caller's next call did, and the difference is remembered:");
    say(&format!("    {at}: {from} {} {to}", out(Style::Dim, "→")));
    Ok(())
}

/// The fixes for the tool that is taught.
async fn remembered(bench: &Workbench) -> Result<Vec<Fix>, CliError> {
    let all = FixStore::list(bench.store(), &Tenant::default(), None, 10_000).await;
    let mut fixes = all.map_err(|error| unusable(&error))?;
    fixes.retain(|fix| fix.tool == TAUGHT);
    Ok(fixes)
}

fn unusable(error: &toolcell_core::store::Unavailable) -> CliError {
    CliError::failed("the demo's memory cannot be used").because(error)
}

/// The arguments, as a model may write them.
fn input(source: &Path, origin: &str) -> Result<Value, CliError> {
    let path = source.join("tools-wasm/graph/data/concepts.json");
    let text = std::fs::read_to_string(&path)
        .map_err(|error| CliError::failed(format!("cannot read `{}`", path.display())).because(&error))?;
    let concepts: Value = serde_json::from_str(&text)
        .map_err(|error| CliError::failed("the concept graph is no JSON").because(&error))?;
    let goal = concepts.as_array().and_then(|all| all.last()).map_or(Value::Null, |last| last["id"].clone());
    let file = json!({ "file": "/data/leads.csv" });
    Ok(json!({
        "origin": origin,
        "misnamed": { "concepts": concepts, "gaol": goal, "known": [] },
        "as-text": { "folder": "/docs", "text": "greedy dog loses everything", "limit": "3" },
        "near-miss": { "source": file, "candidates": "Not_Won", "limit": 3 },
        "stringified": { "concepts": text },
        "remembered": { "source": file, "by": "sector" },
    }))
}

fn changes(step: &StepEnd, who: Repairer) -> impl Iterator<Item = &Change> {
    step.history.attempts.iter().flat_map(move |attempt| match &attempt.then {
        Then::Changed { by, changes } if *by == who => changes.as_slice(),
        _ => &[],
    })
}

fn waits(step: &StepEnd) -> Vec<u64> {
    let waited = |attempt: &Attempt| match attempt.then {
        Then::Again { waited_ms } => Some(waited_ms),
        _ => None,
    };
    step.history.attempts.iter().filter_map(waited).collect()
}

fn fell_back(step: &StepEnd) -> bool {
    step.history.attempts.iter().any(|attempt| attempt.then == Then::FellBack)
}

fn became(step: &StepEnd, must: Must) -> bool {
    let done = is_done(step);
    match must {
        Must::Rule(kind) => done && changes(step, Repairer::Rule).any(|change| change.kind == kind),
        Must::Memory => done && changes(step, Repairer::Memory).next().is_some(),
        Must::Again(times) => {
            let waits = waits(step);
            done && waits.len() == times && waits.first().is_some_and(|waited| *waited >= RETRY_AFTER_S * 1_000)
        }
        Must::FallBack => done && fell_back(step),
        Must::Fail => matches!(step.state, Some(StepState::Failed { .. })),
        Must::Complete => done && step.history.is_empty(),
    }
}

/// A step, with one line for each thing that was done about its failures.
fn tell(step: &StepEnd, wrong: &str) {
    let (style, word) = match &step.state {
        Some(StepState::Done { .. }) if step.history.is_empty() => (Style::Good, "done"),
        Some(StepState::Done { .. }) if fell_back(step) => (Style::Warn, "fell back"),
        Some(StepState::Done { .. }) if !waits(step).is_empty() => (Style::Good, "retried"),
        Some(StepState::Done { .. }) => (Style::Good, "repaired"),
        Some(StepState::Failed { .. }) => (Style::Warn, "failed"),
        other => (Style::Bad, other.as_ref().map_or("not begun", StepState::name)),
    };
    let again = step.history.attempts.iter().filter(|attempt| attempt.then != Then::FellBack).count();
    let calls = if again == 0 { "1 call ".to_owned() } else { format!("{} calls", again + 1) };
    let line = format!(
        "  {}  {} {calls}  {:>9}  {wrong}",
        out(style, &format!("{word:<10}")),
        out(Style::Name, &format!("{:<12}", step.id)),
        took(step.duration),
    );
    say(line.trim_end());
    for attempt in &step.history.attempts {
        for line in about(attempt) {
            say(&format!("              {line}"));
        }
    }
    if let Some(StepState::Failed { failure }) = &step.state {
        let text = format!("{}: {}", out(Style::Warn, failure.kind.name()), inert(&failure.message, 160));
        say(&format!("              {text}"));
    }
}

/// What was done about an attempt that failed, one line for each change.
fn about(attempt: &Attempt) -> Vec<String> {
    let (arrow, kind) = (out(Style::Dim, "→"), out(Style::Warn, attempt.kind.name()));
    let time = out(Style::Dim, &format!("after {}", took(Duration::from_micros(attempt.duration_us))));
    let line = |text: String| format!("{kind} {time} {arrow} {text}");
    match &attempt.then {
        Then::Again { waited_ms } => vec![line(format!("waited {waited_ms} ms, the same call again"))],
        Then::FellBack => vec![format!("{kind} {arrow} the plan's own value")],
        Then::Changed { by, changes } => {
            let by = match by {
                Repairer::Rule => "by rule",
                Repairer::Memory => "from memory",
                Repairer::Model => "by a model",
                Repairer::Person => "by a person",
            };
            let show = |value: &Option<String>| excerpt(value.as_deref().unwrap_or("nothing"));
            let change = |change: &Change| {
                let (before, after) = (show(&change.before), show(&change.after));
                line(format!("{by}: {} {}: {before} {arrow} {after}", change.pointer, change.kind.name()))
            };
            changes.iter().map(change).collect()
        }
    }
}

fn excerpt(text: &str) -> String {
    let mut cut: String = text.chars().take(SHOWN).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    inert(&cut, 4 * SHOWN)
}

/// What holds for the run as a whole.
fn whole(end: &RunEnd, upstream: &Upstream) -> Result<(), CliError> {
    let of = |wanted: fn(&Must) -> bool| STEPS.iter().filter(|(_, _, must)| wanted(must)).count();
    let ended = |step: &StepEnd| matches!(step.state, Some(StepState::Done { .. } | StepState::Failed { .. }));
    claim(end.steps.iter().all(ended), || "every step came to an end of its own".to_owned())?;
    claim(end.state == RunState::Completed, || "the run completed".to_owned())?;
    let output: Value = end.output.as_ref().and_then(|text| serde_json::from_str(text.get()).ok()).unwrap_or_default();
    let expected = json!({ "busy": "here at last", "notice": "there is no notice today", "extra": null });
    claim(output == expected, || format!("the run gave back {expected}, and not {output}"))?;
    let busy = upstream.asked("/busy");
    claim(busy == 3, || format!("the busy page was asked for three times, and not {busy}"))?;
    say("");
    say(&format!(
        "  {} of {} calls failed: {} were repaired, {} was made again {} times, {} had a value to fall back to, {} was optional",
        STEPS.len() - of(|must| matches!(must, Must::Complete)),
        STEPS.len(),
        end.totals.repaired,
        of(|must| matches!(must, Must::Again(_))),
        end.totals.retried,
        of(|must| matches!(must, Must::FallBack)),
        of(|must| matches!(must, Must::Fail)),
    ));
    // All of them begin at once, so that whoever took longer was under way.
    let lost = step(end, "extra")?;
    let siblings: Vec<_> = end.steps.iter().filter(|other| other.duration > lost.duration).collect();
    let (many, done) = (siblings.len(), siblings.iter().filter(|step| is_done(step)).count());
    claim(many > 0 && done == many, || {
        format!("no failure cancels a sibling: {many} were under way when one failed, and {done} completed")
    })?;
    say(&format!(
        "  when `{}` failed for good, {many} siblings were under way: {}",
        lost.id,
        out(Style::Good, &format!("{done} of {many} completed, none was cancelled"))
    ));
    say(&format!(
        "  all of it in {}, {RETRY_AFTER_S} s of that because the upstream asked for it; its steps one after the other: {}",
        out(Style::Good, &took(end.makespan)),
        took(together(end)),
    ));
    Ok(())
}

fn is_done(step: &StepEnd) -> bool {
    matches!(step.state, Some(StepState::Done { .. }))
}

#[cfg(test)]
mod tests {
    use super::super::plans::outline;
    use super::*;

    #[test]
    fn every_step_of_the_plan_is_looked_at_and_most_of_them_fail() {
        let plan = outline(PLAN);
        let ids: Vec<_> = plan.steps.iter().map(|step| &*step.id).collect();
        let looked: Vec<_> = STEPS.iter().map(|(id, ..)| *id).collect();
        assert_eq!(ids, looked);
        assert!(STEPS.len() <= plan.concurrency, "all of them begin at once");
        assert!(plan.steps.iter().all(|step| step.needs.is_empty()));
    }

    #[test]
    fn the_lesson_is_about_the_tool_that_is_taught() {
        assert!(outline(LESSON).steps.iter().all(|step| &*step.tool == TAUGHT));
    }

    #[test]
    fn a_value_is_shown_in_part_and_cannot_act_on_a_terminal() {
        assert_eq!(excerpt("\"3\""), "\"3\"");
        let long = excerpt(&"é".repeat(100));
        assert!(long.chars().count() == SHOWN + 1 && long.ends_with('…'), "{long}");
        assert!(!excerpt("\u{1b}[2J").contains('\u{1b}'));
    }

    #[test]
    fn what_must_be_repaired_is_not_content_with_a_result_alone() {
        let done = StepState::Done { result: toolcell_core::ResultText::new("1".to_owned()) };
        let step = StepEnd {
            id: "a".into(),
            state: Some(done),
            duration: Duration::from_millis(1),
            history: toolcell_core::History::default(),
        };
        assert!(became(&step, Must::Complete));
        for must in [Must::Rule(ChangeKind::Renamed), Must::Memory, Must::Again(2), Must::FallBack, Must::Fail] {
            assert!(!became(&step, must));
        }
    }
}
