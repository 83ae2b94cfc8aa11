//! Gets the standard library for `wasm32-wasip2`, in this order: installed, private and already made, rustup, made here.
//!
//! A private sysroot lies in our cache and never in the user's toolchain. It comes before rustup in the order because it
//! exists only where rustup has failed once, and asking again would cost its time on each build.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::toolchain::{self, Places, Toolchain};
use super::{TARGET, debian, sysroot};
use crate::context::Context;
use crate::doctor::{Finding, State};
use crate::languages::{Attempt, CompileError, SetUpError};
use crate::process::capture;
use crate::progress::{BuildEvent, Progress, SetUpStep};

/// A slow line needs this long for the component's 20 MB; a blocked one fails in seconds.
const RUSTUP_LIMIT: Duration = Duration::from_mins(1);

const RUSTUP_COMMAND: &str = "rustup target add wasm32-wasip2";

/// Where the target's standard library is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// In the toolchain.
    Installed,
    /// In a sysroot of ours.
    Private(PathBuf),
}

/// Finds the target or sets it up.
pub(super) fn ensure(
    context: &Context,
    folder: &Path,
    toolchain: &Toolchain,
    progress: &dyn Progress,
) -> Result<Target, CompileError> {
    let places = toolchain::places(context, folder)?;
    if let Some(target) = there(context, toolchain, &places) {
        return Ok(target);
    }
    let mut attempts = Vec::new();
    let mut failed = |step: String, problem: String| {
        progress.event(BuildEvent::SetUp(SetUpStep::DidNotWork { step: &step, problem: &problem }));
        attempts.push(Attempt { step, problem });
    };

    // One process at a time asks rustup, too: two of them disturb each other.
    let lock = match sysroot::lock(context, toolchain, progress) {
        Ok(lock) => lock,
        Err(error) => {
            failed("the lock in the cache folder".to_owned(), error.to_string());
            return Err(no_target(attempts));
        }
    };
    if let Some(target) = there(context, toolchain, &places) {
        return Ok(target);
    }
    match rustup(context, folder, progress) {
        Ok(()) if places.has_target() => {
            progress.event(BuildEvent::SetUp(SetUpStep::Ready));
            return Ok(Target::Installed);
        }
        Ok(()) => failed(
            RUSTUP_COMMAND.to_owned(),
            format!(
                "it succeeded, but {} still has no standard library; is this rustc from rustup?",
                places.target_libdir.display()
            ),
        ),
        Err(problem) => failed(RUSTUP_COMMAND.to_owned(), problem),
    }
    match sysroot::make(context, toolchain, &places, &lock, progress) {
        Ok(sysroot) => {
            progress.event(BuildEvent::SetUp(SetUpStep::Ready));
            return Ok(Target::Private(sysroot));
        }
        Err(error) => failed(format!("a private sysroot for Rust {}", toolchain.release), error.to_string()),
    }
    Err(no_target(attempts))
}

/// The target, where nothing has to be done for it.
fn there(context: &Context, toolchain: &Toolchain, places: &Places) -> Option<Target> {
    if places.has_target() {
        return Some(Target::Installed);
    }
    sysroot::ready(context, toolchain).map(Target::Private)
}

fn no_target(attempts: Vec<Attempt>) -> CompileError {
    CompileError::SetUp(SetUpError {
        what: "the standard library for wasm32-wasip2",
        attempts,
        next_step: format!("run `{RUSTUP_COMMAND}` with a network connection, then build again"),
    })
}

fn rustup(context: &Context, folder: &Path, progress: &dyn Progress) -> Result<(), String> {
    let rustup = context.rustup.as_deref().ok_or("there is no rustup here")?;
    progress.event(BuildEvent::SetUp(SetUpStep::Installer { command: RUSTUP_COMMAND }));
    let captured = capture(context.command(rustup, folder).args(["target", "add", TARGET]), RUSTUP_LIMIT)
        .map_err(|error| error.to_string())?;
    if captured.status.success() { Ok(()) } else { Err(captured.problem()) }
}

/// Looks at cargo, rustc, the linker and the target.
pub(super) fn doctor(context: &Context) -> Vec<Finding> {
    let here = Path::new(".");
    let mut findings = vec![version_of("cargo", context, &context.cargo)];
    let toolchain = match toolchain::probe(context, here) {
        Ok(toolchain) => toolchain,
        Err(error) => {
            findings.push(Finding { what: "rustc", state: State::Missing, detail: error.to_string(), next_step: None });
            return findings;
        }
    };
    let detail = toolchain.version_text.lines().next().unwrap_or_default().to_owned();
    findings.push(Finding { what: "rustc", state: State::Ok, detail, next_step: None });
    match toolchain::places(context, here) {
        Ok(places) => {
            let linker = places.has_component_linker();
            findings.push(Finding {
                what: "wasm-component-ld",
                state: if linker { State::Ok } else { State::Missing },
                detail: if linker { "comes with the toolchain" } else { "this toolchain does not bring the linker" }
                    .to_owned(),
                next_step: (!linker)
                    .then(|| "use a toolchain from rustup, or `cargo install wasm-component-ld`".to_owned()),
            });
            findings.push(target_finding(context, &toolchain, &places));
        }
        Err(error) => findings.push(Finding {
            what: "target wasm32-wasip2",
            state: State::Missing,
            detail: error.to_string(),
            next_step: Some("update Rust: the target needs 1.82 or newer".to_owned()),
        }),
    }
    findings
}

fn target_finding(context: &Context, toolchain: &Toolchain, places: &Places) -> Finding {
    let what = "target wasm32-wasip2";
    let ok = |detail: String| Finding { what, state: State::Ok, detail, next_step: None };
    if places.has_target() {
        return ok(format!("installed in {}", places.target_libdir.display()));
    }
    if let Some(sysroot) = sysroot::ready(context, toolchain) {
        return ok(format!("private sysroot in {}", sysroot.display()));
    }
    let mut ways = Vec::new();
    if context.rustup.is_some() {
        ways.push(format!("run `{RUSTUP_COMMAND}`"));
    }
    match debian::possible(context) {
        Ok(_) => ways.push(format!(
            "make a private sysroot in {} from Debian's signed sources, if they have Rust {}",
            context.cache.display(),
            toolchain.release
        )),
        Err(_) if ways.is_empty() => {
            return Finding {
                what,
                state: State::Missing,
                detail: "not installed, and there is neither rustup nor apt-get here to get it with".to_owned(),
                next_step: Some("install Rust with rustup".to_owned()),
            };
        }
        Err(_) => {}
    }
    Finding {
        what,
        state: State::WillSetUp,
        detail: "not installed".to_owned(),
        next_step: Some(format!("the first build will {}", ways.join(", else "))),
    }
}

fn version_of(what: &'static str, context: &Context, program: &Path) -> Finding {
    let limit = Duration::from_secs(30);
    let (state, detail) = match capture(context.command(program, Path::new(".")).arg("--version"), limit) {
        Ok(captured) if captured.status.success() => (State::Ok, captured.stdout.trim().to_owned()),
        Ok(captured) => (State::Missing, captured.problem()),
        Err(error) => (State::Missing, error.to_string()),
    };
    let next_step = (state != State::Ok).then(|| "install Rust, most simply with rustup".to_owned());
    Finding { what, state, detail, next_step }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A machine whose rustc and rustup are scripts, and which has nothing else.
    struct Machine {
        dir: tempfile::TempDir,
        context: Context,
    }

    impl Machine {
        fn new(rustup: &str) -> Self {
            let dir = tempfile::tempdir().expect("a temporary folder");
            let root = dir.path().display();
            let script = |name: &str, text: &str| {
                let path = dir.path().join(name);
                fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("written");
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
                path
            };
            let rustc = script("rustc", &format!("echo {root}/sysroot; echo {root}/sysroot/target-lib"));
            let rustup = script("rustup", &format!("echo \"$@\" >> {root}/calls\n{rustup}"));
            let mut context = Context::for_tests(&dir.path().join("cache"));
            context.rustc = rustc;
            context.rustup = Some(rustup);
            context.environment = vec![("PATH".into(), dir.path().into())];
            Self { dir, context }
        }

        fn ensure(&self) -> Result<Target, CompileError> {
            ensure(&self.context, self.dir.path(), &toolchain(), &())
        }

        fn calls(&self) -> String {
            fs::read_to_string(self.dir.path().join("calls")).unwrap_or_default()
        }
    }

    fn toolchain() -> Toolchain {
        Toolchain { release: "1.95.0".into(), commit: None, version_text: "rustc 1.95.0".into() }
    }

    #[test]
    fn where_nothing_works_each_way_is_named_with_its_reason() {
        let machine = Machine::new("echo 'error: could not download' >&2; exit 1");
        let error = machine.ensure().expect_err("nothing works").to_string();
        assert_eq!(
            error,
            "the standard library for wasm32-wasip2 is not installed and could not be set up\n  \
             - rustup target add wasm32-wasip2: error: could not download\n  \
             - a private sysroot for Rust 1.95.0: not possible here: there is no apt-get\n  \
             next: run `rustup target add wasm32-wasip2` with a network connection, then build again"
        );
        assert_eq!(machine.calls(), "target add wasm32-wasip2\n");
    }

    #[test]
    fn a_target_that_rustup_installs_is_used() {
        // The script's own folder is its working folder.
        let machine = Machine::new("/bin/mkdir -p sysroot/target-lib; : > sysroot/target-lib/libstd-1.rlib");
        assert_eq!(machine.ensure().expect("installed"), Target::Installed);
        assert_eq!(machine.ensure().expect("still there"), Target::Installed);
        assert_eq!(machine.calls().lines().count(), 1, "what is there is not installed again");
    }

    #[test]
    fn a_rustup_that_serves_another_toolchain_is_no_success() {
        let machine = Machine::new("exit 0");
        let error = machine.ensure().expect_err("nothing was installed").to_string();
        assert!(error.contains("is this rustc from rustup?"), "{error}");
    }

    #[test]
    fn a_private_sysroot_is_used_without_asking_rustup_again() {
        let machine = Machine::new("exit 1");
        let place = sysroot::place(&machine.context, &toolchain());
        fs::create_dir_all(place.join("lib/rustlib").join(TARGET).join("lib")).expect("made");
        assert_eq!(machine.ensure().expect("there"), Target::Private(place));
        assert_eq!(machine.calls(), "");
    }

    #[test]
    fn the_doctor_changes_nothing() {
        let machine = Machine::new("exit 1");
        doctor(&machine.context);
        assert_eq!(machine.calls(), "");
        assert!(!machine.context.cache.exists());
    }
}
