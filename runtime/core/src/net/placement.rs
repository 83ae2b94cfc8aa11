//! Where in a request a secret is put.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::shown;

/// The longest header name, query name, prefix or user, in bytes.
const MAX_PART: usize = 128;

/// The one place of a request that a secret is put into.
///
/// Two placements are equal where a server reads them alike: names of headers in any case.
#[derive(Clone, Debug, Eq, Serialize, Deserialize)]
#[serde(try_from = "Keys", into = "Keys")]
pub enum Placement {
    /// In a header: `header = "Authorization"`, with `prefix = "Bearer "` where something goes before the value.
    Header {
        /// The header's name, as it was written.
        name: String,
        /// What goes before the value; often empty.
        prefix: String,
    },
    /// In the query: `query = "key"`.
    Query {
        /// The parameter's name.
        name: String,
    },
    /// As the password of basic authentication: `basic = "user"`.
    Basic {
        /// The user's name; may be empty.
        user: String,
    },
}

/// A placement that is refused.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlacementError {
    /// None of the three, or several.
    #[error("a secret is placed by exactly one of `header`, `query` and `basic`")]
    NotOne,
    /// A prefix without a header.
    #[error("`prefix` goes with `header` only")]
    Prefix,
    /// Not the name of a header.
    #[error(
        "`{0}` cannot be a header with a secret; headers about the connection, the length or the host are the host's own"
    )]
    Header(String),
    /// Not the name of a parameter.
    #[error("`{0}` cannot be a query parameter with a secret; use letters, digits, `-`, `.`, `_` and `~`")]
    Query(String),
    /// A prefix or user with characters that a header cannot have, or too long.
    #[error("`{0}` cannot stand before a secret: at most {MAX_PART} printable ASCII characters, and no `:` in a user")]
    Text(String),
}

/// Whether a header belongs to the host alone: it says how a message is framed, where it goes, or what the connection
/// does. Neither a guest nor a placement sets one. Names are compared in any case.
pub fn is_reserved_header(name: &str) -> bool {
    const RESERVED: [&str; 12] = [
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
    ];
    RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved))
        || name.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("proxy-"))
}

impl Placement {
    /// The placement that these keys of a manifest or policy mean.
    ///
    /// # Errors
    /// Where it isn't exactly one of header, query and basic, or where that one can't hold a secret.
    pub fn from_keys(
        header: Option<String>,
        prefix: Option<String>,
        query: Option<String>,
        basic: Option<String>,
    ) -> Result<Self, PlacementError> {
        if prefix.is_some() && header.is_none() {
            return Err(PlacementError::Prefix);
        }
        let placement = match (header, query, basic) {
            (Some(name), None, None) => Self::Header { name, prefix: prefix.unwrap_or_default() },
            (None, Some(name), None) => Self::Query { name },
            (None, None, Some(user)) => Self::Basic { user },
            _ => return Err(PlacementError::NotOne),
        };
        placement.checked()
    }

    fn checked(self) -> Result<Self, PlacementError> {
        let fits = |text: &str| text.len() <= MAX_PART && text.bytes().all(|b| matches!(b, b' '..=b'~'));
        match &self {
            Self::Header { name, .. } if !is_token(name) || is_reserved_header(name) => {
                Err(PlacementError::Header(shown(name)))
            }
            Self::Header { prefix, .. } if !fits(prefix) => Err(PlacementError::Text(shown(prefix))),
            Self::Query { name } if !is_parameter(name) => Err(PlacementError::Query(shown(name))),
            Self::Basic { user } if !fits(user) || user.contains(':') => Err(PlacementError::Text(shown(user))),
            _ => Ok(self),
        }
    }
}

/// RFC 9110, section 5.6.2.
fn is_token(name: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    (1..=MAX_PART).contains(&name.len()) && name.bytes().all(letter)
}

/// What RFC 3986 leaves unreserved, so that the name has one spelling in a query.
fn is_parameter(name: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    (1..=MAX_PART).contains(&name.len()) && name.bytes().all(letter)
}

impl PartialEq for Placement {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Header { name, prefix }, Self::Header { name: theirs, prefix: before }) => {
                name.eq_ignore_ascii_case(theirs) && prefix == before
            }
            (Self::Query { name: ours }, Self::Query { name: theirs })
            | (Self::Basic { user: ours }, Self::Basic { user: theirs }) => ours == theirs,
            _ => false,
        }
    }
}

/// `in header X-Key`, `in header Authorization after "Bearer "`, `in query parameter key`, `as password of user`.
impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header { name, prefix } if prefix.is_empty() => write!(f, "in header {name}"),
            Self::Header { name, prefix } => write!(f, "in header {name} after {prefix:?}"),
            Self::Query { name } => write!(f, "in query parameter {name}"),
            Self::Basic { user } => write!(f, "as password of {user:?}"),
        }
    }
}

/// A placement as it is written.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Keys {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    header: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    basic: Option<String>,
}

impl TryFrom<Keys> for Placement {
    type Error = PlacementError;

    fn try_from(keys: Keys) -> Result<Self, PlacementError> {
        Self::from_keys(keys.header, keys.prefix, keys.query, keys.basic)
    }
}

impl From<Placement> for Keys {
    fn from(placement: Placement) -> Self {
        match placement {
            Placement::Header { name, prefix } => {
                let prefix = (!prefix.is_empty()).then_some(prefix);
                Self { header: Some(name), prefix, ..Self::default() }
            }
            Placement::Query { name } => Self { query: Some(name), ..Self::default() },
            Placement::Basic { user } => Self { basic: Some(user), ..Self::default() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(toml: &str) -> Option<Placement> {
        toml::from_str(toml).ok()
    }

    #[test]
    fn each_placement_reads_as_it_is_written() {
        let header = Placement::Header { name: "X-Key".to_owned(), prefix: String::new() };
        let bearer = Placement::Header { name: "authorization".to_owned(), prefix: "Bearer ".to_owned() };
        assert_eq!(read(r#"header = "x-key""#), Some(header));
        assert_eq!(read("header = 'Authorization'\nprefix = 'Bearer '"), Some(bearer));
        assert_eq!(read("query = 'key'"), Some(Placement::Query { name: "key".to_owned() }));
        assert_eq!(read("basic = ''"), Some(Placement::Basic { user: String::new() }));
        for text in ["header = 'A'\nprefix = 'b '", "query = 'key'", "basic = 'user'"] {
            let placement = read(text).expect("a placement");
            let again = toml::to_string(&placement).expect("strings");
            assert_eq!(read(&again), Some(placement), "{again}");
        }
    }

    #[test]
    fn a_placement_is_one_place_that_may_hold_a_secret() {
        for text in [
            "",
            "prefix = 'Bearer '",
            "query = 'a'\nprefix = 'b'",
            "header = 'A'\nquery = 'b'",
            "header = 'Host'",
            "header = 'content-LENGTH'",
            "header = 'Proxy-Authorization'",
            "header = 'A B'",
            "header = ''",
            "header = \"A\\r\\nB\"",
            "header = 'A'\nprefix = \"\\n\"",
            "query = 'a&b'",
            "query = ''",
            "basic = 'a:b'",
            "basic = 'ä'",
            "header = 'A'\nother = 'x'",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
