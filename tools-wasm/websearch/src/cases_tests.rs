//! The cases of `cases/`, run natively against the upstream that each of them scripts.

use serde_json::Value;
use toolcell_casebook::{Call, Runner};
use toolcell_client::contract::Failure;

use crate::ask::{Ask, Kind};

const RUNNER: Runner<'static> =
    Runner { folder: env!("CARGO_MANIFEST_DIR"), variants: &["/freshness", "/safe_search"] };

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
    RUNNER.flood(&[("news", "fatal"), ("web", "fatal")], run);
}

fn run(call: &Call<'_>) -> Result<Value, Failure> {
    let kind = match call.tool {
        "web" => Kind::Web,
        "news" => Kind::News,
        other => panic!("there is no function {other}"),
    };
    let ask: Ask = serde_json::from_value(call.arguments.clone()).unwrap();
    crate::search(call.script, kind, &ask).map(|found| serde_json::to_value(found).unwrap())
}
