//! Attacks through what a tool says: too much of it, and text that would act on whoever shows it.

use serde_json::json;
use toolcell_core::{Event, Limit};

use super::alone::alone;
use super::{Arena, Attack, Guest, HOSTILE, Struck, check, limited};

const HOST: Guest<'static> = Guest::Text(include_str!("guests/host.wat"));
const MEMORY: Guest<'static> = Guest::Text(include_str!("guests/memory.wat"));

#[test]
fn a_flood_of_lines_ends_at_the_line_limit() {
    let struck = check(&Attack::new(HOSTILE, "flood", &[(Limit::LogLines, 100)], "log-lines-limit"));
    assert_eq!(struck.lines().len(), 100);
    check(&Attack::new(HOSTILE, "flood", &[(Limit::LogBytes, 10_000)], "log-bytes-limit"));
}

#[test]
fn a_flood_of_empty_writes_ends_at_the_line_limit() {
    check(&Attack::new(HOST, "write", &[(Limit::LogLines, 100)], "log-lines-limit").with(r#"{ "size": 0 }"#));
    check(&Attack::new(HOST, "say-nothing", &[(Limit::LogLines, 100)], "log-lines-limit"));
}

#[test]
fn ten_million_writes_of_one_byte_end_at_the_byte_limit() {
    let struck = check(&Attack::new(HOST, "write", &[], "log-bytes-limit").with(r#"{ "size": 1 }"#));
    // One line without an end: it is cut, and the rest of it was never kept.
    assert_eq!(struck.lines().len(), 1);
    assert!(struck.lines()[0].len() <= 4_096, "{}", struck.lines()[0].len());
    check(&Attack::new(HOST, "write", &[(Limit::HostCalls, 1_000)], "host-call-limit").with(r#"{ "size": 1 }"#));
}

#[test]
fn a_result_of_a_gibibyte_ends_at_the_memory_limit() {
    alone(|| {
        let small = &[(Limit::Memory, 64 << 20)];
        check(&Attack::new(HOSTILE, "blow-up", small, "memory-limit").with(r#"{ "megabytes": 1024 }"#));
        check(&Attack::new(HOSTILE, "blow-up-bytes", small, "memory-limit").with(r#"{ "megabytes": 1024 }"#));
    });
}

#[test]
fn a_result_over_its_limit_is_not_handed_on() {
    let limits = &[(Limit::Memory, 64 << 20), (Limit::ResultBytes, 4 << 20)];
    alone(|| check(&Attack::new(HOSTILE, "blow-up", limits, "result-bytes-limit").with(r#"{ "megabytes": 16 }"#)));
}

#[test]
fn bytes_over_the_result_limit_are_not_handed_on() {
    // Each byte of a list is a value of its own on its way out: of that many the host holds more than the memory has left, or,
    // where it has more, than the limits of a result allow.
    alone(|| {
        for (memory, ends) in [(64 << 20, "memory-limit"), (256 << 20, "result-values-limit")] {
            let limits = &[(Limit::Memory, memory), (Limit::ResultBytes, 4 << 20)];
            check(&Attack::new(HOSTILE, "blow-up-bytes", limits, ends).with(r#"{ "megabytes": 16 }"#));
        }
    });
}

#[test]
fn a_result_that_lies_about_its_length_traps() {
    alone(|| {
        for tool in ["lie", "lie-bytes", "lie-list"] {
            check(&Attack::new(MEMORY, tool, &[], "trap"));
        }
    });
}

/// What a tool that forges its log made of it.
fn forged() -> (Arena, Struck) {
    let arena = Arena::new(HOSTILE, limited(&[]));
    let struck = arena.strike("forge", "{}");
    assert_eq!(struck.result(), json!(null));
    (arena, struck)
}

/// No character that a terminal, a browser or an editor acts on, and none that nobody sees.
fn inert(text: &str) -> bool {
    let hidden = |c: char| matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !text.chars().any(|c| c.is_control() || hidden(c))
}

#[test]
fn escape_sequences_reach_nobody_as_such() {
    let (arena, struck) = forged();
    let lines = struck.lines();
    assert!(lines.iter().all(|line| inert(line)), "{lines:?}");
    assert!(lines[0].contains(r"\u{1b}[2J\u{1b}]52;c;ZXZpbA==\u{7}"), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with(r"\u{1b}[31merror: the host is compromised")), "{lines:?}");
    arena.serves();
}

#[test]
fn a_line_cannot_be_forged() {
    let (_, struck) = forged();
    let lines = struck.lines();
    // From stdout each line is an event of its own, marked as the tool's; in the log interface a line feed is data.
    assert!(
        lines.contains(&"first") && lines.contains(&"2026-01-01T00:00:00Z INFO toolcell: receipt verified"),
        "{lines:?}"
    );
    assert!(lines.iter().any(|line| line.ends_with(r"\u{1b}[0m\nline two")), "{lines:?}");
    assert!(struck.events.iter().all(|event| matches!(event, Event::Preparing | Event::Started | Event::Log { .. })));
}

#[test]
fn text_that_reorders_or_hides_is_shown_as_what_it_is() {
    let (_, struck) = forged();
    assert!(struck.lines()[0].ends_with(r"\u{202e}gnp.exe\u{200b}"), "{:?}", struck.lines());
}

#[test]
fn bytes_that_are_no_text_are_shown_as_such() {
    let (_, struck) = forged();
    assert!(struck.lines().contains(&"\u{fffd}\u{fffd} not text"), "{:?}", struck.lines());
}

/// Shaped like the keys that scanners look for; it opens nothing.
const SECRET: &str = "sk-live-0000000000000000000000000000000000000000000000000000000000000000";

#[test]
fn the_text_of_a_panic_reaches_the_operator_alone() {
    let struck = check(&Attack::new(HOSTILE, "panic", &[], "trap").with(&json!({ "message": SECRET }).to_string()));
    assert!(!serde_json::to_string(&struck.outcome).unwrap().contains(SECRET), "{:?}", struck.outcome);
    assert!(struck.lines().iter().any(|line| line.contains(SECRET)), "{:?}", struck.lines());
    // And text that is meant to be taken for something else arrives as what it is.
    let message = "\u{1b}]0;owned\u{7}\r\n2026-01-01 INFO all clear\u{202e}";
    let struck = check(&Attack::new(HOSTILE, "panic", &[], "trap").with(&json!({ "message": message }).to_string()));
    assert!(struck.lines().iter().all(|line| inert(line)), "{:?}", struck.lines());
}

#[test]
fn a_failure_text_is_made_inert() {
    let message = "\u{1b}[31mnot what it seems\u{202e}\u{200b}\u{7}\r\nnext\u{0}";
    let arguments = json!({ "message": message }).to_string();
    let struck = check(&Attack::new(HOSTILE, "fail", &[], "tool-failed").with(&arguments));
    let shown = &struck.failure().message;
    assert!(shown.lines().all(inert) && shown.contains(r"\u{1b}[31m"), "{shown:?}");
    // And it is cut, whatever its length.
    let long = json!({ "message": "x".repeat(1 << 20) }).to_string();
    let struck = check(&Attack::new(HOSTILE, "fail", &[], "tool-failed").with(&long));
    assert!(struck.failure().message.len() <= 4_096);
    assert!(struck.told().len() < 16_384);
}
