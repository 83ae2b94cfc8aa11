//! The target of one request, in the one form that is compared, resolved and sent.

use std::fmt;

use super::host::TrailingDot;
use super::path::{read_path, read_query};
use super::{Host, HostError, MAX_PATH_AND_QUERY, PathError, Scheme, shown};

/// The longest authority that is read, in bytes: a name before mapping, and a port.
pub const MAX_AUTHORITY: usize = 1100;

/// Where one request goes. Made by [`Target::parse`]; fields are in their final form.
///
/// It is shown without its query, which may hold what nobody else should read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// How it is carried.
    pub scheme: Scheme,
    /// Who is asked.
    pub host: Host,
    /// On which port; never 0.
    pub port: u16,
    /// Begins with `/`, has no dot segments and no empty ones.
    pub path: String,
    /// What follows `?`, as the guest wrote it.
    pub query: Option<String>,
}

/// A request whose target is refused before anything is looked up.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum TargetError {
    /// Neither http nor https.
    #[error("`{0}` is not a scheme that is sent; use http or https")]
    Scheme(String),
    /// `user@`, where a program may look for the host in the wrong place.
    #[error("a user name or password stands before the host; leave it away, and have a secret bound by policy")]
    Userinfo,
    /// The host.
    #[error("{0}")]
    Host(HostError),
    /// Empty, zero, not decimal or over 65535.
    #[error("`{0}` is not a port: a decimal number from 1 to 65535, without leading zeros")]
    Port(String),
    /// Path or query.
    #[error("{0}")]
    Path(PathError),
    /// Over [`MAX_AUTHORITY`].
    #[error("host and port have {0} bytes; at most {MAX_AUTHORITY} are read")]
    TooLong(usize),
}

impl Target {
    /// Reads the parts of a request. An empty path means `/`.
    ///
    /// # Errors
    /// Where any part could be read in two ways: see [`TargetError`].
    pub fn parse(scheme: &str, authority: &str, path_with_query: &str) -> Result<Self, TargetError> {
        let scheme = Scheme::read(scheme).ok_or_else(|| TargetError::Scheme(shown(scheme)))?;
        let (host, port) = split_authority(authority)?;
        let host = Host::read(host, TrailingDot::Drop).map_err(TargetError::Host)?;
        let port = port.map_or(Ok(scheme.default_port()), read_port)?;
        if path_with_query.len() > MAX_PATH_AND_QUERY {
            return Err(TargetError::Path(PathError::TooLong(path_with_query.len())));
        }
        let (path, query) = match path_with_query.split_once('?') {
            Some((path, query)) => (path, Some(read_query(query).map_err(TargetError::Path)?)),
            None => (path_with_query, None),
        };
        let path = if path.is_empty() { "/".to_owned() } else { read_path(path).map_err(TargetError::Path)? };
        Ok(Self { scheme, host, port, path, query })
    }

    /// `host` or `host:port`, the port where it is not the scheme's own: what the `Host` header says.
    pub fn authority(&self) -> String {
        if self.port == self.scheme.default_port() {
            self.host.to_string()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// `scheme://host` or `scheme://host:port`.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.authority())
    }

    /// `path` or `path?query`: what the request line says.
    pub fn path_and_query(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.path)
    }
}

/// Splits `host`, `host:port` or `[v6]:port`; neither part is looked into.
pub(super) fn split_authority(text: &str) -> Result<(&str, Option<&str>), TargetError> {
    if text.len() > MAX_AUTHORITY {
        return Err(TargetError::TooLong(text.len()));
    }
    if text.contains('@') {
        return Err(TargetError::Userinfo);
    }
    let border = if text.starts_with('[') { text.find(']').map_or(text.len(), |end| end + 1) } else { 0 };
    match text[border..].split_once(':') {
        Some((rest, port)) => Ok((&text[..border + rest.len()], Some(port))),
        None => Ok((text, None)),
    }
}

pub(super) fn read_port(text: &str) -> Result<u16, TargetError> {
    let decimal = !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| decimal).ok_or_else(|| TargetError::Port(shown(text)))
}
