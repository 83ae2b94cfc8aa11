//! What reading, writing and opening costs, and that it is charged before the effect.

use std::fs;

use toolcell_core::Limit;
use toolcell_core::manifest::Access;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::filesystem::types::{HostDescriptor, OpenFlags, PathFlags};
use wasmtime_wasi::p2::{DynInputStream, StreamError};
use wasmtime_wasi_io::bindings::wasi::io::streams::{HostInputStream, HostOutputStream};

use super::super::{limit_of, wait};
use super::{Guest, READ, WRITE, borrow, code, over};

#[test]
fn a_hole_costs_its_size_before_it_is_made() {
    const FAR: u64 = 1 << 40;
    let mut guest = Guest::new(Access::ReadWrite, &[]);
    let file = guest.open("sparse", OpenFlags::CREATE, READ | WRITE).expect("created");
    assert_eq!(over(wait(guest.door().set_size(borrow(file), FAR))), Some(Limit::FileWriteBytes));
    assert_eq!(over(wait(guest.door().set_size(borrow(file), u64::MAX))), Some(Limit::FileWriteBytes));
    assert_eq!(
        over(wait(HostDescriptor::write(&mut guest.door(), borrow(file), vec![1], FAR))),
        Some(Limit::FileWriteBytes)
    );
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
    wait(guest.door().link_at(borrow(folder), PathFlags::empty(), "a".into(), borrow(folder), "b".into()))
        .expect("linked");
    assert_eq!(over(guest.open("c", OpenFlags::CREATE, WRITE)), Some(Limit::FileWriteBytes));
    assert_eq!(over(wait(guest.door().create_directory_at(borrow(folder), "e".into()))), Some(Limit::FileWriteBytes));
    assert!(!guest.path("c").exists() && !guest.path("e").exists());
}

#[test]
fn reading_ends_at_the_budget_and_not_before() {
    let mut guest = Guest::new(Access::ReadOnly, &[(Limit::FileReadBytes, 1_000)]);
    fs::write(guest.path("a"), vec![7; 1_000]).expect("written");
    fs::write(guest.path("b"), vec![7; 10]).expect("written");
    let (a, b) = (
        guest.open("a", OpenFlags::empty(), READ).expect("opened"),
        guest.open("b", OpenFlags::empty(), READ).expect("opened"),
    );
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
            let nothing_yet =
                HostInputStream::read(&mut door, Resource::new_borrow(stream), 50_000).expect("it has begun");
            assert!(nothing_yet.is_empty());
            let pollable =
                HostInputStream::subscribe(&mut door, Resource::new_borrow(stream)).expect("a pollable").rep();
            wasmtime_wasi_io::bindings::wasi::io::poll::HostPollable::block(&mut door, Resource::new_borrow(pollable))
                .await
                .expect("ready");
            wasmtime_wasi_io::bindings::wasi::io::poll::HostPollable::drop(&mut door, Resource::new_own(pollable))
                .expect("dropped");
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
    wasmtime_wasi::p2::bindings::filesystem::types::HostDirectoryEntryStream::drop(
        &mut guest.door(),
        Resource::new_own(listing),
    )
    .expect("closed");
    guest.open("a", OpenFlags::empty(), READ).expect("one is free again");
}
