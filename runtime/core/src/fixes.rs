//! Remembered fixes: what helped against a failure before, and how often.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::call::Tenant;
use crate::clock::UnixMillis;
use crate::digest::Digest;
use crate::failure::Kind;
use crate::history::{ChangeKind, Repairer};
use crate::store::Unavailable;

/// Keeps fixes. No tenant ever sees another's.
#[async_trait]
pub trait FixStore: Send + Sync {
    /// The fixes of a tenant for a failure; in no order.
    ///
    /// # Errors
    /// Where the store does not answer.
    async fn find(&self, tenant: &Tenant, fingerprint: Digest) -> Result<Vec<Fix>, Unavailable>;

    /// Adds a fix, or, where the tenant has one of this id, adds its tried and worked to that and keeps the later `last`.
    ///
    /// # Errors
    /// Where the store does not answer.
    async fn add(&self, fix: &Fix) -> Result<(), Unavailable>;

    /// The fixes of a tenant by id, from behind `after` on, at most `limit` (1 to 10,000) of them.
    ///
    /// # Errors
    /// Where the store does not answer.
    async fn list(&self, tenant: &Tenant, after: Option<Digest>, limit: u32) -> Result<Vec<Fix>, Unavailable>;

    /// Forgets a fix. Answers whether there was one.
    ///
    /// # Errors
    /// Where the store does not answer.
    async fn forget(&self, tenant: &Tenant, id: Digest) -> Result<bool, Unavailable>;
}

/// A change of a call that helped against a failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fix {
    /// Names it: the digest over fingerprint and edits.
    pub id: Digest,
    /// Whose it is.
    pub tenant: Tenant,
    /// The failure it is against.
    pub fingerprint: Digest,
    /// The tool's full id.
    pub tool: String,
    /// The failure's kind.
    pub kind: Kind,
    /// Where in the arguments; places in lists are written `*`.
    pub pointer: String,
    /// The failure's message, normalised: without the values that differ from call to call.
    pub message: String,
    /// What to do.
    pub edits: Vec<Edit>,
    /// Who found it.
    pub by: Repairer,
    /// How often it was tried.
    pub tried: u64,
    /// How often the call completed with it.
    pub worked: u64,
    /// When it was first seen.
    pub first: UnixMillis,
    /// When it was last tried.
    pub last: UnixMillis,
}

/// One step of a fix. Places are JSON pointers into the arguments as they were before the fix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "edit", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Edit {
    /// The member `from` of the object at `at` is called `to`.
    Rename {
        /// The object.
        at: String,
        /// The wrong name.
        from: String,
        /// The right one.
        to: String,
    },
    /// The value at `at`, where it is exactly `from`, becomes `to`; both are JSON text.
    Replace {
        /// The value.
        at: String,
        /// What it must be.
        from: String,
        /// What it becomes.
        to: String,
    },
    /// The rule of this kind is applied to what stands at `at`.
    Apply {
        /// The value.
        at: String,
        /// The rule.
        rule: ChangeKind,
    },
    /// The member at `at` is left out.
    Remove {
        /// The member.
        at: String,
    },
    /// The call goes to another tool.
    Tool {
        /// Its full id.
        to: String,
    },
}
