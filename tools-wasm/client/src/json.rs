//! Owns reading of JSON that others wrote: bounded, and absent members are no error here; the tool knows which ones it needs.

use serde_json::Value;

use crate::Error;

/// The value of a JSON text. Its size is bounded by [`Limits`](crate::Limits), its depth by the parser, at 128.
pub fn parse(body: &[u8]) -> Result<Value, Error> {
    // Some servers put a byte order mark first; RFC 8259, section 8.1 lets a parser ignore it.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Error::Malformed("its body is empty where JSON should be".to_owned()));
    }
    serde_json::from_slice(body).map_err(|error| {
        let what = if error.is_eof() { "JSON that breaks off" } else { "no JSON" };
        Error::Malformed(format!("its body is {what} (line {}, column {})", error.line(), error.column()))
    })
}

/// The text at a JSON pointer; none where something else or nothing is there.
pub fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

/// The text at a JSON pointer as one clean line of at most `most` characters; none where nothing else is left.
pub fn line(value: &Value, pointer: &str, most: usize) -> Option<String> {
    text(value, pointer).map(|text| crate::text::cleaned(text, most)).filter(|line| !line.is_empty())
}

/// The items of the array at a JSON pointer; none where something else or nothing is there.
pub fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read_whole_or_not_at_all() {
        assert_eq!(parse(b"\xef\xbb\xbf {\"a\": 1}\n").unwrap(), serde_json::json!({"a": 1}));
        let message = |body: &[u8]| parse(body).unwrap_err().to_string();
        assert!(message(b" \n").contains("empty"));
        assert!(message(b"{\"a\": [1, ").contains("breaks off"));
        assert!(message(b"<html>").contains("no JSON (line 1, column 1)"));
        assert!(message(b"{} {}").contains("no JSON"));
        assert!(message(b"\"\xff\"").contains("no JSON"));
    }

    #[test]
    fn a_deep_answer_is_refused_and_harms_nothing() {
        assert!(parse("[".repeat(1_000_000).as_bytes()).is_err());
        assert!(parse(format!("{}1{}", "[".repeat(200), "]".repeat(200)).as_bytes()).is_err());
    }

    #[test]
    fn what_is_not_there_is_none() {
        let value = serde_json::json!({"a": {"b": " x\ny "}, "c": [1, 2], "d": " \u{200b} "});
        assert_eq!(text(&value, "/a/b"), Some(" x\ny "));
        assert_eq!(line(&value, "/a/b", 10).as_deref(), Some("x y"));
        assert_eq!(line(&value, "/d", 10), None);
        assert_eq!(text(&value, "/c"), None);
        assert_eq!(items(&value, "/c").len(), 2);
        assert!(items(&value, "/a").is_empty() && items(&value, "/z/0").is_empty());
    }
}
