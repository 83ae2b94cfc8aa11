//! Destinations: the places that a manifest requests and a policy allows.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::path::{covers, read_path};
use super::target::{read_port, split_authority};
use super::{HostError, HostPattern, PathError, Scheme, Target, TargetError, shown};

/// The longest destination, in bytes.
pub const MAX_DESTINATION: usize = 2 * 1024;

/// A place on the network: one scheme, the hosts of one pattern, one port, and the paths below one prefix.
///
/// Written `https://api.example.com:8443/v1/` or `https://*.example.com/`. The one made by [`Destination::any_public`]
/// has no such text, on purpose: policy says it in a key of its own, and no slip of a pen means the whole internet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Destination {
    /// How it is carried.
    pub scheme: Scheme,
    /// Who may be asked.
    pub host: HostPattern,
    /// On which port; never 0.
    pub port: u16,
    /// A prefix that ends at a segment border: `/v1` covers `/v1` and `/v1/x`, not `/v10`; `/v1/` covers what is below.
    pub path: String,
}

/// Text that cannot be a destination.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` cannot be a destination: {problem}")]
pub struct DestinationError {
    /// What was written, shortened and escaped.
    pub text: String,
    /// Why not.
    pub problem: DestinationProblem,
}

/// Why a text cannot be a destination.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum DestinationProblem {
    /// No `scheme://`, or another scheme.
    #[error("it begins with neither `http://` nor `https://`")]
    Scheme,
    /// `*`, `*example.com`, `a.*.com`, `*.10.0.0.1`.
    #[error(
        "`*` stands only as `*.` before a name, as in `https://*.example.com/`; for hosts that nobody knows beforehand use `any-public-host`"
    )]
    Wildcard,
    /// `*.com`, `*.co.uk`: everybody can have a name there.
    #[error("anybody can register a name under `{0}`; name the domain, as in `*.example.{0}`")]
    PublicSuffix(String),
    /// The host.
    #[error("{0}")]
    Host(HostError),
    /// Authority or port.
    #[error("{0}")]
    Target(TargetError),
    /// The path.
    #[error("{0}")]
    Path(PathError),
    /// `?` in it.
    #[error("it has a query; policy is decided by scheme, host, port and path alone")]
    Query,
    /// Over [`MAX_DESTINATION`].
    #[error("it has {0} bytes; at most {MAX_DESTINATION} are read")]
    TooLong(usize),
}

impl Destination {
    /// Any host whose addresses are all public, on the scheme's own port, with any path.
    pub fn any_public(scheme: Scheme) -> Self {
        Self { scheme, host: HostPattern::AnyPublic, port: scheme.default_port(), path: "/".to_owned() }
    }

    /// Whether a request to this target is meant. For [`HostPattern::AnyPublic`] the addresses decide as well, later.
    pub fn covers(&self, target: &Target) -> bool {
        self.scheme == target.scheme
            && self.port == target.port
            && self.host.covers(&target.host)
            && covers(&self.path, &target.path)
    }

    /// What both mean: scheme and port equal, the narrower host, the narrower path.
    pub fn meet(&self, other: &Self) -> Option<Self> {
        let path = match (covers(&self.path, &other.path), covers(&other.path, &self.path)) {
            (true, _) => &other.path,
            (_, true) => &self.path,
            (false, false) => return None,
        };
        let same = self.scheme == other.scheme && self.port == other.port;
        let host = self.host.meet(&other.host).filter(|_| same)?;
        Some(Self { scheme: self.scheme, host, port: self.port, path: path.clone() })
    }
}

impl FromStr for Destination {
    type Err = DestinationError;

    fn from_str(text: &str) -> Result<Self, DestinationError> {
        read(text).map_err(|problem| DestinationError { text: shown(text), problem })
    }
}

fn read(text: &str) -> Result<Destination, DestinationProblem> {
    if text.len() > MAX_DESTINATION {
        return Err(DestinationProblem::TooLong(text.len()));
    }
    let (scheme, rest) = text.split_once("://").ok_or(DestinationProblem::Scheme)?;
    let scheme = Scheme::read(scheme).ok_or(DestinationProblem::Scheme)?;
    let border = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(border);
    let (host, port) = split_authority(authority).map_err(DestinationProblem::Target)?;
    let host = HostPattern::read(host)?;
    let port = port.map_or(Ok(scheme.default_port()), read_port).map_err(DestinationProblem::Target)?;
    if path.contains('?') {
        return Err(DestinationProblem::Query);
    }
    let path = match path {
        "" => "/".to_owned(),
        path if path.starts_with('/') => read_path(path).map_err(DestinationProblem::Path)?,
        // The border was `#` or a backslash: it is named as the character that cannot stand there.
        path => return Err(DestinationProblem::Path(PathError::Character(path.chars().next().unwrap_or('#')))),
    };
    Ok(Destination { scheme, host, port, path })
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host == HostPattern::AnyPublic {
            return write!(f, "{} by {}", self.host, self.scheme);
        }
        write!(f, "{}://{}", self.scheme, self.host)?;
        if self.port != self.scheme.default_port() {
            write!(f, ":{}", self.port)?;
        }
        f.write_str(&self.path)
    }
}

impl Serialize for Destination {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Destination {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
