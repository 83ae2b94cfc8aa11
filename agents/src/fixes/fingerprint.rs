//! How a failure is recognised: by what is the same each time it happens.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use toolcell_core::json::{escaped, tokens};
use toolcell_core::{Card, Digest, Failure};

/// How much of a message counts, in bytes. What tells failures apart stands at the beginning.
pub const MAX_MESSAGE: usize = 512;

/// The most places that a fingerprint names.
const MAX_PLACES: usize = 16;

/// What a failure is recognised by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recognised {
    /// Over the tool with its version, the kind, the places and the message.
    pub digest: Digest,
    /// The places, as pointers with `*` for places in lists, divided by spaces.
    pub pointer: String,
    /// The message without the values that differ from call to call.
    pub message: String,
}

/// The digest that a failure of a tool is recognised by.
pub fn fingerprint(card: &Card, failure: &Failure) -> Digest {
    recognise(card, failure).digest
}

/// What a failure of a tool is recognised by.
///
/// A tool counts by its id and major version, which promises the same interface (Semantic Versioning 2.0.0, items 4 and 8); one
/// without a version by its bytes.
pub fn recognise(card: &Card, failure: &Failure) -> Recognised {
    let places: BTreeSet<String> = failure.problems.iter().map(|problem| template(&problem.pointer)).collect();
    let pointer = places.into_iter().take(MAX_PLACES).collect::<Vec<_>>().join(" ");
    let message = normalised(&failure.message);
    let version = card.version.as_deref().and_then(major).unwrap_or_else(|| card.component.to_string());
    let mut source = String::new();
    for part in [card.id.as_str(), &version, failure.kind.name(), &pointer, &message] {
        // With their lengths, so that no two lists of parts are the same text.
        let _ = writeln!(source, "{}:{part}", part.len());
    }
    Recognised { digest: Digest::of(source.as_bytes()), pointer, message }
}

/// A pointer with `*` for places in lists.
pub fn template(pointer: &str) -> String {
    let Some(tokens) = tokens(pointer) else { return String::new() };
    let place = |token: &String| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_digit());
    tokens.iter().map(|token| if place(token) { "/*".to_owned() } else { format!("/{}", escaped(token)) }).collect()
}

/// The part of a version that promises the interface: `2`, or `0.3` where the first number is 0.
fn major(version: &str) -> Option<String> {
    let mut numbers = version.split('.');
    let is_number = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match numbers.next().filter(is_number)? {
        "0" => Some(format!("0.{}", numbers.next().filter(is_number)?)),
        first => Some(first.to_owned()),
    }
}

/// A message without what differs from call to call: quoted texts, URLs, ids, and numbers with dates and times among them.
pub fn normalised(message: &str) -> String {
    let end = (0..=message.len().min(MAX_MESSAGE)).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
    let mut rest = &message[..end];
    let mut out = String::with_capacity(rest.len());
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        // An apostrophe inside a word quotes nothing.
        let quotes = matches!(c, '"' | '`') || c == '\'' && !before.is_alphanumeric();
        let word = if quotes {
            let inside = &rest[1..];
            let Some(close) = inside.find(c) else {
                out.push_str("<text>");
                break;
            };
            out.push_str("<text>");
            close + 2
        } else if c.is_alphanumeric() {
            let url = rest.find("://").filter(|at| rest[..*at].bytes().all(|byte| byte.is_ascii_alphanumeric()));
            let length = match url {
                Some(_) => rest.find(char::is_whitespace).unwrap_or(rest.len()),
                None => rest.find(|c: char| !c.is_alphanumeric() && c != '-' && c != '_').unwrap_or(rest.len()),
            };
            match (url, &rest[..length]) {
                (Some(_), _) => out.push_str("<url>"),
                (None, word) if is_id(word) => out.push_str("<id>"),
                (None, word) => push_without_numbers(word, &mut out),
            }
            length
        } else {
            if !c.is_whitespace() {
                out.push(c);
            } else if !out.ends_with(' ') {
                out.push(' ');
            }
            c.len_utf8()
        };
        before = rest[..word].chars().next_back().unwrap_or(' ');
        rest = &rest[word..];
    }
    out.trim().to_owned()
}

/// Whether a word is a name that a machine gave: at least eight hexadecimal digits, one of them a number's, with hyphens or without.
fn is_id(word: &str) -> bool {
    let digits = word.strip_prefix("0x").unwrap_or(word);
    let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let letters = digits.bytes().any(|byte| byte.is_ascii_alphabetic());
    hex && letters && digits.len() >= 8 && digits.bytes().any(|byte| byte.is_ascii_digit())
}

fn push_without_numbers(word: &str, out: &mut String) {
    let mut inside = false;
    for c in word.chars() {
        if !c.is_numeric() {
            out.push(c);
        } else if !inside {
            out.push_str("<n>");
        }
        inside = c.is_numeric();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repair::tests::card;
    use serde_json::json;
    use toolcell_core::Kind;
    use toolcell_core::failure::Problem;

    #[test]
    fn a_message_loses_what_differs_and_keeps_what_tells() {
        for (text, normal) in [
            ("row 17 of 4,096 is bad", "row <n> of <n>,<n> is bad"),
            ("no column \"price\" in 'a b'", "no column <text> in <text>"),
            ("can't read `x`", "can't read <text>"),
            ("GET https://a.example/x?y=1 gave 404", "GET <url> gave <n>"),
            ("id 5f3c-99ab12cd is gone", "id <id> is gone"),
            ("since 2024-01-31T10:00:00Z", "since <n>-<n>-<n>T<n>:<n>:<n>Z"),
            ("an open \"quote", "an open <text>"),
            ("  two\n\nlines ", "two lines"),
            ("", ""),
        ] {
            assert_eq!(normalised(text), normal, "{text}");
        }
        assert!(normalised(&"é \" 1 ".repeat(100_000)).len() <= 4 * MAX_MESSAGE);
    }

    #[test]
    fn the_same_failure_of_another_call_has_the_same_fingerprint_and_another_has_not() {
        let problem = |pointer: &str| Problem { pointer: pointer.to_owned(), ..Problem::default() };
        let failure = |pointer, text: &str| Failure::new(Kind::InvalidArgument, text).problems(vec![problem(pointer)]);
        let card = card(json!({}));
        let base = fingerprint(&card, &failure("/rows/3/date", "row 3 has no \"date\""));
        assert_eq!(fingerprint(&card, &failure("/rows/17/date", "row 17 has no \"day\"")), base);
        assert_ne!(fingerprint(&card, &failure("/rows/3/name", "row 3 has no \"date\"")), base);
        assert_ne!(fingerprint(&card, &failure("/rows/3/date", "row 3 is wrong")), base);
        let mut other = card.clone();
        other.version = Some("1.9.9".to_owned());
        assert_eq!(fingerprint(&other, &failure("/rows/3/date", "row 3 has no \"date\"")), base);
        other.version = Some("2.0.0".to_owned());
        assert_ne!(fingerprint(&other, &failure("/rows/3/date", "row 3 has no \"date\"")), base);
        assert_eq!((major("0.3.1"), major("x"), major("")), (Some("0.3".to_owned()), None, None));
    }
}
