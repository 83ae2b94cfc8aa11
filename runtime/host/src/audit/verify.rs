//! The checking end: reads a whole audit folder and says what in it is not as its writers left it.
//!
//! Files are streamed, findings are capped for each writer, and nothing is written or locked: a log can be verified
//! while it grows. Heads are read before lines, so that what a head names is there by the time it is looked for.

use std::io;
use std::path::Path;

use serde::Serialize;
use toolcell_core::Digest;

use super::event::{Recorded, Upkeep};
use super::line::Claim;
use super::log::{Head, genesis};
use crate::receipts::FileError;
use crate::receipts::files::{self, WriterName};
use crate::receipts::lines::{Line, Lines};

/// The most findings kept for one writer; more are counted. It keeps a hostile file from filling memory.
const FINDINGS_MAX: usize = 1_000;

/// What a folder of audit events turned out to be.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// One for each chain, by name.
    pub writers: Vec<WriterReport>,
}

/// What one chain turned out to be.
#[derive(Clone, Debug, Serialize)]
pub struct WriterReport {
    /// Its name.
    pub writer: String,
    /// How many events could be read.
    pub entries: u64,
    /// The sequence of the first event that is there; above 1 where rotation deleted what was before it.
    pub first: Option<u64>,
    /// The last event that its head names: up to here a cut tail would show.
    pub synced: Option<u64>,
    /// What is not as it should be; at most a thousand.
    pub findings: Vec<Finding>,
    /// How many findings there are beyond those.
    pub more_findings: u64,
}

/// Something that is not as a writer would have left it, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file's name in the folder.
    pub file: String,
    /// The line in it; the first is 1.
    pub line: Option<u64>,
    /// What it is.
    #[serde(flatten)]
    pub problem: Problem,
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(tag = "problem", rename_all = "kebab-case")]
pub enum Problem {
    /// The line's text or place was changed.
    #[error("the line does not fit its hash: it was changed after it was written")]
    Changed,
    /// The line is no entry.
    #[error("the line is no entry: it was changed, or something else wrote here")]
    Unreadable,
    /// The hash fits, but the text is no event.
    #[error("the line's text is no event that this version knows")]
    NotAnEvent,
    /// Lines were removed.
    #[error("events {from} to {to} are missing before this one")]
    Missing {
        /// The first one missing.
        from: u64,
        /// The last one missing.
        to: u64,
    },
    /// A line stands where one with a higher number should.
    #[error("it is out of order or there twice: event {expected} was expected here")]
    Misplaced {
        /// What was expected.
        expected: u64,
    },
    /// The line before was replaced by another one with a hash that fits.
    #[error("it follows another line than the one before it: that one was replaced")]
    Unlinked,
    /// The beginning is gone, and no rotation says that it deleted it.
    #[error("the chain begins with event {first}, and no rotation deleted what was before it: the beginning was cut off")]
    CutHead {
        /// The first event there is.
        first: u64,
    },
    /// The end of the chain was cut off.
    #[error("the chain ends with {last}, but {synced} was durable: the tail was cut off")]
    CutTail {
        /// The last event there is.
        last: u64,
        /// The last event that was durable.
        synced: u64,
    },
    /// The chain was made anew.
    #[error("the head names another event of this number: this one, or one before it, was replaced")]
    ContradictsHead,
    /// Segments were removed from the middle.
    #[error("segments {from} to {to} are missing before this one")]
    MissingSegments {
        /// The first one missing.
        from: u32,
        /// The last one missing.
        to: u32,
    },
    /// The head is gone or no head.
    #[error("the head is missing or malformed, and every writer makes one before its first event")]
    BadHead,
    /// A file cannot be opened or read.
    #[error("the file cannot be read: {reason}")]
    FileRefused {
        /// Why.
        reason: String,
    },
    /// Half a line at the end: a crash, or a line being written right now.
    #[error("the last {bytes} bytes are half a line: a crash, or one being written right now")]
    TornTail {
        /// Its length.
        bytes: u64,
    },
}

impl Problem {
    /// Whether no crash explains it.
    pub fn is_tampering(&self) -> bool {
        !matches!(self, Self::TornTail { .. })
    }
}

impl Report {
    /// Whether nothing shows that anybody changed anything. Half a line that a crash left may be there.
    pub fn is_intact(&self) -> bool {
        let kept = |writer: &WriterReport| writer.findings.iter().all(|finding| !finding.problem.is_tampering());
        self.writers.iter().all(|writer| writer.more_findings == 0 && kept(writer))
    }

    /// How many events could be read.
    pub fn entries(&self) -> u64 {
        self.writers.iter().map(|writer| writer.entries).sum()
    }
}

/// Reads a folder and reports what is in it. Costs one SHA-256 of every event.
pub fn verify(dir: &Path) -> Result<Report, FileError> {
    let heads: Vec<_> = files::scan(dir)?.into_keys().map(|writer| (writer, Head::read(dir, writer))).collect();
    // Listed again: what a head names was there before it was read.
    let mut writers = files::scan(dir)?;
    let check = |(writer, head): (WriterName, Result<Option<Head>, FileError>)| {
        let segments = writers.remove(&writer).map(|files| files.segments).unwrap_or_default();
        Chain::new(dir, writer, head.ok().flatten()).check(&segments)
    };
    Ok(Report { writers: heads.into_iter().map(check).collect() })
}

/// One chain while it is checked.
struct Chain<'a> {
    dir: &'a Path,
    writer: WriterName,
    head: Option<Head>,
    report: WriterReport,
    /// The sequence that the next line should have; none where the chain has not begun or cannot be told.
    expected: Option<u64>,
    /// The hash that it should name as the one before; none after a line that could not be read.
    previous: Option<Digest>,
    has_begun: bool,
    /// What a rotation has to say if the beginning is not to count as cut off.
    unexplained: Option<(u64, Digest)>,
}

impl<'a> Chain<'a> {
    fn new(dir: &'a Path, writer: WriterName, head: Option<Head>) -> Self {
        let report = WriterReport {
            writer: writer.to_string(),
            entries: 0,
            first: None,
            synced: head.as_ref().map(|head| head.sequence),
            findings: Vec::new(),
            more_findings: 0,
        };
        Self { dir, writer, head, report, expected: None, previous: None, has_begun: false, unexplained: None }
    }

    fn check(mut self, segments: &[u32]) -> WriterReport {
        if self.head.is_none() {
            self.add(&self.writer.head(), None, Problem::BadHead);
        }
        let mut next = None;
        for (index, &number) in segments.iter().enumerate() {
            let file = self.writer.segment(number);
            let opened = match files::open_read(&self.dir.join(&file)) {
                Ok(opened) => opened,
                // A running log deleted it since it was listed; what follows says so.
                Err(error) if error.source.kind() == io::ErrorKind::NotFound && !self.has_begun => continue,
                Err(error) => {
                    self.add(&file, None, Problem::FileRefused { reason: error.source.to_string() });
                    continue;
                }
            };
            if let Some(from) = next.filter(|&next| next < number) {
                self.add(&file, None, Problem::MissingSegments { from, to: number - 1 });
            }
            next = Some(number.saturating_add(1));
            let len = opened.metadata().map_or(0, |metadata| metadata.len());
            self.check_segment(&file, Lines::new(opened, len), index + 1 == segments.len());
        }
        let last = segments.last().map_or_else(|| self.writer.head(), |&number| self.writer.segment(number));
        if let Some((through, _)) = self.unexplained {
            let first = segments.first().map_or_else(|| self.writer.head(), |&number| self.writer.segment(number));
            self.add(&first, None, Problem::CutHead { first: through.saturating_add(1) });
        }
        let end = self.expected.map_or(0, |expected| expected.saturating_sub(1));
        if let Some(synced) = self.report.synced.filter(|&synced| synced > end) {
            self.add(&last, None, Problem::CutTail { last: end, synced });
        }
        self.report
    }

    fn check_segment(&mut self, file: &str, mut lines: Lines, is_last: bool) {
        loop {
            let (number, claim) = match lines.next() {
                Ok(Some((number, Line::Whole(line)))) => (number, Claim::parse(line)),
                Ok(Some((number, Line::TooLong))) => (number, None),
                // Half a line can only stand where writing stopped: at the end of all.
                Ok(Some((number, Line::Torn(bytes)))) if is_last => {
                    return self.add(file, Some(number), Problem::TornTail { bytes });
                }
                Ok(Some((number, Line::Torn(_)))) => (number, None),
                Ok(None) => return,
                Err(error) => {
                    return self.add(file, None, Problem::FileRefused { reason: error.to_string() });
                }
            };
            if let Some(claim) = claim {
                self.check_line(&claim, file, number);
            } else {
                self.add(file, Some(number), Problem::Unreadable);
                // It stands for one event: the next one is checked as if this had been in its place.
                self.expected = self.expected.map(|expected| expected.saturating_add(1));
                (self.previous, self.has_begun) = (None, true);
            }
        }
    }

    fn check_line(&mut self, claim: &Claim<'_>, file: &str, number: u64) {
        let sequence = claim.sequence;
        let entry = claim.entry();
        self.report.entries += 1;
        if !claim.is_genuine() {
            self.add(file, Some(number), Problem::Changed);
        } else if entry.is_none() {
            self.add(file, Some(number), Problem::NotAnEvent);
        }
        match self.expected {
            Some(expected) if sequence < expected => {
                return self.add(file, Some(number), Problem::Misplaced { expected });
            }
            Some(expected) if sequence > expected => {
                self.add(file, Some(number), Problem::Missing { from: expected, to: sequence - 1 });
            }
            Some(_) if self.previous.is_some_and(|previous| previous != claim.previous) => {
                self.add(file, Some(number), Problem::Unlinked);
            }
            None if !self.has_begun && sequence > 1 => self.unexplained = Some((sequence - 1, claim.previous)),
            None if !self.has_begun && claim.previous != genesis(self.writer) => {
                self.add(file, Some(number), Problem::Unlinked);
            }
            _ => {}
        }
        self.report.first.get_or_insert(sequence);
        (self.expected, self.previous) = (Some(sequence.saturating_add(1)), Some(claim.hash));
        self.has_begun = true;
        if self.head.as_ref().is_some_and(|head| head.sequence == sequence && head.hash != claim.hash) {
            self.add(file, Some(number), Problem::ContradictsHead);
        }
        if let Some(Recorded::Upkeep(Upkeep::Rotated { through, hash })) = entry.map(|entry| entry.event)
            && self.unexplained == Some((through, hash))
        {
            self.unexplained = None;
        }
    }

    fn add(&mut self, file: &str, line: Option<u64>, problem: Problem) {
        if self.report.findings.len() < FINDINGS_MAX {
            self.report.findings.push(Finding { file: file.to_owned(), line, problem });
        } else {
            self.report.more_findings += 1;
        }
    }
}
