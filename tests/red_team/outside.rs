//! A host with a way out: a world of servers, secrets and a store, and the guest that reaches for all of them.

use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};
use toolcell_core::manifest::MANIFEST_SECTION;
use toolcell_core::receipt::DeniedAttempt;
use toolcell_core::{Limit, Tenant, ToolCall};
use toolcell_host::egress::{Door, SystemResolver, Tcp, Tls};
use toolcell_host::secrets::{MappedSecrets, Secret, Stores};
use toolcell_host::{Policy, Settings};
use toolcell_store::{Options, Store};

use super::{Arena, GRACE, Guest, Struck};
use crate::support::{TestClock, built, run};
use crate::upstream::World;

/// Written in Rust, compiled like any tool. It does as it is told, with the bare interfaces.
const REACH: &str = "tests/red_team/guests/reach";

/// One attacker, called `guest`, and what it may reach.
pub(super) struct Site {
    pub(super) arena: Arena,
    pub(super) world: World,
}

impl Site {
    /// With these rules, as they stand in a file of policy.
    pub(super) fn new(rules: &str) -> Self {
        Self::with(rules, &[])
    }

    /// With secrets in the operator's store, too.
    pub(super) fn with(rules: &str, secrets: &[(&str, &str)]) -> Self {
        let world = World::new();
        let door = world.door();
        Self::arranged(door, world, rules, secrets, |_| {})
    }

    /// The same, with its compiled code in its own home.
    pub(super) fn with_cache(rules: &str, secrets: &[(&str, &str)]) -> Self {
        let world = World::new();
        Self::arranged(world.door(), world, rules, secrets, |settings| {
            settings.code_cache = Some(home(settings).join("code"));
            settings.code_key = home(settings).join("key");
        })
    }

    /// The same, with an audit log in its home.
    pub(super) fn audited(rules: &str, secrets: &[(&str, &str)]) -> Self {
        let world = World::new();
        Self::arranged(world.door(), world, rules, secrets, |settings| {
            settings.audit = Some(home(settings).join("audit"));
        })
    }

    /// With the machine's own network in the place of a world.
    pub(super) fn outside(rules: &str) -> Self {
        let world = World::new();
        let tls = Tls::new(Arc::new(TestClock::at(4_000_000_000_000)), &[]).unwrap();
        let door = Door::new(Arc::new(SystemResolver::default()), Arc::new(Tcp), tls);
        Self::arranged(Arc::new(door), world, rules, &[], |_| {})
    }

    fn arranged(
        door: Arc<Door>,
        world: World,
        rules: &str,
        secrets: &[(&str, &str)],
        arrange: impl FnOnce(&mut Settings),
    ) -> Self {
        let mut mapped = MappedSecrets::new("the test");
        for (name, value) in secrets {
            mapped.insert(name.parse().unwrap(), Secret::new(value.as_bytes().to_vec()).unwrap());
        }
        let arena = Arena::arranged(Guest::Bytes(reach()), policy(rules), |settings| {
            settings.door = Some(door);
            settings.secrets = Arc::new(Stores::new([Arc::new(mapped) as Arc<_>]));
            settings.kv =
                Some(Arc::new(run(Store::open(&home(settings).join("store.db"), Options::default())).unwrap()));
            arrange(settings);
        });
        Self { arena, world }
    }

    /// The same component once more, under another name.
    pub(super) fn and(self, name: &str) -> Self {
        self.arena.cell.drop_in(name, reach());
        self.arena.cell.settle();
        self
    }

    pub(super) fn prepare(&self, tool: &str, arguments: &Value) -> ToolCall {
        self.arena.cell.prepare(&format!("guest.attacks.{tool}"), &arguments.to_string())
    }

    pub(super) fn strike(&self, tool: &str, arguments: &Value) -> Struck {
        self.arena.strike_by(self.prepare(tool, arguments))
    }

    pub(super) fn strike_as(&self, tenant: &str, tool: &str, arguments: &Value) -> Struck {
        let mut call = self.prepare(tool, arguments);
        call.tenant = Tenant(tenant.into());
        self.arena.strike_by(call)
    }

    /// Sends a request and gives what came back.
    pub(super) fn send(&self, request: &Value) -> Value {
        self.strike("send", &json!({ "request": request })).result()
    }

    /// The request is refused before anything is dialled, the guest is told no more than that it failed, and the receipt has
    /// the refusal with this in its reason.
    pub(super) fn refuses(&self, request: &Value, reason: &str) -> Struck {
        let struck = self.stops(request);
        let denied = denied(&struck);
        let named = |attempt: &DeniedAttempt| {
            attempt.function == "wasi:http/outgoing-handler.handle" && attempt.reason.contains(reason)
        };
        assert!(denied.iter().any(named), "{request}: {reason:?} is not in {denied:?}");
        struck
    }

    /// The request does not even get as far as an address, whoever it is that refuses it.
    pub(super) fn stops(&self, request: &Value) -> Struck {
        let before = self.world.dialled();
        let struck = self.strike("send", &json!({ "request": request }));
        assert_eq!(self.world.dialled(), before, "{request} was dialled");
        // The tool's own words about what it met; `denied` where those words are about permission.
        let kind = struck.failure().kind.name();
        assert!(matches!(kind, "tool-failed" | "denied"), "{:?}", struck.failure());
        struck
    }

    /// The call ends as this kind, in the time that it has, and the host serves on.
    pub(super) fn ends(&self, tool: &str, arguments: &Value, kind: &str) -> Struck {
        let time = if kind == "http-time-limit" { Limit::HttpTime } else { Limit::Time };
        let limit = Duration::from_millis(self.arena.limit(time)) + GRACE;
        // A busy machine delays now and then, a missing deadline always; so it is the best of three that counts.
        let mut struck = self.strike(tool, arguments);
        for _ in 0..2 {
            if struck.elapsed > limit {
                struck = self.strike(tool, arguments);
            }
        }
        struck.ended_as(kind, &self.arena);
        assert!(struck.elapsed <= limit, "{tool} took {:?}, three times; the limit is {limit:?}", struck.elapsed);
        self.arena.serves();
        struck
    }

    pub(super) fn home(&self) -> &Path {
        self.arena.cell.home.path()
    }
}

/// What the receipt says was refused.
pub(super) fn denied(struck: &Struck) -> &[DeniedAttempt] {
    &struck.outcome.receipt.as_ref().expect("every call has a receipt").receipt.denied
}

/// A request for a URL, taken apart as crudely as it may be written.
pub(super) fn get(url: &str) -> Value {
    let (scheme, rest) = url.split_once("://").expect("a scheme");
    let border = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(border);
    let target = (!target.is_empty()).then_some(target);
    json!({
        "method": "GET", "scheme": scheme, "authority": authority, "target": target,
        "fields": [], "body": null, "trailers": [],
    })
}

/// The same request with another part.
pub(super) fn with(mut request: Value, part: &str, value: Value) -> Value {
    request[part] = value;
    request
}

/// The same request with one more field.
pub(super) fn field(mut request: Value, name: &str, value: &str) -> Value {
    request["fields"].as_array_mut().expect("fields").push(json!({ "name": name, "value": value }));
    request
}

/// The value of a field of a response; several of one name with a comma between them.
pub(super) fn header(response: &Value, name: &str) -> Option<String> {
    let fields = response["fields"].as_array().expect("fields");
    let values: Vec<_> =
        fields.iter().filter(|field| field["name"] == name).filter_map(|field| field["value"].as_str()).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

/// Time for every call, where a case is about something else. Other limits may follow it, and then rules.
pub(super) const AMPLE: &str = "[limits]\ntime = \"20s\"\n";

/// The policy of a file with these rules, or with limits and then rules.
pub(super) fn policy(rules: &str) -> Policy {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.toml");
    let ample = if rules.starts_with("[limits]") { "" } else { AMPLE };
    fs::write(&path, format!("version = 1\n{ample}{rules}")).unwrap();
    Policy::load(&path).unwrap_or_else(|problems| panic!("{problems}\n{rules}"))
}

/// Where a host of [`crate::support::settings`] keeps everything.
fn home(settings: &Settings) -> &Path {
    settings.receipts.parent().expect("receipts lie in the home")
}

/// The guest without its manifest: then it is the rules alone that say what it may reach.
fn reach() -> &'static [u8] {
    static REACH_ALONE: OnceLock<Vec<u8>> = OnceLock::new();
    REACH_ALONE.get_or_init(|| unclaimed(REACH))
}

/// A guest that is built from a folder, without its manifest.
pub(super) fn unclaimed(folder: &str) -> Vec<u8> {
    let built = fs::read(built(folder)).unwrap();
    let (preamble, mut left) = built.split_at(8);
    let mut component = preamble.to_vec();
    while let [id, rest @ ..] = left {
        let length = rest.iter().position(|byte| byte & 0x80 == 0).expect("a section has a length") + 1;
        let size = rest[..length].iter().rev().fold(0, |size, byte| size << 7 | usize::from(byte & 0x7f));
        let (section, after) = left.split_at(1 + length + size);
        let named = |name: &str| section[1 + length + 1..].starts_with(name.as_bytes());
        if *id != 0 || !named(MANIFEST_SECTION) {
            component.extend_from_slice(section);
        }
        left = after;
    }
    component
}
