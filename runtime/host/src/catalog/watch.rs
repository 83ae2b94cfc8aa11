//! The thread that looks again and again, for as long as somebody holds its guard.

use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Catalog, Changes};

/// The shortest time between two looks. A look costs a system call a file; without a floor an interval of zero would cost a core.
const SHORTEST: Duration = Duration::from_millis(10);

/// Looks at the folders of a catalog until it is dropped. Dropping it waits for a look in progress, and for nothing else.
#[must_use = "dropping it ends the watch"]
pub struct Watch {
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Stop {
    asked: Mutex<bool>,
    told: Condvar,
}

impl Catalog {
    /// Looks every `interval` (at least 10 ms), on a thread of its own, until the guard is dropped. `told` hears of each look that
    /// found something, on that thread.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn watch(&self, interval: Duration, told: impl Fn(&Changes) + Send + 'static) -> io::Result<Watch> {
        let stop = Arc::new(Stop::default());
        let (catalog, asked) = (self.clone(), Arc::clone(&stop));
        let interval = interval.max(SHORTEST);
        let thread = std::thread::Builder::new().name("catalog-watch".to_owned()).spawn(move || {
            while !asked.within(interval) {
                let changes = catalog.look();
                if !changes.is_empty() {
                    tracing::info!(
                        added = ?changes.added, changed = ?changes.changed, removed = ?changes.removed, broken = ?changes.broken,
                        "the catalog has changed"
                    );
                    told(&changes);
                }
            }
        })?;
        Ok(Watch { stop, thread: Some(thread) })
    }
}

impl Stop {
    /// Waits until it is asked to stop, but no longer than `interval`; answers whether it was.
    fn within(&self, interval: Duration) -> bool {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.told.wait_timeout_while(asked, interval, |asked| !*asked);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        *self.stop.asked.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.told.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that watches the tools folders had broken off");
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}
