//! Policies as an operator writes them, and as they should not be written.

mod reading;
mod refusing;
mod signing;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use toolcell_core::Digest;

use super::*;

/// A folder in which policies are written for a test, with what [`WHOLE`] speaks of.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().expect("a folder"));
        fs::create_dir(desk.at("docs")).expect("a folder");
        fs::write(desk.at("ca.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").expect("writes");
        desk
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.at(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::set_permissions(path.parent().expect("a parent"), fs::Permissions::from_mode(0o755)).expect("sets");
        fs::write(&path, text).expect("writes");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("sets");
        path
    }

    fn load(&self, text: impl AsRef<[u8]>) -> Result<Policy, PolicyProblems> {
        Policy::load(&self.write("policy.toml", text))
    }

    /// The problems of a policy as `line:column: message`, one a line.
    fn refused(&self, text: &str) -> String {
        let problems = self.load(text).expect_err(text).to_string();
        problems.replace(&format!("{}:", self.at("policy.toml").display()), "")
    }
}

const WHOLE: &str = r#"version = 1
require-approval = true
extra-ca = ["ca.pem"]

[limits]
fuel = 1_000_000_000
memory = "128 MiB"
time = "10s"

[[secret-store]]
environment = { brave-key = "BRAVE_API_KEY" }
[[secret-store]]
file = "secrets.toml"
[[secret-store]]
age = "secrets.age"
identity = "identity.txt"

[[rule]]
name = "search the docs"
tools = ["search", "search.query"]
digests = ["ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"]
signers = ["RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"]
tenants = ["acme"]
limits = { fuel = 5_000_000_000 }
mounts = [{ host = "./docs", guest = "/docs", access = "read-only" }]
config = { region = "eu" }
network = [
  { url = "https://api.example.com/v1/", methods = ["GET"], addresses = ["10.0.0.0/8", "192.168.0.1"], redirects = "follow" },
  { any-public-host = ["https", "http"], methods = ["GET"] },
]
secrets = [{ name = "brave-key", from = "brave", url = "https://api.example.com/", header = "X-Subscription-Token" }]
kv = { keys = 1000, value-bytes = "64 KiB", total-bytes = "8 MiB" }
call = ["json", "json.query"]
extended-engine = true
confirm = ["read-only", "idempotent"]
"#;

#[test]
fn a_pattern_names_exactly_what_it_says() {
    let tool: toolcell_core::ToolId = "json.query".parse().expect("an id");
    let digest = Digest::of(b"a");
    let component = |name: &str| Pattern::Component(name.parse().expect("a name"));
    let tenant = toolcell_core::Tenant::default();
    let subject = Subject { tool: &tool, component: digest, signers: &[], tenant: &tenant };
    for (pattern, names) in [
        (Pattern::Any, true),
        (component("json"), true),
        (component("jso"), false),
        (component("json-query"), false),
        (Pattern::Digest(digest), true),
        (Pattern::Digest(Digest::of(b"b")), false),
        (Pattern::Tool("json.query".parse().expect("an id")), true),
        (Pattern::Tool("json.merge".parse().expect("an id")), false),
    ] {
        assert_eq!(pattern.names(&tool, digest), names, "{pattern:?}");
        assert_eq!(Whom::from(pattern.clone()).names(&subject), names, "{pattern:?}");
    }
}

#[test]
fn what_cannot_be_mounted_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, b"").expect("writes");
    let mount = |host: &Path, guest: &str| Policy::deny_all().mount(Pattern::Any, host, guest, Access::ReadOnly);
    assert!(mount(folder.path(), "/data").is_ok());
    assert!(matches!(mount(&file, "/data"), Err(PolicyError::NotAFolder { .. })));
    assert!(matches!(mount(&folder.path().join("none"), "/data"), Err(PolicyError::NotAFolder { .. })));
    for guest in ["", "/", "data", "/a/../b", "/a//b", "/a/", "/a\0b", "/a\nb"] {
        assert!(matches!(mount(folder.path(), guest), Err(PolicyError::GuestPath(_))), "{guest:?}");
    }
    let twice = mount(folder.path(), "/data").expect("mounts");
    assert!(twice.mount(Pattern::Any, folder.path(), "/data", Access::ReadWrite).is_err());
}
