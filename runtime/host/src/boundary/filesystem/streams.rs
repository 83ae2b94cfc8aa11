//! Streams over files, with the call's budget in them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use wasmtime_wasi::p2::{DynOutputStream, InputStream, OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn_blocking};

use super::MAX_READ;
use crate::boundary::budget::{Shared, Slot};
use crate::boundary::ends::Exhausted;

/// What a poll reads ahead when the guest has not said how much it wants.
const READ_AHEAD: usize = 4 * 1024;

/// Reads a file from a position on.
///
/// Bytes are charged when the disk has given them, taken by the guest or not, so that reading ahead and dropping the
/// stream is no way around the budget.
pub(super) struct FileReader {
    file: Arc<File>,
    shared: Arc<Shared>,
    position: u64,
    state: Reading,
    _slot: Slot,
}

enum Reading {
    Idle,
    Waiting(AbortOnDropJoinHandle<Fetched>),
    Ready(Fetched),
    Ended,
}

enum Fetched {
    Bytes(Bytes),
    End,
    Failed(io::Error),
    Over(Exhausted),
}

impl FileReader {
    pub(super) fn new(file: Arc<File>, position: u64, shared: Arc<Shared>, slot: Slot) -> Self {
        Self { file, shared, position, state: Reading::Idle, _slot: slot }
    }

    fn start(&mut self, size: usize) {
        let (file, shared, position) = (self.file.clone(), self.shared.clone(), self.position);
        self.state = Reading::Waiting(spawn_blocking(move || fetch(&file, &shared, position, size)));
    }

    async fn arrive(&mut self) {
        if let Reading::Waiting(task) = &mut self.state {
            self.state = Reading::Ready(task.await);
        }
    }
}

/// Reads once, no more than the budget still has; one byte more than that is asked for, so that the end of a file is
/// still seen when exactly all of the budget is used.
fn fetch(file: &File, shared: &Shared, position: u64, size: usize) -> Fetched {
    let most = usize::try_from(shared.read.left().saturating_add(1)).unwrap_or(usize::MAX);
    let mut buffer = BytesMut::zeroed(size.min(MAX_READ).min(most));
    loop {
        match file.read_at(&mut buffer, position) {
            Ok(0) => return Fetched::End,
            Ok(count) => {
                buffer.truncate(count);
                return match shared.read(count as u64) {
                    Ok(()) => Fetched::Bytes(buffer.freeze()),
                    Err(exhausted) => Fetched::Over(exhausted),
                };
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Fetched::Failed(error),
        }
    }
}

#[async_trait::async_trait]
impl InputStream for FileReader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if size == 0 && !matches!(self.state, Reading::Ended) {
            return Ok(Bytes::new());
        }
        match std::mem::replace(&mut self.state, Reading::Ended) {
            Reading::Idle => {
                self.start(size);
                Ok(Bytes::new())
            }
            Reading::Waiting(task) => {
                self.state = Reading::Waiting(task);
                Ok(Bytes::new())
            }
            Reading::Ready(Fetched::Bytes(mut bytes)) => {
                let taken = bytes.split_to(bytes.len().min(size));
                self.position = self.position.saturating_add(taken.len() as u64);
                self.state = if bytes.is_empty() { Reading::Idle } else { Reading::Ready(Fetched::Bytes(bytes)) };
                Ok(taken)
            }
            Reading::Ready(Fetched::End) | Reading::Ended => Err(StreamError::Closed),
            Reading::Ready(Fetched::Failed(error)) => Err(StreamError::LastOperationFailed(error.into())),
            Reading::Ready(Fetched::Over(exhausted)) => Err(StreamError::Trap(exhausted.into())),
        }
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        if matches!(self.state, Reading::Idle) && size > 0 {
            self.start(size);
        }
        self.arrive().await;
        self.read(size)
    }

    /// A read that has begun cannot be stopped. Waiting for it bounds how many of them there are.
    async fn cancel(&mut self) {
        if let Reading::Waiting(task) = std::mem::replace(&mut self.state, Reading::Ended) {
            task.cancel().await;
        }
    }
}

#[async_trait::async_trait]
impl Pollable for FileReader {
    async fn ready(&mut self) {
        if matches!(self.state, Reading::Idle) {
            self.start(READ_AHEAD);
        }
        self.arrive().await;
    }
}

/// Charges what a stream over a file is about to write, and hands it to Wasmtime's own.
pub(super) struct FileWriter {
    inner: DynOutputStream,
    file: Arc<File>,
    shared: Arc<Shared>,
    /// Where the next byte goes; none at the end of the file, wherever that is.
    position: Option<u64>,
    _slot: Slot,
}

impl FileWriter {
    pub(super) fn new(
        inner: DynOutputStream,
        file: Arc<File>,
        position: Option<u64>,
        shared: Arc<Shared>,
        slot: Slot,
    ) -> Self {
        Self { inner, file, shared, position, _slot: slot }
    }

    fn charge(&mut self, len: usize) -> StreamResult<()> {
        let hole = match &mut self.position {
            None => 0,
            Some(position) => {
                let hole =
                    hole(&self.file, *position).map_err(|error| StreamError::LastOperationFailed(error.into()))?;
                *position = position.saturating_add(len as u64);
                hole
            }
        };
        self.shared.write(hole.saturating_add(len as u64)).map_err(|exhausted| StreamError::Trap(exhausted.into()))
    }
}

/// How far `position` lies behind the end of the file. The size of an open file is in the kernel's memory; asking for
/// it does not wait.
pub(super) fn hole(file: &File, position: u64) -> io::Result<u64> {
    Ok(position.saturating_sub(file.metadata()?.len()))
}

#[async_trait::async_trait]
impl OutputStream for FileWriter {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.charge(bytes.len())?;
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.inner.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.inner.check_write()
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.charge(bytes.len())?;
        self.inner.blocking_write_and_flush(bytes).await
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}

#[async_trait::async_trait]
impl Pollable for FileWriter {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}
