//! The strict reader: JSON text to [`Json`], or one error with its line and column.
//!
//! It accepts RFC 8259 and nothing beside it (no comments, trailing commas, byte-order mark, `NaN`), and refuses what the
//! RFC leaves open but no two programs agree on: a name twice in one object, and a lone surrogate. Depth and number of
//! values are bounded, so no document can exhaust stack or memory.

use std::borrow::Cow;

use indexmap::map::Entry;
use thiserror::Error;

use crate::document::{Json, Object};
use crate::number::MAX_EXPONENT_DIGITS;

/// The deepest nesting of arrays and objects. Stops a line of brackets from overflowing the stack of whoever recurses
/// over the document; it is also what `serde_json`, and so most of the Rust world, accepts.
pub const MAX_DEPTH: usize = 128;

/// The most values in one document, each array, object, member and element counted. Stops 16 MiB of `[[],[],…` from
/// becoming a gigabyte of values.
pub const MAX_VALUES: usize = 1_000_000;

/// Reads a whole document.
pub fn read(text: &str) -> Result<Json<'_>, ReadError> {
    let mut reader = Reader { text, at: 0, values: 0 };
    let parsed = reader.document();
    parsed.map_err(|reason| ReadError::at(text, reader.at, reason))
}

/// Why a text is not a document that we take, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: {reason}")]
pub struct ReadError {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// What is wrong there.
    pub reason: Reason,
}

impl ReadError {
    #[allow(clippy::naive_bytecount, reason = "runs once, for an error; not worth a dependency")]
    fn at(text: &str, offset: usize, reason: Reason) -> Self {
        let before = &text.as_bytes()[..offset];
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        // A byte that does not continue a character begins one.
        let characters = before[line_start..].iter().filter(|byte| **byte & 0xc0 != 0x80).count();
        Self { line: before.iter().filter(|byte| **byte == b'\n').count() + 1, column: characters + 1, reason }
    }
}

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Reason {
    /// The text stops in the middle of a value.
    #[error("the text ends where {expected} should stand")]
    End {
        /// What should have come.
        expected: &'static str,
    },
    /// Something else stands where a certain thing should.
    #[error("{found:?} stands where {expected} should")]
    Unexpected {
        /// What should have come.
        expected: &'static str,
        /// What came.
        found: char,
    },
    /// More text after the document.
    #[error("{found:?} follows after the end of the document; pass one document only")]
    Trailing {
        /// The first character that is too much.
        found: char,
    },
    /// A name stands twice in one object.
    #[error("the name {name:?} stands twice in one object; names must be unique")]
    Duplicate {
        /// The name, cut after 64 characters.
        name: String,
    },
    /// A control character stands in a string as it is.
    #[error("the control character U+{code:04X} must be escaped in a string")]
    Control {
        /// Its code.
        code: u32,
    },
    /// A backslash with something that is no escape.
    #[error("\\{found} is not an escape; use one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX")]
    Escape {
        /// The character after the backslash.
        found: char,
    },
    /// Half of a surrogate pair, which is no character.
    #[error("\\u{code:04x} is half of a surrogate pair; a string must be made of whole characters")]
    Surrogate {
        /// Its code.
        code: u32,
    },
    /// Too deep.
    #[error("nested deeper than {MAX_DEPTH} levels")]
    Depth,
    /// Too many values.
    #[error("more than {MAX_VALUES} values in one document")]
    Values,
    /// An exponent that no comparison could be exact about.
    #[error("an exponent of more than {MAX_EXPONENT_DIGITS} digits")]
    Exponent,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    values: usize,
}

const VALUE: &str = "a value";

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Json<'a>, Reason> {
        let value = self.value(0)?;
        self.white_space();
        match self.character() {
            None => Ok(value),
            Some(found) => Err(Reason::Trailing { found }),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Json<'a>, Reason> {
        self.white_space();
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(Reason::Values);
        }
        match self.peek() {
            Some(b'"') => self.string().map(Json::String),
            Some(b'-' | b'0'..=b'9') => self.number().map(Json::Number),
            Some(b'{' | b'[') if depth == MAX_DEPTH => Err(Reason::Depth),
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            _ => Err(self.unexpected(VALUE)),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json<'a>, Reason> {
        self.at += 1;
        let mut members = Object::new();
        self.white_space();
        if self.skip(b'}') {
            return Ok(Json::Object(Box::new(members)));
        }
        loop {
            self.white_space();
            let start = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("a name in double quotes"));
            }
            let name = self.string()?;
            self.white_space();
            if !self.skip(b':') {
                return Err(self.unexpected("a colon after the name"));
            }
            match members.entry(name) {
                Entry::Vacant(free) => {
                    free.insert(self.value(depth)?);
                }
                Entry::Occupied(taken) => {
                    self.at = start;
                    let name = taken.key().chars().take(64).collect();
                    return Err(Reason::Duplicate { name });
                }
            }
            self.white_space();
            if self.skip(b'}') {
                return Ok(Json::Object(Box::new(members)));
            }
            if !self.skip(b',') {
                return Err(self.unexpected("a comma or the end of the object"));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json<'a>, Reason> {
        self.at += 1;
        let mut elements = Vec::new();
        self.white_space();
        if self.skip(b']') {
            return Ok(Json::Array(elements));
        }
        loop {
            elements.push(self.value(depth)?);
            self.white_space();
            if self.skip(b']') {
                return Ok(Json::Array(elements));
            }
            if !self.skip(b',') {
                return Err(self.unexpected("a comma or the end of the array"));
            }
        }
    }

    fn number(&mut self) -> Result<&'a str, Reason> {
        let start = self.at;
        self.skip(b'-');
        if !self.skip(b'0') {
            self.digits()?;
        }
        if self.skip(b'.') {
            self.digits()?;
        }
        if self.skip(b'e') || self.skip(b'E') {
            let _sign = self.skip(b'+') || self.skip(b'-');
            let exponent = self.digits()?;
            if exponent.trim_start_matches('0').len() > MAX_EXPONENT_DIGITS {
                self.at = start;
                return Err(Reason::Exponent);
            }
        }
        Ok(&self.text[start..self.at])
    }

    fn digits(&mut self) -> Result<&'a str, Reason> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.unexpected("a digit"));
        }
        Ok(&self.text[start..self.at])
    }

    /// Reads a string from its opening quote. Without an escape it borrows from the text.
    fn string(&mut self) -> Result<Cow<'a, str>, Reason> {
        self.at += 1;
        let mut resolved = String::new();
        let mut clean = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let rest = &self.text[clean..self.at];
                    self.at += 1;
                    if resolved.is_empty() {
                        return Ok(Cow::Borrowed(rest));
                    }
                    resolved.push_str(rest);
                    return Ok(Cow::Owned(resolved));
                }
                Some(b'\\') => {
                    resolved.push_str(&self.text[clean..self.at]);
                    self.at += 1;
                    resolved.push(self.escape()?);
                    clean = self.at;
                }
                Some(byte @ 0x00..=0x1f) => return Err(Reason::Control { code: u32::from(byte) }),
                Some(_) => self.at += 1,
                None => {
                    return Err(Reason::End { expected: "the closing quote of a string" });
                }
            }
        }
    }

    /// Reads an escape from the character after its backslash.
    fn escape(&mut self) -> Result<char, Reason> {
        let plain = match self.character() {
            Some('u') => {
                self.at += 1;
                return self.unicode_escape();
            }
            Some(same @ ('"' | '\\' | '/')) => same,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some(found) => return Err(Reason::Escape { found }),
            None => return Err(self.unexpected("an escape")),
        };
        self.at += 1;
        Ok(plain)
    }

    fn unicode_escape(&mut self) -> Result<char, Reason> {
        let first = self.four_hex()?;
        let code = match first {
            0xd800..=0xdbff if self.text[self.at..].starts_with("\\u") => {
                self.at += 2;
                match self.four_hex()? {
                    second @ 0xdc00..=0xdfff => 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00),
                    _ => return Err(Reason::Surrogate { code: first }),
                }
            }
            other => other,
        };
        char::from_u32(code).ok_or(Reason::Surrogate { code })
    }

    fn four_hex(&mut self) -> Result<u32, Reason> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.character().and_then(|character| character.to_digit(16));
            let Some(digit) = digit else {
                return Err(self.unexpected("a hexadecimal digit"));
            };
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }

    fn word(&mut self, word: &'static str, value: Json<'a>) -> Result<Json<'a>, Reason> {
        if self.text[self.at..].starts_with(word) {
            self.at += word.len();
            return Ok(value);
        }
        Err(self.unexpected(VALUE))
    }

    fn white_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn skip(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The character at the current place, which every caller has left on a character's first byte.
    fn character(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn unexpected(&self, expected: &'static str) -> Reason {
        match self.character() {
            Some(found) => Reason::Unexpected { expected, found },
            None => Reason::End { expected },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        read(text).expect_err(text).to_string()
    }

    #[test]
    fn every_error_names_its_line_column_and_cause() {
        for (text, expected) in [
            ("", "line 1, column 1: the text ends where a value should stand"),
            ("{\n  \"a\": 1,\n}", "line 3, column 1: '}' stands where a name in double quotes should"),
            ("[\"é\", x]", "line 1, column 7: 'x' stands where a value should"),
            ("{\"a\":1,\"\\u0061\":2}", "line 1, column 8: the name \"a\" stands twice in one object"),
            ("[1] 2", "line 1, column 5: '2' follows after the end of the document"),
            ("[01]", "line 1, column 3: '1' stands where a comma or the end of the array should"),
            ("[1.]", "line 1, column 4: ']' stands where a digit should"),
            ("[-]", "line 1, column 3: ']' stands where a digit should"),
            ("1e", "line 1, column 3: the text ends where a digit should stand"),
            ("1e1234567890123456", "line 1, column 1: an exponent of more than 15 digits"),
            ("\"\\x\"", "line 1, column 3: \\x is not an escape"),
            ("\"\\ud800\"", "\\ud800 is half of a surrogate pair"),
            ("\"\\ud800\\u0041\"", "\\ud800 is half of a surrogate pair"),
            ("\"\\udc00\"", "\\udc00 is half of a surrogate pair"),
            ("\"\\u12\"", "'\"' stands where a hexadecimal digit should"),
            ("\"\\", "the text ends where an escape should stand"),
            ("\"a\tb\"", "the control character U+0009 must be escaped"),
            ("\"abc", "the text ends where the closing quote of a string should stand"),
            ("\u{feff}1", "'\\u{feff}' stands where a value should"),
            ("nul", "'n' stands where a value should"),
            ("[NaN]", "'N' stands where a value should"),
            ("[1,]", "']' stands where a value should"),
            ("{a:1}", "'a' stands where a name in double quotes should"),
            ("'a'", "'\\'' stands where a value should"),
            ("\"\\é\"", "\\é is not an escape"),
            ("\"\\u00é0\"", "'é' stands where a hexadecimal digit should"),
        ] {
            let message = message(text);
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    #[test]
    fn depth_is_bounded_with_an_error_whatever_the_nesting() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(read(&nested(MAX_DEPTH)).unwrap().depth(), MAX_DEPTH);
        assert!(message(&nested(MAX_DEPTH + 1)).contains("nested deeper than 128 levels"));
        assert!(message(&"[".repeat(5_000_000)).contains("line 1, column 129: nested deeper"));
        assert!(message(&"{\"a\":".repeat(1_000_000)).contains("nested deeper"));
    }

    #[test]
    fn the_number_of_values_is_bounded() {
        let zeros = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
        assert!(read(&zeros(MAX_VALUES - 1)).is_ok());
        assert!(message(&zeros(MAX_VALUES)).contains("more than 1000000 values"));
    }

    #[test]
    fn no_prefix_and_no_changed_byte_of_a_document_makes_the_reader_panic() {
        let text = "{\"é\\u00e9\\ud83d\\ude00\":[1.5e-3,-0,true,null,{\"x\":\"\\n\"}]}";
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            assert!(read(&text[..end]).is_err());
        }
        for at in (0..text.len()).filter(|at| text.is_char_boundary(*at)) {
            for replacement in ["\"", "\\", "{", "]", "\u{0}", "é", "9", "-"] {
                let rest = text[at..].chars().next().map_or("", |first| &text[at + first.len_utf8()..]);
                let _ = read(&format!("{}{replacement}{rest}", &text[..at]));
            }
        }
    }
}
