//! What a manifest may ask for: folders, settings, the network, secrets, kv and other tools.
//!
//! Owns the words of `[capabilities]` and refuses, with the place in the text, whatever cannot be meant: an empty list, a
//! repetition, a destination that could be read in two ways. It decides nothing: a request is what policy is met with.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

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

/// The largest value that anybody may ask for, in bytes. It crosses the boundary whole and is held twice while it does.
pub const MAX_KV_VALUE: u64 = 16 << 20;

/// The most bytes of keys and values that anybody may ask for.
pub const MAX_KV_BYTES: u64 = 16 << 30;

/// The most entries of a list. Every call of a tool may be compared with each, and a manifest is untrusted.
const MAX_ENTRIES: usize = 64;

/// The longest name of a setting or of a secret, in bytes.
const MAX_NAME: usize = 64;

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

/// Whether text can name a secret: 1 to 64 ASCII letters, digits, `-`, `_` and `.`, beginning with a letter or digit.
pub fn is_secret_name(text: &str) -> bool {
    text.len() <= MAX_NAME
        && text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
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

/// A list with at least one entry, at most [`MAX_ENTRIES`], and no entry twice.
fn filled<'de, D: Deserializer<'de>, T: Deserialize<'de> + PartialEq>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let list = Vec::<T>::deserialize(deserializer)?;
    if list.is_empty() {
        return Err(D::Error::custom("the list is empty: remove the key, or name at least one"));
    }
    if list.len() > MAX_ENTRIES {
        return Err(D::Error::custom(format_args!(
            "the list has {} entries; at most {MAX_ENTRIES} are read",
            list.len()
        )));
    }
    let again = (1..list.len()).find(|index| list[..*index].contains(&list[*index]));
    if let Some(index) = again {
        return Err(D::Error::custom(format_args!("entry {} of the list is there twice", index + 1)));
    }
    Ok(list)
}

fn config_keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let keys: Vec<String> = filled(deserializer)?;
    if keys.iter().all(|key| is_config_key(key)) {
        Ok(keys)
    } else {
        Err(D::Error::custom(format_args!("a setting's name has 1 to {MAX_NAME} characters, none a control character")))
    }
}

fn guest_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let path = String::deserialize(deserializer)?;
    if is_guest_path(&path) {
        Ok(path)
    } else {
        Err(D::Error::custom("give an absolute path without `.`, `..`, `//` or a trailing `/`"))
    }
}

/// A request as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct NetworkText {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<Destination>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    any_public_host: Option<Vec<String>>,
    methods: Methods,
    #[serde(default)]
    reason: String,
}

impl TryFrom<NetworkText> for NetworkRequest {
    type Error = String;

    fn try_from(text: NetworkText) -> Result<Self, String> {
        Ok(Self { reach: Reach::of(text.url, text.any_public_host)?, methods: text.methods, reason: text.reason })
    }
}

impl From<NetworkRequest> for NetworkText {
    fn from(request: NetworkRequest) -> Self {
        let (url, any_public_host) = match request.reach {
            Reach::Url(destination) => (Some(destination), None),
            Reach::AnyPublicHost(schemes) => {
                (None, Some(schemes.iter().map(|scheme| scheme.as_str().to_owned()).collect()))
            }
        };
        Self { url, any_public_host, methods: request.methods, reason: request.reason }
    }
}

/// A request for a secret as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct SecretText {
    name: String,
    url: Destination,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    header: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    basic: Option<String>,
    #[serde(default)]
    reason: String,
}

impl TryFrom<SecretText> for SecretRequest {
    type Error = String;

    fn try_from(text: SecretText) -> Result<Self, String> {
        if !is_secret_name(&text.name) {
            return Err(format!(
                "a secret's name has 1 to {MAX_NAME} ASCII letters, digits, `-`, `_` and `.`, and begins with a letter or digit"
            ));
        }
        bound_to_one_host(&text.url)?;
        let placement = Placement::from_keys(text.header, text.prefix, text.query, text.basic);
        let placement = placement.map_err(|error| error.to_string())?;
        Ok(Self { name: text.name, destination: text.url, placement, reason: text.reason })
    }
}

impl From<SecretRequest> for SecretText {
    fn from(request: SecretRequest) -> Self {
        let mut text = Self {
            name: request.name,
            url: request.destination,
            header: None,
            prefix: None,
            query: None,
            basic: None,
            reason: request.reason,
        };
        match request.placement {
            Placement::Header { name, prefix } => {
                text.header = Some(name);
                text.prefix = (!prefix.is_empty()).then_some(prefix);
            }
            Placement::Query { name } => text.query = Some(name),
            Placement::Basic { user } => text.basic = Some(user),
        }
        text
    }
}

/// Room for keys and values as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct KvText {
    keys: u64,
    value_bytes: Bytes,
    total_bytes: Bytes,
    #[serde(default)]
    reason: String,
}

impl TryFrom<KvText> for KvRequest {
    type Error = String;

    fn try_from(text: KvText) -> Result<Self, String> {
        Self::new(text.keys, text.value_bytes, text.total_bytes, text.reason)
    }
}

impl From<KvRequest> for KvText {
    fn from(request: KvRequest) -> Self {
        let KvRequest { keys, value_bytes, total_bytes, reason } = request;
        Self { keys, value_bytes, total_bytes, reason }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Manifest, ManifestError};

    const HEAD: &str = "name = \"search\"\nversion = \"0.1.0\"\n[capabilities]\n";

    fn read(text: &str) -> Result<Capabilities, ManifestError> {
        Manifest::parse(format!("{HEAD}{text}").as_bytes()).map(|manifest| manifest.capabilities)
    }

    const WHOLE: &str = r#"
filesystem = [{ guest = "/docs", access = "read-only" }]
network = [
  { url = "https://API.example.com/v1/", methods = ["GET"], reason = "The documents." },
  { any-public-host = ["https"], methods = ["GET", "HEAD"] },
]
secrets = [
  { name = "brave-key", url = "https://api.search.brave.com/res/v1/", header = "X-Subscription-Token" },
  { name = "token", url = "https://api.example.com/", header = "Authorization", prefix = "Bearer " },
]
kv = { keys = 100, value-bytes = "64 KiB", total-bytes = "1 MiB" }
tools = ["json.query", "table"]
config = ["region"]
"#;

    #[test]
    fn every_capability_is_read_and_survives_its_own_text() {
        let read_first = read(WHOLE).expect("reads");
        assert_eq!(read_first.network[0].reach, Reach::Url("https://api.example.com/v1/".parse().expect("a url")));
        assert_eq!(read_first.network[1].reach, Reach::AnyPublicHost(vec![Scheme::Https]));
        assert_eq!(read_first.kv.as_ref().map(|kv| kv.value_bytes), Some(Bytes(64 << 10)));
        assert_eq!(read_first.tools.len(), 2);
        let again = toml::to_string(&read_first).expect("writes");
        assert_eq!(toml::from_str::<Capabilities>(&again).expect("reads again"), read_first);
        assert_eq!(read("").expect("nothing is asked for"), Capabilities::default());
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_place() {
        for (text, place, word) in [
            ("network = []", "line 4, column 11", "empty"),
            ("secrets = []", "line 4, column 11", "empty"),
            ("tools = []", "line 4, column 9", "empty"),
            ("config = []", "line 4, column 10", "empty"),
            ("filesystem = []", "line 4, column 14", "empty"),
            ("tools = [\"json\", \"json\"]", "line 4, column 9", "twice"),
            ("tools = [\"*\"]", "line 4, column 9", "cannot name"),
            ("tools = [\"json.*\"]", "line 4, column 9", "is not a tool id"),
            ("config = [\"\"]", "line 4, column 10", "setting"),
            (
                "network = [{ url = \"https://*\", methods = [\"GET\"] }]",
                "line 4, column 20",
                "cannot be a destination",
            ),
            (
                "network = [{ url = \"https://*.com/\", methods = [\"GET\"] }]",
                "line 4, column 20",
                "anybody can register",
            ),
            ("network = [{ url = \"https://*example.com/\", methods = [\"GET\"] }]", "line 4, column 20", "`*`"),
            ("network = [{ url = \"https://a.b/\", methods = [] }]", "line 4, column 46", "empty"),
            ("network = [{ url = \"https://a.b/\", methods = [\"*\"] }]", "line 4, column 46", "is not a method"),
            ("network = [{ url = \"https://a.b/\" }]", "line 4, column 12", "methods"),
            ("network = [{ methods = [\"GET\"] }]", "line 4, column 11", "say where to"),
            ("network = [{ any-public-host = [], methods = [\"GET\"] }]", "line 4, column 11", "empty"),
            ("network = [{ any-public-host = [\"ftp\"], methods = [\"GET\"] }]", "line 4, column 11", "https"),
            (
                "network = [{ url = \"https://a.b/\", any-public-host = [\"https\"], methods = [\"GET\"] }]",
                "line 4, column 11",
                "exclude",
            ),
            (
                "network = [{ url = \"https://a.b/\", methods = [\"GET\"], ports = [1] }]",
                "line 4, column 55",
                "unknown field",
            ),
            ("secrets = [{ name = \"a b\", url = \"https://a.b/\", header = \"X\" }]", "line 4, column 11", "name"),
            (
                "secrets = [{ name = \"a\", url = \"https://*.a.example/\", header = \"X\" }]",
                "line 4, column 11",
                "one host",
            ),
            (
                "secrets = [{ name = \"a\", url = \"http://a.example/\", header = \"X\" }]",
                "line 4, column 11",
                "in the clear",
            ),
            ("secrets = [{ name = \"a\", url = \"https://a.example/\" }]", "line 4, column 11", "exactly one"),
            (
                "secrets = [{ name = \"a\", url = \"https://a.example/\", header = \"Host\" }]",
                "line 4, column 11",
                "Host",
            ),
            ("kv = {}", "line 4, column 6", "missing field"),
            ("kv = { keys = 0, value-bytes = \"1\", total-bytes = \"1\" }", "line 4, column 6", "keys"),
            ("kv = { keys = 1, value-bytes = \"2\", total-bytes = \"1\" }", "line 4, column 6", "total-bytes"),
            ("kv = { keys = 1, value-bytes = \"1 GiB\", total-bytes = \"1 GiB\" }", "line 4, column 6", "value-bytes"),
            ("filesystem = [{ guest = \"/a/..\", access = \"read-only\" }]", "line 4, column 25", "absolute path"),
        ] {
            let error = read(text).expect_err(text).to_string();
            assert!(error.starts_with(place) && error.contains(word), "{text}: {error}");
        }
        let many: Vec<_> = (0..65).map(|n| format!("\"t{n}\"")).collect();
        assert!(read(&format!("tools = [{}]", many.join(","))).is_err());
        assert!(read("secrets = [{ name = \"a\", url = \"http://127.0.0.1:8080/\", header = \"X\" }]").is_ok());
    }

    #[test]
    fn two_callees_meet_in_the_narrower_one() {
        let callee = |text: &str| text.parse::<Callee>().expect("a callee");
        assert_eq!(callee("json").meet(&callee("json.query")), Some(callee("json.query")));
        assert_eq!(callee("json.query").meet(&callee("json")), Some(callee("json.query")));
        assert_eq!(callee("json").meet(&callee("json")), Some(callee("json")));
        assert_eq!(callee("json").meet(&callee("jso.query")), None);
        assert_eq!(callee("json.merge").meet(&callee("json.query")), None);
    }
}
