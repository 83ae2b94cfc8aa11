//! Attacks through the size of what crosses from a guest to its host: for a moment it is there twice, and the second time in
//! memory of the host.

use std::fs;
use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;
use toolcell_core::Limit;
use toolcell_store::{Options, Store};

use super::alone::{Footprint, alone};
use super::outside::{AMPLE, policy};
use super::{Arena, Guest, Struck, component, limited};
use crate::support::run;

/// Its functions pass one argument of the size that they are told.
const HUGE: Guest<'static> = Guest::Text(include_str!("guests/huge.wat"));
/// Its functions return as many values as they are told.
const RESULTS: Guest<'static> = Guest::Text(include_str!("guests/results.wat"));

/// Each function of [`HUGE`], and what ends it where its argument is just small enough to cross and the memory of the call is full.
const ARGUMENTS: [(&str, Option<&str>); 10] = [
    ("log-line", Some("log-bytes-limit")),
    ("config-key", None),
    ("kv-key", None),
    ("kv-value", Some("memory-limit")),
    ("tool-name", None),
    ("tool-arguments", None),
    ("stream", Some("log-bytes-limit")),
    ("file", None),
    ("header-name", None),
    ("header-value", Some("trap")),
];

/// A host that grants all that takes an argument, under this limit of memory.
fn granted(memory: &str) -> (Arena, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let rules = format!(
        r#"{AMPLE}memory = "{memory}"

[[rule]]
name = "huge"
tools = ["guest"]
kv = {{ keys = 10, value-bytes = "16 MiB", total-bytes = "64 MiB" }}
call = ["healthy", "other"]
mounts = [{{ host = "{}", guest = "/data", access = "read-write" }}]
"#,
        folder.path().display()
    );
    let arena = Arena::arranged(HUGE, policy(&rules), |settings| {
        let home = settings.receipts.parent().expect("receipts lie in the home");
        settings.kv = Some(Arc::new(run(Store::open(&home.join("store.db"), Options::default())).unwrap()));
    });
    (arena, folder)
}

fn strike(arena: &Arena, function: &str, what: &str, number: u64) -> Struck {
    arena.strike(function, &json!({ what: number }).to_string())
}

#[test]
fn one_huge_argument_of_any_host_function_ends_at_the_crossing_limit() {
    alone(|| {
        for (function, _) in ARGUMENTS {
            let (arena, folder) = granted("80 MiB");
            arena.serves();
            for size in [64 << 20, arena.limit(Limit::CrossingBytes) + 1] {
                let footprint = Footprint::now();
                let struck = strike(&arena, function, "size", size);
                footprint.holds(80 << 20);
                struck.ended_as("crossing-bytes-limit", &arena);
                assert!(struck.failure().hints.iter().any(|hint| hint.contains("`crossing-bytes`")), "{function}");
                arena.serves();
            }
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{function}");
        }
    });
}

#[test]
fn an_argument_as_large_as_may_cross_is_held_to_what_it_is_for() {
    alone(|| {
        for (function, ends) in ARGUMENTS {
            let (arena, _folder) = granted("17 MiB");
            arena.serves();
            let footprint = Footprint::now();
            // With the page before it, the guest's memory is full.
            let struck = strike(&arena, function, "size", 16 << 20);
            footprint.holds(17 << 20);
            assert_eq!(struck.outcome.verdict.failure().map(|failure| failure.kind.name()), ends, "{function}");
            arena.serves();
        }
    });
}

#[test]
fn arguments_for_another_tool_that_become_very_many_values_count_as_memory() {
    alone(|| {
        let (arena, _folder) = granted("21 MiB");
        arena.cell.drop_in("other", &component(include_str!("guests/arguments.wat")));
        arena.cell.settle();
        arena.serves();
        for (count, ends) in [(1_000_000, Some("trap")), (100_000, Some("trap")), (10, None)] {
            let footprint = Footprint::now();
            let struck = strike(&arena, "tool-values", "count", count);
            footprint.holds(21 << 20);
            assert_eq!(struck.outcome.verdict.failure().map(|failure| failure.kind.name()), ends, "{count}");
            arena.serves();
        }
        let (arena, _folder) = granted("256 MiB");
        arena.cell.drop_in("other", &component(include_str!("guests/arguments.wat")));
        arena.cell.settle();
        // The memory of the other tool holds that many.
        let struck = strike(&arena, "tool-values", "count", 100_000);
        assert!(struck.outcome.verdict.failure().is_none(), "{:?}", struck.outcome.verdict);
    });
}

#[test]
fn a_result_of_very_many_values_counts_as_memory_of_the_call() {
    let functions = ["numbers", "bytes", "texts", "lists", "records", "tuples", "options", "choices", "switches"];
    alone(|| {
        for function in functions {
            let arena = Arena::new(RESULTS, limited(&[(Limit::Memory, 64 << 20)]));
            arena.serves();
            // Far too many, and some about as many as there is room for: most room is taken just before it ends.
            for count in [5_000_000, 100_000, 60_000, 30_000, 11_000] {
                let footprint = Footprint::now();
                let struck = strike(&arena, function, "count", count);
                footprint.holds(64 << 20);
                if count == 5_000_000 || struck.outcome.verdict.failure().is_some() {
                    struck.ended_as("memory-limit", &arena);
                }
                arena.serves();
            }
            strike(&arena, function, "count", 1_000).result();
        }
    });
}

#[test]
fn a_result_of_more_values_than_it_may_have_is_not_lifted() {
    alone(|| {
        let limits = [(Limit::Memory, 256 << 20), (Limit::ResultBytes, 1 << 20), (Limit::ResultValues, 100_000)];
        for function in ["numbers", "bytes", "records", "choices"] {
            let arena = Arena::new(RESULTS, limited(&limits));
            arena.serves();
            let footprint = Footprint::now();
            strike(&arena, function, "count", 5_000_000).ended_as("result-values-limit", &arena);
            // Its own 60 MiB, and of the host's what the limits of results allow.
            footprint.holds(64 << 20);
            arena.serves();
        }
    });
}

#[test]
fn a_text_is_lifted_as_long_as_a_result_may_be() {
    alone(|| {
        let arena = Arena::new(RESULTS, limited(&[(Limit::Memory, 64 << 20)]));
        arena.serves();
        // Of control characters, each of which is six in JSON.
        for (count, ends) in [(2 << 20, None), (5 << 20, Some("result-bytes-limit")), (40 << 20, Some("memory-limit"))]
        {
            let footprint = Footprint::now();
            let struck = strike(&arena, "text", "count", count);
            footprint.holds(64 << 20);
            assert_eq!(struck.outcome.verdict.failure().map(|failure| failure.kind.name()), ends, "{count}");
            arena.serves();
        }
    });
}
