//! Paths in one final form, so that a prefix of them means the same to us and to every server.

use std::fmt::Write as _;

/// The longest path and query of a request, in bytes. Servers commonly take 8 KiB for a whole request line.
pub const MAX_PATH_AND_QUERY: usize = 8 * 1024;

/// A path that is encoded more often than this is refused. Proxies and frameworks in a row may each decode once.
const MAX_DECODINGS: usize = 4;

/// A path or a query that is refused.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum PathError {
    /// `*`, `http://…` and anything else that is no path of this host.
    #[error("a path begins with `/`")]
    NotAbsolute,
    /// Over [`MAX_PATH_AND_QUERY`].
    #[error("path and query have {0} bytes; at most {MAX_PATH_AND_QUERY} are sent")]
    TooLong(usize),
    /// A character that has to be percent-encoded, or that no URL has.
    #[error("{0:?} cannot stand in a path or query; percent-encode it")]
    Character(char),
    /// `%` without two hexadecimal digits, in a path.
    #[error("a `%` in the path is not followed by two hexadecimal digits; write `%25` for the sign itself")]
    Percent,
    /// `.`, `..`, `%2e`, `..;x`: a server that resolves them leaves the prefix that policy allowed.
    #[error("the path has a `.` or `..` segment; write the path it leads to")]
    DotSegment,
    /// `//`: some servers merge them, and some don't.
    #[error("the path has an empty segment (`//`); write it with one `/`")]
    EmptySegment,
    /// `%2f`, `%5c`, `%00` and other controls, also encoded twice: servers decode them before they route, or after.
    #[error("the path has an encoded slash, backslash, control or dot segment, which servers read in different ways")]
    Encoded,
}

/// The path in its final form: what RFC 3986 leaves unreserved is decoded, and other escapes are in upper case.
///
/// Everything that a server might resolve to another path is refused instead of resolved: the guest's own idea of
/// where it leads need not be the server's.
pub(super) fn read_path(text: &str) -> Result<String, PathError> {
    if !text.starts_with('/') {
        return Err(PathError::NotAbsolute);
    }
    let mut path = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '%' => {
                let byte = escape(rest.as_str().as_bytes()).ok_or(PathError::Percent)?;
                rest.nth(1);
                if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                    path.push(char::from(byte));
                } else {
                    // Writing to a String cannot fail.
                    let _ = write!(path, "%{byte:02X}");
                }
            }
            '!'..='~' if !matches!(c, '"' | '#' | '<' | '>' | '?' | '\\' | '`' | '{' | '}') => path.push(c),
            _ => return Err(PathError::Character(c)),
        }
    }
    let mut segments = path[1..].split('/').peekable();
    while let Some(segment) = segments.next() {
        match without_parameters(segment.as_bytes()) {
            b"." | b".." => return Err(PathError::DotSegment),
            b"" if segments.peek().is_some() => return Err(PathError::EmptySegment),
            _ => {}
        }
    }
    if hides_another(&path) { Err(PathError::Encoded) } else { Ok(path) }
}

/// Whether decoding the path, once or again and again, shows separators, controls or dot segments that it hid.
fn hides_another(path: &str) -> bool {
    let separators = |bytes: &[u8]| memchr::memchr_iter(b'/', bytes).count();
    let (own, mut last) = (separators(path.as_bytes()), path.as_bytes().to_vec());
    for _ in 0..MAX_DECODINGS {
        let decoded = decode(&last);
        if decoded == last {
            return false;
        }
        let strange = decoded.iter().any(|b| b.is_ascii_control() || *b == b'\\');
        let dots = decoded.split(|b| *b == b'/').any(|segment| matches!(without_parameters(segment), b"." | b".."));
        if strange || dots || separators(&decoded) != own {
            return true;
        }
        last = decoded;
    }
    true
}

/// What is before `;`: some servers cut parameters off a segment before they resolve it.
fn without_parameters(segment: &[u8]) -> &[u8] {
    segment.split(|b| *b == b';').next().unwrap_or(segment)
}

fn decode(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escaped = (*byte == b'%').then(|| escape(&bytes[at + 1..])).flatten();
        decoded.push(escaped.unwrap_or(*byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    decoded
}

/// The byte that two hexadecimal digits at the front stand for.
fn escape(bytes: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

/// The query as it is sent. It has no part in what policy covers, so nothing in it is decoded.
pub(super) fn read_query(text: &str) -> Result<String, PathError> {
    match text.chars().find(|c| !matches!(c, '!'..='~') || matches!(c, '"' | '#' | '<' | '>' | '\\')) {
        Some(c) => Err(PathError::Character(c)),
        None => Ok(text.to_owned()),
    }
}

/// Whether a prefix covers a path, at segment borders: `/v1` covers `/v1` and `/v1/x`, not `/v10`; `/v1/` not `/v1`.
pub(super) fn covers(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || prefix.ends_with('/') || rest.starts_with('/'))
}
