//! A moment as people write it: RFC 3339, in UTC, to the second, in exactly one spelling.

use toolcell_core::UnixMillis;

/// The last second that four digits can name the year of: 9999-12-31T23:59:59Z.
const LAST_SECOND: u64 = 253_402_300_799;

const SECONDS_OF_A_DAY: u64 = 86_400;

/// The moment as RFC 3339 in UTC: `2026-11-21T05:14:59Z`. What is after the year 9999 is written as its last second.
pub fn rfc3339(at: UnixMillis) -> String {
    let seconds = (at.0 / 1_000).min(LAST_SECOND);
    let (year, month, day) = civil(seconds / SECONDS_OF_A_DAY);
    let second = seconds % SECONDS_OF_A_DAY;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The moment that [`rfc3339`] writes as this text; none for any other spelling and for days that no calendar has.
pub(crate) fn read(text: &str) -> Option<UnixMillis> {
    let bytes: &[u8; 20] = text.as_bytes().try_into().ok()?;
    let number = |from: usize, to: usize| {
        bytes[from..to]
            .iter()
            .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0')))
    };
    let days = days(number(0, 4)?, number(5, 7)?, number(8, 10)?)?;
    let second = number(11, 13)? * 3_600 + number(14, 16)? * 60 + number(17, 19)?;
    let at = UnixMillis((days * SECONDS_OF_A_DAY + second) * 1_000);
    // Written again, so that a 31st of February, a 61st second and a space for the `T` all show.
    (rfc3339(at) == text).then_some(at)
}

/// Year, month and day of the given day since 1970-01-01, by the proleptic Gregorian calendar. The algorithm is
/// `civil_from_days` of Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms".
fn civil(day: u64) -> (u64, u64, u64) {
    // Years begin in March, so that the leap day is the last one; eras of 400 years begin with the year 0.
    let day = day + 719_468;
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// The inverse of [`civil`], `days_from_civil` of the same source; none before 1970 and where the month is none.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = year - u64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    Some(era * 146_097 + of_era - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_are_written_as_the_calendar_has_them() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_700_000_000_999, "2023-11-14T22:13:20Z"),
            (4_107_542_399_000, "2100-02-28T23:59:59Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
            (u64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(UnixMillis(millis)), text);
        }
    }

    #[test]
    fn every_day_of_four_centuries_reads_back() {
        for day in 0..146_097 {
            let at = UnixMillis((day * SECONDS_OF_A_DAY + day % SECONDS_OF_A_DAY) * 1_000);
            assert_eq!(read(&rfc3339(at)), Some(at));
        }
    }

    #[test]
    fn other_spellings_and_days_that_are_none_are_refused() {
        for text in [
            "",
            "2026-11-21",
            "2026-11-21T05:14:59+00:00",
            "2026-11-21 05:14:59Z",
            "2026-11-21t05:14:59z",
            "2026-11-21T05:14:60Z",
            "2026-11-21T24:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "+026-11-21T05:14:59Z",
            "٢026-11-21T05:14:5Z",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
