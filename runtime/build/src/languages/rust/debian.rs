//! Fetches the standard library's source and wasi-libc from the Debian archive that the machine's own apt uses.
//!
//! apt checks the signatures, against Debian's keyring alone; lists and packages stay in a folder of ours, nothing is
//! installed, and the machine's apt state, hooks and caches stay as they are. Where the archive is comes from the machine's
//! own settings and is written nowhere.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::TARGET;
use super::toolchain::Toolchain;
use crate::context::Context;
use crate::process::{KilledOnDrop, ProcessError, capture};
use crate::progress::{BuildEvent, Progress, SetUpStep};

/// Suites in the order in which they are tried: the one with most Rust versions first, large indexes last.
const SUITES: &[&str] = &["trixie-backports", "trixie", "bookworm-backports", "forky", "sid"];

/// Debian's own keys, under both names that releases have given the file.
const KEYRINGS: &[&str] =
    &["/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp"];

/// More archives than a machine mirrors Debian from.
const MAX_REPOSITORIES: usize = 3;

/// A whole suite's index has 10 MB.
const UPDATE_LIMIT: Duration = Duration::from_mins(2);

/// `rust-src` has 45 MB.
const DOWNLOAD_LIMIT: Duration = Duration::from_mins(10);

/// Asking apt about its settings, or unpacking fifty megabytes.
const LOCAL_LIMIT: Duration = Duration::from_mins(3);

const SOURCE_PACKAGE: &str = "rust-src";
const LIBC_PACKAGE: &str = "wasi-libc";

/// What a sysroot is made from.
#[derive(Debug)]
pub(super) struct Sources {
    /// The folder `library` of Rust's source.
    pub(super) library: PathBuf,
    /// The folder with `libc.a` and `crt1-*.o`.
    pub(super) wasi_libc: PathBuf,
}

/// Fetches what a sysroot for this compiler is made from.
///
/// `own_library` is the toolchain's own copy of the source, where it has one; then only wasi-libc is fetched.
pub(super) fn fetch(
    context: &Context,
    toolchain: &Toolchain,
    own_library: Option<&Path>,
    work: &Path,
    progress: &dyn Progress,
) -> Result<Sources, FetchError> {
    let is_release = toolchain.release.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if own_library.is_none() && !is_release {
        return Err(FetchError::NotARelease { release: toolchain.release.clone() });
    }
    let keyring = possible(context)?;
    let apt = Apt::new(context, work)?;
    let mut problems = Vec::new();
    for repository in apt.repositories()? {
        let mut suites: Vec<&str> = Vec::new();
        for suite in SUITES {
            progress.event(BuildEvent::SetUp(SetUpStep::Searching { suite }));
            suites.push(suite);
            if let Err(problem) = apt.update(&repository, keyring, &suites) {
                problems.push(format!("{suite}: {problem}"));
                suites.pop();
                continue;
            }
            let versions = apt.versions()?;
            let Some(libc) = newest(&versions, LIBC_PACKAGE) else { continue };
            let mut wanted = vec![Wanted { package: LIBC_PACKAGE, version: libc, member: format!("usr/lib/{TARGET}") }];
            if own_library.is_none() {
                let Some(version) = of_release(&versions, &toolchain.release) else { continue };
                let member = format!("usr/src/rustc-{}/library", toolchain.release);
                wanted.push(Wanted { package: SOURCE_PACKAGE, version, member });
            }
            // An older wasi-libc lacks the target; a later suite may have a newer one.
            match wanted.iter().map(|wanted| apt.unpack(wanted, progress)).collect::<Result<Vec<_>, _>>() {
                Ok(mut unpacked) => {
                    let wasi_libc = unpacked.swap_remove(0);
                    let library = own_library.map(Path::to_owned).or_else(|| unpacked.pop());
                    let library = library.expect("the source was fetched where the toolchain has none");
                    return Ok(Sources { library, wasi_libc });
                }
                Err(error) => problems.push(format!("{suite}: {error}")),
            }
        }
    }
    Err(FetchError::NotFound {
        release: toolchain.release.clone(),
        suites: SUITES.join(", "),
        problems: list(&problems),
    })
}

/// Whether this machine can fetch signed Debian packages at all; gives the keyring.
pub(super) fn possible(context: &Context) -> Result<&'static str, FetchError> {
    for program in ["apt-get", "apt-cache", "dpkg-deb", "tar"] {
        match capture(context.command(program, Path::new("/")).arg("--version"), LOCAL_LIMIT) {
            Err(error) if error.is_missing() => return Err(FetchError::NoApt { program }),
            other => other?,
        };
    }
    KEYRINGS.iter().copied().find(|path| Path::new(path).is_file()).ok_or(FetchError::NoKeyring)
}

/// Why the packages cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// No apt, no packages.
    #[error("not possible here: there is no {program}")]
    NoApt { program: &'static str },
    /// Without the keys nothing can be checked, and nothing unchecked is compiled.
    #[error("not possible here: Debian's archive keys are not installed (package debian-archive-keyring)")]
    NoKeyring,
    /// Betas and nightlies are not packaged.
    #[error(
        "Debian packages the source of releases only, and {release} is none; `rustup component add rust-src` brings it for any toolchain"
    )]
    NotARelease { release: String },
    /// apt knows no archive.
    #[error("the machine's apt knows no package archive")]
    NoRepository,
    /// No suite has what is needed.
    #[error("no source of Rust {release} together with a wasi-libc for wasm32-wasip2 in {suites}{problems}")]
    NotFound { release: String, suites: String, problems: String },
    /// A command failed.
    #[error("`{command}` failed: {problem}")]
    Failed { command: &'static str, problem: String },
    /// A path that apt's settings cannot express.
    #[error("the cache folder's path holds a quote or a line break, which apt's settings cannot express: {}", path.display())]
    Path { path: PathBuf },
    /// A file of ours cannot be written.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// A program could not be run to its end.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// apt with settings and state of its own.
struct Apt<'a> {
    context: &'a Context,
    work: &'a Path,
    /// The state folder, from which lists are read and to which they are written.
    settings: PathBuf,
    sources: PathBuf,
}

impl<'a> Apt<'a> {
    fn new(context: &'a Context, work: &'a Path) -> Result<Self, FetchError> {
        let shown = work.to_str().filter(|path| !path.contains(['"', '\n', '\\']));
        let shown = shown.ok_or_else(|| FetchError::Path { path: work.to_owned() })?;
        for folder in ["state/lists/partial", "cache/archives/partial"] {
            let folder = work.join(folder);
            fs::create_dir_all(&folder).map_err(at(&folder))?;
        }
        let sources = work.join("sources.list");
        let settings = work.join("apt.conf");
        // The hooks are cleared because those of the machine may clean the machine's own caches.
        let text = format!(
            "Dir::State \"{shown}/state\";\n\
             Dir::State::status \"{shown}/state/status\";\n\
             Dir::State::lists \"{shown}/state/lists\";\n\
             Dir::Cache \"{shown}/cache\";\n\
             Dir::Cache::archives \"{shown}/cache/archives\";\n\
             Dir::Cache::pkgcache \"\";\n\
             Dir::Cache::srcpkgcache \"\";\n\
             Dir::Etc::SourceList \"{shown}/sources.list\";\n\
             Dir::Etc::SourceParts \"-\";\n\
             #clear APT::Update::Pre-Invoke;\n\
             #clear APT::Update::Post-Invoke;\n\
             #clear APT::Update::Post-Invoke-Success;\n\
             APT::Update::Error-Mode \"any\";\n\
             Acquire::Languages \"none\";\n\
             Acquire::AllowInsecureRepositories \"false\";\n\
             Acquire::Retries \"2\";\n"
        );
        fs::write(&settings, text).map_err(at(&settings))?;
        let status = work.join("state/status");
        fs::write(&status, "").map_err(at(&status))?;
        Ok(Self { context, work, settings, sources })
    }

    /// The archives that the machine's own apt uses.
    fn repositories(&self) -> Result<Vec<String>, FetchError> {
        // With lists the machine knows which archive is Debian's own; a fresh machine has none yet.
        let mut known = self.context.command("apt-get", self.work);
        known.args([
            "indextargets",
            "--format",
            "$(REPO_URI)",
            "Label: Debian",
            "Component: main",
            "Created-By: Packages",
        ]);
        let mut found: Vec<String> =
            output(&mut known, "apt-get indextargets", LOCAL_LIMIT)?.lines().map(str::to_owned).collect();
        if found.is_empty() {
            let mut planned = self.context.command("apt-get", self.work);
            planned.args(["update", "--print-uris", "-o"]);
            planned.arg(format!("Dir::State::lists={}", self.work.join("state/lists").display()));
            found = parse_planned(&output(&mut planned, "apt-get update --print-uris", LOCAL_LIMIT)?);
        }
        found.retain(|uri| !uri.is_empty() && !uri.contains(char::is_whitespace));
        let mut unique: Vec<String> = Vec::new();
        for uri in found {
            if !unique.contains(&uri) && unique.len() < MAX_REPOSITORIES {
                unique.push(uri);
            }
        }
        if unique.is_empty() { Err(FetchError::NoRepository) } else { Ok(unique) }
    }

    /// Reads the lists of these suites, checking their signatures.
    fn update(&self, repository: &str, keyring: &str, suites: &[&str]) -> Result<(), FetchError> {
        let lines: Vec<_> =
            suites.iter().map(|suite| format!("deb [signed-by={keyring}] {repository} {suite} main\n")).collect();
        fs::write(&self.sources, lines.concat()).map_err(at(&self.sources))?;
        output(self.command("apt-get").arg("update"), "apt-get update", UPDATE_LIMIT).map(drop)
    }

    fn versions(&self) -> Result<Vec<Version>, FetchError> {
        let mut command = self.command("apt-cache");
        let text = output(command.args(["madison", SOURCE_PACKAGE, LIBC_PACKAGE]), "apt-cache madison", LOCAL_LIMIT)?;
        Ok(parse_versions(&text))
    }

    /// Downloads a package and unpacks one folder of it, without installing anything: the whole of `rust-src` is ten times as
    /// many files.
    fn unpack(&self, wanted: &Wanted<'_>, progress: &dyn Progress) -> Result<PathBuf, FetchError> {
        let folder = self.work.join(wanted.package);
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        let name = format!("{}={}", wanted.package, wanted.version);
        progress.event(BuildEvent::SetUp(SetUpStep::Downloading { package: &name }));
        let mut download = self.command("apt-get");
        output(download.current_dir(&folder).arg("download").arg(&name), "apt-get download", DOWNLOAD_LIMIT)?;
        let archive = only_file(&folder, &name)?;

        let mut whole = self.context.command("dpkg-deb", self.work);
        whole.arg("--fsys-tarfile").arg(&archive).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut whole = KilledOnDrop::spawn(&mut whole)?;
        let mut tar = self.context.command("tar", self.work);
        tar.arg("-x").arg("--no-same-owner").arg("-C").arg(&folder).arg(format!("./{}", wanted.member));
        output(tar.stdin(whole.take_stdout()), "tar -x", LOCAL_LIMIT)?;
        let status = whole.wait()?;
        if !status.success() {
            return Err(FetchError::Failed {
                command: "dpkg-deb --fsys-tarfile",
                problem: format!("it ended with {status}"),
            });
        }
        Ok(folder.join(&wanted.member))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = self.context.command(program, self.work);
        // Messages are shown to the user, and some are looked at, so they are in one language.
        command.env("LC_ALL", "C.UTF-8").arg("-q").arg("-c").arg(&self.settings);
        command
    }
}

fn output(command: &mut Command, name: &'static str, limit: Duration) -> Result<String, FetchError> {
    let captured = capture(command, limit)?;
    if captured.status.success() {
        Ok(captured.stdout)
    } else {
        Err(FetchError::Failed { command: name, problem: captured.problem() })
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> FetchError {
    move |source| FetchError::Io { path: path.to_owned(), source }
}

fn list(problems: &[String]) -> String {
    problems.iter().flat_map(|problem| ["\n    ", problem]).collect()
}

/// A package, and the one folder of it that is needed.
struct Wanted<'a> {
    package: &'static str,
    version: &'a str,
    /// Relative to the file system's root.
    member: String,
}

/// The file that a download left in a folder of its own.
fn only_file(folder: &Path, package: &str) -> Result<PathBuf, FetchError> {
    let mut entries = fs::read_dir(folder).map_err(at(folder))?;
    match entries.next() {
        Some(entry) => entry.map(|entry| entry.path()).map_err(at(folder)),
        None => {
            Err(FetchError::Failed { command: "apt-get download", problem: format!("it left no file for {package}") })
        }
    }
}

/// A package version that is on offer.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    package: String,
    version: String,
}

/// Reads `apt-cache madison`: `package | version | where`, the newest version of a package first.
fn parse_versions(text: &str) -> Vec<Version> {
    let row = |line: &str| {
        let mut columns = line.split('|').map(str::trim);
        let (package, version) = (columns.next()?, columns.next()?);
        let plain = |text: &str| !text.is_empty() && !text.starts_with('-') && !text.contains(char::is_whitespace);
        (plain(package) && plain(version)).then(|| Version { package: package.to_owned(), version: version.to_owned() })
    };
    text.lines().filter_map(row).collect()
}

fn newest<'a>(versions: &'a [Version], package: &str) -> Option<&'a str> {
    versions.iter().find(|version| version.package == package).map(|version| version.version.as_str())
}

/// The packaging of exactly this release: `1.95.0+dfsg1-2`, and not the beta `1.95.0~beta.1`.
fn of_release<'a>(versions: &'a [Version], release: &str) -> Option<&'a str> {
    let is_release = |version: &str| version.strip_prefix(release).is_some_and(|rest| rest.starts_with(['+', '-']));
    versions
        .iter()
        .filter(|v| v.package == SOURCE_PACKAGE)
        .map(|v| v.version.as_str())
        .find(|version| is_release(version))
}

/// Reads `apt-get update --print-uris` for the archives it would ask, without those of security updates alone.
fn parse_planned(text: &str) -> Vec<String> {
    let archive = |line: &str| {
        let uri = line.strip_prefix('\'')?.split('\'').next()?;
        let (archive, rest) = uri.split_once("/dists/")?;
        let suite = rest.strip_suffix("/InRelease")?;
        (!suite.ends_with("-security")).then(|| archive.to_owned())
    };
    text.lines().filter_map(archive).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MADISON: &str = "  rust-src | 1.96.1+dfsg1-2~bpo13+1 | http://archive/debian trixie-backports/main amd64 Packages\n\
         rust-src | 1.95.0~beta.3+dfsg1-1 | http://archive/debian x/main\n\
         rust-src | 1.95.0+dfsg1-2~bpo13+1 | http://archive/debian trixie-backports/main amd64 Packages\n\
         wasi-libc | 0.0~git20260129.ec0effd-3~bpo13+1 | http://archive/debian trixie-backports/main\n\
         wasi-libc | 0.0~git20220510.9886d3d-2 | http://archive/debian bookworm/main\n";

    #[test]
    fn the_packaging_of_exactly_one_release_is_chosen() {
        let versions = parse_versions(MADISON);
        assert_eq!(of_release(&versions, "1.95.0"), Some("1.95.0+dfsg1-2~bpo13+1"));
        assert_eq!(of_release(&versions, "1.96.1"), Some("1.96.1+dfsg1-2~bpo13+1"));
        for other in ["1.95", "1.9", "1.96", "1.94.0", ""] {
            assert_eq!(of_release(&versions, other), None, "{other}");
        }
        assert_eq!(newest(&versions, LIBC_PACKAGE), Some("0.0~git20260129.ec0effd-3~bpo13+1"));
    }

    #[test]
    fn what_is_no_table_gives_no_versions() {
        for text in ["", "|", "||||", "a | -o=x | y", "a b | 1", "N: Unable to locate package"] {
            assert_eq!(parse_versions(text), [], "{text}");
        }
    }

    #[test]
    fn a_machine_without_lists_still_knows_its_archive() {
        let text = "'http://archive/debian/dists/bookworm/InRelease' archive_InRelease 0 \n\
             'http://archive/debian/dists/bookworm/main/binary-amd64/Packages.xz' x 0 \n\
             'http://archive/debian-security/dists/bookworm-security/InRelease' y 0 \nnonsense\n'\n''";
        assert_eq!(parse_planned(text), ["http://archive/debian"]);
    }

    #[test]
    fn a_nightly_is_refused_before_anything_is_fetched() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let toolchain = Toolchain { release: "1.99.0-nightly".into(), commit: None, version_text: String::new() };
        let error = fetch(&Context::for_tests(dir.path()), &toolchain, None, dir.path(), &()).expect_err("refused");
        assert!(error.to_string().contains("rustup component add rust-src"), "{error}");
    }

    #[test]
    fn a_machine_without_apt_is_told_so() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut context = Context::for_tests(dir.path());
        context.environment = vec![("PATH".into(), dir.path().into())];
        let error = possible(&context).expect_err("no programs there");
        assert_eq!(error.to_string(), "not possible here: there is no apt-get");
    }
}
