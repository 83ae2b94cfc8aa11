use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::*;

fn tool(id: &str) -> ToolId {
    id.parse().expect("a tool id")
}

fn approved(lines: &[&str]) -> Approved {
    Approved {
        component: Digest::of(b"component"),
        manifest: Some(Digest::of(b"manifest")),
        granted: lines.iter().map(|line| (*line).to_owned()).collect(),
        policy: Digest::of(b"policy"),
        by: "ada".to_owned(),
        at: UnixMillis(1_700_000_000_000),
    }
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("toolcell.lock")
    }

    fn with(text: &[u8]) -> Self {
        let place = Self::new();
        fs::write(place.file(), text).expect("writes");
        fs::set_permissions(place.file(), Permissions::from_mode(0o644)).expect("sets");
        place
    }
}

fn add(path: &Path, id: &str, approved: Approved) -> Result<(), LockError> {
    let mut edit = Edit::open(path)?;
    edit.lock.approve(tool(id), approved);
    edit.commit()
}

/// One approval, whole.
fn whole() -> String {
    let mut lock = Lock::default();
    lock.approve(tool("json.query"), approved(&["mount /docs read-only"]));
    text::write(&lock)
}

#[test]
fn what_is_written_reads_back_and_is_the_same_whatever_the_order_of_decisions() {
    let ids = ["json.query", "a.b", "z.i.f", "json.merge"];
    let lines = ["mount /docs read-only", "network GET https://a.example/\"q\"\\'x'", "config Grüße", "call json"];
    let written = |order: &[usize]| {
        let place = Place::new();
        for index in order {
            add(&place.file(), ids[*index], approved(&lines[..*index])).expect("keeps");
        }
        let read = Lock::read(&place.file()).expect("reads");
        assert_eq!(read.iter().count(), 4);
        for index in order {
            assert_eq!(read.get(ids[*index]), Some(&approved(&lines[..*index])));
        }
        fs::read_to_string(place.file()).expect("reads")
    };
    let first = written(&[0, 1, 2, 3]);
    assert_eq!(written(&[3, 1, 0, 2]), first);
    assert!(first.contains("approved-at = \"2023-11-14T22:13:20Z\""), "{first}");
    assert!(first.find("a.b") < first.find("json.merge") && first.find("json.query") < first.find("z.i.f"), "{first}");
}

#[test]
fn a_file_that_is_not_there_holds_nothing_and_reading_makes_none() {
    let place = Place::new();
    assert_eq!(Lock::read(&place.file()).expect("reads"), Lock::default());
    assert_eq!(fs::read_dir(place.0.path()).expect("lists").count(), 0);
}

#[test]
fn the_file_can_be_read_by_all_and_written_by_its_owner_alone() {
    let place = Place::new();
    add(&place.file(), "a.b", approved(&[])).expect("keeps");
    let mode = fs::metadata(place.file()).expect("is there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o644);
    let names: Vec<_> =
        fs::read_dir(place.0.path()).expect("lists").map(|entry| entry.expect("is").file_name()).collect();
    assert_eq!(names.len(), 2, "the file and the turn: {names:?}");
}

#[test]
fn a_change_that_is_dropped_changes_nothing() {
    let place = Place::new();
    add(&place.file(), "a.b", approved(&[])).expect("keeps");
    let before = fs::read(place.file()).expect("reads");
    let mut edit = Edit::open(&place.file()).expect("opens");
    edit.lock.revoke("a.b").expect("is there");
    drop(edit.prepare().expect("prepares"));
    assert_eq!(fs::read(place.file()).expect("reads"), before);
    assert_eq!(fs::read_dir(place.0.path()).expect("lists").count(), 2, "nothing is left beside it");
    let mut edit = Edit::open(&place.file()).expect("the turn has ended");
    edit.lock.revoke("a.b").expect("is there");
    edit.commit().expect("keeps");
    assert_eq!(Lock::read(&place.file()).expect("reads"), Lock::default());
}

#[test]
fn of_many_writers_at_once_none_is_lost() {
    let place = Place::new();
    let path = place.file();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let path = &path;
            scope.spawn(move || {
                for round in 0..4 {
                    add(path, &format!("tool-{writer}.f-{round}"), approved(&["config a"])).expect("keeps");
                }
            });
        }
    });
    assert_eq!(Lock::read(&path).expect("reads").iter().count(), 16);
}

#[test]
fn a_writer_that_never_ends_its_turn_does_not_hold_up_the_others_for_ever() {
    let place = Place::new();
    let held = Edit::open(&place.file()).expect("opens");
    let beside = file::beside(&place.file());
    assert!(matches!(file::turn(&beside, std::time::Duration::ZERO), Err(LockError::Busy(_))));
    assert_eq!(Lock::read(&place.file()).expect("readers never wait"), Lock::default());
    drop(held);
    file::turn(&beside, std::time::Duration::ZERO).expect("the turn has ended");
}

#[test]
fn no_changed_byte_makes_reading_panic_or_approve_more_in_silence() {
    let whole = whole();
    let before = text::read(&whole).expect("reads");
    for at in 0..whole.len() {
        for change in [b'"', b'\\', b'[', b'0', b'\n', 0x7f, 0x80] {
            let mut bytes = whole.clone().into_bytes();
            bytes[at] = change;
            let Ok(text) = String::from_utf8(bytes) else { continue };
            match text::read(&text) {
                Ok(lock) => assert!(lock.iter().count() <= before.iter().count()),
                Err((place, _)) => assert!(place <= text.len()),
            }
        }
    }
}

#[test]
fn links_folders_pipes_and_files_that_others_can_write_are_refused_and_never_replaced() {
    let place = Place::new();
    let at = |name: &str| place.0.path().join(name);
    fs::write(at("real"), whole()).expect("writes");
    std::os::unix::fs::symlink(at("real"), at("link")).expect("links");
    std::os::unix::fs::symlink(at("nowhere"), at("dangling")).expect("links");
    fs::create_dir(at("folder")).expect("a folder");
    let user = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, at("pipe"), rustix::fs::FileType::Fifo, user, 0).expect("a pipe");
    for (name, kind) in
        [("link", "a symbolic link"), ("dangling", "a symbolic link"), ("folder", "a folder"), ("pipe", "a named pipe")]
    {
        for error in [Lock::read(&at(name)).expect_err(name), add(&at(name), "a.b", approved(&[])).expect_err(name)] {
            assert!(matches!(error, LockError::NotAFile { what, .. } if what == kind), "{name}: {error}");
        }
    }
    for mode in [0o664, 0o646, 0o622] {
        fs::set_permissions(at("real"), Permissions::from_mode(mode)).expect("sets");
        for error in [
            Lock::read(&at("real")).expect_err("writable"),
            add(&at("real"), "a.b", approved(&[])).expect_err("writable"),
        ] {
            assert!(matches!(error, LockError::Writable(_)), "{mode:o}: {error}");
            assert!(error.to_string().contains("chmod go-w"), "{error}");
        }
    }
    assert_eq!(fs::read_to_string(at("real")).expect("reads"), whole());
}

#[test]
fn whatever_is_not_exactly_of_the_format_is_refused_with_its_place() {
    let whole = whole();
    let digest = Digest::of(b"component").to_string();
    for (from, to, place, told) in [
        ("version = 1", "version = 2", "3:11", "version 2"),
        ("version = 1", "", "1:1", "version"),
        ("version = 1", "version = 1\nextra = 1", "4:1", "extra"),
        ("version = 1", "version = 1\nversion = 1", "4:1", "duplicate"),
        ("tool = \"json.query\"", "tool = \"json\"", "6:8", "is not a tool id"),
        ("tool = \"json.query\"", "tool = \"json.query\"\nlimit = 1", "7:1", "limit"),
        (&*digest, "abc", "7:13", "a digest is"),
        ("approved-by = \"ada\"", "", "5:1", "approved-by"),
        ("\"ada\"", "\"\"", "13:15", "reviewer"),
        ("\"ada\"", "\"ada \"", "13:15", "reviewer"),
        ("\"ada\"", "\"a\\u001b[2J\"", "13:15", "reviewer"),
        ("2023-11-14T22:13:20Z", "yesterday", "14:15", "yesterday"),
        ("2023-11-14T22:13:20Z", "2023-02-31T22:13:20Z", "14:15", "2023-02-31"),
        ("\"mount /docs read-only\"", "\"\"", "10:5", "no capability"),
        ("\"mount /docs read-only\"", "\"a\\nb\"", "10:5", "no capability"),
        ("\"mount /docs read-only\"", "\"a\", \"a\"", "10:10", "no capability"),
        ("\"mount /docs read-only\"", "1", "10:5", "string"),
        ("[[approval]]", "[approval]", "5:1", ""),
        ("[[approval]]", "[[approval", "5:11", ""),
    ] {
        assert!(whole.contains(from), "{from}");
        let text = whole.replacen(from, to, 1);
        let error = Lock::read(&Place::with(text.as_bytes()).file()).expect_err(to);
        assert!(matches!(error, LockError::Malformed { .. }), "{error:?}");
        let shown = error.to_string();
        assert!(shown.contains(&format!("toolcell.lock:{place}: ")) && shown.contains(told), "{to}: {shown}");
        assert!(!shown.contains('\u{1b}'), "{shown}");
    }
    let twice = format!("{whole}{}", &whole[whole.find("[[").expect("an approval")..]);
    let error = Lock::read(&Place::with(twice.as_bytes()).file()).expect_err("twice");
    assert!(error.to_string().contains("`json.query` is approved twice"), "{error}");
}

#[test]
fn garbage_and_huge_files_are_typed_errors_at_bounded_cost() {
    let deep = format!("version = 1\na = {}", "[".repeat(200_000));
    let many = (0..=MAX_APPROVALS).fold("version = 1\n".to_owned(), |text, number| {
        let digest = Digest::of(b"");
        text + &format!(
            "[[approval]]\ntool = \"t.f{number}\"\ncomponent = \"{digest}\"\ngranted = []\npolicy = \"{digest}\"\napproved-by = \"a\"\napproved-at = \"2023-11-14T22:13:20Z\"\n"
        )
    });
    for garbage in [b"\xff\xfe".as_slice(), b"\0", b"[[[[[", b"not toml", deep.as_bytes(), many.as_bytes()] {
        let error = Lock::read(&Place::with(garbage).file()).expect_err("garbage");
        assert!(matches!(error, LockError::Malformed { .. }), "{error}");
    }
    let sparse = Place::with(b"");
    fs::OpenOptions::new()
        .write(true)
        .open(sparse.file())
        .and_then(|file| file.set_len(1 << 40))
        .expect("a sparse file");
    assert!(matches!(Lock::read(&sparse.file()), Err(LockError::TooLarge(_))));
}

#[test]
fn what_could_not_be_read_again_is_never_written() {
    let place = Place::new();
    add(&place.file(), "a.b", approved(&["config a"])).expect("keeps");
    let before = fs::read(place.file()).expect("reads");
    let lines: Vec<_> = (0..=MAX_LINES).map(|number| format!("config c{number}")).collect();
    let many: Vec<&str> = lines.iter().map(String::as_str).collect();
    let long = "x".repeat(MAX_LINE + 1);
    let named = |by: &str| Approved { by: by.to_owned(), ..approved(&[]) };
    for (unfit, problem) in [
        (approved(&many), Problem::TooManyLines),
        (approved(&["a\nb"]), Problem::Line("a\\nb".to_owned())),
        (approved(&[&long]), Problem::Line(format!("{}…", "x".repeat(117)))),
        (named(""), Problem::Name(String::new())),
        (named("ada\u{202e}"), Problem::Name("ada\\u{202e}".to_owned())),
    ] {
        let error = add(&place.file(), "c.d", unfit).expect_err("unfit");
        assert!(matches!(&error, LockError::Unkeepable { problem: found, .. } if *found == problem), "{error:?}");
        assert_eq!(fs::read(place.file()).expect("reads"), before);
    }
}

#[test]
fn the_digest_of_a_grant_is_of_its_capabilities_alone() {
    let one = approved(&["config a", "config b"]);
    let other = Approved { by: "eve".to_owned(), component: Digest::of(b"x"), ..one.clone() };
    assert_eq!(one.grant_digest(), other.grant_digest());
    assert_ne!(one.grant_digest(), approved(&["config a"]).grant_digest());
    assert_ne!(approved(&[]).grant_digest(), Digest::of(b""));
    assert!(one.says_what(&Approved { by: "eve".to_owned(), ..one.clone() }) && !one.says_what(&other));
}
