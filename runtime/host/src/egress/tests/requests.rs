//! What a guest may say, and what of it goes out.

use std::task::{Context, Poll};

use http::{HeaderMap, Method};
use http_body::Frame;

use super::*;

/// A body that is made up as it goes.
struct Made<F>(F);

impl<F: FnMut() -> Option<Result<Frame<Bytes>, BodyError>> + Unpin> http_body::Body for Made<F> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready((self.0)())
    }
}

fn pieces(piece: &'static [u8], mut number: usize) -> Body {
    let next = move || {
        number = number.checked_sub(1)?;
        Some(Ok(Frame::data(Bytes::from_static(piece))))
    };
    Made(next).boxed_unsync()
}

fn post(body: Body) -> Request<Body> {
    Request::post("http://example.com/").body(body).expect("a request")
}

fn with_header(name: &str, value: &str) -> Request<Body> {
    Request::get("http://example.com/").header(name, value).body(empty()).expect("a request")
}

#[tokio::test]
async fn a_request_goes_out_as_it_was_decided() {
    let (door, log) = World::one(answers(ok("", b"hi")));
    let mut request = with_header("X-Own", "kept");
    *request.uri_mut() = "http://EXAMPLE.com.:80/%61?q=%2F".parse().expect("a URI");
    request.headers_mut().insert("host", "Example.com:80".parse().expect("a value"));
    request.headers_mut().insert("accept-encoding", "br".parse().expect("a value"));
    assert_eq!(outcome(&door, &open_session(&log), request).await.ok().as_deref(), Some("hi"));
    let sent = "GET /a?q=%2F HTTP/1.1\r\nhost: example.com\r\nx-own: kept\r\naccept-encoding: gzip, deflate\r\nconnection: close\r\n\r\n";
    assert_eq!(log.requests(), [sent]);
    assert_eq!(log.denied(), [""; 0]);
}

#[tokio::test]
async fn headers_that_are_the_hosts_own_are_refused() {
    for (name, value) in [
        ("Connection", "close, X-Own"),
        ("Keep-Alive", "timeout=5"),
        ("Content-Length", "0"),
        ("Transfer-Encoding", "chunked"),
        ("TE", "trailers"),
        ("Trailer", "X"),
        ("Upgrade", "websocket"),
        ("Expect", "100-continue"),
        ("HTTP2-Settings", "x"),
        ("Proxy-Authorization", "Basic x"),
        ("Proxy-Connection", "keep-alive"),
        ("Host", "evil.example"),
        ("Host", "example.com:8080"),
        ("Host", ""),
        ("Authorization", "Bearer mine"),
        ("Cookie", "session=mine"),
    ] {
        let (door, log) = World::one(answers(ok("", b"")));
        let error = send(&door, &open_session(&log), with_header(name, value)).await.expect_err("it is refused");
        assert!(matches!(error, EgressError::BadRequest(_)), "{name}: {error}");
        assert!(log.saw_nothing() && log.lookups().is_empty(), "{name}");
        assert_eq!(log.denied(), [error.to_string()]);
    }
}

#[tokio::test]
async fn methods_about_connections_are_never_sent() {
    for method in ["CONNECT", "TRACE", "connect", "Trace"] {
        let (door, log) = World::one(answers(ok("", b"")));
        let mut request = get("http://example.com/");
        *request.method_mut() = Method::from_bytes(method.as_bytes()).expect("a token");
        let error = send(&door, &open_session(&log), request).await.expect_err("it is refused");
        assert!(matches!(error, EgressError::BadRequest(BadRequest::Method(_))), "{error}");
        assert!(log.saw_nothing());
    }
    let (door, log) = World::one(answers(ok("", b"")));
    let mut request = get("http://example.com/");
    *request.method_mut() = Method::from_bytes(b"get").expect("a token");
    assert!(matches!(send(&door, &open_session(&log), request).await, Err(EgressError::Denied { .. })));
}

#[tokio::test]
async fn a_small_body_goes_out_with_its_length_and_a_large_one_in_chunks() {
    for (body, end) in [
        (full("hello"), "content-length: 5\r\n\r\nhello"),
        (pieces(b"ab", 3), "content-length: 6\r\n\r\nababab"),
        (empty(), "content-length: 0\r\n\r\n"),
    ] {
        let (door, log) = World::one(answers(ok("", b"")));
        outcome(&door, &open_session(&log), post(body)).await.expect("it is answered");
        assert!(log.requests()[0].ends_with(end), "{:?}", log.requests());
    }
    let (door, log) = World::one(answers(ok("", b"")));
    let session = open_session(&log);
    outcome(&door, &session, post(pieces(&[b'z'; 1000], 100))).await.expect("it is answered");
    assert!(log.requests()[0].contains("transfer-encoding: chunked\r\n"));
    assert_eq!(log.requests()[0].matches('z').count(), 100_000 + "gzip".matches('z').count());
    assert_eq!(session.meter.sent_bytes(), 100_000);
    // Where the whole length is known beforehand it is said, however large the body is.
    let (door, log) = World::one(answers(ok("", b"")));
    outcome(&door, &open_session(&log), post(full(vec![b'x'; 100_000]))).await.expect("it is answered");
    assert!(log.requests()[0].contains("content-length: 100000\r\n"));
}

#[tokio::test]
async fn no_trailers_go_out() {
    let trailers = |number: usize| {
        let mut left = number;
        Made(move || {
            if left == 0 {
                let trailers =
                    HeaderMap::from_iter([("x-late".parse().expect("a name"), "1".parse().expect("a value"))]);
                return Some(Ok(Frame::trailers(trailers)));
            }
            left -= 1;
            Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 1000]))))
        })
        .boxed_unsync()
    };
    for pieces in [0, 1, 200] {
        let (door, log) = World::one(answers(ok("", b"")));
        let result = outcome(&door, &open_session(&log), post(trailers(pieces))).await;
        assert!(matches!(result, Err(EgressError::BadRequest(BadRequest::Trailers))), "{pieces}: {result:?}");
        assert_eq!(log.requests(), [""; 0], "{pieces}");
    }
}

#[tokio::test]
async fn bodies_that_are_sent_add_up_over_the_call() {
    let (door, log) = World::one(answers(ok("", b"")));
    let limits = HttpLimits { sent_bytes: 150_000, ..HttpLimits::default() };
    let session = EgressSession { limits, ..open_session(&log) };
    assert!(outcome(&door, &session, post(pieces(&[b'x'; 1000], 100))).await.is_ok());
    let second = outcome(&door, &session, post(pieces(&[b'x'; 1000], 100))).await;
    assert_eq!(over(&second), Some("http_sent_bytes"), "{second:?}");
    assert!(session.meter.sent_bytes() <= 150_000);
}

#[tokio::test]
async fn a_flood_of_empty_pieces_has_an_end() {
    let (door, log) = World::one(answers(ok("", b"")));
    let limits = HttpLimits { sent_bytes: 100_000, ..HttpLimits::default() };
    let session = EgressSession { limits, ..open_session(&log) };
    let flood = Made(|| Some(Ok(Frame::data(Bytes::new())))).boxed_unsync();
    let result = outcome(&door, &session, post(flood)).await;
    assert_eq!(over(&result), Some("http_sent_bytes"), "{result:?}");
}

#[tokio::test]
async fn a_body_that_the_guest_gives_up_is_not_sent_as_if_it_were_whole() {
    let (door, log) = World::one(answers(ok("", b"")));
    let abandoned = Made(|| Some(Err(BodyError::Abandoned))).boxed_unsync();
    let result = outcome(&door, &open_session(&log), post(abandoned)).await;
    assert!(matches!(result, Err(EgressError::Protocol(_))), "{result:?}");
    assert!(log.saw_nothing());
}

#[tokio::test]
async fn requests_are_counted_over_the_call_and_refused_ones_are_not() {
    let (door, log) = World::one(answers(ok("", b"")));
    let limits = HttpLimits { requests: 2, ..HttpLimits::default() };
    let session = EgressSession { limits, ..open_session(&log) };
    assert!(send(&door, &session, get("http://other.example/")).await.is_err());
    assert_eq!(session.meter.requests(), 0);
    for _ in 0..2 {
        assert!(outcome(&door, &session, get("http://example.com/")).await.is_ok());
    }
    assert_eq!(over(&outcome(&door, &session, get("http://example.com/")).await), Some("http_requests"));
    assert_eq!(log.dialled().len(), 2, "each request has a connection of its own");
}

#[tokio::test]
async fn lookups_are_counted_also_where_the_request_is_refused() {
    let world = World::new().name("example.com", &[&["10.0.0.1"]]);
    let (door, log) = world.open();
    let limits = HttpLimits { lookups: 2, ..HttpLimits::default() };
    let session = EgressSession { limits, ..open_session(&log) };
    for _ in 0..2 {
        assert!(matches!(outcome(&door, &session, get("http://example.com/")).await, Err(EgressError::Denied { .. })));
    }
    assert_eq!(over(&outcome(&door, &session, get("http://example.com/")).await), Some("http_lookups"));
    assert_eq!(log.lookups().len(), 2);
}

#[tokio::test]
async fn a_head_has_bounds() {
    let (door, log) = World::one(answers(ok("", b"")));
    let session = open_session(&log);
    let big = outcome(&door, &session, with_header("x-big", &"x".repeat(70_000))).await;
    assert_eq!(over(&big), Some("http_head_bytes"), "{big:?}");
    let mut request = get("http://example.com/");
    for n in 0..200 {
        request.headers_mut().append(http::HeaderName::try_from(format!("x-{n}")).expect("a name"), n.into());
    }
    assert_eq!(over(&outcome(&door, &session, request).await), Some("http_headers"));
    assert!(log.saw_nothing());
}
