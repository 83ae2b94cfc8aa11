//! What servers answer, byte by byte: every answer ends, as an error that names a reason or as a body within its bounds.
//!
//! The server is a script at the end of a stream in memory, and the clock stands still until everybody waits: a door that would hang
//! is told by its own deadline, at once. An independent reader of HTTP's framing says of each answer whether two
//! programs could read it in two ways; the door may not take one of those.

use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use toolcell_core::net::Methods;
use toolcell_host::egress::{
    BodyError, Dial, Door, EgressError, EgressSession, HttpLimits, NetworkGrant, Notes, Redact, Redirects, Resolver,
    Stream, Timeouts, Tls, Unrecorded,
};

use super::{Chance, fuzz};
use crate::support::TestClock;

/// Small, so that a flood is reached with little work.
const LIMITS: HttpLimits = HttpLimits {
    requests: 8,
    lookups: 8,
    sent_bytes: 1 << 10,
    received_bytes: 64 << 10,
    wire_bytes: 128 << 10,
    head_bytes: 16 << 10,
    headers: 64,
    request_time: Duration::from_mins(1),
    connect_time: Duration::from_secs(10),
    first_byte: Duration::from_secs(30),
    idle: Duration::from_secs(15),
};

/// Answers with the same bytes to everything, in pieces of this size, and then closes or falls silent.
pub(super) struct Script {
    pub(super) answer: Vec<u8>,
    pub(super) piece: usize,
    pub(super) silent: bool,
}

struct Server(Mutex<Script>);

#[async_trait]
impl Resolver for Server {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec![IpAddr::from([93, 184, 216, 34])])
    }
}

#[async_trait]
impl Dial for Server {
    async fn dial(&self, _: SocketAddr) -> io::Result<Box<dyn Stream>> {
        let (ours, mut theirs) = tokio::io::duplex(4 << 10);
        let (answer, piece, silent) = {
            let script = self.0.lock().unwrap();
            (script.answer.clone(), script.piece, script.silent)
        };
        tokio::spawn(async move {
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") && theirs.read_buf(&mut asked).await.is_ok_and(|read| read > 0) {}
            for piece in answer.chunks(piece) {
                // A client that has had enough closes the connection.
                if theirs.write_all(piece).await.is_err() {
                    return;
                }
                tokio::task::yield_now().await;
            }
            if silent {
                let _ = theirs.read_to_end(&mut asked).await;
            }
        });
        Ok(Box::new(ours))
    }
}

struct Deaf;

impl Notes for Deaf {
    fn denied(&self, _: &str) {}
    fn secret_used(&self, _: &str, _: &str) -> Result<(), Unrecorded> {
        Ok(())
    }
}

/// What came back: head and body as one text of bytes, and the body's length.
pub(super) struct Got {
    pub(super) all: Vec<u8>,
    body: usize,
}

/// Asks once, with a redactor of this secret where there is one.
pub(super) fn ask(script: Script, redirects: Redirects, redact: Option<Arc<dyn Redact>>) -> Result<Got, EgressError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let server = Arc::new(Server(Mutex::new(script)));
        let door = Door::new(server.clone(), server, tls());
        let grant = NetworkGrant {
            rule: "out".to_owned(),
            destination: "http://example.com/".parse().unwrap(),
            methods: Methods::parse(&["GET"]).unwrap(),
            networks: Vec::new(),
            redirects,
        };
        let session = EgressSession {
            grants: [grant].into(),
            secrets: Arc::new([]),
            limits: LIMITS,
            meter: Arc::default(),
            redact,
            notes: Arc::new(Deaf),
        };
        let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
        let request = Request::get("http://example.com/").body(body).unwrap();
        let began = tokio::time::Instant::now();
        let result = async {
            let (head, body) = door.send(&session, request, Timeouts::default()).await?.into_parts();
            let mut all = format!("{} {:?}\n", head.status, head.headers).into_bytes();
            for (name, value) in &head.headers {
                all.extend([name.as_str().as_bytes(), value.as_bytes()].concat());
            }
            let body = body.collect().await.map_err(|error: BodyError| EgressError::from(error))?;
            if let Some(trailers) = body.trailers() {
                all.extend(format!("{trailers:?}").into_bytes());
            }
            let body = body.to_bytes();
            all.extend(&body);
            Ok(Got { all, body: body.len() })
        }
        .await;
        assert!(began.elapsed() <= LIMITS.request_time + Duration::from_secs(1), "{:?}", began.elapsed());
        result
    })
}

fn tls() -> Tls {
    Tls::new(Arc::new(TestClock::at(4_000_000_000_000)), &[]).unwrap()
}

const LINES: &[&str] = &[
    "Content-Length: 5",
    "Content-Length: 6",
    "Content-Length: 0",
    "content-length:5",
    "Content-Length: 5, 5",
    "Content-Length: +5",
    "Content-Length: 05",
    "Content-Length: 0x5",
    "Content-Length: -1",
    "Content-Length: 18446744073709551616",
    "Content-Length:",
    "Content-Length : 5",
    " Content-Length: 5",
    "Content-Length: 5\r\n 6",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: Chunked",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding:\x0bchunked",
    "Transfer-Encoding: chunked;q=1",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding:\r\n chunked",
    "Content-Encoding: gzip",
    "Content-Encoding: deflate",
    "Content-Encoding: gzip, gzip",
    "Content-Encoding: br",
    "Content-Encoding: identity",
    "Location: http://example.com/",
    "Location: http://evil.com/",
    "Location: //evil.com",
    "Location: \u{ff0f}\u{ff0f}evil.com",
    "Connection: close",
    "Connection: keep-alive, upgrade",
    "Upgrade: websocket",
    "Trailer: X",
    "Set-Cookie: a=b",
    "X: y",
    "X:",
    ": y",
    "X",
    "X: a\0b",
    "X\0: y",
    "X: \u{202e}",
    "Proxy-Authenticate: Basic",
];

const STATUS: &[&str] = &[
    "HTTP/1.1 200 OK",
    "HTTP/1.1 200 OK",
    "HTTP/1.1 200 OK",
    "HTTP/1.1 200",
    "HTTP/1.0 200 OK",
    "HTTP/1.1 204 No Content",
    "HTTP/1.1 304 Not Modified",
    "HTTP/1.1 302 Found",
    "HTTP/1.1 307 Temporary Redirect",
    "HTTP/1.1 101 Switching Protocols",
    "HTTP/1.1 100 Continue",
    "HTTP/1.1 999 ?",
    "HTTP/1.1 99 ?",
    "HTTP/1.1  200 OK",
    "HTTP/2 200 OK",
    "HTTP/0.9 200 OK",
    "ICY 200 OK",
    "http/1.1 200 OK",
    "HTTP/1.1 200 O\u{7f}K",
];

const BODIES: &[&[u8]] = &[
    b"hello",
    b"",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nX: y\r\n\r\n",
    b"5\nhello\n0\n\n",
    b"FFFFFFFFFFFFFFFF1\r\nhello\r\n0\r\n\r\n",
    b"-5\r\nhello\r\n0\r\n\r\n",
    b"0x5\r\nhello\r\n0\r\n\r\n",
    b" 5\r\nhello\r\n0\r\n\r\n",
    b"5 \r\nhello\r\n0\r\n\r\n",
    b"5\r\nhello0\r\n\r\n",
    b"00000005\r\nhello\r\n0\r\n\r\n",
    b"5\r\nhello\r\n0\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsmugg",
];

const PIECES: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\n\n",
    b"\0",
    b" ",
    b"\t",
    b":",
    b";",
    b",",
    b"\xff",
    b"\xc2\xa0",
    b"0\r\n\r\n",
    b"FFFFFFFF\r\n",
    b"1\r\n",
    b"Content-Length: 1\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Encoding: gzip\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 103 Early\r\n\r\n",
    b"99999999999999999999",
];

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An answer put together from parts that need not fit.
fn composed(chance: &mut Chance) -> Vec<u8> {
    let mut answer = Vec::new();
    for _ in 0..chance.below(3) / 2 {
        answer.extend(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
    }
    answer.extend(chance.of(STATUS).as_bytes());
    for _ in 0..chance.below(4) {
        answer.extend(b"\r\n");
        answer.extend(chance.of(LINES).as_bytes());
    }
    answer.extend(b"\r\n\r\n");
    answer.extend(if chance.once_in(12) {
        gzip(&vec![b'x'; 1 << (10 + chance.below(12))])
    } else {
        chance.of(BODIES).to_vec()
    });
    if chance.once_in(3) {
        chance.damage(&mut answer, PIECES);
    }
    answer
}

/// Whether the head of the final answer could be framed in two ways. Knows no more of HTTP than RFC 9112, sections 2.2 (a line may
/// end in LF alone) and 6.
fn is_ambiguous(answer: &[u8]) -> bool {
    let mut rest = answer;
    let head = loop {
        let ended = |end: &usize| rest[*end..].starts_with(b"\n\n") || rest[*end..].starts_with(b"\n\r\n");
        let Some(end) = (0..rest.len()).find(ended) else { return false };
        let head = &rest[..end];
        let interim = head.starts_with(b"HTTP/1.1 1") && head.get(9..12).is_some_and(|code| code != b"101");
        if !interim {
            break head;
        }
        rest = rest[end + 1..].strip_prefix(b"\r").unwrap_or(&rest[end + 1..]);
        rest = &rest[1..];
    };
    let (mut lengths, mut codings, mut odd) = (0, 0, false);
    for line in head.split(|byte| *byte == b'\n').skip(1) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = line[..colon].to_ascii_lowercase();
        let value = line[colon + 1..].trim_ascii().to_ascii_lowercase();
        match name.trim_ascii() {
            b"content-length" => {
                lengths += 1;
                odd |= value.is_empty() || !value.iter().all(u8::is_ascii_digit) || name != b"content-length";
            }
            b"transfer-encoding" => {
                codings += 1;
                odd |= value != b"chunked" || name != b"transfer-encoding";
            }
            _ => {}
        }
    }
    odd || lengths + codings > 1
}

pub(super) fn piece(chance: &mut Chance) -> usize {
    *chance.of(&[&1, &2, &7, &64, &4_096])
}

#[test]
fn an_answer_of_any_bytes_ends_and_is_never_one_that_two_readers_read_differently() {
    let (mut taken, mut ambiguous) = (0, 0);
    fuzz("responses", 8_000, |_, chance| {
        let answer = composed(chance);
        let script = Script { answer: answer.clone(), piece: piece(chance), silent: chance.once_in(4) };
        let redirects = if chance.once_in(2) { Redirects::Follow } else { Redirects::Return };
        let text = String::from_utf8_lossy(&answer).chars().take(300).collect::<String>();
        let two_ways = is_ambiguous(&answer);
        ambiguous += usize::from(two_ways);
        match ask(script, redirects, None) {
            Ok(got) => {
                taken += 1;
                assert!(got.body as u64 <= LIMITS.received_bytes, "{text:?}: {}", got.body);
                assert!(!two_ways, "{text:?} was taken as {:?}", String::from_utf8_lossy(&got.all));
            }
            Err(error) => {
                let error = error.to_string();
                assert!(error.len() < 500 && !error.chars().any(char::is_control), "{text:?}: {error:?}");
                // A message is in the host's own words; of the server's it has at most the name of a host that it redirects to.
                assert!(!error.contains("hello"), "{error:?}");
            }
        }
    });
    assert!(taken > 500 && ambiguous > 500, "{taken} taken, {ambiguous} ambiguous: the property was hardly tried");
}
