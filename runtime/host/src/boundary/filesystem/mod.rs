//! `wasi:filesystem`: the folders that were granted, and nothing above, beside or behind them.
//!
//! A folder is held by its descriptor from the moment the policy is made, so swapping it later changes nothing. Paths
//! are resolved beneath it by the kernel (`openat2`, `RESOLVE_BENEATH`) or, on older systems, by cap-primitives step
//! by step: `..` that leads out, absolute paths, links that lead out and the links of `/proc` are refused. Only
//! regular files and directories are opened, without blocking, so that a FIFO or a device is neither waited for nor
//! touched.
//!
//! Not offered, on purpose:
//! - `symlink-at`, always refused. A link is followed by others who use the folder, and they are not held to it.
//! - `advise`, which has no effect: it would read outside the read budget and evict what others have cached.
//! - timestamps finer than the clocks', and the host's own time for "now".
//!
//! Charged before the effect: bytes written, the hole that a write or a new size makes, and [`NEW_NAME`] for every
//! file, directory or link that appears. Charged as it happens: bytes read. Counted while they last: open descriptors
//! and streams.

mod listing;
mod open;
mod serve;
mod streams;
mod times;

use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult, IoError};

use super::Inner;
use super::crossing::crossing;

/// What a new name costs of the write budget, in bytes: about what a file system needs for an inode and its entry.
/// Without it, empty files could use up a disk for nothing.
const NEW_NAME: u64 = 1_024;

/// The most that one read gives, and so the most that it allocates.
const MAX_READ: usize = 64 * 1024;

crossing! { impl types::HostDescriptor, "wasi:filesystem/types", |state| &mut Inner(state);
    fn read_via_stream(descriptor: Resource<Descriptor>, offset: u64) -> FsResult<Resource<DynInputStream>>
        = "[method]descriptor.read-via-stream";
    fn write_via_stream(descriptor: Resource<Descriptor>, offset: u64) -> FsResult<Resource<DynOutputStream>>
        = "[method]descriptor.write-via-stream";
    fn append_via_stream(descriptor: Resource<Descriptor>) -> FsResult<Resource<DynOutputStream>>
        = "[method]descriptor.append-via-stream";
    async fn advise(descriptor: Resource<Descriptor>, offset: u64, length: u64, advice: types::Advice) -> FsResult<()>
        = "[method]descriptor.advise";
    async fn sync_data(descriptor: Resource<Descriptor>) -> FsResult<()> = "[method]descriptor.sync-data";
    async fn get_flags(descriptor: Resource<Descriptor>) -> FsResult<types::DescriptorFlags>
        = "[method]descriptor.get-flags";
    async fn get_type(descriptor: Resource<Descriptor>) -> FsResult<types::DescriptorType>
        = "[method]descriptor.get-type";
    async fn set_size(descriptor: Resource<Descriptor>, size: u64) -> FsResult<()> = "[method]descriptor.set-size";
    async fn set_times(
        descriptor: Resource<Descriptor>, accessed: types::NewTimestamp, modified: types::NewTimestamp
    ) -> FsResult<()>
        = "[method]descriptor.set-times";
    async fn read(descriptor: Resource<Descriptor>, length: u64, offset: u64) -> FsResult<(Vec<u8>, bool)>
        = "[method]descriptor.read";
    async fn write(descriptor: Resource<Descriptor>, buffer: Vec<u8>, offset: u64) -> FsResult<u64>
        = "[method]descriptor.write";
    async fn read_directory(descriptor: Resource<Descriptor>) -> FsResult<Resource<types::DirectoryEntryStream>>
        = "[method]descriptor.read-directory";
    async fn sync(descriptor: Resource<Descriptor>) -> FsResult<()> = "[method]descriptor.sync";
    async fn create_directory_at(descriptor: Resource<Descriptor>, path: String) -> FsResult<()>
        = "[method]descriptor.create-directory-at";
    async fn stat(descriptor: Resource<Descriptor>) -> FsResult<types::DescriptorStat> = "[method]descriptor.stat";
    async fn stat_at(
        descriptor: Resource<Descriptor>, path_flags: types::PathFlags, path: String
    ) -> FsResult<types::DescriptorStat>
        = "[method]descriptor.stat-at";
    async fn set_times_at(
        descriptor: Resource<Descriptor>, path_flags: types::PathFlags, path: String, accessed: types::NewTimestamp,
        modified: types::NewTimestamp
    ) -> FsResult<()>
        = "[method]descriptor.set-times-at";
    async fn link_at(
        descriptor: Resource<Descriptor>, old_path_flags: types::PathFlags, old_path: String,
        new_descriptor: Resource<Descriptor>, new_path: String
    ) -> FsResult<()>
        = "[method]descriptor.link-at";
    async fn open_at(
        descriptor: Resource<Descriptor>, path_flags: types::PathFlags, path: String, open_flags: types::OpenFlags,
        flags: types::DescriptorFlags
    ) -> FsResult<Resource<Descriptor>>
        = "[method]descriptor.open-at";
    async fn readlink_at(descriptor: Resource<Descriptor>, path: String) -> FsResult<String>
        = "[method]descriptor.readlink-at";
    async fn remove_directory_at(descriptor: Resource<Descriptor>, path: String) -> FsResult<()>
        = "[method]descriptor.remove-directory-at";
    async fn rename_at(
        descriptor: Resource<Descriptor>, old_path: String, new_descriptor: Resource<Descriptor>, new_path: String
    ) -> FsResult<()>
        = "[method]descriptor.rename-at";
    async fn symlink_at(descriptor: Resource<Descriptor>, old_path: String, new_path: String) -> FsResult<()>
        = "[method]descriptor.symlink-at";
    async fn unlink_file_at(descriptor: Resource<Descriptor>, path: String) -> FsResult<()>
        = "[method]descriptor.unlink-file-at";
    async fn is_same_object(descriptor: Resource<Descriptor>, other: Resource<Descriptor>) -> wasmtime::Result<bool>
        = "[method]descriptor.is-same-object";
    async fn metadata_hash(descriptor: Resource<Descriptor>) -> FsResult<types::MetadataHashValue>
        = "[method]descriptor.metadata-hash";
    async fn metadata_hash_at(
        descriptor: Resource<Descriptor>, path_flags: types::PathFlags, path: String
    ) -> FsResult<types::MetadataHashValue>
        = "[method]descriptor.metadata-hash-at";
    drop(Resource<Descriptor>);
}

crossing! { impl types::HostDirectoryEntryStream, "wasi:filesystem/types", |state| &mut Inner(state);
    async fn read_directory_entry(
        stream: Resource<types::DirectoryEntryStream>
    ) -> FsResult<Option<types::DirectoryEntry>>
        = "[method]directory-entry-stream.read-directory-entry";
    drop(Resource<types::DirectoryEntryStream>);
}

crossing! { impl types::Host, "wasi:filesystem/types", |state| &mut Inner(state);
    fn filesystem_error_code(error: Resource<IoError>) -> wasmtime::Result<Option<types::ErrorCode>>
        = "filesystem-error-code";
    convert convert_error_code(FsError) -> wasmtime::Result<types::ErrorCode>;
}

crossing! { impl preopens::Host, "wasi:filesystem/preopens", |state| &mut Inner(state);
    fn get_directories() -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> = "get-directories";
}
