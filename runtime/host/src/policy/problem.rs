//! What is wrong with a policy, each with its place, all at once.

use std::cell::RefCell;
use std::fmt;
use std::path::{Path, PathBuf};

/// The most problems that are kept. Beyond it somebody has given us something that is no policy at all.
const MAX_PROBLEMS: usize = 100;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file or folder.
    pub file: PathBuf,
    /// Line and column in it, from 1, in characters; none where the file as a whole is meant.
    pub place: Option<(usize, usize)>,
    /// What is wrong and what to write instead.
    pub message: String,
}

/// All that is wrong with a policy, sorted by file and place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct PolicyProblems {
    /// The problems; there is at least one.
    pub problems: Vec<Problem>,
    /// How many more there were.
    pub more: usize,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some((line, column)) = self.place {
            write!(f, "{line}:{column}:")?;
        }
        write!(f, " {}", self.message)
    }
}

impl fmt::Display for PolicyProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        if self.more > 0 {
            write!(f, "\nand {} more", self.more)?;
        }
        Ok(())
    }
}

/// Collects problems while a policy is read.
#[derive(Default)]
pub(super) struct Collected(RefCell<(Vec<Problem>, usize)>);

impl Collected {
    /// Takes in a problem. Its place and message are only worked out while it is kept, so that a flood costs little.
    pub(super) fn add(&self, file: &Path, problem: impl FnOnce() -> (Option<(usize, usize)>, String)) {
        let (problems, more) = &mut *self.0.borrow_mut();
        if problems.len() < MAX_PROBLEMS {
            let (place, message) = problem();
            problems.push(Problem { file: file.to_owned(), place, message });
        } else {
            *more += 1;
        }
    }

    /// Takes in a problem of a file as a whole.
    pub(super) fn push(&self, file: &Path, message: String) {
        self.add(file, || (None, message));
    }

    /// The problems, or the value where there are none.
    pub(super) fn or<T>(self, value: T) -> Result<T, PolicyProblems> {
        let (mut problems, more) = self.0.into_inner();
        if problems.is_empty() {
            return Ok(value);
        }
        problems.sort();
        problems.dedup();
        Err(PolicyProblems { problems, more })
    }
}
