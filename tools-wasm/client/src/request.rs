//! Owns what is asked: method, URL, headers and body, and the rules for what may be in them.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::Error;

/// One request. It is built without errors, and [`Request::target`] and the transport check it as a whole.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// What is to be done.
    pub method: Method,
    /// The absolute URL, `http` or `https`, with percent-encoding where it is needed.
    pub url: String,
    /// Names and values in the order of sending.
    pub headers: Vec<(String, String)>,
    /// The body; an empty one is none.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self { method, url: url.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// A `GET`.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::Get, url)
    }

    /// A `POST`.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new(Method::Post, url)
    }

    /// Adds a header. A name given twice is sent twice.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a member to the query, percent-encoded whatever it holds. A fragment must not be in the URL yet.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.url.push(if self.url.contains('?') { '&' } else { '?' });
        self.url.extend(utf8_percent_encode(name, COMPONENT));
        self.url.push('=');
        self.url.extend(utf8_percent_encode(value, COMPONENT));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the body to a JSON text, and `content-type` with it.
    #[must_use]
    pub fn json(self, value: &serde_json::Value) -> Self {
        self.header("content-type", "application/json").body(value.to_string())
    }

    /// The parts of the URL, after all the rules for a request were checked.
    pub fn target(&self) -> Result<Target<'_>, Error> {
        for (name, value) in &self.headers {
            check_header(name, value).map_err(|problem| Error::Request(problem.to_string()))?;
        }
        let refused = |why: &str| Error::Request(format!("its URL {why}"));
        if self.url.len() > LONGEST_URL {
            return Err(refused("is longer than 8,192 bytes"));
        }
        if self.url.bytes().any(|byte| byte <= b' ' || byte == b'\\' || byte >= 0x7f) {
            return Err(refused("holds a space, a backslash or a character that has to be percent-encoded"));
        }
        let Some((scheme, rest)) = self.url.split_once("://") else { return Err(refused("is not absolute")) };
        let https = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(refused("begins neither with https:// nor with http://")),
        };
        // What follows `#` is for the client alone and is never sent.
        let rest = rest.split_once('#').map_or(rest, |(sent, _)| sent);
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.is_empty() {
            return Err(refused("names no host"));
        }
        if authority.contains('@') {
            return Err(refused("holds a user name or password; a secret has to come from the operator"));
        }
        let path = match path {
            "" => "/".into(),
            path if path.starts_with('?') => format!("/{path}").into(),
            path => path.into(),
        };
        Ok(Target { https, authority, path })
    }

    /// Scheme, host and port, for messages: without path and query, which may be private. What is no URL gives itself, cut short.
    pub fn origin(&self) -> String {
        let start = self.url.find("://").map_or(0, |at| at + 3);
        let end = self.url[start..].find(['/', '?', '#']).map_or(self.url.len(), |at| start + at);
        crate::text::cleaned(&self.url[..end], 300)
    }
}

/// Shows no header values, no query and no body.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({} bytes)", self.method, self.origin(), self.body.len())
    }
}

/// What is to be done. `CONNECT` and `TRACE` are left out: one opens a tunnel, the other gives back what the host has put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of RFC 9110, section 9.3, and of RFC 5789")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

impl Method {
    /// The method as it is sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a request goes, as parts of its URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target<'a> {
    /// Whether the scheme is `https`.
    pub https: bool,
    /// Host, and port where it is written.
    pub authority: &'a str,
    /// Path and query; at least `/`.
    pub path: std::borrow::Cow<'a, str>,
}

/// Why a header can't be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderProblem {
    /// The name is empty or holds what RFC 9110, section 5.6.2 leaves out of a token.
    #[error("a header's name must be 1 to 256 letters, digits or characters of !#$%&'*+-.^_`|~")]
    Name,
    /// The value has a control character, a character beyond ASCII, or is too long.
    #[error("a header's value must be at most 8,192 visible ASCII characters, spaces and tabs")]
    Value,
    /// The header belongs to the connection or to the host.
    #[error("a header about the connection, the length or the host is set by the host alone")]
    Reserved,
}

/// Whether a header may be set by a tool. What it refuses the host refuses as well; the message is better here.
pub fn check_header(name: &str, value: &str) -> Result<(), HeaderProblem> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || name.len() > 256 || !name.bytes().all(token) {
        return Err(HeaderProblem::Name);
    }
    if value.len() > 8192 || !value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) {
        return Err(HeaderProblem::Value);
    }
    let lower = name.to_ascii_lowercase();
    if RESERVED.contains(&lower.as_str()) || lower.starts_with("proxy-") {
        return Err(HeaderProblem::Reserved);
    }
    Ok(())
}

/// The longest URL that is sent, in bytes: RFC 9110, section 4.1 asks for 8,000 at least, and servers refuse soon after.
const LONGEST_URL: usize = 8192;

/// What is encoded in a member of a query: all but the unreserved characters of RFC 3986, section 2.3.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Headers that say how the message is carried. `accept-encoding` is among them because the host decodes what it has asked for.
const RESERVED: [&str; 11] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<(bool, String, String), String> {
        let request = Request::get(url);
        let target = request.target().map_err(|error| error.to_string())?;
        Ok((target.https, target.authority.to_owned(), target.path.into_owned()))
    }

    #[test]
    fn a_url_is_taken_apart_and_its_fragment_stays_here() {
        let is = |url, https, authority: &str, path: &str| {
            assert_eq!(target(url), Ok((https, authority.to_owned(), path.to_owned())), "{url}");
        };
        is("https://example.com", true, "example.com", "/");
        is("http://example.com:8080/a/b?c=d#e", false, "example.com:8080", "/a/b?c=d");
        is("https://example.com?q=1", true, "example.com", "/?q=1");
        is("https://[2001:db8::1]:1/#a/b", true, "[2001:db8::1]:1", "/");
    }

    #[test]
    fn what_is_no_plain_url_is_refused() {
        for url in [
            "",
            "example.com",
            "ftp://example.com/",
            "HTTPS://example.com/",
            "https:///a",
            "https://?a",
            "https://user:pass@example.com/",
            "https://example.com/a b",
            "https://example.com/\r\nx: y",
            "https://example.com\\@evil.example/",
            "https://bücher.example/",
        ] {
            assert!(target(url).is_err(), "{url:?}");
        }
        assert!(target(&format!("https://example.com/{}", "a".repeat(9000))).is_err());
    }

    #[test]
    fn a_member_of_the_query_can_hold_anything() {
        let request = Request::get("https://example.com/s").query("q", "a&b=c d/ü+%#").query("n", "1");
        assert_eq!(request.url, "https://example.com/s?q=a%26b%3Dc%20d%2F%C3%BC%2B%25%23&n=1");
        assert!(request.target().is_ok());
    }

    #[test]
    fn headers_that_change_the_message_are_refused() {
        assert_eq!(check_header("x-key", "a b\tc"), Ok(()));
        assert_eq!(check_header("", "a"), Err(HeaderProblem::Name));
        assert_eq!(check_header("x:", "a"), Err(HeaderProblem::Name));
        assert_eq!(check_header("x", "a\r\nb: c"), Err(HeaderProblem::Value));
        assert_eq!(check_header("x", "ü"), Err(HeaderProblem::Value));
        for name in ["Host", "content-length", "Transfer-Encoding", "Proxy-Authorization", "TE"] {
            assert_eq!(check_header(name, "a"), Err(HeaderProblem::Reserved), "{name}");
        }
        let request = Request::get("https://example.com/").header("host", "evil.example");
        assert!(matches!(request.target(), Err(Error::Request(_))));
    }

    #[test]
    fn messages_show_the_origin_and_nothing_private() {
        let request = Request::get("https://example.com/private?key=1").header("x", "secret");
        assert_eq!(request.origin(), "https://example.com");
        assert_eq!(format!("{request:?}"), "GET https://example.com (0 bytes)");
        assert_eq!(Request::get("nonsense").origin(), "nonsense");
    }
}
