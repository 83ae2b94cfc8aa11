//! A secret is used, the server echoes it in every way that it knows, and the guest that used it searches all of its own memory for it.
//!
//! The guest is told what to look for in a mask, and one thing that was echoed beside the secret and is none must be found: so a search
//! that finds no secret has looked where one would be.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};
use tempfile::TempDir;
use toolcell_core::{Arguments, CallId, Event, Events, Limit, Outcome, ToolCall, Toolbox as _};
use toolcell_host::secrets::{MappedSecrets, Secret, Stores};
use toolcell_host::{Host, Policy};

use crate::support::{WIDTH, built, deny_all, run, settings};
use crate::upstream::{Upstream, World};

const SECRET: &str = "sk-c4nary/T0p+Secret=7f&Q9~zz";

/// Echoed beside the secret, and none.
const CONTROL: &str = "c0ntr0l-that-is-no-secret-at-all";

/// Never sent by anybody: a search that finds this has put it there by itself.
const ABSENT: &str = "n0body-has-ever-sent-this-text";

const ENGINES: [&base64::engine::GeneralPurpose; 4] = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD];

fn each(text: &str, form: impl Fn(&mut String, u8)) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        form(&mut all, byte);
        all
    })
}

/// What servers make of a text: as it is, in hex, in percent signs, in JSON, and in base64 wherever it begins.
fn forms(text: &str) -> Vec<String> {
    let mut forms = vec![
        text.to_owned(),
        each(text, |all, byte| write!(all, "{byte:02x}").unwrap()),
        each(text, |all, byte| write!(all, "{byte:02X}").unwrap()),
        each(text, |all, byte| write!(all, "%{byte:02X}").unwrap()),
        each(text, |all, byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => all.push(char::from(byte)),
            other => write!(all, "%{other:02X}").unwrap(),
        }),
        text.replace('/', "\\/"),
    ];
    for engine in ENGINES {
        forms.extend((0..3).map(|before| engine.encode(format!("{}{text}", "-".repeat(before)))));
    }
    forms
}

/// What must not be in memory: every form, and every eight bytes in a row of the secret itself.
fn traces() -> Vec<Vec<u8>> {
    let mut traces: Vec<Vec<u8>> = SECRET.as_bytes().windows(8).map(<[u8]>::to_vec).collect();
    for form in forms(SECRET) {
        // At the edges of base64 stand bits of what is beside the secret.
        traces.push(form.as_bytes()[4..form.len() - 4].to_vec());
    }
    traces
}

struct Site {
    host: Host,
    home: TempDir,
    world: World,
}

/// The tool may send to one host, and the secret goes with what it sends there.
fn site() -> Site {
    let (home, world) = (tempfile::tempdir().unwrap(), World::new());
    let tools = home.path().join("tools");
    fs::create_dir(&tools).unwrap();
    fs::copy(built("tests/red_team/guests/reach"), tools.join("reach.wasm")).unwrap();
    let asks = "name = \"reach\"\nversion = \"0.1.0\"\n[capabilities]\n\
        network = [{ url = \"https://api.example.com/\", methods = [\"GET\", \"POST\"], reason = \"A test.\" }]\n\
        secrets = [{ name = \"key\", url = \"https://api.example.com/v1/\", header = \"X-Key\", reason = \"A test.\" }]\n";
    fs::write(tools.join("reach.toml"), asks).unwrap();
    let rules = "version = 1\n[[rule]]\nname = \"api\"\ntools = [\"reach\"]\nlimits = { fuel = 200_000_000_000, time = \"2m\" }\n\
        network = [{ url = \"https://api.example.com/\", methods = [\"GET\", \"POST\"] }]\n\
        secrets = [{ name = \"key\", from = \"operators\", url = \"https://api.example.com/v1/\", header = \"X-Key\" }]\n";
    let file = home.path().join("policy.toml");
    fs::write(&file, rules).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let policy = Policy::load(&file).unwrap_or_else(|problems| panic!("{problems}"));
    let mut secrets = MappedSecrets::new("the test");
    secrets.insert("operators".parse().unwrap(), Secret::new(SECRET.as_bytes().to_vec()).unwrap());
    let mut settings = settings(home.path(), deny_all(), WIDTH);
    settings.policy = policy;
    settings.door = Some(world.door());
    settings.secrets = Arc::new(Stores::new([Arc::new(secrets) as Arc<_>]));
    let host = Host::open(settings).unwrap();
    (0..2).for_each(|_| drop(host.look()));
    assert!(host.explain("reach.attacks.send").unwrap().limits().get(Limit::Fuel) > 0);
    Site { host, home, world }
}

/// A server that gives back what it was sent, in every form and place.
fn echoing(world: &World) -> Upstream {
    world.serve("https://api.example.com", |asked| {
        let key = asked.header("x-key").unwrap_or_default();
        let mut body = String::new();
        for text in [key.as_str(), CONTROL] {
            for form in forms(text) {
                write!(body, "{form}\n{{\"token\": \"{form}\"}}<a href=\"?k={form}&x\">").unwrap();
            }
        }
        let mut response = Response::builder().header("x-control", CONTROL);
        if !key.is_empty() {
            for (name, form) in
                ["set-cookie", "location", "x-echo", "www-authenticate", "etag"].into_iter().zip(forms(&key))
            {
                response = response.header(name, format!("a={form}; b"));
            }
        }
        response.body(Bytes::from(body)).unwrap()
    })
}

#[derive(Default)]
struct Told(std::sync::Mutex<Vec<Event>>);

impl Events for Told {
    fn event(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

fn request(path: &str) -> Value {
    json!({
        "method": "GET", "scheme": "https", "authority": "api.example.com", "target": path,
        "fields": [], "body": null, "trailers": [],
    })
}

/// Calls a function of the guest, with all that anybody is told of it.
fn call(site: &Site, id: u128, function: &str, arguments: &Value) -> (Outcome, String) {
    let told = Told::default();
    let arguments = Arguments::from_text(arguments.to_string()).unwrap();
    let call = ToolCall::new(CallId(id), format!("reach.attacks.{function}"), arguments);
    let outcome = run(site.host.call(call, &told));
    let text = format!(
        "{}{}",
        serde_json::to_string(&outcome).unwrap(),
        serde_json::to_string(&*told.0.lock().unwrap()).unwrap()
    );
    (outcome, text)
}

/// Everything in a folder that can be read.
fn written(folder: &Path, all: &mut Vec<u8>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            written(&entry.path(), all);
        } else {
            all.extend(fs::read(entry.path()).unwrap());
        }
    }
}

fn holds(text: &[u8], pattern: &[u8]) -> bool {
    text.windows(pattern.len()).any(|window| window == pattern)
}

#[test]
fn a_guest_that_searches_all_of_its_memory_finds_no_trace_of_the_secret_it_used() {
    const MASK: u8 = 0xa7;
    let site = site();
    let server = echoing(&site.world);
    let traces = traces();
    let patterns = traces.iter().map(Vec::as_slice).chain([CONTROL.as_bytes(), ABSENT.as_bytes()]);
    let masked: Vec<String> =
        patterns.map(|pattern| STANDARD.encode(pattern.iter().map(|byte| byte ^ MASK).collect::<Vec<_>>())).collect();
    let arguments = json!({ "request": request("/v1/echo"), "masked": masked, "mask": MASK });
    let (outcome, told) = call(&site, 1, "search-memory", &arguments);
    let result = outcome.verdict.result().unwrap_or_else(|| panic!("{:?}", outcome.verdict)).get();
    let (bytes, found): (u64, Vec<u32>) = serde_json::from_str(result).unwrap();
    // The server has really had it, so the secret has been used.
    assert_eq!(server.requests()[0].header("x-key").as_deref(), Some(SECRET));
    let [secrets @ .., control, absent] = found.as_slice() else { panic!("{found:?}") };
    assert!(bytes >= 1 << 20 && *control >= 2 && *absent == 0, "{bytes} bytes, {control} and {absent}");
    for (trace, count) in traces.iter().zip(secrets) {
        assert_eq!(*count, 0, "{} is in the guest's memory", String::from_utf8_lossy(trace));
    }
    // Nor is it in what the caller, the log and the disk have of the call.
    site.host.settle().unwrap();
    let mut kept = told.into_bytes();
    written(&site.home.path().join("receipts"), &mut kept);
    for trace in &traces {
        assert!(!holds(&kept, trace), "{} is written somewhere", String::from_utf8_lossy(trace));
    }
    eprintln!("looked for {} traces of a secret in {bytes} bytes of a guest's memory", traces.len());
}

#[test]
fn what_a_guest_reads_aloud_or_traps_with_has_no_trace_of_the_secret_either() {
    let site = site();
    let server = echoing(&site.world);
    let traces = traces();
    for (id, function, path) in
        [(1, "send", "/v1/echo"), (2, "send-and-trap", "/v1/echo"), (3, "send", "/v1/%zz"), (4, "send", "/elsewhere")]
    {
        let (_, told) = call(&site, id, function, &json!({ "request": request(path) }));
        let wanted = id == 1 || id == 4;
        assert_eq!(told.contains(CONTROL), wanted, "{function} {path}: {told:.600}");
        let mut kept = told.into_bytes();
        written(&site.home.path().join("receipts"), &mut kept);
        for trace in &traces {
            assert!(!holds(&kept, trace), "{} after {function} {path}", String::from_utf8_lossy(trace));
        }
    }
    let keys: Vec<_> = server.requests().iter().map(|asked| asked.header("x-key")).collect();
    assert_eq!(keys, [Some(SECRET.to_owned()), Some(SECRET.to_owned()), None], "bound to what is below /v1/");
}
