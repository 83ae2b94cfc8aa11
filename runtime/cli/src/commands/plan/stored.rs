//! Runs as the store has them: `list`, `show`, `cancel`, `remove`, and what other commands need to name one.

use std::collections::{HashMap, HashSet};

use toolcell_agents::plan::{self, Format, Plan};
use toolcell_core::runs::{Kept, RunError, RunHead, RunState, RunStore as _, StepKey, StepState};
use toolcell_core::{Clock as _, RunId, Tenant};
use toolcell_host::schema::inert;
use toolcell_review::rfc3339;
use toolcell_store::Store;

use super::super::{print_json, say_json};
use super::wire::{Head, Whole};
use crate::args::{PlanListArgs, PlanOneArgs, PlanShowArgs};
use crate::exit::{CliError, Exit};
use crate::home::{self, SystemClock};
use crate::paths::Paths;
use crate::terminal::{Style, err, out, say};

/// Steps that are read at one time.
const PAGE: u32 = 1_000;

/// Runs among which the first digits of one are looked for.
const RECENT: u32 = 1_000;

pub(super) fn list(paths: &Paths, args: &PlanListArgs) -> Result<Exit, CliError> {
    let runs = match home::store_if_there(paths)? {
        Some(store) => home::runtime()?
            .block_on(store.list(&Tenant::default(), args.state, None, args.limit))
            .map_err(|error| unusable(&error))?,
        None => Vec::new(),
    };
    for head in &runs {
        if args.json {
            say_json(&Head::of(head))?;
        } else {
            let (state, when) = (shown(head.state), out(Style::Dim, &rfc3339(head.run.created)));
            say(&format!("{}  {when}  {state}  {}", head.run.id, inert(&head.run.caller, 80)));
        }
    }
    if runs.is_empty() && !args.json {
        eprintln!("no such runs; `toolcell plan run FILE` begins one");
    }
    if runs.iter().any(|head| head.state == RunState::Running) && !args.json {
        let note = err(Style::Dim, "note:");
        eprintln!("{note} a run whose process was killed is `running` too; `toolcell plan resume RUN` goes on with it");
    }
    Ok(Exit::Ok)
}

pub(super) fn show(paths: &Paths, args: &PlanShowArgs) -> Result<Exit, CliError> {
    let store = home::store_if_there(paths)?.ok_or_else(no_such_run)?;
    let (head, mut kept) = home::runtime()?.block_on(async {
        let head = find(&store, &Tenant::default(), &args.run).await?;
        let kept = steps(&store, head.run.id).await?;
        Ok::<_, CliError>((head, kept))
    })?;
    let plan = outline(&head);
    let places: HashMap<_, _> =
        plan.iter().flat_map(|plan| &plan.steps).zip(0..).map(|(step, n)| (&*step.id, n)).collect();
    let place = |key: &StepKey| places.get(&*key.step).copied().unwrap_or(usize::MAX);
    kept.sort_by_key(|kept| place(&kept.record.key));
    if args.json {
        print_json(&Whole::of(&head, &kept))?;
        return Ok(Exit::Ok);
    }
    let (state, begun) = (shown(head.state), rfc3339(head.run.created));
    say(&format!("{}  {state}  {}, begun {begun}", head.run.id, inert(&head.run.caller, 300)));
    for kept in &kept {
        say(&format!("  {}", line(kept)));
    }
    let known: HashSet<_> = kept.iter().map(|kept| &*kept.record.key.step).collect();
    let left = places.keys().filter(|step| !known.contains(*step)).count();
    if left > 0 && !head.state.ended() {
        say(&match left {
            1 => "  1 more step has not begun".to_owned(),
            left => format!("  {left} more steps have not begun"),
        });
    }
    if kept.iter().any(|kept| matches!(kept.record.state, StepState::Done { .. })) {
        eprintln!("{} `--json` shows results whole", err(Style::Dim, "note:"));
    }
    Ok(Exit::Ok)
}

pub(super) fn cancel(paths: &Paths, args: &PlanOneArgs) -> Result<Exit, CliError> {
    let store = home::store_if_there(paths)?.ok_or_else(no_such_run)?;
    home::runtime()?.block_on(async {
        let found = find(&store, &Tenant::default(), &args.run).await?;
        if found.state.ended() {
            return Err(CliError::failed(format!("the run has ended ({})", found.state.name()))
                .next(format!("`toolcell plan remove {}` forgets it.", found.run.id)));
        }
        let head = store.claim(&found.run.tenant, found.run.id).await.map_err(|error| unusable(&error))?;
        let mut left: Vec<_> = steps(&store, head.run.id).await?.into_iter().map(|kept| kept.record).collect();
        // What asks is not to be answered any more, and of what was under way nobody will know.
        left.retain(|record| matches!(record.state, StepState::Started { .. } | StepState::Waiting { .. }));
        for record in &mut left {
            record.state = StepState::Cancelled;
        }
        let (run, now) = (head.run.id, SystemClock.now());
        let ended = store.commit(run, head.fence, &left, Some(RunState::Cancelled), now).await;
        ended.map_err(|error| unusable(&error))?;
        say(&format!("{} {}", out(Style::Warn, "cancelled"), head.run.id));
        Ok(Exit::Ok)
    })
}

pub(super) fn remove(paths: &Paths, args: &PlanOneArgs) -> Result<Exit, CliError> {
    let store = home::store_if_there(paths)?.ok_or_else(no_such_run)?;
    home::runtime()?.block_on(async {
        let head = find(&store, &Tenant::default(), &args.run).await?;
        store.remove(&head.run.tenant, head.run.id).await.map_err(|error| match error {
            RunError::NotEnded => CliError::failed("the run has not ended")
                .next(format!("`toolcell plan cancel {}` ends it.", head.run.id)),
            error => unusable(&error),
        })?;
        say(&format!("{} {}", out(Style::Warn, "removed"), head.run.id));
        Ok(Exit::Ok)
    })
}

/// The run of that id, or of those first digits where only one run has them.
pub(crate) async fn find(store: &Store, tenant: &Tenant, text: &str) -> Result<RunHead, CliError> {
    if let Ok(id) = text.parse::<RunId>() {
        return store.head(tenant, id).await.map_err(|error| match error {
            RunError::NotFound => no_such_run(),
            error => unusable(&error),
        });
    }
    if text.len() < 4 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(CliError::usage(format!("`{}` names no run", inert(text, 60)))
            .next("Write the run's 32 digits, or at least the first four."));
    }
    let recent = store.list(tenant, None, None, RECENT).await.map_err(|error| unusable(&error))?;
    let start = text.to_ascii_lowercase();
    let mut meant = recent.into_iter().map(|head| head.run.id).filter(|id| id.to_string().starts_with(&start));
    match (meant.next(), meant.next()) {
        (Some(one), None) => store.head(tenant, one).await.map_err(|error| unusable(&error)),
        (None, _) => Err(no_such_run()),
        (Some(_), Some(_)) => {
            Err(CliError::usage(format!("several runs begin with `{start}`")).next("Write more digits."))
        }
    }
}

/// The plan of a run; none where this version reads it no longer.
pub(crate) fn outline(head: &RunHead) -> Option<Plan> {
    plan::read(&head.run.plan, Format::Json).and_then(|written| plan::outline(&written)).ok()
}

/// Every record of a run.
pub(crate) async fn steps(store: &Store, run: RunId) -> Result<Vec<Kept>, CliError> {
    let mut all: Vec<Kept> = Vec::new();
    loop {
        let after = all.last().map(|kept| kept.record.key.clone());
        let page = store.steps(run, after.as_ref(), PAGE).await.map_err(|error| unusable(&error))?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// A step as it is typed: `step` or `step[item]`.
pub(crate) fn key(text: &str) -> Result<StepKey, CliError> {
    let item = text.strip_suffix(']').and_then(|text| text.split_once('['));
    match item {
        None => Ok(StepKey { step: text.into(), item: None }),
        Some((step, item)) => {
            let no_place = |_| CliError::usage(format!("`{}` is no place in a list", inert(item, 40)));
            Ok(StepKey { step: step.into(), item: Some(item.parse().map_err(no_place)?) })
        }
    }
}

pub(crate) fn unusable(error: &RunError) -> CliError {
    let mut text = CliError::failed("the store of runs cannot do that").because(error);
    if let RunError::Unavailable(unavailable) = error {
        text.causes.push(unavailable.detail.clone());
    }
    text
}

pub(crate) fn no_such_run() -> CliError {
    CliError::failed("there is no such run").next("`toolcell plan list` shows the runs that are kept.")
}

/// The state of a run, in its colour.
pub(crate) fn shown(state: RunState) -> String {
    let style = match state {
        RunState::Completed => Style::Good,
        RunState::Failed => Style::Bad,
        RunState::Waiting | RunState::Cancelled => Style::Warn,
        RunState::Running => Style::Name,
    };
    out(style, &format!("{:<9}", state.name()))
}

fn line(kept: &Kept) -> String {
    let record = &kept.record;
    let (style, text) = match &record.state {
        StepState::Done { result } => (Style::Good, inert(result.get(), 200)),
        StepState::Failed { failure } => (Style::Bad, inert(&failure.to_string(), 300)),
        StepState::Waiting { question, .. } if kept.answer.is_some() => {
            (Style::Warn, format!("answered, goes on with `resume`: {}", inert(&question.text, 200)))
        }
        StepState::Waiting { question, .. } => (Style::Warn, inert(&question.text, 300)),
        StepState::Skipped { because } => (Style::Dim, inert(because, 300)),
        StepState::Started { .. } | StepState::Cancelled => (Style::Warn, String::new()),
    };
    let ms = record.duration_us / 1_000;
    let state = out(style, &format!("{:<9}", record.state.name()));
    let line = format!("{state} {ms:>8} ms  {}  {text}", out(Style::Name, &inert(&record.key.to_string(), 120)));
    line.trim_end().to_owned()
}

/// What is said where nobody can go on but a person.
pub(crate) fn tell_how_to_answer(run: RunId) {
    eprintln!("{} `toolcell answer {run}` shows what it asks, and answers", err(Style::Good, "next:"));
}
