//! The name of a secret: what manifests ask for, policies bind and logs may show.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// 1 to 64 ASCII letters, digits, `-`, `_` and `.`; it begins and ends with a letter or a digit.
///
/// Nothing in it needs an escape in a log, in a header or in the mark that a redacted value leaves behind.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretName(Arc<str>);

/// Text that is no secret's name. The text is not repeated: who mixes up name and value must not find it in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a secret's name is 1 to 64 letters, digits, `-`, `_` and `.`, and begins and ends with a letter or a digit, such as `github.token`"
)]
pub struct NotASecretName;

impl SecretName {
    /// The longest name, in bytes.
    pub const MAX: usize = 64;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SecretName {
    type Err = NotASecretName;

    fn from_str(text: &str) -> Result<Self, NotASecretName> {
        let bytes = text.as_bytes();
        let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let is_inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let sound =
            bytes.len() <= Self::MAX && is_edge(bytes.first()) && is_edge(bytes.last()) && bytes.iter().all(is_inner);
        if sound { Ok(Self(text.into())) } else { Err(NotASecretName) }
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for SecretName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SecretName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_plain_ascii() {
        let longest = "n".repeat(SecretName::MAX);
        for name in ["a", "7", "github.token", "API_KEY-2", &longest] {
            assert_eq!(name.parse::<SecretName>().expect("a name").as_str(), name);
        }
        let longer = "n".repeat(SecretName::MAX + 1);
        for text in ["", "-a", "a.", "_", "a b", "a/b", "a]b", "ä", "a\n", "a\0b", &longer] {
            assert_eq!(text.parse::<SecretName>(), Err(NotASecretName), "{text:?}");
        }
    }
}
