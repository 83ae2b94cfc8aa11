//! Questions that a person asks of a grant: would this be allowed, and which rule decides?

use ipnet::IpNet;
use toolcell_core::net::{Host, HostPattern, Target};

use super::{Grant, GrantedNetwork, Refusal, words};
use crate::egress::may_dial;

/// What a person may ask.
#[derive(Clone, Debug)]
pub enum Question<'a> {
    /// One request.
    Request {
        /// Its method, in upper case.
        method: &'a str,
        /// Where to.
        target: &'a Target,
    },
    /// A secret, by the manifest's name.
    Secret(&'a str),
    /// A folder, by its place in the guest.
    Mount(&'a str),
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is granted, in these words.
    Granted {
        /// The rule that decides, where one alone does.
        rule: Option<String>,
        /// What of the grant covers it.
        line: String,
    },
    /// It is not.
    Refused {
        /// Why, with what would change that where it is known.
        reasons: Vec<String>,
    },
}

impl Grant {
    /// Whether something would be allowed, as far as that is known beforehand: the addresses of a name are vetted when it is called.
    pub fn decide(&self, question: &Question<'_>) -> Decision {
        if let Some(inert) = &self.inert {
            return Decision::Refused { reasons: vec![inert.reason.clone()] };
        }
        match question {
            Question::Request { method, target } => self.request(method, target),
            Question::Secret(name) => self.secret(name),
            Question::Mount(guest) => {
                let found = self.mounts.iter().find(|mount| mount.guest == *guest);
                found.map_or_else(
                    || self.refused(&format!(" {guest}"), &format!("no rule mounts anything at {guest}")),
                    |mount| Decision::Granted {
                        rule: self.mounted_by.get(*guest).cloned(),
                        line: format!("mount {} {}", mount.guest, words::access(mount.access)),
                    },
                )
            }
        }
    }

    fn request(&self, method: &str, target: &Target) -> Decision {
        let there = || self.network.iter().filter(|entry| entry.destination.covers(target));
        let covering: Vec<_> = there().filter(|entry| entry.methods.covers(method)).collect();
        if let Some(first) = covering.first() {
            return vetted(first, &covering, target);
        }
        let mut reasons: Vec<_> = there()
            .map(|entry| format!("rule `{}` grants {} there, and not {method}", entry.rule, entry.methods))
            .collect();
        if reasons.is_empty() {
            reasons.push(format!("no entry of the grant covers {}", target.origin()));
        }
        reasons.extend(self.refusals.iter().filter(|refusal| refusal.what.starts_with("network ")).map(told));
        Decision::Refused { reasons }
    }

    /// One name may stand for a secret at several places of a request.
    fn secret(&self, name: &str) -> Decision {
        let there = || self.secrets.iter().filter(|secret| secret.name == name);
        let Some(first) = there().next() else {
            return self.refused(&format!("secret {name} "), &format!("no rule grants a secret `{name}`"));
        };
        let lines: Vec<_> =
            there().map(|secret| words::secret(&secret.name, &secret.destination, &secret.placement)).collect();
        let alone = there().all(|secret| secret.rule == first.rule);
        Decision::Granted { rule: alone.then(|| first.rule.clone()), line: lines.join("; ") }
    }

    fn refused(&self, about: &str, otherwise: &str) -> Decision {
        let mut reasons: Vec<_> = self
            .refusals
            .iter()
            .filter(|refusal| refusal.what.contains(about) || refusal.what.ends_with(about))
            .map(told)
            .collect();
        if reasons.is_empty() {
            reasons.push(otherwise.to_owned());
        }
        Decision::Refused { reasons }
    }
}

/// A request that rules cover, once the addresses of its host are asked about: of one that is an address that is known now.
fn vetted(first: &GrantedNetwork, covering: &[&GrantedNetwork], target: &Target) -> Decision {
    let named = covering.iter().filter(|entry| entry.destination.host != HostPattern::AnyPublic);
    let networks: Vec<IpNet> = named.flat_map(|entry| entry.networks.iter().copied()).collect();
    let line = words::network(&first.destination, &first.methods);
    let line = match &target.host {
        Host::Ip(address) => {
            if let Err(class) = may_dial(*address, &networks) {
                let (rule, words, reached) = (&first.rule, class.words(), class.reached_by());
                let reason = format!("rule `{rule}` covers it, but {address} is {words}, {reached}");
                return Decision::Refused { reasons: vec![reason] };
            }
            line
        }
        Host::Name(_) if networks.is_empty() => format!("{line} (if all its addresses are public)"),
        Host::Name(_) => {
            let networks: Vec<_> = networks.iter().map(ToString::to_string).collect();
            format!("{line} (if all its addresses are public or in {})", networks.join(", "))
        }
    };
    Decision::Granted { rule: Some(first.rule.clone()), line }
}

fn told(refusal: &Refusal) -> String {
    format!("{}: {}", refusal.what, refusal.reason)
}
