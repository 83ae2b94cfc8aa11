//! What a crash, a full disk or a vanished file does to the log.

use super::*;

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
        let kept =
            base64::Engine::decode(&base64::engine::general_purpose::STANDARD, kept["base64"].as_str().expect("text"));
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
