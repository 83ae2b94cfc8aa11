//! Learns a fix from a call that failed and a later one that went well.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use toolcell_core::fixes::{Edit, Fix, FixStore};
use toolcell_core::store::Unavailable;
use toolcell_core::{Arguments, CallId, Card, Clock, Digest, Failure, Recovery, Repairer, Tenant, ToolCall};

use super::{derive, recognise};

/// How long after a failure a call still counts as its correction, in milliseconds: ten minutes, in which a model answers and a person
/// may.
pub const WINDOW_MS: u64 = 600_000;

/// How many failures are watched at one time. A caller that only fails pushes out the oldest.
const MAX_WATCHED: usize = 1_024;

/// The largest arguments that are watched, in bytes.
const MAX_BYTES: usize = 64 << 10;

/// Watches calls and remembers what helped.
pub struct Learner {
    store: Arc<dyn FixStore>,
    clock: Arc<dyn Clock>,
    watched: Mutex<VecDeque<Watched>>,
}

/// A call that failed and was not repaired.
struct Watched {
    tenant: Tenant,
    caller: String,
    parent: Option<CallId>,
    tool: String,
    arguments: Arguments,
    failure: Failure,
    at: u64,
}

impl Learner {
    /// Remembers in this store.
    pub fn new(store: Arc<dyn FixStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, watched: Mutex::default() }
    }

    /// The store.
    pub fn store(&self) -> &dyn FixStore {
        &*self.store
    }

    /// Notes a call that failed in a way that another call may help against.
    pub fn failed(&self, card: &Card, call: &ToolCall, failure: &Failure) {
        let small = call.arguments.as_str().len() <= MAX_BYTES;
        if card.secrets || failure.recovery != Recovery::Repair || failure.problems.is_empty() || !small {
            return;
        }
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if watched.len() >= MAX_WATCHED {
            watched.pop_front();
        }
        watched.push_back(Watched {
            tenant: call.tenant.clone(),
            caller: call.caller.clone(),
            parent: call.parent,
            tool: card.id.to_string(),
            arguments: call.arguments.clone(),
            failure: failure.clone(),
            at: self.clock.now().0,
        });
    }

    /// Notes a call that completed. Where the same caller's last failure of the tool differs from it only at the places that
    /// failed, the difference is remembered, and answered.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub async fn completed(&self, card: &Card, call: &ToolCall) -> Result<Option<Fix>, Unavailable> {
        let Some(failed) = self.take(card, call) else { return Ok(None) };
        self.remember(card, &failed.tenant, &failed.arguments, &failed.failure, &call.arguments, Repairer::Model).await
    }

    /// Remembers how a failed call was made good by somebody who says so; answers the fix, where there was one to remember.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub async fn learn(
        &self,
        card: &Card,
        call: &ToolCall,
        failure: &Failure,
        repaired: &Arguments,
        by: Repairer,
    ) -> Result<Option<Fix>, Unavailable> {
        self.remember(card, &call.tenant, &call.arguments, failure, repaired, by).await
    }

    /// Writes down that a fix was tried.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub async fn tried(&self, fix: &Fix, ended: Ended) -> Result<(), Unavailable> {
        let worked = u64::from(ended == Ended::Worked);
        self.store.add(&Fix { tried: 1, worked, last: self.clock.now(), ..fix.clone() }).await
    }

    /// The last failure that the call may be the correction of. Every older one of the same caller and tool is forgotten with it.
    fn take(&self, card: &Card, call: &ToolCall) -> Option<Watched> {
        let now = self.clock.now().0;
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|failed| now.saturating_sub(failed.at) <= WINDOW_MS);
        let same = |failed: &Watched| {
            failed.tenant == call.tenant
                && failed.caller == call.caller
                && failed.parent == call.parent
                && failed.tool == card.id.as_str()
        };
        let at = watched.iter().rposition(same)?;
        let found = watched.remove(at);
        watched.retain(|failed| !same(failed));
        found
    }

    async fn remember(
        &self,
        card: &Card,
        tenant: &Tenant,
        failed: &Arguments,
        failure: &Failure,
        worked: &Arguments,
        by: Repairer,
    ) -> Result<Option<Fix>, Unavailable> {
        // What goes out with secrets may come back with them.
        if card.secrets {
            return Ok(None);
        }
        let Some(edits) = derive(card, failed, failure, worked) else { return Ok(None) };
        let recognised = recognise(card, failure);
        let now = self.clock.now();
        let fix = Fix {
            id: id(recognised.digest, &edits),
            tenant: tenant.clone(),
            fingerprint: recognised.digest,
            tool: card.id.to_string(),
            kind: failure.kind,
            pointer: recognised.pointer,
            message: recognised.message,
            edits,
            by,
            tried: 1,
            worked: 1,
            first: now,
            last: now,
        };
        self.store.add(&fix).await?;
        Ok(Some(fix))
    }
}

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The call completed.
    Worked,
    /// It did not.
    Failed,
}

/// The name of a fix: the digest over fingerprint and edits.
pub(super) fn id(fingerprint: Digest, edits: &[Edit]) -> Digest {
    let edits = serde_json::to_string(edits).expect("edits are strings, which JSON can always hold");
    Digest::of(format!("{fingerprint}\n{edits}").as_bytes())
}
