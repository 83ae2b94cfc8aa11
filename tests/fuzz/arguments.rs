//! Arguments as callers and models write them, through a whole host and back: JSON text, the parser, the check, the engine, a component
//! that gives back what it gets, and JSON again.
//!
//! The conversions are tried against each other beside their code; here the whole way is tried, with the typed path for text and
//! bytes in it, and with arguments that are damaged as text.

use std::fmt::Write as _;

use serde_json::{Value, json};
use toolcell_core::types::{Int, Signature, Type};
use toolcell_core::{Arguments, Kind, Verdict};

use super::{Chance, fuzz};
use crate::support::{Cell, deny_all, run};

/// Types of the parameters, as WIT's text format has them; those with names come with what declares them.
const ECHOES: &[(&str, &str)] = &[
    ("", "bool"),
    ("", "s64"),
    ("", "f32"),
    ("", "f64"),
    ("", "char"),
    ("", "string"),
    ("", "u8"),
    ("", "(list u8)"),
    ("", "(list string)"),
    ("", "(option u64)"),
    ("", "(option (option bool))"),
    ("", "(tuple s8 u16 s32)"),
    ("", "(result (list u8) (error string))"),
    ("(enum \"red\" \"dark-blue\")", ""),
    ("(flags \"read\" \"write-all\" \"x\")", ""),
    ("(record (field \"max-items\" u32) (field \"URL\" (option string)) (field \"deep\" (list (tuple f64 char))))", ""),
    ("(variant (case \"none\") (case \"some-text\" string) (case \"pair\" (tuple u8 (option s16))))", ""),
];

/// A component with one function for each type, which takes a list of it and gives the same list back.
fn echoes() -> Vec<u8> {
    let mut text = String::from(
        r#"(component
            (core module $m
                (memory (export "memory") 17)
                (global $next (mut i32) (i32.const 1024))
                (func (export "realloc") (param i32 i32 i32 i32) (result i32)
                    (local $at i32)
                    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
                    (global.set $next (i32.add (local.get $at) (local.get 3)))
                    (local.get $at))
                (func (export "f") (param i32 i32) (result i32)
                    (i32.store (i32.const 0) (local.get 0))
                    (i32.store (i32.const 4) (local.get 1))
                    (i32.const 0)))
            (core instance $i (instantiate $m))"#,
    );
    for (number, (declared, named)) in ECHOES.iter().enumerate() {
        let mut ty = (*named).to_owned();
        if !declared.is_empty() {
            write!(text, "(type $d{number} {declared}) (export $t{number} \"t{number}\" (type $d{number}))").unwrap();
            ty = format!("$t{number}");
        }
        write!(
            text,
            r#"(func (export "f{number}") (param "x" (list {ty})) (result (list {ty}))
                (canon lift (core func $i "f") (memory $i "memory") (realloc (func $i "realloc"))))"#
        )
        .unwrap();
    }
    wat::parse_str(text + ")").unwrap()
}

/// A value of a type, in the form in which the host itself writes it, so that what comes back can be compared as it is.
fn value(ty: &Type, depth: usize, chance: &mut Chance) -> Value {
    match ty {
        Type::Bool => json!(chance.once_in(2)),
        Type::Int(int) => {
            let (least, most) = int.range();
            let number = match chance.below(6) {
                0 => least,
                1 => most,
                2 => 0,
                3 => most / 2 + 1,
                _ => i128::from(chance.next()).clamp(0, most),
            };
            number_of(*int, number)
        }
        Type::F32 => {
            chance.of(&[&json!(0.5), &json!(-1.5), &json!(16_777_216.0), &json!("NaN"), &json!("-Infinity")]).clone()
        }
        Type::F64 => chance.of(&[&json!(0.1), &json!(-1e300), &json!(5e-324), &json!("Infinity")]).clone(),
        Type::Char => json!(character(chance)),
        Type::String => json!((0..chance.below(12)).map(|_| character(chance)).collect::<String>()),
        Type::Bytes => {
            use base64::Engine as _;
            let count = chance.below(40);
            json!(base64::engine::general_purpose::STANDARD.encode(chance.bytes(count)))
        }
        Type::List(element) => {
            let count = chance.below(if depth == 0 { 6 } else { 4 });
            Value::Array((0..count).map(|_| value(element, depth + 1, chance)).collect())
        }
        Type::Option(_) if chance.once_in(3) => Value::Null,
        Type::Option(inner) => match &**inner {
            nested @ Type::Option(_) => json!({ "some": value(nested, depth + 1, chance) }),
            plain => value(plain, depth + 1, chance),
        },
        Type::Tuple(parts) => Value::Array(parts.iter().map(|part| value(part, depth + 1, chance)).collect()),
        Type::Record(fields) => {
            let field =
                |field: &toolcell_core::types::Field| (field.json.to_string(), value(&field.ty, depth + 1, chance));
            Value::Object(fields.iter().map(field).collect())
        }
        Type::Variant(cases) => {
            let case = &cases[chance.below(cases.len())];
            match &case.payload {
                None => json!(&*case.name),
                Some(payload) => json!({ &*case.name: value(payload, depth + 1, chance) }),
            }
        }
        Type::Enum(names) => json!(&*names[chance.below(names.len())]),
        Type::Flags(names) => names.iter().filter(|_| chance.once_in(2)).map(|name| json!(&**name)).collect(),
        Type::Result(sides) => {
            let (side, ty) = if chance.once_in(2) { ("ok", &sides.ok) } else { ("err", &sides.err) };
            json!({ side: ty.as_ref().map_or(Value::Null, |ty| value(ty, depth + 1, chance)) })
        }
        Type::Unsupported(what) => panic!("{what}"),
    }
}

/// Beyond 2^53 a number is a string of digits.
fn number_of(int: Int, number: i128) -> Value {
    let wide = matches!(int, Int::U64 | Int::S64) && number.abs() > (1 << 53) - 1;
    if wide { json!(number.to_string()) } else { serde_json::from_str(&number.to_string()).unwrap() }
}

fn character(chance: &mut Chance) -> char {
    const ODD: [char; 14] = [
        'a',
        '"',
        '\\',
        '/',
        '\n',
        '\0',
        '\u{7f}',
        '\u{2028}',
        'é',
        '🎉',
        '\u{fffd}',
        '\u{feff}',
        '\u{10ffff}',
        '\u{d7ff}',
    ];
    ODD[chance.below(ODD.len())]
}

/// The same JSON written otherwise: spaces, escapes, numbers with an exponent. What it means stays.
fn spelt(value: &Value, chance: &mut Chance, out: &mut String) {
    let space = |chance: &mut Chance, out: &mut String| out.push_str(chance.of(&["", "", "", " ", "\n\t", "\r\n"]));
    space(chance, out);
    match value {
        Value::String(text) => {
            out.push('"');
            for unit in text.chars() {
                let must = matches!(unit, '"' | '\\' | '\0'..='\x1f');
                if must || chance.once_in(4) {
                    let mut units = [0; 2];
                    unit.encode_utf16(&mut units).iter().for_each(|unit| write!(out, "\\u{unit:04x}").unwrap());
                } else {
                    out.push(unit);
                }
            }
            out.push('"');
        }
        Value::Number(number) if number.as_u64().is_some_and(|number| number > 0) && chance.once_in(3) => {
            write!(out, "{number}{}", chance.of(&[".0", "e0", "E+0", "0e-1", ".000"])).unwrap();
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                spelt(item, chance, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            out.push('{');
            let from = chance.below(fields.len().max(1));
            // Members in another order.
            for (index, (name, field)) in fields.iter().cycle().skip(from).take(fields.len()).enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                spelt(&Value::String(name.clone()), chance, out);
                out.push(':');
                spelt(field, chance, out);
            }
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
    space(chance, out);
}

fn cell() -> Cell {
    let cell = Cell::empty(deny_all(), crate::support::WIDTH);
    cell.drop_in("echoes", &echoes());
    cell.settle();
    cell
}

fn tool(number: usize) -> String {
    format!("echoes.f{}", number % ECHOES.len())
}

fn of(signature: &Signature, chance: &mut Chance) -> Value {
    value(&signature.params[0].ty, 0, chance)
}

#[test]
fn what_goes_in_comes_out_however_it_is_spelt() {
    let cell = cell();
    fuzz("arguments there and back", 6_000, |number, chance| {
        let signature = cell.host.signature(&tool(number)).unwrap();
        let sent = of(&signature, chance);
        let mut text = String::new();
        spelt(&json!({ "x": sent }), chance, &mut text);
        let outcome = run(cell.call(&tool(number), &text));
        let back =
            outcome.verdict.result().unwrap_or_else(|| panic!("{}: {text}: {:?}", tool(number), outcome.verdict));
        let back: Value = serde_json::from_str(back.get()).unwrap();
        assert_eq!(back, sent, "{}: {text}", tool(number));
    });
}

const PIECES: &[&str] = &[
    "\"",
    "\\",
    "\\u",
    "\\ud800",
    "\\udc00\\ud800",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "true",
    "1e400",
    "-0",
    "01",
    "+1",
    ".5",
    "1.",
    "18446744073709551616",
    "NaN",
    "Infinity",
    "//",
    "/**/",
    "'",
    "\0",
    "\u{feff}",
    "\u{2028}",
    "\"x\":1,",
    "\"__proto__\":{},",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    "{\"x\":",
    "\r",
    "é",
];

#[test]
fn damaged_arguments_are_refused_at_a_place_that_is_there_or_mean_what_another_reader_reads() {
    let cell = cell();
    let (mut taken, mut pointers) = (0, 0);
    fuzz("damaged arguments", 8_000, |number, chance| {
        let tool = tool(number);
        let signature = cell.host.signature(&tool).unwrap();
        let text = json!({ "x": of(&signature, chance) }).to_string();
        let text = if chance.once_in(3) {
            // Whole, and of another type.
            json!({ "x": of(&cell.host.signature(&self::tool(number + 1 + chance.below(15))).unwrap(), chance) })
                .to_string()
        } else {
            chance.damaged(&text, PIECES)
        };
        let Ok(arguments) = Arguments::from_text(&*text) else { return };
        let mut call = cell.prepare(&tool, "{}");
        call.arguments = arguments;
        let outcome = run(toolcell_core::Toolbox::call(&cell.host, call, &toolcell_core::Silent));
        let other: Result<Value, _> = serde_json::from_str(&text);
        match &outcome.verdict {
            Verdict::Completed { result, .. } => {
                taken += 1;
                // Whatever we take is JSON to everybody, and nothing in it is lost on the way.
                let other = other.unwrap_or_else(|error| panic!("{text}: {error}"));
                let back: Value = serde_json::from_str(result.get()).unwrap();
                if let (Some(sent), Some(got)) = (other["x"].as_array(), back.as_array()) {
                    assert_eq!(sent.len(), got.len(), "{text} came back as {back}");
                }
            }
            verdict => {
                let failure = verdict.failure().unwrap();
                assert!(
                    matches!(failure.kind, Kind::InvalidJson | Kind::InvalidArgument),
                    "{tool} with {text}: {failure:?}"
                );
                assert!(
                    failure.message.len() < 4_096 && !failure.message.chars().any(|c| c.is_control() && c != '\n'),
                    "{failure:?}"
                );
                if failure.kind == Kind::InvalidArgument {
                    let other = match other {
                        Ok(other) => other,
                        // That reader cannot hold `1e400`; ours says that it fits no type.
                        Err(error) if error.to_string().starts_with("number out of range") => return,
                        Err(error) => panic!("{text}: {error}"),
                    };
                    for problem in &failure.problems {
                        pointers += 1;
                        // It points at what is there, or at what is missing from what is there.
                        let above = problem.pointer.rsplit_once('/').map_or("", |(above, _)| above);
                        assert!(
                            other.pointer(&problem.pointer).is_some() || other.pointer(above).is_some(),
                            "`{}` is nowhere in {text}",
                            problem.pointer
                        );
                    }
                }
            }
        }
    });
    assert!(taken > 300 && pointers > 500, "{taken} taken, {pointers} pointers: the property was hardly tried");
}
