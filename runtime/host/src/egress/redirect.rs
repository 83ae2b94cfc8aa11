//! Where an answer points, and what the next request is.

use http::header::{self, HeaderMap};
use http::{Method, StatusCode};
use toolcell_core::net::{Scheme, Target};

use super::{DeniedBy, EgressError};

/// The most hops of one request. Browsers take about twenty; an API needs one or two.
pub(super) const MAX_HOPS: usize = 5;

/// Whether an answer with this status points elsewhere, if it has a place.
pub(super) fn points_elsewhere(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The method of the next request, and whether the body goes along (RFC 9110, section 15.4, and what browsers made of 301 and 302).
pub(super) fn next_method(status: StatusCode, method: &Method) -> (Method, WithBody) {
    match status.as_u16() {
        303 if *method != Method::HEAD => (Method::GET, WithBody::No),
        301 | 302 if *method == Method::POST => (Method::GET, WithBody::No),
        _ => (method.clone(), WithBody::Yes),
    }
}

/// Whether the body goes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WithBody {
    Yes,
    No,
}

/// The target that a `Location` names, seen from the request that it answers.
///
/// It is read as strictly as a guest's own URL. Only dot segments of a relative path are resolved, because relative
/// ones are what they are for.
pub(super) fn next_target(from: &Target, headers: &HeaderMap) -> Result<Target, EgressError> {
    let refuse = |why: &str| EgressError::Protocol(format!("it redirects to {why}"));
    let mut places = headers.get_all(header::LOCATION).iter();
    let (Some(place), None) = (places.next(), places.next()) else { return Err(refuse("several places")) };
    let place = place.to_str().map_err(|_| refuse("what is not a URL"))?.trim();
    let place = place.split('#').next().unwrap_or(place);
    let own = from.scheme.as_str();
    let (scheme, rest) = match place.split_once("://") {
        Some((scheme, rest)) if scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) => {
            (scheme, Some(rest))
        }
        _ => (own, place.strip_prefix("//")),
    };
    let target = match rest {
        Some(rest) => {
            let border = rest.find(['/', '?']).unwrap_or(rest.len());
            Target::parse(scheme, &rest[..border], &rest[border..])
        }
        None => Target::parse(own, &from.authority(), &relative(from, place)),
    };
    let target = target.map_err(|error| refuse(&format!("a place that is refused: {error}")))?;
    if from.scheme == Scheme::Https && target.scheme == Scheme::Http {
        let reason = format!("{from} redirects to {target}: from https to http is never followed");
        return Err(EgressError::Denied { reason, by: DeniedBy::Rules, rule_hint: None });
    }
    Ok(target)
}

/// Path and query of a reference without an authority (RFC 3986, section 5.2).
fn relative(from: &Target, place: &str) -> String {
    let (path, query) = match place.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (place, None),
    };
    let path = match path {
        "" => from.path.clone(),
        absolute if absolute.starts_with('/') => without_dots(absolute),
        _ => {
            let folder = from.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            without_dots(&format!("{folder}/{path}"))
        }
    };
    match query {
        Some(query) => format!("{path}?{query}"),
        None => path,
    }
}

fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(from: &str, location: &str) -> Result<String, EgressError> {
        let from = Target::parse("https", "example.com:8443", from).expect("a target");
        let headers = HeaderMap::from_iter([(header::LOCATION, location.parse().expect("a header value"))]);
        next_target(&from, &headers).map(|target| format!("{}{}", target.origin(), target.path_and_query()))
    }

    #[test]
    fn a_location_is_resolved_against_the_request() {
        let own = "https://example.com:8443";
        for (location, path) in [
            ("/x", "/x"),
            ("/x?y#z", "/x?y"),
            ("x", "/a/x"),
            ("./x", "/a/x"),
            ("../x", "/x"),
            ("../../../x/.", "/x/"),
            ("..", "/"),
            ("?q", "/a/b?q"),
            ("", "/a/b"),
            ("#f", "/a/b"),
            ("/u?next=https://evil.example/", "/u?next=https://evil.example/"),
        ] {
            assert_eq!(follow("/a/b?old", location).ok(), Some(format!("{own}{path}")), "{location}");
        }
        assert_eq!(follow("/", "//other.example/y").ok().as_deref(), Some("https://other.example/y"));
        assert_eq!(follow("/", "HTTPS://Other.Example").ok().as_deref(), Some("https://other.example/"));
        assert_eq!(follow("/", "https://other.example?q").ok().as_deref(), Some("https://other.example/?q"));
    }

    #[test]
    fn what_a_guest_could_not_ask_for_is_not_followed() {
        for location in [
            "http://example.com/",
            "ftp://example.com/",
            "javascript:alert(1)//",
            "https://user@example.com/",
            "https://127.1/",
            "https://example.com/../x",
            "//",
            "/x//y",
            "/%2e%2e%2fx",
            "\\\\evil.example",
            "https:\\evil.example",
        ] {
            assert!(follow("/a/b", location).is_err() || location.starts_with("javascript"), "{location}");
        }
        let twice = [(header::LOCATION, "/a"), (header::LOCATION, "/b")];
        let mut headers = HeaderMap::new();
        for (name, value) in twice {
            headers.append(name, value.parse().expect("a header value"));
        }
        let from = Target::parse("https", "example.com", "/").expect("a target");
        assert!(next_target(&from, &headers).is_err());
    }

    #[test]
    fn methods_change_as_the_standard_says() {
        for (status, method, next, body) in [
            (303, "POST", "GET", WithBody::No),
            (303, "HEAD", "HEAD", WithBody::Yes),
            (302, "POST", "GET", WithBody::No),
            (301, "PUT", "PUT", WithBody::Yes),
            (307, "POST", "POST", WithBody::Yes),
            (308, "DELETE", "DELETE", WithBody::Yes),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            let method: Method = method.parse().expect("a method");
            assert_eq!(next_method(status, &method), (next.parse().expect("a method"), body), "{status} {method}");
        }
    }
}
