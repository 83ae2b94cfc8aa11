//! `wasi:io`: errors, pollables and streams.
//!
//! Streams bring their own limits (those of files and of the log); what is bounded here is what every stream shares:
//! the length of a poll list, and what an error tells of the host.

use std::io;

use toolcell_core::Limit;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, IoError, StreamError, StreamResult};
use wasmtime_wasi_io::bindings::wasi::io::{error, poll, streams};

use super::crossing::{Door, crossing};
use super::{CallState, Inner};

crossing! { impl error::HostError, "wasi:io/error", |state| &mut Inner(state);
    fn to_debug_string(error: Resource<IoError>) -> wasmtime::Result<String> = "[method]error.to-debug-string";
    drop(Resource<IoError>);
}

impl error::Host for Door<'_> {}

crossing! { impl poll::HostPollable, "wasi:io/poll", |state| &mut state.table;
    async fn ready(pollable: Resource<DynPollable>) -> wasmtime::Result<bool> = "[method]pollable.ready";
    async fn block(pollable: Resource<DynPollable>) -> wasmtime::Result<()> = "[method]pollable.block";
    drop(Resource<DynPollable>);
}

crossing! { impl poll::Host, "wasi:io/poll", |state| &mut Polls(state);
    async fn poll(pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> = "poll";
}

crossing! { impl streams::HostInputStream, "wasi:io/streams", |state| &mut state.table;
    fn read(stream: Resource<DynInputStream>, len: u64) -> StreamResult<Vec<u8>> = "[method]input-stream.read";
    async fn blocking_read(stream: Resource<DynInputStream>, len: u64) -> StreamResult<Vec<u8>>
        = "[method]input-stream.blocking-read";
    fn skip(stream: Resource<DynInputStream>, len: u64) -> StreamResult<u64> = "[method]input-stream.skip";
    async fn blocking_skip(stream: Resource<DynInputStream>, len: u64) -> StreamResult<u64>
        = "[method]input-stream.blocking-skip";
    fn subscribe(stream: Resource<DynInputStream>) -> wasmtime::Result<Resource<DynPollable>>
        = "[method]input-stream.subscribe";
    async drop(Resource<DynInputStream>);
}

crossing! { impl streams::HostOutputStream, "wasi:io/streams", |state| &mut state.table;
    fn check_write(stream: Resource<DynOutputStream>) -> StreamResult<u64> = "[method]output-stream.check-write";
    fn write(stream: Resource<DynOutputStream>, contents: Vec<u8>) -> StreamResult<()> = "[method]output-stream.write";
    async fn blocking_write_and_flush(stream: Resource<DynOutputStream>, contents: Vec<u8>) -> StreamResult<()>
        = "[method]output-stream.blocking-write-and-flush";
    fn flush(stream: Resource<DynOutputStream>) -> StreamResult<()> = "[method]output-stream.flush";
    async fn blocking_flush(stream: Resource<DynOutputStream>) -> StreamResult<()>
        = "[method]output-stream.blocking-flush";
    fn subscribe(stream: Resource<DynOutputStream>) -> wasmtime::Result<Resource<DynPollable>>
        = "[method]output-stream.subscribe";
    fn write_zeroes(stream: Resource<DynOutputStream>, len: u64) -> StreamResult<()>
        = "[method]output-stream.write-zeroes";
    async fn blocking_write_zeroes_and_flush(stream: Resource<DynOutputStream>, len: u64) -> StreamResult<()>
        = "[method]output-stream.blocking-write-zeroes-and-flush";
    fn splice(stream: Resource<DynOutputStream>, source: Resource<DynInputStream>, len: u64) -> StreamResult<u64>
        = "[method]output-stream.splice";
    async fn blocking_splice(
        stream: Resource<DynOutputStream>, source: Resource<DynInputStream>, len: u64
    ) -> StreamResult<u64>
        = "[method]output-stream.blocking-splice";
    async drop(Resource<DynOutputStream>);
}

crossing! { impl streams::Host, "wasi:io/streams", |state| &mut state.table;
    convert convert_stream_error(StreamError) -> wasmtime::Result<streams::StreamError>;
}

impl error::HostError for Inner<'_> {
    /// The kind of the error and no more: the whole would show paths of the host, and a backtrace where one is
    /// captured.
    fn to_debug_string(&mut self, error: Resource<IoError>) -> wasmtime::Result<String> {
        let error = self.0.table.get(&error)?;
        Ok(error
            .downcast_ref::<io::Error>()
            .map_or_else(|| "stream error".to_owned(), |error| error.kind().to_string()))
    }

    fn drop(&mut self, error: Resource<IoError>) -> wasmtime::Result<()> {
        self.0.table.delete(error)?;
        Ok(())
    }
}

/// Polls, for lists that are no longer than a call can hold handles.
struct Polls<'a>(&'a mut CallState);

impl poll::Host for Polls<'_> {
    /// A longer list names pollables twice. Each entry costs time in one go that no deadline interrupts.
    async fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        let budget = &mut self.0.budget;
        if pollables.len() as u64 > budget.limits.get(Limit::Handles) {
            return Err(budget.over(Limit::Handles).into());
        }
        poll::Host::poll(&mut self.0.table, pollables).await
    }
}

impl poll::HostPollable for Polls<'_> {
    async fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        poll::HostPollable::ready(&mut self.0.table, pollable).await
    }

    async fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        poll::HostPollable::block(&mut self.0.table, pollable).await
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        poll::HostPollable::drop(&mut self.0.table, pollable)
    }
}
