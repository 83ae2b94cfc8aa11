//! Looking receipts up: an iterator over all chains of a folder, from either end, that reads no more than it is asked for.
//!
//! Each line is checked against its own hash, so what is shown is what was sealed; whether the chain is whole is
//! [`super::verify`]'s question. Memory is bounded by the number of chains; no file stays open between two reads.

use std::collections::{BinaryHeap, VecDeque};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use toolcell_core::{CallId, Sealed};

use super::entry::Entry;
use super::files::{self, FileError, LINE_MAX, WriterName};

/// How much is read at first; doubled while a line is longer than that.
const CHUNK: usize = 16 << 10;

/// Which receipts are wanted; all where nothing is said.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// A tool as callers named it, or a component or interface with all its functions (`json` finds `json.query`).
    pub tool: Option<String>,
    /// The tenant.
    pub tenant: Option<String>,
    /// `completed`, `failed`, `denied`, `exhausted`, `trapped` or `cancelled`.
    pub verdict: Option<String>,
    /// The call.
    pub call: Option<CallId>,
    /// Which end to begin at.
    pub order: Order,
    /// How many receipts at most. None: all there are.
    pub limit: Option<usize>,
}

/// Which end of the log to begin at. Order is by the time a call ended; within a chain, by sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest first.
    #[default]
    NewestFirst,
    /// The oldest first.
    OldestFirst,
}

/// Reads the receipts that are in the folder now.
pub fn list(dir: &Path, filter: Filter) -> Result<Entries, ListError> {
    let chains = files::scan(dir)?;
    let chains = chains.into_iter().map(|(name, files)| Chain::new(dir, name, files.segments, filter.order)).collect();
    let mut entries = Entries {
        left: filter.limit.unwrap_or(usize::MAX),
        filter,
        chains,
        heads: BinaryHeap::new(),
        errors: VecDeque::new(),
    };
    for chain in 0..entries.chains.len() {
        entries.refill(chain);
    }
    Ok(entries)
}

/// The receipts asked for. A line that is damaged is an error in its place, and the next ones still follow.
#[derive(Debug)]
pub struct Entries {
    filter: Filter,
    left: usize,
    chains: Vec<Chain>,
    /// The next receipt of each chain that has one.
    heads: BinaryHeap<Head>,
    /// What could not be read, and the chain that goes on behind it, if it does.
    errors: VecDeque<(ListError, Option<usize>)>,
}

impl Iterator for Entries {
    type Item = Result<Sealed, ListError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        if let Some((error, chain)) = self.errors.pop_front() {
            if let Some(chain) = chain {
                self.refill(chain);
            }
            return Some(Err(error));
        }
        let head = self.heads.pop()?;
        self.left -= 1;
        if self.left > 0 {
            self.refill(head.chain);
        }
        Some(Ok(*head.sealed))
    }
}

impl Entries {
    fn refill(&mut self, chain: usize) {
        match self.chains[chain].next(&self.filter) {
            Ok(Some(sealed)) => {
                let ended = sealed.receipt.started.0.saturating_add(sealed.receipt.duration_us / 1000);
                let key = match self.filter.order {
                    Order::NewestFirst => ended,
                    Order::OldestFirst => u64::MAX - ended,
                };
                self.heads.push(Head { key, chain, sealed: Box::new(sealed) });
            }
            Ok(None) => {}
            Err(error @ ListError::File(_)) => self.errors.push_back((error, None)),
            Err(error @ ListError::Damaged { .. }) => self.errors.push_back((error, Some(chain))),
        }
    }
}

/// Why receipts cannot be read, or one of them.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// A folder or file cannot be read; the rest of its chain is left out.
    #[error(transparent)]
    File(#[from] FileError),
    /// A line is not what was sealed; the ones behind it follow.
    #[error("{}: the line at byte {offset} is not what was sealed; verify the log", path.display())]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where the line begins.
        offset: u64,
    },
}

#[derive(Debug)]
struct Head {
    key: u64,
    chain: usize,
    sealed: Box<Sealed>,
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key).then(other.chain.cmp(&self.chain))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}

impl Filter {
    fn takes(&self, sealed: &Sealed) -> bool {
        let receipt = &sealed.receipt;
        let is_tool = |wanted: &String| {
            let rest = receipt.tool.strip_prefix(wanted.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.call.is_none_or(|call| receipt.call == call)
            && self.tool.as_ref().is_none_or(is_tool)
            && self.tenant.as_ref().is_none_or(|tenant| *receipt.tenant.0 == **tenant)
            && self.verdict.as_ref().is_none_or(|verdict| receipt.verdict == **verdict)
    }
}

/// The segments of one writer, read in one direction.
#[derive(Debug)]
struct Chain {
    dir: PathBuf,
    name: WriterName,
    order: Order,
    /// The segments that are left, the next one last.
    segments: Vec<u32>,
    open: Option<Segment>,
}

impl Chain {
    fn new(dir: &Path, name: WriterName, mut segments: Vec<u32>, order: Order) -> Self {
        if order == Order::OldestFirst {
            segments.reverse();
        }
        Self { dir: dir.to_owned(), name, order, segments, open: None }
    }

    fn next(&mut self, filter: &Filter) -> Result<Option<Sealed>, ListError> {
        loop {
            let segment = if let Some(segment) = &mut self.open {
                segment
            } else {
                let Some(number) = self.segments.pop() else { return Ok(None) };
                self.open.insert(Segment::open(self.dir.join(self.name.segment(number)), self.order)?)
            };
            let Some((offset, line)) = segment.line()? else {
                self.open = None;
                continue;
            };
            let entry = Entry::parse(line).filter(|entry| entry.writer == self.name);
            let read = entry.and_then(|entry| Some((entry, entry.sealed(entry.receipt().ok()?))));
            match read {
                Some((_, sealed)) if !filter.takes(&sealed) => {}
                Some((entry, sealed)) if entry.is_genuine() => return Ok(Some(sealed)),
                _ => return Err(ListError::Damaged { path: segment.path.clone(), offset }),
            }
        }
    }
}

/// One file, read line by line in chunks from one end to the other.
#[derive(Debug)]
pub(crate) struct Segment {
    path: PathBuf,
    order: Order,
    /// What is read of the file and not handed out yet: `buffer[from..to]`.
    buffer: Vec<u8>,
    from: usize,
    to: usize,
    /// Where `buffer[0]` stands in the file.
    start: u64,
    /// How long the file is taken to be.
    len: u64,
    chunk: usize,
}

impl Segment {
    pub(crate) fn open(path: PathBuf, order: Order) -> Result<Self, FileError> {
        let file = files::open_read(&path)?;
        let tail = files::tail(&file).map_err(FileError::of("read", &path))?;
        // What stands behind the last whole line is half a line, or one being written: not for here.
        let len = tail.whole;
        let start = if order == Order::NewestFirst { len } else { 0 };
        Ok(Self { path, order, buffer: Vec::new(), from: 0, to: 0, start, len, chunk: CHUNK })
    }

    /// The next line and where it begins.
    pub(crate) fn line(&mut self) -> Result<Option<(u64, &[u8])>, ListError> {
        loop {
            let unread = &self.buffer[self.from..self.to];
            let found = match self.order {
                Order::OldestFirst => {
                    unread.iter().position(|&byte| byte == b'\n').map(|end| (self.from, self.from + end))
                }
                // The line ends with the newline that the unread part ends with.
                Order::NewestFirst => unread.split_last().and_then(|(_, body)| {
                    let before = body.iter().rposition(|&byte| byte == b'\n');
                    let begin = before.map(|at| at + 1).or_else(|| (self.start == 0).then_some(0))?;
                    Some((self.from + begin, self.from + body.len()))
                }),
            };
            if let Some((begin, end)) = found {
                match self.order {
                    Order::OldestFirst => self.from = end + 1,
                    Order::NewestFirst => self.to = begin,
                }
                self.chunk = CHUNK;
                return Ok(Some((self.start + begin as u64, &self.buffer[begin..end])));
            }
            if !self.read_more()? {
                return Ok(None);
            }
        }
    }

    /// Reads the next chunk. Answers false at the end of the file.
    fn read_more(&mut self) -> Result<bool, ListError> {
        let unread = self.to - self.from;
        let unread_start = self.start + self.from as u64;
        if unread > LINE_MAX + 1 {
            // Nothing of ours is so long, so there is no telling where the next line of ours begins.
            (self.from, self.to, self.buffer) = (0, 0, Vec::new());
            self.start = if self.order == Order::NewestFirst { 0 } else { self.len };
            return Err(ListError::Damaged { path: self.path.clone(), offset: unread_start });
        }
        let (at, available) = match self.order {
            Order::OldestFirst => {
                let at = unread_start + unread as u64;
                (at, self.len - at)
            }
            Order::NewestFirst => (unread_start, unread_start),
        };
        let size = usize::try_from(available).unwrap_or(usize::MAX).min(self.chunk);
        if size == 0 {
            return Ok(false);
        }
        self.chunk = self.chunk.saturating_mul(2);
        let mut buffer = Vec::with_capacity(unread + size);
        let fresh = match self.order {
            Order::OldestFirst => {
                buffer.extend_from_slice(&self.buffer[self.from..self.to]);
                buffer.resize(unread + size, 0);
                self.start = unread_start;
                (at, unread..unread + size)
            }
            Order::NewestFirst => {
                buffer.resize(size, 0);
                buffer.extend_from_slice(&self.buffer[self.from..self.to]);
                self.start = at - size as u64;
                (self.start, 0..size)
            }
        };
        let file = files::open_read(&self.path)?;
        let read = file.read_exact_at(&mut buffer[fresh.1], fresh.0);
        read.map_err(FileError::of("read", &self.path))?;
        (self.from, self.to, self.buffer) = (0, buffer.len(), buffer);
        Ok(true)
    }
}
