//! Attacks of a server on whoever asks it: answers that never end, that grow, or that two readers would read differently.

use std::io::Write as _;

use serde_json::json;
use toolcell_core::Limit;

use super::alone::{Footprint, alone};
use super::outside::{Site, get, header};
use crate::upstream::After;

const RULES: &str = r#"
[[rule]]
name = "api"
tools = ["guest"]
network = [
    { url = "http://api.example.com/", methods = ["GET", "HEAD", "POST"] },
    { url = "https://mute.example.com/", methods = ["GET"] },
]
"#;

const API: &str = "http://api.example.com";

/// A site whose limits are small enough to be met within a moment.
fn small() -> Site {
    let limits = "[limits]\ntime = \"10s\"\nhttp-time = \"400ms\"\nhttp-received-bytes = \"1 MiB\"\nhttp-header-bytes = \"16 KiB\"\n";
    Site::new(&format!("{limits}{RULES}"))
}

/// The head of an answer with a body of unknown length.
const OPEN: &str = "HTTP/1.1 200 OK\r\n\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A request for what the one server has.
fn ask() -> serde_json::Value {
    json!({ "request": get("http://api.example.com/") })
}

#[test]
fn a_silent_server_ends_at_the_time_of_a_request() {
    for said in [
        "",
        "HTTP/1.1 ",
        "HTTP/1.1 200 OK\r\nX-Half: ",
        OPEN,
        CHUNKED,
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n12345",
    ] {
        let site = small();
        let upstream = site.world.raw(API, said, After::Hold);
        site.ends("send", &ask(), "http-time-limit");
        assert_eq!(upstream.connections(), 1, "{said:?}");
    }
    // One that takes the connection and never says a word of TLS.
    let site = small();
    let mute = site.world.raw("http://93.184.216.34:443", "", After::Hold);
    site.world.name("mute.example.com", &["93.184.216.34"]);
    site.ends("send", &json!({ "request": get("https://mute.example.com/") }), "http-time-limit");
    assert_eq!((mute.connections(), mute.requests().len()), (1, 0));
    // The call's own time is what ends it where that is shorter.
    let site = Site::new(&format!("[limits]\ntime = \"300ms\"\nhttp-time = \"20s\"\n{RULES}"));
    let _upstream = site.world.raw(API, OPEN, After::Hold);
    site.ends("send", &ask(), "time-limit");
}

#[test]
fn an_endless_answer_ends_at_the_bytes_of_a_call() {
    alone(|| {
        for (head, again) in [
            (OPEN, "x".repeat(16 << 10)),
            (CHUNKED, format!("4000\r\n{}\r\n", "x".repeat(16 << 10))),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n", "x".repeat(16 << 10)),
        ] {
            let site = small();
            let _upstream = site.world.raw(API, head, After::Repeat(again.into_bytes()));
            site.arena.serves();
            let footprint = Footprint::now();
            let struck = site.ends("send", &ask(), "http-received-bytes-limit");
            footprint.holds(site.arena.limit(Limit::Memory));
            assert!(struck.outcome.receipt.as_ref().unwrap().receipt.used.http_received_bytes <= 1 << 20);
        }
    });
}

#[test]
fn a_flood_of_almost_nothing_is_charged_too() {
    for (head, again, ends) in [
        // One byte a chunk with an extension that says nothing, and an extension without end.
        (CHUNKED, "1;e=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\nx\r\n".to_owned(), "tool-failed"),
        (CHUNKED, "1;xxxxxxxxxxxxxxxx".to_owned(), "tool-failed"),
        // A chunk whose size never ends: as many bytes as it likes, and not one of a body.
        (CHUNKED, "0".repeat(4_096), "http-received-bytes-limit"),
        // Interim answers, and empty lines before any answer.
        ("", "HTTP/1.1 100 Continue\r\n\r\n".to_owned(), "tool-failed"),
        ("", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".to_owned(), "tool-failed"),
        ("", "\r\n".repeat(1_000), "http-header-bytes-limit"),
        // The body has ended; what follows is nobody's.
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "x".repeat(4_096), "completed"),
        ("HTTP/1.1 204 No Content\r\n\r\n", "x".repeat(4_096), "completed"),
    ] {
        let site = small();
        let _upstream = site.world.raw(API, head, After::Repeat(again.clone().into_bytes()));
        let struck = site.strike("send", &ask());
        let kind = struck.outcome.verdict.failure().map_or("completed", |failure| failure.kind.name());
        assert_eq!(kind, ends, "{head:?} and {:?}: {:?}", &again[..again.len().min(40)], struck.outcome.verdict);
        assert!(struck.elapsed.as_secs() < 10, "{:?}", struck.elapsed);
        site.arena.serves();
    }
}

#[test]
fn a_compression_bomb_ends_where_it_is_unpacked() {
    alone(|| {
        let zeros = vec![0; 1 << 20];
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        (0..64).for_each(|_| gzip.write_all(&zeros).unwrap());
        let gzip = gzip.finish().unwrap();
        let mut deflate = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        (0..64).for_each(|_| deflate.write_all(&zeros).unwrap());
        let deflate = deflate.finish().unwrap();
        let mut twice = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        twice.write_all(&gzip).unwrap();
        let twice = twice.finish().unwrap();
        let site = Site::new(RULES);
        site.arena.serves();
        let footprint = Footprint::now();
        for (coding, bomb) in [("gzip", &gzip), ("x-gzip", &gzip), ("deflate", &deflate)] {
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n", bomb.len());
            let _upstream = site.world.raw(API, [head.as_bytes(), bomb].concat(), After::Close);
            let struck = site.ends("send", &ask(), "http-received-bytes-limit");
            let used = struck.outcome.receipt.as_ref().unwrap().receipt.used.http_received_bytes;
            assert!(used <= 4 << 20, "{coding}: {used} bytes were unpacked");
        }
        // Codings that are stacked or unknown are not unpacked at all: the guest gets what was sent.
        for coding in ["gzip, gzip", "br", "zstd", "gzip;q=1", "unknown"] {
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n", twice.len());
            let _upstream = site.world.raw(API, [head.as_bytes(), &twice].concat(), After::Close);
            let struck = site.strike("send", &ask());
            let used = struck.outcome.receipt.as_ref().unwrap().receipt.used.http_received_bytes;
            assert!(used <= 1 << 20, "{coding}: {used} bytes");
        }
        footprint.holds(site.arena.limit(Limit::Memory));
        site.arena.serves();
    });
}

#[test]
fn a_million_headers_end_at_the_limit_of_a_head() {
    alone(|| {
        for (head, again) in [
            ("HTTP/1.1 200 OK\r\n", "X: y\r\n".repeat(1_000)),
            ("HTTP/1.1 200 OK\r\nX-Long: ", "y".repeat(4_096)),
            ("HTTP/1.1 200 ", "K".repeat(4_096)),
            ("HTTP/1.1 200 OK\r\n", "Set-Cookie: a=b\r\n".repeat(500)),
        ] {
            let site = small();
            let _upstream = site.world.raw(API, head, After::Repeat(again.into_bytes()));
            site.arena.serves();
            let footprint = Footprint::now();
            site.ends("send", &ask(), "http-header-bytes-limit");
            footprint.holds(site.arena.limit(Limit::Memory));
        }
        // As trailers they come when the body is through.
        let site = small();
        let head = format!("{CHUNKED}2\r\nok\r\n0\r\n");
        let _upstream = site.world.raw(API, head, After::Repeat("X: y\r\n".repeat(1_000).into_bytes()));
        let struck = site.strike("send", &ask());
        assert_eq!(struck.failure().kind.name(), "tool-failed", "{:?}", struck.failure());
        site.arena.serves();
    });
}

#[test]
fn an_answer_with_two_lengths_is_not_passed_on() {
    for head in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "Content-Length: 4\r\nContent-Length: 5",
        "Content-Length: 4\r\nContent-Length: 4",
        "Content-Length: 4, 4",
        "Content-Length: +4",
        "Content-Length: -1",
        "Content-Length: 0x4",
        "Content-Length: 99999999999999999999",
        "Content-Length: ",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding:\u{b}chunked",
        "X: y\r\n folded: z",
        "X\0: y",
        "X: y\0z",
        ": nothing",
        "no colon",
        "X: y\rZ: w",
    ] {
        let site = small();
        let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n4\r\nbody\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\nsmuggled");
        let upstream = site.world.raw(API, answer, After::Close);
        let struck = site.strike("send", &ask());
        let failure = struck.failure();
        assert!(failure.message.contains("HttpProtocolError"), "{head:?}: {failure:?}");
        assert!(!struck.told().contains("smuggled"), "{head:?}");
        assert_eq!(upstream.connections(), 1);
        site.arena.serves();
    }
}

#[test]
fn what_is_no_answer_is_not_passed_on() {
    for answer in [
        "SSH-2.0-OpenSSH_9.6\r\n",
        "220 mail.example.com ESMTP\r\n",
        "-ERR unknown command\r\n",
        "HTTP/0.9 200 OK\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 99 Low\r\n\r\n",
        "HTTP/1.1 1000 High\r\n\r\n",
        "HTTP/1.1 abc\r\n\r\n",
        "\0\0\0\0",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "HTTP/1.1 200 OK\nX: y\n\0",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nbody\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\nbody",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbodyXX0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbo",
    ] {
        let site = small();
        let _upstream = site.world.raw(API, answer, After::Close);
        let struck = site.strike("send", &ask());
        let failure = struck.failure();
        assert_eq!(failure.kind.name(), "tool-failed", "{answer:?}: {failure:?}");
        // Before the head is read it has a name; in a body it is the stream that breaks.
        let named = ["HttpProtocolError", "stream error"].iter().any(|name| failure.message.contains(name));
        assert!(named, "{answer:?}: {failure:?}");
        site.arena.serves();
    }
}

#[test]
fn a_server_cannot_make_the_connection_another() {
    for answer in [
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nPRI * HTTP/2.0\r\n\r\n",
    ] {
        let site = small();
        let _upstream = site.world.raw(API, answer, After::Hold);
        let struck = site.strike("send", &ask());
        assert!(struck.failure().message.contains("HttpProtocolError"), "{:?}", struck.failure());
        site.arena.serves();
    }
}

#[test]
fn trailers_of_a_server_are_no_headers() {
    let site = small();
    let trailers = "X-Late: 1\r\nSet-Cookie: a=b\r\nContent-Length: 99\r\nContent-Encoding: gzip\r\nContent-Type: text/html\r\n\
                    Host: evil.example\r\nTransfer-Encoding: chunked\r\nConnection: upgrade\r\n";
    let answer = format!("{CHUNKED}4\r\nbody\r\n0\r\n{trailers}\r\n");
    let _upstream = site.world.raw(API, answer, After::Close);
    let response = site.send(&get("http://api.example.com/"));
    assert_eq!(response["body"], "body");
    assert_eq!(header(&response, "x-late"), None, "a trailer became a header");
    let names: Vec<_> = response["trailers"].as_array().unwrap().iter().map(|field| field["name"].clone()).collect();
    assert_eq!(names, ["x-late"], "{response}");
    site.arena.serves();
}
