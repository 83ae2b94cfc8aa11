//! Owns the failures that both services share, above all the one that matters for messages: whether a call that failed has posted. What
//! certainly did not happen may be tried again; where nobody knows, a person is asked, because a second message cannot be taken back.

use toolcell_client::contract::{Failure, Outage, Question};
use toolcell_client::{Error, Response, Service, failure};

/// One of the two services.
pub(crate) struct Api {
    /// Its name and the secret it needs.
    pub(crate) service: Service<'static>,
}

impl Api {
    /// What a response that is no success means; none for a success. `pointer` is the argument that a 400 is about.
    pub(crate) fn of_response(&self, response: &Response, pointer: &str) -> Option<Failure> {
        let refused = failure::of_response(&self.service, response)?;
        Some(match self.convert(refused, pointer) {
            Failure::Unavailable(outage) if matches!(response.status, 500 | 502 | 504) => {
                let message = format!("{}. The message may have been posted all the same", outage.message);
                Failure::Unavailable(Outage { message, ..outage })
            }
            failure => failure,
        })
    }

    /// What it means that there is no response, or none that can be understood.
    pub(crate) fn of_error(&self, error: &Error) -> Failure {
        match error {
            // The request may have arrived before the connection or the answer was lost.
            Error::Interrupted { .. } | Error::Timeout { .. } | Error::Protocol { .. } | Error::Malformed(_) => {
                self.unknown(&error.to_string())
            }
            // The answer was too long to be one that this tool knows.
            Error::TooLarge { limit: Some(_), .. } => self.unknown(&error.to_string()),
            _ => self.convert(failure::of_error(&self.service, error), ""),
        }
    }

    /// Nobody knows whether the message was posted.
    pub(crate) fn unknown(&self, why: &str) -> Failure {
        let name = self.service.name;
        Failure::NeedsPerson(Question {
            text: format!(
                "It is not known whether {name} has posted the message ({why}). Is it there, or should it be sent again?"
            ),
            choices: vec!["It is there".to_owned(), "Send it again".to_owned(), "Leave it".to_owned()],
        })
    }

    /// The service refused for want of a token that it accepts.
    pub(crate) fn wants_token(&self, why: &str) -> Failure {
        let Service { name, secret } = self.service;
        let secret = secret.unwrap_or("token");
        Failure::Denied(format!(
            "{name} refused access ({why}). It needs the secret `{secret}`: the operator has to store it and to bind it to this tool in \
             the policy, or to renew it if it is there"
        ))
    }

    fn convert(&self, failure: failure::Failure, pointer: &str) -> Failure {
        failure.at(pointer, &format!("what {} takes", self.service.name))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const API: Api = Api { service: Service { name: "Slack", secret: Some("slack-token") } };

    #[test]
    fn what_may_have_been_posted_is_asked_and_what_was_not_is_retried() {
        let origin = || "https://slack.com".to_owned();
        for error in [
            Error::Timeout { origin: origin(), after: Duration::from_secs(20) },
            Error::Interrupted { origin: origin() },
            Error::Protocol { origin: origin(), detail: "x".to_owned() },
            Error::Malformed("x".to_owned()),
            Error::TooLarge { what: "body of the response", limit: Some(5) },
        ] {
            assert!(matches!(API.of_error(&error), Failure::NeedsPerson(_)), "{error}");
        }
        for error in [Error::Connect { origin: origin() }, Error::Dns { origin: origin(), detail: String::new() }] {
            assert!(matches!(API.of_error(&error), Failure::Unavailable(_)), "{error}");
        }
        let denied = Error::Denied { origin: origin(), method: "POST".to_owned() };
        assert!(matches!(API.of_error(&denied), Failure::Denied(_)));
    }
}
