//! Answers that point elsewhere.

use super::*;

fn points_to(status: u16, location: &str) -> Server {
    answers(format!("HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nContent-Length: 4\r\n\r\nbody"))
}

fn followed(url: &str, methods: &[&str]) -> NetworkGrant {
    NetworkGrant { redirects: Redirects::Follow, ..grant(url, methods) }
}

/// `example.com` points to `location`; `other.example` has the answer.
fn world(status: u16, location: &str) -> World {
    World::new()
        .name("example.com", &[&[PUBLIC]])
        .name("other.example", &[&[OTHER]])
        .name("inside.example", &[&["10.0.0.1"]])
        .server(PUBLIC, points_to(status, location))
        .server(OTHER, answers(ok("", b"found")))
        .server("10.0.0.1", answers(ok("", b"inside")))
        .server("127.0.0.1", answers(ok("", b"inside")))
        .server("169.254.169.254", answers(ok("", b"credentials")))
}

#[tokio::test]
async fn a_redirect_is_the_guests_to_follow_unless_a_rule_says_otherwise() {
    let (door, log) = world(302, "http://other.example/").open();
    let session = session(&log, [grant("http://example.com/", &["GET"]), grant("http://other.example/", &["GET"])]);
    let response = send(&door, &session, get("http://example.com/")).await.expect("it is answered");
    assert_eq!(response.status(), 302);
    assert_eq!(response.headers()["location"], "http://other.example/");
    assert_eq!(text(response).await.ok().as_deref(), Some("body"));
    assert_eq!(log.dialled().len(), 1);
}

#[tokio::test]
async fn a_followed_redirect_is_a_request_of_its_own() {
    let (door, log) = world(302, "//other.example/there").open();
    let session = session(&log, [followed("http://example.com/", &["GET"]), grant("http://other.example/", &["GET"])]);
    let mut request = get("http://example.com/");
    request.headers_mut().insert("host", "example.com".parse().expect("a value"));
    assert_eq!(outcome(&door, &session, request).await.ok().as_deref(), Some("found"));
    assert_eq!(log.lookups(), ["example.com", "other.example"]);
    assert!(log.requests()[1].starts_with("GET /there HTTP/1.1\r\nhost: other.example\r\n"), "{:?}", log.requests());
    assert_eq!(session.meter.requests(), 2);
}

#[tokio::test]
async fn a_redirect_leads_nowhere_that_the_guest_could_not_ask_for() {
    for location in [
        "http://not-granted.example/",
        "http://inside.example/",
        "http://127.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:127.0.0.1]/",
        "http://127.1/",
        "http://2130706433/",
        "http://user@other.example/",
        "http://other.example:8080/",
        "http://other.example/../x",
        "file:///etc/passwd",
        "gopher://other.example/",
        "http://other.example\\@evil.example/",
    ] {
        let (door, log) = world(302, location).open();
        let grants = [
            followed("http://example.com/start", &["GET"]),
            grant("http://other.example/", &["GET"]),
            grant("http://inside.example/", &["GET"]),
            grant("http://127.0.0.1/", &["GET"]),
            grant("http://169.254.169.254/", &["GET"]),
            any_public(Scheme::Https),
        ];
        let result = outcome(&door, &session(&log, grants), get("http://example.com/start")).await;
        assert!(matches!(result, Err(EgressError::Denied { .. } | EgressError::Protocol(_))), "{location}: {result:?}");
        assert_eq!(log.dialled(), ["93.184.216.34:80"], "{location}");
    }
}

#[tokio::test]
async fn a_redirect_out_of_the_granted_path_or_method_is_denied() {
    let (door, log) = world(307, "/admin").open();
    let session_v1 = session(&log, [followed("http://example.com/v1", &["GET"])]);
    let result = outcome(&door, &session_v1, get("http://example.com/v1")).await;
    assert!(matches!(&result, Err(EgressError::Denied { reason, .. }) if reason.contains("/admin")), "{result:?}");
    assert_eq!(log.denied().len(), 1);
    // A 303 makes a GET of a POST, and GET is not granted.
    let (door, log) = world(303, "/").open();
    let session = session(&log, [followed("http://example.com/", &["POST"])]);
    let request = Request::post("http://example.com/").body(full("x")).expect("a request");
    assert!(matches!(outcome(&door, &session, request).await, Err(EgressError::Denied { .. })));
}

#[tokio::test]
async fn hops_are_few_and_each_one_counts() {
    let (door, log) = world(302, "/again").open();
    let forever = session(&log, [followed("http://example.com/", &["GET"])]);
    let result = outcome(&door, &forever, get("http://example.com/")).await;
    assert!(matches!(&result, Err(EgressError::Protocol(why)) if why.contains("more than 5 times")), "{result:?}");
    assert_eq!((log.requests().len(), forever.meter.requests()), (6, 6));
    let limits = HttpLimits { requests: 3, ..HttpLimits::default() };
    let (door, log) = world(302, "/again").open();
    let few = EgressSession { limits, ..session(&log, [followed("http://example.com/", &["GET"])]) };
    assert_eq!(over(&outcome(&door, &few, get("http://example.com/")).await), Some("http_requests"));
    assert_eq!(log.requests().len(), 3);
}

#[tokio::test]
async fn a_body_goes_along_only_where_the_standard_has_it_and_it_was_kept() {
    for (status, second) in [
        (307, "POST / HTTP/1.1\r\nhost: other.example\r\ncontent-type: text/plain\r\naccept-encoding"),
        (308, "POST / HTTP/1.1\r\nhost: other.example\r\ncontent-type: text/plain\r\naccept-encoding"),
        (302, "GET / HTTP/1.1\r\nhost: other.example\r\naccept-encoding"),
        (303, "GET / HTTP/1.1\r\nhost: other.example\r\naccept-encoding"),
    ] {
        let (door, log) = world(status, "http://other.example/").open();
        let methods = ["GET", "POST"];
        let grants = || [followed("http://example.com/", &methods), followed("http://other.example/", &methods)];
        let post = |body| {
            let request = Request::post("http://example.com/").header("content-type", "text/plain");
            request.body(body).expect("a request")
        };
        let session = session(&log, grants());
        assert_eq!(outcome(&door, &session, post(full("hello"))).await.ok().as_deref(), Some("found"));
        assert!(log.requests()[1].starts_with(second), "{:?}", log.requests());
        assert_eq!(log.requests()[1].ends_with("hello"), second.starts_with("POST"));
        assert_eq!(session.meter.sent_bytes(), if second.starts_with("POST") { 10 } else { 5 });

        let large = outcome(&door, &session, post(full(vec![b'x'; 100_000]))).await;
        let kept = second.starts_with("GET");
        assert_eq!(large.is_ok(), kept, "{status}: {large:?}");
    }
}

#[tokio::test]
async fn an_answer_with_a_status_of_redirects_and_no_place_is_an_answer() {
    for answer in
        ["HTTP/1.1 302 Found\r\nContent-Length: 2\r\n\r\nhi", "HTTP/1.1 304 Not Modified\r\nLocation: /x\r\n\r\n"]
    {
        let (door, log) = World::one(answers(answer));
        let session = session(&log, [followed("http://example.com/", &["GET"])]);
        assert!(outcome(&door, &session, get("http://example.com/")).await.is_ok(), "{answer}");
        assert_eq!(log.requests().len(), 1);
    }
}
