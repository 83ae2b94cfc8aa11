//! Each rule both ways: what is read, in which form, and what is refused.

use super::*;

fn target(url: &str) -> Result<Target, TargetError> {
    let (scheme, rest) = url.split_once("://").expect("a test writes a scheme");
    let border = rest.find(['/', '?']).unwrap_or(rest.len());
    Target::parse(scheme, &rest[..border], &rest[border..])
}

fn destination(text: &str) -> Destination {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn covers(allowed: &str, url: &str) -> bool {
    destination(allowed).covers(&target(url).unwrap_or_else(|error| panic!("{url}: {error}")))
}

#[test]
fn a_target_has_one_final_form() {
    for (url, form) in [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://EXAMPLE.com:443/", "https://example.com/"),
        ("http://example.com:443/", "http://example.com:443/"),
        ("https://example.com./a", "https://example.com/a"),
        ("https://Bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
        ("https://faß.de/", "https://xn--fa-hia.de/"),
        ("https://ｅｘａｍｐｌｅ.com/", "https://example.com/"),
        ("https://example。com/", "https://example.com/"),
        ("https://ex\u{ad}ample.com/", "https://example.com/"),
        ("https://r3---sn-4g5e6nl7.example.com/", "https://r3---sn-4g5e6nl7.example.com/"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/"),
        ("http://127.0.0.1./", "http://127.0.0.1/"),
        ("http://[::1]:8080/x", "http://[::1]:8080/x"),
        ("http://[0:0:0:0:0:0:0:1]/", "http://[::1]/"),
        ("http://[::FFFF:7F00:1]/", "http://[::ffff:127.0.0.1]/"),
        ("https://example.com/%61%2d%7e/%c3%a9%20b", "https://example.com/a-~/%C3%A9%20b"),
        ("https://example.com/a;v=1/b@c:d!$&'()*+,=[]|^", "https://example.com/a;v=1/b@c:d!$&'()*+,=[]|^"),
        ("https://example.com/100%25", "https://example.com/100%25"),
        ("https://example.com/a%2541.b%252dc", "https://example.com/a%2541.b%252dc"),
    ] {
        assert_eq!(target(url).map(|target| target.to_string()), Ok(form.to_owned()), "{url}");
    }
}

#[test]
fn a_query_is_sent_as_written_and_not_shown() {
    let read = target("https://example.com/search?q=a%2Fb&key=..%2e//?").expect("a query may hold these");
    assert_eq!(read.path_and_query(), "/search?q=a%2Fb&key=..%2e//?");
    assert_eq!(read.to_string(), "https://example.com/search");
    assert_eq!(target("https://example.com?x").map(|t| t.path_and_query()), Ok("/?x".to_owned()));
    assert_eq!(target("https://example.com/?").map(|t| t.path_and_query()), Ok("/?".to_owned()));
}

#[test]
fn what_might_be_an_address_and_is_not_written_as_one_is_refused() {
    for host in [
        "127.1",
        "127.0.1",
        "0x7f.1",
        "0x7f.0.0.1",
        "0X7F000001",
        "2130706433",
        "0177.0.0.1",
        "127.0.0.01",
        "127.0.0.1.2",
        "256.0.0.1",
        "1.2.3.4.5",
        "0",
        "0x",
        "example.0",
        "example.0x10",
        "foo.127.0.0.1",
        "99999999999999999999",
        "127.0.0.1..",
        "１２７.0.0.1",
        "127。0。0。1",
        "①②⑦.0.0.1",
    ] {
        let refused = Target::parse("http", host, "/");
        assert!(matches!(refused, Err(TargetError::Host(_))), "{host}: {refused:?}");
        assert!(format!("http://{host}/").parse::<Destination>().is_err(), "{host}");
    }
    assert!(matches!(Target::parse("http", "127.1", "/"), Err(TargetError::Host(HostError::Address(_)))));
}

#[test]
fn a_host_that_is_no_name_is_refused() {
    for host in [
        "",
        ".",
        "..",
        ".example.com",
        "example..com",
        "example.com..",
        "-a.example",
        "a-.example",
        "a_b.example",
        "ex%61mple.com",
        "%31%32%37.0.0.1",
        "exa mple.com",
        "example.com\t",
        "example.com\r\nHost: x",
        "example.com\0",
        "example.com\\evil.com",
        "example.com#@evil.com",
        "exam*ple.com",
        "*.example.com",
        "a/b",
        "a?b",
        "<a>",
        "a^b",
        "xn--",
        "xn--a",
        "xn--zzzzzzz999999",
        "[::1",
        "::1",
        "[::1%eth0]",
        "[::1%25eth0]",
        "[fe80::1%1]",
        "[127.0.0.1]",
        "[v1.a]",
        "[]",
        "[::1]x",
        "[::g]",
        &format!("{}.com", "a".repeat(64)),
        &"a.".repeat(200),
        &"é".repeat(500),
    ] {
        assert!(Target::parse("https", host, "/").is_err(), "{host:?}");
        // In policy, what follows a `/` or `?` would be a path, and a star has its own meaning.
        let policy = format!("https://{host}/");
        assert!(host.contains(['/', '?', '*']) || policy.parse::<Destination>().is_err(), "{host:?}");
    }
    assert_eq!(Target::parse("https", &"a".repeat(1 << 20), "/"), Err(TargetError::TooLong(1 << 20)));
}

#[test]
fn userinfo_and_odd_ports_are_refused() {
    for authority in ["user@example.com", "user:pass@example.com", "@example.com", "example.com:80@evil.com", "a@b@c"] {
        assert_eq!(Target::parse("https", authority, "/"), Err(TargetError::Userinfo), "{authority}");
        assert!(format!("https://{authority}/").parse::<Destination>().is_err(), "{authority}");
    }
    for port in ["", "0", "00", "080", "65536", "+80", "-1", "8o", "٨٠", "80 ", "0x50", "80:80", "99999999999999999999"]
    {
        let read = Target::parse("https", &format!("example.com:{port}"), "/");
        assert!(matches!(read, Err(TargetError::Port(_))), "{port:?}: {read:?}");
        assert!(format!("https://example.com:{port}/").parse::<Destination>().is_err(), "{port:?}");
    }
    assert_eq!(Target::parse("https", "[::1]:65535", "/").map(|t| t.port), Ok(65535));
}

#[test]
fn only_http_and_https_are_schemes() {
    for scheme in ["", "ftp", "file", "ws", "https ", "https:", "javascript", "http\0"] {
        assert!(matches!(Target::parse(scheme, "example.com", "/"), Err(TargetError::Scheme(_))), "{scheme:?}");
        assert!(format!("{scheme}://example.com/").parse::<Destination>().is_err(), "{scheme:?}");
    }
    for text in ["", "example.com", "//example.com/", "https:/example.com", "https:example.com", "https://"] {
        assert!(text.parse::<Destination>().is_err(), "{text:?}");
    }
}

#[test]
fn a_path_that_a_server_could_resolve_elsewhere_is_refused() {
    for path in [
        "/v1/../admin",
        "/v1/..",
        "/..",
        "/./v1",
        "/v1/.",
        "/v1/%2e%2e/admin",
        "/v1/.%2E/admin",
        "/v1/%2e",
        "/v1/..;/admin",
        "/v1/..;a=b/admin",
        "/v1/%2e%2e;/admin",
        "/v1%2f..%2fadmin",
        "/v1%2Fx",
        "/v1/..%5cadmin",
        "/v1/%5C",
        "/v1/%252e%252e/admin",
        "/v1/%252fadmin",
        "/v1/%25252e%25252e/",
        "/v1/%25%32%65",
        "/v1/%25%2532e%25%2532e/",
        "/v1/%2525252525252525",
        "/v1//admin",
        "//admin",
        "/v1//",
        "/;/admin",
        "/v1/%00",
        "/v1/%0d%0aHost:%20evil",
        "/v1/%250d%250a",
        "/v1/%7f",
        "/v1/%",
        "/v1/%4",
        "/v1/%zz",
        "/v1/%é",
        "/v1/ x",
        "/v1/\r\nHost: evil",
        "/v1/\tx",
        "/v1/\0",
        "/v1/\\..\\admin",
        "/v1/é",
        "/v1/#x",
        "/v1?a=b#c",
        "/v1?a=\r\nX: y",
        "/v1?a=b c",
        "/v1?a=\\",
        "/v1?a=é",
        "/v1/<x>",
        "*",
        "v1",
        "http://example.com/",
    ] {
        let read = Target::parse("https", "example.com", path);
        assert!(matches!(read, Err(TargetError::Path(_))), "{path:?}: {read:?}");
        let policy = format!("https://example.com/{}", path.trim_start_matches('/'));
        assert!(!path.starts_with("/v") || policy.parse::<Destination>().is_err(), "{path:?}");
    }
    let long = format!("/{}", "a".repeat(MAX_PATH_AND_QUERY));
    assert!(matches!(Target::parse("https", "a.example", &long), Err(TargetError::Path(PathError::TooLong(_)))));
    assert!(matches!(
        format!("https://a.example{long}").parse::<Destination>(),
        Err(DestinationError { problem: DestinationProblem::TooLong(_), .. })
    ));
}

#[test]
fn a_prefix_ends_at_a_segment_border() {
    for path in ["/v1", "/v1/", "/v1/x", "/v1/x/y?z", "/v1?z", "/%761", "/v1/%252x"] {
        assert!(covers("https://example.com/v1", &format!("https://example.com{path}")), "{path}");
    }
    for path in ["/", "/v10", "/v1x/", "/v1;x", "/V1", "/v", "/x/v1", "/v1%20"] {
        assert!(!covers("https://example.com/v1", &format!("https://example.com{path}")), "{path}");
    }
    assert!(covers("https://example.com/v1/", "https://example.com/v1/x"));
    assert!(!covers("https://example.com/v1/", "https://example.com/v1"));
    assert!(covers("https://example.com", "https://example.com/anything"));
}

#[test]
fn scheme_host_and_port_are_each_exact() {
    assert!(covers("https://example.com/", "https://EXAMPLE.COM.:443/"));
    assert!(covers("https://bücher.example/", "https://XN--BCHER-KVA.example/"));
    assert!(covers("http://10.0.0.1:8080/", "http://10.0.0.1:8080/x"));
    assert!(covers("http://[::1]/", "http://[0::1]/"));
    for url in [
        "http://example.com/",
        "http://example.com:443/",
        "https://example.com:8443/",
        "https://www.example.com/",
        "https://example.com.evil.example/",
        "https://notexample.com/",
        "https://example.co/",
        "https://еxample.com/",
        "https://93.184.216.34/",
    ] {
        assert!(!covers("https://example.com/", url), "{url}");
    }
    assert!(!covers("http://127.0.0.1/", "http://[::ffff:127.0.0.1]/"));
}

#[test]
fn a_star_means_labels_before_a_name_and_never_the_name() {
    for url in ["https://a.example.com/", "https://a.b.example.com/", "https://A.EXAMPLE.com./x"] {
        assert!(covers("https://*.example.com/", url), "{url}");
    }
    for url in ["https://example.com/", "https://aexample.com/", "https://a.example.com.evil.net/", "https://1.2.3.4/"]
    {
        assert!(!covers("https://*.example.com/", url), "{url}");
    }
    assert!(covers("https://*.amazonaws.com/", "https://sts.amazonaws.com/"));
    for url in ["https://anybody.s3.amazonaws.com/", "https://s3.amazonaws.com/"] {
        assert!(!covers("https://*.amazonaws.com/", url), "{url}: anybody can register names there");
    }
    assert!(covers("https://*.ours.s3.amazonaws.com/", "https://a.ours.s3.amazonaws.com/"));
    assert!(covers("https://*.corp.internal/", "https://a.b.corp.internal/"));
}

#[test]
fn a_star_that_would_mean_too_much_is_refused() {
    let problem = |text: &str| text.parse::<Destination>().map_err(|error| error.problem);
    for text in [
        "https://*/",
        "https://**/",
        "https://*example.com/",
        "https://a.*.com/",
        "https://*.*.com/",
        "https://*.*.example.com/",
        "https://ex*mple.com/",
        "https://example.*/",
        "https://*.10.0.0.1/",
        "https://*.[::1]/",
    ] {
        assert!(problem(text).is_err(), "{text}");
    }
    for text in ["https://*/", "https://*example.com/", "https://a.*.com/"] {
        assert_eq!(problem(text), Err(DestinationProblem::Wildcard), "{text}");
    }
    for (text, suffix) in [
        ("https://*.com/", "com"),
        ("https://*.co.uk/", "co.uk"),
        ("https://*.CO.UK/", "co.uk"),
        ("https://*.github.io/", "github.io"),
        ("https://*.localhost/", "localhost"),
        ("https://*.internal/", "internal"),
        ("https://*.公司.cn/", "xn--55qx5d.cn"),
        ("https://*.any.ck/", "any.ck"),
    ] {
        assert_eq!(problem(text), Err(DestinationProblem::PublicSuffix(suffix.to_owned())), "{text}");
    }
    assert!(problem("https://*.corp.internal/").is_ok());
    assert!(matches!(problem("https://*.com./"), Err(DestinationProblem::Host(HostError::TrailingDot(_)))));
    assert!(matches!(problem("https://example.com./"), Err(DestinationProblem::Host(HostError::TrailingDot(_)))));
    assert_eq!(problem("https://example.com/?q"), Err(DestinationProblem::Query));
    assert_eq!(problem("https://example.com?q"), Err(DestinationProblem::Query));
    assert!(problem("https://example.com#x").is_err());
    assert!(problem("https://example.com\\x").is_err());
}

#[test]
fn a_destination_is_written_as_it_is_read() {
    for (text, form) in [
        ("https://api.example.com:8443/v1/", "https://api.example.com:8443/v1/"),
        ("HTTPS://*.Example.COM", "https://*.example.com/"),
        ("http://example.com:80/a%2db", "http://example.com/a-b"),
        ("http://[::1]:9/", "http://[::1]:9/"),
    ] {
        let read = destination(text);
        assert_eq!(read.to_string(), form);
        assert_eq!(destination(form), read);
        let json = serde_json::to_string(&read).expect("a string");
        assert_eq!(serde_json::from_str::<Destination>(&json).ok(), Some(read));
    }
    let any = Destination::any_public(Scheme::Https);
    assert_eq!(any.to_string(), "any public host by https");
    assert!(any.to_string().parse::<Destination>().is_err(), "only its own key means any host");
}

#[test]
fn two_destinations_meet_in_what_both_cover() {
    for (a, b, both) in [
        ("https://example.com/", "https://example.com/v1", Some("https://example.com/v1")),
        ("https://example.com/v1", "https://example.com/v1/", Some("https://example.com/v1/")),
        ("https://*.example.com/", "https://a.example.com/x", Some("https://a.example.com/x")),
        ("https://*.example.com/x", "https://*.b.example.com/", Some("https://*.b.example.com/x")),
        ("https://*.example.com/", "https://*.example.com/", Some("https://*.example.com/")),
        ("https://example.com/v1", "https://example.com/v10", None),
        ("https://example.com/", "http://example.com/", None),
        ("https://example.com/", "https://example.com:8443/", None),
        ("https://*.example.com/", "https://example.com/", None),
        ("https://*.example.com/", "https://*.ample.com/", None),
        ("https://*.example.com/", "https://1.2.3.4/", None),
        ("https://*.amazonaws.com/", "https://*.ours.s3.amazonaws.com/", None),
        ("https://a.example.com/", "https://b.example.com/", None),
    ] {
        let (a, b, both) = (destination(a), destination(b), both.map(destination));
        assert_eq!(a.meet(&b), both, "{a} and {b}");
        assert_eq!(b.meet(&a), both, "{b} and {a}");
    }
    let any = Destination::any_public(Scheme::Https);
    let named = destination("https://example.com/v1");
    assert_eq!(any.meet(&named), Some(named.clone()));
    assert_eq!(named.meet(&any), Some(named));
    assert_eq!(any.meet(&any), Some(any.clone()));
    assert_eq!(any.meet(&Destination::any_public(Scheme::Http)), None);
    assert_eq!(any.meet(&destination("https://example.com:8443/")), None);
}

/// A meeting covers a target exactly where both of its sides do.
#[test]
fn a_meeting_covers_what_both_sides_cover_and_nothing_else() {
    let mut destinations = vec![Destination::any_public(Scheme::Https), Destination::any_public(Scheme::Http)];
    let mut targets = Vec::new();
    for scheme in ["http", "https"] {
        for host in ["example.com", "a.example.com", "b.a.example.com", "10.0.0.1", "[::1]:443", "example.org:8443"] {
            for path in ["/", "/v1", "/v1/", "/v1/x", "/v10"] {
                targets.push(Target::parse(scheme, host, path).expect("a plain target"));
                destinations.push(destination(&format!("{scheme}://{host}{path}")));
                if host.ends_with('m') {
                    destinations.push(destination(&format!("{scheme}://*.{host}{path}")));
                }
            }
        }
    }
    for a in &destinations {
        for b in &destinations {
            let both = a.meet(b);
            for target in &targets {
                let met = both.as_ref().is_some_and(|both| both.covers(target));
                assert_eq!(met, a.covers(target) && b.covers(target), "{a} and {b} at {target}");
            }
        }
    }
}

/// Garbage made by mutating a good URL: never a panic, and what is read is read the same way again.
#[test]
fn mutated_urls_are_read_in_one_way_or_refused() {
    let seed = "https://*.Bücher.example.co.uk:8443/v1/%61;x/..%2f?q=1#f@[::1]127.0.0.1\\\r\n\0。";
    let letters: Vec<char> = seed.chars().collect();
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % bound as u64).expect("below a usize")
    };
    for _ in 0..20_000 {
        let mut text: Vec<char> = "https://a.example.com:8443/v1/x".chars().collect();
        for _ in 0..=next(4) {
            let at = next(text.len());
            match next(3) {
                0 => text[at] = letters[next(letters.len())],
                1 => text.insert(at, letters[next(letters.len())]),
                _ => drop(text.remove(at)),
            }
        }
        let text: String = text.into_iter().collect();
        if let Ok(read) = text.parse::<Destination>() {
            assert_eq!(read.to_string().parse(), Ok(read), "{text:?}");
        }
        let border = text.find('/').map_or(0, |at| (at + 2).min(text.len()));
        if let Some(rest) = text.get(border..) {
            let cut = rest.find('/').unwrap_or(rest.len());
            if let Ok(read) = Target::parse("https", &rest[..cut], &rest[cut..]) {
                assert_eq!(Target::parse("https", &read.authority(), &read.path_and_query()), Ok(read), "{text:?}");
            }
        }
    }
}
