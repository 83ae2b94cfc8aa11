//! JSON numbers as exact decimals, compared without ever becoming binary floating point.
//!
//! A number here is the text it had in the document, already checked against the grammar of RFC 8259. Comparing through
//! `f64` would make 9007199254740993 equal to 9007199254740992 and 1e400 equal to 1e500; comparing text would make 1
//! differ from 1.0. Both are wrong for `JSONPath` filters (RFC 9535, 2.3.5.2.2) and for `test` (RFC 6902, 4.6).

use std::cmp::Ordering;

/// The longest exponent accepted, in digits without sign and leading zeros. It keeps the position of the first digit
/// of any number within an `i64`, so that no comparison has to guess.
pub const MAX_EXPONENT_DIGITS: usize = 15;

/// Compares two numbers by value. Linear in the length of their text.
pub fn compare(left: &str, right: &str) -> Ordering {
    if left == right {
        return Ordering::Equal;
    }
    let (left, right) = (Decimal::of(left), Decimal::of(right));
    match (left.sign(), right.sign()) {
        (l, r) if l != r => l.cmp(&r),
        (0, _) => Ordering::Equal,
        (1, _) => left.compare_magnitude(&right),
        _ => right.compare_magnitude(&left),
    }
}

/// A spelling that equal numbers share and different numbers do not: `-0.10e2` and `-1e0` both give `-1:1`.
pub fn canonical(text: &str) -> String {
    let decimal = Decimal::of(text);
    if decimal.sign() == 0 {
        return "0".to_owned();
    }
    let mut out = String::with_capacity(text.len() + 4);
    if decimal.negative {
        out.push('-');
    }
    let digits = out.len();
    out.extend(decimal.digits().map(char::from));
    let kept = out.trim_end_matches('0').len().max(digits);
    out.truncate(kept);
    out.push(':');
    out.push_str(&decimal.position.to_string());
    out
}

/// A number taken apart: sign × 0.d₁d₂d₃… × 10^position, where d₁ is not 0 unless there are no digits at all.
struct Decimal<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    position: i64,
}

impl<'a> Decimal<'a> {
    fn of(text: &'a str) -> Self {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent_of(exponent)),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let whole = without_leading_zeros(whole.as_bytes());
        let (fraction, position) = if whole.is_empty() {
            let stripped = without_leading_zeros(fraction.as_bytes());
            (stripped, -length(fraction.len() - stripped.len()))
        } else {
            (fraction.as_bytes(), length(whole.len()))
        };
        Self { negative, whole, fraction, position: position + exponent }
    }

    fn sign(&self) -> i8 {
        match (self.whole.is_empty() && self.fraction.is_empty(), self.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }

    fn digits(&self) -> impl Iterator<Item = u8> + use<'a> {
        self.whole.iter().chain(self.fraction).copied()
    }

    fn compare_magnitude(&self, other: &Self) -> Ordering {
        self.position.cmp(&other.position).then_with(|| {
            let (mut left, mut right) = (self.digits(), other.digits());
            loop {
                // A number has endless zeros after its last digit.
                match (left.next(), right.next()) {
                    (None, None) => return Ordering::Equal,
                    (l, r) => match l.unwrap_or(b'0').cmp(&r.unwrap_or(b'0')) {
                        Ordering::Equal => {}
                        unequal => return unequal,
                    },
                }
            }
        })
    }
}

/// The value of an exponent that was held to [`MAX_EXPONENT_DIGITS`] where it was read; a longer one saturates.
fn exponent_of(text: &str) -> i64 {
    let (negative, digits) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        all => (false, all),
    };
    let magnitude = digits.iter().fold(0_i64, |sum, digit| (sum * 10 + i64::from(digit - b'0')).min(10_i64.pow(16)));
    if negative { -magnitude } else { magnitude }
}

fn without_leading_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    &digits[zeros..]
}

fn length(bytes: usize) -> i64 {
    i64::try_from(bytes).expect("a slice is never longer than i64::MAX")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_by_value_whatever_their_spelling() {
        for (left, right, expected) in [
            ("1", "1.0", Ordering::Equal),
            ("100", "1e2", Ordering::Equal),
            ("1E+2", "1000e-1", Ordering::Equal),
            ("-0", "0", Ordering::Equal),
            ("0.0", "0e99", Ordering::Equal),
            ("-0.0e-7", "0", Ordering::Equal),
            ("0.001", "1e-3", Ordering::Equal),
            ("9007199254740993", "9007199254740992", Ordering::Greater),
            ("1e400", "1e500", Ordering::Less),
            ("-1e400", "-1e500", Ordering::Greater),
            ("0.1", "0.10000000000000000001", Ordering::Less),
            ("-1", "1", Ordering::Less),
            ("-2", "-1", Ordering::Less),
            ("0", "-1", Ordering::Greater),
            ("0", "1e-300", Ordering::Less),
            ("123", "124", Ordering::Less),
            ("99", "100", Ordering::Less),
            ("1e000000000000000000000001", "10", Ordering::Equal),
        ] {
            assert_eq!(compare(left, right), expected, "{left} and {right}");
            assert_eq!(compare(right, left), expected.reverse(), "{right} and {left}");
            assert_eq!(canonical(left) == canonical(right), expected == Ordering::Equal, "{left} and {right}");
        }
    }

    #[test]
    fn numbers_of_a_million_digits_compare_in_linear_time() {
        let nines = "9".repeat(1_000_000);
        let more = format!("{nines}.1");
        assert_eq!(compare(&nines, &more), Ordering::Less);
        assert_eq!(canonical(&nines).len(), 1_000_000 + ":1000000".len());
    }
}
