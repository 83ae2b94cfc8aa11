//! A strict JSON reader for text that nobody vouches for.
//!
//! It refuses what two readers would read differently (duplicate keys, lone surrogates, trailing text) and everything
//! over its bounds, before it allocates for it. Numbers stay text, so that no digit is lost before the type is known.

mod value;

use std::borrow::Cow;
use std::collections::HashSet;

use crate::limits::Limit;

pub use value::{escaped, quote, tokens};

/// A JSON value that borrows from its text.
#[derive(Clone, Debug, PartialEq)]
pub enum Json<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number as written (RFC 8259, section 6), at most [`MAX_NUMBER`] bytes long.
    Number(&'a str),
    /// A string.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Json<'a>>),
    /// An object, in the order written, without duplicate names.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

/// The longest number, in bytes. The longest exact decimal form of any double has 767 significant digits.
pub const MAX_NUMBER: usize = 1_100;

/// What a text may cost.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of text.
    pub bytes: u64,
    /// Values of any type, the names of members not counted.
    pub values: u64,
    /// Arrays and objects inside each other; at most the ceiling of [`Limit::ArgumentDepth`] is honoured.
    pub depth: u64,
}

/// Text that is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum JsonError {
    /// Over one of the bounds.
    #[error("over the limit `{}` of {}", .limit.row().name, .limit.show(*.value))]
    Over {
        /// Which.
        limit: Limit,
        /// Its value.
        value: u64,
    },
    /// Not JSON, or JSON that two readers would read differently.
    #[error("line {line}, column {column}: {problem}")]
    Malformed {
        /// What is wrong there.
        problem: Cow<'static, str>,
        /// Line, from 1.
        line: usize,
        /// Column in bytes, from 1.
        column: usize,
    },
}

/// Reads one JSON value that fills the whole text.
///
/// # Errors
/// [`JsonError::Over`] beyond a bound; [`JsonError::Malformed`] for anything that is not strict JSON.
pub fn parse(text: &str, bounds: Bounds) -> Result<Json<'_>, JsonError> {
    if text.len() as u64 > bounds.bytes {
        return Err(JsonError::Over { limit: Limit::ArgumentBytes, value: bounds.bytes });
    }
    let mut reader = Reader { text, at: 0, values: 0, bounds };
    let depth = bounds.depth.min(Limit::ArgumentDepth.row().ceiling);
    reader.space();
    let value = reader.value(depth)?;
    reader.space();
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(reader.malformed("there is text after the value")),
    }
}

impl Json<'_> {
    /// What it is, for a message: `a string`, `null`.
    pub fn what(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    values: u64,
    bounds: Bounds,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Names the place; costs a scan of the text before it, once, at the end.
    fn malformed(&self, problem: impl Into<Cow<'static, str>>) -> JsonError {
        let before = &self.text.as_bytes()[..self.at.min(self.text.len())];
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        let column = before.iter().rev().take_while(|b| **b != b'\n').count() + 1;
        JsonError::Malformed { problem: problem.into(), line, column }
    }

    fn value(&mut self, depth: u64) -> Result<Json<'a>, JsonError> {
        self.values += 1;
        if self.values > self.bounds.values {
            return Err(JsonError::Over { limit: Limit::ArgumentValues, value: self.bounds.values });
        }
        match self.peek() {
            Some(b'"') => self.string().map(Json::String),
            Some(b'{') => self.object(self.deeper(depth)?),
            Some(b'[') => self.array(self.deeper(depth)?),
            Some(b'-' | b'0'..=b'9') => self.number().map(Json::Number),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(_) => Err(self.malformed("a value should begin here")),
            None => Err(self.malformed("the text ends where a value should begin")),
        }
    }

    fn deeper(&self, depth: u64) -> Result<u64, JsonError> {
        depth.checked_sub(1).ok_or(JsonError::Over { limit: Limit::ArgumentDepth, value: self.bounds.depth })
    }

    fn word(&mut self, word: &str, value: Json<'a>) -> Result<Json<'a>, JsonError> {
        if self.text[self.at..].starts_with(word) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(self.malformed("a value should begin here"))
        }
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == from { Err(self.malformed("a digit should stand here")) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<&'a str, JsonError> {
        let from = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
            if matches!(self.peek(), Some(b'0'..=b'9')) {
                return Err(self.malformed("a number does not begin with a zero"));
            }
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let number = &self.text[from..self.at];
        if number.len() > MAX_NUMBER {
            self.at = from;
            return Err(self.malformed("this number is too long"));
        }
        Ok(number)
    }

    fn array(&mut self, depth: u64) -> Result<Json<'a>, JsonError> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Json::Array(items));
        }
        loop {
            self.space();
            items.push(self.value(depth)?);
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Json::Array(items));
                }
                _ => return Err(self.malformed("`,` or `]` should stand here")),
            }
        }
    }

    fn object(&mut self, depth: u64) -> Result<Json<'a>, JsonError> {
        // A small object is compared name by name; from there on a set keeps the cost linear.
        const SMALL: usize = 16;
        self.at += 1;
        let mut members: Vec<(Cow<'a, str>, Json<'a>)> = Vec::new();
        let mut seen: HashSet<Cow<'a, str>> = HashSet::new();
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Json::Object(members));
        }
        loop {
            self.space();
            let name_at = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.malformed("a member's name in quotes should stand here"));
            }
            let name = self.string()?;
            let duplicate = if members.len() < SMALL {
                members.iter().any(|(other, _)| *other == name)
            } else {
                if seen.is_empty() {
                    seen.extend(members.iter().map(|(name, _)| name.clone()));
                }
                !seen.insert(name.clone())
            };
            if duplicate {
                self.at = name_at;
                let shown: String = name.chars().take(60).flat_map(char::escape_debug).collect();
                return Err(self.malformed(format!("the name \"{shown}\" stands twice in one object")));
            }
            self.space();
            if self.peek() != Some(b':') {
                return Err(self.malformed("`:` should stand here"));
            }
            self.at += 1;
            self.space();
            members.push((name, self.value(depth)?));
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Json::Object(members));
                }
                _ => return Err(self.malformed("`,` or `}` should stand here")),
            }
        }
    }

    /// A string, borrowed from the text where it has no escapes.
    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.at += 1;
        let first = self.run()?;
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(Cow::Borrowed(first));
        }
        let mut out = String::from(first);
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(out));
                }
                Some(_) => out.push(self.escape()?),
                None => return Err(self.malformed("the text ends inside a string")),
            }
            out.push_str(self.run()?);
        }
    }

    /// The characters up to the next quote or backslash.
    fn run(&mut self) -> Result<&'a str, JsonError> {
        let rest = &self.text.as_bytes()[self.at..];
        let Some(length) = memchr::memchr2(b'"', b'\\', rest) else {
            return Err(self.malformed("a string begins before here and never ends"));
        };
        // In blocks without a branch inside, which the compiler turns into wide instructions.
        let control =
            |block: &[u8]| block.iter().map(|byte| u8::from(*byte < 0x20)).fold(0, |any, control| any | control) != 0;
        if let Some(block) = rest[..length].chunks(64).position(control) {
            let within = rest[block * 64..length].iter().position(|byte| *byte < 0x20).unwrap_or_default();
            self.at += block * 64 + within;
            return Err(self.malformed("a control character in a string must be escaped"));
        }
        let run = &self.text[self.at..self.at + length];
        self.at += length;
        Ok(run)
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        self.at += 1;
        let plain = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(self.malformed("this escape does not exist")),
        };
        self.at += 1;
        Ok(plain)
    }

    fn unicode(&mut self) -> Result<char, JsonError> {
        let first = self.unit()?;
        let code = match first {
            0xd800..0xdc00 => {
                if !self.text.as_bytes()[self.at..].starts_with(b"\\u") {
                    return Err(self.malformed("a high surrogate without its low one"));
                }
                self.at += 2;
                let second = self.unit()?;
                if !(0xdc00..0xe000).contains(&second) {
                    return Err(self.malformed("a high surrogate without its low one"));
                }
                0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            other => other,
        };
        char::from_u32(code).ok_or_else(|| self.malformed("a low surrogate without its high one"))
    }

    fn unit(&mut self) -> Result<u32, JsonError> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let unit = digits.filter(|d| d.iter().all(u8::is_ascii_hexdigit)).and_then(|d| std::str::from_utf8(d).ok());
        let Some(unit) = unit.and_then(|d| u32::from_str_radix(d, 16).ok()) else {
            return Err(self.malformed("four hexadecimal digits should stand here"));
        };
        self.at += 4;
        Ok(unit)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const WIDE: Bounds = Bounds { bytes: 1 << 24, values: 1_000_000, depth: 64 };

    fn problem(text: &str) -> String {
        parse(text, WIDE).expect_err(text).to_string()
    }

    #[test]
    fn what_serde_reads_we_read_alike() {
        for text in [
            "null",
            " true ",
            "-0.5e-7",
            "\"\"",
            "[]",
            "{}",
            "[1,[2,{\"a\":[]}]]",
            r#"{"a":"\u00e9\n\ud83d\ude00","b":null}"#,
            "\"\u{7f}é\"",
        ] {
            let ours = parse(text, WIDE).expect(text);
            assert_eq!(to_serde(&ours), serde_json::from_str::<serde_json::Value>(text).expect(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_strict_json_is_refused_with_its_place() {
        for text in [
            "",
            " ",
            "nul",
            "tru",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "{'a':1}",
            "01",
            "+1",
            "1.",
            ".5",
            "1e",
            "--1",
            "0x10",
            "NaN",
            "Infinity",
            "\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"a\nb\"",
            "[1 2]",
            "{} {}",
            "\u{feff}{}",
            "[",
            "{\"a\"",
            "{\"a\":",
            "/**/1",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\\ud800\\u0041\"",
            "\"\\ud800x\"",
        ] {
            assert!(matches!(parse(text, WIDE), Err(JsonError::Malformed { .. })), "{text:?}");
        }
        assert!(
            problem(&format!("\"{}\u{1}\"", "x".repeat(200))).starts_with("line 1, column 202: a control character")
        );
        assert!(problem("{\"a\":1,\n \"a\":2}").starts_with("line 2, column 2: the name \"a\" stands twice"));
    }

    #[test]
    fn duplicates_are_found_in_large_objects_too() {
        let mut text = String::from("{");
        for n in 0..1_000 {
            let _ = write!(text, "\"k{n}\":{n},");
        }
        assert!(parse(&format!("{text}\"last\":0}}"), WIDE).is_ok());
        assert!(problem(&format!("{text}\"k\\u0035\":0}}")).contains("\"k5\" stands twice"));
        assert!(problem(&format!("{text}\"k999\":0}}")).contains("\"k999\" stands twice"));
    }

    #[test]
    fn bounds_hold() {
        let over = |text: &str, bounds| match parse(text, bounds) {
            Err(JsonError::Over { limit, .. }) => limit,
            other => panic!("{other:?}"),
        };
        assert_eq!(over(&"[".repeat(100_000), WIDE), Limit::ArgumentDepth);
        assert_eq!(over(&"{\"a\":".repeat(100_000), WIDE), Limit::ArgumentDepth);
        assert_eq!(over("[1,2,3]", Bounds { values: 3, ..WIDE }), Limit::ArgumentValues);
        assert_eq!(over("[1,2,3]", Bounds { bytes: 6, ..WIDE }), Limit::ArgumentBytes);
        assert!(parse(&format!("{}{}", "[".repeat(64), "]".repeat(64)), WIDE).is_ok());
        assert!(problem(&"9".repeat(2_000)).contains("too long"));
    }

    fn to_serde(json: &Json<'_>) -> serde_json::Value {
        match json {
            Json::Null => serde_json::Value::Null,
            Json::Bool(b) => (*b).into(),
            Json::Number(n) => serde_json::from_str(n).expect("a number"),
            Json::String(s) => s.as_ref().into(),
            Json::Array(items) => items.iter().map(to_serde).collect(),
            Json::Object(members) => {
                serde_json::Value::Object(members.iter().map(|(k, v)| (k.to_string(), to_serde(v))).collect())
            }
        }
    }
}
