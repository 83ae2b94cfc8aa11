//! A call that travels, and the one door to execution.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::arguments::Arguments;
use crate::clock::UnixMillis;
use crate::digest::Digest;
use crate::limits::Limits;
use crate::outcome::Outcome;

/// The only door to execution. A host implements it in-process; a remote worker can too, because [`ToolCall`] travels.
#[async_trait]
pub trait Toolbox: Send + Sync {
    /// Runs one call to its end. It always ends with an outcome; dropping the future cancels the call.
    async fn call(&self, call: ToolCall, events: &dyn Events) -> Outcome;

    /// Cancels a call in flight. Answers whether there was one of that id.
    fn cancel(&self, call: CallId) -> bool;
}

/// One call of one tool, complete enough to be sent elsewhere.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// Unique among all calls; idempotency has a key of its own.
    pub id: CallId,
    /// The tool as the caller named it: a full id, or a short form that is unambiguous.
    pub tool: String,
    /// The component that the caller means; another one under the same name is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<Digest>,
    /// The arguments as they came.
    pub arguments: Arguments,
    /// Who calls, in words of the caller's own; at most 256 bytes are kept.
    #[serde(default)]
    pub caller: String,
    /// Whose limits, quotas and data the call uses.
    #[serde(default)]
    pub tenant: Tenant,
    /// When the caller stops waiting, as wall-clock time; the call's time limit ends no later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<UnixMillis>,
    /// What the caller can spend; the grant's limits are met with it. Absent: what the grant allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Limits>,
    /// Two calls of one tenant with the same key are the same call to whoever deduplicates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// The call on whose behalf this one is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<CallId>,
    /// W3C trace context (`traceparent`), handed on untouched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_context: Option<String>,
}

impl ToolCall {
    /// A direct call with nothing but a tool and its arguments.
    pub fn new(id: CallId, tool: impl Into<String>, arguments: Arguments) -> Self {
        Self {
            id,
            tool: tool.into(),
            component: None,
            arguments,
            caller: String::new(),
            tenant: Tenant::default(),
            deadline: None,
            budget: None,
            idempotency_key: None,
            parent: None,
            trace_context: None,
        }
    }
}

/// 128 random bits that name a call, written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u128);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallId({self})")
    }
}

/// Text that names no call.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a call id is 32 hexadecimal digits")]
pub struct NotACallId;

impl FromStr for CallId {
    type Err = NotACallId;

    fn from_str(text: &str) -> Result<Self, NotACallId> {
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(NotACallId);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| NotACallId)
    }
}

impl Serialize for CallId {
    /// By table and at once: every receipt holds an id, and formatting 128 bits through `fmt` costs more than hashing it.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 32];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0.to_be_bytes()) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        serializer.serialize_str(std::str::from_utf8(&text).expect("hexadecimal digits are ASCII"))
    }
}

impl<'de> Deserialize<'de> for CallId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Whose limits, quotas and data a call uses. The name is the operator's; `local` where there is only one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tenant(pub Arc<str>);

impl Default for Tenant {
    fn default() -> Self {
        static LOCAL: std::sync::OnceLock<Arc<str>> = std::sync::OnceLock::new();
        Self(LOCAL.get_or_init(|| "local".into()).clone())
    }
}

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

/// Something that happens while a call runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The component is being made ready: loaded, or compiled where it never was. That may take many seconds, once.
    Preparing,
    /// The call left the queue.
    Started,
    /// A log line of the tool, control characters escaped.
    Log {
        /// How much it matters.
        level: LogLevel,
        /// The line.
        message: String,
    },
    /// How far the tool is.
    Progress {
        /// Units finished.
        done: u64,
        /// Units in all, where known.
        total: Option<u64>,
        /// What it is doing, control characters escaped.
        note: Option<String>,
    },
}

/// Receives what happens while a call runs. It is called on the caller's side, in order, and must not block.
pub trait Events: Send + Sync {
    /// One event.
    fn event(&self, event: Event);

    /// Whether anybody listens. Where nobody does, events are not even made.
    fn listens(&self) -> bool {
        true
    }
}

/// Nobody listens.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Events for Silent {
    fn event(&self, _: Event) {}

    fn listens(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_written_as_it_is_shown_and_read_back() {
        for id in [CallId(0), CallId(0x1f), CallId(u128::MAX), CallId(1 << 100)] {
            let text = serde_json::to_string(&id).expect("serialises");
            assert_eq!(text, format!("\"{id}\""));
            assert_eq!(serde_json::from_str::<CallId>(&text).expect("reads back"), id);
        }
        for text in ["", "1", &"g".repeat(32), &"1".repeat(33), "+1111111111111111111111111111111"] {
            assert_eq!(text.parse::<CallId>(), Err(NotACallId), "{text}");
        }
    }
}
