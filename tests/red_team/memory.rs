//! Attacks on memory, tables, instances and handles. What a case costs is measured in a process of its own.

use std::fmt::Write as _;

use toolcell_core::Limit;

use super::alone::{Footprint, alone};
use super::{Arena, Attack, Guest, HOSTILE, check, component, limited};

const MEMORY: Guest<'static> = Guest::Text(include_str!("guests/memory.wat"));
const HOST: Guest<'static> = Guest::Text(include_str!("guests/host.wat"));
const SMALL: &[(Limit, u64)] = &[(Limit::Memory, 64 << 20)];

#[test]
fn hoarding_ends_at_the_memory_limit() {
    alone(|| {
        check(&Attack::new(MEMORY, "hoard", SMALL, "memory-limit"));
        check(&Attack::new(HOSTILE, "hoard", SMALL, "memory-limit"));
    });
}

#[test]
fn a_memory_that_begins_over_the_limit_is_never_made() {
    let text = r#"(component
        (core module $m (memory 1025) (func (export "f")))
        (core instance $i (instantiate $m))
        (func (export "never") (canon lift (core func $i "f"))))"#;
    alone(|| check(&Attack::new(Guest::Text(text), "never", SMALL, "memory-limit")));
}

#[test]
fn many_memories_count_together() {
    // Four times 20 MiB, each of which the limit would allow.
    alone(|| check(&Attack::new(MEMORY, "many", SMALL, "memory-limit").with(r#"{ "pages": 320 }"#)));
}

#[test]
fn many_memories_that_begin_large_count_together() {
    let mut text = r#"(component (core module $m (memory 100) (func (export "f")))"#.to_owned();
    (0..40).for_each(|n| write!(text, "(core instance $i{n} (instantiate $m))").unwrap());
    text.push_str(r#"(func (export "never") (canon lift (core func $i0 "f"))))"#);
    alone(|| check(&Attack::new(Guest::Text(&text), "never", SMALL, "memory-limit")));
}

#[test]
fn a_64_bit_memory_is_refused() {
    for memory in ["(memory i64 1)", "(memory i64 0x1000000000000)", "(table i64 1 funcref)"] {
        let text = format!("(component (core module {memory}))");
        assert!(Arena::new(Guest::Text(&text), limited(&[])).refusal().contains("64-bit memory or table"));
    }
}

#[test]
fn growing_a_table_beyond_measure_ends_at_its_limit() {
    alone(|| check(&Attack::new(MEMORY, "grow-table", SMALL, "table-limit")));
}

/// Components that each instantiate the one before ten times: a line of text for every zero of what they become.
fn tenfold(levels: usize) -> String {
    let mut text =
        "(component $top (component $c0 (core module $m (memory 1)) (core instance (instantiate $m)))".to_owned();
    for level in 1..=levels {
        write!(text, "(component $c{level} (alias outer $top $c{} (component $c))", level - 1).unwrap();
        text.push_str(&"(instance (instantiate $c))".repeat(10));
        text.push(')');
    }
    write!(
        text,
        r#"(instance (instantiate $c{levels}))
        (core module $m (func (export "f")))
        (core instance $i (instantiate $m))
        (func (export "never") (canon lift (core func $i "f"))))"#
    )
    .unwrap();
    text
}

#[test]
fn a_bomb_of_nested_instances_is_bounded() {
    alone(|| {
        // A million, and more than there are atoms: the engine would lay them all out before anything runs.
        for levels in [6, 20] {
            let text = tenfold(levels);
            let footprint = Footprint::now();
            let arena = Arena::new(Guest::Text(&text), limited(SMALL));
            let reason = "parts after everything is instantiated";
            assert!(arena.refusal().contains(reason), "{}", arena.refusal());
            footprint.holds(0);
            arena.serves();
        }
        // What is small enough to be laid out is counted where it runs.
        check(&Attack::new(Guest::Text(&tenfold(4)), "never", SMALL, "instance-limit"));
    });
}

#[test]
fn many_instances_end_at_their_limit() {
    let mut text = r#"(component (core module $m (func (export "f")))"#.to_owned();
    (0..100).for_each(|n| write!(text, "(core instance $i{n} (instantiate $m))").unwrap());
    text.push_str(r#"(func (export "never") (canon lift (core func $i0 "f"))))"#);
    check(&Attack::new(Guest::Text(&text), "never", SMALL, "instance-limit"));
}

#[test]
fn a_spray_of_resources_ends_at_the_handle_limit() {
    alone(|| check(&Attack::new(MEMORY, "spray", SMALL, "handle-limit")));
}

#[test]
fn a_spray_of_pollables_ends_at_the_handle_limit() {
    let pollables = Guest::Text(include_str!("guests/pollables.wat"));
    alone(|| check(&Attack::new(pollables, "hoard", SMALL, "handle-limit")));
}

#[test]
fn a_spray_of_header_objects_ends_at_the_handle_limit() {
    alone(|| check(&Attack::new(HOST, "fields", SMALL, "handle-limit")));
}

#[test]
fn two_to_the_63_random_bytes_are_refused_before_they_are_made() {
    alone(|| {
        for length in ["9223372036854775808", "18446744073709551615", "1073741824"] {
            let arguments = format!(r#"{{ "length": "{length}" }}"#);
            check(&Attack::new(HOST, "random", SMALL, "random-limit").with(&arguments));
        }
    });
}

#[test]
fn draining_the_generator_ends_at_its_limit() {
    check(&Attack::new(HOSTILE, "drain-random", &[], "random-limit"));
}

#[test]
fn strings_across_many_host_calls_count_together() {
    let limits = &[(Limit::Memory, 64 << 20), (Limit::HostBytes, 128 << 20)];
    alone(|| check(&Attack::new(HOST, "ask-config", limits, "host-bytes-limit").with(r#"{ "size": 16777216 }"#)));
}

#[test]
fn a_list_whose_elements_are_one_string_is_charged_for_each() {
    let limits = &[(Limit::Memory, 64 << 20), (Limit::ResultBytes, 1 << 20), (Limit::ResultValues, 100_000)];
    alone(|| check(&Attack::new(MEMORY, "aliases", limits, "result-values-limit")));
}

#[test]
fn an_argument_whose_elements_are_one_string_is_charged_for_each() {
    let fields = Guest::Text(include_str!("guests/fields.wat"));
    alone(|| check(&Attack::new(fields, "aliases", SMALL, "crossing-bytes-limit")));
}

#[test]
fn sparse_data_costs_no_more_than_its_memory() {
    // Two bytes, a hundred megabytes apart.
    let text = r#"(component
        (core module $m (memory 1601) (data (i32.const 0) "a") (data (i32.const 104857600) "b")
            (func (export "f") (result i32) (i32.load8_u (i32.const 104857600))))
        (core instance $i (instantiate $m))
        (func (export "far") (result u32) (canon lift (core func $i "f"))))"#;
    alone(|| {
        check(&Attack::new(Guest::Text(text), "far", SMALL, "memory-limit"));
        let arena = Arena::new(Guest::Text(text), limited(&[(Limit::Memory, 128 << 20)]));
        arena.serves();
        let footprint = Footprint::now();
        assert_eq!(arena.strike("far", "{}").result(), u64::from(b'b'));
        footprint.holds(16 << 20);
        arena.serves();
    });
}

#[test]
fn data_outside_its_memory_is_refused() {
    let text = r#"(component (core module $m (memory 1) (data (i32.const 4294967295) "ab")))"#;
    assert!(Arena::new(Guest::Text(text), limited(&[])).refusal().contains("could never start"));
    // An offset that only the engine knows: it is found where the instance begins.
    let late = component(
        r#"(component
            (core module $g (global (export "at") i32 (i32.const -1)))
            (core instance $g (instantiate $g))
            (core module $m (import "g" "at" (global $at i32)) (memory 1) (data (global.get $at) "ab") (func (export "f")))
            (core instance $i (instantiate $m (with "g" (instance $g))))
            (func (export "never") (canon lift (core func $i "f"))))"#,
    );
    check(&Attack::new(Guest::Bytes(&late), "never", &[], "trap"));
}

#[test]
fn a_shared_memory_is_refused() {
    for text in ["(memory 1 2 shared)", r#"(import "a" "b" (memory 1 2 shared))"#] {
        let text = format!("(component (core module {text}))");
        assert!(Arena::new(Guest::Text(&text), limited(&[])).refusal().contains("shared memory"));
    }
}
