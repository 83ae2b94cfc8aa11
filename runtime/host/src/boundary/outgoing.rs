//! From `wasi:http` to the door and back: bodies, times and errors in each other's words.
//!
//! A limit that is reached inside a request ends the call and not only the request: the guest would otherwise learn of it
//! as one more network error, and nobody of the limit. So does a request that the host itself cannot answer for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use http_body_util::BodyExt as _;
use toolcell_core::Limit;
use toolcell_core::receipt::Used;
use wasmtime_wasi_http::{Error as HttpError, RequestOptions, WasiBody, WasiHttpHooks};

use super::ends::{Exhausted, Fault};
use crate::egress::{
    self, BodyError, DeniedBy, Door, EgressError, EgressSession, Notes, Over, Phase, Timeouts, Unrecorded,
};

/// The network of one call.
#[derive(Clone)]
pub struct Egress {
    /// The one way out.
    pub door: Arc<Door>,
    /// What the call may do there.
    pub session: EgressSession,
}

/// What stands behind `wasi:http` for one call. Without a grant, requests are refused before they get here.
pub(super) struct Outgoing(Option<Open>);

/// A way out, and what happened on it.
struct Open {
    egress: Egress,
    seen: Arc<Seen>,
}

/// What happened in requests, which run beside the guest.
#[derive(Default)]
pub(super) struct Seen {
    over: OnceLock<Exhausted>,
    fault: OnceLock<Fault>,
    denied: Mutex<Vec<String>>,
    origins: Mutex<BTreeMap<String, u64>>,
}

/// How many different refusals one call's requests are remembered with; beyond that they only count as the last one.
const MAX_REFUSALS: usize = 64;

/// How many different origins a receipt names. Requests to further ones only count.
const MAX_ORIGINS: usize = 64;

/// The most that one write to an outgoing body takes.
const MAX_CHUNK: usize = 64 * 1024;

impl Outgoing {
    pub(super) fn new(egress: Option<Egress>) -> Self {
        Self(egress.map(|mut egress| {
            let seen = Arc::new(Seen::default());
            // Whoever is told beside us is told first: nothing of a call is in its receipt that the audit log lacks.
            egress.session.notes = Arc::new(Both { ours: seen.clone(), theirs: egress.session.notes });
            Open { egress, seen }
        }))
    }

    /// Whether requests can go out at all.
    pub(super) fn is_open(&self) -> bool {
        self.0.is_some()
    }

    /// The limit that a request has reached: one of this call, or one of a call that it made and that shares its limits.
    pub(super) fn over(&self) -> Option<Exhausted> {
        let Open { egress, seen } = self.0.as_ref()?;
        seen.over.get().copied().or_else(|| egress.session.meter.over().map(exhausted))
    }

    /// Why the host could not send a request that it should have sent.
    pub(super) fn fault(&self) -> Option<&Fault> {
        self.0.as_ref()?.seen.fault.get()
    }

    /// Why requests were refused, each time, since this was last asked.
    pub(super) fn take_denied(&self) -> Vec<String> {
        let take = |open: &Open| std::mem::take(&mut *open.seen.denied.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.as_ref().map(take).unwrap_or_default()
    }

    /// Where requests went, and how many.
    pub(super) fn origins(&self) -> BTreeMap<String, u64> {
        let copy = |open: &Open| open.seen.origins.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.0.as_ref().map(copy).unwrap_or_default()
    }

    /// Writes what the requests used.
    pub(super) fn used(&self, used: &mut Used) {
        if let Some(Open { egress: Egress { session, .. }, .. }) = &self.0 {
            used.http_requests = session.meter.requests();
            used.http_sent_bytes = session.meter.sent_bytes();
            used.http_received_bytes = session.meter.received_bytes();
        }
    }
}

/// Notes for the receipt and for whoever else is told.
struct Both {
    ours: Arc<Seen>,
    theirs: Arc<dyn Notes>,
}

impl Notes for Both {
    fn denied(&self, reason: &str) {
        self.theirs.denied(reason);
        let mut denied = self.ours.denied.lock().unwrap_or_else(PoisonError::into_inner);
        if denied.len() < MAX_REFUSALS {
            denied.push(reason.to_owned());
        }
    }

    fn requested(&self, origin: &str) {
        self.theirs.requested(origin);
        let mut origins = self.ours.origins.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = origins.get_mut(origin) {
            *count += 1;
        } else if origins.len() < MAX_ORIGINS {
            origins.insert(origin.to_owned(), 1);
        }
    }

    fn secret_used(&self, name: &str, target: &str) -> Result<(), Unrecorded> {
        self.theirs.secret_used(name, target)
    }
}

type Sent = wasmtime_wasi_http::Result<(
    http::Response<WasiBody>,
    Box<dyn Future<Output = wasmtime_wasi_http::Result<()>> + Send>,
)>;

impl WasiHttpHooks for Outgoing {
    /// The door writes it, from the target that it has vetted.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = wasmtime_wasi_http::Result<()>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let Some(Open { egress: Egress { door, session }, seen }) = &self.0 else {
            return Box::new(std::future::ready(Err(HttpError::HttpRequestDenied)));
        };
        let (door, session, seen) = (door.clone(), session.clone(), seen.clone());
        let timeouts = options.map_or_else(Timeouts::default, |options| Timeouts {
            connect: options.connect_timeout,
            first_byte: options.first_byte_timeout,
            between_bytes: options.between_bytes_timeout,
        });
        let request = request.map(|body| -> egress::Body { body.map_err(|_| BodyError::Abandoned).boxed_unsync() });
        Box::new(async move {
            let response = door.send(&session, request, timeouts).await.map_err(|error| seen.request(error))?;
            let response = response.map(|body| body.map_err(move |error| seen.body(&error)).boxed_unsync());
            // The body holds the connection and drives it; there is nothing to do beside.
            let beside: Box<dyn Future<Output = wasmtime_wasi_http::Result<()>> + Send> =
                Box::new(std::future::ready(Ok(())));
            Ok((response, beside))
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        MAX_CHUNK
    }
}

impl Seen {
    fn request(&self, error: EgressError) -> HttpError {
        match error {
            EgressError::Denied { by: DeniedBy::Rules, .. } => HttpError::HttpRequestDenied,
            EgressError::Denied { by: DeniedBy::Address, .. } => HttpError::DestinationIpProhibited,
            EgressError::BadRequest(_) | EgressError::Secret { .. } => {
                HttpError::InternalError(Some(error.to_string()))
            }
            EgressError::Resolve { detail, .. } => HttpError::DnsError { rcode: Some(detail), info_code: None },
            EgressError::Connect { kind, .. } => match kind {
                std::io::ErrorKind::ConnectionRefused => HttpError::ConnectionRefused,
                std::io::ErrorKind::TimedOut => HttpError::ConnectionTimeout,
                std::io::ErrorKind::ConnectionReset => HttpError::ConnectionTerminated,
                _ => HttpError::DestinationUnavailable,
            },
            EgressError::Tls { .. } => HttpError::TlsCertificateError,
            EgressError::Timeout(phase) => self.late(phase),
            EgressError::Over(over) => self.exceeded(over),
            EgressError::Protocol(_) => HttpError::HttpProtocolError,
            EgressError::Unrecorded { detail, .. } => {
                let message = "the audit log cannot record the use of a secret, so it was not sent";
                // The first one counts.
                let _ = self.fault.set(Fault { message, detail });
                HttpError::InternalError(None)
            }
        }
    }

    fn body(&self, error: &BodyError) -> HttpError {
        match error {
            BodyError::Over(over) => self.exceeded(*over),
            BodyError::Timeout(phase) => self.late(*phase),
            BodyError::Protocol(_) => HttpError::HttpProtocolError,
            BodyError::BadRequest(_) => HttpError::InternalError(Some(error.to_string())),
            BodyError::Abandoned => HttpError::HttpRequestBodySize(None),
        }
    }

    fn late(&self, phase: Phase) -> HttpError {
        match phase {
            Phase::Connect => HttpError::ConnectionTimeout,
            Phase::FirstByte => HttpError::HttpResponseTimeout,
            Phase::Idle => HttpError::ConnectionReadTimeout,
            Phase::Request => {
                self.exceeded(Over { limit: Limit::HttpTime.row().name, value: 0 });
                HttpError::HttpResponseTimeout
            }
        }
    }

    fn exceeded(&self, over: Over) -> HttpError {
        // The first one counts. Its value is looked up where the call's limits are.
        let _ = self.over.set(exhausted(over));
        HttpError::HttpResponseBodySize(None)
    }
}

/// The limit of the table that was reached. What is counted on the wire or by ratio is another view of one of them.
fn exhausted(over: Over) -> Exhausted {
    let limit = Limit::named(over.limit).unwrap_or(match over.limit {
        "http_head_bytes" | "http_headers" => Limit::HttpHeaderBytes,
        "http_lookups" => Limit::HttpRequests,
        _ => Limit::HttpReceivedBytes,
    });
    Exhausted { limit, value: over.value }
}
