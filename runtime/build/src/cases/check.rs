//! Compares what came out with what a case expects.

use std::fmt;

use serde_json::{Number, Value};

use super::{Expect, ExpectedFailure};

/// The most differences that are shown. One is enough to know, and ten to see the pattern.
pub const MAX_DIFFERENCES: usize = 10;

/// The most characters of a value that are shown.
const MAX_SHOWN: usize = 200;

/// A failure as the runner saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureView<'a> {
    /// Its kind, kebab-case.
    pub kind: &'a str,
    /// Its JSON pointer into the arguments, where it has one.
    pub pointer: Option<&'a str>,
    /// Its message.
    pub message: &'a str,
}

/// Compares a result or a failure with the expectation; numbers may be off by `tolerance`.
///
/// # Errors
/// Where they differ: the places, what was expected there and what was found.
pub fn check(expect: &Expect, tolerance: f64, outcome: Result<&Value, FailureView<'_>>) -> Result<(), Mismatch> {
    let mut found = Mismatch::default();
    match (expect, outcome) {
        (Expect::Value(value), Ok(result)) => {
            compare(value, result, Whole::Yes, tolerance, &mut String::new(), &mut found);
        }
        (Expect::Includes(value), Ok(result)) => {
            compare(value, result, Whole::No, tolerance, &mut String::new(), &mut found);
        }
        (Expect::Failure(failure), Err(view)) => compare_failure(failure, view, &mut found),
        (Expect::Failure(failure), Ok(result)) => {
            found.add("", format!("the failure `{}`", failure.kind), shown(result));
        }
        (Expect::Value(value) | Expect::Includes(value), Err(view)) => {
            found.add("", shown(value), format!("the failure `{}`: {}", view.kind, cut(view.message)));
        }
    }
    if found.differences.is_empty() { Ok(()) } else { Err(found) }
}

/// Where a result and its expectation differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mismatch {
    /// The first of the differences, at most [`MAX_DIFFERENCES`].
    pub differences: Vec<Difference>,
    /// How many more there are.
    pub more: usize,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// A JSON pointer into the result; empty for the whole. For a failure it names the member: `kind`, `pointer`, `message`.
    pub at: String,
    /// What was expected there.
    pub expected: String,
    /// What was found there.
    pub found: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Difference { at, expected, found }) in self.differences.iter().enumerate() {
            let at = if at.is_empty() { "the result" } else { at };
            let end = if index + 1 < self.differences.len() || self.more > 0 { "\n" } else { "" };
            write!(f, "at {at}\n  expected {expected}\n     found {found}{end}")?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "and {more} more differences"),
        }
    }
}

impl std::error::Error for Mismatch {}

impl Mismatch {
    fn add(&mut self, at: &str, expected: String, found: String) {
        if self.differences.len() < MAX_DIFFERENCES {
            self.differences.push(Difference { at: at.to_owned(), expected, found });
        } else {
            self.more += 1;
        }
    }
}

/// Whether an object may have members that the expectation does not name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    Yes,
    No,
}

/// Goes only where both sides go, so the depth is that of the expectation, which its parser has bounded.
fn compare(expected: &Value, found: &Value, whole: Whole, tolerance: f64, at: &mut String, out: &mut Mismatch) {
    let here = at.len();
    match (expected, found) {
        (Value::Object(wanted), Value::Object(given)) => {
            for (key, value) in wanted {
                push_token(at, key);
                match given.get(key) {
                    Some(given) => compare(value, given, whole, tolerance, at, out),
                    None => out.add(at, shown(value), "nothing".to_owned()),
                }
                at.truncate(here);
            }
            if whole == Whole::Yes {
                for (key, value) in given.iter().filter(|(key, _)| !wanted.contains_key(*key)) {
                    push_token(at, key);
                    out.add(at, "nothing".to_owned(), shown(value));
                    at.truncate(here);
                }
            }
        }
        (Value::Array(wanted), Value::Array(given)) => {
            if wanted.len() != given.len() {
                out.add(
                    at,
                    format!("{} elements", wanted.len()),
                    format!("{} elements: {}", given.len(), shown(found)),
                );
            }
            for (index, (wanted, given)) in wanted.iter().zip(given).enumerate() {
                push_token(at, &index.to_string());
                compare(wanted, given, whole, tolerance, at, out);
                at.truncate(here);
            }
        }
        (Value::Number(wanted), Value::Number(given)) if same_number(wanted, given, tolerance) => {}
        _ if expected == found => {}
        _ => out.add(at, shown(expected), shown(found)),
    }
}

/// Equal as numbers, so `1` is `1.0`; integers are compared exactly, beyond what a float can hold.
fn same_number(one: &Number, other: &Number, tolerance: f64) -> bool {
    let integer = |n: &Number| n.as_i64().map(i128::from).or_else(|| n.as_u64().map(i128::from));
    if let (Some(one), Some(other)) = (integer(one), integer(other))
        && (one == other || tolerance == 0.0)
    {
        return one == other;
    }
    match (one.as_f64(), other.as_f64()) {
        // Equality first: infinities are equal, and their difference is no number.
        #[expect(clippy::float_cmp, reason = "without a tolerance a case demands the very number")]
        (Some(one), Some(other)) => one == other || (one - other).abs() <= tolerance,
        _ => false,
    }
}

fn compare_failure(expected: &ExpectedFailure, found: FailureView<'_>, out: &mut Mismatch) {
    if expected.kind != found.kind {
        out.add("kind", format!("`{}`", expected.kind), format!("`{}`: {}", cut(found.kind), cut(found.message)));
    }
    if let Some(pointer) = &expected.pointer
        && found.pointer != Some(pointer)
    {
        out.add(
            "pointer",
            format!("`{pointer}`"),
            found.pointer.map_or("no pointer".to_owned(), |p| format!("`{}`", cut(p))),
        );
    }
    if let Some(part) = &expected.message_contains
        && !found.message.contains(part)
    {
        out.add("message", format!("a message with `{part}`"), format!("`{}`", cut(found.message)));
    }
}

/// Appends a token to a JSON pointer (RFC 6901, section 3).
fn push_token(at: &mut String, token: &str) {
    at.push('/');
    for c in token.chars() {
        match c {
            '~' => at.push_str("~0"),
            '/' => at.push_str("~1"),
            c => at.push(c),
        }
    }
}

/// The beginning of a value's JSON, without writing out the rest of a large one.
fn shown(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Array(items) if items.len() > MAX_SHOWN => text.push_str("an array of many elements"),
        Value::String(long) if long.len() > 4 * MAX_SHOWN => {
            let end = long.floor_char_boundary(4 * MAX_SHOWN);
            text = Value::from(&long[..end]).to_string();
        }
        value => text = value.to_string(),
    }
    cut(&text)
}

/// Cuts what a guest wrote, and escapes what a terminal would obey.
fn cut(text: &str) -> String {
    let mut out = String::new();
    for (index, c) in text.chars().enumerate() {
        if index == MAX_SHOWN {
            out.push('…');
            break;
        }
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn differences(expect: &Expect, tolerance: f64, found: &Value) -> Vec<String> {
        match check(expect, tolerance, Ok(found)) {
            Ok(()) => Vec::new(),
            Err(mismatch) => mismatch.differences.into_iter().map(|difference| difference.at).collect(),
        }
    }

    #[test]
    fn a_whole_value_must_be_equal() {
        let wanted = || Expect::Value(json!({"a": [1, {"b~/": null}], "c": "x"}));
        assert!(differences(&wanted(), 0.0, &json!({"c": "x", "a": [1.0, {"b~/": null}]})).is_empty());
        for (found, at) in [
            (json!({"a": [1, {"b~/": 0}], "c": "x"}), "/a/1/b~0~1"),
            (json!({"a": [1, {"b~/": null}], "c": "x", "d": 1}), "/d"),
            (json!({"a": [1, {"b~/": null}]}), "/c"),
            (json!({"a": [1], "c": "x"}), "/a"),
            (json!(null), ""),
        ] {
            assert_eq!(differences(&wanted(), 0.0, &found), [at], "{found}");
        }
    }

    #[test]
    fn a_part_may_leave_members_out_but_no_elements() {
        let wanted = || Expect::Includes(json!({"a": {"b": 1}, "l": [{"x": 1}, 2]}));
        assert!(
            differences(&wanted(), 0.0, &json!({"a": {"b": 1, "c": 2}, "l": [{"x": 1, "y": 2}, 2], "z": 0})).is_empty()
        );
        assert_eq!(differences(&wanted(), 0.0, &json!({"a": {"b": 1}, "l": [{"x": 1}]})), ["/l"]);
        assert_eq!(differences(&wanted(), 0.0, &json!({"a": {}, "l": [{"x": 1}, 2]})), ["/a/b"]);
    }

    #[test]
    fn numbers_are_exact_unless_a_tolerance_is_given() {
        let same = |one: Value, other: Value, tolerance| differences(&Expect::Value(one), tolerance, &other).is_empty();
        assert!(same(json!(0.1), json!(0.1), 0.0));
        assert!(!same(json!(0.1), json!(0.100_000_1), 0.0));
        assert!(same(json!(0.1), json!(0.100_000_1), 1e-6));
        assert!(same(json!(10), json!(11), 1.0));
        assert!(!same(json!(u64::MAX), json!(u64::MAX - 1), 0.0), "a float would not tell these apart");
        assert!(!same(json!(1), json!("1"), 1.0));
        assert!(same(json!("NaN"), json!("NaN"), 0.0));
    }

    #[test]
    fn a_failure_is_compared_by_what_is_named() {
        let view = FailureView { kind: "invalid-argument", pointer: Some("/path"), message: "the path has no root" };
        let wanted = |kind: &str, pointer: Option<&str>, part: Option<&str>| {
            Expect::Failure(ExpectedFailure {
                kind: kind.into(),
                pointer: pointer.map(Into::into),
                message_contains: part.map(Into::into),
            })
        };
        let at = |expect: Expect| check(&expect, 0.0, Err(view)).err().map(|m| m.differences[0].at.clone());
        assert_eq!(at(wanted("invalid-argument", None, None)), None);
        assert_eq!(at(wanted("invalid-argument", Some("/path"), Some("no root"))), None);
        assert_eq!(at(wanted("not-found", None, None)).as_deref(), Some("kind"));
        assert_eq!(at(wanted("invalid-argument", Some(""), None)).as_deref(), Some("pointer"));
        assert_eq!(at(wanted("invalid-argument", None, Some("elsewhere"))).as_deref(), Some("message"));
    }

    #[test]
    fn a_result_where_a_failure_was_expected_and_the_other_way_round_are_mismatches() {
        let failure = ExpectedFailure { kind: "fatal".into(), pointer: None, message_contains: None };
        let text = check(&Expect::Failure(failure), 0.0, Ok(&json!(1))).expect_err("differs").to_string();
        assert_eq!(text, "at the result\n  expected the failure `fatal`\n     found 1");
        let view = FailureView { kind: "trap", pointer: None, message: "boom\u{1b}[2J" };
        let text = check(&Expect::Value(json!(1)), 0.0, Err(view)).expect_err("differs").to_string();
        assert!(text.contains("the failure `trap`: boom\\u{1b}[2J"), "{text}");
    }

    #[test]
    fn a_flood_of_differences_is_cut_and_counted() {
        let wanted: Vec<i32> = vec![0; 100_000];
        let found: Vec<i32> = vec![1; 100_000];
        let mismatch = check(&Expect::Value(json!(wanted)), 0.0, Ok(&json!(found))).expect_err("differs");
        assert_eq!((mismatch.differences.len(), mismatch.more), (MAX_DIFFERENCES, 100_000 - MAX_DIFFERENCES));
        assert!(mismatch.to_string().ends_with("and 99990 more differences"));
        let long = json!("é".repeat(1_000_000));
        let mismatch = check(&Expect::Value(json!(1)), 0.0, Ok(&long)).expect_err("differs");
        assert!(mismatch.to_string().len() < 1_000);
    }
}
