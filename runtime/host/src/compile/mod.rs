//! Compiling: in a child process that may do nothing else, or in this one.
//!
//! A component's bytes are guest input long before any of its code runs: a compiler is a large program whose time and memory
//! depend on them. So structural caps come first (`schema::check_bodies`), and then a child ([`child`], [`worker`]) compiles, under
//! limits that the kernel holds, behind a wall that leaves it nothing but computing. A child that dies of a component costs that
//! component, and nobody else. Owns how that child is started, spoken to ([`frame`]), and judged ([`verdict`]).
//!
//! What it does not do is make the compiler right. The code that comes back is run: Cranelift is trusted to be correct, and
//! here it is only not trusted with time, memory, or anything of the host's.

mod child;
mod frame;
mod in_process;
mod limits;
mod verdict;
mod worker;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::PathBuf;

use toolcell_core::Digest;

use crate::code::{Compile as _, CompileError, CompileRequest, EngineClass};
use crate::engine;

pub(crate) use child::Child;
pub(crate) use in_process::InProcess;
pub use limits::{CompileLimits, LimitsError};
pub use worker::worker;

/// Who compiles for a host.
#[derive(Clone, Debug)]
pub enum Compiler {
    /// The host's own process, under structural caps alone: time and memory are not bounded. For tests, benchmarks, and
    /// components that the operator has built.
    InProcess,
    /// A process for each component.
    Child {
        /// A program that calls [`worker`] on its standard streams; usually the running one.
        program: PathBuf,
        /// What makes it do so.
        arguments: Vec<OsString>,
        /// What one compilation may cost.
        limits: CompileLimits,
    },
}

/// Compiles the smallest component in a child, to see that children can be started, limited, walled in, and understood here.
///
/// # Errors
/// See [`CompileError`]; every one of them is the host's trouble.
pub fn trial(program: PathBuf, arguments: Vec<OsString>, limits: CompileLimits) -> Result<(), CompileError> {
    let class = EngineClass::Standard;
    let made = wasmtime::Engine::new(&engine::tunables(class));
    let made = made.map_err(|error| CompileError::host(format!("{error:#}")))?;
    let wasm = worker::SMALLEST;
    let request = CompileRequest { wasm, digest: Digest::of(wasm), class, engine: engine::fingerprint(&made) };
    Child::new(program, arguments, limits).compile(request).map(drop)
}
