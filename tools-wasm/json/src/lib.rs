//! The `json` tool: query, validate, patch, merge and diff JSON documents.
//!
//! This file converts between the contract in `wit/` and the modules, and says which argument a failure is about. It
//! touches no file, clock or network, and neither do the modules.

pub mod diff;
pub mod document;
pub mod hops;
pub mod merge;
pub mod number;
pub mod patch;
pub mod path;
pub mod pointer;
pub mod read;
pub mod schema;

#[allow(missing_docs, clippy::pedantic, reason = "generated from the contract")]
mod bindings {
    wit_bindgen::generate!({
        path: ["../../wit/tool", "wit"],
        world: "toolcell:json/json",
        generate_all,
    });
}

use std::fmt::Display;

use bindings::toolcell::tool::types::Problem;
use bindings::{Failure, Guest, Selection, Verdict, Violation};
use document::Json;
use patch::{OperationProblem, PatchError};
use path::QueryError;

/// The longest result, in bytes: what a call may return by default.
pub const MAX_RESULT_BYTES: usize = 16 << 20;

struct Tool;

bindings::export!(Tool with_types_in bindings);

const DOCUMENT: &str = "a JSON document (RFC 8259) with unique names, at most 128 levels and 1,000,000 values";

impl Guest for Tool {
    fn query(document: String, path: String) -> Result<Selection, Failure> {
        let document = read("/document", &document)?;
        let selection = path::select(&document, &path).map_err(|error| {
            let expected = match &error {
                QueryError::Path(_) => "a JSONPath expression (RFC 9535), such as $.items[?@.price < 10].name",
                _ => "a JSONPath expression that selects less",
            };
            invalid("/path", expected, Some(&path), &error)
        })?;
        Ok(Selection { count: count(selection.paths.len()), values: selection.values, paths: selection.paths })
    }

    fn validate(document: String, schema: String) -> Result<Verdict, Failure> {
        let document = read("/document", &document)?;
        let schema = read("/schema", &schema)?;
        let verdict = schema::validate(document, schema)
            .map_err(|error| invalid("/schema", "a JSON Schema that is complete in itself", None, &error))?;
        let problems = verdict.problems.into_iter().map(|problem| Violation {
            instance_pointer: problem.instance_pointer,
            schema_pointer: problem.schema_pointer,
            keyword: problem.keyword,
            message: problem.message,
        });
        Ok(Verdict { valid: verdict.total == 0, problems: problems.collect(), total: count(verdict.total) })
    }

    fn patch(document: String, patch: String) -> Result<String, Failure> {
        let document = read("/document", &document)?;
        let patch = read("/patch", &patch)?;
        let patched = patch::apply(document, &patch).map_err(|error| match &error {
            PatchError::Operation { problem: OperationProblem::Test { .. }, .. } => {
                Failure::Conflict(error.to_string())
            }
            _ => invalid("/patch", "a JSON Patch (RFC 6902) that applies to the document", None, &error),
        })?;
        Ok(patched.to_text())
    }

    fn merge(document: String, patch: String) -> Result<String, Failure> {
        let document = read("/document", &document)?;
        let patch = read("/patch", &patch)?;
        Ok(merge::merge(document, patch).to_text())
    }

    fn diff(before: String, after: String) -> Result<String, Failure> {
        let before = read("/before", &before)?;
        let after = read("/after", &after)?;
        Ok(diff::diff(&before, &after))
    }
}

fn read<'t>(pointer: &str, text: &'t str) -> Result<Json<'t>, Failure> {
    read::read(text).map_err(|error| invalid(pointer, DOCUMENT, None, &error))
}

fn invalid(pointer: &str, expected: &str, found: Option<&str>, error: &dyn Display) -> Failure {
    Failure::InvalidArgument(Problem {
        pointer: pointer.to_owned(),
        expected: expected.to_owned(),
        // More than this would not help anybody to see what is wrong.
        found: found.map(|found| found.chars().take(200).collect()),
        message: error.to_string(),
    })
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
