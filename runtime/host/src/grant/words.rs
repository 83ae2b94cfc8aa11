//! How capabilities are written: as lines that a reviewer approves, and as the TOML that would allow them.
//!
//! Approvals keep the lines, so their form is part of the format of approvals: after a change here the lines of before cover
//! only themselves, and every tool that was approved is inert until it is approved anew.

use toolcell_core::Digest;
use toolcell_core::manifest::{Access, Callee, SecretRequest};
use toolcell_core::net::{Destination, HostPattern, Methods, Placement};
use toolcell_core::units::Bytes;

use super::Grant;
use super::capability::Capability;
use crate::policy::KvQuota;
use crate::schema::inert;

/// The longest line, in bytes: a destination has at most 2,048.
const MAX_LINE: usize = 4_096;

/// The capabilities of a grant, sorted, each once.
pub(super) fn lines(grant: &Grant, calls: &[Callee]) -> Vec<String> {
    let mut lines: Vec<String> =
        Capability::all(grant, calls).iter().map(|capability| shown(&capability.line())).collect();
    lines.sort();
    lines.dedup();
    lines
}

/// A line as it is shown and approved. One that cannot be shown as it is has its digest behind it: two that look alike are then
/// still told apart.
fn shown(line: &str) -> String {
    let safe = inert(line, MAX_LINE);
    if safe == line {
        return safe;
    }
    let digest = format!(" (sha256:{})", Digest::of(line.as_bytes()));
    inert(line, MAX_LINE - digest.len()) + &digest
}

pub(super) fn access(access: Access) -> &'static str {
    match access {
        Access::ReadOnly => "read-only",
        Access::ReadWrite => "read-write",
    }
}

/// `network GET https://api.example.com/v1/`, `network GET any public host by https`.
pub(super) fn network(destination: &Destination, methods: &Methods) -> String {
    format!("network {methods} {destination}")
}

pub(super) fn network_toml(destination: &Destination, methods: &Methods) -> String {
    let methods: Vec<_> = methods.iter().map(|method| format!("\"{method}\"")).collect();
    let place = if destination.host == HostPattern::AnyPublic {
        format!("any-public-host = [\"{}\"]", destination.scheme)
    } else {
        format!("url = \"{destination}\"")
    };
    format!("network = [{{ {place}, methods = [{}] }}]", methods.join(", "))
}

/// `secret brave-key to https://api.search.brave.com/res/v1/ in header X-Subscription-Token`.
pub(super) fn secret(name: &str, destination: &Destination, placement: &Placement) -> String {
    format!("secret {name} to {destination} {placement}")
}

pub(super) fn secret_toml(request: &SecretRequest) -> String {
    let place = match &request.placement {
        Placement::Header { name, prefix } if prefix.is_empty() => format!("header = {name:?}"),
        Placement::Header { name, prefix } => format!("header = {name:?}, prefix = {prefix:?}"),
        Placement::Query { name } => format!("query = {name:?}"),
        Placement::Basic { user } => format!("basic = {user:?}"),
    };
    let (name, destination) = (&request.name, &request.destination);
    format!("secrets = [{{ name = \"{name}\", from = \"{name}\", url = \"{destination}\", {place} }}]")
}

/// Whether two placements would put their secrets at one place of a request.
pub(super) fn same_place(a: &Placement, b: &Placement) -> bool {
    let header = |placement: &Placement| match placement {
        Placement::Header { name, .. } => Some(name.to_ascii_lowercase()),
        Placement::Basic { .. } => Some("authorization".to_owned()),
        Placement::Query { .. } => None,
    };
    match (a, b) {
        (Placement::Query { name }, Placement::Query { name: other }) => name == other,
        _ => header(a).is_some() && header(a) == header(b),
    }
}

/// `kv 100 keys, 64 KiB each, 1 MiB in all`.
pub(super) fn kv(quota: &KvQuota) -> String {
    let (value, total) = (Bytes(quota.value_bytes), Bytes(quota.total_bytes));
    format!("kv {} keys, {value} each, {total} in all", quota.keys)
}

pub(super) fn kv_toml(quota: &KvQuota) -> String {
    let (value, total) = (Bytes(quota.value_bytes), Bytes(quota.total_bytes));
    format!("kv = {{ keys = {}, value-bytes = \"{value}\", total-bytes = \"{total}\" }}", quota.keys)
}

/// A key as TOML writes it: bare where it can be.
pub(super) fn toml_key(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if bare { key.to_owned() } else { format!("{key:?}") }
}
