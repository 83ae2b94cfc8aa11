//! Opening a database: one connection that writes, a few that read.
//!
//! `SQLite` lets one writer in at a time and makes others poll for it; a pool of one connection queues the writers of this
//! process fairly instead, and only other processes are polled for.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use crate::StoreError;
use crate::error::{Meaning, meaning};
use crate::schema::{self, SchemaError};

/// A database file, open. Clones share it; other processes may have it open at the same time.
///
/// Durable means: a write that was answered survives the end of the process and a loss of power. That takes
/// `synchronous=FULL`, which syncs the write-ahead log at each commit; with `NORMAL`, `SQLite`'s advice for WAL, the newest
/// commits would be lost with the power (<https://www.sqlite.org/pragma.html#pragma_synchronous>).
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) path: PathBuf,
    pub(crate) writer: SqlitePool,
    pub(crate) readers: SqlitePool,
    pub(crate) patience: Duration,
}

/// How a database is used.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The longest that one operation takes, waiting for others included: 10 ms to 60 s. Other values become the nearest.
    pub patience: Duration,
    /// Connections that read at one time, each with a thread of its own: 1 to 64. Other values become the nearest.
    pub readers: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { patience: Duration::from_secs(5), readers: 4 }
    }
}

/// How long a process waits until it asks again for a lock that `SQLite` does not wait for itself.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// What the write-ahead log keeps of its file after a burst of writes, in bytes.
const LOG_KEEPS: u32 = 16 << 20;

impl Store {
    /// Opens the database of `path`, and makes it where there is none: the folder with mode 0700, the file with 0600.
    /// An older version is brought up to this one.
    ///
    /// # Errors
    /// Each variant of [`StoreError`] is a reason. Nothing is changed in a file that is damaged, another program's, or of a
    /// newer version.
    pub async fn open(path: &Path, options: Options) -> Result<Self, StoreError> {
        let path = crate::file::prepare(path)?;
        let patience = options.patience.clamp(Duration::from_millis(10), Duration::from_mins(1));
        let connect = SqliteConnectOptions::new()
            .filename(&path)
            .busy_timeout(patience)
            .foreign_keys(true)
            .synchronous(SqliteSynchronous::Full)
            // A damaged or foreign schema must not call anything with effects.
            .pragma("trusted_schema", "OFF")
            .pragma("cell_size_check", "ON")
            .pragma("journal_size_limit", LOG_KEEPS.to_string())
            // Values are tenants'; no statement is logged with or without them.
            .disable_statement_logging()
            .thread_name(|id| format!("store-{id}"));
        bring_up(&path, &connect, patience).await?;
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(patience)
                .connect_lazy_with(connect.clone())
        };
        let (writer, readers) = (pool(1), pool(options.readers.clamp(1, 64)));
        Ok(Self { path, writer, readers, patience })
    }

    /// Whether the whole file is a sound database, and what is counted of each space is what its entries take up. It reads
    /// everything: seconds for a GiB.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], or [`StoreError::Database`] where it cannot be read.
    pub async fn check(&self) -> Result<(), StoreError> {
        let failed = |error: sqlx::Error| match meaning(&error) {
            Meaning::Damaged => StoreError::Damaged { path: self.path.clone(), detail: error.to_string() },
            _ => StoreError::Database { action: "check", path: self.path.clone(), source: error.into() },
        };
        let found: String =
            sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_one(&self.readers).await.map_err(failed)?;
        if found != "ok" {
            return Err(StoreError::Damaged { path: self.path.clone(), detail: found });
        }
        let miscounted = "SELECT count(*) FROM kv_space s WHERE (s.keys, s.bytes) <> \
                          (SELECT count(*), coalesce(sum(e.size), 0) FROM kv_entry e WHERE e.space = s.id)";
        match sqlx::query_scalar::<_, i64>(miscounted).fetch_one(&self.readers).await.map_err(failed)? {
            0 => Ok(()),
            spaces => Err(StoreError::Damaged {
                path: self.path.clone(),
                detail: format!("{spaces} kv spaces hold something else than is counted"),
            }),
        }
    }

    /// Waits until what was begun is done, and closes the file. Operations after that answer that the store is unavailable.
    /// Whoever does not close loses nothing: the next to open reads the write-ahead log.
    pub async fn close(&self) {
        for pool in [&self.readers, &self.writer] {
            // A connection that comes back while the pool closes can be left in it (sqlx 0.8.6); the next round takes it.
            while pool.size() > 0 || !pool.is_closed() {
                pool.close().await;
            }
        }
    }
}

/// Makes sure of the file's version and of its write-ahead log.
async fn bring_up(path: &Path, connect: &SqliteConnectOptions, patience: Duration) -> Result<(), StoreError> {
    let began = Instant::now();
    loop {
        let error = match attempt(connect).await {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(_) => return Err(StoreError::NotLocal { path: path.to_owned() }),
            Err(error) => error,
        };
        let path = path.to_owned();
        return Err(match error {
            SchemaError::Foreign => StoreError::Foreign { path },
            SchemaError::Newer(version) => StoreError::Newer { path, version, known: schema::newest() },
            SchemaError::Altered(version) => StoreError::Altered { path, version },
            SchemaError::Sql(error) => match meaning(&error) {
                Meaning::Damaged => StoreError::Damaged { path, detail: error.to_string() },
                Meaning::Busy if began.elapsed() < patience => {
                    tokio::time::sleep(ASK_AGAIN).await;
                    continue;
                }
                Meaning::Busy => StoreError::Busy { path, waited: began.elapsed() },
                Meaning::Other => StoreError::Database { action: "open", path, source: error.into() },
            },
        });
    }
}

/// Answers the file's journal mode. Whose file it is comes first: a foreign one keeps its own mode.
async fn attempt(connect: &SqliteConnectOptions) -> Result<String, SchemaError> {
    let mut connection: SqliteConnection = connect.connect().await.map_err(SchemaError::Sql)?;
    schema::bring_up(&mut connection).await?;
    let mode =
        sqlx::query_scalar("PRAGMA journal_mode = WAL").fetch_one(&mut connection).await.map_err(SchemaError::Sql)?;
    connection.close().await.map_err(SchemaError::Sql)?;
    Ok(mode)
}
