//! Hosts: a name in its one final form, or an address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use serde::{Deserialize, Serialize};

use super::shown;

/// A name before it is put into its final form, in bytes. A name has at most 253 in the end; an unmapped one needs more.
const MAX_UNMAPPED_NAME: usize = 1024;

/// How a request is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Through TLS.
    Https,
}

/// Who is asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A DNS name: lower case, A-labels, no trailing dot, never something that reads as an address.
    Name(String),
    /// An address.
    Ip(IpAddr),
}

/// Which hosts a destination means.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// This one.
    Exact(Host),
    /// `*.example.com`: names with one or more labels before this one, never the name itself, and none that somebody else
    /// can have registered by the public suffix list.
    Subdomains(String),
    /// Every host all of whose addresses are public. That is checked where the addresses are known.
    AnyPublic,
}

/// Text that is not a host.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum HostError {
    /// Nothing between the scheme and the path.
    #[error("the host is missing")]
    Empty,
    /// No name under UTS 46 with the strict set of characters, or over the lengths of DNS.
    #[error("`{0}` is not a host name: labels of letters, digits and hyphens, at most 63 each and 253 in all")]
    Name(String),
    /// `127.1`, `0x7f.1`, `2130706433`, `0177.0.0.1`: some programs read these as addresses, and not all as the same.
    #[error("`{0}` could be read as an address: write IPv4 as four decimal numbers without leading zeros")]
    Address(String),
    /// Not an IPv6 address in brackets, or one with a zone.
    #[error("`{0}` is not an IPv6 address: write it in brackets, without a zone, as in `[2001:db8::1]`")]
    Ipv6(String),
    /// A dot at the end, where only one spelling is taken.
    #[error("`{0}` ends in a dot: leave it away")]
    TrailingDot(String),
}

/// What becomes of one dot at the end of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TrailingDot {
    /// Policy has one spelling.
    Refuse,
    /// A request may say that its name is absolute; ours always are.
    Drop,
}

impl Scheme {
    /// The port where none is written.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        [Self::Http, Self::Https].into_iter().find(|scheme| text.eq_ignore_ascii_case(scheme.as_str()))
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Host {
    pub(super) fn read(text: &str, dot: TrailingDot) -> Result<Self, HostError> {
        if text.is_empty() {
            return Err(HostError::Empty);
        }
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or_else(|| HostError::Ipv6(shown(text)))?;
            return Ipv6Addr::from_str(inner)
                .map(|address| Self::Ip(address.into()))
                .map_err(|_| HostError::Ipv6(shown(text)));
        }
        if text.len() > MAX_UNMAPPED_NAME {
            return Err(HostError::Name(shown(text)));
        }
        let text = match (text.strip_suffix('.'), dot) {
            (Some(_), TrailingDot::Refuse) => return Err(HostError::TrailingDot(shown(text))),
            (Some(name), TrailingDot::Drop) => name,
            (None, _) => text,
        };
        // `ab--cd` is a fine label that real names have; a false `xn--` is still refused, because it is decoded.
        let name = Uts46::new()
            .to_ascii(text.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify)
            .map_err(|_| HostError::Name(shown(text)))?;
        if !reads_as_address(&name) {
            return Ok(Self::Name(name.into_owned()));
        }
        // Only the text itself counts: digits or dots that became ASCII by mapping are a disguise.
        match Ipv4Addr::from_str(text) {
            Ok(address) => Ok(Self::Ip(address.into())),
            Err(_) => Err(HostError::Address(shown(text))),
        }
    }
}

/// Whether the last label is a number, decimal or hexadecimal: the WHATWG URL standard's "ends in a number" check.
/// Whatever passes it is an IPv4 address or nothing there, so it is never a name here.
fn reads_as_address(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let hexadecimal = last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_hexdigit()));
    hexadecimal || (!last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()))
}

impl HostPattern {
    /// Reads the host of a destination in policy or a manifest.
    pub(super) fn read(text: &str) -> Result<Self, super::DestinationProblem> {
        use super::DestinationProblem as Problem;
        let Some(parent) = text.strip_prefix("*.") else {
            if text.contains('*') {
                return Err(Problem::Wildcard);
            }
            return Ok(Self::Exact(Host::read(text, TrailingDot::Refuse).map_err(Problem::Host)?));
        };
        if parent.contains('*') {
            return Err(Problem::Wildcard);
        }
        match Host::read(parent, TrailingDot::Refuse).map_err(Problem::Host)? {
            Host::Ip(_) => Err(Problem::Wildcard),
            // A name that no list knows is a suffix by the list's own default rule when it has one label.
            Host::Name(name) if psl::suffix(name.as_bytes()).is_some_and(|suffix| suffix == name.as_str()) => {
                Err(Problem::PublicSuffix(name))
            }
            Host::Name(name) => Ok(Self::Subdomains(name)),
        }
    }

    /// Whether it means this host. [`HostPattern::AnyPublic`] means every host here; its addresses decide later.
    pub fn covers(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::AnyPublic, _) => true,
            (Self::Exact(own), _) => own == host,
            (Self::Subdomains(parent), Host::Name(name)) => is_below(name, parent),
            (Self::Subdomains(_), Host::Ip(_)) => false,
        }
    }

    /// The hosts that both mean.
    pub fn meet(&self, other: &Self) -> Option<Self> {
        let narrower = match (self, other) {
            (Self::AnyPublic, narrower) | (narrower, Self::AnyPublic) => return Some(narrower.clone()),
            (exact @ Self::Exact(host), pattern) | (pattern, exact @ Self::Exact(host)) => {
                pattern.covers(host).then_some(exact)
            }
            (Self::Subdomains(a), Self::Subdomains(b)) if a == b || is_below(a, b) => Some(self),
            (Self::Subdomains(a), Self::Subdomains(b)) if is_below(b, a) => Some(other),
            (Self::Subdomains(_), Self::Subdomains(_)) => None,
        };
        narrower.cloned()
    }
}

/// Whether a name has labels before this one and the same owner: below a domain there may be names that anybody can
/// register, as below `s3.amazonaws.com`, and whoever wrote `*.amazonaws.com` did not mean those.
fn is_below(name: &str, parent: &str) -> bool {
    name.strip_suffix(parent).is_some_and(|labels| labels.len() > 1 && labels.ends_with('.'))
        && psl::domain_str(name) == psl::domain_str(parent)
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Ip(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => write!(f, "{host}"),
            Self::Subdomains(parent) => write!(f, "*.{parent}"),
            Self::AnyPublic => f.write_str("any public host"),
        }
    }
}
