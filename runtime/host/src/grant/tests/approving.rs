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
