//! The parent's side: starts a child for each component, holds it to its limits, and believes only what it has checked.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{BufWriter, Read, Write};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use rustix::process::{Pid, Resource, Rlimit};

use super::CompileLimits;
use super::frame::{Answer, FrameError, Request};
use super::verdict::{End, judge};
use crate::code::{Compile, CompileError, CompileRequest};

/// The most that is kept of what a child says on its standard error, in bytes. The rest is read and dropped.
const MAX_COMPLAINT: u64 = 16 << 10;

/// The most descriptors of a child. Three are its streams; the rest is for loading the program and for Landlock.
const DESCRIPTORS: u64 = 16;

/// Compiles in child processes.
pub(crate) struct Child {
    program: PathBuf,
    arguments: Vec<OsString>,
    limits: CompileLimits,
    running: Mutex<Running>,
}

/// Compilations under way, each with where to send word that it is to stop.
#[derive(Default)]
struct Running {
    closed: bool,
    started: u64,
    stops: HashMap<u64, Sender<Word>>,
}

/// What the thread that waits for a child can be told.
enum Word {
    /// The answer is read, or there is none to come.
    Answered,
    /// Nobody wants it any more.
    Stop,
}

impl Child {
    pub(crate) fn new(program: PathBuf, arguments: Vec<OsString>, limits: CompileLimits) -> Self {
        Self { program, arguments, limits, running: Mutex::default() }
    }

    #[cfg(test)]
    pub(super) fn under_way(&self) -> usize {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).stops.len()
    }

    /// Starts a child that waits for its request, under its limits.
    fn start(&self) -> Result<Started, CompileError> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            // Nothing of the operator's environment is its business. How many threads it has is said the way Rayon reads it.
            .env_clear()
            .env("RAYON_NUM_THREADS", self.limits.most_threads().to_string())
            .current_dir("/")
            // Ctrl-C in a terminal goes to the parent, which decides.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = command.spawn().map_err(|error| {
            CompileError::host(format!("cannot start `{}` to compile: {error}", self.program.display()))
        })?;
        let started = Started(child);
        // It waits for its request until the limits stand: from the first byte of the component on, they hold.
        self.limit(Pid::from_child(&started.0))
            .map_err(|error| CompileError::host(format!("cannot limit the compiling process: {error}")))?;
        Ok(started)
    }

    fn limit(&self, child: Pid) -> rustix::io::Result<()> {
        let processor = self.limits.most_processor().as_secs();
        for (resource, soft, hard) in [
            (Resource::As, self.limits.most_memory(), self.limits.most_memory()),
            // At the soft limit comes a signal that names the reason, at the hard one the end.
            (Resource::Cpu, processor, processor + 1),
            (Resource::Core, 0, 0),
            // No byte into any file. Pipes are none.
            (Resource::Fsize, 0, 0),
            (Resource::Nofile, DESCRIPTORS, DESCRIPTORS),
        ] {
            // The child has inherited this process's limits, which may be lower, and cannot be raised again.
            let ceiling = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
            let limit = Rlimit { current: Some(soft.min(ceiling)), maximum: Some(hard.min(ceiling)) };
            rustix::process::prlimit(Some(child), resource, limit)?;
        }
        Ok(())
    }

    /// Lists a compilation, so that it can be stopped.
    fn list(&self) -> Result<(Listed<'_>, Sender<Word>, Receiver<Word>), CompileError> {
        let (send, receive) = channel();
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.closed {
            return Err(CompileError::host("the host is closing"));
        }
        running.started += 1;
        let number = running.started;
        running.stops.insert(number, send.clone());
        Ok((Listed { of: self, number }, send, receive))
    }
}

impl Compile for Child {
    fn compile(&self, request: CompileRequest<'_>) -> Result<Vec<u8>, CompileError> {
        let (_listed, send, words) = self.list()?;
        let mut started = self.start()?;
        let header = Request {
            class: request.class,
            parent: std::process::id(),
            size: request.wasm.len() as u64,
            digest: request.digest,
            engine: request.engine,
            code: self.limits.most_code(),
        };
        let child = &mut started.0;
        let (Some(input), Some(mut output), Some(mut errors)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(CompileError::host("the compiling process has no standard streams"));
        };
        // This thread outlives the child in any case, which the kernel would otherwise kill with the thread that started it.
        thread::scope(|scope| {
            // Dropped, and so killed, before the scope waits for its threads: they end when the child's pipes do.
            let mut started = started;
            let no_thread = |error: std::io::Error| {
                CompileError::host(format!("no thread to speak to the compiling process: {error}"))
            };
            let writing = move || {
                let mut input = BufWriter::with_capacity(64 << 10, input);
                // A child that no longer reads says why in another way.
                let _ =
                    header.write(&mut input).and_then(|()| input.write_all(request.wasm)).and_then(|()| input.flush());
            };
            thread::Builder::new().name("toolcell-ask".to_owned()).spawn_scoped(scope, writing).map_err(no_thread)?;
            let complaining = move || {
                let mut text = Vec::new();
                let _ = errors.by_ref().take(MAX_COMPLAINT).read_to_end(&mut text);
                let _ = std::io::copy(&mut errors, &mut std::io::sink());
                text
            };
            let complaint = thread::Builder::new()
                .name("toolcell-hear".to_owned())
                .spawn_scoped(scope, complaining)
                .map_err(no_thread)?;
            let most = self.limits.most_code();
            let reading = move || -> Result<Answer, FrameError> {
                let answer = Answer::read(&mut output, most);
                // Nobody waits where time was up first.
                let _ = send.send(Word::Answered);
                answer
            };
            let answer = thread::Builder::new()
                .name("toolcell-read".to_owned())
                .spawn_scoped(scope, reading)
                .map_err(no_thread)?;
            let word = words.recv_timeout(self.limits.most_time());
            // Whatever it was, the child has nothing left to do. One that is dying already keeps the status that it dies of.
            let status =
                started.end().map_err(|error| CompileError::host(format!("the compiling process is lost: {error}")))?;
            let answer = answer.join().unwrap_or(Err(FrameError::Form));
            let complaint = complaint.join().unwrap_or_default();
            let end = match word {
                Ok(Word::Answered) | Err(RecvTimeoutError::Disconnected) => End::Answered(answer),
                Ok(Word::Stop) => End::Stopped,
                Err(RecvTimeoutError::Timeout) => End::Late,
            };
            judge(end, status, &complaint, &self.limits)
        })
    }

    fn close(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.closed = true;
        for (_, stop) in running.stops.drain() {
            // One that has just ended no longer listens.
            let _ = stop.send(Word::Stop);
        }
    }
}

/// A compilation that can be stopped, as long as the value lives.
struct Listed<'a> {
    of: &'a Child,
    number: u64,
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.of.running.lock().unwrap_or_else(PoisonError::into_inner).stops.remove(&self.number);
    }
}

/// A child that does not outlive the value.
struct Started(std::process::Child);

impl Started {
    /// Kills it if it lives, and takes its status.
    fn end(&mut self) -> std::io::Result<std::process::ExitStatus> {
        // It may have ended by itself; waiting tells.
        let _ = self.0.kill();
        self.0.wait()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // Nobody is left to be told that it could not be waited for.
        let _ = self.end();
    }
}
