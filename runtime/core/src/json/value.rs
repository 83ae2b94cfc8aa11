//! What can be done with a value that was read: look into it, and write it again without losing a digit.

use std::fmt::Write as _;

use super::Json;

impl<'a> Json<'a> {
    /// The value at a JSON pointer (RFC 6901); none where there is none, or the text is no pointer.
    pub fn at(&self, pointer: &str) -> Option<&Json<'a>> {
        let mut here = self;
        for token in tokens(pointer)? {
            here = match here {
                Self::Object(members) => &members.iter().find(|(name, _)| *name == token)?.1,
                Self::Array(items) => items.get(index(&token)?)?,
                _ => return None,
            };
        }
        Some(here)
    }

    /// The same, to change it.
    pub fn at_mut(&mut self, pointer: &str) -> Option<&mut Json<'a>> {
        let mut here = self;
        for token in tokens(pointer)? {
            here = match here {
                Self::Object(members) => &mut members.iter_mut().find(|(name, _)| *name == token)?.1,
                Self::Array(items) => items.get_mut(index(&token)?)?,
                _ => return None,
            };
        }
        Some(here)
    }

    /// The member of an object.
    pub fn member(&self, name: &str) -> Option<&Json<'a>> {
        match self {
            Self::Object(members) => members.iter().find(|(own, _)| own == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Writes the value as JSON text, without spaces, numbers as they were written.
    pub fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Number(digits) => out.push_str(digits),
            Self::String(text) => quote(text, out),
            Self::Array(items) => {
                out.push('[');
                for (n, item) in items.iter().enumerate() {
                    if n > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (n, (name, value)) in members.iter().enumerate() {
                    if n > 0 {
                        out.push(',');
                    }
                    quote(name, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    /// The value as JSON text.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }
}

/// Writes a string as JSON: only what RFC 8259 demands is escaped.
pub fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// The reference tokens of a JSON pointer, unescaped; none where the text is no pointer. The empty pointer has none.
pub fn tokens(pointer: &str) -> Option<Vec<String>> {
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    let escapes = |token: &str| token.split('~').skip(1).all(|after| after.starts_with('0') || after.starts_with('1'));
    let unescaped = |token: &str| escapes(token).then(|| token.replace("~1", "/").replace("~0", "~"));
    pointer.strip_prefix('/')?.split('/').map(unescaped).collect()
}

/// One token of a JSON pointer, escaped.
pub fn escaped(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

/// An index as RFC 6901 writes it: no sign, no leading zero.
fn index(token: &str) -> Option<usize> {
    let plain = token.bytes().all(|b| b.is_ascii_digit()) && (token == "0" || !token.starts_with('0'));
    plain.then(|| token.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Bounds, parse};

    const WIDE: Bounds = Bounds { bytes: 1 << 20, values: 10_000, depth: 64 };

    #[test]
    fn what_was_read_is_written_with_every_digit() {
        for text in ["{\"a\":[1.50,-0,1e400,18446744073709551616],\"\\u0001\\\"é\":null}", "[]", "\"\"", "[true,false]"]
        {
            assert_eq!(parse(text, WIDE).expect(text).to_text(), text);
        }
    }

    #[test]
    fn pointers_are_those_of_the_standard() {
        // The example document of RFC 6901, section 5.
        let text = r#"{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}"#;
        let json = parse(text, WIDE).expect("JSON");
        for (pointer, found) in [
            ("/foo/0", "\"bar\""),
            ("/", "0"),
            ("/a~1b", "1"),
            ("/c%d", "2"),
            ("/i\\j", "5"),
            ("/ ", "7"),
            ("/m~0n", "8"),
        ] {
            assert_eq!(json.at(pointer).map(Json::to_text).as_deref(), Some(found), "{pointer}");
        }
        for pointer in ["foo", "/foo/2", "/foo/01", "/foo/-", "/foo/+1", "/m~2n", "/m~", "/nothing", "/foo/0/x"] {
            assert_eq!(json.at(pointer), None, "{pointer}");
        }
        assert_eq!(json.at("").map(Json::what), Some("an object"));
    }
}
