//! Attacks on the CPU: loops wherever a guest's code can run, and work that costs the guest little.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use toolcell_core::{Limit, Silent, Tenant, Toolbox as _};
use toolcell_host::Width;

use super::{AMPLE, Arena, Attack, Guest, HOSTILE, check, limited};
use crate::support::{WIDTH, run};

const CPU: Guest<'static> = Guest::Text(include_str!("guests/cpu.wat"));
const POLLABLES: Guest<'static> = Guest::Text(include_str!("guests/pollables.wat"));
const LITTLE_FUEL: &[(Limit, u64)] = &[(Limit::Fuel, 20_000_000)];
const LITTLE_TIME: &[(Limit, u64)] = &[(Limit::Time, 300), (Limit::Fuel, 1_000_000_000_000)];

#[test]
fn a_loop_runs_out_of_fuel() {
    check(&Attack::new(CPU, "spin", LITTLE_FUEL, "fuel-limit"));
}

#[test]
fn a_loop_that_has_fuel_runs_out_of_time() {
    check(&Attack::new(CPU, "spin", LITTLE_TIME, "time-limit"));
    check(&Attack::new(HOSTILE, "spin", LITTLE_TIME, "time-limit"));
}

#[test]
fn a_loop_in_a_start_function_runs_out_of_fuel() {
    let start = Guest::Text(include_str!("guests/start.wat"));
    check(&Attack::new(start, "never", LITTLE_FUEL, "fuel-limit"));
    check(&Attack::new(start, "never", LITTLE_TIME, "time-limit"));
}

#[test]
fn a_loop_in_realloc_runs_out_of_fuel() {
    check(&Attack::new(CPU, "take", LITTLE_FUEL, "fuel-limit").with(r#"{ "text": "a" }"#));
    check(&Attack::new(CPU, "take-several", LITTLE_FUEL, "fuel-limit").with(r#"{ "texts": ["a"] }"#));
    check(&Attack::new(CPU, "take", LITTLE_TIME, "time-limit").with(r#"{ "text": "a" }"#));
}

#[test]
fn a_loop_in_post_return_runs_out_of_fuel() {
    check(&Attack::new(CPU, "give", LITTLE_FUEL, "fuel-limit"));
    check(&Attack::new(CPU, "give-number", LITTLE_FUEL, "fuel-limit"));
    check(&Attack::new(CPU, "give", LITTLE_TIME, "time-limit"));
}

#[test]
fn a_loop_in_a_destructor_runs_out_of_fuel() {
    check(&Attack::new(CPU, "let-go", LITTLE_FUEL, "fuel-limit"));
}

#[test]
fn filling_memory_costs_fuel_by_the_byte() {
    let limits = &[(Limit::Fuel, 20_000_000), (Limit::Memory, 64 << 20)];
    check(&Attack::new(CPU, "fill", limits, "fuel-limit").with(r#"{ "pages": 1000 }"#));
}

#[test]
fn filling_memory_again_and_again_runs_out_of_time() {
    // 128 MiB in one instruction, which nothing interrupts in the middle.
    let limits = &[(Limit::Time, 300), (Limit::Fuel, 1_000_000_000_000), (Limit::Memory, 160 << 20)];
    check(&Attack::new(CPU, "fill", limits, "time-limit").with(r#"{ "pages": 2048 }"#));
}

#[test]
fn growing_by_nothing_for_ever_runs_out_of_fuel() {
    check(&Attack::new(CPU, "grow-by-nothing", &[(Limit::Fuel, 2_000_000)], "fuel-limit"));
    check(&Attack::new(CPU, "grow-by-nothing", LITTLE_TIME, "time-limit"));
}

#[test]
fn growing_that_fails_for_ever_runs_out_of_fuel() {
    check(&Attack::new(CPU, "grow-in-vain", &[(Limit::Fuel, 2_000_000)], "fuel-limit"));
}

#[test]
fn sleeping_for_ever_runs_out_of_time() {
    check(&Attack::new(HOSTILE, "sleep", &[(Limit::Time, 300)], "time-limit"));
}

#[test]
fn a_sleep_that_no_clock_can_count_runs_out_of_time() {
    check(&Attack::new(POLLABLES, "oversleep", &[(Limit::Time, 300)], "time-limit"));
}

#[test]
fn a_million_pollables_of_no_length_run_out_of_host_calls() {
    check(&Attack::new(POLLABLES, "million", &[(Limit::HostCalls, 30_000)], "host-call-limit"));
    check(&Attack::new(POLLABLES, "million", &[(Limit::Time, 300), (Limit::HostCalls, 1_000_000_000)], "time-limit"));
}

#[test]
fn one_poll_of_a_million_pollables_is_refused() {
    check(&Attack::new(POLLABLES, "poll-many", &[], "handle-limit"));
}

#[test]
fn deep_indirect_recursion_runs_out_of_stack() {
    check(&Attack::new(CPU, "chase", &[], "stack-limit").with(r#"{ "depth": 0 }"#));
}

#[test]
fn a_catastrophic_pattern_stays_within_its_fuel() {
    let arena = Arena::new(Guest::Folder("tools-wasm/json"), limited(&[(Limit::Fuel, 2_000_000_000)]));
    let document = json!([format!("{}!", "a".repeat(2_000))]).to_string();
    // Exponential for a matcher that goes back; and patterns that are small as text and huge when they are built.
    for pattern in
        ["(a*)*b", "(a|a)*b", "(a|aa)+c", "(.*)*=.*", "((a{100}){100}){100}b", "(((((a{9}){9}){9}){9}){9}){9}"]
    {
        for function in ["match", "search"] {
            let path = format!("$[?{function}(@, '{pattern}')]");
            let struck = arena.strike("query", &json!({ "document": document, "path": path }).to_string());
            let kind = struck.outcome.verdict.failure().map(|failure| failure.kind.name());
            let bounded = matches!(kind, None | Some("invalid-argument" | "fuel-limit" | "memory-limit"));
            assert!(bounded, "{path}: {:?}", struck.outcome.verdict);
        }
    }
    // Many steps that each visit everything below: the answer would grow without end.
    let mut path = "$".to_owned();
    (0..40).for_each(|_| write!(path, "..*").unwrap());
    let nested = format!("{}{}", "[".repeat(60), "]".repeat(60));
    let struck = arena.strike("query", &json!({ "document": nested, "path": path }).to_string());
    let kind = struck.failure().kind.name();
    assert!(matches!(kind, "invalid-argument" | "fuel-limit" | "memory-limit" | "result-bytes-limit"), "{kind}");
    arena.serves();
}

#[test]
fn a_thousand_spinners_end_and_others_are_served_meanwhile() {
    // One tenant may fill what is its own and no more; the host has room beside it.
    let width = Width { tenant: 24, tool: 24, queue: 2_000, ..WIDTH };
    let policy = limited(&[(Limit::Time, 200), (Limit::QueueTime, 500), (Limit::Fuel, 1_000_000_000_000)]);
    let arena = Arc::new(Arena::wide(CPU, policy, width));
    arena.serves();
    let attacker = Tenant("attacker".into());
    run(async {
        let mut spinners = tokio::task::JoinSet::new();
        for _ in 0..1_000 {
            let (arena, mut call) = (arena.clone(), arena.cell.prepare("guest.spin", "{}"));
            call.tenant = attacker.clone();
            spinners.spawn(async move { arena.cell.host.call(call, &Silent).await });
        }
        tokio::task::yield_now().await;
        let began = Instant::now();
        let mut served = 0;
        while served < 10 {
            let outcome = arena.cell.call("healthy.echo", r#"{ "text": "still there" }"#).await;
            match outcome.verdict.failure() {
                None => served += 1,
                // A machine of two cores that builds something else meanwhile is late now and then, and says so.
                Some(failure) => assert_eq!(failure.kind.name(), "time-limit", "{failure:?}"),
            }
            assert!(began.elapsed() < Duration::from_millis(AMPLE), "only {served} of 10 honest calls were served");
        }
        assert!(!spinners.is_empty(), "the spinners were gone before anybody else was served");
        let mut ended = 0;
        while let Some(outcome) = spinners.join_next().await {
            let outcome = outcome.unwrap();
            let kind = outcome.verdict.failure().unwrap().kind.name();
            assert!(matches!(kind, "time-limit" | "queue-time-limit"), "{kind}");
            ended += 1;
        }
        assert_eq!(ended, 1_000);
    });
    arena.serves();
}
