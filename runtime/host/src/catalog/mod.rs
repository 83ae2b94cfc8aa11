//! The catalog: a component becomes usable by being dropped into a folder, and nothing else.
//!
//! Owns what is listed, under which name, and when: the folders are looked at again and again, and each look that finds
//! something different publishes a whole new immutable [`Snapshot`]. Nothing here compiles, grants or runs anything.
//!
//! - **Two looks.** A new or changed file is *settling* until a second look finds its size, times, inode and digest as
//!   the first one left them. Then it is ready, or broken with a reason. Whoever copies a file in slowly is not met halfway.
//! - **A replaced component serves on** until its successor has settled; if that one is broken, it is listed as broken.
//!   Serving old bytes for ever behind a file that says otherwise would be a lie to whoever replaced them.
//! - **One faulty file harms only itself.** So does a reader that panics on it.
//! - **Unchanged files are not read again.** A file whose last change is younger than [`YOUNG_MS`] at the time of reading
//!   may change once more without a trace in its times, and so is read at each look until it is older.
//! - **Symbolic links are followed** to regular files: deployments that switch versions by a link are common, and whoever can
//!   make a link in a tools folder could as well put a file there. Named pipes, devices, sockets and folders called
//!   `*.wasm` are ignored with a note, and never opened. Hidden files are ignored: careful writers rename from them.
//! - **Of two folders the first wins**, also where its component is broken. Otherwise a bad edit in the first folder would
//!   quietly put the second folder's component in its place.
//! - `NAME.toml` beside `NAME.wasm` replaces the embedded manifest as a whole. One that cannot be used makes the component
//!   broken, since falling back to the author's word would ignore the operator's. Put it there before the component.

mod component;
pub(crate) mod file;
mod folder;
mod look;
mod reading;
mod resolve;
mod snapshot;
mod watch;

#[cfg(test)]
mod tests;

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use toolcell_core::clock::Clock;

use crate::schema::{self, Shape};

pub use component::{Component, ManifestSource, ReadError, Tool};
pub use file::FileError;
pub use look::Changes;
pub use reading::YOUNG_MS;
pub use resolve::SETTLING_RETRY_MS;
pub use snapshot::{Listed, Note, Snapshot, State};
pub use watch::Watch;

/// The largest component, in bytes. Reading, hashing and parsing are done before anybody has trusted a file; a Python
/// component with its whole interpreter has 18 MB.
pub const MAX_COMPONENT_BYTES: u64 = 64 << 20;

/// The most `*.wasm` files of one folder that are listed, in the order of their names. It stops a folder into which
/// something sprays files from growing every snapshot.
pub const MAX_COMPONENTS: usize = 16_384;

/// Reads the shape of a component from its bytes, or says what is wrong with them.
pub type Describe = Arc<dyn Fn(&[u8]) -> Result<Shape, String> + Send + Sync>;

/// How the catalog works.
#[derive(Clone)]
pub struct Options {
    /// What time it is, to tell young files from old ones. It must be the clock of the file system's machine, within a second.
    pub clock: Arc<dyn Clock>,
    /// How many files are read at the same time.
    pub threads: NonZeroUsize,
    /// What understands components. Where it panics, the file is listed as broken.
    pub describe: Describe,
}

impl Options {
    /// As many threads as this process has cores, and the one format that there is.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            describe: Arc::new(|bytes| schema::shape(bytes).map_err(|error| error.to_string())),
        }
    }
}

/// The components of some folders. Cloning it is cheap and gives the same catalog.
pub struct Catalog {
    shared: Arc<Shared>,
}

struct Shared {
    folders: Vec<PathBuf>,
    options: Options,
    /// What the looks remember. Held for a whole look, so looks never overlap.
    memory: Mutex<look::Memory>,
    /// Held for the moment of cloning or replacing one `Arc`.
    current: RwLock<Arc<Snapshot>>,
}

impl Catalog {
    /// Looks at the folders, the first of which wins where two have a component of the same name.
    ///
    /// It looks twice in a row, so that a command that runs once lists at once. That is safe although hardly any time lies
    /// between the two: whatever compiles a component reads it anew and checks its digest, so the worst that a
    /// half-written file can do is to be listed as broken.
    pub fn open(folders: Vec<PathBuf>, options: Options) -> Self {
        let mut distinct = Vec::with_capacity(folders.len());
        for folder in folders {
            if !distinct.contains(&folder) {
                distinct.push(folder);
            }
        }
        let catalog = Self {
            shared: Arc::new(Shared {
                folders: distinct,
                options,
                memory: Mutex::default(),
                current: RwLock::new(Arc::new(Snapshot::empty())),
            }),
        };
        catalog.look();
        catalog.look();
        catalog
    }

    /// What is listed now. The answer never changes; ask again for a newer one.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.shared.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at the folders once, and publishes a new snapshot where something is different.
    pub fn look(&self) -> Changes {
        let mut memory = self.shared.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.snapshot();
        let (listed, notes, read) = memory.look(&self.shared);
        let mut changes = Changes::between(&before, &listed);
        changes.read = read;
        if !before.lists(&listed, &notes) {
            let next = Arc::new(Snapshot::new(before.generation + 1, listed, notes));
            *self.shared.current.write().unwrap_or_else(PoisonError::into_inner) = next;
        }
        changes
    }
}

impl Clone for Catalog {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog").field("folders", &self.shared.folders).finish_non_exhaustive()
    }
}
