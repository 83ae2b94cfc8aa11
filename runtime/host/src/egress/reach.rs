//! The two things the door asks of the outside: the addresses of a name, and a connection to one address.
//!
//! They are traits so that a test can answer for the world while the vetting between them stays the real one.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// The most addresses of one name that are looked at. A name with more is refused, because all have to be vetted.
pub const MAX_ADDRESSES: usize = 32;

/// The most lookups at one time. The system's resolver cannot be cancelled, so a slow one holds a thread for each.
const MAX_LOOKUPS: usize = 64;

/// Finds the addresses of a name.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// Every address of the name, in the order to be tried.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// A connection as bytes.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects to exactly one address.
#[async_trait]
pub trait Dial: Send + Sync {
    /// A new connection; never one that was used before.
    async fn dial(&self, address: SocketAddr) -> io::Result<Box<dyn Stream>>;
}

/// The operating system's resolver.
#[derive(Debug)]
pub struct SystemResolver {
    lookups: Arc<Semaphore>,
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self { lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)) }
    }
}

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let lookup = self.lookups.clone().acquire_owned().await.map_err(io::Error::other)?;
        let name = name.to_owned();
        // A task of its own: a caller who gives up leaves the lookup running, and the lookup keeps its place until it ends.
        let found = tokio::spawn(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            drop(lookup);
            // One more than allowed, so that too many can be told from just enough.
            found.map(|addresses| addresses.map(|address| address.ip()).take(MAX_ADDRESSES + 1).collect())
        });
        found.await.map_err(io::Error::other)?
    }
}

/// Plain TCP.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp;

#[async_trait]
impl Dial for Tcp {
    async fn dial(&self, address: SocketAddr) -> io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}
