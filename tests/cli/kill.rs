//! The binary is killed in the middle of runs, again and again: nothing that it said was done is lost, nothing is done twice, and
//! nothing begins before what it needs.
//!
//! What the calls do is counted by a server on loopback. It holds answers back until the process is dead, so that there are calls
//! whose outcome nobody knows; about these the run asks, and the test answers as a person would who has looked at the server.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde_json::{Value, json};

use super::Home;
use super::desk::{self, exits, json as told, lines, ok};
use super::server::{Answer, Server};

/// More runs than the one that every test makes: `TOOLCELL_KILL_ROUNDS=20`.
const ROUNDS: &str = "TOOLCELL_KILL_ROUNDS";

/// Kills of one run; then it may go to its end.
const KILLS: usize = 12;

/// The fewest kills that prove anything.
const FEWEST: usize = 8;

const READS: usize = 14;
const POSTS: usize = 16;
const ASKS: usize = 3;
const EACH: [u64; 8] = [10, 20, 30, 40, 50, 60, 70, 80];

#[test]
fn a_run_that_is_killed_again_and_again_loses_nothing_and_does_nothing_twice() {
    let rounds = std::env::var(ROUNDS).ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1);
    for seed in 0..rounds {
        let mut site = Site::open(seed);
        let (kills, asked) = site.finish();
        eprintln!("seed {seed}: {kills} kills, {asked} calls whose outcome was unknown");
        assert!(kills >= FEWEST, "seed {seed}: only {kills} kills");
    }
}

/// A step or an item of one.
type Key = (String, Option<u64>);

/// When the process is killed.
#[derive(Debug)]
enum Moment {
    /// As soon as it is started.
    Now,
    /// After so many lines of events.
    Lines(usize),
    /// While the server has a request and holds the answer back, after so many that it answered.
    Held(usize),
    /// Not at all.
    Never,
}

/// What the test waits for.
enum Happened {
    Line(String),
    Held,
    /// Stdout has ended, and with it the process.
    Ended,
}

/// What the server does, and whom it tells.
struct Tap {
    /// Requests that are answered before all others are held back.
    answered: Mutex<Option<usize>>,
    tell: Mutex<Sender<Happened>>,
}

struct Site {
    home: Home,
    server: Server,
    tap: Arc<Tap>,
    plan: Value,
    /// What `http.fetch` gives back, but for its `url`.
    page: Value,
    chance: Chance,
    /// Every result that was ever seen in the store.
    done: BTreeMap<Key, Value>,
}

impl Site {
    fn open(seed: u64) -> Self {
        let home = desk::home();
        let tap = Arc::new(Tap { answered: Mutex::new(None), tell: Mutex::new(channel().0) });
        let tapped = tap.clone();
        let server = Server::start(move |_| tapped.answer());
        let origin = server.origin();
        // No hint is confirmed: whether a request may be sent twice nobody has said.
        desk::reach(&home, &server, &[]);
        let example = ["run", "http.fetch", "--url", &format!("{origin}/example"), "--method", "post", "--body", "-"];
        let page = told(&home, &example);
        let plan = plan(&origin);
        desk::file(&home, "plan.json", plan.to_string());
        Self { home, server, tap, plan, page, chance: Chance(seed), done: BTreeMap::new() }
    }

    /// Takes the run to its end. Answers how often it was killed, and how many outcomes were unknown.
    fn finish(&mut self) -> (usize, usize) {
        let file = self.home.0.path().join("plan.json").into_os_string().into_string().unwrap();
        let (mut run, mut kills, mut unknown) = (None::<String>, 0, 0);
        loop {
            let moment = match (run.is_some(), kills < KILLS, self.chance.below(7)) {
                (_, false, _) => Moment::Never,
                (true, _, 0) => Moment::Now,
                (_, _, 1..=3) => Moment::Held(self.chance.below(3)),
                _ => Moment::Lines(1 + self.chance.below(12)),
            };
            let killed = match &run {
                None => self.work(&["plan", "run", &file, "--json"], &moment),
                Some(run) => self.work(&["plan", "resume", run, "--json"], &moment),
            };
            kills += usize::from(killed);
            self.server.read_to_the_end();
            let id = run.get_or_insert_with(|| desk::newest(&self.home)).clone();
            let state = self.look(&id);
            match state.as_str() {
                "completed" => break,
                "running" => assert!(killed, "only a process that was killed leaves a run like that"),
                state => assert_eq!(state, "waiting"),
            }
            // Who answers may do so at once or later.
            if state == "waiting" || self.chance.below(2) == 0 {
                unknown += self.answer(&id);
            }
        }
        self.ended(&run.unwrap());
        (kills, unknown)
    }

    /// One process, until it ends or is killed. Answers whether it was killed.
    fn work(&mut self, arguments: &[&str], moment: &Moment) -> bool {
        let (tell, happened) = channel();
        *self.tap.tell.lock().unwrap() = tell.clone();
        *self.tap.answered.lock().unwrap() = if let Moment::Held(after) = moment { Some(*after) } else { None };
        let mut child = self.home.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let reader = thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                drop(tell.send(Happened::Line(line)));
            }
            drop(tell.send(Happened::Ended));
        });
        let (mut heard, killed) = wait(&happened, moment);
        if killed {
            child.kill().unwrap();
        }
        let output = child.wait_with_output().unwrap();
        reader.join().unwrap();
        heard.extend(happened.try_iter().filter_map(|happened| match happened {
            Happened::Line(line) => Some(line),
            _ => None,
        }));
        // A signal may come when all is done; then the process has an exit code all the same.
        let killed = output.status.code().is_none();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(killed || matches!(output.status.code(), Some(0 | 7)), "{moment:?}: {:?}: {err}", output.status);
        self.heard(&heard, killed);
        killed
    }

    /// What a process told: no step began before those that it needs had ended, and what has ended is in the store.
    fn heard(&mut self, heard: &[String], killed: bool) {
        let mut ended: BTreeSet<Key> = self.done.keys().cloned().collect();
        for (place, line) in heard.iter().enumerate() {
            let event: Value = match serde_json::from_str(line) {
                Ok(event) => event,
                // The last line of a process that was killed may be half of one.
                Err(_) if killed && place + 1 == heard.len() => break,
                Err(error) => panic!("{error}: {line}"),
            };
            let key = || (event["step"].as_str().unwrap().to_owned(), event["item"].as_u64());
            match event["event"].as_str().unwrap() {
                "step-started" => {
                    for need in self.needs(&key().0) {
                        assert!(ended.contains(&(need.clone(), None)), "{:?} began before {need} had ended", key());
                    }
                }
                "step-ended" => {
                    assert_eq!(event["state"], "done", "{event}");
                    ended.insert(key());
                }
                _ => {}
            }
        }
        let kept: Vec<_> = ended.difference(&self.done.keys().cloned().collect()).cloned().collect();
        for key in kept {
            let expected = self.expected(&key);
            self.done.insert(key, expected);
        }
    }

    /// What is in the store: everything that ever was, and every result as it must be. Answers the run's state.
    fn look(&mut self, run: &str) -> String {
        let shown = told(&self.home, &["plan", "show", run, "--json"]);
        let mut kept = BTreeMap::new();
        for record in shown["steps"].as_array().unwrap() {
            let key = (record["key"]["step"].as_str().unwrap().to_owned(), record["key"]["item"].as_u64());
            if let Some(done) = record["state"].get("done") {
                kept.insert(key, done["result"].clone());
            } else {
                let open = ["started", "waiting"].iter().any(|state| record["state"].get(state).is_some());
                assert!(open, "nothing fails here: {record}");
            }
        }
        for (key, result) in &kept {
            assert_eq!(*result, self.expected(key), "{key:?}");
        }
        for key in self.done.keys() {
            assert!(kept.contains_key(key), "{key:?} was done and is lost");
        }
        self.done = kept;
        shown["state"].as_str().unwrap().to_owned()
    }

    /// Answers every open question. Answers how many were about a call whose outcome is unknown.
    fn answer(&self, run: &str) -> usize {
        let mut unknown = 0;
        for question in lines(&ok(&self.home, &["answer", run, "--json"])) {
            let (step, item) = (question["step"].as_str().unwrap(), question["item"].as_u64());
            let named = item.map_or_else(|| step.to_owned(), |item| format!("{step}[{item}]"));
            if let Some(place) = step.strip_prefix("ask-") {
                assert_eq!(question["question"]["text"], "Which way?");
                ok(&self.home, &["answer", run, step, "--say", way(place)]);
                continue;
            }
            assert!(question["failure"].is_null(), "{question}");
            unknown += 1;
            let path = path(step, item).unwrap();
            if self.seen().contains(&path) {
                let page = self.page(&path).to_string();
                ok(&self.home, &["answer", run, &named, "--result", &page]);
            } else {
                ok(&self.home, &["answer", run, &named, "--retry"]);
            }
        }
        unknown
    }

    /// After all: every effect once, in an order that the plan allows, and all that was written is whole.
    fn ended(&self, run: &str) {
        let seen = self.seen();
        let mut effects = BTreeMap::new();
        for (place, path) in seen.iter().enumerate() {
            assert_eq!(effects.insert(path.clone(), place), None, "{path} was done twice: {seen:#?}");
        }
        let steps = self.plan["step"].as_array().unwrap();
        let mut wanted = BTreeSet::new();
        for step in steps {
            let id = step["id"].as_str().unwrap();
            let items: Vec<_> = step["for-each"].as_array().into_iter().flatten().enumerate().collect();
            let keys: Vec<Key> = if items.is_empty() {
                vec![(id.to_owned(), None)]
            } else {
                (0..items.len() as u64).map(|item| (id.to_owned(), Some(item))).collect()
            };
            for key in keys {
                assert!(self.done.contains_key(&key), "{key:?} has no result");
                let Some(path) = path(id, key.1) else { continue };
                let place = effects.get(&path).unwrap_or_else(|| panic!("{path} was never done"));
                for need in self.needs(id).iter().filter_map(|need| self::path(need, None)) {
                    assert!(effects[&need] < *place, "{path} was done before {need}");
                }
                wanted.insert(path);
            }
        }
        assert_eq!(effects.into_keys().collect::<BTreeSet<_>>(), wanted);
        for log in ["receipts", "audit"] {
            assert!(ok(&self.home, &[log, "verify"]).contains("intact"), "{log}");
        }
        // There is nothing to do any more.
        let (_, err) = exits(&self.home, 1, &["plan", "resume", run]);
        assert!(err.contains("the run has ended (completed)"), "{err}");
        assert_eq!(self.seen().len(), seen.len());
    }

    /// The paths that the server has seen, in order, without the example.
    fn seen(&self) -> Vec<String> {
        let paths = self.server.heads().into_iter().map(|head| head.split(' ').nth(1).unwrap().to_owned());
        paths.filter(|path| path != "/example").collect()
    }

    fn needs(&self, step: &str) -> Vec<String> {
        let step = self.plan["step"].as_array().unwrap().iter().find(|known| known["id"] == step).unwrap();
        let named = step["needs"].as_array().into_iter().flatten().map(|need| need.as_str().unwrap().to_owned());
        let mut all: Vec<_> = named.collect();
        referred(&step["arguments"], &mut all);
        all
    }

    fn page(&self, path: &str) -> Value {
        let mut page = self.page.clone();
        page["url"] = format!("{}{path}", self.server.origin()).into();
        page
    }

    /// What the result of a step must be, however often the process was killed.
    fn expected(&self, key: &Key) -> Value {
        let (step, item) = (key.0.as_str(), key.1);
        let (kind, place) = step.split_once('-').unwrap_or((step, "0"));
        let place: usize = place.parse().unwrap();
        match (kind, item) {
            ("read", _) => json!(read(place)),
            ("ask", _) => json!(way(&place.to_string())),
            ("doubles", Some(item)) => json!(2 * EACH[usize::try_from(item).unwrap()]),
            ("doubles", None) => json!(EACH.map(|item| 2 * item)),
            ("each", None) => (0..EACH.len() as u64).map(|item| self.page(&path(step, Some(item)).unwrap())).collect(),
            _ => self.page(&path(step, item).unwrap()),
        }
    }
}

impl Tap {
    fn answer(&self) -> Answer {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *answered {
            Some(0) => {
                // The process may be dead, and nobody listen.
                drop(self.tell.lock().unwrap_or_else(PoisonError::into_inner).send(Happened::Held));
                return Answer::Hangs;
            }
            Some(left) => *left -= 1,
            None => {}
        }
        Answer::Sends("200 OK", &["content-type: application/json"], "{\"ok\":true}".to_owned())
    }
}

/// Waits for a moment. Gives the lines until then, and whether it came.
fn wait(happened: &Receiver<Happened>, moment: &Moment) -> (Vec<String>, bool) {
    let mut heard = Vec::new();
    loop {
        match moment {
            Moment::Now => return (heard, true),
            Moment::Lines(many) if heard.len() >= *many => return (heard, true),
            _ => {}
        }
        match happened.recv_timeout(std::time::Duration::from_mins(1)).expect("the process goes on or ends") {
            Happened::Line(line) => heard.push(line),
            Happened::Held => return (heard, true),
            Happened::Ended => return (heard, false),
        }
    }
}

/// Reads that build on each other, requests in three lines, two lists, and three steps that ask a person on their way.
fn plan(origin: &str) -> Value {
    let post = |url: Value| json!({ "url": { "$text": url }, "method": "post", "body": "-" });
    let mut steps = Vec::new();
    for read in 0..READS {
        let value = if read == 0 { json!(1) } else { json!({ "$result": format!("read-{}", read - 1) }) };
        steps.push(json!({ "id": format!("read-{read}"), "tool": "ends.double", "arguments": { "value": value } }));
    }
    for n in 0..POSTS {
        let needs: Vec<_> = n.checked_sub(3).map(|need| format!("post-{need}")).into_iter().collect();
        let url = json!([origin, format!("/post-{n}/"), { "$result": format!("read-{}", n % READS) }]);
        steps.push(json!({ "id": format!("post-{n}"), "tool": "http.fetch", "needs": needs, "arguments": post(url) }));
    }
    for n in 0..ASKS {
        let needs = [format!("post-{}", 2 + 3 * n)];
        steps.push(json!({
            "id": format!("ask-{n}"), "tool": "desk.decide", "needs": needs, "answer-at": "/answer", "arguments": { "answer": "" },
        }));
        let url = json!([origin, format!("/told-{n}/"), { "$result": format!("ask-{n}") }]);
        steps.push(json!({ "id": format!("told-{n}"), "tool": "http.fetch", "arguments": post(url) }));
    }
    let url = json!([origin, "/each/", { "$item": "" }]);
    steps.push(json!({
        "id": "each", "tool": "http.fetch", "for-each": EACH, "each-concurrency": 3, "needs": ["read-1"], "arguments": post(url),
    }));
    steps.push(
        json!({ "id": "doubles", "tool": "ends.double", "for-each": EACH, "arguments": { "value": { "$item": "" } } }),
    );
    let needs: Vec<_> = steps.iter().map(|step| step["id"].clone()).collect();
    let url = json!([origin, "/last/", { "$result": format!("read-{}", READS - 1) }]);
    steps.push(json!({ "id": "last", "tool": "http.fetch", "needs": needs, "arguments": post(url) }));
    json!({ "name": "killed", "concurrency": 6, "step": steps })
}

/// What a step asks of the server; none where it asks for nothing.
fn path(step: &str, item: Option<u64>) -> Option<String> {
    let place = |text: &str| text.parse::<usize>().unwrap();
    match (step.split_once('-').unwrap_or((step, "")), item) {
        (("post", n), _) => Some(format!("/post-{n}/{}", read(place(n) % READS))),
        (("told", n), _) => Some(format!("/told-{n}/{}", way(n))),
        (("each", _), Some(item)) => Some(format!("/each/{}", EACH[usize::try_from(item).unwrap()])),
        (("last", _), _) => Some(format!("/last/{}", read(READS - 1))),
        _ => None,
    }
}

/// What is said to the question of that number.
fn way(place: &str) -> &'static str {
    if place == "1" { "right" } else { "left" }
}

fn read(place: usize) -> u64 {
    2 << place
}

/// Every step that a template refers to.
fn referred(template: &Value, all: &mut Vec<String>) {
    match template {
        Value::Array(parts) => parts.iter().for_each(|part| referred(part, all)),
        Value::Object(members) => {
            all.extend(members.get("$result").map(|step| step.as_str().unwrap().to_owned()));
            members.values().for_each(|member| referred(member, all));
        }
        _ => {}
    }
}

/// Numbers that look drawn, and are the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }
}
