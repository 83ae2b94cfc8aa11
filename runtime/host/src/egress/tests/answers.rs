//! Answers of servers that don't behave.

use std::io::Write as _;

use super::*;

async fn answered(answer: impl Into<Vec<u8>>) -> Result<String, EgressError> {
    let (door, log) = World::one(answers(answer));
    outcome(&door, &open_session(&log), get("http://example.com/")).await
}

#[tokio::test]
async fn an_answer_is_read_to_its_end_whatever_frames_it() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and more that is nobody's",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;ext=1\r\nllo\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nhello",
        "HTTP/1.0 200 OK\r\n\r\nhello",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ] {
        assert_eq!(answered(answer).await.ok().as_deref(), Some("hello"), "{answer:?}");
    }
}

#[tokio::test]
async fn an_answer_that_two_readers_could_read_differently_is_refused() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\n: no name\r\n\r\nhello",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/0.9 200 OK\r\n\r\n",
        "hello, I am no HTTP",
        "\x16\x03\x01\x02",
        "",
    ] {
        let result = answered(answer).await;
        assert!(matches!(result, Err(EgressError::Protocol(_))), "{answer:?}: {result:?}");
    }
}

#[tokio::test]
async fn a_body_that_ends_early_or_is_framed_falsely_ends_with_an_error() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n\r\n",
    ] {
        let result = answered(answer).await;
        assert!(matches!(result, Err(EgressError::Protocol(_))), "{answer:?}: {result:?}");
    }
}

/// Lines with a number each.
fn numbered(start: &str, lines: usize) -> String {
    let mut text = String::new();
    for line in 0..lines {
        std::fmt::Write::write_fmt(&mut text, format_args!("{start}{line}\r\n")).expect("memory");
    }
    text
}

/// Garbage made of good answers: each one ends, with a result or an error, and nothing panics.
#[tokio::test]
async fn mutated_answers_end_one_way_or_another() {
    let seeds = [
        b"HTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhe\r\n0\r\nT: u\r\n\r\n".to_vec(),
        ok("Content-Encoding: gzip\r\nSet-Cookie: a=b\r\n", &gzip(b"hello hello hello")),
        ok("Content-Encoding: deflate\r\n", &zlib(b"hello hello hello")),
        ok("Content-Encoding: deflate\r\n", &bare(b"hello hello hello")),
    ];
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % bound as u64).expect("below a usize")
    };
    let mut read = 0;
    for round in 0..2_000 {
        let mut answer = seeds[round % seeds.len()].clone();
        for _ in 0..=next(3) {
            let at = next(answer.len());
            match next(4) {
                0 => answer[at] ^= 1 << next(8),
                1 => answer.insert(at, b"\r\n:;0 \0\xff"[next(8)]),
                2 => answer.truncate(at + 1),
                _ => drop(answer.remove(at)),
            }
        }
        read += usize::from(answered(answer).await.is_ok());
    }
    assert!(
        (1..2_000).contains(&read),
        "{read} of 2000 were read, so the mutations are neither all fatal nor all harmless"
    );
}

#[tokio::test]
async fn a_head_is_bounded_in_headers_and_bytes() {
    let (many, few) = (numbered("x: ", 1_000_000), numbered("x: ", 129));
    let long = "x".repeat(1 << 20);
    for answer in [
        format!("HTTP/1.1 200 OK\r\n{many}\r\n"),
        format!("HTTP/1.1 200 OK\r\n{few}\r\n"),
        format!("HTTP/1.1 200 OK\r\nX: {long}\r\n\r\n"),
        format!("HTTP/1.1 200 {long}\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\n{long}"),
        format!("HTTP/1.1 103 Early\r\n{many}"),
    ] {
        let start: String = answer.chars().take(40).collect();
        let result = answered(answer).await;
        assert_eq!(over(&result), Some("http_head_bytes"), "{start:?}: {result:?}");
    }
}

#[tokio::test]
async fn trailers_are_bounded_in_number_and_bytes() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
    for trailers in [numbered("x: ", 129), numbered("x: ", 1_000_000), format!("x: {}\r\n", "x".repeat(1 << 20))] {
        let result = answered(format!("{chunked}{trailers}\r\n")).await;
        assert!(matches!(result, Err(EgressError::Protocol(_))), "{result:?}");
    }
}

#[tokio::test]
async fn a_flood_of_empty_gzip_members_comes_to_its_end() {
    let (door, log) = World::one(answers(ok("Content-Encoding: gzip\r\n", &gzip(b"").repeat(10_000))));
    let result = outcome(&door, &open_session(&log), get("http://example.com/")).await;
    assert_eq!(result.ok().as_deref(), Some(""));
}

#[tokio::test]
async fn interim_answers_are_bounded() {
    let flood = "HTTP/1.1 102 Processing\r\n\r\n".repeat(100_000);
    let result = answered(flood + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert!(matches!(&result, Err(EgressError::Protocol(why)) if why.contains("interim")), "{result:?}");
    let some = "HTTP/1.1 102 Processing\r\n\r\n".repeat(10);
    assert!(answered(some + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.is_ok());
}

#[tokio::test]
async fn the_guest_sees_nothing_of_the_connection() {
    let answer = "HTTP/1.1 418 My Own Words\r\nConnection: close, x\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\n\
         Upgrade: h2c\r\nTrailer: x-late\r\nTransfer-Encoding: chunked\r\nX-Own: kept\r\nSet-Cookie: a=b\r\n\r\n\
         0\r\nX-Late: kept\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\nSet-Cookie: c=d\r\n\r\n";
    let (door, log) = World::one(answers(answer));
    let response = send(&door, &open_session(&log), get("http://example.com/")).await.expect("it is answered");
    assert_eq!(response.status(), 418);
    let names: std::collections::BTreeSet<_> = response.headers().keys().map(http::HeaderName::as_str).collect();
    assert_eq!(Vec::from_iter(names), ["set-cookie", "x-own"]);
    assert!(response.extensions().get::<hyper::ext::ReasonPhrase>().is_none());
    let body = response.into_body().collect().await.expect("a body");
    let trailers: Vec<_> = body.trailers().into_iter().flat_map(|trailers| trailers.keys().cloned()).collect();
    assert_eq!(trailers, ["x-late"]);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn bare(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

#[tokio::test]
async fn compressed_answers_arrive_as_what_they_are() {
    let text = numbered("line ", 20_000);
    let bytes = text.as_bytes();
    for (name, coded) in [
        ("gzip", gzip(bytes)),
        ("GZIP", gzip(bytes)),
        ("x-gzip", [gzip(&bytes[..100]), gzip(&bytes[100..])].concat()),
        ("deflate", zlib(bytes)),
        ("deflate", bare(bytes)),
        ("identity", bytes.to_vec()),
        ("br", bytes.to_vec()),
    ] {
        let (door, log) = World::one(answers(ok(&format!("Content-Encoding: {name}\r\n"), &coded)));
        let session = open_session(&log);
        let response = send(&door, &session, get("http://example.com/")).await.expect("it is answered");
        let plain = matches!(name, "identity" | "br");
        assert_eq!(response.headers().contains_key("content-length"), plain, "{name}");
        assert_eq!(response.headers().contains_key("content-encoding"), plain, "{name}");
        let read = self::text(response).await;
        assert!(read.as_deref() == Ok(text.as_str()), "{name}: {:?}", read.map(|text| text.len()));
        assert_eq!(session.meter.received_bytes(), bytes.len() as u64, "{name}");
    }
    let (door, log) = World::one(answers("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 77\r\n\r\n"));
    let head = Request::head("http://example.com/").body(empty()).expect("a request");
    assert_eq!(outcome(&door, &open_session(&log), head).await.ok().as_deref(), Some(""));
    let empty = answered(ok("Content-Encoding: gzip\r\n", b"")).await;
    assert_eq!(empty.ok().as_deref(), Some(""));
}

#[tokio::test]
async fn damaged_compression_ends_with_an_error() {
    let good = gzip(b"hello hello hello hello");
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x55;
    for (coding, body) in [
        ("gzip", good[..good.len() - 4].to_vec()),
        ("gzip", good[..12].to_vec()),
        ("gzip", flipped),
        ("gzip", b"plain".to_vec()),
        ("deflate", b"x".to_vec()),
        ("deflate", b"\xff\xff\xff\xff".to_vec()),
        ("deflate", [zlib(b"hello"), b"more".to_vec()].concat()),
    ] {
        let result = answered(ok(&format!("Content-Encoding: {coding}\r\n"), &body)).await;
        assert!(matches!(result, Err(EgressError::Protocol(_))), "{coding} {body:?}: {result:?}");
    }
}

#[tokio::test]
async fn bombs_end_at_their_ratio_or_at_the_limit() {
    let zeros = vec![0; 64 << 20];
    for (coding, bomb) in [("gzip", gzip(&zeros)), ("deflate", zlib(&zeros)), ("deflate", bare(&zeros))] {
        let (door, log) = World::one(answers(ok(&format!("Content-Encoding: {coding}\r\n"), &bomb)));
        let session = open_session(&log);
        let result = outcome(&door, &session, get("http://example.com/")).await;
        assert_eq!(over(&result), Some("http_decompression_ratio"), "{:?}", result.map(|text| text.len()));
        assert!(session.meter.received_bytes() <= 2 << 20, "{}", session.meter.received_bytes());
    }
    // Below the ratio the sum counts, over all requests of the call.
    let text = numbered("", 100_000);
    let (door, log) = World::one(answers(ok("Content-Encoding: gzip\r\n", &gzip(text.as_bytes()))));
    let limits = HttpLimits { received_bytes: text.len() as u64 + 1000, ..HttpLimits::default() };
    let session = EgressSession { limits, ..open_session(&log) };
    assert!(outcome(&door, &session, get("http://example.com/")).await.is_ok());
    assert_eq!(over(&outcome(&door, &session, get("http://example.com/")).await), Some("http_received_bytes"));
    assert!(session.meter.received_bytes() <= limits.received_bytes);
}

#[tokio::test]
async fn framing_is_charged_too() {
    let chunks = "1;some-extension\r\nx\r\n".repeat(20_000);
    let (door, log) =
        World::one(answers(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")));
    let limits = HttpLimits { wire_bytes: 10_000, ..HttpLimits::default() };
    let session = EgressSession { limits, ..open_session(&log) };
    assert_eq!(over(&outcome(&door, &session, get("http://example.com/")).await), Some("http_wire_bytes"));
    assert!(session.meter.wire_bytes() <= 10_000);
    let (door, log) = World::one(answers(ok("", &vec![b'x'; 100_000])));
    let limits = HttpLimits { received_bytes: 50_000, ..HttpLimits::default() };
    let session = EgressSession { limits, ..open_session(&log) };
    assert_eq!(over(&outcome(&door, &session, get("http://example.com/")).await), Some("http_received_bytes"));
}

#[tokio::test]
async fn an_answer_that_nobody_reads_closes_its_connection() {
    let (closed, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let endless = server(move |mut stream, log| {
        let closed = closed.clone();
        async move {
            read_request(&mut stream, &log).await.expect("a request");
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.expect("a reader");
            while stream.write_all(&[b'x'; 1024]).await.is_ok() {}
            closed.send(()).expect("the test waits");
        }
    });
    let (door, log) = World::one(endless);
    let mut response = send(&door, &open_session(&log), get("http://example.com/")).await.expect("it is answered");
    assert!(response.body_mut().frame().await.is_some());
    drop(response);
    assert_eq!(seen.recv().await, Some(()), "the server sees the connection end");
}
