//! The writing end: takes a chain that no other process holds, appends to it, rotates it and says how far it is durable.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, fs};

use serde::{Deserialize, Serialize};
use toolcell_core::{Clock, Digest, UnixMillis};

use super::event::{AuditEvent, Recorded, Upkeep};
use super::line::{self, Claim, LINE_MAX};
use crate::receipts::files::{self, Appender, WriterName};
use crate::receipts::lines::{Line, Lines};
use crate::receipts::{FileError, Skipped};
use crate::schema::inert;

/// Appends events to one chain of a folder. Threads share it; another process gets a chain of its own.
///
/// Dropping it makes what was recorded durable; [`AuditLog::sync`] does the same and answers with the error.
pub struct AuditLog {
    dir: PathBuf,
    options: Options,
    writer: WriterName,
    chain: Mutex<Chain>,
    /// The last sequence that a head was written for. Its lock is held while disks are waited for; the chain's is held
    /// so only where a segment begins.
    synced: Mutex<u64>,
    skipped: Vec<Skipped>,
    /// Held for as long as the writer is ours.
    _lock: File,
}

/// How a log is kept.
#[derive(Clone)]
pub struct Options {
    /// Says when something happened.
    pub clock: Arc<dyn Clock>,
    /// A segment is ended once it is this long, in bytes; 16 MiB by default.
    pub segment_bytes: u64,
    /// How many segments a writer keeps, at least 2; 16 by default. With the length of one it bounds what a flood of
    /// events takes of the disk.
    pub segments: u32,
}

impl Options {
    /// The defaults: at most 256 MiB for each writer.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, segment_bytes: 16 << 20, segments: 16 }
    }
}

/// Why an event was not recorded, or the log not opened or made durable.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// A file or folder cannot be used. Nothing of the event is in the log.
    #[error(transparent)]
    File(#[from] FileError),
    /// Somebody moved, replaced or cut the file that this process writes to. Whoever comes next begins a new one.
    #[error("{} is not the file that this process has been writing to; audit events are lost", .0.display())]
    Replaced(PathBuf),
}

/// Where a chain stood when it was last durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    pub(super) writer: WriterName,
    pub(super) sequence: u64,
    pub(super) hash: Digest,
    pub(super) at: UnixMillis,
}

/// The longest head, in bytes: four short fields.
const HEAD_MAX: usize = 1 << 10;

impl Head {
    /// Reads a head; none where it is malformed or another writer's.
    pub(super) fn read(dir: &Path, writer: WriterName) -> Result<Option<Self>, FileError> {
        let bytes = files::read_small(&dir.join(writer.head()), HEAD_MAX)?;
        Ok(serde_json::from_slice(&bytes).ok().filter(|head: &Self| head.writer == writer))
    }

    fn write(&self, dir: &Path) -> Result<(), FileError> {
        let bytes = serde_json::to_vec(self).expect("a head holds text and numbers alone");
        files::replace(&dir.join(self.writer.head()), &bytes)
    }
}

/// What the first line of a writer names as the hash before it.
pub(super) fn genesis(writer: WriterName) -> Digest {
    Digest::of(writer.as_str().as_bytes())
}

struct Chain {
    sequence: u64,
    hash: Digest,
    segment: Option<Appender<Arc<File>>>,
    /// The number of the last segment; 0 before the first.
    number: u32,
    /// The number of the oldest segment that is left.
    oldest: u32,
}

impl AuditLog {
    /// Opens the log in `dir`, which is made if it is not there, and goes on with a chain that no process holds.
    ///
    /// A chain whose files contradict each other is never gone on with: its files are evidence.
    pub fn open(dir: &Path, options: Options) -> Result<Self, AuditError> {
        files::make_folder(dir)?;
        let mut skipped = Vec::new();
        for writer in files::scan(dir)?.into_keys() {
            let Some(lock) = take_lock(dir, writer)? else { continue };
            match resume(dir, writer) {
                Ok((chain, synced, healed)) => {
                    let synced = Mutex::new(synced);
                    let chain = Mutex::new(chain);
                    let log = Self { dir: dir.to_owned(), options, writer, chain, synced, skipped, _lock: lock };
                    if let Some(healed) = healed {
                        log.append(Recorded::Upkeep(healed))?;
                    }
                    return Ok(log);
                }
                Err(reason) => {
                    tracing::warn!(%writer, reason, "a chain of audit events is unsound; it is left as it is");
                    skipped.push(Skipped { writer: writer.to_string(), reason });
                }
            }
        }
        let writer = WriterName::random().map_err(FileError::of("create", dir))?;
        let path = dir.join(lock_name(writer));
        let lock = files::create_append(&path)?;
        lock.try_lock().map_err(|error| FileError::of("lock", &path)(error.into()))?;
        let hash = genesis(writer);
        Head { writer, sequence: 0, hash, at: options.clock.now() }.write(dir)?;
        let chain = Mutex::new(Chain { sequence: 0, hash, segment: None, number: 0, oldest: 1 });
        Ok(Self { dir: dir.to_owned(), options, writer, chain, synced: Mutex::new(0), skipped, _lock: lock })
    }

    /// Appends an event and answers its sequence. It is in the file when this returns; [`Self::sync`] makes it durable.
    ///
    /// After an error nothing of the event is in the log, and recording can be tried again. A file that was moved away, replaced or
    /// cut since the last event is noticed before anything is written.
    pub fn record(&self, event: AuditEvent) -> Result<u64, AuditError> {
        self.append(Recorded::Event(event))
    }

    /// Makes everything recorded so far durable and notes how far that is.
    pub fn sync(&self) -> Result<(), AuditError> {
        let mut synced = lock(&self.synced);
        let (sequence, hash, number, segment) = {
            let chain = lock(&self.chain);
            let segment = chain.segment.as_ref().map(|segment| (Arc::clone(segment.medium()), segment.len()));
            (chain.sequence, chain.hash, chain.number, segment)
        };
        if sequence == *synced {
            return Ok(());
        }
        if let Some((file, len)) = segment {
            let path = self.segment_path(number);
            file.sync_data().map_err(FileError::of("sync", &path))?;
            if is_replaced(&path, &file, len) {
                // Later events go into a new segment, so that no more of them are lost with this one.
                let mut chain = lock(&self.chain);
                if chain.number == number {
                    chain.segment = None;
                }
                return Err(AuditError::Replaced(path));
            }
        }
        Head { writer: self.writer, sequence, hash, at: self.options.clock.now() }.write(&self.dir)?;
        *synced = sequence;
        Ok(())
    }

    /// This process's chain.
    pub fn writer(&self) -> &str {
        self.writer.as_str()
    }

    /// The chains that were met at opening and not gone on with because their files do not fit together.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    fn append(&self, event: Recorded) -> Result<u64, AuditError> {
        let text = event.text();
        let mut chain = lock(&self.chain);
        if let Some(segment) = &chain.segment {
            let path = self.segment_path(chain.number);
            // Whoever relies on the event being recorded must not rely on a file that nobody will find. Two system calls.
            if is_replaced(&path, segment.medium(), segment.len()) {
                chain.segment = None;
                return Err(AuditError::Replaced(path));
            }
        }
        if chain.segment.as_ref().is_none_or(|segment| segment.len() >= self.options.segment_bytes) {
            self.begin_segment(&mut chain)?;
        }
        let kept = self.options.segments.max(2);
        let is_fresh = chain.segment.as_ref().is_some_and(|segment| segment.len() == 0);
        if is_fresh && chain.number - chain.oldest >= kept {
            self.delete_before(&mut chain, kept)?;
        }
        self.write(&mut chain, &text)
    }

    fn write(&self, chain: &mut Chain, text: &[u8]) -> Result<u64, AuditError> {
        let sequence = chain.sequence + 1;
        let (line, hash) = line::write(sequence, self.options.clock.now(), chain.hash, text);
        let path = self.segment_path(chain.number);
        let segment = chain.segment.as_mut().expect("a segment was begun before anything is written");
        segment.append(&line).map_err(FileError::of("write", &path))?;
        (chain.sequence, chain.hash) = (sequence, hash);
        Ok(sequence)
    }

    fn begin_segment(&self, chain: &mut Chain) -> Result<(), FileError> {
        if let Some(ended) = &chain.segment {
            // A head may only name what is durable, and only the last segment is synced with it.
            let path = self.segment_path(chain.number);
            ended.medium().sync_data().map_err(FileError::of("sync", &path))?;
        }
        let path = self.segment_path(chain.number + 1);
        let file = files::create_append(&path)?;
        files::sync_folder_of(&path)?;
        chain.segment = Some(Appender::new(Arc::new(file), 0));
        chain.number += 1;
        Ok(())
    }

    /// Deletes the oldest segments but `kept`, and says so first: a crash in between leaves more files, never a gap.
    fn delete_before(&self, chain: &mut Chain, kept: u32) -> Result<(), AuditError> {
        let first = chain.number + 1 - kept;
        // Where the first line that stays cannot be read, nothing is deleted: that would remove what shows it.
        if let Some((sequence, previous)) = first_line(&self.segment_path(first))? {
            let anchor = Recorded::Upkeep(Upkeep::Rotated { through: sequence.saturating_sub(1), hash: previous });
            self.write(chain, &anchor.text())?;
            if let Some(segment) = &chain.segment {
                let path = self.segment_path(chain.number);
                segment.medium().sync_data().map_err(FileError::of("sync", &path))?;
            }
            for number in chain.oldest..first {
                let path = self.segment_path(number);
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(FileError::of("remove", &path)(error).into());
                    }
                    _ => chain.oldest = number + 1,
                }
            }
        }
        Ok(())
    }

    fn segment_path(&self, number: u32) -> PathBuf {
        self.dir.join(self.writer.segment(number))
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        if let Err(error) = self.sync() {
            tracing::warn!(error = &error as &dyn std::error::Error, "the last audit events may not be durable");
        }
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog").field("dir", &self.dir).field("writer", &self.writer).finish_non_exhaustive()
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("segment_bytes", &self.segment_bytes)
            .field("segments", &self.segments)
            .finish_non_exhaustive()
    }
}

fn lock_name(writer: WriterName) -> String {
    format!("{writer}.lock")
}

/// None where another process holds the writer.
fn take_lock(dir: &Path, writer: WriterName) -> Result<Option<File>, FileError> {
    let path = dir.join(lock_name(writer));
    let file = match files::create_append(&path) {
        Err(error) if error.source.kind() == io::ErrorKind::AlreadyExists => files::open_append(&path)?,
        file => file?,
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(FileError::of("lock", &path)(error)),
    }
}

/// Where a chain stands, how far its head reaches, and the half line that was cut off its end. The error says why it is
/// not gone on with.
fn resume(dir: &Path, writer: WriterName) -> Result<(Chain, u64, Option<Upkeep>), String> {
    let told = |error: FileError| format!("{error}: {}", error.source);
    let head = Head::read(dir, writer).map_err(told)?.ok_or("its head is malformed")?;
    // Listed again: whoever held the writer before the lock was ours may have begun or deleted segments.
    let segments = files::scan(dir).map_err(told)?.remove(&writer).map(|files| files.segments).unwrap_or_default();
    let mut chain = Chain {
        sequence: 0,
        hash: genesis(writer),
        segment: None,
        number: segments.last().copied().unwrap_or(0),
        oldest: segments.first().copied().unwrap_or(1),
    };
    let mut healed = None;
    let mut last = None;
    for &number in segments.iter().rev().take(2) {
        let path = dir.join(writer.segment(number));
        let file = files::open_append(&path).map_err(told)?;
        let tail = files::tail(&file).map_err(|error| told(FileError::of("read", &path)(error)))?;
        last = tail.last;
        if number == chain.number {
            if !tail.torn.is_empty() {
                file.set_len(tail.whole).map_err(|error| told(FileError::of("write", &path)(error)))?;
                healed = Some(Upkeep::Healed {
                    segment: number,
                    offset: tail.whole,
                    bytes: tail.torn.len() as u64,
                    digest: Digest::of(&tail.torn),
                    text: inert(&String::from_utf8_lossy(&tail.torn), LINE_MAX),
                });
            }
            chain.segment = Some(Appender::new(Arc::new(file), tail.whole));
        }
        // A crash can come between making a segment and writing to it; then the one before holds the end.
        if last.is_some() {
            break;
        }
    }
    match last {
        Some(line) => {
            let claim = Claim::parse(&line).filter(Claim::is_genuine).ok_or("its last line does not fit its hash")?;
            (chain.sequence, chain.hash) = (claim.sequence, claim.hash);
        }
        None if chain.number > 1 => return Err("its last segments hold no line".into()),
        None => {}
    }
    if head.sequence > chain.sequence {
        return Err(format!("it ends with event {}, but event {} was durable", chain.sequence, head.sequence));
    }
    if head.sequence == chain.sequence && head.hash != chain.hash {
        return Err(format!("event {} is not the one that was durable", chain.sequence));
    }
    Ok((chain, head.sequence, healed))
}

/// The sequence of a segment's first line, and the hash that it follows; none where it is not what was written.
fn first_line(path: &Path) -> Result<Option<(u64, Digest)>, FileError> {
    let mut lines = Lines::new(files::open_read(path)?, LINE_MAX as u64);
    let claim = match lines.next().map_err(FileError::of("read", path))? {
        Some((_, Line::Whole(line))) => Claim::parse(line).filter(Claim::is_genuine),
        _ => None,
    };
    Ok(claim.map(|claim| (claim.sequence, claim.previous)))
}

/// Whether the file of that name is another one than `file`, or shorter than what was written to it.
fn is_replaced(path: &Path, file: &File, len: u64) -> bool {
    let (Ok(named), Ok(held)) = (path.symlink_metadata(), file.metadata()) else { return true };
    (named.dev(), named.ino()) != (held.dev(), held.ino()) || named.len() < len
}

/// A panic elsewhere leaves these values whole: each is changed only after what it describes was done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
