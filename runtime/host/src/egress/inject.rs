//! Puts secrets into a request, at the last moment and after every check.
//!
//! The copies that HTTP needs (a header's bytes, the request line, TLS's buffers) live as long as the request does, and the
//! allocator gets them back unwiped; only what is built here is wiped.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use toolcell_core::net::{Placement, Target};
use zeroize::Zeroizing;

use super::headers::shown;
use super::{BadRequest, EgressError, EgressSession, SecretGrant};

/// The secrets that go with a request.
#[derive(Default)]
pub(super) struct Bound<'a>(Vec<&'a SecretGrant>);

/// Where a placement goes, to find two that want the same place.
#[derive(PartialEq)]
enum Place<'a> {
    Header(HeaderName),
    Query(&'a str),
}

/// The secrets bound to this target, if the guest's request leaves room for them.
pub(super) fn bound<'a>(
    session: &'a EgressSession,
    target: &Target,
    headers: &HeaderMap,
) -> Result<Bound<'a>, EgressError> {
    let secrets: Vec<_> = session.secrets.iter().filter(|secret| secret.destination.covers(target)).collect();
    let mut places = Vec::with_capacity(secrets.len());
    for secret in &secrets {
        let refuse = |problem| EgressError::Secret { name: secret.name.clone(), problem };
        if session.redact.is_none() {
            return Err(refuse("nothing would keep it out of the answer"));
        }
        let place = place(&secret.placement).ok_or_else(|| refuse("its header has no valid name"))?;
        match &place {
            Place::Header(name) if headers.contains_key(name) => {
                return Err(EgressError::BadRequest(BadRequest::Credentials(shown(name))));
            }
            Place::Query(name) if target.query.as_deref().is_some_and(|query| has_parameter(query, name)) => {
                return Err(EgressError::BadRequest(BadRequest::Parameter((*name).to_owned())));
            }
            _ if places.contains(&place) => return Err(refuse("another secret is bound to the same place")),
            _ => places.push(place),
        }
    }
    if !secrets.is_empty() && (headers.contains_key(header::RANGE) || headers.contains_key(header::IF_RANGE)) {
        return Err(EgressError::BadRequest(BadRequest::Range));
    }
    Ok(Bound(secrets))
}

impl Bound<'_> {
    /// Puts the values into the headers and the query, each after those were told who have to know.
    pub(super) fn inject(
        &self,
        session: &EgressSession,
        headers: &mut HeaderMap,
        target: &mut Target,
    ) -> Result<(), EgressError> {
        let origin = target.origin();
        for secret in &self.0 {
            let refuse = |problem| EgressError::Secret { name: secret.name.clone(), problem };
            session.notes.secret_used(&secret.name, &origin).map_err(|unrecorded| EgressError::Unrecorded {
                name: secret.name.clone(),
                detail: unrecorded.detail,
            })?;
            match &secret.placement {
                Placement::Header { prefix, .. } => {
                    let name = header_of(&secret.placement).ok_or_else(|| refuse("its header has no valid name"))?;
                    let text = after(prefix, secret);
                    headers.insert(name, value_of(&text).ok_or_else(|| refuse("its value cannot stand in a header"))?);
                }
                Placement::Basic { user } => {
                    let credentials = after(&format!("{user}:"), secret);
                    let mut text = Zeroizing::new(String::with_capacity(8 + credentials.len().div_ceil(3) * 4));
                    text.push_str("Basic ");
                    STANDARD.encode_string(&*credentials, &mut text);
                    let value =
                        value_of(text.as_bytes()).ok_or_else(|| refuse("its value cannot stand in a header"))?;
                    headers.insert(header::AUTHORIZATION, value);
                }
                Placement::Query { name } => {
                    let query = target.query.get_or_insert_default();
                    if !query.is_empty() {
                        query.push('&');
                    }
                    query.push_str(name);
                    query.push('=');
                    secret.value.expose(&mut |value| percent_encode(query, value));
                }
            }
        }
        Ok(())
    }
}

/// The value after what goes before it. Room is made before the value comes, so that growing leaves no copy of it behind.
fn after(prefix: &str, secret: &SecretGrant) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(prefix.as_bytes().to_vec());
    secret.value.expose(&mut |value| {
        text.reserve_exact(value.len());
        text.extend_from_slice(value);
    });
    text
}

fn place(placement: &Placement) -> Option<Place<'_>> {
    match placement {
        Placement::Query { name } => Some(Place::Query(name)),
        _ => header_of(placement).map(Place::Header),
    }
}

fn header_of(placement: &Placement) -> Option<HeaderName> {
    match placement {
        Placement::Header { name, .. } => name.parse().ok(),
        Placement::Basic { .. } => Some(header::AUTHORIZATION),
        Placement::Query { .. } => None,
    }
}

fn value_of(text: &[u8]) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_bytes(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Whether a query has a parameter of this name, however the guest encoded it.
fn has_parameter(query: &str, name: &str) -> bool {
    query.split(['&', ';']).any(|pair| {
        let mut written = pair.split('=').next().unwrap_or(pair).bytes();
        let mut decoded = Vec::with_capacity(written.len());
        while let Some(byte) = written.next() {
            let digit = |at: usize| written.clone().nth(at).and_then(|b| char::from(b).to_digit(16));
            let escaped = digit(0).zip(digit(1)).filter(|_| byte == b'%');
            let escaped = escaped.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
            if escaped.is_some() {
                written.nth(1);
            }
            decoded.push(escaped.unwrap_or(byte));
        }
        // Frameworks read `key[]` as another value of `key`.
        decoded.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"["))
    })
}

fn percent_encode(query: &mut String, value: &[u8]) {
    for byte in value {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            query.push(char::from(*byte));
        } else {
            query.push('%');
            for digit in [byte >> 4, byte & 15] {
                query.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_found_however_it_is_written() {
        for query in ["key=1", "a=b&key=1", "a;key", "%6Bey=1", "%6b%65%79=1", "key[]=1", "key%5B%5D=1"] {
            assert!(has_parameter(query, "key"), "{query}");
        }
        for query in ["", "keys=1", "a=key", "mykey=1", "%6Beys=1", "%6", "a=b"] {
            assert!(!has_parameter(query, "key"), "{query}");
        }
    }

    #[test]
    fn a_value_is_encoded_so_that_it_stays_one_value() {
        let mut query = String::new();
        percent_encode(&mut query, "a&b=c #\r\n%é".as_bytes());
        assert_eq!(query, "a%26b%3Dc%20%23%0D%0A%25%C3%A9");
    }
}
