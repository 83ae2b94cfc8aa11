//! Owns the failures: what PostgREST's refusals mean for the caller. A refusal is JSON with `code`, `message`, `details` and
//! `hint`; the code is PostgREST's own (`PGRST…`) or PostgreSQL's SQLSTATE. Names and values in PostgreSQL's messages say which
//! argument one is about.

use serde_json::Value;
use toolcell_client::contract::{Failure, Outage, Problem, Question};
use toolcell_client::{Error, Response, Service, failure, json, text};

use crate::ask::{Ask, Effect};

/// Whom this tool talks to.
const SERVICE: Service<'static> = Service { name: "The database's server", secret: Some("postgrest-key") };
/// What should stand where a refusal is about an argument.
const EXPECTED: &str = "what the database takes";

impl Ask {
    /// What a response that is no success means; none for a success.
    pub(crate) fn of_response(&self, response: &Response) -> Option<Failure> {
        let refused = failure::of_response(&SERVICE, response)?;
        let body = response.json().unwrap_or_default();
        let code = json::line(&body, "/code", 20).unwrap_or_default();
        let said = sentence(&body, &code);
        Some(match (response.status, code.as_str()) {
            (401, _) | (403, "42501") => Failure::Denied(format!(
                "The database refused: {said}. The role behind the secret `postgrest-key` has no right to this, or the operator \
                 has not bound the secret to this tool"
            )),
            (404, "PGRST205" | "42P01") => Failure::NotFound(format!("The database has no such table or view: {said}")),
            (404, "PGRST202" | "42883") => Failure::NotFound(format!("The database has no such function: {said}")),
            (_, "PGRST103") => self.refused("/offset", "an offset that is not beyond the last row", &said),
            (_, "PGRST124") => self.refused(
                "/filters",
                "conditions that match no more rows than `at_most`; nothing was changed",
                &said,
            ),
            (_, "PGRST102" | "PGRST204" | "23502" | "23514") => self.refused(self.body, "what the table takes", &said),
            (409, _) | (_, "23503" | "23505" | "23P01") => {
                Failure::Conflict(format!("The database reports a conflict: {said}"))
            }
            // A transaction that lost against another one, and one that took too long: both were rolled back.
            (_, "40001" | "40P01" | "55P03") => later(format!("The database could not do this now: {said}"), response),
            (_, "57014") => {
                later(format!("The database gave up because it took too long: {said}. Ask for less"), response)
            }
            (400 | 406 | 416 | 422, _) if !code.is_empty() => {
                // PostgREST's own messages quote the query as a whole, in words that a column may be called by.
                let text = json::text(&body, "/message").filter(|_| !code.starts_with("PGRST"));
                let pointer = text.and_then(|text| self.pointed(text)).unwrap_or(self.body);
                self.refused(pointer, EXPECTED, &said)
            }
            _ => match refused.at(self.body, EXPECTED) {
                // The gateway in between does not know how far the database came.
                Failure::Unavailable(outage)
                    if self.effect == Effect::Writes && matches!(response.status, 500 | 502 | 504) =>
                {
                    let message = format!("{}. The change may have been made all the same", outage.message);
                    Failure::Unavailable(Outage { message, ..outage })
                }
                failure => failure,
            },
        })
    }

    /// What it means that there is no response, or none that can be understood.
    pub(crate) fn of_error(&self, error: &Error) -> Failure {
        let may_have_happened = matches!(
            error,
            Error::Interrupted { .. }
                | Error::Timeout { .. }
                | Error::Protocol { .. }
                | Error::Malformed(_)
                | Error::TooLarge { limit: Some(_), .. }
        );
        if self.effect == Effect::Writes && may_have_happened {
            return Failure::NeedsPerson(Question {
                text: format!(
                    "It is not known whether the database was changed ({error}). Has it been, or should it be tried again?"
                ),
                choices: vec!["It was changed".to_owned(), "Try it again".to_owned(), "Leave it".to_owned()],
            });
        }
        match error {
            Error::TooLarge { .. } => self.refused("/limit", "fewer rows or columns", &error.to_string()),
            _ => failure::of_error(&SERVICE, error).at("", EXPECTED),
        }
    }

    fn refused(&self, pointer: &str, expected: &str, said: &str) -> Failure {
        Failure::InvalidArgument(Problem {
            pointer: pointer.to_owned(),
            expected: expected.to_owned(),
            found: self.named.iter().find(|(other, _)| other == pointer).map(|(_, found)| text::cleaned(found, 100)),
            message: format!("The database did not accept the request: {said}"),
        })
    }

    /// The argument that a message of PostgreSQL is about: the column that does not exist, or the value in double quotes.
    fn pointed(&self, message: &str) -> Option<&str> {
        let missing = message.split_once("column ").and_then(|(_, rest)| rest.split_once(" does not exist"));
        let found = match missing {
            // `orders.nme`, `"orders.nme"` or `nme`; a path's column is what stands before its arrows.
            Some((name, _)) => self.named.iter().find(|(pointer, text)| {
                let column = text.split("->").next().unwrap_or_default();
                !pointer.contains("/test/")
                    && name.rsplit('.').next().map(|last| last.trim_matches('"')) == Some(column)
            }),
            None => self.named.iter().find(|(pointer, text)| {
                pointer.contains("/test/") && !text.is_empty() && message.contains(&format!("\"{text}\""))
            }),
        };
        found.map(|(pointer, _)| pointer.as_str())
    }
}

/// What the server says, as one line: message and code, then details and hint where there are some.
fn sentence(body: &Value, code: &str) -> String {
    let message = json::line(body, "/message", 300).unwrap_or_else(|| "no reason given".to_owned());
    let mut sentence = if code.is_empty() { message } else { format!("{message} ({code})") };
    for pointer in ["/details", "/hint"] {
        if let Some(more) = json::line(body, pointer, 300) {
            sentence.push_str(". ");
            sentence.push_str(more.trim_end_matches('.'));
        }
    }
    sentence
}

fn later(message: String, response: &Response) -> Failure {
    Failure::Unavailable(Outage { message, retry_after_ms: failure::retry_after_ms(response) })
}

#[cfg(test)]
mod tests {
    use toolcell_client::{Method, Request};

    use super::*;

    #[test]
    fn messages_of_the_database_point_at_the_argument_they_are_about() {
        let named = [
            ("/columns/0", "column"),
            ("/columns/1", "data->>city"),
            ("/filters/0/column", "nme"),
            ("/filters/0/test/eq", "1"),
            ("/filters/1/test/in", "forty-two"),
        ];
        let ask = Ask {
            request: Request::new(Method::Get, "https://a.example/t"),
            named: named.map(|(pointer, text)| (pointer.to_owned(), text.to_owned())).into(),
            body: "",
            effect: Effect::Reads,
        };
        for (message, pointer) in [
            ("column orders.nme does not exist", Some("/filters/0/column")),
            ("column \"nme\" does not exist", Some("/filters/0/column")),
            ("column orders.data does not exist", Some("/columns/1")),
            ("column orders.column does not exist", Some("/columns/0")),
            ("column orders.other does not exist", None),
            ("invalid input syntax for type integer: \"forty-two\"", Some("/filters/1/test/in")),
            ("invalid input syntax for type date: \"1\"", Some("/filters/0/test/eq")),
            ("there is 1 column too many", None),
            ("", None),
        ] {
            assert_eq!(ask.pointed(message), pointer, "{message}");
        }
    }
}
