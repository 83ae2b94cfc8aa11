//! What a manifest may ask for: folders, settings, the network, secrets, kv and other tools.
//!
//! Owns the words of `[capabilities]` and refuses, with the place in the text, whatever cannot be meant: an empty list, a
//! repetition, a destination that could be read in two ways. It decides nothing: a request is what policy is met with.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::written::{KvText, NetworkText, SecretText, config_keys, filled, guest_path};
use crate::net::{Destination, HostPattern, Methods, Placement, Scheme};
use crate::tool::{ComponentName, NameError, ToolId};
use crate::units::Bytes;

/// What a component asks for. What is absent is not requested; a list that is there has at least one entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Capabilities {
    /// Folders it wants to see.
    #[serde(default, deserialize_with = "filled", skip_serializing_if = "Vec::is_empty")]
    pub filesystem: Vec<FolderRequest>,
    /// Destinations it wants to send requests to.
    #[serde(default, deserialize_with = "filled", skip_serializing_if = "Vec::is_empty")]
    pub network: Vec<NetworkRequest>,
    /// Secrets that the host is to put into its requests. It never sees one.
    #[serde(default, deserialize_with = "filled", skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretRequest>,
    /// The room it wants for keys and values that outlive a call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv: Option<KvRequest>,
    /// Other tools it wants to call.
    #[serde(default, deserialize_with = "filled", skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Callee>,
    /// Settings it reads.
    #[serde(default, deserialize_with = "config_keys", skip_serializing_if = "Vec::is_empty")]
    pub config: Vec<String>,
}

/// A folder it wants to see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FolderRequest {
    /// Where the guest will look: an absolute path.
    #[serde(deserialize_with = "guest_path")]
    pub guest: String,
    /// How.
    pub access: Access,
    /// Why, for the person who decides.
    #[serde(default)]
    pub reason: String,
}

/// What may be done with a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Listing and reading.
    ReadOnly,
    /// Also creating, changing and deleting.
    ReadWrite,
}

/// Requests it wants to send: `{ url = "https://api.example.com/v1/", methods = ["GET"], reason = "…" }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "NetworkText", into = "NetworkText")]
pub struct NetworkRequest {
    /// Where to.
    pub reach: Reach,
    /// By which methods.
    pub methods: Methods,
    /// Why, for the person who decides.
    pub reason: String,
}

/// Where requests may go: one destination, or whatever is public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// `url = "…"`: one host, or the hosts under one name, and what is below one path.
    Url(Destination),
    /// `any-public-host = ["https"]`: every host with nothing but public addresses, by these schemes on their own ports.
    AnyPublicHost(Vec<Scheme>),
}

/// A secret in its requests: `{ name = "api-key", url = "https://api.example.com/", header = "X-Key", reason = "…" }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SecretText", into = "SecretText")]
pub struct SecretRequest {
    /// Its name in the author's words; policy says which secret of the operator that is.
    pub name: String,
    /// The one host, port and path prefix it goes to.
    pub destination: Destination,
    /// Where in the request it stands.
    pub placement: Placement,
    /// Why, for the person who decides.
    pub reason: String,
}

/// Room for keys and values that outlive a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "KvText", into = "KvText")]
pub struct KvRequest {
    /// How many keys, at most [`MAX_KV_KEYS`].
    pub keys: u64,
    /// The largest value, at most [`MAX_KV_VALUE`].
    pub value_bytes: Bytes,
    /// All keys and values together, at most [`MAX_KV_BYTES`].
    pub total_bytes: Bytes,
    /// Why, for the person who decides.
    pub reason: String,
}

/// Whom it wants to call: every tool of a component, or one tool, by the operator's names. There are no wildcards.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Callee {
    /// Every tool of a component.
    Component(ComponentName),
    /// One tool.
    Tool(ToolId),
}

/// The most keys that anybody may ask for. Beyond it a table in a database is the better tool.
pub const MAX_KV_KEYS: u64 = 1_000_000;

/// The largest value that anybody may ask for, in bytes. It crosses the boundary whole, so that it is below the
/// default of the limit `crossing_bytes`; while it is set the host holds it five times, which counts as memory of the call.
pub const MAX_KV_VALUE: u64 = 16 << 20;

/// The most bytes of keys and values that anybody may ask for.
pub const MAX_KV_BYTES: u64 = 16 << 30;

/// The longest name of a setting or of a secret, in bytes.
pub(super) const MAX_NAME: usize = 64;

impl Reach {
    /// The destinations that it comes to.
    pub fn destinations(&self) -> Vec<Destination> {
        match self {
            Self::Url(destination) => vec![destination.clone()],
            Self::AnyPublicHost(schemes) => schemes.iter().copied().map(Destination::any_public).collect(),
        }
    }

    /// Reads `url` or `any-public-host`, exactly one of which is there.
    ///
    /// # Errors
    /// A sentence that says what to write instead.
    pub fn of(url: Option<Destination>, schemes: Option<Vec<String>>) -> Result<Self, String> {
        match (url, schemes) {
            (Some(destination), None) => Ok(Self::Url(destination)),
            (None, Some(words)) => {
                let mut schemes = Vec::with_capacity(words.len().min(2));
                for word in words {
                    let scheme = match word.as_str() {
                        "https" => Scheme::Https,
                        "http" => Scheme::Http,
                        _ => return Err("`any-public-host` takes \"https\", \"http\" or both".to_owned()),
                    };
                    if schemes.contains(&scheme) {
                        return Err(format!("`any-public-host` names \"{word}\" twice"));
                    }
                    schemes.push(scheme);
                }
                if schemes.is_empty() {
                    return Err("`any-public-host` is empty; write [\"https\"]".to_owned());
                }
                Ok(Self::AnyPublicHost(schemes))
            }
            (None, None) => Err("say where to: `url = \"https://…/\"` or `any-public-host = [\"https\"]`".to_owned()),
            (Some(_), Some(_)) => Err("`url` and `any-public-host` exclude each other; write two entries".to_owned()),
        }
    }
}

impl KvRequest {
    /// Room of that size.
    ///
    /// # Errors
    /// A sentence that names the number that cannot be.
    pub fn new(keys: u64, value_bytes: Bytes, total_bytes: Bytes, reason: String) -> Result<Self, String> {
        if keys == 0 || keys > MAX_KV_KEYS {
            return Err(format!("`keys` must be between 1 and {MAX_KV_KEYS}"));
        }
        if value_bytes.0 == 0 || value_bytes.0 > MAX_KV_VALUE {
            return Err(format!("`value-bytes` must be between 1 B and {}", Bytes(MAX_KV_VALUE)));
        }
        if total_bytes.0 < value_bytes.0 || total_bytes.0 > MAX_KV_BYTES {
            return Err(format!("`total-bytes` must be between `value-bytes` and {}", Bytes(MAX_KV_BYTES)));
        }
        Ok(Self { keys, value_bytes, total_bytes, reason })
    }
}

impl Callee {
    /// Whether a tool is named.
    pub fn names(&self, tool: &ToolId) -> bool {
        match self {
            Self::Component(name) => tool.component() == name.as_str(),
            Self::Tool(id) => id == tool,
        }
    }

    /// Whether everything that `other` names is named here too.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Component(_), Self::Tool(id)) => self.names(id),
            _ => self == other,
        }
    }

    /// What both name: the narrower of the two.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Option<Self> {
        if self.covers(other) {
            Some(other.clone())
        } else if other.covers(self) {
            Some(self.clone())
        } else {
            None
        }
    }
}

/// Whether a path can be a mount's place in the guest: absolute, normal, without control characters.
pub fn is_guest_path(path: &str) -> bool {
    path.len() <= 4_096
        && !path.chars().any(char::is_control)
        && path.strip_prefix('/').is_some_and(|rest| {
            !rest.is_empty() && rest.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
        })
}

/// Whether text can name a secret: 1 to 64 ASCII letters, digits, `-`, `_` and `.`, of which a letter or digit comes first
/// and last.
pub fn is_secret_name(text: &str) -> bool {
    let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    text.len() <= MAX_NAME
        && is_edge(text.as_bytes().first())
        && is_edge(text.as_bytes().last())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// Whether text can name a setting: 1 to 64 characters, none of them a control character.
pub fn is_config_key(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= MAX_NAME && !text.chars().any(char::is_control)
}

/// Refuses a destination that a secret cannot be bound to: it must be one host, and the way there must be encrypted
/// unless it ends on this machine.
///
/// # Errors
/// A sentence that says what to write instead.
pub fn bound_to_one_host(destination: &Destination) -> Result<(), String> {
    let HostPattern::Exact(host) = &destination.host else {
        return Err("a secret goes to one host; write its whole name, without `*.`".to_owned());
    };
    let loopback = matches!(host, crate::net::Host::Ip(address) if address.is_loopback());
    if destination.scheme == Scheme::Https || loopback {
        Ok(())
    } else {
        Err("a secret does not travel in the clear; write `https://`".to_owned())
    }
}

impl FromStr for Callee {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.contains('.') { text.parse().map(Self::Tool) } else { text.parse().map(Self::Component) }
    }
}

impl fmt::Display for Callee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Component(name) => name.fmt(f),
            Self::Tool(id) => id.fmt(f),
        }
    }
}

impl Serialize for Callee {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Callee {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
