//! The cases of `cases/`, run natively against the upstream that each of them scripts.

use serde_json::Value;
use toolcell_casebook::{Call, Runner};
use toolcell_client::contract::Failure;

const RUNNER: Runner<'static> = Runner { folder: env!("CARGO_MANIFEST_DIR"), variants: &["/units"] };

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
    RUNNER.flood(&[("answer", "fatal"), ("query", "fatal")], run);
}

fn run(call: &Call<'_>) -> Result<Value, Failure> {
    let question = call.arguments["question"].as_str().unwrap();
    let units = serde_json::from_value(call.arguments["units"].clone()).unwrap();
    match call.tool {
        "answer" => crate::short(call.script, question, units).map(Value::String),
        "query" => {
            let pods: Option<Vec<String>> = serde_json::from_value(call.arguments["pods"].clone()).unwrap();
            let found = crate::full(call.script, question, units, &pods.unwrap_or_default());
            found.map(|found| serde_json::to_value(found).unwrap())
        }
        other => panic!("there is no function {other}"),
    }
}
