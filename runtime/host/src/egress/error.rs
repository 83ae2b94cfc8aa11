//! How a request ends when it does not end well.

use std::error::Error;
use std::fmt;
use std::io;

use toolcell_core::net::TargetError;

use super::limits::Over;

/// Why a request was not sent, or had no answer.
///
/// No message holds a query, a header value or a body: they may hold what only the two ends should read.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// Policy has it otherwise. Nothing was sent.
    #[error("{reason}")]
    Denied {
        /// What was refused, and by what.
        reason: String,
        /// What decided.
        by: DeniedBy,
        /// A line of policy that would allow it, where one can.
        rule_hint: Option<String>,
    },
    /// The request itself cannot be sent, whatever policy says.
    #[error("{0}")]
    BadRequest(BadRequest),
    /// The name has no addresses, or too many.
    #[error("`{name}` cannot be resolved: {detail}")]
    Resolve {
        /// The name.
        name: String,
        /// What the resolver said.
        detail: String,
    },
    /// No connection to any of the addresses.
    #[error("no connection to {authority}: {}", io_words(*kind))]
    Connect {
        /// Who was asked.
        authority: String,
        /// How the last attempt failed.
        kind: io::ErrorKind,
    },
    /// The other end could not prove who it is, or TLS failed otherwise. The request was not sent.
    #[error("no TLS with {name}: {detail}")]
    Tls {
        /// Whose certificate was expected.
        name: String,
        /// What was wrong.
        detail: String,
    },
    /// It took too long.
    #[error("{0}")]
    Timeout(Phase),
    /// It would cost more than the call may.
    #[error("{0}")]
    Over(Over),
    /// The answer is not one that may be passed on.
    #[error("the answer cannot be used: {0}")]
    Protocol(String),
    /// A secret cannot be put into the request as it is bound.
    #[error("secret `{name}` cannot be sent: {problem}")]
    Secret {
        /// Its name, never its value.
        name: String,
        /// Why not.
        problem: &'static str,
    },
    /// A secret was not sent, and the request neither, because its use cannot be recorded.
    #[error("secret `{name}` was not sent: its use cannot be recorded")]
    Unrecorded {
        /// Its name, never its value.
        name: String,
        /// Why not, for the operator.
        detail: String,
    },
}

/// What a request was refused for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeniedBy {
    /// Its destination or its method: no rule covers them.
    Rules,
    /// The address that its destination leads to. A rule covers the destination.
    Address,
}

/// A request that cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// Its target.
    #[error("{0}")]
    Target(TargetError),
    /// Authority or `*` where a whole URL is needed.
    #[error("the request has no scheme and host; give it the whole URL")]
    NotAbsolute,
    /// `CONNECT` and `TRACE`.
    #[error("{0} is never sent for a tool")]
    Method(&'static str),
    /// A header that is the host's own.
    #[error("header `{0}` is the host's own: it says how a message is framed or where it goes; leave it away")]
    ReservedHeader(String),
    /// `Authorization`, `Cookie`, or a header that a secret is bound to.
    #[error("header `{0}` carries credentials, which a tool never holds; have a secret bound to it by policy")]
    Credentials(String),
    /// A parameter that a secret is bound to.
    #[error("the query has the parameter `{0}` already, which a secret is bound to; leave it away")]
    Parameter(String),
    /// Another host in the header than in the URL.
    #[error("header `host` names another host than the URL; leave it away")]
    Host,
    /// A range of an answer to a request with a secret.
    #[error("`range` cannot be asked for with a secret: parts of an echoed secret would not be recognised")]
    Range,
    /// Trailers.
    #[error("trailers are not sent; put it into a header")]
    Trailers,
}

/// What took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum Phase {
    #[error("no connection within the time for connecting")]
    Connect,
    #[error("no answer within the time for its first byte")]
    FirstByte,
    #[error("nothing more of the body within the time between two pieces")]
    Idle,
    #[error("the whole request took longer than a request may")]
    Request,
}

/// Why a body ended early.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The call may not move more.
    #[error("{0}")]
    Over(Over),
    /// It took too long.
    #[error("{0}")]
    Timeout(Phase),
    /// It is not what its head said, or the connection broke.
    #[error("the body cannot be used: {0}")]
    Protocol(String),
    /// The guest sent what cannot be sent.
    #[error("{0}")]
    BadRequest(BadRequest),
    /// The guest gave its body up.
    #[error("the body was given up before its end")]
    Abandoned,
}

impl From<BodyError> for EgressError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Over(over) => Self::Over(over),
            BodyError::Timeout(phase) => Self::Timeout(phase),
            BodyError::Protocol(detail) => Self::Protocol(detail),
            BodyError::BadRequest(problem) => Self::BadRequest(problem),
            BodyError::Abandoned => Self::Protocol("the request's body was given up before its end".to_owned()),
        }
    }
}

/// What an error of the HTTP connection really was: our own words come back out of it, and the rest is described.
pub(super) fn of_connection(error: &hyper::Error) -> BodyError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(own) = error.downcast_ref::<BodyError>() {
            return own.clone();
        }
        if let Some(over) = of_io(error.downcast_ref::<io::Error>()) {
            return BodyError::Over(over);
        }
        cause = error.source();
    }
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    BodyError::Protocol(match source {
        Some(io) => io_words(io.kind()).to_owned(),
        None => Plain(error).to_string(),
    })
}

/// Whether a head had too many bytes or headers. hyper has no question for it, only the text; a test pins it.
pub(super) fn is_head_too_large(error: &hyper::Error) -> bool {
    error.is_parse() && error.to_string() == "message head is too large"
}

/// The limit inside an error of a metered connection.
pub(super) fn of_io(error: Option<&io::Error>) -> Option<Over> {
    error.and_then(io::Error::get_ref).and_then(|inner| inner.downcast_ref::<Over>()).copied()
}

/// A hyper error without its causes, which may quote the other end.
struct Plain<'a>(&'a hyper::Error);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_parse() {
            "it is not HTTP/1.1 as one reader would read it"
        } else if self.0.is_incomplete_message() || self.0.is_closed() {
            "the connection was closed before its end"
        } else {
            "the connection broke"
        })
    }
}

/// A kind of I/O error in words. The text of the operating system is left out: it differs between machines.
fn io_words(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::ConnectionRefused => "the connection was refused",
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            "the connection was reset"
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "there is no route to it",
        io::ErrorKind::TimedOut => "it does not answer",
        io::ErrorKind::UnexpectedEof => "the connection was closed before its end",
        _ => "the connection failed",
    }
}
