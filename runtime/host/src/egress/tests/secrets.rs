//! Secrets: where they go, and that they do not come back.

use std::borrow::Cow;
use std::io::Write as _;

use toolcell_core::net::Placement;

use super::*;

const VALUE: &str = "s3cret+value/2026";

struct Plain(Vec<u8>);

impl SecretValue for Plain {
    fn expose(&self, use_: &mut dyn FnMut(&[u8])) {
        use_(&self.0);
    }
}

/// Finds the value as it is. The real one knows encodings too.
struct Finds;

fn replaced(bytes: &[u8]) -> Option<Vec<u8>> {
    let at = bytes.windows(VALUE.len()).position(|window| window == VALUE.as_bytes())?;
    let rest = &bytes[at + VALUE.len()..];
    let rest = replaced(rest).unwrap_or_else(|| rest.to_vec());
    Some([&bytes[..at], b"[secret:key]", &rest].concat())
}

impl Redact for Finds {
    fn bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        replaced(bytes).map_or(Cow::Borrowed(bytes), Cow::Owned)
    }

    fn longest(&self) -> usize {
        VALUE.len()
    }

    fn stream(&self) -> Box<dyn RedactStream> {
        Box::new(Held(Vec::new()))
    }
}

struct Held(Vec<u8>);

impl RedactStream for Held {
    fn push(&mut self, bytes: Bytes) -> Bytes {
        self.0.extend_from_slice(&bytes);
        self.0 = replaced(&self.0).unwrap_or_else(|| std::mem::take(&mut self.0));
        let ready = self.0.len().saturating_sub(VALUE.len() - 1);
        self.0.drain(..ready).collect::<Vec<_>>().into()
    }

    fn finish(&mut self) -> Bytes {
        std::mem::take(&mut self.0).into()
    }
}

fn secret(url: &str, placement: Placement) -> SecretGrant {
    secret_of(VALUE.as_bytes(), url, placement)
}

fn secret_of(value: &[u8], url: &str, placement: Placement) -> SecretGrant {
    SecretGrant {
        name: "key".to_owned(),
        destination: url.parse().expect("a destination"),
        placement,
        value: Arc::new(Plain(value.to_vec())),
    }
}

fn header(name: &str, prefix: &str) -> Placement {
    Placement::Header { name: name.to_owned(), prefix: prefix.to_owned() }
}

fn query(name: &str) -> Placement {
    Placement::Query { name: name.to_owned() }
}

fn basic(user: &str) -> Placement {
    Placement::Basic { user: user.to_owned() }
}

fn with(log: &Arc<Log>, secrets: impl IntoIterator<Item = SecretGrant>) -> EgressSession {
    EgressSession { secrets: secrets.into_iter().collect(), redact: Some(Arc::new(Finds)), ..open_session(log) }
}

#[tokio::test]
async fn a_secret_goes_where_it_is_bound_to_in_the_part_it_is_bound_to() {
    for (placement, url, expected) in [
        (header("X-Key", ""), "http://example.com/v1/x", "x-key: s3cret+value/2026\r\n"),
        (header("Authorization", "Bearer "), "http://example.com/v1/x", "authorization: Bearer s3cret+value/2026\r\n"),
        (basic("me"), "http://example.com/v1/x", "authorization: Basic bWU6czNjcmV0K3ZhbHVlLzIwMjY=\r\n"),
        (query("key"), "http://example.com/v1/x", "GET /v1/x?key=s3cret%2Bvalue%2F2026 HTTP/1.1\r\n"),
        (query("key"), "http://example.com/v1/x?a=b", "GET /v1/x?a=b&key=s3cret%2Bvalue%2F2026 HTTP/1.1\r\n"),
        (query("key"), "http://example.com/v1/x?", "GET /v1/x?key=s3cret%2Bvalue%2F2026 HTTP/1.1\r\n"),
    ] {
        let (door, log) = World::one(answers(ok("", b"done")));
        let session = with(&log, [secret("http://example.com/v1/", placement)]);
        assert_eq!(outcome(&door, &session, get(url)).await.ok().as_deref(), Some("done"));
        assert!(log.requests()[0].contains(expected), "{:?}", log.requests());
        assert_eq!(log.secrets(), ["key http://example.com"]);
    }
}

#[tokio::test]
async fn a_secret_goes_nowhere_else() {
    let world = World::new()
        .name("example.com", &[&[PUBLIC]])
        .name("other.example", &[&[OTHER]])
        .server(PUBLIC, answers(ok("", b"")))
        .server(OTHER, answers(ok("", b"")));
    let (door, log) = world.open();
    let grants = [
        grant("http://example.com/", &["GET"]),
        grant("http://example.com:8080/", &["GET"]),
        grant("http://other.example/", &["GET"]),
    ];
    let session = EgressSession {
        grants: grants.into_iter().collect(),
        ..with(&log, [secret("http://example.com/v1/", header("X-Key", ""))])
    };
    for url in [
        "http://example.com/",
        "http://example.com/v1",
        "http://example.com/v10/",
        "http://example.com:8080/v1/",
        "http://other.example/v1/",
    ] {
        assert!(outcome(&door, &session, get(url)).await.is_ok(), "{url}");
    }
    assert!(log.requests().iter().all(|request| !request.contains("s3cret") && !request.contains("x-key")));
    assert_eq!(log.secrets(), [""; 0]);
}

#[tokio::test]
async fn a_secret_is_not_resent_to_where_an_answer_points() {
    let elsewhere = "HTTP/1.1 302 Found\r\nLocation: http://other.example/v1/\r\nContent-Length: 0\r\n\r\n";
    let world = World::new()
        .name("example.com", &[&[PUBLIC]])
        .name("other.example", &[&[OTHER]])
        .server(PUBLIC, answers(elsewhere))
        .server(OTHER, answers(ok("", b"found")));
    let (door, log) = world.open();
    let follow = |url| NetworkGrant { redirects: Redirects::Follow, ..grant(url, &["GET"]) };
    let grants: Arc<[_]> = [follow("http://example.com/"), follow("http://other.example/")].into();
    for placement in [header("X-Key", ""), basic("me"), query("key")] {
        let bound = secret("http://example.com/", placement);
        let session = EgressSession { grants: grants.clone(), ..with(&log, [bound]) };
        assert_eq!(outcome(&door, &session, get("http://example.com/")).await.ok().as_deref(), Some("found"));
    }
    for pair in log.requests().chunks(2) {
        assert!(pair[0].contains("key") || pair[0].contains("Basic"), "{pair:?}");
        assert!(!pair[1].contains("key") && !pair[1].contains("Basic") && !pair[1].contains("s3cret"), "{pair:?}");
    }
    assert_eq!(log.secrets(), ["key http://example.com"; 3]);
    // Where the secret's own destination covers both, it goes to both.
    let both =
        [secret("http://example.com/", header("X-Key", "")), secret("http://other.example/", header("X-Key", ""))];
    let session = EgressSession { grants, ..with(&log, both) };
    assert!(outcome(&door, &session, get("http://example.com/")).await.is_ok());
    assert!(log.requests().iter().rev().take(2).all(|request| request.contains("x-key: s3cret")));
}

#[tokio::test]
async fn an_answer_cannot_have_a_secret_carried_on() {
    for place in [format!("http://other.example/?stolen={VALUE}"), format!("/{VALUE}")] {
        let elsewhere = format!("HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n");
        let world = World::new()
            .name("example.com", &[&[PUBLIC]])
            .name("other.example", &[&[OTHER]])
            .server(PUBLIC, answers(elsewhere))
            .server(OTHER, answers(ok("", b"found")));
        let (door, log) = world.open();
        let follow = |url| NetworkGrant { redirects: Redirects::Follow, ..grant(url, &["GET"]) };
        let grants = [follow("http://example.com/"), follow("http://other.example/")].into();
        let session = EgressSession { grants, ..with(&log, [secret("http://example.com/", header("X-Key", ""))]) };
        let error = outcome(&door, &session, get("http://example.com/")).await.expect_err("it is not followed");
        assert!(matches!(error, EgressError::Protocol(_)) && !error.to_string().contains(VALUE), "{error}");
        assert_eq!(log.dialled().len(), 1);
    }
}

#[tokio::test]
async fn a_guest_cannot_take_the_place_of_a_secret() {
    let place = |placement: Placement, url: &str, name: &str| {
        let mut request = get(url);
        if !name.is_empty() {
            request
                .headers_mut()
                .insert(http::HeaderName::try_from(name).expect("a name"), "mine".parse().expect("a value"));
        }
        (placement, request)
    };
    for (placement, request) in [
        place(header("X-Key", ""), "http://example.com/", "x-key"),
        place(basic("me"), "http://example.com/", "authorization"),
        place(query("key"), "http://example.com/?key=mine", ""),
        place(query("key"), "http://example.com/?%6bey=mine", ""),
        place(query("key"), "http://example.com/?a=b&key[]=mine", ""),
        place(header("X-Key", ""), "http://example.com/", "range"),
    ] {
        let (door, log) = World::one(answers(ok("", b"")));
        let session = with(&log, [secret("http://example.com/", placement)]);
        let error = send(&door, &session, request).await.expect_err("it is refused");
        assert!(matches!(error, EgressError::BadRequest(_)), "{error}");
        assert!(log.saw_nothing(), "{error}");
    }
}

#[tokio::test]
async fn a_secret_whose_use_cannot_be_recorded_stops_the_request() {
    for placement in [header("X-Key", ""), basic("me"), query("key")] {
        let (door, log) = World::one(answers(ok("", b"")));
        log.is_full.store(true, Ordering::Relaxed);
        let session = with(&log, [secret("http://example.com/v1/", placement)]);
        let error = send(&door, &session, get("http://example.com/v1/x")).await.expect_err("it is not sent");
        assert_eq!(error.to_string(), "secret `key` was not sent: its use cannot be recorded");
        assert!(matches!(&error, EgressError::Unrecorded { detail, .. } if detail == "no space left"), "{error:?}");
        assert!(log.requests().is_empty() && log.denied().is_empty(), "not a byte of the request went out");
        // What carries no secret needs no record.
        outcome(&door, &session, get("http://example.com/v2/x")).await.expect("it is sent");
    }
}

#[tokio::test]
async fn a_secret_that_cannot_be_sent_as_it_is_bound_stops_the_request() {
    let (door, log) = World::one(answers(ok("", b"")));
    let there = "http://example.com/";
    let twice = with(&log, [secret(there, header("Authorization", "")), secret(there, basic("me"))]);
    let unguarded = EgressSession { redact: None, ..with(&log, [secret(there, header("X-Key", ""))]) };
    for session in [twice, unguarded] {
        let error = send(&door, &session, get(there)).await.expect_err("it is refused");
        assert!(matches!(error, EgressError::Secret { .. }), "{error}");
        assert!(log.saw_nothing(), "{error}");
    }
    for value in [&b"two\r\nX-Evil: lines"[..], b"nul\0", b"new\nline"] {
        let session = with(&log, [secret_of(value, there, header("X-Key", ""))]);
        let error = send(&door, &session, get(there)).await.expect_err("it is refused");
        assert_eq!(error.to_string(), "secret `key` cannot be sent: its value cannot stand in a header");
        assert_eq!(log.requests(), [""; 0]);
    }
}

#[tokio::test]
async fn a_refused_address_never_sees_the_secret() {
    let world = World::new().name("example.com", &[&["10.0.0.1"]]).server("10.0.0.1", answers(ok("", b"")));
    let (door, log) = world.open();
    let session = with(&log, [secret("http://example.com/", header("X-Key", ""))]);
    assert!(matches!(outcome(&door, &session, get("http://example.com/")).await, Err(EgressError::Denied { .. })));
    assert!(log.saw_nothing());
}

#[tokio::test]
async fn an_echoed_secret_is_taken_out_of_every_part_of_the_answer() {
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    write!(zipped, "zipped {VALUE} {VALUE}").expect("memory");
    let zipped = zipped.finish().expect("memory");
    let (first, second) = VALUE.split_at(7);
    let chunks = format!("7\r\n{first}\r\n{:x}\r\n{second}\r\n4\r\ntail\r\n0\r\nX-Late: {VALUE}\r\n\r\n", second.len());
    for (answer, expected) in [
        (ok("", format!("it is {VALUE}.").as_bytes()), "it is [secret:key]."),
        (ok("Content-Encoding: gzip\r\n", &zipped), "zipped [secret:key] [secret:key]"),
        (format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}").into_bytes(), "[secret:key]tail"),
        (
            format!(
                "HTTP/1.1 302 {VALUE}\r\nLocation: /?key={VALUE}\r\nSet-Cookie: a={VALUE}; b\r\n{VALUE}: x\r\nContent-Length: 2\r\n\r\nhi",
            )
            .replace(&format!("\r\n{VALUE}: x"), "\r\nX-Plain: x")
            .into_bytes(),
            "hi",
        ),
    ] {
        let (door, log) = World::one(answers(answer));
        let session = with(&log, [secret("http://example.com/", header("X-Key", ""))]);
        let response = send(&door, &session, get("http://example.com/")).await.expect("it is answered");
        assert!(!format!("{:?} {:?}", response.headers(), response.extensions()).contains(VALUE));
        assert!(!response.headers().contains_key("content-length"));
        let body = response.into_body().collect().await.expect("a body");
        assert!(!format!("{:?}", body.trailers()).contains(VALUE));
        assert_eq!(String::from_utf8_lossy(&body.to_bytes()), expected);
    }
}

#[tokio::test]
async fn an_encoding_that_could_hide_a_secret_is_refused() {
    for coding in ["br", "zstd", "gzip, gzip", "unheard-of"] {
        let (door, log) = World::one(answers(ok(&format!("Content-Encoding: {coding}\r\n"), b"x")));
        let session = with(&log, [secret("http://example.com/", header("X-Key", ""))]);
        let result = outcome(&door, &session, get("http://example.com/")).await;
        assert!(matches!(result, Err(EgressError::Protocol(_))), "{coding}: {result:?}");
    }
}

#[tokio::test]
async fn no_error_and_no_note_has_the_value() {
    let echo = server(|mut stream, log| async move {
        read_request(&mut stream, &log).await.expect("a request");
        let _ = stream.write_all(format!("{VALUE} {VALUE}\r\n\r\n").as_bytes()).await;
    });
    let (door, log) = World::one(echo);
    let session = with(&log, [secret("http://example.com/", query("key"))]);
    let error = outcome(&door, &session, get("http://example.com/")).await.expect_err("it is no HTTP");
    assert!(!format!("{error} {error:?} {:?} {:?}", log.denied(), log.secrets()).contains("s3cret"), "{error:?}");
}
