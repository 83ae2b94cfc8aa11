//! Attacks on secrets: by the server that gets them, by the tool that may not see them, and wherever something is written.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::Struck;
use super::alone::alone;
use super::canary::{CANARY, forms, is_clean, traces, written};
use super::outside::{Site, denied, field, get, header, with};
use crate::upstream::After;

/// The secret goes to one path of one host; a second host is allowed, too.
const RULES: &str = r#"
[[rule]]
name = "api"
tools = ["guest"]
network = [
    { url = "https://api.example.com/", methods = ["GET", "POST"], redirects = "follow" },
    { url = "https://api.example.com:8443/", methods = ["GET"] },
    { url = "http://api.example.com/", methods = ["GET"] },
    { url = "https://second.example.com/", methods = ["GET", "POST"], redirects = "follow" },
    { url = "https://returns.example.com/", methods = ["GET"] },
]

[[rule]]
name = "secret"
tools = ["guest"]
tenants = ["local", "acme"]
secrets = [
    { name = "key", from = "operator-key", url = "https://api.example.com/v1/", header = "authorization", prefix = "Bearer " },
    { name = "other-key", from = "operator-key", url = "https://returns.example.com/", header = "x-api-key" },
]
"#;

const API: &str = "https://api.example.com/v1/x";

fn site() -> Site {
    Site::with(RULES, &[("operator-key", CANARY), ("umbrella-key", "umbr3lla-0123456789")])
}

/// Nobody is told of it, and nothing that was written holds it.
fn stays_secret(site: &Site, struck: &Struck, what: &str) {
    is_clean(&struck.told(), what);
    is_clean(&format!("{:?}", struck.outcome), what);
    is_clean(&struck.lines().join("\n"), what);
    written(site.home(), what);
}

/// Asks and gives what came back, when nothing of the secret did.
fn asked(site: &Site, request: &Value, what: &str) -> Value {
    let struck = site.strike("send", &json!({ "request": request }));
    stays_secret(site, &struck, what);
    struck.result()
}

#[test]
fn a_server_that_echoes_it_in_a_body_gives_nothing_away() {
    let site = site();
    for form in forms() {
        for (before, after) in [("", ""), ("{\"token\": \"", "\"}"), ("Authorization: Bearer ", "\r\n")] {
            let body = format!("{before}{form}{after}");
            let echo = body.clone();
            let api = site.world.serve("https://api.example.com", move |_| Response::new(echo.clone().into()));
            let response = asked(&site, &get(API), &form);
            assert!(response["body"].as_str().is_some_and(|body| body.contains("[secret:")), "{body}: {response}");
            assert_eq!(
                api.requests()[0].header("authorization"),
                Some(format!("Bearer {CANARY}")),
                "the server has it"
            );
        }
    }
    site.arena.serves();
}

#[test]
fn an_echo_in_pieces_gives_nothing_away() {
    let site = site();
    for form in forms() {
        for size in [1, 3, 7] {
            let mut answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
            for piece in format!("<{form}>{form}{form}|").as_bytes().chunks(size) {
                write!(answer, "{:x}\r\n{}\r\n", piece.len(), std::str::from_utf8(piece).unwrap()).unwrap();
            }
            answer.push_str("0\r\n\r\n");
            let _api = site.world.raw("https://api.example.com", answer, After::Close);
            let response = asked(&site, &get(API), &form);
            let body = response["body"].as_str().unwrap();
            assert!(body.contains("[secret:"), "{form} in pieces of {size}: {body}");
        }
    }
    // Behind a compression, too.
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(format!("{CANARY} and {CANARY}").as_bytes()).unwrap();
    let gzip = Bytes::from(gzip.finish().unwrap());
    let _api = site.world.serve("https://api.example.com", move |_| {
        Response::builder().header("content-encoding", "gzip").body(gzip.clone()).unwrap()
    });
    let response = asked(&site, &get(API), "compressed");
    assert_eq!(response["body"], "[secret:operator-key] and [secret:operator-key]");
    site.arena.serves();
}

#[test]
fn an_echo_in_a_field_gives_nothing_away() {
    let site = site();
    for form in forms() {
        let value = form.clone();
        let _returns = site.world.serve("https://returns.example.com", move |_| {
            Response::builder()
                .status(302)
                .header("x-echo", &value)
                .header("set-cookie", format!("token={value}; Path=/"))
                .header("www-authenticate", format!("Bearer error=\"{value}\""))
                .header("etag", format!("\"{value}{value}\""))
                .header("location", format!("https://second.example.com/?token={value}"))
                .body("".into())
                .unwrap()
        });
        let response = asked(&site, &get("https://returns.example.com/"), &form);
        assert_eq!(response["status"], 302);
        for name in ["x-echo", "set-cookie", "www-authenticate", "etag", "location"] {
            let value = header(&response, name).unwrap_or_default();
            assert!(value.is_empty() || value.contains("[secret:"), "{name}: {value}");
        }
    }
    // As the name of a field, as the reason of a status, and in a trailer.
    let name = "c4n4ry-7b1f0c-in-a-name";
    let rules = RULES.replace("operator-key", "named-key");
    let site = Site::with(&rules, &[("named-key", name)]);
    let answer = format!(
        "HTTP/1.1 200 {name}\r\n{name}: 1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n{name}: 2\r\nx-late: {name}\r\n\r\n"
    );
    let _api = site.world.raw("https://api.example.com", answer, After::Close);
    let struck = site.strike("send", &json!({ "request": get(API) }));
    assert!(!struck.told().contains(name), "{}", struck.told());
    let response = struck.result();
    assert_eq!(response["trailers"], json!([{ "name": "x-late", "value": "[secret:named-key]" }]), "{response}");
    site.arena.serves();
}

#[test]
fn an_echo_of_a_query_or_of_basic_credentials_gives_nothing_away() {
    for placement in
        [r#"query = "token""#, r#"basic = "user""#, r#"basic = "us""#, r#"basic = "u""#, r#"header = "x-key""#]
    {
        let rules = RULES.replace(r#"header = "authorization", prefix = "Bearer ""#, placement);
        let site = Site::with(&rules, &[("operator-key", CANARY)]);
        // Says all that it was told, word for word.
        let api = site.world.serve("https://api.example.com", |asked| {
            let told = format!("{asked:?}\n{} {}", asked.target, asked.header("authorization").unwrap_or_default());
            Response::builder().header("x-target", &asked.target).body(told.into()).unwrap()
        });
        let response = asked(&site, &get(&format!("{API}?first=1")), placement);
        let seen = format!("{:?}", api.requests());
        assert!(traces().iter().any(|trace| seen.contains(trace)), "{placement}: the server has it: {seen}");
        assert!(response["body"].as_str().unwrap().contains("[secret:"), "{placement}: {response}");
        if placement.starts_with("query") {
            site.refuses(&get(&format!("{API}?token=mine")), "token");
            site.refuses(&get(&format!("{API}?a=b&%74oken=mine")), "token");
        }
        site.arena.serves();
    }
}

#[test]
fn a_redirect_with_it_is_not_followed() {
    let site = site();
    let second = site.world.serve("https://second.example.com", |_| Response::new("second".into()));
    for form in forms().into_iter().filter(|form| !form.contains('\\')) {
        for place in [
            format!("https://second.example.com/?{form}"),
            format!("https://second.example.com/{form}"),
            format!("/v2/{form}"),
        ] {
            let _api = site.world.serve("https://api.example.com", move |_| {
                Response::builder().status(302).header("location", &place).body("".into()).unwrap()
            });
            let struck = site.strike("send", &json!({ "request": get(API) }));
            is_clean(&struck.told(), &form);
        }
    }
    let carried: Vec<_> = second.requests().into_iter().map(|asked| asked.target).collect();
    is_clean(&carried.join("\n"), "a redirect carried it to the second host");
    site.arena.serves();
}

#[test]
fn a_tool_sends_no_credentials_of_its_own() {
    let site = site();
    let (api, second) = (
        site.world.serve("https://api.example.com", |_| Response::new("api".into())),
        site.world.serve("https://second.example.com", |_| Response::new("second".into())),
    );
    for url in [API, "https://api.example.com/v2/", "https://second.example.com/"] {
        for name in ["authorization", "Authorization", "AUTHORIZATION", "cookie", "Proxy-Authorization"] {
            site.stops(&field(get(url), name, "Bearer mine"));
        }
    }
    // The field that a secret is bound to, whatever its name is.
    site.refuses(&field(get("https://returns.example.com/"), "X-Api-Key", "mine"), "credentials");
    // Part of an answer would hold part of an echo.
    site.refuses(&field(get(API), "range", "bytes=3-9"), "range");
    assert_eq!((api.connections(), second.connections()), (0, 0));
    site.arena.serves();
}

#[test]
fn another_tenants_secret_is_not_there() {
    let site = site();
    let api = site.world.serve("https://api.example.com", |_| Response::new("api".into()));
    let there = |tenant: &str, name: &str| site.strike_as(tenant, "secret", &json!({ "name": name }));
    assert_eq!(there("acme", "key").result(), true);
    for (tenant, name) in [
        ("umbrella", "key"),
        ("umbrella", "operator-key"),
        ("acme", "umbrella-key"),
        ("acme", "operator-key"),
        ("acme", "KEY"),
        ("acme", "key\0"),
        ("acme", "key "),
        ("acme", ""),
        ("acme", "../key"),
        ("ACME", "key"),
        ("acme ", "key"),
        ("acme\0", "key"),
        ("", "key"),
        ("acme", &"k".repeat(1 << 20)),
    ] {
        let struck = there(tenant, name);
        assert_eq!(struck.result(), false, "{tenant:?} {}", name.len());
        let refused = denied(&struck);
        assert!(refused.iter().any(|attempt| attempt.function.starts_with("toolcell:host/secrets")), "{refused:?}");
        // What is there and not granted looks like what is not there.
        assert!(!struck.told().contains("umbrella-key") || name == "umbrella-key");
    }
    // A request of a tenant without the secret goes out without it.
    for tenant in ["umbrella", "ACME", "acme/", ""] {
        let struck = site.strike_as(tenant, "send", &json!({ "request": get(API) }));
        assert_eq!(struck.result()["body"], "api", "{tenant:?}");
    }
    assert_eq!(api.requests().len(), 4);
    assert!(api.requests().iter().all(|asked| asked.header("authorization").is_none()), "{:?}", api.requests());
    site.arena.serves();
}

#[test]
fn it_goes_to_the_place_that_it_is_bound_to_and_no_other() {
    let site = site();
    let origins = [
        "https://api.example.com",
        "https://api.example.com:8443",
        "http://api.example.com",
        "https://second.example.com",
    ];
    let upstreams = origins.map(|origin| site.world.serve(origin, |_| Response::new("x".into())));
    for url in [
        "https://second.example.com/v1/x",
        "https://api.example.com:8443/v1/x",
        "http://api.example.com/v1/x",
        "https://api.example.com/",
        "https://api.example.com/v2/",
        "https://api.example.com/v10/",
        "https://api.example.com/V1/x",
        "https://api.example.com/?/v1/",
    ] {
        asked(&site, &get(url), url);
    }
    for upstream in &upstreams {
        for asked in upstream.requests() {
            assert_eq!(asked.header("authorization"), None, "{asked:?}");
            is_clean(&format!("{asked:?}"), "a place that it is not bound to");
        }
    }
    // Paths that some servers would take for the one that it is bound to do not go out.
    for target in ["/v2/../v1/x", "/%76%31/../v1", "/v1/..%2f..%2fv2", "/v1/%2e%2e/v2", "/v2//v1/"] {
        let struck = site.strike("send", &json!({ "request": with(get(API), "target", json!(target)) }));
        stays_secret(&site, &struck, target);
    }
    let before = upstreams[0].requests().len();
    asked(&site, &get(API), API);
    assert_eq!(upstreams[0].requests()[before].header("authorization"), Some(format!("Bearer {CANARY}")));
    site.arena.serves();
}

#[test]
fn a_followed_redirect_does_not_carry_it_on() {
    let site = site();
    let second = site.world.serve("https://second.example.com", |_| Response::new("second".into()));
    for status in [301, 302, 303, 307, 308] {
        let api = site.world.serve("https://api.example.com", move |_| {
            Response::builder()
                .status(status)
                .header("location", "https://second.example.com/v1/x")
                .body("".into())
                .unwrap()
        });
        assert_eq!(asked(&site, &get(API), "followed")["body"], "second");
        assert_eq!(api.requests()[0].header("authorization"), Some(format!("Bearer {CANARY}")));
    }
    assert_eq!(second.requests().len(), 5);
    is_clean(&format!("{:?}", second.requests()), "the second host");
    assert!(second.requests().iter().all(|asked| asked.header("authorization").is_none()));
    // Off its own path on the same host it is left away as well.
    let api = site.world.serve("https://api.example.com", |asked| match asked.target.as_str() {
        "/v1/x" => Response::builder().status(302).header("location", "/v2/x").body("".into()).unwrap(),
        _ => Response::new("elsewhere".into()),
    });
    assert_eq!(asked(&site, &get(API), "another path")["body"], "elsewhere");
    let sent: Vec<_> = api.requests().iter().map(|asked| asked.header("authorization").is_some()).collect();
    assert_eq!(sent, [true, false]);
    site.arena.serves();
}

#[test]
fn errors_and_traps_do_not_hold_it() {
    alone(|| {
        let told = Told::default();
        let writer = told.clone();
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).init();
        let site = site();
        for answer in [
            format!("HTTP/1.1 200 {CANARY}\r\nContent-Length: 100\r\n\r\n{CANARY}"),
            format!("HTTP/1.1 200 OK\r\n{CANARY}\r\n\r\n"),
            format!("{CANARY}\r\n\r\n"),
            format!("HTTP/1.1 200 OK\r\nContent-Length: {CANARY}\r\n\r\n"),
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {CANARY}\r\n\r\n"),
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{CANARY}\r\n"),
            format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n{CANARY}"),
            format!("HTTP/1.1 302 Found\r\nLocation: https://{CANARY}.example.com/\r\n\r\n"),
            format!("HTTP/1.1 302 Found\r\nLocation: https://second.example.com/#{CANARY}\r\n\r\n"),
            format!("HTTP/1.1 101 {CANARY}\r\nUpgrade: {CANARY}\r\n\r\n"),
        ] {
            let _api = site.world.raw("https://api.example.com", answer.clone(), After::Close);
            let struck = site.strike("send", &json!({ "request": get(API) }));
            stays_secret(&site, &struck, &answer);
        }
        let echo = format!("Bearer {CANARY}");
        let _api = site.world.serve("https://api.example.com", move |_| {
            Response::builder().header("x-echo", &echo).body(echo.clone().into()).unwrap()
        });
        let struck = site.strike("send-and-trap", &json!({ "request": get(API) }));
        assert_eq!(struck.failure().kind.name(), "trap", "{:?}", struck.outcome.verdict);
        stays_secret(&site, &struck, "a trap");
        // A limit that is reached while the secret is on its way.
        let _api = site.world.raw("https://api.example.com", "HTTP/1.1 200 OK\r\n\r\n", After::Repeat(CANARY.into()));
        let struck = site.strike("send", &json!({ "request": get(API) }));
        assert!(struck.failure().kind.name().starts_with("http-"), "{:?}", struck.outcome.verdict);
        stays_secret(&site, &struck, "a limit");
        // And whatever the host itself says, to its most curious reader.
        let said = String::from_utf8_lossy(&told.0.lock().unwrap()).into_owned();
        assert!(!said.is_empty(), "the log was listened to");
        for trace in traces() {
            assert!(!said.contains(&trace), "{trace} is in the log");
        }
        site.arena.serves();
    });
}

/// What was logged.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Told {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_is_kept_between_calls_does_not_hold_it() {
    // Two hosts that differ in the value of a secret and in nothing else keep the same things.
    let names = |value: &str| {
        let site = Site::with_cache(RULES, &[("operator-key", value)]);
        let answer = format!("HTTP/1.1 200 OK\r\n\r\n{value}");
        let _api = site.world.raw("https://api.example.com", answer, After::Close);
        let struck = site.strike("send", &json!({ "request": get(API) }));
        assert_eq!(struck.result()["body"], "[secret:operator-key]");
        written(site.home(), "what was kept");
        let mut names = Vec::new();
        let mut folders = vec![site.home().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                names.push(entry.path().strip_prefix(site.home()).unwrap().to_owned());
                folders.extend(entry.path().is_dir().then(|| entry.path()));
            }
        }
        names.retain(|name| name.starts_with("code"));
        names.sort_unstable();
        (names, struck.outcome.receipt.unwrap().receipt.result)
    };
    let (first, second) = (names(CANARY), names("an0ther-secret-of-another-length-altogether"));
    assert!(!first.0.is_empty(), "code is kept");
    assert_eq!(first, second, "a key of the cache, or the digest of a result, depends on the secret");
}
