//! Durations as people write them: `1h 30m`, `90s`, `250 ms`.
//!
//! Whole numbers only, and every overflow is an error: a span that is silently wrong is worse than none.

use std::fmt;

/// A span of time, up to about 584 million years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(u64);

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// Parses a span; `default` is the unit of a number that has none.
    pub fn parse(text: &str, default: Option<Unit>) -> Result<Self, ParseError> {
        let mut rest = text.trim_start();
        if rest.is_empty() {
            return Err(ParseError::Empty);
        }
        let mut sum = Self::ZERO;
        while !rest.is_empty() {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            if digits == 0 {
                return Err(ParseError::NoNumber { at: shown(rest) });
            }
            let number: u64 = rest[..digits].parse().map_err(|_| ParseError::TooLong)?;
            rest = rest[digits..].trim_start();
            let letters = rest.len() - rest.trim_start_matches(char::is_alphabetic).len();
            let unit = match &rest[..letters] {
                "" => default.ok_or(ParseError::NoUnit { number })?,
                name => Unit::named(name)
                    .ok_or_else(|| ParseError::UnknownUnit { unit: shown(name) })?,
            };
            let part = number
                .checked_mul(unit.milliseconds())
                .ok_or(ParseError::TooLong)?;
            sum = sum.plus(Self(part))?;
            rest = rest[letters..].trim_start();
        }
        Ok(sum)
    }

    /// Both spans together.
    pub fn plus(self, other: Self) -> Result<Self, ParseError> {
        self.0
            .checked_add(other.0)
            .map(Self)
            .ok_or(ParseError::TooLong)
    }

    /// The whole span in milliseconds.
    pub fn milliseconds(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        let mut space = "";
        for unit in Unit::ALL.into_iter().rev() {
            let count = rest / unit.milliseconds();
            rest %= unit.milliseconds();
            if count > 0 {
                write!(f, "{space}{count}{}", unit.name())?;
                space = " ";
            }
        }
        Ok(())
    }
}

/// A unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// `ms`
    Milliseconds,
    /// `s`
    Seconds,
    /// `m`
    Minutes,
    /// `h`
    Hours,
    /// `d`, exactly 24 hours.
    Days,
}

impl Unit {
    /// From the smallest to the largest.
    const ALL: [Self; 5] = [
        Self::Milliseconds,
        Self::Seconds,
        Self::Minutes,
        Self::Hours,
        Self::Days,
    ];

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.name() == name)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
            Self::Minutes => "m",
            Self::Hours => "h",
            Self::Days => "d",
        }
    }

    const fn milliseconds(self) -> u64 {
        match self {
            Self::Milliseconds => 1,
            Self::Seconds => 1_000,
            Self::Minutes => 60_000,
            Self::Hours => 3_600_000,
            Self::Days => 86_400_000,
        }
    }
}

/// Text that is no duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// There is nothing but spaces.
    Empty,
    /// A number was due here.
    NoNumber { at: String },
    /// A number has no unit, and there is no default.
    NoUnit { number: u64 },
    /// A unit that does not exist.
    UnknownUnit { unit: String },
    /// More milliseconds than 64 bits hold.
    TooLong,
}

impl ParseError {
    /// What would have been accepted, as a noun phrase.
    pub fn expected(&self) -> &'static str {
        match self {
            Self::Empty | Self::NoNumber { .. } => "a duration such as `1h 30m`",
            Self::NoUnit { .. } => "a unit after each number, or `default_unit`",
            Self::UnknownUnit { .. } => "one of: ms, s, m, h, d",
            Self::TooLong => "at most 18446744073709551615 milliseconds in all",
        }
    }

    /// What stood there instead, if it helps.
    pub fn found(&self) -> Option<&str> {
        match self {
            Self::NoNumber { at } => Some(at),
            Self::UnknownUnit { unit } => Some(unit),
            Self::Empty | Self::NoUnit { .. } | Self::TooLong => None,
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the text is empty"),
            Self::NoNumber { at } => write!(f, "there is no number at `{at}`"),
            Self::NoUnit { number } => write!(f, "{number} has no unit"),
            Self::UnknownUnit { unit } => write!(f, "`{unit}` is no unit of time"),
            Self::TooLong => f.write_str("the duration is too long to be counted"),
        }
    }
}

/// The beginning of a text: enough to recognise it, and little enough for a message.
fn shown(text: &str) -> String {
    text.chars().take(20).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<u64, ParseError> {
        Span::parse(text, None).map(Span::milliseconds)
    }

    #[test]
    fn durations_read_as_people_write_them() {
        assert_eq!(parse("1h 30m"), Ok(5_400_000));
        assert_eq!(parse(" 250 ms "), Ok(250));
        assert_eq!(parse("1d2h3m4s5ms"), Ok(93_784_005));
        assert_eq!(
            Span::parse("20", Some(Unit::Minutes)).map(Span::milliseconds),
            Ok(1_200_000)
        );
    }

    #[test]
    fn a_span_is_written_as_it_is_parsed() {
        for text in [
            "0s",
            "1ms",
            "1h 30m",
            "2d 5ms",
            "213503982334d 14h 25m 51s 615ms",
        ] {
            assert_eq!(
                Span::parse(text, None).map(|span| span.to_string()),
                Ok(text.to_owned())
            );
        }
    }

    #[test]
    fn what_is_no_duration_says_why() {
        assert_eq!(parse("  "), Err(ParseError::Empty));
        assert_eq!(
            parse("soon"),
            Err(ParseError::NoNumber { at: "soon".into() })
        );
        assert_eq!(parse("-5s"), Err(ParseError::NoNumber { at: "-5s".into() }));
        assert_eq!(parse("1.5h"), Err(ParseError::NoUnit { number: 1 }));
        assert_eq!(
            parse("5 weeks"),
            Err(ParseError::UnknownUnit {
                unit: "weeks".into()
            })
        );
        assert_eq!(parse("99999999999999999999s"), Err(ParseError::TooLong));
        assert_eq!(parse("18446744073709551615s"), Err(ParseError::TooLong));
        assert_eq!(
            parse("213503982334d 14h 25m 51s 616ms"),
            Err(ParseError::TooLong)
        );
    }

    #[test]
    fn garbage_never_panics() {
        for text in [
            "\u{0}",
            "é",
            "1é",
            "1\u{a0}s",
            "٣s",
            "1s,",
            &"1s".repeat(100_000),
            &"9".repeat(100_000),
        ] {
            let _ = parse(text);
        }
    }
}
