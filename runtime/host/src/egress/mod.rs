//! The one way of a tool to the network: HTTP/1.1 requests to granted destinations.
//!
//! Owns the whole of it, from the target that a guest names to the bytes that it gets back: the decision, the vetting of
//! addresses, the connection, TLS, secrets, limits, decompression, redirects. [`Door::send`] is the only entry, and the address
//! dialled is the address vetted, because nothing is resolved twice. Refuses every other protocol and every part of HTTP
//! whose use here is to make two readers disagree. It reads no proxy variables, keeps no connection, no cookie and no
//! session ticket, and shares nothing between two requests but the counters of their call.

mod addresses;
mod body;
mod decide;
mod decode;
mod door;
mod error;
mod grant;
mod headers;
mod inject;
mod limits;
mod reach;
mod redirect;
#[cfg(test)]
mod tests;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;

pub use addresses::{Class, class, may_dial};
pub use door::Door;
pub use error::{BadRequest, BodyError, DeniedBy, EgressError, Phase};
pub use grant::{NetworkGrant, Redact, RedactStream, Redirects, SecretGrant, SecretValue};
pub use limits::{HttpLimits, HttpMeter, Over};
pub use reach::{Dial, MAX_ADDRESSES, Resolver, Stream, SystemResolver, Tcp};
pub use tls::{Tls, TlsError};

/// A body, sent or received. Its errors are ours, so that nothing of the other end's choosing gets into a message.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// What one call may do on the network, and what its requests share.
#[derive(Clone)]
pub struct EgressSession {
    /// Where it may send what.
    pub grants: Arc<[NetworkGrant]>,
    /// What is put into requests to where.
    pub secrets: Arc<[SecretGrant]>,
    /// The ceilings.
    pub limits: HttpLimits,
    /// What is used of them, over all requests of the call.
    pub meter: Arc<HttpMeter>,
    /// Takes the call's secrets out of what comes back. Without it no secret is sent.
    pub redact: Option<Arc<dyn Redact>>,
    /// Who is told.
    pub notes: Arc<dyn Notes>,
}

/// Is told what the receipt and the audit log have to know. Called before the effect that it is about.
pub trait Notes: Send + Sync {
    /// A request was refused before anything was sent.
    fn denied(&self, reason: &str);
    /// A request that was vetted and counted is about to go to this origin.
    fn requested(&self, _origin: &str) {}
    /// A secret is about to be sent to this origin.
    ///
    /// # Errors
    /// Where nobody would know of it afterwards. The secret is not sent then, and neither is the request.
    fn secret_used(&self, name: &str, target: &str) -> Result<(), Unrecorded>;
}

/// Something could not be recorded that must be before it happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unrecorded {
    /// Why not, for the operator.
    pub detail: String,
}

/// Shorter times that the guest asks for. It can't ask for longer ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// For connecting.
    pub connect: Option<Duration>,
    /// For the head of the answer.
    pub first_byte: Option<Duration>,
    /// Between two pieces of the body.
    pub between_bytes: Option<Duration>,
}

impl Timeouts {
    /// The limits with these times where they are shorter.
    fn meet(self, limits: HttpLimits) -> HttpLimits {
        let shorter = |most: Duration, asked: Option<Duration>| asked.map_or(most, |asked| asked.min(most));
        HttpLimits {
            connect_time: shorter(limits.connect_time, self.connect),
            first_byte: shorter(limits.first_byte, self.first_byte),
            idle: shorter(limits.idle, self.between_bytes),
            ..limits
        }
    }
}
