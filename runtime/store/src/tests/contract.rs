//! The clauses of the contract, and that the counted usage is what a recount finds after each of them.

use std::sync::Arc;

use toolcell_core::UnixMillis;
use toolcell_core::kv::{KvStore as _, Quota, Space};

use super::{NOW, fresh};
use crate::contract::kv::kv_contract;
use crate::contract::learning::learning_contract;
use crate::contract::runs::run_contract;

kv_contract!(fresh);
run_contract!(fresh);
learning_contract!(fresh; fixes);
learning_contract!(fresh; calls);

/// The stores that the agents' room keeps in memory: whoever embeds them must not find out that they are others.
mod in_memory {
    use std::future::{Ready, ready};

    use toolcell_agents::fixes::Shelf;
    use toolcell_agents::schedule::MemoryRuns;

    use crate::contract::learning::learning_contract;
    use crate::contract::runs::run_contract;

    fn runs() -> Ready<(MemoryRuns, ())> {
        ready((MemoryRuns::default(), ()))
    }

    fn shelf() -> Ready<(Shelf, ())> {
        ready((Shelf::new(1_000), ()))
    }

    run_contract!(runs);
    learning_contract!(shelf; fixes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_counted_is_what_a_recount_finds() {
    let (store, _folder) = fresh().await;
    let shared: Arc<crate::Store> = Arc::new(store.clone());
    crate::contract::kv::a_refused_set_changes_nothing(shared.clone()).await;
    crate::contract::kv::concurrent_sets_never_go_over_the_quota(shared.clone()).await;
    crate::contract::kv::expired_entries_make_room_at_once(shared.clone()).await;
    crate::contract::kv::purging_frees_what_expired_and_nothing_else(shared).await;
    // A long walk over few keys, so that every kind of change meets every other; a fixed generator keeps it the same.
    let tenant = toolcell_core::Tenant::default();
    let quota = Quota { keys: 8, value_bytes: 3_000, total_bytes: 9_000 };
    let mut state = 1_u64;
    for step in 0..600 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (pick, size) = (state >> 60, usize::try_from(state >> 33 & 0xfff).expect("twelve bits"));
        let space = Space { tenant: &tenant, component: if state & (1 << 20) == 0 { "walk" } else { "walk-2" } };
        let (key, now) = (super::name(&pick.to_string()), UnixMillis(NOW.0 + step));
        match state >> 56 & 7 {
            0 => store.delete(space, &key).await.expect("an answer"),
            1 => drop(store.purge_expired(now).await.expect("an answer")),
            2..=4 => drop(store.set(space, &key, &vec![1; size], Some(UnixMillis(now.0 + pick)), &quota, now).await),
            _ => drop(store.set(space, &key, &vec![1; size], None, &quota, now).await),
        }
        let usage = store.usage(space, now).await.expect("an answer");
        assert!(usage.keys <= 8 && usage.bytes <= 9_000, "step {step}: {usage:?}");
    }
    store.check().await.expect("whole, and counted right");

    // The check would see it: count one byte too many.
    sqlx::query("UPDATE kv_space SET bytes = bytes + 1 WHERE component = 'walk'")
        .execute(&store.writer)
        .await
        .expect("SQL");
    let error = store.check().await.expect_err("counted wrong");
    assert!(error.to_string().contains("1 kv spaces"), "{error}");
}
