//! Owns the way into a folder: which files there are, and what is in them. It never follows a symbolic link, so there is no
//! loop and no way out; it reads at most what the constants below say, and reports what it left out. The order is by path, so
//! that the same folder gives the same answer, whatever order the file system lists it in.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::glob::Glob;

/// The most documents of one call.
pub const MOST_FILES: usize = 10_000;
/// The most bytes of one document: larger text files are logs or dumps, and one of them would drown the others.
pub const MOST_FILE_BYTES: u64 = 4 << 20;
/// The most bytes of one call. The texts are held in memory until the snippets are cut.
pub const MOST_BYTES: u64 = 32 << 20;
/// How many folders down; it bounds the length of a path.
pub const MOST_DEPTH: usize = 32;
/// The most directory entries that are looked at: it bounds the time that a folder of empty folders can take.
pub const MOST_ENTRIES: usize = 100_000;
/// How many skipped files are named.
pub const SKIPPED_NAMED: usize = 20;
/// A file with a zero byte among its first bytes is no text, even if it happens to be UTF-8.
const LOOKED_AT: usize = 8 << 10;

/// Which files count.
#[derive(Debug, Default)]
pub struct Filter {
    /// Any of these; empty means all.
    pub include: Vec<Glob>,
    /// None of these.
    pub exclude: Vec<Glob>,
}

impl Filter {
    fn admits(&self, path: &str) -> bool {
        (self.include.is_empty() || self.include.iter().any(|glob| glob.matches(path)))
            && !self.exclude.iter().any(|glob| glob.matches(path))
    }
}

/// A text file.
#[derive(Debug)]
pub struct Document {
    /// The folder as the caller gave it, and the path below.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// Why a file was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A symbolic link.
    Link,
    /// Not UTF-8, or with zero bytes.
    NotText,
    /// Beyond [`MOST_FILE_BYTES`].
    TooLarge,
    /// Beyond [`MOST_DEPTH`].
    TooDeep,
    /// Neither file nor folder, or the file system refused.
    Unreadable,
    /// Beyond [`MOST_FILES`] or [`MOST_BYTES`].
    OverLimit,
}

/// What was read and what was not.
#[derive(Debug, Default)]
pub struct Coverage {
    /// Documents read.
    pub documents: u32,
    /// Their bytes.
    pub bytes: u32,
    /// Files left out.
    pub skipped_total: u32,
    /// The first of them by path.
    pub skipped: Vec<(String, Reason)>,
    /// Whether some limit was met, so that the answer covers a part.
    pub cut: bool,
}

/// Why a folder can't be searched at all.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The name itself is no path.
    #[error("{0:?} is not the path of a folder; write it as it is mounted, without ..")]
    NotAPath(String),
    /// Nothing is there.
    #[error("there is no folder {0}")]
    Missing(String),
    /// A file is there.
    #[error("{0} is a file, not a folder; give the folder that it is in, and its name as a filter")]
    NotAFolder(String),
    /// The file system said no.
    #[error("the folder {folder} can't be read: {source}")]
    Refused {
        /// The folder.
        folder: String,
        /// What it said.
        source: io::Error,
    },
}

/// Gives each document of a folder to `take`, in the order of their paths.
pub fn read(folder: &str, filter: &Filter, mut take: impl FnMut(Document)) -> Result<Coverage, FolderError> {
    let root = check(folder)?;
    let mut walk = Walk::default();
    walk.list(&root, filter)?;
    let Walk { mut files, mut skipped, entries, .. } = walk;
    files.sort_unstable();

    let shown = |below: &str| format!("{}/{below}", folder.trim_end_matches('/'));
    let mut coverage = Coverage { cut: entries > MOST_ENTRIES, ..Coverage::default() };
    let mut budget = MOST_BYTES;
    for below in files {
        if coverage.documents as usize >= MOST_FILES {
            skipped.push((below, Reason::OverLimit));
            continue;
        }
        match text_of(&root.join(&below), budget) {
            Ok(text) => {
                budget -= text.len() as u64;
                coverage.documents += 1;
                take(Document { path: shown(&below), text });
            }
            Err(reason) => skipped.push((below, reason)),
        }
    }
    coverage.bytes = u32::try_from(MOST_BYTES - budget).expect("the budget of a call fits");
    coverage.cut |= skipped.iter().any(|(_, reason)| *reason == Reason::OverLimit);
    coverage.skipped_total = u32::try_from(skipped.len()).expect("at most as many as there are entries");
    skipped.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    skipped.truncate(SKIPPED_NAMED);
    coverage.skipped = skipped.into_iter().map(|(below, reason)| (shown(&below), reason)).collect();
    Ok(coverage)
}

fn check(folder: &str) -> Result<PathBuf, FolderError> {
    // The file system would refuse `..` where it leads out of a mount; here it is refused everywhere, and told apart from a
    // missing permission.
    if folder.is_empty() || folder.contains('\0') || folder.split('/').any(|name| name == "..") {
        return Err(FolderError::NotAPath(folder.to_owned()));
    }
    let root = PathBuf::from(folder);
    match fs::metadata(&root) {
        Ok(found) if found.is_dir() => Ok(root),
        Ok(_) => Err(FolderError::NotAFolder(folder.to_owned())),
        Err(source) => Err(match source.kind() {
            io::ErrorKind::PermissionDenied => FolderError::Refused { folder: folder.to_owned(), source },
            // Everything else that keeps a name from being looked up: no such entry, a file on the way, a name that is too
            // long, a loop of links, and what the WASI library says when no mounted folder holds the path.
            _ => FolderError::Missing(folder.to_owned()),
        }),
    }
}

/// The search for files, without recursion.
#[derive(Default)]
struct Walk {
    files: Vec<String>,
    skipped: Vec<(String, Reason)>,
    /// Folders still to list, below the root, and how deep they are.
    open: Vec<(String, usize)>,
    entries: usize,
}

impl Walk {
    fn list(&mut self, root: &Path, filter: &Filter) -> Result<(), FolderError> {
        let first =
            fs::read_dir(root).map_err(|source| FolderError::Refused { folder: root.display().to_string(), source })?;
        self.list_one(first, "", 0, filter);
        while let Some((below, depth)) = self.open.pop() {
            match fs::read_dir(root.join(&below)) {
                Ok(entries) => self.list_one(entries, &format!("{below}/"), depth, filter),
                Err(_) => self.skipped.push((below, Reason::Unreadable)),
            }
        }
        Ok(())
    }

    fn list_one(&mut self, entries: fs::ReadDir, prefix: &str, depth: usize, filter: &Filter) {
        for entry in entries {
            // One more than the limit is how the caller knows that it was met.
            if self.entries > MOST_ENTRIES {
                self.open.clear();
                return;
            }
            self.entries += 1;
            let Ok(entry) = entry else {
                // A listing that breaks off would be repeated without end by some file systems; once is enough.
                self.skipped.push((prefix.to_owned(), Reason::Unreadable));
                return;
            };
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                self.skipped.push((format!("{prefix}{}", name.to_string_lossy()), Reason::Unreadable));
                continue;
            };
            if name.starts_with('.') {
                continue;
            }
            let below = format!("{prefix}{name}");
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && depth + 1 >= MOST_DEPTH => self.skipped.push((below, Reason::TooDeep)),
                Ok(kind) if kind.is_dir() => self.open.push((below, depth + 1)),
                _ if !filter.admits(&below) => {}
                Ok(kind) if kind.is_file() => self.files.push(below),
                Ok(kind) if kind.is_symlink() => self.skipped.push((below, Reason::Link)),
                _ => self.skipped.push((below, Reason::Unreadable)),
            }
        }
    }
}

fn text_of(path: &Path, budget: u64) -> Result<String, Reason> {
    let file = File::open(path).map_err(|_| Reason::Unreadable)?;
    let size = file.metadata().map_err(|_| Reason::Unreadable)?.len();
    let fits = |size: u64| match size {
        _ if size > MOST_FILE_BYTES => Err(Reason::TooLarge),
        _ if size > budget => Err(Reason::OverLimit),
        _ => Ok(()),
    };
    fits(size)?;
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
    // The file may have grown since, or may be endless and say that it is empty.
    file.take(MOST_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(|_| Reason::Unreadable)?;
    fits(bytes.len() as u64)?;
    if bytes[..bytes.len().min(LOOKED_AT)].contains(&0) {
        return Err(Reason::NotText);
    }
    String::from_utf8(bytes).map_err(|_| Reason::NotText)
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
