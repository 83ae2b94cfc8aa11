//! A private sysroot for `wasm32-wasip2`: the standard library compiled from source, for exactly one compiler.
//!
//! It is made in a folder beside its final place and renamed when it is whole and has been tried, under a lock that the
//! caller holds. What a crash leaves behind is thrown away by the next attempt and never used.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::toolchain::{Places, Toolchain};
use super::{TARGET, debian};
use crate::context::Context;
use crate::process::{ProcessError, Stream, Tail, capture, run};
use crate::progress::{BuildEvent, Progress, SetUpStep};

/// The recipe below. A sysroot made by another recipe is not used.
const RECIPE: u32 = 1;

/// Compiling the standard library takes about a minute on two slow cores.
const COMPILE_LIMIT: Duration = Duration::from_mins(30);

/// Compiling one line takes a second, and longer on a machine that is busy with something else.
const TRY_LIMIT: Duration = Duration::from_mins(5);

/// The sysroot for this compiler, where it has been made.
pub(super) fn ready(context: &Context, toolchain: &Toolchain) -> Option<PathBuf> {
    let place = place(context, toolchain);
    // The final name appears by a rename only, so a folder of that name is whole.
    libraries(&place).is_dir().then_some(place)
}

/// Makes the sysroot for this compiler. `_lock` shows that no other process is doing so.
pub(super) fn make(
    context: &Context,
    toolchain: &Toolchain,
    places: &Places,
    _lock: &Lock,
    progress: &dyn Progress,
) -> Result<PathBuf, SysrootError> {
    debian::possible(context)?;
    let done = place(context, toolchain);

    // One name for all attempts: what a crash left is found and thrown away, and paths in the libraries do not vary.
    let work = Scratch::new(done.with_extension("partial"))?;
    let sources =
        debian::fetch(context, toolchain, places.library_source().as_deref(), &work.path.join("packages"), progress)?;
    let fresh = work.path.join("sysroot");
    let own_lib = libraries(&fresh);
    let self_contained = own_lib.join("self-contained");
    fs::create_dir_all(&self_contained).map_err(at(&self_contained))?;
    copy_files(&sources.wasi_libc, &self_contained)?;
    for library in compile_std(context, toolchain, &sources.library, &work.path, progress)? {
        let name = library.file_name().ok_or(SysrootError::NoLibraries)?;
        let to = own_lib.join(name);
        fs::copy(&library, &to).map_err(at(&to))?;
    }
    progress.event(BuildEvent::SetUp(SetUpStep::Trying));
    try_out(context, &fresh, &work.path)?;
    fs::rename(&fresh, &done).map_err(at(&done))?;
    Ok(done)
}

/// The right to set up the target for one compiler. It ends with its value, or with the process.
pub(super) struct Lock(#[expect(dead_code, reason = "held for its lock")] File);

/// Waits until no other process sets up the target for this compiler.
pub(super) fn lock(context: &Context, toolchain: &Toolchain, progress: &dyn Progress) -> Result<Lock, SysrootError> {
    let path = place(context, toolchain).with_extension("lock");
    let parent = path.parent().expect("a sysroot's place is below the cache");
    fs::create_dir_all(parent).map_err(at(parent))?;
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(at(&path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            progress.event(BuildEvent::SetUp(SetUpStep::Waiting));
            file.lock().map_err(at(&path))?;
        }
        Err(TryLockError::Error(source)) => return Err(at(&path)(source)),
    }
    Ok(Lock(file))
}

/// Why there is no private sysroot.
#[derive(Debug, thiserror::Error)]
pub(super) enum SysrootError {
    /// Its sources cannot be had.
    #[error(transparent)]
    Sources(#[from] debian::FetchError),
    /// A file or folder of the cache cannot be used.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// The standard library does not compile.
    #[error("the standard library does not compile: {0}")]
    Compile(String),
    /// It compiled without naming its libraries.
    #[error("cargo compiled the standard library and named no libraries")]
    NoLibraries,
    /// A program with it does not link.
    #[error("the finished sysroot does not work: {0}")]
    Unusable(String),
    /// A program could not be run to its end.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

pub(super) fn place(context: &Context, toolchain: &Toolchain) -> PathBuf {
    // Dots in the name would be taken for an extension.
    let key = toolchain.key().replace('.', "_");
    context.cache.join("sysroots").join(format!("{TARGET}-{key}-{RECIPE}"))
}

fn libraries(sysroot: &Path) -> PathBuf {
    sysroot.join("lib/rustlib").join(TARGET).join("lib")
}

/// Compiles std in an empty crate and gives the libraries that cargo names.
fn compile_std(
    context: &Context,
    toolchain: &Toolchain,
    library: &Path,
    work: &Path,
    progress: &dyn Progress,
) -> Result<Vec<PathBuf>, SysrootError> {
    const SEED: &str = "toolcell-sysroot-seed";
    let seed = work.join("seed");
    let write = |path: PathBuf, text: &str| fs::write(&path, text).map_err(at(&path));
    fs::create_dir_all(seed.join("src")).map_err(at(&seed))?;
    write(
        seed.join("Cargo.toml"),
        &format!("[package]\nname = \"{SEED}\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[workspace]\n"),
    )?;
    write(seed.join("src/lib.rs"), "#![no_std]\n")?;

    // Panic messages name the library's files as they do in a toolchain from rustup, and not as paths of this machine.
    let commit = toolchain.commit.as_deref().unwrap_or(&toolchain.release);
    let remap = format!("--remap-path-prefix={}=/rustc/{commit}/library", library.display());
    let mut flags = vec!["-Cembed-bitcode=yes".to_owned(), remap];
    flags.extend(context.cargo_home().map(|home| format!("--remap-path-prefix={}=/cargo", home.display())));

    let mut command = context.cargo(&seed);
    command
        .args(["build", "--release", "--quiet", "--message-format=json-render-diagnostics"])
        .args(["-Z", "build-std=std,panic_abort", "--target", TARGET, "--target-dir"])
        .arg(work.join("target"))
        // build-std is not stable, though it has worked in this form for years; the result is tried before it is used.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("__CARGO_TESTS_ONLY_SRC_ROOT", library)
        // Guests with `lto = true` need the libraries' bitcode. The separator is cargo's own, for paths with spaces.
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    if let Some(jobs) = context.jobs {
        command.arg("--jobs").arg(jobs.to_string());
    }

    let mut libraries = Vec::new();
    let mut done = 0;
    let mut tail = Tail::default();
    let status = run(&mut command, Some(COMPILE_LIMIT), &mut |stream, line| match stream {
        Stream::Err => tail.push(line),
        Stream::Out => {
            if let Some(artifact) = super::cargo::artifact(line) {
                done += 1;
                progress.event(BuildEvent::SetUp(SetUpStep::Compiling { unit: &artifact.target.name, done }));
                if artifact.target.name.replace('_', "-") != SEED {
                    let rlibs =
                        artifact.filenames.into_iter().filter(|path| path.extension().is_some_and(|e| e == "rlib"));
                    libraries.extend(rlibs);
                }
            }
        }
    })?;
    if !status.success() {
        let text = tail.into_text();
        let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).take(12).collect();
        return Err(SysrootError::Compile(lines.join("\n    ")));
    }
    if libraries.is_empty() { Err(SysrootError::NoLibraries) } else { Ok(libraries) }
}

/// Links a small program against the finished sysroot, so that a broken one is never kept.
fn try_out(context: &Context, sysroot: &Path, work: &Path) -> Result<(), SysrootError> {
    let source = work.join("try.rs");
    fs::write(&source, "#[unsafe(no_mangle)] pub extern \"C\" fn f() -> usize { std::env::args().count() }\n")
        .map_err(at(&source))?;
    let mut command = context.command(&context.rustc, work);
    command.args([
        "--edition=2024",
        "--crate-type=cdylib",
        "-Copt-level=1",
        "-Clto=true",
        "-Cpanic=abort",
        "--target",
        TARGET,
    ]);
    command.arg("--sysroot").arg(sysroot).arg("-o").arg(work.join("try.wasm")).arg(&source);
    let captured = capture(&mut command, TRY_LIMIT)?;
    if captured.status.success() { Ok(()) } else { Err(SysrootError::Unusable(captured.problem())) }
}

fn copy_files(from: &Path, to: &Path) -> Result<(), SysrootError> {
    for entry in fs::read_dir(from).map_err(at(from))? {
        let entry = entry.map_err(at(from))?;
        if entry.path().is_file() {
            let to = to.join(entry.file_name());
            fs::copy(entry.path(), &to).map_err(at(&to))?;
        }
    }
    Ok(())
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> SysrootError {
    move |source| SysrootError::Io { path: path.to_owned(), source }
}

/// A working folder that goes with its value, and that begins empty whatever was left there.
struct Scratch {
    path: PathBuf,
}

impl Scratch {
    fn new(path: PathBuf) -> Result<Self, SysrootError> {
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&path)(error)),
            _ => {}
        }
        fs::create_dir_all(&path).map_err(at(&path))?;
        Ok(Self { path })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Half a gigabyte of sources and objects that nobody needs again; a failure only costs disk space.
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toolchain() -> Toolchain {
        Toolchain { release: "1.95.0".into(), commit: None, version_text: "rustc 1.95.0".into() }
    }

    #[test]
    fn a_half_made_sysroot_is_never_ready() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let context = Context::for_tests(dir.path());
        let done = place(&context, &toolchain());
        fs::create_dir_all(libraries(&done.with_extension("partial").join("sysroot"))).expect("folders");
        assert_eq!(ready(&context, &toolchain()), None);
        fs::create_dir_all(libraries(&done)).expect("folders");
        assert_eq!(ready(&context, &toolchain()), Some(done));
        let other = Toolchain { version_text: "rustc 1.95.0 (other)".into(), ..toolchain() };
        assert_eq!(ready(&context, &other), None, "another compiler has another sysroot");
    }

    #[test]
    fn a_scratch_folder_begins_empty_and_goes() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("x.partial");
        fs::create_dir_all(path.join("left/over")).expect("folders");
        let scratch = Scratch::new(path.clone()).expect("made");
        assert_eq!(fs::read_dir(&path).expect("is there").count(), 0);
        drop(scratch);
        assert!(!path.exists());
    }

    #[test]
    fn a_process_that_comes_second_hears_that_it_waits() {
        struct Seen(std::sync::mpsc::Sender<()>);
        impl Progress for Seen {
            fn event(&self, event: BuildEvent<'_>) {
                if matches!(event, BuildEvent::SetUp(SetUpStep::Waiting)) {
                    self.0.send(()).expect("the test listens");
                }
            }
        }
        let dir = tempfile::tempdir().expect("a temporary folder");
        let context = Context::for_tests(dir.path());
        let (sender, receiver) = std::sync::mpsc::channel();
        let first = lock(&context, &toolchain(), &()).expect("free");
        std::thread::scope(|scope| {
            let second = scope.spawn(|| lock(&context, &toolchain(), &Seen(sender)).map(drop));
            receiver.recv().expect("the second one waits");
            drop(first);
            second.join().expect("no panic").expect("gets it then");
        });
    }
}
