//! What is opened, and what is refused.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::{detail, fresh, put, value};
use crate::{Options, Store, StoreError};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("there").permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a mode");
}

async fn open(path: &Path) -> Result<Store, StoreError> {
    Store::open(path, Options { readers: 1, ..Options::default() }).await
}

#[tokio::test]
async fn a_new_store_is_its_owners_alone_and_durable() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a/b/store.db");
    let store = Store::open(&path, Options::default()).await.expect("a new store");
    put(&store, "k", b"v").await.expect("room");
    assert_eq!((mode(&folder.path().join("a")), mode(&folder.path().join("a/b"))), (0o700, 0o700));
    for file in ["store.db", "store.db-wal", "store.db-shm"] {
        assert_eq!(mode(&path.with_file_name(file)), 0o600, "{file}");
    }
    for (pragma, expected) in
        [("journal_mode", "wal"), ("synchronous", "2"), ("foreign_keys", "1"), ("trusted_schema", "0")]
    {
        let sql = format!("SELECT CAST({pragma} AS TEXT) FROM pragma_{pragma}");
        for pool in [&store.writer, &store.readers] {
            let found: String = sqlx::query_scalar(&sql).fetch_one(pool).await.expect("a pragma");
            assert_eq!(found, expected, "{pragma}");
        }
    }
    store.close().await;
    assert!(detail(put(&store, "k", b"v").await).contains("store.db"));
    let again = open(&path).await.expect("the same store");
    assert_eq!(value(&again, "k").await.expect("an answer"), Some(b"v".to_vec()));
    assert!(!std::fs::metadata(&path).expect("there").permissions().readonly());
}

#[tokio::test]
async fn names_with_a_meaning_to_sqlite_are_files() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in [":memory:", "x.db?mode=memory", "file:x.db", "%41 é.db"] {
        let store = open(&folder.path().join(name)).await.expect(name);
        put(&store, "k", b"v").await.expect("room");
        store.close().await;
        assert!(folder.path().join(name).metadata().expect(name).len() > 0, "{name}");
    }
}

#[tokio::test]
async fn what_others_could_read_or_replace_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.db");
    open(&path).await.expect("a new store").close().await;
    for wrong in [0o640, 0o604, 0o644, 0o666] {
        set_mode(&path, wrong);
        let error = open(&path).await.expect_err("open to others");
        assert!(matches!(error, StoreError::Exposed { mode, wanted: 0o600, .. } if mode == wrong), "{error}");
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
    set_mode(&path, 0o600);
    set_mode(folder.path(), 0o777);
    let error = open(&path).await.expect_err("anybody could replace the file");
    assert!(matches!(error, StoreError::Exposed { wanted: 0o700, .. }), "{error}");
    set_mode(folder.path(), 0o755);
    open(&path).await.expect("others may see that there is a file");
}

#[tokio::test]
async fn what_is_no_regular_file_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("store.db");
    open(&target).await.expect("a new store").close().await;
    let [link, dangling, inner, socket] =
        ["link.db", "dangling.db", "folder.db", "socket.db"].map(|n| folder.path().join(n));
    symlink(&target, &link).expect("a link");
    symlink(folder.path().join("nowhere"), &dangling).expect("a link");
    std::fs::create_dir(&inner).expect("a folder");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    for path in [&link, &dangling, &inner, &socket] {
        let error = open(path).await.expect_err("no regular file");
        assert!(matches!(error, StoreError::NotAFile { .. }), "{error}");
    }
    assert!(!folder.path().join("nowhere").exists());
    let error = open(&target.join("store.db")).await.expect_err("its folder is a file");
    assert!(matches!(error, StoreError::File { .. }), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.db");
    let mut header = b"SQLite format 3\0".to_vec();
    header.resize(4_096, 0xff);
    for content in [b"hello".repeat(1_000), vec![0xff; 100], header, vec![0; 100_000]] {
        std::fs::write(&path, &content).expect("a file");
        set_mode(&path, 0o600);
        let error = open(&path).await.expect_err("no database");
        assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("store.db") && text.contains("restore a copy"), "{text}");
        assert_eq!(std::fs::read(&path).expect("still there"), content);
    }
}

#[tokio::test]
async fn the_database_of_another_program_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("other.db");
    // Once without an application id, once with somebody else's.
    for sql in ["CREATE TABLE kv_space (id)", "PRAGMA application_id = 77"] {
        let mut other =
            SqliteConnectOptions::new().filename(&path).create_if_missing(true).connect().await.expect("a file");
        sqlx::query(sql).execute(&mut other).await.expect("SQL");
        other.close().await.expect("closed");
        set_mode(&path, 0o600);
        let before = std::fs::read(&path).expect("the file");
        let error = open(&path).await.expect_err("not ours");
        assert!(matches!(error, StoreError::Foreign { .. }), "{error:?}");
        assert_eq!(std::fs::read(&path).expect("the file"), before);
        std::fs::remove_file(&path).expect("removed");
    }
}

#[tokio::test]
async fn a_newer_or_another_version_is_refused() {
    for (sql, newer) in [
        ("INSERT INTO _sqlx_migrations VALUES (99, 'later', 0, TRUE, x'', 0)", true),
        ("UPDATE _sqlx_migrations SET checksum = x'00'", false),
    ] {
        let (store, folder) = fresh().await;
        sqlx::query(sql).execute(&store.writer).await.expect("SQL");
        store.close().await;
        let error = open(&folder.path().join("store.db")).await.expect_err("another version");
        match error {
            StoreError::Newer { version: 99, known: 3, .. } => assert!(newer),
            StoreError::Altered { version: 1, .. } => assert!(!newer),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn an_older_version_is_brought_up_with_what_it_holds() {
    let (store, folder) = fresh().await;
    let path = folder.path().join("store.db");
    put(&store, "k", b"v").await.expect("room");
    // What the first version was: without what came later.
    for sql in [
        "DROP TABLE step",
        "DROP TABLE run",
        "DROP TABLE fix",
        "DROP TABLE call_record",
        "DELETE FROM _sqlx_migrations WHERE version > 1",
    ] {
        sqlx::query(sql).execute(&store.writer).await.expect("SQL");
    }
    store.close().await;
    let again = open(&path).await.expect("the same store");
    assert_eq!(value(&again, "k").await.expect("an answer"), Some(b"v".to_vec()));
    let runs = toolcell_core::RunStore::list(&again, &toolcell_core::Tenant::default(), None, None, 10).await;
    assert_eq!(runs, Ok(Vec::new()));
    again.check().await.expect("whole");
}
