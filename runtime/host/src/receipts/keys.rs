//! The key that signs checkpoints: made once, kept in a file that only its owner can read, checked at every opening.
//!
//! Refuses to go on where the key is readable by others, belongs to someone else, or is not the one that the folder
//! (or its anchor) was begun with: a log signed with a planted key would prove nothing.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::files::{self, FileError};

/// The file name of the public key, in the receipt folder and in the anchor folder.
pub(super) const PUBLIC: &str = "key.pub";
/// The file name of the secret key, where the caller names no other place for it.
pub(super) const SECRET: &str = "key";

/// Signs checkpoints.
pub(super) struct Signer {
    key: SigningKey,
    /// The half that verifies.
    pub(super) public: PublicKey,
}

impl Signer {
    /// Reads the secret key at `secret`, or makes one where this folder was never begun.
    pub(super) fn load_or_create(secret: &Path, public: &Path) -> Result<Self, KeyError> {
        let signer = match Self::read(secret) {
            Err(KeyError::File(error)) if error.source.kind() == io::ErrorKind::NotFound => {
                if public.exists() {
                    // Another process may have made both files after our first look.
                    Self::read(secret).map_err(|error| match error {
                        KeyError::File(error) if error.source.kind() == io::ErrorKind::NotFound => {
                            KeyError::Gone { secret: secret.into(), public: public.into() }
                        }
                        error => error,
                    })?
                } else {
                    Self::create(secret)?
                }
            }
            result => result?,
        };
        signer.public.publish(public)?;
        Ok(signer)
    }

    fn create(path: &Path) -> Result<Self, KeyError> {
        let seed = files::random::<32>().map_err(FileError::of("create", path))?;
        let text = format!("{}\n", Hex(&seed));
        // Whoever comes second uses the key of whoever came first.
        files::create_once(path, text.as_bytes())?;
        Self::read(path)
    }

    fn read(path: &Path) -> Result<Self, KeyError> {
        let file = files::open_read(path)?;
        check_owner(&file, path)?;
        // One byte more than a key has, so that a longer file shows.
        let mut text = String::new();
        file.take(66).read_to_string(&mut text).map_err(FileError::of("read", path))?;
        let seed = unhex::<32>(text.trim_end()).ok_or_else(|| KeyError::Malformed { path: path.into() })?;
        let key = SigningKey::from_bytes(&seed);
        let public = PublicKey(key.verifying_key().to_bytes());
        Ok(Self { key, public })
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

fn check_owner(file: &File, path: &Path) -> Result<(), KeyError> {
    let metadata = file.metadata().map_err(FileError::of("read", path))?;
    if metadata.mode() & 0o077 != 0 {
        return Err(KeyError::Permissions { path: path.into(), mode: metadata.mode() & 0o7777 });
    }
    let we = rustix::process::geteuid().as_raw();
    if metadata.uid() != we {
        return Err(KeyError::Owner { path: path.into(), owner: metadata.uid(), we });
    }
    Ok(())
}

/// An Ed25519 public key, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Reads `key.pub` of a receipt folder or an anchor folder.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let text = files::read_small(path, 128)?;
        let text = std::str::from_utf8(&text).ok();
        text.and_then(|text| text.trim_end().parse().ok()).ok_or_else(|| KeyError::Malformed { path: path.into() })
    }

    /// Writes the key beside what it verifies, or checks that the one there is the same.
    pub(super) fn publish(self, path: &Path) -> Result<(), KeyError> {
        if !path.exists() && files::create_once(path, format!("{self}\n").as_bytes())? {
            return Ok(());
        }
        let found = Self::read(path)?;
        if found == self { Ok(()) } else { Err(KeyError::Differs { path: path.into(), ours: self, found }) }
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        VerifyingKey::from_bytes(&self.0)
            .is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(signature)).is_ok())
    }
}

/// Why there is no usable key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A key file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Others than the owner may use the secret key.
    #[error("the secret key {0} has mode {mode:04o}, so others can sign with it; run: chmod 600 {0}", path.display())]
    Permissions {
        /// The secret key.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The secret key belongs to someone else, who may have planted it.
    #[error("the secret key {} belongs to user {owner}, and this process runs as user {we}; run as that user, or change the file's owner", path.display())]
    Owner {
        /// The secret key.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who we are.
        we: u32,
    },
    /// The file holds no key.
    #[error("{} is no key (64 hexadecimal digits); restore it from a backup, or begin a new receipt folder", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// The folder has a public key and no secret key.
    #[error("the secret key {} is gone, but {} shows that there was one; restore it from a backup, or begin a new receipt folder", secret.display(), public.display())]
    Gone {
        /// Where the secret key should be.
        secret: PathBuf,
        /// The public key that is there.
        public: PathBuf,
    },
    /// The public key on record is not that of our secret key.
    #[error("{} holds the public key {found}, but our secret key's is {ours}; one of the two was replaced: find out which before going on", path.display())]
    Differs {
        /// The public key's file.
        path: PathBuf,
        /// What our secret key says.
        ours: PublicKey,
        /// What the file says.
        found: PublicKey,
    },
}

/// Text that is no public key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a public key is 64 lower-case hexadecimal digits")]
pub struct NotAPublicKey;

impl FromStr for PublicKey {
    type Err = NotAPublicKey;

    fn from_str(text: &str) -> Result<Self, NotAPublicKey> {
        unhex(text).map(Self).ok_or(NotAPublicKey)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(super) struct Hex<'a>(pub(super) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Reads exactly `N` bytes of lower-case hexadecimal digits.
pub(super) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn load(dir: &Path) -> Result<Signer, KeyError> {
        Signer::load_or_create(&dir.join(SECRET), &dir.join(PUBLIC))
    }

    #[test]
    fn a_key_is_made_once_and_only_its_owner_can_read_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let first = load(dir.path()).expect("makes one");
        assert_eq!(load(dir.path()).expect("reads it").public, first.public);
        assert_eq!(PublicKey::read(&dir.path().join(PUBLIC)).expect("reads"), first.public);
        let mode = fs::metadata(dir.path().join(SECRET)).expect("is there").mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(first.public.verifies(b"message", &first.sign(b"message")));
        assert!(!first.public.verifies(b"other", &first.sign(b"message")));
        assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 2, "no temporary file is left");
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_with_the_command_that_helps() {
        let dir = tempfile::tempdir().expect("a folder");
        load(dir.path()).expect("makes one");
        let path = dir.path().join(SECRET);
        fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("changed");
        let error = load(dir.path()).err().expect("refused").to_string();
        assert!(error.contains(&format!("chmod 600 {}", path.display())) && error.contains("0640"), "{error}");
    }

    #[test]
    fn a_missing_replaced_or_malformed_key_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        load(dir.path()).expect("makes one");
        let (secret, public) = (dir.path().join(SECRET), dir.path().join(PUBLIC));

        fs::remove_file(&secret).expect("removed");
        assert!(matches!(load(dir.path()), Err(KeyError::Gone { .. })));

        files::create_once(&secret, format!("{}\n", "ab".repeat(32)).as_bytes()).expect("planted");
        assert!(matches!(load(dir.path()), Err(KeyError::Differs { .. })));

        for garbage in ["", "xyz", &"0".repeat(63), &"0".repeat(1 << 20), "\0\0\0"] {
            fs::write(&secret, garbage).expect("written");
            assert!(matches!(load(dir.path()), Err(KeyError::Malformed { .. })), "{} bytes", garbage.len());
        }

        fs::remove_file(&secret).expect("removed");
        std::os::unix::fs::symlink(&public, &secret).expect("linked");
        assert!(matches!(load(dir.path()), Err(KeyError::File(_))));
    }

    #[test]
    fn many_threads_that_begin_a_folder_together_agree_on_one_key() {
        let dir = tempfile::tempdir().expect("a folder");
        let keys: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| load(dir.path()).expect("a key").public)).collect();
            threads.into_iter().map(|thread| thread.join().expect("ends")).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }
}
