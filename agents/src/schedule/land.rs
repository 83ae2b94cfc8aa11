//! What an outcome makes of a step.

use toolcell_core::runs::{Spent, StepRecord, StepState};
use toolcell_core::{Attempt, Failure, History, Kind, Recovery, ResultText, Then};

use super::ask;
use super::node::{ItemState, Landed, Since, Unit};
use super::run::Driver;
use super::watch::Happening;
use crate::plan::Criticality;

impl Driver {
    /// A call came back.
    pub(super) fn landed(&mut self, landed: Landed) {
        let Landed { unit, call, since, outcome, permit } = landed;
        drop(permit);
        self.under_way.remove(&unit);
        self.counts.under_way = self.under_way.len();
        let used = Spent::on(&outcome);
        self.purse.back(used);
        let mut history = outcome.history;
        self.totals.cached += u64::from(history.kept.is_some());
        let repaired = history.attempts.iter().any(|attempt| matches!(attempt.then, Then::Changed { .. }));
        self.totals.repaired += u64::from(repaired && outcome.verdict.result().is_some());
        let again = history.attempts.iter().filter(|attempt| matches!(attempt.then, Then::Again { .. }));
        self.totals.retried += again.count() as u64;
        let state = match outcome.verdict {
            toolcell_core::Verdict::Completed { result } => StepState::Done { result },
            toolcell_core::Verdict::Failed { failure }
            | toolcell_core::Verdict::Denied { failure }
            | toolcell_core::Verdict::Exhausted { failure }
            | toolcell_core::Verdict::Trapped { failure }
            | toolcell_core::Verdict::Cancelled { failure } => {
                let kind = failure.kind;
                let state = self.failed(unit, failure);
                if matches!(state, StepState::Done { .. }) {
                    let (fingerprint, duration_us) = (None, since.micros());
                    let used = toolcell_core::receipt::Used::default();
                    let then = Then::FellBack;
                    history.attempts.push(Attempt { call, kind, fingerprint, duration_us, used, then });
                }
                state
            }
        };
        self.conclude_unit(unit, state, since, used, history);
    }

    /// What a failure makes of a step: a question, its fallback value, or its end.
    pub(super) fn failed(&self, unit: Unit, failure: Box<Failure>) -> StepState {
        let step = &self.plan.steps[unit.step];
        let key = self.key(unit);
        // Whoever cancelled a call does not want to be asked about it.
        if failure.recovery == Recovery::Ask && failure.kind != Kind::Cancelled {
            return StepState::Waiting { question: ask::about(&key, &failure), failure: Some(failure) };
        }
        if let Some(result) = &step.fallback {
            return StepState::Done { result: result.clone() };
        }
        if step.criticality == Criticality::Critical {
            return StepState::Waiting { question: ask::critical(&key, &failure), failure: Some(failure) };
        }
        StepState::Failed { failure }
    }

    /// Has the state of a step or an item written down, and what its last call used.
    pub(super) fn conclude_unit(&mut self, unit: Unit, state: StepState, since: Since, used: Spent, history: History) {
        let used = self.before.remove(&unit).unwrap_or_default().and(used);
        if matches!(state, StepState::Waiting { .. }) {
            self.before.insert(unit, used);
        }
        let (key, duration_us) = (self.key(unit), since.micros());
        let record = StepRecord { key, state, started: since.wall, duration_us, used, history };
        self.note(unit, record);
        if unit.item.is_some()
            && let Some(each) = &mut self.nodes[unit.step].each
        {
            each.active -= 1;
            self.feed(unit.step);
        }
    }

    /// An item's state is written down.
    pub(super) fn item_settled(&mut self, step: usize, item: u32, state: StepState) {
        let Some(each) = &mut self.nodes[step].each else { return };
        let state = match state {
            StepState::Done { result } => ItemState::Done(result),
            StepState::Failed { failure } => ItemState::Failed(failure),
            _ => ItemState::Asks,
        };
        let ended = state != ItemState::Asks;
        each.items[item as usize].state = state;
        each.open -= usize::from(ended);
        self.gather(step);
    }

    /// Ends a step that goes over a list once all its items have ended.
    pub(super) fn gather(&mut self, step: usize) {
        let optional = self.plan.steps[step].criticality == Criticality::Optional;
        let Some(each) = &self.nodes[step].each else { return };
        if each.open > 0 {
            return;
        }
        let failures: Vec<(usize, &Failure)> = each
            .items
            .iter()
            .enumerate()
            .filter_map(|(place, item)| match &item.state {
                ItemState::Failed(failure) => Some((place, &**failure)),
                _ => None,
            })
            .collect();
        let state = match failures.first() {
            Some((_, first)) if !optional => {
                StepState::Failed { failure: of_items(&failures, first, each.items.len()) }
            }
            _ => {
                let mut list = String::from("[");
                for (place, item) in each.items.iter().enumerate() {
                    if place > 0 {
                        list.push(',');
                    }
                    match &item.state {
                        ItemState::Done(result) => list.push_str(result.get()),
                        _ => list.push_str("null"),
                    }
                }
                list.push(']');
                StepState::Done { result: ResultText::new(list) }
            }
        };
        let since = each.since;
        self.nodes[step].each = None;
        self.conclude_unit(Unit { step, item: None }, state, since, Spent::default(), History::default());
    }

    /// A step has ended: those that need it may be able to begin.
    pub(super) fn end(&mut self, step: usize, record: StepRecord) {
        if self.nodes[step].end.is_some() {
            return;
        }
        let counted = match record.state {
            StepState::Done { .. } => &mut self.counts.done,
            StepState::Failed { .. } => &mut self.counts.failed,
            StepState::Skipped { .. } => &mut self.counts.skipped,
            _ => &mut self.counts.cancelled,
        };
        *counted += 1;
        self.tell(Happening::StepEnded { key: &record.key, state: record.state.name(), counts: self.counts });
        self.nodes[step].end = Some(record);
        let nothing = self.nodes[step].gives_nothing(&self.plan.steps[step]);
        // The last one first, because the list is worked off from its end.
        for next in self.graph.needing(step).iter().rev() {
            let node = &mut self.nodes[*next];
            node.left -= 1;
            if nothing && node.blocked.is_none() {
                node.blocked = Some(step);
            }
            if node.left == 0 {
                self.unblocked.push(*next);
            }
        }
    }
}

/// The failure of a step some of whose items failed.
fn of_items(failures: &[(usize, &Failure)], first: &Failure, all: usize) -> Box<Failure> {
    const NAMED: usize = 10;
    let mut places: Vec<_> = failures.iter().take(NAMED).map(|(place, _)| place.to_string()).collect();
    if failures.len() > NAMED {
        places.push(format!("{} more", failures.len() - NAMED));
    }
    let message = format!(
        "{} of {all} items failed, at the places {} of the list; the first: {}",
        failures.len(),
        places.join(", "),
        first.message
    );
    let mut failure = Failure::new(first.kind, message);
    failure.recovery = first.recovery;
    failure.hints.clone_from(&first.hints);
    Box::new(failure)
}
