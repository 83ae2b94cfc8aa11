//! The table "WIT | JSON", tried from all sides at once.
//!
//! The schema, the check of arguments, the result and the shape of a component were written apart and must agree: what the check takes,
//! the schema takes; what a result looks like, the schema of the result allows; and a type that went through a component comes back.

mod echo;
mod generate;
mod typed;

use std::sync::Arc;

use serde_json::Value;
use toolcell_core::docs::ToolDocs;
use toolcell_core::json::{Bounds, Json, parse};
use toolcell_core::types::{Case, Field, Int, ResultType, Signature, Type};

use super::{LiftBounds, LowerError, input_schema, lift, lower, output_schema};

pub(super) const BOUNDS: LiftBounds = LiftBounds { bytes: 1 << 24, values: 1_000_000 };

pub(super) fn json(text: &str) -> Json<'_> {
    parse(text, Bounds { bytes: 1 << 26, values: 10_000_000, depth: 128 })
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A function of one parameter `x`.
pub(super) fn taking(ty: &Type) -> Signature {
    Signature { params: [Field::new("x", ty.clone())].into(), result: None }
}

pub(super) fn giving(ty: &Type) -> Signature {
    Signature { params: [].into(), result: Some(ty.clone()) }
}

/// What is taken of a type, with the text it comes back as; what is refused; and what is refused although the schema cannot say so.
struct Row {
    ty: Type,
    taken: &'static [(&'static str, &'static str)],
    refused: &'static [&'static str],
    unsaid: &'static [&'static str],
}

fn list(ty: Type) -> Type {
    Type::List(Arc::new(ty))
}

fn option(ty: Type) -> Type {
    Type::Option(Arc::new(ty))
}

fn case(name: &str, payload: Option<Type>) -> Case {
    Case { name: name.into(), payload }
}

fn result(ok: Option<Type>, err: Option<Type>) -> Type {
    Type::Result(Arc::new(ResultType { ok, err }))
}

fn rows() -> Vec<Row> {
    let row = |ty, taken, refused| Row { ty, taken, refused, unsaid: &[] };
    let record =
        || Type::Record([Field::new("max-items", Type::Int(Int::U8)), Field::new("URL", option(Type::String))].into());
    let color = || Type::Enum(["red".into(), "dark-blue".into()].into());
    vec![
        row(Type::Bool, &[("true", "true"), ("false", "false")], &["null", "0", "\"true\"", "[]"]),
        row(
            Type::Int(Int::U8),
            &[("0", "0"), ("255", "255"), ("1.0", "1"), ("2.5e1", "25"), ("-0", "0")],
            &["256", "-1", "1.5", "\"1\"", "1e3", "null", "1e-1"],
        ),
        row(Type::Int(Int::S8), &[("-128", "-128"), ("127", "127")], &["128", "-129"]),
        row(Type::Int(Int::U16), &[("65535", "65535")], &["65536"]),
        row(Type::Int(Int::S16), &[("-32768", "-32768")], &["-32769", "32768"]),
        row(Type::Int(Int::U32), &[("4294967295", "4294967295")], &["4294967296", "\"4294967295\""]),
        row(Type::Int(Int::S32), &[("-2147483648", "-2147483648")], &["2147483648"]),
        Row {
            ty: Type::Int(Int::U64),
            taken: &[
                ("9007199254740991", "9007199254740991"),
                ("9007199254740992", "\"9007199254740992\""),
                ("18446744073709551615", "\"18446744073709551615\""),
                ("\"18446744073709551615\"", "\"18446744073709551615\""),
                ("\"7\"", "7"),
            ],
            refused: &[
                "-1",
                "\"-1\"",
                "\"01\"",
                "\"\"",
                "\"1.0\"",
                "\" 1\"",
                "1.5",
                "18446744073709551616",
                "\"100000000000000000000000\"",
            ],
            unsaid: &["\"18446744073709551616\""],
        },
        Row {
            ty: Type::Int(Int::S64),
            taken: &[
                ("-9007199254740991", "-9007199254740991"),
                ("-9223372036854775808", "\"-9223372036854775808\""),
                ("\"-9223372036854775808\"", "\"-9223372036854775808\""),
                ("9223372036854775807", "\"9223372036854775807\""),
            ],
            refused: &["9223372036854775808", "\"+1\"", "true"],
            unsaid: &["\"9223372036854775808\""],
        },
        row(
            Type::F64,
            &[
                ("1", "1.0"),
                ("-0.0", "-0.0"),
                ("0.1", "0.1"),
                ("1e308", "1e308"),
                ("5e-324", "5e-324"),
                ("123456789012345680", "1.2345678901234568e17"),
                ("\"NaN\"", "\"NaN\""),
                ("\"Infinity\"", "\"Infinity\""),
                ("\"-Infinity\"", "\"-Infinity\""),
            ],
            &["\"nan\"", "\"1\"", "\"+Infinity\"", "null", "true"],
        ),
        row(
            Type::F32,
            &[
                ("0.1", "0.1"),
                ("3.4028234663852886e38", "3.4028235e38"),
                ("-3.4028235e38", "-3.4028235e38"),
                ("1e-46", "0.0"),
                ("\"NaN\"", "\"NaN\""),
            ],
            &["1e39", "3.4028236e38", "-1e39", "\"inf\""],
        ),
        row(
            Type::Char,
            &[
                ("\"a\"", "\"a\""),
                ("\"é\"", "\"é\""),
                ("\"🎉\"", "\"🎉\""),
                ("\"\\n\"", "\"\\n\""),
                ("\"\\u0000\"", "\"\\u0000\""),
            ],
            &["\"\"", "\"ab\"", "\"e\\u0301\"", "1"],
        ),
        row(
            Type::String,
            &[
                ("\"\"", "\"\""),
                ("\"a\\\"b\\\\c\\/\\u001f\\u007f\\u2028\"", "\"a\\\"b\\\\c/\\u001f\u{7f}\u{2028}\""),
                ("\"__proto__\"", "\"__proto__\""),
            ],
            &["1", "null", "[\"a\"]", "{}"],
        ),
        Row {
            ty: Type::Bytes,
            taken: &[
                ("\"\"", "\"\""),
                ("\"AAEC\"", "\"AAEC\""),
                ("\"AA==\"", "\"AA==\""),
                ("\"AA\"", "\"AA==\""),
                ("\"+/+/\"", "\"+/+/\""),
            ],
            refused: &["[0,1]", "null", "1"],
            unsaid: &["\"A\"", "\"AA=\"", "\"AB==\"", "\"-_-_\"", "\"AA EC\"", "\"AAEC\\n\"", "\"ÄÖ\""],
        },
        row(
            list(Type::Int(Int::U16)),
            &[("[]", "[]"), ("[1, 2.0]", "[1,2]")],
            &["{}", "[1,null]", "[-1]", "\"\"", "null"],
        ),
        row(list(Type::Bytes), &[("[\"AA==\",\"\"]", "[\"AA==\",\"\"]")], &["[[0]]"]),
        row(option(Type::Bool), &[("null", "null"), ("true", "true")], &["\"null\"", "{\"some\":true}"]),
        row(option(color()), &[("null", "null"), ("\"red\"", "\"red\"")], &["\"none\"", "\"\""]),
        row(option(Type::Int(Int::U64)), &[("null", "null"), ("\"8\"", "8")], &["\"x\"", "-1"]),
        row(
            option(option(Type::Bool)),
            &[("null", "null"), ("{\"some\":null}", "{\"some\":null}"), ("{\"some\":true}", "{\"some\":true}")],
            &["true", "{}", "{\"some\":1}", "{\"none\":null}", "{\"some\":true,\"x\":1}"],
        ),
        row(
            option(option(option(Type::Bool))),
            &[("{\"some\":{\"some\":null}}", "{\"some\":{\"some\":null}}"), ("{\"some\":null}", "{\"some\":null}")],
            &["{\"some\":true}"],
        ),
        row(
            Type::Tuple([Type::Bool, option(Type::String)].into()),
            &[("[true,null]", "[true,null]"), ("[false,\"x\"]", "[false,\"x\"]")],
            &["[true]", "[]", "[true,null,1]", "[1,null]", "{}"],
        ),
        row(
            record(),
            &[
                ("{\"max_items\":1}", "{\"max_items\":1,\"URL\":null}"),
                ("{\"URL\":\"u\",\"max_items\":1}", "{\"max_items\":1,\"URL\":\"u\"}"),
                ("{\"URL\":null,\"max_items\":1}", "{\"max_items\":1,\"URL\":null}"),
            ],
            &[
                "{}",
                "{\"max-items\":1}",
                "{\"max_items\":1,\"url\":\"u\"}",
                "{\"max_items\":1,\"__proto__\":1}",
                "{\"max_items\":1,\"\\u0000\":1}",
                "{\"max_items\":null}",
                "[1]",
                "null",
            ],
        ),
        row(color(), &[("\"dark-blue\"", "\"dark-blue\"")], &["\"dark_blue\"", "\"RED\"", "0", "null", "[\"red\"]"]),
        row(
            Type::Flags(["read".into(), "write".into()].into()),
            &[("[]", "[]"), ("[\"write\",\"read\"]", "[\"read\",\"write\"]")],
            &["[\"read\",\"read\"]", "[\"exec\"]", "\"read\"", "[1]", "{\"read\":true}"],
        ),
        row(
            Type::Variant(
                [
                    case("none", None),
                    case("all", None),
                    case("one", Some(record())),
                    case("maybe", Some(option(Type::Bool))),
                ]
                .into(),
            ),
            &[
                ("\"none\"", "\"none\""),
                ("{\"one\":{\"max_items\":3}}", "{\"one\":{\"max_items\":3,\"URL\":null}}"),
                ("{\"maybe\":null}", "{\"maybe\":null}"),
            ],
            &[
                "\"one\"",
                "\"maybe\"",
                "{\"none\":null}",
                "{}",
                "{\"one\":{\"max_items\":3},\"maybe\":null}",
                "{\"two\":1}",
                "null",
                "\"two\"",
            ],
        ),
        row(
            option(Type::Variant([case("a", None), case("b", Some(Type::Bool))].into())),
            &[("null", "null"), ("\"a\"", "\"a\""), ("{\"b\":false}", "{\"b\":false}")],
            &["\"b\"", "{\"b\":null}", "false"],
        ),
        row(
            result(Some(Type::Bool), None),
            &[("{\"ok\":true}", "{\"ok\":true}"), ("{\"err\":null}", "{\"err\":null}")],
            &["true", "{\"ok\":null}", "{\"err\":1}", "{}", "{\"ok\":true,\"err\":null}", "\"ok\""],
        ),
        row(
            result(None, Some(Type::String)),
            &[("{\"ok\":null}", "{\"ok\":null}"), ("{\"err\":\"x\"}", "{\"err\":\"x\"}")],
            &["{\"ok\":{}}", "null"],
        ),
    ]
}

#[test]
fn what_the_check_takes_the_schema_takes_and_nothing_else() {
    for row in rows() {
        let signature = taking(&row.ty);
        let schema = input_schema(&signature, None);
        let validator = validator(&schema);
        let valid = |text: &str| validator.is_valid(&serde_json::from_str(text).expect("JSON"));
        for (text, _) in row.taken {
            let text = format!("{{\"x\":{text}}}");
            assert!(lower(&signature, &json(&text), 1_000).is_ok(), "{text} for {:?}", row.ty);
            assert!(valid(&text), "{text} for {schema}");
        }
        for text in row.refused {
            let text = format!("{{\"x\":{text}}}");
            assert!(
                matches!(lower(&signature, &json(&text), 1_000), Err(LowerError::Problems(_))),
                "{text} for {:?}",
                row.ty
            );
            assert!(!valid(&text), "{text} for {schema}");
        }
        for text in row.unsaid {
            let text = format!("{{\"x\":{text}}}");
            assert!(lower(&signature, &json(&text), 1_000).is_err(), "{text} for {:?}", row.ty);
            assert!(valid(&text), "{text} for {schema}");
        }
    }
}

#[test]
fn results_are_canonical_and_what_the_schema_of_the_result_allows() {
    for row in rows() {
        let schema = output_schema(&giving(&row.ty), None);
        // A result at the top gives its ok side, or a failure.
        let schema = if matches!(row.ty, Type::Result(_)) {
            output_schema(&giving(&list(row.ty.clone())), None)["items"].clone()
        } else {
            schema
        };
        let validator = validator(&schema);
        for (text, canonical) in row.taken {
            let text = format!("{{\"x\":{text}}}");
            let vals = lower(&taking(&row.ty), &json(&text), 1_000).expect("is taken");
            let mut out = String::new();
            lift(&row.ty, &vals[0], BOUNDS, &mut out).expect("is within bounds");
            assert_eq!(out, *canonical, "{text} as {:?}", row.ty);
            let value: Value = serde_json::from_str(&out).expect("results are JSON");
            assert!(validator.is_valid(&value), "{out} for {schema}");
        }
    }
}

#[test]
fn schemas_are_small_and_carry_descriptions_at_their_places() {
    let signature = Signature {
        params: [
            Field::new("max-items", option(Type::Int(Int::U8))),
            Field::new("mode", Type::Enum(["fast".into(), "exact".into()].into())),
            Field::new("rows", list(Type::Tuple([Type::String, Type::F64].into()))),
        ]
        .into(),
        result: Some(result(
            Some(Type::Variant([case("a", None), case("b", Some(Type::Bool))].into())),
            Some(Type::String),
        )),
    };
    assert_eq!(
        input_schema(&signature, None).to_string(),
        r#"{"additionalProperties":false,"properties":{"max_items":{"maximum":255,"minimum":0,"type":["integer","null"]},"mode":{"enum":["fast","exact"],"type":"string"},"rows":{"items":{"items":false,"minItems":2,"prefixItems":[{"type":"string"},{"pattern":"^(NaN|-?Infinity)$","type":["number","string"]}],"type":"array"},"type":"array"}},"required":["mode","rows"],"type":"object"}"#
    );
    let at = [
        ("params/max_items", "At most so many.\u{1b}[2J"),
        ("params/mode/exact", "To the last digit."),
        ("params/rows/[]/0", "The name."),
        ("result", "What was found."),
        ("result/b", "Whether."),
    ];
    let docs = ToolDocs {
        description: String::new(),
        at: at.iter().map(|(place, text)| ((*place).to_owned(), (*text).to_owned())).collect(),
    };
    let schema = input_schema(&signature, Some(&docs));
    let text = |pointer: &str| {
        schema.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer} in {schema}"))
    };
    assert_eq!(text("/properties/max_items/description"), "At most so many.\\u{1b}[2J");
    assert_eq!(text("/properties/mode/oneOf/1/const"), "exact");
    assert_eq!(text("/properties/mode/oneOf/1/description"), "To the last digit.");
    assert_eq!(text("/properties/rows/items/prefixItems/0/description"), "The name.");
    let output = output_schema(&signature, Some(&docs));
    assert_eq!(output["description"], "What was found.");
    assert_eq!(output.pointer("/oneOf/1/properties/b/description"), Some(&"Whether.".into()));
    validator(&schema);
    validator(&output);
}

/// A validator for a schema that is itself valid.
pub(super) fn validator(schema: &Value) -> jsonschema::Validator {
    assert!(jsonschema::draft202012::meta::is_valid(schema), "{schema}");
    jsonschema::draft202012::new(schema).unwrap_or_else(|error| panic!("{schema}: {error}"))
}
