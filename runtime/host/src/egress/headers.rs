//! Headers on their way out and in: what a guest may say, what it gets to see.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use toolcell_core::net::{Target, is_reserved_header};

use super::{BadRequest, EgressError, HttpLimits, Over, Redact};

/// The headers as they are sent, before secrets. `Host` is ours, and comes first as RFC 9110 asks.
pub(super) fn outgoing(given: &HeaderMap, target: &Target, limits: &HttpLimits) -> Result<HeaderMap, EgressError> {
    let mut bytes = target.path_and_query().len();
    let mut sent = HeaderMap::with_capacity(given.len() + 4);
    let authority = HeaderValue::try_from(target.authority())
        .map_err(|_| EgressError::Protocol("the host cannot stand in a header".to_owned()))?;
    sent.insert(header::HOST, authority);
    for (name, value) in given {
        bytes += name.as_str().len() + value.len() + ": \r\n".len();
        if name == header::HOST {
            same_host(value, target)?;
        } else if name == header::ACCEPT_ENCODING {
            // What a guest can decode makes no difference: it gets the decoded body.
        } else if is_reserved_header(name.as_str()) {
            return Err(EgressError::BadRequest(BadRequest::ReservedHeader(shown(name))));
        } else if name == header::AUTHORIZATION || name == header::COOKIE {
            return Err(EgressError::BadRequest(BadRequest::Credentials(shown(name))));
        } else {
            sent.append(name.clone(), value.clone());
        }
    }
    if given.len() > limits.headers {
        return Err(EgressError::Over(Over { limit: "http_headers", value: limits.headers as u64 }));
    }
    if bytes > limits.head_bytes {
        return Err(EgressError::Over(Over { limit: "http_head_bytes", value: limits.head_bytes as u64 }));
    }
    sent.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate"));
    sent.insert(header::CONNECTION, HeaderValue::from_static("close"));
    Ok(sent)
}

fn same_host(value: &HeaderValue, target: &Target) -> Result<(), EgressError> {
    let named = value.to_str().ok().and_then(|text| Target::parse(target.scheme.as_str(), text, "/").ok());
    match named {
        Some(named) if named.host == target.host && named.port == target.port => Ok(()),
        _ => Err(EgressError::BadRequest(BadRequest::Host)),
    }
}

/// Refuses an answer whose length two readers could see differently. Each connection carries one answer, so nothing could be
/// smuggled behind it here; but a guest or a cache behind it might read it again.
pub(super) fn check_framing(headers: &HeaderMap) -> Result<(), EgressError> {
    let refuse = |why: &str| Err(EgressError::Protocol(why.to_owned()));
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    if let Some(length) = lengths.next() {
        if lengths.next().is_some() {
            return refuse("it has several lengths");
        }
        let digits = length.as_bytes();
        if digits.is_empty() || digits.len() > 19 || !digits.iter().all(u8::is_ascii_digit) {
            return refuse("its length is not a number");
        }
        if headers.contains_key(header::TRANSFER_ENCODING) {
            return refuse("it has both a length and a transfer encoding");
        }
    }
    let mut encodings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (encodings.next(), encodings.next()) {
        (None, _) => Ok(()),
        (Some(only), None) if only.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => refuse("its transfer encoding is not `chunked` alone"),
    }
}

/// The headers as the guest sees them: nothing about the connection, and no secret.
pub(super) fn incoming(mut headers: HeaderMap, redact: Option<&dyn Redact>) -> HeaderMap {
    for name in [
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::TE,
        header::TRAILER,
        header::UPGRADE,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        HeaderName::from_static("proxy-connection"),
        HeaderName::from_static("keep-alive"),
    ] {
        headers.remove(name);
    }
    let Some(redact) = redact else { return headers };
    // The length would be that of the body with its secrets.
    headers.remove(header::CONTENT_LENGTH);
    headers
        .iter()
        .filter_map(|(name, value)| {
            // A name with a secret in it has no replacement that is a name.
            let name_is_clean = redact.bytes(name.as_str().as_bytes()) == name.as_str().as_bytes();
            let value = HeaderValue::from_bytes(&redact.bytes(value.as_bytes())).ok();
            value.filter(|_| name_is_clean).map(|value| (name.clone(), value))
        })
        .collect()
}

/// The trailers as the guest sees them. One that would have meant something as a header is dropped (RFC 9110, section 6.5.1).
pub(super) fn trailers(headers: HeaderMap, redact: Option<&dyn Redact>) -> HeaderMap {
    let mut headers = incoming(headers, redact);
    for name in
        [header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::CONTENT_TYPE, header::SET_COOKIE, header::HOST]
    {
        headers.remove(name);
    }
    headers
}

/// A name that a guest chose, as far as a message shows it. Names are tokens, so only their length needs care.
pub(super) fn shown(name: &HeaderName) -> String {
    name.as_str().chars().take(80).collect()
}
