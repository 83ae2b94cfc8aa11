//! The right value in another notation: dates, numbers, base64, addresses.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE};
use serde_json::Value;

use super::super::places::{is_bytes, is_integer, is_number, is_text};
use super::{Chance, Family, Group, Needs, Place, Right, Wrong};

pub(super) const FAMILIES: &[Family] = &[
    Family { name: "date-with-slashes", group: Group::Formats, make: date_with_slashes },
    Family { name: "date-day-first", group: Group::Formats, make: date_day_first },
    Family { name: "date-in-words", group: Group::Formats, make: date_in_words },
    Family { name: "date-with-midnight", group: Group::Formats, make: date_with_midnight },
    Family { name: "date-without-zeros", group: Group::Formats, make: date_without_zeros },
    Family { name: "date-as-seconds", group: Group::Formats, make: date_as_seconds },
    Family { name: "number-grouped", group: Group::Formats, make: number_grouped },
    Family { name: "number-with-unit", group: Group::Formats, make: number_with_unit },
    Family { name: "number-scaled", group: Group::Formats, make: number_scaled },
    Family { name: "number-padded", group: Group::Formats, make: number_padded },
    Family { name: "base64-for-urls", group: Group::Formats, make: base64_for_urls },
    Family { name: "base64-unpadded", group: Group::Formats, make: base64_unpadded },
    Family { name: "base64-data-url", group: Group::Formats, make: base64_data_url },
    Family { name: "base64-in-lines", group: Group::Formats, make: base64_in_lines },
    Family { name: "bytes-as-text", group: Group::Formats, make: bytes_as_text },
    Family { name: "url-without-scheme", group: Group::Formats, make: url_without_scheme },
    Family { name: "url-in-markdown", group: Group::Formats, make: url_in_markdown },
];

/// A place that holds a calendar date, and its year, month and day.
fn date<'a>(right: &Right<'a>, chance: &mut Chance) -> Option<(Place<'a>, [u32; 3])> {
    let found = right.places().into_iter().filter_map(|place| {
        let text = place.value?.as_str().filter(|text| is_text(place.schema) && text.len() == 10)?;
        let mut parts = text.split('-');
        let mut part = |digits: usize| parts.next().filter(|part| part.len() == digits)?.parse().ok();
        let date = [part(4)?, part(2)?, part(2)?];
        Some((place, date))
    });
    chance.pick(found.collect())
}

/// The largest first, so that there is one reading.
fn date_with_slashes(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (place, [year, month, day]) = date(right, chance)?;
    let joint = chance.of(&["/", ".", ""]);
    right.put(&place, format!("{year}{joint}{month:02}{joint}{day:02}"), Needs::Schema)
}

/// The day or the month first: which one it is shows only where one of them is over twelve, or both are the same.
fn date_day_first(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (place, [year, month, day]) = date(right, chance)?;
    let text = if chance.below(2) == 0 {
        format!("{day:02}/{month:02}/{year}")
    } else {
        format!("{month:02}/{day:02}/{year}")
    };
    right.put(&place, text, if day > 12 || day == month { Needs::Schema } else { Needs::Invention })
}

fn date_in_words(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let (place, [year, month, day]) = date(right, chance)?;
    let month = MONTHS.get(usize::try_from(month).ok()?.checked_sub(1)?)?;
    let texts =
        [format!("{month} {day}, {year}"), format!("{day} {month} {year}"), format!("{day} {} {year}", &month[..3])];
    right.put(&place, chance.of(&texts), Needs::Schema)
}

fn date_with_midnight(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (place, [year, month, day]) = date(right, chance)?;
    let time = chance.of(&["T00:00:00Z", "T00:00:00", " 00:00:00", "T00:00:00.000Z"]);
    right.put(&place, format!("{year}-{month:02}-{day:02}{time}"), Needs::Schema)
}

fn date_without_zeros(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (place, [year, month, day]) = date(right, chance)?;
    right.put(&place, format!("{year}-{month}-{day}"), Needs::Schema)
}

/// Seconds since 1970 name a date only to those who know in which zone.
fn date_as_seconds(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (place, [year, month, day]) = date(right, chance)?;
    // Days since 1970-01-01 (Howard Hinnant, days_from_civil).
    let (y, m) =
        if month > 2 { (i64::from(year), i64::from(month) - 3) } else { (i64::from(year) - 1, i64::from(month) + 9) };
    let (era, of_era) = (y.div_euclid(400), y.rem_euclid(400));
    let of_year = (153 * m + 2) / 5 + i64::from(day) - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    right.put(&place, (days * 86_400).to_string(), Needs::Invention)
}

/// A place that holds a whole number, and the number.
fn whole<'a>(right: &Right<'a>, chance: &mut Chance, least: u64) -> Option<(Place<'a>, u64)> {
    let found = right.places().into_iter().filter_map(|place| {
        let number = place.value?.as_u64().filter(|n| is_number(place.schema) && *n >= least)?;
        Some((place, number))
    });
    chance.pick(found.collect())
}

/// Digits in groups of three. One comma alone could also be the decimal one.
fn number_grouped(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (place, number) = whole(right, chance, 1_000)?;
    let joint = chance.of(&[",", "_", " "]);
    let digits = number.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n) % 3 == 0 {
            text.push_str(joint);
        }
        text.push(digit);
    }
    let twofold = joint == "," && number < 1_000_000;
    right.put(&place, text, if twofold { Needs::Invention } else { Needs::Schema })
}

/// What is counted behind the number. Whoever drops it must know that it was the right thing.
fn number_with_unit(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (place, number) = whole(right, chance, 0)?;
    let unit = chance.of(&["results", "items", "max", "hours", "rows"]);
    right.put(&place, format!("{number} {unit}"), Needs::Invention)
}

/// The right number of another unit.
fn number_scaled(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (place, number) = whole(right, chance, 10)?;
    let text = match chance.below(3) {
        0 if number % 1_000 == 0 => format!("{}k", number / 1_000),
        1 => format!("{number} KB"),
        _ => format!("{number}%"),
    };
    right.put(&place, text, Needs::Invention)
}

fn number_padded(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (place, number) = whole(right, chance, 0)?;
    let texts = [
        format!(" {number} "),
        format!("+{number}"),
        format!("0{number}"),
        format!("{number}\n"),
        format!("\"{number}\""),
    ];
    let padded = chance.of(&texts);
    is_integer(place.schema).then(|| right.put(&place, padded, Needs::Schema)).flatten()
}

/// A place that holds bytes, and those.
fn bytes<'a>(right: &Right<'a>, chance: &mut Chance) -> Option<(Place<'a>, Vec<u8>)> {
    let found = right.places().into_iter().filter_map(|place| {
        let bytes = BASE64_STANDARD.decode(place.value?.as_str().filter(|_| is_bytes(place.schema))?).ok()?;
        Some((place, bytes))
    });
    chance.pick(found.collect())
}

fn base64_for_urls(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (place, bytes) = bytes(right, chance)?;
    right.put(&place, BASE64_URL_SAFE.encode(bytes), Needs::Schema)
}

fn base64_unpadded(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (place, bytes) = bytes(right, chance)?;
    right.put(&place, BASE64_STANDARD_NO_PAD.encode(bytes), Needs::Schema)
}

fn base64_data_url(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (place, bytes) = bytes(right, chance)?;
    let media = chance.of(&["text/plain", "application/octet-stream", "image/png"]);
    right.put(&place, format!("data:{media};base64,{}", BASE64_STANDARD.encode(bytes)), Needs::Schema)
}

/// MIME breaks base64 into lines.
fn base64_in_lines(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (place, bytes) = bytes(right, chance)?;
    let text = BASE64_STANDARD.encode(bytes);
    let at = text.len() / 2;
    (at > 0).then(|| right.put(&place, format!("{}\r\n{}", &text[..at], &text[at..]), Needs::Schema)).flatten()
}

/// The text itself. It may well be base64 of something else, so it has two readings.
fn bytes_as_text(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (place, bytes) = bytes(right, chance)?;
    right.put(&place, String::from_utf8(bytes).ok()?, Needs::Invention)
}

fn url<'a>(right: &Right<'a>, chance: &mut Chance) -> Option<(Place<'a>, &'a str)> {
    let found = right.places().into_iter().filter_map(|place| {
        let text = place.value.and_then(Value::as_str).filter(|text| text.starts_with("https://"))?;
        Some((place, text))
    });
    chance.pick(found.collect())
}

/// Whether with or without TLS is not the caller's to guess for it.
fn url_without_scheme(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (place, text) = url(right, chance)?;
    right.put(&place, &text["https://".len()..], Needs::Invention)
}

/// An address as it stands in text that a model has read. The schema calls it text and nothing more.
fn url_in_markdown(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (place, text) = url(right, chance)?;
    let texts = [format!("<{text}>"), format!("[the page]({text})"), format!("`{text}`")];
    right.put(&place, chance.of(&texts), Needs::Invention)
}
