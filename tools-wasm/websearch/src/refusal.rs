//! Owns the failures: what the API's refusals mean for the caller. The API answers 422 both for a parameter that it does not take and for
//! a key that is missing or wrong, and it gives the wait for its rate limits in `X-RateLimit-Reset`.

use serde_json::Value;
use toolcell_client::contract::{Failure, Outage};
use toolcell_client::{Error, Response, Service, failure, json};

/// Whom this tool talks to.
const SERVICE: Service<'static> = Service { name: "Brave Search", secret: Some("brave-key") };
/// What should stand where a refusal is about an argument.
const EXPECTED: &str = "what the Brave Search API takes";

/// What a response that is no success means; none for a success.
pub(crate) fn of_response(response: &Response) -> Option<Failure> {
    let refused = failure::of_response(&SERVICE, response)?;
    let body = response.json().unwrap_or_default();
    if response.status == 422 {
        if is_about_the_key(&body) {
            let denied = Response { status: 401, ..response.clone() };
            return failure::of_response(&SERVICE, &denied).map(|failure| failure.at("", EXPECTED));
        }
        return Some(refused.at(argument(&body), EXPECTED));
    }
    let refused = refused.at("", EXPECTED);
    Some(match refused {
        Failure::Unavailable(Outage { message, retry_after_ms: None }) if response.status == 429 => {
            Failure::Unavailable(Outage { message, retry_after_ms: window(response) })
        }
        refused => refused,
    })
}

/// What it means that there is no response.
pub(crate) fn of_error(error: &Error) -> Failure {
    failure::of_error(&SERVICE, error).at("", EXPECTED)
}

/// The header that carries the key, as the API's validation names it.
const KEY_HEADER: &str = "x-subscription-token";

fn is_about_the_key(body: &Value) -> bool {
    json::text(body, "/error/code") == Some("SUBSCRIPTION_TOKEN_INVALID")
        || places(body).any(|place| place.eq_ignore_ascii_case(KEY_HEADER))
}

/// The argument that the API's validation complains about.
fn argument(body: &Value) -> &'static str {
    let known = places(body).find_map(|place| {
        Some(match place {
            "q" => "/query",
            "count" => "/count",
            "offset" => "/page",
            "country" => "/country",
            "search_lang" => "/language",
            "freshness" => "/freshness",
            "safesearch" => "/safe_search",
            _ => return None,
        })
    });
    known.unwrap_or("")
}

/// The last part of each place that the API's validation names, such as `country` of `["query", "country"]`.
fn places(body: &Value) -> impl Iterator<Item = &str> {
    json::items(body, "/error/meta/errors").iter().filter_map(|error| json::items(error, "/loc").last()?.as_str())
}

/// How long to wait, in milliseconds, by the API's own headers: `X-RateLimit-Remaining: 0, 512` and `X-RateLimit-Reset: 1, 86042` have one
/// number for each window of the plan, seconds in the latter. The longest window that is used up counts.
fn window(response: &Response) -> Option<u64> {
    let numbers = |name| {
        let list = response.headers.get(name)?;
        list.split(',').map(|number| number.trim().parse::<u64>().ok()).collect::<Option<Vec<_>>>()
    };
    let (remaining, reset) = (numbers("x-ratelimit-remaining")?, numbers("x-ratelimit-reset")?);
    let used_up = remaining.iter().zip(&reset).filter(|(left, _)| **left == 0);
    let seconds = used_up.map(|(_, seconds)| *seconds).max()?;
    Some(seconds.min(failure::LONGEST_WAIT.as_secs()) * 1000)
}

#[cfg(test)]
mod tests {
    use toolcell_client::Headers;

    use super::*;

    fn limited(headers: &[(&str, &str)]) -> Option<u64> {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
        let response = Response { status: 429, headers: Headers::new(headers), body: Vec::new(), truncated: false };
        match of_response(&response) {
            Some(Failure::Unavailable(outage)) => outage.retry_after_ms,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_wait_is_that_of_the_window_that_is_used_up() {
        let of = |remaining, reset| limited(&[("X-RateLimit-Remaining", remaining), ("X-RateLimit-Reset", reset)]);
        assert_eq!(of("0, 512", "1, 86042"), Some(1_000));
        assert_eq!(of("0, 0", "1, 3600"), Some(3_600_000));
        assert_eq!(of("0", "9999999999"), Some(86_400_000));
        assert_eq!(of("1, 512", "1, 86042"), None);
        assert_eq!(of("0", "soon"), None);
        assert_eq!(of("", ""), None);
        assert_eq!(
            limited(&[("Retry-After", "7"), ("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "1")]),
            Some(7_000)
        );
        assert_eq!(limited(&[]), None);
    }
}
