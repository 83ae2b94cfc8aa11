//! Opening a file that only its owner can have read or written.
//!
//! The file is opened once, without following a link, and every question is put to the descriptor: what was checked is
//! what is read.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use zeroize::Zeroizing;

/// A file that is not read, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    /// It cannot be opened or read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is a symbolic link.
    #[error("{} is a symbolic link, which is refused for a secret; give the path of the file itself", .0.display())]
    Link(PathBuf),
    /// It is a folder, a FIFO or a device.
    #[error("{} is no regular file; give the path of a file", .0.display())]
    NotAFile(PathBuf),
    /// Another user owns it.
    #[error(
        "{} belongs to user {owner}, and this process runs as user {us}; run `chown {us} {}`",
        path.display(),
        path.display()
    )]
    Owner {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who we are.
        us: u32,
    },
    /// Others may read or write it.
    #[error("{} can be read or written by others (mode {mode:03o}); run `chmod 600 {}`", path.display(), path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is too long.
    #[error("{} is longer than {max} bytes; it should hold nothing but secrets", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The most bytes that are read.
        max: usize,
    },
}

/// Tells whether a file is still the one that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    place: (u64, u64),
    length: u64,
    modified: (i64, i64),
    /// Cannot be set back from outside, so an edit that restores the modification time still shows.
    changed: (i64, i64),
}

/// A file that passed every check.
pub(super) struct PrivateFile<'a> {
    path: &'a Path,
    file: File,
    pub(super) stamp: Stamp,
}

impl<'a> PrivateFile<'a> {
    /// Opens and checks.
    pub(super) fn open(path: &'a Path) -> Result<Self, PrivateFileError> {
        let io = |source| PrivateFileError::Io { path: path.to_owned(), source };
        // Without NONBLOCK, opening a FIFO would wait for its other end.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(descriptor) => File::from(descriptor),
            Err(rustix::io::Errno::LOOP) => return Err(PrivateFileError::Link(path.to_owned())),
            Err(error) => return Err(io(error.into())),
        };
        let metadata = file.metadata().map_err(io)?;
        if !metadata.is_file() {
            return Err(PrivateFileError::NotAFile(path.to_owned()));
        }
        let us = rustix::process::geteuid().as_raw();
        if metadata.uid() != us {
            return Err(PrivateFileError::Owner { path: path.to_owned(), owner: metadata.uid(), us });
        }
        let mode = metadata.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(PrivateFileError::Open { path: path.to_owned(), mode });
        }
        let stamp = Stamp {
            place: (metadata.dev(), metadata.ino()),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        };
        Ok(Self { path, file, stamp })
    }

    /// The whole file, in memory that is wiped.
    pub(super) fn read(self, max: usize) -> Result<Zeroizing<Vec<u8>>, PrivateFileError> {
        read_bounded(self.file, max)
            .map_err(|source| PrivateFileError::Io { path: self.path.to_owned(), source })?
            .ok_or_else(|| PrivateFileError::TooLong { path: self.path.to_owned(), max })
    }
}

/// Everything that `reader` holds; none where that is more than `max` bytes.
///
/// The room is taken at once: a vector that grows leaves copies of secrets behind in memory that is never wiped.
pub(super) fn read_bounded(reader: impl io::Read, max: usize) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(max + 1));
    reader.take(max as u64 + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= max).then_some(bytes))
}
