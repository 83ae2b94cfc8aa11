//! Owns what is asked: the rules for a question and the one request it makes. The two APIs name the same things differently: `i` and
//! `input` for the question, `imperial` and `nonmetric` for the units.

use toolcell_client::contract::Failure;
use toolcell_client::{Request, failure::invalid};

use crate::bindings::Units;

/// The longest question, in characters. What the service understands is far shorter; this bounds the address.
const LONGEST_QUESTION: usize = 500;
/// The most parts that one call may name.
const MOST_PODS: usize = 16;
/// The longest id of a part, in bytes.
const LONGEST_POD: usize = 80;

/// The request for a short answer, without its key.
pub(crate) fn short(question: &str, units: Option<Units>) -> Result<Request, Failure> {
    let request = Request::get("https://api.wolframalpha.com/v1/result").query("i", checked(question)?);
    Ok(match units {
        None => request,
        Some(Units::Metric) => request.query("units", "metric"),
        Some(Units::Imperial) => request.query("units", "imperial"),
    })
}

/// The request for a full result, without its key.
pub(crate) fn full(question: &str, units: Option<Units>, pods: &[String]) -> Result<Request, Failure> {
    let mut request = Request::get("https://api.wolframalpha.com/v2/query")
        .header("accept", "application/json")
        .query("input", checked(question)?)
        .query("output", "json")
        .query("format", "plaintext");
    request = match units {
        None => request,
        Some(Units::Metric) => request.query("units", "metric"),
        Some(Units::Imperial) => request.query("units", "nonmetric"),
    };
    if pods.len() > MOST_PODS {
        return Err(invalid(&format!("/pods/{MOST_PODS}"), &format!("one of at most {MOST_PODS} ids"), None));
    }
    for (at, pod) in pods.iter().enumerate() {
        let is_id = |byte: u8| byte.is_ascii_alphanumeric() || b":_-. ".contains(&byte);
        if pod.trim().is_empty() || pod.len() > LONGEST_POD || !pod.bytes().all(is_id) {
            return Err(invalid(&format!("/pods/{at}"), "the id of a part, such as Result", Some(pod)));
        }
        request = request.query("includepodid", pod.trim());
    }
    Ok(request)
}

fn checked(question: &str) -> Result<&str, Failure> {
    let question = question.trim();
    if question.is_empty() || question.chars().nth(LONGEST_QUESTION).is_some() {
        return Err(invalid("/question", &format!("1 to {LONGEST_QUESTION} characters"), None));
    }
    Ok(question)
}
