//! Decimal numbers as text, without loss.

/// The integer that a JSON number is, if it is one of at most 38 digits, in whatever notation; costs one pass over its text.
pub(super) fn integer(text: &str) -> Option<i128> {
    /// More digits than any 64-bit integer has, and fewer than overflow 128 bits.
    const MOST: usize = 38;
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = text.find(['e', 'E']).map_or((text, "0"), |at| (&text[..at], &text[at + 1..]));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = whole.bytes().chain(fraction.bytes());
    if !digits.all(|digit| digit.is_ascii_digit()) || whole.is_empty() {
        return None;
    }
    let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).skip_while(|digit| *digit == b'0').collect();
    let trailing = digits.iter().rev().take_while(|digit| **digit == b'0').count();
    let significant = digits.len() - trailing;
    if significant == 0 {
        return Some(0);
    }
    // An exponent too long for 64 bits is far out of range in either direction.
    let exponent: i64 = exponent.parse().ok()?;
    let scale =
        exponent.checked_add(i64::try_from(trailing).ok()?)?.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let scale = usize::try_from(scale).ok()?;
    if significant.checked_add(scale)? > MOST {
        return None;
    }
    let value = digits[..significant].iter().fold(0_i128, |value, digit| value * 10 + i128::from(digit - b'0'));
    let value = value * 10_i128.pow(u32::try_from(scale).ok()?);
    Some(if negative { -value } else { value })
}

/// Whether a JSON number is within the range of doubles.
pub(super) fn is_finite(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(f64::is_finite)
}

/// Whether a text is an integer in its one plain spelling: no sign but `-`, no leading zero, no fraction.
pub(super) fn is_plain(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let zero = digits.starts_with('0') && text != "0";
    !digits.is_empty() && !zero && digits.bytes().all(|digit| digit.is_ascii_digit())
}

/// Whether a text is a number as JSON writes it (RFC 8259, section 6).
pub(super) fn is_json(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = text.find(['e', 'E']).map_or((text, None), |at| (&text[..at], Some(&text[at + 1..])));
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(whole, rest)| (whole, Some(rest)));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    let unsigned = |text: &str| digits(text.strip_prefix(['+', '-']).unwrap_or(text));
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(unsigned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_exactly_or_not_at_all() {
        for (text, value) in [
            ("0", Some(0)),
            ("-0.0", Some(0)),
            ("1.50e1", Some(15)),
            ("1000e-3", Some(1)),
            ("18446744073709551615", Some(u64::MAX.into())),
            ("0.001E+3", Some(1)),
            ("0.5", None),
            ("1e400", None),
            ("1e99999999999999999999", None),
            ("", None),
            ("-", None),
            ("abc", None),
            (".5", None),
        ] {
            assert_eq!(integer(text), value, "{text}");
        }
    }

    #[test]
    fn spellings_are_told_apart() {
        for (text, json, plain) in [
            ("0", true, true),
            ("-1", true, true),
            ("-0", true, false),
            ("01", false, false),
            ("1.0", true, false),
            ("1e5", true, false),
            ("1.", false, false),
            ("+1", false, false),
            ("", false, false),
            ("1e", false, false),
            ("1e+5", true, false),
            ("１", false, false),
        ] {
            assert_eq!((is_json(text), is_plain(text)), (json, plain), "{text}");
        }
    }
}
