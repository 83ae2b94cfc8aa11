//! The kind of a column and the value of a cell. It owns the grammar of each kind and how values compare. It refuses
//! to call something a number that would lose a digit: `007`, `+49`, `1,5` and integers of more than 38 digits are text.

use std::cmp::Ordering;

/// What every value of a column is. A column whose values do not agree is text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `-?(0|[1-9][0-9]*)` within 128 bits.
    Integer,
    /// A JSON number; finite as a 64-bit float.
    Number,
    /// `true` or `false` in any letter case.
    Boolean,
    /// A calendar date, `YYYY-MM-DD`.
    Date,
    /// `YYYY-MM-DDTHH:MM[:SS[.fraction]]`, all with an offset (`Z`, `+02:00`) or all without.
    DateTime,
    /// Anything else.
    Text,
    /// No value at all: every cell is null.
    Empty,
}

impl Kind {
    /// The kind's name as results and messages say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::DateTime => "date-time",
            Self::Text => "text",
            Self::Empty => "empty",
        }
    }

    /// Whether arithmetic makes sense; a column without values does no harm.
    pub fn is_numeric(self) -> bool {
        matches!(self, Self::Integer | Self::Number | Self::Empty)
    }

    /// The kind of a column that holds cells of both.
    #[must_use]
    pub fn joined_with(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Empty, kind) | (kind, Self::Empty) => kind,
            (Self::Integer, Self::Number) | (Self::Number, Self::Integer) => Self::Number,
            _ => Self::Text,
        }
    }
}

/// What one cell looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// An integer that a 64-bit float holds exactly (at most 2^53 in magnitude).
    Integer,
    /// A longer integer, within 128 bits.
    LongInteger,
    /// A number with a fraction or an exponent.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A calendar date.
    Date,
    /// A date and time with an offset.
    ZonedTime,
    /// A date and time without one.
    LocalTime,
    /// Anything else.
    Text,
}

/// A parsed cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// An integer.
    Integer(i128),
    /// A finite float.
    Number(f64),
    /// A truth value.
    Boolean(bool),
    /// Days since 1970-01-01.
    Date(i32),
    /// Nanoseconds since 1970-01-01T00:00:00, in UTC where the column has offsets.
    Instant(i128),
    /// Text, compared by Unicode code points.
    Text(&'a str),
}

/// How many cells of each shape a column holds; enough to name its kind in one pass.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    counts: [u32; 8],
}

impl Tally {
    pub(crate) fn add(&mut self, shape: Shape) {
        self.counts[shape as usize] += 1;
    }

    /// Long integers beside fractions make the column text: as floats they would be rounded without a word.
    pub(crate) fn kind(&self) -> Kind {
        let of = |shape: Shape| self.counts[shape as usize];
        let all: u32 = self.counts.iter().sum();
        let integers = of(Shape::Integer) + of(Shape::LongInteger);
        if all == 0 {
            Kind::Empty
        } else if integers == all {
            Kind::Integer
        } else if of(Shape::Integer) + of(Shape::Number) == all {
            Kind::Number
        } else if of(Shape::Boolean) == all {
            Kind::Boolean
        } else if of(Shape::Date) == all {
            Kind::Date
        } else if of(Shape::ZonedTime) == all || of(Shape::LocalTime) == all {
            Kind::DateTime
        } else {
            Kind::Text
        }
    }
}

/// What a cell looks like. Costs a look at the first byte for most text.
pub fn shape_of(text: &str) -> Shape {
    let Some(first) = text.as_bytes().first() else {
        return Shape::Text;
    };
    match first {
        b'-' | b'0'..=b'9' => shape_of_digits(text),
        b't' | b'T' | b'f' | b'F' if parse_boolean(text).is_some() => Shape::Boolean,
        _ => Shape::Text,
    }
}

/// The value of a cell of the given kind, or none where the text is not of that kind.
pub fn parse_value(kind: Kind, text: &str) -> Option<Value<'_>> {
    match kind {
        Kind::Integer => match shape_of(text) {
            Shape::Integer | Shape::LongInteger => text.parse().ok().map(Value::Integer),
            _ => None,
        },
        Kind::Number => match shape_of(text) {
            Shape::Integer | Shape::LongInteger | Shape::Number => text.parse().ok().map(Value::Number),
            _ => None,
        },
        Kind::Boolean => parse_boolean(text).map(Value::Boolean),
        Kind::Date => parse_date(text).map(Value::Date),
        Kind::DateTime => parse_time(text).map(|(instant, _)| Value::Instant(instant)),
        Kind::Text | Kind::Empty => Some(Value::Text(text)),
    }
}

/// Orders two values. An integer and a number compare exactly, however long the integer; values of otherwise
/// different kinds never meet in one column, and are ordered by kind so that the order stays total.
pub fn compare(a: &Value<'_>, b: &Value<'_>) -> Ordering {
    match (a, b) {
        (Value::Integer(a), Value::Integer(b)) | (Value::Instant(a), Value::Instant(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => float_order(*a, *b),
        (Value::Integer(a), Value::Number(b)) => mixed_order(*a, *b),
        (Value::Number(a), Value::Integer(b)) => mixed_order(*b, *a).reverse(),
        (Value::Boolean(a), Value::Boolean(b)) => a.cmp(b),
        (Value::Date(a), Value::Date(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        _ => rank(a).cmp(&rank(b)),
    }
}

/// Days since 1970-01-01 of `YYYY-MM-DD`, or none where it is no day of the Gregorian calendar.
pub fn parse_date(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let year = digits(&bytes[0..4])?;
    let month = digits(&bytes[5..7])?;
    let day = digits(&bytes[8..10])?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i32::from(leap),
        _ => return None,
    };
    (1..=last).contains(&day).then(|| days_of(year, month, day))
}

/// Days since 1970-01-01 of a day of the proleptic Gregorian calendar (H. Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms", `days_from_civil`), for years 0 to 9999.
pub fn days_of(year: i32, month: i32, day: i32) -> i32 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// `YYYY-MM-DD` of a day counted from 1970-01-01 (Hinnant's `civil_from_days`), for years 0 to 9999.
pub fn write_date(days: i32) -> String {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i32::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

fn shape_of_digits(text: &str) -> Shape {
    let bytes = text.as_bytes();
    let negative = usize::from(bytes[0] == b'-');
    let whole = count_digits(&bytes[negative..]);
    let end = negative + whole;
    if whole == 0 {
        return Shape::Text;
    }
    if negative == 0 && whole == 4 && bytes.get(4) == Some(&b'-') {
        return shape_of_date(text);
    }
    if whole > 1 && bytes[negative] == b'0' {
        return Shape::Text;
    }
    if end == bytes.len() {
        return shape_of_integer(text, negative == 1, whole);
    }
    if is_number_tail(&bytes[end..]) && text.parse::<f64>().is_ok_and(f64::is_finite) {
        Shape::Number
    } else {
        Shape::Text
    }
}

fn shape_of_integer(text: &str, negative: bool, digits: usize) -> Shape {
    const EXACT: i128 = 1 << 53;
    if digits <= 15 {
        // Minus zero has no integer that would be written the same way.
        return if negative && text == "-0" { Shape::Number } else { Shape::Integer };
    }
    match text.parse::<i128>() {
        Ok(value) if (-EXACT..=EXACT).contains(&value) => Shape::Integer,
        Ok(_) => Shape::LongInteger,
        Err(_) => Shape::Text,
    }
}

fn shape_of_date(text: &str) -> Shape {
    if parse_date(text).is_some() {
        return Shape::Date;
    }
    match parse_time(text) {
        Some((_, true)) => Shape::ZonedTime,
        Some((_, false)) => Shape::LocalTime,
        None => Shape::Text,
    }
}

/// `.digits`, an exponent, or both.
fn is_number_tail(mut tail: &[u8]) -> bool {
    if let [b'.', rest @ ..] = tail {
        let fraction = count_digits(rest);
        if fraction == 0 {
            return false;
        }
        tail = &rest[fraction..];
    }
    match tail {
        [] => true,
        [b'e' | b'E', b'+' | b'-', rest @ ..] | [b'e' | b'E', rest @ ..] => {
            !rest.is_empty() && count_digits(rest) == rest.len()
        }
        _ => false,
    }
}

fn parse_boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// The instant in nanoseconds, and whether the text says its offset.
fn parse_time(text: &str) -> Option<(i128, bool)> {
    let bytes = text.as_bytes();
    if bytes.len() < 16 || !text.is_ascii() || !matches!(bytes[10], b'T' | b't' | b' ') {
        return None;
    }
    let days = parse_date(&text[..10])?;
    let hour = digits(&bytes[11..13]).filter(|hour| *hour < 24)?;
    let minute = digits(&bytes[14..16]).filter(|minute| *minute < 60)?;
    if bytes[13] != b':' {
        return None;
    }
    let mut rest = &bytes[16..];
    let mut second = 0;
    let mut nanos = 0_i128;
    if let [b':', a, b, after @ ..] = rest {
        second = digits(&[*a, *b]).filter(|second| *second < 60)?;
        rest = after;
        if let [b'.', after @ ..] = rest {
            let length = count_digits(after);
            if !(1..=9).contains(&length) {
                return None;
            }
            for index in 0..9 {
                let digit = after[..length].get(index).map_or(0, |digit| digit - b'0');
                nanos = nanos * 10 + i128::from(digit);
            }
            rest = &after[length..];
        }
    }
    let (offset, zoned) = match rest {
        [] => (0, false),
        [b'Z' | b'z'] => (0, true),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let hours = digits(&[*h1, *h2]).filter(|hours| *hours < 24)?;
            let minutes = digits(&[*m1, *m2]).filter(|minutes| *minutes < 60)?;
            let offset = hours * 60 + minutes;
            (if *sign == b'-' { -offset } else { offset }, true)
        }
        _ => return None,
    };
    let minutes = i128::from(days) * 1440 + i128::from(hour * 60 + minute - offset);
    Some(((minutes * 60 + i128::from(second)) * 1_000_000_000 + nanos, zoned))
}

fn digits(bytes: &[u8]) -> Option<i32> {
    bytes.iter().try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i32::from(byte - b'0')))
}

fn count_digits(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len())
}

/// Finite floats only, so that minus zero equals zero and the order is still total.
fn float_order(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
}

fn mixed_order(integer: i128, number: f64) -> Ordering {
    // Beyond the range of the integers the cast below would saturate, and equal the last one.
    const BEYOND: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;
    if number >= BEYOND {
        return Ordering::Less;
    }
    if number < -BEYOND {
        return Ordering::Greater;
    }
    #[allow(clippy::cast_possible_truncation)]
    let whole = number.trunc() as i128;
    integer.cmp(&whole).then_with(|| float_order(0.0, number.fract()))
}

fn rank(value: &Value<'_>) -> u8 {
    match value {
        Value::Boolean(_) => 0,
        Value::Integer(_) | Value::Number(_) => 1,
        Value::Date(_) => 2,
        Value::Instant(_) => 3,
        Value::Text(_) => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_read_without_losing_a_digit() {
        for (text, shape) in [
            ("0", Shape::Integer),
            ("-12", Shape::Integer),
            ("9007199254740992", Shape::Integer),
            ("9007199254740993", Shape::LongInteger),
            ("123456789012345678901234567890", Shape::LongInteger),
            ("1234567890123456789012345678901234567890", Shape::Text),
            ("-0", Shape::Number),
            ("1.50", Shape::Number),
            ("1e5", Shape::Number),
            ("1e999", Shape::Text),
            ("007", Shape::Text),
            ("+5", Shape::Text),
            (".5", Shape::Text),
            ("5.", Shape::Text),
            ("1,5", Shape::Text),
            ("1e", Shape::Text),
            ("-", Shape::Text),
            ("", Shape::Text),
            ("NaN", Shape::Text),
            ("TRUE", Shape::Boolean),
            ("truth", Shape::Text),
            ("2024-02-29", Shape::Date),
            ("2023-02-29", Shape::Text),
            ("2026-13-01", Shape::Text),
            ("2026-01-01T10:00", Shape::LocalTime),
            ("2026-01-01 10:00:59.123", Shape::LocalTime),
            ("2026-01-01T10:00:00Z", Shape::ZonedTime),
            ("2026-01-01T10:00:00+02:00", Shape::ZonedTime),
            ("2026-01-01T24:00:00Z", Shape::Text),
            ("2026-01-01Tää:00", Shape::Text),
        ] {
            assert_eq!(shape_of(text), shape, "{text}");
        }
    }

    #[test]
    fn days_are_counted_from_1970() {
        assert_eq!(parse_date("1970-01-01"), Some(0));
        assert_eq!(parse_date("2000-03-01"), Some(11_017));
        assert_eq!(parse_date("1969-12-31"), Some(-1));
        assert_eq!(parse_date("2026-01-31"), Some(20_484));
        for days in (-719_000..2_900_000).step_by(997) {
            assert_eq!(parse_date(&write_date(days)), Some(days));
        }
    }

    #[test]
    fn an_offset_moves_the_instant() {
        assert_eq!(
            parse_value(Kind::DateTime, "2026-01-01T01:00:00+01:00"),
            parse_value(Kind::DateTime, "2026-01-01T00:00:00Z")
        );
    }

    #[test]
    fn a_long_integer_and_a_float_compare_exactly() {
        let long = Value::Integer(9_007_199_254_740_993);
        assert_eq!(compare(&long, &Value::Number(9_007_199_254_740_992.0)), Ordering::Greater);
        assert_eq!(compare(&Value::Integer(-1), &Value::Number(-1.5)), Ordering::Greater);
        assert_eq!(compare(&Value::Number(1e300), &Value::Integer(i128::MAX)), Ordering::Greater);
    }
}
