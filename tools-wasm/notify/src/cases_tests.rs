//! The cases of `cases/`, run natively against the upstream that each of them scripts.

use serde_json::Value;
use toolcell_casebook::{Call, Refused, Runner};

use crate::bindings::toolcell::tool::types::Failure;

const RUNNER: Runner<'static> = Runner { folder: env!("CARGO_MANIFEST_DIR"), variants: &["/mentions"] };

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
    assert_eq!(kinds, [("discord", "needs-person"), ("slack", "needs-person")]);
}

fn run(call: &Call<'_>) -> Result<Value, Refused> {
    let arguments = call.arguments.clone();
    let posted = match call.tool {
        "slack" => crate::slack::post(call.script, &serde_json::from_value(arguments).unwrap()),
        "discord" => crate::discord::post(call.script, &serde_json::from_value(arguments).unwrap()),
        other => panic!("there is no function {other}"),
    };
    posted.map(|posted| serde_json::to_value(posted).unwrap()).map_err(refused)
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
