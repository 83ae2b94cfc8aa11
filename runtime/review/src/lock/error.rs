//! Why a lock file is not read or written.

use std::io;
use std::path::PathBuf;

use super::{MAX_APPROVALS, MAX_FILE_BYTES, MAX_LINE, MAX_LINES, MAX_NAME};

/// Why approvals cannot be had or kept. Nothing is approved then, and the file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Something else is there.
    #[error("{} is {what}; approvals are kept in a regular file, so move that away", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What is there: "a symbolic link".
        what: &'static str,
    },
    /// Others can write to it.
    #[error(
        "others than its owner can write to {}, and so could approve anything: read it, then `chmod go-w {}`",
        .0.display(),
        .0.display()
    )]
    Writable(PathBuf),
    /// Over [`MAX_FILE_BYTES`].
    #[error("{} has more than {MAX_FILE_BYTES} bytes, so `toolcell approve` has not written it; move it away", .0.display())]
    TooLarge(PathBuf),
    /// Another writer has had its turn for ten seconds.
    #[error("another `toolcell approve` holds {} and does not end; end that one, then try again", .0.display())]
    Busy(PathBuf),
    /// It is not of this format.
    #[error("{}:{line}:{column}: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1, in characters.
        column: usize,
        /// What is wrong there.
        problem: Problem,
    },
    /// What was to be written could not be read again.
    #[error("this cannot be kept in {}: {problem}", path.display())]
    Unkeepable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: Problem,
    },
}

/// What is wrong with approvals as text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// No UTF-8, no TOML, an unknown key, a missing one, a value of another type.
    #[error("{0}")]
    Syntax(String),
    /// A format of another time.
    #[error("this file has version {0}, and version 1 is read here; use the `toolcell` that wrote it")]
    Version(u64),
    /// More than [`MAX_APPROVALS`].
    #[error("there are more than {MAX_APPROVALS} approvals; revoke those of tools that are gone")]
    TooMany,
    /// Two approvals for one tool.
    #[error("`{0}` is approved twice; keep the approval that was meant")]
    Twice(String),
    /// More than [`MAX_LINES`].
    #[error(
        "there are more than {MAX_LINES} capabilities in one approval; nobody can have read them, so narrow the policy"
    )]
    TooManyLines,
    /// A capability that no grant can have.
    #[error(
        "`{0}` is no capability: 1 to {MAX_LINE} bytes on one line, without characters that a terminal acts on, and each once"
    )]
    Line(String),
    /// The reviewer's name.
    #[error("`{0}` cannot name a reviewer: use 1 to {MAX_NAME} bytes that can be seen, without a space at either end")]
    Name(String),
    /// The moment.
    #[error("`{0}` is no moment: write it as 2026-11-21T05:14:59Z")]
    Moment(String),
}
