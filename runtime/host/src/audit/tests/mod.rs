//! The log as a whole: what is recorded verifies and is found again, an edit shows, a crash heals, a flood is bounded.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use toolcell_core::{CallId, Clock, Digest, UnixMillis};

use super::*;

/// Each look is a second later than the one before.
#[derive(Default)]
struct Ticks(AtomicU64);

impl Clock for Ticks {
    fn now(&self) -> UnixMillis {
        UnixMillis(1_700_000_000_000 + 1_000 * self.0.fetch_add(1, Ordering::Relaxed))
    }
}

fn options() -> Options {
    Options::new(Arc::new(Ticks::default()))
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn open(dir: &Path) -> AuditLog {
    AuditLog::open(dir, options()).expect("opens")
}

fn denial(number: u64) -> AuditEvent {
    AuditEvent::Denial {
        call: CallId(u128::from(number)),
        tenant: "acme".into(),
        tool: if number.is_multiple_of(2) { "json.query" } else { "text.lines.count" }.into(),
        function: "wasi:http/outgoing-handler.handle".into(),
        reason: "no rule allows GET https://example.com/".into(),
        count: number,
    }
}

fn record(log: &AuditLog, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        log.record(denial(number)).expect("records");
    }
}

fn segment(dir: &Path, writer: &str, number: u32) -> PathBuf {
    dir.join(format!("{writer}.{number:06}.jsonl"))
}

fn problems(dir: &Path) -> Vec<Problem> {
    let report = verify(dir).expect("can be verified");
    report.writers.into_iter().flat_map(|writer| writer.findings).map(|finding| finding.problem).collect()
}

/// A closed chain of twelve events in one segment.
fn twelve() -> (tempfile::TempDir, PathBuf) {
    let dir = folder();
    let log = open(dir.path());
    record(&log, 1..=12);
    let path = segment(dir.path(), log.writer(), 1);
    drop(log);
    assert_eq!(problems(dir.path()), []);
    (dir, path)
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).expect("reads").lines().map(String::from).collect()
}

fn write_lines(path: &Path, lines: &[String]) {
    fs::write(path, lines.iter().flat_map(|line| [line, "\n"]).collect::<String>()).expect("written");
}

#[test]
fn what_is_recorded_verifies_and_is_listed_newest_first() {
    let dir = folder();
    let log = open(dir.path());
    let digest = Digest::of(b"policy");
    log.record(AuditEvent::Started { version: "1.0".into(), policy: digest }).expect("records");
    record(&log, 1..=5);
    let used = AuditEvent::SecretUsed {
        name: "github.token".into(),
        call: CallId(9),
        tool: "json.query".into(),
        target: "https://api.github.com".into(),
    };
    assert_eq!(log.record(used.clone()).expect("records"), 7);
    let report = verify(dir.path()).expect("can be verified");
    assert_eq!((report.is_intact(), report.entries(), report.writers[0].synced), (true, 7, Some(0)));
    log.sync().expect("syncs");
    assert_eq!(verify(dir.path()).expect("can be verified").writers[0].synced, Some(7));

    let found = |filter: Filter| -> Vec<u64> {
        list(dir.path(), &filter).expect("lists").iter().map(|entry| entry.sequence).collect()
    };
    let all = list(dir.path(), &Filter::default()).expect("lists");
    assert_eq!(all[0].event, Recorded::Event(used));
    assert_eq!(found(Filter::default()), [7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(found(Filter { kind: Some("denial".into()), limit: 2, ..Filter::default() }), [6, 5]);
    assert_eq!(found(Filter { tool: Some("json".into()), ..Filter::default() }), [7, 5, 3]);
    assert_eq!(found(Filter { tool: Some("js".into()), ..Filter::default() }), [0; 0]);
    assert_eq!(found(Filter { since: Some(all[1].at), ..Filter::default() }), [7, 6]);
    assert_eq!(found(Filter { limit: 0, ..Filter::default() }), [0; 0]);
}

#[test]
fn an_edit_of_any_line_shows() {
    let (dir, path) = twelve();
    let whole = lines(&path);
    for at in 0..whole.len() {
        let number = at as u64 + 1;
        let last = at + 1 == whole.len();
        let mut edited = whole.clone();
        edited[at] = edited[at].replace("acme", "evil");
        write_lines(&path, &edited);
        assert_eq!(problems(dir.path()), [Problem::Changed], "edited {number}");

        let mut removed = whole.clone();
        removed.remove(at);
        write_lines(&path, &removed);
        let expected = match at {
            0 => Problem::CutHead { first: 2 },
            _ if last => Problem::CutTail { last: 11, synced: 12 },
            _ => Problem::Missing { from: number, to: number },
        };
        assert_eq!(problems(dir.path()), [expected], "removed {number}");

        let mut twice = whole.clone();
        twice.insert(at, whole[at].clone());
        write_lines(&path, &twice);
        assert_eq!(problems(dir.path()), [Problem::Misplaced { expected: number + 1 }], "doubled {number}");

        let mut garbage = whole.clone();
        garbage[at] = "{}".into();
        write_lines(&path, &garbage);
        assert!(problems(dir.path()).contains(&Problem::Unreadable), "garbage for {number}");

        if !last {
            let mut swapped = whole.clone();
            swapped.swap(at, at + 1);
            write_lines(&path, &swapped);
            let report = verify(dir.path()).expect("can be verified");
            assert!(!report.is_intact(), "swapped {number}");
        }
    }
}

#[test]
fn a_line_made_anew_contradicts_the_next_one_or_the_head() {
    let (dir, path) = twelve();
    let whole = lines(&path);
    for at in [0, 5, 11] {
        let claim = line::Claim::parse(whole[at].as_bytes()).expect("an entry");
        let event = Recorded::Event(denial(99)).text();
        let (forged, _) = line::write(claim.sequence, claim.at, claim.previous, &event);
        let mut edited = whole.clone();
        edited[at] = String::from_utf8(forged).expect("text").trim_end().to_owned();
        write_lines(&path, &edited);
        let expected = if at == 11 { Problem::ContradictsHead } else { Problem::Unlinked };
        assert_eq!(problems(dir.path()), [expected]);
    }
}

#[test]
fn a_missing_head_or_segment_shows_and_the_chain_is_not_gone_on_with() {
    let dir = folder();
    let log = AuditLog::open(dir.path(), Options { segment_bytes: 1, ..options() }).expect("opens");
    let writer = log.writer().to_owned();
    record(&log, 1..=4);
    drop(log);
    let kept = fs::read(segment(dir.path(), &writer, 2)).expect("reads");
    fs::remove_file(segment(dir.path(), &writer, 2)).expect("removed");
    let found = problems(dir.path());
    assert_eq!(found, [Problem::MissingSegments { from: 2, to: 2 }, Problem::Missing { from: 2, to: 2 }]);
    fs::write(segment(dir.path(), &writer, 2), kept).expect("written");
    fs::remove_file(segment(dir.path(), &writer, 4)).expect("removed");
    assert_eq!(problems(dir.path()), [Problem::CutTail { last: 3, synced: 4 }]);
    let log = open(dir.path());
    assert_ne!(log.writer(), writer);
    assert_eq!(log.skipped()[0].writer, writer);
    fs::remove_file(dir.path().join(format!("{writer}.head"))).expect("removed");
    assert_eq!(problems(dir.path()), [Problem::BadHead]);
}

#[test]
fn a_crash_at_any_byte_of_the_last_line_heals_and_is_recorded() {
    let (dir, path) = twelve();
    let head = fs::read_dir(dir.path()).expect("lists").map(|entry| entry.expect("reads").path());
    let head = head.into_iter().find(|path| path.extension().is_some_and(|end| end == "head")).expect("a head");
    let text = fs::read(&path).expect("reads");
    let begin = text[..text.len() - 1].iter().rposition(|&byte| byte == b'\n').expect("lines") + 1;
    // The head of a machine that crashed before the last line was durable.
    let line = lines(&path)[10].clone();
    let eleventh = line::Claim::parse(line.as_bytes()).expect("an entry");
    let old = fs::read_to_string(&head).expect("reads");
    let mut old: serde_json::Value = serde_json::from_str(&old).expect("is JSON");
    old["sequence"] = 11.into();
    old["hash"] = eleventh.hash.to_string().into();
    for end in begin + 1..text.len() {
        fs::write(&path, &text[..end]).expect("written");
        fs::write(&head, old.to_string()).expect("written");
        let bytes = (end - begin) as u64;
        assert_eq!(problems(dir.path()), [Problem::TornTail { bytes }]);
        let log = open(dir.path());
        assert_eq!(log.record(denial(13)).expect("records"), 13);
        drop(log);
        assert_eq!(problems(dir.path()), []);
        let healed = list(dir.path(), &Filter { kind: Some("healed".into()), ..Filter::default() }).expect("lists");
        let Recorded::Upkeep(Upkeep::Healed { offset, bytes: cut, digest, .. }) = healed[0].event else {
            panic!("another event")
        };
        assert_eq!((healed[0].sequence, offset, cut), (12, begin as u64, bytes));
        assert_eq!(digest, Digest::of(&text[begin..end]));
    }
}

#[test]
fn a_flood_is_bounded_on_disk_and_rotation_is_told_from_cutting() {
    let dir = folder();
    let bounded = Options { segment_bytes: 64 << 10, segments: 4, ..options() };
    let log = AuditLog::open(dir.path(), bounded.clone()).expect("opens");
    let writer = log.writer().to_owned();
    for number in 1..=100_000 {
        log.record(denial(number)).expect("records");
    }
    drop(log);
    let size = |entry: fs::DirEntry| entry.metadata().expect("reads").len();
    let files: Vec<_> = fs::read_dir(dir.path()).expect("lists").map(|entry| entry.expect("reads")).collect();
    let names = files.iter().filter(|entry| entry.path().extension().is_some_and(|end| end == "jsonl")).count();
    assert_eq!(names, 4);
    assert!(files.into_iter().map(size).sum::<u64>() < 4 * ((64 << 10) + (8 << 10)));
    let report = verify(dir.path()).expect("can be verified");
    assert!(report.is_intact() && report.writers[0].first.expect("a first event") > 90_000);

    // The log goes on after rotation, and one segment more than rotation deleted shows.
    let log = AuditLog::open(dir.path(), bounded).expect("opens");
    assert_eq!(log.writer(), writer);
    record(&log, 1..=10);
    drop(log);
    assert_eq!(problems(dir.path()), []);
    let paths = fs::read_dir(dir.path()).expect("lists").map(|entry| entry.expect("reads").path());
    let segments = paths.filter(|path| path.extension().is_some_and(|end| end == "jsonl"));
    fs::remove_file(segments.min().expect("a segment")).expect("removed");
    assert!(matches!(problems(dir.path())[..], [Problem::CutHead { .. }]));
}

#[test]
fn nothing_in_an_event_acts_on_a_terminal_or_forges_a_line() {
    let dir = folder();
    let log = open(dir.path());
    let hostile = "\u{1b}[2J\n{\"sequence\":2}\r\u{202e}\u{200b}\u{0}".repeat(1_000);
    log.record(AuditEvent::Stopped { reason: hostile }).expect("records");
    let text = fs::read_to_string(segment(dir.path(), log.writer(), 1)).expect("reads");
    assert!(text.len() <= line::LINE_MAX && text.lines().count() == 1);
    assert!(
        !text
            .trim_end()
            .contains(|character: char| { character.is_control() || matches!(character, '\u{202e}' | '\u{200b}') })
    );
    assert_eq!(problems(dir.path()), []);
}

#[test]
fn many_threads_share_a_chain_and_a_second_process_gets_its_own() {
    let dir = folder();
    let (first, second) = (open(dir.path()), open(dir.path()));
    assert_ne!(first.writer(), second.writer());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let log = if thread % 2 == 0 { &first } else { &second };
            scope.spawn(move || {
                record(log, 0..200);
                log.sync().expect("syncs");
            });
        }
    });
    let name = first.writer().to_owned();
    drop(first);
    let third = open(dir.path());
    assert_eq!(third.writer(), name);
    assert_eq!(third.record(denial(1)).expect("records"), 801);
    drop((second, third));
    let report = verify(dir.path()).expect("can be verified");
    assert_eq!((report.is_intact(), report.entries(), report.writers.len()), (true, 1_601, 2));
}

#[test]
fn garbage_in_the_folder_is_reported_and_never_a_panic() {
    let (dir, path) = twelve();
    for garbage in [&b"\0\0\0\0"[..], &[0xff; 10_000], b"\n\n\n", b"", &b"x".repeat(3 << 20)] {
        fs::write(&path, garbage).expect("written");
        assert!(!verify(dir.path()).expect("can be verified").is_intact());
        assert!(list(dir.path(), &Filter::default()).is_ok_and(|found| found.is_empty()) || garbage.len() > 1 << 20);
        let log = open(dir.path());
        assert_eq!(log.skipped().len(), 1);
        drop(log);
        for entry in fs::read_dir(dir.path()).expect("lists").map(|entry| entry.expect("reads").path()) {
            let ours = entry.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if !path.file_name().and_then(|name| name.to_str()).unwrap_or_default().starts_with(&ours[..16]) {
                fs::remove_file(entry).expect("removed");
            }
        }
    }
}

#[test]
fn a_file_that_somebody_moved_away_is_told_and_later_events_are_kept() {
    let dir = folder();
    let log = open(dir.path());
    record(&log, 1..=3);
    fs::rename(segment(dir.path(), log.writer(), 1), dir.path().join("away")).expect("moved");
    assert!(matches!(log.sync(), Err(AuditError::Replaced(_))));
    record(&log, 4..=5);
    log.sync().expect("syncs");
    assert_eq!(problems(dir.path()), [Problem::CutHead { first: 4 }]);
}

#[test]
fn no_event_goes_into_a_file_that_nobody_will_find() {
    for harm in [
        (|path: &Path| fs::rename(path, path.with_extension("away"))) as fn(&Path) -> std::io::Result<()>,
        |path| fs::remove_file(path),
        |path| fs::rename(path, path.with_extension("away")).and_then(|()| fs::create_dir(path)),
        |path| fs::write(path, "shorter"),
    ] {
        let dir = folder();
        let log = open(dir.path());
        record(&log, 1..=3);
        harm(&segment(dir.path(), log.writer(), 1)).expect("done");
        assert!(matches!(log.record(denial(4)), Err(AuditError::Replaced(_))));
        assert_eq!(log.record(denial(4)).expect("a new file is begun"), 4);
        assert_eq!(lines(&segment(dir.path(), log.writer(), 2)).len(), 1);
        log.sync().expect("syncs");
        assert!(!verify(dir.path()).expect("can be verified").is_intact(), "what is lost shows");
    }
}
