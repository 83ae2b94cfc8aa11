//! `toolcell run` with the network, from the outside: first-party tools, real policies, and a server on loopback, which only a rule
//! that names its network reaches.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::built::built;
use super::server::{Answer, Server};
use super::{Home, ended};

/// Long and odd enough to be found wherever it does not belong.
const KEY: &str = "canary-5e0f7ab19c44";

/// The variable that holds it.
const VARIABLE: &str = "TOOLCELL_TEST_DATABASE_KEY";

/// A home with one first-party tool, and a server that the manifest beside the tool asks for.
struct Site {
    home: Home,
    server: Server,
}

impl Site {
    /// A home with `http`.
    fn http(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        Self::open("http", &["http.fetch", "--url", "none"], "", answer)
    }

    /// A home with `postgrest`, whose key comes from [`VARIABLE`].
    fn database(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let more = "config = [\"base-url\"]\nsecrets = [{ name = \"postgrest-key\", url = \"ORIGIN/\", header = \"apikey\" }]\n";
        let site = Self::open("postgrest", &["postgrest.select", "--table", "none"], more, answer);
        let origin = site.server.origin();
        site.policy(&format!(
            r#"[[secret-store]]
environment = {{ our-database = "{VARIABLE}" }}
[[rule]]
name = "rows"
tools = ["postgrest"]
config = {{ base-url = "{origin}/" }}
network = [{{ url = "{origin}/", methods = ["GET"], addresses = ["127.0.0.0/8"] }}]
secrets = [{{ name = "postgrest-key", from = "our-database", url = "{origin}/", header = "apikey" }}]
"#
        ));
        site
    }

    fn open(tool: &str, first: &[&str], more: &str, answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let (home, server) = (Home::new(), Server::start(answer));
        let component = warmed(tool, first, &home);
        fs::copy(component, home.tools().join(tool).with_extension("wasm")).unwrap();
        let origin = server.origin();
        let text = format!(
            "name = \"{tool}\"\nversion = \"1\"\n[capabilities]\nnetwork = [{{ url = \"{origin}/\", methods = [\"GET\"] }}]\n{}",
            more.replace("ORIGIN", &origin)
        );
        fs::write(home.tools().join(tool).with_extension("toml"), text).unwrap();
        Self { home, server }
    }

    fn policy(&self, rules: &str) {
        let file = self.home.0.path().join("policy.toml");
        fs::write(&file, format!("version = 1\n{rules}")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Allows the server to `http`, with more about it or without.
    fn allow(&self, more: &str) {
        let origin = self.server.origin();
        self.policy(&format!(
            "[[rule]]\nname = \"page\"\ntools = [\"http\"]\nnetwork = [{{ url = \"{origin}/\", methods = [\"GET\"]{more} }}]\n"
        ));
    }

    /// Calls a function with the URL of a path at the server.
    fn get(&self, tool: &str, path: &str) -> (i32, String, String) {
        self.home.run(&["run", tool, "--url", &self.at(path)])
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.server.origin())
    }

    /// What `policy explain` says to a request that `run` would send.
    fn explained(&self, method: &str, path: &str) -> (i32, String) {
        let (exit, out, err) = self.home.run(&["policy", "explain", "http.fetch", "--request", method, &self.at(path)]);
        (exit, out + &err)
    }

    /// Reads rows with the key in the environment.
    fn rows(&self, table: &str, more: &[&str]) -> (i32, String, String) {
        let arguments = [&["run", "postgrest.select", "--table", table], more].concat();
        ended(self.home.command(&arguments).env(VARIABLE, KEY).output().unwrap())
    }

    /// Receipts and audit log are whole after all that was done here.
    fn is_whole(&self) {
        for log in ["receipts", "audit"] {
            let (exit, out, err) = self.home.run(&[log, "verify"]);
            assert!(exit == 0 && out.contains("intact"), "{log}: {out}{err}");
        }
    }
}

/// The component of a tool. What compiling it for a first call left behind in a home that lasts is copied into this one.
pub(super) fn warmed(tool: &str, first: &[&str], home: &Home) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let component = built(&format!("tools-wasm/{tool}"));
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let warm = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli").join(tool);
    fs::create_dir_all(warm.join("tools")).unwrap();
    fs::copy(&component, warm.join("tools").join(tool).with_extension("wasm")).unwrap();
    let outcome = home.command(&[&["run"], first].concat()).env("TOOLCELL_HOME", &warm).output().unwrap();
    assert_eq!(outcome.status.code(), Some(1), "nothing is granted there: {outcome:?}");
    for folder in ["keys", "cache/code"] {
        let (from, to) = (warm.join(folder), home.0.path().join(folder));
        fs::create_dir_all(&to).unwrap();
        for file in fs::read_dir(from).into_iter().flatten().flatten().filter(|file| file.path().is_file()) {
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
    component
}

fn page(_: &str) -> Answer {
    Answer::Sends("200 OK", &["content-type: text/plain"], "a page for people".to_owned())
}

/// Every byte below a folder, as text.
fn everything(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            text += &everything(&entry.path());
        } else {
            text += &String::from_utf8_lossy(&fs::read(entry.path()).unwrap());
        }
    }
    text
}

#[test]
fn a_page_on_loopback_is_fetched_where_a_rule_names_its_network() {
    let site = Site::http(page);
    site.allow(", addresses = [\"127.0.0.0/8\"]");
    let (exit, out, err) = site.get("http.fetch", "/a?b=c");
    assert_eq!(exit, 0, "{err}");
    let fetched: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((fetched["status"].as_u64(), fetched["text"].as_str()), (Some(200), Some("a page for people")));
    assert_eq!(site.server.heads().len(), 1);
    assert!(site.server.heads()[0].starts_with("GET /a?b=c HTTP/1.1\r\n"), "{:?}", site.server.heads());
    let (exit, told) = site.explained("GET", "/a?b=c");
    assert!(exit == 0 && told.contains("by rule `page`"), "{told}");
    let (_, receipt, _) = site.home.run(&["receipts", "list", "--limit", "1", "--json"]);
    let sealed: Value = serde_json::from_str(&receipt).unwrap();
    assert_eq!(
        sealed["receipt"]["origins"],
        serde_json::json!({ site.server.origin(): 1 }),
        "where it went is written down"
    );
    site.is_whole();
}

#[test]
fn a_request_that_no_rule_allows_is_not_sent_and_the_line_that_would_allow_it_is_told() {
    let site = Site::http(page);
    let origin = site.server.origin();
    let line = format!("network = [{{ url = \"{origin}/\", methods = [\"GET\"] }}]");
    let (exit, out, err) = site.get("http.fetch", "/");
    assert_eq!((exit, out.as_str()), (1, ""), "{err}");
    for words in ["failed denied", &line, "the call may send no requests", "toolcell policy explain"] {
        assert!(err.contains(words), "{words}: {err}");
    }
    let (exit, told) = site.explained("GET", "/");
    assert!(exit == 3 && told.contains(&line), "{told}");

    // With a rule for something else, the receipt tells which one is nearest, and the same line.
    site.policy(&format!(
        "[[rule]]\nname = \"docs\"\ntools = [\"http\"]\nnetwork = [{{ url = \"{origin}/docs/\", methods = [\"GET\"] }}]\n"
    ));
    let (exit, _, err) = site.get("http.fetch", "/");
    assert!(exit == 1 && err.contains("rule `docs` grants this host below /docs/ only"), "{err}");
    assert!(err.contains(&format!("What would allow it: {line}")), "{err}");
    let (exit, told) = site.explained("GET", "/");
    assert!(exit == 3 && told.contains(&line), "{told}");
    assert_eq!(site.server.connections(), 0);
    site.is_whole();
}

#[test]
fn an_address_that_is_not_public_is_not_dialled_for_a_rule_that_does_not_name_its_network() {
    let site = Site::http(page);
    site.allow("");
    let (exit, out, err) = site.get("http.fetch", "/");
    assert_eq!((exit, out.as_str()), (1, ""), "{err}");
    for words in ["failed denied", "127.0.0.1 is asked for, a loopback address", "addresses = [\"127.0.0.1/32\"]"] {
        assert!(err.contains(words), "{words}: {err}");
    }
    let (exit, told) = site.explained("GET", "/");
    assert!(exit == 3 && told.contains("a loopback address") && told.contains("`addresses`"), "{told}");
    assert_eq!(site.server.connections(), 0);
    // The line that was told is one that works.
    site.allow(", addresses = [\"127.0.0.1/32\"]");
    assert_eq!(site.get("http.fetch", "/").0, 0);
    assert_eq!(site.server.connections(), 1);
    site.is_whole();
}

#[test]
fn a_manifest_that_asks_for_less_than_a_rule_allows_is_the_ceiling() {
    let site = Site::http(page);
    let origin = site.server.origin();
    let manifest = "name = \"http\"\nversion = \"1\"\n[capabilities]\nnetwork = [{ url = \"https://elsewhere.example/\", methods = [\"GET\"] }]\n";
    fs::write(site.home.tools().join("http.toml"), manifest).unwrap();
    site.allow(", addresses = [\"127.0.0.0/8\"]");
    let (exit, _, err) = site.get("http.fetch", "/");
    assert!(exit == 1 && err.contains("the tool's manifest has to request it"), "{err}");
    let (exit, told) = site.explained("GET", "/");
    assert!(exit == 3 && told.contains(&format!("no entry of the grant covers {origin}")), "{told}");
    assert_eq!(site.server.connections(), 0);
}

#[test]
fn a_secret_arrives_at_the_server_and_nowhere_else() {
    // It says back what it was sent, as an error that the tool would hand on.
    let site = Site::database(|head| {
        if head.starts_with("GET /orders") {
            Answer::Sends("200 OK", &["content-type: application/json"], "[{\"id\":1}]".to_owned())
        } else {
            let echo = serde_json::json!({ "message": head }).to_string();
            Answer::Sends("400 Bad Request", &["content-type: application/json"], echo)
        }
    });
    let (exit, out, err) = site.rows("orders", &["--outcome"]);
    assert_eq!(exit, 0, "{err}");
    let outcome: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(outcome["result"]["rows"], "[{\"id\":1}]");
    let echoed = site.rows("echo", &["--outcome"]);
    assert_eq!(echoed.0, 1, "{echoed:?}");
    let heads = site.server.heads();
    assert_eq!(heads.len(), 2);
    for head in &heads {
        assert!(head.contains(&format!("apikey: {KEY}\r\n")), "{head}");
    }
    for said in [&out, &err, &echoed.1, &echoed.2, &everything(site.home.0.path())] {
        assert!(!said.contains(KEY), "{said}");
    }
    let (_, used, _) = site.home.run(&["audit", "list", "--kind", "secret-used", "--json"]);
    assert_eq!(used.lines().count(), 2, "each use is in the audit log: {used}");
    let (exit, told, _) = site.home.run(&["policy", "explain", "postgrest.select", "--secret", "postgrest-key"]);
    assert!(exit == 0 && told.contains("by rule `rows`"), "{told}");
    site.is_whole();
}

#[test]
fn a_secret_that_is_not_in_the_environment_is_told_with_the_variable_to_set() {
    let site =
        Site::database(|_| Answer::Sends("401 Unauthorized", &["content-type: application/json"], "{}".to_owned()));
    let (exit, out, err) = site.home.run(&["run", "postgrest.select", "--table", "orders"]);
    assert_eq!((exit, out.as_str()), (1, ""), "{err}");
    for words in ["`our-database`", VARIABLE, "is not set", "failed denied", "postgrest-key"] {
        assert!(err.contains(words), "{words}: {err}");
    }
    assert!(site.server.heads().iter().all(|head| !head.contains("apikey")), "{:?}", site.server.heads());
    let short = site.home.command(&["run", "postgrest.select", "--table", "x"]).env(VARIABLE, "tiny-7").output();
    let (exit, _, err) = ended(short.unwrap());
    assert!(exit == 1 && err.contains(VARIABLE) && err.contains("use a longer one"), "{err}");
    assert!(!err.contains("tiny-7") && site.server.connections() == 1, "{err}");
}

#[test]
fn what_a_server_answers_has_a_kind_and_an_exit_code() {
    let site = Site::http(|head| match head.split(' ').nth(1) {
        Some("/busy") => Answer::Sends("429 Too Many Requests", &["retry-after: 7"], String::new()),
        Some("/key") => Answer::Sends("401 Unauthorized", &[], String::new()),
        Some("/broken") => Answer::Sends("500 Internal Server Error", &[], String::new()),
        Some("/ambiguous") => Answer::Sends("200 OK", &["content-length: 1000"], "too little".to_owned()),
        _ => Answer::Sends("404 Not Found", &[], String::new()),
    });
    site.allow(", addresses = [\"127.0.0.0/8\"]");
    for (path, told) in [
        ("/busy", &["failed unavailable", "retry: in 7000 ms"] as &[&str]),
        ("/gone", &["failed not-found", "(404)"]),
        ("/key", &["failed denied", "refused access (401)"]),
        ("/broken", &["failed unavailable", "(500)"]),
        ("/ambiguous", &["failed unavailable"]),
    ] {
        let (exit, out, err) = site.get("http.read-page", path);
        assert_eq!((exit, out.as_str()), (1, ""), "{path}: {err}");
        for words in told {
            assert!(err.contains(words), "{path}: {words}: {err}");
        }
    }
    // Of a plain request every status is a result.
    let (exit, out, err) = site.get("http.fetch", "/busy");
    assert!(exit == 0 && out.contains("\"status\":429"), "{out}{err}");
    site.is_whole();
}

#[test]
fn a_server_that_never_answers_ends_the_call_at_its_time_limit() {
    let site = Site::http(|_| Answer::Hangs);
    site.allow(", addresses = [\"127.0.0.0/8\"]");
    let url = site.at("/");
    let (exit, out, err) = site.home.run(&["run", "http.fetch", "--url", &url, "--timeout", "500ms"]);
    assert_eq!((exit, out.as_str()), (4, ""), "{err}");
    assert!(err.contains("exhausted time-limit") && err.contains("`time` of 500 ms"), "{err}");
    assert_eq!(site.server.heads().len(), 1);
    // What a single request may take is another limit, with a name of its own.
    let (exit, _, err) = site.home.run(&["run", "http.fetch", "--url", &url, "--set-limit", "http_time=300"]);
    assert!(exit == 4 && err.contains("`http_time` of 300 ms"), "{err}");
    site.is_whole();
}
