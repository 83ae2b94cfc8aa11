//! Wrong and hostile arguments.

use std::sync::Arc;
use std::time::{Duration, Instant};

use toolcell_core::json::{Bounds, parse};
use toolcell_core::types::Field;

use super::*;

const WIDE: Bounds = Bounds { bytes: 1 << 28, values: 20_000_000, depth: 128 };

fn signature(params: Vec<Field>) -> Signature {
    Signature { params: params.into(), result: None }
}

fn problems_of(signature: &Signature, text: &str) -> Vec<Problem> {
    match lower(signature, &parse(text, WIDE).expect("JSON"), 1_000_000) {
        Err(LowerError::Problems(problems)) => problems,
        other => panic!("{other:?}"),
    }
}

fn option(ty: Type) -> Type {
    Type::Option(Arc::new(ty))
}

#[test]
fn everything_that_is_wrong_is_said_at_once_with_its_place() {
    let row = Type::Record([Field::new("date", Type::String), Field::new("a/b~c", Type::Bool)].into());
    let signature = signature(vec![
        Field::new("path", Type::String),
        Field::new("max-items", Type::Int(Int::U8)),
        Field::new("rows", Type::List(Arc::new(row))),
        Field::new("sort-order", option(Type::Enum(["asc".into(), "desc-ending".into()].into()))),
    ]);
    let text = r#"{"pth":"x","max_items":256,"rows":[{"date":"d","a/b~c":true},{"date":1,"a/b~c":null}],"sort_order":"desc_ending"}"#;
    let shown: Vec<String> = problems_of(&signature, text).iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "/path: expected a string, found nothing: it is required",
            "/max_items: expected an integer from 0 to 255, found the number 256",
            "/rows/1/date: expected a string, found the number 1",
            "/rows/1/a~1b~0c: expected true or false, found null",
            "/sort_order: expected one of the strings: asc, desc-ending, found \"desc_ending\"; did you mean `desc-ending`?",
            "/pth: expected no other member than: path, max_items, rows, sort_order, found the unknown member \"pth\"; did you mean `path`?",
        ]
    );
}

#[test]
fn arguments_that_are_no_object_are_refused_as_a_whole() {
    for text in ["null", "[]", "\"{}\"", "1"] {
        let problems = problems_of(&signature(vec![]), text);
        assert_eq!((problems.len(), problems[0].pointer.as_str()), (1, ""));
    }
    assert_eq!(lower(&signature(vec![]), &parse("{}", WIDE).expect("JSON"), 0), Ok(vec![]));
}

#[test]
fn numbers_out_of_range_say_the_range_and_stay_exact() {
    let of = |ty, text: &str| {
        problems_of(&signature(vec![Field::new("x", ty)]), &format!("{{\"x\":{text}}}"))[0].to_string()
    };
    assert_eq!(
        of(Type::Int(Int::U64), "18446744073709551616"),
        "/x: expected an integer from 0 to 18446744073709551615, or the same as a decimal string, found the number 18446744073709551616"
    );
    assert!(of(Type::F64, "1e400").ends_with("found the number 1e400"));
    assert!(of(Type::F32, "1e39").contains("single precision"));
    assert!(of(Type::Int(Int::S32), "1.5").ends_with("found the number 1.5"));
    assert!(of(Type::Int(Int::U8), &"9".repeat(1_000)).len() < 200);
}

#[test]
fn what_stood_there_is_short_and_inert() {
    let signature = signature(vec![Field::new("x", Type::Bool)]);
    let problems = problems_of(&signature, &format!("{{\"x\":\"\\u001b]52;c;{}\"}}", "é".repeat(100_000)));
    let found = problems[0].found.as_deref().expect("something stood there");
    assert!(found.starts_with("the string \"\\u{1b}]52;c;é") && found.ends_with("…\"") && found.len() < 100, "{found}");
    // A name that could act, or that is very long, is reported at its object.
    for name in ["\\u001b[2J".to_owned(), "n".repeat(100_000), "\\u0000".to_owned(), "\\u202e".to_owned()] {
        let problems = problems_of(&signature, &format!("{{\"x\":true,\"{name}\":1}}"));
        assert_eq!(problems[0].pointer, "");
        assert!(problems[0].found.as_ref().is_some_and(|found| found.len() < 110 && !found.contains('\u{1b}')));
    }
    assert_eq!(problems_of(&signature, "{\"x\":true,\"__proto__\":1}")[0].pointer, "/__proto__");
    assert_eq!(problems_of(&signature, "{\"x\":true,\"a/b~\":1}")[0].pointer, "/a~1b~0");
}

#[test]
fn very_many_mistakes_cost_bounded_time_and_give_a_bounded_answer() {
    let many = |count: usize, item: &dyn Fn(usize) -> String| (0..count).map(item).collect::<Vec<_>>().join(",");
    let fields: Vec<Field> = (0..10_000).map(|n| Field::new(&format!("field-{n}"), option(Type::Bool))).collect();
    let cases: Arc<[Arc<str>]> = (0..10_000).map(|n| Arc::from(format!("case-{n}"))).collect();
    for (name, params, text, at_least) in [
        (
            "unknown keys",
            vec![Field::new("x", Type::Bool)],
            format!("{{{}}}", many(100_000, &|n| format!("\"k{n}\":1"))),
            MAX_PROBLEMS,
        ),
        (
            "unknown keys of a wide record",
            fields.clone(),
            format!("{{{}}}", many(100_000, &|n| format!("\"field_k{n}\":1"))),
            MAX_PROBLEMS,
        ),
        (
            "wrong items",
            vec![Field::new("x", Type::List(Arc::new(Type::Bool)))],
            format!("{{\"x\":[{}]}}", many(1_000_000, &|_| "1".into())),
            MAX_PROBLEMS,
        ),
        (
            "wrong names of a huge enum",
            vec![Field::new("x", Type::List(Arc::new(Type::Enum(cases.clone()))))],
            format!("{{\"x\":[{}]}}", many(200_000, &|n| format!("\"cas-{n}\""))),
            MAX_PROBLEMS,
        ),
        (
            "duplicate flags",
            vec![Field::new("x", Type::Flags(["a".into()].into()))],
            format!("{{\"x\":[{}]}}", many(1_000_000, &|_| "\"a\"".into())),
            MAX_PROBLEMS,
        ),
        (
            "everything missing",
            (0..5_000).map(|n| Field::new(&format!("f{n}"), Type::Bool)).collect(),
            "{}".into(),
            MAX_PROBLEMS,
        ),
        (
            "a wrong depth",
            vec![Field::new("x", Type::Bool)],
            format!("{{\"x\":{}{}}}", "[".repeat(100), "]".repeat(100)),
            1,
        ),
    ] {
        let signature = signature(params);
        let arguments = parse(&text, WIDE).expect("JSON");
        let started = Instant::now();
        let Err(LowerError::Problems(problems)) = lower(&signature, &arguments, 10_000_000) else { panic!("{name}") };
        assert!(started.elapsed() < Duration::from_secs(20), "{name} took {:?}", started.elapsed());
        assert_eq!(problems.len(), at_least, "{name}");
    }
    // The right names of a huge enum, and the members of a wide record in the wrong order, are found in linear time.
    let wide = signature(fields);
    let text =
        format!("{{{}}}", (0..10_000).rev().map(|n| format!("\"field_{n}\":true")).collect::<Vec<_>>().join(","));
    let right = signature(vec![Field::new("x", Type::List(Arc::new(Type::Enum(cases))))]);
    let names = format!("{{\"x\":[{}]}}", many(300_000, &|n| format!("\"case-{}\"", n % 10_000)));
    for (signature, text) in [(wide, text), (right, names)] {
        let arguments = parse(&text, WIDE).expect("JSON");
        let started = Instant::now();
        assert!(lower(&signature, &arguments, 10_000_000).is_ok());
        assert!(started.elapsed() < Duration::from_secs(20), "took {:?}", started.elapsed());
    }
}

#[test]
fn a_small_text_cannot_become_very_many_values() {
    let wide = Type::Record((0..1_000).map(|n| Field::new(&format!("f{n}"), option(Type::Bool))).collect());
    let signature =
        signature(vec![Field::new("x", Type::List(Arc::new(wide))), Field::new("raw", option(Type::Bytes))]);
    let text = format!("{{\"x\":[{}]}}", vec!["{}"; 100_000].join(","));
    let over = LowerError::Over { limit: Limit::ArgumentValues, value: 1_000_000 };
    assert_eq!(lower(&signature, &parse(&text, WIDE).expect("JSON"), 1_000_000), Err(over.clone()));
    let text = format!("{{\"x\":[],\"raw\":\"{}\"}}", "AAAA".repeat(400_000));
    assert_eq!(lower(&signature, &parse(&text, WIDE).expect("JSON"), 1_000_000), Err(over));
}
