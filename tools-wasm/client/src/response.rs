//! Owns what came back.

use std::borrow::Cow;

use serde_json::Value;

use crate::{Error, json};

/// An answer, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status, 100 to 999.
    pub status: u16,
    /// The headers.
    pub headers: Headers,
    /// The body, already decompressed.
    pub body: Vec<u8>,
    /// Whether the body was longer and was cut ([`Excess::Cut`](crate::Excess::Cut)).
    pub truncated: bool,
}

impl Response {
    /// Whether the status says that the request was carried out: 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Value, Error> {
        json::parse(&self.body)
    }

    /// The body as UTF-8; what is not UTF-8 is replaced.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }
}

/// The headers of a response. Names are in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// From names and values as they came. Bytes of a value that are not UTF-8 are replaced.
    pub fn new(entries: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes).unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into())
        };
        Self(entries.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), text(value))).collect())
    }

    /// The first value of a header; `name` is in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// All names and values, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The media type of `content-type` in lower case, without its parameters: `text/html`.
    pub fn media_type(&self) -> Option<String> {
        let value = self.get("content-type")?;
        let kind = value.split(';').next().unwrap_or(value).trim();
        (!kind.is_empty()).then(|| kind.to_ascii_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_lower_case_whatever_was_sent() {
        let headers = Headers::new([
            ("Content-Type".to_owned(), b"Text/HTML; charset=utf-8".to_vec()),
            ("X-Odd".to_owned(), b"\xff".to_vec()),
            ("x-odd".to_owned(), b"second".to_vec()),
        ]);
        assert_eq!(headers.media_type().as_deref(), Some("text/html"));
        assert_eq!(headers.get("x-odd"), Some("\u{fffd}"));
        assert_eq!(headers.get("absent"), None);
        assert_eq!(headers.iter().count(), 3);
        assert_eq!(Headers::new([("content-type".to_owned(), b" ; a=b".to_vec())]).media_type(), None);
    }
}
