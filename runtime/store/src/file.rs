//! The database's file and folder, before `SQLite` sees them: only the owner may enter and read.
//!
//! `SQLite` gives its `-wal` and `-shm` files the mode of the database file, so what holds for one holds for all three.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::StoreError;

/// Makes folder and file where there are none (0700 and 0600), checks them where there are, and gives the file's
/// absolute path: no name, such as `:memory:` or `file:x?mode=ro`, may mean more to `SQLite` than a file's.
pub(crate) fn prepare(path: &Path) -> Result<PathBuf, StoreError> {
    let failed = |action, path: &Path| {
        let path = path.to_owned();
        move |source| StoreError::File { action, path, source }
    };
    let path = std::path::absolute(path).map_err(failed("find", path))?;
    if path.to_str().is_none() {
        return Err(StoreError::NotAFile { path, what: "no UTF-8" });
    }
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed("make the folder", folder))?;
        let mode = std::fs::metadata(folder).map_err(failed("look at", folder))?.mode() & 0o7777;
        if mode & 0o022 != 0 {
            return Err(StoreError::Exposed { path: folder.to_owned(), mode, wanted: 0o700 });
        }
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
        Ok(_) => return Ok(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed("make", &path)(error)),
    }
    let metadata = std::fs::symlink_metadata(&path).map_err(failed("look at", &path))?;
    if metadata.is_symlink() {
        return Err(StoreError::NotAFile { path, what: "a symbolic link" });
    }
    if !metadata.is_file() {
        return Err(StoreError::NotAFile { path, what: "no regular file" });
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(StoreError::Exposed { path, mode, wanted: 0o600 });
    }
    Ok(path)
}
