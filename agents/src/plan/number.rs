//! Numbers of JSON compared by what they are, not by how they are written, and without a double in between.

use std::cmp::Ordering;

/// The most digits of an exponent that count. Numbers beyond it are told apart by their digits alone; nothing measures them.
const MAX_EXPONENT: usize = 30;

/// A number as `0.digits × 10^exponent`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    /// Without zeros at either end; zero has none.
    digits: Vec<u8>,
    exponent: i128,
}

impl Decimal {
    /// Reads a number that is one by RFC 8259; of other text it makes some number.
    pub(super) fn new(text: &str) -> Self {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, ""));
        let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits: Vec<u8> = whole.bytes().chain(part.bytes()).collect();
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        digits.drain(..zeros);
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        if digits.is_empty() {
            return Self { negative: false, digits, exponent: 0 };
        }
        let (down, power) = exponent.strip_prefix('-').map_or((false, exponent), |rest| (true, rest));
        let power = power.trim_start_matches(['+', '0']);
        let power = if power.len() > MAX_EXPONENT { 10_i128.pow(30) } else { power.parse().unwrap_or(0) };
        let shift = i128::try_from(whole.len()).unwrap_or(0) - i128::try_from(zeros).unwrap_or(0);
        Self { negative, digits, exponent: if down { shift - power } else { shift + power } }
    }

    /// Whether nothing stands behind its point.
    pub(super) fn is_whole(&self) -> bool {
        i128::try_from(self.digits.len()).is_ok_and(|digits| digits <= self.exponent) || self.digits.is_empty()
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| match (number.digits.is_empty(), number.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        // Digits without zeros at their ends compare like texts: a prefix is the smaller number.
        let size = || self.exponent.cmp(&other.exponent).then_with(|| self.digits.cmp(&other.digits));
        sign(self).cmp(&sign(other)).then_with(|| match sign(self) {
            0 => Ordering::Equal,
            1 => size(),
            _ => size().reverse(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_by_what_they_are() {
        for (a, b) in [
            ("1", "1.0"),
            ("1", "1e0"),
            ("100", "1E+2"),
            ("-0", "0"),
            ("0.001", "1e-3"),
            ("10.50", "105e-1"),
            ("0e99", "0"),
        ] {
            assert_eq!(Decimal::new(a), Decimal::new(b), "{a} {b}");
        }
        let rising = [
            "-1e999999999999999999999999999999999999999",
            "-10",
            "-9.5",
            "-9",
            "-0.1",
            "0",
            "1e-400",
            "0.1",
            "0.11",
            "1",
            "9",
            "10",
            "9007199254740992",
            "9007199254740993",
            "1e400",
        ];
        for pair in rising.windows(2) {
            assert!(Decimal::new(pair[0]) < Decimal::new(pair[1]), "{pair:?}");
        }
        for (text, whole) in
            [("1.0", true), ("1.5", false), ("15e-1", false), ("150e-1", true), ("0.0", true), ("1e400", true)]
        {
            assert_eq!(Decimal::new(text).is_whole(), whole, "{text}");
        }
    }
}
