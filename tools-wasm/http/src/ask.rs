//! Owns what a caller may ask for: URLs, headers and ranges, and the refusal that points at the argument which is none of them.

use toolcell_client::{Failure, HeaderProblem, Method, Request, Response, Service, check_header, failure, text};
use url::Url;

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An argument that can't be accepted.
    #[error("{message}")]
    Argument {
        /// Its JSON pointer.
        pointer: String,
        /// What would be accepted.
        expected: &'static str,
        /// What stood there, shortened; none where it is too long or a secret may be in it.
        found: Option<String>,
        /// A sentence for the caller.
        message: String,
    },
    /// The request went wrong, or its answer says so.
    #[error("{}", words(.0))]
    Failed(Failure),
}

impl Refusal {
    /// A refusal of the argument `url`, which is repeated without its query.
    pub fn url(url: &Url, expected: &'static str, message: String) -> Self {
        let found = format!("{}{}", url.origin().ascii_serialization(), url.path());
        Self::Argument { pointer: "/url".to_owned(), expected, found: Some(text::cleaned(&found, REPEATED)), message }
    }

    /// What an answer that is no success means for a caller who asked for a page. None for a success.
    pub fn of_status(url: &Url, response: &Response) -> Option<Self> {
        let name = host(url);
        failure::of_response(&Service { name, secret: None }, response).map(|failure| Self::of(url, failure))
    }

    /// What it means that there is no answer.
    pub fn of_error(url: &Url, error: &toolcell_client::Error) -> Self {
        // A host without an address is a mistake in the argument more often than an outage.
        if let toolcell_client::Error::Dns { .. } = error {
            return Self::Failed(Failure::NotFound(error.to_string()));
        }
        Self::of(url, failure::of_error(&Service { name: host(url), secret: None }, error))
    }

    fn of(url: &Url, failure: Failure) -> Self {
        match failure {
            Failure::InvalidArgument { message } => Self::url(url, "a URL that the server accepts", message),
            other => Self::Failed(other),
        }
    }
}

/// The URL of a request, as a browser would read it.
pub fn url(text: &str) -> Result<Url, Refusal> {
    let refused = |message: String| Refusal::Argument {
        pointer: "/url".to_owned(),
        expected: "an absolute URL with https:// or http://, without user name and password",
        // What may hold a password is not repeated.
        found: (!text.contains('@')).then(|| text::cleaned(text.split(['?', '#']).next().unwrap_or(text), REPEATED)),
        message,
    };
    if text.len() > LONGEST_URL {
        return Err(refused(format!("the URL is longer than {LONGEST_URL} bytes")));
    }
    let mut url = Url::parse(text.trim()).map_err(|error| refused(format!("this is no URL: {error}")))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(refused("only https:// and http:// can be fetched".to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused(
            "a URL with a user name or password is not sent; the operator binds secrets to a place".to_owned(),
        ));
    }
    // Never sent, and kept out of the final URL so that it can be compared.
    url.set_fragment(None);
    Ok(url)
}

/// A request with the headers of a caller.
pub fn request(
    method: Method,
    url: &Url,
    headers: Vec<(String, String)>,
    body: Option<String>,
) -> Result<Request, Refusal> {
    if headers.len() > MOST_HEADERS {
        return Err(Refusal::Argument {
            pointer: format!("/headers/{MOST_HEADERS}"),
            expected: "at most 64 headers",
            found: None,
            message: format!("there are {} headers; at most {MOST_HEADERS} are sent", headers.len()),
        });
    }
    let mut request = Request::new(method, url.as_str());
    for (at, (name, value)) in headers.into_iter().enumerate() {
        check_header(&name, &value).map_err(|problem| {
            let (member, expected) = match problem {
                HeaderProblem::Name => ("name", "the name of a header"),
                HeaderProblem::Value => ("value", "at most 8,192 visible ASCII characters, spaces and tabs"),
                HeaderProblem::Reserved => ("name", "a header that is not the host's own"),
            };
            Refusal::Argument {
                pointer: format!("/headers/{at}/{member}"),
                expected,
                found: (member == "name").then(|| text::cleaned(&name, REPEATED)),
                message: problem.to_string(),
            }
        })?;
        request = request.header(name, value);
    }
    if let Some(body) = body {
        if !matches!(method, Method::Post | Method::Put | Method::Patch) {
            return Err(Refusal::Argument {
                pointer: "/body".to_owned(),
                expected: "no body with this method, or one of the methods post, put, patch",
                found: None,
                message: format!("{method} is sent without a body"),
            });
        }
        request = request.body(body);
    }
    let given = |name: &str| request.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
    let (agent, accept) = (given("user-agent"), given("accept"));
    if !agent {
        request = request.header("user-agent", AGENT);
    }
    if !accept {
        request = request.header("accept", "*/*");
    }
    Ok(request)
}

/// A number inside its range; `usual` where it was left out.
pub fn within(
    value: Option<u32>,
    usual: u32,
    least: u32,
    most: u32,
    pointer: &str,
    expected: &'static str,
) -> Result<u32, Refusal> {
    let value = value.unwrap_or(usual);
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(Refusal::Argument {
        pointer: pointer.to_owned(),
        expected,
        found: Some(value.to_string()),
        message: format!("{value} is out of range; it must be from {least} to {most}"),
    })
}

/// Who asks, so that the operator of a server can tell and refuse.
pub const AGENT: &str = concat!("toolcell-http/", env!("CARGO_PKG_VERSION"));

/// The longest URL that is sent, in bytes; the client's own bound.
const LONGEST_URL: usize = 8192;
/// The most headers of one request.
const MOST_HEADERS: usize = 64;
/// How much of a refused value is repeated, in characters.
const REPEATED: usize = 200;

fn words(failure: &Failure) -> &str {
    match failure {
        Failure::InvalidArgument { message }
        | Failure::Unavailable { message, .. }
        | Failure::NotFound(message)
        | Failure::Conflict(message)
        | Failure::Denied(message)
        | Failure::Fatal(message) => message,
    }
}

fn host(url: &Url) -> &str {
    url.host_str().unwrap_or("the server")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_as_a_browser_reads_it() {
        let is = |text: &str, read: &str| assert_eq!(url(text).unwrap().as_str(), read, "{text}");
        is(" HTTPS://Example.COM:443/a/../b?q=ü#part ", "https://example.com/b?q=%C3%BC");
        is("https://bücher.example", "https://xn--bcher-kva.example/");
        is("http://127.1/", "http://127.0.0.1/");
    }

    #[test]
    fn other_urls_are_pointed_at_and_passwords_not_repeated() {
        for text in
            ["", "example.com/a", "/a", "file:///etc/passwd", "data:text/html,x", "https://", "javascript:alert(1)"]
        {
            let Err(Refusal::Argument { pointer, .. }) = url(text) else { panic!("{text} was accepted") };
            assert_eq!(pointer, "/url");
        }
        let Err(Refusal::Argument { found, message, .. }) = url("https://me:hunter2@example.com/") else { panic!() };
        assert!(found.is_none() && !message.contains("hunter2"));
        assert!(url(&format!("https://example.com/{}", "a".repeat(10_000))).is_err());
    }

    #[test]
    fn a_bad_header_is_pointed_at() {
        let at = |headers: &[(&str, &str)]| {
            let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            match request(Method::Get, &url("https://example.com").unwrap(), headers, None) {
                Err(Refusal::Argument { pointer, .. }) => pointer,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(at(&[("a", "b"), ("", "c")]), "/headers/1/name");
        assert_eq!(at(&[("a", "b\r\nc: d")]), "/headers/0/value");
        assert_eq!(at(&[("Host", "evil.example")]), "/headers/0/name");
        assert_eq!(at(&[("a", "b"); 65]), "/headers/64");
    }

    #[test]
    fn a_body_goes_with_methods_that_have_one() {
        let url = url("https://example.com").unwrap();
        let body = Some("x".to_owned());
        assert!(request(Method::Delete, &url, Vec::new(), body.clone()).is_err());
        assert_eq!(request(Method::Patch, &url, Vec::new(), body).unwrap().body, b"x");
    }
}
