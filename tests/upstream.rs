//! The network as a test makes it: real HTTP/1.1 and TLS servers on loopback, and names that lead to them.
//!
//! The door in front of it is the real one. A name resolves to the address that the test gives it, the door vets that
//! address, and only then does [`MapDial`] lead it to the port that the server really has. Servers run on a thread of
//! their own until the [`World`] is dropped, and both sides write down what they saw, so that a test can say that there
//! was nothing.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use toolcell_host::egress::{Dial, Door, Resolver, Stream, Tls};

use crate::support::TestClock;

/// Servers, the names and addresses that lead to them, and an authority that has certified those with TLS.
pub(crate) struct World {
    resolver: Arc<MapResolver>,
    dial: Arc<MapDial>,
    issuer: Issuer<'static, KeyPair>,
    authority: String,
    /// The last number of the next address, see [`World::next_address`].
    next: AtomicU8,
    runtime: Option<Runtime>,
}

/// One server.
pub(crate) struct Upstream {
    /// Where the world has it: what the door resolves, vets and believes to dial.
    pub(crate) address: SocketAddr,
    /// Where it really listens, on loopback.
    pub(crate) listens: SocketAddr,
    seen: Arc<Seen>,
}

/// A request as a server read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query as they stood in the first line.
    pub(crate) target: String,
    /// Names in lower case, in their order.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What a server of given bytes does when it has sent them.
#[derive(Clone, Debug)]
pub(crate) enum After {
    /// Closes the connection.
    Close,
    /// Keeps it open and silent, until the client closes it.
    Hold,
    /// Sends these bytes again and again, until the client closes it.
    Repeat(Vec<u8>),
}

/// Names to addresses. A name that is not there has none.
#[derive(Default)]
pub(crate) struct MapResolver {
    /// For each name the answers to its lookups; the last one stays.
    names: Mutex<HashMap<String, VecDeque<Vec<IpAddr>>>>,
    asked: Mutex<Vec<String>>,
}

/// Vetted addresses to ports on loopback. An address that is not there refuses the connection.
#[derive(Default)]
pub(crate) struct MapDial {
    servers: Mutex<HashMap<SocketAddr, SocketAddr>>,
    dialled: Mutex<Vec<SocketAddr>>,
}

impl World {
    /// A world with no server and no name in it.
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key).unwrap().pem();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self {
            resolver: Arc::default(),
            dial: Arc::default(),
            issuer: Issuer::new(params, key),
            authority,
            next: AtomicU8::new(1),
            runtime: Some(runtime),
        }
    }

    /// A way out of a host into this world, for `Settings::door`. It trusts the world's authority.
    pub(crate) fn door(&self) -> Arc<Door> {
        let tls = Tls::new(Arc::new(TestClock::at(4_000_000_000_000)), &[self.authority.as_bytes()]).unwrap();
        Arc::new(Door::new(self.resolver.clone(), self.dial.clone(), tls))
    }

    /// A server at an origin such as `https://api.example.com` or `http://10.0.0.5:8080` that answers every request by `answer`.
    ///
    /// A name that has no address yet gets a public one of its own, see [`World::name`] for others. An address in the place of
    /// the name is where the server is. With `https` it has a certificate for its name.
    pub(crate) fn serve(
        &self,
        origin: &str,
        answer: impl Fn(&Asked) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Upstream {
        let answer = Arc::new(answer);
        self.listen(origin, move |stream, seen| {
            let answer = answer.clone();
            async move {
                let service = service_fn(move |request: Request<Incoming>| {
                    let (answer, seen) = (answer.clone(), seen.clone());
                    async move {
                        let asked = read(request).await;
                        lock(&seen.asked).push(asked.clone());
                        Ok::<_, Infallible>(answer(&asked).map(Full::new))
                    }
                });
                // A client that breaks off is what some tests are about.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            }
        })
    }

    /// A server that reads one request of a connection and then sends exactly these bytes, whether they are HTTP or not.
    pub(crate) fn raw(&self, origin: &str, bytes: impl Into<Vec<u8>>, after: After) -> Upstream {
        let bytes = Arc::new(bytes.into());
        self.listen(origin, move |stream, seen| {
            let (bytes, after) = (bytes.clone(), after.clone());
            async move {
                let _ = send_raw(stream, &seen, &bytes, &after).await;
            }
        })
    }

    /// Gives a name these addresses, whatever it had before.
    pub(crate) fn name(&self, name: &str, addresses: &[&str]) {
        self.lookups(name, &[addresses]);
    }

    /// Gives a name other addresses at each lookup; the last ones stay.
    pub(crate) fn lookups(&self, name: &str, lookups: &[&[&str]]) {
        let read = |addresses: &&[&str]| addresses.iter().map(|address| address.parse().unwrap()).collect();
        lock(&self.resolver.names).insert(name.to_owned(), lookups.iter().map(read).collect());
    }

    /// Leads another address to a server too: one that the door must never dial, for instance.
    pub(crate) fn lead(&self, address: &str, upstream: &Upstream) {
        lock(&self.dial.servers).insert(address.parse().unwrap(), upstream.listens);
    }

    /// The names that were looked up, in order.
    pub(crate) fn resolved(&self) -> Vec<String> {
        lock(&self.resolver.asked).clone()
    }

    /// The addresses that were dialled, in order, also those where nobody answered.
    pub(crate) fn dialled(&self) -> Vec<SocketAddr> {
        lock(&self.dial.dialled).clone()
    }

    /// Runs `serve` for every connection to an origin.
    fn listen<F>(
        &self,
        origin: &str,
        serve: impl Fn(Box<dyn Stream>, Arc<Seen>) -> F + Send + Sync + 'static,
    ) -> Upstream
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (scheme, authority) = origin.split_once("://").unwrap();
        let authority: http::uri::Authority = authority.parse().unwrap();
        let host = authority.host().trim_matches(['[', ']']);
        let port = authority.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
        let address = SocketAddr::new(host.parse().unwrap_or_else(|_| self.address_of(host)), port);
        let acceptor = (scheme == "https").then(|| self.acceptor(host));
        let runtime = self.runtime.as_ref().unwrap();
        // Bound without waiting, so that a test can do it from inside a runtime of its own.
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let listens = listener.local_addr().unwrap();
        let seen = Arc::<Seen>::default();
        lock(&self.dial.servers).insert(address, listens);
        let upstream = Upstream { address, listens, seen: seen.clone() };
        let serve = Arc::new(serve);
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                // As the real dial does: the parts of a message must not wait for each other's acknowledgement.
                let _ = stream.set_nodelay(true);
                seen.connections.fetch_add(1, Ordering::SeqCst);
                let (seen, serve, acceptor) = (seen.clone(), serve.clone(), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(Box::new(stream), seen).await,
                        // A client that does not trust us ends it here.
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(Box::new(stream), seen).await;
                            }
                        }
                    }
                });
            }
        });
        upstream
    }

    /// The first address of a name, which it gets here where it has none.
    fn address_of(&self, name: &str) -> IpAddr {
        let mut names = lock(&self.resolver.names);
        let lookups = names.entry(name.to_owned()).or_insert_with(|| VecDeque::from([vec![self.next_address()]]));
        lookups[0][0]
    }

    /// An address from public space, where no special-purpose registry has an entry. Nothing is ever sent to it.
    fn next_address(&self) -> IpAddr {
        Ipv4Addr::new(93, 184, 215, self.next.fetch_add(1, Ordering::SeqCst)).into()
    }

    fn acceptor(&self, host: &str) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([host.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Also from inside another runtime, where waiting for the threads would panic.
            runtime.shutdown_background();
        }
    }
}

impl Upstream {
    /// Every request that was read whole, in the order in which they came.
    pub(crate) fn requests(&self) -> Vec<Asked> {
        lock(&self.seen.asked).clone()
    }

    /// How many connections were opened, also those that never sent a request.
    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }
}

impl Asked {
    /// The value of a header; several of one name with a comma between them.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let values: Vec<_> = self.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    asked: Mutex<Vec<Asked>>,
}

#[async_trait]
impl Resolver for MapResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        lock(&self.asked).push(name.to_owned());
        let mut names = lock(&self.names);
        let lookups = names.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
        let answer = if lookups.len() > 1 { lookups.pop_front() } else { lookups.front().cloned() };
        answer.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

#[async_trait]
impl Dial for MapDial {
    async fn dial(&self, address: SocketAddr) -> io::Result<Box<dyn Stream>> {
        lock(&self.dialled).push(address);
        let server = lock(&self.servers).get(&address).copied().ok_or(io::ErrorKind::ConnectionRefused)?;
        let stream = TcpStream::connect(server).await?;
        // As the real one does: small pieces that wait for each other would cost every request of a test 40 ms.
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}

async fn read(request: Request<Incoming>) -> Asked {
    let (parts, body) = request.into_parts();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Asked {
        method: parts.method.to_string(),
        target: parts.uri.to_string(),
        headers: parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        // A body that breaks off is recorded as an empty one: the request was seen all the same.
        body: body.collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default(),
    }
}

/// Reads the head of a request and as much of a body as it announces, and answers with bytes.
async fn send_raw(stream: Box<dyn Stream>, seen: &Seen, bytes: &[u8], after: &After) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_until(b'\n', &mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await?;
    let (method, target) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    lock(&seen.asked).push(Asked { method, target, headers, body });
    stream.write_all(bytes).await?;
    stream.flush().await?;
    match after {
        After::Close => stream.shutdown().await,
        After::Hold => tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.map(drop),
        After::Repeat(more) => loop {
            stream.write_all(more).await?;
        },
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
