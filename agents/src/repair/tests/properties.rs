//! What holds for every repair, whatever the arguments are.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};
use toolcell_core::Arguments;
use toolcell_core::json::{Bounds, Json, parse};

use super::super::{Proposal, fits, propose};
use super::cases::{CASES, schema};
use super::{card, failure};

const WIDE: Bounds = Bounds { bytes: 1 << 20, values: 100_000, depth: 128 };

/// Letters and digits of a text, in lower case: what no rewriting adds to, but for names of the schema, `true`, `false` and `null`.
fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The leaves of a value, and the names of its members, since a map's may become values.
fn leaves(json: &Json<'_>, found: &mut Vec<String>) {
    match json {
        Json::Array(items) => items.iter().for_each(|item| leaves(item, found)),
        Json::Object(members) => members.iter().for_each(|(name, value)| {
            found.push(name.to_string());
            leaves(value, found);
        }),
        Json::String(text) => found.push(text.to_string()),
        other => found.push(other.to_text()),
    }
}

/// Every name that a schema knows.
fn known(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(members) => members.iter().for_each(|(name, inside)| {
            found.insert(name.clone());
            known(inside, found);
        }),
        Value::Array(items) => items.iter().for_each(|item| known(item, found)),
        Value::String(text) => {
            found.insert(text.clone());
        }
        _ => {}
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        (-300_i64..300).prop_map(Value::from),
        prop_oneof![
            Just("5"),
            Just("1,000"),
            Just("true"),
            Just("asc"),
            Just("Desc_Ending"),
            Just("a,b"),
            Just("[1]"),
            Just("{\"query\":\"q\"}"),
            Just(""),
            Just("none"),
            Just("write"),
            Just("2024/01/31"),
            Just("-_-_"),
            Just("circle"),
        ]
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let name = prop_oneof![
            Just("query"),
            Just("Query"),
            Just("x"),
            Just("X"),
            Just("value"),
            Just("maxResults"),
            Just("id"),
            Just("name"),
            Just("rows"),
            Just("arguments"),
            Just("limit"),
            Just("mode"),
            Just("url"),
            Just("method"),
            Just("type"),
            Just("day"),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..4).prop_map(|members| {
                Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }),
        ]
    })
}

/// The pointers of everything in a value, and of what its schema knows at the top.
fn pointers(json: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match json {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, item)| pointers(item, &format!("{at}/{n}"), found));
        }
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| pointers(value, &format!("{at}/{name}"), found));
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn a_repair_fits_the_schema_and_every_leaf_of_it_comes_from_the_original(
        arguments in value(), pick in any::<prop::sample::Index>(), all in any::<bool>(), places in prop::collection::vec(any::<prop::sample::Index>(), 1..5)
    ) {
        let (name, ..) = CASES[pick.index(CASES.len())];
        let card = card(schema(name));
        let mut everywhere = Vec::new();
        pointers(&arguments, "", &mut everywhere);
        everywhere.extend(["/x", "/query", "/request", "/mode"].map(str::to_owned));
        let some: Vec<&str> = places.iter().map(|place| everywhere[place.index(everywhere.len())].as_str()).collect();
        let every: Vec<&str> = everywhere.iter().take(64).map(String::as_str).collect();
        let failure = failure(if all { &every } else { &some });
        let before = Arguments::from_text(arguments.to_string()).expect("small");
        let proposal = propose(&card, &before, &failure);
        prop_assert_eq!(&proposal, &propose(&card, &before, &failure), "it is a function of its arguments");
        let Proposal::Changed { arguments: after, changes } = proposal else { return Ok(()) };
        let json = parse(after.as_str(), WIDE).expect("a repair is JSON");
        prop_assert!(fits(&card, &json), "{} does not fit {name}", after.as_str());
        prop_assert!(!changes.is_empty());
        let source = plain(before.as_str());
        let mut names = BTreeSet::new();
        known(&card.arguments, &mut names);
        let mut found = Vec::new();
        leaves(&json, &mut found);
        for leaf in found {
            let closed = matches!(leaf.as_str(), "true" | "false" | "null");
            let date = leaf.starts_with("2024-01-31");
            prop_assert!(
                closed || date || names.contains(&leaf) || source.contains(&plain(&leaf)),
                "{leaf} of {} is not in {}", after.as_str(), before.as_str()
            );
        }
        // Beside what failed nothing moves.
        let top = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        let (old, new) = (top(before.as_str()), top(after.as_str()));
        if let (Value::Object(old), Value::Object(new)) = (&old, &new) {
            for (name, value) in old {
                let at = format!("/{name}");
                let failed = failure.problems.iter().any(|p| p.pointer.is_empty() || p.pointer == at || p.pointer.starts_with(&format!("{at}/")));
                prop_assert!(failed || new.get(name) == Some(value), "{at} moved: {} became {}", before.as_str(), after.as_str());
            }
        }
    }

    #[test]
    fn numbers_lose_no_digit(digits in "-?[1-9][0-9]{0,17}(\\.[0-9]{1,30})?") {
        let arguments = Arguments::from_text(format!("{{\"x\":\"{digits}\"}}")).expect("small");
        let Proposal::Changed { arguments, .. } = propose(&card(schema("float")), &arguments, &failure(&["/x"])) else {
            return Err(TestCaseError::fail("a number"));
        };
        prop_assert_eq!(arguments.as_str(), format!("{{\"x\":{digits}}}"));
    }

    #[test]
    fn what_fits_here_fits_a_checker_of_the_standard_too(arguments in value(), pick in any::<prop::sample::Index>()) {
        // Dates and base64 are left to annotations there, so only one direction holds.
        let (name, ..) = CASES[pick.index(CASES.len())];
        let card = card(schema(name));
        let text = arguments.to_string();
        if fits(&card, &parse(&text, WIDE).expect("JSON")) {
            prop_assert!(jsonschema::is_valid(&card.arguments, &arguments), "{text} under {name}");
        }
    }
}
