//! The demo's upstream: an HTTP server on loopback that is slow, busy or closed where the demo wants it, and counts what it is asked.
//!
//! Owns what the tool `http` reaches in the demo: the server, the manifest beside the tool that asks for it, and the rule that
//! allows it. It is bound before the second wall stands, because that takes listening away, and serves from a thread of its own
//! afterwards, because no wall can be raised around threads.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use toolcell_core::net::Methods;
use toolcell_host::policy::{AllowedNetwork, Redirects};
use toolcell_host::{Allow, Pattern, Policy, Rule};

use crate::exit::CliError;
use crate::paths::Paths;

/// How long a search takes.
pub(super) const LATENCY: Duration = Duration::from_millis(120);

/// What the busy page asks for at first, in seconds: the smallest wait that `Retry-After` can name.
pub(super) const RETRY_AFTER_S: u64 = 1;

/// The most of a request that is read, in bytes; the tool's own are a few hundred.
const MAX_HEAD: u64 = 8 << 10;

/// Different targets that are counted. Anybody on this machine may ask for more, and is answered all the same.
const MAX_TARGETS: usize = 10_000;

/// How long somebody who has connected may say nothing.
const PATIENCE: Duration = Duration::from_secs(5);

/// A server that is bound and does not answer yet.
pub(super) struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

/// A server. It stops with the value.
pub(super) struct Upstream {
    address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    open: AtomicBool,
    asked: Mutex<BTreeMap<String, u64>>,
}

impl Bound {
    /// Binds a free port of loopback.
    pub(super) fn new() -> Result<Self, CliError> {
        let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| {
            let address = listener.local_addr()?;
            Ok(Self { listener, address })
        });
        bound.map_err(|error| CliError::failed("the demo's upstream cannot listen on 127.0.0.1").because(&error))
    }

    /// Lets `http` ask for this server: its own manifest asks for public hosts over https alone, and the one beside it replaces that.
    pub(super) fn ask_for(&self, paths: &Paths) -> Result<(), CliError> {
        let path = paths.tools().join("http.toml");
        let text = format!(
            "name = \"http\"\nversion = \"0.1.0\"\n\
             [hints]\nread-only = true\nidempotent = true\nopen-world = true\n\
             [capabilities]\n\
             network = [{{ url = \"http://{}/\", methods = [\"GET\"], reason = \"The demo's upstream.\" }}]\n",
            self.address
        );
        std::fs::write(&path, text)
            .map_err(|error| CliError::failed(format!("cannot write `{}`", path.display())).because(&error))
    }

    /// Allows it, too: loopback is no public address, so a rule has to name its network.
    pub(super) fn allow(&self, policy: Policy) -> Policy {
        let http = Pattern::Component("http".parse().expect("`http` is a component's name"));
        let allowed = AllowedNetwork {
            destination: format!("http://{}/", self.address).parse().expect("an address with a port is a destination"),
            methods: Methods::parse(["GET"]).expect("GET is a method"),
            networks: vec!["127.0.0.1/32".parse().expect("one address is a network")],
            redirects: Redirects::Return,
        };
        policy.rule(Rule::new(http, Allow::Network(allowed)))
    }

    /// Begins to answer.
    pub(super) fn serve(self) -> Upstream {
        let Self { listener, address } = self;
        let seen = Arc::<Seen>::default();
        let shared = seen.clone();
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if shared.stop.load(Ordering::Acquire) {
                    return;
                }
                let seen = shared.clone();
                // Whoever breaks off gets no answer, which is what it wanted.
                thread::spawn(move || drop(answer(&stream, &seen)));
            }
        });
        Upstream { address, seen }
    }
}

impl Upstream {
    /// Where it is: `http://127.0.0.1:PORT`.
    pub(super) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How often this target was asked for.
    pub(super) fn asked(&self, target: &str) -> u64 {
        self.counts().get(target).copied().unwrap_or_default()
    }

    /// How often each target was asked for that begins like this.
    pub(super) fn asked_below(&self, start: &str) -> BTreeMap<String, u64> {
        let mut counts = self.counts();
        counts.retain(|target, _| target.starts_with(start));
        counts
    }

    /// Unlocks the page that was sealed.
    pub(super) fn unseal(&self) {
        self.seen.open.store(true, Ordering::Release);
    }

    fn counts(&self) -> BTreeMap<String, u64> {
        self.seen.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.seen.stop.store(true, Ordering::Release);
        // Wakes the thread that accepts, so that it sees that it is over.
        drop(TcpStream::connect(self.address));
    }
}

fn answer(mut stream: &TcpStream, seen: &Seen) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream.take(MAX_HEAD));
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let target = head.split(' ').nth(1).unwrap_or_default();
    let (status, more, body) = page(target, seen.count(target), seen.open.load(Ordering::Acquire));
    if target.starts_with("/search") {
        thread::sleep(LATENCY);
    }
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\nconnection: close\r\n{more}\r\n{body}"
    )
}

impl Seen {
    /// Counts a request; answers the how-manieth of its target it is.
    fn count(&self, target: &str) -> u64 {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = asked.get_mut(target) {
            *count += 1;
            return *count;
        }
        if asked.len() < MAX_TARGETS {
            asked.insert(target.to_owned(), 1);
        }
        1
    }
}

/// Status line, further header lines and body of the `nth` answer to a target, from 1.
fn page(target: &str, nth: u64, open: bool) -> (&'static str, String, String) {
    let path = target.split('?').next().unwrap_or_default();
    let plain = |status, body: &str| (status, String::new(), body.to_owned());
    match (path, nth) {
        ("/busy", 1) => {
            let later = format!("retry-after: {RETRY_AFTER_S}\r\n");
            ("503 Service Unavailable", later, "come back later".to_owned())
        }
        ("/busy", 2) => plain("429 Too Many Requests", "still too many"),
        ("/busy", _) => plain("200 OK", "here at last"),
        ("/sealed", _) if !open => plain("403 Forbidden", "somebody has to unlock this page first"),
        ("/sealed" | "/search", _) => plain("200 OK", &format!("what there is at {target}")),
        _ if path.starts_with("/page/") => plain("200 OK", &format!("what there is at {target}")),
        _ => plain("404 Not Found", "nothing here"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(upstream: &Upstream, target: &str) -> String {
        let mut stream = TcpStream::connect(upstream.address).expect("it listens");
        write!(stream, "GET {target} HTTP/1.1\r\nhost: here\r\n\r\n").expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    }

    #[test]
    fn a_busy_page_is_there_at_the_third_time_and_every_request_counts() {
        let upstream = Bound::new().expect("a free port").serve();
        let answers: Vec<_> = (0..3).map(|_| get(&upstream, "/busy")).collect();
        assert!(answers[0].contains(" 503 ") && answers[0].contains("\r\nretry-after: 1\r\n"), "{}", answers[0]);
        assert!(answers[1].contains(" 429 ") && answers[2].ends_with("here at last"));
        assert_eq!((upstream.asked("/busy"), upstream.asked("/gone")), (3, 0));
        assert!(get(&upstream, "/gone").contains(" 404 "));
        assert_eq!(upstream.asked_below("/").len(), 2);
    }

    #[test]
    fn a_sealed_page_opens_when_somebody_unlocks_it() {
        let upstream = Bound::new().expect("a free port").serve();
        assert!(get(&upstream, "/sealed").contains(" 403 "));
        upstream.unseal();
        assert!(get(&upstream, "/sealed").contains(" 200 "));
    }

    #[test]
    fn a_request_without_an_end_is_given_up_and_others_are_answered() {
        let upstream = Bound::new().expect("a free port").serve();
        let mut endless = TcpStream::connect(upstream.address).expect("it listens");
        // It may be given up, and the connection be gone, before all of it is written.
        drop(endless.write_all(&vec![b'a'; 64 << 10]));
        assert!(get(&upstream, "/page/1").contains(" 200 "));
        assert_eq!(upstream.asked_below("/").len(), 1);
    }
}
