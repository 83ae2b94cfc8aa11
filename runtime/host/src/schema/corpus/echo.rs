//! Types and values through a real component and back.
//!
//! A list looks the same to core WASM whatever is in it, so one core function that hands back its own pointer and length echoes
//! lists of any type. That tries the shape, the arguments and the results against the engine itself.

use std::fmt::Write as _;

use serde_json::Value;
use toolcell_core::types::{Field, Signature, Type};
use wasmtime::component::{Component, Linker, Val};
use wasmtime::{Config, Engine, Store};

use super::generate::Chance;
use super::{BOUNDS, json, validator};
use crate::schema::{Conclusion, conclude, input_schema, lower, output_schema, shape};

/// A component that exports `f: func(x: list<T>) -> list<T>`.
fn echo(element: &Type) -> String {
    let mut types = String::new();
    let mut count = 0;
    let name = wit(element, &mut types, &mut count);
    format!(
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
            (core instance $i (instantiate $m))
            {types}
            (func (export "f") (param "x" (list {name})) (result (list {name}))
                (canon lift (core func $i "f") (memory $i "memory") (realloc (func $i "realloc")))))"#
    )
}

/// The name of a type in the text format; compound types that need a name are exported first.
fn wit(ty: &Type, types: &mut String, count: &mut usize) -> String {
    let quoted =
        |names: &[std::sync::Arc<str>]| names.iter().fold(String::new(), |all, name| all + " \"" + name + "\"");
    match ty {
        Type::Bool => "bool".into(),
        Type::Int(int) => int.wit().into(),
        Type::F32 => "f32".into(),
        Type::F64 => "f64".into(),
        Type::Char => "char".into(),
        Type::String => "string".into(),
        Type::Bytes => "(list u8)".into(),
        Type::Enum(names) => exported(&format!("(enum{})", quoted(names)), types, count),
        Type::Flags(names) => exported(&format!("(flags{})", quoted(names)), types, count),
        Type::List(element) => format!("(list {})", wit(element, types, count)),
        Type::Option(inner) => format!("(option {})", wit(inner, types, count)),
        Type::Tuple(items) => {
            let items: Vec<String> = items.iter().map(|item| wit(item, types, count)).collect();
            format!("(tuple {})", items.join(" "))
        }
        Type::Record(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|field| format!("(field \"{}\" {})", field.wit, wit(&field.ty, types, count)))
                .collect();
            exported(&format!("(record {})", fields.join(" ")), types, count)
        }
        Type::Variant(cases) => {
            let cases: Vec<String> = cases
                .iter()
                .map(|case| {
                    let payload = case.payload.as_ref().map(|ty| wit(ty, types, count)).unwrap_or_default();
                    format!("(case \"{}\" {payload})", case.name)
                })
                .collect();
            exported(&format!("(variant {})", cases.join(" ")), types, count)
        }
        Type::Result(sides) => {
            let ok = sides.ok.as_ref().map(|ty| wit(ty, types, count)).unwrap_or_default();
            let err = sides.err.as_ref().map(|ty| format!("(error {})", wit(ty, types, count))).unwrap_or_default();
            format!("(result {ok} {err})")
        }
        Type::Unsupported(what) => panic!("{what}"),
    }
}

fn exported(definition: &str, types: &mut String, count: &mut usize) -> String {
    *count += 1;
    write!(types, "(type $d{count} {definition}) (export $t{count} \"t{count}\" (type $d{count}))").expect("a string");
    format!("$t{count}")
}

#[test]
fn types_and_values_survive_a_component_and_agree_with_their_schemas() {
    let mut chance = Chance(0x5eed);
    let engine = Engine::new(Config::new().cranelift_opt_level(wasmtime::OptLevel::None)).expect("an engine");
    let linker: Linker<()> = Linker::new(&engine);
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..150 {
        let element = chance.ty(3);
        let bytes = wat::parse_str(echo(&element)).unwrap_or_else(|error| panic!("{element:?}: {error}"));
        let shape = shape(&bytes).unwrap_or_else(|error| panic!("{element:?}: {error}"));
        let list = match &element {
            Type::Int(toolcell_core::types::Int::U8) => Type::Bytes,
            element => Type::List(std::sync::Arc::new(element.clone())),
        };
        let expected = Signature { params: [Field::new("x", list.clone())].into(), result: Some(list.clone()) };
        let signature = shape.exports[0].signature.as_ref().unwrap_or_else(|not| panic!("{element:?}: {not}"));
        assert_eq!(*signature, expected);
        let (input, output) = (validator(&input_schema(signature, None)), validator(&output_schema(signature, None)));
        let component =
            Component::from_binary(&engine, &bytes).unwrap_or_else(|error| panic!("{element:?}: {error:?}"));
        let mut store = Store::new(&engine, ());
        let instance = linker.instantiate(&mut store, &component).expect("instantiates");
        let function = instance.get_func(&mut store, "f").expect("is exported");
        for _ in 0..12 {
            let mut text = String::from("{\"x\":");
            chance.json(&list, 40, &mut text);
            text.push('}');
            let value: Value = serde_json::from_str(&text).expect("JSON");
            let arguments = json(&text);
            match lower(signature, &arguments, 100_000) {
                Err(error) => {
                    refused += 1;
                    assert!(
                        !input.is_valid(&value),
                        "{text} is refused ({error}) but fits {}",
                        input_schema(signature, None)
                    );
                }
                Ok(vals) => {
                    taken += 1;
                    assert!(
                        input.is_valid(&value),
                        "{text} is taken but does not fit {}",
                        input_schema(signature, None)
                    );
                    let mut results = [Val::Bool(false)];
                    function.call(&mut store, &vals, &mut results).unwrap_or_else(|error| panic!("{text}: {error:?}"));
                    let Ok(Conclusion::Value(back)) = conclude(signature, &results, BOUNDS) else { panic!("{text}") };
                    let mut direct = String::new();
                    crate::schema::lift(&list, &vals[0], BOUNDS, &mut direct).expect("within bounds");
                    assert_eq!(back, direct, "{text}");
                    let back: Value = serde_json::from_str(&back).expect("results are JSON");
                    assert!(output.is_valid(&back), "{back} does not fit {}", output_schema(signature, None));
                }
            }
        }
    }
    assert!(taken > 500 && refused > 100, "{taken} taken, {refused} refused");
}
