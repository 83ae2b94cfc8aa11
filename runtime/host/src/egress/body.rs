//! Bodies on their way out and in: counted, timed, decoded and redacted as they pass.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::task::AbortHandle;
use tokio::time::{Instant, Sleep, sleep_until};

use super::decode::{Decoder, STEP};
use super::error::of_connection;
use super::{BadRequest, Body, BodyError, HttpLimits, HttpMeter, Phase, Redact, RedactStream, headers};

/// How much of a guest's body is read before the request is sent. One that ends within it goes out with its length,
/// which many servers insist on, and can be sent again to where a redirect points.
const AHEAD: usize = 64 << 10;

/// How many steps without anything to show are taken before other tasks have their turn.
const STEPS: usize = 64;

/// A guest's body, read far enough to know how it is sent.
pub(super) enum Prepared {
    /// All of it.
    Whole(Bytes),
    /// What was read ahead, and the rest.
    Streamed(VecDeque<Bytes>, Body),
    /// It was a stream, and it is sent.
    Spent,
}

impl Prepared {
    /// Reads ahead. Nothing is charged before it is sent.
    pub(super) async fn read(mut body: Body) -> Result<Self, BodyError> {
        let (mut ahead, mut bytes, mut frames) = (VecDeque::new(), 0, 0);
        while bytes < AHEAD && frames < AHEAD {
            match body.frame().await {
                None => {
                    let whole: Vec<u8> = ahead.iter().flat_map(|piece: &Bytes| piece.iter().copied()).collect();
                    return Ok(Self::Whole(whole.into()));
                }
                Some(frame) => {
                    let data = frame?.into_data().map_err(|_| BodyError::BadRequest(BadRequest::Trailers))?;
                    bytes += data.len();
                    frames += 1;
                    ahead.push_back(data);
                }
            }
        }
        Ok(Self::Streamed(ahead, body))
    }

    /// The body of one request; none where a stream is to be sent a second time.
    pub(super) fn outgoing(&mut self, meter: &Arc<HttpMeter>, limits: HttpLimits) -> Option<Outgoing> {
        let (ahead, rest) = match self {
            Self::Whole(bytes) => (VecDeque::from_iter((!bytes.is_empty()).then(|| bytes.clone())), None),
            Self::Streamed(..) => match std::mem::replace(self, Self::Spent) {
                Self::Streamed(ahead, rest) => (ahead, Some(rest)),
                Self::Whole(_) | Self::Spent => return None,
            },
            Self::Spent => return None,
        };
        Some(Outgoing { ahead, rest, meter: meter.clone(), limits })
    }
}

/// A body on its way out. Every piece is charged, empty ones as a byte, so that a flood of nothing has an end too.
pub(super) struct Outgoing {
    ahead: VecDeque<Bytes>,
    rest: Option<Body>,
    meter: Arc<HttpMeter>,
    limits: HttpLimits,
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let data = if let Some(data) = this.ahead.pop_front() {
            data
        } else {
            let Some(rest) = &mut this.rest else { return Poll::Ready(None) };
            match std::task::ready!(Pin::new(rest).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => data,
                    Err(_) => return Poll::Ready(Some(Err(BodyError::BadRequest(BadRequest::Trailers)))),
                },
            }
        };
        let charged = this.meter.sent(data.len().max(1), &this.limits).map_err(BodyError::Over);
        Poll::Ready(Some(charged.map(|()| Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.ahead.is_empty() && self.rest.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let ahead: u64 = self.ahead.iter().map(|piece| piece.len() as u64).sum();
        match &self.rest {
            None => SizeHint::with_exact(ahead),
            Some(rest) => {
                let exact = rest.size_hint().exact().and_then(|rest| ahead.checked_add(rest));
                exact.map_or_else(SizeHint::default, SizeHint::with_exact)
            }
        }
    }
}

/// The task that moves one connection's bytes. It ends with whoever holds this.
pub(super) struct Connection(pub(super) AbortHandle);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A body on its way in.
pub(super) struct Received {
    incoming: Incoming,
    /// Compressed bytes that were not decoded yet: decoding goes on only as fast as the guest reads.
    compressed: Bytes,
    decoder: Option<Box<Decoder>>,
    redact: Option<Arc<dyn Redact>>,
    stream: Option<Box<dyn RedactStream>>,
    trailers: Option<HeaderMap>,
    meter: Arc<HttpMeter>,
    limits: HttpLimits,
    deadline: Pin<Box<Sleep>>,
    idle: Pin<Box<Sleep>>,
    state: State,
    _connection: Connection,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// More may come; the guest did not ask yet.
    Reading,
    /// The guest asked, and the clock for the next piece runs.
    Waiting,
    /// All is read; the trailers may be left.
    Ended,
    /// Nothing more will come.
    Done,
}

/// What a body on its way in needs to know.
pub(super) struct Reception {
    pub(super) decoder: Option<Box<Decoder>>,
    pub(super) redact: Option<Arc<dyn Redact>>,
    pub(super) meter: Arc<HttpMeter>,
    pub(super) limits: HttpLimits,
    pub(super) deadline: Instant,
    pub(super) connection: Connection,
}

impl Received {
    pub(super) fn new(incoming: Incoming, how: Reception) -> Self {
        Self {
            incoming,
            compressed: Bytes::new(),
            decoder: how.decoder,
            stream: how.redact.as_ref().map(|redact| redact.stream()),
            redact: how.redact,
            trailers: None,
            meter: how.meter,
            limits: how.limits,
            deadline: Box::pin(sleep_until(how.deadline)),
            idle: Box::pin(sleep_until(how.deadline)),
            state: State::Reading,
            _connection: how.connection,
        }
    }

    /// The next piece of what the guest gets; empty where something was only taken in.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, BodyError>> {
        if !self.compressed.is_empty() {
            let piece = self.compressed.split_to(self.compressed.len().min(STEP));
            if let Some(decoder) = &mut self.decoder {
                let decoded = decoder.push(&piece);
                return Poll::Ready(decoded.and_then(|decoded| self.passed(decoded.into())));
            }
        }
        let frame = match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Pending => return self.wait(cx),
            Poll::Ready(frame) => frame,
        };
        self.state = State::Reading;
        match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) if self.decoder.is_some() => {
                    self.compressed = data;
                    Poll::Ready(Ok(Bytes::new()))
                }
                Ok(data) => Poll::Ready(self.passed(data)),
                Err(frame) => {
                    self.trailers = frame.into_trailers().ok();
                    Poll::Ready(Ok(Bytes::new()))
                }
            },
            Some(Err(error)) => Poll::Ready(Err(of_connection(&error))),
            None => {
                self.state = State::Ended;
                let left = self.decoder.take().map_or(Ok(Vec::new()), |mut decoder| decoder.finish());
                let left = left.and_then(|left| self.passed(left.into()));
                let held = self.stream.take().map(|mut stream| stream.finish()).unwrap_or_default();
                Poll::Ready(left.map(|left| if held.is_empty() { left } else { [left, held].concat().into() }))
            }
        }
    }

    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, BodyError>> {
        if self.state != State::Waiting {
            self.state = State::Waiting;
            self.idle.as_mut().reset(Instant::now() + self.limits.idle);
        }
        match self.idle.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(BodyError::Timeout(Phase::Idle))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn passed(&mut self, data: Bytes) -> Result<Bytes, BodyError> {
        self.meter.received(data.len(), &self.limits).map_err(BodyError::Over)?;
        Ok(match &mut self.stream {
            Some(stream) if !data.is_empty() => stream.push(data),
            _ => data,
        })
    }
}

impl http_body::Body for Received {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        for _ in 0..STEPS {
            match this.state {
                State::Done => return Poll::Ready(None),
                State::Ended => {
                    this.state = State::Done;
                    let trailers = this.trailers.take().map(|given| headers::trailers(given, this.redact.as_deref()));
                    let trailers = trailers.filter(|trailers| !trailers.is_empty());
                    return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
                }
                State::Reading | State::Waiting => {}
            }
            if this.deadline.as_mut().poll(cx).is_ready() {
                this.state = State::Done;
                return Poll::Ready(Some(Err(BodyError::Timeout(Phase::Request))));
            }
            match std::task::ready!(this.step(cx)) {
                Ok(data) if data.is_empty() => {}
                Ok(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Err(error) => {
                    this.state = State::Done;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
        // A server may well send what comes to nothing faster than we decode it.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.state == State::Done
    }
}
