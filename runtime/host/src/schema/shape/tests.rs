//! Odd, hostile and broken components, as text or built by hand.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use toolcell_core::types::{Int, Type};
use wasm_encoder::{Encode as _, Module};

use super::*;

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

fn shape_of(text: &str) -> Shape {
    shape(&component(text)).unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(bytes: &[u8]) -> String {
    shape(bytes).expect_err("is refused").to_string()
}

/// A component that lifts functions of the given types from one core function that takes and gives whatever is needed.
///
/// Types that come back through memory all lift from the same shape, so the core side is generic.
fn exporting(types: &str, params: &str, result: &str, core: &str) -> String {
    format!(
        r#"(component
            (core module $m
                (memory (export "memory") 1)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable)
                (func (export "f") {core} unreachable))
            (core instance $i (instantiate $m))
            {types}
            (func $f (export "f") {params} {result}
                (canon lift (core func $i "f") (memory $i "memory") (realloc (func $i "realloc")))))"#
    )
}

#[test]
fn what_is_no_component_is_refused_in_words_that_help() {
    let elf = |abi| [0x7f, b'E', b'L', b'F', 2, 1, 1, abi, 0, 0, 0, 0, 0, 0, 0, 0];
    for (bytes, words) in [
        (&b""[..], "the file is empty"),
        (b"\0asm\x01\0\0\0", "core WebAssembly module"),
        (&elf(0), "native ELF file"),
        (&elf(200), "cached native code"),
        (b"MZ\x90\0", "native Windows file"),
        (b"(component)", "WebAssembly text"),
        (b"  ;; a comment\n(module)", "WebAssembly text"),
        (b"\0asm\x0e\0\x01\0", "format version 0xe"),
        (b"\0asm\x0d\0\x02\0", "format version"),
        (b"\0as", "cut off"),
        (b"\0asm\x0d\0", "cut off"),
        (b"#!/bin/sh\n", "this is not WebAssembly: it begins with the bytes 23 21"),
        (b"{\"a\":1}", "this is not WebAssembly"),
        (&[0xff; 100], "this is not WebAssembly"),
    ] {
        let refusal = refusal(bytes);
        assert!(refusal.contains(words), "{refusal}");
        assert!(check_bodies(bytes).is_err());
    }
}

#[test]
fn an_empty_component_has_an_empty_shape() {
    let shape = shape_of("(component)");
    assert!(
        shape.imports.is_empty() && shape.exports.is_empty() && shape.others.is_empty() && shape.manifest.is_none()
    );
    assert_eq!(shape.needs.class(), Ok(EngineClass::Standard));
}

#[test]
fn functions_at_the_root_and_in_interfaces_become_tools() {
    let shape = shape_of(
        r#"(component
            (import "wasi:clocks/wall-clock@0.2.6" (instance (export "now" (func (result u64))) (export "t" (type (sub resource)))))
            (import "log" (func (param "message" string)))
            (core module $m (func (export "f") (param i32 i64) (result f64) unreachable))
            (core instance $i (instantiate $m))
            (func $f (param "max-items" u16) (param "URL-id" s64) (result f64) (canon lift (core func $i "f")))
            (instance $ops (export "add" (func $f)))
            (export "root-fn" (func $f))
            (export "docs:calc/add-ops@0.1.0" (instance $ops))
            (export "plain" (instance $ops)))"#,
    );
    assert_eq!(
        shape.imports,
        [
            Import {
                name: "wasi:clocks/wall-clock@0.2.6".into(),
                version: Some("0.2.6".into()),
                kind: ImportKind::Interface { functions: vec!["now".into()] }
            },
            Import { name: "log".into(), version: None, kind: ImportKind::Function },
        ]
    );
    let listed: Vec<_> = shape.exports.iter().map(|e| (e.id(), e.instance.as_deref(), e.function.as_str())).collect();
    assert_eq!(
        listed,
        [
            ("root-fn".to_owned(), None, "root-fn"),
            ("add-ops.add".to_owned(), Some("docs:calc/add-ops@0.1.0"), "add"),
            ("plain.add".to_owned(), Some("plain"), "add"),
        ]
    );
    let signature = shape.exports[0].signature.as_ref().expect("callable");
    assert_eq!(&*signature.params[0].json, "max_items");
    assert_eq!(&*signature.params[1].json, "URL_id");
    assert_eq!(signature.params[1].ty, Type::Int(Int::S64));
    assert_eq!(signature.result, Some(Type::F64));
}

#[test]
fn compound_types_are_expanded() {
    let shape = shape_of(&exporting(
        r#"(type $color' (enum "red" "dark-blue")) (export $color "color" (type $color'))
           (type $perms' (flags "read" "write")) (export $perms "perms" (type $perms'))
           (type $point' (record (field "x-pos" f32) (field "tags" (list string)) (field "raw" (list u8)))) (export $point "point" (type $point'))
           (type $shape' (variant (case "none") (case "dot" $point))) (export $shape "shape" (type $shape'))"#,
        r#"(param "a" $shape) (param "b" (option (tuple $color $perms char)))"#,
        "(result (result (list (option $shape)) (error string)))",
        "(param i32 i32 f32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)",
    )
    .replace("(param i32 i32 f32 i32 i32 i32 i32 i32 i32 i32 i32)", "(param i32 f32 i32 i32 i32 i32 i32 i32 i32 i32)"));
    let signature = shape.exports[0].signature.as_ref().expect("callable");
    let Type::Variant(cases) = &signature.params[0].ty else { panic!("{signature:?}") };
    let Some(Type::Record(fields)) = &cases[1].payload else { panic!("{cases:?}") };
    assert_eq!(&*fields[0].json, "x_pos");
    assert_eq!(fields[2].ty, Type::Bytes);
    let Type::Option(inner) = &signature.params[1].ty else { panic!("{signature:?}") };
    let Type::Tuple(items) = &**inner else { panic!("{inner:?}") };
    assert!(matches!(&items[0], Type::Enum(names) if &*names[1] == "dark-blue"));
    assert!(matches!(&items[1], Type::Flags(names) if names.len() == 2));
    assert!(matches!(&signature.result, Some(Type::Result(sides)) if sides.err == Some(Type::String)));
    assert!(shape.others.iter().any(|other| other.name == "color" && other.kind == "type"), "{:?}", shape.others);
}

#[test]
fn what_has_no_json_form_is_listed_with_its_reason() {
    let shape = shape_of(
        r#"(component
            (type $r (resource (rep i32)))
            (core module $m (func (export "f") (param i32)) (func (export "g") (result i32) unreachable))
            (core instance $i (instantiate $m))
            (component $c
                (import "r" (type $r (sub resource)))
                (import "new" (func $new (result (own $r))))
                (import "use" (func $use (param "self" (borrow $r))))
                (export $x "thing" (type $r))
                (export "[constructor]thing" (func $new) (func (result (own $x))))
                (export "[method]thing.use" (func $use) (func (param "self" (borrow $x))))
                (export "take" (func $use) (func (param "self" (borrow $x)))))
            (func $new (result (own $r)) (canon lift (core func $i "g")))
            (func $use (param "self" (borrow $r)) (canon lift (core func $i "f")))
            (instance $inst (instantiate $c (with "r" (type $r)) (with "new" (func $new)) (with "use" (func $use))))
            (export "a:b/things" (instance $inst)))"#,
    );
    let reasons: Vec<_> = shape
        .exports
        .iter()
        .map(|export| (export.id(), export.signature.as_ref().expect_err("not callable").reason.clone()))
        .collect();
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    assert_eq!(reasons[0].0, "things._constructor_thing");
    assert!(reasons[0].1.contains("resource"), "{reasons:?}");
    assert_eq!(reasons[1].0, "things._method_thing_use");
    assert_eq!(reasons[2].1, "its parameter `self` needs a resource handle, which has no JSON form yet");
}

#[test]
fn async_exports_are_shown_and_named_as_what_no_engine_takes() {
    let shape = shape_of(
        r#"(component
            (core module $m (func (export "f") (param i32)) (func (export "g") (param i32)))
            (core instance $i (instantiate $m))
            (func (export "s") (param "x" (stream u8)) (canon lift (core func $i "f")))
            (func (export "u") (param "x" (future)) (canon lift (core func $i "g"))))"#,
    );
    let reasons: Vec<_> = shape
        .exports
        .iter()
        .map(|export| export.signature.as_ref().expect_err("not callable").reason.clone())
        .collect();
    assert!(reasons[0].contains("a stream") && reasons[1].contains("a future"), "{reasons:?}");
    assert_eq!(shape.needs.class().expect_err("no engine"), "component-model async (WASI 0.3)");
}

#[test]
fn two_versions_of_an_interface_share_an_id_and_neither_can_be_called() {
    let shape = shape_of(
        r#"(component
            (core module $m (func (export "f")))
            (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i "f")))
            (instance $one (export "run" (func $f)))
            (export "a:b/task@1.0.0" (instance $one))
            (export "a:b/task@2.0.0" (instance $one))
            (export "c:d/other@2.0.0" (instance $one)))"#,
    );
    let callable: Vec<_> = shape.exports.iter().map(|export| (export.id(), export.signature.is_ok())).collect();
    assert_eq!(callable, [("task.run".into(), false), ("task.run".into(), false), ("other.run".into(), true)]);
    assert_eq!(shape.exports[0].signature.as_ref().expect_err("shared").reason, "two exports share this id");
}

#[test]
fn exports_that_are_no_functions_are_listed_beside_them() {
    let shape = shape_of(
        r#"(component
            (core module $m)
            (component $c)
            (instance $empty)
            (instance $outer (export "inner" (instance $empty)))
            (type $t (list u8))
            (export "m" (core module $m))
            (export "c" (component $c))
            (export "e" (instance $empty))
            (export "o" (instance $outer))
            (export "t" (type $t)))"#,
    );
    let listed: Vec<_> = shape.others.iter().map(|other| (other.name.as_str(), other.kind)).collect();
    assert_eq!(
        listed,
        [
            ("m", "core module"),
            ("c", "component"),
            ("e", "interface"),
            ("o/inner", "interface"),
            ("o", "interface"),
            ("t", "type")
        ]
    );
}

#[test]
fn a_type_that_expands_beyond_measure_is_refused_without_expanding_it() {
    let mut types = String::from("(type $t0 (tuple u16 u16))");
    for n in 1..=16 {
        let before = n - 1;
        write!(types, "(type $t{n} (tuple $t{before} $t{before}))").expect("a string");
    }
    let started = Instant::now();
    let shape = shape_of(&exporting(&types, r#"(param "x" $t16)"#, "", "(param i32)"));
    let reason = &shape.exports[0].signature.as_ref().expect_err("too large").reason;
    assert_eq!(reason, "its parameter `x` needs a type that expands to more than 10000 parts");
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_type_that_is_nested_too_deep_is_refused() {
    let mut types = String::from("(type $t0 (list u16))");
    for n in 1..=80 {
        write!(types, "(type $t{n} (list $t{}))", n - 1).expect("a string");
    }
    let shape = shape_of(&exporting(&types, r#"(param "x" $t80)"#, "", "(param i32 i32)"));
    let reason = &shape.exports[0].signature.as_ref().expect_err("too deep").reason;
    assert!(reason.contains("nested more than 64 deep"), "{reason}");
    let shape = shape_of(&exporting(&types, r#"(param "x" $t60)"#, "", "(param i32 i32)"));
    assert!(shape.exports[0].signature.is_ok());
}

#[test]
fn proposals_decide_the_engine() {
    for (module, class) in [
        ("(func (export \"f\"))", Ok(EngineClass::Standard)),
        ("(tag)", Ok(EngineClass::Extended)),
        ("(type (struct (field i32)))", Ok(EngineClass::Extended)),
        ("(rec (type $a (array i32)) (type $b (struct (field (ref $a)))))", Ok(EngineClass::Extended)),
        ("(type $list (struct (field (ref null $list))))", Ok(EngineClass::Extended)),
        ("(type $f (func (param (ref $f))))", Ok(EngineClass::Extended)),
        ("(memory 1) (memory 1)", Ok(EngineClass::Standard)),
        ("(table 1 funcref)", Ok(EngineClass::Standard)),
        // These are of WebAssembly 2.0, and yet a collector keeps what they hold.
        ("(table 1 externref)", Ok(EngineClass::Extended)),
        ("(global (mut externref) (ref.null extern))", Ok(EngineClass::Extended)),
    ] {
        let shape = shape_of(&format!("(component (core module {module}))"));
        assert_eq!(shape.needs.class(), class, "{module}");
    }
    let bodies = |body: &str| check_bodies(&component(&format!("(component (core module {body}))"))).expect("is read");
    assert_eq!(bodies("(func i32.const 0 drop)").class(), Ok(EngineClass::Standard));
    assert_eq!(bodies("(func (block (try_table)))").class(), Ok(EngineClass::Extended));
    assert_eq!(bodies("(func (drop (ref.i31 (i32.const 0))))").names(), ["garbage collection"]);
    assert!(bodies("(func (atomic.fence))").class().is_err());
}

#[test]
fn wide_and_shared_memories_are_refused_by_name() {
    assert!(refusal(&component("(component (core module (memory i64 1)))")).contains("64-bit memory"));
    assert!(refusal(&component("(component (core module (memory 1 2 shared)))")).contains("shared memory"));
    assert!(
        refusal(&component("(component (core module (import \"\" \"\" (memory 1 2 shared))))"))
            .contains("shared memory")
    );
    assert!(refusal(&component("(component (core module (table i64 1 funcref)))")).contains("64-bit"));
}

#[test]
fn data_outside_its_memory_is_refused() {
    let text = |offset: u64| format!("(component (core module (memory 1) (data (i32.const {offset}) \"abcd\")))");
    assert!(shape(&component(&text(65_532))).is_ok());
    assert!(refusal(&component(&text(65_533))).contains("ends at byte 65537 of a memory that begins with 65536"));
    assert!(refusal(&component(&text(4_294_967_295))).contains("could never start"));
    assert!(refusal(&component("(component (core module (memory 0) (data (i32.const 0) \"a\")))")).contains("0 bytes"));
}

#[test]
fn sections_of_ours_are_read_once_and_only_at_the_top() {
    let section = |name: &str, data: &[u8]| {
        let mut bytes = vec![0];
        let mut body = Vec::new();
        name.encode(&mut body);
        body.extend_from_slice(data);
        body.encode(&mut bytes);
        bytes
    };
    let mut bytes = component("(component (component))");
    bytes.extend(section("toolcell:manifest", b"name = \"x\""));
    bytes.extend(section("toolcell:docs", b"{}"));
    let shape = shape(&bytes).expect("is read");
    assert_eq!((shape.manifest.as_deref(), shape.docs.as_deref()), (Some("name = \"x\""), Some("{}")));
    let mut nested = Vec::from(&b"\0asm\x0d\0\x01\0"[..]);
    nested.push(4);
    bytes.encode(&mut nested);
    assert_eq!(super::shape(&nested).expect("is read").manifest, None);
    let mut twice = bytes.clone();
    twice.extend(section("toolcell:manifest", b"name = \"y\""));
    assert!(refusal(&twice).contains("more than one `toolcell:manifest`"));
    let mut broken = component("(component)");
    broken.extend(section("toolcell:docs", b"\xff"));
    assert!(refusal(&broken).contains("not UTF-8"));
    let mut huge = component("(component)");
    huge.extend(section("toolcell:manifest", &vec![b'#'; 65 << 10]));
    assert!(refusal(&huge).contains("bytes of manifest"));
    let mut ballast = component("(component)");
    ballast.extend(section("zlib", &vec![0; 9 << 20]));
    assert!(refusal(&ballast).contains("custom sections"));
}

#[test]
fn structural_bombs_are_refused_at_bounded_cost() {
    let nested = format!("{}{}", "(component ".repeat(40), ")".repeat(40));
    let loops = format!("(component (core module (func {}{})))", "loop ".repeat(11_000), "end ".repeat(11_000));
    let locals = {
        let mut code = wasm_encoder::CodeSection::new();
        let mut function = wasm_encoder::Function::new([(4_000_000_000, wasm_encoder::ValType::I64)]);
        function.instruction(&wasm_encoder::Instruction::End);
        code.function(&function);
        core_module(1, &code)
    };
    let body = {
        let mut code = wasm_encoder::CodeSection::new();
        let mut function = wasm_encoder::Function::new([]);
        for _ in 0..7_000_000 {
            function.instruction(&wasm_encoder::Instruction::Nop);
        }
        function.instruction(&wasm_encoder::Instruction::End);
        code.function(&function);
        core_module(1, &code)
    };
    let functions = {
        let mut code = wasm_encoder::CodeSection::new();
        let mut function = wasm_encoder::Function::new([]);
        function.instruction(&wasm_encoder::Instruction::End);
        for _ in 0..300_000 {
            code.function(&function);
        }
        core_module(300_000, &code)
    };
    let mut imports = String::from("(component ");
    for n in 0..6_000 {
        write!(imports, "(import \"i{n}\" (func))").expect("a string");
    }
    imports.push(')');
    let refused =
        |bytes: &[u8]| shape(bytes).err().or_else(|| check_bodies(bytes).err()).map(|error| error.to_string());
    for (name, bytes, words) in [
        ("nesting", component(&nested), "components inside each other"),
        ("modules", component(&format!("(component {})", "(core module)".repeat(300))), "core modules"),
        ("loops", component(&loops), "blocks inside each other"),
        ("locals", locals, "locals in one function"),
        ("body", body, "bytes in one function"),
        ("functions", functions, "core functions"),
        ("size", [&b"\0asm\x0d\0\x01\0"[..], &vec![0; 65 << 20]].concat(), "bytes in all"),
        ("exports", component(&imports), "imports and exports"),
        (
            "instances",
            component(&format!("(component (component $c) {})", "(instance (instantiate $c))".repeat(300))),
            "component instances",
        ),
        ("name", component(&format!("(component (import \"{}\" (func)))", "a".repeat(2_000))), "bytes in one name"),
    ] {
        let started = Instant::now();
        let refusal = refused(&bytes).unwrap_or_else(|| panic!("{name} passed"));
        assert!(refusal.contains(words), "{name}: {refusal}");
        assert!(started.elapsed() < Duration::from_secs(20), "{name} took {:?}", started.elapsed());
    }
}

/// A component around a core module of so many functions without parameters.
fn core_module(functions: u32, code: &wasm_encoder::CodeSection) -> Vec<u8> {
    let mut module = Module::new();
    let mut types = wasm_encoder::TypeSection::new();
    types.ty().function([], []);
    let mut section = wasm_encoder::FunctionSection::new();
    for _ in 0..functions {
        section.function(0);
    }
    module.section(&types).section(&section).section(code);
    let mut component = wasm_encoder::Component::new();
    component.section(&wasm_encoder::ModuleSection(&module));
    component.finish()
}

/// A component with one of nearly everything, to be damaged.
fn rich() -> Vec<u8> {
    component(
        r#"(component
            (import "wasi:cli/environment@0.2.6" (instance (export "get" (func (result (list (tuple string string)))))))
            (core module $m
                (memory (export "memory") 1) (table 4 funcref) (global (mut i32) (i32.const 7)) (elem (i32.const 0) func 0)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 8)
                (func (export "f") (param i32 i32) (result i32) (local i64 f32) (block (loop (br_if 1 (local.get 0)))) i32.const 16)
                (data (i32.const 16) "\00\00\00\00\00\00\00\00"))
            (core instance $i (instantiate $m))
            (type $e' (enum "a" "b")) (export $e "e" (type $e'))
            (type $r' (record (field "x" $e) (field "y" (list u8)))) (export $r "r" (type $r'))
            (func $f (param "s" string) (result (result $r (error string)))
                (canon lift (core func $i "f") (memory $i "memory") (realloc (func $i "realloc"))))
            (component $c (import "f" (func $g)) (export "h" (func $g)))
            (instance $inst (export "go" (func $f)))
            (export "x:y/z@1.2.3" (instance $inst))
            (export "f" (func $f))
            (@custom "toolcell:docs" "{}"))"#,
    )
}

#[test]
fn damage_at_any_byte_gives_an_error_or_a_shape_and_never_a_panic() {
    let whole = rich();
    assert!(shape(&whole).is_ok() && check_bodies(&whole).is_ok());
    for length in 0..whole.len() {
        let cut = &whole[..length];
        // A cut between two sections is a smaller component; anywhere else it is refused.
        if let Err(error) = shape(cut) {
            assert!(!error.to_string().is_empty());
        }
        let _ = check_bodies(cut);
    }
    let mut damaged = whole.clone();
    for at in 0..whole.len() {
        for bit in 0..8 {
            damaged[at] = whole[at] ^ (1 << bit);
            let _ = shape(&damaged);
            let _ = check_bodies(&damaged);
        }
        for byte in [0x00, 0x7f, 0x80, 0xff] {
            damaged[at] = byte;
            let _ = shape(&damaged);
        }
        damaged[at] = whole[at];
    }
}

#[test]
fn a_cut_file_says_that_it_is_cut() {
    let whole = rich();
    assert!(refusal(&whole[..whole.len() / 2]).contains("cut off"), "{}", refusal(&whole[..whole.len() / 2]));
}

#[test]
fn listing_does_not_read_bodies() {
    // A body that no engine would take does not keep the component from being listed.
    let mut code = wasm_encoder::CodeSection::new();
    let mut function = wasm_encoder::Function::new([]);
    function.raw([0xff, 0xff, 0xff]);
    code.function(&function);
    let bytes = core_module(1, &code);
    assert!(shape(&bytes).is_ok());
    assert!(matches!(check_bodies(&bytes), Err(ShapeError::Invalid { .. })));
}

/// Components that each instantiate the one before ten times.
fn tenfold(levels: usize) -> String {
    let mut text = "(component $top (component $c0 (core module $m) (core instance (instantiate $m)))".to_owned();
    for level in 1..=levels {
        let _ = write!(text, "(component $c{level} (alias outer $top $c{} (component $c))", level - 1);
        text.push_str(&"(instance (instantiate $c))".repeat(10));
        text.push(')');
    }
    let _ = write!(text, "(instance (instantiate $c{levels})))");
    text
}

#[test]
fn what_multiplies_when_it_is_instantiated_is_refused_by_what_it_becomes() {
    assert!(shape(&component(&tenfold(3))).is_ok());
    for levels in [6, 8, 20] {
        let refusal = refusal(&component(&tenfold(levels)));
        assert!(refusal.contains("parts after everything is instantiated"), "{refusal}");
    }
}

#[test]
fn a_component_keeps_its_weight_under_every_name() {
    let heavy = format!("(component $heavy (core module $m) {})", "(core instance (instantiate $m))".repeat(900));
    let hundred = "(instance (instantiate $h))".repeat(100);
    for user in [
        format!("(component $user (alias outer $top $heavy (component $h)) {hundred})"),
        format!(
            r#"(export $named "named" (component $heavy)) (component $user (alias outer $top $named (component $h)) {hundred})"#
        ),
        format!(
            "(component $user (component $inner (alias outer $top $heavy (component $h)) {hundred}) (instance (instantiate $inner)))"
        ),
    ] {
        let text = |times: usize| {
            format!("(component $top {heavy} {user} {})", "(instance (instantiate $user))".repeat(times))
        };
        assert!(shape(&component(&text(3))).is_ok(), "{user}");
        assert!(refusal(&component(&text(4))).contains("parts after everything is instantiated"), "{user}");
    }
}

#[test]
fn a_component_that_comes_from_outside_cannot_be_instantiated() {
    let text = r#"(component (component $c (import "x" (component $x)) (instance (instantiate $x))) (component $arg) (instance (instantiate $c (with "x" (component $arg)))))"#;
    assert!(refusal(&component(text)).contains("parts after everything is instantiated"));
    let text = r#"(component (component $c (component $x) (export "x" (component $x))) (instance $i (instantiate $c)) (alias export $i "x" (component $x)) (instance (instantiate $x)))"#;
    assert!(refusal(&component(text)).contains("parts after everything is instantiated"));
}

#[test]
fn types_nested_beyond_measure_are_refused_before_anybody_follows_them() {
    let nested = |kind: u8, depth: usize| {
        let mut section = vec![1];
        (0..depth).for_each(|_| section.extend([kind, 1, 1]));
        // A function without parameters and result.
        section.extend([0x40, 0, 1, 0]);
        let mut bytes = b"\0asm\x0d\0\x01\0\x07".to_vec();
        section.encode(&mut bytes);
        bytes
    };
    for kind in [0x41, 0x42] {
        assert!(shape(&nested(kind, 32)).is_ok());
        for depth in [33, 1_000, 100_000] {
            let refusal = refusal(&nested(kind, depth));
            assert!(refusal.contains("component types inside each other"), "{refusal}");
        }
    }
    // Whatever stands between nested types is stepped over, and what is beside each other is not inside each other.
    let declarations = r#"(import "a" (func))
        (type $t (instance (export "r" (type (sub resource))) (type (list u8)) (export "f" (func (param "x" string)))))
        (alias outer 1 $outer (type $o)) (export "i" (instance (type $t)))"#;
    let beside = r#"(type (instance (alias outer 2 $outer (type $o)) (export "x" (func))))"#.repeat(50);
    for declarations in [declarations, &beside] {
        let text = format!("(component (type $outer u8) (type (component {declarations})))");
        shape(&component(&text)).unwrap_or_else(|error| panic!("{error}"));
    }
}
