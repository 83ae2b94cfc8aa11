//! Writer slots: which chain a process goes on with, and in what state it finds it.
//!
//! A process takes the first writer of the folder that no other process holds, so a thousand short runs one after
//! another share one chain. A writer whose files contradict each other is never gone on with: its files are evidence.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use serde::Serialize;
use toolcell_core::{Digest, UnixMillis};

use super::checkpoint::{Checkpoint, Notes, Signed, Torn};
use super::entry::{Entry, genesis};
use super::files::{self, Appender, FileError, LINE_MAX, WriterFiles, WriterName};
use super::keys::Signer;

/// A writer that this process holds: nobody else appends to its files while the checkpoint file's lock is held.
pub(super) struct Slot {
    pub(super) name: WriterName,
    /// Holds the lock.
    pub(super) checkpoints: Appender<Arc<File>>,
    pub(super) signed: Signed,
    /// The segment to go on with; none before the first receipt.
    pub(super) segment: Option<Appender<Arc<File>>>,
    /// The number of the last segment; 0 before the first receipt.
    pub(super) segment_number: u32,
    pub(super) sequence: u64,
    pub(super) hash: Digest,
    /// What the next checkpoint has to tell about what was found.
    pub(super) notes: Notes,
}

/// A writer that was not gone on with, because its files do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The writer's name.
    pub writer: String,
    /// What does not fit.
    pub reason: String,
}

/// A file's last whole line, where it has one.
type LastLine = Option<Vec<u8>>;

/// The folder, its anchor and its key: what taking a slot needs.
pub(super) struct Place<'a> {
    pub(super) dir: &'a Path,
    pub(super) anchor: Option<&'a Path>,
    pub(super) signer: &'a Signer,
    pub(super) now: UnixMillis,
}

impl Place<'_> {
    /// Takes the first free and sound writer, or makes a new one. Also answers which ones were passed over as unsound.
    pub(super) fn take_slot(&self) -> Result<(Slot, Vec<Skipped>), FileError> {
        let mut skipped = Vec::new();
        let mut writers = files::scan(self.dir)?;
        if let Some(anchor) = self.anchor {
            for (name, files) in files::scan(anchor)? {
                if files.head && writers.get(&name).is_none_or(|files| !files.checkpoints) {
                    let reason = "the anchor knows it, but its checkpoints are gone".into();
                    skipped.push(Skipped { writer: name.to_string(), reason });
                    writers.remove(&name);
                }
            }
        }
        for (name, files) in writers.iter().filter(|(_, files)| files.checkpoints) {
            match self.resume(*name, files) {
                Ok(Some(slot)) => return Ok((slot, skipped)),
                Ok(None) => {}
                Err(reason) => skipped.push(Skipped { writer: name.to_string(), reason: reason.to_string() }),
            }
        }
        Ok((self.begin()?, skipped))
    }

    fn begin(&self) -> Result<Slot, FileError> {
        let name = WriterName::random().map_err(FileError::of("create", self.dir))?;
        let path = self.dir.join(name.checkpoints());
        let file = files::create_append(&path)?;
        file.try_lock().map_err(|error| FileError::of("lock", &path)(error.into()))?;
        let mut slot = Slot {
            name,
            checkpoints: Appender::new(Arc::new(file), 0),
            signed: Signed::nothing(name),
            segment: None,
            segment_number: 0,
            sequence: 0,
            hash: genesis(name),
            notes: Notes::default(),
        };
        self.sign_first(&mut slot)?;
        Ok(slot)
    }

    /// Signs the checkpoint before the first receipt. It makes receipts without any checkpoint a sign of tampering.
    fn sign_first(&self, slot: &mut Slot) -> Result<(), FileError> {
        let path = self.dir.join(slot.name.checkpoints());
        let place = (slot.sequence, slot.hash);
        let first = Checkpoint::after(slot.signed, slot.name, place, self.now, self.signer.public, &Notes::default());
        let line = first.line(self.signer);
        slot.signed = Signed { number: first.number, line: Digest::of(&line), ..slot.signed };
        slot.checkpoints.append(&[&*line, b"\n"].concat()).map_err(FileError::of("write", &path))?;
        slot.checkpoints.medium().sync_data().map_err(FileError::of("sync", &path))?;
        files::sync_folder_of(&path)?;
        if let Some(anchor) = self.anchor {
            files::replace(&anchor.join(slot.name.head()), &line)?;
        }
        Ok(())
    }

    /// None where another process holds the writer.
    fn resume(&self, name: WriterName, files: &WriterFiles) -> Result<Option<Slot>, Unsound> {
        let path = self.dir.join(name.checkpoints());
        let file = files::open_append(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(FileError::of("lock", &path)(error).into()),
        }
        // The listing is older than the lock: whoever held the writer in between may have begun another segment.
        let mut number = files.segments.last().copied().unwrap_or(0);
        while self.dir.join(name.segment(number + 1)).symlink_metadata().is_ok() {
            number += 1;
        }

        let mut notes = Notes::default();
        let (checkpoints, last) = self.recover(name, &path, file, &mut notes)?;
        let signed = match last {
            Some(line) => self.signed(name, &line)?,
            None if number == 0 => None,
            None => return Err(Unsound::NoCheckpoints),
        };

        let mut slot = Slot {
            name,
            checkpoints,
            signed: signed.unwrap_or(Signed::nothing(name)),
            segment: None,
            segment_number: number,
            sequence: 0,
            hash: genesis(name),
            notes,
        };
        self.find_end_of_chain(&mut slot)?;
        match signed {
            None => self.sign_first(&mut slot)?,
            Some(Signed { sequence, .. }) if slot.sequence < sequence => {
                return Err(Unsound::CutTail { last: slot.sequence, signed: sequence });
            }
            Some(Signed { sequence, .. }) if slot.sequence > sequence => slot.notes.adopted = Some(slot.sequence),
            Some(Signed { hash, .. }) if slot.hash != hash => return Err(Unsound::Rewritten { signed: slot.sequence }),
            Some(_) => {}
        }
        Ok(Some(slot))
    }

    /// The last checkpoint, if its signature and the anchor bear it out.
    fn signed(&self, name: WriterName, line: &[u8]) -> Result<Option<Signed>, Unsound> {
        let claim = Checkpoint::parse(line).filter(|claim| claim.checkpoint.writer_name() == name);
        let claim = claim.filter(|claim| claim.is_signed_by(self.signer.public)).ok_or(Unsound::BadCheckpoint)?;
        let signed = claim.signed();
        let Some(anchor) = self.anchor else { return Ok(Some(signed)) };
        let path = anchor.join(name.head());
        let head = match files::read_small(&path, LINE_MAX) {
            Ok(head) => head,
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => return Ok(Some(signed)),
            Err(error) => return Err(error.into()),
        };
        let head = Checkpoint::parse(&head).filter(|head| head.is_signed_by(self.signer.public));
        let head = head.ok_or(Unsound::BadHead)?.signed();
        // A crash between the two files leaves the anchor behind, never ahead.
        if head.number > signed.number || head.number == signed.number && head.line != signed.line {
            return Err(Unsound::BehindAnchor { last: signed.number, anchored: head.number });
        }
        Ok(Some(signed))
    }

    /// Opens the last segment and reads where the chain stands. A segment may be empty: a crash can come between
    /// making it and writing to it, and then the one before it holds the end.
    fn find_end_of_chain(&self, slot: &mut Slot) -> Result<(), Unsound> {
        let name = slot.name;
        if slot.segment_number == 0 {
            return Ok(());
        }
        let path = self.dir.join(name.segment(slot.segment_number));
        let (segment, mut last) = self.recover(name, &path, files::open_append(&path)?, &mut slot.notes)?;
        slot.segment = Some(segment);
        if last.is_none() && slot.segment_number > 1 {
            let path = self.dir.join(name.segment(slot.segment_number - 1));
            last = files::tail(&files::open_read(&path)?).map_err(FileError::of("read", &path))?.last;
            if last.is_none() {
                return Err(Unsound::BadEntry);
            }
        }
        if let Some(line) = last {
            let entry = Entry::parse(&line).filter(|entry| entry.writer == name && entry.is_genuine());
            let entry = entry.ok_or(Unsound::BadEntry)?;
            (slot.sequence, slot.hash) = (entry.sequence, entry.hash);
        }
        Ok(())
    }

    /// Reads the last line, and moves half a line behind it out of the way.
    fn recover(
        &self,
        name: WriterName,
        path: &Path,
        file: File,
        notes: &mut Notes,
    ) -> Result<(Appender<Arc<File>>, LastLine), FileError> {
        let tail = files::tail(&file).map_err(FileError::of("read", path))?;
        if !tail.torn.is_empty() {
            let torn = Torn {
                file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                offset: tail.whole,
                bytes: tail.torn.len() as u64,
                digest: Digest::of(&tail.torn),
            };
            self.set_aside(name, &torn, &tail.torn)?;
            file.set_len(tail.whole).map_err(FileError::of("write", path))?;
            notes.torn.push(torn);
        }
        Ok((Appender::new(Arc::new(file), tail.whole), tail.last))
    }

    /// Keeps half a line, durably, before it is cut off where it stood.
    fn set_aside(&self, name: WriterName, torn: &Torn, bytes: &[u8]) -> Result<(), FileError> {
        #[derive(Serialize)]
        struct Line<'a> {
            #[serde(flatten)]
            torn: &'a Torn,
            at: UnixMillis,
            base64: String,
        }
        let base64 = base64::engine::general_purpose::STANDARD.encode(bytes);
        let mut line = serde_json::to_vec(&Line { torn, at: self.now, base64 }).expect("text and numbers serialise");
        line.push(b'\n');
        let path = self.dir.join(name.torn());
        let file = match files::create_append(&path) {
            Err(error) if error.source.kind() == io::ErrorKind::AlreadyExists => files::open_append(&path)?,
            file => file?,
        };
        let len = file.metadata().map_err(FileError::of("read", &path))?.len();
        let mut appender = Appender::new(Arc::new(file), len);
        appender.append(&line).map_err(FileError::of("write", &path))?;
        appender.medium().sync_data().map_err(FileError::of("sync", &path))?;
        files::sync_folder_of(&path)
    }
}

/// Why a writer is not gone on with. It ends as text in [`Skipped`], so its display holds the cause too.
#[derive(Debug, thiserror::Error)]
enum Unsound {
    #[error("{0}: {cause}", cause = .0.source)]
    File(FileError),
    #[error("it has receipts but no checkpoint")]
    NoCheckpoints,
    #[error("its last checkpoint is malformed or not signed with this folder's key")]
    BadCheckpoint,
    #[error("its head in the anchor is malformed or not signed with this folder's key")]
    BadHead,
    #[error("its last checkpoint is number {last}, but the anchor knows another one of number {anchored}")]
    BehindAnchor { last: u64, anchored: u64 },
    #[error("it ends with receipt {last}, but receipt {signed} was signed")]
    CutTail { last: u64, signed: u64 },
    #[error("receipt {signed} is not the one that was signed")]
    Rewritten { signed: u64 },
    #[error("its last receipt is malformed or does not fit its hash")]
    BadEntry,
}

impl From<FileError> for Unsound {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}
