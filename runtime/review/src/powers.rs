//! What something can do, whether it is asked for or granted: one shape, so that both are weighed alike.

use std::collections::BTreeSet;

use toolcell_core::limits::{LIMITS, Unit};
use toolcell_core::manifest::{Access, Manifest};
use toolcell_core::net::{Destination, Methods};
use toolcell_host::Grant;
use toolcell_host::policy::Redirects;
use toolcell_host::schema::inert;

/// The longest line of a power, in bytes.
const MAX_LINE: usize = 4_096;

/// What something can do. Nothing at all by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Powers {
    /// Places of folders, and what may be done there.
    pub mounts: BTreeSet<(String, Access)>,
    /// Where requests may go.
    pub network: BTreeSet<Reachable>,
    /// Names of secrets, each with where it goes.
    pub secrets: BTreeSet<(String, Destination)>,
    /// Components and tools that may be called.
    pub calls: BTreeSet<String>,
    /// Whether something outlives a call.
    pub kv: Kept,
    /// Which engine runs it.
    pub engine: Engine,
    /// Limits over their defaults, each in words.
    pub raised: BTreeSet<String>,
}

/// Where requests may go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reachable {
    /// Where to.
    pub destination: Destination,
    /// By which methods.
    pub methods: Methods,
    /// Networks with addresses that are not public and may be dialled all the same, each as text.
    pub private: Vec<String>,
    /// What becomes of redirects.
    pub redirects: Redirects,
}

/// Whether something outlives a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kept {
    /// Nothing does.
    #[default]
    Nothing,
    /// Keys and values do.
    Values,
}

/// Which engine runs it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// The one with the smallest surface.
    #[default]
    Standard,
    /// One with garbage collection and exceptions.
    Extended,
}

impl Powers {
    /// What any of some grants gives: those of one tool for several tenants.
    pub fn granted<'a>(grants: impl IntoIterator<Item = &'a Grant>) -> Self {
        let mut powers = Self::default();
        for grant in grants {
            powers.mounts.extend(grant.mounts().iter().map(|mount| (mount.guest.clone(), mount.access)));
            powers.network.extend(grant.network().iter().map(|entry| Reachable {
                destination: entry.destination.clone(),
                methods: entry.methods.clone(),
                private: entry.networks.iter().map(ToString::to_string).collect(),
                redirects: entry.redirects,
            }));
            let secrets = grant.secrets().iter();
            powers.secrets.extend(secrets.map(|secret| (secret.name.clone(), secret.destination.clone())));
            for line in grant.lines() {
                match line.split_once(' ') {
                    Some(("call", callee)) => powers.calls.extend([callee.to_owned()]),
                    Some(("kv", _)) => powers.kv = Kept::Values,
                    Some(("extended", _)) => powers.engine = Engine::Extended,
                    _ => {}
                }
            }
            let raised = LIMITS.iter().filter(|row| grant.limits().get(row.limit) > row.default);
            powers.raised.extend(raised.map(|row| {
                let show = |value| if row.unit == Unit::Fuel { format!("{value}") } else { row.limit.show(value) };
                format!("{} {} in place of {}", row.name, show(grant.limits().get(row.limit)), show(row.default))
            }));
        }
        powers
    }

    /// What a manifest asks for. Policy alone says what becomes of redirects, of addresses that are not public, of the
    /// engine and of limits over the defaults.
    pub fn requested(manifest: &Manifest) -> Self {
        let asked = &manifest.capabilities;
        let reachable = |destination, methods: &Methods| Reachable {
            destination,
            methods: methods.clone(),
            private: Vec::new(),
            redirects: Redirects::Return,
        };
        let network = asked.network.iter().flat_map(|request| {
            request.reach.destinations().into_iter().map(move |to| reachable(to, &request.methods))
        });
        Self {
            mounts: asked.filesystem.iter().map(|folder| (inert(&folder.guest, MAX_LINE), folder.access)).collect(),
            network: network.collect(),
            secrets: asked.secrets.iter().map(|secret| (secret.name.clone(), secret.destination.clone())).collect(),
            calls: asked.tools.iter().map(ToString::to_string).collect(),
            kv: if asked.kv.is_some() { Kept::Values } else { Kept::Nothing },
            engine: Engine::Standard,
            raised: BTreeSet::new(),
        }
    }
}
