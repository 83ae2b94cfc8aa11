//! Reading a directory, a few entries at a time.
//!
//! Wasmtime's own reads a whole directory before it gives the first entry. Here a directory of a million files costs
//! what the guest takes of it.

use std::collections::VecDeque;
use std::fs::File;
use std::io;

use rustix::fs::{AtFlags, Dir, FileType, statat};
use wasmtime::component::Resource;
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorType, DirectoryEntry, DirectoryEntryStream, ErrorCode, HostDirectoryEntryStream,
};
use wasmtime_wasi::runtime::spawn_blocking;

use crate::boundary::Inner;
use crate::boundary::budget::Slot;

/// How many entries are read in one go.
const BATCH: usize = 256;

/// A directory that is being read.
pub(super) struct Listing {
    /// None while a batch is being read, and for good when that was interrupted or the directory has ended.
    source: Option<Dir>,
    ready: VecDeque<Result<DirectoryEntry, ErrorCode>>,
    _slot: Slot,
}

impl Listing {
    /// Opens the directory once more: each listing has a place of its own in it.
    pub(super) fn open(directory: &File, slot: Slot) -> io::Result<Self> {
        Ok(Self { source: Some(Dir::read_from(directory)?), ready: VecDeque::new(), _slot: slot })
    }

    /// The next entry; none at the end. An entry whose name is not Unicode is an error, and the next call goes on
    /// after it.
    pub(super) async fn next(&mut self) -> FsResult<Option<DirectoryEntry>> {
        if self.ready.is_empty()
            && let Some(mut source) = self.source.take()
        {
            let (source, batch) = spawn_blocking(move || {
                let batch = read(&mut source);
                (source, batch)
            })
            .await;
            self.ready = batch;
            // A short batch is the last one.
            self.source = (self.ready.len() == BATCH).then_some(source);
        }
        match self.ready.pop_front() {
            None => Ok(None),
            Some(Ok(entry)) => Ok(Some(entry)),
            Some(Err(code)) => Err(code.into()),
        }
    }
}

fn read(source: &mut Dir) -> VecDeque<Result<DirectoryEntry, ErrorCode>> {
    let mut batch = VecDeque::new();
    while batch.len() < BATCH {
        let entry = match source.next() {
            None => break,
            Some(Ok(entry)) => entry,
            Some(Err(error)) => {
                batch.push_back(Err(io::Error::from(error).into()));
                break;
            }
        };
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let mut kind = entry.file_type();
        if kind == FileType::Unknown
            && let Ok(found) = source.fd().and_then(|fd| statat(fd, name, AtFlags::SYMLINK_NOFOLLOW))
        {
            kind = FileType::from_raw_mode(found.st_mode);
        }
        batch.push_back(match name.to_str() {
            Ok(name) => Ok(DirectoryEntry { type_: described(kind), name: name.to_owned() }),
            Err(_) => Err(ErrorCode::IllegalByteSequence),
        });
    }
    batch
}

fn described(kind: FileType) -> DescriptorType {
    match kind {
        FileType::RegularFile => DescriptorType::RegularFile,
        FileType::Directory => DescriptorType::Directory,
        FileType::Symlink => DescriptorType::SymbolicLink,
        FileType::Fifo => DescriptorType::Fifo,
        FileType::Socket => DescriptorType::Socket,
        FileType::CharacterDevice => DescriptorType::CharacterDevice,
        FileType::BlockDevice => DescriptorType::BlockDevice,
        FileType::Unknown => DescriptorType::Unknown,
    }
}

/// The streams in the table are [`Listing`]s; Wasmtime's type is only what the bindings call them, and cannot be made
/// here.
fn listing(stream: &Resource<DirectoryEntryStream>) -> Resource<Listing> {
    Resource::new_own(stream.rep())
}

impl HostDirectoryEntryStream for Inner<'_> {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        self.0.table.get_mut(&listing(&stream))?.next().await
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        self.0.table.delete(listing(&stream))?;
        Ok(())
    }
}
