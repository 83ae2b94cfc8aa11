//! The kv store of tools in `SQLite`.

use async_trait::async_trait;
use sqlx::{Sqlite, Transaction};
use tokio::time::Instant;
use toolcell_core::UnixMillis;
use toolcell_core::kv::{Cursor, Key, KvError, KvStore, OverQuota, Page, PageSize, Prefix, Quota, Space, Usage};
use toolcell_core::store::Unavailable;

use crate::Store;
use crate::work::{Stopped, Unwritten, commit, count, sql};

/// Expired entries that each `set` removes from its space: more than it can add, so that they never pile up.
const SWEEP: i64 = 16;

/// Entries removed in one transaction, so that others wait milliseconds for the write lock.
const BATCH: i64 = 500;

/// Transactions of one call of `purge_expired`.
const BATCHES: u32 = 100;

#[async_trait]
impl KvStore for Store {
    async fn get(&self, space: Space<'_>, key: &Key, now: UnixMillis) -> Result<Option<Vec<u8>>, KvError> {
        let value = sqlx::query_scalar(
            "SELECT e.value FROM kv_space s JOIN kv_entry e ON e.space = s.id \
             WHERE s.tenant = ?1 AND s.component = ?2 AND e.key = ?3 AND (e.expires IS NULL OR e.expires > ?4)",
        )
        .bind(&*space.tenant.0)
        .bind(space.component)
        .bind(key.as_str())
        .bind(sql(now.0));
        self.read(value.fetch_optional(&self.readers)).await.map_err(out)
    }

    async fn set(
        &self,
        space: Space<'_>,
        key: &Key,
        value: &[u8],
        expires: Option<UnixMillis>,
        quota: &Quota,
        now: UnixMillis,
    ) -> Result<(), KvError> {
        quota.value_fits(value.len()).map_err(KvError::OverQuota)?;
        if expires.is_some_and(|expires| expires <= now) {
            return self.delete(space, key).await;
        }
        let entry = Entry {
            tenant: space.tenant.0.as_ref().into(),
            component: space.component.into(),
            key: key.clone(),
            value: value.into(),
            expires,
        };
        let quota = *quota;
        self.write(async move |store, until| {
            // Room is made in transactions of their own, so that the lock is never held for long.
            loop {
                match store.try_set(&entry, &quota, now, until).await? {
                    Try::Done => return Ok(()),
                    Try::Swept => {}
                    Try::Full(over) => return Err(Stopped::Refused(over)),
                }
            }
        })
        .await
        .map_err(KvError::from)
    }

    async fn delete(&self, space: Space<'_>, key: &Key) -> Result<(), KvError> {
        let (tenant, component, key) = (space.tenant.0.to_string(), space.component.to_owned(), key.clone());
        self.write(async move |store, until| {
            let mut tx = store.begin().await?;
            sqlx::query(
                "DELETE FROM kv_entry \
                 WHERE space = (SELECT id FROM kv_space WHERE tenant = ?1 AND component = ?2) AND key = ?3",
            )
            .bind(tenant)
            .bind(component)
            .bind(key.as_str())
            .execute(&mut *tx)
            .await?;
            commit(tx, until).await
        })
        .await
        .map_err(KvError::from)
    }

    async fn list(
        &self,
        space: Space<'_>,
        prefix: &Prefix,
        after: Option<&Cursor>,
        limit: PageSize,
        now: UnixMillis,
    ) -> Result<Page, KvError> {
        // No key holds NUL, so a key with NUL behind it is the smallest text above that key.
        let from = after.map_or_else(String::new, |cursor| format!("{}\0", cursor.key()));
        let limit = limit.get() as usize;
        // In SQLite every blob is above every text: the empty one ends a range that has no end.
        let keys = sqlx::query_scalar::<_, String>(
            "SELECT e.key FROM kv_space s JOIN kv_entry e ON e.space = s.id \
             WHERE s.tenant = ?1 AND s.component = ?2 AND e.key >= ?3 AND e.key < coalesce(?4, x'') \
             AND (e.expires IS NULL OR e.expires > ?5) ORDER BY e.key LIMIT ?6",
        )
        .bind(&*space.tenant.0)
        .bind(space.component)
        .bind(from.as_str().max(prefix.as_str()))
        .bind(prefix.end())
        .bind(sql(now.0))
        .bind(sql(limit as u64 + 1));
        let keys = self.read(keys.fetch_all(&self.readers)).await.map_err(out)?;
        let mut keys = keys.into_iter().map(Key::try_from).collect::<Result<Vec<_>, _>>().map_err(|error| {
            let detail = format!("`{}` holds a key that cannot have been set: {error}", self.path.display());
            KvError::Unavailable { detail }
        })?;
        let more = keys.len() > limit;
        keys.truncate(limit);
        let next = keys.last().filter(|_| more).cloned().map(Cursor::after);
        Ok(Page { keys, next })
    }

    async fn usage(&self, space: Space<'_>, now: UnixMillis) -> Result<Usage, KvError> {
        let usage = sqlx::query_as::<_, (i64, i64)>(
            "SELECT s.keys - count(e.size), s.bytes - coalesce(sum(e.size), 0) FROM kv_space s \
             LEFT JOIN kv_entry e ON e.space = s.id AND e.expires IS NOT NULL AND e.expires <= ?3 \
             WHERE s.tenant = ?1 AND s.component = ?2 GROUP BY s.id",
        )
        .bind(&*space.tenant.0)
        .bind(space.component)
        .bind(sql(now.0));
        let usage = self.read(usage.fetch_optional(&self.readers)).await.map_err(out)?;
        Ok(usage.map_or_else(Usage::default, |(keys, bytes)| Usage { keys: count(keys), bytes: count(bytes) }))
    }

    async fn purge_expired(&self, now: UnixMillis) -> Result<u64, KvError> {
        let mut removed = 0;
        for _ in 0..BATCHES {
            let batch = self
                .write(async move |store, until| {
                    let mut tx = store.begin().await?;
                    let gone = sqlx::query(
                        "DELETE FROM kv_entry WHERE rowid IN (SELECT e.rowid FROM kv_space s CROSS JOIN kv_entry e \
                         ON e.space = s.id WHERE e.expires IS NOT NULL AND e.expires <= ?1 LIMIT ?2)",
                    )
                    .bind(sql(now.0))
                    .bind(BATCH)
                    .execute(&mut *tx)
                    .await?
                    .rows_affected();
                    commit(tx, until).await?;
                    Ok(gone)
                })
                .await
                .map_err(KvError::from)?;
            removed += batch;
            if batch < count(BATCH) {
                break;
            }
        }
        Ok(removed)
    }
}

/// What a `set` puts down.
struct Entry {
    tenant: Box<str>,
    component: Box<str>,
    key: Key,
    value: Box<[u8]>,
    expires: Option<UnixMillis>,
}

/// How far a `set` came.
enum Try {
    /// It is done.
    Done,
    /// There was no room, and expired entries were removed. Try again.
    Swept,
    /// There is no room.
    Full(OverQuota),
}

impl From<Unwritten<OverQuota>> for KvError {
    fn from(unwritten: Unwritten<OverQuota>) -> Self {
        match unwritten {
            Unwritten::Refused(over) => Self::OverQuota(over),
            Unwritten::Unavailable(unavailable) => out(unavailable),
        }
    }
}

fn out(unavailable: Unavailable) -> KvError {
    KvError::Unavailable { detail: unavailable.detail }
}

impl Store {
    async fn try_set(
        &self,
        entry: &Entry,
        quota: &Quota,
        now: UnixMillis,
        until: Instant,
    ) -> Result<Try, Stopped<OverQuota>> {
        let mut tx = self.begin().await?;
        let found = sqlx::query_as::<_, (i64, i64, i64, Option<i64>)>(
            "SELECT s.id, s.keys, s.bytes, e.size FROM kv_space s LEFT JOIN kv_entry e ON e.space = s.id AND e.key = ?3 \
             WHERE s.tenant = ?1 AND s.component = ?2",
        )
        .bind(&*entry.tenant)
        .bind(&*entry.component)
        .bind(entry.key.as_str())
        .fetch_optional(&mut *tx)
        .await?;
        let (space, used, replaced) = match found {
            Some((id, keys, bytes, size)) => (id, Usage { keys: count(keys), bytes: count(bytes) }, size.map(count)),
            None => (self.make_space(&mut tx, entry).await?, Usage::default(), None),
        };
        let size = (entry.key.as_str().len() + entry.value.len()) as u64;
        if let Err(over) = quota.entry_fits(used, size, replaced) {
            if sweep(&mut tx, space, now, BATCH).await? == 0 {
                return Ok(Try::Full(over));
            }
            commit(tx, until).await?;
            return Ok(Try::Swept);
        }
        sqlx::query(
            "INSERT INTO kv_entry (space, key, expires, size, value) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (space, key) \
             DO UPDATE SET expires = excluded.expires, size = excluded.size, value = excluded.value",
        )
        .bind(space)
        .bind(entry.key.as_str())
        .bind(entry.expires.map(|expires| sql(expires.0)))
        .bind(sql(size))
        .bind(&*entry.value)
        .execute(&mut *tx)
        .await?;
        sweep(&mut tx, space, now, SWEEP).await?;
        commit(tx, until).await?;
        Ok(Try::Done)
    }

    async fn make_space(&self, tx: &mut Transaction<'static, Sqlite>, entry: &Entry) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar("INSERT INTO kv_space (tenant, component) VALUES (?1, ?2) RETURNING id")
            .bind(&*entry.tenant)
            .bind(&*entry.component)
            .fetch_one(&mut **tx)
            .await
    }
}

/// Removes expired entries of a space, those that expired first, and answers how many.
async fn sweep(
    tx: &mut Transaction<'static, Sqlite>,
    space: i64,
    now: UnixMillis,
    most: i64,
) -> Result<u64, sqlx::Error> {
    let swept = sqlx::query(
        "DELETE FROM kv_entry WHERE rowid IN (SELECT rowid FROM kv_entry WHERE space = ?1 AND expires IS NOT NULL \
         AND expires <= ?2 ORDER BY expires LIMIT ?3)",
    )
    .bind(space)
    .bind(sql(now.0))
    .bind(most);
    Ok(swept.execute(&mut **tx).await?.rows_affected())
}
