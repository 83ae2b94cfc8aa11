//! Requests and secrets: each thing the manifest asks for met with each thing a rule allows.

use toolcell_core::manifest::NetworkRequest;
use toolcell_core::net::{Destination, Methods};

use super::capability::within;
use super::choose::contradiction;
use super::{GrantedNetwork, GrantedSecret, Meeting, Refusal, words};
use crate::policy::{Allow, AllowedSecret, Rule};

/// The most entries of which each is compared with every other. More are the work of a generator, and are kept as they are.
const MAX_COMPARED: usize = 512;

impl<'a> Meeting<'a> {
    pub(super) fn network(&self, refusals: &mut Vec<Refusal>) -> Vec<GrantedNetwork> {
        let asked = self.manifest.map(|manifest| spread(&manifest.capabilities.network));
        let mut granted: Vec<GrantedNetwork> = Vec::new();
        for (rule, allow) in self.allowed() {
            let Allow::Network(allowed) = allow else { continue };
            let entry = |destination, methods| GrantedNetwork {
                rule: rule.name.clone(),
                destination,
                methods,
                networks: allowed.networks.clone(),
                redirects: allowed.redirects,
            };
            let before = granted.len();
            match &asked {
                None => granted.push(entry(allowed.destination.clone(), allowed.methods.clone())),
                Some(asked) => granted.extend(asked.iter().filter_map(|(to, request)| {
                    Some(entry(to.meet(&allowed.destination)?, request.methods.meet(&allowed.methods)?))
                })),
            }
            if granted.len() == before {
                let what = words::network(&allowed.destination, &allowed.methods);
                refusals.push(Self::not_requested(what, rule, "network"));
            }
        }
        granted.sort_by(|a, b| order(a).cmp(&order(b)));
        granted.dedup();
        let granted = widest(granted);
        for (to, request) in asked.into_iter().flatten() {
            if let Some(missing) = missing(&to, &request.methods, &granted) {
                let met = granted.iter().any(|entry| to.meet(&entry.destination).is_some());
                let why = if met {
                    "the manifest requests it and rules allow only a part of it"
                } else {
                    "the manifest requests it and no rule allows it"
                };
                let toml = words::network_toml(&to, &missing);
                refusals.push(self.not_allowed_because(words::network(&to, &missing), why, toml));
            }
        }
        granted
    }

    pub(super) fn secrets(&self, refusals: &mut Vec<Refusal>) -> Vec<GrantedSecret> {
        let secrets = Self::unambiguous(&self.met_secrets(refusals), refusals);
        let asked = self.manifest.map(|manifest| manifest.capabilities.secrets.as_slice());
        for request in asked.into_iter().flatten() {
            let has = |secret: &GrantedSecret| {
                secret.name == request.name
                    && secret.placement == request.placement
                    && within(&request.destination, &secret.destination)
            };
            if !secrets.iter().any(has) {
                let what = words::secret(&request.name, &request.destination, &request.placement);
                refusals.push(self.not_allowed(what, words::secret_toml(request)));
            }
        }
        secrets
    }

    /// Every secret that both sides name alike, in an order that is not that of the rules.
    fn met_secrets(&self, refusals: &mut Vec<Refusal>) -> Vec<(&'a Rule, GrantedSecret)> {
        let asked = self.manifest.map(|manifest| manifest.capabilities.secrets.as_slice());
        let mut met = Vec::new();
        for (rule, allow) in self.allowed() {
            let Allow::Secret(allowed) = allow else { continue };
            let destinations: Vec<Destination> = match asked {
                None => vec![allowed.destination.clone()],
                Some(asked) => asked
                    .iter()
                    .filter(|request| request.name == allowed.name && request.placement == allowed.placement)
                    .filter_map(|request| request.destination.meet(&allowed.destination))
                    .collect(),
            };
            if destinations.is_empty() {
                let what = words::secret(&allowed.name, &allowed.destination, &allowed.placement);
                refusals.push(Self::not_requested(what, rule, "secrets"));
            }
            met.extend(destinations.into_iter().map(|destination| (rule, granted(rule, allowed, destination))));
        }
        met.sort_by_cached_key(|(_, secret)| {
            (secret.name.clone(), secret.destination.clone(), secret.placement.to_string(), secret.rule.clone())
        });
        met
    }

    /// Without secrets of which a request would have two different ones at one place, and without what another entry says.
    fn unambiguous(met: &[(&Rule, GrantedSecret)], refusals: &mut Vec<Refusal>) -> Vec<GrantedSecret> {
        let mut secrets = Vec::new();
        for (index, (rule, secret)) in met.iter().enumerate() {
            let overlapping: Vec<_> = met
                .iter()
                .enumerate()
                .filter(|(_, (_, other))| words::same_place(&other.placement, &secret.placement))
                .filter(|(_, (_, other))| other.destination.meet(&secret.destination).is_some())
                .collect();
            let differs = |other: &GrantedSecret| other.from != secret.from || other.placement != secret.placement;
            if let Some((_, (other, _))) = overlapping.iter().find(|(_, (_, other))| differs(other)) {
                let what = words::secret(&secret.name, &secret.destination, &secret.placement);
                refusals.push(contradiction(what, rule, other, "another secret at the same place"));
                continue;
            }
            // Of two that agree the wider one says all; of two that are equal, the first.
            let said = overlapping.iter().any(|(place, (_, other))| {
                other.name == secret.name
                    && within(&secret.destination, &other.destination)
                    && (other.destination != secret.destination || *place < index)
            });
            if !said {
                secrets.push(secret.clone());
            }
        }
        secrets
    }
}

/// Every destination that is asked for, with what is asked of it.
fn spread(requests: &[NetworkRequest]) -> Vec<(Destination, &NetworkRequest)> {
    requests.iter().flat_map(|request| request.reach.destinations().into_iter().map(move |to| (to, request))).collect()
}

fn granted(rule: &Rule, allowed: &AllowedSecret, destination: Destination) -> GrantedSecret {
    GrantedSecret {
        rule: rule.name.clone(),
        name: allowed.name.clone(),
        from: allowed.from.clone(),
        destination,
        placement: allowed.placement.clone(),
    }
}

/// Without the entries that another one covers, so that a reviewer reads each thing once. Of equals the first stays.
fn widest(granted: Vec<GrantedNetwork>) -> Vec<GrantedNetwork> {
    if granted.len() > MAX_COMPARED {
        return granted;
    }
    let covers = |one: &GrantedNetwork, other: &GrantedNetwork| {
        one.redirects == other.redirects
            && other.networks.iter().all(|network| one.networks.contains(network))
            && within(&other.destination, &one.destination)
            && one.methods.meet(&other.methods).as_ref() == Some(&other.methods)
    };
    let said = |index: usize, entry: &GrantedNetwork| {
        let wider = |(place, one): (usize, &GrantedNetwork)| {
            place != index && covers(one, entry) && (place < index || !covers(entry, one))
        };
        granted.iter().enumerate().any(wider)
    };
    let widest = granted.iter().enumerate().filter(|(index, entry)| !said(*index, entry));
    widest.map(|(_, entry)| entry.clone()).collect()
}

fn order(entry: &GrantedNetwork) -> impl Ord + '_ {
    (&entry.destination, &entry.methods, &entry.rule, &entry.networks, entry.redirects)
}

/// The methods that no grant for the whole of a destination covers.
fn missing(to: &Destination, methods: &Methods, granted: &[GrantedNetwork]) -> Option<Methods> {
    let whole = |entry: &&GrantedNetwork| within(to, &entry.destination);
    let covered = |method: &str| granted.iter().filter(whole).any(|entry| entry.methods.covers(method));
    Methods::parse(methods.iter().filter(|method| !covered(method))).ok()
}
