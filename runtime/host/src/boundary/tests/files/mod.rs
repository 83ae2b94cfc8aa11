//! Folders: what is inside can be used as granted, and there is no way out.

mod escapes;
mod grants;
mod quotas;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use toolcell_core::Limit;
use toolcell_core::manifest::Access;
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::preopens::Host as _;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorFlags, ErrorCode, HostDescriptor, OpenFlags, PathFlags,
};

use super::super::{CallState, Door, Mount};
use super::{door, limit_of, mounted, wait};

const READ: DescriptorFlags = DescriptorFlags::READ;
const WRITE: DescriptorFlags = DescriptorFlags::WRITE;

/// A call with one folder at `/data`, and the folder's descriptor.
struct Guest {
    state: CallState,
    folder: u32,
    host: TempDir,
}

impl Guest {
    fn new(access: Access, limits: &[(Limit, u64)]) -> Self {
        let host = tempfile::tempdir().expect("a temporary folder");
        let mount = mount(host.path(), "/data", access);
        let mut state = mounted(vec![mount], limits);
        let folders = door(&mut state).get_directories().expect("one folder");
        assert_eq!(folders[0].1, "/data");
        Self { folder: folders[0].0.rep(), state, host }
    }

    fn door(&mut self) -> Door<'_> {
        door(&mut self.state)
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.host.path().join(path)
    }

    fn open_as(&mut self, path: &str, follow: PathFlags, open: OpenFlags, flags: DescriptorFlags) -> FsResult<u32> {
        let folder = borrow(self.folder);
        let opened = wait(HostDescriptor::open_at(&mut self.door(), folder, follow, path.to_owned(), open, flags))?;
        Ok(opened.rep())
    }

    fn open(&mut self, path: &str, open: OpenFlags, flags: DescriptorFlags) -> FsResult<u32> {
        self.open_as(path, PathFlags::SYMLINK_FOLLOW, open, flags)
    }

    fn denied(&mut self) -> u64 {
        self.state.denied().iter().map(|denied| denied.count).sum()
    }

    fn written(&self) -> u64 {
        self.state.used().file_write_bytes
    }
}

fn mount(host: &Path, guest: &str, access: Access) -> Mount {
    Mount { guest: guest.to_owned(), dir: Arc::new(fs::File::open(host).expect("a folder")), access }
}

fn borrow(rep: u32) -> Resource<Descriptor> {
    Resource::new_borrow(rep)
}

fn code<T: std::fmt::Debug>(result: FsResult<T>) -> ErrorCode {
    result.expect_err("it is refused").downcast().expect("an error for the guest and no trap")
}

/// The limit that ended the call.
fn over<T: std::fmt::Debug>(result: FsResult<T>) -> Option<Limit> {
    limit_of(&result.expect_err("it ends the call").downcast().expect_err("a trap and no error for the guest"))
}

fn make_fifo(path: &Path) {
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o600), 0)
        .expect("a FIFO");
}
