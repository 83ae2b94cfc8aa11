//! Attacks of a tool through what a request says, and through how many it sends.

use serde_json::{Value, json};

use super::outside::{AMPLE, Site, denied, field, get, with};
use crate::upstream::Upstream;

/// Whatever is public. It is the widest that a rule can be.
const PUBLIC: &str = r#"
[[rule]]
name = "public"
tools = ["guest"]
network = [{ any-public-host = ["http", "https"], methods = ["GET", "POST"] }]
"#;

/// A server that answers whoever comes.
fn serve(site: &Site) -> Upstream {
    site.world.serve("http://api.example.com", |_| http::Response::new("answered".into()))
}

#[test]
fn a_target_of_another_form_is_refused() {
    let site = Site::new(PUBLIC);
    let api = serve(&site);
    for target in
        ["http://10.0.0.5/", "*", "evil.example:80", "?", "v1/x", "/a b", "/a\tb", "/\u{e4}", "/#fragment", "/a#b"]
    {
        let request = with(get("http://api.example.com/"), "target", json!(target));
        let before = api.requests().len();
        let struck = site.strike("send", &json!({ "request": request }));
        // What the interface or the door straightens out is a path on the same host; everything else goes nowhere.
        let asked = api.requests();
        assert!(asked.iter().all(|asked| asked.target.starts_with('/')), "{target:?}: {asked:?}");
        assert!(
            asked.iter().all(|asked| asked.header("host").as_deref() == Some("api.example.com")),
            "{target:?}: {asked:?}"
        );
        let refused = struck.outcome.verdict.failure().is_some();
        assert_eq!(asked.len(), before + usize::from(!refused), "{target:?}");
    }
    assert!(site.world.dialled().iter().all(|address| *address == api.address));
    site.stops(&with(get("http://api.example.com/"), "authority", Value::Null));
    // Where no scheme is given it is the safe one.
    let struck =
        site.strike("send", &json!({ "request": with(get("http://api.example.com/"), "scheme", Value::Null) }));
    assert!(struck.failure().message.contains("ConnectionRefused"), "{:?}", struck.failure());
    assert_eq!(site.world.dialled().last().map(std::net::SocketAddr::port), Some(443));
    site.arena.serves();
}

#[test]
fn line_breaks_get_into_no_part_of_a_request() {
    let site = Site::new(PUBLIC);
    let api = serve(&site);
    for evil in ["\r\n", "\n", "\r", "\0", "\u{b}"] {
        let smuggled = format!("x{evil}X-Evil: 1{evil}{evil}GET /evil HTTP/1.1");
        let plain = || get("http://api.example.com/");
        for request in [
            with(plain(), "method", json!(smuggled)),
            with(plain(), "scheme", json!(smuggled)),
            with(plain(), "authority", json!(format!("api.example.com{evil}X-Evil: 1"))),
            with(plain(), "target", json!(format!("/{smuggled}"))),
            field(plain(), &smuggled, "1"),
            field(plain(), "x-field", &smuggled),
            field(plain(), "host", &format!("api.example.com{evil}X-Evil: 1")),
        ] {
            site.stops(&request);
        }
    }
    assert_eq!(api.connections(), 0);
    site.arena.serves();
}

#[test]
fn the_host_field_cannot_name_another_host() {
    let site = Site::new(PUBLIC);
    let api = serve(&site);
    for host in [
        "internal.example.com",
        "127.0.0.1",
        "api.example.com:8080",
        "api.example.com.evil.example",
        "",
        "api.example.com, evil.example",
    ] {
        for name in ["host", "Host", "HOST"] {
            site.stops(&field(get("http://api.example.com/"), name, host));
        }
    }
    site.stops(&field(field(get("http://api.example.com/"), "host", "api.example.com"), "host", "evil.example"));
    assert_eq!(api.connections(), 0);
    // Its own name may be said; other fields that some servers believe are just fields.
    site.send(&field(get("http://api.example.com/"), "x-forwarded-host", "evil.example"));
    let asked = api.requests();
    assert_eq!(asked[0].header("host").as_deref(), Some("api.example.com"), "{asked:?}");
    site.arena.serves();
}

#[test]
fn a_request_has_one_length_and_it_is_the_hosts() {
    let site = Site::new(PUBLIC);
    let api = serve(&site);
    let post = || {
        with(with(get("http://api.example.com/"), "method", json!("POST")), "body", json!("GET /evil HTTP/1.1\r\n\r\n"))
    };
    for fields in [
        &[("content-length", "0")] as &[_],
        &[("content-length", "5"), ("content-length", "6")],
        &[("transfer-encoding", "chunked")],
        &[("Transfer-Encoding", "chunked"), ("Content-Length", "4")],
        &[("transfer-encoding", "xchunked")],
        &[("te", "trailers")],
        &[("connection", "keep-alive, content-length")],
        &[("keep-alive", "timeout=100")],
        &[("expect", "100-continue")],
    ] {
        let request = fields.iter().fold(post(), |request, (name, value)| field(request, name, value));
        let struck = site.strike("send", &json!({ "request": request }));
        // One that `wasi:http` forbids never gets as far; a true length may pass. None may reach the server as given.
        let asked = api.requests();
        assert!(struck.outcome.verdict.failure().is_some() || asked.is_empty(), "{fields:?}: {asked:?}");
    }
    assert_eq!(api.connections(), 0);
    site.send(&post());
    let asked = api.requests();
    assert_eq!((asked.len(), asked[0].header("content-length").as_deref()), (1, Some("22")), "{asked:?}");
    assert_eq!(asked[0].header("transfer-encoding"), None);
    site.arena.serves();
}

#[test]
fn trailers_of_a_tool_are_not_sent() {
    let site = Site::new(PUBLIC);
    let api = serve(&site);
    for (name, value) in
        [("x-late", "1"), ("authorization", "Bearer stolen"), ("content-length", "0"), ("host", "evil.example")]
    {
        let post = with(with(get("http://api.example.com/"), "method", json!("POST")), "body", json!("body"));
        site.stops(&with(post, "trailers", json!([{ "name": name, "value": value }])));
    }
    assert_eq!(api.connections(), 0);
    site.arena.serves();
}

#[test]
fn a_connection_is_never_turned_into_another() {
    let site = Site::new(PUBLIC);
    let api = serve(&site);
    for method in ["CONNECT", "connect", "TRACE", "Trace"] {
        site.stops(&with(get("http://api.example.com/"), "method", json!(method)));
    }
    site.stops(&with(with(get("http://api.example.com/"), "method", json!("CONNECT")), "target", Value::Null));
    for (name, value) in
        [("upgrade", "websocket"), ("connection", "Upgrade"), ("http2-settings", "AAMAAABkAAQ"), ("upgrade", "h2c")]
    {
        site.stops(&field(get("http://api.example.com/"), name, value));
    }
    assert_eq!(api.connections(), 0);
    site.arena.serves();
}

#[test]
fn a_flood_of_requests_ends_at_its_limit() {
    let site = Site::new(&format!("{AMPLE}http-requests = 10\nhttp-sent-bytes = \"1 MiB\"\n{PUBLIC}"));
    let api = serve(&site);
    site.ends("flood", &json!({ "request": get("http://api.example.com/v1/x") }), "http-requests-limit");
    assert_eq!(api.connections(), 10);
    let post = with(get("http://api.example.com/v1/x"), "method", json!("POST"));
    let struck = site.ends("upload", &json!({ "request": post, "mebibytes": 64 }), "http-sent-bytes-limit");
    assert!(struck.outcome.receipt.as_ref().unwrap().receipt.used.http_sent_bytes <= 1 << 20);
    // Refused requests are no way around it: each refusal is counted as a host call and noted once.
    let struck = site.strike("send", &json!({ "request": get("http://10.0.0.5/") }));
    assert_eq!(denied(&struck).len(), 1);
    site.arena.serves();
}

#[test]
fn no_connection_serves_two_requests_or_two_tenants() {
    let site = Site::new(PUBLIC);
    let api = site.world.serve("http://api.example.com", |_| {
        http::Response::builder()
            .header("set-cookie", "session=theirs")
            .header("keep-alive", "timeout=100")
            .body("x".into())
            .unwrap()
    });
    let request = json!({ "request": get("http://api.example.com/v1/x") });
    for (count, tenant) in ["acme", "umbrella", "acme", "umbrella"].into_iter().enumerate() {
        assert_eq!(site.strike_as(tenant, "send", &request).result()["status"], 200);
        assert_eq!(api.connections(), count + 1, "a connection was used again");
    }
    for asked in api.requests() {
        assert_eq!(asked.header("connection").as_deref(), Some("close"));
        assert_eq!(asked.header("cookie"), None, "a cookie was kept");
    }
    site.arena.serves();
}

/// A call leaves a receipt, and a receipt has room for one line: no call makes its own so long that it cannot be written.
#[test]
fn a_refusal_is_short_and_inert_whatever_was_asked_for() {
    let site = Site::new(PUBLIC);
    let plain = || get("http://10.0.0.5/");
    let long = "x".repeat(1 << 20);
    for request in [
        with(plain(), "method", json!("M".repeat(1 << 20))),
        with(plain(), "scheme", json!(long)),
        with(plain(), "authority", json!("a.".repeat(30_000) + "example")),
        with(plain(), "authority", json!(format!("{}.example", "a".repeat(60_000)))),
        with(plain(), "authority", json!("10.0.0.5\u{1b}[2J\u{202e}")),
        with(plain(), "target", json!(format!("/{}", "x".repeat(60_000)))),
        with(plain(), "target", json!(format!("/?{}", "x".repeat(60_000)))),
        with(plain(), "target", json!(format!("/{}", "%1b%5b2J%e2%80%ae".repeat(100)))),
        field(plain(), &"n".repeat(30_000), "1"),
        field(plain(), "cookie", &"v".repeat(30_000)),
    ] {
        let struck = site.stops(&request);
        let told = struck.told();
        assert!(told.len() < 8_192, "{} bytes: {}", told.len(), told.chars().take(400).collect::<String>());
        assert!(!told.contains(['\u{1b}', '\u{202e}']) && !told.contains("\\u001b"), "{told}");
        for attempt in denied(&struck) {
            assert!(attempt.reason.len() <= 1_024 && !attempt.reason.contains(char::is_control), "{attempt:?}");
        }
    }
    site.arena.serves();
}
