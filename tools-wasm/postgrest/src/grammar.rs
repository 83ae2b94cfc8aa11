//! Owns PostgREST's query language: names, filters and sort keys as the parameters of a URL, before percent-encoding. Written after the
//! server's own parser (`src/PostgREST/ApiRequest/QueryParams.hs`), because three of its rules are easy to get wrong:
//!
//! - A value after `eq.` is everything to the end of the parameter. Quotes there would be a part of the value.
//! - Values in lists end at `,` and `)`, so each is put in quotes, with `\` before `"` and `\`.
//! - A column called `order`, `limit`, `select` or the like, or one with a dot, would be taken for something else. Names that are not plain
//!   are put in quotes.

use crate::bindings::{Direction, Nulls, SortKey, State, Test};

/// The longest name of a table, column or function, in bytes: what PostgreSQL keeps of an identifier.
const LONGEST_NAME: usize = 63;
/// The longest key of a JSON object in a path, in bytes.
const LONGEST_KEY: usize = 200;
/// The longest path into a JSON column, in steps.
const MOST_STEPS: usize = 16;
/// Names that are parameters of their own, and words of the grammar.
const RESERVED: [&str; 9] = ["select", "columns", "on_conflict", "order", "limit", "offset", "and", "or", "not"];

/// Whether text can be the name of a table or a function. It becomes a segment of a path, so nothing that moves in one may pass.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
        && name != "."
        && name != ".."
        && !name.chars().any(|letter| letter.is_control() || letter == '/' || letter == '\\')
}

/// A column or a path into a JSON column, as the grammar has it; none where it is neither.
pub(crate) fn field(text: &str) -> Option<String> {
    let (column, mut rest) = split_at_arrow(text);
    if !is_within(column, LONGEST_NAME) {
        return None;
    }
    let mut field = name(column);
    for _ in 0..MOST_STEPS {
        let Some(after) = rest.strip_prefix("->") else { return rest.is_empty().then_some(field) };
        let (arrow, after) = after.strip_prefix('>').map_or(("->", after), |after| ("->>", after));
        let (key, further) = split_at_arrow(after);
        let digits = key.strip_prefix('-').unwrap_or(key);
        let is_index = (1..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_within(key, LONGEST_KEY) {
            return None;
        }
        field.push_str(arrow);
        field.push_str(&if is_index { key.to_owned() } else { name(key) });
        rest = further;
    }
    rest.is_empty().then_some(field)
}

/// A test as the value of a parameter; none where it has no values to compare with.
pub(crate) fn condition(test: &Test) -> Option<String> {
    Some(match test {
        Test::Eq(value) => format!("eq.{value}"),
        Test::Neq(value) => format!("neq.{value}"),
        Test::Gt(value) => format!("gt.{value}"),
        Test::Gte(value) => format!("gte.{value}"),
        Test::Lt(value) => format!("lt.{value}"),
        Test::Lte(value) => format!("lte.{value}"),
        Test::Like(pattern) => format!("like.{pattern}"),
        Test::Ilike(pattern) => format!("ilike.{pattern}"),
        Test::Is(State::Null) => "is.null".to_owned(),
        // Only new servers know `is.not_null`; all know this.
        Test::Is(State::NotNull) => "not.is.null".to_owned(),
        Test::Is(State::True) => "is.true".to_owned(),
        Test::Is(State::False) => "is.false".to_owned(),
        Test::Is(State::Unknown) => "is.unknown".to_owned(),
        Test::In(values) => format!("in.({})", list(values)?),
        Test::NotIn(values) => format!("not.in.({})", list(values)?),
        // The literal of a PostgreSQL array, whose quoting is the same.
        Test::Contains(values) => format!("cs.{{{}}}", list(values)?),
        Test::ContainsJson(json) => format!("cs.{json}"),
    })
}

/// A sort key as a part of the parameter `order`; none where its column is none.
pub(crate) fn sort_key(key: &SortKey) -> Option<String> {
    let mut text = field(&key.column)?;
    text.push_str(match key.direction {
        None => "",
        Some(Direction::Ascending) => ".asc",
        Some(Direction::Descending) => ".desc",
    });
    text.push_str(match key.nulls {
        None => "",
        Some(Nulls::First) => ".nullsfirst",
        Some(Nulls::Last) => ".nullslast",
    });
    Some(text)
}

fn split_at_arrow(text: &str) -> (&str, &str) {
    text.split_at(text.find("->").unwrap_or(text.len()))
}

fn is_within(name: &str, longest: usize) -> bool {
    (1..=longest).contains(&name.len()) && !name.chars().any(char::is_control)
}

fn name(name: &str) -> String {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && !RESERVED.contains(&name);
    if is_plain { name.to_owned() } else { quoted(name) }
}

fn list(values: &[String]) -> Option<String> {
    (!values.is_empty()).then(|| values.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(","))
}

fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        if matches!(letter, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_not_plain_are_quoted() {
        for (column, text) in [
            ("id", "id"),
            ("created_at", "created_at"),
            ("Unit Price", "\"Unit Price\""),
            ("information.cpe", "\"information.cpe\""),
            ("a,b", "\"a,b\""),
            ("a\"b\\c", "\"a\\\"b\\\\c\""),
            ("größe", "\"größe\""),
            ("1st", "\"1st\""),
            ("order", "\"order\""),
            ("select", "\"select\""),
            ("*", "\"*\""),
            ("a-b", "\"a-b\""),
            ("data->>city", "data->>city"),
            ("data->address->>city", "data->address->>city"),
            ("data->0->-1->>name", "data->0->-1->>name"),
            ("data->>a.b", "data->>\"a.b\""),
            ("data->limit", "data->\"limit\""),
            ("data->>phone number", "data->>\"phone number\""),
        ] {
            assert_eq!(field(column).as_deref(), Some(text), "{column}");
        }
        let long = "x".repeat(64);
        let deep = format!("a{}", "->b".repeat(17));
        for none in ["", "->a", "a->", "a->>", "a->->b", "a\nb", "a->b\u{0}", &long, &deep] {
            assert_eq!(field(none), None, "{none:?}");
        }
        assert!(field(&format!("a{}", "->b".repeat(16))).is_some());
    }

    #[test]
    fn a_single_value_stands_as_it_is_and_a_list_is_quoted() {
        let of = |test: Test| condition(&test).unwrap();
        let text = |text: &str| text.to_owned();
        assert_eq!(of(Test::Eq(text("a,b.(c)\"d\""))), "eq.a,b.(c)\"d\"");
        assert_eq!(of(Test::Eq(String::new())), "eq.");
        assert_eq!(
            of(Test::In(vec![text("Hebdon,John"), text("Williams,Mary")])),
            "in.(\"Hebdon,John\",\"Williams,Mary\")"
        );
        assert_eq!(
            of(Test::In(vec![text("Quote:\""), text("Backslash:\\")])),
            "in.(\"Quote:\\\"\",\"Backslash:\\\\\")"
        );
        assert_eq!(of(Test::In(vec![text("),id.eq.1")])), "in.(\"),id.eq.1\")");
        assert_eq!(of(Test::NotIn(vec![text("1"), text("2")])), "not.in.(\"1\",\"2\")");
        assert_eq!(of(Test::Contains(vec![text("a b"), text("{c}")])), "cs.{\"a b\",\"{c}\"}");
        assert_eq!(of(Test::ContainsJson(text("{\"a\":1}"))), "cs.{\"a\":1}");
        assert_eq!(of(Test::Is(State::NotNull)), "not.is.null");
        assert_eq!(condition(&Test::In(Vec::new())), None);
        assert_eq!(condition(&Test::Contains(Vec::new())), None);
    }

    #[test]
    fn a_table_is_one_segment_of_a_path() {
        for name in ["orders", "Order Items", "größe", "a.b", "..."] {
            assert!(is_name(name), "{name}");
        }
        let long = "x".repeat(64);
        for none in ["", ".", "..", "a/b", "../auth", "a\\b", "a\nb", &long] {
            assert!(!is_name(none), "{none}");
        }
    }

    /// The server's own rule for values of lists, as it stands in its parser: text up to `,` or `)`, or quotes with `\` before a character.
    fn elements(list: &str) -> Vec<String> {
        let mut elements = Vec::new();
        let mut letters = list.strip_prefix('(').unwrap().chars().peekable();
        loop {
            let mut element = String::new();
            if letters.next_if_eq(&'"').is_some() {
                loop {
                    match letters.next().expect("the quotes end") {
                        '"' => break,
                        '\\' => element.push(letters.next().expect("a character is escaped")),
                        letter => element.push(letter),
                    }
                }
            } else {
                while let Some(letter) = letters.next_if(|letter| !",)".contains(*letter)) {
                    element.push(letter);
                }
            }
            elements.push(element);
            match letters.next().expect("the list ends") {
                ',' => {}
                ')' => {
                    assert_eq!(letters.next(), None);
                    return elements;
                }
                other => panic!("{other} after a value"),
            }
        }
    }

    #[test]
    fn the_server_reads_the_values_of_a_list_that_were_meant() {
        let alphabet: Vec<char> = "a\",\\().{}:* é".chars().collect();
        // A small generator with a fixed seed is as good as any here, and the same everywhere.
        let mut state = 1_u64;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % below
        };
        for _ in 0..2_000 {
            let values: Vec<String> =
                (0..=next(4)).map(|_| (0..next(6)).map(|_| alphabet[next(alphabet.len())]).collect()).collect();
            let text = condition(&Test::In(values.clone())).unwrap();
            assert_eq!(elements(text.strip_prefix("in.").unwrap()), values, "{text}");
        }
    }
}
