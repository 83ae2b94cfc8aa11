//! Owns the way out of a component: `wasi:http/outgoing-handler`, waited for with `wasi:io/poll` and one deadline over all of it.
//!
//! Resources of `wasi:http` have parents, and dropping a parent first is a trap; the order of the bindings below keeps that.

use std::time::Duration;

use bindings::wasi::clocks::monotonic_clock;
use bindings::wasi::http::outgoing_handler;
use bindings::wasi::http::types::{
    self, ErrorCode, Fields, FutureIncomingResponse, HeaderError, IncomingBody, IncomingResponse, OutgoingBody,
    OutgoingRequest, RequestOptions, Scheme,
};
use bindings::wasi::io::poll::{self, Pollable};
use bindings::wasi::io::streams::StreamError;

use crate::{Error, Excess, Headers, Limits, Method, Request, Response, Transport};

/// What `wit/world.wit` generates.
mod bindings {
    #![allow(unsafe_code, reason = "the generated glue reads and writes the component's memory")]
    #![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]
    wit_bindgen::generate!({
        path: [
            "../../wit/deps/io.wit",
            "../../wit/deps/clocks.wit",
            "../../wit/deps/random.wit",
            "../../wit/deps/filesystem.wit",
            "../../wit/deps/sockets.wit",
            "../../wit/deps/cli.wit",
            "../../wit/deps/http.wit",
            "wit",
        ],
        world: "toolcell:client/client",
        generate_all,
    });
}

/// Sends requests through the host. Only in a component.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wasi;

impl Transport for Wasi {
    fn send(&self, request: &Request, limits: &Limits) -> Result<Response, Error> {
        let attempt =
            Attempt { request, limits, deadline: monotonic_clock::subscribe_duration(nanoseconds(limits.time)) };
        let options = attempt.options()?;
        let outgoing = attempt.outgoing()?;
        let body = match request.body.as_slice() {
            [] => None,
            _ => Some(outgoing.body().map_err(|()| attempt.protocol("the request has no body to write to"))?),
        };
        // The body is written after the request has left: before that nobody reads it, and the buffer is small.
        let future = outgoing_handler::handle(outgoing, Some(options)).map_err(|code| attempt.error(code))?;
        if let Some(body) = body {
            attempt.write(body)?;
        }
        attempt.read(&attempt.wait(&future)?)
    }
}

/// The most bytes of one write and one read: as much as the host moves at once.
const CHUNK: u64 = 64 * 1024;

struct Attempt<'a> {
    request: &'a Request,
    limits: &'a Limits,
    deadline: Pollable,
}

impl Attempt<'_> {
    fn outgoing(&self) -> Result<OutgoingRequest, Error> {
        let target = self.request.target()?;
        let headers = Fields::new();
        for (name, value) in &self.request.headers {
            headers.append(name, value.as_bytes()).map_err(|error| {
                let why = match error {
                    HeaderError::InvalidSyntax => "is not valid",
                    HeaderError::Forbidden => "may not be set by a tool",
                    HeaderError::Immutable => "can't be set any more",
                };
                Error::Request(format!("the header {name} {why}"))
            })?;
        }
        let outgoing = OutgoingRequest::new(headers);
        let refused = |part: &'static str| move |()| Error::Request(format!("the host does not accept its {part}"));
        outgoing.set_method(&method(self.request.method)).map_err(refused("method"))?;
        let scheme = if target.https { Scheme::Https } else { Scheme::Http };
        outgoing.set_scheme(Some(&scheme)).map_err(refused("scheme"))?;
        outgoing.set_authority(Some(target.authority)).map_err(refused("host"))?;
        outgoing.set_path_with_query(Some(&target.path)).map_err(refused("path"))?;
        Ok(outgoing)
    }

    /// The host gives up when this client would, so that it does not hold a connection that nobody waits for.
    fn options(&self) -> Result<RequestOptions, Error> {
        let options = RequestOptions::new();
        let time = Some(nanoseconds(self.limits.time));
        options
            .set_connect_timeout(time)
            .and_then(|()| options.set_first_byte_timeout(time))
            .and_then(|()| options.set_between_bytes_timeout(time))
            .map_err(|()| self.protocol("the host knows no timeouts"))?;
        Ok(options)
    }

    /// Writes the body. A server may answer before it has read everything and stop reading, so that a stream which fails ends the writing
    /// and no more: the future response, which is asked next, says what happened.
    fn write(&self, body: OutgoingBody) -> Result<(), Error> {
        {
            let stream = body.write().map_err(|()| self.protocol("the request's body was taken already"))?;
            let ready = stream.subscribe();
            let mut rest = self.request.body.as_slice();
            while !rest.is_empty() {
                self.until(&ready)?;
                let Ok(room) = stream.check_write() else { return Ok(()) };
                let most = usize::try_from(room.min(CHUNK)).unwrap_or(rest.len()).min(rest.len());
                let (now, later) = rest.split_at(most);
                if !now.is_empty() && stream.write(now).is_err() {
                    return Ok(());
                }
                rest = later;
            }
            if stream.flush().is_err() {
                return Ok(());
            }
        }
        // What finishing refuses, the future response refuses with the same reason.
        let _ = OutgoingBody::finish(body, None);
        Ok(())
    }

    fn wait(&self, future: &FutureIncomingResponse) -> Result<IncomingResponse, Error> {
        let ready = future.subscribe();
        loop {
            self.until(&ready)?;
            match future.get() {
                Some(Ok(answer)) => return answer.map_err(|code| self.error(code)),
                Some(Err(())) => return Err(self.protocol("the response was taken already")),
                None => {}
            }
        }
    }

    fn read(&self, incoming: &IncomingResponse) -> Result<Response, Error> {
        let status = incoming.status();
        let headers = Headers::new(incoming.headers().entries());
        let body = incoming.consume().map_err(|()| self.protocol("the response's body was taken already"))?;
        let (body, truncated) = self.read_body(&body)?;
        Ok(Response { status, headers, body, truncated })
    }

    fn read_body(&self, incoming: &IncomingBody) -> Result<(Vec<u8>, bool), Error> {
        let stream = incoming.stream().map_err(|()| self.protocol("the response's body was taken already"))?;
        let ready = stream.subscribe();
        let mut body = Vec::new();
        loop {
            match stream.read(CHUNK) {
                Ok(bytes) if bytes.is_empty() => self.until(&ready)?,
                Ok(bytes) => {
                    let room = self.limits.body - body.len();
                    if bytes.len() <= room {
                        body.extend_from_slice(&bytes);
                        continue;
                    }
                    if self.limits.excess == Excess::Refuse {
                        return Err(Error::TooLarge {
                            what: "body of the response",
                            limit: Some(self.limits.body as u64),
                        });
                    }
                    body.extend_from_slice(&bytes[..room]);
                    return Ok((body, true));
                }
                Err(StreamError::Closed) => return Ok((body, false)),
                Err(StreamError::LastOperationFailed(error)) => {
                    return Err(types::http_error_code(&error).map_or_else(
                        || Error::Interrupted { origin: self.request.origin() },
                        |code| self.error(code),
                    ));
                }
            }
        }
    }

    /// Waits until something can go on, or the time is over.
    fn until(&self, ready: &Pollable) -> Result<(), Error> {
        if poll::poll(&[ready, &self.deadline]).contains(&0) { Ok(()) } else { Err(self.timeout()) }
    }

    fn timeout(&self) -> Error {
        Error::Timeout { origin: self.request.origin(), after: self.limits.time }
    }

    fn protocol(&self, detail: &str) -> Error {
        Error::Protocol { origin: self.request.origin(), detail: detail.to_owned() }
    }

    fn error(&self, code: ErrorCode) -> Error {
        let origin = self.request.origin();
        let protocol = |detail: &str| Error::Protocol { origin: origin.clone(), detail: detail.to_owned() };
        let large = |what, limit: Option<u64>| Error::TooLarge { what, limit };
        match code {
            ErrorCode::HttpRequestDenied => Error::Denied { origin, method: self.request.method.to_string() },
            ErrorCode::DestinationIpProhibited => Error::AddressProhibited { origin },
            ErrorCode::DnsTimeout => Error::Dns { origin, detail: " in time".to_owned() },
            ErrorCode::DestinationNotFound => Error::Dns { origin, detail: String::new() },
            ErrorCode::DnsError(payload) => {
                let detail = payload.rcode.map(|code| format!(" ({})", crate::text::cleaned(&code, 100)));
                Error::Dns { origin, detail: detail.unwrap_or_default() }
            }
            ErrorCode::ConnectionRefused
            | ErrorCode::DestinationUnavailable
            | ErrorCode::DestinationIpUnroutable
            | ErrorCode::ConnectionLimitReached => Error::Connect { origin },
            ErrorCode::ConnectionTerminated | ErrorCode::HttpResponseIncomplete => Error::Interrupted { origin },
            ErrorCode::ConnectionTimeout
            | ErrorCode::ConnectionReadTimeout
            | ErrorCode::ConnectionWriteTimeout
            | ErrorCode::HttpResponseTimeout => self.timeout(),
            ErrorCode::TlsProtocolError => Error::Tls { origin, detail: "TLS failed".to_owned() },
            ErrorCode::TlsCertificateError => Error::Tls { origin, detail: "its certificate is not valid".to_owned() },
            ErrorCode::TlsAlertReceived(alert) => {
                let said = alert.alert_message.map(|said| format!(": {}", crate::text::cleaned(&said, 100)));
                Error::Tls { origin, detail: format!("it sent an alert{}", said.unwrap_or_default()) }
            }
            ErrorCode::HttpRequestBodySize(limit) => large("body of the request", limit),
            ErrorCode::HttpRequestUriTooLong => large("URL of the request", None),
            ErrorCode::HttpRequestHeaderSectionSize(limit) => {
                large("header section of the request", limit.map(u64::from))
            }
            ErrorCode::HttpRequestHeaderSize(_) => large("header of the request", None),
            ErrorCode::HttpRequestTrailerSectionSize(_) | ErrorCode::HttpRequestTrailerSize(_) => {
                large("trailer of the request", None)
            }
            ErrorCode::HttpResponseBodySize(limit) => large("body of the response", limit),
            ErrorCode::HttpResponseHeaderSectionSize(limit) => {
                large("header section of the response", limit.map(u64::from))
            }
            ErrorCode::HttpResponseHeaderSize(_) => large("header of the response", None),
            ErrorCode::HttpResponseTrailerSectionSize(_) | ErrorCode::HttpResponseTrailerSize(_) => {
                large("trailer of the response", None)
            }
            ErrorCode::HttpRequestLengthRequired => Error::Request("it needs a length".to_owned()),
            ErrorCode::HttpRequestMethodInvalid => Error::Request("its method is not accepted".to_owned()),
            ErrorCode::HttpRequestUriInvalid => Error::Request("its URL is not accepted".to_owned()),
            ErrorCode::HttpResponseTransferCoding(_) => protocol("a transfer coding that is not known"),
            ErrorCode::HttpResponseContentCoding(_) => protocol("a compression that is not known"),
            ErrorCode::HttpUpgradeFailed => protocol("another protocol"),
            ErrorCode::HttpProtocolError => protocol("no valid HTTP"),
            ErrorCode::LoopDetected => protocol("redirects in a circle"),
            ErrorCode::ConfigurationError => protocol("the host's own configuration is at fault"),
            ErrorCode::InternalError(detail) => protocol(
                &detail.map_or_else(|| "an error of the host".to_owned(), |detail| crate::text::cleaned(&detail, 300)),
            ),
        }
    }
}

fn method(method: Method) -> types::Method {
    match method {
        Method::Get => types::Method::Get,
        Method::Head => types::Method::Head,
        Method::Post => types::Method::Post,
        Method::Put => types::Method::Put,
        Method::Patch => types::Method::Patch,
        Method::Delete => types::Method::Delete,
        Method::Options => types::Method::Options,
    }
}

/// Times beyond 584 years are the longest there is.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
