//! Attacks on what is known afterwards: a log that cannot be written, and a tool that uses the moment.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use http::Response;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use toolcell_host::audit::{Filter, list, verify};

use super::canary::CANARY;
use super::outside::{Site, get};
use crate::upstream::Upstream;

/// A secret for one of two hosts.
const RULES: &str = r#"
[[rule]]
name = "api"
tools = ["guest"]
network = [
    { url = "https://api.example.com/", methods = ["GET"] },
    { url = "http://plain.example.com/", methods = ["GET"] },
]
secrets = [{ name = "key", from = "operator-key", url = "https://api.example.com/", header = "x-key" }]
"#;

fn site() -> (Site, Upstream, Upstream) {
    let site = Site::audited(RULES, &[("operator-key", CANARY)]);
    let serve = |origin| site.world.serve(origin, |_| Response::new("done".into()));
    let (api, plain) = (serve("https://api.example.com"), serve("http://plain.example.com"));
    (site, api, plain)
}

fn to(host: &str) -> Value {
    let scheme = if host == "api" { "https" } else { "http" };
    json!({ "request": get(&format!("{scheme}://{host}.example.com/")) })
}

/// The kinds of all events, the oldest first.
fn kinds(audit: &Path) -> Vec<&'static str> {
    list(audit, &Filter::default()).unwrap().iter().rev().map(|entry| entry.event.kind()).collect()
}

/// The call ends as the host's fault, in these words, and the caller is not told what is wrong with which file.
fn refused(site: &Site, host: &str, message: &str) {
    let struck = site.strike("send", &to(host));
    let failure = struck.failure();
    assert_eq!(failure.kind.name(), "host-fault", "{failure:?}");
    assert_eq!(failure.message, message);
    let detail = failure.detail.as_ref().expect("the operator learns why");
    assert!(detail.contains("audit"), "{detail}");
    assert!(!failure.message.contains(site.home().to_str().unwrap()), "{failure:?}");
}

const UNSENT: &str = "the audit log cannot record the use of a secret, so it was not sent";
const UNGRANTED: &str = "the audit log cannot record what this tool is granted, so it is not called";

/// Puts a file in the place of the audit log's folder.
fn take_away(site: &Site) -> (PathBuf, PathBuf) {
    let (audit, away) = (site.home().join("audit"), site.home().join("away"));
    fs::rename(&audit, &away).unwrap();
    fs::write(&audit, "in its place").unwrap();
    (audit, away)
}

#[test]
fn a_secret_is_not_sent_while_its_use_cannot_be_recorded() {
    let (site, api, plain) = site();
    assert_eq!(site.strike("send", &to("api")).result()["body"], "done");
    let (audit, away) = take_away(&site);
    // The first one finds the file gone, the next ones find no place for another.
    for _ in 0..3 {
        refused(&site, "api", UNSENT);
    }
    assert_eq!(api.requests().len(), 1, "not one of them was sent");
    assert_eq!(site.strike("send", &to("plain")).result()["body"], "done", "what needs no record goes on");
    assert_eq!(plain.requests().len(), 1);
    fs::remove_file(&audit).unwrap();
    fs::rename(&away, &audit).unwrap();
    assert_eq!(site.strike("send", &to("api")).result()["body"], "done");
    let sent: Vec<_> = api.requests().iter().map(|request| request.header("x-key")).collect();
    assert_eq!(sent, [Some(CANARY.to_owned()), Some(CANARY.to_owned())]);
    assert_eq!(kinds(&audit).iter().filter(|kind| **kind == "secret-used").count(), 2, "as many as were sent");
    assert!(verify(&audit).unwrap().is_intact(), "{:?}", verify(&audit));
    site.arena.serves();
}

#[test]
fn a_grant_is_not_given_while_it_cannot_be_recorded() {
    let (site, api, plain) = site();
    let (audit, away) = take_away(&site);
    for host in ["api", "plain"] {
        refused(&site, host, UNGRANTED);
    }
    assert!(site.arena.cell.host.explain("guest.attacks.send").is_err());
    assert_eq!((api.connections(), plain.connections()), (0, 0));
    // A tool that is granted nothing needs no record of it.
    site.arena.serves();
    fs::remove_file(&audit).unwrap();
    fs::rename(&away, &audit).unwrap();
    assert_eq!(site.strike("send", &to("api")).result()["body"], "done", "it is granted as soon as that is recorded");
    let told: Vec<_> = kinds(&audit).into_iter().filter(|kind| *kind != "reload").collect();
    assert_eq!(told, ["started", "grant", "secret-used"]);
}

/// Set for the process whose files cannot grow.
const FULL: &str = "TOOLCELL_FULL_DISK";

#[test]
fn a_full_disk_keeps_secrets_at_home() {
    if std::env::var_os(FULL).is_some() {
        return on_a_full_disk();
    }
    // The signal that comes with the limit would end the process. Being ignored is inherited, and only a shell can begin it.
    let name = "red_team::witness::a_full_disk_keeps_secrets_at_home";
    let ended = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" --exact \"$1\" --nocapture"])
        .arg(std::env::current_exe().unwrap())
        .arg(name)
        .env(FULL, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(said.contains("1 passed"), "{said}\n{}", String::from_utf8_lossy(&ended.stderr));
}

/// No file may become longer than the audit log and a few bytes: half a line fits, and is taken back.
fn on_a_full_disk() {
    let (site, api, _plain) = site();
    assert_eq!(site.strike("send", &to("api")).result()["body"], "done");
    // The log has to be the longest of all files, so that it is the one that meets the limit.
    let policy = super::outside::policy(RULES);
    (0..40).for_each(|_| site.arena.cell.host.set_policy(policy.clone()));
    assert_eq!(site.strike("send", &to("api")).result()["body"], "done");
    let audit = site.home().join("audit");
    let mut files = fs::read_dir(&audit).unwrap().map(|entry| entry.unwrap().path());
    let segment = files.find(|path| path.extension().is_some_and(|end| end == "jsonl")).unwrap();
    let before = getrlimit(Resource::Fsize);
    let full = Rlimit { current: Some(segment.metadata().unwrap().len() + 20), maximum: before.maximum };
    setrlimit(Resource::Fsize, full).unwrap();
    for _ in 0..3 {
        refused(&site, "api", UNSENT);
    }
    setrlimit(Resource::Fsize, before).unwrap();
    assert_eq!(api.requests().len(), 2, "not one of them was sent");
    assert_eq!(site.strike("send", &to("api")).result()["body"], "done", "there is room again");
    assert_eq!(kinds(&audit).iter().filter(|kind| **kind == "secret-used").count(), 3);
    assert!(verify(&audit).unwrap().is_intact(), "{:?}", verify(&audit));
}
