//! Numbers, exactly. JSON keeps them as text, so nothing is lost before the type is known.

use toolcell_core::json::Json;
use toolcell_core::types::{Int, MAX_SAFE_INTEGER};

/// The integer that stands there, if it is one of the type, to the last digit.
///
/// As JSON Schema does, `1.0` and `1e3` count as integers, and only if they are exactly integral. The 64-bit types also take a decimal
/// string without leading zeros, since many writers keep only 53 bits of a number.
pub(crate) fn integer(json: &Json<'_>, int: Int) -> Option<i128> {
    let value = match json {
        Json::Number(text) => text.parse::<i64>().map_or_else(|_| exact(text), |value| Some(value.into()))?,
        Json::String(text) if int.range().1 > MAX_SAFE_INTEGER => decimal(text)?,
        _ => return None,
    };
    let (least, most) = int.range();
    (least <= value && value <= most).then_some(value)
}

/// The double that is nearest to what stands there, or a named special value. A number beyond the range of doubles is refused.
pub(crate) fn float64(json: &Json<'_>) -> Option<f64> {
    match json {
        Json::Number(text) => text.parse::<f64>().ok().filter(|value| value.is_finite()),
        Json::String(name) => special(name),
        _ => None,
    }
}

/// The largest number that is taken for single precision: the shortest decimal text of `f32::MAX`, which as a double lies a little above
/// it and still rounds to it. A result of ours has to be an argument of ours.
pub(crate) const MAX_F32: f64 = 3.402_823_5e38;

/// The same for single precision, rounded once.
#[allow(clippy::cast_possible_truncation, reason = "the special values are the same in both widths")]
pub(crate) fn float32(json: &Json<'_>) -> Option<f32> {
    match json {
        Json::Number(text) => {
            let wide = text.parse::<f64>().ok()?;
            if wide.abs() > MAX_F32 {
                return None;
            }
            text.parse::<f32>().ok().filter(|value| value.is_finite())
        }
        Json::String(name) => special(name).map(|value| value as f32),
        _ => None,
    }
}

fn special(name: &str) -> Option<f64> {
    match name {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// A decimal string of at most 64 bits, without leading zeros.
fn decimal(text: &str) -> Option<i128> {
    /// Digits of the largest `u64`.
    const MOST: usize = 20;
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.len() <= MOST && digits.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = digits.len() > 1 && digits.starts_with('0');
    if plain && !leading_zero { text.parse().ok() } else { None }
}

/// The integer that a JSON number is, if it is one of at most 38 digits; costs one pass over its text.
fn exact(text: &str) -> Option<i128> {
    /// More digits than any 64-bit integer has, and fewer than overflow 128 bits.
    const MOST: usize = 38;
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, "0"),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = || whole.bytes().chain(fraction.bytes());
    let length = digits().count();
    let leading = digits().take_while(|digit| *digit == b'0').count();
    if leading == length {
        return Some(0);
    }
    let trailing = fraction.bytes().rev().chain(whole.bytes().rev()).take_while(|digit| *digit == b'0').count();
    // An exponent too long for 64 bits is far out of range in either direction; no integer of ours has it.
    let exponent: i64 = exponent.parse().ok()?;
    let scale =
        exponent.checked_add(i64::try_from(trailing).ok()?)?.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let scale = usize::try_from(scale).ok()?;
    let significant = length - leading - trailing;
    if significant.checked_add(scale)? > MOST {
        return None;
    }
    let value =
        digits().skip(leading).take(significant).fold(0_i128, |value, digit| value * 10 + i128::from(digit - b'0'));
    let value = value * 10_i128.pow(u32::try_from(scale).ok()?);
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integral_numbers_are_read_exactly_in_every_notation() {
        for (text, value) in [
            ("0", 0),
            ("-0", 0),
            ("0.0", 0),
            ("-0.000e-7", 0),
            ("0e999999999999999999999", 0),
            ("1.0", 1),
            ("1e3", 1_000),
            ("1.5e1", 15),
            ("-2.50e2", -250),
            ("1000e-3", 1),
            ("100000000000000000000e-20", 1),
            ("18446744073709551615", u64::MAX.into()),
            ("1.8446744073709551615e19", u64::MAX.into()),
            ("-9223372036854775808", i64::MIN.into()),
            ("0.001E+3", 1),
            ("9007199254740993", 9_007_199_254_740_993),
        ] {
            assert_eq!(text.parse::<i64>().map_or_else(|_| exact(text), |n| Some(n.into())), Some(value), "{text}");
        }
    }

    #[test]
    fn what_is_not_integral_or_far_out_of_range_is_refused_at_once() {
        for text in [
            "0.5",
            "1e-1",
            "1.000000000000000000001",
            "1e400",
            "1e999999999",
            "1e99999999999999999999",
            "1e-99999999999999999999",
            "-1e39",
            &"9".repeat(1_000),
        ] {
            assert_eq!(exact(text), None, "{text}");
        }
    }

    #[test]
    fn ranges_hold_to_the_last_digit() {
        let read = |text: &str, int| integer(&Json::Number(text), int);
        assert_eq!(read("255", Int::U8), Some(255));
        assert_eq!(read("256", Int::U8), None);
        assert_eq!(read("-129", Int::S8), None);
        assert_eq!(read("18446744073709551616", Int::U64), None);
        assert_eq!(read("9223372036854775808", Int::S64), None);
        assert_eq!(read("-1", Int::U64), None);
    }

    #[test]
    fn only_wide_integers_come_as_strings_and_only_in_one_spelling() {
        let read = |text: &'static str, int| integer(&Json::String(text.into()), int);
        assert_eq!(read("18446744073709551615", Int::U64), Some(u64::MAX.into()));
        assert_eq!(read("-9223372036854775808", Int::S64), Some(i64::MIN.into()));
        assert_eq!(read("0", Int::U64), Some(0));
        assert_eq!(read("7", Int::U32), None);
        for text in [
            "",
            "-",
            "+1",
            "01",
            "1.0",
            "1e3",
            " 1",
            "1 ",
            "0x1",
            "१",
            "18446744073709551616",
            "184467440737095516150",
            "--1",
        ] {
            assert_eq!(read(text, Int::U64), None, "{text}");
        }
    }

    #[test]
    fn floats_are_finite_or_named() {
        assert_eq!(float64(&Json::Number("1e400")), None);
        assert_eq!(float64(&Json::Number("-1e400")), None);
        assert_eq!(float64(&Json::Number("1e-400")), Some(0.0));
        assert_eq!(float64(&Json::String("-Infinity".into())), Some(f64::NEG_INFINITY));
        assert!(float32(&Json::String("NaN".into())).is_some_and(f32::is_nan));
        assert_eq!(float64(&Json::String("nan".into())), None);
        assert_eq!(float32(&Json::Number("3.4028234663852886e38")), Some(f32::MAX));
        assert_eq!(float32(&Json::Number("3.4028235e38")), Some(f32::MAX));
        assert_eq!(float32(&Json::Number("-3.40282350e38")), Some(f32::MIN));
        assert_eq!(float32(&Json::Number("3.4028236e38")), None);
        assert_eq!(float32(&Json::Number("1e39")), None);
    }
}
