//! What every [`FixStore`] and [`HealthStore`] promises.

use std::sync::Arc;

use tokio::task::JoinSet;
use toolcell_core::fixes::{Edit, Fix, FixStore};
use toolcell_core::health::{CallRecord, HealthStore, Recovered};
use toolcell_core::history::{ChangeKind, Repairer};
use toolcell_core::{Digest, Kind, Limit, Recovery, Tenant, UnixMillis};

/// Makes a test of every clause about fixes, and about calls where they are kept too; `$open` gives a future of something that derefs to a store and keeps its files.
macro_rules! learning_contract {
    ($open:path; fixes) => {
        learning_contract! { $open;
            a_fix_comes_back_as_it_was_learned
            what_is_added_to_a_fix_adds_up
            fixes_are_their_tenants_alone
            fixes_are_listed_by_id_and_forgotten
        }
    };
    ($open:path; calls) => {
        learning_contract! { $open;
            records_come_back_oldest_first
            only_so_many_records_are_kept
        }
    };
    ($open:path; $($clause:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $clause() {
            let (store, _files) = $open().await;
            crate::contract::learning::$clause(std::sync::Arc::new(store)).await;
        }
    )*}
}
pub(crate) use learning_contract;

fn fix(whose: &str, number: u64) -> Fix {
    let at = || "/a~1b/*/c".to_owned();
    Fix {
        id: Digest::of(&number.to_be_bytes()),
        tenant: Tenant(whose.into()),
        fingerprint: Digest::of(b"a failure"),
        tool: "json.query".to_owned(),
        kind: Kind::Limit(Limit::Fuel),
        pointer: at(),
        message: "expected <number>".to_owned(),
        edits: vec![
            Edit::Rename { at: at(), from: "q".to_owned(), to: "query".to_owned() },
            Edit::Replace { at: at(), from: "\"a\"".to_owned(), to: "1.50".to_owned() },
            Edit::Apply { at: at(), rule: ChangeKind::Listed },
            Edit::Remove { at: at() },
            Edit::Tool { to: "json.validate".to_owned() },
        ],
        by: Repairer::Memory,
        tried: 3,
        worked: 2,
        first: UnixMillis(10),
        last: UnixMillis(20),
    }
}

pub(crate) async fn a_fix_comes_back_as_it_was_learned(store: Arc<dyn FixStore>) {
    let fix = fix("back", 1);
    store.add(&fix).await.expect("added");
    assert_eq!(store.find(&fix.tenant, fix.fingerprint).await, Ok(vec![fix.clone()]));
    assert_eq!(store.find(&fix.tenant, Digest::of(b"another failure")).await, Ok(Vec::new()));
}

pub(crate) async fn what_is_added_to_a_fix_adds_up(store: Arc<dyn FixStore>) {
    let mut tasks = JoinSet::new();
    for n in 0..20 {
        let store = store.clone();
        tasks.spawn(async move {
            store.add(&Fix { tried: 2, worked: 1, first: UnixMillis(9), last: UnixMillis(n), ..fix("add", 1) }).await
        });
    }
    assert!(tasks.join_all().await.iter().all(Result::is_ok));
    let found = store.find(&Tenant("add".into()), Digest::of(b"a failure")).await.expect("an answer");
    assert_eq!(found, [Fix { tried: 40, worked: 20, first: UnixMillis(9), last: UnixMillis(19), ..fix("add", 1) }]);
}

pub(crate) async fn fixes_are_their_tenants_alone(store: Arc<dyn FixStore>) {
    let mine = fix("mine", 1);
    store.add(&mine).await.expect("added");
    let other = Tenant("other".into());
    assert_eq!(store.find(&other, mine.fingerprint).await, Ok(Vec::new()));
    assert_eq!(store.list(&other, None, 10).await, Ok(Vec::new()));
    assert_eq!(store.forget(&other, mine.id).await, Ok(false));
    store.add(&fix("other", 1)).await.expect("the same fix of somebody else");
    assert_eq!(store.find(&mine.tenant, mine.fingerprint).await, Ok(vec![mine]));
}

pub(crate) async fn fixes_are_listed_by_id_and_forgotten(store: Arc<dyn FixStore>) {
    let whose = Tenant("list".into());
    let mut fixes: Vec<_> = (0..30).map(|number| fix("list", number)).collect();
    for fix in &fixes {
        store.add(fix).await.expect("added");
    }
    fixes.sort_by_key(|fix| fix.id.to_string());
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.list(&whose, after, 7).await.expect("a page");
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen.extend(page);
    }
    assert_eq!(seen, fixes);
    assert_eq!(store.forget(&whose, fixes[3].id).await, Ok(true));
    assert_eq!(store.forget(&whose, fixes[3].id).await, Ok(false));
    assert_eq!(store.list(&whose, None, 100).await.expect("a page").len(), 29);
}

fn call(whose: &str, at: u64) -> CallRecord {
    CallRecord {
        at: UnixMillis(at),
        tenant: Tenant(whose.into()),
        tool: "http.fetch".to_owned(),
        component: Some(Digest::of(b"component")),
        profile: "scout".to_owned(),
        upstream: Some("https://example.org:443".to_owned()),
        verdict: "failed".into(),
        kind: Some(Kind::Unavailable),
        recovery: Some(Recovery::Retry),
        fingerprint: Some(Digest::of(b"a failure")),
        message: Some("it answered <number>".to_owned()),
        duration_us: at * 3,
        recovered: Some(Recovered::Fallback),
    }
}

pub(crate) async fn records_come_back_oldest_first(store: Arc<dyn HealthStore>) {
    let bare = CallRecord {
        component: None,
        upstream: None,
        verdict: "completed".into(),
        kind: None,
        recovery: None,
        fingerprint: None,
        message: None,
        recovered: None,
        ..call("a", 5)
    };
    let records = [call("a", 1), call("b", 2), call("a", 3), bare.clone(), call("a", 4)];
    store.record(&records).await.expect("recorded");
    let (a, b) = (Tenant("a".into()), Tenant("b".into()));
    let since = |tenant, since, limit| store.since(tenant, UnixMillis(since), limit);
    assert_eq!(since(Some(&a), 3, 100).await, Ok(vec![call("a", 3), call("a", 4), bare.clone()]));
    assert_eq!(since(Some(&a), 0, 2).await, Ok(vec![call("a", 4), bare]), "the newest ones, the oldest of those first");
    assert_eq!(since(Some(&b), 0, 100).await, Ok(vec![call("b", 2)]));
    assert_eq!(since(None, 0, 100).await.map(|all| all.len()), Ok(5));
    assert_eq!(since(None, 6, 100).await, Ok(Vec::new()));
}

pub(crate) async fn only_so_many_records_are_kept(store: Arc<dyn HealthStore>) {
    let records: Vec<_> = (0..12_000).map(|at| call("a", at)).collect();
    store.record(&records).await.expect("recorded");
    let left = async || store.since(None, UnixMillis(0), 1_000_000).await.expect("records");
    assert_eq!(store.forget(UnixMillis(1_000), 1_000_000).await, Ok(1_000));
    assert_eq!(left().await, records[1_000..]);
    assert_eq!(store.forget(UnixMillis(0), 100).await, Ok(10_900));
    assert_eq!(left().await, records[11_900..]);
    assert_eq!(store.forget(UnixMillis(0), 100).await, Ok(0));
    assert_eq!(store.forget(UnixMillis(u64::MAX), 0).await, Ok(100));
}
