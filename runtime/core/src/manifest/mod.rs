//! `tool.toml`: what the author says of a component and asks for. Always untrusted; policy decides.

mod capabilities;
#[cfg(test)]
mod requests;
mod written;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::limits::Limit;
use crate::units::{Bytes, Span};

pub use capabilities::{
    Access, Callee, Capabilities, FolderRequest, KvRequest, MAX_KV_BYTES, MAX_KV_KEYS, MAX_KV_VALUE, NetworkRequest,
    Reach, SecretRequest, bound_to_one_host, is_config_key, is_guest_path, is_secret_name,
};

/// The custom section that holds the exact bytes of `tool.toml`.
pub const MANIFEST_SECTION: &str = "toolcell:manifest";

/// The largest manifest, in bytes. It is read for every component of a folder, before anything is trusted.
pub const MAX_MANIFEST_BYTES: usize = 64 * 1024;

/// What the author says and requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Manifest {
    /// The author's name for it; the operator's file name is what counts.
    pub name: String,
    /// A semantic version.
    pub version: String,
    /// One word to group tools by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// One sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<String>,
    /// An SPDX expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// Where its source is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Hints for every function.
    #[serde(default)]
    pub hints: Hints,
    /// What differs for one function, by `function` or `interface.function`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tools: BTreeMap<String, PerTool>,
    /// Calls worth showing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<Example>,
    /// What it asks for.
    #[serde(default)]
    pub capabilities: Capabilities,
    /// What it thinks it needs.
    #[serde(default)]
    pub limits: RequestedLimits,
}

/// What differs for one function.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PerTool {
    /// Hints that replace the manifest's own.
    #[serde(default)]
    pub hints: Hints,
}

/// What the author claims of a function. Nothing relies on a hint that policy has not confirmed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Hints {
    /// It changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
    /// Twice is the same as once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotent: Option<bool>,
    /// It can destroy something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destructive: Option<bool>,
    /// It talks to a world that others change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_world: Option<bool>,
}

/// A call worth showing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Example {
    /// `function` or `interface.function`.
    pub tool: String,
    /// What it shows.
    pub description: String,
    /// The arguments as JSON text.
    pub arguments: String,
}

/// What it thinks it needs. The operator decides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RequestedLimits {
    /// Linear memory in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// Fuel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// Wall-clock time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
}

/// A manifest that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Over [`MAX_MANIFEST_BYTES`].
    #[error("the manifest has {0} bytes; at most {MAX_MANIFEST_BYTES} are read")]
    TooLarge(usize),
    /// Not UTF-8.
    #[error("the manifest is not UTF-8")]
    NotUtf8,
    /// Not TOML, or not this format.
    #[error("line {line}, column {column}: {message}")]
    Malformed {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// The format is right and a value is not.
    #[error("`{key}`: {problem}")]
    BadValue {
        /// Where.
        key: String,
        /// What is wrong.
        problem: String,
    },
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// Where it is too large, no TOML, has unknown keys, or values that cannot be.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLarge(bytes.len()));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| ManifestError::NotUtf8)?;
        let manifest: Self = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start).min(text.len());
            let before = &text.as_bytes()[..at];
            ManifestError::Malformed {
                line: memchr::memchr_iter(b'\n', before).count() + 1,
                column: before.iter().rev().take_while(|b| **b != b'\n').count() + 1,
                message: shown(error.message()),
            }
        })?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The hints of one function: its own where it has them, else the manifest's.
    pub fn hints_of(&self, function: &str) -> Hints {
        let own = self.tools.get(function).map(|tool| tool.hints).unwrap_or_default();
        Hints {
            read_only: own.read_only.or(self.hints.read_only),
            idempotent: own.idempotent.or(self.hints.idempotent),
            destructive: own.destructive.or(self.hints.destructive),
            open_world: own.open_world.or(self.hints.open_world),
        }
    }

    fn check(&self) -> Result<(), ManifestError> {
        let bad =
            |key: &str, problem: &str| ManifestError::BadValue { key: key.to_owned(), problem: problem.to_owned() };
        if self.name.parse::<crate::tool::ComponentName>().is_err() {
            return Err(bad("name", "use 1 to 64 of a-z, 0-9, `-` and `_`, beginning with a letter or digit"));
        }
        if self.version.is_empty() || self.version.len() > 64 {
            return Err(bad("version", "give a semantic version such as \"0.1.0\""));
        }
        let ceiling = |limit: Limit| limit.row().ceiling;
        let limits = &self.limits;
        let asked = [
            ("limits.memory", limits.memory.map(|b| b.0), Limit::Memory),
            ("limits.fuel", limits.fuel, Limit::Fuel),
            ("limits.timeout", limits.timeout.map(|s| u64::try_from(s.0.as_millis()).unwrap_or(u64::MAX)), Limit::Time),
        ];
        for (key, value, limit) in asked {
            if value.is_some_and(|value| value == 0 || value > ceiling(limit)) {
                return Err(bad(key, &format!("must be between 1 and {}", limit.show(ceiling(limit)))));
            }
        }
        Ok(())
    }
}

/// A parser's message, shortened and with nothing in it that acts: it quotes what a stranger wrote.
fn shown(message: &str) -> String {
    message.chars().take(MAX_MESSAGE).fold(String::new(), |mut shown, c| {
        match c {
            '"' | '\'' | '\\' => shown.push(c),
            _ => shown.extend(c.escape_debug()),
        }
        shown
    })
}

/// How much of a parser's message is kept, in characters.
const MAX_MESSAGE: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
name = "json"
version = "0.1.0"
category = "data"
description = "One sentence."
authors = ["Toolcell"]
license = "Apache-2.0 OR MIT"
[hints]
read-only = true
[tools.index.hints]
read-only = false
[[examples]]
tool = "query"
description = "What it shows."
arguments = '{"a":1}'
[capabilities]
filesystem = [{ guest = "/docs", access = "read-only", reason = "The documents." }]
config = ["unit"]
[limits]
memory = "64 MiB"
fuel = 2_000_000_000
timeout = "5s"
"#;

    #[test]
    fn a_whole_manifest_is_read() {
        let manifest = Manifest::parse(WHOLE.as_bytes()).expect("reads");
        assert_eq!(manifest.hints_of("query").read_only, Some(true));
        assert_eq!(manifest.hints_of("index").read_only, Some(false));
        assert_eq!(manifest.limits.memory, Some(Bytes(64 << 20)));
        assert_eq!(manifest.capabilities.filesystem[0].access, Access::ReadOnly);
    }

    #[test]
    fn unknown_keys_are_refused_with_their_place() {
        let error = Manifest::parse(b"name = \"a\"\nversion = \"1\"\nnetwork = true\n").expect_err("unknown key");
        assert!(error.to_string().starts_with("line 3, column 1: unknown field `network`"), "{error}");
        let hostile = format!("\"a\\u001b[2J\\n{}\" = 1", "x".repeat(10_000));
        let error = Manifest::parse(hostile.as_bytes()).expect_err("unknown key").to_string();
        assert!(error.len() < 600 && error.contains("a\\u{1b}[2J\\nx"), "{error}");
    }

    #[test]
    fn values_that_cannot_be_are_refused() {
        for text in [
            "",
            "name = 1",
            "name = \"A B\"\nversion = \"1\"",
            "name = \"a\"\nversion = \"\"",
            "name = \"a\"\nname = \"a\"\nversion = \"1\"",
            "name = \"a\"\nversion = \"1\"\n[limits]\nfuel = 0",
            "name = \"a\"\nversion = \"1\"\n[limits]\nmemory = \"900 GiB\"",
            "name = \"a\"\nversion = \"1\"\n[capabilities]\nfilesystem = [{ guest = \"/a/../b\", access = \"read-only\" }]",
            "name = \"a\"\nversion = \"1\"\n[capabilities]\nfilesystem = [{ guest = \"/a\", access = \"all\" }]",
            "\u{0}",
            "[[[[[",
        ] {
            assert!(Manifest::parse(text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(matches!(Manifest::parse(&[0xff]), Err(ManifestError::NotUtf8)));
        assert!(matches!(Manifest::parse(&vec![b'#'; 70_000]), Err(ManifestError::TooLarge(_))));
    }
}
