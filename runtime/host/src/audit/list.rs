//! Looking events up: the newest of all chains of a folder, no more than asked for.
//!
//! Each line is checked against its own hash, so what is shown is what was written; whether the chain is whole is
//! [`super::verify`]'s question.

use std::path::{Path, PathBuf};

use toolcell_core::UnixMillis;

use super::line::{Claim, Entry};
use crate::receipts::files::{self, WriterName};
use crate::receipts::{FileError, ListError, Order, Segment};

/// The most events that one look answers. It bounds memory to about 80 MiB.
const LIMIT_MAX: usize = 10_000;

/// Which events are wanted; the newest hundred where nothing is said.
#[derive(Clone, Debug)]
pub struct Filter {
    /// `started`, `stopped`, `grant`, `denial`, `approval`, `reload`, `secret-used`, `rotated` or `healed`.
    pub kind: Option<String>,
    /// A tool, or a component or interface with all its functions (`json` finds `json.query`).
    pub tool: Option<String>,
    /// Not older than this.
    pub since: Option<UnixMillis>,
    /// How many at most; no more than 10,000 are answered.
    pub limit: usize,
}

impl Default for Filter {
    fn default() -> Self {
        Self { kind: None, tool: None, since: None, limit: 100 }
    }
}

impl Filter {
    fn takes(&self, entry: &Entry) -> bool {
        let is_tool = |wanted: &String| {
            let rest = entry.event.tool().and_then(|tool| tool.strip_prefix(wanted.as_str()));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.kind.as_ref().is_none_or(|kind| entry.event.kind() == kind)
            && self.tool.as_ref().is_none_or(is_tool)
            && self.since.is_none_or(|since| entry.at >= since)
    }
}

/// The events in a folder that a filter takes, the newest first; within a chain by sequence, among chains by time.
///
/// Lines that are damaged, or of a version that knows other events, are passed over: [`super::verify`] names them.
pub fn list(dir: &Path, filter: &Filter) -> Result<Vec<Entry>, FileError> {
    let writers = files::scan(dir)?;
    let chains = writers.into_iter().map(|(writer, files)| Chain { dir, writer, segments: files.segments, open: None });
    let mut heads = Vec::new();
    for mut chain in chains {
        if let Some(entry) = chain.next(filter)? {
            heads.push((entry, chain));
        }
    }
    let mut found = Vec::new();
    let limit = filter.limit.min(LIMIT_MAX);
    while found.len() < limit {
        // The first of the newest, so that the order is the same at every look.
        let Some(newest) = (0..heads.len()).rev().max_by_key(|&index| heads[index].0.at) else { break };
        match heads[newest].1.next(filter)? {
            Some(next) => found.push(std::mem::replace(&mut heads[newest].0, next)),
            None => found.push(heads.remove(newest).0),
        }
    }
    Ok(found)
}

/// The segments of one writer, read from the end to the beginning.
struct Chain<'a> {
    dir: &'a Path,
    writer: WriterName,
    /// The segments that are left, the next one last.
    segments: Vec<u32>,
    open: Option<Segment>,
}

impl Chain<'_> {
    fn next(&mut self, filter: &Filter) -> Result<Option<Entry>, FileError> {
        loop {
            let segment = if let Some(segment) = &mut self.open {
                segment
            } else {
                let Some(number) = self.segments.pop() else { return Ok(None) };
                let path: PathBuf = self.dir.join(self.writer.segment(number));
                match Segment::open(path, Order::NewestFirst) {
                    Ok(segment) => self.open.insert(segment),
                    // A running log deleted it, and all before it, since they were listed.
                    Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                    Err(error) => return Err(error),
                }
            };
            let line = match segment.line() {
                Ok(Some((_, line))) => line,
                Ok(None) => {
                    self.open = None;
                    continue;
                }
                Err(ListError::Damaged { .. }) => continue,
                Err(ListError::File(error)) if error.source.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                Err(ListError::File(error)) => return Err(error),
            };
            let claim = Claim::parse(line).filter(Claim::is_genuine);
            if let Some(entry) = claim.and_then(|claim| claim.entry()).filter(|entry| filter.takes(entry)) {
                return Ok(Some(entry));
            }
        }
    }
}
