//! The one text of a policy, for its digest: what it says, and nothing of how it was written down.

use std::fmt::Write as _;

use toolcell_core::Digest;
use toolcell_core::limits::LIMITS;

use super::{Allow, Policy, Review, Rule, SecretStore, Source};

/// Raised whenever the text below changes its form, so that digests of two forms never compare.
const FORM: u32 = 1;

pub(super) fn digest(policy: &Policy) -> Digest {
    let mut text = format!("toolcell policy {FORM}\n");
    for row in LIMITS {
        let _ = writeln!(text, "limit {} {}", row.name, policy.limits.get(row.limit));
    }
    if policy.review == Review::Required {
        text.push_str("approval required\n");
    }
    let mut authorities: Vec<_> = policy.extra_ca.iter().map(|ca| Digest::of(&ca.pem)).collect();
    authorities.sort_unstable();
    for authority in authorities {
        let _ = writeln!(text, "extra-ca {authority}");
    }
    // Their order means something: the first store that knows a name wins.
    for store in &policy.secret_stores {
        let _ = match store {
            SecretStore::Environment(names) => writeln!(text, "secret-store environment {names:?}"),
            SecretStore::File(file) => writeln!(text, "secret-store file {file:?}"),
            SecretStore::Age { file, identity } => writeln!(text, "secret-store age {file:?} {identity:?}"),
        };
    }
    let mut rules: Vec<_> = policy.rules.iter().map(rule).collect();
    rules.sort_unstable();
    text.extend(rules);
    Digest::of(text.as_bytes())
}

fn rule(rule: &Rule) -> String {
    let mut text = match rule.source {
        Source::InPerson => format!("rule in person {:?}\n", rule.name),
        Source::File { .. } => format!("rule {:?}\n", rule.name),
    };
    let whom = &rule.whom;
    let _ = writeln!(text, "  tools {:?}\n  digests {:?}", whom.tools, whom.digests);
    let _ = writeln!(text, "  signers {:?}\n  tenants {:?}", whom.signers, whom.tenants);
    let mut allowed: Vec<_> = rule.allow.iter().map(allow).collect();
    allowed.sort_unstable();
    text.extend(allowed);
    text
}

/// One allowance on one line. Text of the operator's is quoted and escaped, so that no two policies share a text.
fn allow(allow: &Allow) -> String {
    match allow {
        Allow::Mount(folder) => {
            format!("  mount {:?} {:?} {:?}\n", folder.mount.guest, folder.host, folder.mount.access)
        }
        Allow::Config { key, value } => format!("  config {key:?} {value:?}\n"),
        Allow::Limit(limit, value) => format!("  limit {} {value}\n", limit.row().name),
        Allow::ExtendedEngine => "  extended engine\n".to_owned(),
        Allow::Network(network) => format!(
            "  network {} {:?} {:?} {}\n",
            network.methods,
            network.destination.to_string(),
            network.networks,
            network.redirects.name()
        ),
        Allow::Secret(secret) => format!(
            "  secret {:?} {:?} {:?} {:?}\n",
            secret.name,
            secret.from,
            secret.destination.to_string(),
            secret.placement.to_string()
        ),
        Allow::Kv(quota) => format!("  kv {} {} {}\n", quota.keys, quota.value_bytes, quota.total_bytes),
        Allow::Call(callee) => format!("  call {callee}\n"),
        Allow::Confirm(hint) => format!("  confirm {}\n", hint.name()),
    }
}
