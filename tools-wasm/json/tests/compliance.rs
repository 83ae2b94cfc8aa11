//! The public test suites: `JSONPath` (RFC 9535) and JSON Schema 2020-12.
//!
//! They are not part of this folder. They are looked for where `TOOLCELL_TEST_DATA` says, else in `shared/data` three
//! folders up; where they are absent, these tests say so on standard error and check nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may stop")]

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use toolcell_json::document::Json;
use toolcell_json::path;
use toolcell_json::read::read;
use toolcell_json::schema::{self, SchemaError};

/// Where the suite expects its remote documents. A schema that names it and cannot be resolved is left out, because no
/// reference may reach a network here; everything else of the required tests must pass.
const NEEDS_REMOTE: &str = "http://localhost:1234";

/// The suite `name`, unless it is absent. A folder that was named but lacks the suite is an error, not an absence.
fn suite(name: &str) -> Option<PathBuf> {
    let named = std::env::var_os("TOOLCELL_TEST_DATA").map(PathBuf::from);
    let folder =
        named.clone().unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"));
    let suite = folder.join(name);
    if suite.exists() {
        return Some(suite);
    }
    assert!(named.is_none(), "TOOLCELL_TEST_DATA is set, but {} does not exist", suite.display());
    eprintln!("SKIPPED: {} does not exist; set TOOLCELL_TEST_DATA to the folder of the suites", suite.display());
    None
}

fn load(file: &PathBuf) -> Value {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn every_case_of_the_jsonpath_compliance_suite_passes() {
    let Some(file) = suite("jsonpath/cts.json") else { return };
    let suite = load(&file);
    let cases = list(&suite["tests"]);
    let failures: Vec<_> = cases.iter().filter_map(jsonpath_failure).collect();
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), cases.len(), failures.join("\n"));
    assert!(cases.len() >= 700, "the suite has shrunk to {} cases", cases.len());
    eprintln!("{} cases of the JSONPath compliance suite passed", cases.len());
}

fn jsonpath_failure(case: &Value) -> Option<String> {
    let (name, selector) = (case["name"].as_str()?, case["selector"].as_str()?);
    let text = case["document"].to_string();
    let document = read(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let selected = path::select(&document, selector);
    if case["invalid_selector"] == Value::Bool(true) {
        return selected.is_ok().then(|| format!("{name}: {selector} should be invalid"));
    }
    let selected = match selected {
        Ok(selected) => selected,
        Err(error) => return Some(format!("{name}: {selector}: {error}")),
    };
    let values = read(&selected.values).unwrap_or_else(|error| panic!("{name}: {error}"));
    // Where the order is open, the suite lists every possible result.
    let (one_value, one_path) = ([case["result"].clone()], [case["result_paths"].clone()]);
    let open = case.get("results").is_some();
    let allowed_values = if open { list(&case["results"]) } else { &one_value };
    let allowed_paths = if open { list(&case["results_paths"]) } else { &one_path };
    let right = allowed_values.iter().zip(allowed_paths).any(|(allowed, paths)| {
        let text = allowed.to_string();
        let equal = read(&text).is_ok_and(|allowed: Json<'_>| allowed == values);
        equal && list(paths).iter().filter_map(Value::as_str).eq(selected.paths.iter().map(String::as_str))
    });
    (!right).then(|| format!("{name}: {selector} gave {} at {:?}", selected.values, selected.paths))
}

#[test]
fn every_required_case_of_json_schema_2020_12_passes_that_needs_no_remote_document() {
    let Some(folder) = suite("json-schema/tests/draft2020-12") else { return };
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("the suite's folder can be read")
        .map(|entry| entry.expect("the suite's folder can be read").path())
        .filter(|file| file.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();

    let (mut passed, mut failures, mut left_out) = (0, Vec::new(), Vec::new());
    for file in &files {
        let groups = load(file);
        for group in list(&groups) {
            let schema = group["schema"].to_string();
            let place = format!("{}: {}", file.file_stem().unwrap_or_default().display(), group["description"]);
            let built = schema::validate(read("1").unwrap(), read(&schema).unwrap());
            if schema.contains(NEEDS_REMOTE) && matches!(built, Err(SchemaError::Reference { .. })) {
                left_out.push(format!("{place} ({} cases)", list(&group["tests"]).len()));
                continue;
            }
            for case in list(&group["tests"]) {
                let data = case["data"].to_string();
                let verdict = schema::validate(read(&data).unwrap(), read(&schema).unwrap());
                match verdict {
                    Ok(verdict) if (verdict.total == 0) == (case["valid"] == Value::Bool(true)) => passed += 1,
                    other => failures.push(format!("{place}: {}: {other:?}", case["description"])),
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
    assert!(passed >= 1_200, "the suite has shrunk to {passed} cases");
    assert!(left_out.len() <= 25, "more is left out than needs remote documents:\n{}", left_out.join("\n"));
    eprintln!("{passed} cases of JSON Schema 2020-12 passed; left out:\n{}", left_out.join("\n"));
}
