//! Owns the failures: what the refusals of the two APIs mean for the caller. The short one says 501 where it has no answer, the full one
//! says 200 with `success: false`, or with an `error` that has a number.

use serde_json::Value;
use toolcell_client::contract::{Failure, Outage};
use toolcell_client::{Error, Response, Service, failure, json};

/// Whom this tool talks to.
const SERVICE: Service<'static> = Service { name: "Wolfram|Alpha", secret: Some("wolfram-appid") };
/// What should stand where a refusal is about an argument.
const EXPECTED: &str = "a question that Wolfram|Alpha takes";

/// What a short answer that is none means; none for an answer.
pub(crate) fn of_short(response: &Response) -> Option<Failure> {
    if response.status == 501 {
        let said = failure::message_of(response).unwrap_or_else(|| "no short answer available".to_owned());
        return Some(Failure::NotFound(format!(
            "Wolfram|Alpha has no short answer: {said}. Put the question in fewer and plainer words, or use `query`"
        )));
    }
    of_response(response)
}

/// What a response that is no success means; none for a success.
pub(crate) fn of_response(response: &Response) -> Option<Failure> {
    failure::of_response(&SERVICE, response).map(|failure| failure.at("/question", EXPECTED))
}

/// What a full result without parts means; none for one that has succeeded.
pub(crate) fn of_result(body: &Value) -> Option<Failure> {
    let result = body.get("queryresult")?;
    if let Some(error) = result.get("error").filter(|error| error.is_object()) {
        let message = json::line(error, "/msg", 300).unwrap_or_else(|| "no reason given".to_owned());
        // 1 is an AppID that is not valid, 2 one that is missing; the number comes as a text, too.
        let number = error.get("code").and_then(|code| code.as_u64().or_else(|| code.as_str()?.parse().ok()));
        return Some(match number {
            Some(1 | 2) => Failure::Denied(format!(
                "Wolfram|Alpha refused access: {message}. It needs the secret `wolfram-appid`: the operator has to store it and to bind it \
                 to this tool in the policy, or to renew it if it is there"
            )),
            _ => Failure::Unavailable(Outage {
                message: format!("Wolfram|Alpha could not compute this now: {message}"),
                retry_after_ms: None,
            }),
        });
    }
    (result.get("success") == Some(&Value::Bool(false))).then(|| {
        let instead = suggestions(result);
        let instead =
            if instead.is_empty() { String::new() } else { format!(" It would understand: {}", instead.join("; ")) };
        Failure::NotFound(format!("Wolfram|Alpha did not understand the question.{instead}"))
    })
}

/// What it means that there is no response, or none that can be understood.
pub(crate) fn of_error(error: &Error) -> Failure {
    failure::of_error(&SERVICE, error).at("", EXPECTED)
}

/// What the service proposes instead: one object, or a list of them.
fn suggestions(result: &Value) -> Vec<String> {
    let proposed = match result.get("didyoumeans") {
        Some(Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    proposed.iter().filter_map(|proposal| json::line(proposal, "/val", 200)).take(5).collect()
}
