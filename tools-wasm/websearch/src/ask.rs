//! Owns what is asked: the arguments of a search, the rules that the signature cannot state, and the one request they make.
//! Parameters and their ranges are those of the Brave Search API (`/res/v1/web/search`, `/res/v1/news/search`).

use toolcell_client::contract::Failure;
use toolcell_client::{Request, failure::invalid};

use crate::bindings::{Days, Freshness, SafeSearch};

/// What kind of pages to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// All pages.
    Web,
    /// Articles.
    News,
}

/// The arguments of a search.
#[derive(Debug)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub(crate) struct Ask {
    pub(crate) query: String,
    pub(crate) count: Option<u32>,
    pub(crate) page: Option<u32>,
    pub(crate) country: Option<String>,
    pub(crate) language: Option<String>,
    pub(crate) freshness: Option<Freshness>,
    pub(crate) safe_search: Option<SafeSearch>,
}

/// The longest query that the API takes, in characters.
const LONGEST_QUERY: usize = 400;
/// The most words of a query that the API takes.
const MOST_WORDS: usize = 50;
/// The last page that the API gives, from 1; its `offset` counts from 0.
const LAST_PAGE: u32 = 10;
/// How many findings a call gets that does not say. Half of what the API would give: a reader seldom needs more.
const USUAL_COUNT: u32 = 10;

impl Ask {
    /// The request, without its key. What was left out is left to the API, but for the count.
    pub(crate) fn request(&self, kind: Kind) -> Result<Request, Failure> {
        let (url, most) = match kind {
            Kind::Web => ("https://api.search.brave.com/res/v1/web/search", 20),
            Kind::News => ("https://api.search.brave.com/res/v1/news/search", 50),
        };
        let count = self.count.unwrap_or(USUAL_COUNT);
        if !(1..=most).contains(&count) {
            return Err(invalid("/count", &format!("a number from 1 to {most}"), Some(&count.to_string())));
        }
        let page = self.page.unwrap_or(1);
        if !(1..=LAST_PAGE).contains(&page) {
            return Err(invalid("/page", &format!("a number from 1 to {LAST_PAGE}"), Some(&page.to_string())));
        }
        let mut request = Request::get(url)
            .header("accept", "application/json")
            .query("q", self.query()?)
            .query("count", &count.to_string());
        if page > 1 {
            request = request.query("offset", &(page - 1).to_string());
        }
        if let Some(country) = &self.country {
            request = request.query("country", &country_code(country)?);
        }
        if let Some(language) = &self.language {
            request = request.query("search_lang", &language_code(language)?);
        }
        if let Some(freshness) = &self.freshness {
            request = request.query("freshness", &freshness_code(freshness)?);
        }
        if let Some(safe_search) = self.safe_search {
            let level = match safe_search {
                SafeSearch::Off => "off",
                SafeSearch::Moderate => "moderate",
                SafeSearch::Strict => "strict",
            };
            request = request.query("safesearch", level);
        }
        Ok(request)
    }

    fn query(&self) -> Result<&str, Failure> {
        let query = self.query.trim();
        let words = query.split_whitespace().take(MOST_WORDS + 1).count();
        if words == 0 || words > MOST_WORDS || query.chars().nth(LONGEST_QUERY).is_some() {
            let expected = format!("1 to {LONGEST_QUERY} characters and at most {MOST_WORDS} words");
            return Err(invalid("/query", &expected, Some(query)));
        }
        Ok(query)
    }
}

fn country_code(country: &str) -> Result<String, Failure> {
    let code = country.to_ascii_uppercase();
    if code == "ALL" || (code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase())) {
        return Ok(code);
    }
    Err(invalid("/country", "a two-letter country code such as DE, or ALL", Some(country)))
}

fn language_code(language: &str) -> Result<String, Failure> {
    let code = language.to_ascii_lowercase();
    let mut parts = code.split('-');
    let first = parts.next().is_some_and(|part| (2..=3).contains(&part.len()));
    let rest = parts.all(|part| (2..=4).contains(&part.len()));
    if first && rest && code.len() <= 10 && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') {
        return Ok(code);
    }
    Err(invalid("/language", "a language code such as en, pt-br or zh-hans", Some(language)))
}

fn freshness_code(freshness: &Freshness) -> Result<String, Failure> {
    Ok(match freshness {
        Freshness::Day => "pd".to_owned(),
        Freshness::Week => "pw".to_owned(),
        Freshness::Month => "pm".to_owned(),
        Freshness::Year => "py".to_owned(),
        Freshness::Range(Days { from, to }) => {
            let expected = "a day as YYYY-MM-DD";
            let first = day(from).ok_or_else(|| invalid("/freshness/range/from", expected, Some(from)))?;
            let last = day(to).ok_or_else(|| invalid("/freshness/range/to", expected, Some(to)))?;
            if last < first {
                return Err(invalid("/freshness/range/to", "a day that is not before `from`", Some(to)));
            }
            format!("{from}to{to}")
        }
    })
}

/// Year, month and day of `YYYY-MM-DD`; none where there is no such day.
fn day(text: &str) -> Option<(u32, u32, u32)> {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten();
    if text.len() != 10 || !text.is_ascii() {
        return None;
    }
    let (year, month, day) = (digits(&text[..4])?, digits(&text[5..7])?, digits(&text[8..])?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    (&text[4..5] == "-" && &text[7..8] == "-" && (1..=last).contains(&day)).then_some((year, month, day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_one_of_the_calendar() {
        assert_eq!(day("2026-02-28"), Some((2026, 2, 28)));
        assert_eq!(day("2024-02-29"), Some((2024, 2, 29)));
        assert_eq!(day("2000-02-29"), Some((2000, 2, 29)));
        for none in ["2026-02-29", "1900-02-29", "2026-13-01", "2026-00-01", "2026-04-31", "2026-1-01", "+026-01-01"] {
            assert_eq!(day(none), None, "{none}");
        }
        for none in ["", "2026/01/01", "2026-01-01T", "２０26-01", "2026-01-0é"] {
            assert_eq!(day(none), None, "{none}");
        }
    }

    #[test]
    fn codes_are_spelled_as_the_api_spells_them() {
        assert_eq!(country_code("de").unwrap(), "DE");
        assert_eq!(country_code("all").unwrap(), "ALL");
        assert_eq!(language_code("PT-BR").unwrap(), "pt-br");
        assert_eq!(language_code("zh-hans").unwrap(), "zh-hans");
        for none in ["", "D", "DEU", "D1", "ÄÖ", "D&"] {
            assert!(country_code(none).is_err(), "{none}");
        }
        for none in ["", "e", "english", "en-", "-en", "en_US", "en&x=y", "en-a-b-c-d-e"] {
            assert!(language_code(none).is_err(), "{none}");
        }
    }
}
