//! What is recorded. Every text and every list is bounded here, before it becomes a line.

use serde::{Deserialize, Serialize};
use toolcell_core::{CallId, Digest};

use crate::schema::inert;

/// The longest text in an event, in bytes.
const TEXT_MAX: usize = 1 << 10;
/// The most items of a list; the rest is counted.
const ITEMS_MAX: usize = 64;
/// The longest event, in bytes of JSON. With its place in the chain a line stays below 8 KiB.
const EVENT_MAX: usize = (8 << 10) - 256;

/// Something that whoever answers for the host may have to explain later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum AuditEvent {
    /// The host began to serve.
    Started {
        /// Its version.
        version: String,
        /// The digest of the policy it began with.
        policy: Digest,
    },
    /// The host ended in order.
    Stopped {
        /// Why.
        reason: String,
    },
    /// A tool may do more than nothing.
    Grant {
        /// The tool's full id.
        tool: String,
        /// The bytes that it was granted to.
        component: Digest,
        /// What it may do, a line each.
        summary: Vec<String>,
        /// How many further lines did not fit.
        #[serde(default, skip_serializing_if = "is_zero")]
        omitted: u64,
    },
    /// A call was refused something.
    Denial {
        /// The call.
        call: CallId,
        /// Whose call.
        tenant: String,
        /// The tool's full id.
        tool: String,
        /// The host function, or the part of the host, that refused.
        function: String,
        /// Why, in the operator's words.
        reason: String,
        /// How often during this call.
        count: u64,
    },
    /// A reviewer decided on a component.
    Approval {
        /// The tool or component as the reviewer named it.
        tool: String,
        /// The bytes decided on.
        component: Digest,
        /// The digest of the grant decided on.
        grant: Digest,
        /// The decision.
        decision: Decision,
        /// Who decided.
        reviewer: String,
    },
    /// Policy or catalog were read again.
    Reload {
        /// The digest of the policy from now on.
        policy: Digest,
        /// What changed in the catalog, a line each.
        changes: Vec<String>,
        /// How many further lines did not fit.
        #[serde(default, skip_serializing_if = "is_zero")]
        omitted: u64,
    },
    /// A secret was put into an outgoing request.
    SecretUsed {
        /// The secret's name.
        name: String,
        /// The call.
        call: CallId,
        /// The tool's full id.
        tool: String,
        /// Scheme, host and port, without a path: a path or a query can hold what is secret itself.
        target: String,
    },
}

/// What a reviewer decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// It may run with this grant.
    Approved,
    /// An approval was taken back.
    Revoked,
}

/// What the log writes about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Upkeep {
    /// Old segments were deleted to make room.
    Rotated {
        /// The last sequence that was deleted.
        through: u64,
        /// That line's hash.
        hash: Digest,
    },
    /// Half a line that a crash left was cut off.
    Healed {
        /// The segment's number.
        segment: u32,
        /// Where in it the half line stood.
        offset: u64,
        /// Its length in bytes.
        bytes: u64,
        /// The digest of all of it.
        digest: Digest,
        /// The beginning of it, made inert.
        text: String,
    },
}

/// The event of a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Recorded {
    /// One that was handed in.
    Event(AuditEvent),
    /// One of the log's own.
    Upkeep(Upkeep),
}

impl Recorded {
    /// Its kind, as it stands in the line.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Event(AuditEvent::Started { .. }) => "started",
            Self::Event(AuditEvent::Stopped { .. }) => "stopped",
            Self::Event(AuditEvent::Grant { .. }) => "grant",
            Self::Event(AuditEvent::Denial { .. }) => "denial",
            Self::Event(AuditEvent::Approval { .. }) => "approval",
            Self::Event(AuditEvent::Reload { .. }) => "reload",
            Self::Event(AuditEvent::SecretUsed { .. }) => "secret-used",
            Self::Upkeep(Upkeep::Rotated { .. }) => "rotated",
            Self::Upkeep(Upkeep::Healed { .. }) => "healed",
        }
    }

    /// The tool that it is about, if it is about one.
    pub fn tool(&self) -> Option<&str> {
        match self {
            Self::Event(
                AuditEvent::Grant { tool, .. }
                | AuditEvent::Denial { tool, .. }
                | AuditEvent::Approval { tool, .. }
                | AuditEvent::SecretUsed { tool, .. },
            ) => Some(tool),
            _ => None,
        }
    }

    /// The event as JSON that fits into a line: every text inert and cut, every list cut, further where it must be.
    pub(super) fn text(mut self) -> Vec<u8> {
        for (text_max, items_max) in [(TEXT_MAX, ITEMS_MAX), (TEXT_MAX / 4, ITEMS_MAX / 4), (128, 8)] {
            self.shorten(text_max, items_max);
            let text = serde_json::to_vec(&self).expect("an event holds text, numbers and lists alone");
            if text.len() <= EVENT_MAX {
                return text;
            }
        }
        // At most eight items and five texts of 128 bytes, each byte escaped to two.
        unreachable!("an event of 13 texts of 128 bytes fits into {EVENT_MAX} bytes")
    }

    fn shorten(&mut self, text_max: usize, items_max: usize) {
        let cut = |texts: &mut [&mut String]| texts.iter_mut().for_each(|text| **text = inert(text, text_max));
        let event = match self {
            Self::Event(event) => event,
            Self::Upkeep(Upkeep::Rotated { .. }) => return,
            Self::Upkeep(Upkeep::Healed { text, .. }) => return cut(&mut [text]),
        };
        match event {
            AuditEvent::Started { version, .. } => cut(&mut [version]),
            AuditEvent::Stopped { reason } => cut(&mut [reason]),
            AuditEvent::Grant { tool, summary: lines, omitted, .. } => {
                cut(&mut [tool]);
                shorten_lines(lines, omitted, text_max, items_max);
            }
            AuditEvent::Reload { changes: lines, omitted, .. } => {
                shorten_lines(lines, omitted, text_max, items_max);
            }
            AuditEvent::Denial { tenant, tool, function, reason, .. } => cut(&mut [tenant, tool, function, reason]),
            AuditEvent::Approval { tool, reviewer, .. } => cut(&mut [tool, reviewer]),
            AuditEvent::SecretUsed { name, tool, target, .. } => cut(&mut [name, tool, target]),
        }
    }
}

fn shorten_lines(lines: &mut Vec<String>, omitted: &mut u64, text_max: usize, items_max: usize) {
    *omitted = omitted.saturating_add(lines.len().saturating_sub(items_max) as u64);
    lines.truncate(items_max);
    for line in lines {
        *line = inert(line, text_max);
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_event_is_longer_than_a_line_takes_whatever_is_in_it() {
        for text in ["\\\"", "\u{1b}[2J\n", "é\u{202e}", "plain"] {
            let text = text.repeat(100_000);
            let lines = vec![text.clone(); 1_000];
            let digest = Digest::of(b"");
            let events = [
                AuditEvent::Started { version: text.clone(), policy: digest },
                AuditEvent::Grant { tool: text.clone(), component: digest, summary: lines.clone(), omitted: 0 },
                AuditEvent::Reload { policy: digest, changes: lines, omitted: u64::MAX },
                AuditEvent::Denial {
                    call: CallId(u128::MAX),
                    tenant: text.clone(),
                    tool: text.clone(),
                    function: text.clone(),
                    reason: text.clone(),
                    count: u64::MAX,
                },
            ];
            for event in events {
                let written = Recorded::Event(event).text();
                assert!(written.len() <= EVENT_MAX);
                assert!(written.iter().all(|byte| *byte >= b' '));
                let read: Recorded = serde_json::from_slice(&written).expect("reads back");
                assert_eq!(read.clone().text(), written, "shortening twice changes nothing");
            }
        }
    }

    #[test]
    fn a_list_that_was_cut_says_how_much_is_missing() {
        let changes = (0..100).map(|number| format!("tool-{number} added")).collect();
        let text = Recorded::Event(AuditEvent::Reload { policy: Digest::of(b""), changes, omitted: 0 }).text();
        let Recorded::Event(AuditEvent::Reload { changes, omitted, .. }) =
            serde_json::from_slice(&text).expect("reads back")
        else {
            panic!("another event")
        };
        assert_eq!((changes.len(), omitted), (64, 36));
    }

    #[test]
    fn an_unknown_field_or_kind_is_refused() {
        for text in [
            r#"{"kind":"stopped","reason":"x","extra":1}"#,
            r#"{"kind":"erased"}"#,
            r#"{"kind":"rotated","through":1}"#,
            "{}",
            "[]",
        ] {
            serde_json::from_str::<Recorded>(text).expect_err(text);
        }
    }
}
