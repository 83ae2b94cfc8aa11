//! Fixes kept in memory, for tests and for whoever embeds the library without a database.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use toolcell_core::fixes::{Fix, FixStore};
use toolcell_core::store::Unavailable;
use toolcell_core::{Digest, Tenant};

/// Fixes in memory, at most as many for each tenant as it was made for.
#[derive(Debug)]
pub struct Shelf {
    most: usize,
    fixes: Mutex<BTreeMap<(Tenant, Digest), Fix>>,
}

impl Shelf {
    /// An empty one. Where a tenant has `most` fixes, a new one takes the place of the one that was not tried the longest.
    pub fn new(most: usize) -> Self {
        Self { most: most.max(1), fixes: Mutex::default() }
    }

    fn with<T>(&self, then: impl FnOnce(&mut BTreeMap<(Tenant, Digest), Fix>) -> T) -> T {
        then(&mut self.fixes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl FixStore for Shelf {
    async fn find(&self, tenant: &Tenant, fingerprint: Digest) -> Result<Vec<Fix>, Unavailable> {
        let found = |fix: &&Fix| fix.tenant == *tenant && fix.fingerprint == fingerprint;
        Ok(self.with(|fixes| fixes.values().filter(found).cloned().collect()))
    }

    async fn add(&self, fix: &Fix) -> Result<(), Unavailable> {
        self.with(|fixes| {
            if let Some(known) = fixes.get_mut(&(fix.tenant.clone(), fix.id)) {
                known.tried = known.tried.saturating_add(fix.tried);
                known.worked = known.worked.saturating_add(fix.worked);
                known.last = known.last.max(fix.last);
                return;
            }
            let own = || fixes.values().filter(|other| other.tenant == fix.tenant);
            if own().count() >= self.most
                && let Some(oldest) = own().min_by_key(|other| (other.last, other.id)).map(|fix| fix.id)
            {
                fixes.remove(&(fix.tenant.clone(), oldest));
            }
            fixes.insert((fix.tenant.clone(), fix.id), fix.clone());
        });
        Ok(())
    }

    async fn list(&self, tenant: &Tenant, after: Option<Digest>, limit: u32) -> Result<Vec<Fix>, Unavailable> {
        let limit = usize::try_from(limit.clamp(1, 10_000)).unwrap_or(10_000);
        let behind = |fix: &&Fix| fix.tenant == *tenant && after.is_none_or(|after| fix.id > after);
        Ok(self.with(|fixes| fixes.values().filter(behind).take(limit).cloned().collect()))
    }

    async fn forget(&self, tenant: &Tenant, id: Digest) -> Result<bool, Unavailable> {
        Ok(self.with(|fixes| fixes.remove(&(tenant.clone(), id)).is_some()))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use toolcell_core::{Kind, Repairer, UnixMillis};

    pub(crate) fn fix(n: u8, worked: u64, tried: u64) -> Fix {
        Fix {
            id: Digest::from_bytes([n; 32]),
            tenant: Tenant::default(),
            fingerprint: Digest::of(b"failure"),
            tool: "json.query".to_owned(),
            kind: Kind::InvalidArgument,
            pointer: "/x".to_owned(),
            message: String::new(),
            edits: vec![toolcell_core::fixes::Edit::Remove { at: "/x".to_owned() }],
            by: Repairer::Model,
            tried,
            worked,
            first: UnixMillis(1),
            last: UnixMillis(n.into()),
        }
    }

    #[tokio::test]
    async fn tries_add_up_and_no_tenant_sees_another() {
        let shelf = Shelf::new(2);
        let other = Tenant("other".into());
        for fix in [fix(1, 1, 1), fix(1, 0, 2), fix(2, 1, 1), fix(3, 1, 1)] {
            shelf.add(&fix).await.expect("kept");
        }
        let own = shelf.list(&Tenant::default(), None, 10).await.expect("listed");
        assert_eq!(own.iter().map(|fix| fix.id.as_bytes()[0]).collect::<Vec<_>>(), [2, 3], "the oldest made room");
        assert!(shelf.find(&other, Digest::of(b"failure")).await.expect("found").is_empty());
        assert!(!shelf.forget(&other, own[0].id).await.expect("asked"));
        assert!(shelf.forget(&Tenant::default(), own[0].id).await.expect("asked"));
        assert_eq!(shelf.list(&Tenant::default(), Some(own[0].id), 10).await.expect("listed").len(), 1);
    }
}
