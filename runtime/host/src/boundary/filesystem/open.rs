//! Opening a path beneath a folder.

use std::fs::File;
use std::io;
use std::path::Path;

use cap_primitives::fs::{FollowSymlinks, Metadata, OpenOptions, OpenOptionsExt, open, stat};
use rustix::fs::OFlags;
use wasmtime_wasi::filesystem::OpenMode;
use wasmtime_wasi::p2::bindings::filesystem::types::OpenFlags;

use super::NEW_NAME;
use crate::boundary::budget::Shared;
use crate::boundary::ends::Exhausted;

/// How to open.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    /// Whether a link at the end of the path is followed; those on the way always are, as far as they stay inside.
    pub(super) follow: FollowSymlinks,
    /// What the descriptor is for.
    pub(super) mode: OpenMode,
    /// What to make, replace or cut on the way.
    pub(super) flags: OpenFlags,
}

/// What a path turned out to be.
pub(super) enum Opened {
    File(File),
    Dir(File),
}

/// Why nothing was opened.
pub(super) enum NotOpened {
    Io(io::Error),
    Over(Exhausted),
    /// A FIFO, a device or a socket.
    Special,
}

impl From<io::Error> for NotOpened {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Exhausted> for NotOpened {
    fn from(exhausted: Exhausted) -> Self {
        Self::Over(exhausted)
    }
}

/// Opens `path` beneath `folder`. It waits for the disk, never for another process.
///
/// What is there is looked at first, because opening a device can have effects of its own, and once more when it is
/// open, because it may have been exchanged meanwhile. Truncating comes last, when it is known to be a regular file.
pub(super) fn beneath(folder: &File, path: &Path, wanted: Wanted, shared: &Shared) -> Result<Opened, NotOpened> {
    let create = wanted.flags.contains(OpenFlags::CREATE);
    match stat(folder, path, wanted.follow) {
        Ok(found) if is_plain(&found) || found.is_symlink() => {}
        Ok(_) => return Err(NotOpened::Special),
        Err(error) if error.kind() == io::ErrorKind::NotFound && create => shared.write(NEW_NAME)?,
        Err(error) => return Err(error.into()),
    }
    let file = open(folder, path, &options(wanted))?;
    let found = Metadata::from_file(&file)?;
    if found.is_dir() {
        return Ok(Opened::Dir(file));
    }
    if !found.is_file() {
        return Err(NotOpened::Special);
    }
    if wanted.flags.contains(OpenFlags::TRUNCATE) {
        file.set_len(0)?;
    }
    Ok(Opened::File(file))
}

fn options(wanted: Wanted) -> OpenOptions {
    let mut flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    if wanted.follow == FollowSymlinks::No {
        flags |= OFlags::NOFOLLOW;
    }
    let mut options = OpenOptions::new();
    options.read(wanted.mode.contains(OpenMode::READ)).write(wanted.mode.contains(OpenMode::WRITE));
    options.custom_flags(flags.bits().cast_signed());
    let create = wanted.flags.contains(OpenFlags::CREATE);
    if create && wanted.flags.contains(OpenFlags::EXCLUSIVE) {
        options.create_new(true);
    } else {
        options.create(create);
    }
    options
}

fn is_plain(found: &Metadata) -> bool {
    found.is_file() || found.is_dir()
}
