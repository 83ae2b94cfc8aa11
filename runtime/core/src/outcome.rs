//! How a call ended: one typed result, with its receipt.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::failure::{End, Failure};
use crate::receipt::Sealed;

/// The end of a call and the receipt that says what it used and touched.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// The result or the failure.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The sealed receipt. It is there for every call, also for one that never reached the sandbox, unless the receipt
    /// log itself could not take it; then the verdict is `host-fault`, and no result is given.
    pub receipt: Option<Sealed>,
}

/// Completed, or one of the five ways in which a call does not.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
pub enum Verdict {
    /// The tool's result as JSON text.
    Completed {
        /// The result.
        result: Box<RawValue>,
    },
    /// The tool, or the host before it ran, could not do what was asked.
    Failed {
        /// Why.
        failure: Box<Failure>,
    },
    /// It was not allowed.
    Denied {
        /// Why.
        failure: Box<Failure>,
    },
    /// A limit was hit.
    Exhausted {
        /// Which.
        failure: Box<Failure>,
    },
    /// The tool's own code broke.
    Trapped {
        /// How.
        failure: Box<Failure>,
    },
    /// The caller no longer wanted it.
    Cancelled {
        /// Why.
        failure: Box<Failure>,
    },
}

impl Verdict {
    /// The verdict for a failure: its kind decides which.
    pub fn of(failure: Failure) -> Self {
        let end = failure.kind.end();
        let failure = Box::new(failure);
        match end {
            End::Failed => Self::Failed { failure },
            End::Denied => Self::Denied { failure },
            End::Exhausted => Self::Exhausted { failure },
            End::Trapped => Self::Trapped { failure },
            End::Cancelled => Self::Cancelled { failure },
        }
    }

    /// The verdict's word, as receipts carry it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Completed { .. } => "completed",
            Self::Failed { .. } => "failed",
            Self::Denied { .. } => "denied",
            Self::Exhausted { .. } => "exhausted",
            Self::Trapped { .. } => "trapped",
            Self::Cancelled { .. } => "cancelled",
        }
    }

    /// The result's JSON text, where the call completed.
    pub fn result(&self) -> Option<&RawValue> {
        match self {
            Self::Completed { result } => Some(result),
            _ => None,
        }
    }

    /// The failure, where the call did not complete.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Completed { .. } => None,
            Self::Failed { failure }
            | Self::Denied { failure }
            | Self::Exhausted { failure }
            | Self::Trapped { failure }
            | Self::Cancelled { failure } => Some(failure),
        }
    }
}
