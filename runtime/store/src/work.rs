//! How reads and writes run: in bounded time, and a write never by halves.
//!
//! A write runs in a task of its own, which whoever asked for it can abandon but not interrupt: dropped between two
//! statements, it would leave the one writing connection inside a transaction. It ends by itself within the patience.

use std::convert::Infallible;
use std::future::Future;

use sqlx::{Sqlite, Transaction};
use tokio::time::Instant;
use toolcell_core::store::Unavailable;

use crate::Store;
use crate::error::{Meaning, meaning};

/// Why a transaction came to nothing.
pub(crate) enum Stopped<E> {
    /// What was asked cannot be done; the store's own word for it.
    Refused(E),
    /// Whoever asked has stopped waiting.
    Late,
    /// The database's own error.
    Sql(sqlx::Error),
}

impl<E> From<sqlx::Error> for Stopped<E> {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

/// Why a write is not there, as whoever asked hears it.
pub(crate) enum Unwritten<E> {
    /// What was asked cannot be done.
    Refused(E),
    /// The store does not answer.
    Unavailable(Unavailable),
}

impl From<Unwritten<Infallible>> for Unavailable {
    fn from(unwritten: Unwritten<Infallible>) -> Self {
        match unwritten {
            Unwritten::Refused(never) => match never {},
            Unwritten::Unavailable(unavailable) => unavailable,
        }
    }
}

impl Store {
    /// Begins with the write lock. A transaction that began by reading could not get it once another had written.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.writer.begin_with("BEGIN IMMEDIATE").await
    }

    /// Waits for a read, as long as the patience allows.
    pub(crate) async fn read<T>(&self, read: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Unavailable> {
        match tokio::time::timeout(self.patience, read).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.unavailable(&error)),
            Err(_) => Err(self.late()),
        }
    }

    /// Runs a write in a task of its own and waits for it, as long as the patience allows.
    pub(crate) async fn write<T, E, W>(&self, write: impl FnOnce(Self, Instant) -> W) -> Result<T, Unwritten<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        W: Future<Output = Result<T, Stopped<E>>> + Send + 'static,
    {
        let until = Instant::now() + self.patience;
        let task = tokio::spawn(write(self.clone(), until));
        match tokio::time::timeout_at(until, task).await {
            Ok(Ok(Ok(value))) => Ok(value),
            Ok(Ok(Err(Stopped::Refused(refused)))) => Err(Unwritten::Refused(refused)),
            Ok(Ok(Err(Stopped::Sql(error)))) => Err(Unwritten::Unavailable(self.unavailable(&error))),
            Ok(Ok(Err(Stopped::Late))) | Err(_) => Err(Unwritten::Unavailable(self.late())),
            Ok(Err(ended)) => {
                let detail = format!("the write did not run to its end: {ended}");
                Err(Unwritten::Unavailable(Unavailable { detail }))
            }
        }
    }

    /// What is said where a row holds what this program cannot have written.
    pub(crate) fn unreadable(&self, what: &str, why: &dyn std::fmt::Display) -> Unavailable {
        let detail = format!("`{}` holds {what} that cannot be read: {why}", self.path.display());
        tracing::warn!(%detail, "the store does not answer");
        Unavailable { detail }
    }

    fn unavailable(&self, error: &sqlx::Error) -> Unavailable {
        let path = self.path.display();
        let next = match meaning(error) {
            Meaning::Busy => "another process holds it",
            Meaning::Damaged => "it is damaged: stop all who use it and restore a copy",
            Meaning::Other => "see to what it names",
        };
        let detail = format!("`{path}`: {error}; {next}");
        tracing::warn!(%detail, "the store does not answer");
        Unavailable { detail }
    }

    fn late(&self) -> Unavailable {
        let detail = format!(
            "`{}` did not answer within {:?}; see what its disk is busy with",
            self.path.display(),
            self.patience
        );
        tracing::warn!(%detail, "the store does not answer");
        Unavailable { detail }
    }
}

/// Commits, unless whoever asked has stopped waiting: to them the write did not happen.
pub(crate) async fn commit<E>(tx: Transaction<'static, Sqlite>, until: Instant) -> Result<(), Stopped<E>> {
    if Instant::now() >= until {
        tx.rollback().await?;
        return Err(Stopped::Late);
    }
    Ok(tx.commit().await?)
}

/// A number for SQL, whose integers have a sign. What is larger is so by hundreds of millions of years, or of exabytes.
pub(crate) fn sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number of things from SQL; the tables' checks keep it from being negative.
pub(crate) fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Reads a struct from the columns of the same names. sqlx's derive would bring its macros, and with them a second copy of
/// everything they check against a database.
macro_rules! from_row {
    ($row:ident: $($column:ident),*) => {
        impl<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow> for $row {
            fn from_row(row: &'r sqlx::sqlite::SqliteRow) -> Result<Self, sqlx::Error> {
                Ok(Self { $($column: sqlx::Row::try_get(row, stringify!($column))?),* })
            }
        }
    };
}
pub(crate) use from_row;
