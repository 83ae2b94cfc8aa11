//! `toolcell plan` as its users meet it: what is checked, run, drawn, kept, ended and forgotten.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use super::built::built;
use super::desk::{self, exits, file, json, lines, newest, ok, tells};
use super::{Home, ended};

/// One value doubled twice, and a list doubled once.
pub(super) const SUMS: &str = r#"name = "sums"
output = { twice = { "$result" = "twice" }, each = { "$result" = "each" } }
[[step]]
id = "once"
tool = "ends.double"
arguments = { value = { "$input" = "/start" } }
[[step]]
id = "twice"
tool = "ends.double"
arguments = { value = { "$result" = "once" } }
[[step]]
id = "each"
tool = "ends.double"
for-each = { "$input" = "/list" }
arguments = { value = { "$item" = "" } }
"#;

/// Whose arguments are known when it runs, not when it is checked.
const GIVEN: &str =
    "name = \"given\"\n[[step]]\nid = \"one\"\ntool = \"ends.double\"\narguments = { \"$input\" = \"\" }\n";

const WRONG: &str = r#"name = "wrong"
nmae = "x"
[[step]]
id = "a"
tool = "ends.dubble"
needs = ["b"]
[[step]]
id = "b"
tool = "ends.double"
needs = ["a"]
timeout = "5 years"
arguments = { value = "many" }
"#;

#[test]
fn a_plan_that_can_be_run_is_said_to_be_so() {
    let home = desk::home();
    let plan = file(&home, "sums.toml", SUMS);
    tells(&ok(&home, &["plan", "check", &plan]), &["ok sums: 3 steps, 1 tool"]);
    let told = json(&home, &["plan", "check", &plan, "--json"]);
    assert_eq!((&told["ok"], &told["steps"], &told["tools"]), (&json!(true), &json!(3), &json!(["ends.double"])));
    assert!(!home.0.path().join("store").exists() && ok(&home, &["plan", "list"]).is_empty(), "a look runs nothing");
}

#[test]
fn everything_wrong_with_a_plan_is_told_at_once_with_its_place() {
    let home = desk::home();
    let plan = file(&home, "wrong.toml", WRONG);
    let problems = [
        "wrong.toml:2:1: a plan has no key `nmae`; the nearest is `name`",
        "3:1: step `a`: these steps need each other in a circle",
        "5:8: step `a`: the component `ends` has no tool called `dubble`; Did you mean `ends.double`?",
        "11:11: step `b`: `5 years` is not a duration",
        "12:23: step `b`: a whole number belongs here, not a string",
    ];
    let (out, err) = exits(&home, 1, &["plan", "check", &plan]);
    tells(&out, &problems);
    tells(&err, &["next: `toolcell plan schema`"]);
    assert_eq!(out.lines().count(), problems.len(), "{out}");
    let told: Value = serde_json::from_str(&exits(&home, 1, &["plan", "check", &plan, "--json"]).0).unwrap();
    let places: Vec<_> =
        told["problems"].as_array().unwrap().iter().map(|problem| problem["line"].as_u64().unwrap()).collect();
    assert_eq!((told["ok"].as_bool(), places), (Some(false), vec![2, 3, 5, 11, 12]));
    assert_eq!(told["problems"][2]["pointer"], "/step/0/tool");

    // Nothing of such a plan is run or kept; what can be read of it can be drawn once its circle is gone.
    let (out, err) = exits(&home, 1, &["plan", "run", &plan]);
    assert!(out.is_empty(), "{out}");
    tells(&err, &["cannot be run", "5:8: step `a`", "Nothing was called"]);
    assert!(ok(&home, &["plan", "list", "--json"]).is_empty());
    tells(&exits(&home, 1, &["plan", "graph", &plan]).1, &["is no plan that can be drawn", "in a circle"]);
}

#[test]
fn what_is_no_plan_at_all_is_refused_with_a_reason() {
    let home = desk::home();
    let garbage: Vec<u8> = (0..4_096_u32).map(|n| u8::try_from(n.wrapping_mul(2_654_435_761) >> 24).unwrap()).collect();
    let deep = format!("{{\"name\": \"deep\", \"step\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let huge = format!("name = \"{}\"", "x".repeat(80 << 20));
    for (name, text, told) in [
        ("empty.toml", Vec::new(), "`name` is missing"),
        ("none.toml", b"name = \"none\"".to_vec(), "there is no step"),
        ("garbage.toml", garbage.clone(), "is not UTF-8"),
        ("garbage.json", b"{\"name\": \"a\",,}".to_vec(), "1:14: this is not JSON"),
        ("half.toml", b"name = \"a".to_vec(), "1:"),
        ("deep.json", deep.into_bytes(), "nests deeper than"),
        ("huge.toml", huge.into_bytes(), "bytes"),
        (
            "screen.toml",
            b"name = \"a\"\n\"\\u001b[2J\" = 1\n[[step]]\nid = \"a\"\ntool = \"ends.double\"".to_vec(),
            "a plan has no key",
        ),
    ] {
        let path = file(&home, name, text);
        for command in ["check", "run", "graph"] {
            let (out, err) = exits(&home, 1, &["plan", command, &path]);
            assert!((out.clone() + &err).contains(told), "{command} {name}: {out:.600}{err:.600}");
            assert!(out.len() + err.len() < 8_000, "{command} {name} says {} bytes", out.len() + err.len());
        }
    }
    let (_, err) = exits(&home, 1, &["plan", "check", home.0.path().join("no-such.toml").to_str().unwrap()]);
    tells(&err, &["cannot read the plan", "No such file"]);
    exits(&home, 1, &["plan", "check", home.0.path().to_str().unwrap()]);
    exits(&home, 2, &["plan", "check"]);
    exits(&home, 2, &["plan"]);
}

#[test]
fn a_plan_comes_as_toml_as_json_and_through_stdin() {
    let home = desk::home();
    let result = json!({ "twice": 12, "each": [2, 4, 6] });
    let input = r#"{"start": 3, "list": [1, 2, 3]}"#;
    let toml = file(&home, "sums.toml", SUMS);
    let plan: Value = serde_json::to_value(toml::from_str::<toml::Table>(SUMS).unwrap()).unwrap();
    let json = file(&home, "sums.json", plan.to_string());
    let given = format!("@{}", file(&home, "input.json", input));
    for arguments in [[&*toml, "--input", input], [&*json, "--input", input], [&*toml, "--input", &given]] {
        let (out, err) = exits(&home, 0, &[&["plan", "run"], &arguments[..]].concat());
        assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), result, "stdout is the output alone");
        tells(&err, &["run ", "done      once", "done      twice", "done      each", "completed "]);
    }
    for text in [SUMS.to_owned(), plan.to_string()] {
        let mut child = home
            .command(&["plan", "run", "-", "--quiet", "--input", input])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let (exit, out, err) = ended(child.wait_with_output().unwrap());
        assert_eq!((exit, serde_json::from_str(&out).unwrap()), (0, result.clone()), "{err}");
        assert_eq!(err.lines().count(), 1, "{err}");
    }
    for (input, code, told) in [
        ("{", 2, "the input is no JSON"),
        ("{\"a\": 1, \"a\": 2}", 2, "the input is no JSON"),
        ("@/no/such/file", 1, "cannot read the input"),
    ] {
        tells(&exits(&home, code, &["plan", "run", &toml, "--input", input]).1, &[told]);
    }
    let (out, err) = exits(&home, 1, &["plan", "run", &toml, "--input", "{\"list\": []}"]);
    assert!(out.is_empty(), "{out}");
    tells(&err, &["failed once (ends.double): invalid-argument", "nothing at `/start`", "because step `once` failed"]);
}

#[test]
fn events_are_lines_of_json_and_the_last_one_is_the_end() {
    let home = desk::home();
    let plan = file(&home, "sums.toml", SUMS);
    let out = ok(&home, &["plan", "run", &plan, "--json", "--input", r#"{"start": 3, "list": [1, 2]}"#]);
    let events = lines(&out);
    let run = newest(&home);
    assert!(events.iter().all(|event| event["run"] == *run));
    let names = |wanted: &str| -> Vec<String> {
        let of = events.iter().filter(|event| event["event"] == wanted);
        of.map(|event| format!("{}{}", event["step"].as_str().unwrap(), event["item"])).collect()
    };
    for wanted in ["step-started", "step-ended"] {
        let (once, twice) = ("oncenull".to_owned(), "twicenull".to_owned());
        let names = names(wanted);
        assert!(
            names.iter().position(|name| *name == once) < names.iter().position(|name| *name == twice),
            "{names:?}"
        );
        assert!(names.contains(&"each0".to_owned()) && names.contains(&"each1".to_owned()), "{names:?}");
    }
    let [.., before, end] = events.as_slice() else { panic!("{out}") };
    assert_eq!((&before["event"], &before["counts"]["done"]), (&json!("run-ended"), &json!(3)));
    assert_eq!((&end["event"], &end["state"]), (&json!("ended"), &json!("completed")));
    assert_eq!(end["output"], json!({ "twice": 12, "each": [2, 4] }));
    assert_eq!(end["totals"]["calls"], 4);
    assert_eq!(end["steps"].as_array().unwrap().len(), 3);

    // A run that fails ends with such a line as well.
    let (out, err) = exits(&home, 1, &["plan", "run", &plan, "--json", "--input", r#"{"start": -1, "list": []}"#]);
    let end = lines(&out).pop().unwrap();
    assert_eq!((&end["event"], &end["state"], &end["output"]), (&json!("ended"), &json!("failed"), &Value::Null));
    assert_eq!(end["steps"][0]["result"]["failed"]["failure"]["kind"], "invalid-argument");
    assert!(err.is_empty(), "{err}");
}

#[test]
fn a_misnamed_argument_is_repaired_and_shown_unless_the_run_is_plain() {
    let home = desk::home();
    let plan = file(&home, "given.toml", GIVEN);
    let (out, err) = exits(&home, 0, &["plan", "run", &plan, "--input", "{\"valeu\": 21}"]);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), json!({ "one": 42 }));
    tells(&err, &["repaired one by rule: /valeu renamed: \"valeu\" -> \"value\"", "1 repaired"]);
    let (out, err) = exits(&home, 1, &["plan", "run", &plan, "--plain", "--input", "{\"valeu\": 21}"]);
    assert!(out.is_empty() && !err.contains("repaired"), "{out}{err}");
    tells(&err, &["failed one (ends.double): invalid-argument", "did you mean `value`?"]);
    let out = ok(&home, &["plan", "run", &plan, "--json", "--input", "{\"valeu\": 21}"]);
    let end = lines(&out).pop().unwrap();
    assert_eq!(end["totals"]["repaired"], 1);
    assert!(end["steps"][0]["history"]["attempts"][0]["then"]["then"] == "changed", "{end}");
}

#[test]
fn a_plan_is_drawn_in_two_languages_and_described_by_a_schema() {
    let home = desk::home();
    let plan = file(&home, "sums.toml", SUMS);
    tells(&ok(&home, &["plan", "graph", &plan]), &["flowchart TD", "n0[\"once<br/>ends.double\"]", "n0 --> n1"]);
    tells(&ok(&home, &["plan", "graph", &plan, "--format", "dot"]), &["digraph \"sums\" {", "n0 -> n1;"]);
    exits(&home, 2, &["plan", "graph", &plan, "--format", "svg"]);
    let schema = json(&home, &["plan", "schema"]);
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn the_plan_in_the_help_is_one_that_runs() {
    let home = Home::new();
    fs::copy(built("tools-wasm/json"), home.tools().join("json.wasm")).unwrap();
    let help = ok(&home, &["plan", "--help"]);
    let lines: Vec<_> = help
        .lines()
        .skip_while(|line| !line.starts_with("  name = "))
        .take_while(|line| !line.starts_with("  toolcell"))
        .collect();
    let plan = file(&home, "two.toml", lines.join("\n"));
    let out = ok(&home, &["plan", "run", &plan]);
    let each: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&each["each"][0]["values"], &each["each"][1]["values"]), (&json!("[\"a\"]"), &json!("[\"b\"]")));
    tells(&help, &["toolcell plan resume RUN", "7  waiting"]);
    for command in ["check", "run", "resume", "graph", "schema", "list", "show", "cancel", "remove"] {
        assert!(ok(&home, &["plan", command, "--help"]).len() > 100, "{command}");
    }
    tells(&ok(&home, &["answer", "--help"]), &["\n  toolcell answer   ", "--result '[1, 2]'"]);
}

#[test]
fn runs_are_listed_shown_by_their_first_digits_and_forgotten() {
    let home = desk::home();
    assert!(ok(&home, &["plan", "list", "--json"]).is_empty());
    tells(&exits(&home, 0, &["plan", "list"]).1, &["no such runs", "toolcell plan run FILE"]);
    for command in ["show", "resume", "cancel", "remove"] {
        tells(&exits(&home, 1, &["plan", command, "0123abcd"]).1, &["there is no such run"]);
    }
    assert!(!home.0.path().join("store").exists(), "a look writes nothing");

    let (plan, given) = (file(&home, "sums.toml", SUMS), file(&home, "given.toml", GIVEN));
    ok(&home, &["plan", "run", &plan, "--quiet", "--input", r#"{"start": 3, "list": [1]}"#]);
    let run = newest(&home);
    exits(&home, 1, &["plan", "run", &given, "--quiet", "--input", "{}"]);
    let failed = newest(&home);
    let out = ok(&home, &["plan", "list"]);
    tells(&out, &[&run, &failed, "completed  plan sums", "failed     plan given"]);
    assert!(out.lines().next().unwrap().starts_with(&failed), "the newest first: {out}");
    assert_eq!(lines(&ok(&home, &["plan", "list", "--json", "--state", "completed"]))[0]["run"], run);
    assert_eq!(ok(&home, &["plan", "list", "--limit", "1"]).lines().count(), 1);
    for arguments in [&["--limit", "0"], &["--limit", "1001"], &["--state", "lost"]] {
        exits(&home, 2, &[&["plan", "list"], &arguments[..]].concat());
    }

    let shown = ok(&home, &["plan", "show", &run[..8]]);
    tells(&shown, &[&run, "completed  plan sums, begun 20", "once  6", "twice  12", "each[0]  2", "each  [2]"]);
    assert!(
        shown.find("once") < shown.find("twice") && shown.find("twice") < shown.find("each"),
        "as planned: {shown}"
    );
    let whole = json(&home, &["plan", "show", &run.to_uppercase(), "--json"]);
    assert_eq!((&whole["run"], &whole["input"]["start"]), (&json!(run), &json!(3)));
    assert_eq!((&whole["plan"]["name"], &whole["steps"][1]["state"]["done"]["result"]), (&json!("sums"), &json!(12)));
    for (text, code, told) in [
        ("zzzz", 2, "names no run"),
        (&run[..3], 2, "at least the first four"),
        ("ffffffffffffffffffffffffffffffff", 1, "there is no such run"),
        (&format!("{run}0"), 1, "there is no such run"),
        ("../../etc/passwd", 2, "names no run"),
    ] {
        tells(&exits(&home, code, &["plan", "show", text]).1, &[told]);
    }

    for command in ["resume", "cancel"] {
        tells(
            &exits(&home, 1, &["plan", command, &run]).1,
            &["the run has ended (completed)", "next: `toolcell plan "],
        );
    }
    tells(&ok(&home, &["plan", "remove", &run[..8]]), &["removed", &run]);
    tells(&exits(&home, 1, &["plan", "show", &run]).1, &["there is no such run", "toolcell plan list"]);
    assert_eq!(lines(&ok(&home, &["plan", "list", "--json"])).len(), 1, "the other one is there");
}
