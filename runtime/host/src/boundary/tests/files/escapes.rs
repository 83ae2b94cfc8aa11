//! There is no way out of a folder, and nothing in it is opened but files and directories.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use toolcell_core::manifest::Access;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::DynInputStream;
use wasmtime_wasi::p2::bindings::filesystem::preopens::Host as _;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Advice, ErrorCode, HostDescriptor, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi_io::bindings::wasi::io::streams::HostInputStream;

use super::super::{door, mounted, wait};
use super::{Guest, READ, WRITE, borrow, code, make_fifo, mount};

#[test]
fn there_is_no_way_out_of_a_folder() {
    let outside = tempfile::tempdir().expect("a temporary folder");
    fs::write(outside.path().join("secret"), "secret").expect("written");
    let mut guest = Guest::new(Access::ReadWrite, &[]);
    fs::create_dir(guest.path("sub")).expect("made");
    fs::write(guest.path("inside"), "inside").expect("written");
    for (name, target) in [
        ("absolute", outside.path().join("secret")),
        ("folder", outside.path().to_owned()),
        ("up", "../".repeat(20).into()),
        ("twice", "absolute".into()),
        ("root", "/".into()),
        ("self", "/proc/self/root".into()),
        ("loop", "loop".into()),
        ("own-absolute", guest.path("inside")),
    ] {
        symlink(target, guest.path(name)).expect("a link");
    }
    let paths = [
        "..",
        "../",
        "../x",
        "sub/../..",
        "sub/../../x",
        "/",
        "/etc/passwd",
        "//",
        "absolute",
        "absolute/",
        "folder/secret",
        "folder/",
        "up",
        "up/etc/passwd",
        "twice",
        "root/etc/passwd",
        "self/etc/passwd",
        "own-absolute",
        "./../..",
        "sub/./.././../etc/passwd",
    ];
    for path in paths {
        for (open, flags) in [
            (OpenFlags::empty(), READ),
            (OpenFlags::empty(), WRITE),
            (OpenFlags::CREATE, WRITE),
            (OpenFlags::DIRECTORY, READ),
            (OpenFlags::TRUNCATE, WRITE),
        ] {
            let refused = code(guest.open(path, open, flags));
            assert!(matches!(refused, ErrorCode::NotPermitted), "{path}: {refused:?}");
        }
    }
    assert!(matches!(code(guest.open("loop", OpenFlags::empty(), READ)), ErrorCode::Loop | ErrorCode::NotPermitted));
    assert!(guest.denied() >= paths.len() as u64 * 5);
    for path in paths {
        let folder = guest.folder;
        let mut door = guest.door();
        let follow = PathFlags::SYMLINK_FOLLOW;
        let text = || path.to_owned();
        wait(async {
            let refused = |result: bool, what: &str| assert!(result, "{what} {path}");
            refused(HostDescriptor::stat_at(&mut door, borrow(folder), follow, text()).await.is_err(), "stat");
            refused(door.metadata_hash_at(borrow(folder), follow, text()).await.is_err(), "hash");
            refused(
                door.set_times_at(borrow(folder), follow, text(), NewTimestamp::Now, NewTimestamp::Now).await.is_err(),
                "times",
            );
            if path.contains("..") || path.starts_with('/') {
                refused(door.create_directory_at(borrow(folder), text()).await.is_err(), "create");
                refused(door.remove_directory_at(borrow(folder), text()).await.is_err(), "remove");
                refused(door.unlink_file_at(borrow(folder), text()).await.is_err(), "unlink");
                refused(
                    door.rename_at(borrow(folder), "inside".into(), borrow(folder), text()).await.is_err(),
                    "rename to",
                );
                refused(
                    door.rename_at(borrow(folder), text(), borrow(folder), "x".into()).await.is_err(),
                    "rename from",
                );
                refused(
                    door.link_at(borrow(folder), PathFlags::empty(), text(), borrow(folder), "x".into()).await.is_err(),
                    "link from",
                );
                refused(
                    door.link_at(borrow(folder), PathFlags::empty(), "inside".into(), borrow(folder), text())
                        .await
                        .is_err(),
                    "link to",
                );
            }
        });
    }
    assert_eq!(fs::read(outside.path().join("secret")).expect("untouched"), b"secret");
    assert_eq!(fs::read(guest.path("inside")).expect("untouched"), b"inside");
}

#[test]
fn a_link_is_not_followed_where_the_guest_says_so() {
    let mut guest = Guest::new(Access::ReadWrite, &[]);
    fs::write(guest.path("a"), "a").expect("written");
    symlink("a", guest.path("to-a")).expect("a link");
    guest.open("to-a", OpenFlags::empty(), READ).expect("followed");
    let refused = code(guest.open_as("to-a", PathFlags::empty(), OpenFlags::empty(), READ));
    assert!(matches!(refused, ErrorCode::Loop), "{refused:?}");
    // What a link says of the host outside is not told.
    symlink("/home/someone", guest.path("telling")).expect("a link");
    let folder = guest.folder;
    assert!(wait(guest.door().readlink_at(borrow(folder), "telling".into())).is_err());
    assert_eq!(wait(guest.door().readlink_at(borrow(folder), "to-a".into())).expect("inside"), "a");
}

#[test]
fn links_cannot_be_made() {
    let mut guest = Guest::new(Access::ReadWrite, &[]);
    let folder = guest.folder;
    for target in ["a", "/etc/passwd", "../.."] {
        assert!(matches!(
            code(wait(guest.door().symlink_at(borrow(folder), target.into(), "link".into()))),
            ErrorCode::NotPermitted
        ));
    }
    assert_eq!(guest.denied(), 3);
    assert!(fs::symlink_metadata(guest.path("link")).is_err());
}

#[test]
fn a_fifo_neither_blocks_nor_opens() {
    let mut guest = Guest::new(Access::ReadWrite, &[]);
    make_fifo(&guest.path("fifo"));
    symlink("fifo", guest.path("to-fifo")).expect("a link");
    for path in ["fifo", "to-fifo"] {
        for (open, flags) in [
            (OpenFlags::empty(), READ),
            (OpenFlags::empty(), WRITE),
            (OpenFlags::empty(), READ | WRITE),
            (OpenFlags::CREATE, WRITE),
            (OpenFlags::TRUNCATE, WRITE),
        ] {
            assert!(matches!(code(guest.open(path, open, flags)), ErrorCode::NotPermitted));
        }
        let folder = guest.folder;
        let mut door = guest.door();
        let times = door.set_times_at(
            borrow(folder),
            PathFlags::SYMLINK_FOLLOW,
            path.into(),
            NewTimestamp::Now,
            NewTimestamp::Now,
        );
        let times = wait(async { tokio::time::timeout(Duration::from_secs(20), times).await });
        assert!(matches!(code(times.expect("it does not wait for a reader")), ErrorCode::NotPermitted));
    }
    assert_eq!(guest.denied(), 12);
}

#[test]
fn a_socket_does_not_open() {
    let mut guest = Guest::new(Access::ReadWrite, &[]);
    let _listener = std::os::unix::net::UnixListener::bind(guest.path("socket")).expect("a socket");
    assert!(matches!(code(guest.open("socket", OpenFlags::empty(), READ)), ErrorCode::NotPermitted));
}

#[test]
fn hostile_paths_and_numbers_are_errors() {
    let mut guest = Guest::new(Access::ReadWrite, &[]);
    let long = "x".repeat(1_000_000);
    let deep = "a/".repeat(5_000);
    for path in ["", "\0", "a\0b", long.as_str(), deep.as_str(), "missing/", "."] {
        let opened = guest.open(path, OpenFlags::CREATE, WRITE);
        assert!(opened.is_err(), "{}", &path[..path.len().min(10)]);
    }
    let file = guest.open("a", OpenFlags::CREATE, READ | WRITE).expect("created");
    for offset in [1 << 63, u64::MAX] {
        assert!(wait(HostDescriptor::read(&mut guest.door(), borrow(file), 1, offset)).is_err());
        let stream = guest.door().read_via_stream(borrow(file), offset).expect("a stream").rep();
        assert!(wait(guest.door().blocking_read(Resource::<DynInputStream>::new_borrow(stream), 1)).is_err());
    }
    wait(guest.door().advise(borrow(file), 0, u64::MAX, Advice::WillNeed)).expect("a hint without effect");
    let folder = guest.folder;
    assert!(matches!(
        code(wait(HostDescriptor::read(&mut guest.door(), borrow(folder), 1, 0))),
        ErrorCode::BadDescriptor
    ));
    assert!(matches!(code(wait(guest.door().read_directory(borrow(file)))), ErrorCode::NotDirectory));
    assert!(matches!(
        code(guest.open("a", OpenFlags::DIRECTORY, READ)),
        ErrorCode::NotDirectory | ErrorCode::BadDescriptor
    ));
    // A handle that was never given ends the call.
    assert!(guest.open_as("a", PathFlags::empty(), OpenFlags::empty(), READ).is_ok());
    assert!(
        wait(HostDescriptor::stat(&mut guest.door(), borrow(9_999))).expect_err("no such handle").downcast().is_err()
    );
}

#[test]
fn a_folder_stays_what_it_was_when_its_path_is_exchanged() {
    let host = tempfile::tempdir().expect("a folder");
    let reviewed = host.path().join("reviewed");
    fs::create_dir(&reviewed).expect("made");
    fs::write(reviewed.join("a"), "reviewed").expect("written");
    let mount = mount(&reviewed, "/data", Access::ReadOnly);
    fs::rename(&reviewed, host.path().join("aside")).expect("moved");
    fs::create_dir(&reviewed).expect("made");
    fs::write(reviewed.join("a"), "exchanged").expect("written");
    let mut state = mounted(vec![mount], &[]);
    let folder = door(&mut state).get_directories().expect("a folder")[0].0.rep();
    let opened = wait(HostDescriptor::open_at(
        &mut door(&mut state),
        borrow(folder),
        PathFlags::empty(),
        "a".into(),
        OpenFlags::empty(),
        READ,
    ))
    .expect("opened");
    let (bytes, _) = wait(HostDescriptor::read(&mut door(&mut state), opened, 100, 0)).expect("read");
    assert_eq!(bytes, b"reviewed");
}
