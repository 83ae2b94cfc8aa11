//! Several who use one file, and one who holds it too long.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use toolcell_core::Tenant;
use toolcell_core::kv::{KvError, KvStore as _, Quota, Space};

use super::{NOW, detail, fresh, name, put, value};
use crate::{Options, Store, StoreError};

const HASTY: Options = Options { patience: Duration::from_millis(100), readers: 1 };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_may_open_a_new_file_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.db");
    let mut opening = JoinSet::new();
    for number in 0..8 {
        let path = path.clone();
        opening.spawn(async move {
            let store = Store::open(&path, Options::default()).await.expect("all of them get it");
            for step in 0..10 {
                put(&store, &format!("{number}-{step}"), b"v").await.expect("a turn to write");
            }
            store
        });
    }
    let stores = opening.join_all().await;
    for store in &stores {
        assert!(value(store, "7-9").await.expect("an answer").is_some());
    }
    stores[0].check().await.expect("whole, and counted right");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_holds_over_all_who_share_the_file() {
    let (one, folder) = fresh().await;
    let two = Store::open(&folder.path().join("store.db"), Options::default()).await.expect("the same file");
    let mut sets = JoinSet::new();
    for number in 0..64 {
        let store = if number % 2 == 0 { one.clone() } else { two.clone() };
        sets.spawn(async move {
            let space = Space { tenant: &Tenant::default(), component: "notes" };
            let quota = Quota { keys: 10, ..Quota::DEFAULT };
            match store.set(space, &name(&number.to_string()), b"v", None, &quota, NOW).await {
                Ok(()) => 1,
                Err(KvError::OverQuota(_)) => 0,
                Err(other) => panic!("{other:?}"),
            }
        });
    }
    assert_eq!(sets.join_all().await.into_iter().sum::<i32>(), 10);
    one.check().await.expect("whole, and counted right");
}

#[tokio::test]
async fn who_holds_the_file_stops_writers_for_a_bounded_time_and_readers_not_at_all() {
    let (holder, folder) = fresh().await;
    let path = folder.path().join("store.db");
    let hasty = Store::open(&path, HASTY).await.expect("the same file");
    let patient = Store::open(&path, Options::default()).await.expect("the same file");
    put(&patient, "k", b"before").await.expect("nobody holds it");
    let mut held = holder.writer.begin_with("BEGIN IMMEDIATE").await.expect("the lock");
    sqlx::query("UPDATE kv_entry SET expires = 1").execute(&mut *held).await.expect("SQL");

    let began = Instant::now();
    assert!(detail(put(&hasty, "k", b"during").await).contains("store.db"));
    assert_eq!(value(&patient, "k").await.expect("reading needs no lock"), Some(b"before".to_vec()));
    let error = Store::open(&path, HASTY).await.expect_err("opening needs the lock");
    assert!(matches!(error, StoreError::Busy { .. }), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());

    held.rollback().await.expect("given back");
    put(&patient, "k", b"after").await.expect("nobody holds it");
    assert_eq!(value(&patient, "k").await.expect("an answer"), Some(b"after".to_vec()));
    patient.check().await.expect("whole, and counted right");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn abandoned_writes_leave_no_transaction_behind() {
    let (store, _folder) = fresh().await;
    for number in 0..200_u64 {
        // Dropped at ever other places: after the first poll, or wherever the write is when the time is over.
        let write = put(&store, "k", &[1; 2_000]);
        let _ = tokio::time::timeout(Duration::from_micros(number * 10), write).await;
    }
    put(&store, "k", b"last").await.expect("the connection is free");
    assert_eq!(value(&store, "k").await.expect("an answer"), Some(b"last".to_vec()));
    store.check().await.expect("whole, and counted right");
}
