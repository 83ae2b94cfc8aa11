//! Compiled code: made once for each component and engine, kept between starts, and never believed without its seal.
//!
//! Owns when a component is compiled. [`CodeStore`] asks the cache on disk first, compiles where it has nothing, lets
//! everybody who wants the same code wait for the one compilation, and remembers refusals. How code is made stands
//! behind [`Compile`]: compiling is guest input too, so it may well happen in another process. Nothing here loads code.

mod cache;
mod entry;
mod key;
mod turn;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use toolcell_core::digest::Digest;
use toolcell_core::failure::{Failure, Kind};
use toolcell_core::units::{Bytes, Span};

use crate::catalog::{Component, ReadError};

pub use cache::{CacheError, CodeCache, DEFAULT_BUDGET, MAX_ENTRY_BYTES, PutError};
pub use entry::{Code, Refused, Subject};
pub use key::{CodeKey, KeyError};

/// The most refusals that are remembered, the oldest forgotten first. It stops a stream of bad components from growing memory; a
/// forgotten one costs one more compilation.
pub const MAX_REFUSALS: usize = 1_024;

/// How long a process waits while another one compiles what it needs. Compiling it a second time is a waste; waiting for a process that
/// hangs is worse.
const PATIENCE: Duration = Duration::from_mins(2);

/// The one place where code comes from.
pub struct CodeStore {
    cache: Option<CodeCache>,
    compiler: Arc<dyn Compile>,
    state: Mutex<State>,
}

/// Which kind of engine a component needs. Each has settings, and so code, of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EngineClass {
    /// What nearly every component needs.
    Standard,
    /// With proposals that some languages need, such as garbage collection and exceptions.
    Extended,
    /// For components that fit no pool; memory is allocated on demand.
    Oversized,
}

/// Turns components into code.
pub trait Compile: Send + Sync {
    /// Compiles a component. It ends within a bounded time, whatever the bytes: everybody who wants this code waits for it.
    ///
    /// # Errors
    /// [`CompileError::Refused`] where these bytes will never compile here, and [`CompileError::Host`] where it is worth
    /// trying again.
    fn compile(&self, request: CompileRequest<'_>) -> Result<Vec<u8>, CompileError>;

    /// Ends what is under way and begins nothing more, where that can be done; those who wait are told. Called when the host goes.
    fn close(&self) {}
}

/// What is to be compiled.
#[derive(Clone, Copy)]
pub struct CompileRequest<'a> {
    /// The component's bytes.
    pub wasm: &'a [u8],
    /// Their digest; it has been checked.
    pub digest: Digest,
    /// The class of engine that will run the code.
    pub class: EngineClass,
    /// What the code is to depend on, as that engine sums it up.
    pub engine: Digest,
}

/// What one compilation may have only so much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ceiling {
    /// Time by the clock, in milliseconds.
    Time,
    /// Processor time over all threads, in milliseconds.
    Processor,
    /// Address space, in bytes.
    Memory,
    /// Compiled code, in bytes.
    Code,
}

/// Why there is no code. Everybody who waited for it is told the same.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CompileError {
    /// The compiler refuses these bytes. Remembered until the bytes are others.
    #[error("the component cannot be compiled: {reason}")]
    Refused {
        /// Why, for the caller: about the bytes, and never about the host.
        reason: Arc<str>,
    },
    /// They need more than compiling may cost. Remembered like a refusal.
    #[error("the component cannot be compiled: {}", .ceiling.exceeded(*.most))]
    Over {
        /// What there was too little of.
        ceiling: Ceiling,
        /// How much there was, in its own unit.
        most: u64,
    },
    /// The host could not compile now. Not remembered.
    #[error("the host cannot compile now: {reason}")]
    Host {
        /// Why, for the operator.
        reason: Arc<str>,
    },
    /// The bytes that were listed cannot be had. Not remembered.
    #[error("the component's bytes are not those that were listed")]
    Bytes(#[source] Arc<ReadError>),
}

impl CompileError {
    /// A refusal.
    pub fn refused(reason: impl Into<Arc<str>>) -> Self {
        Self::Refused { reason: reason.into() }
    }

    /// A fault of the host.
    pub fn host(reason: impl Into<Arc<str>>) -> Self {
        Self::Host { reason: reason.into() }
    }

    /// The failure of a call that needed the code.
    pub fn failure(&self) -> Failure {
        match self {
            Self::Refused { .. } => Failure::new(Kind::BrokenComponent, self.to_string()),
            Self::Over { .. } => Failure::new(Kind::CompileLimit, self.to_string()),
            Self::Host { reason } => {
                Failure::new(Kind::HostFault, "the host cannot compile the component now; try again later")
                    .detail(&**reason)
            }
            Self::Bytes(error) => error.failure(),
        }
    }
}

impl From<CompileError> for Box<Failure> {
    fn from(error: CompileError) -> Self {
        Self::new(error.failure())
    }
}

impl Ceiling {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Time, Self::Processor, Self::Memory, Self::Code];

    /// A clause for people, of a component that needed more than `most`.
    fn exceeded(self, most: u64) -> String {
        let time = |millis: u64| Span(Duration::from_millis(millis));
        match self {
            Self::Time => format!("compiling it took longer than {}", time(most)),
            Self::Processor => format!("compiling it took more than {} of processor time", time(most)),
            Self::Memory => format!("compiling it takes more than {} of memory", Bytes(most)),
            Self::Code => format!("it compiles to more than {} of code", Bytes(most)),
        }
    }
}

/// What a piece of code is known by while the process lives: one process has one engine a class.
type Key = (Digest, EngineClass);

/// One lock for both, so that a compilation that ends in a refusal is at every moment either under way or remembered.
#[derive(Default)]
struct State {
    under_way: HashMap<Key, Arc<Flight>>,
    refusals: Refusals,
}

/// A compilation under way, and everybody who waits for it.
#[derive(Default)]
struct Flight {
    outcome: Mutex<Option<Result<Code, CompileError>>>,
    landed: Condvar,
}

/// Refusals in the order in which they came.
#[derive(Default)]
struct Refusals {
    known: HashMap<Key, CompileError>,
    order: VecDeque<Key>,
}

impl CodeStore {
    /// Code from a compiler, kept in a cache where there is one.
    pub fn new(cache: Option<CodeCache>, compiler: Arc<dyn Compile>) -> Self {
        Self { cache, compiler, state: Mutex::default() }
    }

    /// The code of a component for a class of engines. It blocks for as long as compiling takes, so it belongs on a thread
    /// that may block. Of several callers one compiles, and the others wait for it.
    ///
    /// The component's digest is checked both ways: cached code is sealed to it, and bytes that are compiled are read anew
    /// and digested. `engine` tells what code for the class depends on, as a digest of version, settings and processor
    /// features; it is asked only where there is something to load or to compile.
    ///
    /// # Errors
    /// See [`CompileError`].
    pub fn obtain<E: fmt::Display>(
        &self,
        component: &Component,
        class: EngineClass,
        engine: impl FnOnce() -> Result<Digest, E>,
    ) -> Result<Code, CompileError> {
        let key = (component.digest, class);
        let flight = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(refusal) = state.refusals.known.get(&key) {
                return Err(refusal.clone());
            }
            match state.under_way.get(&key) {
                Some(flight) => {
                    let flight = Arc::clone(flight);
                    drop(state);
                    return flight.wait();
                }
                None => Arc::clone(state.under_way.entry(key).or_default()),
            }
        };
        // Lands the flight on every way out, so that nobody waits for a compiler that has broken off.
        let mut leader = Leader { store: self, key, flight, outcome: None };
        let outcome = engine()
            .map_err(|error| CompileError::host(error.to_string()))
            .and_then(|engine| self.load_or_compile(component, class, engine));
        leader.outcome = Some(outcome.clone());
        outcome
    }

    /// Ends compilations under way and begins no more; what is cached can still be had.
    pub fn close(&self) {
        self.compiler.close();
    }

    fn load_or_compile(&self, component: &Component, class: EngineClass, engine: Digest) -> Result<Code, CompileError> {
        let subject = Subject { component: component.digest, engine };
        if let Some(code) = self.cache.as_ref().and_then(|cache| cache.get(subject)) {
            return Ok(code);
        }
        // Processes that share a cache do not compile the same thing side by side either.
        let _turn = match &self.cache {
            Some(cache) => {
                let turn = cache.turn(subject, PATIENCE);
                if let Some(code) = cache.get(subject) {
                    return Ok(code);
                }
                turn
            }
            None => None,
        };
        let wasm = component.read().map_err(|error| CompileError::Bytes(Arc::new(error)))?;
        let code = self.compiler.compile(CompileRequest { wasm: &wasm, digest: component.digest, class, engine })?;
        if let Some(cache) = &self.cache
            && let Err(error) = cache.put(subject, &code)
        {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(component = %component.name, %error, source, "compiled code is not kept; the next start compiles it again");
        }
        Ok(Code::new(code))
    }
}

impl Flight {
    fn wait(&self) -> Result<Code, CompileError> {
        let outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome =
            self.landed.wait_while(outcome, |outcome| outcome.is_none()).unwrap_or_else(PoisonError::into_inner);
        outcome.clone().expect("the wait ends only when there is an outcome")
    }
}

/// The caller that compiles for all.
struct Leader<'a> {
    store: &'a CodeStore,
    key: Key,
    flight: Arc<Flight>,
    outcome: Option<Result<Code, CompileError>>,
}

impl Drop for Leader<'_> {
    fn drop(&mut self) {
        // Without an outcome the compiler has panicked. Its bytes would make it panic again.
        let outcome = self
            .outcome
            .take()
            .unwrap_or_else(|| Err(CompileError::refused("the compiler broke on it; please report this file")));
        {
            let mut state = self.store.state.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(refusal @ (CompileError::Refused { .. } | CompileError::Over { .. })) = &outcome {
                state.refusals.remember(self.key, refusal.clone());
            }
            state.under_way.remove(&self.key);
        }
        *self.flight.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        self.flight.landed.notify_all();
    }
}

impl Refusals {
    fn remember(&mut self, key: Key, refusal: CompileError) {
        if self.known.insert(key, refusal).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > MAX_REFUSALS
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

impl fmt::Debug for CompileRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompileRequest")
            .field("digest", &self.digest)
            .field("class", &self.class)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for CodeStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeStore").field("cache", &self.cache).finish_non_exhaustive()
    }
}
