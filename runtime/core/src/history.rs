//! What happened to a call on its way to an outcome, as its caller may read it.

use serde::{Deserialize, Serialize};

use crate::call::CallId;
use crate::digest::Digest;
use crate::failure::Kind;
use crate::receipt::Used;

/// What layers around a toolbox did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The attempts that failed and were followed by something else, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
    /// Where the result was not made by this call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
}

impl History {
    /// Whether the call went straight through.
    pub fn is_empty(&self) -> bool {
        self.attempts.is_empty() && self.kept.is_none()
    }
}

/// An attempt that failed, and what was done then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The attempt's own call.
    pub call: CallId,
    /// How it failed.
    pub kind: Kind,
    /// What its failure is recognised by, where somebody computed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Digest>,
    /// From its start to its end, in microseconds.
    pub duration_us: u64,
    /// What it used, so that what a caller may spend can be counted over all attempts. Nothing where its receipt is the
    /// outcome's own.
    #[serde(default, skip_serializing_if = "Used::is_nothing")]
    pub used: Used,
    /// What was done about it.
    pub then: Then,
}

/// What was done about a failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "then", rename_all = "kebab-case")]
pub enum Then {
    /// The same call was made again.
    Again {
        /// After waiting so long, in milliseconds.
        waited_ms: u64,
    },
    /// Other arguments, or another tool, were tried.
    Changed {
        /// Who proposed it.
        by: Repairer,
        /// What.
        changes: Vec<Change>,
    },
    /// The caller's fallback value was given as the result.
    FellBack,
}

/// Who proposed a repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Repairer {
    /// A rule: it follows from the schema and the failure alone.
    Rule,
    /// A fix that helped before.
    Memory,
    /// A language model.
    Model,
    /// A person.
    Person,
}

/// One change of a call's arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// JSON pointer to it, as the arguments were before.
    pub pointer: String,
    /// What was done.
    pub kind: ChangeKind,
    /// What stood there, as JSON text cut to a readable length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What stands there now; none where it was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

macro_rules! change_kinds {
    ($($variant:ident, $name:literal, $meaning:literal;)*) => {
        /// The ways in which arguments are changed. [`CHANGE_KINDS`] is the documented table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum ChangeKind {
            $(#[doc = $meaning] $variant,)*
        }

        /// Every kind: itself, its name, what it means.
        pub const CHANGE_KINDS: &[(ChangeKind, &str, &str)] = &[$((ChangeKind::$variant, $name, $meaning)),*];
    };
}

change_kinds! {
    Renamed, "renamed", "A member got the name that the schema knows.";
    Unwrapped, "unwrapped", "A value was taken out of an object or array around it.";
    Nested, "nested", "Members were put into the object that the schema wants around them.";
    Parsed, "parsed", "A string that held JSON became the value it held.";
    Listed, "listed", "A single value became a list of one.";
    Number, "number", "A value became a number, or a number's text, without losing a digit.";
    Boolean, "boolean", "A word or digit became true or false.";
    Text, "text", "A number or boolean became its text.";
    Null, "null", "A value that means nothing became null.";
    Removed, "removed", "A member that the schema does not know, and that says nothing, was left out.";
    Case, "case", "A case of an enum, flags or variant got the name that the schema knows.";
    Format, "format", "A date, number or other text was rewritten in the format that the schema names.";
    Replaced, "replaced", "One value was put in place of another.";
    Tool, "tool", "Another tool was called.";
}

impl ChangeKind {
    /// The stable kebab-case name.
    pub fn name(self) -> &'static str {
        CHANGE_KINDS.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }
}

/// A result that an earlier call made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The call that made it.
    pub call: CallId,
    /// How old it was, in milliseconds.
    pub age_ms: u64,
    /// Whether that call was still running when this one joined it.
    pub joined: bool,
}
