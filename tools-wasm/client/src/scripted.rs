//! A transport for native tests that answers from a script: the `upstream` member of a test case, the same that the test runner
//! serves from a real socket. Not in components.
//!
//! ```json
//! { "https://example.com": [ { "when": { "method": "GET", "path": "/a?b=c" },
//!                              "respond": { "status": 200, "headers": { "content-type": "text/html" }, "body": "…" },
//!                              "expect": { "header": { "accept": "text/html" }, "body": { "a": 1 } } } ] }
//! ```
//!
//! Each key is an origin. The first entry whose `when` holds answers; `method` and `path` (with its query) are optional there. `body` of
//! `respond` is a text, or another JSON value that is sent as its text; `body-file` is a file below the tool's folder instead. `expect` checks
//! what was sent: headers by lower-case name, and the body as a text or as JSON. A request that nothing is written for gets 599, and one
//! that `expect` does not hold for gets 598; both are noted in [`Script::problems`].

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{Error, Excess, Headers, Limits, Request, Response, Transport};

/// Answers from a script.
#[derive(Debug)]
pub struct Script {
    upstream: Value,
    folder: PathBuf,
    requests: RefCell<Vec<Request>>,
    problems: RefCell<Vec<String>>,
}

impl Script {
    /// From the `upstream` member of a case; `folder` is the tool's, for `body-file`.
    pub fn new(upstream: Value, folder: impl AsRef<Path>) -> Self {
        let folder = folder.as_ref().to_owned();
        Self { upstream, folder, requests: RefCell::default(), problems: RefCell::default() }
    }

    /// From one origin with one answer for everything.
    pub fn answering(origin: &str, respond: &Value) -> Self {
        Self::new(serde_json::json!({ origin: [{ "when": {}, "respond": respond }] }), ".")
    }

    /// The requests so far, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.borrow().clone()
    }

    /// What was sent that the script does not foresee.
    pub fn problems(&self) -> Vec<String> {
        self.problems.borrow().clone()
    }

    fn answer(&self, request: &Request) -> Result<Response, Error> {
        let path = request.target()?.path.into_owned();
        let unforeseen = |status: u16, why: String| {
            self.problems.borrow_mut().push(format!("{} {}{path}: {why}", request.method, request.origin()));
            Ok(Response { status, headers: Headers::default(), body: Vec::new(), truncated: false })
        };
        // An origin that the script does not name is one that the policy of the case does not grant.
        let Some(entries) = self.upstream.get(request.origin()).and_then(Value::as_array) else {
            return Err(Error::Denied { origin: request.origin(), method: request.method.to_string() });
        };
        let holds = |entry: &&Value| {
            let when = |name: &str, is: &str| entry["when"].get(name).is_none_or(|wanted| wanted == is);
            when("method", request.method.as_str()) && when("path", &path)
        };
        let Some(entry) = entries.iter().find(holds) else {
            return unforeseen(599, "nothing is written for it".to_owned());
        };
        if let Some(why) = entry.get("expect").and_then(|expected| unexpected(expected, request)) {
            return unforeseen(598, why);
        }
        let respond = &entry["respond"];
        let status = respond["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(200);
        let headers = respond["headers"].as_object().into_iter().flatten();
        let headers = Headers::new(
            headers.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().as_bytes().to_vec())),
        );
        let body = match (&respond["body"], respond["body-file"].as_str()) {
            (_, Some(file)) => match std::fs::read(self.folder.join(file)) {
                Ok(body) => body,
                Err(error) => return unforeseen(597, format!("{file} can't be read: {error}")),
            },
            (Value::String(text), None) => text.clone().into_bytes(),
            (Value::Null, None) => Vec::new(),
            (value, None) => value.to_string().into_bytes(),
        };
        Ok(Response { status, headers, body, truncated: false })
    }
}

impl Transport for Script {
    fn send(&self, request: &Request, limits: &Limits) -> Result<Response, Error> {
        self.requests.borrow_mut().push(request.clone());
        let mut response = self.answer(request)?;
        if request.method == crate::Method::Head {
            response.body.clear();
        }
        if response.body.len() > limits.body {
            if limits.excess == Excess::Refuse {
                return Err(Error::TooLarge { what: "body of the response", limit: Some(limits.body as u64) });
            }
            response.body.truncate(limits.body);
            response.truncated = true;
        }
        Ok(response)
    }
}

/// What of `expect` a request does not meet.
fn unexpected(expected: &Value, request: &Request) -> Option<String> {
    for (name, value) in expected["header"].as_object().into_iter().flatten() {
        let sent =
            request.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
        if sent != value.as_str() {
            return Some(format!("header {name} is {sent:?}, expected {value}"));
        }
    }
    let body = expected.get("body")?;
    let sent = String::from_utf8_lossy(&request.body);
    let same = match body {
        Value::String(text) => *text == sent,
        value => serde_json::from_str::<Value>(&sent).is_ok_and(|sent| sent == *value),
    };
    (!same).then(|| format!("the body is {sent:?}, expected {body}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn script() -> Script {
        Script::new(
            json!({ "https://example.com": [
                { "when": { "method": "GET", "path": "/a?b=c" }, "respond": { "status": 404, "body": "none" } },
                { "when": { "method": "POST" }, "expect": { "header": { "x": "y" }, "body": { "n": 1 } }, "respond": { "body": [1] } },
            ] }),
            ".",
        )
    }

    #[test]
    fn the_first_entry_that_holds_answers() {
        let script = script();
        let response = script.send(&Request::get("https://example.com/a").query("b", "c"), &Limits::default()).unwrap();
        assert_eq!((response.status, &*response.text()), (404, "none"));
        let post = Request::post("https://example.com/z").header("X", "y").json(&json!({ "n": 1 }));
        assert_eq!(script.send(&post, &Limits::default()).unwrap().body, b"[1]");
        assert!(script.problems().is_empty());
        assert_eq!(script.requests().len(), 2);
    }

    #[test]
    fn what_is_not_foreseen_is_noted() {
        let script = script();
        let status = |request: Request| script.send(&request, &Limits::default()).unwrap().status;
        assert_eq!(status(Request::get("https://example.com/b")), 599);
        assert_eq!(status(Request::post("https://example.com/").header("x", "z")), 598);
        assert_eq!(status(Request::post("https://example.com/").header("x", "y").body("{}")), 598);
        assert_eq!(script.problems().len(), 3);
        let elsewhere = script.send(&Request::get("https://other.example/"), &Limits::default());
        assert!(matches!(elsewhere, Err(Error::Denied { .. })));
    }

    #[test]
    fn limits_hold_here_as_they_do_in_a_component() {
        let script = Script::answering("https://example.com", &json!({ "body": "12345" }));
        let send = |body, excess| {
            script.send(&Request::get("https://example.com/"), &Limits { body, excess, ..Limits::default() })
        };
        assert!(matches!(send(4, Excess::Refuse), Err(Error::TooLarge { limit: Some(4), .. })));
        let cut = send(4, Excess::Cut).unwrap();
        assert_eq!((cut.body.as_slice(), cut.truncated), (&b"1234"[..], true));
        assert!(!send(5, Excess::Cut).unwrap().truncated);
    }
}
