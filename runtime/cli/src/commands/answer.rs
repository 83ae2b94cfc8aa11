//! `toolcell answer`

use serde::Serialize;
use serde_json::json;
use toolcell_core::runs::{Answer, Answered, RunError, RunHead, RunState, RunStore as _, StepKey, StepState};
use toolcell_core::{Arguments, Clock as _, Limits, ResultText, RunId, Tenant};
use toolcell_host::schema::inert;
use toolcell_store::Store;

use super::plan::stored::{self, find, steps};
use super::print_json;
use crate::args::AnswerArgs;
use crate::environment::USER;
use crate::exit::{CliError, Exit};
use crate::home::{self, SystemClock};
use crate::paths::Paths;
use crate::terminal::{Style, err, out, say};

/// Runs that are looked through for questions.
const MOST_RUNS: u32 = 1_000;

pub(crate) fn run(args: &AnswerArgs) -> Result<Exit, CliError> {
    let paths = Paths::from_environment()?;
    let Some(store) = home::store_if_there(&paths)? else {
        if args.run.is_some() {
            return Err(stored::no_such_run());
        }
        eprintln!("no run asks anything");
        return Ok(Exit::Ok);
    };
    home::runtime()?.block_on(async {
        let tenant = Tenant::default();
        let mut runs = Vec::new();
        if let Some(run) = &args.run {
            runs.push(find(&store, &tenant, run).await?);
        } else {
            // One that was killed, or that goes on meanwhile, may ask as well.
            for state in [RunState::Waiting, RunState::Running] {
                let found = store.list(&tenant, Some(state), None, MOST_RUNS).await;
                runs.extend(found.map_err(|error| stored::unusable(&error))?);
            }
        }
        match (decision(args)?, runs.as_slice()) {
            (Some(answer), [run]) => decide(&store, run, args, answer).await,
            _ => list(&store, &runs, args).await,
        }
    })
}

/// What was decided; none where only questions are wanted.
fn decision(args: &AnswerArgs) -> Result<Option<Answer>, CliError> {
    Ok(match (&args.say, &args.result) {
        (Some(text), _) => Some(Answer::Say { text: text.clone() }),
        (None, Some(result)) => {
            let no = |error: &dyn std::error::Error| CliError::usage("the result is no JSON").because(error);
            let text = Arguments::from_text(result.as_str()).map_err(|error| no(&error))?;
            let json = text.parse(&Limits::default()).map_err(|error| no(&error))?;
            Some(Answer::Result { result: ResultText::new(json.to_text()) })
        }
        (None, None) if args.retry => Some(Answer::Retry),
        (None, None) if args.fail => Some(Answer::Fail),
        (None, None) => None,
    })
}

/// What was kept, with every digit of a result.
#[derive(Serialize)]
struct Said<'a> {
    run: RunId,
    #[serde(flatten)]
    key: &'a StepKey,
    answered: &'a Answer,
}

async fn decide(store: &Store, run: &RunHead, args: &AnswerArgs, answer: Answer) -> Result<Exit, CliError> {
    let id = run.run.id;
    let key = match &args.step {
        Some(step) => stored::key(step)?,
        None => only(store, run).await?,
    };
    if let Answer::Say { text } = &answer {
        sayable(store, run, &key, text).await?;
    }
    let by = args.by.clone().or_else(|| USER.get().and_then(|name| name.into_string().ok())).unwrap_or_default();
    let answered = give(store, run, &key, answer, by).await?;
    if args.json {
        print_json(&Said { run: id, key: &key, answered: &answered.answer })?;
    } else {
        say(&format!("{} {}", out(Style::Good, "answered"), inert(&key.to_string(), 120)));
        eprintln!("{} `toolcell plan resume {id}` goes on with the run", err(Style::Good, "next:"));
    }
    Ok(Exit::Ok)
}

/// Writes an answer down. It takes effect when the run is resumed.
pub(crate) async fn give(
    store: &Store,
    run: &RunHead,
    key: &StepKey,
    answer: Answer,
    by: String,
) -> Result<Answered, CliError> {
    let (id, tenant) = (run.run.id, &run.run.tenant);
    let answered = Answered { answer, by, at: SystemClock.now() };
    store.answer(tenant, id, key, &answered).await.map_err(|error| match error {
        RunError::NotWaiting => {
            CliError::failed(format!("`{}` of this run asks nothing", inert(&key.to_string(), 120)))
                .next("`toolcell answer` lists the open questions.")
        }
        RunError::Answered => CliError::failed("this question was answered already")
            .next(format!("`toolcell plan resume {id}` goes on with it.")),
        error => stored::unusable(&error),
    })?;
    Ok(answered)
}

/// Whether what is said is an answer that the run can use.
async fn sayable(store: &Store, run: &RunHead, key: &StepKey, text: &str) -> Result<(), CliError> {
    let shown = inert(&key.to_string(), 120);
    let plan = stored::outline(run);
    let step = plan.iter().flat_map(|plan| &plan.steps).find(|step| step.id == key.step);
    if step.is_some_and(|step| step.answer_at.is_none()) {
        return Err(CliError::failed(format!("the plan has no place for what is said to `{shown}`"))
            .next("Answer with `--retry`, `--result JSON` or `--fail`; in the plan, `answer-at` names such a place."));
    }
    let kept = steps(store, run.run.id).await?;
    let found = kept.iter().find(|kept| kept.record.key == *key).map(|kept| &kept.record.state);
    let Some(StepState::Waiting { question, failure }) = found else { return Ok(()) };
    let choices = &question.choices;
    let offered = choices.is_empty() || choices.iter().any(|choice| choice == text);
    let tools = failure.as_ref().is_some_and(|failure| failure.question.is_some());
    if tools && !offered {
        let choices: Vec<_> = choices.iter().map(|choice| inert(choice, 120)).collect();
        return Err(CliError::failed(format!("`{}` is none of the answers on offer", inert(text, 120))).next(format!(
            "Say one of: {}. Or answer with `--retry`, `--result JSON` or `--fail`.",
            choices.join(", ")
        )));
    }
    // The host asks for a decision; its words would go into the arguments of a call.
    if !tools && !choices.is_empty() && offered {
        return Err(CliError::usage(format!("`{text}` is a decision, and not to be said"))
            .next(format!("Write `--{text}`, without `--say`.")));
    }
    Ok(())
}

/// The one question of a run.
async fn only(store: &Store, run: &RunHead) -> Result<StepKey, CliError> {
    let mut asked = steps(store, run.run.id).await?;
    asked.retain(|kept| matches!(kept.record.state, StepState::Waiting { .. }));
    let any = !asked.is_empty();
    let open: Vec<_> = asked.into_iter().filter(|kept| kept.answer.is_none()).collect();
    match open.as_slice() {
        [one] => Ok(one.record.key.clone()),
        [] if any => Err(CliError::failed("everything that this run asks is answered")
            .next(format!("`toolcell plan resume {}` goes on with it.", run.run.id))),
        [] => Err(CliError::failed("this run asks nothing").next("`toolcell answer` lists the open questions.")),
        several => {
            let keys: Vec<_> = several.iter().take(8).map(|kept| inert(&kept.record.key.to_string(), 120)).collect();
            Err(CliError::usage(format!("this run asks {} questions", several.len()))
                .next(format!("Name the step: {}.", keys.join(", "))))
        }
    }
}

async fn list(store: &Store, runs: &[RunHead], args: &AnswerArgs) -> Result<Exit, CliError> {
    let mut found = 0;
    for run in runs {
        for kept in steps(store, run.run.id).await? {
            let StepState::Waiting { question, failure } = &kept.record.state else { continue };
            if kept.answer.is_some() {
                continue;
            }
            found += 1;
            let key = &kept.record.key;
            if args.json {
                let line = json!({
                    "run": run.run.id, "step": key.step, "item": key.item, "question": question, "failure": failure,
                });
                say(&line.to_string());
                continue;
            }
            let step = out(Style::Name, &inert(&key.to_string(), 120));
            say(&format!("{}  {step}  {}", run.run.id, inert(&question.text, 1_000)));
            if !question.choices.is_empty() {
                let choices: Vec<_> = question.choices.iter().map(|choice| inert(choice, 120)).collect();
                say(&format!("    {} {}", out(Style::Dim, "choices"), choices.join(", ")));
            }
            if let Some(failure) = failure {
                say(&format!("    {} {}", out(Style::Dim, "because"), inert(&failure.to_string(), 400)));
            }
        }
    }
    if !args.json {
        if found == 0 {
            eprintln!("no run asks anything");
        } else {
            let next = "`toolcell answer RUN STEP` with `--say TEXT`, `--retry`, `--result JSON` or `--fail`";
            eprintln!("{} {next}", err(Style::Good, "next:"));
        }
    }
    Ok(Exit::Ok)
}
