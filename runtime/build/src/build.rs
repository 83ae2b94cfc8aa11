//! From a tool's folder to one file: `NAME.wasm` with manifest and docs inside.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use toolcell_core::docs::DOCS_SECTION;
use toolcell_core::manifest::{MANIFEST_SECTION, MAX_MANIFEST_BYTES, Manifest, ManifestError};
use toolcell_core::{ComponentName, Digest};

use crate::context::Context;
use crate::contract;
use crate::docs::{self, WitError};
use crate::fingerprint::{Record, folder_digest};
use crate::languages::{self, CompileError, Inputs, Language};
use crate::progress::{BuildEvent, Progress};
use crate::section::{self, SectionError};

/// Changes when the same inputs give another component; part of every fingerprint.
const RECIPE: u32 = 1;

/// Functions of the C library that a guest's own standard library calls. A root export of the same name replaces them without a
/// word from the linker: one called `write` makes every `println!` trap.
const C_LIBRARY: &[&str] = &[
    "abort", "access", "calloc", "close", "connect", "exit", "free", "link", "malloc", "mkdir", "open", "poll", "read",
    "realloc", "recv", "remove", "rename", "rmdir", "send", "sleep", "stat", "time", "unlink", "write",
];

/// One folder to build.
#[derive(Clone, Debug)]
pub struct Request {
    /// The tool's folder.
    pub folder: PathBuf,
    /// The folder for the component. It is made when it is missing.
    pub out: PathBuf,
    /// The component's name; none takes the manifest's.
    pub name: Option<ComponentName>,
    /// Whether a component that is still right is left as it is.
    pub freshness: Freshness,
}

/// Whether a component that is still right is left as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Freshness {
    /// Nothing runs where nothing changed.
    #[default]
    Trust,
    /// The language's own build system is always asked.
    Ignore,
}

/// A finished component.
#[derive(Clone, Debug)]
pub struct Built {
    /// Its name: the file stem.
    pub name: ComponentName,
    /// The file.
    pub output: PathBuf,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Whether it was already there and nothing had to run.
    pub fresh: bool,
    /// Its manifest.
    pub manifest: Manifest,
}

/// Builds several folders, one after the other: a compiler uses all cores by itself. One that fails stops no other.
pub fn build_all(context: &Context, requests: &[Request], progress: &dyn Progress) -> Vec<Result<Built, BuildError>> {
    requests.iter().map(|request| build(context, request, progress)).collect()
}

/// Builds one folder.
///
/// # Errors
/// Where the folder is no tool, does not compile, or the component cannot be written. What was at the output's place stays there.
pub fn build(context: &Context, request: &Request, progress: &dyn Progress) -> Result<Built, BuildError> {
    progress.event(BuildEvent::Started { folder: &request.folder });
    let folder = request
        .folder
        .canonicalize()
        .map_err(|source| BuildError::NoFolder { path: request.folder.clone(), source })?;
    let (manifest_bytes, manifest) = read_manifest(&folder)?;
    let name = match &request.name {
        Some(name) => name.clone(),
        None => manifest.name.parse().map_err(|_| BuildError::Name { name: manifest.name.clone() })?,
    };
    let language = languages::of(&folder)
        .ok_or_else(|| BuildError::NoLanguage { path: folder.clone(), known: languages::names() })?;
    fs::create_dir_all(&request.out).map_err(|source| BuildError::Write { path: request.out.clone(), source })?;
    let out = request.out.canonicalize().map_err(|source| BuildError::Write { path: request.out.clone(), source })?;
    let output = out.join(format!("{name}.wasm"));

    let settings = settings(language, context, &folder)?;
    let left_out = [output.as_path(), context.cache.as_path(), context.target_dir.as_path()];
    let before =
        folder_digest(&folder, &left_out).map_err(|source| BuildError::NoFolder { path: folder.clone(), source })?;
    let record_path = record_path(context, &folder, &output);
    if request.freshness == Freshness::Trust
        && let (Some(record), Some(before)) = (Record::read(&record_path), before)
        && record.holds(settings, before, &output)
    {
        progress.event(BuildEvent::Fresh { output: &output, digest: record.output });
        return Ok(Built { name, output, digest: record.output, size: record.size, fresh: true, manifest });
    }

    let begun = Begun::now(context);
    let compiled = language.compile(context, &folder, progress)?;
    for export in section::exports(&compiled.component)?.iter().filter(|export| C_LIBRARY.contains(&export.as_str())) {
        progress.event(BuildEvent::Shadows { export });
    }
    let component = furnish(&folder, &compiled.component, &manifest_bytes, progress)?;
    let digest = Digest::of(&component);
    let size = component.len() as u64;
    write(&output, &component).map_err(|source| BuildError::Write { path: output.clone(), source })?;
    if let (Inputs::Known(outside), Some(before)) = (&compiled.inputs, before)
        && begun.is_some_and(|begun| begun.is_after(outside))
        && let Some(record) = Record::new(settings, before, outside, digest, size)
    {
        // Without a record the next build asks the compiler; that is no reason to fail this one.
        let _ = record.write(&record_path);
    }
    progress.event(BuildEvent::Done { output: &output, digest, size });
    Ok(Built { name, output, digest, size, fresh: false, manifest })
}

/// A folder that did not become a component.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// There is no such folder, or it cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    NoFolder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It has no manifest.
    #[error("{} has no tool.toml; a tool needs one with at least `name` and `version` (`toolcell new` writes a whole tool)", path.display())]
    NoManifest {
        /// The folder.
        path: PathBuf,
    },
    /// The manifest cannot be used.
    #[error("{}: {source}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Why.
        source: ManifestError,
    },
    /// The manifest's name cannot be a file's.
    #[error("`{name}` cannot name a component; set `name` in tool.toml")]
    Name {
        /// The name.
        name: String,
    },
    /// No language recognises it.
    #[error("{} is in no language that can be built here (known: {known})", path.display())]
    NoLanguage {
        /// The folder.
        path: PathBuf,
        /// The languages there are.
        known: String,
    },
    /// It does not compile.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// What the compiler made is no component.
    #[error("the compiler's output cannot be used: {0}")]
    Component(#[from] SectionError),
    /// Its WIT cannot be used.
    #[error(transparent)]
    Wit(#[from] WitError),
    /// The component cannot be written.
    #[error("{} cannot be written: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The moment at which a compiler began, by the file system's own clock.
///
/// Which files outside of the folder count is known only when the compiler has ended, and one that was edited meanwhile
/// would be recorded with bytes that the compiler may never have seen.
struct Begun(SystemTime);

impl Begun {
    fn now(context: &Context) -> Option<Self> {
        fs::create_dir_all(&context.cache).ok()?;
        let mark = tempfile::NamedTempFile::new_in(&context.cache).ok()?;
        mark.as_file().metadata().and_then(|data| data.modified()).ok().map(Self)
    }

    fn is_after(&self, files: &[PathBuf]) -> bool {
        files.iter().all(|file| match fs::metadata(file).and_then(|data| data.modified()) {
            Ok(modified) => modified < self.0,
            Err(error) => matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
        })
    }
}

fn read_manifest(folder: &Path) -> Result<(Vec<u8>, Manifest), BuildError> {
    let path = folder.join("tool.toml");
    let unreadable = |source| BuildError::NoFolder { path: path.clone(), source };
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(BuildError::NoManifest { path: folder.to_owned() });
        }
        file => file.map_err(unreadable)?,
    };
    let mut bytes = Vec::new();
    // One byte more than is allowed shows that there is more.
    file.take(MAX_MANIFEST_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    match Manifest::parse(&bytes) {
        Ok(manifest) => Ok((bytes, manifest)),
        Err(source) => Err(BuildError::Manifest { path, source }),
    }
}

/// Everything beside files that decides the component.
fn settings(language: &dyn Language, context: &Context, folder: &Path) -> Result<Digest, BuildError> {
    let mut text = format!("{RECIPE}\n{}\n{}\n", env!("CARGO_PKG_VERSION"), language.name());
    text.push_str(&language.settings(context, folder)?);
    for (name, package) in contract::PACKAGES {
        text.push_str(name);
        text.push_str(package);
    }
    Ok(Digest::of(text.as_bytes()))
}

/// The component with manifest and docs inside.
fn furnish(folder: &Path, compiled: &[u8], manifest: &[u8], progress: &dyn Progress) -> Result<Vec<u8>, BuildError> {
    let docs = docs::extract(folder, &section::exports(compiled)?)?;
    for note in &docs.notes {
        progress.event(BuildEvent::Docs(note));
    }
    let mut sections: Vec<(&str, &[u8])> = vec![(MANIFEST_SECTION, manifest)];
    sections.extend(docs.json.as_deref().map(|json| (DOCS_SECTION, json)));
    let component = section::embed(compiled, &sections)?;
    progress.event(BuildEvent::Embedded { manifest: manifest.len(), docs: docs.json.as_ref().map_or(0, Vec::len) });
    Ok(component)
}

/// Writes the component whole or not at all, and not where it is there already: whoever watches the file sees real changes only.
fn write(output: &Path, component: &[u8]) -> io::Result<()> {
    if fs::metadata(output).is_ok_and(|found| found.len() == component.len() as u64)
        && fs::read(output).is_ok_and(|found| found == component)
    {
        return Ok(());
    }
    let folder = output.parent().unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".toolcell-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // As any new file: the process's umask takes away what the user does not want to give.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(component)?;
    file.as_file().sync_all()?;
    file.persist(output).map_err(|error| error.error)?;
    // The rename itself lasts only when the folder is written too; not every file system can.
    #[cfg(unix)]
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

/// One record for each pair of source and output.
fn record_path(context: &Context, folder: &Path, output: &Path) -> PathBuf {
    let mut key = folder.as_os_str().as_encoded_bytes().to_vec();
    key.push(0);
    key.extend_from_slice(output.as_os_str().as_encoded_bytes());
    context.cache.join("fingerprints").join(format!("{}.json", Digest::of(&key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(folder: &Path) -> Request {
        Request { folder: folder.to_owned(), out: folder.join("out"), name: None, freshness: Freshness::Trust }
    }

    fn refused(files: &[(&str, &str)]) -> String {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for (name, text) in files {
            fs::write(dir.path().join(name), text).expect("written");
        }
        build(&Context::for_tests(dir.path()), &request(dir.path()), &()).expect_err("refused").to_string()
    }

    #[test]
    fn what_is_no_tool_says_what_is_missing() {
        assert!(refused(&[]).contains("has no tool.toml"));
        let manifest = ("tool.toml", "name = \"a\"\nversion = \"0.1.0\"\n");
        assert!(refused(&[manifest]).contains("known: rust"));
        let error = build(&Context::for_tests(Path::new("/c")), &request(Path::new("/no/such/folder")), &())
            .expect_err("refused");
        assert!(matches!(error, BuildError::NoFolder { .. }), "{error}");
    }

    #[test]
    fn a_hostile_manifest_is_refused_with_its_place() {
        for (text, part) in [
            (
                "name = \"a\"\nversion = \"0.1.0\"\nnetwork = true\n",
                "tool.toml: line 3, column 1: unknown field `network`",
            ),
            ("name = \"../../etc/passwd\"\nversion = \"1\"\n", "`name`"),
            ("name = [[[[", "line 1"),
            ("", "missing field"),
        ] {
            let error = refused(&[("tool.toml", text)]);
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(refused(&[("tool.toml", &"#".repeat(10 << 20))]).contains("at most 65536"));
    }

    #[test]
    fn one_folder_that_fails_stops_no_other() {
        let results =
            build_all(&Context::for_tests(Path::new("/c")), &[request(Path::new("/a")), request(Path::new("/b"))], &());
        assert_eq!(results.len(), 2);
        assert!(results.iter().all(Result::is_err));
    }

    #[test]
    fn a_component_is_furnished_the_same_way_twice() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(dir.path().join("wit")).expect("folder");
        fs::write(dir.path().join("wit/world.wit"), "package a:b;\n/// A world.\nworld w { }").expect("written");
        let bare = wasm_encoder::Component::new().finish();
        let once = furnish(dir.path(), &bare, b"name = 1", &()).expect("furnished");
        assert_eq!(section::find(&once, MANIFEST_SECTION).expect("reads"), Some(&b"name = 1"[..]));
        assert_eq!(
            section::find(&once, DOCS_SECTION).expect("reads"),
            Some(&br#"{"version":1,"component":"A world.","tools":{}}"#[..])
        );
        assert_eq!(furnish(dir.path(), &once, b"name = 1", &()).expect("furnished"), once);
        assert!(matches!(furnish(dir.path(), b"\0asm\x01\0\0\0", b"", &()), Err(BuildError::Component(_))));
    }

    #[test]
    fn writing_the_same_bytes_leaves_the_file_alone() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let output = dir.path().join("a.wasm");
        write(&output, b"one").expect("written");
        let before = fs::metadata(&output).expect("is there").modified().expect("has a time");
        write(&output, b"one").expect("written");
        assert_eq!(fs::metadata(&output).expect("is there").modified().expect("has a time"), before);
        write(&output, b"two").expect("written");
        assert_eq!(fs::read(&output).expect("reads"), b"two");
        assert_eq!(fs::read_dir(dir.path()).expect("reads").count(), 1, "no temporary file is left");
    }
}
