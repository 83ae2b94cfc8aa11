//! Words for destinations on the network: what a manifest requests, what policy allows, and what one request names.
//!
//! Owns one reading of a URL for everybody. The form that is compared with policy is the form that is sent, so nothing
//! here keeps a second spelling of a host or a path. Refuses whatever two programs could read in two ways: there is no
//! best effort. Pure: no name is resolved here, and whether an address may be dialled is for the host to say.

mod destination;
mod host;
mod methods;
mod path;
mod placement;
mod target;
#[cfg(test)]
mod tests;

pub use destination::{Destination, DestinationError, DestinationProblem, MAX_DESTINATION};
pub use host::{Host, HostError, HostPattern, Scheme};
pub use methods::{MAX_METHODS, Methods, MethodsError};
pub use path::{MAX_PATH_AND_QUERY, PathError};
pub use placement::{Placement, PlacementError, is_reserved_header};
pub use target::{MAX_AUTHORITY, Target, TargetError};

/// What a message may show of text that somebody else chose.
fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}
