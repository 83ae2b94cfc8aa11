//! The log as a whole: what is sealed verifies and is found again, whoever seals, and however many at once.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use toolcell_core::receipt::Used;
use toolcell_core::{CallId, Clock, Digest, Receipt, Sealed, Tenant, UnixMillis};

use super::files::LINE_MAX;
use super::*;

mod crashes;
mod tampering;

/// A receipt of about the usual length. Calls with a higher number ended later.
pub(in super::super) fn receipt(number: u64) -> Receipt {
    Receipt {
        call: CallId(u128::from(number)),
        tool: if number.is_multiple_of(2) { "json.query" } else { "text.lines.count" }.into(),
        component: Some(Digest::of(b"component")),
        tenant: Tenant(if number.is_multiple_of(3) { "acme" } else { "local" }.into()),
        caller: "agent \"planner\"\n\u{1b}[31m".into(),
        parent: None,
        arguments: Digest::of(&number.to_le_bytes()),
        result: Some(Digest::of(b"result")),
        started: UnixMillis(1_700_000_000_000 + number),
        duration_us: 420,
        queued_us: 3,
        verdict: if number.is_multiple_of(5) { "failed" } else { "completed" }.into(),
        kind: None,
        used: Used { fuel: 123_456, memory: 1 << 20, argument_bytes: 120, ..Used::default() },
        host_calls: BTreeMap::from([("wasi:clocks/wall-clock.now".into(), 2)]),
        origins: BTreeMap::new(),
        denied: Vec::new(),
    }
}

/// Each look is a second later than the one before.
#[derive(Default)]
struct Ticks(AtomicU64);

impl Clock for Ticks {
    fn now(&self) -> UnixMillis {
        UnixMillis(1_700_000_000_000 + 1_000 * self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// Checkpoints only where a test asks for them, or at the end.
pub(super) fn options() -> Options {
    let mut options = Options::new(Arc::new(Ticks::default()));
    options.checkpoint_after = None;
    options.checkpoint_every = NonZeroU64::MAX;
    options
}

pub(super) fn open(dir: &Path) -> ReceiptLog {
    ReceiptLog::open(dir, options()).expect("opens")
}

pub(super) fn anchored(anchor: &Path) -> Options {
    Options { anchor: Some(anchor.to_owned()), ..options() }
}

pub(super) fn seal(log: &ReceiptLog, numbers: impl IntoIterator<Item = u64>) -> Vec<Sealed> {
    numbers.into_iter().map(|number| log.seal(receipt(number)).expect("seals")).collect()
}

/// A process that dies: no checkpoint at the end, and its lock is free.
pub(super) fn kill(log: ReceiptLog, dir: &Path) {
    let path = checkpoints(dir, log.writer());
    let before = fs::read(&path).expect("reads");
    drop(log);
    fs::write(&path, before).expect("written");
}

pub(super) fn checkpoints(dir: &Path, writer: &str) -> PathBuf {
    dir.join(format!("{writer}.checkpoints.jsonl"))
}

pub(super) fn segment(dir: &Path, writer: &str, number: u32) -> PathBuf {
    dir.join(format!("{writer}.{number:06}.jsonl"))
}

pub(super) fn check(dir: &Path) -> Report {
    verify(dir, &Trust::default()).expect("can be verified")
}

pub(super) fn problems(report: &Report) -> Vec<&Problem> {
    let writers = report.writers.iter().flat_map(|writer| &writer.findings);
    report.findings.iter().chain(writers).map(|finding| &finding.problem).collect()
}

pub(super) fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).expect("reads").lines().map(String::from).collect()
}

pub(super) fn write_lines(path: &Path, lines: &[String]) {
    fs::write(path, lines.iter().flat_map(|line| [line, "\n"]).collect::<String>()).expect("written");
}

pub(super) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// A folder with one chain of 30 receipts, checkpoints after 10 and 20 and at the end.
pub(super) fn thirty() -> (tempfile::TempDir, String) {
    let dir = folder();
    let log = open(dir.path());
    let writer = log.writer().to_owned();
    for ten in 0..3 {
        seal(&log, ten * 10 + 1..=ten * 10 + 10);
        log.checkpoint().expect("signs").expect("something new");
    }
    log.close().expect("closes");
    assert_eq!(check(dir.path()).severity(), None);
    (dir, writer)
}

#[test]
fn what_is_sealed_verifies_and_is_listed_as_it_was() {
    let dir = folder();
    let log = open(dir.path());
    let sealed = seal(&log, 1..=20);
    assert!(sealed.iter().zip(1..).all(|(sealed, sequence)| sealed.sequence == sequence));
    assert!(sealed.windows(2).all(|pair| pair[1].previous == pair[0].hash));
    let unsigned = check(dir.path());
    assert_eq!(problems(&unsigned), [&Problem::UnsignedTail { from: 1, to: 20 }]);
    assert_eq!((unsigned.is_intact(), unsigned.severity()), (true, Some(Severity::Warning)));
    log.close().expect("closes");

    let report = check(dir.path());
    assert_eq!((report.severity(), report.entries(), report.writers.len()), (None, 20, 1));
    let last = report.writers[0].last_checkpoint.expect("signed");
    assert_eq!((last.number, last.sequence), (2, 20));

    let oldest = Filter { order: Order::OldestFirst, ..Filter::default() };
    let listed: Vec<_> = list(dir.path(), oldest).expect("lists").map(|entry| entry.expect("reads")).collect();
    assert_eq!(listed, sealed);
    let newest: Vec<_> =
        list(dir.path(), Filter::default()).expect("lists").map(|entry| entry.expect("reads")).collect();
    assert!(newest.iter().eq(sealed.iter().rev()));
}

#[test]
fn a_filter_finds_what_it_names_and_no_more_than_the_limit() {
    let dir = folder();
    seal(&open(dir.path()), 1..=60);
    let found = |filter: Filter| -> Vec<u128> {
        list(dir.path(), filter).expect("lists").map(|entry| entry.expect("reads").receipt.call.0).collect()
    };
    let every = Filter::default;
    assert_eq!(found(Filter { call: Some(CallId(17)), ..every() }), [17]);
    assert_eq!(found(Filter { tenant: Some("acme".into()), limit: Some(3), ..every() }), [60, 57, 54]);
    assert_eq!(found(Filter { tool: Some("text".into()), limit: Some(2), ..every() }), [59, 57]);
    assert_eq!(found(Filter { tool: Some("text.lines.count".into()), ..every() }).len(), 30);
    assert_eq!(found(Filter { tool: Some("text.line".into()), ..every() }), [0; 0]);
    let failed = Filter { verdict: Some("failed".into()), order: Order::OldestFirst, limit: Some(2), ..every() };
    assert_eq!(found(failed), [5, 10]);
    assert_eq!(found(Filter { limit: Some(0), ..every() }), [0; 0]);
}

#[test]
fn processes_one_after_another_share_a_chain_and_processes_at_once_do_not() {
    let dir = folder();
    let first = open(dir.path());
    let name = first.writer().to_owned();
    seal(&first, [1, 4]);
    let second = open(dir.path());
    assert_ne!(second.writer(), name);
    seal(&second, [2, 3]);
    drop(first);
    let third = open(dir.path());
    assert_eq!(third.writer(), name);
    assert_eq!(seal(&third, [5])[0].sequence, 3);
    drop((second, third));
    let report = check(dir.path());
    assert_eq!((report.severity(), report.entries(), report.writers.len()), (None, 5, 2));
    let calls = list(dir.path(), Filter::default()).expect("lists").map(|entry| entry.expect("reads").receipt.call.0);
    assert_eq!(calls.collect::<Vec<_>>(), [5, 4, 3, 2, 1], "chains are merged by time");
}

#[test]
fn a_process_that_seals_nothing_writes_nothing() {
    let (dir, writer) = thirty();
    let before = fs::read(checkpoints(dir.path(), &writer)).expect("reads");
    open(dir.path()).close().expect("closes");
    assert_eq!(fs::read(checkpoints(dir.path(), &writer)).expect("reads"), before);
}

#[test]
fn a_chain_goes_on_over_segments_and_over_processes() {
    let dir = folder();
    let small = || Options { segment_bytes: 3_000, ..options() };
    let mut writer = String::new();
    for process in 0..4 {
        let log = ReceiptLog::open(dir.path(), small()).expect("opens");
        seal(&log, process * 10 + 1..=process * 10 + 10);
        log.writer().clone_into(&mut writer);
    }
    let report = check(dir.path());
    assert_eq!((report.severity(), report.entries(), report.writers.len()), (None, 40, 1));
    assert!(report.writers[0].segments > 5);
    for order in [Order::NewestFirst, Order::OldestFirst] {
        let listed = list(dir.path(), Filter { order, ..Filter::default() }).expect("lists");
        assert_eq!(listed.collect::<Result<Vec<_>, _>>().expect("reads").len(), 40);
    }

    fs::remove_file(segment(dir.path(), &writer, 2)).expect("removed");
    let report = check(dir.path());
    let found = problems(&report);
    assert!(found.contains(&&Problem::MissingSegments { from: 2, to: 2 }), "{found:?}");
    assert!(found.iter().any(|problem| matches!(problem, Problem::Missing { .. })), "{found:?}");
}

#[test]
fn threads_that_seal_at_once_make_one_whole_chain() {
    let dir = folder();
    let every = NonZeroU64::new(16).expect("not zero");
    let some = Options { segment_bytes: 50_000, checkpoint_every: every, ..options() };
    let log = ReceiptLog::open(dir.path(), some).expect("opens");
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let log = &log;
            scope.spawn(move || seal(log, thread * 200..(thread + 1) * 200));
        }
        for _ in 0..20 {
            log.checkpoint().expect("signs");
            let growing = check(dir.path());
            assert!(growing.is_intact(), "a log is verified while it grows: {:?}", problems(&growing));
        }
    });
    log.close().expect("closes");
    let report = check(dir.path());
    assert_eq!((report.severity(), report.entries(), report.writers.len()), (None, 1_600, 1));
    let listed = list(dir.path(), Filter::default()).expect("lists");
    let calls: std::collections::BTreeSet<_> = listed.map(|entry| entry.expect("reads").receipt.call).collect();
    assert_eq!(calls.len(), 1_600);
}

#[test]
fn the_background_signs_after_so_many_receipts() {
    let dir = folder();
    let every = NonZeroU64::new(4).expect("not zero");
    let log = ReceiptLog::open(dir.path(), Options { checkpoint_every: every, ..options() }).expect("opens");
    seal(&log, 1..=4);
    let path = checkpoints(dir.path(), log.writer());
    // The thread was woken by the fourth receipt; it is waited for by its work, and the work is bounded.
    while lines(&path).len() < 2 {
        std::thread::yield_now();
    }
    assert!(log.checkpoint().expect("signs").is_none(), "nothing new is left to sign");
}
