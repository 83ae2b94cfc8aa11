//! Receipts: what a call used and touched, and the seal that puts it into a chain.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::call::{CallId, Tenant};
use crate::clock::UnixMillis;
use crate::digest::Digest;
use crate::failure::Kind;

/// What one call used and touched. It holds digests of arguments and result, never their text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// The call.
    pub call: CallId,
    /// The tool as the caller named it, cut to the length of the longest id.
    pub tool: String,
    /// The component's bytes; none where no component was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<Digest>,
    /// Whose call it was.
    pub tenant: Tenant,
    /// Who made it, in the caller's own words.
    pub caller: String,
    /// The call that made this one, if a tool or an agent's step did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<CallId>,
    /// The arguments' bytes as they came.
    pub arguments: Digest,
    /// The result's JSON text; none where there is no result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Digest>,
    /// When the call came in.
    pub started: UnixMillis,
    /// From coming in to the end, in microseconds; waiting is in it.
    pub duration_us: u64,
    /// How much of that was waiting for a slot, in microseconds.
    pub queued_us: u64,
    /// `completed`, `failed`, `denied`, `exhausted`, `trapped` or `cancelled`.
    pub verdict: Cow<'static, str>,
    /// The failure kind, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// What it used.
    pub used: Used,
    /// How often each host function was called, by its full name (`wasi:io/streams.[method]output-stream.write`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub host_calls: BTreeMap<Cow<'static, str>, u64>,
    /// Where its own requests went, as `scheme://host:port`, and how many; those of calls that it made stand in theirs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub origins: BTreeMap<String, u64>,
    /// What it tried and was refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub denied: Vec<DeniedAttempt>,
}

/// What a call used, in the units of the limits of the same names. What is zero is left out when it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Used {
    /// Fuel burnt.
    #[serde(skip_serializing_if = "is_zero")]
    pub fuel: u64,
    /// The most linear memory held at one time, in bytes.
    #[serde(skip_serializing_if = "is_zero")]
    pub memory: u64,
    /// Bytes of arguments.
    #[serde(skip_serializing_if = "is_zero")]
    pub argument_bytes: u64,
    /// Bytes of the result.
    #[serde(skip_serializing_if = "is_zero")]
    pub result_bytes: u64,
    /// Bytes of log text.
    #[serde(skip_serializing_if = "is_zero")]
    pub log_bytes: u64,
    /// Lines of log.
    #[serde(skip_serializing_if = "is_zero")]
    pub log_lines: u64,
    /// Calls of host functions.
    #[serde(skip_serializing_if = "is_zero")]
    pub host_calls: u64,
    /// Bytes that crossed in host functions, both ways.
    #[serde(skip_serializing_if = "is_zero")]
    pub host_bytes: u64,
    /// Random bytes taken.
    #[serde(skip_serializing_if = "is_zero")]
    pub random_bytes: u64,
    /// Bytes read from files.
    #[serde(skip_serializing_if = "is_zero")]
    pub file_read_bytes: u64,
    /// Bytes written to files, holes included.
    #[serde(skip_serializing_if = "is_zero")]
    pub file_write_bytes: u64,
    /// HTTP requests that went out, redirects that were followed included.
    #[serde(skip_serializing_if = "is_zero")]
    pub http_requests: u64,
    /// Bytes of request bodies.
    #[serde(skip_serializing_if = "is_zero")]
    pub http_sent_bytes: u64,
    /// Bytes of response bodies, decoded.
    #[serde(skip_serializing_if = "is_zero")]
    pub http_received_bytes: u64,
    /// Calls of other tools.
    #[serde(skip_serializing_if = "is_zero")]
    pub nested_calls: u64,
}

impl Used {
    /// Whether nothing was used.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// Something a call tried that its grant does not allow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeniedAttempt {
    /// The host function.
    pub function: Cow<'static, str>,
    /// Why, and what would allow it.
    pub reason: Cow<'static, str>,
    /// How often.
    pub count: u64,
}

/// A receipt with its place in the chain of the process that wrote it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sealed {
    /// The chain.
    pub writer: Arc<str>,
    /// Its place in the chain; the first is 1.
    pub sequence: u64,
    /// The hash of the receipt before it; of the writer's name for the first.
    pub previous: Digest,
    /// The hash over writer, sequence, previous and the receipt's JSON text.
    pub hash: Digest,
    /// What it seals. Boxed, because outcomes move more often than receipts are read.
    pub receipt: Box<Receipt>,
}
