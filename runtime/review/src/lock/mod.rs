//! `toolcell.lock`: what was approved, by whom and when.
//!
//! Owns the file as a value, the text of it, and the one way in which it is changed. Refuses what it does not know, what
//! stands there twice, and a file that others could have written: an approval that anybody can add is none. It is not signed:
//! who can write to the home folder can approve, as they can change policy.

mod error;
mod file;
#[cfg(test)]
mod tests;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use toolcell_core::{Digest, ToolId, UnixMillis};
use toolcell_host::grant::Approval;

pub use error::{LockError, Problem};
pub use file::{Edit, Prepared};

/// The largest file that is read, in bytes: thousands of approvals.
pub const MAX_FILE_BYTES: u64 = 8 << 20;

/// The most approvals of a file.
pub const MAX_APPROVALS: usize = 10_000;

/// The most capabilities of one approval. Nobody has read more.
pub const MAX_LINES: usize = 2_000;

/// The longest capability, in bytes; no grant has a longer one.
pub const MAX_LINE: usize = 4_096;

/// The longest name of a reviewer, in bytes.
pub const MAX_NAME: usize = 128;

/// What was approved, by tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    approved: BTreeMap<ToolId, Approved>,
}

/// One approval: exact bytes, exact capabilities, and who answers for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approved {
    /// The component that was reviewed.
    pub component: Digest,
    /// Its manifest; none where it had none.
    pub manifest: Option<Digest>,
    /// What it may do, a line each, as in [`toolcell_host::Grant::lines`]. It may do less, as [`toolcell_host::grant::uncovered`] says.
    pub granted: BTreeSet<String>,
    /// The policy that granted this then. It is for people: another policy that grants no more needs no new approval.
    pub policy: Digest,
    /// Who approved it: 1 to [`MAX_NAME`] bytes that are safe to show.
    pub by: String,
    /// When. The file keeps whole seconds.
    pub at: UnixMillis,
}

impl Lock {
    /// Reads a file; one that is not there holds nothing.
    ///
    /// # Errors
    /// Where it cannot be read, could have been written by others, or is not exactly of this format.
    pub fn read(path: &Path) -> Result<Self, LockError> {
        file::read(path)
    }

    /// What was approved of a tool.
    pub fn get(&self, tool: &str) -> Option<&Approved> {
        self.approved.get(tool)
    }

    /// Every approval, sorted by tool.
    pub fn iter(&self) -> impl Iterator<Item = (&ToolId, &Approved)> {
        self.approved.iter()
    }

    /// The approvals as the host takes them.
    pub fn approvals(&self) -> BTreeMap<ToolId, Approval> {
        self.approved.iter().map(|(tool, approved)| (tool.clone(), approved.approval())).collect()
    }

    /// Puts an approval in the place of the one that the tool had, which it answers.
    pub fn approve(&mut self, tool: ToolId, approved: Approved) -> Option<Approved> {
        self.approved.insert(tool, approved)
    }

    /// Takes an approval back, and answers it.
    pub fn revoke(&mut self, tool: &str) -> Option<Approved> {
        self.approved.remove(tool)
    }
}

impl Approved {
    /// The approval as the host takes it.
    pub fn approval(&self) -> Approval {
        Approval { component: self.component, manifest: self.manifest, lines: self.granted.clone() }
    }

    /// The SHA-256 of the capabilities, by which the audit log names them: a line of form, then each capability with a
    /// line feed, sorted. No capability holds a line feed.
    pub fn grant_digest(&self) -> Digest {
        let lines = self.granted.iter().flat_map(|line| [line.as_str(), "\n"]);
        Digest::of(std::iter::once("toolcell grant 1\n").chain(lines).collect::<String>().as_bytes())
    }

    /// Whether both approve the same of the same, whoever did it and when.
    pub fn says_what(&self, other: &Self) -> bool {
        self.component == other.component && self.manifest == other.manifest && self.granted == other.granted
    }
}
