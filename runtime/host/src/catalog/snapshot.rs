//! What is listed at one moment: whole, immutable, and indexed once.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use toolcell_core::tool::{ComponentName, ToolId};

use super::component::{Component, Tool};

/// Every component that the folders hold, with the tools of those that can be used.
pub struct Snapshot {
    /// Counts the snapshots of a catalog; a later one has a higher number.
    pub generation: u64,
    listed: Vec<Listed>,
    notes: Vec<Note>,
    /// The one of each name that counts, as its place in `listed`.
    by_name: HashMap<ComponentName, usize>,
    /// Every tool of the components that serve, sorted by id.
    tools: Vec<Place>,
    pub(super) by_id: HashMap<ToolId, Place>,
    /// What may be written instead of a full id, with all that it could mean.
    pub(super) by_short: HashMap<Box<str>, Vec<Place>>,
}

/// Where a tool is: an entry of `listed`, and a tool of its component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    listed: usize,
    pub(super) tool: usize,
}

/// One `*.wasm` file.
pub struct Listed {
    /// Its stem, fit to be shown. Of two files with one name, the one that counts is found by [`Snapshot::component`].
    pub name: String,
    /// Its name as a component; none where the stem cannot be one.
    pub component: Option<ComponentName>,
    /// Where it is.
    pub path: PathBuf,
    /// What has become of it.
    pub state: State,
}

/// What has become of a file.
pub enum State {
    /// It serves.
    Ready(Arc<Component>),
    /// The file has changed and settles; what it was until then serves on.
    Changing(Arc<Component>),
    /// It is new and has not held across two looks yet.
    Settling,
    /// It cannot be used, for this reason.
    Broken(Arc<str>),
    /// An earlier folder has a component of the same name, here.
    Shadowed {
        /// The file that counts.
        by: PathBuf,
    },
}

/// Something about a folder or a file that is no component's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Where.
    pub path: PathBuf,
    /// What, as a sentence for the operator.
    pub text: String,
}

impl Snapshot {
    /// Every file, sorted by name; of one name, in the order of the folders.
    pub fn listed(&self) -> &[Listed] {
        &self.listed
    }

    /// What is worth knowing beside that: folders that cannot be read, files that are ignored.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// The file that counts under a component's name.
    pub fn component(&self, name: &str) -> Option<&Listed> {
        self.by_name.get(name).map(|index| &self.listed[*index])
    }

    /// Every component that serves, sorted by name.
    pub fn components(&self) -> impl Iterator<Item = &Arc<Component>> {
        self.listed.iter().filter_map(|listed| listed.state.serving())
    }

    /// Every tool of every component that serves, callable or not, sorted by id.
    pub fn tools(&self) -> impl ExactSizeIterator<Item = (&Arc<Component>, &Tool)> {
        self.tools.iter().map(|place| self.at(*place))
    }

    pub(super) fn at(&self, place: Place) -> (&Arc<Component>, &Tool) {
        let component =
            self.listed[place.listed].state.serving().expect("only tools of components that serve are indexed");
        (component, &component.tools[place.tool])
    }

    pub(super) fn empty() -> Self {
        Self::new(0, Vec::new(), Vec::new())
    }

    pub(super) fn new(generation: u64, listed: Vec<Listed>, notes: Vec<Note>) -> Self {
        let mut snapshot = Self {
            generation,
            by_name: HashMap::with_capacity(listed.len()),
            tools: Vec::new(),
            by_id: HashMap::new(),
            by_short: HashMap::new(),
            listed,
            notes,
        };
        for (index, entry) in snapshot.listed.iter().enumerate() {
            let Some(name) = &entry.component else { continue };
            match (&entry.state, snapshot.by_name.get(name)) {
                // A file that has never settled counts only where no other file of its name does.
                (State::Shadowed { .. }, _) | (State::Settling, Some(_)) => continue,
                _ => drop(snapshot.by_name.insert(name.clone(), index)),
            }
            if let Some(component) = entry.state.serving() {
                snapshot.tools.extend((0..component.tools.len()).map(|tool| Place { listed: index, tool }));
            }
        }
        let mut places = std::mem::take(&mut snapshot.tools);
        // By name is by id but for names of which one begins with the other: `a-b.f` comes before `a.f`.
        places.sort_by(|a, b| snapshot.at(*a).1.id.cmp(&snapshot.at(*b).1.id));
        snapshot.by_id.reserve(places.len());
        for place in &places {
            let (component, tool) = snapshot.at(*place);
            let (id, function) = (tool.id.clone(), tool.name());
            let mut shorts: Vec<Box<str>> = Vec::with_capacity(3);
            if tool.signature.is_ok() {
                shorts.push(function.into());
            }
            if component.tools.len() == 1 && component.name.as_str() != function {
                shorts.push(component.name.as_str().into());
            }
            if tool.in_interface() {
                shorts.push(format!("{}.{function}", component.name).into());
            }
            snapshot.by_id.entry(id).or_insert(*place);
            for short in shorts {
                snapshot.by_short.entry(short).or_default().push(*place);
            }
        }
        snapshot.tools = places;
        snapshot
    }

    /// Whether this snapshot says the same already.
    pub(super) fn lists(&self, listed: &[Listed], notes: &[Note]) -> bool {
        let same = |(a, b): (&Listed, &Listed)| a.path == b.path && a.state.is(&b.state);
        self.notes == notes && self.listed.len() == listed.len() && self.listed.iter().zip(listed).all(same)
    }
}

impl State {
    /// The component that serves under this name, if one does.
    pub fn serving(&self) -> Option<&Arc<Component>> {
        match self {
            Self::Ready(component) | Self::Changing(component) => Some(component),
            Self::Settling | Self::Broken(_) | Self::Shadowed { .. } => None,
        }
    }

    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ready(a), Self::Ready(b)) | (Self::Changing(a), Self::Changing(b)) => Arc::ptr_eq(a, b),
            (Self::Settling, Self::Settling) => true,
            (Self::Broken(a), Self::Broken(b)) => a == b,
            (Self::Shadowed { by: a }, Self::Shadowed { by: b }) => a == b,
            _ => false,
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(component) => write!(f, "Ready({})", component.digest),
            Self::Changing(component) => write!(f, "Changing({})", component.digest),
            Self::Settling => f.write_str("Settling"),
            Self::Broken(reason) => write!(f, "Broken({reason:?})"),
            Self::Shadowed { by } => write!(f, "Shadowed({})", by.display()),
        }
    }
}

impl fmt::Debug for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.path.display(), self.state)
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("generation", &self.generation)
            .field("listed", &self.listed)
            .finish_non_exhaustive()
    }
}
