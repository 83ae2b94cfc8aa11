//! What stands behind the functions of descriptors: checks and charges, and Wasmtime's own implementation after them.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use cap_primitives::fs::FollowSymlinks;
use toolcell_core::manifest::Access;
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::{Descriptor, Dir, File as OpenFile, FsPerms, OpenMode, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    self, Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntryStream, ErrorCode, HostDescriptor,
    MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult, IoError};
use wasmtime_wasi::runtime::spawn_blocking;

use super::listing::Listing;
use super::open::{NotOpened, Opened, Wanted, beneath};
use super::streams::{FileReader, FileWriter, hole};
use super::{MAX_READ, NEW_NAME, times};
use crate::boundary::{CallState, Exhausted, Inner};

/// Reasons for the receipt.
const READ_ONLY: &str = "the folder is granted for reading only; a rule for read-write access would allow this";
const OUTSIDE: &str = "the path leads out of the granted folder, or the file system of the host refuses it";
const SPECIAL: &str = "only regular files and directories can be opened, no FIFO, device or socket";
const SYMLINK: &str = "symbolic links cannot be made, wherever they point; no policy allows it";

fn over(exhausted: Exhausted) -> FsError {
    FsError::trap(exhausted)
}

impl CallState {
    fn files(&mut self) -> WasiFilesystemCtxView<'_> {
        WasiFilesystemCtxView { ctx: &mut self.filesystem, table: &mut self.table }
    }
}

impl Inner<'_> {
    fn directory(&self, descriptor: &Resource<Descriptor>) -> FsResult<&Dir> {
        match self.0.table.get(descriptor)? {
            Descriptor::Dir(directory) => Ok(directory),
            Descriptor::File(_) => Err(ErrorCode::NotDirectory.into()),
        }
    }

    fn file(&self, descriptor: &Resource<Descriptor>, instead: ErrorCode) -> FsResult<&OpenFile> {
        match self.0.table.get(descriptor)? {
            Descriptor::File(file) => Ok(file),
            Descriptor::Dir(_) => Err(instead.into()),
        }
    }

    /// Refuses, and notes it, where the descriptor comes from a folder that is granted for reading only.
    fn writable(&mut self, descriptor: &Resource<Descriptor>) -> FsResult<()> {
        let perms = match self.0.table.get(descriptor)? {
            Descriptor::File(file) => file.perms,
            Descriptor::Dir(directory) => directory.perms,
        };
        if perms.write_not_permitted() {
            self.0.deny(READ_ONLY);
            return Err(ErrorCode::ReadOnly.into());
        }
        Ok(())
    }

    /// Charges a name that is about to appear.
    fn new_name(&mut self) -> FsResult<()> {
        self.0.shared().write(NEW_NAME).map_err(over)
    }

    /// Notes what the resolution of paths has refused.
    fn noted<T>(&mut self, result: FsResult<T>) -> FsResult<T> {
        if let Err(error) = &result
            && matches!(error.downcast_ref(), Some(ErrorCode::NotPermitted))
        {
            self.0.deny(OUTSIDE);
        }
        result
    }

    /// The call's own time where the guest says "now".
    fn timestamp(&self, timestamp: NewTimestamp) -> NewTimestamp {
        match timestamp {
            NewTimestamp::Now => NewTimestamp::Timestamp(self.0.clock.wall()),
            other => other,
        }
    }

    async fn open_beneath(&mut self, directory: Arc<File>, path: String, wanted: Wanted) -> FsResult<Opened> {
        let shared = self.0.shared().clone();
        let opened = spawn_blocking(move || beneath(&directory, path.as_ref(), wanted, &shared)).await;
        match opened {
            Ok(opened) => Ok(opened),
            Err(NotOpened::Over(exhausted)) => Err(over(exhausted)),
            Err(NotOpened::Special) => {
                self.0.deny(SPECIAL);
                Err(ErrorCode::NotPermitted.into())
            }
            Err(NotOpened::Io(error)) => self.noted(Err(error.into())),
        }
    }
}

impl preopens::Host for Inner<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let mounts = self.0.mounts.clone();
        let mut folders = Vec::with_capacity(mounts.len());
        for mount in mounts.iter() {
            self.0.shared().hold()?;
            let (perms, mode) = match mount.access {
                Access::ReadOnly => (FsPerms::ReadOnly, OpenMode::READ),
                Access::ReadWrite => (FsPerms::ReadWrite, OpenMode::READ | OpenMode::WRITE),
            };
            let directory = Dir::new(mount.dir.try_clone()?, perms, mode, false);
            folders.push((self.0.table.push(Descriptor::Dir(directory))?, mount.guest.clone()));
        }
        Ok(folders)
    }
}

impl types::Host for Inner<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn filesystem_error_code(&mut self, error: Resource<IoError>) -> wasmtime::Result<Option<ErrorCode>> {
        types::Host::filesystem_error_code(&mut self.0.files(), error)
    }
}

impl HostDescriptor for Inner<'_> {
    async fn open_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Resource<Descriptor>> {
        let directory = self.directory(&descriptor)?.clone();
        let synchronised = DescriptorFlags::FILE_INTEGRITY_SYNC
            | DescriptorFlags::DATA_INTEGRITY_SYNC
            | DescriptorFlags::REQUESTED_WRITE_SYNC;
        if flags.intersects(synchronised) {
            return Err(ErrorCode::Unsupported.into());
        }
        if open_flags.contains(OpenFlags::DIRECTORY)
            && open_flags.intersects(OpenFlags::CREATE | OpenFlags::EXCLUSIVE | OpenFlags::TRUNCATE)
        {
            return Err(ErrorCode::Invalid.into());
        }
        let writes =
            flags.contains(DescriptorFlags::WRITE) || open_flags.intersects(OpenFlags::CREATE | OpenFlags::TRUNCATE);
        if writes {
            self.writable(&descriptor)?;
        }
        let mut mode = OpenMode::empty();
        mode.set(OpenMode::READ, flags.contains(DescriptorFlags::READ) || !flags.contains(DescriptorFlags::WRITE));
        mode.set(OpenMode::WRITE, writes);
        let wanted = Wanted { follow: follow(path_flags), mode, flags: open_flags };
        // The slot counts on the way there; from then on the descriptor counts until it is dropped.
        let slot = self.0.shared().slot().map_err(over)?;
        let opened = match self.open_beneath(directory.dir, path, wanted).await? {
            Opened::File(_) if open_flags.contains(OpenFlags::DIRECTORY) => return Err(ErrorCode::NotDirectory.into()),
            Opened::File(file) => Descriptor::File(OpenFile::new(file, directory.perms, mode, false)),
            Opened::Dir(file) => Descriptor::Dir(Dir::new(file, directory.perms, mode, false)),
        };
        let opened = self.0.table.push(opened)?;
        drop(slot);
        self.0.shared().hold().map_err(over)?;
        Ok(opened)
    }

    fn drop(&mut self, descriptor: Resource<Descriptor>) -> wasmtime::Result<()> {
        self.0.table.delete(descriptor)?;
        self.0.shared().release();
        Ok(())
    }

    fn read_via_stream(&mut self, descriptor: Resource<Descriptor>, offset: u64) -> FsResult<Resource<DynInputStream>> {
        let file = self.file(&descriptor, ErrorCode::IsDirectory)?.file.clone();
        let shared = self.0.shared().clone();
        let slot = shared.slot().map_err(over)?;
        let reader: DynInputStream = Box::new(FileReader::new(file, offset, shared, slot));
        Ok(self.0.table.push(reader)?)
    }

    fn write_via_stream(
        &mut self,
        descriptor: Resource<Descriptor>,
        offset: u64,
    ) -> FsResult<Resource<DynOutputStream>> {
        self.writable(&descriptor)?;
        let file = self.file(&descriptor, ErrorCode::BadDescriptor)?.file.clone();
        let stream = self.0.files().write_via_stream(descriptor, offset)?;
        self.charging(stream, file, Some(offset))
    }

    fn append_via_stream(&mut self, descriptor: Resource<Descriptor>) -> FsResult<Resource<DynOutputStream>> {
        self.writable(&descriptor)?;
        let file = self.file(&descriptor, ErrorCode::BadDescriptor)?.file.clone();
        let stream = self.0.files().append_via_stream(descriptor)?;
        self.charging(stream, file, None)
    }

    async fn advise(&mut self, descriptor: Resource<Descriptor>, _: u64, _: u64, _: Advice) -> FsResult<()> {
        self.file(&descriptor, ErrorCode::BadDescriptor)?;
        Ok(())
    }

    async fn sync_data(&mut self, descriptor: Resource<Descriptor>) -> FsResult<()> {
        self.0.files().sync_data(descriptor).await
    }

    async fn get_flags(&mut self, descriptor: Resource<Descriptor>) -> FsResult<DescriptorFlags> {
        self.0.files().get_flags(descriptor).await
    }

    async fn get_type(&mut self, descriptor: Resource<Descriptor>) -> FsResult<DescriptorType> {
        self.0.files().get_type(descriptor).await
    }

    async fn set_size(&mut self, descriptor: Resource<Descriptor>, size: u64) -> FsResult<()> {
        self.writable(&descriptor)?;
        let file = self.file(&descriptor, ErrorCode::BadDescriptor)?.file.clone();
        let shared = self.0.shared().clone();
        spawn_blocking(move || {
            shared.write(hole(&file, size)?).map_err(over)?;
            Ok(file.set_len(size)?)
        })
        .await
    }

    async fn set_times(
        &mut self,
        descriptor: Resource<Descriptor>,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        self.writable(&descriptor)?;
        let (accessed, modified) = (self.timestamp(accessed), self.timestamp(modified));
        self.0.files().set_times(descriptor, accessed, modified).await
    }

    async fn read(&mut self, descriptor: Resource<Descriptor>, length: u64, offset: u64) -> FsResult<(Vec<u8>, bool)> {
        let shared = self.0.shared().clone();
        // One byte more than what is left, so that the end of a file is still seen when exactly all of the budget is
        // used.
        let length = length.min(MAX_READ as u64).min(shared.read.left().saturating_add(1));
        let (bytes, ended) = self.0.files().read(descriptor, length, offset).await?;
        shared.read(bytes.len() as u64).map_err(over)?;
        Ok((bytes, ended))
    }

    async fn write(&mut self, descriptor: Resource<Descriptor>, buffer: Vec<u8>, offset: u64) -> FsResult<u64> {
        self.writable(&descriptor)?;
        let file = self.file(&descriptor, ErrorCode::BadDescriptor)?.file.clone();
        let shared = self.0.shared().clone();
        spawn_blocking(move || {
            let cost = hole(&file, offset)?.saturating_add(buffer.len() as u64);
            shared.write(cost).map_err(over)?;
            Ok(file.write_at(&buffer, offset)? as u64)
        })
        .await
    }

    async fn read_directory(&mut self, descriptor: Resource<Descriptor>) -> FsResult<Resource<DirectoryEntryStream>> {
        let directory = self.directory(&descriptor)?.dir.clone();
        let slot = self.0.shared().slot().map_err(over)?;
        let listing = spawn_blocking(move || Listing::open(&directory, slot)).await?;
        Ok(Resource::new_own(self.0.table.push(listing)?.rep()))
    }

    async fn sync(&mut self, descriptor: Resource<Descriptor>) -> FsResult<()> {
        self.0.files().sync(descriptor).await
    }

    async fn create_directory_at(&mut self, descriptor: Resource<Descriptor>, path: String) -> FsResult<()> {
        self.writable(&descriptor)?;
        self.new_name()?;
        let result = self.0.files().create_directory_at(descriptor, path).await;
        self.noted(result)
    }

    async fn stat(&mut self, descriptor: Resource<Descriptor>) -> FsResult<DescriptorStat> {
        self.0.files().stat(descriptor).await.map(times::coarse)
    }

    async fn stat_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        path_flags: PathFlags,
        path: String,
    ) -> FsResult<DescriptorStat> {
        let result = self.0.files().stat_at(descriptor, path_flags, path).await.map(times::coarse);
        self.noted(result)
    }

    async fn set_times_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        path_flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        self.writable(&descriptor)?;
        let (accessed, modified) = (self.timestamp(accessed), self.timestamp(modified));
        if !path_flags.contains(PathFlags::SYMLINK_FOLLOW) {
            let result = self.0.files().set_times_at(descriptor, path_flags, path, accessed, modified).await;
            return self.noted(result);
        }
        // Wasmtime opens the path for writing here, which would wait for the other end of a FIFO.
        let times = times::file_times(accessed, modified)?;
        let directory = self.directory(&descriptor)?.dir.clone();
        let wanted = Wanted { follow: FollowSymlinks::Yes, mode: OpenMode::READ, flags: OpenFlags::empty() };
        let (Opened::File(file) | Opened::Dir(file)) = self.open_beneath(directory, path, wanted).await?;
        spawn_blocking(move || Ok(file.set_times(times)?)).await
    }

    async fn link_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        old_path_flags: PathFlags,
        old_path: String,
        new_descriptor: Resource<Descriptor>,
        new_path: String,
    ) -> FsResult<()> {
        // From a folder for reading to one for writing, a link would make the file writable.
        self.writable(&descriptor)?;
        self.writable(&new_descriptor)?;
        self.new_name()?;
        let result = self.0.files().link_at(descriptor, old_path_flags, old_path, new_descriptor, new_path).await;
        self.noted(result)
    }

    async fn readlink_at(&mut self, descriptor: Resource<Descriptor>, path: String) -> FsResult<String> {
        let result = self.0.files().readlink_at(descriptor, path).await;
        self.noted(result)
    }

    async fn remove_directory_at(&mut self, descriptor: Resource<Descriptor>, path: String) -> FsResult<()> {
        self.writable(&descriptor)?;
        let result = self.0.files().remove_directory_at(descriptor, path).await;
        self.noted(result)
    }

    async fn rename_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        old_path: String,
        new_descriptor: Resource<Descriptor>,
        new_path: String,
    ) -> FsResult<()> {
        self.writable(&descriptor)?;
        self.writable(&new_descriptor)?;
        let result = self.0.files().rename_at(descriptor, old_path, new_descriptor, new_path).await;
        self.noted(result)
    }

    async fn symlink_at(&mut self, descriptor: Resource<Descriptor>, _: String, _: String) -> FsResult<()> {
        self.directory(&descriptor)?;
        self.0.deny(SYMLINK);
        Err(ErrorCode::NotPermitted.into())
    }

    async fn unlink_file_at(&mut self, descriptor: Resource<Descriptor>, path: String) -> FsResult<()> {
        self.writable(&descriptor)?;
        let result = self.0.files().unlink_file_at(descriptor, path).await;
        self.noted(result)
    }

    async fn is_same_object(
        &mut self,
        descriptor: Resource<Descriptor>,
        other: Resource<Descriptor>,
    ) -> wasmtime::Result<bool> {
        self.0.files().is_same_object(descriptor, other).await
    }

    async fn metadata_hash(&mut self, descriptor: Resource<Descriptor>) -> FsResult<MetadataHashValue> {
        self.0.files().metadata_hash(descriptor).await
    }

    async fn metadata_hash_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        path_flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        let result = self.0.files().metadata_hash_at(descriptor, path_flags, path).await;
        self.noted(result)
    }
}

impl Inner<'_> {
    /// Puts our own stream in the place of Wasmtime's.
    fn charging(
        &mut self,
        stream: Resource<DynOutputStream>,
        file: Arc<File>,
        position: Option<u64>,
    ) -> FsResult<Resource<DynOutputStream>> {
        let inner = self.0.table.delete(stream)?;
        let shared = self.0.shared().clone();
        let slot = shared.slot().map_err(over)?;
        let writer: DynOutputStream = Box::new(FileWriter::new(inner, file, position, shared, slot));
        Ok(self.0.table.push(writer)?)
    }
}

fn follow(flags: PathFlags) -> FollowSymlinks {
    if flags.contains(PathFlags::SYMLINK_FOLLOW) { FollowSymlinks::Yes } else { FollowSymlinks::No }
}
