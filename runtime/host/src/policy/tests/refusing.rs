//! What an operator may get wrong, each with its place; and what an attacker may offer.

use super::super::document::Draft;
use super::super::problem::Collected;
use super::*;

/// A rule with these lines beneath `name` and `tools`; the first of them is line 5.
fn rule(lines: &str) -> String {
    format!("version = 1\n[[rule]]\nname = \"a\"\ntools = [\"search\"]\n{lines}\n")
}

#[test]
fn every_mistake_is_refused_where_it_stands() {
    let desk = Desk::new();
    let network = |entry: &str| rule(&format!("network = [{{ {entry} }}]"));
    let secret = |entry: &str| rule(&format!("secrets = [{{ {entry} }}]"));
    let whom = |line: &str| format!("version = 1\n[[rule]]\nname = \"a\"\nextended-engine = true\n{line}\n");
    for (text, problem) in [
        (String::new(), "1:1: `version` is missing"),
        ("version = 2".to_owned(), "1:11: this version is not known"),
        ("version = \"1\"".to_owned(), "1:11: this version is not known"),
        ("version = 1\nversion = 1".to_owned(), "2:1: duplicate key"),
        ("version = 1\nrules = []".to_owned(), "2:1: a policy has no key `rules`; the nearest is `rule`"),
        ("version = 1\nzzzzzz = 1".to_owned(), "2:1: a policy has no key `zzzzzz`; it has version"),
        ("version = 1\nrule = []".to_owned(), "2:8: an empty list means none"),
        ("version = 1\nrule = 1".to_owned(), "2:8: write a list"),
        ("version = 1\nrequire-approval = \"yes\"".to_owned(), "2:20: write `true` or `false`"),
        ("version = 1\nextra-ca = []".to_owned(), "2:12: an empty list"),
        ("version = 1\nextra-ca = [\"none.pem\"]".to_owned(), "2:13: `"),
        ("version = 1\nextra-ca = [\"policy.toml\"]".to_owned(), "holds no certificates"),
        ("version = 1\n[limits]".to_owned(), "[limits] sets nothing"),
        ("version = 1\n[limits]\nfuell = 1".to_owned(), "3:1: [limits] has no key `fuell`; the nearest is `fuel`"),
        (
            "version = 1\n[limits]\nlog_bytes = 1".to_owned(),
            "3:1: [limits] has no key `log_bytes`; the nearest is `log-bytes`",
        ),
        ("version = 1\n[limits]\nfuel = 0".to_owned(), "3:8: limit `fuel` must be between"),
        ("version = 1\n[limits]\nfuel = -1".to_owned(), "3:8: write a whole number"),
        ("version = 1\n[limits]\nfuel = 1e9".to_owned(), "3:8: write a whole number"),
        ("version = 1\n[limits]\ntime = 10".to_owned(), "3:8: write a string"),
        ("version = 1\n[limits]\ntime = \"10\"".to_owned(), "3:8: `10` is not a duration"),
        ("version = 1\n[limits]\nmemory = \"900 GiB\"".to_owned(), "3:10: limit `memory` must be between"),
        (
            "version = 1\n[limits]\ncalls-per-minute = 1".to_owned(),
            "3:20: limit `calls_per_minute` belongs to the host",
        ),
        ("version = 1\n[[secret-store]]".to_owned(), "a secret store is exactly one of"),
        ("version = 1\n[[secret-store]]\nfile = \"a\"\nage = \"b\"".to_owned(), "a secret store is exactly one of"),
        ("version = 1\n[[secret-store]]\nage = \"b\"".to_owned(), "`identity` is missing"),
        (
            "version = 1\n[[secret-store]]\nfile = \"b\"\nidentity = \"c\"".to_owned(),
            "4:12: `identity` goes with `age`",
        ),
        ("version = 1\n[[secret-store]]\nenvironment = {}".to_owned(), "3:15: the table is empty"),
        ("version = 1\n[[secret-store]]\nenvironment = { \"a b\" = \"C\" }".to_owned(), "3:17: a secret's name"),
        (
            "version = 1\n[[secret-store]]\nenvironment = { a = \"B-C\" }".to_owned(),
            "3:21: name an environment variable",
        ),
        ("version = 1\n[[rule]]\ntools = [\"a\"]\nextended-engine = true".to_owned(), "2:1: `name` is missing"),
        (
            "version = 1\n[[rule]]\nname = \"\"\ntools = [\"a\"]\nextended-engine = true".to_owned(),
            "3:8: a rule's name",
        ),
        (
            "version = 1\n[[rule]]\nname = \"a\\nb\"\ntools = [\"a\"]\nextended-engine = true".to_owned(),
            "3:8: a rule's name",
        ),
        (rule(""), "2:1: the rule allows nothing"),
        (whom(""), "2:1: the rule says not for whom"),
        (whom("tenants = [\"acme\"]"), "2:1: the rule says not for whom"),
        (whom("tools = []"), "5:9: an empty list means none, never all"),
        (whom("tools = [\"*\"]"), "5:10: `*` names no tool: there are no wildcards"),
        (whom("tools = [\"any\"]"), "5:10: `any` names no tool"),
        (whom("tools = [\"search.*\"]"), "5:10: `search.*` names no tool"),
        (whom("tools = [\"a\", \"a\"]"), "5:15: this is in the list twice"),
        (whom("tools = [\"Search\"]"), "5:10: `Search` names no tool: write a component"),
        (whom("tools = \"search\""), "5:9: write a list"),
        (whom("tools = [1]"), "5:10: write a string"),
        (whom("tools = [\"a\"]\nall-tools = true"), "6:13: `all-tools` and `tools` exclude"),
        (whom("all-tools = false"), "5:13: `false` is what holds"),
        (whom("digests = []"), "5:11: an empty list"),
        (whom("digests = [\"abc\"]"), "5:12: a digest is 64"),
        (whom("signers = [\"RWabc\"]"), "5:12: a signer is a minisign public key"),
        (whom("all-tools = true\ntenants = [\"*\"]"), "6:12: a tenant's name"),
        (rule("config = {}"), "5:10: `config` sets nothing"),
        (rule("config = { a = 1 }"), "5:16: write a string"),
        (rule("limits = { fuel = 0 }"), "5:19: limit `fuel`"),
        (rule("mount = []"), "5:1: a rule has no key `mount`; the nearest is `mounts`"),
        (
            rule("mounts = [{ host = \"docs\", guest = \"docs\", access = \"read-only\" }]"),
            "5:36: give an absolute path",
        ),
        (rule("mounts = [{ host = \"none\", guest = \"/a\", access = \"read-only\" }]"), "5:20: cannot mount"),
        (rule("mounts = [{ host = \"docs\", guest = \"/a\", access = \"rw\" }]"), "5:51: access is"),
        (rule("mounts = [{ host = \"docs\", guest = \"/a\" }]"), "5:11: `access` is missing"),
        (
            rule(
                "mounts = [{ host = \"docs\", guest = \"/a\", access = \"read-only\" }, { host = \"docs\", guest = \"/a\", access = \"read-write\" }]",
            ),
            "the rule mounts two folders at /a",
        ),
        (network("methods = [\"GET\"]"), "5:12: say where to"),
        (network("url = \"https://a.example/\""), "5:12: `methods` is missing"),
        (network("url = \"https://a.example/\", methods = []"), "an empty list means none"),
        (network("url = \"https://a.example/\", methods = [\"*\"]"), "`*` is not a method"),
        (network("url = \"https://a.example/\", methods = [\"CONNECT\"]"), "CONNECT is never sent"),
        (network("url = \"*\", methods = [\"GET\"]"), "5:20: `*` cannot be a destination"),
        (network("url = \"https://*/\", methods = [\"GET\"]"), "5:20: `https://*/` cannot be a destination"),
        (
            network("url = \"https://*.com/\", methods = [\"GET\"]"),
            "5:20: `https://*.com/` cannot be a destination: anybody can register",
        ),
        (network("url = \"https://*example.com/\", methods = [\"GET\"]"), "5:20: `https://*example.com/` cannot be"),
        (network("url = \"https://127.1/\", methods = [\"GET\"]"), "could be read as an address"),
        (network("url = \"https://a@b.example/\", methods = [\"GET\"]"), "5:20: "),
        (network("any-public-host = [], methods = [\"GET\"]"), "5:32: an empty list"),
        (network("any-public-host = [\"ftp\"], methods = [\"GET\"]"), "5:32: `any-public-host` takes"),
        (
            network("any-public-host = [\"https\"], methods = [\"GET\"], addresses = [\"10.0.0.0/8\"]"),
            "`addresses` goes with `url` only",
        ),
        (
            network("url = \"https://a.example/\", any-public-host = [\"https\"], methods = [\"GET\"]"),
            "5:12: `url` and `any-public-host` exclude",
        ),
        (
            network("url = \"https://a.example/\", methods = [\"GET\"], addresses = [\"0.0.0.0/0\"]"),
            "a network of every address",
        ),
        (
            network("url = \"https://a.example/\", methods = [\"GET\"], addresses = [\"10.0.0.1/8\"]"),
            "write `10.0.0.0/8`",
        ),
        (
            network("url = \"https://a.example/\", methods = [\"GET\"], addresses = [\"private\"]"),
            "write a network such as",
        ),
        (network("url = \"https://a.example/\", methods = [\"GET\"], redirects = \"always\""), "redirects are"),
        (network("url = \"https://a.example/\", method = [\"GET\"]"), "the nearest is `methods`"),
        (secret("name = \"a\", from = \"a\", url = \"https://a.example/\""), "5:12: a secret is placed by exactly one"),
        (secret("name = \"a\", url = \"https://a.example/\", header = \"X-Key\""), "5:12: `from` is missing"),
        (
            secret("name = \"a\", from = \"a\", url = \"https://*.a.example/\", header = \"X-Key\""),
            "a secret goes to one host",
        ),
        (
            secret("name = \"a\", from = \"a\", url = \"http://a.example/\", header = \"X-Key\""),
            "does not travel in the clear",
        ),
        (
            secret("name = \"a\", from = \"a\", url = \"https://a.example/\", header = \"Host\""),
            "`Host` cannot be a header with a secret",
        ),
        (secret("name = \"a\", from = \"a\", url = \"https://a.example/\", header = 1"), "write a string"),
        (
            secret("name = \"../a\", from = \"a\", url = \"https://a.example/\", header = \"X\""),
            "5:21: a secret's name",
        ),
        (rule("kv = { keys = 0, value-bytes = 1, total-bytes = 1 }"), "5:6: `keys` must be between"),
        (rule("kv = { keys = 1 }"), "5:6: `value-bytes` is missing"),
        (rule("kv = true"), "5:6: `kv` is a table, not `true` or `false`"),
        (rule("call = [\"*\"]"), "5:9: `*` names no tool"),
        (rule("confirm = [\"destructive\"]"), "5:12: only the hints"),
        (rule("extended-engine = 1"), "5:19: write `true` here, not a number"),
    ] {
        let found = desk.refused(&text);
        assert!(found.lines().any(|line| line.contains(problem)), "{text}\nwanted: {problem}\nfound:\n{found}");
    }
}

#[test]
fn all_problems_are_told_at_once_in_their_order() {
    let desk = Desk::new();
    let text = "version = 1\nextra-ca = []\n[[rule]]\nname = \"ä\"\ntools = [\"ä\", \"*\"]\nkv = 1\n";
    let found = desk.refused(text);
    let places: Vec<_> = found.lines().map(|line| line.split(": ").next().unwrap_or_default()).collect();
    assert_eq!(places, ["2:12", "5:10", "5:15", "6:6"], "{found}");
}

#[test]
fn a_look_alike_of_a_granted_host_is_another_host() {
    let desk = Desk::new();
    let policy =
        desk.load(rule("network = [{ url = \"https://api.example.com/v1/\", methods = [\"GET\"] }]")).expect("reads");
    let Allow::Network(network) = &policy.rules()[0].allow[0] else { panic!("a network") };
    let covers = |authority: &str, path: &str| {
        toolcell_core::net::Target::parse("https", authority, path)
            .is_ok_and(|target| network.destination.covers(&target))
    };
    assert!(covers("api.example.com", "/v1/a"));
    for (authority, path) in [
        ("api.example.com.evil", "/v1/a"),
        ("evilapi.example.com", "/v1/a"),
        ("api.example.com", "/v10"),
        ("api.example.com", "/v1/../v2"),
        ("api.example.com:8443", "/v1/a"),
    ] {
        assert!(!covers(authority, path), "{authority}{path}");
    }
}

#[test]
fn a_flood_of_rules_or_problems_costs_little() {
    let desk = Desk::new();
    let mut rules = String::from("version = 1\n");
    while rules.len() < 1_000_000 {
        rules.push_str("[[rule]]\nname=\"");
        rules.push_str(&rules.len().to_string());
        rules.push_str("\"\nall-tools=true\nextended-engine=true\n");
    }
    let problems = desk.load(&rules).expect_err("too many").problems;
    assert_eq!(problems.len(), 1);
    assert!(problems[0].message.contains("at most 10000 rules"), "{problems:?}");
    let many = format!("version = 1\nrule = [{}]\n", "{},".repeat(300_000));
    let problems = desk.load(many).expect_err("nothing but problems");
    assert!(problems.problems.len() <= 101 && problems.more > 10_000, "{}", problems.more);
    for deep in ["[".repeat(500_000), "a.".repeat(400_000), "{a=".repeat(300_000), "\"".repeat(1_000_000)] {
        assert!(desk.load(format!("version = 1\nrule = {deep}")).is_err());
        assert!(desk.load(format!("version = 1\n{deep}")).is_err());
    }
}

#[test]
fn no_mutation_of_a_policy_makes_the_reader_break() {
    const PIECES: &[&str] = &[
        "",
        "\"",
        "[",
        "]",
        "{",
        "}",
        "=",
        "\n",
        ".",
        "*",
        "0",
        "-1",
        "1e400",
        "[[rule]]",
        "\u{0}",
        "é",
        "\u{202e}",
        "\\",
        "true",
        "#",
        "\"\"\"",
        "version",
        "2000-01-01",
    ];
    let desk = Desk::new();
    let file = desk.write("policy.toml", WHOLE);
    // An xorshift generator: the same mutations every time.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).expect("below a usize")
    };
    let mut read = 0;
    for _ in 0..4_000 {
        let mut text: Vec<char> = WHOLE.chars().collect();
        for _ in 0..=next(3) {
            let from = next(text.len());
            let to = (from + next(12)).min(text.len());
            let piece = PIECES[next(PIECES.len())].chars();
            text.splice(from..to, piece);
        }
        let text: String = text.into_iter().collect();
        let collected = Collected::default();
        let mut draft = Draft::new();
        draft.read(&file, &text, &collected);
        match collected.or(draft.policy()) {
            Ok(policy) => {
                read += 1;
                let _ = policy.digest();
            }
            Err(problems) => {
                let lines = text.split('\n').count();
                for problem in problems.problems {
                    let (line, column) = problem.place.expect("a problem of a text has a place");
                    assert!((1..=lines).contains(&line) && column >= 1, "{problem}");
                }
            }
        }
    }
    assert!(read > 0, "no mutation was harmless");
}
