//! The writing end: seals receipts into this process's chain, and signs checkpoints beside it.
//!
//! Sealing never waits for a disk or for a signature: it serialises and hashes outside the lock, and holds the lock
//! for the last block of the hash and one `write(2)`. A thread of its own makes data durable and signs. The wall
//! clock is never read but through the [`Clock`] that is handed in.

use std::fs::File;
use std::num::NonZeroU64;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{fmt, io, mem};

use toolcell_core::{Clock, Digest, Receipt, Sealed};

use super::checkpoint::{Checkpoint, Notes, Signed, Witnessed};
use super::entry::{Draft, DraftError};
use super::files::{self, Appender, FileError, LINE_MAX, WriterName};
use super::keys::{KeyError, PUBLIC, PublicKey, SECRET, Signer};
use super::slot::{Place, Skipped, Slot};

/// How many other writers a process names in its first checkpoint. It bounds what opening a crowded folder costs.
const WITNESSED_MAX: usize = 16;

/// A receipt is signed after this many at the latest, unless the disk is slower than the calls.
const CHECKPOINT_EVERY: NonZeroU64 = NonZeroU64::new(1_024).expect("1,024 is not zero");

/// Seals receipts into one chain of a folder. Threads share it; another process gets a chain of its own.
///
/// Dropping it signs what is not signed yet; [`ReceiptLog::close`] does the same and answers with the error.
pub struct ReceiptLog {
    shared: Arc<Shared>,
    /// Wakes the thread; dropping it ends the thread.
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    skipped: Vec<Skipped>,
}

/// How a log is kept.
#[derive(Clone)]
pub struct Options {
    /// Says when a checkpoint was signed.
    pub clock: Arc<dyn Clock>,
    /// A second folder for the heads of the chains and the public key. It serves one receipt folder.
    pub anchor: Option<PathBuf>,
    /// Where the secret key lies; `key` in the receipt folder by default.
    pub key: Option<PathBuf>,
    /// A segment is ended once it is this long, in bytes; 64 MiB by default.
    pub segment_bytes: u64,
    /// A checkpoint is due after so many receipts; 1,024 by default. It bounds what can be cut off unseen, but for what
    /// is sealed while the disk is waited for.
    pub checkpoint_every: NonZeroU64,
    /// A checkpoint of unsigned receipts is due after so long; five seconds by default. None: only by number.
    pub checkpoint_after: Option<Duration>,
}

impl Options {
    /// The defaults.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            anchor: None,
            key: None,
            segment_bytes: 64 << 20,
            checkpoint_every: CHECKPOINT_EVERY,
            checkpoint_after: Some(Duration::from_secs(5)),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("anchor", &self.anchor)
            .field("key", &self.key)
            .field("segment_bytes", &self.segment_bytes)
            .field("checkpoint_every", &self.checkpoint_every)
            .field("checkpoint_after", &self.checkpoint_after)
            .finish_non_exhaustive()
    }
}

impl ReceiptLog {
    /// Opens the log in `dir`, which is made if it is not there, and goes on with a chain that no process holds.
    pub fn open(dir: &Path, options: Options) -> Result<Self, OpenError> {
        files::make_folder(dir)?;
        let secret = options.key.clone().unwrap_or_else(|| dir.join(SECRET));
        let signer = Signer::load_or_create(&secret, &dir.join(PUBLIC))?;
        if let Some(anchor) = &options.anchor {
            files::make_folder(anchor)?;
            signer.public.publish(&anchor.join(PUBLIC))?;
        }
        let now = options.clock.now();
        let place = Place { dir, anchor: options.anchor.as_deref(), signer: &signer, now };
        let (slot, skipped) = place.take_slot()?;
        for Skipped { writer, reason } in &skipped {
            tracing::warn!(writer, reason, "a chain of receipts is unsound; it is left as it is");
        }

        let checkpoint_after = options.checkpoint_after;
        let shared = Arc::new(Shared::new(dir, options, signer, slot));
        let (wake, woken) = sync_channel(1);
        let notary = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("toolcell-receipts".into())
            .spawn(move || notary.sign_when_due(&woken, checkpoint_after))
            .map_err(OpenError::Thread)?;
        Ok(Self { shared, wake: Some(wake), thread: Some(thread), skipped })
    }

    /// Appends a receipt to the chain. It is in the file when this returns, and durable and signed soon after.
    ///
    /// After an error nothing of the receipt is in the log, and sealing can be tried again.
    pub fn seal(&self, receipt: impl Into<Box<Receipt>>) -> Result<Sealed, SealError> {
        let (shared, receipt) = (&*self.shared, receipt.into());
        let mut draft = Draft::new(shared.writer, &receipt).map_err(|error| match error {
            DraftError::Json(error) => SealError::Json(error),
            DraftError::TooLong(bytes) => SealError::TooLong { bytes },
        })?;
        let (sequence, previous, hash) = shared.append(&mut draft)?;
        if sequence % shared.options.checkpoint_every == 0
            && let Some(wake) = &self.wake
        {
            // A full channel means that the thread is about to look anyway.
            let _ = wake.try_send(());
        }
        Ok(Sealed { writer: shared.writer_text.clone(), sequence, previous, hash, receipt })
    }

    /// Makes everything sealed so far durable and signs it. Answers none where there is nothing new to sign.
    pub fn checkpoint(&self) -> Result<Option<Checkpoint>, CheckpointError> {
        self.shared.checkpoint()
    }

    /// Signs what is not signed yet, and ends.
    pub fn close(mut self) -> Result<(), CheckpointError> {
        self.finish()
    }

    /// This process's chain.
    pub fn writer(&self) -> &str {
        self.shared.writer.as_str()
    }

    /// The key that verifies the folder's checkpoints. Keep a copy where the folder's writers cannot change it.
    pub fn public_key(&self) -> PublicKey {
        self.shared.signer.public
    }

    /// The chains that were met at opening before this one was taken, and not gone on with because their files do not
    /// fit together. There may be more: [`super::verify`] looks at all.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Why the last checkpoint failed; none once one has succeeded.
    pub fn trouble(&self) -> Option<String> {
        lock(&self.shared.trouble).clone()
    }

    fn finish(&mut self) -> Result<(), CheckpointError> {
        drop(self.wake.take());
        let Some(thread) = self.thread.take() else { return Ok(()) };
        // A panic of the thread has been reported by the panic hook; what it left unsigned is signed here.
        let _ = thread.join();
        self.shared.checkpoint().map(|_| ())
    }
}

impl Drop for ReceiptLog {
    fn drop(&mut self) {
        if let Err(error) = self.finish() {
            tracing::warn!(error = &error as &dyn std::error::Error, "the last receipts stay unsigned");
        }
    }
}

impl fmt::Debug for ReceiptLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiptLog")
            .field("dir", &self.shared.dir)
            .field("writer", &self.shared.writer)
            .finish_non_exhaustive()
    }
}

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file or folder cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no usable key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The thread that signs cannot be started.
    #[error("cannot start the thread that signs checkpoints")]
    Thread(#[source] io::Error),
}

/// Why a receipt was not sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The receipt does not serialise.
    #[error("the receipt cannot be written as JSON")]
    Json(#[source] serde_json::Error),
    /// No reader would take so long a line.
    #[error(
        "the receipt takes {bytes} bytes, and a line holds at most {LINE_MAX}; shorten the caller or the lists in it"
    )]
    TooLong {
        /// The length of its line.
        bytes: usize,
    },
    /// The file cannot be written to; the chain is as it was.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Why a checkpoint was not made.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// A file cannot be written or made durable.
    #[error(transparent)]
    File(#[from] FileError),
    /// Somebody moved, replaced or cut a file that this process writes to. The checkpoint was signed all the same.
    #[error("{} is not the file that this process has been writing to; receipts are lost, and the log will not verify", path.display())]
    Replaced {
        /// The file.
        path: PathBuf,
    },
}

struct Shared {
    dir: PathBuf,
    options: Options,
    signer: Signer,
    writer: WriterName,
    writer_text: Arc<str>,
    chain: Mutex<Chain>,
    notary: Mutex<Notary>,
    trouble: Mutex<Option<String>>,
}

/// Where the chain stands.
struct Chain {
    sequence: u64,
    hash: Digest,
    segment: Option<Appender<Arc<File>>>,
    segment_number: u32,
    /// Ended segments that are not durable yet.
    ended: Vec<(PathBuf, Arc<File>)>,
}

/// Where the checkpoints stand. Its lock is held while disks are waited for; the chain's never is.
struct Notary {
    checkpoints: Appender<Arc<File>>,
    signed: Signed,
    notes: Notes,
    /// The segment whose name is known to be durable.
    named: u32,
    /// The last checkpoint's line, where the anchor does not have it yet.
    unanchored: Option<Vec<u8>>,
    /// Whether this process has witnessed the other writers.
    has_witnessed: bool,
}

impl Shared {
    fn new(dir: &Path, options: Options, signer: Signer, slot: Slot) -> Self {
        let Slot { name, checkpoints, signed, segment, segment_number, sequence, hash, notes } = slot;
        let chain = Chain { sequence, hash, segment, segment_number, ended: Vec::new() };
        let notary =
            Notary { checkpoints, signed, notes, named: segment_number, unanchored: None, has_witnessed: false };
        Self {
            dir: dir.to_owned(),
            options,
            signer,
            writer: name,
            writer_text: name.to_string().into(),
            chain: Mutex::new(chain),
            notary: Mutex::new(notary),
            trouble: Mutex::new(None),
        }
    }

    /// Answers the entry's sequence, the hash before it and its own.
    fn append(&self, draft: &mut Draft) -> Result<(u64, Digest, Digest), FileError> {
        let mut chain = lock(&self.chain);
        let chain = &mut *chain;
        if chain.segment.as_ref().is_none_or(|segment| segment.len() >= self.options.segment_bytes) {
            self.begin_segment(chain)?;
        }
        let sequence = chain.sequence + 1;
        let (hash, line) = draft.line(self.writer, sequence, chain.hash);
        let segment = chain.segment.as_mut().expect("a segment was begun above");
        segment
            .append(line)
            .map_err(|error| FileError::of("write", &self.segment_path(chain.segment_number))(error))?;
        chain.sequence = sequence;
        Ok((sequence, mem::replace(&mut chain.hash, hash), hash))
    }

    fn begin_segment(&self, chain: &mut Chain) -> Result<(), FileError> {
        let next = chain.segment_number + 1;
        let file = files::create_append(&self.segment_path(next))?;
        let ended = chain.segment.replace(Appender::new(Arc::new(file), 0));
        let path = self.segment_path(chain.segment_number);
        chain.ended.extend(ended.map(|ended| (path, Arc::clone(ended.medium()))));
        chain.segment_number = next;
        Ok(())
    }

    fn segment_path(&self, number: u32) -> PathBuf {
        self.dir.join(self.writer.segment(number))
    }

    fn sign_when_due(&self, woken: &Receiver<()>, after: Option<Duration>) {
        loop {
            let due = match after {
                Some(after) => woken.recv_timeout(after),
                None => woken.recv().map_err(RecvTimeoutError::from),
            };
            if due == Err(RecvTimeoutError::Disconnected) {
                return;
            }
            if let Err(error) = self.checkpoint() {
                tracing::warn!(error = &error as &dyn std::error::Error, "receipts stay unsigned for now");
            }
        }
    }

    fn checkpoint(&self) -> Result<Option<Checkpoint>, CheckpointError> {
        let result = self.sign(&mut lock(&self.notary));
        *lock(&self.trouble) = result.as_ref().err().map(|error| match std::error::Error::source(error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        });
        result
    }

    fn sign(&self, notary: &mut Notary) -> Result<Option<Checkpoint>, CheckpointError> {
        self.anchor(notary)?;
        let (place, number, segment, ended) = {
            let mut chain = lock(&self.chain);
            let segment = chain.segment.as_ref().map(|segment| (Arc::clone(segment.medium()), segment.len()));
            let place = (chain.sequence, chain.hash);
            if place.0 == notary.signed.sequence && notary.notes.adopted.is_none() && notary.notes.torn.is_empty() {
                return Ok(None);
            }
            (place, chain.segment_number, segment, mem::take(&mut chain.ended))
        };

        // Data first: a signature must never be there before what it signs.
        let mut ended = ended.into_iter();
        while let Some((path, file)) = ended.next() {
            if let Err(error) = file.sync_data() {
                lock(&self.chain).ended.extend([(path.clone(), file)].into_iter().chain(ended));
                return Err(FileError::of("sync", &path)(error).into());
            }
        }
        let segment = segment.map(|(file, len)| (self.segment_path(number), file, len));
        if let Some((path, file, _)) = &segment {
            file.sync_data().map_err(FileError::of("sync", path))?;
            if notary.named != number {
                files::sync_folder_of(path)?;
                notary.named = number;
            }
        }

        if !notary.has_witnessed {
            notary.notes.witnessed = self.witness();
            notary.has_witnessed = true;
        }
        let key = self.signer.public;
        let now = self.options.clock.now();
        let checkpoint = Checkpoint::after(notary.signed, self.writer, place, now, key, &notary.notes);
        let line = checkpoint.line(&self.signer);
        let path = self.dir.join(self.writer.checkpoints());
        notary.checkpoints.append(&[&*line, b"\n"].concat()).map_err(FileError::of("write", &path))?;
        notary.signed = Signed { number: checkpoint.number, sequence: place.0, hash: place.1, line: Digest::of(&line) };
        notary.notes = Notes::default();
        notary.unanchored = Some(line);
        notary.checkpoints.medium().sync_data().map_err(FileError::of("sync", &path))?;
        self.anchor(notary)?;

        let (checkpoints, len) = (notary.checkpoints.medium(), notary.checkpoints.len());
        if is_replaced(&path, checkpoints, len) {
            return Err(CheckpointError::Replaced { path });
        }
        if let Some((path, file, len)) = segment
            && is_replaced(&path, &file, len)
        {
            self.leave_segment(number);
            return Err(CheckpointError::Replaced { path });
        }
        Ok(Some(checkpoint))
    }

    /// Later receipts go into a new segment, so that no more of them are lost with this one.
    fn leave_segment(&self, number: u32) {
        let mut chain = lock(&self.chain);
        if chain.segment_number == number {
            chain.segment = None;
        }
    }

    fn anchor(&self, notary: &mut Notary) -> Result<(), FileError> {
        if let (Some(anchor), Some(line)) = (&self.options.anchor, &notary.unanchored) {
            files::replace(&anchor.join(self.writer.head()), line)?;
        }
        notary.unanchored = None;
        Ok(())
    }

    /// The last checkpoints of the writers that follow ours by name, the first following the last. Writers that
    /// cannot be read are passed over: a witness says what it saw, and [`super::verify`] finds the rest.
    fn witness(&self) -> Vec<Witnessed> {
        let Ok(writers) = files::scan(&self.dir) else { return Vec::new() };
        let ours = self.writer;
        let following = writers.range(ours..).chain(writers.range(..ours));
        let others = following.filter(|(name, files)| **name != ours && files.checkpoints).take(WITNESSED_MAX);
        others
            .filter_map(|(&writer, _)| {
                let file = files::open_read(&self.dir.join(writer.checkpoints())).ok()?;
                let line = files::tail(&file).ok()?.last?;
                let claim = Checkpoint::parse(&line)?;
                let sound = claim.checkpoint.writer_name() == writer && claim.is_signed_by(self.signer.public);
                let Signed { number, line, .. } = claim.signed();
                sound.then_some(Witnessed { writer, number, line })
            })
            .collect()
    }
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
