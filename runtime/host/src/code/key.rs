//! The key that tells code which this host compiled from code that somebody put in its place.
//!
//! Loading native code is running it, so a cache file is only as good as the secrecy of this key: it lies in a file that
//! nobody but its owner can open, and nowhere else.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use hmac::{Hmac, Mac};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use sha2::Sha256;

use crate::catalog::FileError;
use crate::catalog::file::{self, Links};

/// The length of the key in bytes: as long as SHA-256's output, which RFC 2104 (section 3) recommends.
const KEY_BYTES: usize = 32;

/// A secret key, ready to authenticate with.
#[derive(Clone)]
pub struct CodeKey(Hmac<Sha256>);

impl CodeKey {
    /// Reads the key, or makes one where there is none. Of several processes that do so at the same moment, one makes it
    /// and all read the same. The folder must exist.
    ///
    /// # Errors
    /// Where the file is a link, belongs to somebody else, can be opened by anybody else, or has another size; where it
    /// can be neither read nor made; where the system has no randomness.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyError> {
        if let Some(key) = load(path)? {
            return Ok(Self::new(&key));
        }
        create(path)?;
        let key = load(path)?.ok_or_else(|| KeyError::File { path: path.to_owned(), fault: FileError::Missing })?;
        Ok(Self::new(&key))
    }

    /// A message authentication code that has read nothing yet.
    pub(super) fn mac(&self) -> Hmac<Sha256> {
        self.0.clone()
    }

    pub(super) fn new(key: &[u8; KEY_BYTES]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes a key of any length"))
    }
}

/// Says nothing of the key.
impl fmt::Debug for CodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeKey(…)")
    }
}

/// A key that cannot be used. The code cache then stays off; the host compiles at each start.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read, or is no regular file.
    #[error("the key {} cannot be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        fault: FileError,
    },
    /// Others may open it.
    #[error("the key {} has mode {mode:03o}, which lets others in; remove it, and a new one is made", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It belongs to another user, who could read it at any time.
    #[error("the key {} belongs to user {owner}; remove it, and a new one is made", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// The user's number.
        owner: u32,
    },
    /// It is no key of ours.
    #[error("the key {} has {size} bytes, not {KEY_BYTES}; remove it, and a new one is made", path.display())]
    WrongSize {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
    /// It cannot be made.
    #[error("the key {} cannot be made", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

fn load(path: &Path) -> Result<Option<[u8; KEY_BYTES]>, KeyError> {
    let wrong = |fault| KeyError::File { path: path.to_owned(), fault };
    let (file, stamp) = match file::open(path, Links::Refuse) {
        Ok(opened) => opened,
        Err(FileError::Missing) => return Ok(None),
        Err(fault) => return Err(wrong(fault)),
    };
    private(path, &file.metadata().map_err(|error| wrong(FileError::Unreadable(error)))?)?;
    let bytes = match file::read_open(&file, stamp, KEY_BYTES as u64) {
        Ok(bytes) => bytes,
        Err(FileError::TooLarge { size, .. }) => return Err(KeyError::WrongSize { path: path.to_owned(), size }),
        Err(fault) => return Err(wrong(fault)),
    };
    let size = bytes.len() as u64;
    bytes.try_into().map(Some).map_err(|_| KeyError::WrongSize { path: path.to_owned(), size })
}

/// The key file is its owner's alone. The bits are asked of the open file, so that they are those of what is read.
fn private(path: &Path, metadata: &Metadata) -> Result<(), KeyError> {
    let mode = metadata.mode() & 0o7777;
    if mode & !0o600 != 0 {
        return Err(KeyError::Exposed { path: path.to_owned(), mode });
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(KeyError::NotOurs { path: path.to_owned(), owner: metadata.uid() });
    }
    Ok(())
}

/// Writes a key beside the place and links it there: it appears whole, and never over another one.
fn create(path: &Path) -> Result<(), KeyError> {
    let failed = |source| KeyError::Create { path: path.to_owned(), source };
    let mut key = [0; KEY_BYTES];
    let mut name = [0; 8];
    getrandom::fill(&mut key)
        .and_then(|()| getrandom::fill(&mut name))
        .map_err(|error| failed(io::Error::other(error.to_string())))?;
    let draft = path.with_extension(format!("{:016x}.new", u64::from_ne_bytes(name)));
    let written = write_private(&draft, |file| file.write_all(&key).and_then(|()| file.sync_all()));
    let linked = written.and_then(|()| match rustix::fs::linkat(CWD, &draft, CWD, path, AtFlags::empty()) {
        // Another process was first; its key is as good.
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno.into()),
    });
    // The draft is removed in any case; where that fails, nobody but its owner can open what is left.
    let _ = std::fs::remove_file(&draft);
    linked.map_err(failed)
}

/// Writes a new file that nobody but its owner can open, whatever the process's mask for new files says.
pub(super) fn write_private(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    let mut file = File::from(rustix::fs::open(path, flags, mode)?);
    rustix::fs::fchmod(&file, mode)?;
    write(&mut file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Barrier;

    fn tag(key: &CodeKey) -> Vec<u8> {
        key.mac().chain_update(b"x").finalize().into_bytes().to_vec()
    }

    #[test]
    fn a_key_is_made_once_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("code.key");
        let first = CodeKey::load_or_create(&path).expect("makes one");
        let again = CodeKey::load_or_create(&path).expect("reads it");
        assert_eq!(tag(&first), tag(&again));
        let metadata = std::fs::metadata(&path).expect("is there");
        assert_eq!((metadata.mode() & 0o7777, metadata.size()), (0o600, 32));
        assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 1, "no draft is left");
        assert_eq!(format!("{first:?}"), "CodeKey(…)");
    }

    #[test]
    fn processes_that_make_it_at_the_same_moment_get_the_same_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("code.key");
        let barrier = Barrier::new(8);
        let tags: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let load = || {
                barrier.wait();
                tag(&CodeKey::load_or_create(&path).expect("a key"))
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(load)).collect();
            threads.into_iter().map(|thread| thread.join().expect("ends")).collect()
        });
        assert!(tags.windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn a_key_that_others_could_know_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        for mode in [0o640, 0o604, 0o644, 0o700, 0o4600] {
            let path = at(&format!("{mode:o}"));
            std::fs::write(&path, [7; 32]).expect("a file");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("a mode");
            assert!(matches!(CodeKey::load_or_create(&path), Err(KeyError::Exposed { .. })), "{mode:o}");
        }
        CodeKey::load_or_create(&at("good")).expect("a key");
        std::os::unix::fs::symlink(at("good"), at("link")).expect("a link");
        assert!(matches!(CodeKey::load_or_create(&at("link")), Err(KeyError::File { .. })));
        std::os::unix::fs::symlink(at("nowhere"), at("dangling")).expect("a link");
        assert!(matches!(CodeKey::load_or_create(&at("dangling")), Err(KeyError::File { .. })));
        std::fs::create_dir(at("dir")).expect("a folder");
        assert!(matches!(CodeKey::load_or_create(&at("dir")), Err(KeyError::File { .. })));
        assert!(matches!(CodeKey::load_or_create(&at("none/key")), Err(KeyError::Create { .. })));
        for size in [0, 31, 33, 1 << 20] {
            let path = at(&format!("size-{size}"));
            write_private(&path, |file| file.write_all(&vec![0; size])).expect("a file");
            assert!(matches!(CodeKey::load_or_create(&path), Err(KeyError::WrongSize { .. })), "{size}");
        }
    }
}
