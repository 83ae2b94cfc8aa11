//! What a call says: the `log` interface, stdout and stderr, all under one budget.
//!
//! Text from a tool is data. It is cut, made valid and escaped here, before anybody sees it, and it goes to whoever
//! listens to the call's events and to nobody else. Empty writes are dropped and cost a line each: without a cost they
//! are a flood, and passed on they have broken implementations of streams.

use std::sync::{Arc, MutexGuard, PoisonError};

use bytes::Bytes;
use toolcell_core::{Event, Limit, Limits, LogLevel};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::budget::Shared;
use super::ends::Exhausted;
use crate::schema::inert;

/// The longest line that anybody sees, in bytes. A longer one is cut; its bytes count in full.
pub(super) const MAX_LINE: usize = 4 * 1024;

/// The most that one write takes. Guests write lines; a larger buffer only costs memory here.
const MAX_WRITE: usize = 64 * 1024;

/// Counters and half-finished lines.
pub(super) struct Log {
    pub(super) bytes: u64,
    pub(super) lines: u64,
    max_bytes: u64,
    max_lines: u64,
    partial: [Vec<u8>; 2],
}

/// Which of the two standard streams.
#[derive(Clone, Copy)]
pub(super) enum Standard {
    Out,
    Err,
}

impl Standard {
    fn level(self) -> LogLevel {
        match self {
            Self::Out => LogLevel::Info,
            Self::Err => LogLevel::Warn,
        }
    }
}

impl Log {
    pub(super) fn new(limits: &Limits) -> Self {
        let (max_bytes, max_lines) = (limits.get(Limit::LogBytes), limits.get(Limit::LogLines));
        Self { bytes: 0, lines: 0, max_bytes, max_lines, partial: [Vec::new(), Vec::new()] }
    }

    /// Adds what a nested call has said.
    pub(super) fn pay(&mut self, bytes: u64, lines: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.lines = self.lines.saturating_add(lines);
    }

    fn charge_bytes(&mut self, bytes: usize) -> Result<(), Exhausted> {
        let sum = self.bytes.saturating_add(bytes as u64);
        if sum > self.max_bytes {
            return Err(Exhausted { limit: Limit::LogBytes, value: self.max_bytes });
        }
        self.bytes = sum;
        Ok(())
    }

    fn charge_line(&mut self) -> Result<(), Exhausted> {
        if self.lines >= self.max_lines {
            return Err(Exhausted { limit: Limit::LogLines, value: self.max_lines });
        }
        self.lines += 1;
        Ok(())
    }

    /// Keeps what a line can still show of `bytes`; two characters more than that, so that the cut is seen.
    fn keep(&mut self, standard: Standard, bytes: &[u8]) {
        let partial = &mut self.partial[standard as usize];
        let room = (MAX_LINE + 8).saturating_sub(partial.len());
        partial.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end_line(&mut self, standard: Standard, shared: &Shared) -> Result<(), Exhausted> {
        let mut line = std::mem::take(&mut self.partial[standard as usize]);
        let result = self.charge_line();
        if result.is_ok() {
            let end = line.len() - usize::from(line.last() == Some(&b'\r'));
            shared.emit(standard.level(), || String::from_utf8_lossy(&line[..end]));
        }
        line.clear();
        self.partial[standard as usize] = line;
        result
    }
}

impl Shared {
    /// Takes one line from the `log` interface.
    pub(super) fn say(&self, level: LogLevel, message: &str) -> Result<(), Exhausted> {
        let mut log = self.log();
        let charged = log.charge_bytes(message.len()).and_then(|()| log.charge_line());
        self.note(charged)?;
        self.emit(level, || message);
        Ok(())
    }

    /// Takes bytes from a standard stream.
    fn print(&self, standard: Standard, bytes: &[u8]) -> Result<(), Exhausted> {
        let mut log = self.log();
        self.note(log.charge_bytes(bytes.len()))?;
        if bytes.is_empty() {
            return self.note(log.charge_line());
        }
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            log.keep(standard, &rest[..end]);
            self.note(log.end_line(standard, self))?;
            rest = &rest[end + 1..];
        }
        log.keep(standard, rest);
        Ok(())
    }

    /// Ends the lines that have no end. One that the budget has no room for is dropped: the call is over.
    pub(super) fn finish(&self) {
        let mut log = self.log();
        for standard in [Standard::Out, Standard::Err] {
            if !log.partial[standard as usize].is_empty() {
                let _ = log.end_line(standard, self);
            }
        }
    }

    pub(super) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a line on. Where nobody listens, it is not even made.
    fn emit<T: AsRef<str>>(&self, level: LogLevel, line: impl FnOnce() -> T) {
        if let Some(sink) = &self.sink {
            sink(Event::Log { level, message: inert(line().as_ref(), MAX_LINE) });
        }
    }
}

/// A standard stream of the guest: lines of log.
pub(super) struct LogStream {
    shared: Arc<Shared>,
    standard: Standard,
}

impl LogStream {
    pub(super) fn new(shared: Arc<Shared>, standard: Standard) -> Self {
        Self { shared, standard }
    }
}

#[async_trait::async_trait]
impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.shared.print(self.standard, &bytes).map_err(|exhausted| StreamError::Trap(exhausted.into()))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_WRITE)
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.write(bytes)
    }
}

#[async_trait::async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}
