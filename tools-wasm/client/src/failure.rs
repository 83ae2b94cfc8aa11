//! Owns what an answer means for the caller of a tool: the cases of `toolcell:tool/types.failure`, as plain Rust.
//!
//! | what came | failure | why |
//! |---|---|---|
//! | 400, 422 | invalid-argument | with the service's own words; the tool knows which argument that was |
//! | 401, 403, 407 | denied | names the secret that the manifest asks for |
//! | 404, 410 | not-found | |
//! | 409, 412 | conflict | |
//! | 408, 425, 429, 5xx | unavailable | with `Retry-After`, in seconds or as a date; 501 and 505 are fatal |
//! | 3xx | fatal | an API that moved; the tool asks a fixed place and does not follow |
//! | other 4xx | fatal | the tool speaks the API wrongly |
//! | refused by the host | denied | |
//! | no address, no connection, broken off, no HTTP, too slow | unavailable | |
//! | no trustworthy connection | fatal | a certificate does not get better while one waits |
//! | too large, a request that can't be sent | fatal | |
//! | a body that is not what the API documents | unavailable | the usual cause is the page of a gateway in between, and the caller can change nothing |

use std::time::Duration;

use serde_json::Value;
use toolcell_contract::{Failure as Told, Outage, Problem};

use crate::{Error, Response, json, text};

/// The service a tool talks to, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service<'a> {
    /// What it is called in a sentence: `Brave Search`.
    pub name: &'a str,
    /// The name of the secret in the tool's manifest, where it needs one.
    pub secret: Option<&'a str>,
}

/// Why a tool did not do what it was asked. Each case is one of `toolcell:tool/types.failure`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Another argument may work. The tool adds pointer and expectation.
    InvalidArgument {
        /// A sentence for the caller.
        message: String,
    },
    /// The same call may work later.
    Unavailable {
        /// A sentence for the caller.
        message: String,
        /// How long to wait, in milliseconds, where the service said so. At most [`LONGEST_WAIT`].
        retry_after_ms: Option<u64>,
    },
    /// What was asked for does not exist.
    NotFound(String),
    /// It exists already, or has changed meanwhile.
    Conflict(String),
    /// The tool was refused: by the host, or by the service for want of a secret.
    Denied(String),
    /// Nothing that the caller changes will help.
    Fatal(String),
}

impl Failure {
    /// The same in the words of the contract. Where an argument is to blame it is the one at `pointer`, where `expected` should stand.
    pub fn at(self, pointer: &str, expected: &str) -> Told {
        match self {
            Self::InvalidArgument { message } => Told::InvalidArgument(Problem {
                pointer: pointer.to_owned(),
                expected: expected.to_owned(),
                found: None,
                message,
            }),
            Self::Unavailable { message, retry_after_ms } => Told::Unavailable(Outage { message, retry_after_ms }),
            Self::NotFound(message) => Told::NotFound(message),
            Self::Conflict(message) => Told::Conflict(message),
            Self::Denied(message) => Told::Denied(message),
            Self::Fatal(message) => Told::Fatal(message),
        }
    }
}

/// An argument that can't be, by the tool's own judgement: the message names its place and what should stand there.
pub fn invalid(pointer: &str, expected: &str, found: Option<&str>) -> Told {
    Told::InvalidArgument(Problem {
        pointer: pointer.to_owned(),
        expected: expected.to_owned(),
        found: found.map(|found| text::cleaned(found, LONGEST_FOUND)),
        message: format!("`{}` has to be {expected}", pointer.trim_start_matches('/').replace('/', ".")),
    })
}

/// What a response that is no success means; none for 200 to 299.
pub fn of_response(service: &Service<'_>, response: &Response) -> Option<Failure> {
    if response.is_success() {
        return None;
    }
    let status = response.status;
    let said = message_of(response).map_or_else(String::new, |message| format!(": {message}"));
    let name = service.name;
    Some(match status {
        400 | 422 => {
            Failure::InvalidArgument { message: format!("{name} did not accept the request ({status}){said}") }
        }
        401 | 403 | 407 => Failure::Denied(refusal(service, status, &said)),
        404 | 410 => Failure::NotFound(format!("{name} has nothing there ({status}){said}")),
        409 | 412 => Failure::Conflict(format!("{name} reports a conflict ({status}){said}")),
        501 | 505 => Failure::Fatal(format!("{name} does not offer what this tool asks for ({status}){said}")),
        408 | 425 | 429 | 500.. => {
            let what = if status == 429 { "asks for fewer requests" } else { "does not answer now" };
            Failure::Unavailable {
                message: format!("{name} {what} ({status}){said}"),
                retry_after_ms: retry_after_ms(response),
            }
        }
        300..400 => {
            let place = response
                .headers
                .get("location")
                .map_or_else(String::new, |at| format!(" to {}", text::cleaned(at, 200)));
            Failure::Fatal(format!("{name} redirects ({status}){place}, which this tool does not follow"))
        }
        _ => Failure::Fatal(format!("{name} does not take the request of this tool ({status}){said}")),
    })
}

/// What it means that there is no response, or none that can be understood.
pub fn of_error(service: &Service<'_>, error: &Error) -> Failure {
    match error {
        Error::Denied { .. } | Error::AddressProhibited { .. } => Failure::Denied(error.to_string()),
        Error::Dns { .. }
        | Error::Connect { .. }
        | Error::Interrupted { .. }
        | Error::Timeout { .. }
        | Error::Protocol { .. }
        | Error::Malformed(_) => Failure::Unavailable {
            message: format!("{} does not answer now: {error}", service.name),
            retry_after_ms: None,
        },
        Error::Tls { .. } | Error::TooLarge { .. } | Error::Request(_) => {
            Failure::Fatal(format!("{}: {error}", service.name))
        }
    }
}

/// How long the service asks to wait, in milliseconds: `Retry-After` as seconds, or as a date compared with the response's own `Date`,
/// because a tool has no clock of the world (RFC 9110, section 10.2.3). None where it says nothing, or nothing that can be read.
pub fn retry_after_ms(response: &Response) -> Option<u64> {
    let asked = response.headers.get("retry-after")?.trim();
    let wait = if !asked.is_empty() && asked.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are still a wait, the longest.
        asked.parse().map_or(LONGEST_WAIT, Duration::from_secs)
    } else {
        let until = httpdate::parse_http_date(asked).ok()?;
        let now = httpdate::parse_http_date(response.headers.get("date")?.trim()).ok()?;
        until.duration_since(now).unwrap_or_default()
    };
    u64::try_from(wait.min(LONGEST_WAIT).as_millis()).ok()
}

/// What the service says about it, as one clean line: from the members that APIs use for it, or a body of plain text. Other bodies (the
/// page of a gateway) say nothing to the caller.
pub fn message_of(response: &Response) -> Option<String> {
    let kind = response.headers.media_type()?;
    if kind == "text/plain" {
        return Some(text::cleaned(&response.text(), LONGEST_MESSAGE)).filter(|message| !message.is_empty());
    }
    if kind != "application/json" && !kind.ends_with("+json") {
        return None;
    }
    // Parsing costs many times the bytes; an error that long has no sentence for a reader.
    if response.body.len() > MAX_ERROR_BODY {
        return None;
    }
    let body = response.json().ok()?;
    MESSAGE_POINTERS.iter().find_map(|pointer| json::line(&body, pointer, LONGEST_MESSAGE)).or_else(|| match &body {
        Value::String(message) => Some(text::cleaned(message, LONGEST_MESSAGE)).filter(|message| !message.is_empty()),
        _ => None,
    })
}

/// The longest body that is looked through for a message, in bytes.
const MAX_ERROR_BODY: usize = 64 << 10;

/// The longest wait that is passed on: one day. Stops a service, or whoever answers for it, from parking a caller for ever.
pub const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// How much of an argument is repeated, in characters.
const LONGEST_FOUND: usize = 100;

/// How much of the service's own words is passed on, in characters.
const LONGEST_MESSAGE: usize = 300;

/// Where APIs put the sentence for a reader, the most telling first. `detail` and `title` are those of RFC 9457.
const MESSAGE_POINTERS: [&str; 11] = [
    "/error/message",
    "/error/detail",
    "/error_description",
    "/message",
    "/detail",
    "/errors/0/message",
    "/errors/0/detail",
    "/error",
    "/errors/0",
    "/title",
    "/reason",
];

fn refusal(service: &Service<'_>, status: u16, said: &str) -> String {
    let name = service.name;
    match service.secret {
        Some(secret) => format!(
            "{name} refused access ({status}){said}. It needs the secret `{secret}`: the operator has to store it and to bind it to this \
             tool in the policy, or to renew it if it is there"
        ),
        None => format!("{name} refused access ({status}){said}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Headers;

    const SERVICE: Service<'static> = Service { name: "Words", secret: Some("word-key") };

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
        let headers = Headers::new(headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())));
        Response { status, headers, body: body.as_bytes().to_vec(), truncated: false }
    }

    #[test]
    fn every_status_has_one_meaning() {
        let case = |status| match of_response(&SERVICE, &answer(status, &[], "")) {
            None => "success",
            Some(Failure::InvalidArgument { .. }) => "invalid-argument",
            Some(Failure::Unavailable { .. }) => "unavailable",
            Some(Failure::NotFound(_)) => "not-found",
            Some(Failure::Conflict(_)) => "conflict",
            Some(Failure::Denied(_)) => "denied",
            Some(Failure::Fatal(_)) => "fatal",
        };
        for (statuses, expected) in [
            (&[200, 201, 202, 204, 206, 299][..], "success"),
            (&[400, 422], "invalid-argument"),
            (&[401, 403, 407], "denied"),
            (&[404, 410], "not-found"),
            (&[409, 412], "conflict"),
            (&[408, 425, 429, 500, 502, 503, 504, 529, 599, 999], "unavailable"),
            (&[100, 301, 302, 304, 308, 402, 405, 413, 415, 418, 501, 505], "fatal"),
        ] {
            for status in statuses {
                assert_eq!(case(*status), expected, "{status}");
            }
        }
    }

    #[test]
    fn an_argument_that_cannot_be_is_told_with_its_place() {
        let Told::InvalidArgument(problem) = invalid("/filters/0/test", "a test", Some(&"x\n".repeat(500))) else {
            panic!("no invalid argument")
        };
        assert_eq!(problem.message, "`filters.0.test` has to be a test");
        assert_eq!(problem.found.map(|found| found.chars().count()), Some(LONGEST_FOUND));
        let refused = Failure::InvalidArgument { message: "no".to_owned() }.at("/query", "a query");
        let expected = Problem {
            pointer: "/query".to_owned(),
            expected: "a query".to_owned(),
            found: None,
            message: "no".to_owned(),
        };
        assert_eq!(refused, Told::InvalidArgument(expected));
        let later =
            Failure::Unavailable { message: "later".to_owned(), retry_after_ms: Some(7) }.at("/query", "a query");
        assert_eq!(later, Told::Unavailable(Outage { message: "later".to_owned(), retry_after_ms: Some(7) }));
    }

    #[test]
    fn a_refusal_names_the_secret_and_what_the_service_said() {
        let response =
            answer(401, &[("content-type", "application/json")], r#"{"error": {"message": "bad\nkey\u001b[0m"}}"#);
        let Some(Failure::Denied(message)) = of_response(&SERVICE, &response) else { panic!("not denied") };
        assert!(
            message.starts_with("Words refused access (401): bad key [0m. It needs the secret `word-key`"),
            "{message}"
        );
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let wait = |headers: &[(&str, &str)]| retry_after_ms(&answer(429, headers, ""));
        assert_eq!(wait(&[("Retry-After", " 7 ")]), Some(7_000));
        assert_eq!(wait(&[("retry-after", "0")]), Some(0));
        let date = "Wed, 21 Oct 2015 07:28:00 GMT";
        let later = "Wed, 21 Oct 2015 07:28:30 GMT";
        assert_eq!(wait(&[("retry-after", later), ("date", date)]), Some(30_000));
        assert_eq!(wait(&[("retry-after", date), ("date", later)]), Some(0));
        assert_eq!(wait(&[("retry-after", later)]), None);
        assert_eq!(wait(&[("retry-after", "99999999999999999999999")]), Some(86_400_000));
        for nonsense in ["", "soon", "-1", "1.5", "7 s"] {
            assert_eq!(wait(&[("retry-after", nonsense), ("date", date)]), None, "{nonsense:?}");
        }
        assert_eq!(wait(&[]), None);
    }

    #[test]
    fn the_words_of_the_service_are_found_bounded_and_clean() {
        let said = |kind: &str, body: &str| message_of(&answer(400, &[("content-type", kind)], body));
        let json = "application/json; charset=utf-8";
        assert_eq!(said(json, r#"{"message": "a", "error": "b"}"#).as_deref(), Some("a"));
        assert_eq!(said("application/problem+json", r#"{"title": "t", "detail": "d"}"#).as_deref(), Some("d"));
        assert_eq!(said(json, r#"{"error": "b"}"#).as_deref(), Some("b"));
        assert_eq!(said(json, r#"{"errors": [{"message": "c"}]}"#).as_deref(), Some("c"));
        assert_eq!(said(json, r#""plain""#).as_deref(), Some("plain"));
        assert_eq!(said("text/plain", " no \n way ").as_deref(), Some("no way"));
        for (kind, body) in
            [(json, "{"), (json, r#"{"message": 1}"#), ("text/html", "<h1>Bad gateway</h1>"), ("text/plain", "\n")]
        {
            assert_eq!(said(kind, body), None, "{body}");
        }
        let long = said("text/plain", &"x".repeat(100_000)).unwrap();
        assert_eq!(long.chars().count(), LONGEST_MESSAGE);
    }

    #[test]
    fn errors_of_the_way_are_told_from_refusals() {
        let origin = || "https://example.com".to_owned();
        let denied = Error::Denied { origin: origin(), method: "GET".to_owned() };
        let Failure::Denied(message) = of_error(&SERVICE, &denied) else { panic!("not denied") };
        assert!(message.contains(r#"network = [{ url = "https://example.com/", methods = ["GET"] }]"#), "{message}");
        for error in [Error::Connect { origin: origin() }, Error::Malformed("x".to_owned())] {
            assert!(matches!(of_error(&SERVICE, &error), Failure::Unavailable { retry_after_ms: None, .. }), "{error}");
        }
        for error in [
            Error::Tls { origin: origin(), detail: "expired".to_owned() },
            Error::TooLarge { what: "body of the response", limit: Some(5) },
        ] {
            assert!(matches!(of_error(&SERVICE, &error), Failure::Fatal(_)), "{error}");
        }
    }
}
