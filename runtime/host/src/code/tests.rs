//! Who compiles, who waits, and what is remembered.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use toolcell_core::clock::{Clock, UnixMillis};

use super::*;
use crate::catalog::{Catalog, Options};
use crate::schema::shape::{Needs, Shape};

struct Late;

impl Clock for Late {
    fn now(&self) -> UnixMillis {
        UnixMillis(u64::MAX / 2)
    }
}

/// The component of a folder's only file, which need not be one.
fn component(folder: &Path, bytes: &[u8]) -> Arc<Component> {
    fs::create_dir_all(folder).expect("a folder");
    fs::write(folder.join("x.wasm"), bytes).expect("writes");
    let describe = |_: &[u8]| {
        Ok(Shape {
            imports: Vec::new(),
            exports: Vec::new(),
            others: Vec::new(),
            manifest: None,
            docs: None,
            needs: Needs::default(),
            producers: String::new(),
            core_functions: 0,
        })
    };
    let options = Options { clock: Arc::new(Late), threads: NonZeroUsize::MIN, describe: Arc::new(describe) };
    let catalog = Catalog::open(vec![folder.to_owned()], options);
    let found = catalog.snapshot().components().next().cloned();
    found.expect("is listed")
}

/// Does what the bytes say, and counts.
#[derive(Default)]
struct Obedient {
    compiled: AtomicUsize,
    /// Where it is given, each compilation waits for one message.
    gate: Option<Mutex<Receiver<()>>>,
}

impl Compile for Obedient {
    fn compile(&self, request: CompileRequest<'_>) -> Result<Vec<u8>, CompileError> {
        self.compiled.fetch_add(1, Ordering::SeqCst);
        if let Some(gate) = &self.gate {
            gate.lock().expect("not poisoned").recv().expect("the test opens the gate");
        }
        match request.wasm {
            b"refuse" => Err(CompileError::refused("too many loops")),
            b"fault" => Err(CompileError::host("no memory")),
            b"panic" => panic!("a compiler with a bug"),
            wasm => Ok([b"code of ", wasm].concat()),
        }
    }
}

fn gated() -> (Arc<Obedient>, Sender<()>) {
    let (open, gate) = channel();
    (Arc::new(Obedient { gate: Some(Mutex::new(gate)), ..Obedient::default() }), open)
}

#[allow(clippy::unnecessary_wraps, reason = "the store asks for an engine that may be missing")]
fn engine() -> Result<Digest, &'static str> {
    Ok(Digest::of(b"engine"))
}

fn obtain(store: &CodeStore, component: &Component) -> Result<Code, CompileError> {
    store.obtain(component, EngineClass::Standard, engine)
}

fn cache(folder: &Path) -> CodeCache {
    CodeCache::open(&folder.join("code"), CodeKey::new(&[7; 32])).expect("opens")
}

/// Calls from many threads, opens the gate when all but one wait, and gives what each was told.
fn at_once(store: &CodeStore, component: &Component, open: &Sender<()>) -> Vec<Result<Code, CompileError>> {
    const CALLERS: usize = 8;
    thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS).map(|_| scope.spawn(|| obtain(store, component))).collect();
        // One reference is the table's and one the leader's; the rest are of those that wait.
        let waiting =
            || store.state.lock().expect("not poisoned").under_way.values().next().map_or(0, Arc::strong_count);
        while waiting() < CALLERS + 1 {
            thread::yield_now();
        }
        open.send(()).expect("somebody compiles");
        callers
            .into_iter()
            .map(|caller| caller.join().unwrap_or_else(|_| Err(CompileError::refused("panicked"))))
            .collect()
    })
}

#[test]
fn of_many_callers_one_compiles_and_all_have_the_code() {
    let folder = tempfile::tempdir().expect("a folder");
    let component = component(&folder.path().join("tools"), b"wasm");
    let (compiler, open) = gated();
    let store = CodeStore::new(Some(cache(folder.path())), compiler.clone());
    for outcome in at_once(&store, &component, &open) {
        assert_eq!(&*outcome.expect("compiles"), b"code of wasm");
    }
    assert_eq!(compiler.compiled.load(Ordering::SeqCst), 1);
    assert!(store.state.lock().expect("not poisoned").under_way.is_empty());
    assert_eq!(&*obtain(&store, &component).expect("from the cache"), b"code of wasm");
    assert_eq!(compiler.compiled.load(Ordering::SeqCst), 1);
}

#[test]
fn those_who_wait_for_a_compiler_that_breaks_off_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let component = component(folder.path(), b"panic");
    let (compiler, open) = gated();
    let store = CodeStore::new(None, compiler.clone());
    for outcome in at_once(&store, &component, &open) {
        assert!(matches!(outcome, Err(CompileError::Refused { .. })));
    }
    assert!(matches!(obtain(&store, &component), Err(CompileError::Refused { .. })));
    assert_eq!(compiler.compiled.load(Ordering::SeqCst), 1);
}

#[test]
fn a_refusal_holds_until_the_bytes_are_others_and_a_fault_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let compiler = Arc::new(Obedient::default());
    let store = CodeStore::new(Some(cache(folder.path())), compiler.clone());
    let tools = folder.path().join("tools");
    let refused = component(&tools, b"refuse");
    for _ in 0..3 {
        let failure = *Box::<Failure>::from(obtain(&store, &refused).expect_err("refuses"));
        assert_eq!(
            (failure.kind, &*failure.message),
            (Kind::BrokenComponent, "the component cannot be compiled: too many loops")
        );
    }
    assert_eq!(compiler.compiled.load(Ordering::SeqCst), 1);
    assert_eq!(
        store.obtain(&refused, EngineClass::Extended, engine).expect_err("refuses").failure().kind,
        Kind::BrokenComponent
    );
    assert_eq!(compiler.compiled.load(Ordering::SeqCst), 2, "another class of engine may take it");
    assert!(obtain(&store, &component(&tools, b"mended")).is_ok());

    let faulty = component(&tools, b"fault");
    for n in 4..6 {
        let failure = obtain(&store, &faulty).expect_err("fails").failure();
        assert_eq!((failure.kind, failure.detail.as_deref()), (Kind::HostFault, Some("no memory")));
        assert_eq!(compiler.compiled.load(Ordering::SeqCst), n);
    }
    let no_engine = store.obtain(&component(&tools, b"wasm"), EngineClass::Oversized, || Err("no such engine"));
    assert!(matches!(no_engine, Err(CompileError::Host { reason }) if &*reason == "no such engine"));
}

#[test]
fn no_more_refusals_are_remembered_than_there_is_room_for() {
    let mut refusals = Refusals::default();
    let key = |n: usize| (Digest::of(&n.to_le_bytes()), EngineClass::Standard);
    for n in 0..MAX_REFUSALS + 10 {
        refusals.remember(key(n), CompileError::refused("no"));
        refusals.remember(key(n), CompileError::refused("no"));
    }
    assert_eq!((refusals.known.len(), refusals.order.len()), (MAX_REFUSALS, MAX_REFUSALS));
    assert!(!refusals.known.contains_key(&key(9)) && refusals.known.contains_key(&key(10)));
}

#[test]
fn bytes_that_changed_since_they_were_listed_are_not_compiled() {
    let folder = tempfile::tempdir().expect("a folder");
    let compiler = Arc::new(Obedient::default());
    let store = CodeStore::new(None, compiler.clone());
    let listed = component(folder.path(), b"reviewed");
    fs::write(&listed.path, b"swapped!").expect("writes");
    let error = obtain(&store, &listed).expect_err("refuses");
    assert!(matches!(error, CompileError::Bytes(_)) && error.failure().kind == Kind::Unavailable);
    assert_eq!(compiler.compiled.load(Ordering::SeqCst), 0);
    fs::write(&listed.path, b"reviewed").expect("writes");
    assert!(obtain(&store, &listed).is_ok(), "and nothing of it is remembered");
}

#[test]
fn code_survives_the_process_and_a_damaged_entry_costs_one_compilation() {
    let folder = tempfile::tempdir().expect("a folder");
    let component = component(&folder.path().join("tools"), b"wasm");
    let start = || {
        let compiler = Arc::new(Obedient::default());
        (CodeStore::new(Some(cache(folder.path())), compiler.clone()), compiler)
    };
    obtain(&start().0, &component).expect("compiles");
    let (store, compiler) = start();
    obtain(&store, &component).expect("loads");
    assert_eq!(compiler.compiled.load(Ordering::SeqCst), 0);
    store.obtain(&component, EngineClass::Standard, || Ok::<_, String>(Digest::of(b"newer engine"))).expect("compiles");
    assert_eq!(compiler.compiled.load(Ordering::SeqCst), 1, "an engine of other settings loads nothing of this one");

    for entry in fs::read_dir(folder.path().join("code")).expect("lists") {
        let path = entry.expect("an entry").path();
        let mut bytes = fs::read(&path).expect("reads");
        *bytes.last_mut().expect("not empty") ^= 1;
        fs::write(&path, bytes).expect("writes");
    }
    let (store, compiler) = start();
    assert_eq!(&*obtain(&store, &component).expect("compiles"), b"code of wasm");
    assert_eq!(compiler.compiled.load(Ordering::SeqCst), 1);
}

#[test]
fn a_cache_that_cannot_be_written_costs_time_and_no_call() {
    let folder = tempfile::tempdir().expect("a folder");
    let component = component(&folder.path().join("tools"), b"wasm");
    let store = CodeStore::new(Some(cache(folder.path()).with_budget(10)), Arc::new(Obedient::default()));
    assert!(obtain(&store, &component).is_ok());
    let gone = cache(folder.path());
    fs::remove_dir_all(folder.path().join("code")).expect("removes");
    assert!(obtain(&CodeStore::new(Some(gone), Arc::new(Obedient::default())), &component).is_ok());
}

#[test]
fn processes_that_share_a_cache_compile_once_between_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let component = component(&folder.path().join("tools"), b"wasm");
    let (compiler, open) = gated();
    // Each store has its own memory, as each process has; the folder is all that they share.
    let stores: Vec<_> = (0..4).map(|_| CodeStore::new(Some(cache(folder.path())), compiler.clone())).collect();
    for _ in &stores {
        open.send(()).expect("the gate listens");
    }
    thread::scope(|scope| {
        let all: Vec<_> = stores.iter().map(|store| scope.spawn(|| obtain(store, &component))).collect();
        for one in all {
            assert_eq!(&*one.join().expect("ends").expect("compiles"), b"code of wasm");
        }
    });
    assert_eq!(compiler.compiled.load(Ordering::SeqCst), 1);
}

#[test]
fn what_costs_too_much_is_remembered_by_what_it_needed() {
    struct Costly(AtomicUsize);
    impl Compile for Costly {
        fn compile(&self, _: CompileRequest<'_>) -> Result<Vec<u8>, CompileError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Err(CompileError::Over { ceiling: Ceiling::Memory, most: 2 << 30 })
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let component = component(folder.path(), b"wasm");
    let compiler = Arc::new(Costly(AtomicUsize::new(0)));
    let store = CodeStore::new(None, compiler.clone());
    for _ in 0..3 {
        let failure = obtain(&store, &component).expect_err("is too much").failure();
        assert_eq!(failure.kind, Kind::CompileLimit);
        assert_eq!(&*failure.message, "the component cannot be compiled: compiling it takes more than 2 GiB of memory");
    }
    assert_eq!(compiler.0.load(Ordering::SeqCst), 1);
}
