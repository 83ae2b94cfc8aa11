//! The arguments of a call, as bounded text that has not been believed yet.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::Digest;
use crate::limits::{Limit, Limits};

/// JSON text as the caller sent it. It is parsed once, strictly, by [`crate::json`] when the tool's signature is known.
///
/// It travels as a JSON string and not as an object, so that every byte (and so its digest) survives the journey,
/// duplicate keys and all, and whoever carries it never needs to parse it.
#[derive(Clone, PartialEq, Eq)]
pub struct Arguments(Arc<String>);

/// Bytes that cannot be arguments.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ArgumentsError {
    /// More than any call may have.
    #[error("arguments of {0} bytes are over the largest that any call may have ({ceiling} bytes)", ceiling = Limit::ArgumentBytes.row().ceiling)]
    TooLarge(usize),
    /// Not UTF-8, which JSON is (RFC 8259, section 8.1).
    #[error("arguments must be UTF-8; byte {0} is not")]
    NotUtf8(usize),
}

impl Arguments {
    /// Takes bytes from outside.
    ///
    /// # Errors
    /// Where they are no UTF-8, or more than the ceiling of [`Limit::ArgumentBytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArgumentsError> {
        if bytes.len() as u64 > Limit::ArgumentBytes.row().ceiling {
            return Err(ArgumentsError::TooLarge(bytes.len()));
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Self(Arc::new(text.to_owned()))),
            Err(error) => Err(ArgumentsError::NotUtf8(error.valid_up_to())),
        }
    }

    /// Arguments made inside the process. A `String` is taken as it is: it may be as large as a call's memory.
    ///
    /// # Errors
    /// Where the text is over the ceiling of [`Limit::ArgumentBytes`].
    pub fn from_text(text: impl Into<String>) -> Result<Self, ArgumentsError> {
        let text = text.into();
        if text.len() as u64 > Limit::ArgumentBytes.row().ceiling {
            return Err(ArgumentsError::TooLarge(text.len()));
        }
        Ok(Self(Arc::new(text)))
    }

    /// `{}`
    pub fn none() -> Self {
        Self(Arc::new("{}".to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digest of the text.
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }

    /// Parses the text under the limits of a call.
    ///
    /// # Errors
    /// See [`crate::json::parse`].
    pub fn parse(&self, limits: &Limits) -> Result<crate::json::Json<'_>, crate::json::JsonError> {
        crate::json::parse(
            &self.0,
            crate::json::Bounds {
                bytes: limits.get(Limit::ArgumentBytes),
                values: limits.get(Limit::ArgumentValues),
                depth: limits.get(Limit::ArgumentDepth),
            },
        )
    }
}

impl fmt::Debug for Arguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arguments({} bytes)", self.0.len())
    }
}

impl Serialize for Arguments {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Arguments {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_text(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
