//! What every [`RunStore`] promises. A clause makes runs of its own; other runs may be there.

use std::sync::Arc;

use tokio::task::JoinSet;
use toolcell_core::failure::Question;
use toolcell_core::history::{Attempt, Then};
use toolcell_core::receipt::Used;
use toolcell_core::runs::{
    Answer, Answered, Fence, Kept, NewRun, RunError, RunHead, RunId, RunState, RunStore, Spent, StepKey, StepRecord,
    StepState,
};
use toolcell_core::{CallId, Failure, History, Kind, ResultText, Tenant, UnixMillis};

/// Makes a test of every clause; `$open` gives a future of something that derefs to a store and keeps its files.
macro_rules! run_contract {
    ($open:path; $($clause:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $clause() {
            let (store, _files) = $open().await;
            crate::contract::runs::$clause(std::sync::Arc::new(store)).await;
        }
    )*};
    ($open:path) => {
        run_contract! { $open;
            a_run_is_there_once_and_as_it_was_created
            another_tenant_sees_nothing
            only_the_newest_claim_commits
            a_commit_is_there_whole_or_not_at_all
            steps_are_replaced_and_paged_in_order
            every_state_history_and_cost_comes_back
            a_question_is_answered_once
            of_many_answers_one_counts
            what_is_written_anew_takes_its_answer_with_it
            a_run_that_ended_stays_as_it_is
            runs_are_listed_newest_first
            a_run_is_removed_when_it_has_ended
            a_large_result_comes_back
        }
    };
}
pub(crate) use run_contract;

type Shared = Arc<dyn RunStore>;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

fn tenant(name: &str) -> Tenant {
    Tenant(name.into())
}

fn run(number: u128, whose: &str) -> NewRun {
    NewRun {
        id: RunId(CallId(number)),
        tenant: tenant(whose),
        caller: "a test".to_owned(),
        plan: "{\"name\":\"p\"}".into(),
        input: "[1.50]".into(),
        created: NOW,
        deadline: Some(UnixMillis(NOW.0 + 1_000)),
    }
}

async fn begun(store: &Shared, number: u128, whose: &str) -> RunHead {
    store.create(&run(number, whose)).await.expect("a new run");
    store.claim(&tenant(whose), RunId(CallId(number))).await.expect("a claim")
}

fn key(step: &str, item: Option<u32>) -> StepKey {
    StepKey { step: step.into(), item }
}

fn record(step: &str, item: Option<u32>, state: StepState) -> StepRecord {
    let (key, used, history) = (key(step, item), Spent::default(), History::default());
    StepRecord { key, state, started: NOW, duration_us: 7, used, history }
}

fn done(step: &str, result: &str) -> StepRecord {
    record(step, None, StepState::Done { result: ResultText::new(result.to_owned()) })
}

fn asks(step: &str) -> StepRecord {
    let question = Question { text: "Really?".to_owned(), choices: vec!["yes".to_owned(), "no".to_owned()] };
    record(step, None, StepState::Waiting { question, failure: None })
}

fn said(text: &str) -> Answered {
    Answered { answer: Answer::Say { text: text.to_owned() }, by: "ada".to_owned(), at: NOW }
}

async fn all(store: &Shared, run: RunId) -> Vec<Kept> {
    store.steps(run, None, 10_000).await.expect("steps")
}

pub(crate) async fn a_run_is_there_once_and_as_it_was_created(store: Shared) {
    let new = run(1, "once");
    store.create(&new).await.expect("a new run");
    assert_eq!(store.create(&new).await, Err(RunError::Exists));
    let head = store.head(&new.tenant, new.id).await.expect("there");
    assert_eq!(head, RunHead { run: new.clone(), state: RunState::Running, ended: None, fence: Fence(0) });
    let missing = RunId(CallId(999));
    assert_eq!(store.head(&new.tenant, missing).await, Err(RunError::NotFound));
    assert_eq!(store.claim(&new.tenant, missing).await, Err(RunError::NotFound));
    assert_eq!(store.commit(missing, Fence(1), &[], None, NOW).await, Err(RunError::NotFound));
    assert!(all(&store, missing).await.is_empty());
}

pub(crate) async fn another_tenant_sees_nothing(store: Shared) {
    let head = begun(&store, 2, "mine").await;
    store.commit(head.run.id, head.fence, &[asks("q")], Some(RunState::Waiting), NOW).await.expect("committed");
    let (id, other) = (head.run.id, tenant("other"));
    assert_eq!(store.head(&other, id).await, Err(RunError::NotFound));
    assert_eq!(store.claim(&other, id).await, Err(RunError::NotFound));
    assert_eq!(store.answer(&other, id, &key("q", None), &said("yes")).await, Err(RunError::NotFound));
    assert_eq!(store.remove(&other, id).await, Err(RunError::NotFound));
    assert_eq!(store.list(&other, None, None, 10).await, Ok(Vec::new()));
    assert_eq!(store.head(&tenant("mine"), id).await.expect("there").state, RunState::Waiting);
}

pub(crate) async fn only_the_newest_claim_commits(store: Shared) {
    let first = begun(&store, 3, "fence").await;
    let id = first.run.id;
    store.commit(id, first.fence, &[done("a", "1")], None, NOW).await.expect("the only claim");
    let second = store.claim(&tenant("fence"), id).await.expect("a claim");
    assert!(second.fence > first.fence);
    assert_eq!(store.commit(id, first.fence, &[done("b", "2")], None, NOW).await, Err(RunError::Overtaken));
    let beyond = Fence(second.fence.0 + 1);
    assert_eq!(store.commit(id, beyond, &[done("b", "2")], None, NOW).await, Err(RunError::Overtaken));
    store.commit(id, second.fence, &[done("b", "3")], None, NOW).await.expect("the newest claim");
    let results: Vec<_> = all(&store, id).await.into_iter().map(|kept| kept.record.state).collect();
    assert_eq!(results, [done("a", "1").state, done("b", "3").state]);
}

pub(crate) async fn a_commit_is_there_whole_or_not_at_all(store: Shared) {
    let head = begun(&store, 4, "whole").await;
    let many: Vec<_> = (0..2_000).map(|n| done(&format!("s{n:05}"), &n.to_string())).collect();
    let stale = Fence(head.fence.0 - 1);
    let refused = store.commit(head.run.id, stale, &many, Some(RunState::Completed), NOW).await;
    assert_eq!(refused, Err(RunError::Overtaken));
    assert!(all(&store, head.run.id).await.is_empty());
    store.commit(head.run.id, head.fence, &many, Some(RunState::Completed), NOW).await.expect("committed");
    let kept = all(&store, head.run.id).await;
    assert!(kept.iter().map(|kept| &kept.record).eq(&many));
    let head = store.head(&tenant("whole"), head.run.id).await.expect("there");
    assert_eq!((head.state, head.ended), (RunState::Completed, Some(NOW)));
}

pub(crate) async fn steps_are_replaced_and_paged_in_order(store: Shared) {
    let head = begun(&store, 5, "pages").await;
    let result = |n: u32| StepState::Done { result: ResultText::new(n.to_string()) };
    let mut records: Vec<_> = (0..120).map(|n| record("each", Some(n), result(n))).collect();
    records.extend([record("each", None, result(1_000)), done("Each", "1"), done("eac", "2"), done("each-", "3")]);
    store.commit(head.run.id, head.fence, &records, None, NOW).await.expect("committed");
    let again = record("each", Some(7), StepState::Cancelled);
    store.commit(head.run.id, head.fence, std::slice::from_ref(&again), None, NOW).await.expect("committed");
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.steps(head.run.id, after.as_ref(), 50).await.expect("a page");
        assert!(page.len() <= 50);
        let Some(last) = page.last() else { break };
        after = Some(last.record.key.clone());
        seen.extend(page.into_iter().map(|kept| kept.record));
    }
    let mut expected = records.clone();
    expected.sort_by(|a, b| a.key.cmp(&b.key));
    let at = expected.iter().position(|record| record.key == again.key).expect("there");
    expected[at] = again;
    assert_eq!(seen, expected);
}

pub(crate) async fn every_state_history_and_cost_comes_back(store: Shared) {
    let head = begun(&store, 6, "states").await;
    let failure = Box::new(Failure::new(Kind::Unavailable, "the other side is away").hint("Wait."));
    let question = Question { text: "Which?\u{0}".to_owned(), choices: Vec::new() };
    let attempt = Attempt {
        call: CallId(9),
        kind: Kind::Trap,
        fingerprint: None,
        duration_us: 3,
        used: Used { fuel: 5, ..Used::default() },
        then: Then::Again { waited_ms: 5 },
    };
    let mut records = vec![
        record("a", None, StepState::Started { call: CallId(u128::MAX) }),
        record("b", None, StepState::Waiting { question, failure: Some(failure.clone()) }),
        record(
            "c",
            Some(u32::MAX),
            StepState::Done { result: ResultText::new("{\"n\":1.50,\"big\":1e400}".to_owned()) },
        ),
        record("d", None, StepState::Failed { failure }),
        record("e", None, StepState::Skipped { because: "`a` failed".to_owned() }),
        record("f", None, StepState::Cancelled),
    ];
    records[3].history.attempts.push(attempt);
    records[2].used = Spent { calls: 1, fuel: u64::MAX, http_requests: 0 };
    records[3].used = Spent { calls: 2, fuel: 5, http_requests: 7 };
    store.commit(head.run.id, head.fence, &records, None, NOW).await.expect("committed");
    let kept: Vec<_> = all(&store, head.run.id).await.into_iter().map(|kept| kept.record).collect();
    assert_eq!(kept, records);
}

pub(crate) async fn a_question_is_answered_once(store: Shared) {
    let head = begun(&store, 7, "ask").await;
    let (id, ask) = (head.run.id, tenant("ask"));
    store.commit(id, head.fence, &[asks("q"), done("d", "1")], Some(RunState::Waiting), NOW).await.expect("committed");
    for (step, item) in [("d", None), ("q", Some(0)), ("nothing", None)] {
        assert_eq!(store.answer(&ask, id, &key(step, item), &said("x")).await, Err(RunError::NotWaiting), "{step}");
    }
    store.answer(&ask, id, &key("q", None), &said("yes")).await.expect("the first");
    assert_eq!(store.answer(&ask, id, &key("q", None), &said("no")).await, Err(RunError::Answered));
    let kept = all(&store, id).await;
    assert_eq!(kept[1].answer, Some(said("yes")));
    assert_eq!(kept[1].record, asks("q"));
}

pub(crate) async fn of_many_answers_one_counts(store: Shared) {
    let head = begun(&store, 8, "many").await;
    let id = head.run.id;
    store.commit(id, head.fence, &[asks("q")], Some(RunState::Waiting), NOW).await.expect("committed");
    let mut tasks = JoinSet::new();
    for n in 0..16 {
        let store = store.clone();
        tasks
            .spawn(async move { (n, store.answer(&tenant("many"), id, &key("q", None), &said(&n.to_string())).await) });
    }
    let answers = tasks.join_all().await;
    let won: Vec<_> = answers.iter().filter(|(_, answer)| answer.is_ok()).map(|(n, _)| *n).collect();
    assert_eq!(won.len(), 1, "{answers:?}");
    assert!(answers.iter().all(|(_, answer)| matches!(answer, Ok(()) | Err(RunError::Answered))));
    assert_eq!(all(&store, id).await[0].answer, Some(said(&won[0].to_string())));
}

pub(crate) async fn what_is_written_anew_takes_its_answer_with_it(store: Shared) {
    let head = begun(&store, 9, "anew").await;
    let (id, anew) = (head.run.id, tenant("anew"));
    store.commit(id, head.fence, &[asks("q")], Some(RunState::Waiting), NOW).await.expect("committed");
    store.answer(&anew, id, &key("q", None), &said("yes")).await.expect("the first");
    let head = store.claim(&anew, id).await.expect("a claim");
    assert_eq!(head.state, RunState::Running);
    assert_eq!(all(&store, id).await[0].answer, Some(said("yes")), "a claim leaves answers alone");
    store.commit(id, head.fence, &[asks("q")], Some(RunState::Waiting), NOW).await.expect("committed");
    assert_eq!(all(&store, id).await[0].answer, None);
    store.answer(&anew, id, &key("q", None), &said("again")).await.expect("a new question");
}

pub(crate) async fn a_run_that_ended_stays_as_it_is(store: Shared) {
    let head = begun(&store, 10, "end").await;
    let (id, end) = (head.run.id, tenant("end"));
    store.commit(id, head.fence, &[asks("q")], Some(RunState::Cancelled), NOW).await.expect("committed");
    let ended = store.claim(&end, id).await.expect("as it is");
    assert_eq!((ended.state, ended.fence), (RunState::Cancelled, head.fence));
    assert_eq!(store.commit(id, ended.fence, &[done("x", "1")], None, NOW).await, Err(RunError::Overtaken));
    assert_eq!(store.answer(&end, id, &key("q", None), &said("late")).await, Err(RunError::NotWaiting));
    assert_eq!(all(&store, id).await.len(), 1);
}

pub(crate) async fn runs_are_listed_newest_first(store: Shared) {
    for n in 0..25_u128 {
        // Ids that are in no order.
        let head = begun(&store, 1_000 + (n * 7) % 25, "list").await;
        if n % 5 == 0 {
            store.commit(head.run.id, head.fence, &[], Some(RunState::Failed), NOW).await.expect("committed");
        }
    }
    let list = tenant("list");
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = store.list(&list, None, before, 10).await.expect("a page");
        let Some(last) = page.last() else { break };
        before = Some(last.run.id);
        seen.extend(page.into_iter().map(|head| head.run.id.0.0));
    }
    assert!(seen.iter().copied().eq((0..25).rev().map(|n| 1_000 + (n * 7) % 25)), "{seen:?}");
    let failed = store.list(&list, Some(RunState::Failed), None, 100).await.expect("a page");
    assert!(failed.len() == 5 && failed.iter().all(|head| head.state == RunState::Failed && head.run.plan.is_empty()));
}

pub(crate) async fn a_run_is_removed_when_it_has_ended(store: Shared) {
    let head = begun(&store, 11, "gone").await;
    let (id, gone) = (head.run.id, tenant("gone"));
    let many: Vec<_> = (0..2_500).map(|n| done(&format!("s{n}"), "1")).collect();
    store.commit(id, head.fence, &many, None, NOW).await.expect("committed");
    assert_eq!(store.remove(&gone, id).await, Err(RunError::NotEnded));
    store.commit(id, head.fence, &[], Some(RunState::Completed), NOW).await.expect("committed");
    store.remove(&gone, id).await.expect("removed");
    assert_eq!(store.head(&gone, id).await, Err(RunError::NotFound));
    assert!(all(&store, id).await.is_empty());
    assert_eq!(store.remove(&gone, id).await, Err(RunError::NotFound));
    store.create(&head.run).await.expect("the id is free again");
    assert!(all(&store, id).await.is_empty());
}

pub(crate) async fn a_large_result_comes_back(store: Shared) {
    let head = begun(&store, 12, "large").await;
    let large = format!("\"{}\"", "x".repeat(16 << 20));
    store.commit(head.run.id, head.fence, &[done("a", &large)], None, NOW).await.expect("committed");
    assert_eq!(all(&store, head.run.id).await[0].record, done("a", &large));
}
