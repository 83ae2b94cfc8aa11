//! The door: one request from the guest's words to the answer, in one order that nothing skips.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};
use toolcell_core::net::{Host, Scheme, Target};

use super::body::{Connection, Outgoing, Prepared, Received, Reception};
use super::decide::{Allowed, decide, vet};
use super::decode::Encoding;
use super::error::{is_head_too_large, of_connection};
use super::limits::Metered;
use super::redirect::{MAX_HOPS, WithBody, next_method, next_target, points_elsewhere};
use super::{
    BadRequest, Body, Dial, EgressError, EgressSession, HttpLimits, MAX_ADDRESSES, Over, Phase, Redirects, Resolver,
    Stream, Timeouts, Tls, headers, inject,
};
use crate::schema::inert;

/// The most addresses of one name that are tried.
const MAX_ATTEMPTS: usize = 3;

/// The longest reason of a refusal that is told, in bytes. A receipt that is full of them still fits on its line.
const MAX_REASON: usize = 1_024;

/// The longest line of policy that is told with a reason, in bytes. One that is cut would be of no use.
const MAX_HINT: usize = MAX_REASON / 2;

/// The most interim answers (1xx) before the answer itself.
const MAX_INTERIM: usize = 16;

/// hyper reads heads into a buffer of at least this size, in bytes.
const LEAST_HEAD: usize = 8 << 10;

/// The way out. Made once, and shared by every call: it holds no state of any of them.
pub struct Door {
    resolver: Arc<dyn Resolver>,
    dial: Arc<dyn Dial>,
    tls: Tls,
}

/// One request as it goes to one target.
struct Hop {
    method: Method,
    target: Target,
    /// As the guest gave them.
    headers: HeaderMap,
}

impl Door {
    /// A door to the network behind these.
    pub fn new(resolver: Arc<dyn Resolver>, dial: Arc<dyn Dial>, tls: Tls) -> Self {
        Self { resolver, dial, tls }
    }

    /// Sends one request and gives the head of its answer; the body follows as it is read, and holds the connection.
    ///
    /// In this order, for each hop: the target is read, the grants decide, the headers are checked, the name is resolved once,
    /// every address is vetted, the request is counted, a vetted address is dialled, TLS proves the host, secrets are put in.
    ///
    /// # Errors
    /// See [`EgressError`]. After [`EgressError::Denied`] and [`EgressError::BadRequest`] on the first hop nothing was sent.
    pub async fn send(
        &self,
        session: &EgressSession,
        request: Request<Body>,
        timeouts: Timeouts,
    ) -> Result<Response<Body>, EgressError> {
        let limits = timeouts.meet(session.limits);
        let deadline = Instant::now() + limits.request_time;
        let sent = timeout_at(deadline, self.follow(session, request, limits, deadline)).await;
        let sent = match sent {
            // A phase may have as long as the whole request. When that is over it is the request that was too long, whichever
            // of the two clocks was read first.
            Ok(Err(EgressError::Timeout(_))) if Instant::now() >= deadline => Err(EgressError::Timeout(Phase::Request)),
            Ok(sent) => sent,
            Err(_) => Err(EgressError::Timeout(Phase::Request)),
        };
        if let Err(error @ (EgressError::Denied { .. } | EgressError::BadRequest(_))) = &sent {
            session.notes.denied(&told(error));
        }
        sent
    }

    async fn follow(
        &self,
        session: &EgressSession,
        request: Request<Body>,
        limits: HttpLimits,
        deadline: Instant,
    ) -> Result<Response<Body>, EgressError> {
        let (parts, body) = request.into_parts();
        let target = target_of(&parts.uri)?;
        let mut allowed = admit(session, &parts.method, &target)?;
        // Refused before the guest's body is waited for.
        headers::outgoing(&parts.headers, &target, &limits)?;
        let mut body = Prepared::read(body).await?;
        let mut hop = Hop { method: parts.method, target, headers: parts.headers };
        for hops in 0..=MAX_HOPS {
            let Some(sent) = body.outgoing(&session.meter, limits) else {
                return Err(EgressError::Protocol("it redirects a body that was not kept".to_owned()));
            };
            let (answer, connection) = self.exchange(session, &hop, &allowed, sent, limits).await?;
            let elsewhere = points_elsewhere(answer.status()) && answer.headers().contains_key(header::LOCATION);
            if allowed.redirects == Redirects::Return || !elsewhere {
                return receive(session, answer, limits, deadline, connection);
            }
            if hops == MAX_HOPS {
                break;
            }
            // A server that has a secret could have ours carry it on.
            if let Some(redact) = &session.redact {
                let clean = |place: &HeaderValue| redact.bytes(place.as_bytes()) == place.as_bytes();
                if !answer.headers().get_all(header::LOCATION).iter().all(clean) {
                    return Err(EgressError::Protocol("it redirects to a place with a secret in it".to_owned()));
                }
            }
            let (method, with_body) = next_method(answer.status(), &hop.method);
            hop.target = next_target(&hop.target, answer.headers())?;
            hop.method = method;
            if with_body == WithBody::No {
                body = Prepared::Whole(bytes::Bytes::new());
                for name in [header::CONTENT_TYPE, header::CONTENT_LANGUAGE, header::CONTENT_LOCATION] {
                    hop.headers.remove(name);
                }
            }
            // The guest's own would name the first host.
            hop.headers.remove(header::HOST);
            allowed = admit(session, &hop.method, &hop.target)?;
        }
        Err(EgressError::Protocol(format!("it redirects more than {MAX_HOPS} times")))
    }

    /// One hop: from the checks of the headers to the head of the answer.
    async fn exchange(
        &self,
        session: &EgressSession,
        hop: &Hop,
        allowed: &Allowed,
        body: Outgoing,
        limits: HttpLimits,
    ) -> Result<(Response<Incoming>, Connection), EgressError> {
        let mut target = hop.target.clone();
        let mut sent = headers::outgoing(&hop.headers, &target, &limits)?;
        let bound = inject::bound(session, &target, &sent)?;
        let connect = self.connect(session, &hop.method, &target, allowed, limits);
        let stream =
            timeout(limits.connect_time, connect).await.unwrap_or(Err(EgressError::Timeout(Phase::Connect)))?;
        // hyper says nothing of an empty body, and servers then wait for one where the method has a use for it.
        if body.is_end_stream() && [Method::POST, Method::PUT, Method::PATCH].contains(&hop.method) {
            sent.insert(header::CONTENT_LENGTH, 0.into());
        }
        bound.inject(session, &mut sent, &mut target)?;
        let uri: Uri = target
            .path_and_query()
            .parse()
            .map_err(|_| EgressError::Protocol("the path cannot stand in a request".to_owned()))?;
        let mut request = Request::new(body);
        *request.method_mut() = hop.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = sent;
        converse(stream, request, &limits).await
    }

    /// A connection to a vetted address of the target, secured where the scheme asks for it.
    async fn connect(
        &self,
        session: &EgressSession,
        method: &Method,
        target: &Target,
        allowed: &Allowed,
        limits: HttpLimits,
    ) -> Result<Box<dyn Stream>, EgressError> {
        let addresses = self.addresses(session, target, &limits).await?;
        let vetted = vet(&addresses, allowed, method.as_str(), target)?;
        session.meter.request(&limits).map_err(EgressError::Over)?;
        session.notes.requested(&target.origin());
        let stream = self.dial(&vetted, target, limits.connect_time).await?;
        let stream = Metered { stream, meter: session.meter.clone(), limits };
        match target.scheme {
            Scheme::Http => Ok(Box::new(stream)),
            Scheme::Https => Ok(Box::new(self.tls.connect(target, stream).await?)),
        }
    }

    async fn addresses(
        &self,
        session: &EgressSession,
        target: &Target,
        limits: &HttpLimits,
    ) -> Result<Vec<IpAddr>, EgressError> {
        let name = match &target.host {
            Host::Ip(address) => return Ok(vec![*address]),
            Host::Name(name) => name,
        };
        let refuse = |detail: &str| EgressError::Resolve { name: name.clone(), detail: detail.to_owned() };
        session.meter.lookup(limits).map_err(EgressError::Over)?;
        let addresses = self.resolver.resolve(name).await.map_err(|_| refuse("the resolver knows no such name"))?;
        match addresses.len() {
            0 => Err(refuse("it has no address")),
            1..=MAX_ADDRESSES => Ok(addresses),
            _ => Err(refuse(&format!("it has more than {MAX_ADDRESSES} addresses, and all would have to be vetted"))),
        }
    }

    /// Tries vetted addresses in their order, each with its share of the time.
    async fn dial(&self, vetted: &[IpAddr], target: &Target, time: Duration) -> Result<Box<dyn Stream>, EgressError> {
        let attempts = vetted.len().clamp(1, MAX_ATTEMPTS);
        let share = time / u32::try_from(attempts).unwrap_or(u32::MAX);
        let mut kind = std::io::ErrorKind::TimedOut;
        for address in vetted.iter().take(attempts) {
            match timeout(share, self.dial.dial(SocketAddr::new(*address, target.port))).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => kind = error.kind(),
                Err(_) => kind = std::io::ErrorKind::TimedOut,
            }
        }
        Err(EgressError::Connect { authority: target.authority(), kind })
    }
}

/// A refusal as the operator reads it: with the line of policy that would allow it. The tool learns only a code.
fn told(error: &EgressError) -> String {
    let mut text = error.to_string();
    if let EgressError::Denied { rule_hint: Some(line), .. } = error
        && line.len() <= MAX_HINT
    {
        text = format!("{}. What would allow it: {line}", inert(&text, MAX_REASON - MAX_HINT - 32));
    }
    inert(&text, MAX_REASON)
}

/// The target of a request whose URI is whole.
fn target_of(uri: &Uri) -> Result<Target, EgressError> {
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(EgressError::BadRequest(BadRequest::NotAbsolute));
    };
    let path = uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
    Target::parse(scheme, authority.as_str(), path).map_err(|error| EgressError::BadRequest(BadRequest::Target(error)))
}

/// Decides by method and target.
fn admit(session: &EgressSession, method: &Method, target: &Target) -> Result<Allowed, EgressError> {
    for never in ["CONNECT", "TRACE"] {
        // In any case: some servers don't look at it.
        if method.as_str().eq_ignore_ascii_case(never) {
            return Err(EgressError::BadRequest(BadRequest::Method(never)));
        }
    }
    decide(&session.grants, method.as_str(), target)
}

/// One request and the head of its answer on a connection of its own.
async fn converse(
    stream: Box<dyn Stream>,
    mut request: Request<Outgoing>,
    limits: &HttpLimits,
) -> Result<(Response<Incoming>, Connection), EgressError> {
    let interim = Arc::new((AtomicUsize::new(0), Notify::new()));
    let count = interim.clone();
    hyper::ext::on_informational(&mut request, move |_| {
        if count.0.fetch_add(1, Ordering::Relaxed) >= MAX_INTERIM {
            count.1.notify_one();
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .max_headers(limits.headers)
        .max_header_size(limits.head_bytes)
        .max_buf_size(limits.head_bytes.max(LEAST_HEAD));
    let (mut sender, connection) =
        builder.handshake(TokioIo::new(stream)).await.map_err(|error| EgressError::from(of_connection(&error)))?;
    // Its result is not lost: the answer, or its body, ends with the same error.
    let connection = Connection(tokio::spawn(connection).abort_handle());
    let answer = tokio::select! {
        answer = sender.send_request(request) => answer.map_err(|error| {
            if is_head_too_large(&error) {
                EgressError::Over(Over { limit: "http_head_bytes", value: limits.head_bytes as u64 })
            } else {
                of_connection(&error).into()
            }
        })?,
        () = interim.1.notified() => {
            return Err(EgressError::Protocol(format!("it has more than {MAX_INTERIM} interim answers before it")));
        }
        () = tokio::time::sleep(limits.first_byte) => return Err(EgressError::Timeout(Phase::FirstByte)),
    };
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(EgressError::Protocol("it switches to another protocol, which nobody asked for".to_owned()));
    }
    headers::check_framing(answer.headers())?;
    Ok((answer, connection))
}

/// The answer as the guest gets it.
fn receive(
    session: &EgressSession,
    answer: Response<Incoming>,
    limits: HttpLimits,
    deadline: Instant,
    connection: Connection,
) -> Result<Response<Body>, EgressError> {
    let (parts, incoming) = answer.into_parts();
    let mut given = parts.headers;
    let decoder = match Encoding::of(given.get_all(header::CONTENT_ENCODING).iter()) {
        Encoding::Known(decoder) => {
            given.remove(header::CONTENT_ENCODING);
            given.remove(header::CONTENT_LENGTH);
            Some(decoder)
        }
        Encoding::Other if session.redact.is_some() => {
            let why = "it is encoded in a way that was not asked for, and could hold a secret";
            return Err(EgressError::Protocol(why.to_owned()));
        }
        Encoding::Plain | Encoding::Other => None,
    };
    // A fresh head: the reason phrase and whatever else hyper notes stays here.
    let mut head = Response::new(());
    *head.status_mut() = parts.status;
    *head.headers_mut() = headers::incoming(given, session.redact.as_deref());
    let how = Reception {
        decoder,
        redact: session.redact.clone(),
        meter: session.meter.clone(),
        limits,
        deadline,
        connection,
    };
    Ok(head.map(|()| Received::new(incoming, how).boxed_unsync()))
}
