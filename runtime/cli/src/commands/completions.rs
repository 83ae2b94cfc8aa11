//! `toolcell completions`

use clap::CommandFactory as _;

use crate::args::{Cli, CompletionsArgs};
use crate::exit::{CliError, Exit};

#[allow(clippy::unnecessary_wraps, reason = "every command has this signature")]
pub(crate) fn run(args: &CompletionsArgs) -> Result<Exit, CliError> {
    clap_complete::generate(args.shell, &mut Cli::command(), "toolcell", &mut std::io::stdout());
    Ok(Exit::Ok)
}
