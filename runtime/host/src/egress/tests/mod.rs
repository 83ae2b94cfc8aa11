//! The door against servers that behave, and against servers that don't.
//!
//! The world behind the door is scripted below the vetting: names have the addresses that a test gives them, and a vetted
//! address leads to a server of the test. What is decided in between is the real thing.

mod answers;
mod destinations;
mod redirects;
mod requests;
mod secrets;
mod sockets;
mod times;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty, Full};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use toolcell_core::net::{Destination, Methods, Scheme};
use toolcell_core::{Clock, UnixMillis};

use super::*;

/// A public address that names of these tests have.
const PUBLIC: &str = "93.184.216.34";
const OTHER: &str = "93.184.216.35";

/// What was asked of the world.
#[derive(Default)]
struct Log {
    lookups: Mutex<Vec<String>>,
    dialled: Mutex<Vec<SocketAddr>>,
    /// What servers read, one entry a request.
    requests: Mutex<Vec<String>>,
    denied: Mutex<Vec<String>>,
    secrets: Mutex<Vec<String>>,
    /// Whether no use of a secret can be recorded.
    is_full: AtomicBool,
}

impl Log {
    fn dialled(&self) -> Vec<String> {
        self.dialled.lock().expect("no panic holds it").iter().map(ToString::to_string).collect()
    }

    fn lookups(&self) -> Vec<String> {
        self.lookups.lock().expect("no panic holds it").clone()
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic holds it").clone()
    }

    fn denied(&self) -> Vec<String> {
        self.denied.lock().expect("no panic holds it").clone()
    }

    fn secrets(&self) -> Vec<String> {
        self.secrets.lock().expect("no panic holds it").clone()
    }

    fn saw_nothing(&self) -> bool {
        self.dialled().is_empty() && self.requests().is_empty() && self.secrets().is_empty()
    }
}

impl Notes for Log {
    fn denied(&self, reason: &str) {
        self.denied.lock().expect("no panic holds it").push(reason.to_owned());
    }

    fn secret_used(&self, name: &str, target: &str) -> Result<(), Unrecorded> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err(Unrecorded { detail: "no space left".to_owned() });
        }
        self.secrets.lock().expect("no panic holds it").push(format!("{name} {target}"));
        Ok(())
    }
}

type Serving = Pin<Box<dyn Future<Output = ()> + Send>>;
type Server = Arc<dyn Fn(DuplexStream, Arc<Log>) -> Serving + Send + Sync>;

/// A server written as an async function over its end of the connection.
fn server<F: Future<Output = ()> + Send + 'static>(
    serve: impl Fn(DuplexStream, Arc<Log>) -> F + Send + Sync + 'static,
) -> Server {
    Arc::new(move |stream, log| Box::pin(serve(stream, log)))
}

/// A server that reads one request and answers with these bytes.
fn answers(answer: impl Into<Vec<u8>>) -> Server {
    let answer = Arc::new(answer.into());
    server(move |mut stream, log| {
        let answer = answer.clone();
        async move {
            if read_request(&mut stream, &log).await.is_ok() {
                // A client that has had enough closes the connection.
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
            }
        }
    })
}

/// An answer with a body, its length included.
fn ok(headers: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

async fn read_request(stream: &mut DuplexStream, log: &Log) -> io::Result<()> {
    let mut read = Vec::new();
    let ended = |read: &[u8]| {
        let text = String::from_utf8_lossy(read).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        match length {
            Some(length) => body.len() >= length.parse().expect("a number"),
            None => !head.contains("transfer-encoding") || body.ends_with("0\r\n\r\n"),
        }
    };
    while !ended(&read) {
        if stream.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    log.requests.lock().expect("no panic holds it").push(String::from_utf8_lossy(&read).into_owned());
    Ok(())
}

/// What is behind the door.
#[derive(Default)]
struct World {
    log: Arc<Log>,
    /// For each name, the answers to the first lookup, the second and so on; the last one stays.
    names: Mutex<HashMap<String, VecDeque<Vec<IpAddr>>>>,
    servers: HashMap<IpAddr, Server>,
    authorities: Vec<String>,
    time: u64,
}

impl World {
    fn new() -> Self {
        Self { time: 1_800_000_000_000, ..Self::default() }
    }

    /// A name that has these addresses at each lookup.
    fn name(self, name: &str, lookups: &[&[&str]]) -> Self {
        let read = |addresses: &&[&str]| addresses.iter().map(|text| text.parse().expect("an address")).collect();
        self.names.lock().expect("no panic holds it").insert(name.to_owned(), lookups.iter().map(read).collect());
        self
    }

    fn server(mut self, address: &str, server: Server) -> Self {
        self.servers.insert(address.parse().expect("an address"), server);
        self
    }

    /// `example.com` and everything that answers there.
    fn one(server: Server) -> (Door, Arc<Log>) {
        Self::new().name("example.com", &[&[PUBLIC]]).server(PUBLIC, server).open()
    }

    fn open(self) -> (Door, Arc<Log>) {
        let log = self.log.clone();
        let authorities: Vec<&[u8]> = self.authorities.iter().map(String::as_bytes).collect();
        let tls = Tls::new(Arc::new(Fixed(self.time)), &authorities).expect("authorities of the test");
        let world = Arc::new(self);
        (Door::new(world.clone(), world, tls), log)
    }
}

struct Fixed(u64);

impl Clock for Fixed {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0)
    }
}

#[async_trait]
impl Resolver for World {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.log.lookups.lock().expect("no panic holds it").push(name.to_owned());
        let mut names = self.names.lock().expect("no panic holds it");
        let lookups = names.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
        let answer = if lookups.len() > 1 { lookups.pop_front() } else { lookups.front().cloned() };
        answer.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

#[async_trait]
impl Dial for World {
    async fn dial(&self, address: SocketAddr) -> io::Result<Box<dyn Stream>> {
        self.log.dialled.lock().expect("no panic holds it").push(address);
        let server = self.servers.get(&address.ip()).ok_or(io::ErrorKind::ConnectionRefused)?;
        let (ours, theirs) = tokio::io::duplex(16 << 10);
        tokio::spawn(server(theirs, self.log.clone()));
        Ok(Box::new(ours))
    }
}

fn grant(url: &str, methods: &[&str]) -> NetworkGrant {
    NetworkGrant {
        rule: format!("rule of {url}"),
        destination: url.parse().expect("a destination"),
        methods: Methods::parse(methods).expect("methods"),
        networks: Vec::new(),
        redirects: Redirects::Return,
    }
}

fn any_public(scheme: Scheme) -> NetworkGrant {
    NetworkGrant { destination: Destination::any_public(scheme), ..grant("https://any.example/", &["GET"]) }
}

fn session(log: &Arc<Log>, grants: impl IntoIterator<Item = NetworkGrant>) -> EgressSession {
    EgressSession {
        grants: grants.into_iter().collect(),
        secrets: Arc::new([]),
        limits: HttpLimits::default(),
        meter: Arc::default(),
        redact: None,
        notes: log.clone(),
    }
}

/// A session that may do everything at `http://example.com/`.
fn open_session(log: &Arc<Log>) -> EgressSession {
    session(log, [grant("http://example.com/", &["GET", "POST", "HEAD", "PUT"])])
}

fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

fn get(url: &str) -> Request<Body> {
    Request::get(url).body(empty()).expect("a request that the http crate takes")
}

async fn send(door: &Door, session: &EgressSession, request: Request<Body>) -> Result<Response<Body>, EgressError> {
    door.send(session, request, Timeouts::default()).await
}

async fn text(response: Response<Body>) -> Result<String, BodyError> {
    let body = response.into_body().collect().await?;
    Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
}

/// How a request or its body ends.
async fn outcome(door: &Door, session: &EgressSession, request: Request<Body>) -> Result<String, EgressError> {
    Ok(text(send(door, session, request).await?).await?)
}

fn over(result: &Result<String, EgressError>) -> Option<&'static str> {
    match result {
        Err(EgressError::Over(over)) => Some(over.limit),
        _ => None,
    }
}
