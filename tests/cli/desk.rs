//! A home in which plans are tried: a tool that asks a person, and what every test of a run needs.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::Value;

use super::Home;
use super::network::warmed;
use super::server::Server;

/// Gives back the answer that it is called with, and asks a person where that is empty.
const DESK: &str = r#"(component
  (core module $m
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 4096))
    (data (i32.const 1024) "Which way?")
    (data (i32.const 1040) "left")
    (data (i32.const 1048) "right")
    (data (i32.const 1056) "\10\04\00\00\04\00\00\00\18\04\00\00\05\00\00\00")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (local.get $at))
    (func (export "decide") (param $at i32) (param $length i32) (result i32)
      (if (i32.eqz (local.get $length))
        (then
          (i32.store8 (i32.const 64) (i32.const 1))
          (i32.store8 (i32.const 72) (i32.const 5))
          (i32.store (i32.const 80) (i32.const 1024))
          (i32.store (i32.const 84) (i32.const 10))
          (i32.store (i32.const 88) (i32.const 1056))
          (i32.store (i32.const 92) (i32.const 2)))
        (else
          (i32.store (i32.const 72) (local.get $at))
          (i32.store (i32.const 76) (local.get $length))))
      (i32.const 64)))
  (core instance $i (instantiate $m))
  (type $problem' (record (field "pointer" string) (field "expected" string) (field "found" (option string)) (field "message" string)))
  (export $problem "problem" (type $problem'))
  (type $outage' (record (field "message" string) (field "retry-after-ms" (option u64))))
  (export $outage "outage" (type $outage'))
  (type $question' (record (field "text" string) (field "choices" (list string))))
  (export $question "question" (type $question'))
  (type $failure' (variant (case "invalid-argument" $problem) (case "unavailable" $outage) (case "not-found" string)
    (case "conflict" string) (case "denied" string) (case "needs-person" $question) (case "fatal" string)))
  (export $failure "failure" (type $failure'))
  (func (export "decide") (param "answer" string) (result (result string (error $failure)))
    (canon lift (core func $i "decide") (memory $i "memory") (realloc (func $i "realloc")))))"#;

/// A home with `desk` beside `ends`.
pub(super) fn home() -> Home {
    let home = Home::new();
    fs::write(home.tools().join("desk.wasm"), wat::parse_str(DESK).unwrap()).unwrap();
    home
}

/// Puts `http` into a home, and lets it send POST to this server. `confirmed` are the hints that the policy confirms.
pub(super) fn reach(home: &Home, server: &Server, confirmed: &[&str]) {
    let component = warmed("http", &["http.fetch", "--url", "none"], home);
    fs::copy(component, home.tools().join("http.wasm")).unwrap();
    let origin = server.origin();
    let network = format!("network = [{{ url = \"{origin}/\", methods = [\"POST\"]");
    let hints = confirmed.iter().fold(String::new(), |hints, hint| hints + hint + " = true\n");
    let manifest = format!("name = \"http\"\nversion = \"1\"\n[hints]\n{hints}[capabilities]\n{network} }}]\n");
    fs::write(home.tools().join("http.toml"), manifest).unwrap();
    let confirm = if confirmed.is_empty() { String::new() } else { format!("confirm = {confirmed:?}\n") };
    let rule = format!("name = \"effects\"\ntools = [\"http\"]\n{confirm}{network}");
    let file = home.0.path().join("policy.toml");
    fs::write(&file, format!("version = 1\n[[rule]]\n{rule}, addresses = [\"127.0.0.0/8\"] }}]\n")).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
}

/// A file in the home.
pub(super) fn file(home: &Home, name: &str, text: impl AsRef<[u8]>) -> String {
    let path: PathBuf = home.0.path().join(name);
    fs::write(&path, text).unwrap();
    path.into_os_string().into_string().unwrap()
}

/// Ends with that exit code; gives stdout and stderr.
#[track_caller]
pub(super) fn exits(home: &Home, code: i32, arguments: &[&str]) -> (String, String) {
    let (exit, out, err) = home.run(arguments);
    assert_eq!(exit, code, "{arguments:?}: {out}{err}");
    assert!(!(out.contains('\u{1b}') || err.contains('\u{1b}')), "colours without a terminal: {out}{err}");
    (out, err)
}

/// Ends well; gives stdout.
#[track_caller]
pub(super) fn ok(home: &Home, arguments: &[&str]) -> String {
    exits(home, 0, arguments).0
}

/// Ends well, and stdout is one JSON value.
#[track_caller]
pub(super) fn json(home: &Home, arguments: &[&str]) -> Value {
    let out = ok(home, arguments);
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {out}"))
}

/// Stdout as JSON, one value a line.
#[track_caller]
pub(super) fn lines(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// Everything that was told holds all of these.
#[track_caller]
pub(super) fn tells(told: &str, words: &[&str]) {
    for words in words {
        assert!(told.contains(words), "{words:?}: {told}");
    }
}

/// The newest run of a home.
#[track_caller]
pub(super) fn newest(home: &Home) -> String {
    let listed = lines(&ok(home, &["plan", "list", "--json"]));
    listed[0]["run"].as_str().unwrap().to_owned()
}
