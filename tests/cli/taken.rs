//! A run whose process is interrupted, overtaken or told from outside that it is over, while a call of it is under way.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::desk::{self, exits, file, json, lines, newest, ok, tells};
use super::server::{Answer, Server};
use super::{Home, ended};

/// A home with a run under way: its first step is done, and of its second the server has the request and holds the answer back.
struct Site {
    home: Home,
    server: Server,
    child: Child,
    run: String,
    /// Lets the server answer.
    go: Sender<()>,
}

impl Site {
    fn open(confirmed: &[&str]) -> Self {
        let home = desk::home();
        let ((came, held), (go, leave)) = (channel(), channel::<()>());
        let tap: Mutex<(Sender<()>, Receiver<()>)> = Mutex::new((came, leave));
        let server = Server::start(move |_| {
            let tap = tap.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = tap.0.send(());
            // Where the test is over, the answer goes to nobody.
            let _ = tap.1.recv();
            Answer::Sends("200 OK", &[], "done".to_owned())
        });
        desk::reach(&home, &server, confirmed);
        let plan = json!({ "name": "taken", "step": [
            { "id": "first", "tool": "ends.double", "arguments": { "value": 21 } },
            { "id": "effect", "tool": "http.fetch", "needs": ["first"], "arguments": { "url": format!("{}/effect", server.origin()), "method": "post" } },
            { "id": "last", "tool": "ends.double", "needs": ["effect"], "arguments": { "value": { "$result": "first" } } },
        ] });
        let plan = file(&home, "plan.json", plan.to_string());
        let child =
            home.command(&["plan", "run", &plan]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        held.recv_timeout(std::time::Duration::from_mins(1)).expect("the process makes its request");
        let run = newest(&home);
        Self { home, server, child, run, go }
    }

    /// What the process says when it ends by itself.
    fn ends(child: Child) -> (i32, String, String) {
        ended(child.wait_with_output().unwrap())
    }

    /// Goes on with the run; what it asks is answered with what the server did.
    fn goes_on(home: &Home, run: &str, server: &Server) {
        let (_, err) = exits(home, 7, &["plan", "resume", run]);
        tells(&err, &["asks      effect", "its outcome is unknown", "Find out whether it took place"]);
        assert!(!err.contains("first"), "what was done is not done again: {err}");
        Self::settles(home, run, server);
    }

    fn settles(home: &Home, run: &str, server: &Server) {
        assert!(lines(&ok(home, &["answer", run, "--json"]))[0]["failure"].is_null());
        assert!(server.heads()[0].starts_with("POST /effect "));
        ok(home, &["answer", run, "effect", "--result", "{\"seen\": true}"]);
        let out = ok(home, &["plan", "resume", run, "--quiet"]);
        assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), json!({ "last": 84 }));
        assert_eq!(server.heads().len(), 1, "nothing was done twice");
        for log in ["receipts", "audit"] {
            tells(&ok(home, &[log, "verify"]), &["intact"]);
        }
    }
}

#[test]
fn an_interrupted_run_is_kept_says_how_to_go_on_and_asks_what_it_cannot_know() {
    let Site { home, server, child, run, go } = Site::open(&[]);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let (exit, out, err) = Site::ends(child);
    assert_eq!((exit, out.as_str()), (6, ""), "{err}");
    tells(&err, &["stopped; the run is kept", &format!("`toolcell plan resume {run}`"), "toolcell plan cancel"]);
    drop(go);
    tells(&exits(&home, 0, &["plan", "list"]).1, &["a run whose process was killed is `running` too"]);
    Site::goes_on(&home, &run, &server);
}

#[test]
fn who_takes_a_run_over_has_it_alone() {
    let Site { home, server, child, run, go } = Site::open(&[]);
    let (_, err) = exits(&home, 7, &["plan", "resume", &run]);
    tells(&err, &["its outcome is unknown"]);
    drop(go);
    // The first process learns of it as soon as it has something to write, and writes nothing.
    let (exit, out, err) = Site::ends(child);
    assert_eq!((exit, out.as_str()), (1, ""), "{err}");
    tells(&err, &["somebody else has taken this run over"]);
    Site::settles(&home, &run, &server);
}

#[test]
fn a_run_that_is_cancelled_from_outside_begins_nothing_more() {
    let Site { home, server, child, run, go } = Site::open(&[]);
    ok(&home, &["plan", "cancel", &run]);
    drop(go);
    let (exit, out, err) = Site::ends(child);
    assert_eq!((exit, out.as_str()), (1, ""), "{err}");
    let shown = json(&home, &["plan", "show", &run, "--json"]);
    let states: Vec<_> =
        shown["steps"].as_array().unwrap().iter().map(|step| (&step["key"]["step"], &step["state"])).collect();
    assert_eq!(shown["state"], "cancelled");
    assert_eq!(states.len(), 2, "the last one never began: {states:?}");
    assert_eq!(states[1], (&json!("effect"), &json!("cancelled")));
    assert_eq!(server.heads().len(), 1);
}

#[test]
fn a_call_that_policy_says_may_be_repeated_is_repeated_without_a_question() {
    let Site { home, server, mut child, run, go } = Site::open(&["idempotent"]);
    child.kill().unwrap();
    child.wait().unwrap();
    drop(go);
    let (out, err) = exits(&home, 0, &["plan", "resume", &run]);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), json!({ "last": 84 }));
    tells(&err, &["done      effect"]);
    assert_eq!(server.heads().len(), 2, "this is what the question is for");
}

#[test]
fn events_that_were_told_before_a_kill_are_true_after_it() {
    let Site { home, mut child, run, go, .. } = Site::open(&[]);
    child.kill().unwrap();
    let told: Vec<_> = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok).collect();
    child.wait().unwrap();
    drop(go);
    assert!(told.iter().any(|line| line.trim() == "done      first"), "{told:?}");
    tells(&ok(&home, &["plan", "show", &run]), &["running", "first  42", "started", "effect", "1 more step"]);
}
