//! Arguments, schemas and problems from strangers: a bounded cost, and never a panic.

use std::time::{Duration, Instant};

use serde_json::json;
use toolcell_core::{Arguments, Failure, Kind};

use super::super::{MAX_PROBLEMS, Proposal, Why, propose};
use super::cases::schema;
use super::{card, failure};

fn nothing(proposal: &Proposal) -> bool {
    matches!(proposal, Proposal::Nothing { .. })
}

#[test]
fn a_failure_that_names_no_place_or_too_many_is_not_repaired() {
    let card = card(schema("int"));
    let arguments = Arguments::from_text(r#"{"x":"5"}"#).expect("small");
    assert_eq!(propose(&card, &arguments, &failure(&[])), Proposal::Nothing { why: Why::NoPlace });
    let many: Vec<String> = (0..=MAX_PROBLEMS).map(|n| format!("/x/{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(propose(&card, &arguments, &failure(&many)), Proposal::Nothing { why: Why::TooMany(65) });
    for kind in [Kind::NotFound, Kind::Trap, Kind::NotGranted, Kind::UnknownTool, Kind::NeedsPerson] {
        let mut failure = failure(&["/x"]);
        failure.kind = kind;
        assert!(nothing(&propose(&card, &arguments, &failure)), "{kind}");
    }
}

#[test]
fn what_is_no_json_is_mended_only_where_nothing_is_guessed() {
    let card = card(schema("int"));
    let broken = Failure::new(Kind::InvalidJson, "no");
    for (text, found) in
        [("```json\n{\"x\":5}\n```", Some("{\"x\":5}")), ("{\"x\":5,}", Some("{\"x\":5}")), ("{\"x\":", None)]
    {
        match (propose(&card, &Arguments::from_text(text).expect("small"), &broken), found) {
            (Proposal::Changed { arguments, changes }, Some(found)) => {
                assert_eq!((arguments.as_str(), changes.len()), (found, 1));
            }
            (Proposal::Nothing { why: Why::Unreadable }, None) => {}
            (other, _) => panic!("{text}: {other:?}"),
        }
    }
    let garbage = Arguments::from_text("\u{0}{{{{").expect("small");
    assert_eq!(propose(&card, &garbage, &failure(&["/x"])), Proposal::Nothing { why: Why::Unreadable });
}

#[test]
fn large_arguments_cost_bounded_time() {
    let digits = format!("{{\"x\":\"{}\"}}", "9".repeat(8 << 20));
    let deep = format!("{{\"x\":{}1{}}}", "[".repeat(60), "]".repeat(60));
    let quoted = (0..8).fold("5".to_owned(), |text, _| serde_json::to_string(&[text]).expect("JSON"));
    let wide = format!("{{{}}}", (0..60_000).map(|n| format!("\"k{n}\":[1]")).collect::<Vec<_>>().join(","));
    let long = format!("{{\"x\":\"{}\"}}", "1,".repeat(1 << 20));
    let objects = format!("{{\"x\":{}1{}}}", "{\"value\":".repeat(60), "}".repeat(60));
    for (name, text) in [
        ("digits", digits),
        ("deep", deep),
        ("quoted", format!("{{\"x\":{}}}", serde_json::to_string(&quoted).expect("JSON"))),
        ("wide", wide),
        ("long", long),
        ("objects", objects),
    ] {
        for of in ["int", "ints", "texts", "flags", "shape", "headers", "bytes", "dates", "search"] {
            let started = Instant::now();
            let arguments = Arguments::from_text(text.as_str()).expect("within the ceiling");
            let _ = propose(&card(schema(of)), &arguments, &failure(&["", "/x", "/k1", "/k2"]));
            assert!(started.elapsed() < Duration::from_secs(20), "{name} {of} took {:?}", started.elapsed());
        }
    }
}

#[test]
fn a_tools_words_lead_to_nothing_that_the_schema_refuses() {
    let card = card(schema("enum"));
    let arguments = Arguments::from_text(r#"{"x":"asc"}"#).expect("small");
    for words in
        ["/x=one of: asd, asc2", "/x=one of: ASC", "/x=\u{1b}[2J", &format!("/x=one of: {}", "a,".repeat(1_000_000))]
    {
        assert!(nothing(&propose(&card, &arguments, &failure(&[words]))), "{words:.40}");
    }
}

#[test]
fn a_schema_that_is_not_understood_is_left_alone() {
    let arguments = Arguments::from_text(r#"{"x":"5"}"#).expect("small");
    for inner in [
        json!({"$ref": "#/x"}),
        json!({"type": "integer", "multipleOf": 5}),
        json!({"allOf": [{"type": "integer"}]}),
        json!({"type": ["integer", 7]}),
        json!({"type": "integer", "minimum": "0"}),
        json!({"type": "integer", "pattern": "("}),
        json!({"enum": "x"}),
        json!({"oneOf": 5}),
        json!(false),
        json!(null),
        json!([]),
    ] {
        let card = card(json!({"type": "object", "properties": {"x": inner.clone()}, "additionalProperties": false}));
        let proposal = propose(&card, &arguments, &failure(&["/x"]));
        let harmless = matches!(&proposal, Proposal::Changed { arguments, .. } if arguments.as_str() == r#"{"x":5}"#);
        assert!(nothing(&proposal) || harmless, "{inner}: {proposal:?}");
    }
    for whole in [json!(null), json!(true), json!([]), json!({"properties": 5}), json!({"required": 5})] {
        let _ = propose(&card(whole), &arguments, &failure(&["", "/x"]));
    }
}

#[test]
fn an_excerpt_is_cut_and_whole_characters_stay() {
    let card = card(schema("texts"));
    let text = "é".repeat(5_000);
    let arguments = Arguments::from_text(format!("{{\"x\":\"{text}\"}}")).expect("small");
    let Proposal::Changed { changes, .. } = propose(&card, &arguments, &failure(&["/x"])) else {
        panic!("a list of one")
    };
    let after = changes[0].after.as_ref().expect("a value");
    assert!(after.len() <= 120 && after.ends_with('…'), "{after}");
}
