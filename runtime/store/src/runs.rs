//! Runs and their steps in `SQLite`.

use async_trait::async_trait;
use sqlx::query::QueryAs;
use sqlx::sqlite::SqliteArguments;
use sqlx::{QueryBuilder, Sqlite, Transaction};
use toolcell_core::runs::{
    Answered, Fence, Kept, NewRun, RunError, RunHead, RunId, RunState, RunStore, StepKey, StepRecord, StepState,
};
use toolcell_core::store::Unavailable;
use toolcell_core::{Tenant, UnixMillis};

use crate::Store;
use crate::work::{Stopped, Unwritten, commit, count, from_row, sql};

/// Steps that go into one statement: ten values each, far below the 32,766 that `SQLite` takes.
const TOGETHER: usize = 200;

/// Steps that are removed in one transaction.
const BATCH: i64 = 1_000;

#[async_trait]
impl RunStore for Store {
    async fn create(&self, run: &NewRun) -> Result<(), RunError> {
        let run = run.clone();
        self.write(async move |store, until| {
            let mut tx = store.begin().await?;
            let made = sqlx::query(
                "INSERT INTO run (id, tenant, caller, plan, input, created, deadline, state) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'running') ON CONFLICT (id) DO NOTHING",
            )
            .bind(run.id.to_string())
            .bind(&*run.tenant.0)
            .bind(run.caller)
            .bind(&*run.plan)
            .bind(&*run.input)
            .bind(sql(run.created.0))
            .bind(run.deadline.map(|deadline| sql(deadline.0)))
            .execute(&mut *tx)
            .await?;
            if made.rows_affected() == 0 {
                return Err(Stopped::Refused(RunError::Exists));
            }
            commit(tx, until).await
        })
        .await
        .map_err(RunError::from)
    }

    async fn claim(&self, tenant: &Tenant, run: RunId) -> Result<RunHead, RunError> {
        let tenant = tenant.clone();
        let row = self
            .write(async move |store, until| {
                let mut tx = store.begin().await?;
                sqlx::query(
                    "UPDATE run SET fence = fence + 1, state = 'running' \
                     WHERE id = ?1 AND tenant = ?2 AND state IN ('running', 'waiting')",
                )
                .bind(run.to_string())
                .bind(&*tenant.0)
                .execute(&mut *tx)
                .await?;
                let row = one(&tenant, run).fetch_optional(&mut *tx).await?;
                commit(tx, until).await?;
                row.ok_or(Stopped::Refused(RunError::NotFound))
            })
            .await?;
        self.head_of(row).map_err(RunError::Unavailable)
    }

    async fn commit(
        &self,
        run: RunId,
        fence: Fence,
        records: &[StepRecord],
        state: Option<RunState>,
        now: UnixMillis,
    ) -> Result<(), RunError> {
        let rows = records.iter().map(Written::of).collect::<Result<Vec<_>, _>>().map_err(|error| {
            RunError::Unavailable(Unavailable { detail: format!("a step cannot be written as JSON: {error}") })
        })?;
        self.write(async move |store, until| {
            let mut tx = store.begin().await?;
            let found =
                sqlx::query_as::<_, (i64, i64, Option<i64>)>("SELECT number, fence, ended FROM run WHERE id = ?1")
                    .bind(run.to_string())
                    .fetch_optional(&mut *tx)
                    .await?;
            let number = match found {
                None => return Err(Stopped::Refused(RunError::NotFound)),
                Some((number, newest, None)) if newest == sql(fence.0) => number,
                Some(_) => return Err(Stopped::Refused(RunError::Overtaken)),
            };
            for rows in rows.chunks(TOGETHER) {
                put(&mut tx, number, rows).await?;
            }
            if let Some(state) = state {
                sqlx::query("UPDATE run SET state = ?2, ended = ?3 WHERE number = ?1")
                    .bind(number)
                    .bind(state.name())
                    .bind(state.ended().then_some(sql(now.0)))
                    .execute(&mut *tx)
                    .await?;
            }
            commit(tx, until).await
        })
        .await
        .map_err(RunError::from)
    }

    async fn head(&self, tenant: &Tenant, run: RunId) -> Result<RunHead, RunError> {
        let row = self.read(one(tenant, run).fetch_optional(&self.readers)).await.map_err(RunError::Unavailable)?;
        self.head_of(row.ok_or(RunError::NotFound)?).map_err(RunError::Unavailable)
    }

    async fn steps(&self, run: RunId, after: Option<&StepKey>, limit: u32) -> Result<Vec<Kept>, RunError> {
        let rows = sqlx::query_as::<_, StepRow>(
            "SELECT s.step, s.item, s.started, s.duration_us, s.body, s.used, s.history, s.answer \
             FROM run r JOIN step s ON s.run = r.number WHERE r.id = ?1 AND (s.step, s.item) > (?2, ?3) \
             ORDER BY s.step, s.item LIMIT ?4",
        )
        .bind(run.to_string())
        .bind(after.map_or("", |key| &*key.step))
        .bind(after.map_or(-2, item))
        .bind(i64::from(limit.clamp(1, 10_000)));
        let rows = self.read(rows.fetch_all(&self.readers)).await.map_err(RunError::Unavailable)?;
        let unreadable = |error: serde_json::Error| RunError::Unavailable(self.unreadable("a step", &error));
        rows.into_iter().map(|row| row.kept().map_err(unreadable)).collect()
    }

    async fn list(
        &self,
        tenant: &Tenant,
        state: Option<RunState>,
        before: Option<RunId>,
        limit: u32,
    ) -> Result<Vec<RunHead>, RunError> {
        let rows = sqlx::query_as::<_, HeadRow>(
            "SELECT id, tenant, caller, '' AS plan, '' AS input, created, deadline, state, ended, fence FROM run \
             WHERE tenant = ?1 AND (?2 IS NULL OR state = ?2) \
             AND (?3 IS NULL OR number < (SELECT number FROM run WHERE id = ?3 AND tenant = ?1)) \
             ORDER BY number DESC LIMIT ?4",
        )
        .bind(&*tenant.0)
        .bind(state.map(RunState::name))
        .bind(before.map(|run| run.to_string()))
        .bind(i64::from(limit.clamp(1, 1_000)));
        let rows = self.read(rows.fetch_all(&self.readers)).await.map_err(RunError::Unavailable)?;
        rows.into_iter().map(|row| self.head_of(row).map_err(RunError::Unavailable)).collect()
    }

    async fn answer(&self, tenant: &Tenant, run: RunId, key: &StepKey, answer: &Answered) -> Result<(), RunError> {
        let text = serde_json::to_string(answer).map_err(|error| {
            RunError::Unavailable(Unavailable { detail: format!("an answer cannot be written as JSON: {error}") })
        })?;
        let (tenant, key) = (tenant.clone(), key.clone());
        self.write(async move |store, until| {
            let mut tx = store.begin().await?;
            let number = sqlx::query_scalar::<_, i64>("SELECT number FROM run WHERE id = ?1 AND tenant = ?2")
                .bind(run.to_string())
                .bind(&*tenant.0)
                .fetch_optional(&mut *tx)
                .await?
                .ok_or(Stopped::Refused(RunError::NotFound))?;
            let answered = sqlx::query_scalar::<_, Option<i64>>(
                "SELECT answer IS NOT NULL FROM step \
                 WHERE run = ?1 AND step = ?2 AND item = ?3 AND state = 'waiting' \
                 AND (SELECT ended FROM run WHERE number = ?1) IS NULL",
            )
            .bind(number)
            .bind(&*key.step)
            .bind(item(&key))
            .fetch_optional(&mut *tx)
            .await?;
            match answered {
                None => return Err(Stopped::Refused(RunError::NotWaiting)),
                Some(Some(0)) => {}
                Some(_) => return Err(Stopped::Refused(RunError::Answered)),
            }
            sqlx::query("UPDATE step SET answer = ?4 WHERE run = ?1 AND step = ?2 AND item = ?3")
                .bind(number)
                .bind(&*key.step)
                .bind(item(&key))
                .bind(text)
                .execute(&mut *tx)
                .await?;
            commit(tx, until).await
        })
        .await
        .map_err(RunError::from)
    }

    async fn remove(&self, tenant: &Tenant, run: RunId) -> Result<(), RunError> {
        let head = self.head(tenant, run).await?;
        if !head.state.ended() {
            return Err(RunError::NotEnded);
        }
        let mut more = true;
        while more {
            // A run that has ended never begins again, so its steps can go one batch after the other.
            more = self
                .write(async move |store, until| {
                    let mut tx = store.begin().await?;
                    let gone = sqlx::query(
                        "DELETE FROM step WHERE rowid IN \
                         (SELECT s.rowid FROM run r JOIN step s ON s.run = r.number WHERE r.id = ?1 LIMIT ?2)",
                    )
                    .bind(run.to_string())
                    .bind(BATCH)
                    .execute(&mut *tx)
                    .await?
                    .rows_affected();
                    if gone == 0 {
                        sqlx::query("DELETE FROM run WHERE id = ?1").bind(run.to_string()).execute(&mut *tx).await?;
                    }
                    commit::<RunError>(tx, until).await?;
                    Ok(gone > 0)
                })
                .await?;
        }
        Ok(())
    }
}

impl From<Unwritten<RunError>> for RunError {
    fn from(unwritten: Unwritten<RunError>) -> Self {
        match unwritten {
            Unwritten::Refused(refused) => refused,
            Unwritten::Unavailable(unavailable) => Self::Unavailable(unavailable),
        }
    }
}

/// One run of a tenant.
fn one(tenant: &Tenant, run: RunId) -> QueryAs<'static, Sqlite, HeadRow, SqliteArguments<'static>> {
    sqlx::query_as(
        "SELECT id, tenant, caller, plan, input, created, deadline, state, ended, fence FROM run \
         WHERE id = ?1 AND tenant = ?2",
    )
    .bind(run.to_string())
    .bind(tenant.0.to_string())
}

/// A step as its columns.
struct Written {
    step: String,
    item: i64,
    state: &'static str,
    started: i64,
    duration_us: i64,
    body: String,
    used: Option<String>,
    history: Option<String>,
}

impl Written {
    fn of(record: &StepRecord) -> Result<Self, serde_json::Error> {
        let history = (!record.history.is_empty()).then(|| serde_json::to_string(&record.history)).transpose()?;
        let used = (!record.used.is_nothing()).then(|| serde_json::to_string(&record.used)).transpose()?;
        Ok(Self {
            step: record.key.step.to_string(),
            item: item(&record.key),
            state: record.state.name(),
            started: sql(record.started.0),
            duration_us: sql(record.duration_us),
            body: serde_json::to_string(&record.state)?,
            used,
            history,
        })
    }
}

/// Writes steps, each in the place of what was written of it before.
async fn put(tx: &mut Transaction<'static, Sqlite>, run: i64, rows: &[Written]) -> Result<(), sqlx::Error> {
    let mut insert =
        QueryBuilder::new("INSERT INTO step (run, step, item, state, started, duration_us, body, used, history) ");
    insert.push_values(rows, |mut row, written| {
        row.push_bind(run)
            .push_bind(&written.step)
            .push_bind(written.item)
            .push_bind(written.state)
            .push_bind(written.started)
            .push_bind(written.duration_us)
            .push_bind(&written.body)
            .push_bind(&written.used)
            .push_bind(&written.history);
    });
    insert.push(
        " ON CONFLICT (run, step, item) DO UPDATE SET state = excluded.state, started = excluded.started, \
         duration_us = excluded.duration_us, body = excluded.body, used = excluded.used, history = excluded.history, \
         answer = NULL",
    );
    // Only full statements are alike; the others would push better ones out of the cache.
    insert.build().persistent(rows.len() == 1 || rows.len() == TOGETHER).execute(&mut **tx).await.map(drop)
}

struct StepRow {
    step: String,
    item: i64,
    started: i64,
    duration_us: i64,
    body: String,
    used: Option<String>,
    history: Option<String>,
    answer: Option<String>,
}

from_row!(StepRow: step, item, started, duration_us, body, used, history, answer);

impl StepRow {
    fn kept(self) -> Result<Kept, serde_json::Error> {
        let state: StepState = serde_json::from_str(&self.body)?;
        let history = self.history.map(|text| serde_json::from_str(&text)).transpose()?.unwrap_or_default();
        let used = self.used.map(|text| serde_json::from_str(&text)).transpose()?.unwrap_or_default();
        let answer = self.answer.map(|text| serde_json::from_str::<Answered>(&text)).transpose()?;
        let key = StepKey { step: self.step.into(), item: u32::try_from(self.item).ok() };
        let started = UnixMillis(count(self.started));
        let duration_us = count(self.duration_us);
        Ok(Kept { record: StepRecord { key, state, started, duration_us, used, history }, answer })
    }
}

struct HeadRow {
    id: String,
    tenant: String,
    caller: String,
    plan: String,
    input: String,
    created: i64,
    deadline: Option<i64>,
    state: String,
    ended: Option<i64>,
    fence: i64,
}

from_row!(HeadRow: id, tenant, caller, plan, input, created, deadline, state, ended, fence);

impl Store {
    fn head_of(&self, row: HeadRow) -> Result<RunHead, Unavailable> {
        let id = row.id.parse().map_err(|error| self.unreadable("a run's id", &error))?;
        let state = RunState::named(&row.state).ok_or_else(|| self.unreadable("a run's state", &row.state))?;
        let moment = |millis: i64| UnixMillis(count(millis));
        let run = NewRun {
            id,
            tenant: Tenant(row.tenant.into()),
            caller: row.caller,
            plan: row.plan.into(),
            input: row.input.into(),
            created: moment(row.created),
            deadline: row.deadline.map(moment),
        };
        Ok(RunHead { run, state, ended: row.ended.map(moment), fence: Fence(count(row.fence)) })
    }
}

/// An item's place as a column: the step itself stands before its items.
fn item(key: &StepKey) -> i64 {
    key.item.map_or(-1, i64::from)
}
