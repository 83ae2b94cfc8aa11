//! What happens in a run, for whoever watches.

use std::sync::Arc;
use toolcell_core::failure::Question;
use toolcell_core::runs::{RunState, StepKey};
use toolcell_core::{Event, Events, RunId};

/// Receives what happens in runs. It is called on the scheduler's way and must not block.
pub trait Watch: Send + Sync {
    /// Something happened.
    fn happened(&self, run: RunId, what: Happening<'_>);
}

/// Something that happens in a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening<'a> {
    /// A call of a step, or of one item of it, goes out.
    StepStarted {
        /// Which.
        key: &'a StepKey,
        /// How the run stands.
        counts: Counts,
    },
    /// Its call says something.
    StepEvent {
        /// Which.
        key: &'a StepKey,
        /// What.
        event: Event,
    },
    /// It has ended, and that is written down.
    StepEnded {
        /// Which.
        key: &'a StepKey,
        /// The name of its state.
        state: &'static str,
        /// How the run stands.
        counts: Counts,
    },
    /// It asks a person, and that is written down.
    Waiting {
        /// Which.
        key: &'a StepKey,
        /// What.
        question: &'a Question,
        /// How the run stands.
        counts: Counts,
    },
    /// Nothing more happens in this run until it is resumed.
    RunEnded {
        /// Where it stands.
        state: RunState,
        /// How its steps stand.
        counts: Counts,
    },
}

/// How the steps of a run stand. Items are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// In the plan.
    pub steps: usize,
    /// With a result.
    pub done: usize,
    /// Failed for good.
    pub failed: usize,
    /// Not needed, or not able to begin.
    pub skipped: usize,
    /// Ended by the end of the run.
    pub cancelled: usize,
    /// Calls under way, of items too.
    pub under_way: usize,
    /// Questions to a person, of items too.
    pub waiting: usize,
}

/// Nobody watches.
#[derive(Clone, Copy, Debug)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn happened(&self, _: RunId, _: Happening<'_>) {}
}

/// Hands what a call says on under the step's key.
pub(super) struct Relay {
    pub(super) watch: Arc<dyn Watch>,
    pub(super) run: RunId,
    pub(super) key: StepKey,
}

impl Events for Relay {
    fn event(&self, event: Event) {
        self.watch.happened(self.run, Happening::StepEvent { key: &self.key, event });
    }
}
