//! What a call has used of its limits where it meets the host.
//!
//! [`Budget`] belongs to the call's own state and is plain numbers. [`Shared`] is for what outlives one host function
//! (streams that live in the resource table and file work on other threads); it is made when the first such thing is.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use toolcell_core::receipt::Used;
use toolcell_core::{Limit, Limits};

use super::Sink;
use super::ends::Exhausted;
use super::functions::{FUNCTIONS, FunctionId};
use super::log::Log;

/// Counters of a call that only the call's own thread touches.
pub(super) struct Budget {
    calls: [u32; FUNCTIONS.len()],
    pub(super) limits: Limits,
    pub(super) host_calls: u64,
    pub(super) host_bytes: u64,
    pub(super) random_bytes: u64,
    pub(super) exhausted: Option<Limit>,
}

impl Budget {
    pub(super) fn new(limits: Limits) -> Self {
        Self { calls: [0; FUNCTIONS.len()], limits, host_calls: 0, host_bytes: 0, random_bytes: 0, exhausted: None }
    }

    /// Counts one call of a host function and the bytes that it was given.
    pub(super) fn enter(&mut self, function: FunctionId, weight: u64) -> Result<(), Exhausted> {
        // A call has at most a billion host calls, so the counter of one function cannot wrap.
        self.calls[function.place()] += 1;
        self.host_calls += 1;
        if self.host_calls > self.limits.get(Limit::HostCalls) {
            return Err(self.over(Limit::HostCalls));
        }
        self.carry(weight)
    }

    /// Counts bytes that crossed, in either direction.
    pub(super) fn carry(&mut self, weight: u64) -> Result<(), Exhausted> {
        self.host_bytes = self.host_bytes.saturating_add(weight);
        if self.host_bytes > self.limits.get(Limit::HostBytes) {
            return Err(self.over(Limit::HostBytes));
        }
        Ok(())
    }

    /// Counts random bytes before any is made.
    pub(super) fn random(&mut self, bytes: u64) -> Result<(), Exhausted> {
        let taken = self.random_bytes.saturating_add(bytes);
        if taken > self.limits.get(Limit::RandomBytes) {
            return Err(self.over(Limit::RandomBytes));
        }
        self.random_bytes = taken;
        Ok(())
    }

    /// Notes that a limit was reached.
    #[cold]
    pub(super) fn over(&mut self, limit: Limit) -> Exhausted {
        self.exhausted.get_or_insert(limit);
        Exhausted { limit, value: self.limits.get(limit) }
    }

    /// How often each function was called, without those that were not.
    pub(super) fn by_function(&self) -> BTreeMap<Cow<'static, str>, u64> {
        let called = FUNCTIONS.iter().zip(self.calls).filter(|(_, count)| *count > 0);
        called.map(|(name, count)| (Cow::Borrowed(*name), u64::from(count))).collect()
    }
}

/// What streams, files and the log of one call count together.
pub(super) struct Shared {
    pub(super) sink: Option<Sink>,
    pub(super) log: Mutex<Log>,
    pub(super) read: Counter,
    pub(super) written: Counter,
    pub(super) open: Counter,
    exhausted: OnceLock<Limit>,
}

impl Shared {
    pub(super) fn new(limits: &Limits, sink: Option<Sink>) -> Self {
        let counter = |limit| Counter { used: AtomicU64::new(0), limit, most: limits.get(limit) };
        Self {
            sink,
            log: Mutex::new(Log::new(limits)),
            read: counter(Limit::FileReadBytes),
            written: counter(Limit::FileWriteBytes),
            open: counter(Limit::OpenFiles),
            exhausted: OnceLock::new(),
        }
    }

    /// Counts bytes that were read from files.
    pub(super) fn read(&self, bytes: u64) -> Result<(), Exhausted> {
        self.note(self.read.charge(bytes))
    }

    /// Counts bytes that are about to be written to files, holes and new names included.
    pub(super) fn write(&self, bytes: u64) -> Result<(), Exhausted> {
        self.note(self.written.charge(bytes))
    }

    /// Counts one more open file until the slot is dropped.
    pub(super) fn slot(self: &Arc<Self>) -> Result<Slot, Exhausted> {
        self.hold()?;
        Ok(Slot(self.clone()))
    }

    /// Counts one more open file until [`Self::release`]. A descriptor has no place for a [`Slot`] in it, so the
    /// function that drops descriptors releases it.
    pub(super) fn hold(&self) -> Result<(), Exhausted> {
        self.note(self.open.charge(1))
    }

    /// Takes an open file back.
    pub(super) fn release(&self) {
        self.open.used.fetch_sub(1, Ordering::Relaxed);
    }

    /// Writes what a nested call used to the same account. It had no more than was left here.
    pub(super) fn pay(&self, used: &Used) {
        self.log().pay(used.log_bytes, used.log_lines);
        self.read.used.fetch_add(used.file_read_bytes, Ordering::Relaxed);
        self.written.used.fetch_add(used.file_write_bytes, Ordering::Relaxed);
    }

    /// Remembers the first limit that was reached.
    pub(super) fn note<T>(&self, result: Result<T, Exhausted>) -> Result<T, Exhausted> {
        if let Err(exhausted) = &result {
            // Only the first one counts; a later one changes nothing.
            let _ = self.exhausted.set(exhausted.limit);
        }
        result
    }

    pub(super) fn exhausted(&self) -> Option<Limit> {
        self.exhausted.get().copied()
    }
}

/// An open file. It stops counting when it is dropped.
pub(super) struct Slot(Arc<Shared>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.release();
    }
}

/// A number that grows up to a limit. Relaxed ordering is enough: nothing else is published through it.
pub(super) struct Counter {
    used: AtomicU64,
    limit: Limit,
    most: u64,
}

impl Counter {
    /// Adds, unless the sum would be over the limit; then nothing is added.
    fn charge(&self, amount: u64) -> Result<(), Exhausted> {
        let add = |used: u64| used.checked_add(amount).filter(|sum| *sum <= self.most);
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add) {
            Ok(_) => Ok(()),
            Err(_) => Err(Exhausted { limit: self.limit, value: self.most }),
        }
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(super) fn left(&self) -> u64 {
        self.most.saturating_sub(self.used())
    }
}
