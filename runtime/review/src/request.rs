//! What a manifest asks for, in the words in which a grant is written, so that the two can be read side by side.

use toolcell_core::manifest::{Access, Capabilities};
use toolcell_host::schema::inert;

/// The longest line that is shown, in bytes; a destination has at most 2,048.
const MAX_LINE: usize = 4_096;

/// The longest reason that is shown, in bytes. It is the one place where an author can argue with the reviewer.
const MAX_REASON: usize = 400;

/// One thing that is asked for. Both texts are inert: nothing in them acts on a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What, as a line of a grant would say it.
    pub line: String,
    /// Why, in the words of whoever wrote the manifest; empty where nothing is said. Whoever shows it says whose words they are.
    pub reason: String,
}

/// Everything that is asked for, in the manifest's own order.
pub fn requests(asked: &Capabilities) -> Vec<Request> {
    let mut requests = Vec::new();
    let mut add = |line: String, reason: &str| {
        requests.push(Request { line: inert(&line, MAX_LINE), reason: inert(reason, MAX_REASON) });
    };
    for folder in &asked.filesystem {
        add(format!("mount {} {}", folder.guest, access(folder.access)), &folder.reason);
    }
    for network in &asked.network {
        for destination in network.reach.destinations() {
            add(format!("network {} {destination}", network.methods), &network.reason);
        }
    }
    for secret in &asked.secrets {
        add(format!("secret {} to {} {}", secret.name, secret.destination, secret.placement), &secret.reason);
    }
    if let Some(kv) = &asked.kv {
        add(format!("kv {} keys, {} each, {} in all", kv.keys, kv.value_bytes, kv.total_bytes), &kv.reason);
    }
    for callee in &asked.tools {
        add(format!("call {callee}"), "");
    }
    for key in &asked.config {
        add(format!("config {key}"), "");
    }
    requests
}

fn access(access: Access) -> &'static str {
    match access {
        Access::ReadOnly => "read-only",
        Access::ReadWrite => "read-write",
    }
}

#[cfg(test)]
mod tests {
    use toolcell_core::manifest::Manifest;

    use super::*;

    #[test]
    fn each_request_is_a_line_and_the_reason_cannot_act_or_pretend_to_be_one() {
        let text = "name = \"a\"\nversion = \"1\"\n[capabilities]\nconfig = [\"region\"]\ntools = [\"json.query\"]\n\
            kv = { keys = 3, value-bytes = \"1 KiB\", total-bytes = \"3 KiB\" }\n\
            filesystem = [{ guest = \"/docs\", access = \"read-write\", reason = \"\\u001b[2Jx\\napproved: everything\" }]\n\
            network = [{ any-public-host = [\"https\"], methods = [\"GET\"], reason = \"why not\" }]\n\
            secrets = [{ name = \"key\", url = \"https://api.example.com/v1/\", header = \"X-Key\" }]\n";
        let manifest = Manifest::parse(text.as_bytes()).expect("reads");
        let requests = requests(&manifest.capabilities);
        let lines: Vec<_> = requests.iter().map(|request| request.line.as_str()).collect();
        assert_eq!(
            lines,
            [
                "mount /docs read-write",
                "network GET any public host by https",
                "secret key to https://api.example.com/v1/ in header X-Key",
                "kv 3 keys, 1 KiB each, 3 KiB in all",
                "call json.query",
                "config region",
            ]
        );
        assert_eq!(requests[0].reason, "\\u{1b}[2Jx\\napproved: everything");
        assert_eq!((requests[1].reason.as_str(), requests[2].reason.as_str()), ("why not", ""));
    }
}
