//! Runs `cases/*.json` of a network tool natively: the arguments go to the tool's own functions, and the upstream is the script that the
//! case holds. Owns the comparison and nothing of any tool. `toolcell test` runs the same cases through a component and a socket;
//! this is for seconds instead of minutes, and it knows less: no mounts, no schema of the arguments, no limits of the host.
//!
//! It panics, as tests do, and never where a component runs: tools depend on it for their tests alone.

mod compare;
mod storm;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Map, Value, json};
use toolcell_client::contract::Failure;
use toolcell_client::scripted::Script;

use crate::compare::{mismatch, rename};
use crate::storm::{Chance, answers};

/// One call of a case.
pub struct Call<'a> {
    /// The function.
    pub tool: &'a str,
    /// The arguments, with the cases of variants and enums as Rust spells them where [`Runner::variants`] says so.
    pub arguments: Value,
    /// The settings that the operator of the case has made.
    pub config: &'a Map<String, Value>,
    /// What the tool talks to.
    pub script: &'a Script,
}

/// A failure, as cases see it.
pub(crate) struct Refused {
    /// The kind, such as `invalid-argument`.
    pub(crate) kind: &'static str,
    /// The JSON pointer of an invalid argument.
    pub(crate) pointer: Option<String>,
    /// What the caller reads.
    pub(crate) message: String,
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        let (kind, pointer, message) = match failure {
            Failure::InvalidArgument(problem) => ("invalid-argument", Some(problem.pointer), problem.message),
            Failure::Unavailable(outage) => ("unavailable", None, outage.message),
            Failure::NotFound(message) => ("not-found", None, message),
            Failure::Conflict(message) => ("conflict", None, message),
            Failure::Denied(message) => ("denied", None, message),
            Failure::NeedsPerson(question) => ("needs-person", None, question.text),
            Failure::Fatal(message) => ("fatal", None, message),
        };
        Self { kind, pointer, message }
    }
}

/// What to know of a tool to run its cases.
pub struct Runner<'a> {
    /// The tool's folder: `env!("CARGO_MANIFEST_DIR")`.
    pub folder: &'a str,
    /// JSON pointers of arguments that are a variant or an enum; `*` stands for every item of a list.
    pub variants: &'a [&'a str],
}

impl Runner<'_> {
    /// Runs every case and compares.
    ///
    /// # Panics
    /// Where a case does not hold, with all that do not; and where the folder has no cases.
    pub fn run(&self, call: impl Fn(&Call<'_>) -> Result<Value, Failure>) {
        let folder = Path::new(self.folder);
        let manifest = std::fs::read_to_string(folder.join("tool.toml")).expect("a tool has a manifest");
        let mut failed = String::new();
        for (file, case) in self.cases() {
            let name = case["name"].as_str().expect("a case has a name");
            for problem in self.problems(&case, folder, &manifest, &call) {
                writeln!(failed, "\n{file}: {name}\n  {problem}").expect("a String takes all");
            }
        }
        assert!(failed.is_empty(), "{failed}");
    }

    /// Runs every case that has an upstream again and again, each time with another answer: other statuses, bodies that break off, that are
    /// damaged at some place, or that hold something else where a member was. Nothing is compared: the tool has to come back.
    ///
    /// # Panics
    /// Where the tool does.
    pub fn storm(&self, call: impl Fn(&Call<'_>) -> Result<Value, Failure>) {
        let mut chance = Chance(1);
        for (file, case) in self.cases() {
            for (origin, entries) in case["upstream"].as_object().into_iter().flatten() {
                let respond = &entries[0]["respond"];
                // What a test prints is shown where it fails.
                println!("{file}: {}", case["name"]);
                for answer in answers(respond, &mut chance) {
                    let script = Script::new(json!({ origin: [{ "when": {}, "respond": answer }] }), self.folder);
                    let _ = self.outcome(&case, &script, &call);
                }
            }
        }
    }

    /// Runs the first case of each function that expects a result, with a body of 8 MiB for an answer. Each of `expected` is a
    /// function and the kind of its failure, in alphabetical order.
    ///
    /// # Panics
    /// Where the tool does, takes such an answer for one, or fails with another kind.
    pub fn flood(&self, expected: &[(&str, &str)], call: impl Fn(&Call<'_>) -> Result<Value, Failure>) {
        let mut kinds = BTreeMap::new();
        for (_, case) in self.cases() {
            let tool = case["tool"].as_str().expect("a case names its function");
            let Some(origin) = case["upstream"].as_object().and_then(|upstream| upstream.keys().next()) else {
                continue;
            };
            if kinds.contains_key(tool) || case["expect"].get("failure").is_some() {
                continue;
            }
            let answer = json!({ "headers": { "content-type": "application/json" }, "body": format!("[\"{}\"]", "x".repeat(8 << 20)) });
            let outcome = self.outcome(&case, &Script::answering(origin, &answer), &call);
            kinds.insert(tool.to_owned(), outcome.expect_err("8 MiB are no answer").kind);
        }
        let kinds: Vec<_> = kinds.iter().map(|(tool, kind)| (tool.as_str(), *kind)).collect();
        assert_eq!(kinds, expected);
    }

    /// All cases, each with the name of its file.
    fn cases(&self) -> Vec<(String, Value)> {
        let mut files: Vec<_> = std::fs::read_dir(Path::new(self.folder).join("cases"))
            .expect("a tool has cases")
            .map(|entry| entry.expect("the folder can be read").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .collect();
        files.sort();
        let mut cases = Vec::new();
        for file in files {
            let text = std::fs::read_to_string(&file).expect("a file of cases can be read");
            let name = file.display().to_string();
            let of_file: Vec<Value> = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            cases.extend(of_file.into_iter().map(|case| (name.clone(), case)));
        }
        assert!(!cases.is_empty(), "{} has no cases", self.folder);
        cases
    }

    fn problems(
        &self,
        case: &Value,
        folder: &Path,
        manifest: &str,
        call: &impl Fn(&Call<'_>) -> Result<Value, Failure>,
    ) -> Vec<String> {
        let upstream = case.get("upstream").cloned().unwrap_or_else(|| json!({}));
        let mut problems: Vec<_> = upstream
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(origin, _)| !manifest.contains(&format!("\"{origin}/")))
            .map(|(origin, _)| format!("the manifest requests nothing at {origin}"))
            .collect();
        let script = Script::new(upstream, folder);
        let outcome = self.outcome(case, &script, call);
        problems.extend(script.problems());
        problems.extend(mismatch(&case["expect"], outcome));
        problems
    }

    fn outcome(
        &self,
        case: &Value,
        script: &Script,
        call: &impl Fn(&Call<'_>) -> Result<Value, Failure>,
    ) -> Result<Value, Refused> {
        let empty = Map::new();
        let mut arguments = case["arguments"].clone();
        for pointer in self.variants {
            rename(&mut arguments, &pointer.split('/').skip(1).collect::<Vec<_>>());
        }
        call(&Call {
            tool: case["tool"].as_str().expect("a case names its function"),
            arguments,
            config: case["config"].as_object().unwrap_or(&empty),
            script,
        })
        .map_err(Refused::from)
    }
}
