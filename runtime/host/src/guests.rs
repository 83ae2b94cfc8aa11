//! The threads that guests run on, apart from those that serve, and the tick that makes guests yield.
//!
//! A call in flight is not a call on a CPU: a few threads a core take turns over all calls, because every guest yields
//! at the first tick after it has begun.

use std::cell::Cell;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::engine::Engines;

/// How long a guest runs before it lets another one have the CPU.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Ticks without a call after which the ticker goes to sleep. Waking it costs a system call.
const IDLE_TICKS: u32 = 200;

thread_local! {
    static GUEST_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// The guests' own threads.
pub(crate) struct Guests {
    runtime: Option<Runtime>,
    engines: Arc<Engines>,
    ticker: Arc<Ticker>,
    thread: Option<JoinHandle<()>>,
}

/// How many threads there are.
#[derive(Clone, Copy, Debug)]
pub struct Threads {
    /// Threads that run guests; two for each core.
    pub guests: usize,
    /// Threads for file calls, which the kernel cannot cancel.
    pub files: usize,
}

impl Threads {
    /// The usual numbers for a machine with so many cores.
    pub fn for_cores(cores: usize) -> Self {
        let cores = cores.max(1);
        Self { guests: cores * 2, files: (cores * 8).clamp(16, 128) }
    }
}

impl Guests {
    pub(crate) fn new(threads: Threads, engines: &Arc<Engines>) -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.guests.max(1))
            .max_blocking_threads(threads.files.max(1))
            // A thread looks at timers and at what other threads hand over after so many turns, and a turn of a busy guest
            // takes a whole tick: with tokio's 61 a call among spinners would begin, and end, that much later.
            .event_interval(8)
            .thread_name("toolcell-guest")
            .on_thread_start(|| GUEST_THREAD.set(true))
            .enable_all()
            .build()?;
        let ticker = Arc::new(Ticker {
            active: AtomicUsize::new(0),
            asleep: AtomicBool::new(false),
            over: AtomicBool::new(false),
        });
        let thread = {
            let (ticker, engines) = (ticker.clone(), Arc::downgrade(engines));
            std::thread::Builder::new().name("toolcell-tick".to_owned()).spawn(move || ticker.run(&engines))?
        };
        Ok(Self { runtime: Some(runtime), engines: engines.clone(), ticker, thread: Some(thread) })
    }

    /// Runs a guest's future on the guests' threads; the one that asks may already be on one of them.
    pub(crate) fn is_here() -> bool {
        GUEST_THREAD.get()
    }

    pub(crate) fn spawn<F>(&self, future: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.handle().spawn(future)
    }

    pub(crate) fn handle(&self) -> &tokio::runtime::Handle {
        self.runtime.as_ref().expect("the runtime is there until drop").handle()
    }

    /// Keeps the tick going while the value lives.
    pub(crate) fn ticking(&self) -> Ticking {
        self.ticker.active.fetch_add(1, Ordering::SeqCst);
        if self.ticker.asleep.load(Ordering::SeqCst)
            && self.ticker.asleep.swap(false, Ordering::SeqCst)
            && let Some(thread) = &self.thread
        {
            thread.thread().unpark();
        }
        Ticking { ticker: self.ticker.clone(), _engines: self.engines.clone() }
    }
}

impl Drop for Guests {
    fn drop(&mut self) {
        // Guests that still run are dropped at their next tick; nobody waits for a file call that the kernel holds.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        self.ticker.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
        }
    }
}

/// One call that needs the tick. It keeps the engines, so that the tick outlives a host that is dropped under it.
pub(crate) struct Ticking {
    ticker: Arc<Ticker>,
    _engines: Arc<Engines>,
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.ticker.active.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Ticker {
    active: AtomicUsize,
    asleep: AtomicBool,
    over: AtomicBool,
}

impl Ticker {
    /// Ticks until the guests are gone, and a little longer, so that the last of them see that their time is over.
    fn run(&self, engines: &Weak<Engines>) {
        let mut idle = 0;
        while let Some(engines) = engines.upgrade() {
            for engine in engines.made() {
                engine.increment_epoch();
            }
            drop(engines);
            if self.active.load(Ordering::SeqCst) > 0 {
                idle = 0;
            } else {
                idle += 1;
            }
            if idle < IDLE_TICKS {
                std::thread::sleep(TICK);
                continue;
            }
            if self.over.load(Ordering::SeqCst) {
                return;
            }
            self.asleep.store(true, Ordering::SeqCst);
            // A call that begins now either sees `asleep` and unparks, or is seen here.
            if self.active.load(Ordering::SeqCst) == 0 && !self.over.load(Ordering::SeqCst) {
                std::thread::park();
            }
            self.asleep.store(false, Ordering::SeqCst);
            idle = 0;
        }
    }
}
