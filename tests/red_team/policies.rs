//! Attacks through the text of policy: what looks as if it meant little and would mean everybody, and what nobody could have meant.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use toolcell_core::Limit;
use toolcell_core::net::Target;
use toolcell_host::Policy;
use toolcell_host::grant::{Decision, Question};

use super::lab::Lab;
use super::supply::{REGION, open, region, regional, write_policy};
use super::{component, limited};

/// Why a text is no policy, each reason with its place.
fn no_policy(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = write_policy(folder.path(), "policy.toml", text);
    match Policy::load(&file) {
        Ok(policy) => panic!("this is taken as policy: {text}\n{:?}", policy.rules()),
        Err(problems) => problems.to_string(),
    }
}

/// A rule that lets every tool send to a place.
fn sending(url: &str) -> String {
    format!(
        "version = 1\n[[rule]]\nname = \"out\"\nall-tools = true\nnetwork = [{{ url = \"{url}\", methods = [\"GET\"] }}]\n"
    )
}

#[test]
fn a_star_that_means_everybody_is_no_policy() {
    for url in [
        "*",
        "https://*",
        "https://*/",
        "http://*:80/",
        "https://**/",
        "https://*.com/",
        "https://*.co.uk/",
        "https://*.github.io/",
        "https://*example.com/",
        "https://example.*/",
        "https://*.*.example.com/",
        "https://api.*.com/",
        "https://*.10.0.0.1/",
        "https://*.[::1]/",
        "*://api.example.com/",
        "https://*.com./",
        "https://api.example.com/*",
        "https://api.example.com:*/",
        "https://*@api.example.com/",
        "//api.example.com/",
        "https://\u{ff0a}/",
    ] {
        let text = sending(url);
        if url == "https://api.example.com/*" {
            // A star in a path is a star in a path.
            let lab = Lab::new();
            lab.drop_in("tool", &component(REGION));
            let grant = open(&lab, text.strip_prefix("version = 1\n").unwrap()).explain("tool.region").unwrap();
            let target = Target::parse("https", "api.example.com", "/v1").unwrap();
            let decided = grant.decide(&Question::Request { method: "GET", target: &target });
            assert!(matches!(decided, Decision::Refused { .. }), "{decided:?}");
            continue;
        }
        let problems = no_policy(&text);
        assert!(problems.contains("policy.toml:5:20: "), "{url}: {problems}");
    }
}

#[test]
fn a_host_that_begins_or_ends_like_a_granted_one_is_another_host() {
    let lab = Lab::new();
    lab.drop_in("tool", &component(REGION));
    let granted = |url: &str, authority: &str| {
        let grant = open(&lab, sending(url).strip_prefix("version = 1\n").unwrap()).explain("tool.region").unwrap();
        let Ok(target) = Target::parse("https", authority, "/") else { return false };
        matches!(grant.decide(&Question::Request { method: "GET", target: &target }), Decision::Granted { .. })
    };
    assert!(granted("https://api.x.com/", "api.x.com") && granted("https://api.x.com/", "API.X.COM.:443"));
    assert!(granted("https://*.x.com/", "api.x.com"));
    for authority in [
        "api.x.com.evil",
        "api.x.com.evil.net",
        "evil-api.x.com",
        "evilapi.x.com",
        "x.com",
        "api.x.co",
        "pi.x.com",
        "api.x.comm",
        "api-x.com",
        "api.x.com:8443",
        "api.x.com@evil.net",
        "evil.net#api.x.com",
        "api.x.com\\@evil.net",
        "\u{430}pi.x.com",
        "api.x.com%2eevil.net",
        "api.x.com\0.evil.net",
        "api..x.com",
        "www.api.x.com",
    ] {
        assert!(!granted("https://api.x.com/", authority), "{authority:?}");
    }
    for authority in ["x.com", "ax.com", "api.x.com.evil", "api.x.com.evil.net", "x.com.api", "api.x.com.evil.x.co"] {
        assert!(!granted("https://*.x.com/", authority), "{authority:?}");
    }
}

#[test]
fn a_policy_with_a_duplicate_or_unknown_word_is_no_policy_at_all() {
    let good = format!("version = 1\n{}", regional("tools = [\"tool\"]"));
    let folder = tempfile::tempdir().unwrap();
    assert!(Policy::load(&write_policy(folder.path(), "policy.toml", &good)).is_ok());
    for (text, problem) in [
        (format!("version = 1\n{good}"), "2:1: "),
        (good.replace("version = 1\n", ""), "`version` is missing"),
        (good.replace("version = 1", "version = 2"), "version"),
        (good.replace("version = 1", "version = 1\nallow-all = true"), "2:1: "),
        (good.replace("version = 1", "version = 1\nrequire_approval = true"), "2:1: "),
        (good.replace("version = 1", "version = 1\nrequire-approval = true\nrequire-approval = false"), "3:1: "),
        (good.replace("tools =", "tool ="), "a rule has no key `tool`"),
        (good.replace("tools = [\"tool\"]", "tools = [\"tool\"]\ntools = [\"else\"]"), "5:1: "),
        (good.replace("tools =", "all-tools = true\ntools ="), "exclude"),
        (good.replace("tools = [\"tool\"]", "tools = [\"*\"]"), "4:10: "),
        (good.replace("tools = [\"tool\"]", "all-tools = \"yes\""), "4:13: "),
        (good.replace("tools = [\"tool\"]", "signers = [\"everybody\"]"), "signer"),
        (good.replace("region = \"eu\"", "region = \"eu\", region = \"us\""), "5:"),
        (format!("{good}{}", regional("tools = [\"else\"]")), "7:8: another rule has this name"),
        (good.replace("config", "Config"), "5:1: "),
        (good.replace("config", "sudo = true\nconfig"), "5:1: "),
        (good.replace("[[rule]]", "[rule]"), "2:"),
        (good.replace("[[rule]]", "[[rules]]"), "2:"),
        (good.replace("name = \"regional\"\n", ""), "`name` is missing"),
        (format!("{good}\0"), ""),
        (format!("\u{feff}{good}\u{feff}"), ""),
        (good.replace("tools", "t\u{43e}ols"), "4:2: "),
    ] {
        let problems = no_policy(&text);
        assert!(problems.contains(problem), "{text}\n{problems}");
    }
    // One bad file of a folder: none of the others counts either.
    let folder = tempfile::tempdir().unwrap();
    write_policy(folder.path(), "10-good.toml", &good);
    assert!(Policy::load(folder.path()).is_ok());
    write_policy(folder.path(), "20-bad.toml", "version = 1\nallow-all = true\n");
    assert!(Policy::load(folder.path()).is_err());
    // What others can write to, and what is no file of policy but lies among them, is refused too.
    fs::remove_file(folder.path().join("20-bad.toml")).unwrap();
    fs::set_permissions(folder.path().join("10-good.toml"), fs::Permissions::from_mode(0o666)).unwrap();
    assert!(Policy::load(folder.path()).is_err());
}

#[test]
fn an_empty_list_means_none_and_never_all() {
    let base = "version = 1\n[[rule]]\nname = \"a\"\n";
    for rest in [
        "tools = []\nconfig = { region = \"eu\" }",
        "digests = []\nconfig = { region = \"eu\" }",
        "signers = []\nconfig = { region = \"eu\" }",
        "config = { region = \"eu\" }",
        "tenants = [\"acme\"]\nconfig = { region = \"eu\" }",
        "tools = [\"tool\"]\ntenants = []\nconfig = { region = \"eu\" }",
        "tools = [\"tool\"]\nnetwork = []",
        "tools = [\"tool\"]\nnetwork = [{}]",
        "tools = [\"tool\"]\nnetwork = [{ url = \"https://a.example/\", methods = [] }]",
        "tools = [\"tool\"]\nnetwork = [{ url = \"\", methods = [\"GET\"] }]",
        "tools = [\"tool\"]\nnetwork = [{ any-public-host = [], methods = [\"GET\"] }]",
        "tools = [\"tool\"]\nsecrets = []",
        "tools = [\"tool\"]\ncall = []",
        "tools = [\"tool\"]\nmounts = []",
        "tools = [\"tool\"]\nconfirm = []",
        "tools = [\"tool\"]\nconfig = {}",
        "tools = [\"tool\"]\nlimits = {}",
        "tools = [\"\"]\nconfig = { region = \"eu\" }",
        "tools = [\"tool\"]",
    ] {
        no_policy(&format!("{base}{rest}\n"));
    }
    no_policy("");
    no_policy("version = 1\nrule = []\n");
    // Nothing said is nothing allowed.
    let lab = Lab::new();
    lab.drop_in("tool", &component(REGION));
    let host = open(&lab, "");
    assert_eq!(region(&lab, &host, "tool"), "null");
    assert!(host.explain("tool.region").unwrap().lines().is_empty());
    // A folder without files is more likely the wrong folder than a policy.
    let folder = tempfile::tempdir().unwrap();
    assert!(Policy::load(folder.path()).is_err());
}

#[test]
fn no_order_of_files_or_rules_makes_a_grant_wider() {
    let lab = Lab::new();
    lab.drop_in("tool", &component(REGION));
    let narrow = "[[rule]]\nname = \"narrow\"\ntools = [\"tool\"]\nlimits = { fuel = 5_000_000 }\nconfig = { region = \"eu\" }\n";
    let wide = "[[rule]]\nname = \"wide\"\nall-tools = true\nlimits = { fuel = 9_000_000_000 }\n";
    let against = "[[rule]]\nname = \"against\"\nall-tools = true\nconfig = { region = \"us\" }\n";
    let rules = [narrow, wide, against];
    let mut seen = BTreeSet::new();
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let host = open(&lab, &order.map(|rule| rules[rule]).concat());
        let grant = host.explain("tool.region").unwrap();
        assert_eq!(grant.limits().get(Limit::Fuel), 5_000_000, "the narrower holds");
        assert_eq!(region(&lab, &host, "tool"), "null", "two that contradict each other give nothing");
        // The same in files of their own, whose names sort in every order.
        let folder = tempfile::tempdir().unwrap();
        for (place, rule) in order.into_iter().enumerate() {
            write_policy(folder.path(), &format!("{place}.toml"), &format!("version = 1\n{}", rules[rule]));
        }
        let policy = Policy::load(folder.path()).unwrap();
        let host = lab.open(limited(&[]), |settings| settings.policy = policy.clone());
        assert_eq!(host.explain("tool.region").unwrap().limits().get(Limit::Fuel), 5_000_000);
        assert_eq!(region(&lab, &host, "tool"), "null");
        seen.insert(policy.digest());
    }
    assert_eq!(seen.len(), 1, "one policy, however it is written down");
    // A general limit is no ceiling for a rule that names the tool, and no rule of another tool lifts it.
    let text = format!("[limits]\nfuel = 1_000_000\n{}", narrow.replace("\"tool\"", "\"else\""));
    assert_eq!(open(&lab, &text).explain("tool.region").unwrap().limits().get(Limit::Fuel), 1_000_000);
}
