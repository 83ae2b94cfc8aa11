//! Attacks on what lives longer than a call: instances, slots, compiled code, and the file behind a name.

use std::fs;
use std::path::PathBuf;

use toolcell_core::{Digest, Outcome, Silent, Tenant, Toolbox as _};
use toolcell_host::code::{CodeCache, CodeKey, EngineClass, Subject};
use toolcell_host::{PoolSize, engine_config};

use super::lab::Lab;
use super::{Arena, Guest, HOSTILE, component, limited};
use crate::support::run;

const REUSE: &str = include_str!("guests/reuse.wat");

/// A component that answers with a number.
fn answering(number: u32) -> Vec<u8> {
    component(&format!(
        r#"(component
            (core module $m (func (export "f") (result i32) (i32.const {number})))
            (core instance $i (instantiate $m))
            (func (export "answer") (result u32) (canon lift (core func $i "f"))))"#
    ))
}

#[test]
fn a_counter_begins_again_with_each_call() {
    // A global and a word of memory, counted up together.
    for (guest, expected) in [(Guest::Text(REUSE), 2), (HOSTILE, 1)] {
        let arena = Arena::new(guest, limited(&[]));
        (0..5).for_each(|_| assert_eq!(arena.strike("count", "{}").result(), expected));
    }
}

#[test]
fn a_slot_is_clean_when_the_next_call_gets_it() {
    let lab = Lab::new();
    lab.drop_in("guest", &component(REUSE));
    // One slot: whoever comes next gets what the one before has left.
    let host = lab.open(limited(&[]), |settings| settings.pool = PoolSize { slots: 1 });
    for pages in [1, 16, 600, 17, 2] {
        lab.result(&host, "guest.soil", &format!(r#"{{ "pages": {pages} }}"#));
        assert_eq!(lab.result(&host, "guest.sniff", &format!(r#"{{ "pages": {pages} }}"#)), "0", "after {pages} pages");
        assert_eq!(lab.result(&host, "guest.sniff", r#"{ "pages": 700 }"#), "0", "after {pages} pages");
        assert_eq!(lab.result(&host, "guest.count", "{}"), "2");
    }
}

/// A home with two components and the compiled code of both on disk.
struct Cached {
    lab: Lab,
    folder: PathBuf,
    /// The files of code, with what they held.
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl Cached {
    fn new() -> Self {
        let lab = Lab::new();
        let folder = lab.home.path().join("code");
        lab.drop_in("one", &answering(1));
        lab.drop_in("two", &answering(2));
        let mut cached = Self { lab, folder, files: Vec::new() };
        cached.answers_are_right();
        let mut folders = vec![cached.folder.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                match fs::read(entry.path()) {
                    Ok(bytes) if bytes.len() > 1_000 => cached.files.push((entry.path(), bytes)),
                    Ok(_) => {}
                    Err(_) => folders.push(entry.path()),
                }
            }
        }
        assert_eq!(cached.files.len(), 2, "one file of code for each component");
        cached
    }

    /// A new host over the same cache runs each component's own code.
    fn answers_are_right(&self) {
        let folder = self.folder.clone();
        let host = self.lab.open(limited(&[]), |settings| settings.code_cache = Some(folder));
        assert_eq!(self.lab.result(&host, "one.answer", "{}"), "1");
        assert_eq!(self.lab.result(&host, "two.answer", "{}"), "2");
    }

    fn key(&self) -> CodeKey {
        CodeKey::load_or_create(&self.lab.home.path().join("code-key")).unwrap()
    }
}

/// Code that answers with 3, compiled by an engine with exactly the host's settings.
fn evil() -> Vec<u8> {
    let config = engine_config(EngineClass::Standard, PoolSize { slots: 64 });
    wasmtime::Engine::new(&config).unwrap().precompile_component(&answering(3)).unwrap()
}

#[test]
fn cached_code_that_was_swapped_is_not_run() {
    let cached = Cached::new();
    let [(one, first), (two, second)] = cached.files.as_slice() else { unreachable!() };
    // One for the other, each with a seal that is true of the other one.
    fs::write(one, second).unwrap();
    fs::write(two, first).unwrap();
    cached.answers_are_right();
    // Other code behind the old seal.
    let forged = [&first[..code_begins(first)], &evil()].concat();
    for bytes in [forged, evil(), Vec::new(), first[..first.len() / 2].to_vec(), vec![0; 1 << 20]] {
        fs::write(one, &bytes).unwrap();
        fs::write(two, &bytes).unwrap();
        cached.answers_are_right();
    }
    // Any single bit.
    for place in (0..first.len()).step_by(first.len() / 40) {
        let mut bytes = first.clone();
        bytes[place] ^= 1 << (place % 8);
        fs::write(one, &bytes).unwrap();
        cached.answers_are_right();
    }
}

/// Where the native code begins in a file of the cache: at its ELF header.
fn code_begins(file: &[u8]) -> usize {
    file.windows(4).position(|bytes| bytes == b"\x7fELF").expect("compiled code is an ELF image")
}

#[test]
fn code_of_another_engine_is_not_run() {
    let cached = Cached::new();
    // Authentic in every way, and made for the same component, by an engine of another version.
    let elsewhere = cached.lab.home.path().join("older");
    let older = CodeCache::open(&elsewhere, cached.key()).unwrap();
    for number in [1, 2] {
        let subject = Subject { component: Digest::of(&answering(number)), engine: Digest::of(b"an older engine") };
        older.put(subject, &evil()).unwrap();
        assert!(older.get(subject).is_some());
        // Where that engine keeps it, and where ours keeps its own.
        CodeCache::open(&cached.folder, cached.key()).unwrap().put(subject, &evil()).unwrap();
    }
    let stolen = fs::read_dir(&elsewhere).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    for path in stolen {
        let bytes = fs::read(path).unwrap();
        for (file, _) in &cached.files {
            fs::write(file, &bytes).unwrap();
            cached.answers_are_right();
        }
    }
    cached.answers_are_right();
}

#[test]
fn a_call_for_another_digest_is_denied() {
    let lab = Lab::new();
    lab.drop_in("one", &answering(1));
    let host = lab.open(limited(&[]), |_| {});
    let mut call = lab.prepare("one.answer", "{}");
    call.component = Some(Digest::of(&answering(2)));
    let outcome = run(host.call(call, &Silent));
    assert_eq!(outcome.verdict.failure().unwrap().kind.name(), "wrong-digest");
    let mut call = lab.prepare("one.answer", "{}");
    call.component = Some(Digest::of(&answering(1)));
    assert_eq!(run(host.call(call, &Silent)).verdict.result().unwrap().get(), "1");
}

#[test]
fn a_file_that_is_swapped_after_listing_is_not_compiled() {
    let lab = Lab::new();
    lab.drop_in("one", &answering(1));
    let host = lab.open(limited(&[]), |_| {});
    // Listed and reviewed as the one, and on disk the other by the time it is compiled.
    lab.drop_in("one", &answering(3));
    let outcome = lab.call(&host, "one.answer", "{}");
    assert_eq!(outcome.verdict.failure().unwrap().kind.name(), "unavailable");
    host.look();
    host.look();
    assert_eq!(lab.result(&host, "one.answer", "{}"), "3", "listed anew, it is another component");
}

#[test]
fn a_tenants_name_leads_to_no_other_code() {
    let cached = Cached::new();
    let (lab, folder) = (&cached.lab, cached.folder.clone());
    // What a tenant could hope to be taken for the tool: a folder of its name, with other code of the same name in it.
    for place in ["acme", "code"] {
        fs::create_dir_all(lab.home.path().join("tools").join(place)).unwrap();
        fs::write(lab.home.path().join("tools").join(place).join("one.wasm"), answering(3)).unwrap();
    }
    let host = lab.open(limited(&[]), |settings| settings.code_cache = Some(folder));
    let ids: Vec<_> = host.snapshot().listed().iter().map(|listed| listed.name.clone()).collect();
    assert_eq!(ids, ["one", "two"], "what lies deeper is no tool");
    let (one, two) = (Digest::of(&answering(1)), Digest::of(&answering(2)));
    let forged = cached.files[1].0.file_stem().unwrap().to_string_lossy().into_owned();
    for tenant in [
        "acme",
        "../tools",
        "../code",
        "one",
        "two",
        "",
        "\0",
        "one\0two",
        &two.to_string(),
        &forged,
        &"t".repeat(10_000),
    ] {
        let call = |tool: &str, component| {
            let mut call = lab.prepare(tool, "{}");
            call.tenant = Tenant(tenant.into());
            call.component = component;
            run(host.call(call, &Silent))
        };
        let answered = |outcome: &Outcome| outcome.verdict.result().map(|result| result.get().to_owned());
        assert_eq!(answered(&call("one.answer", None)).as_deref(), Some("1"), "{tenant:?}");
        assert_eq!(answered(&call("one.answer", Some(one))).as_deref(), Some("1"), "{tenant:?}");
        assert_eq!(answered(&call("two.answer", Some(two))).as_deref(), Some("2"), "{tenant:?}");
        for (tool, digest) in [("one.answer", two), ("one.answer", Digest::of(&answering(3))), ("two.answer", one)] {
            let outcome = call(tool, Some(digest));
            assert_eq!(outcome.verdict.failure().unwrap().kind.name(), "wrong-digest", "{tenant:?}");
            assert_eq!(outcome.receipt.unwrap().receipt.verdict, "denied");
        }
        for tool in ["acme/one.answer", "../one.answer", "acme.one.answer", "code/one.answer"] {
            assert!(answered(&call(tool, None)).is_none(), "{tool}");
        }
    }
    for (file, bytes) in &cached.files {
        assert!(fs::read(file).unwrap() == *bytes, "the kept code was written anew");
    }
}
