//! `toolcell compile-worker`: what the host starts to compile a component. It is not for people, so help does not show it.

use std::io::{stdin, stdout};
use std::process::ExitCode;

/// Answers one request on stdin, on stdout. It comes before everything that another command begins with: this process reads no
/// environment and opens nothing.
pub(crate) fn run() -> ExitCode {
    toolcell_host::compile::worker(stdin().lock(), stdout().lock())
}
