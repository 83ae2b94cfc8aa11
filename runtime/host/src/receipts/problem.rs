//! What can be wrong with a receipt folder: one name, one sentence and one severity for each.

use std::fmt;

use serde::Serialize;

use super::files::FileError;
use super::keys::PublicKey;

/// Something that is not as a writer would have left it, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file's name in the receipt folder; a path where it lies elsewhere.
    pub file: String,
    /// The line in it; the first is 1.
    pub line: Option<u64>,
    /// The receipt's sequence, as far as it is known.
    pub sequence: Option<u64>,
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    #[serde(flatten)]
    pub problem: Problem,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(sequence) = self.sequence {
            write!(f, " (receipt {sequence})")?;
        }
        write!(f, ": {}", self.problem)
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing; nothing is in doubt.
    Note,
    /// A crash explains it, and so would somebody who used the moment: these receipts are in doubt.
    Warning,
    /// No crash explains it.
    Tampered,
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(tag = "problem", rename_all = "kebab-case")]
pub enum Problem {
    /// The receipt's text or place was changed.
    #[error("the entry does not fit its hash: it was changed after it was sealed")]
    Rewritten,
    /// The line is no entry.
    #[error("the line is no entry: it was changed, or something else wrote here")]
    Unreadable,
    /// The hash fits, but the text is no receipt.
    #[error("the entry's text is no receipt that this version can read: {reason}")]
    NotAReceipt {
        /// What the reader said.
        reason: String,
    },
    /// Entries were removed.
    #[error("entries {from} to {to} are missing before this one")]
    Missing {
        /// The first one missing.
        from: u64,
        /// The last one missing.
        to: u64,
    },
    /// An entry or checkpoint stands where one with a higher number should.
    #[error("it is out of order or there twice: number {expected} or later was expected here")]
    Misplaced {
        /// What was expected.
        expected: u64,
    },
    /// The line before was replaced by another one with a hash that fits.
    #[error("it follows another line than the one before it: that one was replaced")]
    Unlinked,
    /// A line of another chain.
    #[error("it belongs to writer {writer}")]
    ForeignEntry {
        /// The other chain.
        writer: String,
    },
    /// Entries were rewritten together with their hashes.
    #[error("checkpoint {number} signed another entry of this number: this entry, or one before it, was replaced")]
    ContradictsCheckpoint {
        /// The checkpoint.
        number: u64,
    },
    /// The end of the chain was cut off.
    #[error("the chain ends with {last}, but {signed} was signed: the tail was cut off")]
    CutTail {
        /// The last entry there is.
        last: u64,
        /// The last entry that was signed.
        signed: u64,
    },
    /// Segments were removed.
    #[error("segments {from} to {to} are missing before this one")]
    MissingSegments {
        /// The first one missing.
        from: u32,
        /// The last one missing.
        to: u32,
    },
    /// A line among the checkpoints is none.
    #[error("the line is no checkpoint: it was changed, or something else wrote here")]
    BadCheckpoint,
    /// A checkpoint's text was changed.
    #[error("the signature of checkpoint {number} is wrong: it was changed or made up")]
    BadSignature {
        /// The checkpoint's number, as it states it.
        number: u64,
    },
    /// Another key than the trusted one.
    #[error("the key {key} is not the one that is trusted here")]
    UnknownKey {
        /// The key found.
        key: PublicKey,
    },
    /// The folder's public key is not readable.
    #[error("the folder's public key cannot be read: {reason}")]
    KeyUnreadable {
        /// What the reader said.
        reason: String,
    },
    /// Checkpoints were removed from the middle.
    #[error("checkpoints {from} to {to} are missing before this one")]
    CheckpointsMissing {
        /// The first one missing.
        from: u64,
        /// The last one missing.
        to: u64,
    },
    /// Checkpoints were removed from the end.
    #[error("the checkpoints end with number {last}, but {known_by} knows number {known}: the rest was cut off")]
    CheckpointsCut {
        /// The last checkpoint there is.
        last: u64,
        /// The last one that is known.
        known: u64,
        /// Who knows it.
        known_by: String,
    },
    /// There are two signed checkpoints of one number: an old copy was put back and gone on from.
    #[error("checkpoint {number} is not the one of that number that was seen before: an older copy was gone on from")]
    Forked {
        /// The checkpoint.
        number: u64,
    },
    /// A head in the anchor is no checkpoint with a good signature.
    #[error("the head in the anchor is malformed or not signed with the trusted key")]
    BadHead,
    /// A writer whose first checkpoint is gone with all others.
    #[error(
        "there are receipts but no checkpoint that can be trusted, and every writer signs one before its first receipt"
    )]
    NoCheckpoints,
    /// All checkpoints of a writer are gone.
    #[error("this writer's checkpoints are gone, but {known_by} knows them")]
    MissingWriter {
        /// Who knows it.
        known_by: String,
    },
    /// A file cannot be opened or read.
    #[error("the file cannot be read: {reason}")]
    FileRefused {
        /// Why.
        reason: String,
    },
    /// Half a line at the end: a crash, or a line being written right now.
    #[error("the last {bytes} bytes are half a line: a crash, or one being written right now")]
    TornTail {
        /// Its length.
        bytes: u64,
    },
    /// Entries that no checkpoint covers.
    #[error("entries {from} to {to} are not signed yet: they can be changed or cut off unseen")]
    UnsignedTail {
        /// The first one.
        from: u64,
        /// The last one.
        to: u64,
    },
    /// Entries that a process left unsigned and a later one went on from.
    #[error("entries {from} to {to} were left unsigned by a process that crashed or was killed, and signed later")]
    Adopted {
        /// The first one.
        from: u64,
        /// The last one.
        to: u64,
    },
    /// Half a line was moved to the file of torn lines.
    #[error("{bytes} bytes of half a line at byte {offset} of {from_file} were set aside after a crash")]
    SetAside {
        /// Where it stood.
        from_file: String,
        /// At which byte.
        offset: u64,
        /// Its length.
        bytes: u64,
    },
}

impl Problem {
    /// How bad it is.
    pub fn severity(&self) -> Severity {
        match self {
            Self::SetAside { .. } => Severity::Note,
            Self::TornTail { .. } | Self::UnsignedTail { .. } | Self::Adopted { .. } => Severity::Warning,
            _ => Severity::Tampered,
        }
    }

    pub(super) fn refused(error: &FileError) -> Self {
        Self::FileRefused { reason: error.source.to_string() }
    }
}
