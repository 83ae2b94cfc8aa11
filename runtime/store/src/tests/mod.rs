//! The store against real files: the contract, opening, sharing, damage, and being killed.

mod contract;
mod crash;
mod damage;
mod opening;
mod sharing;

use tempfile::TempDir;
use toolcell_core::kv::{Key, KvError, KvStore as _, Quota, Space};
use toolcell_core::{Tenant, UnixMillis};

use crate::{Options, Store};

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

/// A new store in a folder of its own.
async fn fresh() -> (Store, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&folder.path().join("store.db"), Options::default()).await.expect("a new store");
    (store, folder)
}

/// Sets a key of the tenant and component that these tests use.
async fn put(store: &Store, key: &str, value: &[u8]) -> Result<(), KvError> {
    let space = Space { tenant: &Tenant::default(), component: "notes" };
    store.set(space, &name(key), value, None, &Quota::DEFAULT, NOW).await
}

async fn value(store: &Store, key: &str) -> Result<Option<Vec<u8>>, KvError> {
    store.get(Space { tenant: &Tenant::default(), component: "notes" }, &name(key), NOW).await
}

fn name(key: &str) -> Key {
    key.parse().expect("a key")
}

/// What the operator is told, and not the guest.
fn detail<T: std::fmt::Debug>(result: Result<T, KvError>) -> String {
    match result {
        Err(error @ KvError::Unavailable { .. }) => {
            assert!(!error.to_string().contains('/'), "a guest would see a path: {error}");
            let KvError::Unavailable { detail } = error else { unreachable!("matched above") };
            detail
        }
        other => panic!("the store must be unavailable: {other:?}"),
    }
}
