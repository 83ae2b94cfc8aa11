//! Bytes in other forms than standard base64.

use toolcell_core::ChangeKind;
use toolcell_core::json::Json;

use super::{Rule, Site};

pub(super) const RULE: Rule = Rule {
    kind: ChangeKind::Format,
    name: "bytes",
    about: "Base64 of the URL-safe alphabet, with line breaks, wrong padding or a `data:` URL around it, and a list of bytes, become standard base64.",
    offer,
};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn offer(site: &Site<'_>, offers: &mut Vec<String>) {
    if site.schema.get("contentEncoding").is_none_or(|encoding| encoding != "base64") {
        return;
    }
    let text = match site.value {
        Json::String(text) => standard(text),
        Json::Array(items) if !items.is_empty() => {
            items.iter().map(byte).collect::<Option<Vec<u8>>>().map(|bytes| encode(&bytes))
        }
        _ => None,
    };
    offers.extend(text.map(|text| format!("\"{text}\"")));
}

/// Whether a text is base64 as the host takes it: the standard alphabet, padded whole or not at all, no bits left over.
pub(in crate::repair) fn is_standard(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let padding = text.len() - body.len();
    if padding > 0 && (!text.len().is_multiple_of(4) || padding > 2) {
        return false;
    }
    let Some(values) = body.bytes().map(value).collect::<Option<Vec<u8>>>() else { return false };
    match values.len() % 4 {
        0 => true,
        2 => values.last().is_some_and(|last| last.trailing_zeros() >= 4),
        3 => values.last().is_some_and(|last| last.trailing_zeros() >= 2),
        _ => false,
    }
}

fn value(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

fn standard(text: &str) -> Option<String> {
    let text = text.trim();
    let body = match text.strip_prefix("data:") {
        Some(rest) => rest.split_once(";base64,")?.1,
        None => text,
    };
    let mut out = String::with_capacity(body.len() + 3);
    for c in body.trim_end_matches(['=', ' ', '\r', '\n']).chars() {
        match c {
            '-' => out.push('+'),
            '_' => out.push('/'),
            // RFC 2045 breaks lines; a space within one is no base64 of anybody's.
            '\r' | '\n' => {}
            other => out.push(other),
        }
    }
    while !out.len().is_multiple_of(4) {
        out.push('=');
    }
    (!out.is_empty() && is_standard(&out)).then_some(out)
}

fn byte(item: &Json<'_>) -> Option<u8> {
    match item {
        Json::Number(text) => text.parse().ok(),
        _ => None,
    }
}

fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let all = chunk.iter().chain([&0; 2]).take(3).fold(0_u32, |all, byte| all << 8 | u32::from(*byte));
        for place in 0..4 {
            let digit = ALPHABET[(all >> (18 - 6 * place) & 63) as usize];
            out.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_as_the_standard_has_it() {
        // The test vectors of RFC 4648, section 10.
        for (plain, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(encode(plain.as_bytes()), text);
            assert!(is_standard(text) && is_standard(text.trim_end_matches('=')), "{text}");
        }
        for text in ["Zg=", "Zh==", "Zm9=", "Z", "Zg==Zg==", "Zm 9v", "-_-_", "===="] {
            assert!(!is_standard(text), "{text}");
        }
        for (text, repaired) in [
            ("-_-_", Some("+/+/")),
            ("Zg=", Some("Zg==")),
            ("Zm9v\nYg==\n", Some("Zm9vYg==")),
            ("data:image/png;base64,Zm8", Some("Zm8=")),
            ("data:text/plain,hello", None),
            ("hello world", None),
            ("Zh", None),
            ("", None),
        ] {
            assert_eq!(standard(text).as_deref(), repaired, "{text}");
        }
    }
}
