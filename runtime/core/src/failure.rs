//! What can go wrong, in one table: a stable kind, what it means, and which recovery can help.

use std::borrow::Cow;
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::{LIMITS, Limit};

/// What can be done about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recovery {
    /// The same call may work later.
    Retry,
    /// A different call may work.
    Repair,
    /// A person must decide.
    Ask,
    /// Nothing helps.
    Stop,
}

/// Which end of a call a kind belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The tool, or the host before it ran, could not do what was asked.
    Failed,
    /// It was not allowed.
    Denied,
    /// A limit was hit.
    Exhausted,
    /// The tool's own code broke.
    Trapped,
    /// The caller no longer wants it.
    Cancelled,
}

macro_rules! kinds {
    ($($variant:ident, $name:literal, $end:ident, $recovery:ident, $meaning:literal;)*) => {
        /// A stable name for what went wrong. [`KINDS`] is the documented table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = $meaning] $variant,)*
            /// A limit was hit; each has a kind of its own.
            Limit(Limit),
        }

        /// Every kind but those of the limits, which stand in [`LIMITS`]: name, end, recovery, meaning.
        pub const KINDS: &[(Kind, &str, End, Recovery, &str)] =
            &[$((Kind::$variant, $name, End::$end, Recovery::$recovery, $meaning)),*];

        impl Kind {
            fn row(self) -> Option<&'static (Kind, &'static str, End, Recovery, &'static str)> {
                match self {
                    $(Self::$variant => KINDS.iter().find(|row| row.0 == Self::$variant),)*
                    Self::Limit(_) => None,
                }
            }
        }
    };
}

kinds! {
    InvalidJson, "invalid-json", Failed, Repair, "The arguments are not JSON, or JSON that two readers would read differently.";
    InvalidArgument, "invalid-argument", Failed, Repair, "An argument does not fit the signature, or the tool refused it.";
    UnknownTool, "unknown-tool", Failed, Repair, "No tool has this id.";
    NotFound, "not-found", Failed, Repair, "What the tool was asked for does not exist.";
    Conflict, "conflict", Failed, Repair, "It exists already, or has changed meanwhile.";
    ToolFailed, "tool-failed", Failed, Repair, "The tool failed with a text that names no class.";
    Unavailable, "unavailable", Failed, Retry, "Something outside the tool does not answer now.";
    NeedsPerson, "needs-person", Failed, Ask, "The tool asks a question that a person must answer.";
    Refused, "denied", Failed, Ask, "What the tool talks to refused it.";
    Fatal, "fatal", Failed, Stop, "The tool says that nothing helps.";
    Exited, "exited", Failed, Repair, "The tool ended the call by exiting.";
    BrokenComponent, "broken-component", Failed, Stop, "The component's bytes cannot be used.";
    CompileLimit, "compile-limit", Exhausted, Stop, "Compiling the component costs more time, memory or code than it may.";
    NotCallable, "not-callable", Failed, Stop, "The function's types have no JSON form yet.";
    UnsupportedImport, "unsupported-import", Denied, Stop, "The component imports something that the host does not offer.";
    NotGranted, "not-granted", Denied, Ask, "The call has no grant for it.";
    WrongDigest, "wrong-digest", Denied, Ask, "The component is not the one that the call names.";
    Trap, "trap", Trapped, Repair, "The tool's code broke: unreachable, out of bounds, division by zero, or a panic.";
    Cancelled, "cancelled", Cancelled, Stop, "The caller cancelled, or is gone.";
    HostFault, "host-fault", Failed, Retry, "The host itself could not go on: its disk, its receipt log, its memory.";
}

impl Kind {
    /// The stable kebab-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Limit(limit) => limit.row().kind,
            _ => self.row().map_or("", |row| row.1),
        }
    }

    /// Which end of a call it is.
    pub fn end(self) -> End {
        self.row().map_or(End::Exhausted, |row| row.2)
    }

    /// What can be done about it.
    pub fn recovery(self) -> Recovery {
        match self {
            Self::Limit(Limit::QueueTime | Limit::QueueLength | Limit::Rate) => Recovery::Retry,
            Self::Limit(_) => Recovery::Repair,
            _ => self.row().map_or(Recovery::Stop, |row| row.3),
        }
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Self> {
        let limit = || LIMITS.iter().find(|row| row.kind == name).map(|row| Self::Limit(row.limit));
        KINDS.iter().find(|row| row.1 == name).map(|row| row.0).or_else(limit)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<str>::deserialize(deserializer)?;
        Self::named(&name).ok_or_else(|| D::Error::custom(format!("no failure kind is called `{name}`")))
    }
}

/// One thing that is wrong with the arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// JSON pointer (RFC 6901) to it in the arguments; empty for the whole.
    pub pointer: String,
    /// What would have been accepted.
    pub expected: String,
    /// What stood there, cut to a readable length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// The nearest name that would be valid, where a name was wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.pointer.is_empty() { "(the whole)" } else { &self.pointer };
        write!(f, "{place}: expected {}", self.expected)?;
        if let Some(found) = &self.found {
            write!(f, ", found {found}")?;
        }
        if let Some(nearest) = &self.nearest {
            write!(f, "; did you mean `{nearest}`?")?;
        }
        Ok(())
    }
}

/// A limit that was hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitHit {
    /// The value it had, in its own unit.
    pub value: u64,
}

/// A question that only a person can answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The question.
    pub text: String,
    /// The answers on offer; empty means a free answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
}

/// What went wrong with a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The stable name.
    pub kind: Kind,
    /// What can be done.
    pub recovery: Recovery,
    /// For the caller and its model: says what happened and what to do next; never holds a path or state of the host.
    pub message: String,
    /// For the operator alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What is wrong with the arguments, all of it at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// The limit's value, where one was hit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<LimitHit>,
    /// When the same call is worth trying again, in milliseconds from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// What a person is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<Question>,
    /// What may help, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
}

impl Failure {
    /// A failure of a kind, with a message for the caller.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            recovery: kind.recovery(),
            message: message.into(),
            detail: None,
            problems: Vec::new(),
            limit: None,
            retry_after_ms: None,
            question: None,
            hints: Vec::new(),
        }
    }

    /// A limit that was hit, at the value it had.
    pub fn limit(limit: Limit, value: u64) -> Self {
        let row = limit.row();
        let mut failure = Self::new(
            Kind::Limit(limit),
            format!("the call hit its limit `{}` of {}, which stops {}", row.name, limit.show(value), row.stops),
        );
        failure.limit = Some(LimitHit { value });
        failure
    }

    /// The same with a detail for the operator.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The same with the problems of the arguments.
    #[must_use]
    pub fn problems(mut self, problems: Vec<Problem>) -> Self {
        self.problems = problems;
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_kind_has_one_name_and_finds_itself() {
        let mut names = BTreeSet::new();
        for (kind, name, end, recovery, meaning) in KINDS {
            assert_eq!((kind.name(), kind.end(), kind.recovery()), (*name, *end, *recovery));
            assert_eq!(Kind::named(name), Some(*kind));
            assert!(meaning.ends_with('.') && names.insert(*name), "{name}");
        }
        for row in LIMITS {
            assert_eq!(Kind::named(row.kind), Some(Kind::Limit(row.limit)));
            assert_eq!(Kind::Limit(row.limit).end(), End::Exhausted);
            assert!(names.insert(row.kind), "{}", row.kind);
        }
    }

    #[test]
    fn a_failure_survives_the_journey() {
        let failure = Failure::limit(Limit::Fuel, 7).hint("Ask for less.").detail("operator only");
        let text = serde_json::to_string(&failure).expect("serialises");
        assert_eq!(serde_json::from_str::<Failure>(&text).expect("reads back"), failure);
    }
}
