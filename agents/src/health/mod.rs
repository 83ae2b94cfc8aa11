//! Error intelligence: how calls went, what that says, and what would help.
//!
//! Owns the layer that sees every call ([`Tracker`]) and the report that is made of what it wrote down ([`report()`]). The
//! report is a pure function and an honest one: every number comes with how many calls it stands on, there is no score where
//! there is too little evidence, and what happens together is never called the cause. It refuses to keep arguments or results.

mod advice;
mod burn;
mod odds;
mod patterns;
mod report;
mod tracker;

pub use self::advice::{Advice, Coverage, advise};
pub use self::burn::{Budget, Burn, WINDOWS};
pub use self::odds::Share;
pub use self::patterns::{Recurring, Spike, Together};
pub use self::report::{FEWEST, Latency, Report, Summary, View, report};
pub use self::tracker::{Recognise, Tracker};

use toolcell_core::{Kind, Limit};

/// Whom a failure speaks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum About {
    /// The tool, or what it talks to.
    Tool,
    /// Whoever called it: wrong arguments, wrong names, too large a piece of work.
    Caller,
    /// The operator, who has not granted something or has not the room for it.
    Operator,
    /// Nobody: it was no longer wanted, or asked a person.
    Nobody,
}

/// Whom a kind of failure speaks about. A score counts those about the tool alone: no tool gets worse because its callers
/// mistype names.
pub fn about(kind: Kind) -> About {
    match kind {
        Kind::Unavailable
        | Kind::ToolFailed
        | Kind::Fatal
        | Kind::Exited
        | Kind::BrokenComponent
        | Kind::CompileLimit
        | Kind::UnsupportedImport
        | Kind::Trap
        | Kind::Limit(Limit::Time | Limit::HttpTime) => About::Tool,
        Kind::NotGranted
        | Kind::WrongDigest
        | Kind::HostFault
        | Kind::Refused
        | Kind::Limit(Limit::QueueTime | Limit::QueueLength | Limit::Rate) => About::Operator,
        Kind::Cancelled | Kind::NeedsPerson => About::Nobody,
        Kind::InvalidJson
        | Kind::InvalidArgument
        | Kind::UnknownTool
        | Kind::NotFound
        | Kind::Conflict
        | Kind::NotCallable
        | Kind::Limit(_) => About::Caller,
    }
}

#[cfg(test)]
mod tests;
