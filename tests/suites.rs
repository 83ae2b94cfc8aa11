//! The public suites that bind `json` to the standards it speaks, run through the host.
//!
//! The data is not part of this repository. `TOOLCELL_TEST_DATA` names the folder that holds it (`jsonpath/cts.json` and
//! `json-schema/tests/draft2020-12`); beside the checkout, `../shared/data` is looked at too. Without data, these tests
//! say so and check nothing.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Cell, checkout, deny_all, run};

fn data(what: &str) -> Option<PathBuf> {
    let folders = [std::env::var_os("TOOLCELL_TEST_DATA").map(PathBuf::from), Some(checkout().join("../shared/data"))];
    let found = folders.into_iter().flatten().map(|folder| folder.join(what)).find(|path| path.exists());
    if found.is_none() {
        eprintln!("SKIPPED: `{what}` is not here; set TOOLCELL_TEST_DATA to a folder that holds it");
    }
    found
}

#[test]
fn json_query_passes_the_compliance_suite_of_rfc_9535() {
    let Some(path) = data("jsonpath/cts.json") else { return };
    let suite: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let cell = Cell::with(&["tools-wasm/json"], deny_all());
    let (mut passed, mut wrong) = (0, Vec::new());
    run(async {
        for test in suite["tests"].as_array().unwrap() {
            let name = test["name"].as_str().unwrap();
            let document = test.get("document").unwrap_or(&Value::Null).to_string();
            let arguments = json!({ "document": document, "path": test["selector"] }).to_string();
            let outcome = cell.call("json.query", &arguments).await;
            let result: Option<Value> =
                outcome.verdict.result().map(|result| serde_json::from_str(result.get()).unwrap());
            let held = match (&result, test["invalid_selector"] == true) {
                (None, true) => {
                    let failure = outcome.verdict.failure().unwrap();
                    failure.kind.name() == "invalid-argument" && failure.problems[0].pointer == "/path"
                }
                (Some(result), false) => {
                    let values: Value = serde_json::from_str(result["values"].as_str().unwrap()).unwrap();
                    let one = test.get("result").is_none_or(|expected| *expected == values);
                    let any = test.get("results").is_none_or(|all| all.as_array().unwrap().contains(&values));
                    let paths = test.get("result_paths").is_none_or(|paths| *paths == result["paths"]);
                    let any_paths =
                        test.get("results_paths").is_none_or(|all| all.as_array().unwrap().contains(&result["paths"]));
                    one && any && paths && any_paths
                }
                _ => false,
            };
            if held {
                passed += 1;
            } else {
                wrong.push(format!("{name}: {}: {result:?}", test["selector"]));
            }
        }
    });
    assert!(wrong.is_empty(), "{} of {} failed:\n{}", wrong.len(), passed + wrong.len(), wrong.join("\n"));
    assert!(passed > 600, "the suite has only {passed} tests");
    println!("RFC 9535 compliance suite: {passed} passed");
}

#[test]
fn json_validate_passes_the_official_suite_for_2020_12() {
    let Some(folder) = data("json-schema/tests/draft2020-12") else { return };
    let cell = Cell::with(&["tools-wasm/json"], deny_all());
    let (mut passed, mut remote, mut wrong) = (0, 0, Vec::new());
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    run(async {
        for path in files {
            let file = path.file_name().unwrap().to_string_lossy().into_owned();
            let groups: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            for group in groups.as_array().unwrap() {
                let schema = group["schema"].to_string();
                // The suite serves its remote schemas from this address; the tool reaches no network, by design.
                if schema.contains("http://localhost:1234") {
                    remote += group["tests"].as_array().unwrap().len();
                    continue;
                }
                for test in group["tests"].as_array().unwrap() {
                    let arguments = json!({ "document": test["data"].to_string(), "schema": schema }).to_string();
                    let outcome = cell.call("json.validate", &arguments).await;
                    let result: Option<Value> =
                        outcome.verdict.result().map(|result| serde_json::from_str(result.get()).unwrap());
                    if result.as_ref().is_some_and(|result| result["valid"] == test["valid"]) {
                        passed += 1;
                    } else {
                        wrong.push(format!(
                            "{file}: {}: {}: {:?}",
                            group["description"], test["description"], outcome.verdict
                        ));
                    }
                }
            }
        }
    });
    assert!(wrong.is_empty(), "{} of {} failed:\n{}", wrong.len(), passed + wrong.len(), wrong.join("\n"));
    assert!(passed > 1_000, "the suite has only {passed} tests");
    println!("JSON Schema 2020-12 suite: {passed} passed, {remote} left out because they need remote schemas");
}
