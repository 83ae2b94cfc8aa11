//! Runs `cases/*.json` of a network tool natively: the arguments go to the tool's own functions, and the upstream is the script that the
//! case holds. Owns the comparison and nothing of any tool. `toolcell test` runs the same cases through a component and a socket;
//! this is for seconds instead of minutes, and it knows less: no mounts, no schema of the arguments, no limits of the host.
//!
//! It panics, as tests do, and never where a component runs: tools depend on it for their tests alone.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Map, Value, json};
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
    pub fn storm(&self, call: impl Fn(&Call<'_>) -> Result<Value, Refused>) {
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
        call: &impl Fn(&Call<'_>) -> Result<Value, Refused>,
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
        call: &impl Fn(&Call<'_>) -> Result<Value, Refused>,
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
    }
}

/// Answers that are like `respond` and are not it.
fn answers(respond: &Value, chance: &mut Chance) -> Vec<Value> {
    /// How many bodies are damaged in each of the two ways.
    const DAMAGED: usize = 40;
    let with = |name: &str, value: Value| {
        let mut answer = respond.clone();
        answer[name] = value;
        answer
    };
    let statuses =
        [200, 201, 202, 204, 206, 301, 400, 401, 402, 403, 404, 409, 416, 418, 422, 429, 500, 501, 502, 503, 504, 599];
    let mut answers: Vec<_> = statuses.into_iter().map(|status| with("status", json!(status))).collect();
    let text = match &respond["body"] {
        Value::String(text) => text.clone(),
        body => body.to_string(),
    };
    let letters: Vec<char> = text.chars().collect();
    for _ in 0..DAMAGED {
        let mut damaged = letters.clone();
        let (from, to) = (chance.below(letters.len() + 1), chance.below(letters.len() + 1));
        match chance.below(3) {
            0 => damaged.truncate(from),
            1 => drop(damaged.drain(from.min(to)..from.max(to))),
            _ => damaged.insert(from, ['"', '{', ']', '\\', '\0', '\u{202e}', '9', ','][chance.below(8)]),
        }
        answers.push(with("body", Value::String(damaged.into_iter().collect())));
    }
    if let Ok(body) = serde_json::from_str::<Value>(&text) {
        for _ in 0..DAMAGED {
            let mut body = body.clone();
            let others = [
                json!(null),
                json!(-1.5),
                json!(u64::MAX),
                json!("\n"),
                json!("x".repeat(5000)),
                json!([]),
                json!([[{}]]),
                json!({}),
            ];
            *some_member(&mut body, chance) = others[chance.below(others.len())].clone();
            answers.push(with("body", Value::String(body.to_string())));
        }
    }
    answers
}

/// A member somewhere in a value, or the value itself.
fn some_member<'v>(value: &'v mut Value, chance: &mut Chance) -> &'v mut Value {
    let members = match value {
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        _ => 0,
    };
    if members == 0 || chance.below(6) == 0 {
        return value;
    }
    let at = chance.below(members);
    let member = match value {
        Value::Array(items) => items.get_mut(at),
        Value::Object(members) => members.values_mut().nth(at),
        _ => None,
    };
    some_member(member.expect("it is below the number of members"), chance)
}

/// A generator with a fixed seed: the same storm everywhere and always (Knuth's MMIX constants).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits fit") % bound.max(1)
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
