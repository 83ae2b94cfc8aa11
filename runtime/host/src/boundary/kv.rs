//! `toolcell:host/kv`: a tool's own store, behind its quota.
//!
//! Which space a call reaches is the host's word: the tenant and the operator's name of the component. A guest gives
//! keys within it, and nothing that it gives can name another.

use std::sync::Arc;

use toolcell_core::kv::{Cursor, Key, KvError, KvStore, PageSize, Prefix, Quota, Space};
use toolcell_core::{Clock, Limit, Tenant, UnixMillis};

use super::Inner;
use super::ends::Exhausted;
use super::offers::kv;
use crate::lifting;

/// The store of one call.
#[derive(Clone)]
pub struct Kv {
    /// Where it is kept.
    pub store: Arc<dyn KvStore>,
    /// Whose space.
    pub tenant: Tenant,
    /// The operator's name of the component whose space it is.
    pub component: Arc<str>,
    /// What the space may hold.
    pub quota: Quota,
    /// Says when an entry has expired.
    pub clock: Arc<dyn Clock>,
}

/// How often a value is in memory while it is set: here, in the store's task, bound to the statement twice, and as
/// the row. Five times its bytes is what setting a large one was measured to take.
const COPIES: u64 = 5;

const NO_KV: &str = "this call has no key-value store; request `kv` in the manifest and allow it in a rule";

impl Kv {
    fn space(&self) -> Space<'_> {
        Space { tenant: &self.tenant, component: &self.component }
    }
}

impl Inner<'_> {
    /// What the store holds of a value while it writes it counts as memory of the call. A value over its quota is never
    /// written; the store says so.
    fn has_room_to_set(&mut self, value: &[u8]) -> Result<(), Exhausted> {
        let state = &mut *self.0;
        let room = lifting::spare(state.budget.limits.get(Limit::Memory), &state.meter);
        let written = state.kv.as_ref().is_some_and(|kv| kv.quota.value_fits(value.len()).is_ok());
        if written && value.len() as u64 * COPIES > room {
            return Err(state.budget.over(Limit::Memory));
        }
        Ok(())
    }

    fn kv(&mut self) -> Result<Kv, kv::Error> {
        if let Some(kv) = &self.0.kv {
            return Ok(kv.clone());
        }
        self.0.deny(NO_KV);
        Err(kv::Error::NotGranted(NO_KV.to_owned()))
    }
}

impl kv::Host for Inner<'_> {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, kv::Error>> {
        Ok(async {
            let kv = self.kv()?;
            kv.store.get(kv.space(), &valid(key)?, kv.clock.now()).await.map_err(refused)
        }
        .await)
    }

    async fn set(
        &mut self,
        key: String,
        value: Vec<u8>,
        ttl_ms: Option<u64>,
    ) -> wasmtime::Result<Result<(), kv::Error>> {
        self.has_room_to_set(&value)?;
        Ok(async {
            let kv = self.kv()?;
            let now = kv.clock.now();
            let expires = ttl_ms.map(|ttl| UnixMillis(now.0.saturating_add(ttl)));
            kv.store.set(kv.space(), &valid(key)?, &value, expires, &kv.quota, now).await.map_err(refused)
        }
        .await)
    }

    async fn delete(&mut self, key: String) -> wasmtime::Result<Result<(), kv::Error>> {
        Ok(async {
            let kv = self.kv()?;
            kv.store.delete(kv.space(), &valid(key)?).await.map_err(refused)
        }
        .await)
    }

    async fn list_keys(
        &mut self,
        prefix: String,
        cursor: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Result<kv::Page, kv::Error>> {
        Ok(async {
            let kv = self.kv()?;
            let prefix: Prefix = prefix.parse().map_err(invalid)?;
            let after = cursor.map(|cursor| cursor.parse::<Cursor>()).transpose().map_err(invalid)?;
            // A limit out of range is met with the nearest one: `wit/host` has no error for it, and a page is a page.
            let limit = PageSize::new(limit.clamp(1, toolcell_core::kv::MAX_PAGE)).map_err(invalid)?;
            let page = kv.store.list(kv.space(), &prefix, after.as_ref(), limit, kv.clock.now()).await;
            let page = page.map_err(refused)?;
            let keys = page.keys.iter().map(ToString::to_string).collect();
            Ok(kv::Page { keys, next: page.next.map(|next| next.to_string()) })
        }
        .await)
    }
}

fn valid(key: String) -> Result<Key, kv::Error> {
    Key::try_from(key).map_err(invalid)
}

fn invalid(error: impl std::error::Error) -> kv::Error {
    kv::Error::InvalidKey(error.to_string())
}

#[allow(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
fn refused(error: KvError) -> kv::Error {
    match error {
        KvError::OverQuota(_) => kv::Error::OverQuota(error.to_string()),
        KvError::Unavailable { ref detail } => {
            tracing::warn!(detail, "the store of tools does not answer");
            kv::Error::Unavailable(error.to_string())
        }
    }
}
