//! The audit log: what the operator's decisions did, in chains of lines that show an edit.
//!
//! Owns the events, how they are written, checked, rotated and found again. Receipts tell what each call used; this
//! tells who was let through, who was refused, which secret went where, and when the rules changed. It holds no value of
//! a secret and no argument of a call: there is no field for one, and every text in it is made inert and cut at 1 KiB.
//!
//! | file | holds |
//! |---|---|
//! | `WRITER.000001.jsonl` … | the events, a new segment every 16 MiB; the oldest are deleted beyond 16 |
//! | `WRITER.head` | where the chain stood when it was last synced |
//! | `WRITER.lock` | the lock on the writer; a second process gets a chain of its own |
//!
//! A line is `{"sequence":…,"at":…,"previous":"…","hash":"…","event":{…}}`. The hash is the SHA-256 of sequence, time,
//! previous hash and the event's text as written. When rotation deletes segments, the first line of the new one says up
//! to where, so that [`verify`] can tell rotation from somebody who cuts off the beginning.
//!
//! # What can be hidden from [`verify`], and by whom
//!
//! The chain is not signed. A line that was changed, removed, moved or inserted shows, unless all lines behind it were
//! made anew, which anybody can do who can write to the folder and knows this format. A cut tail shows only as far as the head
//! reaches, and only if the head was not put back as well. Whoever copies heads away can compare: a chain that
//! was made anew contradicts the copy. Deleting all files of a writer leaves nothing here. Where that matters, ship the
//! lines elsewhere as they are written; receipts, which are signed, tell about calls in any case.
//!
//! # What is durable when
//!
//! Lines are written at once, so a crash of the process loses none. [`AuditLog::sync`] waits for the disk; a crash of the
//! machine loses what was written since. The host syncs
//!
//! - at each reload of policy or approvals, and at each change of the catalog, found by whichever look;
//! - before a secret goes from a tool to a host for the first time in a process;
//! - when it is settled, and when it ends in order, which is the event `stopped`: where `started` follows on anything else, the
//!   process before it crashed or was killed.
//!
//! Approvals are synced by `toolcell approve` before they hold. Grants and denials wait for the next of these. What lets a
//! tool do something is refused where it cannot be recorded; what refuses it something is refused in any case.

mod event;
mod line;
mod list;
mod log;
#[cfg(test)]
mod tests;
mod verify;

pub use event::{AuditEvent, Decision, Recorded, Upkeep};
pub use line::Entry;
pub use list::{Filter, list};
pub use log::{AuditError, AuditLog, Options};
pub use verify::{Finding, Problem, Report, WriterReport, verify};
