//! The texts in which a secret may come back: as it is, and in the encodings that servers use without being asked.
//!
//! Not covered, because there are too many ways to write one value: encodings of encodings, base64 broken into lines,
//! percent or JSON escapes that follow no common rule, other alphabets, compression, and parts of the secret.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

type Form = Zeroizing<Vec<u8>>;

#[derive(Clone, Copy)]
enum Case {
    Lower,
    Upper,
}

/// Every form of `secret`, each once, the longest first.
pub(super) fn forms(secret: &[u8]) -> Vec<Form> {
    let mut forms = vec![Zeroizing::new(secret.to_vec())];
    base64_forms(secret, &mut forms);
    for case in [Case::Lower, Case::Upper] {
        forms.push(each(secret, 2, |byte, out| push_hex(byte, case, out)));
        for stays in PERCENT_RULES {
            forms.push(percent(secret, case, stays, b"%20"));
        }
        // `application/x-www-form-urlencoded`, in the alphabets of the URL standard and of PHP's and Python's.
        forms.push(percent(secret, case, |byte| is_word(byte) || b"*-._".contains(&byte), b"+"));
        forms.push(percent(secret, case, |byte| is_word(byte) || b"-._".contains(&byte), b"+"));
        forms.push(percent(secret, case, |byte| is_word(byte) || b"-._~".contains(&byte), b"+"));
    }
    if let Ok(text) = std::str::from_utf8(secret) {
        for case in [Case::Lower, Case::Upper] {
            for slash in [Slash::Plain, Slash::Escaped] {
                for wide in [Wide::Plain, Wide::Escaped] {
                    for html in [Html::Plain, Html::Escaped] {
                        forms.push(json(text, case, slash, wide, html));
                    }
                }
            }
        }
    }
    forms.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    forms.dedup();
    forms
}

/// What is left as it is by `encodeURIComponent`, by RFC 3986 (`unreserved`), by strict encoders of words alone, by
/// `encodeURI` (reserved characters stay), by encoders of reserved characters alone, and by those that spare nothing.
const PERCENT_RULES: [fn(u8) -> bool; 6] = [
    |byte| is_word(byte) || b"-_.!~*'()".contains(&byte),
    |byte| is_word(byte) || b"-._~".contains(&byte),
    is_word,
    |byte| is_word(byte) || b"-_.!~*'();/?:@&=+$,#".contains(&byte),
    |byte| !b":/?#[]@!$&'()*+,;=% ".contains(&byte),
    |_| false,
];

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

/// Base64 on its own, and the characters that the secret alone determines at each alignment in a longer text. The
/// characters at the edges hold some bits of the secret too, at most four at each end, and stay.
fn base64_forms(secret: &[u8], forms: &mut Vec<Form>) {
    for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
        forms.push(Zeroizing::new(engine.encode(secret).into_bytes()));
    }
    for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
        for before in 0..3 {
            let mut padded = Zeroizing::new(Vec::with_capacity(before + secret.len()));
            padded.resize(before, 0);
            padded.extend_from_slice(secret);
            let text = Zeroizing::new(engine.encode(&padded).into_bytes());
            let (first, end) = ((8 * before).div_ceil(6), 8 * padded.len() / 6);
            forms.push(Zeroizing::new(text[first..end].to_vec()));
        }
    }
}

/// Room is taken at once, so that no shorter copy of a secret stays behind when a vector grows.
fn each(secret: &[u8], most: usize, mut put: impl FnMut(u8, &mut Vec<u8>)) -> Form {
    let mut out = Zeroizing::new(Vec::with_capacity(secret.len() * most));
    for &byte in secret {
        put(byte, &mut out);
    }
    out
}

fn push_hex(byte: u8, case: Case, out: &mut Vec<u8>) {
    let digits = match case {
        Case::Lower => b"0123456789abcdef",
        Case::Upper => b"0123456789ABCDEF",
    };
    out.extend([digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]);
}

fn percent(secret: &[u8], case: Case, stays: impl Fn(u8) -> bool, space: &[u8]) -> Form {
    each(secret, 3, |byte, out| match byte {
        b' ' => out.extend_from_slice(space),
        byte if stays(byte) => out.push(byte),
        byte => {
            out.push(b'%');
            push_hex(byte, case, out);
        }
    })
}

/// Whether `/` is written as `\/`, as PHP does.
#[derive(Clone, Copy, PartialEq)]
enum Slash {
    Plain,
    Escaped,
}

/// Whether characters beyond ASCII are written as `\u…`, as Python does.
#[derive(Clone, Copy, PartialEq)]
enum Wide {
    Plain,
    Escaped,
}

/// Whether `<`, `>`, `&` and `'` are written as `\u00…`: Go does so, but for `'`; others with it.
#[derive(Clone, Copy, PartialEq)]
enum Html {
    Plain,
    Escaped,
}

fn json(text: &str, case: Case, slash: Slash, wide: Wide, html: Html) -> Form {
    let mut out = Zeroizing::new(Vec::with_capacity(6 * text.len()));
    let escape = |unit: u16, out: &mut Vec<u8>| {
        let [high, low] = unit.to_be_bytes();
        out.extend_from_slice(b"\\u");
        push_hex(high, case, out);
        push_hex(low, case, out);
    };
    for character in text.chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '/' if slash == Slash::Escaped => out.extend_from_slice(b"\\/"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\u{8}' => out.extend_from_slice(b"\\b"),
            '\u{c}' => out.extend_from_slice(b"\\f"),
            character
                if character < ' '
                    || html == Html::Escaped && matches!(character, '<' | '>' | '&')
                    || wide == Wide::Escaped && character > '~' =>
            {
                character.encode_utf16(&mut [0; 2]).iter().for_each(|&unit| escape(unit, &mut out));
            }
            character => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(secret: &[u8], form: &str) -> bool {
        forms(secret).iter().any(|found| found.as_slice() == form.as_bytes())
    }

    #[test]
    fn the_usual_encodings_are_among_the_forms() {
        let secret = "p@ss/w\u{f6}rd <1>\n\"x~";
        for form in [
            secret,
            "cEBzcy93w7ZyZCA8MT4KIngg",
            "7040",
            "p%40ss%2Fw%C3%B6rd%20%3C1%3E%0A%22x~",
            "p%40ss%2fw%c3%b6rd+%3c1%3e%0a%22x%7e",
            "p%40ss%2Fw%C3%B6rd+%3C1%3E%0A%22x%7E",
            "p@ss/w%C3%B6rd%20%3C1%3E%0A%22x~",
            "%70%40%73%73%2F%77%C3%B6%72%64%20%3C%31%3E%0A%22%78%7E",
            "p@ss/w\u{f6}rd <1>\\n\\\"x~",
            "p@ss\\/w\\u00f6rd <1>\\n\\\"x~",
            "p@ss/w\\u00F6rd <1>\\n\\\"x~",
            "p@ss/w\u{f6}rd \\u003c1\\u003e\\n\\\"x~",
        ] {
            let expected = !matches!(form, "7040" | "cEBzcy93w7ZyZCA8MT4KIngg");
            assert_eq!(has(secret.as_bytes(), form), expected, "{form}");
        }
        assert!(has(b"correct horse", "636f727265637420686f727365") && has(b"correct horse", "Y29ycmVjdCBob3JzZQ=="));
        assert!(has(b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8", "__79_Pv6-fg") && has(b"correct horse", "correct+horse"));
    }

    #[test]
    fn no_form_is_so_short_that_it_would_occur_by_chance() {
        for length in 8..40_u8 {
            let secret: Vec<u8> = (0..length).map(|at| 0x80 | at.wrapping_mul(7)).collect();
            assert!(forms(&secret).iter().all(|form| form.len() >= 8));
        }
    }
}
