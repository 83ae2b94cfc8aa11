//! Test cases as data: what to call, with what, and what must come out.
//!
//! Reads `cases/*.json` strictly and compares results with expectations. It never runs a call: whoever does hands in
//! the outcome, so that the same cases serve `toolcell test`, the end-to-end tests and any other runner.

mod check;
mod upstream;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use toolcell_core::manifest::{Access, is_config_key, is_guest_path};

pub use check::{Difference, FailureView, MAX_DIFFERENCES, Mismatch, check};
pub use upstream::{Answer, Exchange, Request, Upstream};

/// The largest file of cases, in bytes: a call's arguments have 16 MiB at most.
pub const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// The file it stands in.
    pub file: PathBuf,
    /// The line of the file on which it begins, from 1.
    pub line: usize,
    /// A sentence that says what holds; unique in its file.
    pub name: String,
    /// `function` or `interface.function`.
    pub tool: String,
    /// The arguments exactly as written, so that a case can hold what a parser would already have changed or refused.
    pub arguments: Box<RawValue>,
    /// Folders that the call may see.
    pub mounts: Vec<Mount>,
    /// What answers the call's requests, by origin. What is not here is not granted to the call either.
    pub upstream: Vec<Upstream>,
    /// The settings that the call reads.
    pub config: BTreeMap<String, String>,
    /// How far a number may be off, in absolute terms; 0 means equal.
    pub tolerance: f64,
    /// What must come out.
    pub expect: Expect,
}

/// A folder that a case's call may see.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Mount {
    /// Relative to the tool's folder, and inside of it.
    pub host: PathBuf,
    /// An absolute path in the guest.
    pub guest: String,
    /// How.
    pub access: Access,
}

/// What must come out. Exactly one of these stands in a case.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Expect {
    /// The whole result.
    Value(Value),
    /// A part of the result: every member that is given is there and fits; arrays in full length.
    Includes(Value),
    /// A failure.
    Failure(ExpectedFailure),
}

/// The failure that must come out.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ExpectedFailure {
    /// Its kind.
    pub kind: String,
    /// Its JSON pointer, where that matters.
    #[serde(default)]
    pub pointer: Option<String>,
    /// A part of its message, where that matters.
    #[serde(default)]
    pub message_contains: Option<String>,
}

/// Reads all cases of a tool's folder, by file name and then in the order of the file. A folder without cases has none.
pub fn load(folder: &Path) -> Result<Vec<Case>, CasesError> {
    let place = folder.join("cases");
    let unreadable = |source| CasesError::Unreadable { path: place.clone(), source };
    let entries = match fs::read_dir(&place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(unreadable)?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    let mut cases = Vec::new();
    for path in files {
        cases.extend(parse(&path, &read(&path)?)?);
    }
    Ok(cases)
}

/// Reads the text of one file. `path` is for messages only.
pub fn parse(path: &Path, text: &str) -> Result<Vec<Case>, CasesError> {
    let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|source| CasesError::Malformed {
        path: path.to_owned(),
        line: source.line(),
        column: source.column(),
        problem: problem_of(&source),
    })?;
    let mut names = BTreeSet::new();
    let mut cases = Vec::with_capacity(items.len());
    let mut lines = Lines::new(text);
    for (index, item) in items.into_iter().enumerate() {
        let (line, column) = lines.of(item.get());
        let refuse = |problem: String, line: usize, column: usize| CasesError::Case {
            path: path.to_owned(),
            line,
            column,
            case: name_of(item).unwrap_or_else(|| format!("number {}", index + 1)),
            problem,
        };
        let mut written: Written = serde_json::from_str(item.get()).map_err(|source| {
            // serde_json counts from the item's own beginning.
            let at = if source.line() == 1 { column + source.column().saturating_sub(1) } else { source.column() };
            refuse(problem_of(&source), line + source.line().saturating_sub(1), at)
        })?;
        written.check().map_err(|problem| refuse(problem, line, column))?;
        let upstream = upstream::check(std::mem::take(&mut written.upstream));
        let upstream = upstream.map_err(|problem| refuse(problem, line, column))?;
        if !names.insert(written.name.clone()) {
            return Err(refuse("another case in this file has the same name".to_owned(), line, column));
        }
        cases.push(Case {
            file: path.to_owned(),
            line,
            name: written.name,
            tool: written.tool,
            arguments: written.arguments,
            mounts: written.mounts,
            upstream,
            config: written.config,
            tolerance: written.tolerance,
            expect: written.expect,
        });
    }
    Ok(cases)
}

/// Cases that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CasesError {
    /// A file or folder cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Over [`MAX_FILE_BYTES`].
    #[error("{} has more than {MAX_FILE_BYTES} bytes; split it", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Not a JSON array.
    #[error("{}:{line}:{column}: {problem}; a file of cases is a JSON array of objects", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong there.
        problem: String,
    },
    /// A case is not in the format.
    #[error("{}:{line}:{column}: case `{case}`: {problem}", path.display())]
    Case {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// The case's name, or its number in the file.
        case: String,
        /// What is wrong.
        problem: String,
    },
}

/// A case as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    name: String,
    tool: String,
    arguments: Box<RawValue>,
    #[serde(default)]
    mounts: Vec<Mount>,
    #[serde(default, deserialize_with = "upstream::once_each")]
    upstream: BTreeMap<String, Vec<Exchange>>,
    #[serde(default, deserialize_with = "upstream::once_each")]
    config: BTreeMap<String, String>,
    #[serde(default)]
    tolerance: f64,
    expect: Expect,
}

impl Written {
    fn check(&self) -> Result<(), String> {
        if self.name.trim().is_empty() {
            return Err("`name` is empty; write a sentence that says what holds".to_owned());
        }
        if self.tool.is_empty() {
            return Err("`tool` is empty; name an exported function".to_owned());
        }
        // Written so that NaN would be refused too.
        if !(self.tolerance >= 0.0 && self.tolerance.is_finite()) {
            return Err("`tolerance` must be a number that is not negative".to_owned());
        }
        if let Some(key) = self.config.keys().find(|key| !is_config_key(key)) {
            return Err(format!("`config`: {key:?} cannot name a setting: give 1 to 64 visible characters"));
        }
        for mount in &self.mounts {
            let inside = mount.host.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
            if !inside || mount.host.as_os_str().is_empty() {
                return Err(format!(
                    "the mount's `host` `{}` must be a relative path inside the tool's folder",
                    mount.host.display()
                ));
            }
            if !is_guest_path(&mount.guest) {
                return Err(format!(
                    "the mount's `guest` `{}` must be an absolute path without `.`, `..` or `//`",
                    mount.guest
                ));
            }
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<String, CasesError> {
    let unreadable = |source| CasesError::Unreadable { path: path.to_owned(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(CasesError::TooLarge { path: path.to_owned() });
    }
    Ok(text)
}

/// The message without the place, which is said in the file's own terms.
fn problem_of(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// The name of a case that is otherwise wrong.
fn name_of(item: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    serde_json::from_str::<Named>(item.get()).ok().map(|named| named.name.chars().take(120).collect())
}

/// Where parts of a text stand, asked from front to back, so that finding all of them costs one pass.
struct Lines<'a> {
    text: &'a str,
    seen: usize,
    line: usize,
    line_begin: usize,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, seen: 0, line: 1, line_begin: 0 }
    }

    /// Line and column, both from 1, of a slice of the text.
    fn of(&mut self, part: &str) -> (usize, usize) {
        let at = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize).min(self.text.len());
        for (index, byte) in self.text.as_bytes()[self.seen.min(at)..at].iter().enumerate() {
            if *byte == b'\n' {
                self.line += 1;
                self.line_begin = self.seen + index + 1;
            }
        }
        self.seen = self.seen.max(at);
        (self.line, at.saturating_sub(self.line_begin) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<Case>, String> {
        parse(Path::new("cases/a.json"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_whole_case_is_read() {
        let cases = parsed(
            r#"[
  { "name": "It finds.", "tool": "query", "arguments": {"a": 1, "a": 2},
    "mounts": [{ "host": "cases/docs", "guest": "/docs", "access": "read-only" }],
    "config": { "unit": "m" }, "expect": { "value": [1] }, "tolerance": 1e-9 },
  { "name": "It fails.", "tool": "i.query", "arguments": null,
    "expect": { "failure": { "kind": "invalid-argument", "pointer": "/path", "message-contains": "x" } } }
]"#,
        )
        .expect("reads");
        assert_eq!((cases[0].line, cases[1].line), (2, 5));
        assert_eq!(cases[0].arguments.get(), r#"{"a": 1, "a": 2}"#, "the arguments are kept as written");
        assert_eq!(cases[0].mounts[0].access, Access::ReadOnly);
        assert_eq!(cases[0].config["unit"], "m");
        assert!((cases[0].tolerance - 1e-9).abs() < f64::EPSILON);
        assert_eq!(cases[0].expect, Expect::Value(serde_json::json!([1])));
        assert!(matches!(&cases[1].expect, Expect::Failure(failure) if failure.pointer.as_deref() == Some("/path")));
    }

    #[test]
    fn what_is_wrong_is_named_with_file_line_and_case() {
        let case = |rest: &str| format!("[\n {{ \"name\": \"N\", \"tool\": \"t\", \"arguments\": {{}}, {rest} }}]");
        for (text, parts) in [
            (case("\"expect\": {\"value\": 1}, \"tolerence\": 1"), vec!["cases/a.json:2:", "`N`", "unknown field `tolerence`"]),
            (case("\"expect\": {}"), vec!["`N`"]),
            (case("\"expect\": {\"value\": 1, \"includes\": 2}"), vec!["`N`"]),
            (case("\"expect\": {\"failure\": {}}"), vec!["`N`", "`kind`"]),
            (case("\"expect\": {\"failure\": {\"kind\": \"fatal\", \"recovery\": \"stop\"}}"), vec!["unknown field `recovery`"]),
            (case("\"expect\": {\"value\": 1}, \"tolerance\": -1"), vec!["`tolerance`"]),
            (case("\"expect\": {\"value\": 1}, \"config\": {\"\": \"\"}"), vec!["`config`"]),
            (case("\"expect\": {\"value\": 1}, \"config\": {\"a\": \"\", \"a\": \"\"}"), vec!["twice"]),
            (case("\"expect\": {\"value\": 1}, \"name\": \"M\""), vec!["duplicate field `name`"]),
            (case("\"expect\": {\"value\": 1}, \"mounts\": [{\"host\": \"../x\", \"guest\": \"/x\", \"access\": \"read-only\"}]"), vec!["`host`"]),
            (case("\"expect\": {\"value\": 1}, \"mounts\": [{\"host\": \"/etc\", \"guest\": \"/x\", \"access\": \"read-only\"}]"), vec!["`host`"]),
            (case("\"expect\": {\"value\": 1}, \"mounts\": [{\"host\": \"a\", \"guest\": \"/x/..\", \"access\": \"read-only\"}]"), vec!["`guest`"]),
            (case("\"expect\": {\"value\": 1}, \"mounts\": [{\"host\": \"a\", \"guest\": \"/x\", \"access\": \"all\"}]"), vec!["`all`"]),
            ("[{}]".into(), vec!["cases/a.json:1:", "case `number 1`", "missing field"]),
            ("{}".into(), vec!["cases/a.json:1:", "JSON array"]),
            (String::new(), vec!["cases/a.json:1:0"]),
            ("[{\"name\":\"N\",\"tool\":\"t\",\"arguments\":{},\"expect\":{\"value\":1}}, {\"name\":\"N\",\"tool\":\"t\",\"arguments\":{},\"expect\":{\"value\":1}}]".into(), vec!["same name"]),
        ] {
            let error = parsed(&text).expect_err(&text);
            for part in parts {
                assert!(error.contains(part), "{text}\n{error}\nlacks {part}");
            }
        }
    }

    #[test]
    fn hostile_files_are_refused_at_bounded_cost() {
        for text in [
            "[".repeat(1_000_000),
            "[{\"name\":".repeat(200_000),
            "\u{0}".repeat(1_000),
            "[1e999]".into(),
            "nul".into(),
        ] {
            assert!(parsed(&text).is_err());
        }
        let many: Vec<String> = (0..20_000)
            .map(|n| {
                format!("{{\"name\":\"case {n}\",\"tool\":\"t\",\"arguments\":{{}},\n\"expect\":{{\"value\":{n}}}}}")
            })
            .collect();
        let cases = parsed(&format!("[{}]", many.join(",\n"))).expect("reads");
        assert_eq!((cases.len(), cases[19_999].line), (20_000, 39_999));
    }

    #[test]
    fn a_folder_is_read_in_the_order_of_its_files() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        assert!(load(dir.path()).expect("none").is_empty());
        fs::create_dir(dir.path().join("cases")).expect("made");
        for name in ["b", "a"] {
            let text =
                format!("[{{\"name\":\"{name}\",\"tool\":\"t\",\"arguments\":{{}},\"expect\":{{\"value\":1}}}}]");
            fs::write(dir.path().join(format!("cases/{name}.json")), text).expect("written");
        }
        fs::write(dir.path().join("cases/data.csv"), "not a case").expect("written");
        let names: Vec<_> = load(dir.path()).expect("reads").into_iter().map(|case| case.name).collect();
        assert_eq!(names, ["a", "b"]);
    }
}
