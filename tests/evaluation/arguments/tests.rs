use std::collections::BTreeSet;

use serde_json::json;

use super::super::chance::Chance;
use super::*;

/// A schema with one of everything that the host writes for WIT types, and arguments with something for every family.
fn everything() -> (Value, Value) {
    let text = json!({"type": "string"});
    let case = |name: &str, inner: &Value| json!({"type": "object", "properties": {name: inner}, "required": [name], "additionalProperties": false});
    let schema = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["query", "document", "source", "columns", "data", "url", "day", "max_bytes", "number", "where"],
        "properties": {
            "query": text,
            "document": text,
            "url": text,
            "day": text,
            "number": text,
            "max_bytes": {"type": "integer", "minimum": 0, "maximum": 4_294_967_295_u32},
            "limit": {"type": ["integer", "null"], "minimum": 0, "maximum": 4_294_967_295_u32},
            "columns": {"type": "array", "items": text},
            "data": {"type": "string", "contentEncoding": "base64"},
            "source": {"oneOf": [case("inline", &text), case("file", &text)]},
            "order": {"oneOf": [{"const": "ascending", "description": "Up."}, {"const": "descending"}, {"type": "null"}]},
            "how": {"type": ["string", "null"], "enum": ["not-won", "json-objects", "mean", null]},
            "units": {"type": ["string", "null"], "enum": ["metric", "imperial", null]},
            "where": {"type": "array", "items": {
                "type": "object",
                "properties": {"column": text, "value": {"type": ["string", "null"]}},
                "required": ["column"],
                "additionalProperties": false,
            }},
            "options": {
                "type": ["object", "null"],
                "properties": {"whole_page": {"type": ["boolean", "null"]}, "redirects": {"type": ["integer", "null"]}},
                "additionalProperties": false,
            },
        },
    });
    let arguments = json!({
        "query": "first\nsecond",
        "document": "{\"a\":[1]}",
        "url": "https://example.com/a",
        "day": "2026-02-21",
        "number": "42",
        "max_bytes": 8_388_608,
        "columns": ["one", "two"],
        "data": "PDw/Pz8+Pg==",
        "source": {"file": "/data/x.csv"},
        "how": "json-objects",
        "where": [{"column": "a", "value": "1990"}],
        "options": {"whole_page": true, "redirects": 3},
    });
    (schema, arguments)
}

fn made(family: &Family, seed: u64) -> Option<Wrong> {
    let (schema, mut arguments) = everything();
    // The notation of Python is tried where no text needs an escape.
    if family.name == "text-of-python" {
        arguments["query"] = json!("first");
        arguments["document"] = json!("none");
    }
    let right = Right { tool: "table.select-rows", schema: &schema, arguments: &arguments };
    (family.make)(&right, &mut Chance::new(family.name, "everything", seed))
}

#[test]
fn every_family_has_a_name_of_its_own_and_gets_something_wrong() {
    let mut names = BTreeSet::new();
    for family in families() {
        assert!(names.insert(family.name), "{}", family.name);
        let wrong: Vec<Wrong> = (0..24).filter_map(|seed| made(family, seed)).collect();
        assert!(!wrong.is_empty(), "{} has nothing to get wrong", family.name);
        let (_, arguments) = everything();
        for wrong in wrong {
            let same = serde_json::from_str::<Value>(&wrong.arguments).is_ok_and(|read| read == arguments);
            let twice = family.name == "text-twice-same" || family.name == "text-twice-different";
            assert!(
                !same || twice || wrong.tool != "table.select-rows",
                "{} is right: {}",
                family.name,
                wrong.arguments
            );
        }
    }
    assert!(names.len() >= 90, "{}", names.len());
}

#[test]
fn the_same_seed_gets_the_same_wrong() {
    for family in families() {
        for seed in 0..6 {
            assert_eq!(made(family, seed), made(family, seed), "{}", family.name);
        }
    }
}

#[test]
fn text_that_is_cut_or_decorated_is_not_read_as_json() {
    for family in families().into_iter().filter(|family| family.group == Group::Text) {
        let strict = !matches!(family.name, "text-quoted" | "text-twice-same" | "text-twice-different");
        for wrong in (0..12).filter_map(|seed| made(family, seed)).filter(|_| strict) {
            assert!(serde_json::from_str::<Value>(&wrong.arguments).is_err(), "{}: {}", family.name, wrong.arguments);
        }
    }
}

#[test]
fn a_label_is_as_careful_as_it_says() {
    let needs = |name: &str| {
        let family = families().into_iter().find(|family| family.name == name).unwrap();
        (0..12).filter_map(|seed| made(family, seed)).map(|wrong| wrong.needs).collect::<BTreeSet<_>>()
    };
    for name in ["missing-required", "joined-list", "swapped-alike", "text-cut", "enum-unknown", "extra-wish"] {
        assert_eq!(needs(name), [Needs::Invention].into(), "{name}");
    }
    for name in
        ["name-camel-case", "wrapped-arguments", "number-as-text", "enum-shouted", "text-fenced", "date-day-first"]
    {
        assert_eq!(needs(name), [Needs::Schema].into(), "{name}");
    }
    assert_eq!(needs("name-synonym"), [Needs::Memory].into());
}

#[test]
fn distances_are_those_of_optimal_alignment() {
    for (a, b, far) in [("", "", 0), ("query", "qurey", 1), ("limit", "limt", 1), ("abc", "xyz", 3), ("a", "", 1)] {
        assert_eq!(distance(a, b), far, "{a} {b}");
    }
}
