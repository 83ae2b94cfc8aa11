//! What one call may really do: the manifest's request met with policy. Pure, and it explains each refusal.
//!
//! A [`Grant`] can only be made here, from values that only the operator's side has; agents, tools and models have no
//! constructor for one.

use std::collections::BTreeMap;
use std::sync::Arc;

use toolcell_core::limits::{Limit, Limits};
use toolcell_core::manifest::{Access, Manifest};
use toolcell_core::{Digest, ToolId};

use crate::boundary::Mount;
use crate::policy::{Allow, Policy};

/// What one call may really do.
#[derive(Clone, Debug)]
pub struct Grant {
    pub(crate) limits: Limits,
    pub(crate) mounts: Arc<[Mount]>,
    pub(crate) config: Arc<BTreeMap<String, String>>,
    pub(crate) extended: bool,
    refusals: Vec<Refusal>,
}

/// Something that was requested and not granted, or allowed and not requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What it is about: "read-write access to /data", "config key `region`".
    pub what: String,
    /// Why it is not in the grant, and what would put it there.
    pub reason: String,
}

impl Grant {
    /// The limits of a call.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The folders of a call.
    pub fn mounts(&self) -> &[Mount] {
        &self.mounts
    }

    /// What is not in the grant, and why.
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }
}

/// The meeting of what a component asks for and what policy allows to this tool of it.
///
/// The manifest is a ceiling: what it does not request, policy cannot add. A component without any manifest requests
/// nothing in words, so there the rules that name it are the whole of it.
pub(crate) fn grant(tool: &ToolId, component: Digest, manifest: Option<&Manifest>, policy: &Policy) -> Grant {
    let mut grant = Grant {
        limits: policy.limits().clone(),
        mounts: Arc::new([]),
        config: Arc::default(),
        extended: false,
        refusals: Vec::new(),
    };
    let mut mounts: BTreeMap<&str, Mount> = BTreeMap::new();
    let mut config = BTreeMap::new();
    for rule in policy.rules().iter().filter(|rule| rule.tools.names(tool, component)) {
        match &rule.allow {
            Allow::Mount(mount) => match met_mount(mount, manifest) {
                Ok(mount) => {
                    // Of two rules for one place the narrower one holds, whatever their order.
                    let narrower = mounts.get(mount.guest.as_str()).is_none_or(|other| mount.access < other.access);
                    if let (true, Allow::Mount(rule_mount)) = (narrower, &rule.allow) {
                        mounts.insert(&rule_mount.guest, mount);
                    }
                }
                Err(refusal) => grant.refusals.push(refusal),
            },
            Allow::Config { key, value } => {
                if manifest.is_none_or(|manifest| manifest.capabilities.config.contains(key)) {
                    config.insert(key.clone(), value.clone());
                } else {
                    grant.refusals.push(Refusal {
                        what: format!("config key `{key}`"),
                        reason: "policy sets it, but the manifest does not request it under [capabilities] config"
                            .to_owned(),
                    });
                }
            }
            // Values were checked when the rule was made; one that is out of range changes nothing.
            Allow::Limit(limit, value) => {
                if let Ok(limits) = grant.limits.clone().with(*limit, *value) {
                    grant.limits = limits;
                }
            }
            Allow::ExtendedEngine => grant.extended = true,
        }
    }
    if let Some(manifest) = manifest {
        grant.limits = grant.limits.meet(&requested(manifest));
        let missing =
            manifest.capabilities.filesystem.iter().filter(|folder| !mounts.contains_key(folder.guest.as_str()));
        grant.refusals.extend(missing.map(|folder| Refusal {
            what: format!("{} access to {}", access(folder.access), folder.guest),
            reason: format!(
                "the manifest requests it and no rule mounts it; `--mount HOST_FOLDER:{}` would",
                folder.guest
            ),
        }));
    }
    grant.mounts = mounts.into_values().collect();
    grant.config = Arc::new(config);
    grant
}

/// A mount as narrow as both sides have it.
fn met_mount(mount: &Mount, manifest: Option<&Manifest>) -> Result<Mount, Refusal> {
    let Some(manifest) = manifest else { return Ok(mount.clone()) };
    let requested = manifest.capabilities.filesystem.iter().find(|folder| folder.guest == mount.guest);
    let Some(requested) = requested else {
        let places: Vec<_> = manifest.capabilities.filesystem.iter().map(|folder| folder.guest.as_str()).collect();
        let places = if places.is_empty() { "no folder at all".to_owned() } else { places.join(", ") };
        return Err(Refusal {
            what: format!("{} access to {}", access(mount.access), mount.guest),
            reason: format!(
                "policy mounts it, but the manifest requests {places}; mount there, or have the author request it"
            ),
        });
    };
    Ok(Mount { access: mount.access.min(requested.access), ..mount.clone() })
}

/// The limits a manifest asks for; the ceiling where it asks for none, because meeting with it changes nothing.
fn requested(manifest: &Manifest) -> Limits {
    let asked = &manifest.limits;
    let time = asked.timeout.map(|span| u64::try_from(span.0.as_millis()).unwrap_or(u64::MAX));
    let mut limits = Limits::ceiling();
    for (limit, value) in [(Limit::Memory, asked.memory.map(|b| b.0)), (Limit::Fuel, asked.fuel), (Limit::Time, time)] {
        if let Some(met) = value.and_then(|value| limits.clone().with(limit, value).ok()) {
            limits = met;
        }
    }
    limits
}

fn access(access: Access) -> &'static str {
    match access {
        Access::ReadOnly => "read-only",
        Access::ReadWrite => "read-write",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Pattern, Rule};

    fn tool() -> ToolId {
        "search.query".parse().expect("an id")
    }

    fn manifest(text: &str) -> Manifest {
        Manifest::parse(format!("name = \"search\"\nversion = \"0.1.0\"\n{text}").as_bytes()).expect("a manifest")
    }

    fn mounted(access: Access) -> Policy {
        let folder = tempfile::tempdir().expect("a folder");
        Policy::deny_all().mount(Pattern::Any, folder.path(), "/docs", access).expect("mounts")
    }

    #[test]
    fn an_empty_policy_grants_nothing_whatever_is_requested() {
        let greedy =
            manifest("[capabilities]\nfilesystem = [{ guest = \"/docs\", access = \"read-write\" }]\nconfig = [\"a\"]");
        let grant = grant(&tool(), Digest::of(b""), Some(&greedy), &Policy::deny_all());
        assert!(grant.mounts.is_empty() && grant.config.is_empty() && !grant.extended);
        assert_eq!(grant.refusals.len(), 1, "{:?}", grant.refusals);
    }

    #[test]
    fn the_manifest_is_a_ceiling() {
        let asks_read = manifest("[capabilities]\nfilesystem = [{ guest = \"/docs\", access = \"read-only\" }]");
        let granted = grant(&tool(), Digest::of(b""), Some(&asks_read), &mounted(Access::ReadWrite));
        assert_eq!(granted.mounts[0].access, Access::ReadOnly);
        let asks_nothing = manifest("");
        let granted = grant(&tool(), Digest::of(b""), Some(&asks_nothing), &mounted(Access::ReadOnly));
        assert!(granted.mounts.is_empty());
        assert!(granted.refusals[0].reason.contains("requests no folder at all"), "{:?}", granted.refusals);
    }

    #[test]
    fn a_plain_component_gets_what_the_rules_that_name_it_say() {
        assert_eq!(grant(&tool(), Digest::of(b""), None, &mounted(Access::ReadWrite)).mounts.len(), 1);
        let folder = tempfile::tempdir().expect("a folder");
        let other = Pattern::Component("other".parse().expect("a name"));
        let policy = Policy::deny_all().mount(other, folder.path(), "/docs", Access::ReadOnly).expect("mounts");
        assert!(grant(&tool(), Digest::of(b""), None, &policy).mounts.is_empty());
    }

    #[test]
    fn limits_only_shrink_by_request_and_only_grow_by_rule() {
        let asks = manifest("[limits]\nmemory = \"1 MiB\"\nfuel = 9_000_000_000_000");
        let granted = grant(&tool(), Digest::of(b""), Some(&asks), &Policy::deny_all());
        assert_eq!(granted.limits.get(Limit::Memory), 1 << 20);
        assert_eq!(granted.limits.get(Limit::Fuel), Limit::Fuel.row().default);
        let more = Rule { tools: Pattern::Tool(tool()), allow: Allow::Limit(Limit::Fuel, 30_000_000_000) };
        let granted = grant(&tool(), Digest::of(b""), None, &Policy::deny_all().rule(more));
        assert_eq!(granted.limits.get(Limit::Fuel), 30_000_000_000);
    }
}
