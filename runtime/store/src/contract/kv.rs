//! What every [`KvStore`] promises, as clauses that each backend runs against itself with `kv_contract!`.
//!
//! A clause gets a store that may hold other spaces, and works in spaces of its own name. No clause reads a clock.

use std::sync::Arc;

use tokio::task::JoinSet;
use toolcell_core::kv::{
    Cursor, Key, KvError, KvStore, MAX_PAGE, OverQuota, Page, PageSize, Prefix, Quota, Space, Usage,
};
use toolcell_core::{Tenant, UnixMillis};

/// Makes a test of every clause; `$open` gives a future of something that derefs to a store and keeps its files.
macro_rules! kv_contract {
    ($open:path; $($clause:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $clause() {
            let (store, _files) = $open().await;
            crate::contract::kv::$clause(std::sync::Arc::new(store)).await;
        }
    )*};
    ($open:path) => {
        kv_contract! { $open;
            what_is_set_is_there_until_it_is_deleted
            names_have_no_meaning
            tenants_and_components_never_see_each_other
            a_value_may_have_its_quota_and_not_one_byte_more
            a_space_may_be_full_to_the_last_byte_and_key
            a_refused_set_changes_nothing
            a_space_over_a_lowered_quota_can_still_shrink
            concurrent_sets_never_go_over_the_quota
            an_expired_entry_is_gone_at_its_moment
            expired_entries_make_room_at_once
            purging_frees_what_expired_and_nothing_else
            pages_name_every_key_once_in_byte_order
            pages_stay_true_while_keys_come_and_go
            a_cursor_of_one_space_shows_nothing_of_it_in_another
            prefixes_end_where_they_should
        }
    };
}
pub(crate) use kv_contract;

type Shared = Arc<dyn KvStore>;

const QUOTA: Quota = Quota::DEFAULT;
const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

fn later(millis: u64) -> UnixMillis {
    UnixMillis(NOW.0 + millis)
}

fn key(text: &str) -> Key {
    text.parse().expect("a key")
}

fn tenant(name: &str) -> Tenant {
    Tenant(name.into())
}

fn of<'a>(tenant: &'a Tenant, component: &'a str) -> Space<'a> {
    Space { tenant, component }
}

fn refused(result: Result<(), KvError>) -> OverQuota {
    match result {
        Err(KvError::OverQuota(over)) => over,
        other => panic!("this must be over a quota: {other:?}"),
    }
}

/// Sets a value that never expires, under the default quota.
async fn put(store: &Shared, space: Space<'_>, name: &str, value: &[u8]) {
    store.set(space, &key(name), value, None, &QUOTA, NOW).await.expect("room");
}

async fn value(store: &Shared, space: Space<'_>, name: &str) -> Option<Vec<u8>> {
    store.get(space, &key(name), NOW).await.expect("an answer")
}

async fn page(store: &Shared, space: Space<'_>, prefix: &str, after: Option<&Cursor>, limit: u32) -> Page {
    let prefix: Prefix = prefix.parse().expect("a prefix");
    store.list(space, &prefix, after, PageSize::new(limit).expect("a size"), NOW).await.expect("an answer")
}

/// All keys of a prefix, over pages of a size; the cursor travels as text, as a guest carries it.
async fn walk(store: &Shared, space: Space<'_>, prefix: &str, limit: u32) -> Vec<String> {
    let (mut keys, mut after) = (Vec::new(), None::<Cursor>);
    loop {
        let page = page(store, space, prefix, after.as_ref(), limit).await;
        assert!(page.keys.len() <= limit as usize);
        keys.extend(page.keys.iter().map(ToString::to_string));
        match page.next {
            Some(next) => after = Some(next.to_string().parse().expect("our own cursor")),
            None => return keys,
        }
    }
}

pub(crate) async fn what_is_set_is_there_until_it_is_deleted(store: Shared) {
    let tenant = tenant("t");
    let space = of(&tenant, "basic");
    assert_eq!(value(&store, space, "a").await, None);
    for bytes in [&b""[..], b"one", &[0, 255, 0], "ключ".as_bytes()] {
        put(&store, space, "a", bytes).await;
        assert_eq!(value(&store, space, "a").await.as_deref(), Some(bytes));
    }
    let usage = store.usage(space, NOW).await.expect("an answer");
    assert_eq!(usage, Usage { keys: 1, bytes: 1 + 8 });
    for _ in 0..2 {
        store.delete(space, &key("a")).await.expect("removing what is not there is no error");
        assert_eq!(value(&store, space, "a").await, None);
    }
    assert_eq!(store.usage(space, NOW).await.expect("an answer"), Usage::default());
    store.delete(of(&tenant, "never-used"), &key("a")).await.expect("no error either");
    assert_eq!(store.usage(of(&tenant, "never-used"), NOW).await.expect("an answer"), Usage::default());
}

pub(crate) async fn names_have_no_meaning(store: Shared) {
    let tenant = tenant("t/../u");
    let space = of(&tenant, "names");
    let longest = "k".repeat(512);
    let names = [
        "../../etc/passwd",
        ".",
        "%",
        "_",
        "a'; DROP TABLE kv_entry; --",
        "Key",
        "key",
        "é",
        "e\u{301}",
        "🦀",
        " ",
        &longest,
    ];
    for name in names {
        put(&store, space, name, name.as_bytes()).await;
    }
    for name in names {
        assert_eq!(value(&store, space, name).await.as_deref(), Some(name.as_bytes()), "{name}");
    }
    let mut sorted = names.map(str::to_owned);
    sorted.sort();
    assert_eq!(walk(&store, space, "", 5).await, sorted);
}

pub(crate) async fn tenants_and_components_never_see_each_other(store: Shared) {
    let (a, ab, empty) = (tenant("a"), tenant("ab"), tenant(""));
    // Names that would meet if they were joined into one, with or without a separator.
    let spaces = [of(&a, "bc"), of(&ab, "c"), of(&a, "b/c"), of(&empty, "abc"), of(&a, "BC"), of(&a, "")];
    for (number, space) in (0_u8..).zip(spaces) {
        put(&store, space, "k", &[number]).await;
        put(&store, space, &format!("only-{number}"), b"").await;
    }
    store.delete(spaces[0], &key("k")).await.expect("an answer");
    for (number, space) in (0_u8..).zip(spaces) {
        assert_eq!(value(&store, space, "k").await, (number > 0).then(|| vec![number]));
        assert_eq!(walk(&store, space, "only", 10).await, [format!("only-{number}")]);
        assert_eq!(store.usage(space, NOW).await.expect("an answer").keys, 1 + u64::from(number > 0));
    }
}

pub(crate) async fn a_value_may_have_its_quota_and_not_one_byte_more(store: Shared) {
    let tenant = tenant("t");
    let space = of(&tenant, "value-quota");
    let full = vec![7; 1 << 20];
    put(&store, space, "a", &full).await;
    assert_eq!(value(&store, space, "a").await.as_deref(), Some(&*full));
    let over = [&*full, &[7]].concat();
    let refusal = refused(store.set(space, &key("a"), &over, None, &QUOTA, NOW).await);
    assert_eq!(refusal, OverQuota::Value { bytes: (1 << 20) + 1, limit: 1 << 20 });
    assert_eq!(value(&store, space, "a").await.map(|value| value.len()), Some(1 << 20));
}

pub(crate) async fn a_space_may_be_full_to_the_last_byte_and_key(store: Shared) {
    let tenant = tenant("t");
    let quota = Quota { keys: 3, value_bytes: 100, total_bytes: 50 };
    let space = of(&tenant, "total");
    let set = async |name: &str, bytes: usize| store.set(space, &key(name), &vec![1; bytes], None, &quota, NOW).await;
    // Bytes are counted, not characters.
    set("é", 20).await.expect("22 bytes");
    assert_eq!(refused(set("b", 28).await), OverQuota::Total { bytes: 51, limit: 50 });
    set("b", 27).await.expect("50 bytes");
    assert_eq!(refused(set("c", 0).await), OverQuota::Total { bytes: 51, limit: 50 });
    set("b", 1).await.expect("smaller");
    set("c", 0).await.expect("a third key");
    assert_eq!(refused(set("d", 0).await), OverQuota::Keys { limit: 3 });
    set("c", 2).await.expect("a key that is there already");
    assert_eq!(store.usage(space, NOW).await.expect("an answer"), Usage { keys: 3, bytes: 22 + 2 + 3 });
}

pub(crate) async fn a_refused_set_changes_nothing(store: Shared) {
    let tenant = tenant("t");
    let quota = Quota { keys: 1, value_bytes: 10, total_bytes: 10 };
    let (space, unused) = (of(&tenant, "refused"), of(&tenant, "refused-first"));
    store.set(space, &key("a"), b"12345", None, &quota, NOW).await.expect("room");
    let tiny = Quota { total_bytes: 1, ..quota };
    for (space, name, quota) in [(space, "a", &tiny), (space, "b", &quota), (unused, "a", &tiny)] {
        refused(store.set(space, &key(name), b"123456", Some(later(5)), quota, NOW).await);
    }
    assert_eq!(store.get(space, &key("a"), later(10)).await.expect("an answer"), Some(b"12345".to_vec()));
    assert_eq!(store.usage(space, NOW).await.expect("an answer"), Usage { keys: 1, bytes: 6 });
    assert_eq!(store.usage(unused, NOW).await.expect("an answer"), Usage::default());
}

pub(crate) async fn a_space_over_a_lowered_quota_can_still_shrink(store: Shared) {
    let tenant = tenant("t");
    let space = of(&tenant, "lowered");
    put(&store, space, "a", &[1; 1_000]).await;
    put(&store, space, "b", &[1; 1_000]).await;
    let lowered = Quota { keys: 1, value_bytes: 1_000, total_bytes: 100 };
    store.set(space, &key("a"), &[2; 999], None, &lowered, NOW).await.expect("it shrinks");
    store.set(space, &key("a"), &[3; 999], None, &lowered, NOW).await.expect("it does not grow");
    refused(store.set(space, &key("a"), &[4; 1_000], None, &lowered, NOW).await);
    refused(store.set(space, &key("c"), &[4; 1], None, &lowered, NOW).await);
    store.delete(space, &key("b")).await.expect("an answer");
    assert_eq!(value(&store, space, "a").await, Some(vec![3; 999]));
}

pub(crate) async fn concurrent_sets_never_go_over_the_quota(store: Shared) {
    let mut sets = JoinSet::new();
    for number in 0..64_u64 {
        let store = store.clone();
        sets.spawn(async move {
            let tenant = tenant("t");
            // Room for 10 more keys in one space, and for 10 more values of 100 bytes and their 2-byte keys in the other.
            let by_keys = Quota { keys: 10, ..QUOTA };
            let by_bytes = Quota { total_bytes: 10 * 102 + 101, ..QUOTA };
            let (name, value) = (key(&format!("{number:02}")), [1; 100]);
            let keys = store.set(of(&tenant, "race-keys"), &name, &value, None, &by_keys, NOW).await;
            let bytes = store.set(of(&tenant, "race-bytes"), &name, &value, None, &by_bytes, NOW).await;
            [keys, bytes].map(|result| match result {
                Ok(()) => 1,
                Err(KvError::OverQuota(_)) => 0,
                Err(other) => panic!("{other:?}"),
            })
        });
    }
    let fitted = sets.join_all().await.into_iter().fold([0, 0], |[a, b], [keys, bytes]| [a + keys, b + bytes]);
    assert_eq!(fitted, [10, 10]);
    let tenant = tenant("t");
    for component in ["race-keys", "race-bytes"] {
        let usage = store.usage(of(&tenant, component), NOW).await.expect("an answer");
        assert_eq!(usage, Usage { keys: 10, bytes: 1_020 }, "{component}");
        assert_eq!(walk(&store, of(&tenant, component), "", 100).await.len(), 10);
    }
}

pub(crate) async fn an_expired_entry_is_gone_at_its_moment(store: Shared) {
    let tenant = tenant("t");
    let space = of(&tenant, "expiry");
    let set = async |name: &str, expires| store.set(space, &key(name), b"v", expires, &QUOTA, NOW).await.expect("room");
    set("stays", None).await;
    set("goes", Some(later(10))).await;
    set("never", Some(UnixMillis(u64::MAX))).await;
    let seen = async |now| {
        let page = store.list(space, &Prefix::default(), None, PageSize::new(9).expect("a size"), now).await;
        let usage = store.usage(space, now).await.expect("an answer");
        let keys: Vec<_> = page.expect("an answer").keys.iter().map(ToString::to_string).collect();
        assert_eq!((usage.keys, usage.bytes), (keys.len() as u64, keys.iter().map(|key| key.len() as u64 + 1).sum()));
        (keys, store.get(space, &key("goes"), now).await.expect("an answer").is_some())
    };
    assert_eq!(seen(later(9)).await, (vec!["goes".into(), "never".into(), "stays".into()], true));
    assert_eq!(seen(later(10)).await, (vec!["never".into(), "stays".into()], false));
    // What is set again has its new expiry only; what expires at once is as if it were deleted.
    set("goes", None).await;
    assert_eq!(seen(later(1 << 40)).await.0, ["goes", "never", "stays"]);
    set("goes", Some(NOW)).await;
    set("stays", Some(UnixMillis(0))).await;
    assert_eq!(seen(NOW).await, (vec!["never".into()], false));
}

pub(crate) async fn expired_entries_make_room_at_once(store: Shared) {
    let tenant = tenant("t");
    let space = of(&tenant, "room");
    let quota = Quota { keys: 1_200, value_bytes: 20_000, total_bytes: 20_000 };
    store.set(space, &key("kept"), b"v", None, &quota, NOW).await.expect("room");
    for number in 0..1_199 {
        let name = key(&format!("{number:04}"));
        store.set(space, &name, b"12345678", Some(later(1)), &quota, NOW).await.expect("room");
    }
    refused(store.set(space, &key("more"), b"", None, &quota, NOW).await);
    // Nearly all of the space for one value: every expired entry has to go for it.
    store
        .set(space, &key("more"), &vec![1; 19_900], None, &quota, later(1))
        .await
        .expect("the expired ones do not count");
    assert_eq!(store.usage(space, NOW).await.expect("an answer"), Usage { keys: 2, bytes: 5 + 19_904 });
    assert_eq!(walk(&store, space, "", 100).await, ["kept", "more"]);
}

pub(crate) async fn purging_frees_what_expired_and_nothing_else(store: Shared) {
    let (tenant, other) = (tenant("t"), tenant("u"));
    let spaces = [of(&tenant, "purge"), of(&other, "purge")];
    for number in 0..300_u64 {
        for space in spaces {
            let expires = [None, Some(later(1)), Some(later(1_000))][usize::try_from(number % 3).expect("small")];
            store.set(space, &key(&number.to_string()), b"v", expires, &QUOTA, NOW).await.expect("room");
        }
    }
    assert_eq!(store.purge_expired(NOW).await.expect("an answer"), 0);
    assert_eq!(store.purge_expired(later(999)).await.expect("an answer"), 200);
    assert_eq!(store.purge_expired(later(999)).await.expect("an answer"), 0);
    for space in spaces {
        // Asked about the past, the store shows what it still has.
        assert_eq!(store.usage(space, NOW).await.expect("an answer").keys, 200);
    }
    assert_eq!(store.purge_expired(later(1_000)).await.expect("an answer"), 200);
}

pub(crate) async fn pages_name_every_key_once_in_byte_order(store: Shared) {
    let tenant = tenant("t");
    let space = of(&tenant, "pages");
    let mut names: Vec<_> = (0..25).map(|number| format!("k/{}", number * 7 % 25)).collect();
    names.extend(["k".into(), "k0".into(), "k/é".into(), "k/🦀".into(), "k/\u{ffff}".into(), "j".into()]);
    for name in &names {
        put(&store, space, name, b"v").await;
    }
    names.sort();
    let under: Vec<_> = names.iter().filter(|name| name.starts_with("k/")).cloned().collect();
    for limit in [1, 3, 27, 28, 29, MAX_PAGE] {
        assert_eq!(walk(&store, space, "", limit).await, names, "pages of {limit}");
        assert_eq!(walk(&store, space, "k/", limit).await, under, "pages of {limit}");
    }
    let whole = page(&store, space, "k/", None, 28).await;
    assert_eq!((whole.keys.len(), whole.next), (28, None), "a page that ends with the keys has no next one");
    assert_eq!(page(&store, space, "nothing", None, 10).await, Page::default());
}

pub(crate) async fn pages_stay_true_while_keys_come_and_go(store: Shared) {
    let tenant = tenant("t");
    let space = of(&tenant, "stable");
    for number in 0..10 {
        put(&store, space, &format!("{number}0"), b"v").await;
    }
    let first = page(&store, space, "", None, 5).await;
    assert_eq!(first.keys.last(), Some(&key("40")));
    // The cursor's own key goes; others come before and behind it.
    store.delete(space, &key("40")).await.expect("an answer");
    store.delete(space, &key("60")).await.expect("an answer");
    for name in ["05", "39", "41"] {
        put(&store, space, name, b"v").await;
    }
    let second = page(&store, space, "", first.next.as_ref(), 100).await;
    assert_eq!(second.keys, ["41", "50", "70", "80", "90"].map(key));
}

pub(crate) async fn a_cursor_of_one_space_shows_nothing_of_it_in_another(store: Shared) {
    let (ours, theirs) = (tenant("ours"), tenant("theirs"));
    let (space, other) = (of(&ours, "cursor"), of(&theirs, "cursor"));
    for name in ["b", "d", "f"] {
        put(&store, space, name, b"v").await;
    }
    for name in ["a", "c", "e", "g"] {
        put(&store, other, name, b"v").await;
    }
    let cursor = page(&store, other, "", None, 2).await.next.expect("there is more");
    assert_eq!(page(&store, space, "", Some(&cursor), 10).await.keys, ["d", "f"].map(key));
    // Before the prefix it begins with the prefix; behind it, nothing is left.
    assert_eq!(page(&store, space, "f", Some(&cursor), 10).await.keys, [key("f")]);
    assert_eq!(page(&store, space, "b", Some(&cursor), 10).await.keys, []);
}

pub(crate) async fn prefixes_end_where_they_should(store: Shared) {
    let tenant = tenant("t");
    let space = of(&tenant, "prefixes");
    let names = ["a", "a%", "a_b", "ab", "axb", "b", "\u{d7ff}x", "\u{e000}", "\u{10ffff}", "\u{10ffff}z"];
    for name in names {
        put(&store, space, name, b"v").await;
    }
    for prefix in ["", "a", "a%", "a_", "\u{d7ff}", "\u{10ffff}", "\u{10ffff}z", "c", "A"] {
        let expected: Vec<_> = names.iter().filter(|name| name.starts_with(prefix)).collect();
        assert_eq!(walk(&store, space, prefix, 1).await.iter().collect::<Vec<_>>(), expected, "{prefix:?}");
    }
}
