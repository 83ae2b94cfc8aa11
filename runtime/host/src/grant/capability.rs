//! Capabilities held against each other by what they mean: what was approved covers everything that is no wider.
//!
//! An approval keeps lines of text, which a person has read. Here a line becomes what it says again, and only where writing that
//! gives the very same line: whatever else it is covers nothing but itself. Nothing here grants anything; it says whether what
//! rules grant today has been approved in other words.

use std::collections::BTreeSet;

use ipnet::IpNet;
use toolcell_core::manifest::{Access, Callee};
use toolcell_core::net::{Destination, HostPattern, Methods, Placement, Scheme};
use toolcell_core::units::Bytes;

use super::{Grant, words};
use crate::policy::{KvQuota, Redirects};

/// The most pairs of lines that are held against each other. Beyond it only equal lines count: nobody has read more, and a manifest
/// must not cost its host more than its text.
const MAX_PAIRS: usize = 100_000;

/// The lines that say more than all of `approved`, in their order.
///
/// A line is covered by an equal one. Otherwise a folder is covered by the same place with as much access; requests, for each of their
/// methods, by an entry for at least as many hosts and paths with that method, whose addresses hold theirs; a secret by the same
/// name and placement at a destination that is no narrower; a store by one with room for as much of each kind; calls of a tool by calls
/// of its component.
pub fn uncovered<'a>(lines: impl IntoIterator<Item = &'a String>, approved: &BTreeSet<String>) -> Vec<String> {
    let new: Vec<&String> = lines.into_iter().filter(|line| !approved.contains(*line)).collect();
    if new.is_empty() || new.len().saturating_mul(approved.len()) > MAX_PAIRS {
        return new.into_iter().cloned().collect();
    }
    let approved: Vec<Capability> = approved.iter().filter_map(|line| Capability::read(line)).collect();
    let is_covered = |line: &str| Capability::read(line).is_some_and(|new| new.is_covered_by(&approved));
    new.into_iter().filter(|line| !is_covered(line)).cloned().collect()
}

/// One line of a grant.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Capability {
    Mount { guest: String, access: Access },
    Config(String),
    Network { destination: Destination, methods: Methods, networks: Vec<IpNet>, redirects: Redirects },
    Secret { name: String, destination: Destination, placement: Placement },
    Kv(KvQuota),
    Call(Callee),
    ExtendedEngine,
}

impl Capability {
    /// What a grant comes to. `calls` are those of the grant in the words of manifests.
    pub(super) fn all(grant: &Grant, calls: &[Callee]) -> Vec<Self> {
        let mount = grant.mounts.iter().map(|mount| Self::Mount { guest: mount.guest.clone(), access: mount.access });
        let config = grant.config.keys().map(|key| Self::Config(key.clone()));
        let network = grant.network.iter().map(|entry| Self::Network {
            destination: entry.destination.clone(),
            methods: entry.methods.clone(),
            networks: entry.networks.clone(),
            redirects: entry.redirects,
        });
        let secret = grant.secrets.iter().map(|entry| Self::Secret {
            name: entry.name.clone(),
            destination: entry.destination.clone(),
            placement: entry.placement.clone(),
        });
        let kv = grant.kv.iter().map(|quota| Self::Kv(*quota));
        let call = calls.iter().map(|callee| Self::Call(callee.clone()));
        let engine = grant.extended.then_some(Self::ExtendedEngine);
        mount.chain(config).chain(network).chain(secret).chain(kv).chain(call).chain(engine).collect()
    }

    /// The line, before it is made safe to show.
    pub(super) fn line(&self) -> String {
        match self {
            Self::Mount { guest, access } => format!("mount {guest} {}", words::access(*access)),
            Self::Config(key) => format!("config {key}"),
            Self::Network { destination, methods, networks, redirects } => {
                let mut line = words::network(destination, methods);
                if !networks.is_empty() {
                    let networks: Vec<_> = networks.iter().map(ToString::to_string).collect();
                    line.push_str(" at ");
                    line.push_str(&networks.join(","));
                }
                if *redirects == Redirects::Follow {
                    line.push_str(FOLLOWING);
                }
                line
            }
            Self::Secret { name, destination, placement } => words::secret(name, destination, placement),
            Self::Kv(quota) => words::kv(quota),
            Self::Call(callee) => format!("call {callee}"),
            Self::ExtendedEngine => EXTENDED.to_owned(),
        }
    }

    /// What a line says; none where it is not exactly what would be written for that.
    pub(super) fn read(line: &str) -> Option<Self> {
        parse(line).filter(|capability| capability.line() == line)
    }

    fn is_covered_by(&self, approved: &[Self]) -> bool {
        match self {
            Self::Network { destination, methods, networks, redirects } => {
                let wanted = Wanted { destination, networks, redirects: *redirects };
                // Entries of a grant add up for each request, and a request has one method.
                methods.iter().all(|method| wanted.is_covered_by(method, approved))
            }
            _ => approved.iter().any(|approved| approved.covers(self)),
        }
    }

    /// Whether everything that `other` allows is allowed here. Requests are compared elsewhere: several lines cover one.
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Mount { guest, access }, Self::Mount { guest: place, access: wanted }) => {
                guest == place && access >= wanted
            }
            (
                Self::Secret { name, destination, placement },
                Self::Secret { name: wanted, destination: narrow, placement: place },
            ) => name == wanted && placement == place && within(narrow, destination),
            (Self::Kv(wide), Self::Kv(quota)) => {
                quota.keys <= wide.keys
                    && quota.value_bytes <= wide.value_bytes
                    && quota.total_bytes <= wide.total_bytes
            }
            (Self::Call(wide), Self::Call(callee)) => wide.covers(callee),
            (Self::Config(_) | Self::ExtendedEngine, _) => self == other,
            _ => false,
        }
    }
}

/// Requests by some method, to be found in what was approved.
struct Wanted<'a> {
    destination: &'a Destination,
    networks: &'a [IpNet],
    redirects: Redirects,
}

impl Wanted<'_> {
    /// As the door decides: of all entries for a request the addresses add up, and one that follows redirects suffices.
    fn is_covered_by(&self, method: &str, approved: &[Capability]) -> bool {
        let (mut there, mut follows) = (false, false);
        let mut networks: Vec<IpNet> = Vec::new();
        for capability in approved {
            let Capability::Network { destination, methods, networks: at, redirects } = capability else { continue };
            if methods.covers(method) && within(self.destination, destination) {
                there = true;
                follows |= *redirects == Redirects::Follow;
                networks.extend(reachable(destination, at));
            }
        }
        let reached = |network: &IpNet| networks.iter().any(|approved| approved.contains(network));
        there
            && (follows || self.redirects == Redirects::Return)
            && reachable(self.destination, self.networks).iter().all(reached)
    }
}

/// The networks that an entry adds to the public one: none where it names no host.
fn reachable<'a>(destination: &Destination, networks: &'a [IpNet]) -> &'a [IpNet] {
    if destination.host == HostPattern::AnyPublic { &[] } else { networks }
}

/// Whether everything at one destination is at the other one too.
pub(super) fn within(narrow: &Destination, wide: &Destination) -> bool {
    narrow.meet(wide).as_ref() == Some(narrow)
}

const FOLLOWING: &str = " following redirects";
const ANY_PUBLIC: &str = "any public host by ";
const EXTENDED: &str = "extended engine";

fn parse(line: &str) -> Option<Capability> {
    if line == EXTENDED {
        return Some(Capability::ExtendedEngine);
    }
    let (kind, rest) = line.split_once(' ')?;
    match kind {
        "mount" => {
            let (guest, word) = rest.rsplit_once(' ')?;
            let access = [Access::ReadOnly, Access::ReadWrite].into_iter().find(|it| words::access(*it) == word)?;
            Some(Capability::Mount { guest: guest.to_owned(), access })
        }
        "config" => Some(Capability::Config(rest.to_owned())),
        "network" => network(rest),
        "secret" => {
            let (name, rest) = rest.split_once(" to ")?;
            let (to, place) = rest.split_once(' ')?;
            let (name, destination) = (name.to_owned(), to.parse().ok()?);
            Some(Capability::Secret { name, destination, placement: placement(place)? })
        }
        "kv" => {
            let (keys, rest) = rest.split_once(" keys, ")?;
            let (value, total) = rest.strip_suffix(" in all")?.split_once(" each, ")?;
            let (value, total): (Bytes, Bytes) = (value.parse().ok()?, total.parse().ok()?);
            Some(Capability::Kv(KvQuota { keys: keys.parse().ok()?, value_bytes: value.0, total_bytes: total.0 }))
        }
        "call" => Some(Capability::Call(rest.parse().ok()?)),
        _ => None,
    }
}

/// `GET,POST https://api.example.com/v1/ at 10.0.0.0/8 following redirects`.
fn network(text: &str) -> Option<Capability> {
    let (text, redirects) = match text.strip_suffix(FOLLOWING) {
        Some(text) => (text, Redirects::Follow),
        None => (text, Redirects::Return),
    };
    let (methods, text) = text.split_once(' ')?;
    let (to, networks) = text.split_once(" at ").unwrap_or((text, ""));
    let destination = match to.strip_prefix(ANY_PUBLIC) {
        Some(word) => {
            Destination::any_public([Scheme::Http, Scheme::Https].into_iter().find(|it| it.as_str() == word)?)
        }
        None => to.parse().ok()?,
    };
    let methods = Methods::parse(methods.split(',')).ok()?;
    let networks =
        networks.split(',').filter(|text| !text.is_empty()).map(str::parse).collect::<Result<_, _>>().ok()?;
    Some(Capability::Network { destination, methods, networks, redirects })
}

/// `in header Authorization after "Bearer "`, `in query parameter key`, `as password of "user"`.
fn placement(text: &str) -> Option<Placement> {
    let (mut header, mut prefix, mut query, mut basic) = (None, None, None, None);
    if let Some(rest) = text.strip_prefix("in header ") {
        let (name, before) = rest.split_once(" after ").map_or((rest, None), |(name, text)| (name, Some(text)));
        header = Some(name.to_owned());
        if let Some(text) = before {
            prefix = Some(unquoted(text)?);
        }
    } else if let Some(name) = text.strip_prefix("in query parameter ") {
        query = Some(name.to_owned());
    } else {
        basic = Some(unquoted(text.strip_prefix("as password of ")?)?);
    }
    Placement::from_keys(header, prefix, query, basic).ok()
}

/// Text that was written in quotes. Of what can stand before a secret only these two are written otherwise than they are.
fn unquoted(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(character) = rest.next() {
        out.push(if character == '\\' { rest.next()? } else { character });
    }
    Some(out)
}
