//! The receipt log: every call's receipt, in chains that show a rewrite and a cut tail.
//!
//! A folder holds any number of writers. A writer is a chain of lines, held by one process at a time: each line seals
//! a receipt with its sequence, the hash of the line before it, and its own hash. Now and then the writer signs a
//! checkpoint that names the last sequence and hash; checkpoints form a chain too.
//!
//! | file | holds |
//! |---|---|
//! | `WRITER.000001.jsonl` … | the receipts, a new segment every 64 MiB |
//! | `WRITER.checkpoints.jsonl` | the signed checkpoints; its lock is the lock on the writer |
//! | `WRITER.torn.jsonl` | half lines that a crash left, kept as they were |
//! | `key`, `key.pub` | the Ed25519 key; the secret one can lie elsewhere |
//!
//! An *anchor* is a second folder, ideally one that only this service can write to or that is copied away. It holds
//! `key.pub` and, for each writer, `WRITER.head`: a copy of its last checkpoint.
//!
//! # What can be hidden from [`verify`], and by whom
//!
//! Someone who can write to the folder but has neither the key nor the anchor
//! - can hide nothing that a checkpoint covers as long as the checkpoint survives: a changed, removed, inserted or
//!   moved receipt shows, and so does a changed or removed checkpoint in the middle;
//! - can cut, replace or extend what is not covered yet: usually the last [`Options::checkpoint_every`] receipts or
//!   those of the last [`Options::checkpoint_after`]; more while the disk is slower than the calls (some thousands
//!   at a hundred thousand calls a second), and all since the last checkpoint of a process that was killed. `verify`
//!   warns about every receipt without a signature, including those that a later process adopted;
//! - can cut the checkpoints back to an earlier one, and then the receipts behind it, or replace them by others, which
//!   shows as a long unsigned tail. Only an anchor shows more, or another writer that happened to witness a later
//!   checkpoint. The same goes for deleting all files of a writer.
//!
//! Someone who has the key can rewrite everything. Someone who can put back an old copy of the folder together with
//! an old copy of the anchor can go back to that day. Nothing here proves that a receipt told the truth.
//!
//! Receipts are never deleted by this module: how long to keep them is the operator's decision.

mod checkpoint;
mod entry;
pub(crate) mod files;
mod keys;
mod known;
pub(crate) mod lines;
mod list;
mod log;
mod problem;
mod slot;
mod spell;
#[cfg(test)]
mod tests;
mod verify;

pub use checkpoint::{Checkpoint, Torn, Witnessed};
pub use files::FileError;
pub use keys::{KeyError, NotAPublicKey, PublicKey};
pub(crate) use list::Segment;
pub use list::{Entries, Filter, ListError, Order, list};
pub use log::{CheckpointError, OpenError, Options, ReceiptLog, SealError};
pub use problem::{Finding, Problem, Severity};
pub use slot::Skipped;
pub use verify::{LastCheckpoint, Report, Trust, VerifyError, WriterReport, verify};
