//! What a person or a machine sees of a run while it goes on.

use std::fmt::Write as _;
use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use toolcell_agents::schedule::{Counts, Happening, Watch};
use toolcell_core::runs::{RunState, StepKey};
use toolcell_core::{Event, RunId};
use toolcell_host::schema::inert;

use crate::terminal::{Style, err, say, watched};

/// How often a machine that watches no terminal is told how the run stands, where it is told at all.
const SOMETIMES: Duration = Duration::from_secs(10);

/// Shows a run.
pub(super) struct Live {
    how: How,
    bar: ProgressBar,
    told: Mutex<Instant>,
    moves: Once,
}

/// For whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Nobody.
    Quiet,
    /// A machine: events on stdout, one a line.
    Json,
    /// A person: a moving line on a terminal, plain lines elsewhere.
    Person,
}

impl Live {
    pub(super) fn new(how: How) -> Self {
        let moving = how == How::Person && watched();
        let target = if moving { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template("  {spinner} {msg} {elapsed:.dim}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        Self { how, bar, told: Mutex::new(Instant::now()), moves: Once::new() }
    }

    /// A line that stays.
    fn line(&self, text: &str) {
        self.bar.suspend(|| eprintln!("  {text}"));
    }

    fn stands(&self, counts: &Counts) {
        if self.bar.is_hidden() {
            let mut told = self.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if told.elapsed() < SOMETIMES {
                return;
            }
            *told = Instant::now();
            self.line(&said(counts));
        } else {
            // Not before there is something to say: other lines are written until then.
            self.moves.call_once(|| self.bar.enable_steady_tick(Duration::from_millis(120)));
            self.bar.set_message(said(counts));
        }
    }

    fn person(&self, what: &Happening<'_>) {
        match what {
            Happening::StepStarted { counts, .. } | Happening::RunEnded { counts, .. } => self.stands(counts),
            Happening::StepEvent { key, event } => self.event(key, event),
            Happening::StepEnded { key, state, counts } => {
                // Items may be a hundred thousand; those that went well speak for themselves.
                if key.item.is_none() || *state != "done" {
                    let style = match *state {
                        "done" => Style::Good,
                        "failed" => Style::Bad,
                        "skipped" => Style::Dim,
                        _ => Style::Warn,
                    };
                    self.line(&format!("{} {}", err(style, &format!("{state:<9}")), name(key)));
                }
                self.stands(counts);
            }
            Happening::Waiting { key, question, counts } => {
                let asks = err(Style::Warn, &format!("{:<9}", "asks"));
                self.line(&format!("{asks} {}: {}", name(key), inert(&question.text, 400)));
                self.stands(counts);
            }
        }
    }

    fn event(&self, key: &StepKey, event: &Event) {
        match event {
            Event::Log { level, message } if *level >= toolcell_core::LogLevel::Warn => {
                self.line(&format!("{} {}: {}", err(Style::Dim, "log      "), name(key), inert(message, 400)));
            }
            Event::Preparing => {
                self.bar.set_message(format!("preparing {}", name(key)));
            }
            _ => {}
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Watch for Live {
    fn happened(&self, run: RunId, what: Happening<'_>) {
        match self.how {
            How::Quiet => {}
            How::Json => say(&as_json(run, &what).to_string()),
            How::Person => self.person(&what),
        }
    }
}

fn name(key: &StepKey) -> String {
    inert(&key.to_string(), 120)
}

fn said(counts: &Counts) -> String {
    let ended = counts.done + counts.failed + counts.skipped + counts.cancelled;
    let mut text = format!("{ended} of {} steps", counts.steps);
    for (many, what) in [(counts.under_way, "under way"), (counts.failed, "failed"), (counts.waiting, "waiting")] {
        if many > 0 {
            let _ = write!(text, ", {many} {what}");
        }
    }
    text
}

fn as_json(run: RunId, what: &Happening<'_>) -> Value {
    let event = |name: &str, key: &StepKey| json!({ "event": name, "run": run, "step": key.step, "item": key.item });
    match what {
        Happening::StepStarted { key, counts } => with(event("step-started", key), counts),
        Happening::StepEvent { key, event: said } => {
            let mut value = event("step-event", key);
            value["said"] = serde_json::to_value(said).unwrap_or_default();
            value
        }
        Happening::StepEnded { key, state, counts } => {
            let mut value = event("step-ended", key);
            value["state"] = (*state).into();
            with(value, counts)
        }
        Happening::Waiting { key, question, counts } => {
            let mut value = event("waiting", key);
            value["question"] = serde_json::to_value(question).unwrap_or_default();
            with(value, counts)
        }
        Happening::RunEnded { state, counts } => {
            with(json!({ "event": "run-ended", "run": run, "state": RunState::name(*state) }), counts)
        }
    }
}

fn with(mut value: Value, counts: &Counts) -> Value {
    value["counts"] = json!({
        "steps": counts.steps, "done": counts.done, "failed": counts.failed, "skipped": counts.skipped,
        "cancelled": counts.cancelled, "under_way": counts.under_way, "waiting": counts.waiting,
    });
    value
}
