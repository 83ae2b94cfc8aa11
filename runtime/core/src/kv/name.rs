//! Names in a store. They come from guests, so their length is looked at before anything else.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The longest key, in bytes. It stops keys from being used as values, which have a quota of their own.
pub const MAX_KEY_BYTES: usize = 512;

/// The most keys on one page: at 512 bytes each, half a MiB to carry into a guest.
pub const MAX_PAGE: u32 = 1_000;

/// The first byte of what a cursor encodes, so that its form can change.
const CURSOR_FORM: u8 = 1;

/// The longest text of a cursor: base64 of a form and a key.
const MAX_CURSOR_TEXT: usize = (1 + MAX_KEY_BYTES).div_ceil(3) * 4;

/// The name of an entry: 1 to 512 bytes of UTF-8 without control characters. Nothing in it has a meaning; `../` is a name
/// like any other.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

/// What keys begin with: a [`Key`], or nothing.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Prefix(String);

/// A position among keys, as opaque text. It holds no space: a forged one is an error or another position in the space of
/// whoever presents it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(Key);

/// How many keys a page may have: 1 to [`MAX_PAGE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageSize(u32);

/// Text that is no key or prefix.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NameError {
    /// Nothing at all; only a prefix may be empty.
    #[error("a key must not be empty")]
    Empty,
    /// Over [`MAX_KEY_BYTES`].
    #[error("a key has at most {MAX_KEY_BYTES} bytes, not {0}; keep a digest of longer names")]
    TooLong(usize),
    /// A character of Unicode's category Cc, NUL included: it would be invisible wherever keys are shown.
    #[error("a key must not hold control characters; there is one at byte {0}")]
    Control(usize),
}

/// Text that is no cursor.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("this is no cursor of a page; begin again without one")]
pub struct NotACursor;

/// A number of keys that no page may have.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a page has 1 to {MAX_PAGE} keys, not {0}")]
pub struct NotAPageSize(u32);

fn check(text: &str) -> Result<(), NameError> {
    if text.len() > MAX_KEY_BYTES {
        return Err(NameError::TooLong(text.len()));
    }
    match text.char_indices().find(|(_, c)| c.is_control()) {
        Some((at, _)) => Err(NameError::Control(at)),
        None => Ok(()),
    }
}

impl Key {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Key {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        check(&text).map(|()| Self(text))
    }
}

impl FromStr for Key {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        check(text).map(|()| Self(text.to_owned()))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Prefix {
    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The smallest text above everything that begins with the prefix; none where nothing is above.
    ///
    /// UTF-8 sorts as its code points do, so that is the prefix with its last character raised by one.
    pub fn end(&self) -> Option<String> {
        let kept = self.0.trim_end_matches(char::MAX);
        let last = kept.chars().next_back()?;
        let above = (last..=char::MAX).nth(1)?;
        let mut end = kept[..kept.len() - last.len_utf8()].to_owned();
        end.push(above);
        Some(end)
    }
}

impl FromStr for Prefix {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        check(text).map(|()| Self(text.to_owned()))
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl Cursor {
    /// The position behind a key, be it there or not.
    pub fn after(key: Key) -> Self {
        Self(key)
    }

    /// The key that it is behind.
    pub fn key(&self) -> &Key {
        &self.0
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![CURSOR_FORM];
        bytes.extend_from_slice(self.0.as_str().as_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        if text.len() > MAX_CURSOR_TEXT {
            return Err(NotACursor);
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NotACursor)?;
        if bytes.first() != Some(&CURSOR_FORM) {
            return Err(NotACursor);
        }
        let key = String::from_utf8(bytes.split_off(1)).map_err(|_| NotACursor)?;
        Key::try_from(key).map(Self).map_err(|_| NotACursor)
    }
}

impl PageSize {
    /// A size from outside.
    ///
    /// # Errors
    /// Where it is 0 or over [`MAX_PAGE`].
    pub fn new(keys: u32) -> Result<Self, NotAPageSize> {
        if (1..=MAX_PAGE).contains(&keys) { Ok(Self(keys)) } else { Err(NotAPageSize(keys)) }
    }

    /// The number of keys.
    pub fn get(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_any_text_without_control_characters() {
        for text in
            ["a", "../../etc/passwd", "a/b c", "ключ", "🦀", "%00", "'; DROP TABLE kv_entry; --", &"k".repeat(512)]
        {
            assert_eq!(text.parse::<Key>().expect(text).as_str(), text);
        }
        for (text, error) in [
            ("", NameError::Empty),
            (&*"k".repeat(513), NameError::TooLong(513)),
            (&*"é".repeat(257), NameError::TooLong(514)),
            (&*"\0".repeat(1 << 20), NameError::TooLong(1 << 20)),
            ("a\0b", NameError::Control(1)),
            ("\n", NameError::Control(0)),
            ("é\u{7f}", NameError::Control(2)),
            ("\u{85}", NameError::Control(0)),
            ("\u{1b}[2J", NameError::Control(0)),
        ] {
            assert_eq!(text.parse::<Key>(), Err(error), "{text:?}");
        }
    }

    #[test]
    fn a_prefix_ends_where_nothing_begins_with_it() {
        let end = |text: &str| text.parse::<Prefix>().expect("a prefix").end();
        assert_eq!(end("a"), Some("b".to_owned()));
        assert_eq!(end("users/"), Some("users0".to_owned()));
        assert_eq!(end("a\u{10ffff}\u{10ffff}"), Some("b".to_owned()));
        assert_eq!(end("\u{d7ff}"), Some("\u{e000}".to_owned()));
        assert_eq!(end("~"), Some("\u{7f}".to_owned()));
        assert_eq!(end(""), None);
        assert_eq!(end("\u{10ffff}"), None);
    }

    #[test]
    fn a_cursor_survives_its_text_form() {
        for text in ["a", "ключ", &"k".repeat(512), "../"] {
            let cursor = Cursor::after(text.parse().expect("a key"));
            let shown = cursor.to_string();
            assert!(shown.len() <= MAX_CURSOR_TEXT && shown.bytes().all(|b| b.is_ascii_graphic()), "{shown}");
            assert_eq!(shown.parse(), Ok(cursor));
        }
    }

    #[test]
    fn a_forged_cursor_is_refused_or_is_another_position() {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        for text in [
            "",
            "!",
            "é",
            "AWE=",
            &encode(&[1]),
            &encode(b"\x02a"),
            &encode(b"\x01a\0"),
            &encode(b"\x01\xff"),
            &encode(&[&[1][..], &[b'k'; 513]].concat()),
            &"A".repeat(1 << 20),
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(NotACursor), "{text}");
        }
        assert_eq!(encode(b"\x01b").parse::<Cursor>().map(|cursor| cursor.key().to_string()), Ok("b".to_owned()));
    }

    #[test]
    fn a_page_has_between_one_and_a_thousand_keys() {
        for (keys, fits) in [(0, false), (1, true), (1_000, true), (1_001, false), (u32::MAX, false)] {
            assert_eq!(PageSize::new(keys).is_ok(), fits, "{keys}");
        }
    }
}
