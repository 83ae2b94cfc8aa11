//! Attacks of a tool on what decides where a request goes: names, addresses, ports, schemes, and where answers point.

use std::net::{SocketAddr, TcpListener};

use serde_json::json;

use super::alone::alone_with;
use super::outside::{Site, denied, get, header, policy, unclaimed, with};
use super::{Arena, Guest};
use crate::upstream::{Upstream, World};

/// Two hosts are listed, one of them below a path, and nothing else.
const LISTED: &str = r#"
[[rule]]
name = "api"
tools = ["guest"]
network = [
    { url = "http://api.example.com/v1/", methods = ["GET", "POST"] },
    { url = "https://safe.example.com/", methods = ["GET"] },
]
"#;

/// Whatever is public. It is the widest that a rule can be.
const PUBLIC: &str = r#"
[[rule]]
name = "public"
tools = ["guest"]
network = [{ any-public-host = ["http", "https"], methods = ["GET", "POST"] }]
"#;

/// A server that says who it is.
fn serve(site: &Site, origin: &str) -> Upstream {
    let name = origin.to_owned();
    site.world.serve(origin, move |_| http::Response::new(name.clone().into()))
}

/// A site where something listens at every private place that the cases try to reach.
fn guarded(rules: &str) -> (Site, Vec<Upstream>) {
    let site = Site::new(rules);
    let inside = [
        "http://127.0.0.1",
        "http://10.0.0.5",
        "http://192.168.1.1",
        "http://169.254.169.254",
        "http://0.0.0.0",
        "http://[::1]",
        "http://[::]",
        "http://[fe80::1]",
        "http://[fd00:ec2::254]",
        "http://100.100.100.200",
    ];
    let inside = inside.map(|origin| serve(&site, origin)).into();
    (site, inside)
}

fn nobody_was_there(inside: &[Upstream]) {
    for upstream in inside {
        assert_eq!(upstream.connections(), 0, "{} was reached", upstream.address);
    }
}

/// Each of these addresses is refused in the URL by the widest rule, and where a listed name leads to it.
fn never_dialled(addresses: &[&str]) {
    let (site, inside) = guarded(PUBLIC);
    for address in addresses {
        for port in [80, 443] {
            // Whoever dialled it would be answered.
            let place = SocketAddr::new(address.parse().unwrap(), port);
            site.world.lead(&place.to_string(), &inside[0]);
        }
        let host = if address.contains(':') { format!("[{address}]") } else { (*address).to_owned() };
        for scheme in ["http", "https"] {
            site.refuses(&get(&format!("{scheme}://{host}/latest/meta-data/")), "address");
        }
        site.world.name("rebound.example.com", &[address]);
        site.refuses(&get("http://rebound.example.com/"), "rebound.example.com resolves to");
    }
    nobody_was_there(&inside);
    site.arena.serves();
}

#[test]
fn a_host_that_is_not_listed_is_not_even_looked_up() {
    let (site, inside) = guarded(LISTED);
    let api = serve(&site, "http://api.example.com");
    for url in [
        "http://other.example.com/v1/x",
        "http://api.example.com/",
        "http://api.example.com/v2/x",
        "http://api.example.com/v10/",
        "http://api.example.com:8080/v1/x",
        "http://api.example.com.evil.example/v1/x",
        "http://evil-api.example.com/v1/x",
        "http://example.com/v1/x",
        "http://10.0.0.5/v1/x",
        "http://localhost/v1/x",
        "http://guest/v1/x",
    ] {
        let struck = site.refuses(&get(url), "rule");
        assert!(struck.failure().message.contains("HttpRequestDenied"), "{url}: {:?}", struck.failure());
    }
    for method in ["DELETE", "PATCH", "get", "OPTIONS"] {
        site.refuses(&with(get("http://api.example.com/v1/x"), "method", json!(method)), "GET");
    }
    assert_eq!(site.world.resolved(), [""; 0], "a name that is not listed was looked up");
    assert_eq!(api.connections(), 0);
    nobody_was_there(&inside);
    assert_eq!(site.send(&get("http://api.example.com/v1/x"))["status"], 200);
    site.arena.serves();
}

#[test]
fn other_spellings_of_an_address_are_refused() {
    for rules in [PUBLIC, LISTED] {
        let (site, inside) = guarded(rules);
        for host in [
            "127.1",
            "127.0.1",
            "2130706433",
            "017700000001",
            "0177.0.0.1",
            "0x7f.0.0.1",
            "0x7f000001",
            "0x7F.1",
            "127.0.0.01",
            "127.000.000.001",
            "1.0x7f.0.1",
            "3232235777",
            "0xa9fea9fe",
            "169.254.43518",
            "127.0.0.1.",
            "0",
            "00",
            "127.0.0.256",
            "1.2.3.4.5",
            "\u{ff11}27.0.0.1",
            "127\u{3002}0\u{3002}0\u{3002}1",
            "\u{2460}27.0.0.1",
            "[127.0.0.1]",
            "[::1",
            "::1",
            "[::1%lo]",
            "[::1%25lo]",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:7f00:1]",
            "[::127.0.0.1]",
        ] {
            site.stops(&get(&format!("http://{host}/v1/x")));
        }
        assert_eq!(site.world.resolved(), [""; 0], "a number was looked up as a name");
        nobody_was_there(&inside);
        site.arena.serves();
    }
}

#[test]
fn an_address_inside_another_is_judged_as_what_it_is() {
    never_dialled(&[
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.5",
        "::ffff:169.254.169.254",
        "64:ff9b::127.0.0.1",
        "64:ff9b::a00:5",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::7f00:1",
        "2002:7f00:1::",
        "2002:a00:5::1",
        "2002:a9fe:a9fe::1",
        "2001:0:7f00:1::1",
        "::127.0.0.1",
    ]);
}

#[test]
fn link_local_and_metadata_addresses_are_refused() {
    never_dialled(&[
        "169.254.169.254",
        "169.254.170.2",
        "169.254.0.1",
        "fe80::1",
        "fd00:ec2::254",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd20:ce::254",
        "::ffff:a9fe:a9fe",
    ]);
}

#[test]
fn addresses_of_no_single_host_and_of_this_one_are_refused() {
    never_dialled(&[
        "0.0.0.0",
        "0.0.0.1",
        "::",
        "127.0.0.1",
        "127.255.255.254",
        "::1",
        "255.255.255.255",
        "224.0.0.1",
        "ff02::1",
        "240.0.0.1",
    ]);
}

#[test]
fn a_listed_name_that_leads_inside_is_refused() {
    let (site, inside) = guarded(LISTED);
    for address in
        ["10.0.0.5", "192.168.1.1", "172.16.0.1", "127.0.0.1", "169.254.169.254", "::1", "fd00::1", "100.64.0.1"]
    {
        site.world.name("api.example.com", &[address]);
        site.refuses(&get("http://api.example.com/v1/x"), "api.example.com resolves to");
    }
    nobody_was_there(&inside);
    site.arena.serves();
}

#[test]
fn a_name_is_looked_up_once_and_the_vetted_address_is_dialled() {
    let (site, inside) = guarded(LISTED);
    let api = serve(&site, "http://93.184.216.34");
    // Public to whoever vets, private to whoever would look again.
    site.world.lookups("api.example.com", &[&["93.184.216.34"], &["127.0.0.1"]]);
    let response = site.send(&get("http://api.example.com/v1/x"));
    assert_eq!(response["body"], "http://93.184.216.34");
    assert_eq!(site.world.resolved(), ["api.example.com"], "one lookup for one request");
    assert_eq!(site.world.dialled(), [api.address]);
    // The next request is vetted by itself.
    site.refuses(&get("http://api.example.com/v1/x"), "resolves to");
    assert_eq!((site.world.resolved().len(), api.connections()), (2, 1));
    nobody_was_there(&inside);
    site.arena.serves();
}

#[test]
fn one_private_address_among_public_ones_refuses_the_name() {
    let (site, inside) = guarded(LISTED);
    let public = serve(&site, "http://93.184.216.34");
    for addresses in [
        &["93.184.216.34", "10.0.0.5"] as &[&str],
        &["10.0.0.5", "93.184.216.34"],
        &["93.184.216.34", "::1"],
        &["93.184.216.34", "93.184.216.35", "93.184.216.36", "93.184.216.37", "::ffff:127.0.0.1"],
    ] {
        site.world.name("api.example.com", addresses);
        site.refuses(&get("http://api.example.com/v1/x"), "api.example.com resolves to");
    }
    let many: Vec<String> = (0..200).map(|n| format!("93.184.216.{n}")).collect();
    site.world.name("api.example.com", &many.iter().map(String::as_str).collect::<Vec<_>>());
    site.stops(&get("http://api.example.com/v1/x"));
    assert_eq!(public.connections(), 0);
    nobody_was_there(&inside);
    site.arena.serves();
}

#[test]
fn other_spellings_of_a_name_are_the_same_name_or_another() {
    let site = Site::new(LISTED);
    let api = serve(&site, "http://api.example.com");
    for host in ["API.example.com", "api.example.com.", "Api.Example.COM.", "api.example.com:80"] {
        assert_eq!(site.send(&get(&format!("http://{host}/v1/x")))["status"], 200, "{host}");
    }
    let asked = api.requests();
    assert!(asked.iter().all(|asked| asked.header("host").as_deref() == Some("api.example.com")), "{asked:?}");
    assert!(site.world.resolved().iter().all(|name| name == "api.example.com"), "{:?}", site.world.resolved());
    // A Cyrillic letter, full-width letters, an invisible character, and what a reader might take for a dot.
    for host in [
        "\u{430}pi.example.com",
        "\u{ff41}pi.example.com",
        "api.ex\u{200b}ample.com",
        "api\u{3002}example.com",
        "api.example.com\u{ad}",
        "xn--pi-7kc.example.com",
        "api..example.com",
        ".api.example.com",
        "api.example.com..",
        "api%2eexample.com",
        "api.example.com%00",
        "api_.example.com",
    ] {
        site.stops(&get(&format!("http://{host}/v1/x")));
    }
    assert_eq!(api.connections(), 4);
    site.arena.serves();
}

#[test]
fn userinfo_and_what_looks_like_it_leads_nowhere() {
    let (site, inside) = guarded(PUBLIC);
    let evil = serve(&site, "http://evil.example");
    for authority in [
        "user@evil.example",
        "user:password@evil.example",
        "api.example.com@evil.example",
        "api.example.com:80@evil.example",
        "evil.example#@api.example.com",
        "evil.example?@api.example.com",
        "evil.example\\@api.example.com",
        "api.example.com\\.evil.example",
        "@evil.example",
        ":@evil.example",
        "evil.example/@api.example.com",
        "api.example.com%40evil.example",
        "evil.example;api.example.com",
        "evil.example api.example.com",
        "",
    ] {
        site.stops(&with(get("http://evil.example/v1/x"), "authority", json!(authority)));
    }
    for target in
        ["/v1/../secret", "/v1/%2e%2e/secret", "/v1/..%2fsecret", "/v1/\\..\\secret", "/v1//x", "//evil.example/v1/"]
    {
        site.stops(&with(get("http://api.example.com/v1/x"), "target", json!(target)));
    }
    assert_eq!(evil.connections(), 0);
    nobody_was_there(&inside);
    site.arena.serves();
}

#[test]
fn odd_ports_are_refused() {
    let site = Site::new(LISTED);
    let api = serve(&site, "http://api.example.com");
    for port in [
        ":",
        ":0",
        ":65536",
        ":99999999999999999999",
        ":-80",
        ":+80",
        ":80a",
        ":0x50",
        ":080",
        ": 80",
        ":80:80",
        ":443",
        ":22",
    ] {
        site.stops(&get(&format!("http://api.example.com{port}/v1/x")));
    }
    assert_eq!(api.connections(), 0);
    // The widest rule is for the schemes' own ports.
    let site = Site::new(PUBLIC);
    for port in ["22", "25", "6379", "8080"] {
        site.refuses(&get(&format!("http://example.com:{port}/")), "rule");
    }
    assert_eq!(site.world.resolved(), [""; 0]);
    site.arena.serves();
}

#[test]
fn a_scheme_is_never_less_than_was_granted() {
    let site = Site::new(LISTED);
    let (plain, secure) = (serve(&site, "http://safe.example.com"), serve(&site, "https://safe.example.com"));
    site.refuses(&get("http://safe.example.com/"), "https");
    site.refuses(&get("http://safe.example.com:443/"), "rule");
    for scheme in ["ftp", "file", "gopher", "ws", "wss", "HTTP+UNIX", "unix", "javascript", ""] {
        site.stops(&with(get("https://safe.example.com/"), "scheme", json!(scheme)));
    }
    assert_eq!((plain.connections(), secure.connections()), (0, 0));
    assert_eq!(site.send(&get("https://safe.example.com/"))["body"], "https://safe.example.com");
    // A server without the certificate of the name gets no request.
    let impostor = serve(&site, "https://other.example.com");
    site.world.name("safe.example.com", &[&impostor.address.ip().to_string()]);
    let struck = site.strike("send", &json!({ "request": get("https://safe.example.com/") }));
    assert!(struck.failure().message.contains("Tls"), "{:?}", struck.failure());
    assert_eq!((impostor.connections(), impostor.requests().len()), (1, 0));
    site.arena.serves();
}

#[test]
fn proxy_variables_of_the_host_are_ignored() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    alone_with(&names.map(|name| (name, address.as_str())), || {
        // The door as the binary opens it: the system's resolver, and plain TCP.
        let rules = |port: u16| {
            format!(
                "[[rule]]\nname = \"here\"\ntools = [\"guest\"]\nnetwork = [{{ url = \"http://localhost:{port}/\", methods = [\"GET\"], addresses = [\"127.0.0.1\", \"::1\"] }}]\n"
            )
        };
        let world = World::new();
        let upstream = world.serve("http://here.example.com", |_| http::Response::new("straight".into()));
        let site = Site::outside(&rules(upstream.listens.port()));
        let response = site.send(&get(&format!("http://localhost:{}/", upstream.listens.port())));
        assert_eq!(response["body"], "straight");
        let asked = upstream.requests();
        assert_eq!(asked[0].target, "/", "a proxy would be asked for the whole URL: {asked:?}");
    });
    assert_eq!(proxy.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "the proxy was asked");
}

#[test]
fn a_redirect_that_is_returned_leads_nobody() {
    let (site, inside) = guarded(LISTED);
    for place in ["http://10.0.0.5/", "http://169.254.169.254/latest/", "https://safe.example.com/"] {
        let api = site.world.serve("http://api.example.com", move |_| {
            http::Response::builder().status(302).header("location", place).body("".into()).unwrap()
        });
        let response = site.send(&get("http://api.example.com/v1/x"));
        assert_eq!((&response["status"], header(&response, "location").as_deref()), (&json!(302), Some(place)));
        assert_eq!(api.connections(), 1);
    }
    nobody_was_there(&inside);
    site.arena.serves();
}

#[test]
fn a_redirect_that_is_followed_is_judged_like_any_request() {
    let rules = r#"
[[rule]]
name = "follows"
tools = ["guest"]
network = [
    { url = "https://api.example.com/", methods = ["GET", "POST"], redirects = "follow" },
    { url = "https://second.example.com/ok/", methods = ["GET"], redirects = "follow" },
    { url = "http://second.example.com/ok/", methods = ["GET"], redirects = "follow" },
]
"#;
    let (site, inside) = guarded(rules);
    let second = serve(&site, "https://second.example.com");
    site.world.name("inside.example.com", &["10.0.0.5"]);
    for place in [
        "http://10.0.0.5/",
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://127.1/",
        "http://2130706433/",
        "http://[::ffff:127.0.0.1]/",
        "https://inside.example.com/",
        "https://other.example.com/",
        "https://second.example.com/",
        "https://second.example.com/no/",
        "https://second.example.com:8443/ok/",
        "http://second.example.com/ok/",
        "http://api.example.com/",
        "https://user@second.example.com/ok/",
        "//10.0.0.5/",
        "file:///etc/passwd",
        "gopher://10.0.0.5/",
        "https://second.example.com/ok/../no/",
        "https://second.example.com\\@10.0.0.5/",
    ] {
        for status in [301, 302, 303, 307, 308] {
            let api = site.world.serve("https://api.example.com", move |_| {
                http::Response::builder().status(status).header("location", place).body("".into()).unwrap()
            });
            let struck = site.strike("send", &json!({ "request": get("https://api.example.com/start") }));
            assert_eq!(struck.failure().kind.name(), "tool-failed", "{place}: {:?}", struck.failure());
            assert_eq!((api.connections(), second.connections()), (1, 0), "{status} {place}");
        }
    }
    nobody_was_there(&inside);
    // Round in circles, and on and on.
    let api = site.world.serve("https://api.example.com", |asked| {
        let place = format!("{}x", asked.target);
        http::Response::builder().status(302).header("location", place).body("".into()).unwrap()
    });
    let struck = site.strike("send", &json!({ "request": get("https://api.example.com/") }));
    assert!(struck.failure().message.contains("HttpProtocolError"), "{:?}", struck.failure());
    assert!(api.connections() <= 8, "{}", api.connections());
    // The one place that is granted is reached.
    let _api = site.world.serve("https://api.example.com", |_| {
        http::Response::builder()
            .status(302)
            .header("location", "https://second.example.com/ok/x")
            .body("".into())
            .unwrap()
    });
    assert_eq!(site.send(&get("https://api.example.com/"))["body"], "https://second.example.com");
    site.arena.serves();
}

#[test]
fn a_grant_of_requests_opens_no_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let rules = format!(
        "[[rule]]\nname = \"here\"\ntools = [\"guest\"]\nnetwork = [{{ url = \"http://127.0.0.1:{port}/\", methods = [\"GET\"], addresses = [\"127.0.0.1\"] }}]\n"
    );
    let world = World::new();
    let guest = unclaimed("tests/red_team/guests/hostile");
    let arena = Arena::arranged(Guest::Bytes(&guest), policy(&rules), |settings| settings.door = Some(world.door()));
    for address in [format!("127.0.0.1:{port}"), format!("localhost:{port}")] {
        let struck = arena.strike("connect", &json!({ "address": address }).to_string());
        assert!(struck.outcome.verdict.failure().is_some(), "{address}");
        let refused = denied(&struck);
        assert!(refused.iter().any(|attempt| attempt.function.starts_with("wasi:sockets/")), "{address}: {refused:?}");
    }
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "somebody has connected");
    assert!(world.dialled().is_empty() && world.resolved().is_empty());
    arena.serves();
}
