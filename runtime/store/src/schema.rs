//! The versions of the database, as SQL that is part of the program.
//!
//! All that are missing run in one transaction that holds the write lock from its beginning: a process that dies leaves
//! the old version, and of two that open a new file at once the second finds it done.

use sqlx::migrate::{Migrate as _, MigrateError, Migration, MigrationType};
use sqlx::{Connection as _, SqliteConnection};

/// In `SQLite`'s header, at byte 68: tells our files from those of other programs. It reads `TCel`.
const APPLICATION_ID: i32 = 0x5443_656c;

/// In order, without gaps. One that was released never changes: its text is compared with what a database was made with.
const VERSIONS: &[(&str, &str)] = &[
    ("kv", include_str!("schema/0001_kv.sql")),
    ("runs", include_str!("schema/0002_runs.sql")),
    ("learning", include_str!("schema/0003_learning.sql")),
];

/// Why a database cannot be brought to this version.
#[derive(Debug)]
pub(crate) enum SchemaError {
    /// It is another program's.
    Foreign,
    /// A newer program has changed it: its version.
    Newer(i64),
    /// It was made by other SQL than ours under the same number: its version.
    Altered(i64),
    /// The database's own error.
    Sql(sqlx::Error),
}

/// The newest version that this program knows.
pub(crate) fn newest() -> i64 {
    i64::try_from(VERSIONS.len()).expect("the list is short")
}

/// Brings a database to the newest version; refuses one that is not ours before anything in it is changed.
pub(crate) async fn bring_up(connection: &mut SqliteConnection) -> Result<(), SchemaError> {
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await.map_err(SchemaError::Sql)?;
    let id: i32 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *tx).await.map_err(SchemaError::Sql)?;
    if id != APPLICATION_ID {
        let things: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema")
            .fetch_one(&mut *tx)
            .await
            .map_err(SchemaError::Sql)?;
        if id != 0 || things != 0 {
            return Err(SchemaError::Foreign);
        }
        let sign = format!("PRAGMA application_id = {APPLICATION_ID}");
        sqlx::query(&sign).execute(&mut *tx).await.map_err(SchemaError::Sql)?;
    }
    catch_up(&mut tx).await?;
    tx.commit().await.map_err(SchemaError::Sql)
}

/// What sqlx's own `Migrator` does, inside a transaction; its future cannot be sent between threads.
async fn catch_up(connection: &mut SqliteConnection) -> Result<(), SchemaError> {
    connection.ensure_migrations_table().await.map_err(refused)?;
    let applied = connection.list_applied_migrations().await.map_err(refused)?;
    if let Some(newer) = applied.iter().find(|applied| applied.version > newest()) {
        return Err(SchemaError::Newer(newer.version));
    }
    for (version, &(name, sql)) in (1..).zip(VERSIONS) {
        let ours = Migration::new(version, name.into(), MigrationType::Simple, sql.into(), false);
        match applied.iter().find(|applied| applied.version == version) {
            Some(theirs) if theirs.checksum == ours.checksum => {}
            Some(_) => return Err(SchemaError::Altered(version)),
            None => drop(connection.apply(&ours).await.map_err(refused)?),
        }
    }
    Ok(())
}

fn refused(error: MigrateError) -> SchemaError {
    SchemaError::Sql(match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error,
        other => sqlx::Error::Migrate(Box::new(other)),
    })
}
