//! Attacks through arguments: each is refused before anything runs, for a reason that a caller can use.

use serde_json::json;
use toolcell_core::Limit;

use super::alone::alone;
use super::{Arena, Attack, Guest, Struck, check, limited};

const ARGUMENTS: Guest<'static> = Guest::Text(include_str!("guests/arguments.wat"));

/// Refused as this kind, before the guest burnt any fuel.
fn refused(tool: &str, arguments: &str, kind: &str) -> Struck {
    let struck = check(&Attack::new(ARGUMENTS, tool, &[], kind).with(arguments));
    let receipt = &struck.outcome.receipt.as_ref().unwrap().receipt;
    assert_eq!((receipt.used.fuel, receipt.used.memory), (0, 0), "it ran");
    struck
}

/// Refused as an invalid argument at this pointer.
fn invalid(tool: &str, arguments: &str, pointer: &str) -> Struck {
    let struck = refused(tool, arguments, "invalid-argument");
    assert_eq!(struck.failure().problems[0].pointer, pointer, "{:?}", struck.failure());
    struck
}

#[test]
fn a_depth_of_100_000_is_refused() {
    alone(|| {
        let deep = format!(r#"{{ "items": {}{} }}"#, "[".repeat(100_000), "]".repeat(100_000));
        refused("count", &deep, "argument-depth-limit");
        refused("count", &"{\"items\":".repeat(100_000), "argument-depth-limit");
    });
}

#[test]
fn two_to_the_64_is_refused() {
    for number in
        ["18446744073709551616", r#""18446744073709551616""#, "-1", "1e30", "1.5", r#"" 1""#, r#""0x10""#, r#""+1""#]
    {
        invalid("whole", &format!(r#"{{ "n": {number} }}"#), "/n");
    }
    let arena = Arena::new(ARGUMENTS, limited(&[]));
    assert_eq!(arena.strike("whole", r#"{ "n": "18446744073709551615" }"#).result(), json!("18446744073709551615"));
    assert_eq!(arena.strike("whole", r#"{ "n": 18446744073709551615 }"#).result(), json!("18446744073709551615"));
}

#[test]
fn a_number_beyond_every_float_is_refused() {
    for number in ["1e400", "-1e400", "1e99999999999999999999"] {
        invalid("real", &format!(r#"{{ "x": {number} }}"#), "/x");
    }
    // So many digits that reading them would be the attack.
    refused("real", &format!(r#"{{ "x": {} }}"#, "9".repeat(1_000_000)), "invalid-json");
}

#[test]
fn nan_as_a_word_is_refused() {
    for word in ["NaN", "Infinity", "-Infinity", "nan", "0x10", "01", "+1", ".5", "1."] {
        refused("real", &format!(r#"{{ "x": {word} }}"#), "invalid-json");
    }
    for text in ["nan", "inf", "1"] {
        invalid("real", &format!(r#"{{ "x": "{text}" }}"#), "/x");
    }
    assert_eq!(Arena::new(ARGUMENTS, limited(&[])).strike("real", r#"{ "x": "NaN" }"#).result(), json!("NaN"));
}

#[test]
fn duplicate_keys_are_refused() {
    refused("echo", r#"{ "text": "honest", "text": "evil" }"#, "invalid-json");
    refused("echo", r#"{ "text": "honest", "\u0074ext": "evil" }"#, "invalid-json");
}

#[test]
fn lone_surrogates_are_refused() {
    for text in [r"\ud800", r"\udc00", r"\udc00\ud800", r"\ud800A", r"\ud83d\ud83d"] {
        refused("echo", &format!(r#"{{ "text": "{text}" }}"#), "invalid-json");
    }
    assert_eq!(
        Arena::new(ARGUMENTS, limited(&[])).strike("echo", r#"{ "text": "\ud83d\ude00" }"#).result(),
        json!("😀")
    );
}

#[test]
fn keys_that_trick_other_readers_are_refused() {
    for key in [r"__proto__", "constructor", r"text\u0000", r"\u0000", "", "TEXT", "te\u{200b}xt", "ｔｅｘｔ"] {
        let arguments = format!(r#"{{ "text": "a", "{key}": {{ "polluted": true }} }}"#);
        let struck = refused("echo", &arguments, "invalid-argument");
        assert!(!struck.told().contains("\\u0000") && !struck.told().contains('\u{200b}'), "{}", struck.told());
    }
    // As data inside a string they are nothing special.
    let text = json!({ "text": "a\0b__proto__" });
    let struck = Arena::new(ARGUMENTS, limited(&[])).strike("echo", &text.to_string());
    assert_eq!(struck.result(), text["text"]);
}

#[test]
fn an_unknown_field_is_refused_by_name() {
    let struck = invalid("echo", r#"{ "text": "a", "txet": "b" }"#, "/txet");
    assert!(struck.failure().problems[0].nearest.as_deref() == Some("text"), "{:?}", struck.failure());
    invalid("echo", "{}", "/text");
    refused("echo", "[]", "invalid-argument");
    refused("echo", "", "invalid-json");
    refused("echo", r#"{ "text": "a" } { "text": "b" }"#, "invalid-json");
}

#[test]
fn a_string_of_100_megabytes_is_refused() {
    alone(|| {
        let arguments = format!(r#"{{ "text": "{}" }}"#, "x".repeat(100_000_000));
        refused("echo", &arguments, "argument-bytes-limit");
        let many = format!(r#"{{ "items": [{}true] }}"#, "true,".repeat(1_500_000));
        refused("count", &many, "argument-values-limit");
        // The same number of values that fit, under a limit that is smaller.
        let limits = &[(Limit::ArgumentValues, 1_000)];
        let many = format!(r#"{{ "items": [{}true] }}"#, "true,".repeat(1_000));
        check(&Attack::new(ARGUMENTS, "count", limits, "argument-values-limit").with(&many));
    });
}
