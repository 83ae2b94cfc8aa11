//! Where each step of a run stands while it runs.

use std::sync::Arc;

use tokio::time::Instant;
use toolcell_core::failure::Question;
use toolcell_core::runs::{StepRecord, StepState};
use toolcell_core::{CallId, Failure, ResultText, ToolCall, UnixMillis};

use super::gate::Permit;
use crate::plan::{Criticality, Step, Template};

/// A step, or one item of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Unit {
    pub(super) step: usize,
    pub(super) item: Option<u32>,
}

/// A step of the plan in this run.
#[derive(Debug)]
pub(super) struct Node {
    /// Needs that have not ended.
    pub(super) left: usize,
    /// The need because of which it cannot begin.
    pub(super) blocked: Option<usize>,
    /// Where it goes over a list and has begun.
    pub(super) each: Option<Box<Each>>,
    /// Whether it was begun: it may have called something.
    pub(super) begun: bool,
    /// How it ended, once that is written down or follows from what is.
    pub(super) end: Option<StepRecord>,
}

/// A step that goes over a list.
#[derive(Debug)]
pub(super) struct Each {
    pub(super) items: Vec<Item>,
    /// The arguments and the key, filled but for the item.
    pub(super) arguments: Template,
    pub(super) key: Option<Template>,
    /// The first item that was not yet looked at.
    pub(super) next: usize,
    /// Items in line or under way.
    pub(super) active: usize,
    /// How many may be.
    pub(super) window: usize,
    /// Items that have not ended.
    pub(super) open: usize,
    pub(super) since: Since,
}

#[derive(Debug)]
pub(super) struct Item {
    pub(super) text: Box<str>,
    pub(super) state: ItemState,
}

#[derive(Debug, PartialEq)]
pub(super) enum ItemState {
    /// Not begun, in line, under way or being written down.
    Open,
    /// It was begun, or asks a person.
    Asks,
    Done(ResultText),
    Failed(Box<Failure>),
}

/// When something began, on both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Since {
    pub(super) wall: UnixMillis,
    pub(super) at: Instant,
}

impl Since {
    pub(super) fn micros(self) -> u64 {
        u64::try_from(self.at.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// A call that waits until it is written down that it goes out.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) call: ToolCall,
    pub(super) permit: Permit,
    pub(super) since: Since,
}

/// What a person said to a step, until its call goes out.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) text: String,
    pub(super) question: Question,
    pub(super) failure: Option<Box<Failure>>,
}

/// A call that came back.
#[derive(Debug)]
pub(super) struct Landed {
    pub(super) unit: Unit,
    pub(super) call: CallId,
    pub(super) since: Since,
    pub(super) outcome: toolcell_core::Outcome,
    pub(super) permit: Permit,
}

impl Node {
    /// Whether what needs this step cannot begin.
    pub(super) fn gives_nothing(&self, step: &Step) -> bool {
        let Some(end) = &self.end else { return false };
        step.criticality != Criticality::Optional
            && match end.state {
                StepState::Failed { .. } | StepState::Cancelled => true,
                StepState::Skipped { .. } => self.blocked.is_some(),
                _ => false,
            }
    }

    /// The result, where there is one.
    pub(super) fn result(&self) -> Option<&str> {
        match &self.end.as_ref()?.state {
            StepState::Done { result } => Some(result.get()),
            _ => None,
        }
    }
}

/// The names under which steps stand in the gate: full ids where the directory knows them.
pub(super) type ToolName = Arc<str>;
