//! Which Rust compiler a folder is built with.

use std::path::{Path, PathBuf};
use std::time::Duration;

use toolcell_core::Digest;

use super::TARGET;
use crate::context::Context;
use crate::languages::CompileError;
use crate::process::{Captured, capture};

/// Asking a compiler for its version takes milliseconds, unless rustup installs the toolchain that a folder pins first.
const PROBE_LIMIT: Duration = Duration::from_mins(10);

const INSTALL_RUST: &str = "install Rust 1.85 or newer, most simply with rustup";

/// A Rust compiler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Toolchain {
    /// `1.95.0`, `1.97.0-nightly`.
    pub(super) release: String,
    /// The commit it was built from, where it says so.
    pub(super) commit: Option<String>,
    /// The whole of `rustc -vV`: what identifies it.
    pub(super) version_text: String,
}

impl Toolchain {
    /// A folder name that no other compiler shares, whose metadata ours could not read.
    pub(super) fn key(&self) -> String {
        let digest = Digest::of(self.version_text.as_bytes());
        format!("{}-{}", self.release, &digest.hex().as_str()[..16])
    }
}

/// The compiler in use in this folder, which may have a `rust-toolchain.toml`.
pub(super) fn probe(context: &Context, folder: &Path) -> Result<Toolchain, CompileError> {
    let text = ask(context, folder, &["-vV"])?;
    parse(&text).ok_or_else(|| CompileError::Tool {
        what: "rustc",
        problem: "`rustc -vV` does not say its release".to_owned(),
        next_step: INSTALL_RUST,
    })
}

/// Where this compiler would look for the target's libraries, and its own root.
pub(super) struct Places {
    pub(super) sysroot: PathBuf,
    pub(super) target_libdir: PathBuf,
}

impl Places {
    /// Whether the target's standard library is installed.
    pub(super) fn has_target(&self) -> bool {
        let Ok(entries) = self.target_libdir.read_dir() else { return false };
        entries.flatten().map(|entry| entry.path()).any(|path| {
            path.extension().is_some_and(|extension| extension == "rlib")
                && path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"libstd-"))
        })
    }

    /// The standard library's source, where the toolchain has its `rust-src` component.
    pub(super) fn library_source(&self) -> Option<PathBuf> {
        let library = self.sysroot.join("lib/rustlib/src/rust/library");
        library.join("std/Cargo.toml").is_file().then_some(library)
    }

    /// Whether the linker that makes components is there; compilers from distributions often lack it.
    pub(super) fn has_component_linker(&self) -> bool {
        let Ok(hosts) = self.sysroot.join("lib/rustlib").read_dir() else { return false };
        let linkers = ["bin/wasm-component-ld", "bin/wasm-component-ld.exe"];
        hosts.flatten().any(|host| linkers.iter().any(|linker| host.path().join(linker).is_file()))
    }
}

/// Asks the compiler for its places.
pub(super) fn places(context: &Context, folder: &Path) -> Result<Places, CompileError> {
    let text = ask(context, folder, &["--print", "sysroot", "--print", "target-libdir", "--target", TARGET])?;
    let mut lines = text.lines().map(PathBuf::from);
    match (lines.next(), lines.next()) {
        (Some(sysroot), Some(target_libdir)) => Ok(Places { sysroot, target_libdir }),
        _ => Err(CompileError::Tool {
            what: "rustc",
            problem: "it does not say where its libraries are".to_owned(),
            next_step: INSTALL_RUST,
        }),
    }
}

/// The compiler itself, where the one in use only stands for it.
///
/// rustup's `rustc` chooses a toolchain by the folder it runs in, and cargo runs it in the folder of each dependency: one
/// that ships a `rust-toolchain` file would be compiled by another compiler than the rest.
pub(super) fn exact(context: &Context, folder: &Path) -> Result<Option<PathBuf>, CompileError> {
    let sysroot = ask(context, folder, &["--print", "sysroot"])?;
    let rustc = Path::new(sysroot.trim_end()).join("bin").join(format!("rustc{}", std::env::consts::EXE_SUFFIX));
    Ok(rustc.is_file().then_some(rustc))
}

fn ask(context: &Context, folder: &Path, arguments: &[&str]) -> Result<String, CompileError> {
    let tool = |problem: String| CompileError::Tool { what: "rustc", problem, next_step: INSTALL_RUST };
    match capture(context.command(&context.rustc, folder).args(arguments), PROBE_LIMIT) {
        Ok(Captured { status, stdout, .. }) if status.success() => Ok(stdout),
        Ok(captured) => Err(tool(captured.problem())),
        Err(error) => Err(tool(error.to_string())),
    }
}

fn parse(text: &str) -> Option<Toolchain> {
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
    let release = value("release")?;
    // It becomes part of a folder's name.
    let plain = release.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+'));
    (plain && release.starts_with(|c: char| c.is_ascii_digit())).then(|| Toolchain {
        release: release.to_owned(),
        commit: value("commit-hash").filter(|commit| *commit != "unknown").map(str::to_owned),
        version_text: text.trim_end().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "rustc 1.95.0 (59807616e 2026-04-14)\nbinary: rustc\ncommit-hash: 59807616e1fa2540724bfbac14d7976d7e4a3860\ncommit-date: 2026-04-14\nhost: x86_64-unknown-linux-gnu\nrelease: 1.95.0\nLLVM version: 22.1.2\n";

    #[test]
    fn a_compiler_is_read_and_has_a_key_of_its_own() {
        let toolchain = parse(TEXT).expect("reads");
        assert_eq!(toolchain.release, "1.95.0");
        assert_eq!(toolchain.commit.as_deref(), Some("59807616e1fa2540724bfbac14d7976d7e4a3860"));
        let other = parse(&TEXT.replace("59807616e1", "59807616e2")).expect("reads");
        assert!(toolchain.key().starts_with("1.95.0-"));
        assert_ne!(toolchain.key(), other.key());
    }

    #[test]
    fn what_is_no_compiler_is_refused() {
        for text in ["", "release: ", "release: ../../x", "release: /etc", "release: 1/2", "hello"] {
            assert_eq!(parse(text), None, "{text}");
        }
        let unknown = parse("release: 1.63.0\ncommit-hash: unknown").expect("reads");
        assert_eq!(unknown.commit, None);
    }
}
