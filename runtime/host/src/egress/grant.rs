//! What a call may do on the network, as plain data, and the seams to the secrets.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use ipnet::IpNet;
use toolcell_core::net::{Destination, Methods, Placement};

/// One thing a call may do on the network: these methods, to there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkGrant {
    /// The rule of policy that it comes from, for messages.
    pub rule: String,
    /// Where.
    pub destination: Destination,
    /// How.
    pub methods: Methods,
    /// Networks whose addresses may be dialled although they are not public. Without effect where the destination is
    /// any public host.
    pub networks: Vec<IpNet>,
    /// What becomes of redirects.
    pub redirects: Redirects,
}

/// What becomes of an answer that points elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Redirects {
    /// The guest gets it.
    #[default]
    Return,
    /// The door follows, a few times, and each hop is checked as if the guest had asked for it.
    Follow,
}

/// One secret, and the one place it may go.
#[derive(Clone)]
pub struct SecretGrant {
    /// Its name in the manifest's words.
    pub name: String,
    /// To where it is sent, and nowhere else.
    pub destination: Destination,
    /// In which part of the request.
    pub placement: Placement,
    /// The value, which only the request that carries it reads.
    pub value: Arc<dyn SecretValue>,
}

/// The value of a secret. Whoever implements it wipes its memory.
pub trait SecretValue: Send + Sync {
    /// Lends the bytes to `use_`, once.
    fn expose(&self, use_: &mut dyn FnMut(&[u8]));
}

/// Takes the secrets of a call out of what comes back from the network, in every encoding that it knows.
pub trait Redact: Send + Sync {
    /// The bytes without secrets; borrowed where there were none.
    fn bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]>;
    /// The longest form of a secret that is looked for, in bytes.
    fn longest(&self) -> usize;
    /// The same for bytes that come in pieces.
    fn stream(&self) -> Box<dyn RedactStream>;
}

/// Takes secrets out of bytes that come in pieces, also where a secret is cut by their borders.
pub trait RedactStream: Send {
    /// What of the bytes so far can be passed on.
    fn push(&mut self, bytes: Bytes) -> Bytes;
    /// What was held back. Called once, at the end.
    fn finish(&mut self) -> Bytes;
}
