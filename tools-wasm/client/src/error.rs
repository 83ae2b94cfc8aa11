//! Owns why a request has no response.

use std::time::Duration;

/// Why there is no response. Messages are for the caller of the tool; they hold no part of a query, which may be private.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request can't be sent as it is. A fault of whoever built it: the tool, or the argument it was built from.
    #[error("the request can't be sent: {0}")]
    Request(String),
    /// The host does not let this call go there.
    #[error(
        "the host did not let this call send {method} to {origin}: the operator's policy has to grant it, with a rule for this tool \
         that has `network = [{{ url = \"{origin}/\", methods = [\"{method}\"] }}]`, and the tool's manifest has to request it"
    )]
    Denied {
        /// Scheme, host and port.
        origin: String,
        /// The method, in capitals.
        method: String,
    },
    /// The host's name leads to an address that is not public, and no grant names that address.
    #[error(
        "{origin} leads to an address that the policy keeps closed (private, local or reserved): a rule that is meant to reach it has to \
         name its network in `addresses`"
    )]
    AddressProhibited {
        /// Scheme, host and port.
        origin: String,
    },
    /// The name of the host has no address, or nobody could be asked.
    #[error("no address was found for {origin}{detail}")]
    Dns {
        /// Scheme, host and port.
        origin: String,
        /// The response code of DNS where there is one, with a space before it.
        detail: String,
    },
    /// There is an address, and nobody accepts connections there.
    #[error("{origin} does not accept connections")]
    Connect {
        /// Scheme, host and port.
        origin: String,
    },
    /// The connection broke off before the answer was whole.
    #[error("{origin} broke off the connection before its answer was complete")]
    Interrupted {
        /// Scheme, host and port.
        origin: String,
    },
    /// There is no trustworthy connection: a certificate that is not valid, or no common version of TLS.
    #[error("there is no trustworthy connection to {origin}: {detail}")]
    Tls {
        /// Scheme, host and port.
        origin: String,
        /// What TLS says about it.
        detail: String,
    },
    /// The time of [`Limits`](crate::Limits), or one of the host's, was over.
    #[error("{origin} did not answer within {} ms", after.as_millis())]
    Timeout {
        /// Scheme, host and port.
        origin: String,
        /// How long this client would have waited.
        after: Duration,
    },
    /// Something is larger than it may be.
    #[error("the {what} is larger than {}", limit.map_or_else(|| "the host allows".to_owned(), |limit| format!("{limit} bytes")))]
    TooLarge {
        /// What is too large, such as `body of the response`.
        what: &'static str,
        /// The limit in bytes, where it is known.
        limit: Option<u64>,
    },
    /// What came back is no HTTP, or the host gave up for a reason of its own.
    #[error("{origin} did not answer as HTTP asks for: {detail}")]
    Protocol {
        /// Scheme, host and port.
        origin: String,
        /// What was wrong.
        detail: String,
    },
    /// A response came, and its body is not what the API documents.
    #[error("the answer can't be understood: {0}")]
    Malformed(String),
}
