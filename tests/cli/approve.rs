//! Approvals from the outside: what is called, what is not, and what both say.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use serde_json::Value;

use super::{ENDS, Home, ended};

const NARROW: &str = "[[rule]]\nname = \"narrow\"\ntools = [\"ends\"]\nconfig = { region = \"eu\" }\n";
const WIDE: &str = "[[rule]]\nname = \"wide\"\ntools = [\"ends\"]\nconfig = { region = \"eu\", unit = \"m\" }\n";
const CALL: &[&str] = &["run", "ends.double", "--value", "21"];

/// A home whose policy requires approvals.
fn home(rules: &str) -> Home {
    let home = Home::new();
    policy(&home, rules);
    home
}

fn policy(home: &Home, rules: &str) {
    let file = home.0.path().join("policy.toml");
    fs::write(&file, format!("version = 1\nrequire-approval = true\n{rules}")).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
}

#[track_caller]
fn ok(home: &Home, arguments: &[&str]) -> String {
    let (exit, out, err) = home.run(arguments);
    assert_eq!(exit, 0, "{arguments:?}: {out}{err}");
    out
}

#[track_caller]
fn json(home: &Home, arguments: &[&str]) -> Value {
    serde_json::from_str(&ok(home, arguments)).unwrap()
}

#[track_caller]
fn approve(home: &Home, target: &str) {
    ok(home, &["approve", target, "--yes", "--by", "ada"]);
}

/// The call is refused, and what is said about it holds all of these.
#[track_caller]
fn refused(home: &Home, told: &[&str]) {
    let (exit, out, err) = home.run(CALL);
    assert_eq!((exit, out.as_str()), (3, ""), "{err}");
    for words in told.iter().chain(&["not-granted", "`toolcell approve ends.double`"]) {
        assert!(err.contains(words), "{words:?}: {err}");
    }
}

#[track_caller]
fn runs(home: &Home) {
    assert_eq!(ok(home, CALL).trim(), "42");
}

#[test]
fn a_tool_runs_once_it_is_approved_and_no_longer_once_that_is_revoked() {
    let home = home(NARROW);
    refused(&home, &["there is none", "not approved: config region"]);
    let shown = ok(&home, &["approve", "ends.double", "--yes", "--by", "ada"]);
    assert!(shown.contains("granted    config region") && shown.contains("approved ends.double"), "{shown}");
    runs(&home);
    let (exit, _, err) = home.run(&["run", "ends.spin", "--fuel", "1000"]);
    assert!(exit == 3 && err.contains("toolcell approve ends.spin"), "its sibling was not approved: {err}");
    ok(&home, &["approve", "--revoke", "ends.double"]);
    refused(&home, &["there is none"]);
    let (exit, _, err) = home.run(&["approve", "--revoke", "ends.double"]);
    assert!(exit == 1 && err.contains("nothing of `ends.double` is approved"), "{err}");
}

#[test]
fn other_bytes_need_another_approval() {
    let home = home(NARROW);
    approve(&home, "ends");
    runs(&home);
    let file = home.tools().join("ends.wasm");
    fs::write(&file, wat::parse_str(ENDS.replace("\"spin\"", "\"turn\"")).unwrap()).unwrap();
    refused(&home, &["it was approved with other bytes"]);
    let shown = json(&home, &["approve", "--list", "--json"]);
    let of = |tool: &str| {
        let tools = shown["tools"].as_array().unwrap();
        tools.iter().find(|row| row["tool"] == tool).unwrap()["standing"].as_str().unwrap().to_owned()
    };
    assert_eq!([of("ends.double"), of("ends.spin"), of("ends.turn")], ["other-component", "gone", "unapproved"]);
    approve(&home, "ends.double");
    runs(&home);
}

#[test]
fn what_is_wider_than_approved_is_not_called_and_what_is_narrower_is() {
    let home = home(NARROW);
    approve(&home, "ends");
    policy(&home, "");
    runs(&home);
    policy(&home, WIDE);
    refused(&home, &["wider than what was approved", "not approved: config unit"]);
    let (exit, out, _) = home.run(&["approve", "ends.double", "--json"]);
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((exit, shown["approved"].as_bool()), (1, Some(false)), "it only shows");
    assert_eq!(shown["tools"][0]["before"]["standing"], "wider");
    assert_eq!(shown["tools"][0]["before"]["added"], serde_json::json!(["config unit"]));
    refused(&home, &["config unit"]);
    approve(&home, "ends");
    runs(&home);
    let again = ok(&home, &["approve", "ends", "--by", "eve"]);
    assert!(again.contains("nothing to decide") && again.contains("by ada"), "{again}");
}

#[test]
fn what_is_narrower_in_other_words_needs_nobody() {
    let network = |path: &str, methods: &str| {
        let entry = format!("{{ url = \"https://api.example.com/{path}\", methods = [{methods}] }}");
        format!("[[rule]]\nname = \"api\"\ntools = [\"ends\"]\nnetwork = [{entry}]\n")
    };
    let home = home(&network("v1/", "\"GET\", \"POST\""));
    approve(&home, "ends");
    for (path, methods) in [("v1/", "\"POST\""), ("v1/x/", "\"GET\", \"POST\""), ("v1/y", "\"GET\"")] {
        policy(&home, &network(path, methods));
        runs(&home);
        let before = json(&home, &["approve", "ends.double", "--json", "--yes"])["tools"][0]["before"].clone();
        assert_eq!((&before["standing"], &before["added"]), (&"holds".into(), &serde_json::json!([])), "{before}");
        policy(&home, &network("v1/", "\"GET\", \"POST\""));
        approve(&home, "ends");
    }
    for (path, methods) in [("v1", "\"GET\""), ("", "\"GET\""), ("v1/", "\"GET\", \"PUT\"")] {
        policy(&home, &network(path, methods));
        let line = format!("network {} https://api.example.com/{path}", methods.replace(['"', ' '], ""));
        refused(&home, &["wider than what was approved", &format!("not approved: {line}")]);
    }
}

#[test]
fn a_manifest_is_part_of_what_was_approved() {
    let home = home(WIDE);
    let manifest = home.tools().join("ends.toml");
    let write = |asked: &str| {
        let text = format!("name = \"ends\"\nversion = \"1\"\n[capabilities]\nconfig = [{asked}]\n");
        fs::write(&manifest, text).unwrap();
    };
    write("\"region\"");
    approve(&home, "ends");
    runs(&home);
    write("\"region\", \"unit\"");
    refused(&home, &["it was approved with another manifest", "not approved: config unit"]);
    fs::remove_file(&manifest).unwrap();
    refused(&home, &["it was approved with another manifest"]);
}

#[test]
fn the_authors_words_are_marked_and_cannot_act_or_pass_for_ours() {
    let home = home("");
    let text = "name = \"ends\"\nversion = \"1\"\n[hints]\ndestructive = true\n[capabilities]\n\
        filesystem = [{ guest = \"/data\", access = \"read-write\", reason = \"\\u001b[2JSafe.\\ngranted    nothing\" }]\n";
    fs::write(home.tools().join("ends.toml"), text).unwrap();
    let (exit, out, err) = home.run(&["approve", "ends.double"]);
    assert!(exit == 2 && err.contains("no terminal to ask at") && err.contains("--yes"), "{err}");
    assert!(out.contains("the file beside it says: \\u{1b}[2JSafe.\\ngranted    nothing"), "{out}");
    assert!(!out.contains('\u{1b}'), "{out}");
    assert!(out.contains("requests   mount /data read-write"), "{out}");
    assert!(out.contains("refused    read-write access to /data"), "{out}");
    assert!(out.contains("risk       high   its manifest says that it can destroy something"), "{out}");
    assert!(out.contains("if granted high   it can change and delete whatever is mounted at /data"), "{out}");
    assert!(!home.0.path().join("toolcell.lock").exists(), "nothing was decided");
}

#[test]
fn approvals_that_cannot_be_read_approve_nothing() {
    let home = home(NARROW);
    approve(&home, "ends");
    let lock = home.0.path().join("toolcell.lock");
    let whole = fs::read_to_string(&lock).unwrap();
    let unusable = |told: &str| {
        let revoke: &[&str] = &["approve", "--revoke", "ends"];
        for arguments in [CALL, &["approve", "ends", "--yes"], &["approve", "--list"], revoke] {
            let (exit, _, err) = home.run(arguments);
            assert!(
                exit == 1 && err.contains("approvals cannot be used") && err.contains(told),
                "{arguments:?}: {err}"
            );
        }
    };
    for (text, told) in [
        ("garbage".to_owned(), "toolcell.lock:1:"),
        (whole.replace("policy = ", "polizei = "), "unknown field `polizei`"),
        (format!("{whole}{}", &whole[whole.find("[[").unwrap()..]), "is approved twice"),
    ] {
        fs::write(&lock, &text).unwrap();
        unusable(told);
        assert_eq!(fs::read_to_string(&lock).unwrap(), text, "nothing was written over it");
    }
    fs::write(&lock, &whole).unwrap();
    fs::set_permissions(&lock, Permissions::from_mode(0o666)).unwrap();
    unusable("chmod go-w");
    fs::rename(&lock, home.0.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink("elsewhere", &lock).unwrap();
    unusable("a symbolic link");
    fs::remove_file(&lock).unwrap();
    refused(&home, &["there is none"]);
}

#[test]
fn two_who_approve_at_once_keep_both_decisions() {
    let home = home(NARROW);
    let tools = ["ends.double", "ends.spin", "ends.trap"];
    let start = |tool: &&str| {
        let mut command = home.command(&["approve", tool, "--yes", "--by", "ada"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    for child in tools.iter().map(start).collect::<Vec<_>>() {
        let (exit, _, err) = ended(child.wait_with_output().unwrap());
        assert_eq!(exit, 0, "{err}");
    }
    let list = json(&home, &["approve", "--list", "--json"]);
    for row in list["tools"].as_array().unwrap().iter().filter(|row| row["tool"] != "foreign.go") {
        assert_eq!(row["standing"], "holds", "{row}");
    }
    assert_eq!(fs::read_to_string(home.0.path().join("toolcell.lock")).unwrap().matches("[[approval]]").count(), 3);
}

#[test]
fn decisions_are_in_the_audit_log_and_a_changed_line_shows() {
    let home = home(NARROW);
    assert!(home.run(&["audit", "list"]).2.contains("no audit events yet"));
    approve(&home, "ends.double");
    ok(&home, &["approve", "--revoke", "ends", "--by", "eve"]);
    let events: Vec<Value> = ok(&home, &["audit", "list", "--kind", "approval", "--json"])
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let told: Vec<_> = events
        .iter()
        .map(|entry| (entry["event"]["decision"].as_str().unwrap(), entry["event"]["reviewer"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [("revoked", "eve"), ("approved", "ada")]);
    assert_eq!(events[0]["event"]["grant"], events[1]["event"]["grant"]);
    let row = ok(&home, &["audit", "list", "--tool", "ends", "--since", "1h", "--limit", "1", "--kind", "approval"]);
    assert!(row.contains("ends.double revoked by eve"), "{row}");
    assert!(ok(&home, &["audit", "verify"]).contains("intact"));

    let segments = fs::read_dir(home.0.path().join("audit")).unwrap().flatten().map(|entry| entry.path());
    for path in segments.filter(|path| path.extension().is_some_and(|ending| ending == "jsonl")) {
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("\"ada\"", "\"bob\"")).unwrap();
    }
    let (exit, out, _) = home.run(&["audit", "verify"]);
    assert!(exit == 1 && out.contains("TAMPERED WITH"), "{out}");
    let (exit, out, _) = home.run(&["audit", "verify", "--json"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert!(exit == 1 && report["writers"].as_array().is_some_and(|writers| !writers.is_empty()), "{out}");
}

#[test]
fn what_makes_no_sense_is_said_so() {
    let home = home(NARROW);
    for arguments in [
        &["approve"] as &[&str],
        &["approve", "ends", "--list"],
        &["approve", "--yes", "--list"],
        &["approve", "ends", "--revoke", "ends"],
        &["audit"],
        &["audit", "list", "--kind", "gossip"],
    ] {
        assert_eq!(home.run(arguments).0, 2, "{arguments:?}");
    }
    for (target, told) in [("no.such", "toolcell list"), ("broken", "cannot be used"), ("", "toolcell list")] {
        let (exit, _, err) = home.run(&["approve", target, "--yes"]);
        assert!(exit == 1 && err.contains(told), "{target:?}: {err}");
    }
    let (exit, _, err) = home.run(&["approve", "ends", "--yes", "--by", "a\u{202e}b"]);
    assert!(exit == 1 && err.contains("cannot name a reviewer") && !err.contains('\u{202e}'), "{err}");
    assert!(!home.0.path().join("audit").exists(), "nothing was decided, so nothing is recorded");
    fs::write(home.0.path().join("policy.toml"), format!("version = 1\n{NARROW}")).unwrap();
    let (exit, _, err) = home.run(&["approve", "ends", "--yes"]);
    assert!(exit == 0 && err.contains("policy does not ask for approvals"), "{err}");
}
