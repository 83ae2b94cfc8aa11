//! Tells the audit log what the host decides: grants, denials, reloads, and which secret went where.
//!
//! Where an event cannot be written the operator is told, and what it is about goes on: receipts tell of calls in any case.

use std::path::Path;
use std::sync::Arc;

use toolcell_core::failure::End;
use toolcell_core::{CallId, Clock, Digest, Receipt, ToolId};

use crate::audit::{AuditError, AuditEvent, AuditLog, Options};
use crate::catalog::{Changes, Tool};
use crate::egress::Notes;
use crate::grant::Grant;

/// The audit log of a host, if it keeps one.
#[derive(Clone)]
pub(crate) struct Witness(Option<Arc<AuditLog>>);

impl Witness {
    /// Opens the log and notes that the host begins to serve.
    pub(crate) fn open(folder: Option<&Path>, clock: &Arc<dyn Clock>, policy: Digest) -> Result<Self, AuditError> {
        let log = folder.map(|folder| AuditLog::open(folder, Options::new(clock.clone()))).transpose()?;
        let witness = Self(log.map(Arc::new));
        witness.record(|| AuditEvent::Started { version: env!("CARGO_PKG_VERSION").to_owned(), policy });
        Ok(witness)
    }

    /// A tool may do more than nothing, or would if it were approved.
    pub(crate) fn granted(&self, tool: &Tool, component: Digest, grant: &Grant) {
        if grant.inert().is_none() && !grant.lines().is_empty() {
            let (tool, summary) = (tool.id.to_string(), grant.lines().to_vec());
            self.record(|| AuditEvent::Grant { tool, component, summary, omitted: 0 });
        }
    }

    /// What a call was refused, as its receipt says.
    pub(crate) fn ended(&self, receipt: &Receipt) {
        if self.0.is_none() {
            return;
        }
        let whole = receipt.kind.filter(|kind| kind.end() == End::Denied);
        let denial = |function: &str, reason: &str, count| AuditEvent::Denial {
            call: receipt.call,
            tenant: receipt.tenant.0.to_string(),
            tool: receipt.tool.clone(),
            function: function.to_owned(),
            reason: reason.to_owned(),
            count,
        };
        if let Some(kind) = whole {
            self.record(|| denial("call", kind.name(), 1));
        }
        for attempt in &receipt.denied {
            self.record(|| denial(&attempt.function, &attempt.reason, attempt.count));
        }
    }

    /// Policy or approvals were replaced.
    pub(crate) fn reloaded(&self, policy: Digest, changes: Vec<String>) {
        self.record(|| AuditEvent::Reload { policy, changes, omitted: 0 });
    }

    /// The folders were looked at.
    pub(crate) fn looked(&self, changes: &Changes, policy: impl FnOnce() -> Digest) {
        if changes.is_empty() {
            return;
        }
        let lists = [
            ("added", &changes.added),
            ("changed", &changes.changed),
            ("removed", &changes.removed),
            ("broken", &changes.broken),
        ];
        let lines = lists.iter().flat_map(|(what, names)| names.iter().map(move |name| format!("{what} {name}")));
        self.record(|| AuditEvent::Reload { policy: policy(), changes: lines.collect(), omitted: 0 });
    }

    /// Makes the log durable.
    pub(crate) fn settle(&self) {
        if let Some(Err(error)) = self.0.as_ref().map(|log| log.sync()) {
            tracing::error!(error = &error as &dyn std::error::Error, "the audit log is not durable");
        }
    }

    /// Notes of the requests of one call.
    pub(crate) fn notes(&self, call: CallId, tool: &ToolId) -> Arc<dyn Notes> {
        Arc::new(CallNotes { witness: self.clone(), call, tool: tool.clone() })
    }

    fn record(&self, event: impl FnOnce() -> AuditEvent) {
        if let Some(log) = &self.0
            && let Err(error) = log.record(event())
        {
            tracing::error!(error = &error as &dyn std::error::Error, "the audit log does not take an event");
        }
    }
}

/// What the door says of one call's requests. Denials are in its receipt, and are recorded from there.
struct CallNotes {
    witness: Witness,
    call: CallId,
    tool: ToolId,
}

impl Notes for CallNotes {
    fn denied(&self, _: &str) {}

    fn secret_used(&self, name: &str, target: &str) {
        let (name, target) = (name.to_owned(), target.to_owned());
        let (call, tool) = (self.call, self.tool.to_string());
        self.witness.record(|| AuditEvent::SecretUsed { name, call, tool, target });
    }
}
