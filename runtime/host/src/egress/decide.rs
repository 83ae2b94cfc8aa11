//! Whether a request is granted, and why not. Pure.

use std::net::IpAddr;

use ipnet::IpNet;
use toolcell_core::net::{Destination, Host, HostPattern, Methods, Target};

use super::{Class, DeniedBy, EgressError, NetworkGrant, Redirects, may_dial};
use crate::schema::inert;

/// How much of a method a message shows, in bytes. The longest registered one has 17.
const MAX_METHOD: usize = 32;

/// How much of a target a message shows, in bytes: a whole name and the beginning of a path.
const MAX_TARGET: usize = 384;

/// What the grants that cover a request say together.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Allowed {
    /// Networks beyond the public one that it may reach.
    pub(super) networks: Vec<IpNet>,
    pub(super) redirects: Redirects,
    /// The first rule that covers it, for messages.
    pub(super) rule: String,
}

/// Decides by method, scheme, host, port and path. Rules only add: the order of grants makes no difference.
pub(super) fn decide(grants: &[NetworkGrant], method: &str, target: &Target) -> Result<Allowed, EgressError> {
    let covers = |grant: &&NetworkGrant| grant.destination.covers(target) && grant.methods.covers(method);
    let covering: Vec<&NetworkGrant> = grants.iter().filter(covers).collect();
    let Some(rule) = covering.iter().map(|grant| &grant.rule).min() else {
        return Err(denied(grants, method, target));
    };
    let named = covering.iter().filter(|grant| grant.destination.host != HostPattern::AnyPublic);
    let follow = covering.iter().any(|grant| grant.redirects == Redirects::Follow);
    Ok(Allowed {
        networks: named.flat_map(|grant| grant.networks.iter().copied()).collect(),
        redirects: if follow { Redirects::Follow } else { Redirects::Return },
        rule: rule.clone(),
    })
}

/// Vets every address. One that is refused refuses the request: a name with mixed records is somebody's attempt.
pub(super) fn vet(
    addresses: &[IpAddr],
    allowed: &Allowed,
    method: &str,
    target: &Target,
) -> Result<Vec<IpAddr>, EgressError> {
    let mut vetted: Vec<IpAddr> = Vec::with_capacity(addresses.len());
    for address in addresses {
        if let Err(class) = may_dial(*address, &allowed.networks) {
            return Err(not_dialled(*address, class, allowed, method, target));
        }
        let canonical = address.to_canonical();
        if !vetted.contains(&canonical) {
            vetted.push(canonical);
        }
    }
    Ok(vetted)
}

fn denied(grants: &[NetworkGrant], method: &str, target: &Target) -> EgressError {
    let nearest = grants.iter().max_by_key(|grant| (agreement(grant, method, target), std::cmp::Reverse(&grant.rule)));
    let why = match nearest.map(|grant| (grant, agreement(grant, method, target))) {
        None => "no rule grants this tool any destination".to_owned(),
        Some((_, 0)) => format!("no rule grants this tool the host {}", target.host),
        Some((grant, parts)) => {
            let Destination { scheme, port, path, .. } = &grant.destination;
            let rule = &grant.rule;
            match parts {
                1 => format!("rule `{rule}` grants this host by {scheme} only"),
                2 => format!("rule `{rule}` grants this host on port {port} only"),
                3 => format!("rule `{rule}` grants this host below {path} only"),
                _ => format!("rule `{rule}` grants {} there, not {}", grant.methods, inert(method, MAX_METHOD)),
            }
        }
    };
    EgressError::Denied {
        reason: format!("{} is not granted: {why}", asked(method, target)),
        by: DeniedBy::Rules,
        rule_hint: hint(method, target, ""),
    }
}

/// What was asked for, as far as a message shows it: both are of a guest's choosing, and a receipt has no room for a URL of a
/// megabyte. What follows it, and says what would allow it, is never cut.
fn asked(method: &str, target: &Target) -> String {
    format!("{} {}", inert(method, MAX_METHOD), inert(&target.to_string(), MAX_TARGET))
}

/// How many parts agree, in the order that they are named in: host, scheme, port, path, method.
fn agreement(grant: &NetworkGrant, method: &str, target: &Target) -> usize {
    let destination = &grant.destination;
    let anywhere = Destination { path: "/".to_owned(), ..destination.clone() };
    let parts = [
        destination.host.covers(&target.host),
        destination.scheme == target.scheme,
        anywhere.covers(target),
        destination.covers(target),
        grant.methods.covers(method),
    ];
    parts.iter().take_while(|agrees| **agrees).count()
}

fn not_dialled(address: IpAddr, class: Class, allowed: &Allowed, method: &str, target: &Target) -> EgressError {
    let what = match &target.host {
        Host::Name(name) => format!("{name} resolves to {address}"),
        Host::Ip(_) => format!("{address} is asked for"),
    };
    let reason = format!("{} is not granted: {what}, {}, {}", asked(method, target), class.words(), class.reached_by());
    if matches!(class, Class::Multicast | Class::Broadcast | Class::Unspecified) {
        return EgressError::Denied { reason, by: DeniedBy::Address, rule_hint: None };
    }
    let addresses = format!(", addresses = [\"{}\"]", IpNet::from(address.to_canonical()));
    EgressError::Denied {
        reason: format!("{reason}; rule `{}` does not", allowed.rule),
        by: DeniedBy::Address,
        rule_hint: hint(method, target, &addresses),
    }
}

/// The line of policy that would allow the request. The path has no quote and no backslash, so it needs no escapes.
fn hint(method: &str, target: &Target, more: &str) -> Option<String> {
    Methods::parse([method]).ok()?;
    Some(format!("network = [{{ url = \"{target}\", methods = [\"{method}\"]{more} }}]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(rule: &str, url: &str, methods: &[&str], networks: &[&str]) -> NetworkGrant {
        NetworkGrant {
            rule: rule.to_owned(),
            destination: url.parse().expect("a destination"),
            methods: Methods::parse(methods).expect("methods"),
            networks: networks.iter().map(|net| net.parse().expect("a network")).collect(),
            redirects: Redirects::Return,
        }
    }

    fn target(host: &str, path: &str) -> Target {
        Target::parse("https", host, path).expect("a target")
    }

    fn reason(result: Result<Allowed, EgressError>) -> (String, Option<String>) {
        match result {
            Err(EgressError::Denied { reason, rule_hint, .. }) => (reason, rule_hint),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_denial_names_the_nearest_rule_and_the_line_that_would_allow_it() {
        let grants = [
            grant("docs", "https://api.example.com/v1/", &["GET"], &[]),
            grant("odd port", "https://port.example.com:8443/", &["GET"], &[]),
            grant("clear", "http://clear.example.com/", &["GET"], &[]),
        ];
        assert!(decide(&grants, "GET", &target("api.example.com", "/v1/x")).is_ok());
        for (method, host, path, why) in [
            ("POST", "api.example.com", "/v1/x", "rule `docs` grants GET there, not POST"),
            ("GET", "api.example.com", "/v2/", "rule `docs` grants this host below /v1/ only"),
            ("GET", "port.example.com", "/", "rule `odd port` grants this host on port 8443 only"),
            ("GET", "clear.example.com", "/", "rule `clear` grants this host by http only"),
            ("GET", "other.example.com", "/", "no rule grants this tool the host other.example.com"),
        ] {
            let (reason, hint) = reason(decide(&grants, method, &target(host, path)));
            assert!(reason.ends_with(why), "{reason}");
            let line = format!("network = [{{ url = \"https://{host}{path}\", methods = [\"{method}\"] }}]");
            assert_eq!(hint, Some(line));
        }
        let (reason, hint) = reason(decide(&[], "x\"y", &target("example.com", "/")));
        assert!(reason.ends_with("no rule grants this tool any destination"), "{reason}");
        assert_eq!(hint, None, "what is no method is not put into a line of policy");
    }

    #[test]
    fn grants_add_up_whatever_their_order() {
        let mut grants = vec![
            grant("a", "https://example.com/", &["GET"], &["10.0.0.0/8"]),
            grant("b", "https://*.example.com/", &["GET"], &["192.168.0.0/16"]),
            NetworkGrant {
                redirects: Redirects::Follow,
                ..grant("c", "https://example.com/v1", &["GET"], &["127.0.0.0/8"])
            },
        ];
        let first = decide(&grants, "GET", &target("example.com", "/v1/x")).expect("granted");
        assert_eq!((first.networks.len(), first.redirects, first.rule.as_str()), (2, Redirects::Follow, "a"));
        grants.reverse();
        let second = decide(&grants, "GET", &target("example.com", "/v1/x")).expect("granted");
        assert_eq!((second.networks.len(), second.redirects, second.rule.as_str()), (2, Redirects::Follow, "a"));
    }

    #[test]
    fn any_public_host_lends_no_network() {
        let any = NetworkGrant {
            destination: Destination::any_public(toolcell_core::net::Scheme::Https),
            ..grant("any", "https://x.example.com/", &["GET"], &["0.0.0.0/0"])
        };
        let there = target("intranet.example.com", "/");
        let allowed = decide(&[any], "GET", &there).expect("granted");
        let private = ["10.0.0.1".parse().expect("an address")];
        let (reason, hint) = match vet(&private, &allowed, "GET", &there) {
            Err(EgressError::Denied { reason, rule_hint, .. }) => (reason, rule_hint),
            other => panic!("{other:?}"),
        };
        assert!(reason.contains("resolves to 10.0.0.1, a private address"), "{reason}");
        let line = "network = [{ url = \"https://intranet.example.com/\", methods = [\"GET\"], addresses = [\"10.0.0.1/32\"] }]";
        assert_eq!(hint.as_deref(), Some(line));
    }

    #[test]
    fn one_refused_address_refuses_them_all() {
        let allowed = Allowed { networks: vec![], redirects: Redirects::Return, rule: "r".to_owned() };
        let there = target("example.com", "/");
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert!(vet(&[ip("8.8.8.8"), ip("10.0.0.1")], &allowed, "GET", &there).is_err());
        assert!(vet(&[ip("10.0.0.1"), ip("8.8.8.8")], &allowed, "GET", &there).is_err());
        let vetted = vet(&[ip("8.8.8.8"), ip("::ffff:8.8.8.8"), ip("1.1.1.1")], &allowed, "GET", &there);
        assert_eq!(vetted.ok(), Some(vec![ip("8.8.8.8"), ip("1.1.1.1")]));
    }
}
