//! The log as a whole: what is sealed verifies and is found again, and whatever is done to the files shows.

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

/// A receipt of about the usual length. Calls with a higher number ended later.
pub(super) fn receipt(number: u64) -> Receipt {
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
fn options() -> Options {
    let mut options = Options::new(Arc::new(Ticks::default()));
    options.checkpoint_after = None;
    options.checkpoint_every = NonZeroU64::MAX;
    options
}

fn open(dir: &Path) -> ReceiptLog {
    ReceiptLog::open(dir, options()).expect("opens")
}

fn anchored(anchor: &Path) -> Options {
    Options { anchor: Some(anchor.to_owned()), ..options() }
}

fn seal(log: &ReceiptLog, numbers: impl IntoIterator<Item = u64>) -> Vec<Sealed> {
    numbers.into_iter().map(|number| log.seal(receipt(number)).expect("seals")).collect()
}

/// A process that dies: no checkpoint at the end, and its lock is free.
fn kill(log: ReceiptLog, dir: &Path) {
    let path = checkpoints(dir, log.writer());
    let before = fs::read(&path).expect("reads");
    drop(log);
    fs::write(&path, before).expect("written");
}

fn checkpoints(dir: &Path, writer: &str) -> PathBuf {
    dir.join(format!("{writer}.checkpoints.jsonl"))
}

fn segment(dir: &Path, writer: &str, number: u32) -> PathBuf {
    dir.join(format!("{writer}.{number:06}.jsonl"))
}

fn check(dir: &Path) -> Report {
    verify(dir, &Trust::default()).expect("can be verified")
}

fn problems(report: &Report) -> Vec<&Problem> {
    let writers = report.writers.iter().flat_map(|writer| &writer.findings);
    report.findings.iter().chain(writers).map(|finding| &finding.problem).collect()
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).expect("reads").lines().map(String::from).collect()
}

fn write_lines(path: &Path, lines: &[String]) {
    fs::write(path, lines.iter().flat_map(|line| [line, "\n"]).collect::<String>()).expect("written");
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// A folder with one chain of 30 receipts, checkpoints after 10 and 20 and at the end.
fn thirty() -> (tempfile::TempDir, String) {
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
    let newest: Vec<_> = list(dir.path(), Filter::default()).expect("lists").map(|entry| entry.expect("reads")).collect();
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
        assert_eq!(listed.map(|entry| entry.expect("reads").sequence).count(), 40);
    }

    fs::remove_file(segment(dir.path(), &writer, 2)).expect("removed");
    let report = check(dir.path());
    let found = problems(&report);
    assert!(found.contains(&&Problem::MissingSegments { from: 2, to: 2 }), "{found:?}");
    assert!(found.iter().any(|problem| matches!(problem, Problem::Missing { .. })), "{found:?}");
}

#[test]
fn a_changed_byte_shows_wherever_it_is() {
    let (dir, writer) = thirty();
    for path in [segment(dir.path(), &writer, 1), checkpoints(dir.path(), &writer), dir.path().join("key.pub")] {
        let whole = fs::read(&path).expect("reads");
        for at in (0..whole.len()).step_by(97).chain([whole.len() - 1]) {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&path, changed).expect("written");
            let report = check(dir.path());
            // The very last newline is all that tells a whole last line from half a one.
            let expected = if at == whole.len() - 1 { Severity::Warning } else { Severity::Tampered };
            if !path.ends_with("key.pub") || at < whole.len() - 1 {
                assert!(report.severity() >= Some(expected), "{} byte {at}: {:?}", path.display(), problems(&report));
            }
        }
        fs::write(&path, whole).expect("restored");
    }
    assert_eq!(check(dir.path()).severity(), None);
}

#[test]
fn a_finding_names_file_line_and_receipt() {
    let (dir, writer) = thirty();
    let path = segment(dir.path(), &writer, 1);
    let mut text = lines(&path);
    text[6] = text[6].replace("123456", "123457");
    write_lines(&path, &text);
    let report = check(dir.path());
    let [finding] = &*report.writers[0].findings else { panic!("one finding: {:?}", report.writers) };
    assert_eq!((finding.line, finding.sequence, &finding.problem), (Some(7), Some(7), &Problem::Rewritten));
    let file = format!("{writer}.000001.jsonl");
    assert!(finding.to_string().starts_with(&format!("{file}:7 (receipt 7): ")), "{finding}");
    let json = serde_json::to_value(finding).expect("serialises");
    assert_eq!((&json["file"], &json["problem"]), (&file.into(), &"rewritten".into()));

    let damaged: Vec<_> = list(dir.path(), Filter::default()).expect("lists").filter_map(Result::err).collect();
    assert!(matches!(&*damaged, [ListError::Damaged { offset, .. }] if *offset > 0), "{damaged:?}");
    assert_eq!(list(dir.path(), Filter::default()).expect("lists").flatten().count(), 29);
}

#[test]
fn a_removed_inserted_or_moved_receipt_shows() {
    let (dir, writer) = thirty();
    let path = segment(dir.path(), &writer, 1);
    let whole = lines(&path);
    let with = |change: &dyn Fn(&mut Vec<String>)| {
        let mut changed = whole.clone();
        change(&mut changed);
        write_lines(&path, &changed);
        let report = check(dir.path());
        assert!(!report.is_intact());
        problems(&report).into_iter().cloned().collect::<Vec<_>>()
    };
    assert_eq!(with(&|lines| drop(lines.remove(4))), [Problem::Missing { from: 5, to: 5 }]);
    assert_eq!(with(&|lines| drop(lines.drain(..12))), [Problem::Missing { from: 1, to: 12 }]);
    assert_eq!(with(&|lines| lines.insert(8, lines[3].clone())), [Problem::Misplaced { expected: 9 }]);
    let swapped = with(&|lines| lines.swap(4, 5));
    assert_eq!(swapped, [Problem::Missing { from: 5, to: 5 }, Problem::Misplaced { expected: 7 }]);
    assert_eq!(with(&|lines| lines.insert(2, "garbage".into()))[0], Problem::Unreadable);
    assert_eq!(with(&|lines| lines.truncate(25)), [Problem::CutTail { last: 25, signed: 30 }]);
    assert_eq!(with(&Vec::clear), [Problem::CutTail { last: 0, signed: 30 }]);
    fs::remove_file(&path).expect("removed");
    assert_eq!(problems(&check(dir.path())), [&Problem::CutTail { last: 0, signed: 30 }]);
}

/// Rewrites a chain from an entry on, with hashes that fit: all that can be done without the key.
fn forge(path: &Path, from: usize, text: impl Fn(&mut Receipt)) {
    let mut forged = lines(path);
    let sealed: Sealed = serde_json::from_str(&forged[from]).expect("reads");
    let mut previous = sealed.previous;
    for line in &mut forged[from..] {
        let mut sealed: Sealed = serde_json::from_str(line).expect("reads");
        text(&mut sealed.receipt);
        let writer = files::WriterName::parse(sealed.writer.as_bytes()).expect("a name");
        let mut draft = entry::Draft::new(writer, &sealed.receipt).map_err(|_| ()).expect("fits");
        let (hash, bytes) = draft.line(writer, sealed.sequence, previous);
        *line = std::str::from_utf8(bytes).expect("text").trim_end().to_owned();
        previous = hash;
    }
    write_lines(path, &forged);
}

#[test]
fn a_rewrite_with_hashes_that_fit_contradicts_the_checkpoints() {
    let (dir, writer) = thirty();
    forge(&segment(dir.path(), &writer, 1), 11, |receipt| receipt.used.fuel = 1);
    let report = check(dir.path());
    let contradicts = |number| Problem::ContradictsCheckpoint { number };
    assert_eq!(problems(&report), [&contradicts(3), &contradicts(4)]);
    assert_eq!(report.writers[0].findings[0].sequence, Some(20));
}

#[test]
fn removed_moved_or_forged_checkpoints_show() {
    let (dir, writer) = thirty();
    let path = checkpoints(dir.path(), &writer);
    let whole = lines(&path);
    let with = |change: &dyn Fn(&mut Vec<String>)| {
        let mut changed = whole.clone();
        change(&mut changed);
        write_lines(&path, &changed);
        let report = check(dir.path());
        problems(&report).into_iter().cloned().collect::<Vec<_>>()
    };
    assert_eq!(with(&|lines| drop(lines.remove(1))), [Problem::CheckpointsMissing { from: 2, to: 2 }]);
    assert_eq!(with(&|lines| lines.insert(2, lines[1].clone())), [Problem::Misplaced { expected: 3 }]);
    assert_eq!(with(&|lines| lines[3] = lines[3].replace("\"sequence\":30", "\"sequence\":29"))[0], Problem::BadSignature { number: 4 });
    assert_eq!(with(&|lines| lines[0] = "{}".into())[0], Problem::BadCheckpoint);
    assert!(with(&Vec::clear).contains(&Problem::NoCheckpoints));
    fs::remove_file(&path).expect("removed");
    assert!(problems(&check(dir.path())).contains(&&Problem::NoCheckpoints));

    // Signed with another key, and that key put in the folder: nothing inside tells, so the reader's own copy must.
    let (other, _) = thirty();
    let key = check(dir.path()).key.expect("a key");
    let forged = verify(other.path(), &Trust { key: Some(key), ..Trust::default() }).expect("can be verified");
    assert!(!forged.is_intact());
    assert!(problems(&forged).iter().any(|problem| matches!(problem, Problem::UnknownKey { .. })));
}

#[test]
fn a_cut_back_to_an_earlier_checkpoint_shows_against_the_anchor_alone() {
    let (dir, anchor) = (folder(), folder());
    let log = ReceiptLog::open(dir.path(), anchored(anchor.path())).expect("opens");
    let writer = log.writer().to_owned();
    seal(&log, 1..=10);
    log.checkpoint().expect("signs");
    seal(&log, 11..=20);
    drop(log);
    let trust = Trust { anchor: Some(anchor.path().to_owned()), ..Trust::default() };
    assert_eq!(verify(dir.path(), &trust).expect("can be verified").severity(), None);

    for (path, keep) in [(segment(dir.path(), &writer, 1), 10), (checkpoints(dir.path(), &writer), 2)] {
        write_lines(&path, &lines(&path)[..keep]);
    }
    assert_eq!(check(dir.path()).severity(), None, "the documented limit of a log without an anchor");
    let report = verify(dir.path(), &trust).expect("can be verified");
    assert_eq!(
        problems(&report),
        [&Problem::CheckpointsCut { last: 2, known: 3, known_by: "the anchor".into() }]
    );

    // Nor does the next process go on from there.
    let next = ReceiptLog::open(dir.path(), anchored(anchor.path())).expect("opens");
    assert_eq!((next.skipped().len(), &next.skipped()[0].writer), (1, &writer));
    assert_ne!(next.writer(), writer);
    seal(&next, [21]);
    drop(next);

    for path in [segment(dir.path(), &writer, 1), checkpoints(dir.path(), &writer)] {
        fs::remove_file(path).expect("removed");
    }
    let report = verify(dir.path(), &trust).expect("can be verified");
    assert!(problems(&report).contains(&&Problem::MissingWriter { known_by: "the anchor".into() }));
}

#[test]
fn an_old_copy_that_was_gone_on_from_without_its_anchor_shows_as_a_fork() {
    let (dir, anchor) = (folder(), folder());
    let log = ReceiptLog::open(dir.path(), anchored(anchor.path())).expect("opens");
    let writer = log.writer().to_owned();
    let old = fs::read(checkpoints(dir.path(), &writer)).expect("reads");
    seal(&log, 1..=3);
    drop(log);
    fs::write(checkpoints(dir.path(), &writer), old).expect("put back");
    fs::remove_file(segment(dir.path(), &writer, 1)).expect("removed");
    seal(&open(dir.path()), 4..=6);
    assert_eq!(check(dir.path()).severity(), None);
    let trust = Trust { anchor: Some(anchor.path().to_owned()), ..Trust::default() };
    let report = verify(dir.path(), &trust).expect("can be verified");
    assert!(problems(&report).contains(&&Problem::Forked { number: 2 }), "{:?}", problems(&report));
}

#[test]
fn a_writer_that_vanished_whole_is_missed_by_another_one_that_saw_it() {
    let dir = folder();
    let first = open(dir.path());
    let name = first.writer().to_owned();
    seal(&first, [1]);
    first.checkpoint().expect("signs");
    let second = open(dir.path());
    seal(&second, [2]);
    let witnessed = second.checkpoint().expect("signs").expect("something new").witnessed;
    assert_eq!((witnessed.len(), witnessed[0].number), (1, 2));
    let by = format!("writer {}", second.writer());
    drop((first, second));
    assert_eq!(check(dir.path()).severity(), None);
    for path in [segment(dir.path(), &name, 1), checkpoints(dir.path(), &name)] {
        fs::remove_file(path).expect("removed");
    }
    assert_eq!(problems(&check(dir.path())), [&Problem::MissingWriter { known_by: by }]);
}

#[test]
fn a_crash_at_any_byte_of_a_line_loses_no_other_line_and_is_told() {
    let dir = folder();
    let log = open(dir.path());
    let writer = log.writer().to_owned();
    seal(&log, 1..=3);
    kill(log, dir.path());
    let path = segment(dir.path(), &writer, 1);
    let (text, signed) = (fs::read(&path).expect("reads"), fs::read(checkpoints(dir.path(), &writer)).expect("reads"));
    let third = text[..text.len() - 1].iter().rposition(|&byte| byte == b'\n').expect("three lines") + 1;
    for end in (third + 1..text.len()).step_by(61) {
        fs::write(&path, &text[..end]).expect("written");
        fs::write(checkpoints(dir.path(), &writer), &signed).expect("written");
        let bytes = (end - third) as u64;
        let report = check(dir.path());
        assert!(problems(&report).contains(&&Problem::TornTail { bytes }) && report.is_intact());

        let log = open(dir.path());
        assert_eq!((log.writer(), log.skipped().len()), (&*writer, 0));
        assert_eq!(seal(&log, [4])[0].sequence, 3);
        drop(log);
        let report = check(dir.path());
        let from_file = format!("{writer}.000001.jsonl");
        assert_eq!(
            problems(&report),
            [&Problem::Adopted { from: 1, to: 2 }, &Problem::SetAside { from_file, offset: third as u64, bytes }]
        );
        let kept = lines(&dir.path().join(format!("{writer}.torn.jsonl"))).pop().expect("kept");
        let kept: serde_json::Value = serde_json::from_str(&kept).expect("is JSON");
        let kept = base64::Engine::decode(
            &base64::engine::general_purpose::STANDARD,
            kept["base64"].as_str().expect("text"),
        );
        assert_eq!(kept.expect("base64"), &text[third..end]);
    }
}

#[test]
fn half_a_checkpoint_is_set_aside_and_the_next_one_follows_the_last_whole_one() {
    let (dir, writer) = thirty();
    let path = checkpoints(dir.path(), &writer);
    let whole = fs::read(&path).expect("reads");
    fs::write(&path, &whole[..whole.len() - 10]).expect("written");
    assert!(check(dir.path()).is_intact());
    let log = open(dir.path());
    assert_eq!((log.writer(), log.skipped().len()), (&*writer, 0));
    drop(log);
    let report = check(dir.path());
    assert!(report.is_intact());
    assert!(matches!(problems(&report)[..], [Problem::Adopted { from: 21, to: 30 }, Problem::SetAside { .. }]));
}

#[test]
fn a_crash_right_after_a_segment_was_made_goes_on_in_it() {
    let (dir, writer) = thirty();
    fs::write(segment(dir.path(), &writer, 2), "").expect("made");
    let log = open(dir.path());
    assert_eq!(seal(&log, [31])[0].sequence, 31);
    drop(log);
    assert_eq!(check(dir.path()).severity(), None);
    assert_eq!(lines(&segment(dir.path(), &writer, 2)).len(), 1);
}

#[test]
fn an_unsound_chain_is_not_gone_on_with() {
    let damages: [&dyn Fn(&Path, &str); 6] = [
        &|dir, writer| write_lines(&segment(dir, writer, 1), &lines(&segment(dir, writer, 1))[..29]),
        &|dir, writer| fs::remove_file(segment(dir, writer, 1)).expect("removed"),
        &|dir, writer| fs::write(checkpoints(dir, writer), "").expect("written"),
        &|dir, writer| fs::write(checkpoints(dir, writer), "garbage\n").expect("written"),
        &|dir, writer| forge(&segment(dir, writer, 1), 3, |receipt| receipt.used.fuel = 1),
        &|dir, writer| fs::write(segment(dir, writer, 1), "\0".repeat(3 * LINE_MAX)).expect("written"),
    ];
    for damage in damages {
        let (dir, writer) = thirty();
        damage(dir.path(), &writer);
        let log = open(dir.path());
        assert_eq!(log.skipped().iter().map(|skipped| &skipped.writer).collect::<Vec<_>>(), [&writer]);
        assert_ne!(log.writer(), writer);
        seal(&log, [31]);
        drop(log);
        assert!(!check(dir.path()).is_intact());
    }
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
fn a_failed_seal_leaves_the_chain_as_it_was_and_a_later_one_succeeds() {
    let dir = folder();
    let log = ReceiptLog::open(dir.path(), Options { segment_bytes: 1, ..options() }).expect("opens");
    seal(&log, [1]);
    let blocked = segment(dir.path(), log.writer(), 2);
    fs::create_dir(&blocked).expect("made");
    assert!(matches!(log.seal(receipt(2)), Err(SealError::File(FileError { action: "create", .. }))));
    let huge = Receipt { caller: "x".repeat(LINE_MAX), ..receipt(2) };
    assert!(matches!(log.seal(huge), Err(SealError::TooLong { bytes }) if bytes > LINE_MAX));
    fs::remove_dir(&blocked).expect("removed");
    assert_eq!(seal(&log, [3])[0].sequence, 2);
    drop(log);
    assert_eq!(check(dir.path()).severity(), None);
}

#[test]
fn a_file_that_is_taken_away_under_a_process_is_told_at_the_next_checkpoint() {
    let dir = folder();
    let log = open(dir.path());
    seal(&log, 1..=3);
    fs::remove_file(segment(dir.path(), log.writer(), 1)).expect("removed");
    assert!(matches!(log.checkpoint(), Err(CheckpointError::Replaced { .. })));
    assert!(log.trouble().is_some());
    seal(&log, [4]);
    log.close().expect("goes on in a new segment");
    let report = check(dir.path());
    assert!(problems(&report).contains(&&Problem::Missing { from: 1, to: 3 }));
    assert_eq!(report.entries(), 1);
}

#[test]
fn hostile_files_are_findings_or_typed_errors_at_bounded_cost() {
    let garbage: [(&str, Vec<u8>); 6] = [
        ("empty lines", vec![b'\n'; 100_000]),
        ("zeros", vec![0; 3 * LINE_MAX]),
        ("a huge line", [vec![b'x'; 3 * LINE_MAX], b"\n".to_vec()].concat()),
        ("no text", (0..=255).cycle().take(100_000).collect()),
        ("deep JSON", [b"[".repeat(100_000), b"\n".to_vec()].concat()),
        ("half a line", b"{\"writer\":\"".to_vec()),
    ];
    for (name, bytes) in &garbage {
        let (dir, writer) = thirty();
        for path in [segment(dir.path(), &writer, 1), checkpoints(dir.path(), &writer)] {
            let whole = fs::read(&path).expect("reads");
            fs::write(&path, bytes).expect("written");
            let report = check(dir.path());
            assert!(!report.is_intact(), "{name}");
            assert!(report.writers[0].findings.len() <= 1_000, "{name}");
            for order in [Order::NewestFirst, Order::OldestFirst] {
                list(dir.path(), Filter { order, ..Filter::default() }).expect("lists").for_each(drop);
            }
            drop(open(dir.path()));
            fs::write(&path, whole).expect("restored");
        }
    }
}

#[test]
fn a_link_in_place_of_a_file_is_refused_everywhere() {
    let (dir, writer) = thirty();
    for path in [segment(dir.path(), &writer, 1), checkpoints(dir.path(), &writer)] {
        let moved = dir.path().join("moved");
        fs::rename(&path, &moved).expect("moved");
        std::os::unix::fs::symlink(&moved, &path).expect("linked");
        let report = check(dir.path());
        assert!(problems(&report).iter().any(|problem| matches!(problem, Problem::FileRefused { .. })));
        let log = open(dir.path());
        assert!(log.skipped()[0].reason.contains("symbolic link"), "{:?}", log.skipped());
        drop(log);
        fs::remove_file(&path).expect("removed");
        fs::rename(&moved, &path).expect("moved back");
    }
    assert!(matches!(verify(&dir.path().join("none"), &Trust::default()), Err(VerifyError::File(_))));
    assert!(list(&dir.path().join("none"), Filter::default()).is_err());
    assert!(ReceiptLog::open(&dir.path().join("key"), options()).is_err(), "a file is no folder");
}

#[test]
fn an_entry_that_hashes_well_but_is_no_receipt_shows() {
    let (dir, writer) = thirty();
    let path = segment(dir.path(), &writer, 1);
    let mut file = OpenOptions::new().append(true).open(&path).expect("opens");
    file.write_all(lines(&path)[29].replace("\"tool\":", "\"tail\":").as_bytes()).expect("written");
    file.write_all(b"\n").expect("written");
    assert_eq!(problems(&check(dir.path())), [&Problem::Rewritten, &Problem::Misplaced { expected: 31 }]);
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
