//! The parent against children that misbehave in every way. They are shell scripts: what is tested is that nothing is believed, waited
//! for, or left behind.

use std::num::NonZeroUsize;
use std::thread;
use std::time::{Duration, Instant};

use toolcell_core::Digest;

use super::*;
use crate::code::{Ceiling, Compile, CompileError, CompileRequest, EngineClass};

/// Longer than any test here may take, and shorter than anybody would wait for one.
const SOON: Duration = Duration::from_secs(20);

fn limits() -> CompileLimits {
    CompileLimits::default().threads(NonZeroUsize::MIN).expect("in range")
}

fn shell(script: &str, limits: CompileLimits) -> Child {
    Child::new("/bin/sh".into(), vec!["-c".into(), script.into()], limits)
}

fn compile(child: &Child, wasm: &[u8]) -> Result<Vec<u8>, CompileError> {
    let began = Instant::now();
    let digest = Digest::of(wasm);
    let request = CompileRequest { wasm, digest, class: EngineClass::Standard, engine: Digest::of(b"engine") };
    let outcome = child.compile(request);
    assert!(began.elapsed() < SOON, "{outcome:?}");
    outcome
}

fn ceiling(outcome: &Result<Vec<u8>, CompileError>) -> Option<Ceiling> {
    if let Err(CompileError::Over { ceiling, .. }) = outcome { Some(*ceiling) } else { None }
}

fn operators_reason(outcome: Result<Vec<u8>, CompileError>) -> String {
    match outcome {
        Err(CompileError::Host { reason }) => reason.to_string(),
        other => panic!("is no fault of the host: {other:?}"),
    }
}

#[test]
fn a_child_that_crashes_or_talks_nonsense_costs_the_component() {
    for script in [
        "kill -SEGV $$",
        "kill -ABRT $$",
        "exit 101",
        "echo I am no compiler, and what I say is longer than any header; exec /bin/sleep 1000",
        "while :; do echo nonsense without end; done",
    ] {
        let outcome = compile(&shell(script, limits()), b"wasm");
        assert!(matches!(outcome, Err(CompileError::Refused { .. })), "{script}: {outcome:?}");
    }
}

#[test]
fn a_child_that_cannot_be_started_or_gives_up_is_the_hosts_trouble() {
    let none = Child::new("/no/such/program".into(), Vec::new(), limits());
    assert!(operators_reason(compile(&none, b"wasm")).contains("/no/such/program"));
    assert!(
        operators_reason(compile(&shell("echo the disk is on fire >&2; exit 3", limits()), b"wasm"))
            .contains("on fire")
    );
    assert!(operators_reason(compile(&shell("kill -KILL $$", limits()), b"wasm")).contains("killed from outside"));
    assert!(operators_reason(compile(&shell("exit 0", limits()), &vec![0; 4 << 20])).contains("without an answer"));
}

#[test]
fn a_child_that_takes_too_long_is_killed_whatever_it_waits_for() {
    let short = || limits().time(Duration::from_millis(200)).expect("in range");
    for script in ["exec /bin/sleep 1000", "read request; exec /bin/sleep 1000", "while :; do echo complaint >&2; done"]
    {
        // More than any pipe holds, so that the one who writes it is stuck as well.
        let outcome = compile(&shell(script, short()), &vec![0; 4 << 20]);
        assert_eq!(ceiling(&outcome), Some(Ceiling::Time), "{script}: {outcome:?}");
    }
}

#[test]
fn a_child_that_computes_for_too_long_is_stopped_by_the_kernel() {
    let outcome = compile(&shell("while :; do :; done", limits().processor(1).expect("in range")), b"wasm");
    assert_eq!(ceiling(&outcome), Some(Ceiling::Processor), "{outcome:?}");
}

#[test]
fn a_child_has_its_limits_and_no_environment_before_it_is_asked() {
    let limits = limits().memory(512 << 20).and_then(|limits| limits.processor(77)).expect("in range");
    // The end of its input is the end of the request.
    let script = "read request; ulimit -v >&2; ulimit -t >&2; ulimit -c >&2; ulimit -f >&2; ulimit -n >&2; /usr/bin/env >&2; exit 3";
    let said = operators_reason(compile(&shell(script, limits), b"wasm"));
    assert!(said.contains("524288\\n77\\n0\\n0\\n16\\n"), "{said}");
    assert!(said.contains("RAYON_NUM_THREADS=1") && !said.contains("CARGO") && !said.contains("HOME"), "{said}");
}

#[test]
fn closing_ends_what_is_under_way_and_lets_nothing_begin() {
    let child = shell("exec /bin/sleep 1000", limits());
    thread::scope(|scope| {
        let waiting = scope.spawn(|| compile(&child, b"wasm"));
        while child.under_way() == 0 {
            thread::yield_now();
        }
        child.close();
        let reason = operators_reason(waiting.join().expect("ends"));
        assert!(reason.contains("closing"), "{reason}");
    });
    assert!(operators_reason(compile(&child, b"wasm")).contains("closing"));
    assert_eq!(child.under_way(), 0);
}
