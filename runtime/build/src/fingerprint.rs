//! Whether anything changed since a component was built, in milliseconds.
//!
//! A record says which bytes went in and which came out. It holds only where every input is known and unchanged and the
//! output is still the recorded one; in any doubt there is no record, and the language's own build system decides.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use toolcell_core::Digest;

/// The version of the record; another one is not read.
const FORMAT: u32 = 1;

/// More files than a tool's folder has; hashing them would cost more than asking the build system.
const MAX_FILES: usize = 10_000;

/// More bytes than are worth hashing on each build: about a second's work.
const MAX_BYTES: u64 = 512 * 1024 * 1024;

/// The largest record that is read: a path takes about 150 bytes.
const MAX_RECORD_BYTES: u64 = 16 * 1024 * 1024;

/// What went in and what came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    format: u32,
    /// Compiler, flags, builder and contract.
    settings: Digest,
    /// Every file of the folder.
    folder: Digest,
    /// Files outside of it; none for one that did not exist.
    outside: Vec<(PathBuf, Option<Digest>)>,
    /// The component.
    pub(crate) output: Digest,
    /// Its size in bytes.
    pub(crate) size: u64,
}

impl Record {
    /// The record for a build that has just ended; none where its inputs cannot be told.
    ///
    /// `folder` was taken before the compiler ran, so an edit made meanwhile makes the record stale and not wrong.
    pub(crate) fn new(
        settings: Digest,
        folder: Digest,
        outside: &[PathBuf],
        output: Digest,
        size: u64,
    ) -> Option<Self> {
        let outside =
            outside.iter().map(|path| Some((path.clone(), file_digest(path).ok()?))).collect::<Option<_>>()?;
        Some(Self { format: FORMAT, settings, folder, outside, output, size })
    }

    /// Whether all inputs are as they were and the output is the one that came of them.
    pub(crate) fn holds(&self, settings: Digest, folder: Digest, output: &Path) -> bool {
        self.settings == settings
            && self.folder == folder
            && fs::metadata(output).is_ok_and(|found| found.len() == self.size)
            && self.outside.iter().all(|(path, digest)| file_digest(path).is_ok_and(|now| now == *digest))
            && file_digest(output).is_ok_and(|now| now == Some(self.output))
    }

    /// Reads a record; none where there is none that can be trusted.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        let mut text = Vec::new();
        file.take(MAX_RECORD_BYTES + 1).read_to_end(&mut text).ok()?;
        let record: Self = serde_json::from_slice(&text).ok()?;
        (record.format == FORMAT).then_some(record)
    }

    /// Keeps a record. A failure costs the next build its time and nothing else.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer(&file, self)?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }
}

/// The digest of every file in a folder, by name and content; none where the folder holds what cannot be told by that (a
/// symbolic link, a device) or too much.
///
/// `target` and `.git` at its root are left out, and so are the given paths: what builds write there is no input.
pub(crate) fn folder_digest(folder: &Path, left_out: &[&Path]) -> io::Result<Option<Digest>> {
    let mut hasher = Sha256::new();
    let mut files = 0;
    let mut bytes = 0;
    let mut open = vec![folder.to_owned()];
    while let Some(current) = open.pop() {
        let mut entries = fs::read_dir(&current)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let at_root = current == folder && (entry.file_name() == "target" || entry.file_name() == ".git");
            if at_root || left_out.contains(&path.as_path()) {
                continue;
            }
            let kind = entry.file_type()?;
            if kind.is_dir() {
                open.push(path);
                continue;
            }
            files += 1;
            bytes += entry.metadata()?.len();
            if !kind.is_file() || files > MAX_FILES || bytes > MAX_BYTES {
                return Ok(None);
            }
            // Both parts have a length of their own, so that no name can pass for content.
            let name = path.strip_prefix(folder).unwrap_or(&path).as_os_str().as_encoded_bytes();
            hasher.update((name.len() as u64).to_le_bytes());
            hasher.update(name);
            let Some(content) = file_digest(&path)? else { return Ok(None) };
            hasher.update(content.as_bytes());
        }
    }
    Ok(Some(Digest::from_bytes(hasher.finalize().into())))
}

/// The digest of a file's content; none where it does not exist.
fn file_digest(path: &Path) -> io::Result<Option<Digest>> {
    let mut file = match File::open(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        file => file?,
    };
    let mut hasher = Sha256::new();
    io::copy(&mut file, &mut hasher)?;
    Ok(Some(Digest::from_bytes(hasher.finalize().into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixture {
        dir: tempfile::TempDir,
    }

    impl Fixture {
        fn new() -> Self {
            let dir = tempfile::tempdir().expect("a temporary folder");
            let fixture = Self { dir };
            fixture.write("tool/src/lib.rs", "code");
            fixture.write("tool/target/x", "ignored");
            fixture.write("wit/tool.wit", "contract");
            fixture.write("out/tool.wasm", "component");
            fixture
        }

        fn path(&self, path: &str) -> PathBuf {
            self.dir.path().join(path)
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.path(path);
            fs::create_dir_all(path.parent().expect("has one")).expect("folders");
            fs::write(path, text).expect("written");
        }

        fn folder(&self) -> Option<Digest> {
            folder_digest(&self.path("tool"), &[]).expect("readable")
        }

        fn record(&self) -> Record {
            let outside = [self.path("wit/tool.wit"), self.path("gone/config.toml")];
            Record::new(settings(), self.folder().expect("known"), &outside, Digest::of(b"component"), 9)
                .expect("known")
        }

        fn holds(&self, record: &Record) -> bool {
            record.holds(settings(), self.folder().expect("known"), &self.path("out/tool.wasm"))
        }
    }

    fn settings() -> Digest {
        Digest::of(b"settings")
    }

    #[test]
    fn a_record_survives_its_file_and_holds_while_nothing_changes() {
        let fixture = Fixture::new();
        let path = fixture.path("cache/a/b.json");
        fixture.record().write(&path).expect("written");
        let record = Record::read(&path).expect("reads back");
        assert_eq!(record, fixture.record());
        assert!(fixture.holds(&record));
        fixture.write("tool/target/x", "changed");
        assert!(fixture.holds(&record), "the target folder is no input");
    }

    #[test]
    fn any_change_ends_it() {
        for (path, text) in [
            ("tool/src/lib.rs", "Code"),
            ("tool/src/new.rs", ""),
            ("wit/tool.wit", "changed"),
            ("gone/config.toml", "appeared"),
            ("out/tool.wasm", "componenT"),
            ("out/tool.wasm", "longer component"),
        ] {
            let fixture = Fixture::new();
            let record = fixture.record();
            assert!(fixture.holds(&record));
            fixture.write(path, text);
            assert!(!fixture.holds(&record), "{path} {text}");
        }
        let fixture = Fixture::new();
        let record = fixture.record();
        let folder = fixture.folder().expect("known");
        assert!(!record.holds(Digest::of(b"another compiler"), folder, &fixture.path("out/tool.wasm")));
        fs::remove_file(fixture.path("out/tool.wasm")).expect("removed");
        assert!(!fixture.holds(&record), "the output is gone");
    }

    #[test]
    fn names_and_content_do_not_run_together() {
        let fixture = Fixture::new();
        fixture.write("tool/a", "bc");
        let one = fixture.folder();
        fs::remove_file(fixture.path("tool/a")).expect("removed");
        fixture.write("tool/ab", "c");
        assert_ne!(one, fixture.folder());
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_with_links_cannot_be_told() {
        let fixture = Fixture::new();
        std::os::unix::fs::symlink("/etc/hostname", fixture.path("tool/link")).expect("linked");
        assert_eq!(fixture.folder(), None);
    }

    #[test]
    fn damaged_records_are_no_records() {
        let fixture = Fixture::new();
        let path = fixture.path("r.json");
        let good = serde_json::to_string(&fixture.record()).expect("JSON");
        for text in [
            "",
            "{}",
            "null",
            &good[..good.len() - 1],
            &good.replace("\"format\":1", "\"format\":2"),
            &"[".repeat(100_000),
        ] {
            fs::write(&path, text).expect("written");
            assert!(Record::read(&path).is_none(), "{text:.40}");
        }
        assert!(Record::read(&fixture.path("none.json")).is_none());
    }
}
