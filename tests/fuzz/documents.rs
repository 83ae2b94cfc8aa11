//! Text that people write and strangers send: manifests, policy, WIT, and the sections that hold some of them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use toolcell_build::{docs, section};
use toolcell_core::docs::{Docs, MAX_DOCS_BYTES};
use toolcell_core::manifest::{Manifest, ManifestError};
use toolcell_host::Policy;

use super::{Chance, fuzz};

const MANIFEST: &str = r#"name = "search"
version = "0.1.0"
category = "search"
description = "Ranks documents."
authors = ["Toolcell"]
license = "Apache-2.0 OR MIT"
[hints]
read-only = true
[tools.query.hints]
idempotent = true
[[examples]]
tool = "query"
description = "The three best."
arguments = '{"text": "lion \"mouse\"", "limit": 3}'
[capabilities]
filesystem = [{ guest = "/docs", access = "read-only", reason = "To search." }]
network = [
  { url = "https://*.example.com/v1/", methods = ["GET", "POST"], reason = "Asks." },
  { any-public-host = ["https"], methods = ["GET"], reason = "Reads." },
]
secrets = [{ name = "key", url = "https://api.example.com/v1/", header = "X-Key", prefix = "Bearer ", reason = "A key." }]
kv = { keys = 10, value-bytes = "64 KiB", total-bytes = "1 MiB", reason = "Remembers." }
config = ["region"]
tools = ["json", "table.join"]
[limits]
memory = "64 MiB"
fuel = 2_000_000_000
timeout = "5s"
"#;

const POLICY: &str = r#"version = 1
require-approval = true
[limits]
fuel = 20_000_000_000
memory = "256 MiB"
time = "30s"
[[secret-store]]
environment = { brave-key = "BRAVE_API_KEY" }
[[rule]]
name = "search the docs"
tools = ["search", "json.query"]
config = { region = "eu" }
limits = { fuel = 5_000_000_000, log-bytes = "1 MiB" }
[[rule]]
name = "ask the service"
digests = ["0000000000000000000000000000000000000000000000000000000000000000"]
tenants = ["local"]
network = [{ url = "https://api.example.com/v1/", methods = ["GET"], addresses = ["10.0.0.0/8"], redirects = "follow" }, { any-public-host = ["https"], methods = ["GET"] }]
secrets = [{ name = "api-key", from = "brave-key", url = "https://api.example.com/v1/", header = "Authorization", prefix = "Bearer " }]
[[rule]]
name = "a tool with a memory"
all-tools = true
kv = { keys = 1000, value-bytes = "64 KiB", total-bytes = "8 MiB" }
call = ["json", "table.join"]
extended-engine = true
confirm = ["read-only", "idempotent"]
"#;

const WIT: &str = "/// Looks for words.
package toolcell:search@0.1.0;

interface types {
  /// One place.
  record hit { /// How good.
    score: f64, path: string, at: option<list<u32>> }
  variant filter { all, glob(string), any(list<part>) }
  record part { kept: bool, text: string }
  flags marks { bold, italic }
  enum order { up, down }
  type pair = tuple<u8, result<hit, string>>;
}

world search {
  use types.{hit, filter, order};
  import toolcell:host/log@0.1.0;
  /// Finds it.
  export query: func(text: string, filter: option<filter>, order: order) -> result<list<hit>, string>;
  export more: interface {
    use types.{marks, pair};
    /// Marks it.
    mark: func(marks: marks) -> pair;
  }
}
";

/// What could confuse a reader of TOML, of WIT or of JSON.
const PIECES: &[&str] = &[
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "\"",
    "\"\"\"",
    "'",
    "'''",
    "=",
    ",",
    ".",
    "#",
    "\n",
    "\r",
    "\r\n",
    "\0",
    "\u{feff}",
    "\u{2028}",
    "\u{202e}",
    "\\",
    "\\u{0}",
    "\\ud800",
    "\\u001b[2J",
    "\\u202e",
    "\\n\\t",
    "1e999",
    "-1",
    "0",
    "99999999999999999999",
    "inf",
    "nan",
    "1979-05-27",
    "true",
    "[]",
    "{}",
    "\"\"",
    "*",
    "..",
    "/*",
    "*/",
    "//",
    "///",
    "@",
    "%",
    "name = 1\n",
    "[[rule]]\n",
    "version = 1\n",
    "[capabilities]\n",
    "tools = []\n",
    "record ",
    "variant ",
    "func(",
    "result<",
    "list<",
    "option<",
    "tuple<",
    "own<",
    "borrow<",
    "stream<",
    "future<",
    "use ",
    "include ",
    "resource r { }",
    "async ",
    "@since(version = 1.0.0)",
    "%type",
    "((((((((((((((((",
    "<<<<<<<<<<<<<<<<",
    "[[[[[[[[[[[[[[[[",
];

/// A message that can be shown on a terminal, whatever it quotes.
fn is_inert(message: &str) {
    let acts =
        |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    assert!(!message.is_empty() && !message.chars().any(acts), "{message:?}");
}

#[test]
fn a_damaged_manifest_is_read_or_refused_at_a_place_in_it() {
    Manifest::parse(MANIFEST.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let mut taken = 0;
    fuzz("manifests", 12_000, |_, chance| {
        let text = chance.damaged(MANIFEST, PIECES);
        match Manifest::parse(text.as_bytes()) {
            Ok(manifest) => {
                taken += 1;
                let written = toml::to_string(&manifest).unwrap_or_else(|error| panic!("{error}: {text}"));
                let again = Manifest::parse(written.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{written}"));
                assert_eq!(again, manifest, "{written}");
            }
            Err(ManifestError::Malformed { line, column, message }) => {
                assert!((1..=text.split('\n').count()).contains(&line), "line {line} of {text}");
                let longest = text.split('\n').map(str::len).max().unwrap_or(0);
                assert!((1..=longest + 2).contains(&column), "column {column} of {text}");
                is_inert(&message);
            }
            Err(error) => is_inert(&error.to_string()),
        }
    });
    assert!(taken > 500, "only {taken} were read");
}

#[test]
fn a_damaged_policy_is_read_the_same_twice_or_refused_at_a_place_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.toml");
    let write = |text: &str| {
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        Policy::load(&file)
    };
    let good = write(POLICY).unwrap_or_else(|problems| panic!("{problems}"));
    let mut taken = 0;
    fuzz("policies", 6_000, |_, chance| {
        let text = chance.damaged(POLICY, PIECES);
        match write(&text) {
            Ok(policy) => {
                taken += 1;
                assert_eq!(policy.digest(), Policy::load(&file).unwrap().digest(), "{text}");
                // Damage can take a word of narrowing away only together with the rule that it stands in.
                assert!(policy.rules().len() <= good.rules().len() + 4, "{text}");
            }
            Err(problems) => {
                assert!((1..=100).contains(&problems.problems.len()), "{problems}");
                for problem in &problems.problems {
                    let (line, column) = problem.place.unwrap_or((1, 1));
                    assert!((1..=text.split('\n').count() + 1).contains(&line), "{problem}\n{text}");
                    assert!((1..=text.len() + 1).contains(&column), "{problem}\n{text}");
                    assert!(problem.message.len() < 2_000, "{problem}");
                    is_inert(&problem.message);
                }
            }
        }
    });
    assert!(taken > 200, "only {taken} were read");
}

#[test]
fn damaged_wit_is_described_or_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("wit")).unwrap();
    let file = folder.path().join("wit/world.wit");
    let exports = ["query".to_owned(), "more".to_owned()];
    let mut described = 0;
    fuzz("WIT", 1_500, |number, chance| {
        let text = if number == 0 { WIT.to_owned() } else { chance.damaged(WIT, PIECES) };
        fs::write(&file, &text).unwrap();
        match docs::extract(folder.path(), &exports) {
            Ok(extracted) => {
                let Some(json) = extracted.json else { return };
                described += 1;
                assert!(json.len() <= MAX_DOCS_BYTES);
                let docs: Docs = serde_json::from_slice(&json).unwrap_or_else(|error| panic!("{error}: {text}"));
                assert_eq!(docs.version, 1);
            }
            Err(error) => {
                let error = error.to_string();
                assert!(number > 0, "{error}");
                assert!(error.len() < 20_000 && !error.is_empty(), "{error}");
            }
        }
    });
    assert!(described > 50, "only {described} were described");
}

/// A component with the sections of a built tool.
fn built() -> Vec<u8> {
    let text = r#"(component
        (core module $m (func (export "f") (param i32)))
        (core instance $i (instantiate $m))
        (func (export "query") (param "n" u32) (canon lift (core func $i "f"))))"#;
    let docs = br#"{ "version": 1, "component": "Words.", "tools": { "query": { "description": "Finds.", "at": { "params/n": "How many." } } } }"#;
    let sections: [(&str, &[u8]); 2] = [("toolcell:manifest", MANIFEST.as_bytes()), ("toolcell:docs", docs)];
    section::embed(&wat::parse_str(text).unwrap(), &sections).unwrap()
}

fn pieces() -> Vec<&'static [u8]> {
    let binary: [&[u8]; 8] = [
        b"\0asm\x0d\0\x01\0",
        b"\0asm\x01\0\0\0",
        b"\xff\xff\xff\xff\x0f",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\0\0",
        b"\0\x10\x0ftoolcell:manifest",
        b"\x80\x80\x80\x80\0",
        b"\x0btoolcell:docs",
    ];
    binary.into_iter().chain(PIECES.iter().map(|piece| piece.as_bytes())).collect()
}

#[test]
fn sections_are_found_embedded_and_replaced_in_damaged_components() {
    let (good, pieces) = (built(), pieces());
    let mut embedded = 0;
    fuzz("sections", 20_000, |_, chance| {
        let mut bytes = good.clone();
        chance.damage(&mut bytes, &pieces);
        let found = section::find(&bytes, "toolcell:docs");
        if let Ok(Some(docs)) = found {
            // Whatever they hold by now, reading them is a result or an error.
            let _ = serde_json::from_slice::<Docs>(docs);
        }
        let _ = section::exports(&bytes);
        if let Ok(out) = section::embed(&bytes, &[("toolcell:docs", b"{}"), ("toolcell:manifest", b"")]) {
            embedded += 1;
            assert_eq!(section::find(&out, "toolcell:docs").unwrap(), Some(&b"{}"[..]));
            assert_eq!(section::embed(&out, &[("toolcell:docs", b"{}"), ("toolcell:manifest", b"")]).unwrap(), out);
        }
    });
    assert!(embedded > 1_000, "only {embedded} could be read");
}

#[test]
fn docs_of_any_shape_are_a_result_or_an_error() {
    let good = r#"{ "version": 1, "component": "Words.", "tools": { "query": { "description": "Finds.", "at": { "params/n": "How many." } } } }"#;
    fuzz("docs", 10_000, |_, chance: &mut Chance| {
        let text = chance.damaged(good, PIECES);
        if let Ok(docs) = serde_json::from_str::<Docs>(&text) {
            let written = serde_json::to_string(&docs).unwrap();
            assert_eq!(serde_json::from_str::<Docs>(&written).unwrap(), docs, "{text}");
        }
    });
}
