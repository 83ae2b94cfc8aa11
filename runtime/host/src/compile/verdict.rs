//! What the end of a compiling child says: about the component, or about the host.
//!
//! Pure, because it decides what is remembered against a component: a death that its bytes cause comes again and is refused from
//! then on; one that the machine causes is tried again.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::Signal;

use super::CompileLimits;
use super::frame::{Answer, FrameError};
use crate::code::{Ceiling, CompileError};
use crate::schema;

/// Why the parent stopped listening.
#[derive(Debug)]
pub(super) enum End {
    /// The child answered, or its pipe ended.
    Answered(Result<Answer, FrameError>),
    /// It took too long.
    Late,
    /// The host is closing.
    Stopped,
}

/// What became of a compilation. The child is dead by now; the parent killed it, unless it had died before, and then `status` is of that.
pub(super) fn judge(
    end: End,
    status: ExitStatus,
    complaint: &[u8],
    limits: &CompileLimits,
) -> Result<Vec<u8>, CompileError> {
    match end {
        End::Answered(Ok(Answer::Code(code))) => Ok(code),
        End::Answered(Ok(Answer::Refused(reason))) => Err(CompileError::refused(reason)),
        End::Answered(Ok(Answer::Over(ceiling))) => Err(over(ceiling, limits)),
        End::Answered(Ok(Answer::Fault(reason))) => Err(CompileError::host(reason)),
        End::Late => Err(over(Ceiling::Time, limits)),
        End::Stopped => Err(CompileError::host("the host is closing")),
        End::Answered(Err(FrameError::Long { .. })) => Err(over(Ceiling::Code, limits)),
        End::Answered(Err(error)) => Err(died(&error, status, complaint, limits)),
    }
}

fn died(error: &FrameError, status: ExitStatus, complaint: &[u8], limits: &CompileLimits) -> CompileError {
    let complaint = String::from_utf8_lossy(complaint);
    let text = schema::inert(complaint.trim(), 512);
    let signal = status.signal();
    if signal == Some(Signal::XCPU.as_raw()) {
        return over(Ceiling::Processor, limits);
    }
    // The allocator of Rust, and those who pass on the kernel's ENOMEM, say so before they give up.
    let memory = ["memory allocation of", "Cannot allocate memory", "out of memory"];
    if memory.iter().any(|words| complaint.contains(words)) {
        return over(Ceiling::Memory, limits);
    }
    let cut = matches!(error, FrameError::Cut(_));
    match (signal, status.code()) {
        // The parent kills only what has answered or hung; of a child that did neither, somebody else was tired. It is
        // the kernel, mostly, where the whole machine is short of memory.
        (Some(signal), _) if cut && signal == Signal::KILL.as_raw() => {
            CompileError::host("the compiling process was killed from outside; the machine may be short of memory")
        }
        // Signals of its own making, panics (101), and answers that are none.
        (Some(_), _) | (_, Some(101)) => broke(&status.to_string(), &text),
        _ if !cut => broke(&error.to_string(), &text),
        _ => CompileError::host(format!("the compiling process ended without an answer ({status}): {text}")),
    }
}

fn broke(how: &str, text: &str) -> CompileError {
    tracing::warn!(how, complaint = text, "a component broke the compiler");
    CompileError::refused("the compiler broke on it; please report this file")
}

fn over(ceiling: Ceiling, limits: &CompileLimits) -> CompileError {
    let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let most = match ceiling {
        Ceiling::Time => millis(limits.most_time()),
        Ceiling::Processor => millis(limits.most_processor()),
        Ceiling::Memory => limits.most_memory(),
        Ceiling::Code => limits.most_code(),
    };
    CompileError::Over { ceiling, most }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut() -> End {
        End::Answered(Err(FrameError::Cut(std::io::ErrorKind::UnexpectedEof.into())))
    }

    fn signal(signal: Signal) -> ExitStatus {
        ExitStatus::from_raw(signal.as_raw())
    }

    fn exit(code: i32) -> ExitStatus {
        ExitStatus::from_raw(code << 8)
    }

    fn judged(end: End, status: ExitStatus, complaint: &str) -> CompileError {
        judge(end, status, complaint.as_bytes(), &CompileLimits::default()).expect_err("is no code")
    }

    fn ceiling(error: &CompileError) -> Option<Ceiling> {
        if let CompileError::Over { ceiling, .. } = error { Some(*ceiling) } else { None }
    }

    #[test]
    fn each_limit_is_named_by_what_it_does_to_the_child() {
        assert_eq!(ceiling(&judged(End::Late, signal(Signal::KILL), "")), Some(Ceiling::Time));
        assert_eq!(ceiling(&judged(cut(), signal(Signal::XCPU), "")), Some(Ceiling::Processor));
        let hungry = judged(cut(), signal(Signal::ABORT), "memory allocation of 4096 bytes failed");
        assert_eq!(ceiling(&hungry), Some(Ceiling::Memory));
        let long = End::Answered(Err(FrameError::Long { size: 2, most: 1 }));
        assert_eq!(ceiling(&judged(long, signal(Signal::KILL), "")), Some(Ceiling::Code));
        let over = judged(End::Late, exit(0), "").to_string();
        assert_eq!(over, "the component cannot be compiled: compiling it took longer than 120s");
    }

    #[test]
    fn a_crash_is_held_against_the_component_and_the_machines_troubles_are_not() {
        for status in [signal(Signal::SEGV), signal(Signal::ABORT), signal(Signal::ILL), signal(Signal::SYS), exit(101)]
        {
            assert!(matches!(judged(cut(), status, "\u{1b}[31mno"), CompileError::Refused { .. }), "{status}");
        }
        for garbage in [FrameError::Form, FrameError::Digest] {
            let error = judged(End::Answered(Err(garbage)), signal(Signal::KILL), "");
            assert!(matches!(error, CompileError::Refused { .. }), "{error}");
        }
        for status in [signal(Signal::KILL), exit(0), exit(1), exit(2), exit(127)] {
            assert!(matches!(judged(cut(), status, "cannot load libc"), CompileError::Host { .. }), "{status}");
        }
        assert!(matches!(judged(End::Stopped, signal(Signal::KILL), ""), CompileError::Host { .. }));
        let fault = End::Answered(Ok(Answer::Fault("disk".into())));
        assert!(matches!(judged(fault, exit(0), ""), CompileError::Host { .. }));
    }
}
