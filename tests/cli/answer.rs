//! `toolcell answer`: what runs ask, what they are told, and how they go on.

use serde_json::{Value, json};

use super::Home;
use super::desk::{self, exits, file, json, lines, newest, ok, tells};

/// Asks which way, and doubles something meanwhile; then once more, because of what was said.
const WAYS: &str = r#"name = "ways"
[[step]]
id = "way"
tool = "desk.decide"
arguments = { answer = "" }
answer-at = "/answer"
[[step]]
id = "meanwhile"
tool = "ends.double"
arguments = { value = 21 }
[[step]]
id = "back"
tool = "desk.decide"
arguments = { answer = { "$text" = ["back from ", { "$result" = "way" }] } }
"#;

/// Asks the same three times, with no place for an answer.
const MANY: &str = r#"name = "many"
[[step]]
id = "way"
tool = "desk.decide"
for-each = ["", "known", "", ""]
arguments = { answer = { "$item" = "" } }
"#;

/// Breaks, and matters.
const CRITICAL: &str = r#"name = "critical"
[[step]]
id = "breaks"
tool = "ends.trap"
criticality = "critical"
"#;

/// Cannot begin, matters, and has a place for words.
const DECISION: &str = r#"name = "decision"
input = { word = [] }
[[step]]
id = "word"
tool = "desk.decide"
criticality = "critical"
answer-at = "/answer"
arguments = { answer = { "$input" = "/word" } }
"#;

/// A run of a plan that waits.
fn waits(home: &Home, plan: &str) -> String {
    let plan = file(home, "plan.toml", plan);
    let (out, err) = exits(home, 7, &["plan", "run", &plan]);
    assert!(out.is_empty(), "there is no output yet: {out}");
    let run = newest(home);
    tells(&err, &["asks", "because a person must answer", &format!("next: `toolcell answer {run}`")]);
    run
}

#[test]
fn a_question_waits_is_listed_and_is_answered_in_the_arguments() {
    let home = desk::home();
    tells(&exits(&home, 0, &["answer"]).1, &["no run asks anything"]);
    let run = waits(&home, WAYS);
    let (out, err) = exits(&home, 0, &["answer"]);
    tells(&out, &[&format!("{run}  way  Which way?"), "choices left, right"]);
    tells(&err, &["toolcell answer RUN STEP", "--say TEXT"]);
    let asked = lines(&ok(&home, &["answer", "--json"]));
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0]["question"], json!({ "text": "Which way?", "choices": ["left", "right"] }));
    assert_eq!((&asked[0]["run"], &asked[0]["failure"]["kind"]), (&json!(run), &json!("needs-person")));
    // What does not need the answer is done.
    tells(&ok(&home, &["plan", "show", &run]), &["meanwhile  42", "waiting", "1 more step has not begun"]);

    tells(
        &exits(&home, 1, &["answer", &run, "way", "--say", "up"]).1,
        &["none of the answers on offer", "left, right"],
    );
    let (out, err) = exits(&home, 0, &["answer", &run[..6], "--say", "left", "--by", "ada"]);
    tells(&(out + &err), &["answered way", &format!("next: `toolcell plan resume {run}`")]);
    tells(&exits(&home, 1, &["answer", &run, "way", "--say", "right"]).1, &["was answered already", "plan resume"]);
    tells(&exits(&home, 1, &["answer", &run, "--say", "right"]).1, &["everything that this run asks is answered"]);
    tells(&ok(&home, &["plan", "show", &run]), &["answered, goes on with `resume`"]);
    assert!(ok(&home, &["answer", &run]).is_empty());
    let shown = json(&home, &["plan", "show", &run, "--json"]);
    let way = shown["steps"].as_array().unwrap().iter().find(|step| step["key"]["step"] == "way").unwrap();
    assert_eq!(way["answered"]["by"], "ada");

    let (out, err) = exits(&home, 0, &["plan", "resume", &run]);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), json!({ "meanwhile": 42, "back": "back from left" }));
    assert!(!err.contains("meanwhile"), "it was not done again: {err}");
    tells(&exits(&home, 1, &["answer", &run, "way", "--retry"]).1, &["asks nothing"]);
}

#[test]
fn items_are_answered_one_by_one_with_results_failures_and_retries() {
    let home = desk::home();
    let run = waits(&home, MANY);
    let asked = lines(&ok(&home, &["answer", &run, "--json"]));
    assert_eq!(asked.iter().map(|asked| asked["item"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 2, 3]);
    let (_, err) = exits(&home, 2, &["answer", &run, "--retry"]);
    tells(&err, &["asks 3 questions", "way[0], way[2], way[3]"]);
    for (arguments, code, told) in [
        (&["way[0]", "--say", "left"] as &[&str], 1, "no place for what is said"),
        (&["way[1]", "--retry"], 1, "asks nothing"),
        (&["way[x]", "--retry"], 2, "no place in a list"),
        (&["way[99999999999]", "--retry"], 2, "no place in a list"),
        (&["nowhere", "--retry"], 1, "asks nothing"),
        (&["way[0]", "--result", "{"], 2, "the result is no JSON"),
        (&["way[0]", "--result", "{\"a\": 1, \"a\": 2}"], 2, "the result is no JSON"),
        (&["way[0]", "--retry", "--fail"], 2, "cannot be used with"),
        (&["way[0]"], 2, "required"),
    ] {
        tells(&exits(&home, code, &[&["answer", run.as_str()], arguments].concat()).1, &[told]);
    }
    tells(&exits(&home, 1, &["answer", "ffffffff", "--retry"]).1, &["there is no such run"]);
    exits(&home, 2, &["answer", "--retry"]);

    ok(&home, &["answer", &run, "way[0]", "--result", "\"given\""]);
    let kept = json(&home, &["answer", &run, "way[2]", "--retry", "--json"]);
    assert_eq!((&kept["step"], &kept["item"], &kept["answered"]), (&json!("way"), &json!(2), &json!("retry")));
    // Two of three are answered; one is asked again, because nothing has changed for it.
    exits(&home, 7, &["plan", "resume", &run]);
    let asked = lines(&ok(&home, &["answer", &run, "--json"]));
    assert_eq!(asked.iter().map(|asked| asked["item"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 3]);
    ok(&home, &["answer", &run, "way[2]", "--result", "[1.50, 12345678901234567890]"]);
    ok(&home, &["answer", &run, "way[3]", "--fail"]);
    let (out, err) = exits(&home, 1, &["plan", "resume", &run]);
    assert!(out.is_empty(), "{out}");
    tells(&err, &["1 of 4 items failed, at the places 3 of the list", "because step `way` failed"]);
    let shown = ok(&home, &["plan", "show", &run, "--json"]);
    assert!(shown.contains("1.50") && shown.contains("12345678901234567890"), "not a digit is lost: {shown}");
}

#[test]
fn a_critical_step_asks_before_it_fails_and_a_decision_is_not_said() {
    let home = desk::home();
    let run = waits(&home, CRITICAL);
    let asked = lines(&ok(&home, &["answer", "--json"]));
    assert_eq!(asked[0]["question"]["choices"], json!(["retry", "result", "fail"]));
    exits(&home, 1, &["answer", &run, "--say", "retry"]);
    ok(&home, &["answer", &run, "--retry"]);
    exits(&home, 7, &["plan", "resume", &run, "--quiet"]);
    ok(&home, &["answer", &run, "--fail"]);
    tells(&exits(&home, 1, &["plan", "resume", &run]).1, &["failed breaks (ends.trap): trap"]);

    let run = waits(&home, DECISION);
    tells(&exits(&home, 2, &["answer", &run, "--say", "fail"]).1, &["is a decision", "Write `--fail`"]);
    ok(&home, &["answer", &run, "--say", "in words"]);
    tells(&exits(&home, 0, &["plan", "resume", &run]).0, &["in words"]);
}

#[test]
fn a_run_that_is_cancelled_asks_nothing_more() {
    let home = desk::home();
    let run = waits(&home, WAYS);
    tells(&exits(&home, 1, &["plan", "remove", &run]).1, &["the run has not ended", "toolcell plan cancel"]);
    tells(&ok(&home, &["plan", "cancel", &run[..8]]), &["cancelled", &run]);
    tells(&exits(&home, 0, &["answer"]).1, &["no run asks anything"]);
    tells(&exits(&home, 1, &["answer", &run, "way", "--say", "left"]).1, &["asks nothing"]);
    tells(&exits(&home, 1, &["plan", "resume", &run]).1, &["the run has ended (cancelled)"]);
    tells(&ok(&home, &["plan", "show", &run]), &["cancelled", "meanwhile  42"]);
    ok(&home, &["plan", "remove", &run]);
}
