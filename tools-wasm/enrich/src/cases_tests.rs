//! The cases of `cases/`, run natively against the upstream that each of them scripts.

use serde_json::Value;
use toolcell_casebook::{Call, Runner};
use toolcell_client::contract::Failure;

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
    RUNNER.flood(&[("combined", "fatal"), ("company", "fatal"), ("person", "fatal")], run);
}

fn run(call: &Call<'_>) -> Result<Value, Failure> {
    let text = |name: &str| call.arguments[name].as_str().unwrap();
    match call.tool {
        "person" => crate::person(call.script, text("email")).map(|found| serde_json::to_value(found).unwrap()),
        "company" => crate::company(call.script, text("domain")).map(|found| serde_json::to_value(found).unwrap()),
        "combined" => crate::combined(call.script, text("email")).map(|found| serde_json::to_value(found).unwrap()),
        other => panic!("there is no function {other}"),
    }
}
