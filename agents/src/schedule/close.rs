//! The end of a run: what becomes of steps that never began, and what is given back.

use std::time::Duration;

use toolcell_core::json::quote;
use toolcell_core::runs::{RunState, Spent, StepKey, StepRecord, StepState};
use toolcell_core::{Failure, History, ResultText, UnixMillis};

use super::node::{ItemState, Unit};
use super::render::Values;
use super::run::{Driver, Stop};
use super::{Fault, RunEnd, StepEnd, Totals};
use crate::plan::Criticality;

impl Driver {
    /// Writes down how the run ended, or that it waits. None where an answer came meanwhile and it goes on.
    pub(super) async fn close(&mut self) -> Result<Option<RunEnd>, Fault> {
        let because = match &self.stop {
            Some(Stop::Cancelled) => Some("somebody cancelled the run".to_owned()),
            Some(Stop::Deadline) => Some("the run's deadline has passed".to_owned()),
            Some(Stop::Budget(name)) => Some(format!("the run's budget of {name} is spent")),
            Some(Stop::Store(_)) | None => None,
        };
        if let Some(because) = because {
            let records = self.leave(&because);
            self.conclude(records, RunState::Cancelled).await?;
            return Ok(Some(self.ended(RunState::Cancelled, Some(because), None)));
        }
        if !self.questions.is_empty() {
            self.conclude(Vec::new(), RunState::Waiting).await?;
            if let Ok(true) = self.answered().await {
                return Ok(None);
            }
            // Where that failed nothing is lost: whoever resumes the run finds the questions and the answers.
            let because = Some("a person must answer".to_owned());
            return Ok(Some(self.ended(RunState::Waiting, because, None)));
        }
        let failed = self.plan.steps.iter().zip(&self.nodes).find(|(step, node)| {
            let failed = node.end.as_ref().is_none_or(|end| matches!(end.state, StepState::Failed { .. }));
            failed && step.criticality != Criticality::Optional
        });
        let (state, because, output) = match failed {
            Some((step, _)) => (RunState::Failed, Some(format!("step `{}` failed", step.id)), None),
            None => match self.output() {
                Ok(output) => (RunState::Completed, None, Some(output)),
                Err(failure) => {
                    (RunState::Failed, Some(format!("the output cannot be made: {}", failure.message)), None)
                }
            },
        };
        self.conclude(Vec::new(), state).await?;
        Ok(Some(self.ended(state, because, output)))
    }

    /// Ends every step that has not ended.
    fn leave(&mut self, because: &str) -> Vec<StepRecord> {
        let now = self.shared.clock.now();
        let mut records = Vec::new();
        let cancelled = matches!(self.stop, Some(Stop::Cancelled));
        self.questions.clear();
        self.counts.waiting = 0;
        for step in 0..self.nodes.len() {
            if self.nodes[step].end.is_some() {
                continue;
            }
            if let Some(each) = self.nodes[step].each.take() {
                // Up to the last item that was looked at: nothing is written down of those behind it.
                for (place, item) in each.items.iter().enumerate().take(each.next) {
                    if matches!(item.state, ItemState::Open | ItemState::Asks) {
                        let unit = Unit { step, item: u32::try_from(place).ok() };
                        let used = self.before.remove(&unit).unwrap_or_default();
                        records.push(bare(self.key(unit), StepState::Cancelled, now, used));
                    }
                }
            }
            let state = if cancelled || self.nodes[step].begun {
                self.counts.cancelled += 1;
                StepState::Cancelled
            } else {
                self.counts.skipped += 1;
                StepState::Skipped { because: because.to_owned() }
            };
            let unit = Unit { step, item: None };
            let used = self.before.remove(&unit).unwrap_or_default();
            let record = bare(self.key(unit), state, now, used);
            records.push(record.clone());
            self.nodes[step].end = Some(record);
        }
        records
    }

    fn output(&self) -> Result<ResultText, Box<Failure>> {
        if let Some(template) = &self.plan.output {
            let values = Values::behind(&self.plan, &self.input, |step| self.nodes[step].result(), [template])?;
            return values.render(template).map(ResultText::new);
        }
        let mut out = String::from("{");
        let last = (0..self.nodes.len()).filter(|step| self.graph.needing(*step).is_empty());
        for (n, step) in last.enumerate() {
            if n > 0 {
                out.push(',');
            }
            quote(&self.plan.steps[step].id, &mut out);
            out.push(':');
            out.push_str(self.nodes[step].result().unwrap_or("null"));
        }
        out.push('}');
        Ok(ResultText::new(out))
    }

    fn ended(&mut self, state: RunState, because: Option<String>, output: Option<ResultText>) -> RunEnd {
        let questions: Vec<_> =
            self.questions.iter().map(|(unit, question)| (self.key(*unit), question.clone())).collect();
        let asked = |step: usize| {
            let from = Unit { step, item: None };
            let (_, question) = self.questions.range(from..).next().filter(|(unit, _)| unit.step == step)?;
            Some(StepState::Waiting { question: question.clone(), failure: None })
        };
        let asking: Vec<_> = (0..self.nodes.len()).map(asked).collect();
        let steps = self.nodes.iter_mut().zip(asking).zip(&self.plan.steps).map(|((node, asked), step)| {
            let id = step.id.clone();
            match node.end.take() {
                Some(StepRecord { state, duration_us, history, .. }) => {
                    StepEnd { id, state: Some(state), duration: Duration::from_micros(duration_us), history }
                }
                None => StepEnd { id, state: asked, duration: Duration::ZERO, history: History::default() },
            }
        });
        RunEnd {
            run: self.run,
            state,
            because,
            steps: steps.collect(),
            questions,
            output,
            totals: Totals { used: self.purse.used, ..self.totals },
            makespan: self.began.elapsed(),
        }
    }
}

/// A record without a history, for what has no call that came back since it was last written down.
fn bare(key: StepKey, state: StepState, now: UnixMillis, used: Spent) -> StepRecord {
    StepRecord { key, state, started: now, duration_us: 0, used, history: History::default() }
}
