//! Runs `cases/*.json` of a network tool natively: the arguments go to the tool's own functions, and the upstream is the script that the
//! case holds. Owns the comparison and nothing of any tool. `toolcell test` runs the same cases through a component and a socket;
//! this is for seconds instead of minutes, and it knows less: no mounts, no schema of the arguments, no limits of the host.
//!
//! It panics, as tests do, and never where a component runs: tools depend on it for their tests alone.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Map, Value};
use toolcell_client::scripted::Script;

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
pub struct Refused {
    /// The kind, such as `invalid-argument`.
    pub kind: &'static str,
    /// The JSON pointer of an invalid argument.
    pub pointer: Option<String>,
    /// What the caller reads.
    pub message: String,
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
    pub fn run(&self, call: impl Fn(&Call<'_>) -> Result<Value, Refused>) {
        let folder = Path::new(self.folder);
        let manifest = std::fs::read_to_string(folder.join("tool.toml")).expect("a tool has a manifest");
        let mut failed = String::new();
        let mut count = 0;
        let mut files: Vec<_> = std::fs::read_dir(folder.join("cases"))
            .expect("a tool has cases")
            .map(|entry| entry.expect("the folder can be read").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .collect();
        files.sort();
        for file in files {
            let text = std::fs::read_to_string(&file).expect("a file of cases can be read");
            let cases: Vec<Value> =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            for case in &cases {
                count += 1;
                let name = case["name"].as_str().expect("a case has a name");
                for problem in self.problems(case, folder, &manifest, &call) {
                    writeln!(failed, "\n{}: {name}\n  {problem}", file.display()).expect("a String takes all");
                }
            }
        }
        assert!(count > 0, "{} has no cases", self.folder);
        assert!(failed.is_empty(), "{failed}");
    }

    fn problems(
        &self,
        case: &Value,
        folder: &Path,
        manifest: &str,
        call: &impl Fn(&Call<'_>) -> Result<Value, Refused>,
    ) -> Vec<String> {
        let empty = Map::new();
        let upstream = case.get("upstream").cloned().unwrap_or_else(|| Value::Object(Map::new()));
        let mut problems: Vec<_> = upstream
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(origin, _)| !manifest.contains(&format!("\"{origin}/")))
            .map(|(origin, _)| format!("the manifest requests nothing at {origin}"))
            .collect();
        let script = Script::new(upstream, folder);
        let mut arguments = case["arguments"].clone();
        for pointer in self.variants {
            rename(&mut arguments, &pointer.split('/').skip(1).collect::<Vec<_>>());
        }
        let outcome = call(&Call {
            tool: case["tool"].as_str().expect("a case names its function"),
            arguments,
            config: case["config"].as_object().unwrap_or(&empty),
            script: &script,
        });
        problems.extend(script.problems());
        problems.extend(mismatch(&case["expect"], outcome));
        problems
    }
}

/// How an outcome differs from what a case expects.
fn mismatch(expect: &Value, outcome: Result<Value, Refused>) -> Option<String> {
    match outcome {
        Ok(value) => {
            let holds = match (expect.get("value"), expect.get("includes")) {
                (Some(whole), None) => *whole == value,
                (None, Some(part)) => includes(&value, part),
                _ => false,
            };
            (!holds).then(|| format!("expected {expect}\n  got {value}"))
        }
        Err(refused) => {
            let Refused { kind, pointer, message } = refused;
            let failure = &expect["failure"];
            let holds = failure["kind"] == kind
                && failure.get("pointer").is_none_or(|wanted| wanted.as_str() == pointer.as_deref())
                && failure["message-contains"].as_str().is_none_or(|part| message.contains(part));
            (!holds).then(|| format!("expected {expect}\n  got {kind} at {pointer:?}: {message}"))
        }
    }
}

/// Whether every member of `part` is in `value` and equal; arrays in full length.
fn includes(value: &Value, part: &Value) -> bool {
    match (value, part) {
        (Value::Object(value), Value::Object(part)) => {
            part.iter().all(|(name, part)| value.get(name).is_some_and(|value| includes(value, part)))
        }
        (Value::Array(values), Value::Array(parts)) => {
            values.len() == parts.len() && values.iter().zip(parts).all(|(value, part)| includes(value, part))
        }
        _ => value == part,
    }
}

/// Spells the case at a pointer as the generated types do: `not-null` becomes `NotNull`.
fn rename(value: &mut Value, path: &[&str]) {
    match (path, value) {
        ([], Value::String(case)) => *case = upper_camel(case),
        ([], Value::Object(variant)) => {
            *variant =
                std::mem::take(variant).into_iter().map(|(case, payload)| (upper_camel(&case), payload)).collect();
        }
        (["*", rest @ ..], Value::Array(items)) => items.iter_mut().for_each(|item| rename(item, rest)),
        ([name, rest @ ..], Value::Object(members)) => {
            if let Some(member) = members.get_mut(*name) {
                rename(member, rest);
            }
        }
        _ => {}
    }
}

fn upper_camel(case: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    };
    case.split('-').map(capital).collect()
}
