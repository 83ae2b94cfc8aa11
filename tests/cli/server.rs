//! An HTTP server on loopback that writes down what it saw, so that a test can say that there was nothing.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

/// What a server does with a request, whose head it is given.
pub(super) enum Answer {
    /// A status line without its version, further header lines, and a body.
    Sends(&'static str, &'static [&'static str], String),
    /// Nothing, until the other end gives up.
    Hangs,
}

/// A server. It stops with the value; connections that hang end with their other end.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    connections: AtomicUsize,
    heads: Mutex<Vec<String>>,
    /// Connections that have not ended.
    open: Mutex<usize>,
    ended: Condvar,
}

impl Server {
    pub(super) fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::<Seen>::default());
        let (answer, shared) = (Arc::new(answer), seen.clone());
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if shared.stop.load(Ordering::SeqCst) {
                    return;
                }
                shared.connections.fetch_add(1, Ordering::SeqCst);
                *shared.open.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                let (answer, seen) = (answer.clone(), shared.clone());
                thread::spawn(move || {
                    // A client that breaks off is what some tests are about.
                    drop(serve(&stream, &seen, &*answer));
                    *seen.open.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
                    seen.ended.notify_all();
                });
            }
        });
        Self { address, seen }
    }

    /// Where it is, as policies and tools write it.
    pub(super) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections were opened, also those that never sent a request.
    pub(super) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// Waits until everything that clients which are gone have sent is read: what is in no head after that was never sent.
    pub(super) fn read_to_the_end(&self) {
        // Connections are accepted in the order in which they were made, so this one is behind all others.
        let mut last = TcpStream::connect(self.address).unwrap();
        last.shutdown(Shutdown::Write).unwrap();
        last.read_to_end(&mut Vec::new()).unwrap();
        let open = self.seen.open.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.seen.ended.wait_while(open, |open| *open > 0));
    }

    /// The heads of all requests, in the order in which they came.
    pub(super) fn heads(&self) -> Vec<String> {
        self.seen.heads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.seen.stop.store(true, Ordering::SeqCst);
        // The thread that accepts is woken, to see that it is over.
        drop(TcpStream::connect(self.address));
    }
}

fn serve(mut stream: &TcpStream, seen: &Seen, answer: &impl Fn(&str) -> Answer) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    seen.heads.lock().unwrap_or_else(PoisonError::into_inner).push(head.clone());
    // A body that is left unread would make the end of the connection a reset, which may overtake the answer.
    let length =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    std::io::copy(&mut reader.by_ref().take(length.unwrap_or(0)), &mut std::io::sink())?;
    match answer(&head) {
        Answer::Hangs => reader.read_to_end(&mut Vec::new()).map(drop),
        Answer::Sends(status, headers, body) => {
            let more = headers.iter().fold(String::new(), |more, line| more + line + "\r\n");
            let length = body.len();
            write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{more}\r\n{body}")
        }
    }
}
