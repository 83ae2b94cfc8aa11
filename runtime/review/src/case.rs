//! A tool as it is put before a reviewer: exact bytes, exact capabilities, and how they stand to what was approved.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use toolcell_core::{Digest, Tenant, ToolId, UnixMillis};
use toolcell_host::catalog::Tool;
use toolcell_host::grant::uncovered;
use toolcell_host::{Allow, Component, Grant, Policy, Refusal, Review, grant_of};

use crate::diff::Diff;
use crate::lock::Approved;
use crate::powers::Powers;
use crate::risk::{Author, Risk, risks};

/// The most tenants that rules may tell apart where tools are reviewed. Each may have a grant of its own, and all of them
/// are shown.
pub const MAX_TENANTS: usize = 256;

/// Prepares tools for review under one policy.
#[derive(Clone, Debug)]
pub struct Reviewer {
    /// As if no approval were needed: what is reviewed is what a tool could do once it is approved.
    policy: Policy,
    digest: Digest,
    tenants: Vec<Tenant>,
}

/// One tool, ready to be decided on.
#[derive(Clone, Debug)]
pub struct Case {
    /// The tool.
    pub tool: ToolId,
    /// Its component's bytes.
    pub component: Digest,
    /// Its manifest; none where it has none.
    pub manifest: Option<Digest>,
    /// The digest of the policy, with its demand for approvals.
    pub policy: Digest,
    /// What its manifest says of it.
    pub author: Author,
    /// What is asked for and granted for no tenant, or allowed and not asked for.
    pub refusals: Vec<Refusal>,
    /// What it could do with all that is asked for; nothing where there is no manifest.
    pub requested: Powers,
    /// The folders of the host that policy mounts now, by the place in the guest. They are shown, and not approved: policy
    /// may say another one tomorrow.
    pub folders: BTreeMap<String, BTreeSet<PathBuf>>,
    /// For whom no rule names, then for each tenant that one does.
    grants: Vec<(Option<Tenant>, Grant)>,
}

/// How a tool stands to an approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody approved it.
    Unapproved,
    /// It was approved with other bytes.
    OtherComponent,
    /// It was approved with another manifest, or one where it has none now.
    OtherManifest,
    /// It can do more than was approved.
    Wider,
    /// It can do what was approved, or less.
    Holds,
}

/// Rules that tell too many tenants apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the policy's rules name {0} tenants, and what each may do can be reviewed for at most {MAX_TENANTS}; let rules that many share leave `tenants` away"
)]
pub struct TooManyTenants(pub usize);

impl Reviewer {
    /// Prepares for a policy.
    ///
    /// # Errors
    /// Where its rules name more than [`MAX_TENANTS`] tenants.
    pub fn new(policy: &Policy) -> Result<Self, TooManyTenants> {
        let named = policy.rules().iter().filter_map(|rule| rule.whom.tenants.as_ref()).flatten();
        let named: BTreeSet<&str> = named.map(String::as_str).collect();
        if named.len() > MAX_TENANTS {
            return Err(TooManyTenants(named.len()));
        }
        let tenants = named.into_iter().map(|name| Tenant(name.into())).collect();
        Ok(Self { policy: policy.clone().reviewed(Review::NotRequired), digest: policy.digest(), tenants })
    }

    /// What a reviewer has to know of a tool. An approval is of a tool and not of a tenant, so it is what any of them
    /// would be granted.
    pub fn case(&self, component: &Component, tool: &Tool) -> Case {
        let grant = |tenant: &Tenant| grant_of(component, tool, tenant, &self.policy, &BTreeMap::new());
        let unnamed = grant(&self.unnamed());
        let manifest = component.manifest.as_ref();
        let author = manifest.map_or(Author::Silent, |manifest| Author::Claims {
            hints: manifest.hints_of(tool.id.within()),
            confirmed: unnamed.hints_confirmed(),
        });
        let named = self.tenants.iter().map(|tenant| (Some(tenant.clone()), grant(tenant)));
        let grants: Vec<_> = std::iter::once((None, unnamed.clone())).chain(named).collect();
        let granted = |refusal: &&Refusal| grants.iter().any(|(_, grant)| grant.lines().contains(&refusal.what));
        Case {
            tool: tool.id.clone(),
            component: component.digest,
            manifest: component.manifest_digest,
            policy: self.digest,
            author,
            refusals: unnamed.refusals().iter().filter(|refusal| !granted(refusal)).cloned().collect(),
            requested: manifest.map(Powers::requested).unwrap_or_default(),
            folders: self.folders(grants.iter().map(|(_, grant)| grant)),
            grants,
        }
    }

    /// The folders behind the mounts of some grants: the very ones that the policy holds.
    fn folders<'a>(&self, grants: impl Iterator<Item = &'a Grant>) -> BTreeMap<String, BTreeSet<PathBuf>> {
        let mut folders: BTreeMap<String, BTreeSet<PathBuf>> = BTreeMap::new();
        for mount in grants.flat_map(Grant::mounts) {
            let behind = self.policy.rules().iter().flat_map(|rule| &rule.allow).filter_map(|allow| match allow {
                Allow::Mount(folder) if Arc::ptr_eq(&folder.mount.dir, &mount.dir) => Some(folder.host.clone()),
                _ => None,
            });
            folders.entry(mount.guest.clone()).or_default().extend(behind);
        }
        folders
    }

    /// A tenant that no rule names.
    fn unnamed(&self) -> Tenant {
        let mut name = "any".to_owned();
        while self.tenants.iter().any(|tenant| *tenant.0 == *name) {
            name.push('-');
        }
        Tenant(name.into())
    }
}

impl Case {
    /// Every capability, for whichever tenant.
    pub fn lines(&self) -> BTreeSet<String> {
        self.grants.iter().flat_map(|(_, grant)| grant.lines().iter().cloned()).collect()
    }

    /// The tenants for whom alone a capability is; none where it is for every tenant.
    pub fn only_for(&self, line: &str) -> Option<Vec<&Tenant>> {
        let with = self.grants.iter().filter(|(_, grant)| grant.lines().iter().any(|own| own == line));
        // What a tenant has whom no rule names is for nobody alone.
        with.map(|(tenant, _)| tenant.as_ref()).collect()
    }

    /// What can go wrong with what would be granted.
    pub fn risks(&self) -> Vec<Risk> {
        risks(&Powers::granted(self.grants.iter().map(|(_, grant)| grant)), self.author)
    }

    /// What can go wrong beyond that if everything was granted that is asked for.
    pub fn risks_of_request(&self) -> Vec<Risk> {
        let granted = self.risks();
        risks(&self.requested, self.author).into_iter().filter(|risk| !granted.contains(risk)).collect()
    }

    /// The approval of exactly this.
    pub fn approved(&self, by: &str, at: UnixMillis) -> Approved {
        Approved {
            component: self.component,
            manifest: self.manifest,
            granted: self.lines(),
            policy: self.policy,
            by: by.to_owned(),
            at,
        }
    }

    /// How it stands to what was approved. The host asks the same of every call, by itself.
    pub fn standing(&self, approved: Option<&Approved>) -> Standing {
        match approved {
            None => Standing::Unapproved,
            Some(approved) if approved.component != self.component => Standing::OtherComponent,
            Some(approved) if approved.manifest != self.manifest => Standing::OtherManifest,
            Some(approved) if !uncovered(&self.lines(), &approved.granted).is_empty() => Standing::Wider,
            Some(_) => Standing::Holds,
        }
    }

    /// What its capabilities have become since they were approved.
    pub fn since(&self, approved: &Approved) -> Diff {
        Diff::between(&approved.granted, &self.lines())
    }
}

impl Standing {
    /// Its name in listings.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unapproved => "unapproved",
            Self::OtherComponent => "other-component",
            Self::OtherManifest => "other-manifest",
            Self::Wider => "wider",
            Self::Holds => "holds",
        }
    }
}

#[cfg(test)]
mod tests;
