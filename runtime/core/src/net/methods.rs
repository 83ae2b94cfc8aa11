//! Sets of HTTP methods.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::shown;

/// The most methods in one set. There are about forty registered ones, and a rule that needs many is no rule.
pub const MAX_METHODS: usize = 16;

/// The longest method, in bytes; the longest registered one has 17.
const MAX_METHOD: usize = 32;

/// One or more HTTP methods, in upper case, never `CONNECT` or `TRACE`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Methods(BTreeSet<String>);

/// Words that cannot be a set of methods.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum MethodsError {
    /// No method. An empty list never means all.
    #[error("the list of methods is empty; name each, as in [\"GET\", \"POST\"]")]
    Empty,
    /// Not a token in upper case.
    #[error("`{0}` is not a method: upper-case letters and `-`, as in \"GET\" or \"M-SEARCH\"")]
    NotAMethod(String),
    /// Methods that are about the connection, not about a resource.
    #[error("{0} is never sent for a tool")]
    NeverSent(&'static str),
    /// The same one twice.
    #[error("{0} stands twice in the list of methods")]
    Twice(String),
    /// Over [`MAX_METHODS`].
    #[error("{0} methods in one list; at most {MAX_METHODS}")]
    TooMany(usize),
}

impl Methods {
    /// The set of these methods.
    ///
    /// # Errors
    /// See [`MethodsError`].
    pub fn parse<I: IntoIterator<Item: AsRef<str>>>(methods: I) -> Result<Self, MethodsError> {
        let mut set = BTreeSet::new();
        for (index, method) in methods.into_iter().enumerate() {
            if index >= MAX_METHODS {
                return Err(MethodsError::TooMany(index + 1));
            }
            let method = method.as_ref();
            if let Some(never) = ["CONNECT", "TRACE"].into_iter().find(|never| method.eq_ignore_ascii_case(never)) {
                return Err(MethodsError::NeverSent(never));
            }
            let letters = method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
            if !letters || !method.starts_with(|c: char| c != '-') || method.len() > MAX_METHOD {
                return Err(MethodsError::NotAMethod(shown(method)));
            }
            if !set.insert(method.to_owned()) {
                return Err(MethodsError::Twice(method.to_owned()));
            }
        }
        if set.is_empty() { Err(MethodsError::Empty) } else { Ok(Self(set)) }
    }

    /// Whether it is in the set. Methods are case-sensitive (RFC 9110, section 9.1).
    pub fn covers(&self, method: &str) -> bool {
        self.0.contains(method)
    }

    /// The methods of both; none where they share none.
    pub fn meet(&self, other: &Self) -> Option<Self> {
        let shared: BTreeSet<_> = self.0.intersection(&other.0).cloned().collect();
        (!shared.is_empty()).then_some(Self(shared))
    }

    /// Each method, in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// `GET` or `GET,POST`.
impl fmt::Display for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, method) in self.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { "," })?;
            f.write_str(method)?;
        }
        Ok(())
    }
}

impl TryFrom<Vec<String>> for Methods {
    type Error = MethodsError;

    fn try_from(methods: Vec<String>) -> Result<Self, MethodsError> {
        Self::parse(methods)
    }
}

impl From<Methods> for Vec<String> {
    fn from(methods: Methods) -> Self {
        methods.0.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn methods(words: &[&str]) -> Result<Methods, MethodsError> {
        Methods::parse(words)
    }

    #[test]
    fn a_set_covers_what_it_names_and_nothing_in_another_case() {
        let set = methods(&["POST", "GET"]).expect("two methods");
        assert!(set.covers("GET") && set.covers("POST"));
        assert!(!set.covers("get") && !set.covers("DELETE") && !set.covers(""));
        assert_eq!(set.to_string(), "GET,POST");
        let json = serde_json::to_string(&set).expect("a list of strings");
        assert_eq!(json, r#"["GET","POST"]"#);
        assert_eq!(serde_json::from_str::<Methods>(&json).ok(), Some(set));
    }

    #[test]
    fn what_is_no_method_is_refused() {
        assert_eq!(methods(&[]), Err(MethodsError::Empty));
        assert_eq!(methods(&["GET", "GET"]), Err(MethodsError::Twice("GET".to_owned())));
        assert_eq!(methods(&["connect"]), Err(MethodsError::NeverSent("CONNECT")));
        assert_eq!(methods(&["TRACE"]), Err(MethodsError::NeverSent("TRACE")));
        for word in ["", "get", "*", "GET ", "GET\r\n", "-", "GÉT", &"X".repeat(33)] {
            assert!(matches!(methods(&[word]), Err(MethodsError::NotAMethod(_))), "{word:?}");
        }
        let many: Vec<_> = (0..100).map(|n| "X".repeat(n % 30 + 1)).collect();
        assert!(Methods::parse(many).is_err());
        assert!(serde_json::from_str::<Methods>("[]").is_err());
    }

    #[test]
    fn two_sets_meet_in_what_they_share() {
        let (read, write) = (methods(&["GET", "HEAD"]).expect("set"), methods(&["POST", "GET"]).expect("set"));
        assert_eq!(read.meet(&write), methods(&["GET"]).ok());
        assert_eq!(read.meet(&methods(&["PUT"]).expect("set")), None);
    }
}
