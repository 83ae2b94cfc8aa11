//! How requests are written, before they are known to make sense.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::capabilities::{
    KvRequest, MAX_NAME, NetworkRequest, Reach, SecretRequest, bound_to_one_host, is_config_key, is_guest_path,
    is_secret_name,
};
use crate::net::{Destination, Methods, Placement};
use crate::units::Bytes;

/// The most entries of a list. Every call of a tool may be compared with each, and a manifest is untrusted.
const MAX_ENTRIES: usize = 64;

/// A list with at least one entry, at most [`MAX_ENTRIES`], and no entry twice.
pub(super) fn filled<'de, D: Deserializer<'de>, T: Deserialize<'de> + PartialEq>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
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

pub(super) fn config_keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let keys: Vec<String> = filled(deserializer)?;
    if keys.iter().all(|key| is_config_key(key)) {
        Ok(keys)
    } else {
        Err(D::Error::custom(format_args!("a setting's name has 1 to {MAX_NAME} characters, none a control character")))
    }
}

pub(super) fn guest_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
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
pub(super) struct NetworkText {
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
pub(super) struct SecretText {
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
                "a secret's name has 1 to {MAX_NAME} ASCII letters, digits, `-`, `_` and `.`, and begins and ends with a letter or digit"
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
pub(super) struct KvText {
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
