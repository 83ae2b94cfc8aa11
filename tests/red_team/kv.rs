//! Attacks on the store of keys and values: on its room, and on the walls between its owners.

use std::fs;

use serde_json::{Value, json};

use super::Struck;
use super::alone::{Footprint, alone};
use super::outside::{AMPLE, Site, denied};

/// Whose calls they are where nobody says so.
const OWN: &str = "local";

/// The store that everybody has here: small enough that its walls are near.
const RULES: &str = r#"
[[rule]]
name = "kv"
tools = ["guest", "other"]
kv = { keys = 100, value-bytes = "64 KiB", total-bytes = "1 MiB" }
call = ["other"]
"#;

fn keys(site: &Site, tenant: &str) -> Value {
    site.strike_as(tenant, "keys", &json!({ "prefix": "", "page": 7 })).result()
}

fn set(site: &Site, tenant: &str, key: &str, bytes: u64) -> Struck {
    site.strike_as(tenant, "set", &json!({ "key": key, "bytes": bytes }))
}

#[test]
fn a_huge_value_is_refused_and_leaves_nothing() {
    alone(|| {
        let site = Site::new(&format!("{AMPLE}memory = \"80 MiB\"\n{RULES}"));
        site.arena.serves();
        let footprint = Footprint::now();
        for bytes in [(64 << 10) + 1, 1 << 20, 16 << 20] {
            let struck = set(&site, OWN, "key", bytes);
            let failure = struck.failure();
            assert_eq!(failure.kind.name(), "tool-failed", "{bytes}: {failure:?}");
            assert!(failure.message.contains("OverQuota"), "{bytes}: {failure:?}");
        }
        // More than crosses at a time.
        set(&site, OWN, "key", 64 << 20).ended_as("crossing-bytes-limit", &site.arena);
        // More than its own memory holds, and more than any memory does.
        for bytes in [1 << 30, 1 << 40, u64::MAX] {
            let struck = site.strike("set", &json!({ "key": "key", "bytes": bytes.to_string() }));
            let kind = struck.failure().kind.name();
            assert!(matches!(kind, "memory-limit" | "trap"), "{bytes}: {kind}");
        }
        footprint.holds(80 << 20);
        assert_eq!(keys(&site, OWN), json!([]));
        set(&site, OWN, "key", 64 << 10).result();
        assert_eq!(keys(&site, OWN), json!(["key"]));
        site.arena.serves();
    });
}

#[test]
fn the_largest_value_that_a_quota_allows_is_set_where_memory_has_room_for_it() {
    alone(|| {
        let rules = RULES.replace("64 KiB", "16 MiB").replace("1 MiB", "64 MiB");
        let site = Site::new(&rules);
        set(&site, OWN, "key", 16 << 20).result();
        assert_eq!(keys(&site, OWN), json!(["key"]));
        let site = Site::new(&format!("{AMPLE}memory = \"48 MiB\"\n{rules}"));
        site.arena.serves();
        let footprint = Footprint::now();
        set(&site, OWN, "key", 16 << 20).ended_as("memory-limit", &site.arena);
        footprint.holds(48 << 20);
        assert_eq!(keys(&site, OWN), json!([]));
        site.arena.serves();
    });
}

#[test]
fn a_flood_of_keys_ends_at_its_quota() {
    let site = Site::new(RULES);
    let flood = |bytes: u64| site.strike("flood-keys", &json!({ "bytes": bytes })).result();
    let ended = flood(1);
    assert_eq!(ended[0], json!(100), "{ended}");
    assert!(ended[1].as_str().is_some_and(|why| why.contains("OverQuota")), "{ended}");
    // Those that are there may be set again, to something larger: then the bytes are what ends it.
    let ended = flood(64 << 10);
    assert!(ended[0].as_u64().is_some_and(|set| set < 17), "{ended}");
    assert!(ended[1].as_str().is_some_and(|why| why.contains("OverQuota")), "{ended}");
    let size = fs::metadata(site.home().join("store.db")).unwrap().len();
    assert!(size < 8 << 20, "the file has {size} bytes");
    assert_eq!(keys(&site, OWN).as_array().map(Vec::len), Some(100));
    // Another owner's room is not touched by it.
    assert_eq!(keys(&site, "umbrella"), json!([]));
    set(&site, "umbrella", "key", 1).result();
    site.arena.serves();
}

#[test]
fn a_loop_over_pages_ends_at_the_host_call_limit() {
    let site = Site::new(&format!("{AMPLE}host-calls = 40\n{RULES}"));
    for n in 0..60 {
        site.strike("set", &json!({ "key": format!("key-{n}"), "bytes": 1 })).result();
    }
    assert_eq!(site.strike("keys", &json!({ "prefix": "", "page": 10 })).result().as_array().map(Vec::len), Some(60));
    site.ends("keys", &json!({ "prefix": "", "page": 1 }), "host-call-limit");
}

#[test]
fn listing_everything_gives_pages_of_the_owners_own() {
    let site = Site::new(RULES);
    site.strike("flood-keys", &json!({ "bytes": 1 })).result();
    for page in [0, 1, 7, 1_000, u32::MAX] {
        let all = site.strike("keys", &json!({ "prefix": "", "page": page })).result();
        assert_eq!(all.as_array().map(Vec::len), Some(100), "pages of {page}");
        let others = site.strike_as("umbrella", "keys", &json!({ "prefix": "", "page": page })).result();
        assert_eq!(others, json!([]), "pages of {page}");
    }
    for (prefix, found) in
        [("key-0000009", 10), ("%", 0), ("_", 0), ("key-%", 0), ("*", 0), ("'", 0), ("\u{10ffff}", 0)]
    {
        let some = site.strike("keys", &json!({ "prefix": prefix, "page": 3 })).result();
        assert_eq!(some.as_array().map(Vec::len), Some(found), "{prefix:?}");
    }
    site.arena.serves();
}

#[test]
fn a_key_is_a_name_and_no_path() {
    let site = Site::new(RULES);
    // The database has all of its files once something was written.
    set(&site, OWN, "key", 1).result();
    let before = files(&site);
    let names = [
        "../key",
        "../../etc/passwd",
        "/etc/passwd",
        "..",
        "a/../../b",
        "'; DROP TABLE kv_entry; --",
        "%00",
        "e\u{301}",
    ];
    for (index, name) in names.into_iter().enumerate() {
        set(&site, "acme", name, index as u64 + 1).result();
    }
    let mut sorted = names;
    sorted.sort_unstable();
    assert_eq!(keys(&site, "acme"), json!(sorted));
    for (index, name) in names.into_iter().enumerate() {
        let value = site.strike_as("acme", "get", &json!({ "key": name })).result();
        assert_eq!(value, json!("x".repeat(index + 1)), "{name:?}");
        assert_eq!(site.strike_as("umbrella", "get", &json!({ "key": name })).result(), Value::Null, "{name:?}");
    }
    assert_eq!(files(&site), before, "a key became a file");
    site.arena.serves();
}

#[test]
fn a_key_with_nul_or_without_end_is_refused() {
    let site = Site::new(RULES);
    for key in ["\0", "key\0", "key\0../x", "a\nb", "\u{1b}[2J", "\u{85}", "", &"k".repeat(513), &"k".repeat(1 << 20)] {
        for (tool, arguments) in [("set", json!({ "key": key, "bytes": 1 })), ("get", json!({ "key": key }))] {
            let struck = site.strike(tool, &arguments);
            let message = &struck.failure().message;
            assert!(message.contains("InvalidKey"), "{tool} {}: {message}", key.len());
            assert!(message.len() < 500 && !message.contains(['\0', '\u{1b}', '\n']), "{message:?}");
        }
    }
    assert_eq!(keys(&site, OWN), json!([]));
    site.arena.serves();
}

#[test]
fn a_forged_cursor_leads_nowhere_else() {
    let site = Site::new(RULES);
    for key in ["a", "b", "c"] {
        set(&site, "acme", key, 1).result();
        set(&site, "umbrella", &format!("theirs-{key}"), 1).result();
    }
    let page = |cursor: &str| site.strike_as("acme", "forge-cursor", &json!({ "cursor": cursor }));
    // The form of a real cursor is a byte and the key after which the page begins: base64 of `\x01a`.
    assert_eq!(page("AWE").result(), json!(["b", "c"]));
    // Any other position, one in the other owner's space included, is one in the own space.
    for (cursor, left) in [("AXRoZWlycy1h", json!([])), ("AUE", json!(["a", "b", "c"]))] {
        assert_eq!(page(cursor).result(), left, "{cursor}");
    }
    for cursor in ["", "a", "AWE=", "../..", "umbrella/a", "\0", "AQ", "AmE", "' OR 1=1 --", &"A".repeat(1 << 20)] {
        let struck = page(cursor);
        assert!(struck.failure().message.contains("InvalidKey"), "{:?}", struck.failure());
        assert!(!struck.told().contains("theirs"));
    }
    site.arena.serves();
}

#[test]
fn a_tenant_sees_nothing_of_another() {
    let site = Site::new(RULES).and("other");
    set(&site, "acme", "key", 5).result();
    // Names that a careless store would take for the same, or for a way there.
    let tenants = [
        "umbrella",
        "ACME",
        "acme ",
        " acme",
        "acme\0",
        "acme/guest",
        "acme/../acme",
        "acm%",
        "acme'--",
        "",
        "a\u{441}me",
        OWN,
    ];
    for tenant in tenants {
        assert_eq!(keys(&site, tenant), json!([]), "{tenant:?}");
        assert_eq!(site.strike_as(tenant, "get", &json!({ "key": "key" })).result(), Value::Null, "{tenant:?}");
        set(&site, tenant, "key", 1).result();
    }
    assert_eq!(site.strike_as("acme", "get", &json!({ "key": "key" })).result(), json!("xxxxx"));
    // The same tenant's other component has a store of its own, also where the first one calls it.
    let through = json!({ "tool": "other.attacks.keys", "arguments": r#"{ "prefix": "", "page": 10 }"# });
    let struck = site.strike_as("acme", "call", &through);
    assert_eq!(struck.result(), json!("[]"));
    site.arena.serves();
}

#[test]
fn a_store_that_is_not_granted_is_not_touched() {
    let site = Site::new("");
    for (tool, arguments) in [
        ("set", json!({ "key": "key", "bytes": 1 })),
        ("get", json!({ "key": "key" })),
        ("keys", json!({ "prefix": "", "page": 1 })),
        ("forge-cursor", json!({ "cursor": "AWE" })),
    ] {
        let struck = site.strike(tool, &arguments);
        assert!(struck.failure().message.contains("NotGranted"), "{tool}: {:?}", struck.failure());
        assert!(
            denied(&struck).iter().any(|attempt| attempt.function.starts_with("toolcell:host/kv")),
            "{tool}: {:?}",
            denied(&struck)
        );
    }
    site.arena.serves();
}

/// Every file below the home but receipts, of which each call writes some.
fn files(site: &Site) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![site.home().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() && !path.ends_with("receipts") {
                folders.push(path);
            } else {
                found.push(path.display().to_string());
            }
        }
    }
    found.sort_unstable();
    found
}
