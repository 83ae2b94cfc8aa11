//! JSON Pointers (RFC 6901): parsed once into tokens, resolved against a [`Json`].

use std::borrow::Cow;

use thiserror::Error;

use crate::document::Json;

/// A parsed pointer. No tokens means the whole document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer<'a> {
    tokens: Vec<Cow<'a, str>>,
}

impl<'a> Pointer<'a> {
    /// Parses the string form, as it stands in a JSON Patch.
    pub fn parse(text: &'a str) -> Result<Self, PointerError> {
        if text.is_empty() {
            return Ok(Self { tokens: Vec::new() });
        }
        let rest = text.strip_prefix('/').ok_or(PointerError::NoSlash)?;
        let tokens = rest.split('/').map(unescape).collect::<Result<_, _>>()?;
        Ok(Self { tokens })
    }

    /// The tokens, escapes resolved.
    pub fn tokens(&self) -> &[Cow<'a, str>] {
        &self.tokens
    }

    /// The pointer to the containing value and the last token, unless this is the whole document.
    pub fn split_last(&self) -> Option<(&[Cow<'a, str>], &str)> {
        let (last, parent) = self.tokens.split_last()?;
        Some((parent, last))
    }

    /// Whether `other` points at something inside of what this points at, the thing itself left out.
    pub fn contains(&self, other: &Self) -> bool {
        other.tokens.len() > self.tokens.len() && other.tokens.starts_with(&self.tokens)
    }
}

/// Why a string is not a JSON Pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PointerError {
    /// It begins with something else.
    #[error("a JSON Pointer is empty or begins with /")]
    NoSlash,
    /// A tilde that is not an escape.
    #[error("~ in a JSON Pointer must be written ~0, and / in a name ~1")]
    Tilde,
}

/// What `tokens` point at, if there is such a value.
pub fn get<'d, 'a>(document: &'d Json<'a>, tokens: &[Cow<'_, str>]) -> Option<&'d Json<'a>> {
    tokens.iter().try_fold(document, |value, token| match value {
        Json::Object(members) => members.get(token.as_ref()),
        Json::Array(elements) => elements.get(index(token)?),
        _ => None,
    })
}

/// Like [`get`], to change it.
pub fn get_mut<'d, 'a>(document: &'d mut Json<'a>, tokens: &[Cow<'_, str>]) -> Option<&'d mut Json<'a>> {
    tokens.iter().try_fold(document, |value, token| match value {
        Json::Object(members) => members.get_mut(token.as_ref()),
        Json::Array(elements) => elements.get_mut(index(token)?),
        _ => None,
    })
}

/// The array index that a token is: digits without a leading zero. `-` is none.
pub fn index(token: &str) -> Option<usize> {
    let digits = token.as_bytes();
    let plain = digits.iter().all(u8::is_ascii_digit) && (digits.len() == 1 || digits.first() != Some(&b'0'));
    // `parse` refuses what is left to refuse: the empty token and one beyond the range.
    plain.then(|| token.parse().ok()).flatten()
}

/// Appends `/` and a name as one token.
pub fn push_name(name: &str, out: &mut String) {
    out.push('/');
    for character in name.chars() {
        match character {
            '~' => out.push_str("~0"),
            '/' => out.push_str("~1"),
            plain => out.push(plain),
        }
    }
}

fn unescape(token: &str) -> Result<Cow<'_, str>, PointerError> {
    if !token.contains('~') {
        return Ok(Cow::Borrowed(token));
    }
    let mut parts = token.split('~');
    let mut out = String::with_capacity(token.len());
    out.extend(parts.next());
    for part in parts {
        let (character, rest) = match part.as_bytes().first() {
            Some(b'0') => ('~', &part[1..]),
            Some(b'1') => ('/', &part[1..]),
            _ => return Err(PointerError::Tilde),
        };
        out.push(character);
        out.push_str(rest);
    }
    Ok(Cow::Owned(out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::read;

    #[test]
    fn the_examples_of_rfc_6901_resolve() {
        let document =
            read(r#"{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}"#)
                .unwrap();
        for (pointer, expected) in [
            ("", document.to_text().as_str()),
            ("/foo", r#"["bar","baz"]"#),
            ("/foo/0", r#""bar""#),
            ("/", "0"),
            ("/a~1b", "1"),
            ("/c%d", "2"),
            ("/e^f", "3"),
            ("/g|h", "4"),
            ("/i\\j", "5"),
            ("/k\"l", "6"),
            ("/ ", "7"),
            ("/m~0n", "8"),
        ] {
            let parsed = Pointer::parse(pointer).unwrap();
            assert_eq!(get(&document, parsed.tokens()).unwrap().to_text(), expected, "{pointer}");
        }
    }

    #[test]
    fn an_index_is_digits_without_a_leading_zero() {
        assert_eq!(index("0"), Some(0));
        assert_eq!(index("10"), Some(10));
        for wrong in ["", "-", "01", "+1", "-1", "1e0", "1.0", "٣", "99999999999999999999999"] {
            assert_eq!(index(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn escapes_are_resolved_once_and_bad_ones_refused() {
        assert_eq!(Pointer::parse("/~01").unwrap().tokens(), ["~1"]);
        assert_eq!(Pointer::parse("a"), Err(PointerError::NoSlash));
        assert_eq!(Pointer::parse("/~"), Err(PointerError::Tilde));
        assert_eq!(Pointer::parse("/a~2"), Err(PointerError::Tilde));
        let mut out = String::new();
        push_name("a/b~c", &mut out);
        assert_eq!(Pointer::parse(&out).unwrap().tokens(), ["a/b~c"]);
    }
}
