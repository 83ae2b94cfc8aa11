//! The cases of `cases/`, run natively against the upstream that each of them scripts.

use serde_json::Value;
use toolcell_casebook::{Call, Refused, Runner};

use crate::bindings::toolcell::tool::types::Failure;

const RUNNER: Runner<'static> = Runner { folder: env!("CARGO_MANIFEST_DIR"), variants: &[] };

#[test]
fn the_cases_hold_natively() {
    RUNNER.run(run);
}

#[test]
fn whatever_the_upstream_answers_the_tool_comes_back() {
    RUNNER.storm(run);
}

#[test]
fn an_answer_that_is_too_long_is_a_failure() {
    let kinds = RUNNER.flood(run);
    let kinds: Vec<_> = kinds.iter().map(|(tool, kind)| (tool.as_str(), *kind)).collect();
    assert_eq!(kinds, [("combined", "fatal"), ("company", "fatal"), ("person", "fatal")]);
}

fn run(call: &Call<'_>) -> Result<Value, Refused> {
    let text = |name: &str| call.arguments[name].as_str().unwrap();
    match call.tool {
        "person" => crate::person(call.script, text("email")).map(|found| serde_json::to_value(found).unwrap()),
        "company" => crate::company(call.script, text("domain")).map(|found| serde_json::to_value(found).unwrap()),
        "combined" => crate::combined(call.script, text("email")).map(|found| serde_json::to_value(found).unwrap()),
        other => panic!("there is no function {other}"),
    }
    .map_err(refused)
}

fn refused(failure: Failure) -> Refused {
    let (kind, pointer, message) = match failure {
        Failure::InvalidArgument(problem) => ("invalid-argument", Some(problem.pointer), problem.message),
        Failure::Unavailable(outage) => ("unavailable", None, outage.message),
        Failure::NotFound(message) => ("not-found", None, message),
        Failure::Conflict(message) => ("conflict", None, message),
        Failure::Denied(message) => ("denied", None, message),
        Failure::NeedsPerson(question) => ("needs-person", None, question.text),
        Failure::Fatal(message) => ("fatal", None, message),
    };
    Refused { kind, pointer, message }
}
