//! Owns the way to the final answer: redirects of `GET` and `HEAD`, each hop a request of its own that the host checks anew.
//!
//! A redirect that is not followed is handed back as the answer it is: one too many, one without a usable `Location`, one from
//! https to http, and any that answers another method.

use toolcell_client::{Limits, Method, Request, Response, Transport};
use url::Url;

use crate::ask::Refusal;

/// An answer and where it came from.
#[derive(Debug)]
pub struct Answer {
    /// The URL after all redirects that were followed.
    pub url: Url,
    /// What came from there.
    pub response: Response,
}

/// Sends a request and follows up to `most` redirects.
pub fn follow(
    transport: &impl Transport,
    mut request: Request,
    mut url: Url,
    limits: &Limits,
    most: u32,
) -> Result<Answer, Refusal> {
    for hop in 0.. {
        let response = transport.send(&request, limits).map_err(|error| Refusal::of_error(&url, &error))?;
        let next = if hop < most { next(&request, &url, &response) } else { None };
        let Some(next) = next else { return Ok(Answer { url, response }) };
        if next.origin() != url.origin() {
            // What the caller meant for one server is not told to another.
            request.headers.retain(|(name, _)| KEPT.contains(&name.to_ascii_lowercase().as_str()));
        }
        next.as_str().clone_into(&mut request.url);
        url = next;
    }
    unreachable!("the loop ends at the last hop allowed")
}

/// Headers that go along to another origin: they say what form of answer is wanted, and nothing about the caller.
const KEPT: [&str; 3] = ["accept", "accept-language", "user-agent"];

fn next(request: &Request, url: &Url, response: &Response) -> Option<Url> {
    if !matches!(request.method, Method::Get | Method::Head) || !matches!(response.status, 301 | 302 | 303 | 307 | 308)
    {
        return None;
    }
    let place = url.join(response.headers.get("location")?.trim()).ok()?;
    let place = crate::ask::url(place.as_str()).ok()?;
    (place.scheme() == "https" || url.scheme() == "http").then_some(place)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use toolcell_client::scripted::Script;

    use super::*;

    fn follow_from(upstream: serde_json::Value, most: u32) -> (Answer, Vec<Request>) {
        let script = Script::new(upstream, ".");
        let url = crate::ask::url("https://a.example/1").unwrap();
        let request = Request::get(url.as_str()).header("x-key", "k").header("accept", "text/html");
        let answer = follow(&script, request, url, &Limits::default(), most).unwrap();
        (answer, script.requests())
    }

    fn to(place: &str) -> serde_json::Value {
        json!({ "status": 302, "headers": { "location": place } })
    }

    #[test]
    fn headers_of_the_caller_stay_with_their_origin() {
        let (answer, requests) = follow_from(
            json!({
                "https://a.example": [
                    { "when": { "path": "/1" }, "respond": to("/2?x=1#f") },
                    { "when": { "path": "/2?x=1" }, "respond": to("https://b.example/3") },
                ],
                "https://b.example": [{ "when": { "path": "/3" }, "respond": { "status": 200, "body": "end" } }],
            }),
            5,
        );
        assert_eq!((answer.url.as_str(), answer.response.status), ("https://b.example/3", 200));
        let has_key = |request: &Request| request.headers.iter().any(|(name, _)| name == "x-key");
        assert_eq!(requests.iter().map(has_key).collect::<Vec<_>>(), [true, true, false]);
        assert!(requests[2].headers.iter().any(|(name, _)| name == "accept"));
    }

    #[test]
    fn a_redirect_that_is_not_followed_is_the_answer() {
        for place in ["http://a.example/2", "https://u:p@a.example/", "ftp://a.example/", "https://[", ""] {
            // An empty `Location` is the same place again, which ends at the last hop.
            let (answer, _) = follow_from(json!({ "https://a.example": [{ "when": {}, "respond": to(place) }] }), 3);
            assert_eq!(answer.response.status, 302, "{place}");
        }
    }

    #[test]
    fn a_circle_ends() {
        let circle = || json!({ "https://a.example": [{ "when": {}, "respond": to("/1") }] });
        assert_eq!(follow_from(circle(), 5).1.len(), 6);
        assert_eq!(follow_from(circle(), 0).1.len(), 1);
    }
}
