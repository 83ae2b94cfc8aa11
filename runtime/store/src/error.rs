//! Why a store cannot be opened or trusted. These are for the operator: they name files.

use std::path::PathBuf;
use std::time::Duration;

/// A store that cannot be opened, or that is not whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file or its folder cannot be made or looked at.
    #[error("cannot {action} `{}`", .path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// There is something else in the file's place.
    #[error("`{}` is {what}, which is refused here; move it away", .path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// Others could read or replace what tenants keep.
    #[error("`{}` has mode {mode:03o}, open to other users; run `chmod {wanted:03o}` on it", .path.display())]
    Exposed {
        /// The file or folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// The mode that it should have.
        wanted: u32,
    },
    /// A `SQLite` database, but not ours.
    #[error("`{}` is the database of another program; name another file", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer program has changed the database, and this one would not understand it.
    #[error(
        "`{}` has version {version}, and this program knows versions up to {known}; use the newer program, or restore a \
         copy from before",
        .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: i64,
        /// The newest version known here.
        known: i64,
    },
    /// The database was made by a build whose version of that number was another one.
    #[error(
        "version {version} of `{}` was made by a build that was never released; move the file away and start anew",
        .path.display()
    )]
    Altered {
        /// The file.
        path: PathBuf,
        /// The version that differs.
        version: i64,
    },
    /// The file's content is not that of a whole database.
    #[error(
        "`{}` is damaged: {detail}; stop all who use it, move it away together with its `-wal` and `-shm` files, and \
         restore a copy or start anew",
        .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// The file system has no shared memory between processes, as network file systems have not.
    #[error("`{}` cannot keep a write-ahead log; put it on a local disk", .path.display())]
    NotLocal {
        /// The file.
        path: PathBuf,
    },
    /// Another process holds the database.
    #[error("`{}` was held by another process for {waited:?}; try again when that is done", .path.display())]
    Busy {
        /// The file.
        path: PathBuf,
        /// How long was waited.
        waited: Duration,
    },
    /// Anything else that the database answers, a full disk among it.
    #[error("cannot {action} `{}`; see to what it names and try again", .path.display())]
    Database {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The database's own words.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// What an error of the database means for whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Somebody else holds it; waiting may help.
    Busy,
    /// The file is no whole database.
    Damaged,
    /// Anything else.
    Other,
}

/// Reads `SQLite`'s primary result codes (<https://www.sqlite.org/rescode.html>): the low byte of the extended ones.
pub(crate) fn meaning(error: &sqlx::Error) -> Meaning {
    const BUSY: u32 = 5;
    const CORRUPT: u32 = 11;
    const NOT_A_DATABASE: u32 = 26;
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    match code.map(|code| code & 0xff) {
        Some(BUSY) => Meaning::Busy,
        Some(CORRUPT | NOT_A_DATABASE) => Meaning::Damaged,
        _ => Meaning::Other,
    }
}
