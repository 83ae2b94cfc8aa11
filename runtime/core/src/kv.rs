//! The durable store of tools, as a trait: what every backend promises, and what it counts.
//!
//! Owns the names ([`Key`], [`Prefix`], [`Cursor`]), the quota and the errors, so that no backend reads a guest's text in
//! its own way. Refuses to know whether a call was granted the store: the host asks that before anything here is reached.

mod name;
mod quota;

use async_trait::async_trait;

use crate::call::Tenant;
use crate::clock::UnixMillis;

pub use name::{Cursor, Key, MAX_KEY_BYTES, MAX_PAGE, NameError, NotACursor, NotAPageSize, PageSize, Prefix};
pub use quota::{OverQuota, Quota, QuotaError};

/// A key-value store that is divided into spaces, which never see each other.
///
/// Time is handed in. An entry that expires is gone from the moment `now >= expires`, for every operation and for the
/// quota, however long its bytes stay on a disk.
#[async_trait]
pub trait KvStore: Send + Sync {
    /// The value of a key; none where it was never set, was deleted or has expired.
    ///
    /// # Errors
    /// [`KvError::Unavailable`].
    async fn get(&self, space: Space<'_>, key: &Key, now: UnixMillis) -> Result<Option<Vec<u8>>, KvError>;

    /// Sets a key, whole or not at all; once it answers, the value outlives a loss of power. A moment of expiry that is not
    /// after `now` leaves the key without a value.
    ///
    /// The quota is checked in the transaction that writes. What makes no space larger is never refused, so that a tool can
    /// make room after its quota was lowered.
    ///
    /// # Errors
    /// [`KvError::OverQuota`] with nothing changed, or [`KvError::Unavailable`].
    async fn set(
        &self,
        space: Space<'_>,
        key: &Key,
        value: &[u8],
        expires: Option<UnixMillis>,
        quota: &Quota,
        now: UnixMillis,
    ) -> Result<(), KvError>;

    /// Removes a key, as durably as `set`; removing one that is not there is no error.
    ///
    /// # Errors
    /// [`KvError::Unavailable`].
    async fn delete(&self, space: Space<'_>, key: &Key) -> Result<(), KvError>;

    /// The keys that begin with `prefix`, in byte order, from behind `after` on. A walk over all pages names each key that
    /// is there throughout exactly once, whatever is set or deleted meanwhile.
    ///
    /// # Errors
    /// [`KvError::Unavailable`].
    async fn list(
        &self,
        space: Space<'_>,
        prefix: &Prefix,
        after: Option<&Cursor>,
        limit: PageSize,
        now: UnixMillis,
    ) -> Result<Page, KvError>;

    /// What the entries of a space take up.
    ///
    /// # Errors
    /// [`KvError::Unavailable`].
    async fn usage(&self, space: Space<'_>, now: UnixMillis) -> Result<Usage, KvError>;

    /// Frees what expired entries of all spaces take up, in transactions of bounded size, and answers how many they were.
    /// One call removes a bounded number; call again while it answers more than 0.
    ///
    /// # Errors
    /// [`KvError::Unavailable`]; what was removed before stays removed.
    async fn purge_expired(&self, now: UnixMillis) -> Result<u64, KvError>;
}

/// The namespace of a tool. All tools of a component share one; tenants never do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Space<'a> {
    /// Whose data it is.
    pub tenant: &'a Tenant,
    /// The operator's name of the component, so that a new version of it finds what the old one kept.
    pub component: &'a str,
}

/// What the entries of a space take up, without those that have expired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// How many there are.
    pub keys: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
}

/// Some keys, and where the next ones begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// In byte order.
    pub keys: Vec<Key>,
    /// Where to go on; none at the end.
    pub next: Option<Cursor>,
}

/// Why an operation was not carried out. What `Display` writes may be shown to a guest.
#[derive(Debug, thiserror::Error)]
pub enum KvError {
    /// The value or the space would be over its quota.
    #[error(transparent)]
    OverQuota(OverQuota),
    /// The store did not answer in time, or could not. A write whose answer is missing took place whole or not at all.
    #[error("the store does not answer now; try again later")]
    Unavailable {
        /// Why, for the operator. It may name files of the host and is never shown to a guest.
        detail: String,
    },
}
