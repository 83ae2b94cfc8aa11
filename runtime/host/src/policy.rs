//! What the operator allows, as a value: deny everything, then rules.
//!
//! A policy only ever adds to nothing. It refuses what cannot be meant (a mount of a file, a guest path with `..`), and
//! it holds its folders by descriptor, so that what was reviewed is what is mounted even if the path changes hands.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use toolcell_core::limits::{Limit, LimitError, Limits};
use toolcell_core::manifest::{Access, is_guest_path};
use toolcell_core::{ComponentName, Digest, ToolId};

use crate::boundary::Mount;

/// What the operator allows. [`Policy::deny_all`] is where every policy begins.
#[derive(Clone, Debug)]
pub struct Policy {
    limits: Limits,
    rules: Vec<Rule>,
}

/// One thing that is allowed to the tools a pattern names.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Whom it is for.
    pub tools: Pattern,
    /// What is allowed.
    pub allow: Allow,
}

/// Names tools without any chance of naming too many: there are no wildcards inside a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Every tool.
    Any,
    /// Every tool of a component, by the operator's name of it.
    Component(ComponentName),
    /// One tool.
    Tool(ToolId),
    /// Every tool of the component with exactly these bytes.
    Digest(Digest),
}

/// What a rule allows.
#[derive(Clone, Debug)]
pub enum Allow {
    /// A folder of the host at a place in the guest.
    Mount(Mount),
    /// The value of a setting.
    Config {
        /// Its name.
        key: String,
        /// Its value; never a secret.
        value: String,
    },
    /// Another value for a limit of a call.
    Limit(Limit, u64),
    /// Languages that need garbage collection or exceptions in the engine.
    ExtendedEngine,
}

/// A policy that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The folder cannot be opened as a folder.
    #[error("cannot mount `{}`: {source}", .path.display())]
    NotAFolder {
        /// The host's path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The place in the guest.
    #[error("cannot mount at `{0}`: give an absolute path such as `/data`, without `.`, `..`, `//` or a trailing `/`")]
    GuestPath(String),
    /// Two mounts of overlapping rules at one place.
    #[error("two mounts at `{0}` for the same tools")]
    MountedTwice(String),
    /// A limit's value.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

impl Policy {
    /// Nothing is allowed; the limits are the defaults of the table.
    pub fn deny_all() -> Self {
        Self { limits: Limits::default(), rules: Vec::new() }
    }

    /// Sets a limit for every call.
    ///
    /// # Errors
    /// Where the value is out of the limit's range.
    pub fn limit(mut self, limit: Limit, value: u64) -> Result<Self, PolicyError> {
        self.limits = self.limits.with(limit, value)?;
        Ok(self)
    }

    /// Allows a folder. It is opened now and held by descriptor.
    ///
    /// # Errors
    /// Where `host` is no folder that can be opened, or `guest` no place for one.
    pub fn mount(self, tools: Pattern, host: &Path, guest: &str, access: Access) -> Result<Self, PolicyError> {
        if !is_guest_path(guest) {
            return Err(PolicyError::GuestPath(guest.chars().take(120).flat_map(char::escape_debug).collect()));
        }
        let clash =
            |rule: &Rule| rule.tools == tools && matches!(&rule.allow, Allow::Mount(other) if other.guest == guest);
        if self.rules.iter().any(clash) {
            return Err(PolicyError::MountedTwice(guest.to_owned()));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(host, flags, Mode::empty())
            .map_err(|error| PolicyError::NotAFolder { path: host.to_owned(), source: error.into() })?;
        let mount = Mount { guest: guest.to_owned(), dir: Arc::new(File::from(dir)), access };
        Ok(self.rule(Rule { tools, allow: Allow::Mount(mount) }))
    }

    /// Adds a rule.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// The limits for every call, before rules.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The rules, in the order given.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
}

impl Pattern {
    /// Whether a tool of a component is named.
    pub fn names(&self, tool: &ToolId, component: Digest) -> bool {
        match self {
            Self::Any => true,
            Self::Component(name) => tool.component() == name.as_str(),
            Self::Tool(id) => id == tool,
            Self::Digest(digest) => *digest == component,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_names_exactly_what_it_says() {
        let tool: ToolId = "json.query".parse().expect("an id");
        let digest = Digest::of(b"a");
        let component = |name: &str| Pattern::Component(name.parse().expect("a name"));
        assert!(component("json").names(&tool, digest));
        assert!(!component("jso").names(&tool, digest));
        assert!(!component("json-query").names(&tool, digest));
        assert!(Pattern::Digest(digest).names(&tool, digest));
        assert!(!Pattern::Digest(Digest::of(b"b")).names(&tool, digest));
        assert!(!Pattern::Tool("json.merge".parse().expect("an id")).names(&tool, digest));
    }

    #[test]
    fn what_cannot_be_mounted_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        std::fs::write(&file, b"").expect("writes");
        let mount = |host: &Path, guest: &str| Policy::deny_all().mount(Pattern::Any, host, guest, Access::ReadOnly);
        assert!(mount(folder.path(), "/data").is_ok());
        assert!(matches!(mount(&file, "/data"), Err(PolicyError::NotAFolder { .. })));
        assert!(matches!(mount(&folder.path().join("none"), "/data"), Err(PolicyError::NotAFolder { .. })));
        for guest in ["", "/", "data", "/a/../b", "/a//b", "/a/", "/a\0b", "/a\nb"] {
            assert!(matches!(mount(folder.path(), guest), Err(PolicyError::GuestPath(_))), "{guest:?}");
        }
        let twice = mount(folder.path(), "/data").expect("mounts");
        assert!(twice.mount(Pattern::Any, folder.path(), "/data", Access::ReadWrite).is_err());
    }
}
