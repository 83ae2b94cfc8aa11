//! What a build says while it works. The caller decides how, and whether, a person sees it.

use std::path::Path;

use toolcell_core::Digest;

use crate::docs::DocsNote;

/// Listens to builds. Events come from one thread at a time.
pub trait Progress: Send + Sync {
    /// Something happened. It must return soon: the build waits for it.
    fn event(&self, event: BuildEvent<'_>);
}

/// Hears nothing.
impl Progress for () {
    fn event(&self, _: BuildEvent<'_>) {}
}

/// Something that happened in a build.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum BuildEvent<'a> {
    /// A folder's build begins.
    Started {
        /// The folder as it was given.
        folder: &'a Path,
    },
    /// The language's compile target is missing and is being set up. It happens once on a machine, and takes a minute.
    SetUp(SetUpStep<'a>),
    /// A crate has been compiled or found compiled.
    Compiling {
        /// Its name.
        unit: &'a str,
        /// How many are finished, this one included. The total is not known before the end.
        done: usize,
    },
    /// One line of the compiler's own message, as rendered by it.
    Diagnostic(&'a str),
    /// Something about the docs that the author should know.
    Docs(&'a DocsNote),
    /// A function at the component's root has the name of one of the C library's, which the linker may have taken it for.
    Shadows {
        /// The name.
        export: &'a str,
    },
    /// Manifest and docs have been put into the component.
    Embedded {
        /// Bytes of the manifest.
        manifest: usize,
        /// Bytes of the docs; 0 where there are none.
        docs: usize,
    },
    /// Nothing has changed since the last build; nothing was run.
    Fresh {
        /// The component.
        output: &'a Path,
        /// Its digest.
        digest: Digest,
    },
    /// The component is written.
    Done {
        /// The component.
        output: &'a Path,
        /// Its digest.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
    },
}

/// A step of setting up a compile target.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum SetUpStep<'a> {
    /// The toolchain's own installer is asked for the target.
    Installer {
        /// The command line, for showing.
        command: &'a str,
    },
    /// A step did not work; the next one is tried.
    DidNotWork {
        /// The step.
        step: &'a str,
        /// Why.
        problem: &'a str,
    },
    /// Another process sets up the same target; this one waits for it.
    Waiting,
    /// Package lists are read.
    Searching {
        /// The distribution's suite.
        suite: &'a str,
    },
    /// A package is downloaded and its signature checked.
    Downloading {
        /// Name and version.
        package: &'a str,
    },
    /// The standard library is compiled.
    Compiling {
        /// The crate that has just been compiled.
        unit: &'a str,
        /// How many are finished.
        done: usize,
    },
    /// The result is tried before it is used.
    Trying,
    /// The target is ready.
    Ready,
}
