//! How components and tools are named.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest component name. With interface and function it must stay readable in logs and receipts.
pub const MAX_COMPONENT_NAME: usize = 64;

/// The longest full tool id, in bytes. A guest chooses most of it, and it becomes a key in receipts and metrics.
pub const MAX_TOOL_ID: usize = 256;

/// The operator's name of a component: its file stem. Lower-case letters, digits, `-` and `_`; begins with a letter or digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComponentName(Arc<str>);

/// The full id of a tool: `component.function` or `component.interface.function`.
///
/// It never shortens or changes when a sibling appears.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ToolId(Arc<str>);

/// A name that is not acceptable.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NameError {
    /// A component's file stem.
    #[error(
        "`{0}` cannot name a component: rename the file, using 1 to 64 of a-z, 0-9, `-` and `_`, beginning with a letter or digit"
    )]
    Component(String),
    /// A tool id.
    #[error("`{0}` is not a tool id: write `component.function` or `component.interface.function`")]
    Tool(String),
}

/// What a message may show of a name that somebody else chose.
fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

fn is_label(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

impl ComponentName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ComponentName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let fits = text.len() <= MAX_COMPONENT_NAME
            && is_label(text)
            && !text.bytes().any(|b| b.is_ascii_uppercase())
            && text.as_bytes()[0].is_ascii_alphanumeric();
        if fits { Ok(Self(text.into())) } else { Err(NameError::Component(shown(text))) }
    }
}

impl ToolId {
    /// The id of a function of a component, exported at the root or in an interface (its own short name).
    ///
    /// # Errors
    /// Where a name holds anything but letters, digits, `-` and `_`, or the whole is over [`MAX_TOOL_ID`].
    pub fn new(component: &ComponentName, interface: Option<&str>, function: &str) -> Result<Self, NameError> {
        match interface {
            Some(interface) => format!("{component}.{interface}.{function}").parse(),
            None => format!("{component}.{function}").parse(),
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The component's part.
    pub fn component(&self) -> &str {
        self.0.split('.').next().unwrap_or(&self.0)
    }

    /// What follows the component's part: `function` or `interface.function`.
    pub fn within(&self) -> &str {
        self.0.split_once('.').map_or("", |(_, rest)| rest)
    }
}

impl FromStr for ToolId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let parts = text.split('.').count();
        if text.len() <= MAX_TOOL_ID && (2..=3).contains(&parts) && text.split('.').all(is_label) {
            Ok(Self(text.into()))
        } else {
            Err(NameError::Tool(shown(text)))
        }
    }
}

macro_rules! text_like {
    ($name:ty) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}
text_like!(ComponentName);
text_like!(ToolId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_two_or_three_parts() {
        let id: ToolId = "json.query".parse().expect("two parts");
        assert_eq!((id.component(), id.within()), ("json", "query"));
        let id: ToolId = "calc.add-ops.add".parse().expect("three parts");
        assert_eq!((id.component(), id.within()), ("calc", "add-ops.add"));
        for text in ["json", "a.b.c.d", "a..b", ".a", "a.", "a.b c", "a.b\u{1b}[2J", &format!("a.{}", "x".repeat(300))]
        {
            assert!(text.parse::<ToolId>().is_err(), "{text}");
        }
    }

    #[test]
    fn component_names_are_what_a_file_stem_may_be() {
        for text in ["", "-a", "A", "a.b", "a/b", "..", "a b", "ä", &"x".repeat(65)] {
            assert!(text.parse::<ComponentName>().is_err(), "{text}");
        }
        assert!("leads-2_b".parse::<ComponentName>().is_ok());
    }
}
