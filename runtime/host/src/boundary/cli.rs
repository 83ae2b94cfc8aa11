//! `wasi:cli`: a program without arguments, environment, terminal or input, whose output is log.

use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::cli::{
    environment, exit, stderr, stdin, stdout, terminal_input, terminal_output, terminal_stderr, terminal_stdin,
    terminal_stdout,
};
use wasmtime_wasi::p2::pipe::ClosedInputStream;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};

use super::Inner;
use super::crossing::{Door, crossing};
use super::ends::Exited;
use super::log::{LogStream, Standard};

crossing! { impl environment::Host, "wasi:cli/environment", |state| &mut Inner(state);
    fn get_environment() -> wasmtime::Result<Vec<(String, String)>> = "get-environment";
    fn get_arguments() -> wasmtime::Result<Vec<String>> = "get-arguments";
    fn initial_cwd() -> wasmtime::Result<Option<String>> = "initial-cwd";
}

crossing! { impl exit::Host, "wasi:cli/exit", |state| &mut Inner(state);
    fn exit(status: Result<(), ()>) -> wasmtime::Result<()> = "exit";
    fn exit_with_code(code: u8) -> wasmtime::Result<()> = "exit-with-code";
}

crossing! { impl stdin::Host, "wasi:cli/stdin", |state| &mut Inner(state);
    fn get_stdin() -> wasmtime::Result<Resource<DynInputStream>> = "get-stdin";
}

crossing! { impl stdout::Host, "wasi:cli/stdout", |state| &mut Inner(state);
    fn get_stdout() -> wasmtime::Result<Resource<DynOutputStream>> = "get-stdout";
}

crossing! { impl stderr::Host, "wasi:cli/stderr", |state| &mut Inner(state);
    fn get_stderr() -> wasmtime::Result<Resource<DynOutputStream>> = "get-stderr";
}

crossing! { impl terminal_input::HostTerminalInput, "wasi:cli/terminal-input", nothing;
    drop(Resource<terminal_input::TerminalInput>);
}

crossing! { impl terminal_output::HostTerminalOutput, "wasi:cli/terminal-output", nothing;
    drop(Resource<terminal_output::TerminalOutput>);
}

impl terminal_input::Host for Door<'_> {}
impl terminal_output::Host for Door<'_> {}

crossing! { impl terminal_stdin::Host, "wasi:cli/terminal-stdin", |state| &mut Inner(state);
    fn get_terminal_stdin() -> wasmtime::Result<Option<Resource<terminal_input::TerminalInput>>> = "get-terminal-stdin";
}

crossing! { impl terminal_stdout::Host, "wasi:cli/terminal-stdout", |state| &mut Inner(state);
    fn get_terminal_stdout() -> wasmtime::Result<Option<Resource<terminal_output::TerminalOutput>>>
        = "get-terminal-stdout";
}

crossing! { impl terminal_stderr::Host, "wasi:cli/terminal-stderr", |state| &mut Inner(state);
    fn get_terminal_stderr() -> wasmtime::Result<Option<Resource<terminal_output::TerminalOutput>>>
        = "get-terminal-stderr";
}

impl environment::Host for Inner<'_> {
    fn get_environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(Vec::new())
    }

    fn get_arguments(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn initial_cwd(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }
}

impl exit::Host for Inner<'_> {
    fn exit(&mut self, status: Result<(), ()>) -> wasmtime::Result<()> {
        Err(Exited { code: u8::from(status.is_err()) }.into())
    }

    fn exit_with_code(&mut self, code: u8) -> wasmtime::Result<()> {
        Err(Exited { code }.into())
    }
}

impl stdin::Host for Inner<'_> {
    fn get_stdin(&mut self) -> wasmtime::Result<Resource<DynInputStream>> {
        let closed: DynInputStream = Box::new(ClosedInputStream);
        Ok(self.0.table.push(closed)?)
    }
}

impl stdout::Host for Inner<'_> {
    fn get_stdout(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        self.standard(Standard::Out)
    }
}

impl stderr::Host for Inner<'_> {
    fn get_stderr(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        self.standard(Standard::Err)
    }
}

impl Inner<'_> {
    fn standard(&mut self, standard: Standard) -> wasmtime::Result<Resource<DynOutputStream>> {
        let stream: DynOutputStream = Box::new(LogStream::new(self.0.shared().clone(), standard));
        Ok(self.0.table.push(stream)?)
    }
}

impl terminal_stdin::Host for Inner<'_> {
    fn get_terminal_stdin(&mut self) -> wasmtime::Result<Option<Resource<terminal_input::TerminalInput>>> {
        Ok(None)
    }
}

impl terminal_stdout::Host for Inner<'_> {
    fn get_terminal_stdout(&mut self) -> wasmtime::Result<Option<Resource<terminal_output::TerminalOutput>>> {
        Ok(None)
    }
}

impl terminal_stderr::Host for Inner<'_> {
    fn get_terminal_stderr(&mut self) -> wasmtime::Result<Option<Resource<terminal_output::TerminalOutput>>> {
        Ok(None)
    }
}
