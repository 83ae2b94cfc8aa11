//! Goes on with what is written down of a run.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;
use toolcell_core::failure::Question;
use toolcell_core::runs::{Answer, Answered, Kept, RunError, StepRecord, StepState};
use toolcell_core::{Failure, Kind, Recovery};

use super::node::{ItemState, Said, Unit};
use super::ready::NO_PLACE;
use super::run::{Deadline, Driver};
use super::{StartError, ask, later};

/// What a record that does not end its step becomes when a run goes on.
enum Next {
    /// It asks what it asked.
    Asks(Question),
    /// Its call is made (again).
    Call(Option<Said>),
    /// It has this state now, which is to be written down.
    State(Box<StepState>),
}

/// The largest page of records that a store gives.
const PAGE: u32 = 10_000;

impl Driver {
    /// Takes up every record that was kept, and finds the steps that can begin.
    pub(super) fn restore(&mut self, kept: Vec<Kept>) -> Result<(), StartError> {
        let plan = self.plan.clone();
        if let Some(deadline) = plan.deadline {
            let left = deadline.saturating_sub(busy(&kept));
            self.deadline = Some(Deadline { at: Instant::now() + left, wall: later(self.shared.clock.now(), left) });
        }
        let places: HashMap<&str, usize> = plan.steps.iter().enumerate().map(|(n, step)| (&*step.id, n)).collect();
        let mut asking = Vec::new();
        for kept in kept {
            let key = &kept.record.key;
            let found = places.get(&*key.step).copied();
            let Some(step) = found.filter(|step| key.item.is_none() || plan.steps[*step].for_each.is_some()) else {
                return Err(StartError::OtherPlan(key.clone()));
            };
            self.purse.add(kept.record.used);
            match (key.item, &kept.record.state) {
                (Some(_), _) => self.items.entry(step).or_default().push(kept),
                (None, StepState::Done { .. } | StepState::Failed { .. } | StepState::Skipped { .. }) => {
                    self.nodes[step].end = Some(kept.record);
                }
                (None, StepState::Cancelled) => {}
                (None, StepState::Started { .. } | StepState::Waiting { .. }) => asking.push((step, kept)),
            }
        }
        // In the order of the plan, in which every step stands behind what it needs.
        for step in 0..plan.steps.len() {
            let node = &self.nodes[step];
            let Some(record) = &node.end else { continue };
            match record.state {
                StepState::Done { .. } => self.counts.done += 1,
                StepState::Failed { .. } => self.counts.failed += 1,
                _ => self.counts.skipped += 1,
            }
            let nothing = node.gives_nothing(&plan.steps[step]);
            for next in self.graph.needing(step) {
                let node = &mut self.nodes[*next];
                node.left -= 1;
                if nothing && node.blocked.is_none() {
                    node.blocked = Some(step);
                }
            }
        }
        let mut waits = vec![false; plan.steps.len()];
        for (step, kept) in asking {
            waits[step] = !self.take_up(Unit { step, item: None }, kept);
        }
        let ready = (0..plan.steps.len())
            .rev()
            .filter(|step| self.nodes[*step].left == 0 && self.nodes[*step].end.is_none() && !waits[*step]);
        self.unblocked.extend(ready);
        self.counts.waiting = self.questions.len();
        Ok(())
    }

    /// Takes up the items of a step that were written down before.
    pub(super) fn restore_items(&mut self, step: usize) {
        for kept in self.items.remove(&step).unwrap_or_default() {
            let Some(item) = kept.record.key.item else { continue };
            let unit = Unit { step, item: Some(item) };
            let Some(each) = &mut self.nodes[step].each else { return };
            let Some(found) = each.items.get_mut(item as usize) else { continue };
            match kept.record.state {
                StepState::Done { result } => {
                    found.state = ItemState::Done(result);
                    each.open -= 1;
                }
                StepState::Failed { failure } => {
                    found.state = ItemState::Failed(failure);
                    each.open -= 1;
                }
                StepState::Started { .. } | StepState::Waiting { .. } => {
                    found.state = ItemState::Asks;
                    if self.take_up(unit, kept)
                        && let Some(each) = &mut self.nodes[step].each
                    {
                        each.items[item as usize].state = ItemState::Open;
                    }
                }
                StepState::Skipped { .. } | StepState::Cancelled => {}
            }
        }
        self.counts.waiting = self.questions.len();
    }

    /// Takes up a record that did not end its step. Answers whether its call is to be made.
    fn take_up(&mut self, unit: Unit, kept: Kept) -> bool {
        self.nodes[unit.step].begun = true;
        let Kept { record, answer } = kept;
        self.before.insert(unit, record.used);
        match self.next(unit, &record, answer) {
            Next::Asks(question) => {
                self.questions.insert(unit, question);
                false
            }
            Next::Call(said) => {
                self.questions.remove(&unit);
                if let Some(said) = said {
                    self.said.insert(unit, said);
                }
                true
            }
            Next::State(state) => {
                self.questions.remove(&unit);
                if !matches!(*state, StepState::Waiting { .. }) {
                    self.before.remove(&unit);
                }
                self.note(unit, StepRecord { state: *state, ..record });
                false
            }
        }
    }

    fn next(&self, unit: Unit, record: &StepRecord, answer: Option<Answered>) -> Next {
        let key = &record.key;
        let StepState::Waiting { question, failure } = &record.state else {
            let question = ask::unknown(key, &self.plan.steps[unit.step].tool);
            return Next::State(Box::new(StepState::Waiting { question, failure: None }));
        };
        let Some(Answered { answer, by, .. }) = answer else { return Next::Asks(question.clone()) };
        match answer {
            Answer::Retry => Next::Call(None),
            Answer::Say { .. } if self.plan.steps[unit.step].answer_at.is_none() => {
                let question = ask::again(question, NO_PLACE);
                Next::State(Box::new(StepState::Waiting { question, failure: failure.clone() }))
            }
            Answer::Say { text } => {
                Next::Call(Some(Said { text, question: question.clone(), failure: failure.clone() }))
            }
            Answer::Result { result } => Next::State(Box::new(StepState::Done { result })),
            Answer::Fail => {
                let failure = failure.clone().unwrap_or_else(|| {
                    let message = format!("the outcome of its call is unknown, and {by} decided that it failed");
                    let mut failure = Failure::new(Kind::Cancelled, message);
                    failure.recovery = Recovery::Stop;
                    Box::new(failure)
                });
                Next::State(Box::new(StepState::Failed { failure }))
            }
        }
    }

    /// Takes up the answers that came while the run still went on. Answers whether there were any.
    ///
    /// Whoever answers a run that waits resumes it; who answered just before relies on this. The run is claimed anew where
    /// there is an answer, because it counts as waiting already.
    ///
    /// # Errors
    /// Where the store fails, or somebody else has taken the run over.
    pub(super) async fn answered(&mut self) -> Result<bool, RunError> {
        let mut after = None;
        let mut found = Vec::new();
        loop {
            let page = self.shared.runs.steps(self.run, after.as_ref(), PAGE).await?;
            after = page.last().map(|kept| kept.record.key.clone());
            let full = page.len() == PAGE as usize;
            found.extend(page.into_iter().filter(|kept| kept.answer.is_some()));
            if !full {
                break;
            }
        }
        if found.is_empty() {
            return Ok(false);
        }
        let head = self.shared.runs.head(&self.tenant, self.run).await?;
        if head.fence != self.fence {
            return Err(RunError::Overtaken);
        }
        self.fence = self.shared.runs.claim(&self.tenant, self.run).await?.fence;
        let mut answers: HashMap<_, _> = found.into_iter().map(|kept| (kept.record.key.clone(), kept)).collect();
        let asking: Vec<Unit> = self.questions.keys().copied().collect();
        let mut any = false;
        for unit in asking {
            let Some(kept) = answers.remove(&self.key(unit)) else { continue };
            any = true;
            if !self.take_up(unit, kept) {
                continue;
            }
            match (unit.item, &mut self.nodes[unit.step].each) {
                (Some(item), Some(each)) => {
                    each.items[item as usize].state = ItemState::Open;
                    each.next = each.next.min(item as usize);
                    self.feed(unit.step);
                }
                _ => self.unblocked.push(unit.step),
            }
        }
        self.counts.waiting = self.questions.len();
        Ok(any)
    }
}

/// How long at least one step was under way. Only that counts against a run's deadline: waiting for a person and the time
/// between a crash and the resumption do not.
fn busy(kept: &[Kept]) -> Duration {
    let mut spans: Vec<(u64, u64)> = kept
        .iter()
        .map(|kept| {
            let from = kept.record.started.0.saturating_mul(1_000);
            (from, from.saturating_add(kept.record.duration_us))
        })
        .collect();
    spans.sort_unstable();
    let (mut busy, mut until) = (0_u64, 0);
    for (from, to) in spans {
        busy = busy.saturating_add(to.saturating_sub(from.max(until)));
        until = until.max(to);
    }
    Duration::from_micros(busy)
}
