//! Compiled code on disk, from one start of the host to the next.
//!
//! Owns a folder of sealed entries. It refuses to believe any of them: an entry is read whole, checked, and used from the
//! very buffer that was checked, so that nothing can change between the check and the use. It is optional throughout: a
//! cache that cannot be read or written costs time, never a call. Processes may share the folder.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};

use super::entry::{self, Code, HEADER, Refused, Subject};
use super::key::{CodeKey, write_private};
use super::turn::Turn;
use crate::catalog::FileError;
use crate::catalog::file::{self, Links};

/// How many bytes of files a cache keeps unless told otherwise: about a hundred Python components, or some ten thousand
/// small ones. It stops a stream of new components from filling the disk.
pub const DEFAULT_BUDGET: u64 = 4 << 30;

/// The largest entry, in bytes. It stops a file that somebody else put there from being read into all of memory.
pub const MAX_ENTRY_BYTES: u64 = 1 << 30;

const ENTRY: &str = "code";
const DRAFT: &str = "draft";

/// A folder of compiled code.
#[derive(Debug)]
pub struct CodeCache {
    folder: PathBuf,
    key: CodeKey,
    budget: u64,
}

impl CodeCache {
    /// Opens a folder, made with mode 0700 where there is none, that keeps [`DEFAULT_BUDGET`] bytes.
    ///
    /// # Errors
    /// Where the folder cannot be made, is no folder, belongs to another user, or can be written to by others.
    pub fn open(folder: &Path, key: CodeKey) -> Result<Self, CacheError> {
        let failed = |source| CacheError::Folder { path: folder.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let metadata = std::fs::metadata(folder).map_err(failed)?;
        let (mode, owner) = (metadata.mode() & 0o7777, metadata.uid());
        if mode & 0o022 != 0 || owner != rustix::process::geteuid().as_raw() {
            return Err(CacheError::Exposed { path: folder.to_owned(), mode, owner });
        }
        Ok(Self { folder: folder.to_owned(), key, budget: DEFAULT_BUDGET })
    }

    /// The same with another budget, in bytes of files.
    #[must_use]
    pub fn with_budget(self, budget: u64) -> Self {
        Self { budget, ..self }
    }

    /// The code of a component for an engine. An entry that is anything but exactly that is removed, and warned of.
    pub fn get(&self, subject: Subject) -> Option<Code> {
        let path = self.path(subject);
        match self.read(&path, subject) {
            Ok(code) => code,
            Err(refused) => {
                tracing::warn!(component = %subject.component, entry = %path.display(), reason = %refused, "an entry of the code cache is refused and removed");
                // Where it cannot be removed it is refused again; compiling anew replaces it.
                let _ = std::fs::remove_file(&path);
                None
            }
        }
    }

    /// Keeps the code of a component for an engine, and removes the entries that were used longest ago where there would be
    /// too much. Processes that write at the same time can be over the budget by one entry each, until the next one is kept.
    ///
    /// The entry appears whole. It is not forced to the disk: one that a power cut has torn is refused like any other.
    ///
    /// # Errors
    /// Where it cannot be kept. The cache is as usable as before.
    pub fn put(&self, subject: Subject, code: &[u8]) -> Result<(), PutError> {
        let size = (HEADER + code.len()) as u64;
        let most = self.budget.min(MAX_ENTRY_BYTES);
        if size > most {
            return Err(PutError::TooLarge { size, most });
        }
        let path = self.path(subject);
        self.make_room(size, &path)?;
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| PutError::Write(io::Error::other(error.to_string())))?;
        let draft = path.with_extension(format!("{:016x}.{DRAFT}", u64::from_ne_bytes(random)));
        let header = entry::seal(&self.key, subject, code);
        let written = write_private(&draft, |file| file.write_all(&header).and_then(|()| file.write_all(code)));
        written.and_then(|()| std::fs::rename(&draft, &path)).map_err(|error| {
            // On a full disk the half of an entry is the last thing that anybody needs.
            let _ = std::fs::remove_file(&draft);
            PutError::Write(error)
        })
    }

    /// Waits for this process's turn to compile a component for an engine, for so long at most. Of the processes that share the folder
    /// one has it at a time; it ends with the value. None after too long a wait, or where the folder cannot be written: the code can be
    /// compiled all the same.
    pub(super) fn turn(&self, subject: Subject, patience: Duration) -> Option<Turn> {
        Turn::take(self.path(subject).with_extension("turn"), patience)
    }

    fn read(&self, path: &Path, subject: Subject) -> Result<Option<Code>, Refused> {
        let (file, stamp) = match file::open(path, Links::Refuse) {
            Ok(opened) => opened,
            Err(FileError::Missing) => return Ok(None),
            Err(fault) if fault.is_passing() => return Ok(None),
            Err(fault) => return Err(Refused::File(fault.to_string())),
        };
        let bytes = match file::read_open(&file, stamp, MAX_ENTRY_BYTES) {
            Ok(bytes) => bytes,
            Err(fault) if fault.is_passing() => return Ok(None),
            Err(fault) => return Err(Refused::File(fault.to_string())),
        };
        let code = entry::open(&self.key, subject, bytes)?;
        mark_used(&file);
        Ok(Some(code))
    }

    fn path(&self, subject: Subject) -> PathBuf {
        // A prefix of the engine's digest tells files apart; the seal holds the whole.
        self.folder.join(format!("{}-{}.{ENTRY}", subject.component, &subject.engine.hex().as_str()[..16]))
    }

    /// Removes what was used longest ago until `size` more bytes fit. The folder is read anew each time: other processes
    /// write there too, and nothing is kept without a compilation before it, which costs far more.
    fn make_room(&self, size: u64, replaced: &Path) -> Result<(), PutError> {
        let mut entries = Vec::new();
        let mut total = size;
        for found in std::fs::read_dir(&self.folder).map_err(PutError::Write)? {
            let path = found.map_err(PutError::Write)?.path();
            // Drafts of processes that are gone count, and go, like entries.
            let ours = path.extension().is_some_and(|extension| extension == ENTRY || extension == DRAFT);
            let Some(metadata) = ours.then(|| path.symlink_metadata().ok()).flatten() else { continue };
            if path != replaced && !metadata.is_dir() {
                total = total.saturating_add(metadata.size());
                entries.push(((metadata.atime(), metadata.atime_nsec()), path, metadata.size()));
            }
        }
        if total > self.budget {
            entries.sort_unstable();
        }
        for (_, path, size) in entries {
            if total <= self.budget {
                break;
            }
            match std::fs::remove_file(&path) {
                Ok(()) => total -= size,
                Err(error) if error.kind() == io::ErrorKind::NotFound => total -= size,
                Err(error) => return Err(PutError::Write(error)),
            }
        }
        Ok(())
    }
}

/// Notes that an entry was used now. It is written down and not left to the file system, which mostly does not note reading.
fn mark_used(file: &File) {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let keep = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    // Without the note the entry goes a little early; that is all.
    let _ = rustix::fs::futimens(file, &Timestamps { last_access: now, last_modification: keep });
}

/// A folder that cannot be a code cache. The host then compiles at each start.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// It cannot be made or looked at.
    #[error("the code cache {} cannot be used", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others can write to it, or it is theirs.
    #[error("the code cache {} belongs to user {owner} and has mode {mode:03o}; make it your own, with mode 700", path.display())]
    Exposed {
        /// The folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// Its owner's number.
        owner: u32,
    },
}

/// Why code was not kept.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// It alone is more than the cache keeps.
    #[error("an entry of {size} bytes is over the {most} that the code cache keeps")]
    TooLarge {
        /// The entry's bytes.
        size: u64,
        /// What is kept at most.
        most: u64,
    },
    /// The disk is full, read-only, or broken.
    #[error("the code cache cannot be written")]
    Write(#[source] io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use toolcell_core::digest::Digest;

    fn cache(folder: &Path) -> CodeCache {
        CodeCache::open(&folder.join("code"), CodeKey::new(&[7; 32])).expect("opens")
    }

    fn of(component: &str, engine: &str) -> Subject {
        Subject { component: Digest::of(component.as_bytes()), engine: Digest::of(engine.as_bytes()) }
    }

    fn files(cache: &CodeCache) -> usize {
        std::fs::read_dir(&cache.folder).expect("lists").count()
    }

    #[test]
    fn code_that_was_kept_comes_back_and_is_private() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = cache(folder.path());
        let subject = of("wasm", "a");
        assert!(cache.get(subject).is_none());
        cache.put(subject, b"native code").expect("kept");
        assert_eq!(&*cache.get(subject).expect("there"), b"native code");
        cache.put(subject, b"").expect("replaced");
        assert_eq!(&*cache.get(subject).expect("there"), b"");
        assert_eq!(files(&cache), 1);
        let mode = |path: &Path| std::fs::metadata(path).expect("there").mode() & 0o7777;
        assert_eq!((mode(&cache.folder), mode(&cache.path(subject))), (0o700, 0o600));
    }

    #[test]
    fn every_altered_byte_and_every_cut_is_refused_and_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = cache(folder.path());
        let subject = of("wasm", "a");
        cache.put(subject, b"native code").expect("kept");
        let path = cache.path(subject);
        let good = std::fs::read(&path).expect("reads");
        let refuse = |bytes: &[u8], what: &str| {
            std::fs::write(&path, bytes).expect("writes");
            assert!(cache.get(subject).is_none(), "{what}");
            assert!(!path.exists(), "{what}");
        };
        for offset in 0..good.len() {
            for bit in [1, 0x80] {
                let mut bad = good.clone();
                bad[offset] ^= bit;
                refuse(&bad, &format!("byte {offset}"));
            }
            refuse(&good[..offset], &format!("cut at {offset}"));
        }
        refuse(&[&*good, b"\0"].concat(), "one byte more");
        std::fs::write(&path, &good).expect("writes");
        assert!(cache.get(subject).is_some());
    }

    #[test]
    fn code_of_another_component_engine_or_key_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = cache(folder.path());
        let (one, two) = (of("one", "a"), of("two", "a"));
        let put = |subject, code: &[u8]| cache.put(subject, code).expect("kept");
        put(one, b"code of one");
        put(two, b"code of two");
        let (path_one, path_two, aside) = (cache.path(one), cache.path(two), folder.path().join("aside"));
        std::fs::rename(&path_one, &aside).expect("moves");
        std::fs::rename(&path_two, &path_one).expect("moves");
        std::fs::rename(&aside, &path_two).expect("moves");
        assert!(cache.get(one).is_none() && cache.get(two).is_none());

        put(one, b"code of one");
        assert!(cache.get(of("one", "b")).is_none(), "another engine finds nothing");
        std::fs::rename(&path_one, cache.path(of("one", "b"))).expect("moves");
        assert!(cache.get(of("one", "b")).is_none(), "nor does it take what was compiled for this one");

        put(one, b"code of one");
        let stranger = CodeCache::open(&cache.folder, CodeKey::new(&[8; 32])).expect("opens");
        let refused = stranger.read(&path_one, one).expect_err("refused");
        assert_eq!(refused, Refused::BrokenSeal);
    }

    #[test]
    fn links_pipes_and_giants_in_the_folder_are_refused_without_reading() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = cache(folder.path());
        let subject = of("wasm", "a");
        cache.put(subject, b"native code").expect("kept");
        let path = cache.path(subject);
        let aside = folder.path().join("aside");
        std::fs::rename(&path, &aside).expect("moves");
        std::os::unix::fs::symlink(&aside, &path).expect("a link");
        assert!(cache.get(subject).is_none());
        assert!(aside.exists() && path.symlink_metadata().is_err(), "the link went, not what it leads to");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
            .expect("a pipe");
        assert!(cache.get(subject).is_none());
        File::create(&path).and_then(|file| file.set_len(MAX_ENTRY_BYTES + 1)).expect("a sparse file");
        assert!(cache.get(subject).is_none());
        std::fs::create_dir(&path).expect("a folder");
        assert!(cache.get(subject).is_none());
        assert!(matches!(cache.put(subject, b"x"), Err(PutError::Write(_))));
        assert_eq!(files(&cache), 1, "no draft is left");
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = cache(folder.path()).with_budget(3 * (HEADER as u64 + 100));
        let subject = |n: u8| of(&n.to_string(), "a");
        let used = |n: u8, second: i64| {
            let at = Timespec { tv_sec: second, tv_nsec: 0 };
            let file = File::open(cache.path(subject(n))).expect("there");
            rustix::fs::futimens(&file, &Timestamps { last_access: at, last_modification: at }).expect("sets");
        };
        for (n, second) in [(1, 300), (2, 100), (3, 200)] {
            cache.put(subject(n), &[n; 100]).expect("kept");
            used(n, second);
        }
        assert!(cache.get(subject(2)).is_some(), "using it makes it the youngest");
        cache.put(subject(4), &[4; 100]).expect("kept");
        let there: Vec<u8> = (1..=4).filter(|n| cache.path(subject(*n)).exists()).collect();
        assert_eq!(there, [1, 2, 4]);
        assert!(matches!(cache.put(subject(5), &[0; 1_000]), Err(PutError::TooLarge { .. })));
        assert_eq!(files(&cache), 3, "what can never fit drives nothing out");
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = || CodeCache::open(folder.path(), CodeKey::new(&[7; 32]));
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).expect("a mode");
        assert!(matches!(open(), Err(CacheError::Exposed { mode: 0o777, .. })));
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("a mode");
        assert!(open().is_ok());
        std::fs::write(folder.path().join("file"), b"").expect("a file");
        assert!(matches!(
            CodeCache::open(&folder.path().join("file"), CodeKey::new(&[7; 32])),
            Err(CacheError::Folder { .. })
        ));
    }
}
