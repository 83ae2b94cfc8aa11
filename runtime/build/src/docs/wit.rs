//! Reads a tool's `wit/` folder with all that it needs, without ever writing to it.
//!
//! The contract's packages and WASI's are offered where the folder does not bring them, so that a tool may name them
//! without keeping a copy.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use wit_parser::{PackageId, PackageName, Resolve, SourceMap, UnresolvedPackageGroup};

use crate::contract;

/// The most WIT that is read, in bytes. WASI in whole has under 200 KiB.
const MAX_WIT_BYTES: u64 = 8 * 1024 * 1024;

/// Loads the package in `wit` with its `deps/` and what the contract offers.
pub(super) fn load(wit: &Path) -> Result<(Resolve, PackageId), WitError> {
    let mut budget = MAX_WIT_BYTES;
    let main = parse_folder(wit, &mut budget)?.ok_or_else(|| WitError::NoWit { path: wit.to_owned() })?;
    let mut resolve = Resolve::default();
    let mut deps = Vec::new();
    for path in entries(&wit.join("deps"))? {
        if path.is_dir() {
            deps.extend(parse_folder(&path, &mut budget)?);
        } else if has_extension(&path, "wit") {
            let mut map = SourceMap::new();
            read_into(&mut map, &path, &mut budget)?;
            deps.push(parse(map)?);
        } else if has_extension(&path, "wasm") {
            spend(&path, &mut budget)?;
            resolve.push_file(&path).map_err(|error| WitError::Malformed { rendered: resolve.render_error(&error) })?;
        }
    }

    offer_contract(&resolve, &main, &mut deps)?;
    match resolve.push_groups(main, deps) {
        Ok(package) => Ok((resolve, package)),
        Err(error) => Err(WitError::Malformed { rendered: resolve.render_error(&error.into()) }),
    }
}

/// Adds those packages of the contract that are named and not there, and what they name in turn. Others stay out: one that
/// nobody asked for could only clash with a package that the folder brings.
fn offer_contract(
    resolve: &Resolve,
    main: &UnresolvedPackageGroup,
    deps: &mut Vec<UnresolvedPackageGroup>,
) -> Result<(), WitError> {
    let mut known: Vec<PackageName> = resolve.packages.iter().map(|(_, package)| package.name.clone()).collect();
    let mut named: Vec<PackageName> = Vec::new();
    for group in deps.iter().chain([main]) {
        take_names(group, &mut known, &mut named);
    }
    let mut offered: Vec<UnresolvedPackageGroup> = Vec::new();
    for (name, text) in contract::PACKAGES {
        let mut map = SourceMap::new();
        map.push_str(name, *text);
        offered.push(parse(map)?);
    }
    while let Some(name) = named.pop() {
        if !known.contains(&name)
            && let Some(at) = offered.iter().position(|group| group.main.name == name)
        {
            let group = offered.swap_remove(at);
            take_names(&group, &mut known, &mut named);
            deps.push(group);
        }
    }
    Ok(())
}

/// Notes which packages a group brings and which it names.
fn take_names(group: &UnresolvedPackageGroup, known: &mut Vec<PackageName>, named: &mut Vec<PackageName>) {
    for package in std::iter::once(&group.main).chain(&group.nested) {
        known.push(package.name.clone());
        named.extend(package.foreign_deps.keys().cloned());
    }
}

/// WIT that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WitError {
    /// A file or folder cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The folder has no `.wit` file.
    #[error("{} holds no .wit file; put the tool's world there, or remove the folder", path.display())]
    NoWit {
        /// The folder.
        path: PathBuf,
    },
    /// More text than any tool needs.
    #[error("{} takes the WIT over {MAX_WIT_BYTES} bytes; keep only the packages that the tool uses", path.display())]
    TooLarge {
        /// The file that went over.
        path: PathBuf,
    },
    /// It does not parse or resolve.
    #[error("{rendered}")]
    Malformed {
        /// File, line, column, and the lines in question.
        rendered: String,
    },
}

/// The `.wit` files of a folder as one package; none where it has none.
fn parse_folder(folder: &Path, budget: &mut u64) -> Result<Option<UnresolvedPackageGroup>, WitError> {
    let mut map = SourceMap::new();
    let mut any = false;
    for path in entries(folder)? {
        if has_extension(&path, "wit") && !path.is_dir() {
            read_into(&mut map, &path, budget)?;
            any = true;
        }
    }
    if any { parse(map).map(Some) } else { Ok(None) }
}

fn parse(map: SourceMap) -> Result<UnresolvedPackageGroup, WitError> {
    map.parse().map_err(|(map, error)| WitError::Malformed { rendered: error.render(&map) })
}

fn read_into(map: &mut SourceMap, path: &Path, budget: &mut u64) -> Result<(), WitError> {
    spend(path, budget)?;
    let text = fs::read_to_string(path).map_err(unreadable(path))?;
    map.push(path, text);
    Ok(())
}

/// Takes a file's size from the budget before a byte of it is read.
fn spend(path: &Path, budget: &mut u64) -> Result<(), WitError> {
    let size = fs::metadata(path).map_err(unreadable(path))?.len();
    *budget = budget.checked_sub(size).ok_or_else(|| WitError::TooLarge { path: path.to_owned() })?;
    Ok(())
}

/// A folder's entries in the order of their names; none where there is no folder.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, WitError> {
    let listed = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.map_err(unreadable(folder))?,
    };
    let mut paths = Vec::new();
    for entry in listed {
        paths.push(entry.map_err(unreadable(folder))?.path());
    }
    paths.sort();
    Ok(paths)
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> WitError {
    move |source| WitError::Unreadable { path: path.to_owned(), source }
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}
