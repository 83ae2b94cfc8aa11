//! The lock file on disk: who may have written it, and how it is replaced.
//!
//! It is opened once, never through a link and never blocking, and asked through the descriptor: what was checked is what
//! is read. It is replaced whole, so a reader sees the old file or the new one, and writers take turns.

use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};

use super::{Lock, LockError, MAX_FILE_BYTES, Problem, text};

/// How long a writer waits for the others. A turn takes milliseconds, so whoever has one for longer has been stopped.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it looks meanwhile.
const PAUSE: Duration = Duration::from_millis(20);

/// Everybody may read what was approved; only the owner writes it.
const MODE: u32 = 0o644;

/// A change of a lock file, while nobody else can make one. Dropping it changes nothing.
#[derive(Debug)]
pub struct Edit {
    /// The approvals, to be changed.
    pub lock: Lock,
    path: PathBuf,
    /// The turn ends when this is dropped, also by the end of the process.
    turn: File,
}

/// A change that needs nothing more than to be made. Dropping it leaves the old file.
#[derive(Debug)]
pub struct Prepared {
    file: tempfile::NamedTempFile,
    folder: PathBuf,
    path: PathBuf,
    _turn: File,
}

impl Edit {
    /// Waits for its turn and reads what is there. Whoever has a turn must not wait for a person: others wait for them.
    ///
    /// # Errors
    /// As for [`Lock::read`], and where no file can be made beside it or another writer does not end.
    pub fn open(path: &Path) -> Result<Self, LockError> {
        let folder = folder(path);
        fs::create_dir_all(folder).map_err(io("make the folder", folder))?;
        let turn = turn(&beside(path), PATIENCE)?;
        Ok(Self { lock: read(path)?, path: path.to_owned(), turn })
    }

    /// Writes the new file beside the old one, in full and onto disk. All that can be wrong with it shows here.
    ///
    /// # Errors
    /// Where a bound of the format is passed or the system refuses.
    pub fn prepare(self) -> Result<Prepared, LockError> {
        let folder = folder(&self.path).to_owned();
        let path = self.path;
        let text = text::write(&self.lock);
        // Read again before it counts: a file that nobody can read would make every tool inert.
        text::read(&text).map_err(|(_, problem)| LockError::Unkeepable { path: path.clone(), problem })?;
        if text.len() as u64 > MAX_FILE_BYTES {
            return Err(LockError::TooLarge(path));
        }
        let mut file =
            tempfile::Builder::new().prefix(".toolcell.lock.").tempfile_in(&folder).map_err(io("write in", &folder))?;
        let written = (|| {
            file.write_all(text.as_bytes())?;
            file.as_file().set_permissions(Permissions::from_mode(MODE))?;
            file.as_file().sync_all()
        })();
        written.map_err(io("write", &path))?;
        Ok(Prepared { file, folder, path, _turn: self.turn })
    }

    /// Replaces the file. It is on disk when this returns.
    ///
    /// # Errors
    /// See [`Edit::prepare`] and [`Prepared::commit`].
    pub fn commit(self) -> Result<(), LockError> {
        self.prepare()?.commit()
    }
}

impl Prepared {
    /// Puts the new file in the place of the old one. It is on disk when this returns.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn commit(self) -> Result<(), LockError> {
        let (path, folder) = (&self.path, &self.folder);
        self.file.persist(path).map_err(|error| io("replace", path)(error.error))?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(io("sync", folder))
    }
}

/// Reads a file; one that is not there holds nothing.
pub(super) fn read(path: &Path) -> Result<Lock, LockError> {
    let Some(bytes) = bytes(path)? else { return Ok(Lock::default()) };
    let malformed = |at: usize, problem| {
        let before = String::from_utf8_lossy(&bytes[..at.min(bytes.len())]).into_owned();
        let (lines, column) =
            (before.matches('\n').count(), before.rsplit('\n').next().unwrap_or_default().chars().count());
        LockError::Malformed { path: path.to_owned(), line: lines + 1, column: column + 1, problem }
    };
    let text = std::str::from_utf8(&bytes)
        .map_err(|error| malformed(error.valid_up_to(), Problem::Syntax("from here on it is not UTF-8".to_owned())))?;
    text::read(text).map_err(|(at, problem)| malformed(at, problem))
}

/// The bytes of a file that only its owner can have written; none where there is no file.
fn bytes(path: &Path) -> Result<Option<Vec<u8>>, LockError> {
    // Looked at first, because opening some devices has effects; asked again once it is open.
    let metadata = match path.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io("read", path)(error)),
    };
    regular(path, &metadata)?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file =
        File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(|error| io("read", path)(error.into()))?);
    let metadata = file.metadata().map_err(io("read", path))?;
    regular(path, &metadata)?;
    if metadata.permissions().mode() & 0o022 != 0 {
        return Err(LockError::Writable(path.to_owned()));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(io("read", path))?;
    if bytes.len() as u64 > MAX_FILE_BYTES { Err(LockError::TooLarge(path.to_owned())) } else { Ok(Some(bytes)) }
}

fn regular(path: &Path, metadata: &fs::Metadata) -> Result<(), LockError> {
    let kind = metadata.file_type();
    let what = match () {
        () if kind.is_file() => return Ok(()),
        () if kind.is_dir() => "a folder",
        () if kind.is_symlink() => "a symbolic link",
        () if kind.is_fifo() => "a named pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    };
    Err(LockError::NotAFile { path: path.to_owned(), what })
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Waits for a turn. The file is one of its own, because the lock file itself is another one after every change.
pub(super) fn turn(beside: &Path, patience: Duration) -> Result<File, LockError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let turn = rustix::fs::open(beside, flags | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR);
    let turn = File::from(turn.map_err(|error| io("open", beside)(error.into()))?);
    let until = Instant::now() + patience;
    loop {
        match turn.try_lock() {
            Ok(()) => return Ok(turn),
            Err(TryLockError::Error(error)) => return Err(io("lock", beside)(error)),
            Err(TryLockError::WouldBlock) if Instant::now() >= until => return Err(LockError::Busy(beside.to_owned())),
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
        }
    }
}

/// The file that writers lock: `.toolcell.lock.turn` beside `toolcell.lock`.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".turn");
    path.with_file_name(name)
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LockError {
    let path = path.to_owned();
    move |source| LockError::Io { action, path, source }
}
