//! The second wall: what the kernel refuses this process, should the first one (the sandbox) ever fall.
//!
//! Owns the two things that Linux lets any process take from itself for good: files and sockets, by Landlock ([`files`]), and
//! system calls, by seccomp ([`calls`]). It refuses to find anything out by itself: which folders are needed comes as a value, and a
//! folder that is not named is out of reach, whoever asks. It grants nothing either, for it can only take away. It stands
//! apart because it must hold even where everything above it is wrong.
//!
//! A wall goes up before any thread is started, because the kernel holds each thread to its own, and a thread inherits it
//! from the one that started it. What the kernel cannot do is left out and said ([`Standing`]), never passed over in silence.

mod calls;
mod files;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What a process may still reach behind its wall. A folder stands for everything below it.
///
/// What is open already stays open: standard streams, and folders that a policy holds by descriptor, of which what lies below
/// must be named here all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wall {
    /// Files and folders that may be read. One that is not there is left out: which system files exist differs between machines.
    pub read: Vec<PathBuf>,
    /// Files and folders that may be read, written, made and removed. Each must exist.
    pub write: Vec<PathBuf>,
    /// Files that may be read and executed: the program itself, for its compiling child, and what loads it.
    pub execute: Vec<PathBuf>,
}

/// What of a wall is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The kernel's Landlock version; none where it has none, or has it switched off.
    pub landlock: Option<u32>,
    /// What holds files, listening sockets, and signals to other processes.
    pub files: Held,
    /// What holds system calls.
    pub calls: Held,
}

/// How much of a thing is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// All of it.
    Whole,
    /// What the kernel is able to do, which is not all.
    Partly {
        /// What is missing, or why.
        reason: String,
    },
    /// None of it.
    Not {
        /// Why.
        reason: String,
    },
}

/// A wall that cannot be raised, though the kernel could hold one. Nobody should go on without it by accident.
#[derive(Debug, thiserror::Error)]
pub enum WallError {
    /// Other threads are running, and nothing would hold those.
    #[error("the wall must be raised before other threads are started, and {others} are running")]
    Threads {
        /// How many there are beside the caller's.
        others: usize,
    },
    /// A folder that must be writable cannot be opened.
    #[error("`{}`, which is to be written to, cannot be opened", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The kernel refused a rule that it says it knows.
    #[error("the kernel refuses the rules for files: {reason}")]
    Files {
        /// What it said.
        reason: String,
    },
    /// The filter for system calls cannot be made for this processor.
    #[error("there is no filter of system calls for this processor: {reason}")]
    Calls {
        /// What is wrong with it.
        reason: String,
    },
}

/// How long a thread may still be listed after it has been joined: the kernel says that it is gone before it has taken it down.
const ENDING: Duration = Duration::from_millis(500);

impl Wall {
    /// Raises the wall around this process, for good. Processes that it starts are behind it too.
    ///
    /// Reading and writing is held to what is named here, listening for TCP connections and signals to processes outside are
    /// refused, and so are system calls that no honest part of this program makes ([`calls`]). Connecting is not: where
    /// connections may go is for the egress door to say, which knows names and not just numbers.
    ///
    /// # Errors
    /// See [`WallError`]. A kernel that has no Landlock or no seccomp is no error; [`Standing`] says so.
    pub fn raise(&self) -> Result<Standing, WallError> {
        let began = Instant::now();
        // Where there is no /proc, nobody can tell. Then this relies on its callers, who all raise it first.
        while let others @ 1.. = std::fs::read_dir("/proc/self/task").map_or(0, |tasks| tasks.count().saturating_sub(1))
        {
            if began.elapsed() > ENDING {
                return Err(WallError::Threads { others });
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.hold()
    }

    /// Raises the wall around a thread that ends at once, to see what this machine can do.
    ///
    /// # Errors
    /// See [`WallError`]; a thread that cannot be started counts as a wall that cannot be raised.
    pub fn probe() -> Result<Standing, WallError> {
        let fault = |reason: String| WallError::Calls { reason };
        let thread = std::thread::Builder::new().name("toolcell-probe".to_owned()).spawn(|| Self::default().hold());
        let thread = thread.map_err(|error| fault(error.to_string()))?;
        thread.join().unwrap_or_else(|_| Err(fault("the attempt broke off".to_owned())))
    }

    fn hold(&self) -> Result<Standing, WallError> {
        // Files first: the calls that raise a wall of files are not among those that are left.
        let (landlock, files) = files::restrict(self, files::Sockets::Connect)?;
        let calls = calls::refuse_dangerous()?;
        Ok(Standing { landlock, files, calls })
    }
}

/// Takes everything from this process but computing, memory, threads, and the descriptors that are open.
pub(crate) fn seal() -> Result<Standing, WallError> {
    let (landlock, files) = files::restrict(&Wall::default(), files::Sockets::None)?;
    let calls = calls::allow_computing()?;
    Ok(Standing { landlock, files, calls })
}
