//! What is learned, how it is done again, and what is refused.

use serde_json::json;
use toolcell_core::failure::Problem;
use toolcell_core::fixes::{Edit, FixStore as _};
use toolcell_core::{Arguments, ChangeKind, Failure, Kind, Tenant};

use super::*;
use crate::repair::tests::card;

fn tool() -> toolcell_core::Card {
    let row = json!({"type": "object", "properties": {"day": {"type": "string"}, "n": {"type": "integer"}}, "additionalProperties": false});
    card(json!({"type": "object", "properties": {"rows": {"type": "array", "items": row}, "path": {"type": "string"},
        "limit": {"type": ["integer", "null"]}}, "additionalProperties": false}))
}

fn text(text: &str) -> Arguments {
    Arguments::from_text(text).expect("small")
}

fn failing(pointers: &[&str]) -> Failure {
    let problem = |pointer: &&str| Problem { pointer: (*pointer).to_owned(), ..Problem::default() };
    Failure::new(Kind::InvalidArgument, "no").problems(pointers.iter().map(problem).collect())
}

#[test]
fn a_difference_at_the_failing_places_alone_becomes_edits() {
    let replace = |at: &str, from: &str, to: &str| Edit::Replace { at: at.into(), from: from.into(), to: to.into() };
    for (before, after, pointers, edits) in [
        (r#"{"path":"a"}"#, r#"{"path":"b"}"#, &["/path"][..], Some(vec![replace("/path", "\"a\"", "\"b\"")])),
        (
            r#"{"file":"a"}"#,
            r#"{"path":"a"}"#,
            &["/file"],
            Some(vec![Edit::Rename { at: String::new(), from: "file".into(), to: "path".into() }]),
        ),
        (r#"{"path":"a","x":"todo"}"#, r#"{"path":"a"}"#, &["/x"], Some(vec![Edit::Remove { at: "/x".into() }])),
        // Somebody meant something by it, and the next caller may mean more.
        (r#"{"path":"a","x":1}"#, r#"{"path":"a"}"#, &["/x"], None),
        // What one call meant says nothing of what the next one means.
        (r#"{"path":null}"#, r#"{"path":"b"}"#, &["/path"], None),
        (r#"{"path":""}"#, r#"{"path":"b"}"#, &["/path"], None),
        (r#"{"path":"<path>"}"#, r#"{"path":"b"}"#, &["/path"], None),
        ("null", r#"{"path":"b"}"#, &[""], None),
        (r#""a""#, r#"{"path":"b"}"#, &[""], None),
        (
            r#"{"limit":"5"}"#,
            r#"{"limit":5}"#,
            &["/limit"],
            Some(vec![Edit::Apply { at: "/limit".into(), rule: ChangeKind::Number }]),
        ),
        (
            r#"{"limit":"1,000"}"#,
            r#"{"limit":1000}"#,
            &["/limit"],
            Some(vec![Edit::Apply { at: "/limit".into(), rule: ChangeKind::Number }]),
        ),
        (
            r#"{"rows":[{"n":"1"},{"n":"2"}]}"#,
            r#"{"rows":[{"n":1},{"n":2}]}"#,
            &["/rows/0/n", "/rows/1/n"],
            Some(vec![Edit::Apply { at: "/rows/*/n".into(), rule: ChangeKind::Number }]),
        ),
        (r#"{"path":"a","limit":1}"#, r#"{"path":"b","limit":2}"#, &["/path"], None),
        (r#"{"path":"a"}"#, r#"{"path":"a","limit":2}"#, &["/limit"], None),
        (r#"{"path":"a"}"#, r#"{"path":"a"}"#, &["/path"], None),
        (r#"{"rows":[]}"#, r#"{"rows":[{}]}"#, &["/path"], None),
        (r#"{"path":"#, r#"{"path":"b"}"#, &["/path"], None),
    ] {
        assert_eq!(derive(&tool(), &text(before), &failing(pointers), &text(after)), edits, "{before} to {after}");
    }
    let long = format!("{{\"path\":\"{}\"}}", "x".repeat(2 * MAX_FIX_BYTES));
    assert_eq!(
        derive(&tool(), &text(&long), &failing(&["/path"]), &text(r#"{"path":"b"}"#)),
        None,
        "too large to keep"
    );
}

#[test]
fn edits_meet_only_what_failed_and_only_what_they_were_made_for() {
    let apply = |arguments: &str, pointers: &[&str], edits: &[Edit]| {
        super::apply(&tool(), &text(arguments), &failing(pointers), edits).map(|(found, _)| found.as_str().to_owned())
    };
    let replace = [Edit::Replace { at: "/path".into(), from: "\"a\"".into(), to: "\"b\"".into() }];
    assert_eq!(
        apply(r#"{"path":"a","limit":1.0}"#, &["/path"], &replace).as_deref(),
        Some(r#"{"path":"b","limit":1.0}"#)
    );
    assert_eq!(apply(r#"{"path":"c"}"#, &["/path"], &replace), None, "another value");
    assert_eq!(apply(r#"{"path":"a"}"#, &["/limit"], &replace), None, "another place failed");
    let number = [Edit::Apply { at: "/rows/*/n".into(), rule: ChangeKind::Number }];
    assert_eq!(
        apply(r#"{"rows":[{"n":3},{"n":"4"}]}"#, &["/rows/1/n"], &number).as_deref(),
        Some(r#"{"rows":[{"n":3},{"n":4}]}"#)
    );
    let rename = [Edit::Rename { at: "/rows/*".into(), from: "date".into(), to: "day".into() }];
    assert_eq!(
        apply(r#"{"rows":[{"date":"x"},{"date":"y"}]}"#, &["/rows/0/date", "/rows/1/date"], &rename).as_deref(),
        Some(r#"{"rows":[{"day":"x"},{"day":"y"}]}"#)
    );
    assert_eq!(apply(r#"{"rows":[{"date":"x","day":"z"}]}"#, &["/rows/0/date"], &rename), None, "the name is taken");
    let remove = [Edit::Remove { at: "/x".into() }];
    assert_eq!(apply(r#"{"x":[],"path":"a"}"#, &["/x"], &remove).as_deref(), Some(r#"{"path":"a"}"#));
    assert_eq!(apply(r#"{"x":1,"path":"a"}"#, &["/x"], &remove), None, "it holds something");
    let invented = [Edit::Replace { at: "/path".into(), from: "null".into(), to: "\"a\"".into() }];
    assert_eq!(apply(r#"{"path":null}"#, &["/path"], &invented), None, "that was another call's");
    let wrong = [Edit::Replace { at: "/path".into(), from: "\"a\"".into(), to: "5".into() }];
    assert_eq!(apply(r#"{"path":"a"}"#, &["/path"], &wrong), None, "the schema refuses it");
    assert_eq!(apply(r#"{"path":"a"}"#, &["/path"], &[Edit::Tool { to: "other.tool".into() }]), None);
    assert_eq!(apply("[", &["/path"], &replace), None);
}

#[tokio::test]
async fn fixes_leave_and_enter_as_lines_and_start_anew_elsewhere() {
    let (store, other) = (Shelf::new(100), Tenant("other".into()));
    let edits = vec![Edit::Remove { at: "/x".into() }];
    let mut fix = shelf::tests::fix(1, 90, 100);
    (fix.id, fix.edits) = (learner::id(fix.fingerprint, &edits), edits);
    store.add(&fix).await.expect("kept");
    let lines = export(&store, &Tenant::default()).await.expect("exported");
    assert_eq!(import(&store, &other, &lines).await.expect("imported"), 1);
    let found = store.list(&other, None, 10).await.expect("listed");
    assert_eq!((found[0].tenant.clone(), found[0].worked, found[0].tried), (other.clone(), 1, 1));
    for bad in [
        lines.replace("/x", "/y"),
        lines.replace("\"tried\":100", "\"tried\":-1"),
        lines.replace("\"edits\"", "\"edit\""),
        format!("{lines}{{}}"),
        "x".repeat(1 << 20),
        "\u{0}".to_owned(),
    ] {
        let empty = Shelf::new(100);
        assert!(matches!(import(&empty, &other, &bad).await, Err(ImportError::Line { .. })), "{bad:.80}");
        assert!(empty.list(&other, None, 10).await.expect("listed").is_empty(), "all or nothing");
    }
}
