//! Opens a host over the home of the user.

use std::ffi::OsString;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use toolcell_core::{CallId, Clock, Limit, UnixMillis};
use toolcell_host::{CompileLimits, Compiler, Host, Policy, PoolSize, Settings, Threads, Width};

use crate::exit::CliError;
use crate::paths::Paths;

/// The machine's wall clock.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        // A clock before 1970 is a broken one; the epoch is as good as any other answer then.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// Opens a host over a home. `folders` replaces the home's tools folder where it is not empty.
pub(crate) fn open(paths: &Paths, folders: &[PathBuf], policy: Policy) -> Result<Host, CliError> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let memory = machine_memory();
    let pool = PoolSize::for_memory(memory);
    // As many calls at one time as may each hold all the memory that a call may have, in three quarters of the machine.
    let each = policy.limits().get(Limit::Memory);
    let slots = usize::try_from(memory / 4 * 3 / each).unwrap_or(usize::MAX).clamp(2, pool.slots as usize);
    let tools = if folders.is_empty() { vec![paths.tools()] } else { folders.to_vec() };
    if let Some(missing) = folders.iter().find(|folder| !folder.is_dir()) {
        return Err(CliError::usage(format!("`{}` is no folder", missing.display())));
    }
    let (program, arguments, limits) = compiler();
    let settings = Settings {
        tools,
        code_cache: Some(paths.code()),
        code_key: paths.code_key(),
        compiler: Compiler::Child { program, arguments, limits },
        receipts: paths.receipts(),
        policy,
        width: Width { host: slots, tenant: slots, tool: slots, queue: 4_096, per_minute: 600_000 },
        pool,
        threads: Threads::for_cores(cores),
        clock: Arc::new(SystemClock),
    };
    Host::open(settings).map_err(|error| {
        CliError::failed("cannot open the host")
            .because(&error)
            .next("Check that the home folder can be written, or set TOOLCELL_HOME to another one.")
    })
}

/// Compiling happens in a child, which is this program again: its path, its arguments, and what one compilation may cost. It has the
/// machine's cores, up to four: each thread takes address space, of which there is a limit.
pub(crate) fn compiler() -> (PathBuf, Vec<OsString>, CompileLimits) {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(4);
    let limits = NonZero::new(threads).and_then(|threads| CompileLimits::default().threads(threads).ok());
    (crate::wall::THIS_PROGRAM.into(), vec!["compile-worker".into()], limits.unwrap_or_default())
}

/// A fresh name for a call.
pub(crate) fn call_id() -> Result<CallId, CliError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| CliError::failed(format!("the system gives no random bytes: {error}")))?;
    Ok(CallId(u128::from_le_bytes(bytes)))
}

/// A runtime for the caller's side. Guests have threads of their own.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::failed("cannot start an event loop").because(&error))
}

/// The memory of this machine, or of the control group that the process is in where that is smaller.
fn machine_memory() -> u64 {
    let info = rustix::system::sysinfo();
    let machine = info.totalram.saturating_mul(u64::from(info.mem_unit.max(1)));
    let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    group.map_or(machine, |group: u64| machine.min(group))
}

/// What is in the tools folders, without a host: nothing is opened that a look does not need.
pub(crate) fn look(paths: &Paths, folders: &[PathBuf]) -> Result<Arc<toolcell_host::Snapshot>, CliError> {
    if let Some(missing) = folders.iter().find(|folder| !folder.is_dir()) {
        return Err(CliError::usage(format!("`{}` is no folder", missing.display())));
    }
    let folders = if folders.is_empty() { vec![paths.tools()] } else { folders.to_vec() };
    Ok(toolcell_host::look(folders, Arc::new(SystemClock)))
}

/// What a build may know of the machine.
pub(crate) fn build_context(paths: &Paths) -> toolcell_build::Context {
    let program = |variable: &crate::environment::Variable, name: &str| {
        variable.get().map_or_else(|| PathBuf::from(name), PathBuf::from)
    };
    toolcell_build::Context {
        cargo: program(&crate::environment::CARGO, "cargo"),
        rustc: program(&crate::environment::RUSTC, "rustc"),
        rustup: Some("rustup".into()),
        environment: std::env::vars_os().collect(),
        cache: paths.builds(),
        target_dir: paths.build_target(),
        jobs: None,
        colour: if crate::terminal::watched() { toolcell_build::Colour::Always } else { toolcell_build::Colour::Never },
    }
}
