//! The cases of `cases/`, run natively against the upstream that each of them scripts.

use serde_json::Value;
use toolcell_casebook::{Call, Runner};
use toolcell_client::contract::Failure;

use crate::base::{Base, SETTING};

const RUNNER: Runner<'static> = Runner {
    folder: env!("CARGO_MANIFEST_DIR"),
    variants: &["/filters/*/test", "/filters/*/test/Is", "/order/*/direction", "/order/*/nulls", "/total"],
};

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
    RUNNER.flood(
        &[
            ("call", "needs-person"),
            ("delete", "needs-person"),
            ("insert", "needs-person"),
            ("select", "invalid-argument"),
            ("update", "needs-person"),
        ],
        run,
    );
}

fn run(call: &Call<'_>) -> Result<Value, Failure> {
    let base = Base::new(call.config.get(SETTING).and_then(Value::as_str))?;
    let text = |name: &str| call.arguments[name].as_str().unwrap();
    let filters = || serde_json::from_value::<Vec<_>>(call.arguments["filters"].clone()).unwrap();
    let at_most = serde_json::from_value(call.arguments["at_most"].clone()).unwrap();
    let rows = match call.tool {
        "select" => crate::select(call.script, &base, &serde_json::from_value(call.arguments.clone()).unwrap()),
        "insert" => crate::insert(call.script, &base, text("table"), text("rows")),
        "update" => crate::update(call.script, &base, text("table"), text("changes"), &filters(), at_most),
        "delete" => crate::delete(call.script, &base, text("table"), &filters(), at_most),
        "call" => {
            let value = crate::call(call.script, &base, text("function"), call.arguments["arguments"].as_str());
            return value.map(Value::String);
        }
        other => panic!("there is no function {other}"),
    };
    rows.map(|rows| serde_json::to_value(rows).unwrap())
}
