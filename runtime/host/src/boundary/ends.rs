//! The errors that a host function or a limiter puts into a [`wasmtime::Error`], and how to find them again.
//!
//! Each is a type of its own, because a guest that broke, a guest that ran out and a guest that left are three
//! different outcomes. What Wasmtime itself reports only as text is recognised here and nowhere else.

use std::borrow::Cow;
use std::fmt;

use toolcell_core::{Limit, Limits};
use wasmtime::component::ResourceTableError;

use super::functions::FunctionId;

/// A limit of the call was reached. The call ends with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the call is over its limit `{name}` of {shown}", name = .limit.row().name, shown = .limit.show(*.value))]
pub struct Exhausted {
    /// Which limit.
    pub limit: Limit,
    /// Its value in this call, in its own unit.
    pub value: u64,
}

/// The guest ended the call through `wasi:cli/exit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Exited {
    /// The exit code; `exit` without a code gives 0 for success and 1 for failure.
    pub code: u8,
}

impl Exited {
    /// Whether the guest called it a success.
    pub fn ok(self) -> bool {
        self.code == 0
    }
}

impl fmt::Display for Exited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {}", self.code)
    }
}

/// A host function was refused and has no error of its own to say so with. The call ends with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{function:?}` was refused: {reason}")]
pub struct Refused {
    /// What was called.
    pub function: FunctionId,
    /// Why, and what would allow it.
    pub reason: Cow<'static, str>,
}

/// The host could not do what it must do before a call may go on. The call ends with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// What, for the caller.
    pub message: &'static str,
    /// Why not, for the operator.
    pub detail: String,
}

/// The limit that ended a call, wherever in the error's chain it is named.
///
/// Ours are typed. Wasmtime's own limits on handles, instances and lifted data come as text or as private types; their
/// values are taken from `limits`. Lifted data is always named `crossing_bytes`; whether it was a result that was being
/// lifted is for the caller to see.
pub fn classify(error: &wasmtime::Error, limits: &Limits) -> Option<Exhausted> {
    let over = |limit: Limit| Exhausted { limit, value: limits.get(limit) };
    // An error that was given a context hides its own type from the chain, and shows it to `downcast_ref`.
    let ours = error.downcast_ref().or_else(|| error.chain().find_map(|cause| cause.downcast_ref()));
    if let Some(exhausted) = ours {
        return Some(*exhausted);
    }
    let table = error.downcast_ref().or_else(|| error.chain().find_map(|cause| cause.downcast_ref()));
    if let Some(ResourceTableError::Full) = table {
        return Some(over(Limit::Handles));
    }
    error.chain().find_map(|cause| {
        let text = cause.to_string();
        // From its beginning: further on, a backtrace holds names that the guest has chosen.
        WASMTIME_TEXTS.iter().find(|(start, _)| text.starts_with(start)).map(|(_, limit)| over(*limit))
    })
}

/// How Wasmtime 48 words the limits that it does not type. Tests make it say each of them.
const WASMTIME_TEXTS: &[(&str, Limit)] = &[
    ("cannot allocate another handle: store handle limit exceeded", Limit::Handles),
    ("cannot lend resource: store handle limit exceeded", Limit::Handles),
    (
        "too much data is being copied between the host and the guest: fuel allocated for hostcalls",
        Limit::CrossingBytes,
    ),
    ("resource limit exceeded: instance count too high", Limit::Instances),
    ("resource limit exceeded: memory count too high", Limit::Instances),
    ("resource limit exceeded: table count too high", Limit::Instances),
];
