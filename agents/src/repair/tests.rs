//! The rules, as a table.

use std::sync::Arc;

use serde_json::Value;
use toolcell_core::{Card, Digest, Effects};

pub(crate) fn card(arguments: Value) -> Card {
    Card {
        id: "json.query".parse().expect("an id"),
        component: Digest::of(b"component"),
        version: Some("1.2.3".to_owned()),
        category: None,
        description: None,
        arguments: Arc::new(arguments),
        result: Arc::new(Value::Bool(true)),
        examples: Vec::new(),
        effects: Effects::ReadOnly,
        grant: Digest::of(b"grant"),
        secrets: false,
        keeps_results: false,
    }
}

mod cases;
mod hostile;
mod properties;

use toolcell_core::failure::Problem;
use toolcell_core::{Arguments, Failure, Kind};

use super::{Proposal, propose};

pub(super) fn failure(pointers: &[&str]) -> Failure {
    let problem = |place: &&str| {
        let (pointer, expected) = place.split_once('=').unwrap_or((place, ""));
        Problem { pointer: pointer.to_owned(), expected: expected.to_owned(), ..Problem::default() }
    };
    Failure::new(Kind::InvalidArgument, "no").problems(pointers.iter().map(problem).collect())
}

#[test]
fn every_case_is_repaired_as_the_table_says_or_not_at_all() {
    let mut wrong = Vec::new();
    let mut refused = 0;
    for (schema, arguments, pointers, expected, kinds) in cases::CASES {
        let card = card(cases::schema(schema));
        let before = Arguments::from_text(*arguments).expect("small");
        let (found, by) = match propose(&card, &before, &failure(pointers)) {
            Proposal::Changed { arguments, changes } => {
                let kinds: Vec<&str> = changes.iter().map(|change| change.kind.name()).collect();
                (arguments.as_str().to_owned(), kinds.join(" "))
            }
            Proposal::Nothing { .. } => ("-".to_owned(), String::new()),
            Proposal::Ambiguous { .. } => ("?".to_owned(), String::new()),
        };
        refused += usize::from(matches!(*expected, "-" | "?"));
        if (found.as_str(), by.as_str()) != (*expected, *kinds) {
            wrong.push(format!("{schema} {arguments}\n   found {found} by {by}\n  wanted {expected} by {kinds}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases::CASES.len(), wrong.join("\n"));
    assert!(cases::CASES.len() >= 120 && refused >= 40, "{} cases, {refused} refused", cases::CASES.len());
}
