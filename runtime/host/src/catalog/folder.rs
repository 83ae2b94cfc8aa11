//! What a tools folder holds by name: components, sidecars, and what only looks like one.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use toolcell_core::tool::ComponentName;

use super::MAX_COMPONENTS;
use super::component::SHOWN;
use super::snapshot::{Listed, Note, State};
use crate::schema::inert;

/// What a folder holds, in the order of the names.
pub(super) struct Listing {
    /// Files that can be components.
    pub(super) places: Vec<Place>,
    /// Whether there were more than are listed.
    pub(super) truncated: bool,
    /// Files that end in `.wasm` with a stem that can be no component's name, and why.
    pub(super) misnamed: Vec<(PathBuf, String)>,
}

/// Reads a folder.
pub(super) fn list(folder: &Path, notes: &mut Vec<Note>) -> io::Result<Listing> {
    let mut stems: Vec<OsString> = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = PathBuf::from(entry?.file_name());
        let Some(stem) = name.file_stem().filter(|stem| !stem.as_encoded_bytes().starts_with(b".")) else { continue };
        if name.extension() == Some(OsStr::new("wasm")) {
            stems.push(stem.to_owned());
        }
    }
    stems.sort_unstable();
    let truncated = stems.len() > MAX_COMPONENTS;
    if truncated {
        let text = format!("{} components are here; only the first {MAX_COMPONENTS} by name are listed", stems.len());
        notes.push(Note { path: folder.to_owned(), text });
        stems.truncate(MAX_COMPONENTS);
    }
    let mut listing = Listing { places: Vec::with_capacity(stems.len()), truncated, misnamed: Vec::new() };
    for mut stem in stems {
        let name = stem.to_string_lossy().parse::<ComponentName>();
        stem.push(".wasm");
        let path = folder.join(stem);
        match name {
            Ok(name) => listing.places.push(Place::new(name, path)),
            Err(error) => listing.misnamed.push((path, error.to_string())),
        }
    }
    Ok(listing)
}

/// A `*.wasm` file of a folder, with a name that can be a component's.
pub(super) struct Place {
    pub(super) name: ComponentName,
    pub(super) path: PathBuf,
    /// Where its sidecar is, if it has one.
    pub(super) sidecar: PathBuf,
}

impl Place {
    pub(super) fn new(name: ComponentName, path: PathBuf) -> Self {
        Self { name, sidecar: path.with_extension("toml"), path }
    }
}

/// Says what becomes of a folder that cannot be read, for the operator.
pub(super) fn folder_note(error: &io::Error, kept: bool) -> String {
    if error.kind() == io::ErrorKind::NotFound {
        "the folder is not there; it counts as empty".to_owned()
    } else if kept {
        format!("the folder cannot be read now, so what it held is listed on: {error}")
    } else {
        format!("the folder cannot be read; it counts as empty: {error}")
    }
}

impl Listed {
    /// A file whose stem is no component's name.
    pub(super) fn misnamed(path: PathBuf, reason: String) -> Self {
        let name = inert(&path.file_stem().unwrap_or_default().to_string_lossy(), SHOWN);
        Self { name, component: None, path, state: State::Broken(reason.into()) }
    }
}
