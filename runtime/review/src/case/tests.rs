use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use toolcell_core::Clock;
use toolcell_host::catalog::State;

use super::*;
use crate::lock::Lock;

const GO: &str = r#"(component
  (core module $m (func (export "go")))
  (core instance $i (instantiate $m))
  (func (export "go") (canon lift (core func $i "go"))))"#;

/// A clock long after every file was written, so that all of them have settled.
struct Late;

impl Clock for Late {
    fn now(&self) -> UnixMillis {
        UnixMillis(4_000_000_000_000)
    }
}

fn component(manifest: Option<&str>) -> Arc<Component> {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("go.wasm"), wat::parse_str(GO).expect("a component")).expect("writes");
    if let Some(text) = manifest {
        let text = format!("name = \"go\"\nversion = \"1\"\n{text}");
        fs::write(folder.path().join("go.toml"), text).expect("writes");
    }
    let snapshot = toolcell_host::look(vec![folder.path().to_owned()], Arc::new(Late));
    match snapshot.component("go").map(|listed| &listed.state) {
        Some(State::Ready(component) | State::Changing(component)) => component.clone(),
        other => panic!("{other:?}"),
    }
}

fn policy(text: &str) -> Policy {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("policy.toml");
    fs::write(&file, format!("version = 1\nrequire-approval = true\n{text}")).expect("writes");
    fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("sets");
    Policy::load(&file).unwrap_or_else(|problems| panic!("{problems}"))
}

fn case(component: &Component, policy: &Policy) -> Case {
    Reviewer::new(policy).expect("few tenants").case(component, &component.tools[0])
}

/// What the host makes of an approval, which has to be what [`Case::standing`] says.
#[track_caller]
fn stands(component: &Component, policy: &Policy, approved: &Approved, expected: &Standing) {
    let mut lock = Lock::default();
    lock.approve("go.go".parse().expect("an id"), approved.clone());
    let grant = grant_of(component, &component.tools[0], &Tenant::default(), policy, &lock.approvals());
    assert_eq!(grant.inert().is_none(), *expected == Standing::Holds, "{:?}", grant.inert());
    assert_eq!(case(component, policy).standing(Some(approved)), *expected);
}

const WIDE: &str = "[[rule]]\nname = \"wide\"\nall-tools = true\nconfig = { region = \"eu\", unit = \"m\" }\n";
const NARROW: &str = "[[rule]]\nname = \"narrow\"\nall-tools = true\nconfig = { region = \"eu\" }\n";

#[test]
fn the_host_holds_a_tool_to_exactly_what_the_reviewer_approved() {
    let (plain, narrow, wide) = (component(None), policy(NARROW), policy(WIDE));
    let seen = case(&plain, &narrow);
    assert_eq!(seen.lines(), BTreeSet::from(["config region".to_owned()]));
    assert_eq!(seen.standing(None), Standing::Unapproved);
    let approved = seen.approved("ada", UnixMillis(0));
    stands(&plain, &narrow, &approved, &Standing::Holds);
    stands(&plain, &policy(""), &approved, &Standing::Holds);
    stands(&plain, &wide, &approved, &Standing::Wider);
    assert_eq!(case(&plain, &wide).since(&approved).added, ["config unit"]);
    let other = Approved { component: Digest::of(b"other"), ..approved.clone() };
    stands(&plain, &narrow, &other, &Standing::OtherComponent);
    let declared = component(Some("[capabilities]\nconfig = [\"region\"]\n"));
    stands(&declared, &narrow, &approved, &Standing::OtherManifest);
    stands(&declared, &wide, &case(&declared, &wide).approved("ada", UnixMillis(0)), &Standing::Holds);
}

#[test]
fn an_approval_covers_what_every_tenant_may_do_and_says_for_whom_it_is() {
    let plain = component(None);
    let text = format!(
        "{NARROW}[[rule]]\nname = \"big\"\nall-tools = true\ntenants = [\"big\", \"any\"]\nconfig = {{ unit = \"m\" }}\n"
    );
    let policy = policy(&text);
    let seen = case(&plain, &policy);
    assert_eq!(seen.lines().len(), 2);
    assert_eq!(seen.only_for("config region"), None);
    let tenants: Vec<_> = seen.only_for("config unit").expect("not for all").iter().map(|tenant| &*tenant.0).collect();
    assert_eq!(tenants, ["any", "big"]);
    let mut lock = Lock::default();
    lock.approve("go.go".parse().expect("an id"), seen.approved("ada", UnixMillis(0)));
    for tenant in ["local", "big", "any", "nobody"] {
        let grant = grant_of(&plain, &plain.tools[0], &Tenant(tenant.into()), &policy, &lock.approvals());
        assert!(grant.inert().is_none(), "{tenant}: {:?}", grant.inert());
    }
}

#[test]
fn a_policy_that_tells_too_many_tenants_apart_is_not_reviewed_in_part() {
    let names: Vec<_> = (0..=MAX_TENANTS).map(|number| format!("\"t{number}\"")).collect();
    let text = format!(
        "[[rule]]\nname = \"a\"\nall-tools = true\ntenants = [{}]\nconfig = {{ a = \"b\" }}\n",
        names.join(",")
    );
    assert_eq!(Reviewer::new(&policy(&text)).expect_err("many"), TooManyTenants(MAX_TENANTS + 1));
}

#[test]
fn what_is_asked_for_and_not_granted_is_refused_and_its_risk_is_told_apart() {
    let greedy = component(Some(
        "[hints]\ndestructive = true\n[capabilities]\nfilesystem = [{ guest = \"/data\", access = \"read-write\" }]\n",
    ));
    let seen = case(&greedy, &policy(""));
    assert!(seen.lines().is_empty());
    assert!(seen.refusals.iter().any(|refusal| refusal.what.contains("/data")), "{:?}", seen.refusals);
    let has = |risks: &[Risk], word: &str| risks.iter().any(|risk| risk.sentence.contains(word));
    assert!(has(&seen.risks(), "destroy") && !has(&seen.risks(), "/data"));
    assert!(has(&seen.risks_of_request(), "/data") && !has(&seen.risks_of_request(), "destroy"));
}

#[test]
fn the_folder_behind_a_mount_is_shown_and_not_approved() {
    let (plain, folders) = (component(None), tempfile::tempdir().expect("a folder"));
    let mounting = |name: &str| {
        let host = folders.path().join(name);
        fs::create_dir(&host).expect("a folder");
        let mounts = format!("mounts = [{{ host = {host:?}, guest = \"/docs\", access = \"read-only\" }}]");
        (policy(&format!("[[rule]]\nname = \"a\"\nall-tools = true\n{mounts}\n")), host)
    };
    let ((first, host), (second, other)) = (mounting("one"), mounting("two"));
    let seen = case(&plain, &first);
    assert_eq!(seen.folders, BTreeMap::from([("/docs".to_owned(), BTreeSet::from([host]))]));
    assert_eq!(case(&plain, &second).folders["/docs"], BTreeSet::from([other]));
    stands(&plain, &second, &seen.approved("ada", UnixMillis(0)), &Standing::Holds);
}

#[test]
fn the_demand_for_approvals_does_not_hide_what_would_be_granted() {
    let plain = component(None);
    let wide = policy(WIDE);
    let held = grant_of(&plain, &plain.tools[0], &Tenant::default(), &wide, &BTreeMap::new());
    assert!(held.inert().is_some());
    assert_eq!(case(&plain, &wide).lines().len(), 2);
    assert_eq!(case(&plain, &wide).policy, wide.digest());
}

#[test]
fn the_reviewers_guide_names_every_way_in_which_an_approval_does_not_fit() {
    let guide = include_str!("../../README.md");
    for standing in [Standing::OtherComponent, Standing::OtherManifest, Standing::Wider] {
        assert!(guide.contains(&format!("`{}`", standing.name())), "{standing:?}");
    }
}
