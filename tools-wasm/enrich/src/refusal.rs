//! Owns the failures: what the API's refusals mean for the caller. 202 is one of them: the service looks for somebody it has not looked for
//! before, and has nothing yet.

use toolcell_client::contract::{Failure, Outage};
use toolcell_client::{Error, Response, Service, failure};

use crate::subject::Subject;

/// Whom this tool talks to.
const SERVICE: Service<'static> = Service { name: "Clearbit", secret: Some("clearbit-key") };
/// What should stand where a refusal is about an argument.
const EXPECTED: &str = "what Clearbit can look up";
/// How long a first lookup takes, in milliseconds, where the service does not say: five to ten seconds by its own account.
const FIRST_LOOKUP_MS: u64 = 10_000;

/// What a response without an answer means; none for an answer.
pub(crate) fn of_response(response: &Response, subject: &Subject) -> Option<Failure> {
    let said = failure::message_of(response).map_or_else(String::new, |said| format!(": {said}"));
    match response.status {
        202 => Some(Failure::Unavailable(Outage {
            message: format!("Clearbit looks up {} for the first time and has no answer yet (202)", subject.as_str()),
            retry_after_ms: Some(failure::retry_after_ms(response).unwrap_or(FIRST_LOOKUP_MS)),
        })),
        402 => Some(Failure::Denied(format!(
            "Clearbit refused (402){said}: the plan behind the secret `clearbit-key` is used up or has ended; the operator has to see to it"
        ))),
        404 => Some(Failure::NotFound(format!("Clearbit knows nothing of {} (404){said}", subject.as_str()))),
        _ => failure::of_response(&SERVICE, response).map(|failure| failure.at(subject.pointer(), EXPECTED)),
    }
}

/// What it means that there is no response, or none that can be understood.
pub(crate) fn of_error(error: &Error) -> Failure {
    failure::of_error(&SERVICE, error).at("", EXPECTED)
}

#[cfg(test)]
mod tests {
    use toolcell_client::Headers;

    use super::*;

    #[test]
    fn a_first_lookup_says_when_to_come_back() {
        let wait = |headers: &[(&str, &str)]| {
            let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
            let response = Response { status: 202, headers: Headers::new(headers), body: Vec::new(), truncated: false };
            match of_response(&response, &Subject::domain("example.com").unwrap()) {
                Some(Failure::Unavailable(outage)) => outage.retry_after_ms,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(wait(&[]), Some(10_000));
        assert_eq!(wait(&[("Retry-After", "3")]), Some(3_000));
    }
}
