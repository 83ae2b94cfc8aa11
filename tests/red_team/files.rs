//! Attacks through files: ways out of a mount, ways around its access, and ways to fill the disk.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, RenameFlags, mknodat, renameat_with};
use serde_json::{Value, json};
use tempfile::TempDir;
use toolcell_core::Limit;
use toolcell_core::manifest::Access;
use toolcell_host::{Pattern, Policy};

use super::{Arena, HOSTILE, Struck, limited};

/// Stands outside of every mount, and is never to be seen.
const CANARY: &str = "canary-7b1f0c";

/// A folder of the host. `a/mount` is mounted at `/data`, `a/reference` read-only at `/reference`; everything else is outside.
struct Yard {
    root: TempDir,
}

impl Yard {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let yard = Self { root };
        for folder in ["a/mount/sub/deep", "a/reference", "a/outside"] {
            fs::create_dir_all(yard.path(folder)).unwrap();
        }
        for outside in ["inside.txt", "a/inside.txt", "a/outside/secret.txt", "a/outside/inside.txt"] {
            fs::write(yard.path(outside), CANARY).unwrap();
        }
        fs::write(yard.path("a/mount/inside.txt"), "inside").unwrap();
        fs::write(yard.path("a/reference/book.txt"), "book").unwrap();
        yard
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn policy(&self, access: Access, limits: &[(Limit, u64)]) -> Policy {
        limited(limits)
            .mount(Pattern::Any, &self.path("a/mount"), "/data", access)
            .and_then(|policy| policy.mount(Pattern::Any, &self.path("a/reference"), "/reference", Access::ReadOnly))
            .unwrap()
    }

    fn arena(&self, access: Access) -> Arena {
        Arena::new(HOSTILE, self.policy(access, &[]))
    }

    /// Everything outside, and what is read-only, is as it was.
    fn is_untouched(&self) {
        for outside in ["inside.txt", "a/inside.txt", "a/outside/secret.txt", "a/outside/inside.txt"] {
            assert_eq!(fs::read_to_string(self.path(outside)).unwrap(), CANARY, "{outside}");
        }
        assert_eq!(fs::read_dir(self.path("a/outside")).unwrap().count(), 2);
        assert_eq!(fs::read_to_string(self.path("a/reference/book.txt")).unwrap(), "book");
        assert_eq!(fs::read_dir(self.path("a/reference")).unwrap().count(), 1);
    }
}

/// The attempt failed as the tool's own failure, nobody has seen the canary, and the host stands.
fn held_back(arena: &Arena, tool: &str, arguments: &Value) -> Struck {
    let struck = arena.strike(tool, &arguments.to_string());
    assert!(!struck.told().contains(CANARY), "{tool} {arguments} got out");
    let kind = struck.failure().kind.name();
    assert!(matches!(kind, "tool-failed" | "denied" | "not-found" | "conflict"), "{tool} {arguments}: {kind}");
    struck
}

/// The same, and the receipt counts the attempt.
fn denied(arena: &Arena, tool: &str, arguments: &Value) {
    let struck = held_back(arena, tool, arguments);
    let receipt = &struck.outcome.receipt.as_ref().unwrap().receipt;
    assert!(!receipt.denied.is_empty(), "{tool} {arguments} is not in the receipt: {:?}", struck.outcome.verdict);
}

#[test]
fn dot_dot_does_not_leave_the_mount() {
    let yard = Yard::new();
    let arena = yard.arena(Access::ReadWrite);
    for path in [
        "../outside/secret.txt",
        "../../inside.txt",
        "sub/../../outside/secret.txt",
        "./.././outside/secret.txt",
        "sub//..//..//inside.txt",
    ] {
        for follow in [true, false] {
            denied(&arena, "open-raw", &json!({ "path": path, "follow": follow }));
        }
    }
    held_back(&arena, "read", &json!({ "path": "/data/../outside/secret.txt" }));
    held_back(&arena, "write", &json!({ "path": "/data/../outside/secret.txt", "megabytes": 0 }));
    held_back(&arena, "move-file", &json!({ "origin": "/data/inside.txt", "to": "/data/../outside/taken.txt" }));
    // Dots that stay inside are nothing special.
    let inside = arena.strike("open-raw", &json!({ "path": "sub/deep/../../inside.txt", "follow": true }).to_string());
    assert_eq!(inside.result(), json!("inside"));
    yard.is_untouched();
    arena.serves();
}

#[test]
fn an_absolute_path_does_not_leave_the_mount() {
    let yard = Yard::new();
    let arena = yard.arena(Access::ReadWrite);
    let outside = yard.path("a/outside/secret.txt");
    for path in ["/etc/passwd", "/", "//etc/passwd", outside.to_str().unwrap(), "/data/inside.txt"] {
        denied(&arena, "open-raw", &json!({ "path": path, "follow": true }));
    }
    for path in ["/etc/passwd", outside.to_str().unwrap(), "", "\0", "inside.txt\0.png"] {
        held_back(&arena, "read", &json!({ "path": path }));
    }
    yard.is_untouched();
    arena.serves();
}

#[test]
fn a_link_out_of_the_mount_is_not_followed() {
    let yard = Yard::new();
    symlink("../outside/secret.txt", yard.path("a/mount/relative")).unwrap();
    symlink(yard.path("a/outside/secret.txt"), yard.path("a/mount/absolute")).unwrap();
    symlink("../outside", yard.path("a/mount/folder")).unwrap();
    symlink("inside.txt", yard.path("a/mount/honest")).unwrap();
    let arena = yard.arena(Access::ReadWrite);
    for path in ["relative", "absolute", "folder/secret.txt", "sub/../folder/secret.txt"] {
        denied(&arena, "open-raw", &json!({ "path": path, "follow": true }));
        held_back(&arena, "read", &json!({ "path": format!("/data/{path}") }));
        held_back(&arena, "write", &json!({ "path": format!("/data/{path}"), "megabytes": 0 }));
    }
    // And it plants none of its own.
    for target in ["../outside/secret.txt", "/etc/passwd", "sub/../../outside/secret.txt"] {
        let planted = arena.strike("link-raw", &json!({ "target": target, "link": "planted" }).to_string());
        let read = arena.strike("open-raw", &json!({ "path": "planted", "follow": true }).to_string());
        assert!(
            read.outcome.verdict.failure().is_some() && !read.told().contains(CANARY),
            "{target}: {:?}",
            planted.outcome
        );
        let _ = fs::remove_file(yard.path("a/mount/planted"));
    }
    held_back(&arena, "link-out", &json!({ "target": "/etc/passwd", "link": "/data/out" }));
    assert_eq!(arena.strike("open-raw", r#"{ "path": "honest", "follow": true }"#).result(), json!("inside"));
    yard.is_untouched();
    arena.serves();
}

#[test]
fn chains_and_loops_of_links_end() {
    let yard = Yard::new();
    for (link, target) in [("x", "y"), ("y", "x"), ("self", "self"), ("c0", "../outside/secret.txt"), ("up", "sub/..")]
    {
        symlink(target, yard.path("a/mount").join(link)).unwrap();
    }
    (1..60).for_each(|n| symlink(format!("c{}", n - 1), yard.path(&format!("a/mount/c{n}"))).unwrap());
    let arena = yard.arena(Access::ReadWrite);
    for path in ["x", "self", "c1", "c5", "c59", "self/inside.txt"] {
        held_back(&arena, "open-raw", &json!({ "path": path, "follow": true }));
    }
    // A path may go round in circles, too.
    let winding = "up/".repeat(2_000) + "inside.txt";
    let struck = arena.strike("open-raw", &json!({ "path": winding, "follow": true }).to_string());
    assert!(!struck.told().contains(CANARY) && struck.elapsed < Duration::from_secs(10), "{:?}", struck.elapsed);
    yard.is_untouched();
    arena.serves();
}

#[test]
fn a_trailing_slash_does_not_follow_a_link_out() {
    let yard = Yard::new();
    symlink("../outside", yard.path("a/mount/folder")).unwrap();
    symlink("../outside/secret.txt", yard.path("a/mount/file")).unwrap();
    let arena = yard.arena(Access::ReadWrite);
    for path in [
        "folder/",
        "folder/.",
        "folder/./secret.txt",
        "folder//secret.txt",
        "file/",
        "inside.txt/../../outside/secret.txt",
    ] {
        for follow in [true, false] {
            held_back(&arena, "open-raw", &json!({ "path": path, "follow": follow }));
        }
    }
    held_back(&arena, "list-folder", &json!({ "path": "/data/folder/", "times": 1 }));
    held_back(&arena, "move-file", &json!({ "origin": "/data/folder/", "to": "/data/mine" }));
    yard.is_untouched();
    arena.serves();
}

#[test]
fn a_link_that_is_moved_still_does_not_lead_out() {
    let yard = Yard::new();
    // Inside where it stands, outside where it is moved to.
    symlink("../../inside.txt", yard.path("a/mount/sub/deep/link")).unwrap();
    let arena = yard.arena(Access::ReadWrite);
    assert_eq!(arena.strike("open-raw", r#"{ "path": "sub/deep/link", "follow": true }"#).result(), json!("inside"));
    arena.strike("move-file", r#"{ "origin": "/data/sub/deep/link", "to": "/data/link" }"#);
    for path in ["link", "sub/deep/link", "./link"] {
        let struck = arena.strike("open-raw", &json!({ "path": path, "follow": true }).to_string());
        assert!(!struck.told().contains(CANARY), "{path}");
    }
    yard.is_untouched();
    arena.serves();
}

#[test]
fn a_hard_link_does_not_cross_mounts() {
    let yard = Yard::new();
    let arena = yard.arena(Access::ReadWrite);
    denied(&arena, "hard-link", &json!({ "origin": "/reference/book.txt", "to": "/data/mine.txt" }));
    denied(&arena, "hard-link", &json!({ "origin": "/data/inside.txt", "to": "/reference/theirs.txt" }));
    denied(&arena, "move-file", &json!({ "origin": "/reference/book.txt", "to": "/data/mine.txt" }));
    denied(&arena, "move-file", &json!({ "origin": "/data/inside.txt", "to": "/reference/theirs.txt" }));
    held_back(&arena, "hard-link", &json!({ "origin": "/data/../outside/secret.txt", "to": "/data/mine.txt" }));
    assert!(!yard.path("a/mount/mine.txt").exists());
    yard.is_untouched();
    arena.serves();
}

#[test]
fn a_read_only_mount_is_not_changed() {
    let yard = Yard::new();
    let arena = yard.arena(Access::ReadOnly);
    for (tool, arguments) in [
        ("cut-file", json!({ "path": "inside.txt" })),
        ("write", json!({ "path": "/data/inside.txt", "megabytes": 0 })),
        ("write", json!({ "path": "/data/new.txt", "megabytes": 0 })),
        ("sparse", json!({ "path": "/data/inside.txt", "megabytes": 1 })),
        ("touch", json!({ "path": "inside.txt", "seconds": 1 })),
        ("move-file", json!({ "origin": "/data/inside.txt", "to": "/data/other.txt" })),
        ("hard-link", json!({ "origin": "/data/inside.txt", "to": "/data/other.txt" })),
        ("link-raw", json!({ "target": "inside.txt", "link": "other.txt" })),
    ] {
        denied(&arena, tool, &arguments);
    }
    assert_eq!(fs::read_to_string(yard.path("a/mount/inside.txt")).unwrap(), "inside");
    assert_eq!(fs::read_dir(yard.path("a/mount")).unwrap().count(), 2);
    yard.is_untouched();
    arena.serves();
}

#[test]
fn a_link_into_proc_is_not_followed() {
    let yard = Yard::new();
    for (link, target) in [
        ("environ", "/proc/self/environ"),
        ("root", "/proc/self/root"),
        ("cwd", "/proc/self/cwd"),
        ("fd", "/proc/self/fd"),
    ] {
        symlink(target, yard.path("a/mount").join(link)).unwrap();
    }
    let arena = yard.arena(Access::ReadWrite);
    for path in ["environ", "root/etc/passwd", "cwd/Cargo.toml", "fd/0", "fd/1"] {
        denied(&arena, "open-raw", &json!({ "path": path, "follow": true }));
    }
    held_back(&arena, "read", &json!({ "path": "/proc/self/environ" }));
    held_back(&arena, "link-out", &json!({ "target": "/proc/self/environ", "link": "/data/mine" }));
    yard.is_untouched();
    arena.serves();
}

#[test]
fn a_fifo_is_refused_and_does_not_block() {
    let yard = Yard::new();
    mknodat(CWD, yard.path("a/mount/fifo"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(yard.path("a/mount/socket")).unwrap();
    // Only root can make a device; where the tests run as somebody else, nobody else can either.
    let device = mknodat(
        CWD,
        yard.path("a/mount/zero"),
        FileType::CharacterDevice,
        Mode::from_raw_mode(0o600),
        rustix::fs::makedev(1, 5),
    );
    let arena = yard.arena(Access::ReadWrite);
    let mut special = vec!["fifo", "socket"];
    special.extend(device.is_ok().then_some("zero"));
    for path in special {
        held_back(&arena, "open-raw", &json!({ "path": path, "follow": true }));
        held_back(&arena, "read", &json!({ "path": format!("/data/{path}") }));
        held_back(&arena, "write", &json!({ "path": format!("/data/{path}"), "megabytes": 1 }));
        held_back(&arena, "cut-file", &json!({ "path": path }));
    }
    arena.serves();
}

#[test]
fn filling_the_disk_ends_at_the_write_limit() {
    let yard = Yard::new();
    let arena = Arena::new(HOSTILE, yard.policy(Access::ReadWrite, &[(Limit::FileWriteBytes, 4 << 20)]));
    let struck = arena.strike("write", r#"{ "path": "/data/big", "megabytes": 1000 }"#);
    struck.ended_as("file-write-limit", &arena);
    let written = fs::metadata(yard.path("a/mount/big")).unwrap().len();
    assert!(written <= 4 << 20, "{written}");
    arena.serves();
}

#[test]
fn a_sparse_file_is_charged_for_its_holes() {
    let yard = Yard::new();
    let arena = Arena::new(HOSTILE, yard.policy(Access::ReadWrite, &[(Limit::FileWriteBytes, 4 << 20)]));
    let struck = arena.strike("sparse", r#"{ "path": "/data/hole", "megabytes": 1048576 }"#);
    struck.ended_as("file-write-limit", &arena);
    assert_eq!(
        fs::metadata(yard.path("a/mount/hole")).map_or(0, |hole| hole.len()),
        0,
        "it has grown before it was refused"
    );
    arena.serves();
}

#[test]
fn extreme_timestamps_break_nothing() {
    let yard = Yard::new();
    let arena = yard.arena(Access::ReadWrite);
    for seconds in [0, 1, 1 << 31, 1 << 34, i64::MAX as u64 / 1_000_000_000, i64::MAX as u64, 1 << 63, u64::MAX] {
        let struck =
            arena.strike("touch", &json!({ "path": "inside.txt", "seconds": seconds.to_string() }).to_string());
        let kind = struck.outcome.verdict.failure().map(|failure| failure.kind.name());
        assert!(matches!(kind, None | Some("tool-failed")), "{seconds}: {:?}", struck.outcome.verdict);
    }
    // A file that somebody else has dated before the epoch.
    let old = fs::File::options().write(true).open(yard.path("a/mount/inside.txt")).unwrap();
    old.set_modified(std::time::UNIX_EPOCH - Duration::from_secs(1 << 33)).unwrap();
    assert_eq!(arena.strike("read", r#"{ "path": "/data/inside.txt" }"#).result(), json!("inside"));
    arena.serves();
}

#[test]
fn names_that_look_alike_are_the_kernels_business() {
    let yard = Yard::new();
    let arena = yard.arena(Access::ReadWrite);
    // One with a composed letter, one with a combining accent; capitals; a name of another script.
    for name in
        ["INSIDE.TXT", "\u{e9}", "e\u{301}", "\u{456}nside.txt", "inside.txt ", "..\u{2044}up", "\u{ff0e}\u{ff0e}"]
    {
        let written = arena.strike("write", &json!({ "path": format!("/data/{name}"), "megabytes": 1 }).to_string());
        assert_eq!(written.result(), json!(1 << 20), "{name:?}");
    }
    assert_eq!(fs::read_to_string(yard.path("a/mount/inside.txt")).unwrap(), "inside");
    assert_eq!(fs::read_dir(yard.path("a/mount")).unwrap().count(), 9);
    yard.is_untouched();
    arena.serves();
}

#[test]
fn a_mount_that_is_swapped_after_review_stays_what_it_was() {
    let yard = Yard::new();
    let arena = yard.arena(Access::ReadWrite);
    fs::rename(yard.path("a/mount"), yard.path("a/moved")).unwrap();
    symlink(yard.path("a/outside"), yard.path("a/mount")).unwrap();
    assert_eq!(arena.strike("open-raw", r#"{ "path": "inside.txt", "follow": true }"#).result(), json!("inside"));
    held_back(&arena, "open-raw", &json!({ "path": "secret.txt", "follow": true }));
    arena.strike("write", r#"{ "path": "/data/new.txt", "megabytes": 1 }"#).result();
    assert!(yard.path("a/moved/new.txt").exists());
    yard.is_untouched();
    arena.serves();
}

#[test]
fn a_folder_that_is_swapped_for_a_link_again_and_again_leads_nowhere() {
    /// How often it is tried at least; each time the path is taken apart while somebody swaps what it leads through.
    const TRIES: usize = 150;
    /// How often at most, until both sides of the race were met.
    const ENOUGH: usize = 5_000;
    let yard = Yard::new();
    fs::create_dir(yard.path("a/mount/turning")).unwrap();
    fs::write(yard.path("a/mount/turning/secret.txt"), "inside").unwrap();
    symlink("../outside", yard.path("a/mount/link")).unwrap();
    let arena = yard.arena(Access::ReadWrite);
    let (turning, link) = (yard.path("a/mount/turning"), yard.path("a/mount/link"));
    let stop = AtomicBool::new(false);
    let (mut inside, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // A folder and a link out of the mount trade places in one step, so that one of them is always there.
            while !stop.load(Ordering::SeqCst) {
                renameat_with(CWD, &turning, CWD, &link, RenameFlags::EXCHANGE).unwrap();
            }
        });
        for n in 0..ENOUGH {
            let (tool, arguments) = match n % 4 {
                0 => ("open-raw", json!({ "path": "turning/secret.txt", "follow": true })),
                1 => ("read", json!({ "path": "/data/turning/secret.txt" })),
                2 => ("open-raw", json!({ "path": "turning/../turning/secret.txt", "follow": false })),
                _ => ("write", json!({ "path": format!("/data/turning/{n}.txt"), "megabytes": 0 })),
            };
            let struck = arena.strike(tool, &arguments.to_string());
            let got_out = struck.told().contains(CANARY);
            match struck.outcome.verdict.result() {
                Some(_) => inside += 1,
                None => refused += 1,
            }
            if got_out || (n >= TRIES && inside > 0 && refused > 0) {
                // The other thread ends before anything is judged: a panic here would wait for it for ever.
                stop.store(true, Ordering::SeqCst);
                assert!(!got_out, "{tool} {arguments} got out");
                return;
            }
        }
        stop.store(true, Ordering::SeqCst);
    });
    assert!(inside > 0 && refused > 0, "nobody raced: {inside} were inside and {refused} refused");
    yard.is_untouched();
    arena.serves();
}
