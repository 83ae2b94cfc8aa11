//! What was granted works as granted, and no further.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{FileExt as _, symlink};
use std::time::UNIX_EPOCH;

use toolcell_core::manifest::Access;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
use wasmtime_wasi::p2::bindings::filesystem::preopens::Host as _;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorType, ErrorCode, HostDescriptor, HostDirectoryEntryStream as _, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, StreamError};
use wasmtime_wasi_io::bindings::wasi::io::streams::{HostInputStream, HostOutputStream};

use super::super::{door, mounted, wait};
use super::{Guest, READ, WRITE, borrow, code, make_fifo, mount};

#[test]
fn a_file_is_written_and_read_back_through_every_way() {
    let mut guest = Guest::new(Access::ReadWrite, &[]);
    let file = guest.open("a.txt", OpenFlags::CREATE, READ | WRITE).expect("created");
    assert_eq!(wait(HostDescriptor::write(&mut guest.door(), borrow(file), b"hello".to_vec(), 0)).expect("written"), 5);
    let read = |guest: &mut Guest, len, at| {
        wait(HostDescriptor::read(&mut guest.door(), borrow(file), len, at)).expect("read")
    };
    assert_eq!(read(&mut guest, 1 << 32, 0), (b"hello".to_vec(), false));
    assert_eq!(read(&mut guest, u64::MAX, 5), (Vec::new(), true));

    let out = guest.door().write_via_stream(borrow(file), 5).expect("a stream").rep();
    let stream = || Resource::<DynOutputStream>::new_borrow(out);
    wait(async {
        let mut door = guest.door();
        door.blocking_write_and_flush(stream(), b", world".to_vec()).await.expect("written");
        door.blocking_write_and_flush(stream(), Vec::new()).await.expect("nothing to write");
        HostOutputStream::write(&mut door, stream(), Vec::new()).expect("nothing to write");
    });
    let input = guest.door().read_via_stream(borrow(file), 0).expect("a stream").rep();
    let bytes = wait(guest.door().blocking_read(Resource::<DynInputStream>::new_borrow(input), 1 << 40)).expect("read");
    assert_eq!(bytes, b"hello, world");
    let end = wait(guest.door().blocking_read(Resource::<DynInputStream>::new_borrow(input), 10));
    assert!(matches!(end, Err(StreamError::Closed)));
    let append = guest.door().append_via_stream(borrow(file)).expect("a stream").rep();
    wait(guest.door().blocking_write_and_flush(Resource::<DynOutputStream>::new_borrow(append), b"!".to_vec()))
        .expect("appended");
    assert_eq!(fs::read(guest.path("a.txt")).expect("it is there"), b"hello, world!");
    let used = guest.state.used();
    assert_eq!((used.file_write_bytes, used.file_read_bytes), (1_024 + 13, 17));
    assert_eq!(guest.denied(), 0);
}

#[test]
fn a_folder_for_reading_cannot_be_changed() {
    let mut guest = Guest::new(Access::ReadOnly, &[]);
    fs::write(guest.path("a"), "content").expect("written");
    fs::create_dir(guest.path("sub")).expect("made");
    for (open, flags) in [
        (OpenFlags::empty(), WRITE),
        (OpenFlags::empty(), READ | WRITE),
        (OpenFlags::CREATE, READ),
        (OpenFlags::TRUNCATE, READ),
        (OpenFlags::CREATE, WRITE),
    ] {
        assert!(matches!(code(guest.open("a", open, flags)), ErrorCode::ReadOnly));
    }
    let file = guest.open("a", OpenFlags::empty(), READ).expect("readable");
    let folder = guest.folder;
    let before = guest.denied();
    let mut door = guest.door();
    wait(async {
        let now = NewTimestamp::Now;
        let follow = PathFlags::SYMLINK_FOLLOW;
        let refused = |code: ErrorCode| assert!(matches!(code, ErrorCode::ReadOnly), "{code:?}");
        refused(code(HostDescriptor::write(&mut door, borrow(file), b"x".to_vec(), 0).await));
        refused(code(door.set_size(borrow(file), 0).await));
        refused(code(door.set_times(borrow(file), now, now).await));
        refused(code(door.set_times_at(borrow(folder), follow, "a".into(), now, now).await));
        refused(code(door.create_directory_at(borrow(folder), "new".into()).await));
        refused(code(door.remove_directory_at(borrow(folder), "sub".into()).await));
        refused(code(door.unlink_file_at(borrow(folder), "a".into()).await));
        refused(code(door.rename_at(borrow(folder), "a".into(), borrow(folder), "b".into()).await));
        refused(code(door.link_at(borrow(folder), PathFlags::empty(), "a".into(), borrow(folder), "b".into()).await));
        refused(code(door.write_via_stream(borrow(file), 0)));
        refused(code(door.append_via_stream(borrow(file))));
    });
    assert_eq!(guest.denied() - before, 11);
    assert_eq!(fs::read(guest.path("a")).expect("untouched"), b"content");
    assert_eq!(guest.written(), 0);
    let denied = guest.state.denied();
    assert!(denied.iter().any(|attempt| attempt.function == "wasi:filesystem/types.[method]descriptor.unlink-file-at"));
    assert!(denied.iter().all(|attempt| attempt.reason.contains("read-write")), "{denied:?}");
}

#[test]
fn what_is_granted_for_reading_cannot_be_linked_or_moved_to_where_it_could_be_written() {
    let (source, target) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    fs::write(source.path().join("a"), "content").expect("written");
    let mounts = vec![mount(source.path(), "/in", Access::ReadOnly), mount(target.path(), "/out", Access::ReadWrite)];
    let mut state = mounted(mounts, &[]);
    let folders = door(&mut state).get_directories().expect("two folders");
    let (from, to) = (folders[0].0.rep(), folders[1].0.rep());
    wait(async {
        let mut door = door(&mut state);
        assert!(matches!(
            code(door.link_at(borrow(from), PathFlags::empty(), "a".into(), borrow(to), "a".into()).await),
            ErrorCode::ReadOnly
        ));
        assert!(matches!(
            code(door.rename_at(borrow(from), "a".into(), borrow(to), "a".into()).await),
            ErrorCode::ReadOnly
        ));
        assert!(matches!(
            code(door.link_at(borrow(to), PathFlags::empty(), "b".into(), borrow(from), "b".into()).await),
            ErrorCode::ReadOnly
        ));
    });
    assert!(!target.path().join("a").exists());
}

#[test]
fn a_large_directory_is_listed_in_parts_and_whole() {
    let mut guest = Guest::new(Access::ReadOnly, &[]);
    for index in 0..600 {
        fs::write(guest.path(&format!("file-{index:03}")), "").expect("written");
    }
    fs::create_dir(guest.path("sub")).expect("made");
    symlink("x", guest.path("link")).expect("a link");
    make_fifo(&guest.path("fifo"));
    fs::write(guest.host.path().join(OsString::from_vec(vec![b'b', 0xff])), "").expect("written");
    let folder = guest.folder;
    let (mut names, mut strange) = (Vec::new(), 0);
    wait(async {
        let mut door = guest.door();
        let listing = door.read_directory(borrow(folder)).await.expect("a listing").rep();
        loop {
            match door.read_directory_entry(Resource::new_borrow(listing)).await {
                Ok(Some(entry)) => names.push((entry.name, entry.type_)),
                Ok(None) => break,
                Err(error) => {
                    assert!(matches!(error.downcast_ref(), Some(ErrorCode::IllegalByteSequence)));
                    strange += 1;
                }
            }
        }
        assert!(door.read_directory_entry(Resource::new_borrow(listing)).await.expect("still at the end").is_none());
    });
    assert_eq!((names.len(), strange), (603, 1));
    let kind = |name: &str| names.iter().find(|(other, _)| other == name).map(|(_, kind)| *kind).expect("listed");
    assert!(matches!(kind("sub"), DescriptorType::Directory));
    assert!(matches!(kind("link"), DescriptorType::SymbolicLink));
    assert!(matches!(kind("fifo"), DescriptorType::Fifo));
    assert!(matches!(kind("file-599"), DescriptorType::RegularFile));
}

#[test]
fn timestamps_are_coarse_and_extreme_ones_are_refused() {
    let mut guest = Guest::new(Access::ReadWrite, &[]);
    let file = guest.open("a", OpenFlags::CREATE, READ | WRITE).expect("created");
    let folder = guest.folder;
    let stat = wait(HostDescriptor::stat(&mut guest.door(), borrow(file))).expect("a stat");
    assert_eq!(stat.data_modification_timestamp.expect("it has one").nanoseconds % 1_000_000, 0);
    for (seconds, nanoseconds) in
        [(u64::MAX, u32::MAX), (u64::MAX, 0), (u64::MAX / 2, 0), (1 << 62, 999_999_999), (0, u32::MAX)]
    {
        let time = || NewTimestamp::Timestamp(Datetime { seconds, nanoseconds });
        // Some file systems clamp what they cannot hold; what matters is that nothing breaks.
        let _ = wait(guest.door().set_times(borrow(file), time(), time()));
        for follow in [PathFlags::SYMLINK_FOLLOW, PathFlags::empty()] {
            let _ = wait(guest.door().set_times_at(borrow(folder), follow, "a".into(), time(), time()));
        }
        wait(HostDescriptor::stat(&mut guest.door(), borrow(file))).expect("still a stat");
    }
    assert!(matches!(
        code(wait(guest.door().set_times(
            borrow(file),
            NewTimestamp::Timestamp(Datetime { seconds: u64::MAX, nanoseconds: u32::MAX }),
            NewTimestamp::NoChange
        ))),
        ErrorCode::Overflow
    ));
    // "Now" is the call's own time.
    for follow in [PathFlags::SYMLINK_FOLLOW, PathFlags::empty()] {
        wait(guest.door().set_times_at(borrow(folder), follow, "a".into(), NewTimestamp::NoChange, NewTimestamp::Now))
            .expect("set");
        let modified = fs::metadata(guest.path("a")).expect("a stat").modified().expect("a time");
        assert_eq!(modified.duration_since(UNIX_EPOCH).expect("after 1970").as_secs() / 100, 1_700_000_000 / 100);
    }
}

#[test]
fn truncating_keeps_to_regular_files_and_works_on_them() {
    let mut guest = Guest::new(Access::ReadWrite, &[]);
    fs::write(guest.path("a"), "content").expect("written");
    fs::create_dir(guest.path("sub")).expect("made");
    guest.open("a", OpenFlags::TRUNCATE, WRITE).expect("truncated");
    assert_eq!(fs::metadata(guest.path("a")).expect("there").len(), 0);
    assert!(guest.open("sub", OpenFlags::TRUNCATE, WRITE).is_err());
    assert!(matches!(code(guest.open("a", OpenFlags::CREATE | OpenFlags::EXCLUSIVE, WRITE)), ErrorCode::Exist));
    let file = fs::File::open(guest.path("a")).expect("there");
    assert_eq!(file.read_at(&mut [0], 0).expect("empty"), 0);
}
