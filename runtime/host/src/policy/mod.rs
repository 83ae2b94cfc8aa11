//! What the operator allows, as a value: deny everything, then rules.
//!
//! A policy only ever adds to nothing, and the order of what it says never matters. It refuses what cannot be meant (a
//! mount of a file, a guest path with `..`), and it holds its folders by descriptor, so that what was reviewed is what is
//! mounted even if the path changes hands. Reading it from TOML is in [`load`]; what follows from it for one tool is a
//! [`crate::Grant`].

mod canonical;
mod document;
mod load;
mod problem;
mod rules;
mod signer;
mod walk;
mod whom;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipnet::IpNet;
use rustix::fs::{Mode, OFlags};
use toolcell_core::Digest;
use toolcell_core::limits::{Limit, LimitError, Limits};
use toolcell_core::manifest::{Access, Callee, is_guest_path};
use toolcell_core::net::{Destination, Methods, Placement};

pub use problem::{PolicyProblems, Problem};
pub use signer::{MAX_SIGNATURE_BYTES, SIGNATURE_ENDING, SignatureError, Signer};
pub use whom::{Pattern, Subject, Whom};

use crate::boundary::Mount;

/// What the operator allows. [`Policy::deny_all`] is where every policy begins.
#[derive(Clone, Debug)]
pub struct Policy {
    limits: Limits,
    review: Review,
    extra_ca: Vec<ExtraCa>,
    secret_stores: Vec<SecretStore>,
    rules: Vec<Rule>,
}

/// Whether a tool must have been approved before it may do anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Review {
    /// Rules suffice.
    #[default]
    NotRequired,
    /// A tool without a fitting approval is inert.
    Required,
}

/// What is allowed to some tools.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What denials and receipts call it; unique among the rules of files.
    pub name: String,
    /// Who said so.
    pub source: Source,
    /// To whom.
    pub whom: Whom,
    /// What.
    pub allow: Vec<Allow>,
}

/// Who said something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The operator in person, for this process: options of a command, or code. For the same limit, place of a mount or
    /// setting that decides over what files say.
    InPerson,
    /// A file of policy.
    File {
        /// The file.
        path: PathBuf,
        /// The line on which the rule begins, from 1.
        line: usize,
    },
}

/// What a rule allows.
#[derive(Clone, Debug)]
pub enum Allow {
    /// A folder of the host at a place in the guest.
    Mount(Folder),
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
    /// Requests to a destination.
    Network(AllowedNetwork),
    /// A secret in requests to a destination.
    Secret(AllowedSecret),
    /// Keys and values that outlive a call.
    Kv(KvQuota),
    /// Calls of other tools, under the intersection of both grants.
    Call(Callee),
    /// What the author claims of the tool may be relied on.
    Confirm(Hint),
}

/// A folder of the host at a place in the guest, held by descriptor.
#[derive(Clone, Debug)]
pub struct Folder {
    /// What a call is given.
    pub mount: Mount,
    /// The path by which the operator named it.
    pub host: PathBuf,
    /// Device and inode: two rules that mount the same folder agree, however they spell it.
    pub(crate) identity: (u64, u64),
}

/// Requests to a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedNetwork {
    /// Where to.
    pub destination: Destination,
    /// By which methods.
    pub methods: Methods,
    /// Networks with addresses that are not public and may be dialled all the same, sorted.
    pub networks: Vec<IpNet>,
    /// What becomes of redirects.
    pub redirects: Redirects,
}

/// What becomes of an answer that redirects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Redirects {
    /// The tool gets it, and may send another request.
    #[default]
    Return,
    /// The host follows it, each hop checked like a request of its own.
    Follow,
}

/// A secret in requests to a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedSecret {
    /// Its name in the manifest's words.
    pub name: String,
    /// Its name in the secret stores.
    pub from: String,
    /// The one host, port and path prefix it goes to.
    pub destination: Destination,
    /// Where in the request it stands.
    pub placement: Placement,
}

/// How much a tool may keep beyond a call, for one tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvQuota {
    /// How many keys.
    pub keys: u64,
    /// The largest value, in bytes.
    pub value_bytes: u64,
    /// All keys and values together, in bytes.
    pub total_bytes: u64,
}

/// What may be relied on once it is confirmed: a claim of the author, or what the operator alone can know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hint {
    /// It changes nothing.
    ReadOnly,
    /// Twice is the same as once.
    Idempotent,
    /// Results may be kept though secrets go out with the calls. Nobody but the operator can say so.
    KeepsResults,
}

/// A file of certificates that is trusted beside the built-in ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtraCa {
    /// Where it was read.
    pub path: PathBuf,
    /// Its bytes: PEM with at least one certificate.
    pub pem: Arc<[u8]>,
}

/// Where secrets are looked for. The first store that knows a name wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretStore {
    /// Environment variables, named one by one; the binary reads them, no library does.
    Environment(BTreeMap<String, String>),
    /// A file of names and values.
    File(PathBuf),
    /// The same, encrypted with age.
    Age {
        /// The encrypted file.
        file: PathBuf,
        /// The file with the identity that decrypts it.
        identity: PathBuf,
    },
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
        Self {
            limits: Limits::default(),
            review: Review::NotRequired,
            extra_ca: Vec::new(),
            secret_stores: Vec::new(),
            rules: Vec::new(),
        }
    }

    /// Reads a file of policy, or every `*.toml` of a folder. `toolcell policy init` writes an example of all that may
    /// stand there, with what holds where two rules speak of the same thing.
    ///
    /// # Errors
    /// All that is wrong, each with file, line and column; nothing is allowed then.
    pub fn load(path: &Path) -> Result<Self, PolicyProblems> {
        load::load(path)
    }

    /// Sets a limit for every call. A rule that sets the same limit for a tool decides over it.
    ///
    /// # Errors
    /// Where the value is out of the limit's range.
    pub fn limit(mut self, limit: Limit, value: u64) -> Result<Self, PolicyError> {
        self.limits = self.limits.with(limit, value)?;
        Ok(self)
    }

    /// Allows a folder, in person. It is opened now and held by descriptor.
    ///
    /// # Errors
    /// Where `host` is no folder that can be opened, or `guest` no place for one.
    pub fn mount(self, tools: Pattern, host: &Path, guest: &str, access: Access) -> Result<Self, PolicyError> {
        let folder = Folder::open(host, guest, access)?;
        let whom = Whom::from(tools);
        let clash = |rule: &Rule| {
            let mounts = |allow: &Allow| matches!(allow, Allow::Mount(other) if other.mount.guest == guest);
            rule.source == Source::InPerson && rule.whom == whom && rule.allow.iter().any(mounts)
        };
        if self.rules.iter().any(clash) {
            return Err(PolicyError::MountedTwice(guest.to_owned()));
        }
        Ok(self.rule(Rule::new(whom, Allow::Mount(folder))))
    }

    /// Adds a rule.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Makes approvals required, or not.
    #[must_use]
    pub fn reviewed(mut self, review: Review) -> Self {
        self.review = review;
        self
    }

    /// The limits for every call, before rules.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The rules, in the order given, which means nothing.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether a tool must have been approved.
    pub fn review(&self) -> Review {
        self.review
    }

    /// Certificates that are trusted beside the built-in ones.
    pub fn extra_ca(&self) -> &[ExtraCa] {
        &self.extra_ca
    }

    /// Where secrets are looked for, the first store first.
    pub fn secret_stores(&self) -> &[SecretStore] {
        &self.secret_stores
    }

    /// Every key that a rule for this call asks a signature of. Where there is none, no signature need be looked for.
    pub fn signers(&self, subject: &Subject<'_>) -> BTreeSet<&Signer> {
        let asking = self.rules.iter().filter(|rule| rule.whom.signers.is_some() && rule.whom.names_if_signed(subject));
        asking.filter_map(|rule| rule.whom.signers.as_ref()).flatten().collect()
    }

    /// Whether the grant of a tool can differ between tenants. Where it cannot, one grant serves them all.
    pub fn tenant_matters(&self) -> bool {
        self.rules.iter().any(|rule| rule.whom.tenants.is_some())
    }

    /// The SHA-256 of all that the policy says, whatever the order and the files it was said in. Folders count by path,
    /// certificates by their bytes, secrets by name.
    pub fn digest(&self) -> Digest {
        canonical::digest(self)
    }
}

impl Rule {
    /// One thing that the operator allows in person.
    pub fn new(whom: impl Into<Whom>, allow: Allow) -> Self {
        Self { name: "in person".to_owned(), source: Source::InPerson, whom: whom.into(), allow: vec![allow] }
    }
}

impl Folder {
    /// Opens a folder for a place in the guest.
    ///
    /// # Errors
    /// Where `host` is no folder that can be opened, or `guest` no place for one.
    pub fn open(host: &Path, guest: &str, access: Access) -> Result<Self, PolicyError> {
        if !is_guest_path(guest) {
            return Err(PolicyError::GuestPath(guest.chars().take(120).flat_map(char::escape_debug).collect()));
        }
        let refused = |source| PolicyError::NotAFolder { path: host.to_owned(), source };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = File::from(rustix::fs::open(host, flags, Mode::empty()).map_err(|error| refused(error.into()))?);
        let metadata = dir.metadata().map_err(refused)?;
        Ok(Self {
            mount: Mount { guest: guest.to_owned(), dir: Arc::new(dir), access },
            host: host.to_owned(),
            identity: (metadata.dev(), metadata.ino()),
        })
    }
}

impl Allow {
    /// The key of a rule under which it stands.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Mount(_) => "mounts",
            Self::Config { .. } => "config",
            Self::Limit(..) => "limits",
            Self::ExtendedEngine => "extended-engine",
            Self::Network(_) => "network",
            Self::Secret(_) => "secrets",
            Self::Kv(_) => "kv",
            Self::Call(_) => "call",
            Self::Confirm(_) => "confirm",
        }
    }
}

impl Hint {
    /// Its name in manifests and policy.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::Idempotent => "idempotent",
            Self::KeepsResults => "keeps-results",
        }
    }
}

impl Redirects {
    /// Its name in policy.
    pub fn name(self) -> &'static str {
        match self {
            Self::Return => "return",
            Self::Follow => "follow",
        }
    }
}

#[cfg(test)]
mod tests;
