//! Requests as authors write them, and as they should not be written.

use super::*;
use crate::manifest::{Manifest, ManifestError};
use crate::net::Scheme;
use crate::units::Bytes;

const HEAD: &str = "name = \"search\"\nversion = \"0.1.0\"\n[capabilities]\n";

fn read(text: &str) -> Result<Capabilities, ManifestError> {
    Manifest::parse(format!("{HEAD}{text}").as_bytes()).map(|manifest| manifest.capabilities)
}

const WHOLE: &str = r#"
filesystem = [{ guest = "/docs", access = "read-only" }]
network = [
  { url = "https://API.example.com/v1/", methods = ["GET"], reason = "The documents." },
  { any-public-host = ["https"], methods = ["GET", "HEAD"] },
]
secrets = [
  { name = "brave-key", url = "https://api.search.brave.com/res/v1/", header = "X-Subscription-Token" },
  { name = "token", url = "https://api.example.com/", header = "Authorization", prefix = "Bearer " },
]
kv = { keys = 100, value-bytes = "64 KiB", total-bytes = "1 MiB" }
tools = ["json.query", "table"]
config = ["region"]
"#;

#[test]
fn every_capability_is_read_and_survives_its_own_text() {
    let read_first = read(WHOLE).expect("reads");
    assert_eq!(read_first.network[0].reach, Reach::Url("https://api.example.com/v1/".parse().expect("a url")));
    assert_eq!(read_first.network[1].reach, Reach::AnyPublicHost(vec![Scheme::Https]));
    assert_eq!(read_first.kv.as_ref().map(|kv| kv.value_bytes), Some(Bytes(64 << 10)));
    assert_eq!(read_first.tools.len(), 2);
    let again = toml::to_string(&read_first).expect("writes");
    assert_eq!(toml::from_str::<Capabilities>(&again).expect("reads again"), read_first);
    assert_eq!(read("").expect("nothing is asked for"), Capabilities::default());
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_place() {
    for (text, place, word) in [
        ("network = []", "line 4, column 11", "empty"),
        ("secrets = []", "line 4, column 11", "empty"),
        ("tools = []", "line 4, column 9", "empty"),
        ("config = []", "line 4, column 10", "empty"),
        ("filesystem = []", "line 4, column 14", "empty"),
        ("tools = [\"json\", \"json\"]", "line 4, column 9", "twice"),
        ("tools = [\"*\"]", "line 4, column 9", "cannot name"),
        ("tools = [\"json.*\"]", "line 4, column 9", "is not a tool id"),
        ("config = [\"\"]", "line 4, column 10", "setting"),
        ("network = [{ url = \"https://*\", methods = [\"GET\"] }]", "line 4, column 20", "cannot be a destination"),
        ("network = [{ url = \"https://*.com/\", methods = [\"GET\"] }]", "line 4, column 20", "anybody can register"),
        ("network = [{ url = \"https://*example.com/\", methods = [\"GET\"] }]", "line 4, column 20", "`*`"),
        ("network = [{ url = \"https://a.b/\", methods = [] }]", "line 4, column 46", "empty"),
        ("network = [{ url = \"https://a.b/\", methods = [\"*\"] }]", "line 4, column 46", "is not a method"),
        ("network = [{ url = \"https://a.b/\" }]", "line 4, column 12", "methods"),
        ("network = [{ methods = [\"GET\"] }]", "line 4, column 11", "say where to"),
        ("network = [{ any-public-host = [], methods = [\"GET\"] }]", "line 4, column 11", "empty"),
        ("network = [{ any-public-host = [\"ftp\"], methods = [\"GET\"] }]", "line 4, column 11", "https"),
        (
            "network = [{ url = \"https://a.b/\", any-public-host = [\"https\"], methods = [\"GET\"] }]",
            "line 4, column 11",
            "exclude",
        ),
        (
            "network = [{ url = \"https://a.b/\", methods = [\"GET\"], ports = [1] }]",
            "line 4, column 55",
            "unknown field",
        ),
        ("secrets = [{ name = \"a b\", url = \"https://a.b/\", header = \"X\" }]", "line 4, column 11", "name"),
        (
            "secrets = [{ name = \"a\", url = \"https://*.a.example/\", header = \"X\" }]",
            "line 4, column 11",
            "one host",
        ),
        (
            "secrets = [{ name = \"a\", url = \"http://a.example/\", header = \"X\" }]",
            "line 4, column 11",
            "in the clear",
        ),
        ("secrets = [{ name = \"a\", url = \"https://a.example/\" }]", "line 4, column 11", "exactly one"),
        ("secrets = [{ name = \"a\", url = \"https://a.example/\", header = \"Host\" }]", "line 4, column 11", "Host"),
        ("kv = {}", "line 4, column 6", "missing field"),
        ("kv = { keys = 0, value-bytes = \"1\", total-bytes = \"1\" }", "line 4, column 6", "keys"),
        ("kv = { keys = 1, value-bytes = \"2\", total-bytes = \"1\" }", "line 4, column 6", "total-bytes"),
        ("kv = { keys = 1, value-bytes = \"1 GiB\", total-bytes = \"1 GiB\" }", "line 4, column 6", "value-bytes"),
        ("filesystem = [{ guest = \"/a/..\", access = \"read-only\" }]", "line 4, column 25", "absolute path"),
    ] {
        let error = read(text).expect_err(text).to_string();
        assert!(error.starts_with(place) && error.contains(word), "{text}: {error}");
    }
    let many: Vec<_> = (0..65).map(|n| format!("\"t{n}\"")).collect();
    assert!(read(&format!("tools = [{}]", many.join(","))).is_err());
    assert!(read("secrets = [{ name = \"a\", url = \"http://127.0.0.1:8080/\", header = \"X\" }]").is_ok());
}

#[test]
fn two_callees_meet_in_the_narrower_one() {
    let callee = |text: &str| text.parse::<Callee>().expect("a callee");
    assert_eq!(callee("json").meet(&callee("json.query")), Some(callee("json.query")));
    assert_eq!(callee("json.query").meet(&callee("json")), Some(callee("json.query")));
    assert_eq!(callee("json").meet(&callee("json")), Some(callee("json")));
    assert_eq!(callee("json").meet(&callee("jso.query")), None);
    assert_eq!(callee("json.merge").meet(&callee("json.query")), None);
}

#[test]
fn a_secret_is_named_in_plain_short_ascii() {
    for name in ["a", "brave-key", "github.token", "A_1", &"x".repeat(64)] {
        assert!(is_secret_name(name), "{name}");
    }
    for name in ["", "-a", "a-", ".a", "a.", "a b", "a/b", "../a", "ä", "a\0b", "a\n", &"x".repeat(65)] {
        assert!(!is_secret_name(name), "{name:?}");
    }
}
