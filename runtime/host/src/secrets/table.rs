//! The table of secrets: TOML with `name = "value"` and nothing else.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use zeroize::Zeroizing;

use super::name::SecretName;
use super::value::{NotASecret, Secret};

/// The most secrets in one file. It keeps redaction and listing cheap whatever the file holds.
const SECRETS_MAX: usize = 1_024;

/// What is wrong with a table. The parser's own words are not repeated, because they quote the line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Not text.
    #[error("it is not UTF-8")]
    NotText,
    /// Not TOML, or something other than `name = "value"`.
    #[error("line {0}: only lines such as `github.token` in quotes, `= \"value\"`, are read, each name once")]
    Line(usize),
    /// A value that cannot be a secret.
    #[error("`{name}`")]
    Value {
        /// The secret's name.
        name: SecretName,
        /// What is wrong with its value.
        #[source]
        source: NotASecret,
    },
    /// Too many secrets.
    #[error("it holds more than 1024 secrets; split it")]
    TooMany,
}

pub(super) type Table = BTreeMap<SecretName, Arc<Secret>>;

/// Reads a table. Values are copied into memory that is wiped; of a value with escapes (`\n`, `\"`) the parser may
/// leave a decoded copy behind that is not, so literal strings (`'…'`) are the better choice.
pub(super) fn parse(bytes: &[u8]) -> Result<Table, TableError> {
    let text = std::str::from_utf8(bytes).map_err(|_| TableError::NotText)?;
    let Rows(rows) = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start.min(text.len()));
        TableError::Line(text.as_bytes()[..at].split(|&byte| byte == b'\n').count())
    })?;
    if rows.len() > SECRETS_MAX {
        return Err(TableError::TooMany);
    }
    let row = |(name, value): (SecretName, Zeroizing<Vec<u8>>)| match Secret::new(value) {
        Ok(secret) => Ok((name, Arc::new(secret))),
        Err(source) => Err(TableError::Value { name, source }),
    };
    rows.into_iter().map(row).collect()
}

struct Rows(Vec<(SecretName, Zeroizing<Vec<u8>>)>);

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Rows;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("names with values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Rows, A::Error> {
                let mut rows = Vec::new();
                while let Some((name, Hidden(value))) = map.next_entry()? {
                    if rows.len() > SECRETS_MAX {
                        break;
                    }
                    rows.push((name, value));
                }
                Ok(Rows(rows))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

struct Hidden(Zeroizing<Vec<u8>>);

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Hidden;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Hidden, E> {
                Ok(Hidden(Zeroizing::new(value.as_bytes().to_vec())))
            }

            fn visit_string<E: serde::de::Error>(self, value: String) -> Result<Hidden, E> {
                Ok(Hidden(Zeroizing::new(value.into_bytes())))
            }
        }
        deserializer.deserialize_str(Read).map_err(|_| D::Error::custom("a value that is no string"))
    }
}
