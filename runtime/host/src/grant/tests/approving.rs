//! Approvals: what was approved holds, and anything wider, or other bytes, makes the tool inert.

use super::*;

fn approved(lines: &[&str]) -> Approval {
    Approval {
        component: Digest::of(b""),
        manifest: Some(Digest::of(b"manifest")),
        lines: lines.iter().map(|line| (*line).to_owned()).collect(),
    }
}

fn held(approval: Option<Approval>) -> Grant {
    let approvals = Approvals::Required(approval.map(|approval| (tool(), approval)).into_iter().collect());
    let asked = manifest("[capabilities]\nconfig = [\"region\"]\ntools = [\"json.query\"]");
    let policy = policy(&rule("a", "config = { region = \"eu\" }\ncall = [\"json\"]\nlimits = { fuel = 5 }"));
    met_for(Some(&asked), &policy, &Tenant::default(), &approvals)
}

#[test]
fn what_was_approved_holds_and_so_does_less() {
    for lines in [&["call json.query", "config region"][..], &["call json.query", "config region", "extended engine"]] {
        let grant = held(Some(approved(lines)));
        assert_eq!(grant.inert, None);
        assert!(grant.config.len() == 1 && grant.calls.len() == 1);
    }
}

#[test]
fn without_a_fitting_approval_nothing_is_granted_and_the_tool_is_inert() {
    let other_bytes = Approval { component: Digest::of(b"x"), ..approved(&["call json.query", "config region"]) };
    let other_manifest = Approval { manifest: None, ..approved(&["call json.query", "config region"]) };
    for (approval, why, added) in [
        (None, "there is none", 2),
        (Some(other_bytes), "with other bytes, sha256:2d711642", 0),
        (Some(other_manifest), "with another manifest", 0),
        (Some(approved(&["config region"])), "wider than what was approved", 1),
        (Some(approved(&[])), "wider than what was approved", 2),
    ] {
        let grant = held(approval);
        let inert = grant.inert.clone().expect("inert");
        assert!(inert.reason.contains(why) && inert.reason.contains("`toolcell approve search.query`"), "{inert:?}");
        assert_eq!(inert.added.len(), added, "{inert:?}");
        assert!(grant.config.is_empty() && grant.calls.is_empty() && grant.kv.is_none() && !grant.extended);
        assert_eq!(grant.lines.len(), 2, "a reviewer sees what there is to approve");
        assert_eq!(grant.limits.get(Limit::Fuel), 5);
        assert!(
            matches!(grant.decide(&Question::Secret("x")), Decision::Refused { reasons } if reasons[0] == inert.reason)
        );
    }
}

/// A tool under rules of today, approved when it had these.
fn approved_then(before: &str, today: &str) -> Grant {
    let asked = manifest(
        r#"
[capabilities]
kv = { keys = 100, value-bytes = "1 MiB", total-bytes = "10 MiB" }
network = [{ url = "https://api.example.com/", methods = ["GET", "POST"], reason = "to ask" }]
secrets = [
    { name = "key", url = "https://api.example.com/", header = "x-key", reason = "to be let in" },
    { name = "other", url = "https://api.example.com/", header = "y-key", reason = "to be let in" },
]
"#,
    );
    let seen = met(Some(&asked), &policy(&rule("then", before)));
    let approval = Approval {
        component: Digest::of(b""),
        manifest: Some(Digest::of(b"manifest")),
        lines: seen.lines.into_iter().collect(),
    };
    let approvals = Approvals::Required([(tool(), approval)].into());
    met_for(Some(&asked), &policy(&rule("now", today)), &Tenant::default(), &approvals)
}

const KEY: &str = r#"secrets = [{ name = "key", from = "k", url = "https://api.example.com/", header = "x-key" }]"#;
const KEYS: &str = r#"secrets = [
    { name = "key", from = "k", url = "https://api.example.com/", header = "x-key" },
    { name = "other", from = "o", url = "https://api.example.com/", header = "y-key" },
]"#;

#[test]
fn what_has_become_narrower_stays_approved_and_what_has_become_wider_does_not() {
    let kv = |keys: u64| format!("kv = {{ keys = {keys}, value-bytes = \"1 KiB\", total-bytes = \"1 MiB\" }}");
    let network = |path: &str, methods: &str| {
        format!("network = [{{ url = \"https://api.example.com/{path}\", methods = [{methods}] }}]")
    };
    for (wide, narrow) in [
        (kv(50), kv(10)),
        (network("", "\"GET\", \"POST\""), network("", "\"GET\"")),
        (network("", "\"GET\""), network("v1/", "\"GET\"")),
        (network("v1", "\"GET\", \"POST\""), network("v1/x", "\"POST\"")),
        (KEYS.to_owned(), KEY.to_owned()),
        (KEY.to_owned(), KEY.replace("com/", "com/v1/")),
        (KEYS.to_owned(), "confirm = [\"read-only\"]".to_owned()),
    ] {
        let still = approved_then(&wide, &narrow);
        assert_eq!(still.inert, None, "{narrow} was approved with {wide}");
        let grown = approved_then(&narrow, &wide);
        let inert = grown.inert.expect("wider than what was approved");
        assert!(!inert.added.is_empty() && grown.kv.is_none() && grown.network.is_empty() && grown.secrets.is_empty());
    }
}

#[test]
fn the_difference_names_what_is_wider_and_what_is_gone_and_not_what_is_merely_narrower() {
    let kv = "kv = { keys = 5, value-bytes = \"1 KiB\", total-bytes = \"1 MiB\" }\n";
    let inert =
        approved_then(&format!("{kv}{KEYS}"), &format!("{}{KEY}", kv.replace("= 5", "= 6"))).inert.expect("wider");
    assert_eq!(inert.added, ["kv 6 keys, 1 KiB each, 1 MiB in all"]);
    assert_eq!(inert.removed, ["secret other to https://api.example.com/ in header y-key"]);
}

#[test]
fn what_is_no_longer_granted_is_told_with_what_is_new() {
    let inert = held(Some(approved(&["config region", "kv 1 keys, 1 B each, 1 B in all"]))).inert.expect("inert");
    assert_eq!(inert.added, ["call json.query"]);
    assert_eq!(inert.removed, ["kv 1 keys, 1 B each, 1 B in all"]);
}

#[test]
fn an_approval_of_one_tool_is_of_no_other() {
    let other = Approvals::Required([("search.stats".parse().expect("an id"), approved(&[]))].into());
    assert!(met_for(None, &Policy::deny_all(), &Tenant::default(), &other).inert.is_some());
}
