//! A process that is killed while it writes. The child is this test binary, running only its ignored test below.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use toolcell_core::kv::{KvStore as _, Quota, Space};
use toolcell_core::runs::{NewRun, RunId, RunStore as _, Spent, StepKey, StepRecord, StepState};
use toolcell_core::{CallId, History, ResultText, Tenant, UnixMillis};

use super::{NOW, name, put, value};
use crate::{Options, Store};

/// Where the child finds the file.
const PATH: &str = "TOOLCELL_TEST_STORE";

/// Keys that the child writes in turn.
const KEYS: u64 = 7;

/// What the child sets as its `number`th write: a length and a byte that follow from the number alone.
fn nth(number: u64) -> Vec<u8> {
    let length = usize::try_from(number * 977 % 9_000).expect("small");
    [number.to_be_bytes().to_vec(), vec![number.to_le_bytes()[0]; length]].concat()
}

#[tokio::test]
#[ignore = "the child of `a_process_that_is_killed_loses_nothing_that_was_answered`; it writes until it is killed"]
async fn child_that_writes_until_it_is_killed() {
    // Whoever runs all ignored tests is no parent.
    let Ok(path) = std::env::var(PATH) else { return };
    let store = Store::open(Path::new(&path), Options::default()).await.expect("the parent's file");
    let tenant = Tenant::default();
    let space = Space { tenant: &tenant, component: "notes" };
    for number in 0.. {
        let now = UnixMillis(NOW.0 + number);
        store
            .set(space, &name(&format!("k{}", number % KEYS)), &nth(number), None, &Quota::DEFAULT, now)
            .await
            .expect("room");
        // Entries that come, expire and are swept in the same transactions.
        let soon = Some(UnixMillis(now.0 + 3));
        store.set(space, &name(&format!("soon{number}")), &[1; 50], soon, &Quota::DEFAULT, now).await.expect("room");
        if number % 5 == 0 {
            store.delete(space, &name(&format!("soon{number}"))).await.expect("an answer");
        }
        // This fails, and ends the child, where the parent is gone.
        writeln!(std::io::stdout(), "answered {number}").expect("the parent listens");
    }
}

/// Starts a child, and reads the numbers that it has answered.
fn child(test: &str, path: &Path) -> (Killed, impl Iterator<Item = u64>) {
    let mut child = Killed(
        Command::new(std::env::current_exe().expect("this binary"))
            .args(["--ignored", "--exact", "--nocapture", &format!("tests::crash::{test}")])
            .env(PATH, path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the child starts"),
    );
    let lines = BufReader::new(child.0.stdout.take().expect("piped")).lines().map_while(Result::ok);
    // The harness may put the name of the test before the first line.
    let number = |line: String| line.split_once("answered ").and_then(|(_, number)| number.parse::<u64>().ok());
    (child, lines.filter_map(number))
}

/// Kills its process however the test ends.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_loses_nothing_that_was_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.db");
    for (round, answers) in [1, 8, 40, 90].into_iter().enumerate() {
        let (mut child, mut lines) = child("child_that_writes_until_it_is_killed", &path);
        let mut last = lines.by_ref().nth(answers - 1).expect("the child answers");
        // Another process of the same file, while the child writes.
        let store = Store::open(&path, Options::default()).await.expect("shared");
        put(&store, &format!("parent{round}"), b"v").await.expect("a turn to write");
        child.0.kill().expect("killed");
        child.0.wait().expect("gone");
        last = lines.last().unwrap_or(last);
        store.close().await;
        drop(store);

        let store = Store::open(&path, Options::default()).await.expect("it opens");
        store.check().await.expect("whole, and counted right");
        for key in 0..KEYS.min(last + 1) {
            // Every key holds its newest answered value, or the one write that was on its way.
            let answered = last - (last + KEYS - key) % KEYS;
            let found = value(&store, &format!("k{key}")).await.expect("an answer").expect("answered");
            let on_its_way = answered + KEYS == last + 1 && found == nth(last + 1);
            assert!(found == nth(answered) || on_its_way, "round {round}, key {key}, last {last}");
        }
        for round in 0..=round {
            assert!(value(&store, &format!("parent{round}")).await.expect("an answer").is_some());
        }
        store.close().await;
    }
}

const RUN: RunId = RunId(CallId(7));

/// How many steps the `number`th commit writes; their results name it.
fn batch(number: u64) -> Vec<StepRecord> {
    let step = |item: u64| StepRecord {
        key: StepKey { step: format!("batch{number}").into(), item: u32::try_from(item).ok() },
        state: StepState::Done { result: ResultText::new(number.to_string()) },
        started: NOW,
        duration_us: number,
        used: Spent { calls: 1, fuel: number, http_requests: 0 },
        history: History::default(),
    };
    (0..=number * 7 % 450).map(step).collect()
}

#[tokio::test]
#[ignore = "the child of `a_killed_process_leaves_every_answered_commit_whole`; it commits until it is killed"]
async fn child_that_commits_until_it_is_killed() {
    let Ok(path) = std::env::var(PATH) else { return };
    let store = Store::open(Path::new(&path), Options::default()).await.expect("the parent's file");
    let head = store.claim(&Tenant::default(), RUN).await.expect("the parent's run");
    let first =
        store.steps(RUN, None, 10_000).await.expect("steps").iter().map(|kept| kept.record.duration_us + 1).max();
    for number in first.unwrap_or(0).. {
        store.commit(RUN, head.fence, &batch(number), None, NOW).await.expect("the newest claim");
        writeln!(std::io::stdout(), "answered {number}").expect("the parent listens");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_leaves_every_answered_commit_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.db");
    let store = Store::open(&path, Options::default()).await.expect("a new store");
    let (plan, input, created) = ("{}".into(), "{}".into(), NOW);
    let run =
        NewRun { id: RUN, tenant: Tenant::default(), caller: String::new(), plan, input, created, deadline: None };
    store.create(&run).await.expect("a new run");
    store.close().await;
    let mut fence = None;
    for answers in [1, 3, 9, 20] {
        let (mut child, mut lines) = child("child_that_commits_until_it_is_killed", &path);
        let mut last = lines.by_ref().nth(answers - 1).expect("the child answers");
        child.0.kill().expect("killed");
        child.0.wait().expect("gone");
        last = lines.last().unwrap_or(last);

        let store = Store::open(&path, Options::default()).await.expect("it opens");
        store.check().await.expect("whole");
        let mut there = std::collections::BTreeMap::<u64, usize>::new();
        let mut after = None;
        loop {
            let page = store.steps(RUN, after.as_ref(), 1_000).await.expect("steps");
            let Some(end) = page.last() else { break };
            after = Some(end.record.key.clone());
            for kept in &page {
                *there.entry(kept.record.duration_us).or_default() += 1;
            }
        }
        // What was answered, and whole; of what was on its way at most one commit, and that whole as well.
        assert!(there.len() as u64 == last + 1 || there.len() as u64 == last + 2, "{last}: {there:?}");
        for (number, steps) in (0..).zip(&there) {
            assert_eq!(*steps.1, batch(number).len(), "commit {number}");
        }
        let head = store.head(&Tenant::default(), RUN).await.expect("the run");
        assert!(fence.is_none_or(|before| head.fence > before), "each child claimed it");
        fence = Some(head.fence);
        store.close().await;
    }
}
