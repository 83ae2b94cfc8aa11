//! Reading files that somebody else may be writing, or may have put there to be a nuisance.
//!
//! Owns the one way in which the catalog and the code cache open files: never blocking (a named pipe would), never
//! touching a device (opening some of them has effects), never beyond a size, and noticing a change during the read.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// Reads a whole regular file of at most `cap` bytes, and says which state of it was read.
///
/// # Errors
/// See [`FileError`]. No error is given later than `cap` + 1 bytes into the file.
pub(crate) fn read(path: &Path, links: Links, cap: u64) -> Result<(Vec<u8>, Stamp), FileError> {
    let (file, stamp) = open(path, links)?;
    Ok((read_open(&file, stamp, cap)?, stamp))
}

/// Reads the whole of an open file whose state is known.
pub(crate) fn read_open(file: &File, stamp: Stamp, cap: u64) -> Result<Vec<u8>, FileError> {
    let too_large = FileError::TooLarge { size: stamp.size, cap };
    if stamp.size > cap {
        return Err(too_large);
    }
    let size = usize::try_from(stamp.size).map_err(|_| too_large)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).map_err(|_| FileError::Unreadable(io::ErrorKind::OutOfMemory.into()))?;
    file.take(stamp.size.saturating_add(1)).read_to_end(&mut bytes).map_err(FileError::Unreadable)?;
    let after = Stamp::of(&file.metadata().map_err(FileError::Unreadable)?);
    if after == stamp && bytes.len() == size { Ok(bytes) } else { Err(FileError::Moving) }
}

/// Opens a regular file for reading.
pub(crate) fn open(path: &Path, links: Links) -> Result<(File, Stamp), FileError> {
    // Looking first keeps devices untouched. The file may be another one by the time it is opened; that one is then
    // opened without blocking, and looked at again.
    look(path, links)?;
    let follow = match links {
        Links::Follow => OFlags::empty(),
        Links::Refuse => OFlags::NOFOLLOW,
    };
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY | follow;
    let file =
        File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| FileError::from_io(errno.into()))?);
    let metadata = file.metadata().map_err(FileError::Unreadable)?;
    regular(&metadata)?;
    Ok((file, Stamp::of(&metadata)))
}

/// The state of a regular file, without opening it.
pub(crate) fn look(path: &Path, links: Links) -> Result<Stamp, FileError> {
    let metadata = match links {
        Links::Follow => std::fs::metadata(path),
        Links::Refuse => std::fs::symlink_metadata(path),
    };
    let metadata = metadata.map_err(FileError::from_io)?;
    regular(&metadata)?;
    Ok(Stamp::of(&metadata))
}

/// What becomes of a symbolic link in the last place of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    /// It is followed; what it leads to must be a regular file.
    Follow,
    /// It is refused.
    Refuse,
}

/// All that the file system says of a file's contents short of the contents. The change time is what an ordinary
/// program cannot set; the inode shows a file that was renamed over another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    /// In bytes.
    pub(crate) size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// When the file changed last, in milliseconds since 1970. A modification time that lies after `now` was set by hand
    /// and says nothing; the change time counts then.
    pub(crate) fn last_change_ms(&self, now_ms: u64) -> u64 {
        let millis = |(seconds, nanos): (i64, i64)| {
            u64::try_from(seconds)
                .unwrap_or(0)
                .saturating_mul(1_000)
                .saturating_add(u64::try_from(nanos).unwrap_or(0) / 1_000_000)
        };
        let (modified, changed) = (millis(self.modified), millis(self.changed));
        if modified > now_ms { changed } else { changed.max(modified) }
    }
}

/// Why a file cannot be used. The texts hold no path: they are shown to callers.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Nothing is there, or a symbolic link leads nowhere.
    #[error("the file is not there")]
    Missing,
    /// Something else is there.
    #[error("it is {0}, not a regular file")]
    NotAFile(&'static str),
    /// Over the cap; nothing was read.
    #[error("the file has {size} bytes; at most {cap} are read")]
    TooLarge {
        /// Its size in bytes.
        size: u64,
        /// The cap in bytes.
        cap: u64,
    },
    /// Somebody wrote to it during the read.
    #[error("the file changed while it was read")]
    Moving,
    /// The system refused.
    #[error("the file cannot be read: {0}")]
    Unreadable(io::Error),
}

impl FileError {
    fn from_io(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound { Self::Missing } else { Self::Unreadable(error) }
    }

    /// Whether the next look may well succeed with nothing changed. Such an error says nothing about the file.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Moving => true,
            Self::Unreadable(error) => is_passing(error),
            Self::Missing | Self::NotAFile(_) | Self::TooLarge { .. } => false,
        }
    }
}

/// Whether the system was short of something for a moment: descriptors, memory, a lease, a network file system.
pub(crate) fn is_passing(error: &io::Error) -> bool {
    const PASSING: [Errno; 8] =
        [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::IO, Errno::INTR, Errno::AGAIN, Errno::STALE, Errno::TIMEDOUT];
    error.kind() == io::ErrorKind::OutOfMemory
        || Errno::from_io_error(error).is_some_and(|errno| PASSING.contains(&errno))
}

fn regular(metadata: &Metadata) -> Result<(), FileError> {
    let kind = metadata.file_type();
    Err(FileError::NotAFile(match () {
        () if kind.is_file() => return Ok(()),
        () if kind.is_dir() => "a folder",
        () if kind.is_symlink() => "a symbolic link",
        () if kind.is_fifo() => "a named pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipes_folders_links_and_devices_are_named_and_never_block() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        rustix::fs::mknodat(rustix::fs::CWD, at("pipe"), rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
            .expect("a pipe");
        std::fs::create_dir(at("dir")).expect("a folder");
        std::os::unix::fs::symlink("loop", at("loop")).expect("a link");
        std::fs::write(at("file"), b"12345").expect("a file");
        std::os::unix::fs::symlink("file", at("link")).expect("a link");

        assert!(matches!(read(&at("pipe"), Links::Follow, 9), Err(FileError::NotAFile("a named pipe"))));
        assert!(matches!(read(&at("dir"), Links::Follow, 9), Err(FileError::NotAFile("a folder"))));
        assert!(matches!(read(Path::new("/dev/zero"), Links::Follow, 9), Err(FileError::NotAFile("a device"))));
        assert!(matches!(read(&at("loop"), Links::Follow, 9), Err(FileError::Unreadable(_))));
        assert!(matches!(read(&at("link"), Links::Refuse, 9), Err(FileError::NotAFile("a symbolic link"))));
        assert!(matches!(read(&at("none"), Links::Follow, 9), Err(FileError::Missing)));
        assert!(matches!(read(&at("file"), Links::Follow, 4), Err(FileError::TooLarge { size: 5, cap: 4 })));
        assert_eq!(read(&at("link"), Links::Follow, 5).expect("reads").0, b"12345");
    }

    #[test]
    fn a_modification_time_in_the_future_does_not_make_a_file_young_for_ever() {
        let stamp = Stamp { device: 0, inode: 0, size: 0, modified: (4_000_000_000, 0), changed: (1_000, 5_000_000) };
        assert_eq!(stamp.last_change_ms(2_000_000_000_000), 1_000_005);
        assert_eq!(stamp.last_change_ms(5_000_000_000_000), 4_000_000_000_000);
    }
}
