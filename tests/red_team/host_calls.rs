//! Attacks through what the host offers: calls that cost the guest little and the host much, and doors that are closed.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;

use serde_json::json;
use toolcell_core::Limit;
use toolcell_core::manifest::Access;
use toolcell_host::{Pattern, Policy};

use super::alone::{Footprint, alone};
use super::{Arena, Attack, Guest, HOSTILE, check, limited};

const HOST: Guest<'static> = Guest::Text(include_str!("guests/host.wat"));

#[test]
fn a_loop_over_the_clock_ends_at_the_host_call_limit() {
    check(&Attack::new(HOSTILE, "pester", &[(Limit::HostCalls, 50_000)], "host-call-limit"));
    check(&Attack::new(HOSTILE, "pester", &[(Limit::HostCalls, 1_000_000_000), (Limit::Time, 300)], "time-limit"));
}

#[test]
fn a_loop_over_config_ends_at_the_host_call_limit() {
    let limits = &[(Limit::HostCalls, 10_000)];
    check(&Attack::new(HOST, "ask-config", limits, "host-call-limit").with(r#"{ "size": 8 }"#));
}

/// A folder that is mounted at `/data`, to be read.
fn mounted(folder: &tempfile::TempDir, limits: &[(Limit, u64)]) -> Policy {
    limited(limits).mount(Pattern::Any, folder.path(), "/data", Access::ReadOnly).unwrap()
}

#[test]
fn reading_a_huge_folder_again_and_again_is_charged() {
    let folder = tempfile::tempdir().unwrap();
    (0..2_000).for_each(|n| drop(fs::File::create(folder.path().join(format!("{n:0>100}"))).unwrap()));
    for (limit, value, kind) in
        [(Limit::HostCalls, 10_000, "host-call-limit"), (Limit::HostBytes, 1 << 20, "host-bytes-limit")]
    {
        let arena = Arena::new(HOSTILE, mounted(&folder, &[(limit, value)]));
        let struck = arena.strike("list-folder", r#"{ "path": "/data", "times": 1000000 }"#);
        struck.ended_as(kind, &arena);
        arena.serves();
    }
    let arena = Arena::new(HOSTILE, mounted(&folder, &[]));
    assert_eq!(arena.strike("list-folder", r#"{ "path": "/data", "times": 2 }"#).result(), json!(4_000));
}

#[test]
fn reading_four_gibibytes_at_once_gives_what_is_there() {
    alone(|| {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), vec![b'x'; 100_000]).unwrap();
        // A file of 64 GiB that takes no room: what is read of it is bounded by the host and not by the file.
        fs::File::create(folder.path().join("hole")).unwrap().set_len(64 << 30).unwrap();
        let arena = Arena::new(HOSTILE, mounted(&folder, &[(Limit::Memory, 64 << 20)]));
        arena.serves();
        let footprint = Footprint::now();
        for (path, length, offset) in [
            ("file", 1_u64 << 32, 0),
            ("file", u64::MAX, 0),
            ("file", 1 << 32, 99_999),
            ("file", 1 << 32, u64::MAX),
            ("hole", 1 << 32, 1 << 33),
            ("hole", u64::MAX, 0),
        ] {
            let arguments = json!({ "path": path, "length": length.to_string(), "offset": offset.to_string() });
            let struck = arena.strike("read-at", &arguments.to_string());
            match struck.outcome.verdict.failure() {
                None => assert!(
                    struck.result().as_u64().is_some_and(|read| read <= 16 << 20),
                    "{arguments}: {}",
                    struck.result()
                ),
                Some(failure) => {
                    let kind = failure.kind.name();
                    assert!(
                        matches!(kind, "tool-failed" | "memory-limit" | "host-bytes-limit" | "file-read-limit"),
                        "{arguments}: {kind}"
                    );
                }
            }
        }
        footprint.holds(arena.limit(Limit::Memory));
        let one = arena.strike("read-at", r#"{ "path": "file", "length": "4294967296", "offset": 99999 }"#);
        assert_eq!(one.result(), json!(1));
        arena.serves();
    });
}

#[test]
fn ten_thousand_opens_end_at_the_open_file_limit() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), b"x").unwrap();
    let arena = Arena::new(HOSTILE, mounted(&folder, &[]));
    let struck = arena.strike("open-many", r#"{ "path": "/data/file" }"#);
    struck.ended_as("open-files-limit", &arena);
    arena.serves();
}

#[test]
fn raw_sockets_are_denied_and_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let arena = Arena::new(HOSTILE, limited(&[]));
    let address = listener.local_addr().unwrap();
    for address in
        [address.to_string(), format!("localhost:{}", address.port()), format!("[::ffff:127.0.0.1]:{}", address.port())]
    {
        let struck = arena.strike("connect", &json!({ "address": address }).to_string());
        assert!(struck.outcome.verdict.failure().is_some(), "{address}");
        let denied = &struck.outcome.receipt.as_ref().unwrap().receipt.denied;
        assert!(denied.iter().any(|attempt| attempt.function.starts_with("wasi:sockets/")), "{address}: {denied:?}");
    }
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "somebody has connected");
    arena.serves();
}
