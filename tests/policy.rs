//! Policies as an operator writes them, held to by a host.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use toolcell_core::{Kind, Tenant, Verdict};
use toolcell_host::Policy;
use toolcell_host::grant::{Decision, Question};

use crate::support::{Cell, WIDTH, deny_all, run};

/// A component with one function, `go`, that does nothing: exactly the bytes that [`SIGNATURE`] is of.
const GO: &str = "0061736d0d000100012b0061736d010000000104016000000302010007060102676f00000a040102000b0009046e616d650002016d\
    020401000000070501400001000608010000010002676f08060100000000000b08010002676f010000001f0e636f6d706f6e656e742d6e616d\
    65010600110100016d0106001201000169";

const KEY: &str = "RWR0b29sY2VsbAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";

const SIGNATURE: &str = "untrusted comment: a key for tests
RUR0b29sY2VsbIzy95KPIHTZ2clUPa5Uj3fnSZlnoGcrzORSaso+LnwKsokPFxt9s4ofT7LZ7tM+E7l+3+iNhBsV+tQlZCSiagc=
trusted comment: go.wasm, signed for a test
aPkJra5ZxF5Ue6CYFBjH9Zl3PS8WHGhONKpldnRq9fznhw93zjaeYvwDWYtZQqQJr5vznyXP5COfIX3lOSM1BA==
";

fn go() -> Vec<u8> {
    let digits: Vec<u8> = GO.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn policy(text: &str) -> Policy {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.toml");
    fs::write(&file, format!("version = 1\n{text}")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    Policy::load(&file).unwrap_or_else(|problems| panic!("{problems}"))
}

/// A host with the component, and whether it lies there signed.
fn cell(signature: Option<&str>) -> Cell {
    let cell = Cell::empty(deny_all(), WIDTH);
    cell.drop_in("go", &go());
    if let Some(signature) = signature {
        fs::write(cell.tools().join("go.wasm.minisig"), signature).unwrap();
    }
    cell.settle();
    cell
}

#[test]
fn a_rule_for_a_signer_holds_for_what_that_key_has_signed_and_nothing_else() {
    let rule = policy(&format!("[[rule]]\nname = \"signed\"\nsigners = [\"{KEY}\"]\nconfig = {{ region = \"eu\" }}\n"));
    let granted = |signature: Option<&str>| {
        let cell = cell(signature);
        cell.host.set_policy(rule.clone());
        cell.host.explain("go.go").unwrap().lines().to_vec()
    };
    assert_eq!(granted(Some(SIGNATURE)), ["config region"]);
    let other_comment = SIGNATURE.replace("for a test", "for all");
    let other_form = SIGNATURE.replace("\nRUR0", "\nRWR0");
    for signature in [None, Some(""), Some("RWR0"), Some(&*other_comment), Some(&*other_form)] {
        assert!(granted(signature).is_empty(), "{signature:?}");
    }
}

#[test]
fn a_tool_that_must_be_approved_and_is_not_never_runs() {
    let cell = cell(None);
    assert!(matches!(run(cell.call("go.go", "{}")).verdict, Verdict::Completed { .. }));
    cell.host.set_policy(policy(
        "require-approval = true\n[[rule]]\nname = \"all\"\nall-tools = true\nconfig = { region = \"eu\" }\n",
    ));
    let failure = run(cell.failure("go.go", "{}"));
    assert_eq!(failure.kind, Kind::NotGranted);
    assert!(failure.message.contains("`toolcell approve go.go`"), "{}", failure.message);
    assert!(failure.hints.contains(&"not approved: config region".to_owned()), "{:?}", failure.hints);
}

#[test]
fn each_tenant_has_the_limits_that_rules_give_it() {
    let cell = cell(None);
    cell.host.set_policy(policy(
        "[[rule]]\nname = \"small\"\ntools = [\"go\"]\ntenants = [\"small\"]\nlimits = { fuel = 1 }\n",
    ));
    let called = |tenant: &str| {
        let mut call = cell.prepare("go.go", "{}");
        call.tenant = Tenant(tenant.into());
        run(toolcell_core::Toolbox::call(&cell.host, call, &toolcell_core::Silent)).verdict
    };
    // Twice, because what is known of a tool for one tenant is remembered.
    for _ in 0..2 {
        assert!(matches!(called("large"), Verdict::Completed { .. }));
        assert!(matches!(called("small"), Verdict::Exhausted { .. }));
    }
}

#[test]
fn the_host_answers_which_rule_decides() {
    let cell = cell(None);
    cell.host.set_policy(policy(
        "[[rule]]\nname = \"api\"\ntools = [\"go.go\"]\nnetwork = [{ url = \"https://api.example.com/v1/\", methods = [\"GET\"] }]\n",
    ));
    let grant = cell.host.explain("go").unwrap();
    let target = toolcell_core::net::Target::parse("https", "API.example.com.", "/v1/x").unwrap();
    let decided = grant.decide(&Question::Request { method: "GET", target: &target });
    assert!(matches!(decided, Decision::Granted { rule: Some(rule), .. } if rule == "api"));
    let decided = grant.decide(&Question::Request { method: "PUT", target: &target });
    assert!(matches!(decided, Decision::Refused { .. }));
}
