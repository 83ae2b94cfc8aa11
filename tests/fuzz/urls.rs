//! URLs: what one part of the product reads, every other program that may see it reads in the same way.
//!
//! The other reader is the `url` crate, which is the WHATWG URL standard, browsers and their many tolerances included. Where ours takes a
//! text at all, that one must come to the same host, port and path, and `covers` must be true of what that one has read.

use std::net::IpAddr;

use toolcell_core::net::{Destination, Host, HostPattern, Target};
use url::Url;

use super::{Chance, fuzz};

/// Authorities, honest and not.
const HOSTS: &[&str] = &[
    "example.com",
    "api.example.com",
    "EXAMPLE.com.",
    "a.b.c.example.co.uk",
    "xn--bcher-kva.example",
    "b\u{fc}cher.example",
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f.1",
    "0177.0.0.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[2001:DB8::1]",
    "[::1%25eth0]",
    "1.2.3.4.",
    "1.2.3",
    "256.256.256.256",
    "localhost",
    "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
    "example\u{3002}com",
    "ex\u{ad}ample.com",
    "fa\u{df}.de",
    "\u{430}pple.com",
    "a--b.example",
    "-a.example",
    "a_b.example",
    "ex%61mple.com",
    "a..b",
    "",
    ".",
    "xn--",
    "xn--a",
    "xn--xn---epa.example",
    "\u{200d}.example",
    "\u{5d0}1.example",
    "1.example",
    "example.0x1",
    "evil.com#.example.com",
    "user@example.com",
    "example.com@evil.com",
    "example.com:80@evil.com",
    "exa\tmple.com",
    "example.com\\",
    "a/b",
    "a?b",
];

const PORTS: &[&str] = &[
    "", "", "", "", "", "", "", ":80", ":443", ":8443", ":0", ":080", ":65535", ":65536", ":", ":+1", ":8443:1",
    ":\u{661}", ": 80",
];

const PATHS: &[&str] = &[
    "",
    "/",
    "/v1",
    "/v1/",
    "/v1/x",
    "/v10",
    "/V1",
    "/v1/../x",
    "/v1/%2e%2e/x",
    "/v1/.",
    "/v1/..;/x",
    "/v1//x",
    "//evil.com/",
    "/v1%2fx",
    "/v1/%5c..",
    "/%76%31/x",
    "/v1/%252e%252e",
    "/v1/;a=b",
    "/v1/a:b@c",
    "/v1/%C3%BC",
    "/v1/%ff",
    "/v1/%00",
    "/v1/%",
    "/v1/\u{fc}",
    "/v1/ x",
    "/v1/x?q=1",
    "/v1?u=https://evil.com/",
    "/v1?a=%26&b=+",
    "/v1?",
    "?q",
    "/v1#f",
    "/v1/x?a#b",
    "/v1\\..\\x",
    "/v1/{x}",
    "/~a/!$&'()*+,=",
];

const PIECES: &[&str] = &[
    "@", "#", "?", "\\", "/", "//", ":", "::", ".", "..", "%", "%2e", "%2f", "%5c", "%25", "%00", "\t", "\r\n", "\0",
    " ", "[", "]", "\u{3002}", "\u{ff0e}", "\u{ff0f}", "\u{2024}", "\u{ff03}", "\u{fe6b}", "\u{200b}", "\u{ad}",
    "\u{430}", "\u{130}", "xn--", "*", "*.", "0x", "1", "-", "_", "%zz", "com",
];

/// One of the choices, the first few of which are honest, or something near it.
fn part(chance: &mut Chance, choices: &[&str]) -> String {
    let honest = if chance.once_in(2) { choices.len() } else { 6 };
    let text = chance.of(&choices[..honest]).to_owned();
    if chance.once_in(3) { chance.damaged(&text, PIECES) } else { text }
}

/// A URL with each part from the lists or near it.
fn parts(chance: &mut Chance) -> (String, String, String) {
    let scheme = chance.of(&["https", "https", "http", "HTTP", "httpS"]).to_owned();
    let authority = format!("{}{}", part(chance, HOSTS), chance.of(PORTS));
    (scheme, authority, part(chance, PATHS))
}

/// Bytes of a path with its escapes undone, once.
fn unescaped(path: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        let escape = (*first == b'%').then(|| after.get(..2)).flatten();
        let byte = escape.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    bytes
}

/// A browser comes to the same place.
fn same_place(target: &Target, url: &Url, text: &str) {
    assert_eq!(url.scheme(), target.scheme.as_str(), "{text:?}");
    assert_eq!(url.port_or_known_default(), Some(target.port), "{text:?}");
    match (&target.host, url.host()) {
        (Host::Name(name), Some(url::Host::Domain(domain))) => {
            assert_eq!(domain.strip_suffix('.').unwrap_or(domain), name, "{text:?}");
        }
        (Host::Ip(IpAddr::V4(ours)), Some(url::Host::Ipv4(theirs))) => assert_eq!(*ours, theirs, "{text:?}"),
        (Host::Ip(IpAddr::V6(ours)), Some(url::Host::Ipv6(theirs))) => assert_eq!(*ours, theirs, "{text:?}"),
        (ours, theirs) => panic!("{text:?}: {ours:?} here and {theirs:?} there"),
    }
    assert_eq!(unescaped(&target.path), unescaped(url.path()), "{text:?}");
    assert!(url.username().is_empty() && url.password().is_none(), "{text:?}");
}

#[test]
fn what_is_read_as_a_target_is_read_alike_by_everybody() {
    let mut taken = 0;
    fuzz("targets", 60_000, |_, chance| {
        let (scheme, authority, path) = parts(chance);
        let Ok(target) = Target::parse(&scheme, &authority, &path) else { return };
        taken += 1;
        let text = format!("{scheme}://{authority}{path}");
        // Its own printed form means itself.
        let again = Target::parse(target.scheme.as_str(), &target.authority(), &target.path_and_query());
        assert_eq!(again.as_ref(), Ok(&target), "{text:?}");
        // As it was written, and as it is sent.
        let sent = format!("{}{}", target.origin(), target.path_and_query());
        for form in [&text, &sent] {
            let url = Url::parse(form).unwrap_or_else(|error| panic!("{form:?} of {text:?}: {error}"));
            same_place(&target, &url, form);
        }
        let uri: http::Uri = sent.parse().unwrap_or_else(|error| panic!("{sent:?} of {text:?}: {error}"));
        let authority = uri.authority().unwrap();
        assert_eq!(authority.host(), target.host.to_string(), "{text:?}");
        assert_eq!(authority.port_u16().unwrap_or(target.scheme.default_port()), target.port, "{text:?}");
        assert_eq!(uri.path_and_query().unwrap().as_str(), target.path_and_query(), "{text:?}");
        // What goes into a request line or a header has nothing in it that could end one.
        assert!(sent.bytes().all(|byte| byte.is_ascii_graphic()), "{sent:?}");
    });
    assert!(taken > 5_000, "only {taken} were taken: the property was hardly tried");
}

/// Whether a browser's reading of a target lies in what a destination's text says, decided by neither of ours.
fn lies_within(destination: &Destination, url: &Url) -> bool {
    let text = destination.to_string();
    let (scheme, rest) = text.split_once("://").unwrap();
    let (authority, path) = rest.split_at(rest.find('/').unwrap());
    let star = authority.strip_prefix("*.");
    let written = Url::parse(&format!("{scheme}://{}{path}", star.unwrap_or(authority))).unwrap();
    let domain = |url: &Url| url.host_str().unwrap().trim_end_matches('.').to_owned();
    let host = match star {
        Some(_) => domain(url).strip_suffix(&domain(&written)).is_some_and(|labels| labels.ends_with('.')),
        None => domain(url) == domain(&written),
    };
    let (prefix, path) = (unescaped(written.path()), unescaped(url.path()));
    let below = path.strip_prefix(prefix.as_slice());
    let below = below.is_some_and(|rest| rest.is_empty() || prefix.ends_with(b"/") || rest.starts_with(b"/"));
    url.scheme() == scheme && url.port_or_known_default() == written.port_or_known_default() && host && below
}

#[test]
fn no_destination_covers_what_another_reader_would_call_elsewhere() {
    let mut covered = 0;
    fuzz("destinations", 60_000, |_, chance| {
        let (scheme, authority, path) = parts(chance);
        let star = if chance.once_in(4) { "*." } else { "" };
        let written = format!("{scheme}://{star}{authority}{path}");
        let Ok(destination) = written.parse::<Destination>() else { return };
        let printed = destination.to_string();
        assert_eq!(printed.parse().as_ref(), Ok(&destination), "{written:?}");
        // A target that resembles it, since one by chance would hardly ever be meant.
        let (scheme, rest) = printed.split_once("://").unwrap();
        let mut rest = rest.replacen("*.", "a.", 1);
        match chance.below(8) {
            0..=2 => {}
            3 => rest.push_str(chance.of(&["x", "/x", "/../x", "?q", ";a", "%2f"])),
            4 => rest = format!("{}{rest}", chance.of(&["a.", "a", "evil.com/", "x@", "www."])),
            5 => rest = rest.replacen('/', chance.of(&[".evil.com/", ":8443/", "./", "/./", "%2f", "\u{3002}/"]), 1),
            _ => rest = chance.damaged(&rest, PIECES),
        }
        let border = rest.find('/').unwrap_or(rest.len());
        let Ok(target) = Target::parse(scheme, &rest[..border], &rest[border..]) else { return };
        let url = Url::parse(&format!("{scheme}://{rest}")).unwrap_or_else(|error| panic!("{rest:?}: {error}"));
        let covers = destination.covers(&target);
        if covers {
            covered += 1;
            assert!(lies_within(&destination, &url), "{printed} covers {url}, written {rest:?}");
        } else if matches!(destination.host, HostPattern::Exact(_)) {
            // The other way round nothing is lost: what everybody would call the same place is not refused.
            assert!(!lies_within(&destination, &url), "{printed} does not cover {url}, written {rest:?}");
        }
        // Meeting itself changes nothing, and a meeting covers no more than either side.
        assert_eq!(destination.meet(&destination).as_ref(), Some(&destination));
        let other = format!("{scheme}://{}", &rest);
        if let Ok(other) = other.parse::<Destination>()
            && let Some(both) = destination.meet(&other)
        {
            assert!(!both.covers(&target) || (covers && other.covers(&target)), "{printed} and {other} at {target}");
        }
    });
    assert!(covered > 3_000, "only {covered} were covered: the property was hardly tried");
}
