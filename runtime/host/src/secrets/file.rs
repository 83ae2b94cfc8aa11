//! Secrets in a file: as they are, or encrypted with age. Both are read whole, once, and again only when they changed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use age::armor::ArmoredReader;
use age::{DecryptError, Decryptor, IdentityFile};
use zeroize::Zeroizing;

use super::name::SecretName;
use super::private::{PrivateFile, Stamp, read_bounded};
use super::store::{Reload, SecretError, SecretStore};
use super::table::{self, Table};
use super::value::Secret;

/// The longest file of secrets, in bytes, encrypted or not. It bounds what reading one costs.
const FILE_MAX: usize = 1 << 20;

/// The longest identity file, in bytes: some keys with their comments.
const IDENTITY_MAX: usize = 64 << 10;

/// The most identities tried and the most recipients looked at. Each pair costs a Diffie-Hellman exchange of about
/// 0.1 ms, so that a hostile header costs a tenth of a second and not minutes.
const IDENTITIES_MAX: usize = 16;
const RECIPIENTS_MAX: usize = 64;

/// A file of secrets as TOML. It must be ours, of mode 0600, and no link.
pub struct SecretFile {
    path: PathBuf,
    read: Mutex<(Stamp, Table)>,
}

impl SecretFile {
    /// Reads a file.
    pub fn open(path: &Path) -> Result<Self, SecretError> {
        Ok(Self { path: path.to_owned(), read: Mutex::new(read_plain(PrivateFile::open(path)?, path)?) })
    }
}

impl SecretStore for SecretFile {
    fn get(&self, name: &SecretName) -> Result<Option<Arc<Secret>>, SecretError> {
        Ok(lock(&self.read).1.get(name).map(Arc::clone))
    }

    fn names(&self) -> Vec<SecretName> {
        lock(&self.read).1.keys().cloned().collect()
    }

    fn describe(&self) -> String {
        format!("secret file {}", self.path.display())
    }

    fn reload(&self) -> Result<Reload, SecretError> {
        let file = PrivateFile::open(&self.path)?;
        if file.stamp == lock(&self.read).0 {
            return Ok(Reload::Unchanged);
        }
        let read = read_plain(file, &self.path)?;
        *lock(&self.read) = read;
        Ok(Reload::Changed)
    }
}

fn read_plain(file: PrivateFile<'_>, path: &Path) -> Result<(Stamp, Table), SecretError> {
    let stamp = file.stamp;
    Ok((stamp, parse(&file.read(FILE_MAX)?, path)?))
}

fn parse(bytes: &[u8], path: &Path) -> Result<Table, SecretError> {
    table::parse(bytes).map_err(|source| SecretError::Table { path: path.to_owned(), source })
}

/// The same table, encrypted with [age](https://age-encryption.org/v1), binary or armored, to an X25519 identity.
///
/// The identity file and the encrypted file are both held to the rules of [`SecretFile`]. Passphrases are refused.
pub struct AgeFile {
    path: PathBuf,
    identity: PathBuf,
    read: Mutex<(Stamp, Stamp, Table)>,
}

impl AgeFile {
    /// Decrypts `path` with an identity from the file `identity`, as `age-keygen` writes it.
    pub fn open(path: &Path, identity: &Path) -> Result<Self, SecretError> {
        let (file, key) = (PrivateFile::open(path)?, PrivateFile::open(identity)?);
        let read = Mutex::new(read_encrypted(file, path, key, identity)?);
        Ok(Self { path: path.to_owned(), identity: identity.to_owned(), read })
    }
}

impl SecretStore for AgeFile {
    fn get(&self, name: &SecretName) -> Result<Option<Arc<Secret>>, SecretError> {
        Ok(lock(&self.read).2.get(name).map(Arc::clone))
    }

    fn names(&self) -> Vec<SecretName> {
        lock(&self.read).2.keys().cloned().collect()
    }

    fn describe(&self) -> String {
        format!("age file {}", self.path.display())
    }

    fn reload(&self) -> Result<Reload, SecretError> {
        let (file, key) = (PrivateFile::open(&self.path)?, PrivateFile::open(&self.identity)?);
        {
            let read = lock(&self.read);
            if (file.stamp, key.stamp) == (read.0, read.1) {
                return Ok(Reload::Unchanged);
            }
        }
        let read = read_encrypted(file, &self.path, key, &self.identity)?;
        *lock(&self.read) = read;
        Ok(Reload::Changed)
    }
}

fn read_encrypted(
    file: PrivateFile<'_>,
    path: &Path,
    key: PrivateFile<'_>,
    key_path: &Path,
) -> Result<(Stamp, Stamp, Table), SecretError> {
    let stamps = (file.stamp, key.stamp);
    let bad_key = |problem: &str| SecretError::Identity { path: key_path.to_owned(), problem: problem.to_owned() };
    let key = key.read(IDENTITY_MAX)?;
    let identities = IdentityFile::from_buffer(key.as_slice()).and_then(|file| {
        // Without plugins an identity is a key and nothing more, so that this cannot fail.
        file.into_identities().map_err(|error| std::io::Error::other(error.to_string()))
    });
    // The crate's message names a line and never its text.
    let identities = identities.map_err(|error| bad_key(&error.to_string()))?;
    match identities.len() {
        0 => return Err(bad_key("it is empty; make one with `age-keygen -o FILE`")),
        1..=IDENTITIES_MAX => {}
        _ => return Err(bad_key("it holds more than 16; split it")),
    }

    let bad = |problem| SecretError::Encrypted { path: path.to_owned(), problem };
    let armored = file.read(FILE_MAX)?;
    let binary = read_bounded(ArmoredReader::new(armored.as_slice()), FILE_MAX)
        .map_err(|_| bad("its armor is damaged"))?
        .ok_or_else(|| bad("it is longer than 1 MiB"))?;
    if recipients(&binary) > RECIPIENTS_MAX {
        return Err(bad("it is encrypted to more than 64 recipients"));
    }
    let decryptor = Decryptor::new_buffered(binary.as_slice()).map_err(|_| bad("its header cannot be read"))?;
    if decryptor.is_scrypt() {
        return Err(SecretError::Passphrase(path.to_owned()));
    }
    let identities = identities.iter().map(|identity| &**identity as &dyn age::Identity);
    let reader = decryptor.decrypt(identities).map_err(|error| match error {
        DecryptError::NoMatchingKeys => {
            SecretError::OtherIdentity { path: path.to_owned(), identity: key_path.to_owned() }
        }
        _ => bad("it was changed after it was encrypted, or is cut off"),
    })?;
    let plain: Zeroizing<Vec<u8>> = read_bounded(reader, FILE_MAX)
        .map_err(|_| bad("it was changed after it was encrypted, or is cut off"))?
        .ok_or_else(|| bad("it decrypts to more than 1 MiB"))?;
    Ok((stamps.0, stamps.1, parse(&plain, path)?))
}

/// The stanzas of an age header, which is text up to the line that begins with `---`.
fn recipients(binary: &[u8]) -> usize {
    let lines = binary.split(|&byte| byte == b'\n').take_while(|line| !line.starts_with(b"---"));
    lines.filter(|line| line.starts_with(b"-> ")).count()
}

impl fmt::Debug for SecretFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl fmt::Debug for AgeFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgeFile").field("path", &self.path).field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// A panic elsewhere leaves the table whole: it is only ever replaced as one value.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
