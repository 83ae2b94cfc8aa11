//! Walls around threads that end with their test: the kernel holds each thread to its own, so the others notice nothing.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, Signal};

use super::*;

/// Runs something on a thread behind a wall, or says loudly that this kernel has none.
fn behind(wall: &Wall, what: impl FnOnce() + Send) {
    thread::scope(|scope| {
        let held = scope.spawn(|| {
            let standing = wall.hold().expect("can be raised");
            if is_whole(&standing) {
                what();
            }
        });
        if let Err(panic) = held.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

/// Whether there is something to test. A kernel may be too old for files, or have no seccomp; but not take half of a filter.
fn is_whole(standing: &Standing) -> bool {
    assert!(!matches!(standing.calls, Held::Partly { .. }), "{standing:?}");
    let whole = standing.files == Held::Whole && standing.calls == Held::Whole;
    if !whole {
        eprintln!("SKIPPED: this kernel cannot hold a whole wall: {standing:?}");
    }
    whole
}

fn refused<T: std::fmt::Debug>(tried: io::Result<T>) {
    assert_eq!(tried.expect_err("the wall holds").kind(), ErrorKind::PermissionDenied);
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("file"), b"here").expect("a file");
    folder
}

#[test]
fn only_files_that_were_named_can_be_reached() {
    let (hidden, readable, writable) = (folder(), folder(), folder());
    let at = |folder: &tempfile::TempDir| folder.path().to_owned();
    let wall = Wall { read: vec![at(&readable)], write: vec![at(&writable)], execute: Vec::new() };
    behind(&wall, || {
        refused(fs::read("/etc/shadow"));
        refused(fs::read(hidden.path().join("file")));
        refused(fs::read_dir(hidden.path()).map(drop));
        refused(fs::write(hidden.path().join("new"), b""));
        assert_eq!(fs::read(readable.path().join("file")).expect("may be read"), b"here");
        refused(fs::write(readable.path().join("file"), b"changed"));
        refused(fs::remove_file(readable.path().join("file")));
        let new = writable.path().join("new");
        fs::write(&new, b"new").expect("may be written");
        fs::rename(&new, writable.path().join("newer")).expect("may be renamed");
        assert_eq!(fs::read(writable.path().join("newer")).expect("may be read"), b"new");
        // A link made here leads nowhere new.
        std::os::unix::fs::symlink(hidden.path().join("file"), writable.path().join("link")).expect("may be made");
        refused(fs::read(writable.path().join("link")));
        fs::remove_file(writable.path().join("newer")).expect("may be removed");
    });
    assert_eq!(fs::read(hidden.path().join("file")).expect("is as it was"), b"here", "other threads have no wall");
}

#[test]
fn nothing_can_be_executed_that_was_not_named() {
    // It may be read, and that is not enough.
    let wall = Wall { read: vec!["/".into()], ..Wall::default() };
    behind(&wall, || refused(Command::new("/bin/true").stdin(Stdio::null()).status()));
    let wall = Wall { execute: vec!["/".into()], ..wall };
    behind(&wall, || {
        assert!(Command::new("/bin/true").stdin(Stdio::inherit()).status().expect("may be run").success());
    });
}

#[test]
fn no_socket_listens_and_no_stranger_is_signalled() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("outside the wall anybody may");
    let address = listener.local_addr().expect("has one");
    let mut stranger = Command::new("/bin/sleep").arg("1000").spawn().expect("sleeps");
    let pid = Pid::from_child(&stranger);
    behind(&Wall::default(), || {
        refused(TcpListener::bind("127.0.0.1:0"));
        assert!(TcpStream::connect(address).is_ok(), "connecting is for the egress door to judge");
        refused(rustix::process::kill_process(pid, Signal::KILL).map_err(io::Error::from));
    });
    stranger.kill().and_then(|()| stranger.wait()).expect("outside the wall it ends");
}

#[test]
fn system_calls_that_have_no_place_here_are_refused() {
    behind(&Wall { read: vec!["/proc".into()], ..Wall::default() }, || {
        let us = rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty()).expect("may be opened");
        let stolen = rustix::process::pidfd_getfd(&us, 0, PidfdGetfdFlags::empty());
        assert_eq!(stolen.expect_err("is refused"), Errno::PERM, "another process's descriptors");
        let namespace = fs::File::open("/proc/self/ns/net").expect("may be opened");
        let entered = rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&namespace), None);
        assert_eq!(entered.expect_err("is refused"), Errno::PERM, "namespaces");
        // What every thread and every child process needs is there.
        thread::spawn(|| ()).join().expect("threads start");
    });
}

#[test]
fn a_sealed_thread_can_compute_and_nothing_else() {
    thread::spawn(|| {
        let standing = seal().expect("can be sealed");
        if !is_whole(&standing) {
            return;
        }
        assert!(fs::read("/proc/self/status").is_err() && fs::read("/dev/null").is_err());
        assert!(TcpListener::bind("127.0.0.1:0").is_err() && TcpStream::connect("127.0.0.1:1").is_err());
        assert!(std::os::unix::net::UnixStream::pair().is_err());
        assert!(Command::new("/bin/true").spawn().is_err());
        let sum =
            thread::spawn(|| (0..1_000_u64).collect::<Vec<_>>().iter().sum::<u64>()).join().expect("threads start");
        assert_eq!(sum, 499_500);
    })
    .join()
    .expect("it goes on");
}

#[test]
fn a_wall_around_the_process_is_refused_where_threads_would_stay_outside() {
    assert!(matches!(Wall::default().raise(), Err(WallError::Threads { .. })), "tests run on threads");
}

#[test]
fn what_is_missing_is_left_out_where_it_is_read_and_refused_where_it_is_written() {
    let none: PathBuf = Path::new("/no/such/folder").into();
    behind(&Wall { read: vec![none.clone()], execute: vec![none.clone()], write: Vec::new() }, || {});
    let wall = Wall { write: vec![none], ..Wall::default() };
    let error = thread::spawn(move || wall.hold().expect_err("must exist")).join().expect("ends");
    assert!(matches!(error, WallError::Folder { .. }), "{error}");
}
