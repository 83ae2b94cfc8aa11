//! Approvals: a tool that must have been approved and was not, or whose capabilities have grown, may do nothing.
//!
//! Bytes are compared as bytes, and capabilities by what they mean: one that has become narrower was approved with the wider one.

use std::collections::{BTreeMap, BTreeSet};

use toolcell_core::{Digest, ToolId};

use super::Grant;
use super::capability::uncovered;
use crate::policy::Subject;

/// A reviewer's decision about exact bytes and exact capabilities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// The component that was reviewed.
    pub component: Digest,
    /// Its manifest, embedded or beside it; none where it had none.
    pub manifest: Option<Digest>,
    /// The capabilities that were approved: [`Grant::lines`] as they were then.
    pub lines: BTreeSet<String>,
}

/// Whether approvals count, and those there are.
#[derive(Clone, Debug)]
pub enum Approvals {
    /// Rules suffice.
    NotRequired,
    /// Only what these approve may be done, by tool id.
    Required(BTreeMap<ToolId, Approval>),
}

/// Why a tool may not be called at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inert {
    /// Why, as a sentence that names the next step.
    pub reason: String,
    /// Capabilities that rules grant and nobody approved, in these words or wider ones.
    pub added: Vec<String>,
    /// Capabilities that were approved and are no longer granted, or not as wide.
    pub removed: Vec<String>,
}

/// The grant, or what is left of it without an approval that fits: nothing.
pub(super) fn hold(grant: Grant, subject: &Subject<'_>, manifest: Option<Digest>, approvals: &Approvals) -> Grant {
    let Approvals::Required(approvals) = approvals else { return grant };
    let approval = approvals.get(subject.tool);
    let approved = approval.map(|approval| approval.lines.clone()).unwrap_or_default();
    let granted: BTreeSet<String> = grant.lines.iter().cloned().collect();
    let added = uncovered(&granted, &approved);
    let why = match approval {
        None => "policy requires an approval and there is none".to_owned(),
        Some(approval) if approval.component != subject.component => {
            format!("it was approved with other bytes, sha256:{}", approval.component)
        }
        Some(approval) if approval.manifest != manifest => "it was approved with another manifest".to_owned(),
        Some(_) if !added.is_empty() => "its capabilities are wider than what was approved".to_owned(),
        Some(_) => return grant,
    };
    let reason =
        format!("`{}` may not be called: {why}; review it with `toolcell approve {}`", subject.tool, subject.tool);
    let inert = Inert { reason, added, removed: uncovered(&approved, &granted) };
    Grant {
        rules: grant.rules,
        refusals: grant.refusals,
        lines: grant.lines,
        inert: Some(inert),
        ..Grant::empty(grant.limits)
    }
}
