//! Finds and reads the files of a policy.
//!
//! One file, or every `*.toml` of a folder in the byte order of their names. Refuses what others can write to, what is too
//! large to be policy, and files of another kind, so that nothing lies there unread and believed.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::Policy;
use super::document::Draft;
use super::problem::{Collected, PolicyProblems};
use crate::catalog::file::{self, FileError, Links};

/// The largest file of policy, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The most files of a folder.
const MAX_FILES: usize = 256;

/// Reads a policy.
pub(super) fn load(path: &Path) -> Result<Policy, PolicyProblems> {
    let collected = Collected::default();
    let mut draft = Draft::new();
    for file in files(path, &collected) {
        match read(&file) {
            Ok(text) => draft.read(&file, &text, &collected),
            Err(problem) => collected.push(&file, problem),
        }
    }
    collected.or(draft.policy())
}

/// The files that make up the policy, in order.
fn files(path: &Path, collected: &Collected) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    let unreadable = |error: std::io::Error| collected.push(path, format!("the folder cannot be read: {error}"));
    match path.metadata().map(|metadata| metadata.permissions().mode()) {
        Ok(mode) if mode & 0o022 != 0 => collected.push(path, writable("folder", path)),
        Ok(_) => {}
        Err(error) => unreadable(error),
    }
    let mut files = Vec::new();
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) => {
            unreadable(error);
            return files;
        }
    };
    for entry in entries {
        let file = match entry {
            Ok(entry) => entry.path(),
            Err(error) => {
                unreadable(error);
                return Vec::new();
            }
        };
        // Editors and package managers keep their own files beside ours, and those begin with a dot.
        if file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
            continue;
        }
        if file.extension().is_none_or(|ending| ending != "toml") {
            collected.push(&file, "a folder of policy holds `*.toml` only: move this elsewhere".to_owned());
        } else if files.len() < MAX_FILES {
            files.push(file);
        } else {
            collected.push(path, format!("the folder has more than {MAX_FILES} files of policy"));
            break;
        }
    }
    if files.is_empty() {
        let message = "the folder holds no `*.toml`; `toolcell policy init` writes a file to begin with";
        collected.push(path, message.to_owned());
    }
    files.sort_by(|a, b| a.as_os_str().as_encoded_bytes().cmp(b.as_os_str().as_encoded_bytes()));
    files
}

fn read(path: &Path) -> Result<String, String> {
    let told = |error: FileError| match error {
        FileError::Missing => "the file is not there; `toolcell policy init` writes one to begin with".to_owned(),
        other => other.to_string(),
    };
    let (file, stamp) = file::open(path, Links::Follow).map_err(told)?;
    // Asked of the open file, so that it is the one that is read.
    let mode = file.metadata().map_err(|error| told(FileError::Unreadable(error)))?.permissions().mode();
    if mode & 0o022 != 0 {
        return Err(writable("file", path));
    }
    let bytes = file::read_open(&file, stamp, MAX_FILE_BYTES).map_err(told)?;
    String::from_utf8(bytes)
        .map_err(|error| format!("the file is not UTF-8 from byte {} on", error.utf8_error().valid_up_to()))
}

fn writable(what: &str, path: &Path) -> String {
    format!(
        "others than its owner can write to this {what}, and so could grant anything: `chmod go-w {}`",
        path.display()
    )
}
