//! Files that are damaged, and a disk that is full.

use std::time::Duration;

use toolcell_core::kv::KvStore as _;

use super::{NOW, detail, fresh, put, value};
use crate::{Options, Store, StoreError};

const ONE_READER: Options = Options { patience: Duration::from_secs(5), readers: 1 };

#[tokio::test]
async fn a_damaged_page_is_an_error_that_names_the_file_and_never_a_panic() {
    let (store, folder) = fresh().await;
    for number in 0..200 {
        put(&store, &format!("{number:03}"), &[7; 300]).await.expect("room");
    }
    store.close().await;
    let path = folder.path().join("store.db");
    let whole = std::fs::read(&path).expect("the file");
    assert!(!path.with_file_name("store.db-wal").exists(), "closing puts everything into the one file");
    let mut noticed = 0;
    for step in 0..whole.len() / 997 {
        let mut bytes = whole.clone();
        let at = step * 997;
        let end = bytes.len().min(at + 64);
        bytes[at..end].fill(0xa5);
        std::fs::write(&path, &bytes).expect("a file");
        let store = match Store::open(&path, ONE_READER).await {
            Ok(store) => store,
            Err(error) => {
                assert!(error.to_string().contains("store.db"), "{error}");
                noticed += 1;
                continue;
            }
        };
        let errors = [
            put(&store, "000", b"v").await.err(),
            value(&store, "150").await.err(),
            store.purge_expired(NOW).await.err(),
        ];
        for error in errors.into_iter().flatten() {
            assert!(detail::<()>(Err(error)).contains("store.db"));
        }
        noticed += usize::from(store.check().await.is_err());
        store.close().await;
    }
    // Bytes of values have no checksum, so not every change shows.
    assert!(noticed > 10, "{noticed}");

    std::fs::write(&path, &whole[..whole.len() / 2]).expect("half a file");
    let problem = match Store::open(&path, ONE_READER).await {
        Ok(store) => store.check().await.expect_err("half is missing"),
        Err(error) => error,
    };
    assert!(matches!(problem, StoreError::Damaged { .. }), "{problem:?}");
}

#[tokio::test]
async fn a_full_disk_leaves_everything_as_it_was() {
    let (store, _folder) = fresh().await;
    put(&store, "old", &[1; 1_000]).await.expect("room");
    let large = vec![2; 100_000];
    // As many pages as there are, and two: the one connection that writes may then take no more of the disk.
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&store.writer).await.expect("a number");
    let most = |pages: i64| format!("PRAGMA max_page_count = {pages}");
    sqlx::query(&most(pages + 2)).execute(&store.writer).await.expect("SQL");
    for _ in 0..3 {
        let told = detail(put(&store, "new", &large).await);
        assert!(told.contains("full") && told.contains("store.db"), "{told}");
        assert!(detail(put(&store, "old", &large).await).contains("full"));
    }
    assert_eq!(value(&store, "old").await.expect("an answer"), Some(vec![1; 1_000]));
    assert_eq!(value(&store, "new").await.expect("an answer"), None);
    put(&store, "old", b"smaller").await.expect("what needs no room is written");
    sqlx::query(&most(1 << 20)).execute(&store.writer).await.expect("SQL");
    put(&store, "new", &large).await.expect("room again");
    store.check().await.expect("whole, and counted right");
}
