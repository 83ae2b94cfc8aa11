//! Numbers written as text, without losing a digit.

use toolcell_core::ChangeKind;
use toolcell_core::json::{Json, MAX_NUMBER};

use super::{Rule, Site};
use crate::repair::decimal::{integer, is_json};
use crate::repair::schema::allows;

pub(super) const RULE: Rule = Rule {
    kind: ChangeKind::Number,
    name: "number",
    about: "A string that holds a number becomes that number, grouping of digits taken away, and nothing is rounded.",
    offer,
};

fn offer(site: &Site<'_>, offers: &mut Vec<String>) {
    let whole = allows(site.schema, "integer");
    if !whole && !allows(site.schema, "number") {
        return;
    }
    let Json::String(text) = site.value else { return };
    let text = text.trim();
    if text.is_empty() || text.len() > MAX_NUMBER {
        return;
    }
    for reading in readings(text) {
        if !whole {
            offers.push(reading);
        } else if let Some(value) = integer(&reading) {
            offers.push(value.to_string());
        }
    }
    if !whole && allows(site.schema, "string") {
        offers.extend(special(text));
    }
}

/// Every number that a text may stand for. A comma groups digits here and divides them from the fraction there; where both are
/// possible both are given, and the schema may tell them apart.
fn readings(text: &str) -> Vec<String> {
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'+') => ("", &text[1..]),
        Some(b'-') => ("-", &text[1..]),
        _ => ("", text),
    };
    let mut found = Vec::new();
    let mut add = |number: String| {
        if is_json(&number) {
            found.push(format!("{sign}{number}"));
        }
    };
    if digits.starts_with(['+', '-']) {
        return found;
    }
    add(digits.to_owned());
    for separator in ['_', '\'', '\u{a0}', '\u{202f}', ' '] {
        add_grouped(digits, separator, '.', &mut add);
    }
    add_grouped(digits, ',', '.', &mut add);
    if digits.matches(',').count() == 1 {
        // The other reading: it is never the only one that counts, but it makes the first one doubtful.
        let decimal = digits.replace(',', ".");
        if digits.matches('.').count() == 0 && grouped(digits, ',') {
            add(decimal);
        }
    }
    found
}

fn add_grouped(digits: &str, separator: char, point: char, add: &mut impl FnMut(String)) {
    let (whole, fraction) = digits.split_once(point).map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
    if grouped(whole, separator) {
        let plain = whole.replace(separator, "");
        add(fraction.map_or_else(|| plain.clone(), |fraction| format!("{plain}.{fraction}")));
    }
}

/// Whether a text is digits in groups of three, the first of one to three.
fn grouped(text: &str, separator: char) -> bool {
    let mut groups = text.split(separator);
    let digits = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    let first = groups.next().is_some_and(|group| (1..=3).contains(&group.len()) && digits(group));
    let mut rest = groups.peekable();
    first && rest.peek().is_some() && rest.all(|group| group.len() == 3 && digits(group))
}

/// The names of what is no number, as other languages write them.
fn special(text: &str) -> Option<String> {
    let name = match text.to_lowercase().as_str() {
        "nan" => "NaN",
        "inf" | "+inf" | "infinity" | "+infinity" => "Infinity",
        "-inf" | "-infinity" => "-Infinity",
        _ => return None,
    };
    Some(format!("\"{name}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_in_every_way_that_it_may_be_meant() {
        for (text, expected) in [
            ("42", vec!["42"]),
            ("+4.50", vec!["4.50"]),
            ("-1e3", vec!["-1e3"]),
            ("1_000_000", vec!["1000000"]),
            ("1'000", vec!["1000"]),
            ("1,234,567", vec!["1234567"]),
            ("1,234.5", vec!["1234.5"]),
            ("1,000", vec!["1000", "1.000"]),
            ("1,00", vec![]),
            ("1,0000", vec![]),
            ("12,34,567", vec![]),
            ("0x10", vec![]),
            ("10%", vec![]),
            ("--1", vec![]),
            ("007", vec![]),
            ("1_", vec![]),
            ("_1", vec![]),
            ("٣", vec![]),
        ] {
            assert_eq!(readings(text), expected, "{text}");
        }
    }
}
