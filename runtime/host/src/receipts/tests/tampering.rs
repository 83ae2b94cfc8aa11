//! What somebody can do to the files, and how it shows.

use super::*;

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
    assert_eq!(
        with(&|lines| lines[3] = lines[3].replace("\"sequence\":30", "\"sequence\":29"))[0],
        Problem::BadSignature { number: 4 }
    );
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
    assert_eq!(problems(&report), [&Problem::CheckpointsCut { last: 2, known: 3, known_by: "the anchor".into() }]);

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
fn an_unsound_chain_is_not_gone_on_with() {
    type Damage = fn(&Path, &str);
    let damages: [Damage; 6] = [
        |dir, writer| write_lines(&segment(dir, writer, 1), &lines(&segment(dir, writer, 1))[..29]),
        |dir, writer| fs::remove_file(segment(dir, writer, 1)).expect("removed"),
        |dir, writer| fs::write(checkpoints(dir, writer), "").expect("written"),
        |dir, writer| fs::write(checkpoints(dir, writer), "garbage\n").expect("written"),
        |dir, writer| forge(&segment(dir, writer, 1), 3, |receipt| receipt.used.fuel = 1),
        |dir, writer| fs::write(segment(dir, writer, 1), "\0".repeat(3 * LINE_MAX)).expect("written"),
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
    for name in ["000001", "checkpoints"] {
        let (dir, writer) = thirty();
        let path = dir.path().join(format!("{writer}.{name}.jsonl"));
        let moved = dir.path().join("moved");
        fs::rename(&path, &moved).expect("moved");
        std::os::unix::fs::symlink(&moved, &path).expect("linked");
        let report = check(dir.path());
        assert!(problems(&report).iter().any(|problem| matches!(problem, Problem::FileRefused { .. })));
        let log = open(dir.path());
        assert!(log.skipped()[0].reason.contains("symbolic link"), "{:?}", log.skipped());
    }
}

#[test]
fn a_missing_folder_or_a_file_in_its_place_is_a_typed_error() {
    let (dir, _) = thirty();
    assert!(matches!(verify(&dir.path().join("none"), &Trust::default()), Err(VerifyError::File(_))));
    assert!(list(&dir.path().join("none"), Filter::default()).is_err());
    assert!(ReceiptLog::open(&dir.path().join("key"), options()).is_err(), "a file is no folder");
}

#[test]
fn an_entry_that_hashes_well_but_is_no_receipt_shows() {
    let (dir, writer) = thirty();
    let path = segment(dir.path(), &writer, 1);
    let last: Sealed = serde_json::from_str(&lines(&path)[29]).expect("reads");
    let name = files::WriterName::parse(writer.as_bytes()).expect("a name");
    let mut draft =
        entry::Draft::write(name, |text| serde_json::to_writer(text, &["no receipt"])).map_err(|_| ()).expect("fits");
    let (_, line) = draft.line(name, 31, last.hash);
    OpenOptions::new().append(true).open(&path).expect("opens").write_all(line).expect("written");
    let report = check(dir.path());
    let found = problems(&report);
    assert!(
        matches!(found[..], [Problem::NotAReceipt { .. }, Problem::UnsignedTail { from: 31, to: 31 }]),
        "{found:?}"
    );
}
