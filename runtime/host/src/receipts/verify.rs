//! The checking end: reads a whole receipt folder and says what in it is not as its writers left it.
//!
//! Files are streamed, findings are capped for each writer, and nothing is written or locked: a log can be verified
//! while it grows. Reads go from what is written last to what is written first (anchor, checkpoints, receipts), so
//! that whatever a signature covers is there by the time it is looked for.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use serde::Serialize;
use toolcell_core::{Digest, UnixMillis};

use super::checkpoint::Checkpoint;
use super::entry::{Entry, genesis};
use super::files::{self, FileError, WriterFiles, WriterName};
use super::keys::{KeyError, PUBLIC, PublicKey};
use super::known::{Head, Known};
use super::lines::{Line, Lines};
use super::problem::{Finding, Problem, Severity};

/// The most findings kept for one writer; more are counted. It keeps a hostile file from filling memory.
const FINDINGS_MAX: usize = 1_000;

/// What a verifier goes by, beside the folder itself.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// The anchor folder that the log was kept with.
    pub anchor: Option<PathBuf>,
    /// The public key, if the verifier has it from elsewhere. Else the anchor's is believed, else the folder's own.
    pub key: Option<PublicKey>,
}

/// What a folder of receipts turned out to be.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The key that signatures were checked with; none where none was found.
    pub key: Option<PublicKey>,
    /// What concerns no single writer.
    pub findings: Vec<Finding>,
    /// One for each chain, by name.
    pub writers: Vec<WriterReport>,
}

/// What one chain turned out to be.
#[derive(Clone, Debug, Serialize)]
pub struct WriterReport {
    /// Its name.
    pub writer: String,
    /// How many receipts could be read.
    pub entries: u64,
    /// How many segments there are.
    pub segments: u64,
    /// The last checkpoint with a good signature.
    pub last_checkpoint: Option<LastCheckpoint>,
    /// What is not as it should be, in the order of the files; at most a thousand.
    pub findings: Vec<Finding>,
    /// How many findings there are beyond those.
    pub more_findings: u64,
    /// The gravest of all findings, those beyond included; none where all is well.
    pub severity: Option<Severity>,
}

/// Which checkpoint was the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LastCheckpoint {
    /// Its place among the checkpoints.
    pub number: u64,
    /// The last receipt that it covers.
    pub sequence: u64,
    /// When it was signed.
    pub at: UnixMillis,
}

impl Report {
    /// The gravest of all findings; none where all is well.
    pub fn severity(&self) -> Option<Severity> {
        let common = self.findings.iter().map(|finding| finding.severity).max();
        common.max(self.writers.iter().filter_map(|writer| writer.severity).max())
    }

    /// Whether nothing shows that anybody changed anything. Warnings, such as an unsigned tail, may remain.
    pub fn is_intact(&self) -> bool {
        self.severity() != Some(Severity::Tampered)
    }

    /// How many receipts could be read.
    pub fn entries(&self) -> u64 {
        self.writers.iter().map(|writer| writer.entries).sum()
    }
}

/// Why a folder cannot be verified at all.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The folder or the anchor cannot be listed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The anchor's public key cannot be read.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Checks every chain of a folder. It costs one SHA-256 of every receipt and one signature check a checkpoint.
pub fn verify(dir: &Path, trust: &Trust) -> Result<Report, VerifyError> {
    let mut common = Findings::default();
    let key = trusted_key(dir, trust, &mut common)?;
    let mut known = Known::default();
    if let Some(anchor) = &trust.anchor {
        known.read_heads(anchor, key, &mut common)?;
    }
    for (name, files) in files::scan(dir)? {
        if files.checkpoints {
            known.read_witnesses(dir, name, key);
        }
    }
    // Listed again: what a witness saw was there before, so it is in this listing if it is anywhere. And once more
    // after the checkpoints' ends are known: the segments that those cover are all there by then.
    let writers = files::scan(dir)?;
    let mut ends: BTreeMap<_, _> = writers.iter().map(|(name, files)| (*name, End::find(dir, *name, files))).collect();
    for name in known.heads.keys() {
        ends.entry(*name).or_insert(End::Absent);
    }
    let segments = files::scan(dir)?;
    let segments = |name| segments.get(&name).map_or(&[][..], |files| &files.segments);
    let chains = ends
        .into_iter()
        .map(|(name, end)| Chain::new(dir, name, key, known.heads.get(&name)).check(end, segments(name)));
    Ok(Report { key, writers: chains.collect(), findings: common.list })
}

fn trusted_key(dir: &Path, trust: &Trust, common: &mut Findings) -> Result<Option<PublicKey>, KeyError> {
    let own = match PublicKey::read(&dir.join(PUBLIC)) {
        Ok(key) => Some(key),
        Err(error) => {
            common.add(PUBLIC, None, None, Problem::KeyUnreadable { reason: error.to_string() });
            None
        }
    };
    let anchored = match &trust.anchor {
        Some(anchor) => Some(PublicKey::read(&anchor.join(PUBLIC))?),
        None => None,
    };
    let key = trust.key.or(anchored).or(own);
    for found in [own, anchored].into_iter().flatten() {
        if Some(found) != key {
            common.add(PUBLIC, None, None, Problem::UnknownKey { key: found });
        }
    }
    Ok(key)
}

/// Findings of one writer, or of the folder, as many as are kept.
#[derive(Default)]
pub(super) struct Findings {
    list: Vec<Finding>,
    more: u64,
    severity: Option<Severity>,
}

impl Findings {
    pub(super) fn add(&mut self, file: &str, line: Option<u64>, sequence: Option<u64>, problem: Problem) {
        let severity = problem.severity();
        self.severity = self.severity.max(Some(severity));
        if self.list.len() < FINDINGS_MAX {
            self.list.push(Finding { file: file.to_owned(), line, sequence, severity, problem });
        } else {
            self.more += 1;
        }
    }
}

/// One chain while it is checked.
struct Chain<'a> {
    dir: &'a Path,
    name: WriterName,
    known: Option<&'a Head>,
    findings: Findings,
    /// The sequence that the next entry should have.
    expected: u64,
    /// The hash that it should name as the one before; none after a line that could not be read.
    previous: Option<Digest>,
    entries: u64,
    checkpoints: Checkpoints,
}

impl<'a> Chain<'a> {
    fn new(dir: &'a Path, name: WriterName, key: Option<PublicKey>, known: Option<&'a Head>) -> Self {
        let checkpoints = Checkpoints::new(name, key);
        let previous = Some(genesis(name));
        Self { dir, name, known, findings: Findings::default(), expected: 1, previous, entries: 0, checkpoints }
    }

    fn check(mut self, checkpoints: End, segments: &[u32]) -> WriterReport {
        let file = self.name.checkpoints();
        match (checkpoints, self.known) {
            (End::At(len), _) => match files::open_read(&self.dir.join(&file)) {
                Ok(opened) => self.checkpoints.lines = Some(Lines::new(opened, len)),
                Err(error) => self.findings.add(&file, None, None, Problem::refused(&error)),
            },
            (End::Refused(error), _) => self.findings.add(&file, None, None, Problem::refused(&error)),
            (End::Absent, Some(known)) => {
                self.findings.add(&file, None, None, Problem::MissingWriter { known_by: known.by.clone() });
            }
            (End::Absent, None) => {}
        }
        self.checkpoints.advance(self.known, &mut self.findings);
        self.compare_at(0, genesis(self.name), &file, None);

        let mut next = 1;
        for (index, &number) in segments.iter().enumerate() {
            let file = self.name.segment(number);
            if number != next {
                self.findings.add(&file, None, None, Problem::MissingSegments { from: next, to: number - 1 });
            }
            next = number.saturating_add(1);
            match open_with_length(&self.dir.join(&file)) {
                Ok((opened, len)) => self.check_segment(&file, Lines::new(opened, len), index + 1 == segments.len()),
                Err(error) => self.findings.add(&file, None, None, Problem::refused(&error)),
            }
        }
        let last = segments.last().map(|&number| self.name.segment(number));
        self.check_end(&file, last.as_deref());
        WriterReport {
            writer: self.name.to_string(),
            entries: self.entries,
            segments: segments.len() as u64,
            last_checkpoint: self.checkpoints.last,
            findings: self.findings.list,
            more_findings: self.findings.more,
            severity: self.findings.severity,
        }
    }

    fn check_segment(&mut self, file: &str, mut lines: Lines, is_last: bool) {
        loop {
            let (number, line) = match lines.next() {
                Ok(Some(line)) => line,
                Ok(None) => return,
                Err(error) => {
                    let problem = Problem::FileRefused { reason: error.to_string() };
                    return self.findings.add(file, None, None, problem);
                }
            };
            match line {
                Line::Whole(line) => match Entry::parse(line) {
                    Some(entry) if entry.writer == self.name => self.check_entry(&entry, file, Some(number)),
                    Some(entry) => {
                        let problem = Problem::ForeignEntry { writer: entry.writer.to_string() };
                        self.findings.add(file, Some(number), Some(entry.sequence), problem);
                    }
                    None => self.unreadable(file, number),
                },
                Line::TooLong => self.unreadable(file, number),
                Line::Torn(bytes) => {
                    // Half a line can only stand where writing stopped: at the end of all.
                    let problem = if is_last { Problem::TornTail { bytes } } else { Problem::Unreadable };
                    self.findings.add(file, Some(number), None, problem);
                }
            }
        }
    }

    fn unreadable(&mut self, file: &str, line: u64) {
        self.findings.add(file, Some(line), Some(self.expected), Problem::Unreadable);
        // It stands for one entry: the next one is checked as if this had been in its place.
        self.expected = self.expected.saturating_add(1);
        self.previous = None;
    }

    fn check_entry(&mut self, entry: &Entry<'_>, file: &str, line: Option<u64>) {
        let sequence = entry.sequence;
        let mut add = |problem| self.findings.add(file, line, Some(sequence), problem);
        self.entries += 1;
        if !entry.is_genuine() {
            add(Problem::Rewritten);
        } else if let Err(error) = entry.receipt() {
            add(Problem::NotAReceipt { reason: error.to_string() });
        }
        if sequence < self.expected {
            add(Problem::Misplaced { expected: self.expected });
            return;
        }
        if sequence > self.expected {
            add(Problem::Missing { from: self.expected, to: sequence - 1 });
        } else if self.previous.is_some_and(|previous| previous != entry.previous) {
            add(Problem::Unlinked);
        }
        self.expected = sequence.saturating_add(1);
        self.previous = Some(entry.hash);
        self.compare_at(sequence, entry.hash, file, line);
    }

    /// Compares the chain with every checkpoint that names this place, and passes over those that name earlier ones.
    fn compare_at(&mut self, sequence: u64, hash: Digest, file: &str, line: Option<u64>) {
        while let Some(checkpoint) = &self.checkpoints.next
            && checkpoint.sequence <= sequence
        {
            if checkpoint.sequence == sequence && checkpoint.hash != hash {
                let problem = Problem::ContradictsCheckpoint { number: checkpoint.number };
                self.findings.add(file, line, Some(sequence), problem);
            }
            self.checkpoints.advance(self.known, &mut self.findings);
        }
    }

    fn check_end(&mut self, checkpoints: &str, last_segment: Option<&str>) {
        while self.checkpoints.next.is_some() {
            self.checkpoints.advance(self.known, &mut self.findings);
        }
        let last = self.expected - 1;
        let signed = self.checkpoints.last.map_or(0, |last| last.sequence);
        let file = last_segment.unwrap_or(checkpoints);
        if self.checkpoints.last.is_none() && last > 0 {
            self.findings.add(checkpoints, None, None, Problem::NoCheckpoints);
        }
        if signed > last {
            self.findings.add(file, None, Some(last), Problem::CutTail { last, signed });
        } else if signed < last {
            self.findings.add(file, None, Some(last), Problem::UnsignedTail { from: signed + 1, to: last });
        }
        if let Some(known) = self.known
            && self.checkpoints.lines.is_some()
            && self.checkpoints.highest < known.number
        {
            let problem = Problem::CheckpointsCut {
                last: self.checkpoints.highest,
                known: known.number,
                known_by: known.by.clone(),
            };
            self.findings.add(checkpoints, None, None, problem);
        }
    }
}

/// The checkpoints of one chain, checked one by one as the entries reach them.
struct Checkpoints {
    name: WriterName,
    key: Option<PublicKey>,
    lines: Option<Lines>,
    /// The one that the entries have not reached yet. Its signature is good.
    next: Option<Checkpoint>,
    last: Option<LastCheckpoint>,
    /// The highest number with a good signature.
    highest: u64,
    previous: Option<Digest>,
}

impl Checkpoints {
    fn new(name: WriterName, key: Option<PublicKey>) -> Self {
        Self { name, key, lines: None, next: None, last: None, highest: 0, previous: Some(genesis(name)) }
    }

    /// Moves to the next checkpoint with a good signature.
    fn advance(&mut self, known: Option<&Head>, findings: &mut Findings) {
        self.next = None;
        let file = self.name.checkpoints();
        let Some(lines) = &mut self.lines else { return };
        while self.next.is_none() {
            let (number, line) = match lines.next() {
                Ok(Some(line)) => line,
                Ok(None) => return,
                Err(error) => {
                    return findings.add(&file, None, None, Problem::FileRefused { reason: error.to_string() });
                }
            };
            let claim = match line {
                Line::Whole(line) => Checkpoint::parse(line).ok_or(Problem::BadCheckpoint),
                Line::TooLong => Err(Problem::BadCheckpoint),
                Line::Torn(bytes) => Err(Problem::TornTail { bytes }),
            };
            let claim = claim.and_then(|claim| match self.key {
                _ if claim.checkpoint.writer_name() != self.name => {
                    Err(Problem::ForeignEntry { writer: claim.checkpoint.writer().to_owned() })
                }
                Some(key) if claim.is_signed_by(key) => Ok((claim.signed(), claim.checkpoint)),
                Some(key) if claim.checkpoint.key == key => {
                    Err(Problem::BadSignature { number: claim.checkpoint.number })
                }
                _ => Err(Problem::UnknownKey { key: claim.checkpoint.key }),
            });
            let (signed, checkpoint) = match claim {
                Ok(claim) => claim,
                Err(problem) => {
                    findings.add(&file, Some(number), None, problem);
                    self.previous = None;
                    continue;
                }
            };

            let mut add = |problem| findings.add(&file, Some(number), Some(checkpoint.sequence), problem);
            if checkpoint.number <= self.highest {
                add(Problem::Misplaced { expected: self.highest + 1 });
                continue;
            }
            if checkpoint.number > self.highest + 1 {
                add(Problem::CheckpointsMissing { from: self.highest + 1, to: checkpoint.number - 1 });
            } else if self.previous.is_some_and(|previous| previous != checkpoint.previous) {
                add(Problem::Unlinked);
            }
            if known.is_some_and(|known| known.number == signed.number && known.line != signed.line) {
                add(Problem::Forked { number: signed.number });
            }
            let before = self.last.map_or(0, |last| last.sequence);
            if checkpoint.sequence < before {
                add(Problem::Misplaced { expected: before });
            }
            if let Some(to) = checkpoint.adopted {
                add(Problem::Adopted { from: before.saturating_add(1), to });
            }
            for torn in &checkpoint.torn {
                add(Problem::SetAside { from_file: torn.file.clone(), offset: torn.offset, bytes: torn.bytes });
            }
            self.highest = checkpoint.number;
            self.previous = Some(signed.line);
            self.last = Some(LastCheckpoint {
                number: checkpoint.number,
                sequence: checkpoint.sequence.max(before),
                at: checkpoint.at,
            });
            self.next = Some(checkpoint);
        }
    }
}

/// How far a writer's checkpoints reached when the verifier looked.
enum End {
    /// To this length of a file whose handle is opened later, so that a crowded folder takes no crowd of handles.
    At(u64),
    Absent,
    Refused(FileError),
}

impl End {
    fn find(dir: &Path, name: WriterName, files: &WriterFiles) -> Self {
        match open_with_length(&dir.join(name.checkpoints())) {
            _ if !files.checkpoints => Self::Absent,
            Ok((_, len)) => Self::At(len),
            Err(error) => Self::Refused(error),
        }
    }
}

fn open_with_length(path: &Path) -> Result<(File, u64), FileError> {
    let file = files::open_read(path)?;
    let len = file.metadata().map_err(FileError::of("read", path))?.len();
    Ok((file, len))
}
