//! Cases in a process of their own.
//!
//! What a case costs in memory can only be measured where nothing else runs, and what aborts would take every other test with it.

use std::fs;
use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// What a call may cost the process beyond its own memory limit, in bytes (promise 7).
const OVERHEAD: u64 = 32 << 20;

/// Set for the process that runs one case alone.
const ALONE: &str = "TOOLCELL_RED_TEAM_ALONE";

/// A case that has not ended by then hangs. The slowest of them needs a few seconds.
const HANGS: Duration = Duration::from_mins(2);

/// Runs the case that calls this again, in another process, and takes over how it ended.
pub(super) fn alone<T, F: Fn() -> T>(case: F) {
    alone_with(&[], case);
}

/// The same, with more in its environment.
pub(super) fn alone_with<T, F: Fn() -> T>(variables: &[(&str, &str)], case: F) {
    if std::env::var_os(ALONE).is_some() {
        case();
        return;
    }
    // A closure is named after the function that it stands in: `toolcell::red_team::stack::NAME::{{closure}}`.
    let path = std::any::type_name::<F>();
    let name = path.split_once("::").and_then(|(_, path)| path.strip_suffix("::{{closure}}")).unwrap_or(path);
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(ALONE, "1")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (ended, said) = wait(child);
    assert!(said.contains("1 passed"), "`{name}` ended as {ended}:\n{said}");
}

/// Waits for a process and kills it where it hangs.
fn wait(mut child: Child) -> (String, String) {
    let pid = child.id();
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let errors = std::thread::spawn(move || {
            let mut text = Vec::new();
            err.read_to_end(&mut text).map(|_| text)
        });
        let mut text = Vec::new();
        out.read_to_end(&mut text).unwrap();
        text.extend(errors.join().unwrap().unwrap());
        let ended = child.wait().unwrap().to_string();
        // Nobody listens any more where this came too late.
        let _ = send.send((ended, String::from_utf8_lossy(&text).into_owned()));
    });
    receive.recv_timeout(HANGS).unwrap_or_else(|_| {
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        ("killed, because it hangs".to_owned(), String::new())
    })
}

/// What this process holds in memory before a case, where it runs alone.
pub(super) struct Footprint(Option<u64>);

impl Footprint {
    /// Begins to measure. Elsewhere than on Linux, and among other tests, there is nothing to be measured.
    pub(super) fn now() -> Self {
        if std::env::var_os(ALONE).is_none() || fs::write("/proc/self/clear_refs", "5").is_err() {
            return Self(None);
        }
        Self(resident("VmRSS:"))
    }

    /// The process never held more than the limit and the overhead on top of what it held before.
    pub(super) fn holds(&self, limit: u64) {
        let Some((before, peak)) = self.0.zip(resident("VmHWM:")) else { return };
        let grown = peak.saturating_sub(before);
        assert!(grown <= limit + OVERHEAD, "the process grew by {} MiB; the call had {} MiB", grown >> 20, limit >> 20);
    }
}

/// A line of `/proc/self/status`, in bytes.
fn resident(line: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let value = status.lines().find_map(|text| text.strip_prefix(line))?;
    value.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib << 10)
}
