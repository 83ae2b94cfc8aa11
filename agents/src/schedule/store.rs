//! Writes down what has ended: everything at once that came while the last commit was under way.

use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::time::Instant;
use toolcell_core::runs::{RunError, RunState, StepRecord, StepState};

use super::Fault;
use super::node::Unit;
use super::run::{Driver, Entry, Stop, pause};
use super::watch::Happening;

/// A commit that came back, with what it was to write.
pub(super) struct Written {
    units: Vec<Unit>,
    records: Vec<StepRecord>,
    answer: Result<(), RunError>,
}

/// How many records one commit holds at most, so that none keeps the store from other runs for long.
const BATCH: usize = 10_000;

impl Driver {
    /// Puts a record into the next commit.
    pub(super) fn note(&mut self, unit: Unit, record: StepRecord) {
        self.pending.push_back(Entry { unit, record });
    }

    /// Starts a commit, where there is something to write and none is under way.
    pub(super) fn write(&mut self) {
        let stopped = matches!(self.stop, Some(Stop::Store(_)));
        if self.pending.is_empty() || self.writing.is_some() || self.patience.is_some() || stopped {
            return;
        }
        let batch = self.pending.drain(..self.pending.len().min(BATCH));
        let (units, records): (Vec<_>, Vec<_>) = batch.map(|entry| (entry.unit, entry.record)).unzip();
        let (shared, run, fence) = (Arc::clone(&self.shared), self.run, self.fence);
        let commit = async move {
            let answer = shared.runs.commit(run, fence, &records, None, shared.clock.now()).await;
            Written { units, records, answer }
        };
        self.writing = Some(commit.boxed());
    }

    /// A commit came back.
    ///
    /// # Errors
    /// Where the run is somebody else's now, or gone.
    pub(super) fn written(&mut self, written: Written) -> Result<(), Fault> {
        let Written { units, records, answer } = written;
        match answer {
            Ok(()) => {
                self.refused = 0;
                for (unit, record) in units.into_iter().zip(records) {
                    self.settled(unit, record);
                }
            }
            Err(error @ RunError::Unavailable(_)) => {
                for (unit, record) in units.into_iter().zip(records).rev() {
                    let replaced = matches!(record.state, StepState::Started { .. }) && !self.held.contains_key(&unit);
                    if !replaced {
                        self.pending.push_front(Entry { unit, record });
                    }
                }
                self.refused += 1;
                match pause(self.refused) {
                    Some(pause) => self.patience = Some(Instant::now() + pause),
                    None => self.stop(Stop::Store(error)),
                }
            }
            Err(error) => {
                self.recall();
                return Err(Fault::Store { error, unwritten: records });
            }
        }
        Ok(())
    }

    /// The last attempt of a run that its store has left, when nothing of it is under way any more.
    pub(super) async fn last_write(&mut self) -> Result<(), Fault> {
        let unwritten: Vec<_> = self.pending.drain(..).map(|entry| entry.record).collect();
        let now = self.shared.clock.now();
        let answer = self.shared.runs.commit(self.run, self.fence, &unwritten, None, now).await;
        let first = match self.stop.take() {
            Some(Stop::Store(error)) => error,
            _ => RunError::NotFound,
        };
        Err(match answer {
            Ok(()) => Fault::Store { error: first, unwritten: Vec::new() },
            Err(error) => Fault::Store { error, unwritten },
        })
    }

    /// Writes the run's own state, and the last records with it; waits for the store as long as any commit does.
    pub(super) async fn conclude(&mut self, mut records: Vec<StepRecord>, state: RunState) -> Result<(), Fault> {
        let mut refused = 0;
        loop {
            let last = records.len() <= BATCH;
            let batch = &records[..records.len().min(BATCH)];
            let now = self.shared.clock.now();
            let answer = self.shared.runs.commit(self.run, self.fence, batch, last.then_some(state), now).await;
            match answer {
                Ok(()) if last => return Ok(()),
                Ok(()) => {
                    records.drain(..BATCH);
                    refused = 0;
                }
                Err(error) => {
                    refused += 1;
                    let pause = pause(refused).filter(|_| matches!(error, RunError::Unavailable(_)));
                    let Some(pause) = pause else { return Err(Fault::Store { error, unwritten: records }) };
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// A record is written down: what waited for that goes on.
    fn settled(&mut self, unit: Unit, record: StepRecord) {
        match &record.state {
            StepState::Started { .. } => {
                if let Some(held) = self.held.remove(&unit) {
                    self.go(unit, held);
                }
                return;
            }
            StepState::Waiting { question, .. } => {
                self.questions.insert(unit, question.clone());
                self.counts.waiting = self.questions.len();
                self.tell(Happening::Waiting { key: &record.key, question, counts: self.counts });
            }
            state if unit.item.is_some() => {
                let state = state.name();
                self.tell(Happening::StepEnded { key: &record.key, state, counts: self.counts });
            }
            _ => {}
        }
        match unit.item {
            Some(item) => self.item_settled(unit.step, item, record.state),
            None if matches!(record.state, StepState::Waiting { .. }) => {}
            None => self.end(unit.step, record),
        }
    }
}
