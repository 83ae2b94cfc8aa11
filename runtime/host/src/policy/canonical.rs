//! The one text of a policy, for its digest: what it says, and nothing of how it was written down.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use toolcell_core::Digest;
use toolcell_core::limits::LIMITS;
use toolcell_core::manifest::Access;

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
        text.push_str("secret-store\n");
        match store {
            SecretStore::Environment(names) => {
                for (name, variable) in names {
                    let _ = writeln!(text, "  environment {} {}", quoted(name), quoted(variable));
                }
            }
            SecretStore::File(file) => {
                let _ = writeln!(text, "  file {}", path(file));
            }
            SecretStore::Age { file, identity } => {
                let _ = writeln!(text, "  age {} {}", path(file), path(identity));
            }
        }
    }
    let mut rules: Vec<_> = policy.rules.iter().map(rule).collect();
    rules.sort_unstable();
    text.extend(rules);
    Digest::of(text.as_bytes())
}

fn rule(rule: &Rule) -> String {
    let mut text = match rule.source {
        Source::InPerson => format!("rule in person {}\n", quoted(&rule.name)),
        Source::File { .. } => format!("rule {}\n", quoted(&rule.name)),
    };
    let whom = &rule.whom;
    condition(&mut text, "tool", whom.tools.as_ref());
    condition(&mut text, "digest", whom.digests.as_ref());
    condition(&mut text, "signer", whom.signers.as_ref());
    condition(&mut text, "tenant", whom.tenants.as_ref());
    let mut allowed: Vec<_> = rule.allow.iter().map(allow).collect();
    allowed.sort_unstable();
    text.extend(allowed);
    text
}

/// A condition with all that meets it; one that is absent has no line, and one that nothing meets has a line of its own.
fn condition<T: ToString>(text: &mut String, name: &str, met_by: Option<&BTreeSet<T>>) {
    if let Some(met_by) = met_by {
        let _ = writeln!(text, "  for {name}");
        for one in met_by {
            let _ = writeln!(text, "  for {name} {}", quoted(&one.to_string()));
        }
    }
}

/// One allowance on one line.
fn allow(allow: &Allow) -> String {
    match allow {
        Allow::Mount(folder) => {
            let access = match folder.mount.access {
                Access::ReadOnly => "read-only",
                Access::ReadWrite => "read-write",
            };
            format!("  mount {} {} {access}\n", quoted(&folder.mount.guest), path(&folder.host))
        }
        Allow::Config { key, value } => format!("  config {} {}\n", quoted(key), quoted(value)),
        Allow::Limit(limit, value) => format!("  limit {} {value}\n", limit.row().name),
        Allow::ExtendedEngine => "  extended engine\n".to_owned(),
        Allow::Network(network) => {
            let networks: Vec<_> = network.networks.iter().map(ToString::to_string).collect();
            let destination = quoted(&network.destination.to_string());
            let redirects = network.redirects.name();
            format!("  network {} {destination} [{}] {redirects}\n", network.methods, networks.join(","))
        }
        Allow::Secret(secret) => format!(
            "  secret {} {} {} {}\n",
            quoted(&secret.name),
            quoted(&secret.from),
            quoted(&secret.destination.to_string()),
            quoted(&secret.placement.to_string())
        ),
        Allow::Kv(quota) => format!("  kv {} {} {}\n", quota.keys, quota.value_bytes, quota.total_bytes),
        Allow::Call(callee) => format!("  call {callee}\n"),
        Allow::Confirm(hint) => format!("  confirm {}\n", hint.name()),
    }
}

/// Text of the operator's, so that no two policies share a text whatever stands in it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.as_bytes().escape_ascii())
}

fn path(path: &Path) -> String {
    format!("\"{}\"", path.as_os_str().as_encoded_bytes().escape_ascii())
}
