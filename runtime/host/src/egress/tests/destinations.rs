//! Where a request may go, and what happens before anything is sent.

use super::*;

async fn refused(grants: Vec<NetworkGrant>, world: World, request: Request<Body>) -> (EgressError, Arc<Log>) {
    let (door, log) = world.open();
    let error = send(&door, &session(&log, grants), request).await.expect_err("it is refused");
    assert!(log.saw_nothing(), "{error}: {:?}", log.dialled());
    (error, log)
}

#[tokio::test]
async fn what_no_rule_grants_is_not_even_looked_up() {
    let granted = || vec![grant("https://example.com/v1", &["GET"])];
    for url in [
        "https://other.example/v1",
        "http://example.com/v1",
        "https://example.com:8443/v1",
        "https://example.com/",
        "https://example.com/v10",
        "https://example.com.evil.example/v1",
        "https://www.example.com/v1",
    ] {
        let (error, log) = refused(granted(), World::new().name("example.com", &[&[PUBLIC]]), get(url)).await;
        let EgressError::Denied { reason, by: DeniedBy::Rules, rule_hint: Some(line) } = error else {
            panic!("{url}: {error}")
        };
        assert_eq!(log.lookups(), [""; 0], "{url}");
        assert_eq!(log.denied(), [format!("{reason}. What would allow it: {line}")], "{url}");
    }
    let post = Request::post("https://example.com/v1").body(empty()).expect("a request");
    let (error, _) = refused(granted(), World::new(), post).await;
    assert!(error.to_string().contains("grants GET there, not POST"), "{error}");
    let (error, _) = refused(vec![], World::new(), get("https://example.com/")).await;
    assert!(error.to_string().contains("no rule grants this tool any destination"), "{error}");
}

#[tokio::test]
async fn a_granted_name_that_leads_inside_is_refused() {
    for address in [
        "127.0.0.1",
        "10.0.0.7",
        "192.168.1.1",
        "169.254.169.254",
        "100.100.100.200",
        "168.63.129.16",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "::1",
        "::",
        "fe80::1",
        "fd00:ec2::254",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::808:808",
        "2002:7f00:1::",
        "2001::80ff:fffe",
    ] {
        for scheme in ["http", "https"] {
            let world = World::new().name("example.com", &[&[address]]).server(address, answers(ok("", b"in")));
            let url = format!("{scheme}://example.com/");
            let (error, log) = refused(vec![grant(&url, &["GET"])], world, get(&url)).await;
            assert!(matches!(error, EgressError::Denied { .. }), "{address}: {error}");
            assert!(error.to_string().contains("example.com resolves to"), "{error}");
            assert_eq!(log.denied().len(), 1);
        }
    }
}

#[tokio::test]
async fn one_private_address_among_public_ones_refuses_the_name() {
    for addresses in [[PUBLIC, "10.0.0.1"], ["10.0.0.1", PUBLIC]] {
        let world = World::new().name("example.com", &[&addresses]).server(PUBLIC, answers(ok("", b"out")));
        let (error, _) = refused(vec![grant("http://example.com/", &["GET"])], world, get("http://example.com/")).await;
        assert!(error.to_string().contains("10.0.0.1, a private address"), "{error}");
    }
}

#[tokio::test]
async fn any_public_host_is_no_way_to_an_address_inside() {
    for host in
        ["127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]", "[64:ff9b::a00:1]", "0.0.0.0"]
    {
        let grants =
            vec![NetworkGrant { networks: vec!["0.0.0.0/0".parse().expect("a network")], ..any_public(Scheme::Http) }];
        let (error, log) = refused(grants, World::new(), get(&format!("http://{host}/"))).await;
        assert!(matches!(error, EgressError::Denied { .. }), "{host}: {error}");
        assert_eq!(log.lookups(), [""; 0], "an address is not looked up");
    }
    // Names without a dot are vetted as all others are.
    let world = World::new().name("localhost", &[&["127.0.0.1"]]);
    let (error, _) = refused(vec![any_public(Scheme::Http)], world, get("http://localhost/")).await;
    assert!(error.to_string().contains("a loopback address"), "{error}");
}

#[tokio::test]
async fn odd_spellings_of_a_target_are_refused_before_the_rules_are_read() {
    for url in [
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://user@example.com/",
        "http://example.com:80@evil.example/",
        "http://example.com:0/",
        "http://example.com/a/../b",
        "http://example.com/%2e%2e/b",
        "http://example.com//b",
        "ftp://example.com/",
    ] {
        let (error, log) = refused(vec![any_public(Scheme::Http)], World::new(), get(url)).await;
        assert!(matches!(error, EgressError::BadRequest(BadRequest::Target(_))), "{url}: {error}");
        assert_eq!(log.denied().len(), 1, "{url}");
    }
    for uri in ["/", "*", "example.com:80"] {
        let request = Request::builder().uri(uri).body(empty()).expect("a request");
        let (error, _) = refused(vec![any_public(Scheme::Http)], World::new(), request).await;
        assert!(matches!(error, EgressError::BadRequest(BadRequest::NotAbsolute)), "{uri}: {error}");
    }
}

#[tokio::test]
async fn a_name_is_resolved_once_and_what_was_vetted_is_dialled() {
    let world = World::new()
        .name("example.com", &[&[PUBLIC], &["127.0.0.1"]])
        .server(PUBLIC, answers(ok("", b"public")))
        .server("127.0.0.1", answers(ok("", b"private")));
    let (door, log) = world.open();
    let session = open_session(&log);
    assert_eq!(outcome(&door, &session, get("http://EXAMPLE.com.:80/")).await.ok().as_deref(), Some("public"));
    assert_eq!(log.lookups(), ["example.com"]);
    assert_eq!(log.dialled(), ["93.184.216.34:80"]);
    // The name leads inside from now on: the next request is vetted anew.
    assert!(matches!(outcome(&door, &session, get("http://example.com/")).await, Err(EgressError::Denied { .. })));
    assert_eq!(log.dialled(), ["93.184.216.34:80"]);
}

#[tokio::test]
async fn a_granted_network_is_reached_and_no_other() {
    let inside = NetworkGrant {
        networks: vec!["10.0.0.0/8".parse().expect("a network")],
        ..grant("http://intranet.example.com/", &["GET"])
    };
    let world = World::new()
        .name("intranet.example.com", &[&["10.1.2.3"], &["192.168.0.1"]])
        .server("10.1.2.3", answers(ok("", b"inside")));
    let (door, log) = world.open();
    let session = session(&log, [inside]);
    let there = || get("http://intranet.example.com/");
    assert_eq!(outcome(&door, &session, there()).await.ok().as_deref(), Some("inside"));
    assert!(matches!(outcome(&door, &session, there()).await, Err(EgressError::Denied { .. })));
}

#[tokio::test]
async fn at_most_three_addresses_are_tried_in_their_order() {
    let many = ["1.0.0.1", "1.0.0.2", "1.0.0.3", "1.0.0.4"];
    let second = World::new().name("example.com", &[&many]).server("1.0.0.2", answers(ok("", b"second")));
    let (door, log) = second.open();
    assert_eq!(outcome(&door, &open_session(&log), get("http://example.com/")).await.ok().as_deref(), Some("second"));
    assert_eq!(log.dialled(), ["1.0.0.1:80", "1.0.0.2:80"]);

    let fourth = World::new().name("example.com", &[&many]).server("1.0.0.4", answers(ok("", b"fourth")));
    let (door, log) = fourth.open();
    let failed = outcome(&door, &open_session(&log), get("http://example.com/")).await;
    assert!(matches!(failed, Err(EgressError::Connect { .. })), "{failed:?}");
    assert_eq!(log.dialled().len(), 3);
}

#[tokio::test]
async fn a_name_without_addresses_or_with_too_many_is_not_resolved() {
    let many: Vec<String> = (0..=MAX_ADDRESSES).map(|n| format!("1.0.0.{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for world in [World::new(), World::new().name("example.com", &[&[]]), World::new().name("example.com", &[&many])] {
        let (error, _) = refused(vec![grant("http://example.com/", &["GET"])], world, get("http://example.com/")).await;
        assert!(matches!(error, EgressError::Resolve { .. }), "{error}");
    }
    let exact = World::new().name("example.com", &[&many[..MAX_ADDRESSES]]).server("1.0.0.0", answers(ok("", b"")));
    let (door, log) = exact.open();
    assert!(outcome(&door, &open_session(&log), get("http://example.com/")).await.is_ok());
}
