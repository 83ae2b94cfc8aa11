//! How a run ended.

use std::sync::Arc;
use std::time::Duration;

use toolcell_core::failure::Question;
use toolcell_core::runs::{RunError, RunState, Spent, StepKey, StepRecord, StepState};
use toolcell_core::{History, ResultText, RunId};

/// How a run ended, or stands until a person has answered.
#[derive(Clone, Debug)]
pub struct RunEnd {
    /// Which.
    pub run: RunId,
    /// Where it stands: completed, failed, cancelled or waiting.
    pub state: RunState,
    /// Why, where it is not completed; a sentence.
    pub because: Option<String>,
    /// Its steps, in the order of the plan.
    pub steps: Vec<StepEnd>,
    /// The questions that a person must answer, items by themselves.
    pub questions: Vec<(StepKey, Question)>,
    /// What the plan says that it gives back, where it completed.
    pub output: Option<ResultText>,
    /// What it took, since it was started or last resumed.
    pub totals: Totals,
    /// From the start, or the last resumption, to the end.
    pub makespan: Duration,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq)]
pub struct StepEnd {
    /// Its id.
    pub id: Arc<str>,
    /// Where it stands; none where it has not begun, because something before it waits.
    pub state: Option<StepState>,
    /// From its beginning to its end; with a list, from the first item's beginning to the last one's end.
    pub duration: Duration,
    /// What happened to its call. The items of a list have theirs in the store.
    pub history: History,
}

/// What a run took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// What was used up. A resumed run counts what is written down of before, and no more: a call whose process ended before it
    /// came back is a call whose cost nobody knows.
    pub used: Spent,
    /// Results that an earlier call had made.
    pub cached: u64,
    /// Calls that completed after they were changed.
    pub repaired: u64,
    /// Attempts that were made again as they were.
    pub retried: u64,
}

/// A run that could not go on because of what it stands on. It is not lost: it can be resumed from the store.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The store refused, or did not answer for too long.
    #[error("the run stopped, because its store failed; resume it when the store answers again")]
    Store {
        /// What the store said.
        #[source]
        error: RunError,
        /// What could not be written down: calls that took place. Commit them before the run is resumed.
        unwritten: Vec<StepRecord>,
    },
    /// The scheduler was dropped.
    #[error("the scheduler was stopped; resume the run from its store")]
    Stopped,
}

/// Why a run was not started or resumed.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store did not take it.
    #[error("the run could not be written down")]
    Store(#[source] RunError),
    /// Nothing of it can change any more.
    #[error("the run has ended ({0:?}); start a new one")]
    Ended(RunState),
    /// A record names a step that the plan does not have.
    #[error(
        "`{0}` is written down of this run and stands in no such place of its plan; resume it with the plan that it was started with"
    )]
    OtherPlan(StepKey),
}
