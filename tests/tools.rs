//! Every case of every first-party tool, through the host.

use std::fmt::Write as _;
use std::fs;

use toolcell_build::cases::{self, Case, FailureView};
use toolcell_core::Outcome;
use toolcell_host::{Pattern, Policy};

use crate::support::{Cell, checkout, deny_all, run};

#[test]
fn every_case_of_json_holds() {
    check("json");
}

#[test]
fn every_case_of_table_holds() {
    check("table");
}

#[test]
fn every_case_of_search_holds() {
    check("search");
}

#[test]
fn every_case_of_graph_holds() {
    check("graph");
}

#[test]
fn every_case_of_leads_holds() {
    check("leads");
}

/// Tools whose cases run above.
const CHECKED: &[&str] = &["graph", "json", "leads", "search", "table"];

#[test]
fn no_first_party_tool_is_forgotten() {
    let mut folders: Vec<_> = fs::read_dir(checkout().join("tools-wasm"))
        .unwrap()
        .flatten()
        .filter(|entry| entry.path().join("tool.toml").exists())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    folders.sort();
    assert_eq!(folders, CHECKED);
}

#[test]
fn every_tool_describes_itself_to_a_model() {
    let folders: Vec<_> = CHECKED.iter().map(|name| format!("tools-wasm/{name}")).collect();
    let folders: Vec<_> = folders.iter().map(String::as_str).collect();
    let cell = Cell::with(&folders, deny_all());
    let snapshot = cell.host.snapshot();
    assert!(snapshot.tools().len() >= 20, "{}", snapshot.tools().len());
    for (component, tool) in snapshot.tools() {
        assert!(tool.signature.is_ok(), "{}: {:?}", tool.id, tool.signature);
        let docs = component.docs.as_ref().and_then(|docs| docs.tools.get(tool.id.within()));
        assert!(docs.is_some_and(|docs| docs.description.len() > 40), "{} says too little of itself", tool.id);
        let manifest = component.manifest.as_ref().unwrap();
        assert!(
            manifest.examples.iter().all(|example| component.tools.iter().any(|tool| tool.id.within() == example.tool))
        );
        assert!(component.notes.is_empty(), "{}: {:?}", component.name, component.notes);
    }
}

#[test]
fn every_example_of_a_manifest_is_accepted() {
    let folders: Vec<_> = CHECKED.iter().map(|name| format!("tools-wasm/{name}")).collect();
    let folders: Vec<_> = folders.iter().map(String::as_str).collect();
    let cell = Cell::with(&folders, deny_all());
    run(async {
        for component in cell.host.snapshot().components() {
            let examples = &component.manifest.as_ref().unwrap().examples;
            assert!(!examples.is_empty(), "{} has no example", component.name);
            for example in examples {
                let outcome = cell.call(&format!("{}.{}", component.name, example.tool), &example.arguments).await;
                // Without a mounted folder a tool may find nothing; arguments that do not fit are another matter.
                if let Some(failure) = outcome.verdict.failure() {
                    assert_eq!(
                        failure.kind.name(),
                        "not-found",
                        "{}: {}: {failure:?}",
                        component.name,
                        example.description
                    );
                }
            }
        }
    });
}

fn check(name: &str) {
    let folder = checkout().join("tools-wasm").join(name);
    let cases = cases::load(&folder).unwrap();
    assert!(cases.len() >= 10, "{name} has only {} cases", cases.len());
    let cell = Cell::with(&[&format!("tools-wasm/{name}")], deny_all());
    let mut wrong = String::new();
    run(async {
        for case in &cases {
            // A case that writes gets a copy, so that running it twice gives the same.
            let scratch = tempfile::tempdir().unwrap();
            let mut policy = Policy::deny_all();
            for mount in &case.mounts {
                let place = scratch.path().join(mount.guest.trim_start_matches('/').replace('/', "_"));
                copy(&folder.join(&mount.host), &place);
                policy = policy.mount(Pattern::Any, &place, &mount.guest, mount.access).unwrap();
            }
            cell.host.set_policy(policy);
            let outcome = cell.call(&format!("{name}.{}", case.tool), case.arguments.get()).await;
            if let Err(mismatch) = compare(case, &outcome) {
                let _ = writeln!(wrong, "{}:{}: {}\n{mismatch}", case.file.display(), case.line, case.name);
            }
        }
    });
    assert!(wrong.is_empty(), "\n{wrong}");
    println!("{name}: {} cases", cases.len());
}

fn compare(case: &Case, outcome: &Outcome) -> Result<(), cases::Mismatch> {
    let value = outcome.verdict.result().map(|result| serde_json::from_str(result.get()).unwrap());
    let seen = match (&value, outcome.verdict.failure()) {
        (Some(value), _) => Ok(value),
        (None, failure) => {
            let failure = failure.unwrap();
            let pointer = failure.problems.first().map(|problem| problem.pointer.as_str());
            Err(FailureView { kind: failure.kind.name(), pointer, message: &failure.message })
        }
    };
    cases::check(&case.expect, case.tolerance, seen)
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())).flatten() {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
