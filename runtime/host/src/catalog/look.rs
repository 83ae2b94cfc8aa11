//! One look at the folders: what is there, what of it must be read, and what has held since the look before.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toolcell_core::tool::ComponentName;

use super::Shared;
use super::file::{self, FileError};
use super::folder::{Place, folder_note, list};
use super::reading::{Reading, Seen, Sight, Verdict, in_parallel, read};
use super::snapshot::{Listed, Note, Snapshot, State};

/// What a look found different, by name and in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Ready, and not served before.
    pub added: Vec<ComponentName>,
    /// Served before, and ready with other bytes or another manifest.
    pub changed: Vec<ComponentName>,
    /// Served before, and gone.
    pub removed: Vec<ComponentName>,
    /// Broken since this look, or broken in another way.
    pub broken: Vec<ComponentName>,
    /// How many components were read. Looks that find nothing new read none.
    pub read: usize,
}

/// What the looks remember of each file.
#[derive(Default)]
pub(super) struct Memory {
    units: HashMap<PathBuf, Unit>,
}

/// A component's file together with its sidecar. They are read and settle as one.
#[derive(Default)]
struct Unit {
    /// What the last reading saw; none where it saw nothing that could be compared.
    seen: Option<Seen>,
    /// What was made of that, while it waits for a second look.
    candidate: Option<Verdict>,
    /// What has held.
    settled: Option<Verdict>,
}

impl Memory {
    /// Looks at all folders. Answers what is to be listed, what is worth a note, and how many components were read.
    pub(super) fn look(&mut self, shared: &Shared) -> (Vec<Listed>, Vec<Note>, usize) {
        let now = shared.options.clock.now().0;
        let mut notes = Vec::new();
        let mut listed = Vec::new();
        let mut places: Vec<(Place, Unit)> = Vec::new();
        for folder in &shared.folders {
            match list(folder, &mut notes) {
                Ok(listing) => {
                    for (path, reason) in listing.misnamed {
                        listed.push(Listed::misnamed(path, reason));
                    }
                    for place in listing.places {
                        let unit = self.units.remove(&place.path).unwrap_or_default();
                        places.push((place, unit));
                    }
                    // Some file systems leave out a name while a rename replaces it.
                    if !listing.truncated {
                        self.keep(folder, &mut places, |path| path.symlink_metadata().is_ok());
                    }
                }
                Err(error) => {
                    let kept = file::is_passing(&error);
                    notes.push(Note { path: folder.clone(), text: folder_note(&error, kept) });
                    if kept {
                        self.keep(folder, &mut places, |_| true);
                    }
                }
            }
        }

        // What can be seen without reading decides what is read.
        let mut present = Vec::with_capacity(places.len());
        let mut jobs = Vec::new();
        for (place, mut unit) in places {
            match Sight::of(&place) {
                Ok(Some(sight)) if unit.holds(&sight) => unit.settle(),
                Ok(Some(sight)) => jobs.push((present.len(), sight)),
                Ok(None) => unit.lose(),
                Err(gone) => {
                    if let FileError::NotAFile(_) = gone {
                        notes.push(Note { path: place.path, text: format!("ignored: {gone}") });
                    }
                    continue;
                }
            }
            present.push((place, unit));
        }
        let mut places = present;
        let readings = in_parallel(shared.options.threads.get(), &jobs, |(index, sight)| {
            let (place, unit): &(Place, Unit) = &places[*index];
            read(place, sight, unit.seen.as_ref(), now, &*shared.options.describe)
        });
        let read = readings.len();
        for ((index, _), reading) in jobs.into_iter().zip(readings) {
            places[index].1.take(reading);
        }

        let mut winners: HashMap<ComponentName, PathBuf> = HashMap::new();
        for (place, unit) in &places {
            let state = match winners.get(&place.name) {
                Some(winner) => State::Shadowed { by: winner.clone() },
                None => unit.state(),
            };
            // A file that has never settled does not yet take a name from one that has.
            if unit.settled.is_some() && !matches!(state, State::Shadowed { .. }) {
                winners.insert(place.name.clone(), place.path.clone());
            }
            listed.push(Listed {
                name: place.name.to_string(),
                component: Some(place.name.clone()),
                path: place.path.clone(),
                state,
            });
        }
        // Stable: of one name, the first folder stays first.
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        self.units = places.into_iter().map(|(place, unit)| (place.path, unit)).collect();
        (listed, notes, read)
    }

    /// Keeps what is known of a folder's files and is still wanted, though the folder did not list them.
    fn keep(&mut self, folder: &Path, places: &mut Vec<(Place, Unit)>, wanted: impl Fn(&Path) -> bool) {
        let known = self.units.keys().filter(|path| path.parent() == Some(folder) && wanted(path));
        for path in known.cloned().collect::<Vec<_>>() {
            let name = path.file_stem().and_then(OsStr::to_str).and_then(|stem| stem.parse().ok());
            if let (Some(name), Some(unit)) = (name, self.units.remove(&path)) {
                places.push((Place::new(name, path), unit));
            }
        }
    }
}

impl Unit {
    /// Whether the files are, without a doubt, what was read of them.
    fn holds(&self, sight: &Sight) -> bool {
        self.seen.as_ref().is_some_and(|seen| seen.old && seen.sight == *sight)
    }

    /// A second look has found everything as the first one left it.
    fn settle(&mut self) {
        let Some(candidate) = self.candidate.take() else { return };
        let unchanged = match (&self.settled, &candidate) {
            (Some(Ok(old)), Ok(new)) => old.digest == new.digest && old.manifest_digest == new.manifest_digest,
            _ => false,
        };
        // Whoever holds the old one keeps what was derived from it.
        if !unchanged {
            self.settled = Some(candidate);
        }
    }

    /// The files could not be compared with anything.
    fn lose(&mut self) {
        self.seen = None;
        self.candidate = None;
    }

    fn take(&mut self, reading: Reading) {
        match reading {
            Reading::Later => self.lose(),
            Reading::Same(seen) => {
                let held = self.seen.as_ref().is_some_and(|before| before.sight == seen.sight);
                self.seen = Some(seen);
                if held {
                    self.settle();
                }
            }
            Reading::New(seen, verdict) => {
                self.seen = Some(seen);
                self.candidate = Some(verdict);
            }
        }
    }

    fn state(&self) -> State {
        let settling = self.candidate.is_some() || self.seen.is_none();
        match &self.settled {
            Some(Ok(component)) if settling => State::Changing(Arc::clone(component)),
            Some(Ok(component)) => State::Ready(Arc::clone(component)),
            Some(Err(reason)) if !settling => State::Broken(Arc::clone(reason)),
            Some(Err(_)) | None => State::Settling,
        }
    }
}

impl Changes {
    /// Whether nothing is different.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty() && self.broken.is_empty()
    }

    /// What is different between a snapshot and what is listed now.
    pub(super) fn between(before: &Snapshot, listed: &[Listed]) -> Self {
        let mut changes = Self::default();
        let mut present = HashSet::new();
        for entry in listed {
            let Some(name) = entry.component.as_ref().filter(|_| !matches!(entry.state, State::Shadowed { .. })) else {
                continue;
            };
            let old = before.component(name.as_str()).map(|listed| &listed.state);
            match (&entry.state, old.and_then(State::serving)) {
                (State::Ready(new), Some(old)) if !Arc::ptr_eq(new, old) => changes.changed.push(name.clone()),
                (State::Ready(_), None) => changes.added.push(name.clone()),
                (State::Broken(reason), _) if !matches!(old, Some(State::Broken(known)) if known == reason) => {
                    changes.broken.push(name.clone());
                }
                _ => {}
            }
            present.insert(name);
        }
        let gone = before.listed().iter().filter(|old| old.state.serving().is_some());
        changes.removed = gone.filter_map(|old| old.component.clone()).filter(|name| !present.contains(name)).collect();
        changes
    }
}
