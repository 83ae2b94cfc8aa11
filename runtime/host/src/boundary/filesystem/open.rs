//! Opening a path beneath a folder.

use std::fs::File;
use std::io;
use std::path::Path;

use cap_primitives::fs::{FollowSymlinks, Metadata, OpenOptions, OpenOptionsExt, open, stat};
use rustix::fs::OFlags;

use super::NEW_NAME;
use crate::boundary::budget::Shared;
use crate::boundary::ends::Exhausted;

/// How to open.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub(super) follow: bool,
    pub(super) read: bool,
    pub(super) write: bool,
    pub(super) create: bool,
    pub(super) exclusive: bool,
    pub(super) truncate: bool,
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
/// What is there is looked at first, because opening a device can have effects of its own, and once more when it is open,
/// because it may have been exchanged meanwhile. Truncating comes last, when it is known to be a regular file.
pub(super) fn beneath(folder: &File, path: &Path, wanted: Wanted, shared: &Shared) -> Result<Opened, NotOpened> {
    let follow = if wanted.follow { FollowSymlinks::Yes } else { FollowSymlinks::No };
    match stat(folder, path, follow) {
        Ok(found) if is_plain(&found) || found.is_symlink() => {}
        Ok(_) => return Err(NotOpened::Special),
        Err(error) if error.kind() == io::ErrorKind::NotFound && wanted.create => shared.write(NEW_NAME)?,
        Err(error) => return Err(error.into()),
    }
    let mut flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    if !wanted.follow {
        flags |= OFlags::NOFOLLOW;
    }
    let mut options = OpenOptions::new();
    options.read(wanted.read).write(wanted.write).custom_flags(flags.bits().cast_signed());
    if wanted.exclusive && wanted.create {
        options.create_new(true);
    } else {
        options.create(wanted.create);
    }
    let file = open(folder, path, &options)?;
    let found = Metadata::from_file(&file)?;
    if found.is_dir() {
        return Ok(Opened::Dir(file));
    }
    if !found.is_file() {
        return Err(NotOpened::Special);
    }
    if wanted.truncate {
        file.set_len(0)?;
    }
    Ok(Opened::File(file))
}

fn is_plain(found: &Metadata) -> bool {
    found.is_file() || found.is_dir()
}
