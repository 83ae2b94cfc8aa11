//! Folders: what is inside can be used as granted, and there is no way out.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{FileExt as _, symlink};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use tempfile::TempDir;
use toolcell_core::Limit;
use toolcell_core::manifest::Access;
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
use wasmtime_wasi::p2::bindings::filesystem::preopens::Host as _;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Advice, DescriptorFlags, DescriptorType, ErrorCode, HostDescriptor, HostDirectoryEntryStream as _, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsResult, StreamError};
use wasmtime_wasi_io::bindings::wasi::io::streams::{HostInputStream, HostOutputStream};

use super::super::{CallState, Door, Mount};
use super::{door, limit_of, mounted, wait};

const READ: DescriptorFlags = DescriptorFlags::READ;
const WRITE: DescriptorFlags = DescriptorFlags::WRITE;

/// A call with one folder at `/data`, and the folder's descriptor.
struct Guest {
    state: CallState,
    folder: u32,
    host: TempDir,
}

impl Guest {
    fn new(access: Access, limits: &[(Limit, u64)]) -> Self {
        let host = tempfile::tempdir().expect("a temporary folder");
        let mount = mount(host.path(), "/data", access);
        let mut state = mounted(vec![mount], limits);
        let folders = door(&mut state).get_directories().expect("one folder");
        assert_eq!(folders[0].1, "/data");
        Self { folder: folders[0].0.rep(), state, host }
    }

    fn door(&mut self) -> Door<'_> {
        door(&mut self.state)
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.host.path().join(path)
    }

    fn open_as(&mut self, path: &str, follow: PathFlags, open: OpenFlags, flags: DescriptorFlags) -> FsResult<u32> {
        let folder = borrow(self.folder);
        let opened = wait(HostDescriptor::open_at(&mut self.door(), folder, follow, path.to_owned(), open, flags))?;
        Ok(opened.rep())
    }

    fn open(&mut self, path: &str, open: OpenFlags, flags: DescriptorFlags) -> FsResult<u32> {
        self.open_as(path, PathFlags::SYMLINK_FOLLOW, open, flags)
    }

    fn denied(&self) -> u64 {
        self.state.denied().iter().map(|denied| denied.count).sum()
    }

    fn written(&self) -> u64 {
        self.state.used().file_write_bytes
    }
}

fn mount(host: &Path, guest: &str, access: Access) -> Mount {
    Mount { guest: guest.to_owned(), dir: Arc::new(fs::File::open(host).expect("a folder")), access }
}

fn borrow(rep: u32) -> Resource<Descriptor> {
    Resource::new_borrow(rep)
}

fn code<T: std::fmt::Debug>(result: FsResult<T>) -> ErrorCode {
    result.expect_err("it is refused").downcast().expect("an error for the guest and no trap")
}

/// The limit that ended the call.
fn over<T: std::fmt::Debug>(result: FsResult<T>) -> Option<Limit> {
    limit_of(&result.expect_err("it ends the call").downcast().expect_err("a trap and no error for the guest"))
}

fn make_fifo(path: &Path) {
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o600), 0).expect("a FIFO");
}

#[test]
fn a_file_is_written_and_read_back_through_every_way() {
    let mut guest = Guest::new(Access::ReadWrite, &[]);
    let file = guest.open("a.txt", OpenFlags::CREATE, READ | WRITE).expect("created");
    assert_eq!(wait(HostDescriptor::write(&mut guest.door(), borrow(file), b"hello".to_vec(), 0)).expect("written"), 5);
    let read = |guest: &mut Guest, len, at| wait(HostDescriptor::read(&mut guest.door(), borrow(file), len, at)).expect("read");
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
    wait(guest.door().blocking_write_and_flush(Resource::<DynOutputStream>::new_borrow(append), b"!".to_vec())).expect("appended");
    assert_eq!(fs::read(guest.path("a.txt")).expect("it is there"), b"hello, world!");
    let used = guest.state.used();
    assert_eq!((used.file_write_bytes, used.file_read_bytes), (1_024 + 13, 17));
    assert_eq!(guest.denied(), 0);
}

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
        "..", "../", "../x", "sub/../..", "sub/../../x", "/", "/etc/passwd", "//", "absolute", "absolute/", "folder/secret", "folder/", "up", "up/etc/passwd",
        "twice", "root/etc/passwd", "self/etc/passwd", "own-absolute", "./../..", "sub/./.././../etc/passwd",
    ];
    for path in paths {
        for (open, flags) in [(OpenFlags::empty(), READ), (OpenFlags::empty(), WRITE), (OpenFlags::CREATE, WRITE), (OpenFlags::DIRECTORY, READ), (OpenFlags::TRUNCATE, WRITE)] {
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
            refused(door.set_times_at(borrow(folder), follow, text(), NewTimestamp::Now, NewTimestamp::Now).await.is_err(), "times");
            if path.contains("..") || path.starts_with('/') {
                refused(door.create_directory_at(borrow(folder), text()).await.is_err(), "create");
                refused(door.remove_directory_at(borrow(folder), text()).await.is_err(), "remove");
                refused(door.unlink_file_at(borrow(folder), text()).await.is_err(), "unlink");
                refused(door.rename_at(borrow(folder), "inside".into(), borrow(folder), text()).await.is_err(), "rename to");
                refused(door.rename_at(borrow(folder), text(), borrow(folder), "x".into()).await.is_err(), "rename from");
                refused(door.link_at(borrow(folder), PathFlags::empty(), text(), borrow(folder), "x".into()).await.is_err(), "link from");
                refused(door.link_at(borrow(folder), PathFlags::empty(), "inside".into(), borrow(folder), text()).await.is_err(), "link to");
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
        assert!(matches!(code(wait(guest.door().symlink_at(borrow(folder), target.into(), "link".into()))), ErrorCode::NotPermitted));
    }
    assert_eq!(guest.denied(), 3);
    assert!(fs::symlink_metadata(guest.path("link")).is_err());
}

#[test]
fn a_folder_for_reading_cannot_be_changed() {
    let mut guest = Guest::new(Access::ReadOnly, &[]);
    fs::write(guest.path("a"), "content").expect("written");
    fs::create_dir(guest.path("sub")).expect("made");
    for (open, flags) in [(OpenFlags::empty(), WRITE), (OpenFlags::empty(), READ | WRITE), (OpenFlags::CREATE, READ), (OpenFlags::TRUNCATE, READ), (OpenFlags::CREATE, WRITE)] {
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
        assert!(matches!(code(door.link_at(borrow(from), PathFlags::empty(), "a".into(), borrow(to), "a".into()).await), ErrorCode::ReadOnly));
        assert!(matches!(code(door.rename_at(borrow(from), "a".into(), borrow(to), "a".into()).await), ErrorCode::ReadOnly));
        assert!(matches!(code(door.link_at(borrow(to), PathFlags::empty(), "b".into(), borrow(from), "b".into()).await), ErrorCode::ReadOnly));
    });
    assert!(!target.path().join("a").exists());
}

#[test]
fn a_fifo_neither_blocks_nor_opens() {
    let mut guest = Guest::new(Access::ReadWrite, &[]);
    make_fifo(&guest.path("fifo"));
    symlink("fifo", guest.path("to-fifo")).expect("a link");
    for path in ["fifo", "to-fifo"] {
        for (open, flags) in [(OpenFlags::empty(), READ), (OpenFlags::empty(), WRITE), (OpenFlags::empty(), READ | WRITE), (OpenFlags::CREATE, WRITE), (OpenFlags::TRUNCATE, WRITE)] {
            assert!(matches!(code(guest.open(path, open, flags)), ErrorCode::NotPermitted));
        }
        let folder = guest.folder;
        let mut door = guest.door();
        let times = door.set_times_at(borrow(folder), PathFlags::SYMLINK_FOLLOW, path.into(), NewTimestamp::Now, NewTimestamp::Now);
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
fn a_hole_costs_its_size_before_it_is_made() {
    const FAR: u64 = 1 << 40;
    let mut guest = Guest::new(Access::ReadWrite, &[]);
    let file = guest.open("sparse", OpenFlags::CREATE, READ | WRITE).expect("created");
    assert_eq!(over(wait(guest.door().set_size(borrow(file), FAR))), Some(Limit::FileWriteBytes));
    assert_eq!(over(wait(guest.door().set_size(borrow(file), u64::MAX))), Some(Limit::FileWriteBytes));
    assert_eq!(over(wait(HostDescriptor::write(&mut guest.door(), borrow(file), vec![1], FAR))), Some(Limit::FileWriteBytes));
    let stream = guest.door().write_via_stream(borrow(file), FAR).expect("a stream").rep();
    let written = wait(guest.door().blocking_write_and_flush(Resource::new_borrow(stream), vec![1]));
    let Err(StreamError::Trap(error)) = written else { panic!("{written:?}") };
    assert_eq!(limit_of(&error), Some(Limit::FileWriteBytes));
    assert_eq!(fs::metadata(guest.path("sparse")).expect("it is there").len(), 0);
    assert_eq!(guest.state.exhausted(), Some(Limit::FileWriteBytes));

    let mut guest = Guest::new(Access::ReadWrite, &[]);
    let file = guest.open("sparse", OpenFlags::CREATE, READ | WRITE).expect("created");
    wait(guest.door().set_size(borrow(file), 10_000)).expect("a small hole");
    wait(HostDescriptor::write(&mut guest.door(), borrow(file), vec![1; 10], 9_995)).expect("over its end");
    wait(HostDescriptor::write(&mut guest.door(), borrow(file), vec![1; 10], 20_005)).expect("behind its end");
    assert_eq!(guest.written(), 1_024 + 10_000 + 10 + 10_010);
    // A smaller size costs nothing.
    wait(guest.door().set_size(borrow(file), 0)).expect("cut");
    assert_eq!(guest.written(), 1_024 + 10_000 + 10 + 10_010);
}

#[test]
fn new_names_cost_so_that_inodes_cannot_be_used_up() {
    let mut guest = Guest::new(Access::ReadWrite, &[(Limit::FileWriteBytes, 3 * 1_024)]);
    let folder = guest.folder;
    guest.open("a", OpenFlags::CREATE, WRITE).expect("created");
    guest.open("a", OpenFlags::CREATE, WRITE).expect("it is there already and costs nothing");
    wait(guest.door().create_directory_at(borrow(folder), "d".into())).expect("created");
    wait(guest.door().link_at(borrow(folder), PathFlags::empty(), "a".into(), borrow(folder), "b".into())).expect("linked");
    assert_eq!(over(guest.open("c", OpenFlags::CREATE, WRITE)), Some(Limit::FileWriteBytes));
    assert_eq!(over(wait(guest.door().create_directory_at(borrow(folder), "e".into()))), Some(Limit::FileWriteBytes));
    assert!(!guest.path("c").exists() && !guest.path("e").exists());
}

#[test]
fn reading_ends_at_the_budget_and_not_before() {
    let mut guest = Guest::new(Access::ReadOnly, &[(Limit::FileReadBytes, 1_000)]);
    fs::write(guest.path("a"), vec![7; 1_000]).expect("written");
    fs::write(guest.path("b"), vec![7; 10]).expect("written");
    let (a, b) = (guest.open("a", OpenFlags::empty(), READ).expect("opened"), guest.open("b", OpenFlags::empty(), READ).expect("opened"));
    let (bytes, _) = wait(HostDescriptor::read(&mut guest.door(), borrow(a), 1 << 32, 0)).expect("all of it");
    assert_eq!(bytes.len(), 1_000);
    wait(HostDescriptor::read(&mut guest.door(), borrow(a), 100, 1_000)).expect("the end of the file is still seen");
    assert_eq!(over(wait(HostDescriptor::read(&mut guest.door(), borrow(b), 100, 0))), Some(Limit::FileReadBytes));
    let stream = guest.door().read_via_stream(borrow(b), 0).expect("a stream").rep();
    let read = wait(guest.door().blocking_read(Resource::<DynInputStream>::new_borrow(stream), 10));
    let Err(StreamError::Trap(error)) = read else { panic!("{read:?}") };
    assert_eq!(limit_of(&error), Some(Limit::FileReadBytes));
}

#[test]
fn reading_ahead_and_dropping_the_stream_is_charged() {
    let mut guest = Guest::new(Access::ReadOnly, &[]);
    fs::write(guest.path("a"), vec![7; 100_000]).expect("written");
    let a = guest.open("a", OpenFlags::empty(), READ).expect("opened");
    wait(async {
        let mut door = guest.door();
        for _ in 0..3 {
            let stream = door.read_via_stream(borrow(a), 0).expect("a stream").rep();
            let nothing_yet = HostInputStream::read(&mut door, Resource::new_borrow(stream), 50_000).expect("it has begun");
            assert!(nothing_yet.is_empty());
            let pollable = HostInputStream::subscribe(&mut door, Resource::new_borrow(stream)).expect("a pollable").rep();
            wasmtime_wasi_io::bindings::wasi::io::poll::HostPollable::block(&mut door, Resource::new_borrow(pollable)).await.expect("ready");
            wasmtime_wasi_io::bindings::wasi::io::poll::HostPollable::drop(&mut door, Resource::new_own(pollable)).expect("dropped");
            HostInputStream::drop(&mut door, Resource::new_own(stream)).await.expect("dropped");
        }
    });
    assert_eq!(guest.state.used().file_read_bytes, 150_000);
}

#[test]
fn open_files_are_counted_while_they_are_open() {
    // The folder itself is one of them.
    let mut guest = Guest::new(Access::ReadOnly, &[(Limit::OpenFiles, 4)]);
    fs::write(guest.path("a"), "a").expect("written");
    for _ in 0..100 {
        let a = guest.open("a", OpenFlags::empty(), READ).expect("opened");
        HostDescriptor::drop(&mut guest.door(), Resource::new_own(a)).expect("closed");
    }
    for _ in 0..100 {
        code(guest.open("missing", OpenFlags::empty(), READ));
    }
    let a = guest.open("a", OpenFlags::empty(), READ).expect("the second");
    guest.door().read_via_stream(borrow(a), 0).expect("the third");
    // The stream keeps the file open without its descriptor.
    HostDescriptor::drop(&mut guest.door(), Resource::new_own(a)).expect("closed");
    let folder = guest.folder;
    let listing = wait(guest.door().read_directory(borrow(folder))).expect("the third again").rep();
    guest.open("a", OpenFlags::empty(), READ).expect("the fourth");
    assert_eq!(over(guest.open("a", OpenFlags::empty(), READ)), Some(Limit::OpenFiles));
    wasmtime_wasi::p2::bindings::filesystem::types::HostDirectoryEntryStream::drop(&mut guest.door(), Resource::new_own(listing)).expect("closed");
    guest.open("a", OpenFlags::empty(), READ).expect("one is free again");
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
    for (seconds, nanoseconds) in [(u64::MAX, u32::MAX), (u64::MAX, 0), (u64::MAX / 2, 0), (1 << 62, 999_999_999), (0, u32::MAX)] {
        let time = || NewTimestamp::Timestamp(Datetime { seconds, nanoseconds });
        // Some file systems clamp what they cannot hold; what matters is that nothing breaks.
        let _ = wait(guest.door().set_times(borrow(file), time(), time()));
        for follow in [PathFlags::SYMLINK_FOLLOW, PathFlags::empty()] {
            let _ = wait(guest.door().set_times_at(borrow(folder), follow, "a".into(), time(), time()));
        }
        wait(HostDescriptor::stat(&mut guest.door(), borrow(file))).expect("still a stat");
    }
    assert!(matches!(
        code(wait(guest.door().set_times(borrow(file), NewTimestamp::Timestamp(Datetime { seconds: u64::MAX, nanoseconds: u32::MAX }), NewTimestamp::NoChange))),
        ErrorCode::Overflow
    ));
    // "Now" is the call's own time.
    for follow in [PathFlags::SYMLINK_FOLLOW, PathFlags::empty()] {
        wait(guest.door().set_times_at(borrow(folder), follow, "a".into(), NewTimestamp::NoChange, NewTimestamp::Now)).expect("set");
        let modified = fs::metadata(guest.path("a")).expect("a stat").modified().expect("a time");
        assert_eq!(modified.duration_since(UNIX_EPOCH).expect("after 1970").as_secs() / 100, 1_700_000_000 / 100);
    }
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
    assert!(matches!(code(wait(HostDescriptor::read(&mut guest.door(), borrow(folder), 1, 0))), ErrorCode::BadDescriptor));
    assert!(matches!(code(wait(guest.door().read_directory(borrow(file)))), ErrorCode::NotDirectory));
    assert!(matches!(code(guest.open("a", OpenFlags::DIRECTORY, READ)), ErrorCode::NotDirectory | ErrorCode::BadDescriptor));
    // A handle that was never given ends the call.
    assert!(guest.open_as("a", PathFlags::empty(), OpenFlags::empty(), READ).is_ok());
    assert!(wait(HostDescriptor::stat(&mut guest.door(), borrow(9_999))).expect_err("no such handle").downcast().is_err());
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
    let opened = wait(HostDescriptor::open_at(&mut door(&mut state), borrow(folder), PathFlags::empty(), "a".into(), OpenFlags::empty(), READ)).expect("opened");
    let (bytes, _) = wait(HostDescriptor::read(&mut door(&mut state), opened, 100, 0)).expect("read");
    assert_eq!(bytes, b"reviewed");
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
