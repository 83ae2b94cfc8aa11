//! A JSON document in memory: values that borrow from the text they were read from.
//!
//! Numbers stay the text they were, so that nothing an operation did not touch can change; objects keep the order of
//! their names. It is not `serde_json::Value`, because that respells numbers (`1E5` becomes `1e+5`), owns a heap string
//! for each, and reads an object with a certain private name as a number.

use std::borrow::Cow;

use indexmap::IndexMap;

use crate::number;

/// The members of an object, in the order of the text. Names are unique.
pub type Object<'a> = IndexMap<Cow<'a, str>, Json<'a>>;

/// A JSON value. Its depth is at most [`crate::read::MAX_DEPTH`], so recursion over it (dropping it, too) is bounded.
#[derive(Debug, Clone)]
pub enum Json<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as it was spelt.
    Number(&'a str),
    /// A string, its escapes resolved.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Json<'a>>),
    /// An object. Boxed, because it is four times as large as the other cases and the rarest.
    Object(Box<Object<'a>>),
}

impl Json<'_> {
    /// The text of this value: no white space, names in order, numbers as they were spelt.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    /// Appends what [`Json::to_text`] returns.
    pub fn write(&self, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(true) => out.push_str("true"),
            Json::Bool(false) => out.push_str("false"),
            Json::Number(text) => out.push_str(text),
            Json::String(text) => write_string(text, out),
            Json::Array(elements) => {
                out.push('[');
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    element.write(out);
                }
                out.push(']');
            }
            Json::Object(members) => {
                out.push('{');
                for (index, (name, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_string(name, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    /// The length of [`Json::to_text`] in bytes, where no string needs an escape; otherwise somewhat less. What a value
    /// costs to copy.
    pub fn weight(&self) -> usize {
        match self {
            Json::Null | Json::Bool(_) => 4,
            Json::Number(text) => text.len(),
            Json::String(text) => text.len() + 2,
            Json::Array(elements) => elements.iter().map(|element| element.weight() + 1).sum::<usize>() + 2,
            Json::Object(members) => {
                let inner = members.iter().map(|(name, value)| name.len() + value.weight() + 4);
                inner.sum::<usize>() + 2
            }
        }
    }

    /// How many values this is: itself and all that it contains.
    pub fn count(&self) -> usize {
        let inner: usize = match self {
            Json::Array(elements) => elements.iter().map(Json::count).sum(),
            Json::Object(members) => members.values().map(Json::count).sum(),
            _ => 0,
        };
        inner + 1
    }

    /// How many levels of arrays and objects this value has; a scalar has none.
    pub fn depth(&self) -> usize {
        let deepest = match self {
            Json::Array(elements) => elements.iter().map(Json::depth).max(),
            Json::Object(members) => members.values().map(Json::depth).max(),
            _ => return 0,
        };
        deepest.unwrap_or(0) + 1
    }

    /// `null`, `boolean`, `number`, `string`, `array` or `object`, with its article, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(_) => "a boolean",
            Json::Number(_) => "a number",
            Json::String(_) => "a string",
            Json::Array(_) => "an array",
            Json::Object(_) => "an object",
        }
    }
}

/// Equality of JSON values: numbers by value, arrays in order, objects in any order.
impl PartialEq for Json<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Json::Null, Json::Null) => true,
            (Json::Bool(left), Json::Bool(right)) => left == right,
            (Json::Number(left), Json::Number(right)) => number::compare(left, right).is_eq(),
            (Json::String(left), Json::String(right)) => left == right,
            (Json::Array(left), Json::Array(right)) => left == right,
            (Json::Object(left), Json::Object(right)) => {
                left.len() == right.len()
                    && left.iter().all(|(name, value)| right.get(name).is_some_and(|other| value == other))
            }
            _ => false,
        }
    }
}

/// Appends a JSON string literal: the two-character escapes where RFC 8259 has them, `\u00xx` for other controls,
/// everything else as it is.
pub fn write_string(text: &str, out: &mut String) {
    out.push('"');
    let mut clean = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            0x08 => "\\b",
            0x09 => "\\t",
            0x0a => "\\n",
            0x0c => "\\f",
            0x0d => "\\r",
            0x00..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[clean..at]);
        if escape.is_empty() {
            write_control(byte, out);
        } else {
            out.push_str(escape);
        }
        clean = at + 1;
    }
    out.push_str(&text[clean..]);
    out.push('"');
}

/// Appends a control character below U+0020 as `\u00xx`, in lower case: what normalized paths ask for as well.
pub fn write_control(byte: u8, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push_str("\\u00");
    out.push(char::from(HEX[usize::from(byte >> 4)]));
    out.push(char::from(HEX[usize::from(byte & 15)]));
}

#[cfg(test)]
mod tests {
    use crate::read::read;

    #[test]
    fn a_document_comes_back_with_every_digit_spelling_and_name_in_place() {
        let text = r#"{"z":1E5,"a":123456789012345678901234567890.10,"$serde_json::private::Number":"7","m":[-0,0.10,1e+400]}"#;
        assert_eq!(read(text).unwrap().to_text(), text);
    }

    #[test]
    fn strings_are_escaped_no_more_than_needed() {
        let value = read(r#""\u0041\u0000\u001f\/\"\\\b\f\n\r\t\u007f\u2028\ud83d\ude00é""#).unwrap();
        assert_eq!(value.to_text(), "\"A\\u0000\\u001f/\\\"\\\\\\b\\f\\n\\r\\t\u{7f}\u{2028}😀é\"");
    }

    #[test]
    fn equality_looks_through_spelling_and_order() {
        let equal = |left: &str, right: &str| read(left).unwrap() == read(right).unwrap();
        assert!(equal(r#"{"a":1,"b":[1.0]}"#, r#"{"b":[1e0],"a":1.00}"#));
        assert!(!equal("[1,2]", "[2,1]"));
        assert!(!equal(r#"{"a":null}"#, r#"{"b":null}"#));
        assert!(!equal("9007199254740993", "9007199254740992"));
        assert!(!equal("0", "false"));
    }

    #[test]
    fn weight_and_depth_measure_the_whole_value() {
        let value = read(r#"{"a":[1,{"b":null}],"c":"xy"}"#).unwrap();
        assert_eq!(value.depth(), 3);
        assert!(value.weight() >= value.to_text().len());
        assert_eq!(read("1").unwrap().depth(), 0);
        assert_eq!(read("[]").unwrap().depth(), 1);
    }
}
