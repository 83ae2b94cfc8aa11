//! New tool folders: whole, small, and worth copying.
//!
//! Nothing that exists is ever overwritten: the folder is written beside its place and renamed when it is complete.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::languages::{self, Language};

/// A file of a template. `@NAME@` stands for the tool's name in its path and text, `@CRATE@` for its name with `_` for `-`.
#[derive(Clone, Copy, Debug)]
pub struct TemplateFile {
    /// Its path in the tool's folder, with `/`.
    pub path: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// The new folder.
    pub folder: PathBuf,
    /// Its files, relative to it.
    pub files: Vec<PathBuf>,
}

/// The longest name, as for every component.
const MAX_NAME: usize = toolcell_core::tool::MAX_COMPONENT_NAME;

/// Makes `parent/name` with a tool in the named language.
///
/// # Errors
/// Where there is no such language, where the name cannot be a tool's, where something of that name exists, or where the folder
/// cannot be written.
pub fn scaffold(name: &str, language: &str, parent: &Path) -> Result<Created, NewError> {
    let language = languages::named(language)
        .ok_or_else(|| NewError::Language { name: shown(language), known: languages::names() })?;
    check_name(language, name)?;
    let folder = parent.join(name);
    // A dangling link is something, too.
    if fs::symlink_metadata(&folder).is_ok() {
        return Err(NewError::Exists { path: folder });
    }
    let unwritten = |path: &Path| {
        let path = path.to_owned();
        move |source| NewError::Write { path, source }
    };
    let scratch = tempfile::Builder::new().prefix(".toolcell-new-").tempdir_in(parent).map_err(unwritten(parent))?;
    // A folder of its own inside: the temporary one is private to the user, which a tool's need not be.
    let inner = scratch.path().join(name);
    let mut files = Vec::new();
    for file in language.template() {
        let relative = PathBuf::from(render(file.path, name));
        let path = inner.join(&relative);
        let holder = path.parent().unwrap_or(&inner);
        fs::create_dir_all(holder).map_err(unwritten(holder))?;
        fs::write(&path, render(file.text, name)).map_err(unwritten(&path))?;
        files.push(relative);
    }
    // Renaming replaces an empty folder at most, never one with anything in it.
    fs::rename(&inner, &folder).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotADirectory => {
            NewError::Exists { path: folder.clone() }
        }
        _ => NewError::Write { path: folder.clone(), source },
    })?;
    Ok(Created { folder, files })
}

/// A tool that was not made.
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    /// No such language.
    #[error("`{name}` is no language that tools can be made in here (known: {known})")]
    Language {
        /// The name, escaped and cut.
        name: String,
        /// The languages there are.
        known: String,
    },
    /// The name cannot be a tool's.
    #[error("`{name}` cannot name a tool: {problem}")]
    Name {
        /// The name, escaped and cut.
        name: String,
        /// Why.
        problem: &'static str,
    },
    /// Something is there.
    #[error("{} exists already; choose another name or folder, nothing was changed", path.display())]
    Exists {
        /// The place.
        path: PathBuf,
    },
    /// A file or folder cannot be written.
    #[error("{} cannot be written: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The name becomes a folder, a component, a WIT package and world, and a package of the language: it must fit all of them.
fn check_name(language: &dyn Language, name: &str) -> Result<(), NewError> {
    let problem = if name.is_empty() || name.len() > MAX_NAME {
        Some("use 1 to 64 characters")
    } else if !name.split('-').all(is_word) {
        Some("use lower-case words of letters and digits, each beginning with a letter, with `-` between them")
    } else if WIT_KEYWORDS.contains(&name) {
        Some("it is a keyword of WIT")
    } else {
        language.refuses_name(name)
    };
    match problem {
        None => Ok(()),
        Some(problem) => Err(NewError::Name { name: shown(name), problem }),
    }
}

/// What a message may show of a name that somebody typed or pasted.
fn shown(name: &str) -> String {
    name.chars().take(80).flat_map(char::escape_debug).collect()
}

/// WIT's rule for a part of a kebab-case name (Component Model, WIT.md, "Identifiers"), lower case only.
fn is_word(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

fn render(text: &str, name: &str) -> String {
    text.replace("@NAME@", name).replace("@CRATE@", &name.replace('-', "_"))
}

/// Component Model, WIT.md, "Keywords".
const WIT_KEYWORDS: &[&str] = &[
    "as",
    "async",
    "bool",
    "borrow",
    "char",
    "constructor",
    "enum",
    "error-context",
    "export",
    "f32",
    "f64",
    "flags",
    "from",
    "func",
    "future",
    "import",
    "include",
    "interface",
    "list",
    "map",
    "option",
    "own",
    "package",
    "record",
    "resource",
    "result",
    "s16",
    "s32",
    "s64",
    "s8",
    "static",
    "stream",
    "string",
    "tuple",
    "type",
    "u16",
    "u32",
    "u64",
    "u8",
    "use",
    "variant",
    "with",
    "world",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::languages::LANGUAGES;

    #[test]
    fn a_new_tool_has_no_placeholder_left_and_reads_as_a_tool() {
        for language in LANGUAGES {
            for name in ["a", "my-tool2", "x".repeat(64).as_str()] {
                let dir = tempfile::tempdir().expect("a temporary folder");
                let created = scaffold(name, language.name(), dir.path()).expect("creates");
                assert_eq!(created.folder, dir.path().join(name));
                assert_eq!(fs::read_dir(dir.path()).expect("reads").count(), 1, "nothing else is left");
                for file in &created.files {
                    let text = fs::read_to_string(created.folder.join(file)).expect("reads");
                    for placeholder in ["@NAME@", "@CRATE@", "TODO"] {
                        assert!(!text.contains(placeholder), "{}: {placeholder}", file.display());
                    }
                }
                let manifest = fs::read(created.folder.join("tool.toml")).expect("reads");
                let manifest = toolcell_core::manifest::Manifest::parse(&manifest).expect("parses");
                assert_eq!(manifest.name, name);
                let cases = crate::cases::load(&created.folder).expect("its cases read");
                assert!(!cases.is_empty());
                let docs = crate::docs::extract(&created.folder, &[]).expect("its WIT reads");
                assert_eq!((docs.json.is_some(), docs.notes.as_slice()), (true, &[][..]));
            }
        }
    }

    #[test]
    fn what_exists_is_never_overwritten() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let place = dir.path().join("sample");
        fs::create_dir(&place).expect("made");
        fs::write(place.join("mine.txt"), "mine").expect("written");
        let error = scaffold("sample", "rust", dir.path()).expect_err("refused");
        assert!(matches!(error, NewError::Exists { .. }), "{error}");
        assert_eq!(fs::read_dir(&place).expect("reads").count(), 1);
        fs::write(dir.path().join("file"), "").expect("written");
        assert!(matches!(scaffold("file", "rust", dir.path()), Err(NewError::Exists { .. })));
        assert!(matches!(scaffold("x", "rust", &dir.path().join("none")), Err(NewError::Write { .. })));
        assert!(matches!(scaffold("x", "cobol", dir.path()), Err(NewError::Language { .. })));
        assert_eq!(fs::read_dir(dir.path()).expect("reads").count(), 2);
    }

    #[test]
    fn names_that_fit_not_everywhere_are_refused() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let long = "x".repeat(65);
        for name in [
            "",
            "-",
            "a-",
            "-a",
            "a--b",
            "A",
            "a_b",
            "a b",
            "a/b",
            "..",
            ".",
            "1a",
            "a-1",
            "ä",
            "a\0b",
            "a\u{1b}[2J",
            "fn",
            "type",
            "record",
            "test",
            "core",
            "wit-bindgen",
            &long,
        ] {
            for language in LANGUAGES {
                let error = scaffold(name, language.name(), dir.path()).expect_err(name);
                assert!(matches!(error, NewError::Name { .. }), "{name}: {error}");
                assert!(!error.to_string().contains('\u{1b}'));
            }
        }
        assert_eq!(fs::read_dir(dir.path()).expect("reads").count(), 0);
    }
}
