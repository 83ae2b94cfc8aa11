//! The cases of `cases/`, run natively against the upstream that each of them scripts.

use serde_json::Value;
use toolcell_casebook::{Call, Runner};
use toolcell_client::contract::Failure;

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
    RUNNER.flood(&[("discord", "needs-person"), ("slack", "needs-person")], run);
}

fn run(call: &Call<'_>) -> Result<Value, Failure> {
    let arguments = call.arguments.clone();
    let posted = match call.tool {
        "slack" => crate::slack::post(call.script, &serde_json::from_value(arguments).unwrap()),
        "discord" => crate::discord::post(call.script, &serde_json::from_value(arguments).unwrap()),
        other => panic!("there is no function {other}"),
    };
    posted.map(|posted| serde_json::to_value(posted).unwrap())
}
