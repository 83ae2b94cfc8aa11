//! Both ways for every capability: what is granted, and what is refused with the words that would change it.

mod approving;
mod covering;
mod reaching;

use toolcell_core::manifest::Access;
use toolcell_core::{Tenant, ToolId};

use super::*;
use crate::policy::Whom;

fn tool() -> ToolId {
    "search.query".parse().expect("an id")
}

fn manifest(text: &str) -> Manifest {
    Manifest::parse(format!("name = \"search\"\nversion = \"0.1.0\"\n{text}").as_bytes()).expect("a manifest")
}

/// A policy with rules as an operator writes them.
fn policy(rules: &str) -> Policy {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("docs")).expect("a folder");
    std::fs::create_dir(folder.path().join("other")).expect("a folder");
    let file = folder.path().join("policy.toml");
    std::fs::write(&file, format!("version = 1\n{rules}")).expect("writes");
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("sets");
    Policy::load(&file).unwrap_or_else(|problems| panic!("{problems}"))
}

/// One rule for the tool's component, with a name.
fn rule(name: &str, lines: &str) -> String {
    format!("[[rule]]\nname = \"{name}\"\ntools = [\"search\"]\n{lines}\n")
}

fn met(manifest: Option<&Manifest>, policy: &Policy) -> Grant {
    met_for(manifest, policy, &Tenant::default(), &Approvals::NotRequired)
}

fn met_for(manifest: Option<&Manifest>, policy: &Policy, tenant: &Tenant, approvals: &Approvals) -> Grant {
    let tool = tool();
    let subject = Subject { tool: &tool, component: Digest::of(b""), signers: &[], tenant };
    grant(&subject, manifest.map(|manifest| (manifest, Digest::of(b"manifest"))), policy, approvals)
}

fn mounted(access: Access) -> Policy {
    let folder = tempfile::tempdir().expect("a folder");
    Policy::deny_all().mount(Pattern::Any, folder.path(), "/docs", access).expect("mounts")
}

/// The reason of the only refusal about something.
fn reason(grant: &Grant, about: &str) -> String {
    let found: Vec<_> = grant.refusals.iter().filter(|refusal| refusal.what.contains(about)).collect();
    assert_eq!(found.len(), 1, "{about}: {:?}", grant.refusals);
    found[0].reason.clone()
}

const GREEDY: &str = r#"
[hints]
read-only = true
[capabilities]
filesystem = [{ guest = "/docs", access = "read-write" }]
network = [{ url = "https://api.example.com/v1/", methods = ["GET", "POST"] }, { any-public-host = ["https"], methods = ["GET"] }]
secrets = [{ name = "key", url = "https://api.example.com/v1/", header = "X-Key" }]
kv = { keys = 100, value-bytes = "64 KiB", total-bytes = "1 MiB" }
tools = ["json.query"]
config = ["region"]
"#;

const GENEROUS: &str = r#"
mounts = [{ host = "docs", guest = "/docs", access = "read-write" }]
network = [{ url = "https://api.example.com/", methods = ["GET", "POST", "DELETE"] }, { any-public-host = ["https"], methods = ["GET"] }]
secrets = [{ name = "key", from = "operators-key", url = "https://api.example.com/", header = "x-key" }]
kv = { keys = 1000, value-bytes = "1 KiB", total-bytes = "8 MiB" }
call = ["json"]
config = { region = "eu" }
extended-engine = true
confirm = ["read-only"]
"#;

#[test]
fn an_empty_policy_grants_nothing_whatever_is_requested() {
    let grant = met(Some(&manifest(GREEDY)), &Policy::deny_all());
    assert!(grant.mounts.is_empty() && grant.config.is_empty() && !grant.extended);
    assert!(grant.network.is_empty() && grant.secrets.is_empty() && grant.calls.is_empty() && grant.kv.is_none());
    assert!(grant.lines.is_empty() && grant.hints_confirmed == Hints::default());
    assert_eq!(grant.refusals.len(), 7, "{:?}", grant.refusals);
    // Every refusal names a line that would do, and with all of them everything is granted.
    let lines: Vec<_> = grant.refusals.iter().map(|refusal| refusal.toml.clone().expect("a line")).collect();
    let rules: Vec<_> = lines.iter().enumerate().map(|(n, line)| rule(&n.to_string(), line)).collect();
    let allowed = policy(&rules.concat().replace("HOST_FOLDER", "docs"));
    let grant = met(Some(&manifest(GREEDY)), &allowed);
    assert_eq!(grant.refusals, []);
    assert_eq!(grant.lines.len(), 7, "{:?}", grant.lines);
}

#[test]
fn a_grant_is_the_meeting_of_both_sides_in_lines_that_a_person_can_read() {
    let grant = met(Some(&manifest(GREEDY)), &policy(&rule("docs", GENEROUS)));
    assert_eq!(
        grant.lines,
        [
            "call json.query",
            "config region",
            "extended engine",
            "kv 100 keys, 1 KiB each, 1 MiB in all",
            "mount /docs read-write",
            "network GET any public host by https",
            "network GET,POST https://api.example.com/v1/",
            "secret key to https://api.example.com/v1/ in header x-key",
        ]
    );
    assert_eq!(grant.refusals, []);
    assert_eq!(grant.secrets[0].from, "operators-key");
    assert_eq!(grant.network[0].rule, "docs");
    assert_eq!(*grant.calls, [Pattern::Tool("json.query".parse().expect("an id"))]);
    assert_eq!(grant.hints_confirmed, Hints { read_only: Some(true), ..Hints::default() });
}

#[test]
fn a_plain_component_gets_what_the_rules_that_name_it_say() {
    let grant = met(None, &policy(&rule("docs", GENEROUS)));
    assert_eq!(grant.lines.len(), 8);
    assert!(grant.lines.contains(&"network DELETE,GET,POST https://api.example.com/".to_owned()));
    assert!(grant.lines.contains(&"call json".to_owned()));
    assert_eq!(met(None, &mounted(Access::ReadWrite)).mounts.len(), 1);
    let other = policy(&rule("docs", GENEROUS).replace("\"search\"", "\"other\", \"search.other\", \"searc\""));
    assert!(met(None, &other).lines.is_empty());
}

#[test]
fn the_manifest_is_a_ceiling() {
    let asks_read = manifest("[capabilities]\nfilesystem = [{ guest = \"/docs\", access = \"read-only\" }]");
    assert_eq!(met(Some(&asks_read), &mounted(Access::ReadWrite)).mounts[0].access, Access::ReadOnly);
    let asks_nothing = manifest("");
    let grant = met(Some(&asks_nothing), &mounted(Access::ReadOnly));
    assert!(grant.mounts.is_empty());
    assert!(grant.refusals[0].reason.contains("requests no folder at all"), "{:?}", grant.refusals);
    let grant = met(Some(&asks_nothing), &policy(&rule("docs", GENEROUS)));
    assert_eq!(grant.lines, ["extended engine"], "the engine is no capability of the author's to ask for");
    assert_eq!(grant.refusals.len(), 8, "{:?}", grant.refusals);
    assert!(grant.refusals.iter().all(|refusal| refusal.reason.contains("rule `docs`") && refusal.toml.is_none()));
    assert!(reason(&grant, "kv").contains("[capabilities] kv"));
}

#[test]
fn only_the_tenants_of_a_rule_have_what_it_allows() {
    let policy = policy(&rule("docs", "tenants = [\"acme\"]\nextended-engine = true"));
    let of = |tenant: &str| met_for(None, &policy, &Tenant(tenant.into()), &Approvals::NotRequired).extended;
    assert!(of("acme"));
    assert!(!of("acm") && !of("acme2") && !of("ACME") && !of("local"));
}

#[test]
fn every_condition_of_a_rule_must_hold() {
    let (ours, other) = (Digest::of(b""), Digest::of(b"other"));
    let of = |lines: &str| met(None, &policy(&rule("a", &format!("{lines}\nextended-engine = true")))).extended;
    assert!(of(&format!("digests = [\"{other}\", \"{ours}\"]")));
    assert!(!of(&format!("digests = [\"{other}\"]")));
    let key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    let signed = policy(&rule("a", &format!("signers = [\"{key}\"]\nextended-engine = true")));
    let (tool, tenant) = (tool(), Tenant::default());
    let by = |signers| {
        let subject = Subject { tool: &tool, component: ours, signers, tenant: &tenant };
        grant(&subject, None, &signed, &Approvals::NotRequired).extended
    };
    assert!(!by(&[]), "a signature that is asked for and is not there grants nothing");
    assert!(by(&[key.parse().expect("a key")]));
}

#[test]
fn limits_only_shrink_by_request_and_only_grow_by_rule() {
    let asks = manifest("[limits]\nmemory = \"1 MiB\"\nfuel = 9_000_000_000_000");
    let granted = met(Some(&asks), &Policy::deny_all());
    assert_eq!(granted.limits.get(Limit::Memory), 1 << 20);
    assert_eq!(granted.limits.get(Limit::Fuel), Limit::Fuel.row().default);
    let more = Rule::new(Pattern::Tool(tool()), Allow::Limit(Limit::Fuel, 30_000_000_000));
    let granted = met(None, &Policy::deny_all().rule(more));
    assert_eq!(granted.limits.get(Limit::Fuel), 30_000_000_000);
}

#[test]
fn of_two_rules_for_one_thing_the_narrower_holds() {
    let two = policy(&[
        rule("a", "limits = { fuel = 5 }\nmounts = [{ host = \"docs\", guest = \"/docs\", access = \"read-write\" }]\nkv = { keys = 5, value-bytes = 9, total-bytes = 90 }"),
        rule("b", "limits = { fuel = 7 }\nmounts = [{ host = \"other\", guest = \"/docs\", access = \"read-only\" }]\nkv = { keys = 9, value-bytes = 5, total-bytes = 99 }"),
    ].concat());
    let grant = met(None, &two);
    assert_eq!(grant.limits.get(Limit::Fuel), 5);
    assert_eq!(grant.mounts[0].access, Access::ReadOnly);
    assert_eq!(grant.kv, Some(KvQuota { keys: 5, value_bytes: 5, total_bytes: 90 }));
}

#[test]
fn rules_that_contradict_each_other_give_nothing() {
    let mount = |host: &str| format!("mounts = [{{ host = \"{host}\", guest = \"/docs\", access = \"read-only\" }}]");
    let two = policy(&[rule("a", &mount("docs")), rule("b", &mount("other"))].concat());
    let grant = met(None, &two);
    assert!(grant.mounts.is_empty());
    assert!(reason(&grant, "/docs").contains("rules `a` and `b` contradict"));
    assert_eq!(met(None, &policy(&[rule("a", &mount("docs")), rule("b", &mount("./docs"))].concat())).mounts.len(), 1);

    let config = |value: &str| format!("config = {{ region = \"{value}\" }}");
    let two = policy(&[rule("a", &config("eu")), rule("b", &config("us"))].concat());
    assert!(met(None, &two).config.is_empty());
    assert_eq!(met(None, &policy(&[rule("a", &config("eu")), rule("b", &config("eu"))].concat())).config.len(), 1);
}

#[test]
fn what_the_operator_says_in_person_decides_over_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = policy(&rule(
        "a",
        "limits = { fuel = 5 }\nconfig = { region = \"eu\" }\nmounts = [{ host = \"docs\", guest = \"/docs\", access = \"read-only\" }]",
    ));
    let said = files
        .mount(Pattern::Any, folder.path(), "/docs", Access::ReadWrite)
        .expect("mounts")
        .rule(Rule::new(Pattern::Any, Allow::Config { key: "region".into(), value: "us".into() }))
        .rule(Rule::new(Whom::default(), Allow::Limit(Limit::Fuel, 7)));
    let grant = met(None, &said);
    assert_eq!(grant.limits.get(Limit::Fuel), 7);
    assert_eq!(grant.config["region"], "us");
    assert_eq!(grant.mounts[0].access, Access::ReadWrite);
    assert_eq!(grant.refusals, []);
}

#[test]
fn a_hint_needs_the_author_and_the_operator() {
    let confirm = policy(&rule("a", "confirm = [\"read-only\", \"idempotent\"]"));
    let of = |text: &str| met(Some(&manifest(text)), &confirm).hints_confirmed;
    assert_eq!(of("[hints]\nread-only = true").read_only, Some(true));
    assert_eq!(of("[hints]\nread-only = true\n[tools.query.hints]\nread-only = false").read_only, None);
    assert_eq!(of(""), Hints::default());
    assert_eq!(
        met(Some(&manifest("[hints]\nread-only = true")), &Policy::deny_all()).hints_confirmed,
        Hints::default()
    );
    assert_eq!(met(None, &confirm).hints_confirmed.idempotent, Some(true));
}

#[test]
fn only_the_operator_can_say_that_results_may_be_kept() {
    let kept = |text: &str, policy: &Policy| met(Some(&manifest(text)), policy).keeps_results;
    assert!(kept("", &policy(&rule("a", "confirm = [\"keeps-results\"]"))));
    assert!(!kept("[hints]\nread-only = true", &policy(&rule("a", "confirm = [\"read-only\"]"))));
    assert!(!kept("", &Policy::deny_all()));
}

#[test]
fn the_order_of_rules_never_matters() {
    let rules = [
        rule("a", GENEROUS),
        rule(
            "b",
            "network = [{ url = \"https://api.example.com/v1/\", methods = [\"GET\"], redirects = \"follow\" }]\nlimits = { fuel = 9 }",
        ),
        rule(
            "c",
            "config = { region = \"us\" }\nlimits = { fuel = 5 }\nkv = { keys = 5, value-bytes = 9, total-bytes = 90 }",
        ),
        rule(
            "d",
            "secrets = [{ name = \"key\", from = \"another\", url = \"https://api.example.com/v1/\", header = \"X-Key\" }]\ncall = [\"json.query\", \"table\"]",
        ),
        rule("e", "mounts = [{ host = \"docs\", guest = \"/docs\", access = \"read-only\" }]"),
    ];
    let seen = |order: &[usize], manifest: Option<&Manifest>| {
        let text: String = order.iter().map(|index| rules[*index].as_str()).collect();
        let grant = met(manifest, &policy(&text));
        let mounts: Vec<_> = grant.mounts.iter().map(|mount| (mount.guest.clone(), mount.access)).collect();
        format!(
            "{:?}",
            (
                grant.limits,
                mounts,
                grant.config,
                grant.network,
                grant.secrets,
                grant.kv,
                grant.calls,
                grant.refusals,
                grant.lines
            )
        )
    };
    let greedy = manifest(GREEDY);
    for manifest in [None, Some(&greedy)] {
        let first = seen(&[0, 1, 2, 3, 4], manifest);
        let mut order = [0, 1, 2, 3, 4];
        // Every rotation and every reversal of a part stands for every order.
        for turn in 0..5 {
            order.rotate_left(1);
            for end in 2..=5 {
                let mut shuffled = order;
                shuffled[turn.min(end - 2)..end].reverse();
                assert_eq!(seen(&shuffled, manifest), first, "{shuffled:?}");
            }
        }
    }
}
