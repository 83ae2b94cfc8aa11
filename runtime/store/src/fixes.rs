//! Remembered fixes in `SQLite`.

use std::convert::Infallible;

use async_trait::async_trait;
use toolcell_core::fixes::{Fix, FixStore};
use toolcell_core::history::Repairer;
use toolcell_core::store::Unavailable;
use toolcell_core::{Digest, Kind, Tenant, UnixMillis};

use crate::Store;
use crate::work::{commit, count, from_row, sql};

const COLUMNS: &str =
    "tenant, id, fingerprint, tool, kind, pointer, message, edits, found_by, tried, worked, first, last";

#[async_trait]
impl FixStore for Store {
    async fn find(&self, tenant: &Tenant, fingerprint: Digest) -> Result<Vec<Fix>, Unavailable> {
        let text = format!("SELECT {COLUMNS} FROM fix WHERE tenant = ?1 AND fingerprint = ?2");
        let rows = sqlx::query_as::<_, FixRow>(&text).bind(&*tenant.0).bind(fingerprint.to_string());
        self.fixes(self.read(rows.fetch_all(&self.readers)).await?)
    }

    async fn add(&self, fix: &Fix) -> Result<(), Unavailable> {
        let as_text = |error: serde_json::Error| Unavailable { detail: format!("a fix cannot be written: {error}") };
        let edits = serde_json::to_string(&fix.edits).map_err(as_text)?;
        let found_by = word(&fix.by).map_err(as_text)?;
        let fix = fix.clone();
        let added = self.write::<_, Infallible, _>(async move |store, until| {
            let text = format!(
                "INSERT INTO fix ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) \
                 ON CONFLICT (tenant, id) DO UPDATE SET tried = tried + excluded.tried, \
                 worked = worked + excluded.worked, last = max(last, excluded.last)"
            );
            let mut tx = store.begin().await?;
            sqlx::query(&text)
                .bind(&*fix.tenant.0)
                .bind(fix.id.to_string())
                .bind(fix.fingerprint.to_string())
                .bind(fix.tool)
                .bind(fix.kind.name())
                .bind(fix.pointer)
                .bind(fix.message)
                .bind(edits)
                .bind(found_by)
                .bind(sql(fix.tried))
                .bind(sql(fix.worked))
                .bind(sql(fix.first.0))
                .bind(sql(fix.last.0))
                .execute(&mut *tx)
                .await?;
            commit(tx, until).await
        });
        Ok(added.await?)
    }

    async fn list(&self, tenant: &Tenant, after: Option<Digest>, limit: u32) -> Result<Vec<Fix>, Unavailable> {
        let text = format!("SELECT {COLUMNS} FROM fix WHERE tenant = ?1 AND id > ?2 ORDER BY id LIMIT ?3");
        let rows = sqlx::query_as::<_, FixRow>(&text)
            .bind(&*tenant.0)
            .bind(after.map_or_else(String::new, |id| id.to_string()))
            .bind(i64::from(limit.clamp(1, 10_000)));
        self.fixes(self.read(rows.fetch_all(&self.readers)).await?)
    }

    async fn forget(&self, tenant: &Tenant, id: Digest) -> Result<bool, Unavailable> {
        let tenant = tenant.clone();
        let forgotten = self.write::<_, Infallible, _>(async move |store, until| {
            let mut tx = store.begin().await?;
            let gone = sqlx::query("DELETE FROM fix WHERE tenant = ?1 AND id = ?2")
                .bind(&*tenant.0)
                .bind(id.to_string())
                .execute(&mut *tx)
                .await?
                .rows_affected();
            commit(tx, until).await?;
            Ok(gone > 0)
        });
        Ok(forgotten.await?)
    }
}

struct FixRow {
    tenant: String,
    id: String,
    fingerprint: String,
    tool: String,
    kind: String,
    pointer: String,
    message: String,
    edits: String,
    found_by: String,
    tried: i64,
    worked: i64,
    first: i64,
    last: i64,
}

from_row!(FixRow: tenant, id, fingerprint, tool, kind, pointer, message, edits, found_by, tried, worked, first, last);

impl Store {
    fn fixes(&self, rows: Vec<FixRow>) -> Result<Vec<Fix>, Unavailable> {
        rows.into_iter().map(|row| self.fix(row)).collect()
    }

    fn fix(&self, row: FixRow) -> Result<Fix, Unavailable> {
        let digest = |text: &str| text.parse::<Digest>().map_err(|error| self.unreadable("a fix's digest", &error));
        let edits = serde_json::from_str(&row.edits).map_err(|error| self.unreadable("a fix", &error))?;
        Ok(Fix {
            id: digest(&row.id)?,
            tenant: Tenant(row.tenant.into()),
            fingerprint: digest(&row.fingerprint)?,
            tool: row.tool,
            kind: Kind::named(&row.kind).ok_or_else(|| self.unreadable("a fix's kind", &row.kind))?,
            pointer: row.pointer,
            message: row.message,
            edits,
            by: named::<Repairer>(&row.found_by).map_err(|error| self.unreadable("a fix's finder", &error))?,
            tried: count(row.tried),
            worked: count(row.worked),
            first: UnixMillis(count(row.first)),
            last: UnixMillis(count(row.last)),
        })
    }
}

/// The word that a value without content is written as.
pub(crate) fn word(value: &impl serde::Serialize) -> Result<String, serde_json::Error> {
    match serde_json::to_value(value)? {
        serde_json::Value::String(word) => Ok(word),
        _ => Err(serde::ser::Error::custom("it is more than a word")),
    }
}

/// The value of that word.
pub(crate) fn named<T: serde::de::DeserializeOwned>(word: &str) -> Result<T, serde_json::Error> {
    serde_json::from_value(serde_json::Value::String(word.to_owned()))
}
