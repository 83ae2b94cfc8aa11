//! What the requests of one call may cost, and how much of it is used.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
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

/// What the requests of one call have used so far. Shared by all of them, and charged by the calls that it makes.
#[derive(Debug, Default)]
pub struct HttpMeter {
    requests: AtomicU64,
    lookups: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    wire: AtomicU64,
    above: Option<Above>,
    over: OnceLock<Over>,
}

/// The call that makes a call: what is charged to one is charged to both.
#[derive(Debug)]
struct Above {
    meter: Arc<HttpMeter>,
    limits: HttpLimits,
}

impl HttpMeter {
    /// The meter of a call that another one makes, which has these limits. Each charge is made to both, and to whoever is above
    /// that, before what it is for happens; where one of them has no room for it, none is charged.
    pub fn within(meter: Arc<Self>, limits: HttpLimits) -> Self {
        Self { above: Some(Above { meter, limits }), ..Self::default() }
    }

    /// The limit of this very call over which a call that it made, however far below, would have gone.
    pub fn over(&self) -> Option<Over> {
        self.over.get().copied()
    }

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

    pub(super) fn request(&self, limits: &HttpLimits) -> Result<(), Over> {
        self.charge(&REQUESTS, 1, limits)
    }

    pub(super) fn lookup(&self, limits: &HttpLimits) -> Result<(), Over> {
        self.charge(&LOOKUPS, 1, limits)
    }

    pub(super) fn sent(&self, bytes: usize, limits: &HttpLimits) -> Result<(), Over> {
        self.charge(&SENT, bytes as u64, limits)
    }

    pub(super) fn received(&self, bytes: usize, limits: &HttpLimits) -> Result<(), Over> {
        self.charge(&RECEIVED, bytes as u64, limits)
    }

    fn wire(&self, bytes: usize, limits: &HttpLimits) -> Result<(), Over> {
        self.charge(&WIRE, bytes as u64, limits)
    }

    /// Adds here and above, unless a sum would be over its limit; then nothing is added anywhere.
    fn charge(&self, account: &Account, amount: u64, limits: &HttpLimits) -> Result<(), Over> {
        self.add(account, amount, limits)?;
        self.charge_above(account, amount).inspect_err(|_| self.take_back(account, amount))
    }

    /// No deeper than calls may be. A call that has no room for what another one does is over its limit itself, and those
    /// between the two are not: they have room left, and only nobody to take it from.
    fn charge_above(&self, account: &Account, amount: u64) -> Result<(), Over> {
        let Some(Above { meter, limits }) = &self.above else { return Ok(()) };
        meter.add(account, amount, limits).inspect_err(|over| {
            // The first one counts.
            let _ = meter.over.set(*over);
        })?;
        meter.charge_above(account, amount).inspect_err(|_| meter.take_back(account, amount))
    }

    /// Relaxed: nothing else is published through these numbers.
    fn add(&self, account: &Account, amount: u64, limits: &HttpLimits) -> Result<(), Over> {
        let most = (account.most)(limits);
        let add = |used: u64| used.checked_add(amount).filter(|sum| *sum <= most);
        let added = (account.used)(self).fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        added.map(drop).map_err(|_| Over { limit: account.limit, value: most })
    }

    fn take_back(&self, account: &Account, amount: u64) {
        (account.used)(self).fetch_sub(amount, Ordering::Relaxed);
    }
}

/// One sum of a meter, and the limit that it is held against.
struct Account {
    limit: &'static str,
    used: fn(&HttpMeter) -> &AtomicU64,
    most: fn(&HttpLimits) -> u64,
}

const REQUESTS: Account =
    Account { limit: "http_requests", used: |meter| &meter.requests, most: |limits| limits.requests };
const LOOKUPS: Account = Account { limit: "http_lookups", used: |meter| &meter.lookups, most: |limits| limits.lookups };
const SENT: Account = Account { limit: "http_sent_bytes", used: |meter| &meter.sent, most: |limits| limits.sent_bytes };
const RECEIVED: Account =
    Account { limit: "http_received_bytes", used: |meter| &meter.received, most: |limits| limits.received_bytes };
const WIRE: Account = Account { limit: "http_wire_bytes", used: |meter| &meter.wire, most: |limits| limits.wire_bytes };

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

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(requests: u64, sent_bytes: u64) -> HttpLimits {
        HttpLimits { requests, sent_bytes, lookups: requests, ..HttpLimits::default() }
    }

    /// Three calls, each made by the one before.
    fn three(outer: HttpLimits, middle: HttpLimits) -> [Arc<HttpMeter>; 3] {
        let first = Arc::new(HttpMeter::default());
        let second = Arc::new(HttpMeter::within(first.clone(), outer));
        let third = Arc::new(HttpMeter::within(second.clone(), middle));
        [first, second, third]
    }

    #[test]
    fn what_a_call_three_levels_down_uses_is_used_of_every_call_above_it() {
        let few = limits(2, 100);
        let [first, second, third] = three(few, few);
        third.request(&few).expect("the first of two");
        third.sent(60, &few).expect("of a hundred");
        second.request(&few).expect("the second of two");
        for meter in [&third, &second, &first] {
            assert_eq!(meter.request(&few), Err(Over { limit: "http_requests", value: 2 }));
        }
        assert_eq!([&first, &second, &third].map(|meter| meter.requests()), [2, 2, 1]);
        assert_eq!([&first, &second, &third].map(|meter| meter.sent_bytes()), [60, 60, 60]);
    }

    #[test]
    fn a_charge_that_somebody_above_has_no_room_for_is_charged_to_nobody() {
        let [first, second, third] = three(limits(9, 10), limits(9, 50));
        third.sent(8, &limits(9, 50)).expect("of ten");
        assert_eq!(third.sent(3, &limits(9, 50)), Err(Over { limit: "http_sent_bytes", value: 10 }));
        assert_eq!([&first, &second, &third].map(|meter| meter.sent_bytes()), [8, 8, 8]);
        third.sent(2, &limits(9, 50)).expect("what is left fits");
        let over = Some(Over { limit: "http_sent_bytes", value: 10 });
        assert_eq!([first.over(), second.over(), third.over()], [over, None, None]);
    }

    #[test]
    fn a_call_s_own_smaller_limit_holds_and_is_its_own_affair() {
        let [first, second, third] = three(limits(9, 9), limits(9, 9));
        third.lookup(&limits(1, 9)).expect("the one");
        assert_eq!(third.lookup(&limits(1, 9)), Err(Over { limit: "http_lookups", value: 1 }));
        assert_eq!([first.over(), second.over(), third.over()], [None, None, None]);
        second.lookup(&limits(9, 9)).expect("the others have more");
    }

    #[test]
    fn many_at_once_never_go_over_and_leave_nothing_unused() {
        let few = limits(1_000, 9);
        let [first, second, third] = three(few, few);
        std::thread::scope(|scope| {
            for meter in [&first, &second, &third, &third] {
                scope.spawn(move || (0..1_000).filter(|_| meter.request(&few).is_ok()).count());
            }
        });
        assert_eq!(first.requests(), 1_000);
        assert!(third.requests() <= second.requests() && second.requests() <= 1_000);
    }
}
