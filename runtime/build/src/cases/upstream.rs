//! What answers a case's requests: for each origin, the requests that are foreseen and the answers to them.
//!
//! Reads and decides; it opens no socket. Whoever runs the case listens in the place of the origin, asks
//! [`Upstream::answer`] about each request and sends what it gets, so that the format means the same to every runner.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::path::{Component, Path, PathBuf};

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use toolcell_core::net::{Destination, HostPattern};

/// One origin, and what is said there.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// Such as `https://api.example.com`, without a trailing slash.
    pub origin: String,
    /// In the order in which they are tried. Each may answer any number of times.
    pub exchanges: Vec<Exchange>,
}

/// A request that is foreseen, and its answer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Exchange {
    /// Which requests it is for.
    when: When,
    /// What such a request has to hold besides.
    #[serde(default)]
    expect: Sent,
    respond: Answer,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct When {
    method: Option<String>,
    /// With its query, exactly.
    path: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Sent {
    /// By names in lower case.
    #[serde(default, deserialize_with = "once_each")]
    header: BTreeMap<String, String>,
    /// A text is the body itself; another value is what the body means as JSON.
    body: Option<Value>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Answer {
    /// From 200 to 599.
    #[serde(default = "ok")]
    pub status: u16,
    /// By name.
    #[serde(default, deserialize_with = "once_each")]
    pub headers: BTreeMap<String, String>,
    body: Option<Value>,
    body_file: Option<PathBuf>,
}

/// A request as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// In upper case.
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// Names in lower case.
    pub headers: &'a [(String, String)],
    /// The whole of it.
    pub body: &'a [u8],
}

impl Upstream {
    /// The answer to a request: of the first exchange that is for its method and path.
    ///
    /// # Errors
    /// A sentence that says what was sent and is not foreseen; the case does not hold then.
    pub fn answer(&self, request: Request<'_>) -> Result<&Answer, String> {
        let Request { method, target, .. } = request;
        let is = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        let fits = |exchange: &&Exchange| is(&exchange.when.method, method) && is(&exchange.when.path, target);
        let place = |problem: String| format!("{method} {}{target}: {problem}", self.origin);
        match self.exchanges.iter().find(fits) {
            None => Err(place("no exchange of the case is for it".to_owned())),
            Some(exchange) => exchange.expect.met(request).map(|()| &exchange.respond).map_err(place),
        }
    }
}

impl Answer {
    /// The body's bytes. `folder` is the tool's.
    ///
    /// # Errors
    /// Where `body-file` cannot be read.
    pub fn body(&self, folder: &Path) -> io::Result<Vec<u8>> {
        match (&self.body, &self.body_file) {
            (_, Some(file)) => std::fs::read(folder.join(file)),
            (Some(Value::String(text)), None) => Ok(text.clone().into_bytes()),
            (Some(value), None) => Ok(value.to_string().into_bytes()),
            (None, None) => Ok(Vec::new()),
        }
    }
}

impl Sent {
    fn met(&self, request: Request<'_>) -> Result<(), String> {
        for (name, wanted) in &self.header {
            let sent = request.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value);
            if sent != Some(wanted) {
                return Err(format!("the header {name} is {sent:?}, and the case expects {wanted:?}"));
            }
        }
        let same = match &self.body {
            None => true,
            Some(Value::String(text)) => text.as_bytes() == request.body,
            Some(value) => serde_json::from_slice::<Value>(request.body).is_ok_and(|sent| sent == *value),
        };
        let sent = || String::from_utf8_lossy(&request.body[..request.body.len().min(MAX_SHOWN)]).into_owned();
        if same { Ok(()) } else { Err(format!("the body is {:?}, and the case expects another", sent())) }
    }
}

/// How much of a body that was not expected is shown, in bytes.
const MAX_SHOWN: usize = 1_000;

/// The upstreams of a case as written.
///
/// # Errors
/// A sentence about the first thing that cannot be.
pub(super) fn check(written: BTreeMap<String, Vec<Exchange>>) -> Result<Vec<Upstream>, String> {
    let mut upstreams = Vec::with_capacity(written.len());
    for (origin, exchanges) in written {
        let whole = format!("{origin}/").parse::<Destination>();
        // A path would be part of no origin, and another spelling of one would be served beside it.
        let one_host = |to: &Destination| {
            matches!(to.host, HostPattern::Exact(_)) && to.path == "/" && to.to_string() == format!("{origin}/")
        };
        if !whole.is_ok_and(|destination| one_host(&destination)) {
            return Err(format!(
                "`upstream`: `{origin}` is no origin; write `https://api.example.com`, without a slash"
            ));
        }
        for Exchange { expect, respond, .. } in &exchanges {
            if !(200..=599).contains(&respond.status) {
                return Err(format!(
                    "`upstream`: {} is no status of an answer; give one from 200 to 599",
                    respond.status
                ));
            }
            if respond.body.is_some() && respond.body_file.is_some() {
                return Err("`upstream`: `body` and `body-file` exclude each other; remove one".to_owned());
            }
            let inside = |file: &PathBuf| file.components().all(|part| matches!(part, Component::Normal(_)));
            if respond.body_file.as_ref().is_some_and(|file| !inside(file)) {
                return Err("`upstream`: `body-file` must be a relative path inside the tool's folder".to_owned());
            }
            if expect.header.keys().any(|name| name.bytes().any(|byte| byte.is_ascii_uppercase())) {
                return Err("`upstream`: a header under `expect` is named in lower case".to_owned());
            }
        }
        upstreams.push(Upstream { origin, exchanges });
    }
    Ok(upstreams)
}

/// A map in which no key stands twice: the last one would hide what a reader sees first.
pub(super) fn once_each<'de, D: Deserializer<'de>, V: Deserialize<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, V>, D::Error> {
    struct Once<V>(PhantomData<V>);

    impl<'de, V: Deserialize<'de>> Visitor<'de> for Once<V> {
        type Value = BTreeMap<String, V>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut read = BTreeMap::new();
            while let Some((key, value)) = map.next_entry::<String, V>()? {
                if read.contains_key(&key) {
                    return Err(A::Error::custom(format_args!("`{key}` stands here twice")));
                }
                read.insert(key, value);
            }
            Ok(read)
        }
    }

    deserializer.deserialize_map(Once(PhantomData))
}

fn ok() -> u16 {
    200
}

#[cfg(test)]
mod tests {
    use super::super::{Case, parse};
    use super::*;

    fn case(upstream: &str) -> Result<Case, String> {
        let text = format!(
            r#"[{{ "name": "N", "tool": "t", "arguments": {{}}, "expect": {{ "value": 1 }}, "upstream": {upstream} }}]"#
        );
        let mut cases = parse(Path::new("cases/a.json"), &text).map_err(|error| error.to_string())?;
        Ok(cases.remove(0))
    }

    fn request<'a>(method: &'a str, target: &'a str, headers: &'a [(String, String)], body: &'a [u8]) -> Request<'a> {
        Request { method, target, headers, body }
    }

    #[test]
    fn the_first_exchange_that_is_for_a_request_answers_it() {
        let case = case(
            r#"{ "https://example.com:8443": [
                { "when": { "method": "GET", "path": "/a?b=c" }, "respond": { "status": 404, "headers": { "X-A": "b" }, "body": "none" } },
                { "when": { "method": "POST" }, "expect": { "header": { "x": "y" }, "body": { "n": 1 } }, "respond": { "body": [1] } },
                { "when": { "path": "/empty" }, "expect": { "body": "text" }, "respond": {} }] }"#,
        )
        .expect("reads");
        let [upstream] = case.upstream.as_slice() else { panic!("one origin") };
        assert_eq!(upstream.origin, "https://example.com:8443");
        let folder = Path::new("/nowhere");
        let none = upstream.answer(request("GET", "/a?b=c", &[], b"")).expect("is foreseen");
        assert_eq!((none.status, none.headers["X-A"].as_str()), (404, "b"));
        assert_eq!(none.body(folder).expect("is here"), b"none");
        let x = [("x".to_owned(), "y".to_owned())];
        let posted = upstream.answer(request("POST", "/z", &x, b" {\"n\":1}")).expect("is foreseen");
        assert_eq!((posted.status, posted.body(folder).expect("is here")), (200, b"[1]".to_vec()));
        let empty = upstream.answer(request("GET", "/empty", &[], b"text")).expect("is foreseen");
        assert!(empty.body(folder).expect("is here").is_empty());
        for (sent, part) in [
            (request("GET", "/a", &[], b""), "no exchange"),
            (request("POST", "/z", &[], b"{\"n\":1}"), "header x is None"),
            (request("POST", "/z", &x, b"{\"n\":2}"), "the body is"),
            (request("POST", "/z", &x, b"\xff"), "the body is"),
            (request("PUT", "/empty", &[], b"Text"), "the body is"),
        ] {
            let problem = upstream.answer(sent).expect_err(part);
            assert!(problem.contains(part), "{problem}");
            assert!(problem.starts_with(&format!("{} https://example.com:8443/", sent.method)), "{problem}");
        }
    }

    #[test]
    fn a_body_can_be_a_file_of_the_tools_folder() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("page.html"), b"\xe4").expect("written");
        let case = case(r#"{ "http://example.com": [{ "when": {}, "respond": { "body-file": "page.html" } }] }"#);
        let case = case.expect("reads");
        let answer = case.upstream[0].answer(request("GET", "/", &[], b"")).expect("is foreseen");
        assert_eq!(answer.body(folder.path()).expect("is there"), b"\xe4");
        assert!(answer.body(Path::new("/nowhere")).is_err());
    }

    #[test]
    fn what_cannot_be_an_upstream_is_refused_with_its_reason() {
        for (upstream, part) in [
            (r#"{ "https://example.com/": [] }"#, "is no origin"),
            (r#"{ "https://example.com/v1": [] }"#, "is no origin"),
            (r#"{ "https://*.example.com": [] }"#, "is no origin"),
            (r#"{ "example.com": [] }"#, "is no origin"),
            (r#"{ "ftp://example.com": [] }"#, "is no origin"),
            (r#"{ "https://a.example": [], "https://a.example": [] }"#, "`https://a.example` stands here twice"),
            (r#"{ "https://a.example": [{ "respond": {} }] }"#, "missing field `when`"),
            (r#"{ "https://a.example": [{ "when": {} }] }"#, "missing field `respond`"),
            (r#"{ "https://a.example": [{ "when": { "verb": "GET" }, "respond": {} }] }"#, "unknown field `verb`"),
            (r#"{ "https://a.example": [{ "when": {}, "respond": { "status": 101 } }] }"#, "101 is no status"),
            (r#"{ "https://a.example": [{ "when": {}, "respond": { "status": 70000 } }] }"#, "70000"),
            (r#"{ "https://a.example": [{ "when": {}, "respond": { "headers": { "a": 1 } } }] }"#, "invalid type"),
            (r#"{ "https://a.example": [{ "when": {}, "respond": { "body": "", "body-file": "x" } }] }"#, "exclude"),
            (r#"{ "https://a.example": [{ "when": {}, "respond": { "body-file": "../x" } }] }"#, "`body-file`"),
            (r#"{ "https://a.example": [{ "when": {}, "respond": { "body-file": "/etc/passwd" } }] }"#, "`body-file`"),
            (
                r#"{ "https://a.example": [{ "when": {}, "expect": { "header": { "A": "" } }, "respond": {} }] }"#,
                "lower case",
            ),
            ("[]", "an object"),
        ] {
            let problem = case(upstream).expect_err(upstream);
            assert!(problem.contains(part), "{upstream}\n{problem}");
        }
    }
}
