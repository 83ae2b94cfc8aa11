//! Attacks on the stack. An overflow that is not caught aborts the process, so each case has one of its own.

use std::fmt::Write as _;

use serde_json::json;
use toolcell_core::Limit;

use super::alone::alone;
use super::{Arena, Attack, Guest, HOSTILE, check, limited};

const STACK: Guest<'static> = Guest::Text(include_str!("guests/stack.wat"));

#[test]
fn endless_recursion_ends_at_the_stack_limit() {
    alone(|| check(&Attack::new(STACK, "recurse", &[], "stack-limit").with(r#"{ "depth": 0 }"#)));
}

#[test]
fn endless_recursion_in_a_compiled_tool_ends_at_the_stack_limit() {
    // Its own stack lies in its memory and ends first or last, by the frame's size: a trap or the limit, and never an abort.
    alone(|| {
        let arena = Arena::new(HOSTILE, limited(&[]));
        let kind = arena.strike("recurse", r#"{ "depth": 0 }"#).failure().kind.name();
        assert!(matches!(kind, "stack-limit" | "trap"), "{kind}");
        arena.serves();
    });
}

/// A component with a function of so many locals, all of which are alive across its call of itself.
fn huge_frame(locals: usize) -> String {
    let mut body = String::new();
    (0..locals).for_each(|n| write!(body, "(local.set {n} (call $draw))").unwrap());
    body.push_str("(call $huge)");
    (0..locals).for_each(|n| write!(body, "(global.set $sink (local.get {n}))").unwrap());
    format!(
        r#"(component
            (core module $m
                (global $sink (mut i64) (i64.const 0))
                (func $draw (result i64) (global.set $sink (i64.mul (global.get $sink) (i64.const 25))) (global.get $sink))
                (func $huge (export "huge") (local {}) {body})
                (func (export "well") (result i32) (i32.const 42)))
            (core instance $i (instantiate $m))
            (func (export "well") (result u32) (canon lift (core func $i "well")))
            (func (export "huge") (canon lift (core func $i "huge"))))"#,
        "i64 ".repeat(locals)
    )
}

#[test]
fn huge_frames_end_at_the_stack_limit() {
    // Frames of 16 KiB step over a guard page at once; one that is larger than the whole stack is refused on entry.
    alone(|| check(&Attack::new(Guest::Text(&huge_frame(2_000)), "huge", &[], "stack-limit")));
}

#[test]
fn more_locals_than_any_compiler_makes_are_refused() {
    let text = r#"(component
        (core module $m (func (export "f") (local LOCALS)))
        (core instance $i (instantiate $m))
        (func (export "never") (canon lift (core func $i "f"))))"#;
    // A few bytes declare them all; fifty thousand is the most that any function may have, here and in the format.
    let bytes = wat::parse_str(text.replace("LOCALS", &"i64 ".repeat(50_001))).unwrap();
    alone(|| check(&Attack::new(Guest::Bytes(&bytes), "never", &[], "broken-component")));
}

#[test]
fn arguments_nested_beyond_the_limit_are_refused() {
    alone(|| {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let deep = format!(r#"{{ "depth": {}0{} }}"#, open.repeat(1_000_000), close.repeat(1_000_000));
            check(&Attack::new(STACK, "recurse", &[], "argument-depth-limit").with(&deep));
            check(&Attack::new(STACK, "recurse", &[], "argument-depth-limit").with(&open.repeat(2_000_000)));
        }
    });
}

/// A component that takes a list of lists of lists … of bools, so deep, and gives it back.
fn nested(depth: usize) -> String {
    let mut types = "(type $t0 (list bool))".to_owned();
    (1..depth).for_each(|n| write!(types, "(type $t{n} (list $t{}))", n - 1).unwrap());
    format!(
        r#"(component
            {types}
            (core module $m
                (memory (export "memory") 1)
                (global $next (mut i32) (i32.const 64))
                (func (export "realloc") (param i32 i32 i32 i32) (result i32)
                    (global.set $next (i32.add (global.get $next) (i32.and (i32.add (local.get 3) (i32.const 15)) (i32.const -8))))
                    (i32.and (i32.sub (global.get $next) (local.get 3)) (i32.const -8)))
                (func (export "echo") (param i32 i32) (result i32)
                    (i32.store (i32.const 0) (local.get 0)) (i32.store (i32.const 4) (local.get 1)) (i32.const 0)))
            (core instance $i (instantiate $m))
            (func (export "echo") (param "x" $t{last}) (result $t{last})
                (canon lift (core func $i "echo") (memory $i "memory") (realloc (func $i "realloc")))))"#,
        last = depth - 1
    )
}

#[test]
fn the_deepest_type_that_can_be_called_passes_both_ways() {
    alone(|| {
        let text = nested(63);
        let arena = Arena::new(Guest::Text(&text), limited(&[]));
        let value = format!("{}true{}", "[".repeat(63), "]".repeat(63));
        let struck = arena.strike("echo", &format!(r#"{{ "x": {value} }}"#));
        assert_eq!(struck.result().to_string(), value);
        arena.serves();
    });
}

#[test]
fn a_type_nested_deeper_than_that_cannot_be_called() {
    alone(|| {
        for depth in [70, 99] {
            let text = nested(depth);
            let arena = Arena::new(Guest::Text(&text), limited(&[]));
            let struck = arena.strike("echo", &json!({ "x": [] }).to_string());
            struck.ended_as("not-callable", &arena);
            arena.serves();
        }
        // Where nesting goes beyond what the format allows, the component is none.
        let text = nested(5_000);
        assert!(Arena::new(Guest::Text(&text), limited(&[])).refusal().contains("not a valid component"));
    });
}

#[test]
fn a_guest_that_enters_itself_again_traps() {
    alone(|| check(&Attack::new(STACK, "enter", &[(Limit::Fuel, 100_000_000)], "trap")));
}

#[test]
fn a_host_call_while_arguments_are_lowered_traps() {
    alone(|| check(&Attack::new(STACK, "take", &[], "trap").with(r#"{ "text": "a" }"#)));
}
