//! What the requests of one call may cost, and how much of it is used.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::reach::Stream;

/// The ceilings of the requests of one call. Sums are over the call; times and heads are of each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Requests, each hop of a followed redirect included. Stops floods.
    pub requests: u64,
    /// Names looked up, also for requests that are refused after it. Stops floods of lookups, and names used as letters.
    pub lookups: u64,
    /// Bytes of bodies sent. Stops a tool from carrying everything it sees away.
    pub sent_bytes: u64,
    /// Bytes of bodies received, after decompression. Stops bombs.
    pub received_bytes: u64,
    /// Bytes read from connections, whatever they mean. Stops floods of frames, records and interim answers.
    pub wire_bytes: u64,
    /// Bytes of one head, sent or received; at least 8 KiB where received.
    pub head_bytes: usize,
    /// Headers in one head.
    pub headers: usize,
    /// From the first lookup to the last byte. Stops endless answers.
    pub request_time: Duration,
    /// Lookup, connection and TLS handshake. Stops waiting for hosts that do not answer.
    pub connect_time: Duration,
    /// From the request to the head of the answer. Stops hosts that accept and say nothing.
    pub first_byte: Duration,
    /// Between two pieces of a body. Stops hosts that fall silent.
    pub idle: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            requests: 64,
            lookups: 128,
            sent_bytes: 16 << 20,
            received_bytes: 64 << 20,
            wire_bytes: 72 << 20,
            head_bytes: 64 << 10,
            headers: 128,
            request_time: Duration::from_mins(1),
            connect_time: Duration::from_secs(10),
            first_byte: Duration::from_secs(30),
            idle: Duration::from_secs(15),
        }
    }
}

/// A limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("limit `{limit}` of {value} is reached")]
pub struct Over {
    /// Its name.
    pub limit: &'static str,
    /// Its value, in its own unit.
    pub value: u64,
}

/// What the requests of one call have used so far. Shared by all of them.
#[derive(Debug, Default)]
pub struct HttpMeter {
    requests: AtomicU64,
    lookups: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    wire: AtomicU64,
}

impl HttpMeter {
    /// Requests that were dialled.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Bytes of bodies sent.
    pub fn sent_bytes(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Bytes of bodies received, after decompression.
    pub fn received_bytes(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Bytes read from connections.
    pub fn wire_bytes(&self) -> u64 {
        self.wire.load(Ordering::Relaxed)
    }

    /// Adds what a call used that the owner of this meter made. It had no more than was left here.
    pub(crate) fn pay(&self, used: &toolcell_core::receipt::Used) {
        self.requests.fetch_add(used.http_requests, Ordering::Relaxed);
        self.sent.fetch_add(used.http_sent_bytes, Ordering::Relaxed);
        self.received.fetch_add(used.http_received_bytes, Ordering::Relaxed);
        self.wire.fetch_add(used.http_received_bytes, Ordering::Relaxed);
    }

    pub(super) fn request(&self, limits: &HttpLimits) -> Result<(), Over> {
        charge(&self.requests, 1, "http_requests", limits.requests)
    }

    pub(super) fn lookup(&self, limits: &HttpLimits) -> Result<(), Over> {
        charge(&self.lookups, 1, "http_lookups", limits.lookups)
    }

    pub(super) fn sent(&self, bytes: usize, limits: &HttpLimits) -> Result<(), Over> {
        charge(&self.sent, bytes, "http_sent_bytes", limits.sent_bytes)
    }

    pub(super) fn received(&self, bytes: usize, limits: &HttpLimits) -> Result<(), Over> {
        charge(&self.received, bytes, "http_received_bytes", limits.received_bytes)
    }

    fn wire(&self, bytes: usize, limits: &HttpLimits) -> Result<(), Over> {
        charge(&self.wire, bytes, "http_wire_bytes", limits.wire_bytes)
    }
}

/// Adds, unless the sum would be over the limit; then nothing is added. Relaxed: nothing else is published through it.
fn charge(counter: &AtomicU64, amount: usize, limit: &'static str, most: u64) -> Result<(), Over> {
    let add = |used: u64| used.checked_add(amount as u64).filter(|sum| *sum <= most);
    match counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add) {
        Ok(_) => Ok(()),
        Err(_) => Err(Over { limit, value: most }),
    }
}

/// A connection whose every byte read is charged, below TLS and HTTP, so that no framing of either is free.
pub(super) struct Metered {
    pub(super) stream: Box<dyn Stream>,
    pub(super) meter: Arc<HttpMeter>,
    pub(super) limits: HttpLimits,
}

impl AsyncRead for Metered {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let read = buffer.filled().len() - before;
        Poll::Ready(self.meter.wire(read, &self.limits).map_err(io::Error::other))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
