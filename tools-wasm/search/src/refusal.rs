//! Owns what goes wrong, before it is put into the failure that the caller sees.

use crate::ask::AskError;
use crate::folder::FolderError;

/// Why a call was refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The query says nothing, or too much.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The folder can't be searched.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A number that is out of its range.
    #[error("{pointer} is {found}; it must be {expected}")]
    OutOfRange {
        /// Where it stands in the arguments.
        pointer: &'static str,
        /// The range.
        expected: String,
        /// What stood there.
        found: String,
    },
    /// A pattern that is empty or too long, or one too many.
    #[error("{found:?} is no usable pattern; it must be {expected}")]
    Pattern {
        /// Where it stands in the arguments.
        pointer: String,
        /// What would do.
        expected: String,
        /// What stood there, shortened.
        found: String,
    },
}
