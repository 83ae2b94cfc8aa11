//! What is remembered of each call for the statistics of health. It holds no argument and no result.

use std::borrow::Cow;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::call::Tenant;
use crate::clock::UnixMillis;
use crate::digest::Digest;
use crate::failure::{Kind, Recovery};
use crate::store::Unavailable;

/// Keeps call records for a while.
#[async_trait]
pub trait HealthStore: Send + Sync {
    /// Adds records. They need not survive a loss of power.
    ///
    /// # Errors
    /// Where the store does not answer; none of them is kept then.
    async fn record(&self, records: &[CallRecord]) -> Result<(), Unavailable>;

    /// The newest records from `since` on, at most `limit` (1 to 1,000,000) of them, the oldest of those first; of one tenant where one is named.
    ///
    /// # Errors
    /// Where the store does not answer.
    async fn since(
        &self,
        tenant: Option<&Tenant>,
        since: UnixMillis,
        limit: u32,
    ) -> Result<Vec<CallRecord>, Unavailable>;

    /// Forgets what is older than `before`, and all but the newest `keep`. Answers how many records that were.
    ///
    /// # Errors
    /// Where the store does not answer.
    async fn forget(&self, before: UnixMillis, keep: u64) -> Result<u64, Unavailable>;
}

/// How one attempt of a call went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallRecord {
    /// When it ended.
    pub at: UnixMillis,
    /// Whose call it was.
    pub tenant: Tenant,
    /// The tool's full id, or what the caller named where there is no such tool.
    pub tool: String,
    /// The component's bytes, where one was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<Digest>,
    /// The agent on whose behalf it was made, or the caller in its own words.
    pub profile: String,
    /// The host outside that it talked to, where it did, as `scheme://host:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// The verdict's word.
    pub verdict: Cow<'static, str>,
    /// The failure's kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// What could be done about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
    /// What the failure is recognised by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Digest>,
    /// The failure's message, normalised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// From start to end, in microseconds.
    pub duration_us: u64,
    /// Where this attempt failed and the call completed all the same: what was done about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<Recovered>,
}

/// What was done about an attempt that failed, in a call that completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recovered {
    /// The same call, again.
    Retry,
    /// A rule.
    Rule,
    /// A remembered fix.
    Memory,
    /// A language model.
    Model,
    /// A person.
    Person,
    /// The fallback value.
    Fallback,
}
