//! A turn to compile, among the processes that share a code cache.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};

/// How often a waiting process looks whether the other one is done. The kernel has no wait for a lock that ends by itself; nothing
/// that is worth compiling once takes much less.
const LOOK_AGAIN: Duration = Duration::from_millis(25);

/// The right to compile one thing. It ends with the value, or with the process.
#[derive(Debug)]
pub(super) struct Turn {
    path: PathBuf,
    /// Locked, and unlocked by being closed.
    _file: File,
}

impl Turn {
    /// Waits until no other process has this turn, for so long at most.
    pub(super) fn take(path: PathBuf, patience: Duration) -> Option<Self> {
        let began = Instant::now();
        loop {
            match try_take(&path) {
                Ok(Some(file)) => return Some(Self { path, _file: file }),
                Ok(None) if began.elapsed() < patience => thread::sleep(LOOK_AGAIN.min(patience)),
                Ok(None) => {
                    tracing::warn!(turn = %path.display(), "another process has been compiling for too long; this one does not wait for it any more");
                    return None;
                }
                Err(error) => {
                    tracing::debug!(turn = %path.display(), %error, "compiling without a turn");
                    return None;
                }
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Removed while it is still locked: nobody can hold it, and who has just opened it finds out and opens the next one.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The locked file, or none where another process has it.
fn try_take(path: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?);
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // The last one may have removed it between opening and locking; then the lock is on a file that nobody else will find.
    let (ours, there) = (file.metadata()?, std::fs::symlink_metadata(path));
    let same = there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino()));
    Ok(same.then_some(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_the_turn_and_the_next_gets_it_afterwards() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.turn");
        let first = Turn::take(path.clone(), Duration::ZERO).expect("is free");
        assert!(Turn::take(path.clone(), Duration::from_millis(30)).is_none(), "the wait is bounded");
        let waiting = thread::spawn({
            let path = path.clone();
            move || Turn::take(path, Duration::from_mins(1)).is_some()
        });
        drop(first);
        assert!(waiting.join().expect("ends"));
        assert!(!path.exists(), "nothing is left");
    }

    #[test]
    fn a_turn_is_never_had_by_two_at_a_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.turn");
        let inside = std::sync::atomic::AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let turn = Turn::take(path.clone(), Duration::from_mins(1)).expect("comes round");
                        assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                        inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        drop(turn);
                    }
                });
            }
        });
    }

    #[test]
    fn a_place_that_cannot_be_locked_costs_the_turn_and_not_the_call() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(Turn::take(folder.path().join("none/x.turn"), Duration::from_mins(1)).is_none());
        assert!(Turn::take(folder.path().to_owned(), Duration::from_mins(1)).is_none());
    }
}
