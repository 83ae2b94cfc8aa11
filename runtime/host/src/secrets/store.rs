//! Looking a secret up by name: the trait, the map that the binary fills, and several stores in order.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::name::SecretName;
use super::private::PrivateFileError;
use super::table::TableError;
use super::value::Secret;

/// Answers secrets by name.
pub trait SecretStore: Send + Sync {
    /// The secret of that name; none where the store does not know it.
    fn get(&self, name: &SecretName) -> Result<Option<Arc<Secret>>, SecretError>;

    /// The names that it knows, sorted.
    fn names(&self) -> Vec<SecretName>;

    /// What an operator calls it, such as `secret file /etc/toolcell/secrets.toml`. Messages name it.
    fn describe(&self) -> String;

    /// Reads again where what it reads has changed. After an error the secrets are those from before.
    fn reload(&self) -> Result<Reload, SecretError> {
        Ok(Reload::Unchanged)
    }
}

/// What a reload found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// Nothing new; nothing was read.
    Unchanged,
    /// The secrets were read again. Calls in flight keep the values that they began with.
    Changed,
}

/// Why a secret cannot be had. No variant holds a value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// No store knows the name.
    #[error("no secret is called `{name}`; looked in: {looked_in}. Add it to one of them, or correct the name")]
    Missing {
        /// The name.
        name: SecretName,
        /// The stores, in the order they were asked.
        looked_in: String,
    },
    /// A file is not private, or cannot be read.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// What a file holds is no table of secrets.
    #[error("{} holds no table of secrets", path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        #[source]
        source: TableError,
    },
    /// A file was encrypted with a passphrase.
    #[error(
        "{} is encrypted with a passphrase, which a service cannot type; encrypt it to an identity: `age -r age1… -o FILE`",
        .0.display()
    )]
    Passphrase(PathBuf),
    /// A file is encrypted to other identities.
    #[error("no identity in {} decrypts {}; encrypt it to one of them: `age -r age1… -o FILE`", identity.display(), path.display())]
    OtherIdentity {
        /// The encrypted file.
        path: PathBuf,
        /// The identity file.
        identity: PathBuf,
    },
    /// A file is no age file, or was changed after it was encrypted.
    #[error("{} is no whole age file: {problem}", path.display())]
    Encrypted {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: &'static str,
    },
    /// An identity file holds no usable identities.
    #[error("{} holds no usable identity: {problem}", path.display())]
    Identity {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

/// Secrets that somebody else fetched: the binary fills it from the environment variables that the operator named.
pub struct MappedSecrets {
    origin: String,
    secrets: BTreeMap<SecretName, Arc<Secret>>,
}

impl MappedSecrets {
    /// An empty map. `origin` is what messages call it, such as `environment`.
    pub fn new(origin: impl Into<String>) -> Self {
        Self { origin: origin.into(), secrets: BTreeMap::new() }
    }

    /// Adds a secret; one of the same name is replaced and answered.
    pub fn insert(&mut self, name: SecretName, secret: Secret) -> Option<Arc<Secret>> {
        self.secrets.insert(name, Arc::new(secret))
    }
}

impl SecretStore for MappedSecrets {
    fn get(&self, name: &SecretName) -> Result<Option<Arc<Secret>>, SecretError> {
        Ok(self.secrets.get(name).map(Arc::clone))
    }

    fn names(&self) -> Vec<SecretName> {
        self.secrets.keys().cloned().collect()
    }

    fn describe(&self) -> String {
        self.origin.clone()
    }
}

impl fmt::Debug for MappedSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MappedSecrets").field("origin", &self.origin).field("names", &self.secrets.keys()).finish()
    }
}

/// Several stores; the first that knows a name answers.
#[derive(Default)]
pub struct Stores(Vec<Arc<dyn SecretStore>>);

impl Stores {
    /// The stores, in the order in which they are asked.
    pub fn new(stores: impl IntoIterator<Item = Arc<dyn SecretStore>>) -> Self {
        Self(stores.into_iter().collect())
    }

    /// The secret of that name.
    ///
    /// # Errors
    /// Where a store cannot answer, because falling through to the next one could quietly use another value; and
    /// where no store knows the name.
    pub fn find(&self, name: &SecretName) -> Result<Arc<Secret>, SecretError> {
        self.get(name)?.ok_or_else(|| SecretError::Missing { name: name.clone(), looked_in: self.describe() })
    }
}

impl SecretStore for Stores {
    fn get(&self, name: &SecretName) -> Result<Option<Arc<Secret>>, SecretError> {
        for store in &self.0 {
            if let Some(secret) = store.get(name)? {
                return Ok(Some(secret));
            }
        }
        Ok(None)
    }

    fn names(&self) -> Vec<SecretName> {
        let mut names: Vec<_> = self.0.iter().flat_map(|store| store.names()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn describe(&self) -> String {
        match &*self.0 {
            [] => "nowhere, as no store of secrets is configured".to_owned(),
            stores => stores.iter().map(|store| store.describe()).collect::<Vec<_>>().join(", "),
        }
    }

    /// Reloads every store, also behind one that fails, and answers the first error.
    fn reload(&self) -> Result<Reload, SecretError> {
        let mut found = Ok(Reload::Unchanged);
        for store in &self.0 {
            match (store.reload(), &found) {
                (Ok(Reload::Changed), Ok(_)) => found = Ok(Reload::Changed),
                (Err(error), Ok(_)) => found = Err(error),
                _ => {}
            }
        }
        found
    }
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stores({})", self.describe())
    }
}
