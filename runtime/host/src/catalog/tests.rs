//! The catalog as a whole, on real folders. Components are written in a small text of our own, so that each test shows
//! what its components hold; the clock is either so late that every file is old, or so early that every file is young.

mod resolving;

use std::fmt::Write as _;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tempfile::TempDir;
use toolcell_core::clock::{Clock, UnixMillis};
use toolcell_core::digest::Digest;
use toolcell_core::failure::{Failure, Kind};
use toolcell_core::types::Signature;

use super::*;
use crate::schema::shape::{Export, Needs, NotCallable};

const YEAR_2100: UnixMillis = UnixMillis(4_102_444_800_000);

struct Fixed(UnixMillis);

impl Clock for Fixed {
    fn now(&self) -> UnixMillis {
        self.0
    }
}

/// Reads `component`, then lines of `fn NAME`, `fn INTERFACE.NAME`, `no NAME` (not callable), `manifest TOML` with `;` for line
/// ends, `docs JSON`, `panic`.
fn describe(bytes: &[u8]) -> Result<Shape, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "not text".to_owned())?;
    let mut lines = text.lines();
    if lines.next() != Some("component") {
        return Err("not a component \u{1b}[2J".to_owned());
    }
    let mut shape = Shape {
        imports: Vec::new(),
        exports: Vec::new(),
        others: Vec::new(),
        manifest: None,
        docs: None,
        needs: Needs::default(),
        producers: String::new(),
        core_functions: 0,
    };
    for line in lines {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "fn" | "no" => {
                let (interface, name) =
                    rest.split_once('.').map_or((None, rest), |(interface, name)| (Some(interface), name));
                let signature = match word {
                    "fn" => Ok(Signature { params: [].into(), result: None }),
                    _ => Err(NotCallable { reason: "it takes a stream".to_owned() }),
                };
                shape.exports.push(Export {
                    interface: interface.map(str::to_owned),
                    name: name.to_owned(),
                    instance: interface.map(|interface| format!("test:test/{interface}")),
                    function: name.to_owned(),
                    signature,
                });
            }
            "manifest" => shape.manifest = Some(rest.replace(';', "\n")),
            "docs" => shape.docs = Some(rest.to_owned()),
            "panic" => panic!("a reader with a bug"),
            _ => return Err(format!("unknown line `{word}`")),
        }
    }
    Ok(shape)
}

fn options(now: UnixMillis) -> Options {
    Options { clock: Arc::new(Fixed(now)), threads: NonZeroUsize::new(3).expect("three"), describe: Arc::new(describe) }
}

struct House {
    folder: TempDir,
    catalog: Catalog,
}

/// A catalog of one folder that holds the given files.
fn house(files: &[(&str, &str)]) -> House {
    house_at(YEAR_2100, files)
}

fn house_at(now: UnixMillis, files: &[(&str, &str)]) -> House {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("writes");
    }
    let catalog = Catalog::open(vec![folder.path().to_owned()], options(now));
    House { folder, catalog }
}

impl House {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("writes");
    }

    fn state(&self, name: &str) -> String {
        state(&self.catalog, name)
    }

    fn fails(&self, name: &str) -> Failure {
        *self.catalog.snapshot().resolve(name, None).map(drop).expect_err("resolves to nothing")
    }
}

fn state(catalog: &Catalog, name: &str) -> String {
    match catalog.snapshot().component(name).map(|listed| &listed.state) {
        None => "none".to_owned(),
        Some(State::Ready(component)) => format!("ready {}", ids(component)),
        Some(State::Changing(component)) => format!("changing {}", ids(component)),
        Some(State::Settling) => "settling".to_owned(),
        Some(State::Broken(reason)) => format!("broken {reason}"),
        Some(State::Shadowed { .. }) => "shadowed".to_owned(),
    }
}

fn ids(component: &Component) -> String {
    component.tools.iter().map(|tool| tool.id.within()).collect::<Vec<_>>().join(" ")
}

fn names(names: &[toolcell_core::tool::ComponentName]) -> Vec<&str> {
    names.iter().map(toolcell_core::tool::ComponentName::as_str).collect()
}

const A: &str = "component\nfn a";
const B: &str = "component\nfn b\nfn c";

#[test]
fn a_command_that_runs_once_sees_what_is_there() {
    let house = house(&[("one.wasm", A), ("two.wasm", B), ("notes.txt", "x")]);
    assert_eq!((house.state("one"), house.state("two")), ("ready a".to_owned(), "ready b c".to_owned()));
    let snapshot = house.catalog.snapshot();
    let tools: Vec<_> = snapshot.tools().map(|(_, tool)| tool.id.as_str()).collect();
    assert_eq!(tools, ["one.a", "two.b", "two.c"]);
}

#[test]
fn a_new_file_loads_at_the_second_look_that_finds_it_unchanged() {
    let house = house(&[]);
    house.write("one.wasm", A);
    assert!(house.catalog.look().is_empty());
    assert_eq!(house.state("one"), "settling");
    assert_eq!(names(&house.catalog.look().added), ["one"]);
    assert_eq!(house.state("one"), "ready a");
    let before = house.catalog.snapshot();
    assert_eq!(house.catalog.look(), Changes::default());
    assert!(Arc::ptr_eq(&before, &house.catalog.snapshot()), "nothing new is no new snapshot");
}

#[test]
fn a_file_that_grows_at_each_look_is_never_met_halfway() {
    for now in [YEAR_2100, UnixMillis(0)] {
        let house = house_at(now, &[]);
        let mut text = "component".to_owned();
        for n in 0..5 {
            write!(text, "\nfn f{n}").expect("writes");
            house.write("slow.wasm", &text);
            assert!(house.catalog.look().is_empty());
            assert_eq!(house.state("slow"), "settling");
            let failure = house.fails("slow.f0");
            assert_eq!((failure.kind, failure.retry_after_ms), (Kind::Unavailable, Some(SETTLING_RETRY_MS)));
        }
        house.catalog.look();
        assert_eq!(house.state("slow"), "ready f0 f1 f2 f3 f4");
    }
}

#[test]
fn only_young_and_changed_files_are_read_again() {
    let files = [("one.wasm", A), ("two.wasm", B), ("two.toml", "name = \"two\"\nversion = \"1\"")];
    let old = house(&files);
    assert_eq!(old.catalog.look().read, 0);
    old.write("one.wasm", B);
    assert_eq!(old.catalog.look().read, 1);
    let young = house_at(UnixMillis(0), &files);
    assert_eq!(young.catalog.look().read, 2, "a young file may change without a trace in its times");
    // The same length, and as far as the clock knows the same moment.
    young.write("one.wasm", "component\nfn z");
    young.catalog.look();
    young.catalog.look();
    assert_eq!(young.state("one"), "ready z");
}

#[test]
fn a_replaced_component_serves_until_its_successor_has_settled() {
    let house = house(&[("one.wasm", A)]);
    let (held, _) = house.catalog.snapshot().resolve("one.a", None).expect("is there");
    assert_eq!(held.read().expect("reads"), A.as_bytes());
    house.write("one.wasm", B);
    house.catalog.look();
    assert_eq!(house.state("one"), "changing a");
    assert!(house.catalog.snapshot().resolve("one.a", Some(held.digest)).is_ok());
    assert_eq!(names(&house.catalog.look().changed), ["one"]);
    assert_eq!(house.state("one"), "ready b c");
    let error = held.read().expect_err("the bytes are others");
    assert!(matches!(error, ReadError::Changed { found, .. } if found == Digest::of(B.as_bytes())));
    assert_eq!(error.failure().kind, Kind::Unavailable);
    assert_eq!(ids(&held), "a", "whoever holds the old one still has it whole");
}

#[test]
fn the_same_bytes_written_again_are_the_same_component() {
    let house = house(&[("one.wasm", A)]);
    let (before, _) = house.catalog.snapshot().resolve("one", None).expect("is there");
    fs::remove_file(house.path("one.wasm")).expect("removes");
    house.write("one.wasm", A);
    for _ in 0..3 {
        assert!(house.catalog.look().is_empty());
        assert!(Arc::ptr_eq(&before, &house.catalog.snapshot().resolve("one", None).expect("is there").0));
    }
}

#[test]
fn a_broken_component_is_listed_with_its_reason_and_harms_no_other() {
    let house = house(&[("good.wasm", A), ("bad.wasm", "ELF"), ("bug.wasm", "component\npanic"), ("empty.wasm", "")]);
    assert_eq!(house.state("good"), "ready a");
    assert_eq!(house.state("bad"), "broken not a component \\u{1b}[2J");
    assert!(house.state("bug").starts_with("broken the reader of component bytes broke"), "{}", house.state("bug"));
    assert!(house.state("empty").starts_with("broken"));
    let failure = house.fails("bad.anything");
    assert_eq!(failure.kind, Kind::BrokenComponent);
    assert!(failure.message.contains("not a component") && !failure.message.contains('\u{1b}'), "{failure}");
    assert!(!failure.message.contains(&*house.folder.path().to_string_lossy()), "no path of the host: {failure}");

    house.write("good.wasm", "broken now");
    house.catalog.look();
    assert_eq!(house.state("good"), "changing a");
    assert_eq!(names(&house.catalog.look().broken), ["good"]);
    assert!(house.state("good").starts_with("broken"), "the old bytes do not serve behind a file that says otherwise");
    house.write("good.wasm", B);
    house.catalog.look();
    assert_eq!(names(&house.catalog.look().added), ["good"]);
}

#[test]
fn a_component_that_goes_away_is_no_longer_listed() {
    let house = house(&[("one.wasm", A), ("two.wasm", B)]);
    let (held, index) = house.catalog.snapshot().resolve("one.a", None).expect("is there");
    fs::remove_file(house.path("one.wasm")).expect("removes");
    assert_eq!(names(&house.catalog.look().removed), ["one"]);
    assert_eq!(house.state("one"), "none");
    assert_eq!(house.fails("one.a").kind, Kind::UnknownTool);
    assert_eq!(held.tools[index].id.as_str(), "one.a");
    assert!(matches!(held.read(), Err(ReadError::File { fault: FileError::Missing, .. })));
}

fn two_folders(first: &[(&str, &str)], second: &[(&str, &str)]) -> (TempDir, PathBuf, PathBuf, Catalog) {
    let root = tempfile::tempdir().expect("a folder");
    let (one, two) = (root.path().join("one"), root.path().join("two"));
    for (folder, files) in [(&one, first), (&two, second)] {
        fs::create_dir(folder).expect("a folder");
        for (name, text) in files {
            fs::write(folder.join(name), text).expect("writes");
        }
    }
    let catalog = Catalog::open(vec![one.clone(), two.clone(), one.clone()], options(YEAR_2100));
    (root, one, two, catalog)
}

#[test]
fn of_two_folders_the_first_wins_even_while_its_component_is_broken() {
    let (_root, one, two, catalog) = two_folders(&[("x.wasm", A)], &[("x.wasm", B), ("y.wasm", B)]);
    assert_eq!(state(&catalog, "x"), "ready a");
    let shadowed = |catalog: &Catalog| {
        let snapshot = catalog.snapshot();
        let by = snapshot.listed().iter().find_map(|listed| match &listed.state {
            State::Shadowed { by } => Some((listed.path.clone(), by.clone())),
            _ => None,
        });
        (snapshot.listed().len(), by)
    };
    assert_eq!(shadowed(&catalog), (3, Some((two.join("x.wasm"), one.join("x.wasm")))));
    fs::write(one.join("x.wasm"), "bad").expect("writes");
    for _ in 0..2 {
        catalog.look();
    }
    assert!(state(&catalog, "x").starts_with("broken"));
    fs::write(one.join("x.wasm"), "still bad").expect("writes");
    catalog.look();
    assert_eq!(state(&catalog, "x"), "settling", "the second folder's does not step in");
    fs::remove_file(one.join("x.wasm")).expect("removes");
    catalog.look();
    assert_eq!(state(&catalog, "x"), "ready b c");
}

#[test]
fn a_new_file_in_the_first_folder_takes_the_name_once_it_has_settled() {
    let (_root, one, _two, catalog) = two_folders(&[], &[("x.wasm", B)]);
    fs::write(one.join("x.wasm"), A).expect("writes");
    catalog.look();
    assert_eq!(state(&catalog, "x"), "ready b c");
    assert_eq!(names(&catalog.look().changed), ["x"]);
    assert_eq!(state(&catalog, "x"), "ready a");
}

#[test]
fn a_sidecar_replaces_the_embedded_manifest_and_is_reloaded_by_itself() {
    let house = house(&[("one.wasm", "component\nfn a\nmanifest name = \"author\";version = \"1\"")]);
    let manifest = |house: &House| {
        let (component, _) = house.catalog.snapshot().resolve("one", None).expect("is there");
        let manifest = component.manifest.clone().expect("has one");
        (manifest.name, component.manifest_source.expect("has one"), component.manifest_digest.expect("has one"))
    };
    let twice = |house: &House| {
        house.catalog.look();
        house.catalog.look()
    };
    assert_eq!(manifest(&house).0, "author");
    let text = "name = \"operator\"\nversion = \"1\"\n[tools.gone.hints]\nread-only = true";
    house.write("one.toml", text);
    assert_eq!(names(&twice(&house).changed), ["one"]);
    assert_eq!(manifest(&house), ("operator".to_owned(), ManifestSource::Sidecar, Digest::of(text.as_bytes())));
    let (component, _) = house.catalog.snapshot().resolve("one", None).expect("is there");
    assert_eq!(component.notes, ["the manifest speaks of `gone`, which is not exported"]);

    house.write("one.toml", "name = \"operator\"\nversion = \"1\"\nnetwork = true");
    twice(&house);
    assert!(
        house.state("one").starts_with("broken the manifest beside it cannot be used: line 3, column 1: "),
        "{}",
        house.state("one")
    );
    fs::remove_file(house.path("one.toml")).expect("removes");
    fs::create_dir(house.path("one.toml")).expect("a folder");
    twice(&house);
    assert_eq!(house.state("one"), "broken the manifest beside it cannot be used: it is a folder, not a regular file");
    fs::remove_dir(house.path("one.toml")).expect("removes");
    house.write("one.toml", &"#".repeat(70_000));
    twice(&house);
    assert!(house.state("one").contains("at most 65536 are read"), "{}", house.state("one"));
    fs::remove_file(house.path("one.toml")).expect("removes");
    twice(&house);
    assert_eq!((manifest(&house).0, manifest(&house).1), ("author".to_owned(), ManifestSource::Embedded));

    house.write("one.wasm", "component\nfn a\nmanifest \"\\u001b[2J\" = 1");
    twice(&house);
    assert!(house.state("one").starts_with("broken its manifest cannot be used: line 1"), "{}", house.state("one"));
    assert!(!house.state("one").contains('\u{1b}'));
}

#[test]
fn hostile_files_neither_block_nor_break_anything() {
    let house =
        house(&[("good.wasm", A), ("Bad Name.wasm", A), ("esc\u{1b}[2J.wasm", A), (".hidden.wasm", A), (".wasm", A)]);
    let link = |to: &str, from: &str| std::os::unix::fs::symlink(to, house.path(from)).expect("a link");
    let mode = rustix::fs::Mode::RUSR;
    rustix::fs::mknodat(rustix::fs::CWD, house.path("pipe.wasm"), rustix::fs::FileType::Fifo, mode, 0).expect("a pipe");
    fs::create_dir(house.path("folder.wasm")).expect("a folder");
    link("loop.wasm", "loop.wasm");
    link("nowhere", "dangling.wasm");
    link("good.wasm", "link.wasm");
    link("/dev/zero", "device.wasm");
    let sparse = fs::File::create(house.path("giant.wasm")).expect("a file");
    sparse.set_len(MAX_COMPONENT_BYTES + 1).expect("a size");
    for _ in 0..2 {
        house.catalog.look();
    }
    assert_eq!((house.state("good"), house.state("link")), ("ready a".to_owned(), "ready a".to_owned()));
    assert_eq!(house.state("dangling"), "broken it is a symbolic link that leads nowhere");
    assert!(house.state("loop").starts_with("broken the file cannot be read"), "{}", house.state("loop"));
    assert_eq!(house.state("giant"), "broken the file has 67108865 bytes; at most 67108864 are read");
    let snapshot = house.catalog.snapshot();
    for ignored in ["pipe", "folder", "device"] {
        assert_eq!(house.state(ignored), "none");
        assert!(snapshot.notes().iter().any(|note| note.path == house.path(&format!("{ignored}.wasm"))), "{ignored}");
    }
    let misnamed: Vec<_> =
        snapshot.listed().iter().filter(|listed| listed.component.is_none()).map(|listed| &*listed.name).collect();
    assert_eq!(misnamed, ["Bad Name", "esc\\u{1b}[2J"]);
    assert_eq!(snapshot.listed().len(), 7);
}

#[test]
fn a_folder_that_is_not_there_is_empty_and_noted_until_it_appears() {
    let root = tempfile::tempdir().expect("a folder");
    let (late, file) = (root.path().join("late"), root.path().join("file"));
    fs::write(&file, "").expect("writes");
    let catalog = Catalog::open(vec![late.clone(), file.clone()], options(YEAR_2100));
    let noted: Vec<_> = catalog.snapshot().notes().iter().map(|note| note.path.clone()).collect();
    assert_eq!(noted, [late.clone(), file]);
    fs::create_dir(&late).expect("a folder");
    fs::write(late.join("one.wasm"), A).expect("writes");
    catalog.look();
    catalog.look();
    assert_eq!(state(&catalog, "one"), "ready a");
    assert_eq!(catalog.snapshot().notes().len(), 1);
}

#[test]
fn docs_that_cannot_be_used_are_left_out_with_a_note() {
    let paths: Vec<_> = (0..3_000).map(|n| format!("\"params/p{n}\":\"x\"")).collect();
    let many = format!(
        "component\nfn a\ndocs {{\"version\":1,\"tools\":{{\"a\":{{\"description\":\"d\",\"at\":{{{}}}}}}}}}",
        paths.join(",")
    );
    let house = house(&[
        ("good.wasm", "component\nfn a\ndocs {\"version\":1,\"component\":\"words\"}"),
        ("newer.wasm", "component\nfn a\ndocs {\"version\":2}"),
        ("malformed.wasm", "component\nfn a\ndocs {"),
        ("deep.wasm", &format!("component\nfn a\ndocs {}", "[".repeat(100_000))),
        ("large.wasm", &format!("component\nfn a\ndocs {{\"version\":1,\"component\":\"{}\"}}", "x".repeat(300_000))),
        ("many.wasm", &many),
    ]);
    let snapshot = house.catalog.snapshot();
    for (name, docs, notes) in [
        ("good", true, 0),
        ("newer", false, 1),
        ("malformed", false, 1),
        ("deep", false, 1),
        ("large", false, 1),
        ("many", true, 1),
    ] {
        let (component, _) = snapshot.resolve(&format!("{name}.a"), None).expect(name);
        assert_eq!((component.docs.is_some(), component.notes.len()), (docs, notes), "{name}: {:?}", component.notes);
    }
}

#[test]
fn a_watch_looks_by_itself_and_ends_at_once_when_dropped() {
    let folder = tempfile::tempdir().expect("a folder");
    let (sender, described) = mpsc::channel();
    let mut options = options(YEAR_2100);
    options.threads = NonZeroUsize::MIN;
    options.describe = Arc::new(move |bytes| {
        let _ = sender.send(std::thread::current().name().map(str::to_owned));
        describe(bytes)
    });
    let catalog = Catalog::open(vec![folder.path().to_owned()], options);
    // Were the drop to wait for the interval, the test would take a day.
    drop(catalog.watch(Duration::from_hours(24), |_| ()).expect("a thread"));
    let watch = catalog.watch(Duration::ZERO, |_| ()).expect("a thread");
    fs::write(folder.path().join("one.wasm"), A).expect("writes");
    let thread = described.recv_timeout(Duration::from_mins(1)).expect("is described");
    assert_eq!(thread.as_deref(), Some("catalog-watch"));
    drop(watch);
    let settled = state(&catalog, "one");
    fs::write(folder.path().join("two.wasm"), B).expect("writes");
    assert_eq!((state(&catalog, "one"), state(&catalog, "two")), (settled, "none".to_owned()), "nobody looks any more");
}

#[test]
fn readers_never_see_half_a_change() {
    let house = house(&[("one.wasm", A)]);
    let rounds = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..50 {
                house.write("one.wasm", &format!("component\nfn a\nfn b{n}"));
                house.catalog.look();
                house.catalog.look();
            }
            rounds.store(1, Ordering::Release);
        });
        while rounds.load(Ordering::Acquire) == 0 {
            let snapshot = house.catalog.snapshot();
            let (component, index) = snapshot.resolve("one.a", None).expect("serves throughout");
            assert_eq!(component.tools[index].id.as_str(), "one.a");
        }
    });
}

#[test]
fn a_thousand_components_are_all_found_whatever_the_number_of_threads() {
    let folder = tempfile::tempdir().expect("a folder");
    for n in 0..1_000 {
        fs::write(folder.path().join(format!("c{n:04}.wasm")), format!("component\nfn f{n}")).expect("writes");
    }
    let listed = |threads| {
        let mut options = options(YEAR_2100);
        options.threads = NonZeroUsize::new(threads).expect("not none");
        let catalog = Catalog::open(vec![Path::new(folder.path()).to_owned()], options);
        let snapshot = catalog.snapshot();
        snapshot.tools().map(|(_, tool)| tool.id.to_string()).collect::<Vec<_>>()
    };
    let one = listed(1);
    assert_eq!(one.len(), 1_000);
    assert_eq!(one, listed(7));
}
