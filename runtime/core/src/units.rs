//! Sizes and durations as people write them: `64 MiB`, `5s`. One parser for manifests, policy and the command line.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number of bytes, written `512`, `64 KiB`, `16MiB`, `2 GiB` (powers of 1,024) or `10 MB` (powers of 1,000).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

/// A span of time, written `250ms`, `5s`, `2m` or `1h`; whole numbers only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// Text that is neither a size nor a duration.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UnitError {
    /// Not a size.
    #[error("`{0}` is not a size; write bytes as `65536`, `64 KiB`, `16 MiB` or `1 GiB`")]
    NotASize(String),
    /// Not a duration.
    #[error("`{0}` is not a duration; write `250ms`, `5s`, `2m` or `1h`")]
    NotADuration(String),
}

/// What a message may show of text that somebody else chose.
fn shown(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}

/// Splits `12 MiB` into its number and its unit; none where the number is missing or does not fit.
fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let digits: String = text[..end].chars().filter(|c| *c != '_').collect();
    Some((digits.parse().ok()?, text[end..].trim()))
}

impl FromStr for Bytes {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let not = || UnitError::NotASize(shown(text));
        let (number, unit) = split(text).ok_or_else(not)?;
        let factor: u64 = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kib" => 1 << 10,
            "m" | "mib" => 1 << 20,
            "g" | "gib" => 1 << 30,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            _ => return Err(not()),
        };
        number.checked_mul(factor).map(Self).ok_or_else(not)
    }
}

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let not = || UnitError::NotADuration(shown(text));
        let (number, unit) = split(text).ok_or_else(not)?;
        let millis: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(not()),
        };
        number.checked_mul(millis).map(|n| Self(Duration::from_millis(n))).ok_or_else(not)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] {
            if self.0 >= 1 << shift && self.0.trailing_zeros() >= shift {
                return write!(f, "{} {unit}", self.0 >> shift);
            }
        }
        write!(f, "{} B", self.0)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            n if n % 1_000 == 0 => write!(f, "{}s", n / 1_000),
            n => write!(f, "{n}ms"),
        }
    }
}

macro_rules! as_text {
    ($unit:ty) => {
        impl Serialize for $unit {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $unit {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
as_text!(Bytes);
as_text!(Span);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_read_as_people_write_them() {
        assert_eq!("64 MiB".parse(), Ok(Bytes(64 << 20)));
        assert_eq!("1_000".parse(), Ok(Bytes(1_000)));
        assert_eq!("10MB".parse(), Ok(Bytes(10_000_000)));
        assert_eq!("5s".parse(), Ok(Span(Duration::from_secs(5))));
        assert_eq!("250ms".parse(), Ok(Span(Duration::from_millis(250))));
        assert_eq!(Bytes(64 << 20).to_string(), "64 MiB");
        assert_eq!(Bytes(1_500).to_string(), "1500 B");
    }

    #[test]
    fn what_overflows_or_has_no_unit_is_refused() {
        for text in ["", "MiB", "-1", "1.5 MiB", "99999999999 GiB", "12 parsecs", "999999999999999999999"] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
        for text in ["", "5", "s", "5 weeks", "99999999999999999h"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        let escaped = "1\u{1b}[2J\t".parse::<Bytes>().map_err(|error| error.to_string());
        assert!(escaped.is_err_and(|error| error.starts_with("`1\\u{1b}[2J\\t` is not a size")));
    }
}
