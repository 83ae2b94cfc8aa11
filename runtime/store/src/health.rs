//! Call records in `SQLite`.

use std::convert::Infallible;

use async_trait::async_trait;
use sqlx::{QueryBuilder, Sqlite};
use toolcell_core::health::{CallRecord, HealthStore};
use toolcell_core::store::Unavailable;
use toolcell_core::{Digest, Kind, Tenant, UnixMillis};

use crate::Store;
use crate::fixes::{named, word};
use crate::work::{Stopped, commit, count, from_row, sql};

/// Records that go into one statement: thirteen values each, below the 32,766 that `SQLite` takes.
const TOGETHER: usize = 200;

/// Records that are forgotten in one transaction.
const BATCH: i64 = 5_000;

const COLUMNS: &str = "at, tenant, tool, component, profile, upstream, verdict, kind, recovery, fingerprint, message, \
                       duration_us, recovered";

#[async_trait]
impl HealthStore for Store {
    async fn record(&self, records: &[CallRecord]) -> Result<(), Unavailable> {
        let rows = records.iter().map(RecordRow::of).collect::<Result<Vec<_>, _>>();
        let rows = rows.map_err(|error| Unavailable { detail: format!("a record cannot be written: {error}") })?;
        let written = self.write::<_, Infallible, _>(async move |store, until| {
            let mut tx = store.begin().await?;
            for rows in rows.chunks(TOGETHER) {
                let mut insert = QueryBuilder::<Sqlite>::new(format!("INSERT INTO call_record ({COLUMNS}) "));
                insert.push_values(rows, |mut values, row| {
                    values
                        .push_bind(row.at)
                        .push_bind(&row.tenant)
                        .push_bind(&row.tool)
                        .push_bind(&row.component)
                        .push_bind(&row.profile)
                        .push_bind(&row.upstream)
                        .push_bind(&row.verdict)
                        .push_bind(&row.kind)
                        .push_bind(&row.recovery)
                        .push_bind(&row.fingerprint)
                        .push_bind(&row.message)
                        .push_bind(row.duration_us)
                        .push_bind(&row.recovered);
                });
                insert.build().persistent(rows.len() == TOGETHER).execute(&mut *tx).await?;
            }
            commit(tx, until).await
        });
        Ok(written.await?)
    }

    async fn since(
        &self,
        tenant: Option<&Tenant>,
        since: UnixMillis,
        limit: u32,
    ) -> Result<Vec<CallRecord>, Unavailable> {
        let whose = if tenant.is_some() { "tenant = ?3 AND at >= ?1" } else { "at >= ?1" };
        let text = format!(
            "SELECT {COLUMNS} FROM (SELECT * FROM call_record WHERE {whose} ORDER BY at DESC, number DESC LIMIT ?2) \
             ORDER BY at, number"
        );
        let rows = sqlx::query_as::<_, RecordRow>(&text)
            .bind(sql(since.0))
            .bind(i64::from(limit.clamp(1, 1_000_000)))
            .bind(tenant.map(|tenant| tenant.0.to_string()));
        let rows = self.read(rows.fetch_all(&self.readers)).await?;
        rows.into_iter().map(|row| row.record().map_err(|error| self.unreadable("a call record", &error))).collect()
    }

    async fn forget(&self, before: UnixMillis, keep: u64) -> Result<u64, Unavailable> {
        let mut forgotten = 0;
        loop {
            let gone = self
                .write::<_, Infallible, _>(async move |store, until| {
                    let mut tx = store.begin().await?;
                    // The newest that is too many; with it everything that is older.
                    let beyond = sqlx::query_as::<_, (i64, i64)>(
                        "SELECT at, number FROM call_record ORDER BY at DESC, number DESC LIMIT 1 OFFSET ?1",
                    )
                    .bind(sql(keep))
                    .fetch_optional(&mut *tx)
                    .await?;
                    let (at, number) = beyond.unwrap_or((-1, -1));
                    let gone = sqlx::query(
                        "DELETE FROM call_record WHERE number IN (SELECT number FROM call_record \
                         WHERE at < ?1 OR (at, number) <= (?2, ?3) ORDER BY at, number LIMIT ?4)",
                    )
                    .bind(sql(before.0))
                    .bind(at)
                    .bind(number)
                    .bind(BATCH)
                    .execute(&mut *tx)
                    .await?
                    .rows_affected();
                    commit(tx, until).await?;
                    Ok::<_, Stopped<Infallible>>(gone)
                })
                .await?;
            forgotten += gone;
            if gone < count(BATCH) {
                return Ok(forgotten);
            }
        }
    }
}

/// A record as its columns.
struct RecordRow {
    at: i64,
    tenant: String,
    tool: String,
    component: Option<String>,
    profile: String,
    upstream: Option<String>,
    verdict: String,
    kind: Option<String>,
    recovery: Option<String>,
    fingerprint: Option<String>,
    message: Option<String>,
    duration_us: i64,
    recovered: Option<String>,
}

from_row!(RecordRow: at, tenant, tool, component, profile, upstream, verdict, kind, recovery, fingerprint, message, duration_us, recovered);

impl RecordRow {
    fn of(record: &CallRecord) -> Result<Self, serde_json::Error> {
        Ok(Self {
            at: sql(record.at.0),
            tenant: record.tenant.0.to_string(),
            tool: record.tool.clone(),
            component: record.component.map(|digest| digest.to_string()),
            profile: record.profile.clone(),
            upstream: record.upstream.clone(),
            verdict: record.verdict.to_string(),
            kind: record.kind.map(|kind| kind.name().to_owned()),
            recovery: record.recovery.as_ref().map(word).transpose()?,
            fingerprint: record.fingerprint.map(|digest| digest.to_string()),
            message: record.message.clone(),
            duration_us: sql(record.duration_us),
            recovered: record.recovered.as_ref().map(word).transpose()?,
        })
    }

    fn record(self) -> Result<CallRecord, Unreadable> {
        let digest = |text: Option<String>| text.map(|text| text.parse::<Digest>()).transpose();
        let kind = |name: String| Kind::named(&name).ok_or(Unreadable(format!("no failure kind is called `{name}`")));
        Ok(CallRecord {
            at: UnixMillis(count(self.at)),
            tenant: Tenant(self.tenant.into()),
            tool: self.tool,
            component: digest(self.component)?,
            profile: self.profile,
            upstream: self.upstream,
            verdict: self.verdict.into(),
            kind: self.kind.map(kind).transpose()?,
            recovery: self.recovery.map(|text| named(&text)).transpose()?,
            fingerprint: digest(self.fingerprint)?,
            message: self.message,
            duration_us: count(self.duration_us),
            recovered: self.recovered.map(|text| named(&text)).transpose()?,
        })
    }
}

/// A row that this program cannot have written.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unreadable(String);

impl From<serde_json::Error> for Unreadable {
    fn from(error: serde_json::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<toolcell_core::digest::NotADigest> for Unreadable {
    fn from(error: toolcell_core::digest::NotADigest) -> Self {
        Self(error.to_string())
    }
}
