//! The child's side: takes everything from itself, then compiles what it is sent.

use std::io::{Read, Write};
use std::process::ExitCode;

use rustix::process::{DumpableBehavior, Pid, Signal};
use wasmtime::Engine;

use super::frame::{Answer, FrameError, MAX_REASON, Request};
use crate::code::Ceiling;
use crate::schema::{self, shape::caps};
use crate::{engine, wall};

/// A component of one core module with one empty function: `(component (core module (func)))`.
pub(super) const SMALLEST: &[u8] =
    b"\0asm\x0d\0\x01\0\x01\x18\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\x04\x01\x02\0\x0b";

/// Compiles the one component that comes in, and writes what came of it. The process can do nothing else afterwards: before
/// it reads a byte it gives up every file, socket and process that it could open ([`crate::wall`]), and it dies with its parent. Its
/// limits have been set by then from outside.
///
/// It answers with success where it could say what came of it, also where that is a refusal.
pub fn worker(mut input: impl Read, mut output: impl Write) -> ExitCode {
    let answer = match confine() {
        Ok(parent) => answer(&mut input, parent),
        Err(reason) => Answer::Fault(reason),
    };
    // A parent that is gone wants no answer.
    if answer.write(&mut output).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Takes everything away, and answers with the parent as it was once the death of that would be this process's.
fn confine() -> Result<Option<Pid>, String> {
    let failed = |what: &str, error: &dyn std::error::Error| format!("the compiling process cannot {what}: {error}");
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|e| failed("be tied to its parent", &e))?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|error| failed("be kept from being traced", &error))?;
    let parent = rustix::process::getppid();
    wall::seal().map(|_| parent).map_err(|error| failed("be walled in", &error))
}

/// Reads a request and does it. The parent that asks must be the parent there is: where it died before this process was tied to
/// it, nobody would ever stop this one.
fn answer(input: &mut impl Read, parent: Option<Pid>) -> Answer {
    let fault = |error: &dyn std::error::Error| {
        Answer::Fault(format!("the compiling process cannot read its request: {error}"))
    };
    let request = match Request::read(input) {
        Ok(request) => request,
        Err(error) => return fault(&error),
    };
    if parent.is_none_or(|parent| parent.as_raw_nonzero().get().unsigned_abs() != request.parent) {
        return Answer::Fault("the process that asked is gone".to_owned());
    }
    // The engine and its threads stand before the component's bytes are there: what goes wrong until then is not their fault.
    let engine = Engine::new(&engine::tunables(request.class));
    let engine = match engine.and_then(|engine| engine.precompile_component(SMALLEST).map(|_| engine)) {
        Ok(engine) => engine,
        Err(error) => return Answer::Fault(format!("the compiling process has no engine: {error:#}")),
    };
    if engine::fingerprint(&engine) != request.engine {
        return Answer::Fault(
            "the compiling process is another build than its parent, and its code would not fit".to_owned(),
        );
    }
    match request.body(input, caps::BYTES.most) {
        Ok(wasm) => compile(&engine, &wasm, request.code),
        // Its bytes alone are more than there is room for.
        Err(FrameError::Cut(error)) if error.kind() == std::io::ErrorKind::OutOfMemory => Answer::Over(Ceiling::Memory),
        Err(error) => fault(&error),
    }
}

fn compile(engine: &Engine, wasm: &[u8], most: u64) -> Answer {
    // Cranelift's cost grows with shapes that mere size does not show: they are refused before it sees them.
    if let Err(error) = schema::check_bodies(wasm) {
        return Answer::Refused(schema::inert(&error.to_string(), MAX_REASON));
    }
    match engine.precompile_component(wasm) {
        Ok(code) if code.len() as u64 > most => Answer::Over(Ceiling::Code),
        Ok(code) => Answer::Code(code),
        Err(error) if is_memory(&error) => Answer::Over(Ceiling::Memory),
        Err(error) => Answer::Refused(schema::inert(&format!("{error:#}"), MAX_REASON)),
    }
}

fn is_memory(error: &wasmtime::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::OutOfMemory)
            || cause.downcast_ref::<rustix::io::Errno>() == Some(&rustix::io::Errno::NOMEM)
            || cause.is::<wasmtime::error::OutOfMemory>()
    })
}

#[cfg(test)]
mod tests {
    use toolcell_core::Digest;

    use super::*;
    use crate::code::EngineClass;

    const CLASSES: [EngineClass; 3] = [EngineClass::Standard, EngineClass::Extended, EngineClass::Oversized];

    fn us() -> Pid {
        rustix::process::getpid()
    }

    fn ask(wasm: &[u8], change: impl FnOnce(&mut Request)) -> Answer {
        let engine = Engine::new(&engine::tunables(EngineClass::Standard)).expect("an engine");
        let mut request = Request {
            class: EngineClass::Standard,
            parent: std::process::id(),
            size: wasm.len() as u64,
            digest: Digest::of(wasm),
            engine: engine::fingerprint(&engine),
            code: 1 << 20,
        };
        change(&mut request);
        let mut bytes = Vec::new();
        request.write(&mut bytes).expect("writes to memory");
        bytes.extend_from_slice(wasm);
        answer(&mut &*bytes, Some(us()))
    }

    #[test]
    fn an_engine_that_only_compiles_has_the_fingerprint_of_the_one_that_runs() {
        let pool = crate::PoolSize { slots: 16 };
        for class in CLASSES {
            let runs = Engine::new(&engine::config(class, pool)).expect("an engine");
            let compiles = Engine::new(&engine::tunables(class)).expect("an engine");
            assert_eq!(engine::fingerprint(&runs), engine::fingerprint(&compiles), "{class:?}");
        }
    }

    #[test]
    fn the_smallest_component_is_what_it_says() {
        assert_eq!(SMALLEST, wat::parse_str("(component (core module (func)))").expect("a component"));
    }

    #[test]
    fn a_component_comes_back_as_code_that_the_hosts_engine_takes() {
        let wasm = wat::parse_str("(component)").expect("a component");
        let Answer::Code(code) = ask(&wasm, |_| {}) else { panic!("compiles") };
        assert!(Engine::detect_precompiled(&code).is_some());
        assert_eq!(ask(&wasm, |request| request.code = 10), Answer::Over(Ceiling::Code));
    }

    #[test]
    fn what_is_not_as_it_says_is_not_compiled() {
        let wasm = wat::parse_str("(component)").expect("a component");
        let fault =
            |answer: Answer, word: &str| assert!(matches!(&answer, Answer::Fault(r) if r.contains(word)), "{answer:?}");
        fault(ask(&wasm, |request| request.digest = Digest::of(b"another")), "digest");
        fault(ask(&wasm, |request| request.engine = Digest::of(b"another")), "another build");
        fault(ask(&wasm, |request| request.parent += 1), "gone");
        fault(ask(&wasm, |request| request.size += 1), "cut off");
        fault(ask(&wasm, |request| request.size = u64::MAX), "at most");
        fault(answer(&mut std::io::repeat(7), Some(us())), "form");
        fault(answer(&mut std::io::empty(), Some(us())), "cut off");
        for garbage in [&b"not wasm"[..], b"\0asm\x0d\0\x01\0 and then nothing of sense", b""] {
            assert!(matches!(ask(garbage, |_| {}), Answer::Refused(_)));
        }
    }
}
