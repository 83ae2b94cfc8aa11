//! Tells the audit log what the host decides: grants, denials, reloads, and which secret went where.
//!
//! What lets a tool do something is written before it may: a grant that cannot be recorded is not given, a secret whose use
//! cannot be recorded is not sent, and a host that cannot say that it has begun does not begin. What takes something away, or
//! tells of what was refused, never waits for the log: the operator is told that it is not recorded, and it holds.

use std::collections::HashSet;
use std::error::Error;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use toolcell_core::failure::End;
use toolcell_core::{CallId, Clock, Digest, Failure, Kind, Receipt, ToolId};

use crate::audit::{AuditError, AuditEvent, AuditLog, Options};
use crate::catalog::{Changes, Tool};
use crate::egress::{Notes, Unrecorded};
use crate::grant::Grant;
use crate::schema::inert;

/// The audit log of a host, if it keeps one.
#[derive(Clone)]
pub(crate) struct Witness(Option<Arc<Kept>>);

struct Kept {
    log: AuditLog,
    /// Which secret went from which tool to where, as far as that is on disk. Forgotten at [`MAX_FIRST`].
    first: Mutex<HashSet<[String; 3]>>,
}

/// How many first uses of secrets are remembered. Beyond it they count as first again, which costs waiting for the disk.
const MAX_FIRST: usize = 4_096;

/// The longest detail of a failure, in bytes.
const MAX_DETAIL: usize = 1_024;

impl Witness {
    /// Opens the log and notes that the host begins to serve.
    pub(crate) fn open(folder: Option<&Path>, clock: &Arc<dyn Clock>, policy: Digest) -> Result<Self, AuditError> {
        let Some(folder) = folder else { return Ok(Self(None)) };
        let log = AuditLog::open(folder, Options::new(clock.clone()))?;
        log.record(AuditEvent::Started { version: env!("CARGO_PKG_VERSION").to_owned(), policy })?;
        Ok(Self(Some(Arc::new(Kept { log, first: Mutex::default() }))))
    }

    /// A tool may do more than nothing from now on.
    ///
    /// # Errors
    /// Where that cannot be recorded. The grant must not be used then.
    pub(crate) fn granted(&self, tool: &Tool, component: Digest, grant: &Grant) -> Result<(), Box<Failure>> {
        let Some(kept) = &self.0 else { return Ok(()) };
        if grant.inert().is_some() || grant.lines().is_empty() {
            return Ok(());
        }
        let (tool, summary) = (tool.id.to_string(), grant.lines().to_vec());
        kept.log.record(AuditEvent::Grant { tool, component, summary, omitted: 0 }).map(drop).map_err(|error| {
            let message = "the audit log cannot record what this tool is granted, so it is not called";
            Box::new(
                Failure::new(Kind::HostFault, message)
                    .detail(told(&error))
                    .hint("The operator must make room for the audit log, or repair it."),
            )
        })
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
            self.tell(|| denial("call", kind.name(), 1));
        }
        for attempt in &receipt.denied {
            self.tell(|| denial(&attempt.function, &attempt.reason, attempt.count));
        }
    }

    /// Policy or approvals are replaced. [`Self::settle`] is to follow when they are.
    pub(crate) fn reloaded(&self, policy: Digest, changes: Vec<String>) {
        self.tell(|| AuditEvent::Reload { policy, changes, omitted: 0 });
    }

    /// The folders were looked at. What changed in them is on disk when this returns.
    pub(crate) fn looked(&self, changes: &Changes, policy: impl FnOnce() -> Digest) {
        let lists = [
            ("added", &changes.added),
            ("changed", &changes.changed),
            ("removed", &changes.removed),
            ("broken", &changes.broken),
        ];
        let lines = lists.iter().flat_map(|(what, names)| names.iter().map(move |name| format!("{what} {name}")));
        if self.0.is_some() && !changes.is_empty() {
            self.reloaded(policy(), lines.collect());
            self.settle();
        }
    }

    /// The host ends in order. A chain that begins anew without this one before it shows a crash.
    pub(crate) fn stopped(&self, reason: &str) {
        self.tell(|| AuditEvent::Stopped { reason: reason.to_owned() });
        self.settle();
    }

    /// Makes the log durable.
    pub(crate) fn settle(&self) {
        if let Some(Err(error)) = self.0.as_ref().map(|kept| kept.log.sync()) {
            tracing::error!(error = &error as &dyn Error, "the audit log is not durable");
        }
    }

    /// Notes of the requests of one call.
    pub(crate) fn notes(&self, call: CallId, tool: &ToolId) -> Arc<dyn Notes> {
        Arc::new(CallNotes { witness: self.clone(), call, tool: tool.clone() })
    }

    /// Records what has happened whether it is recorded or not.
    fn tell(&self, event: impl FnOnce() -> AuditEvent) {
        if let Some(kept) = &self.0
            && let Err(error) = kept.log.record(event())
        {
            tracing::error!(error = &error as &dyn Error, "the audit log does not take an event");
        }
    }
}

impl Kept {
    /// Records that a secret is about to be sent; where it never was before, it waits until that is on disk. A request costs
    /// more than that, and each tool waits once for each of its secrets and places.
    fn secret_used(&self, call: CallId, tool: &ToolId, name: &str, target: &str) -> Result<(), AuditError> {
        let [name, tool, target] = [name, tool.as_str(), target].map(str::to_owned);
        let use_ = [name.clone(), tool.clone(), target.clone()];
        self.log.record(AuditEvent::SecretUsed { name, call, tool, target })?;
        let first = || self.first.lock().unwrap_or_else(PoisonError::into_inner);
        if first().contains(&use_) {
            return Ok(());
        }
        // Not under the lock: others need not wait for the disk because one does.
        self.log.sync()?;
        let mut first = first();
        if first.len() >= MAX_FIRST {
            first.clear();
        }
        first.insert(use_);
        Ok(())
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

    fn secret_used(&self, name: &str, target: &str) -> Result<(), Unrecorded> {
        let Some(kept) = &self.witness.0 else { return Ok(()) };
        kept.secret_used(self.call, &self.tool, name, target).map_err(|error| {
            tracing::error!(error = &error as &dyn Error, secret = name, "a secret is not sent: the audit log fails");
            Unrecorded { detail: told(&error) }
        })
    }
}

/// What went wrong, for the operator.
fn told(error: &AuditError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    inert(&text, MAX_DETAIL)
}
