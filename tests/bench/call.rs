//! `Host::call` against a typed call in a bare Wasmtime loop, in one run: same `Config`, `InstancePre` and component.
//!
//! The bare loop is as fast as we know how to make it: a slow floor would make the ratio worthless, so it is printed
//! too. `--short` takes fewer rounds and says so; `--profile` repeats the smallest call alone, for a profiler. Nothing here fails because it is slow: it prints.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    clippy::cast_precision_loss,
    reason = "a benchmark that cannot go on has failed"
)]

mod door;
#[path = "../support.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;
use toolcell_core::{Arguments, CallId, Limits, Silent, ToolCall, Toolbox as _, UnixMillis};
use toolcell_host::boundary::{self, CallState, Mount, Setup};
use toolcell_host::code::EngineClass;
use toolcell_host::{Host, Policy, PoolSize, Threads, Width, engine_config};
use wasmtime::component::{Component, ComponentExportIndex, ComponentNamedList, InstancePre, Lift, Linker, Lower};
use wasmtime::{Engine, Store, UpdateDeadline};

use crate::support::{built, run, settings};

fn main() {
    let short = std::env::args().any(|arg| arg == "--short");
    let rounds = if short { 300 } else { 10_000 };
    if cfg!(debug_assertions) {
        println!("a debug build: the figures below say nothing about a release");
    }
    println!("{rounds} rounds of each, p50 and p95 in microseconds\n");
    let component = built("tests/guests/echo");
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("tools")).unwrap();
    std::fs::copy(&component, home.path().join("tools/echo.wasm")).unwrap();
    let width = Width { host: 2_000, tenant: 2_000, tool: 2_000, queue: 10_000, per_minute: 60_000_000 };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut wanted = settings(home.path(), Policy::deny_all(), width);
    wanted.pool = PoolSize { slots: 1_200 };
    wanted.threads = Threads::for_cores(cores);

    let began = Instant::now();
    let host = Host::open(wanted).unwrap();
    println!("open a host:                         {:>10}", show(began.elapsed()));
    run(host.warm("echo.text")).unwrap();
    // The second host finds the code in the cache, as any process after the first does.
    drop(host);
    let mut wanted = settings(home.path(), Policy::deny_all(), width);
    wanted.pool = PoolSize { slots: 1_200 };
    wanted.threads = Threads::for_cores(cores);
    let host = Host::open(wanted).unwrap();
    let began = Instant::now();
    let outcome = run(host.call(call("echo.text", &json!({"value": "x"}).to_string(), 1), &Silent));
    assert!(outcome.verdict.result().is_some(), "{outcome:?}");
    println!("first call from a warm code cache:   {:>10}\n", show(began.elapsed()));

    if std::env::args().any(|arg| arg == "--profile") {
        return profile(&host);
    }
    let bare = Arc::new(Bare::new(&component));
    println!(
        "{:<26} {:>18} {:>18} {:>8} {:>18} {:>8}",
        "", "bare p50/p95", "call p50/p95", "ratio", "from outside", "ratio"
    );
    let text = |length: usize| "x".repeat(length);
    let rounds_of = |size: usize| (rounds / (size / 4_096 + 1)).max(20);
    compare(
        &host,
        &bare,
        "100 bytes of text",
        "echo.text",
        &json!({"value": text(100)}).to_string(),
        rounds,
        move || text(100),
    );
    compare(
        &host,
        &bare,
        "64 KiB of text",
        "echo.text",
        &json!({"value": text(65_536)}).to_string(),
        rounds_of(65_536),
        move || text(65_536),
    );
    let bytes = vec![7_u8; 1 << 20];
    let encoded = json!({"value": base64(&bytes)}).to_string();
    compare_bytes(&host, &bare, "1 MiB of list<u8>", "echo.bytes", &encoded, rounds_of(1 << 20), &bytes);

    println!();
    throughput(&host, cores, if short { 400 } else { 20_000 });
    in_flight(&host, if short { 200 } else { 1_000 });
    listing(&component, if short { 100 } else { 1_000 });

    println!();
    door::policy(&host, rounds);
    door::door(rounds);
}

/// A bare loop: the same configuration, component and linked host functions as in the host, and so the same `InstancePre`;
/// nothing checked, limited beside fuel, or written down.
struct Bare {
    engine: Engine,
    pre: InstancePre<CallState>,
    limits: Limits,
    mounts: Arc<[Mount]>,
    config: Arc<BTreeMap<String, String>>,
    text: ComponentExportIndex,
    bytes: ComponentExportIndex,
}

impl Bare {
    fn new(path: &std::path::Path) -> Self {
        let engine = Engine::new(&engine_config(EngineClass::Standard, PoolSize { slots: 1_200 })).unwrap();
        let component = Component::from_binary(&engine, &std::fs::read(path).unwrap()).unwrap();
        let mut linker = Linker::new(&engine);
        boundary::link(&mut linker).unwrap();
        let pre = linker.instantiate_pre(&component).unwrap();
        let index = |name| component.get_export_index(None, name).unwrap();
        let (text, bytes) = (index("text"), index("bytes"));
        Self { engine, pre, limits: Limits::default(), mounts: Arc::new([]), config: Arc::default(), text, bytes }
    }

    async fn call<P, R>(&self, index: ComponentExportIndex, params: P) -> R
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: Lift + Lower + wasmtime::component::ComponentType + Send + Sync + 'static,
    {
        let state = CallState::new(Setup {
            limits: self.limits.clone(),
            mounts: self.mounts.clone(),
            config: self.config.clone(),
            started: UnixMillis(0),
            randomness: boundary::Randomness { key: Arc::new([0; 32]), stream: 0 },
            sink: None,
            egress: None,
            kv: None,
            secrets: Arc::default(),
            callees: None,
            interceptor: None,
        });
        let mut store = Store::new(&self.engine, state);
        store.set_fuel(20_000_000_000).unwrap();
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Yield(1)));
        let instance = self.pre.instantiate_async(&mut store).await.unwrap();
        let function = instance.get_typed_func::<P, (R,)>(&mut store, index).unwrap();
        let (result,) = function.call_async(&mut store, params).await.unwrap();
        result
    }
}

fn compare(
    host: &Host,
    bare: &Arc<Bare>,
    what: &str,
    tool: &'static str,
    arguments: &str,
    rounds: usize,
    value: impl Fn() -> String + Send + 'static,
) {
    let bare = bare.clone();
    // On the same kind of thread as the host's calls: threads differ in allocator arenas and caches.
    let measured = host.guest_threads().spawn(async move {
        let mut times = Times::new(rounds);
        for _ in 0..rounds + rounds / 10 {
            let value = value();
            let began = Instant::now();
            std::hint::black_box(bare.call::<_, String>(bare.text, (value,)).await);
            times.push(began.elapsed());
        }
        times
    });
    let floor = run(measured).unwrap();
    report(host, what, tool, arguments, rounds, floor);
}

fn compare_bytes(
    host: &Host,
    bare: &Arc<Bare>,
    what: &str,
    tool: &'static str,
    arguments: &str,
    rounds: usize,
    value: &[u8],
) {
    let (bare, value) = (bare.clone(), value.to_vec());
    // On the same kind of thread as the host's calls: threads differ in allocator arenas and caches.
    let measured = host.guest_threads().spawn(async move {
        let mut times = Times::new(rounds);
        for _ in 0..rounds + rounds / 10 {
            let value = value.clone();
            let began = Instant::now();
            std::hint::black_box(bare.call::<_, Vec<u8>>(bare.bytes, (value,)).await);
            times.push(began.elapsed());
        }
        times
    });
    let floor = run(measured).unwrap();
    report(host, what, tool, arguments, rounds, floor);
}

/// The host's side, twice: from a guest's thread, as plans and nested calls run, and from outside, which adds two changes of thread.
fn report(host: &Host, what: &str, tool: &'static str, arguments: &str, rounds: usize, mut floor: Times) {
    let arguments = Arguments::from_text(arguments).unwrap();
    let measure = |host: Host, arguments: Arguments| async move {
        let mut times = Times::new(rounds);
        for round in 0..rounds + rounds / 10 {
            let call = ToolCall::new(CallId(round as u128 + 1_000), tool, arguments.clone());
            let began = Instant::now();
            let outcome = host.call(call, &Silent).await;
            times.push(began.elapsed());
            assert!(outcome.verdict.result().is_some(), "{outcome:?}");
        }
        times
    };
    let handle = host.guest_threads();
    let mut inside = run(handle.spawn(measure(host.clone(), arguments.clone()))).unwrap();
    let mut outside = run(measure(host.clone(), arguments));
    let ratio = |times: &mut Times, floor: &mut Times| times.at(50) / floor.at(50);
    println!(
        "{what:<26} {:>18} {:>18} {:>8.2} {:>18} {:>8.2}",
        floor.shown(),
        inside.shown(),
        ratio(&mut inside, &mut floor),
        outside.shown(),
        ratio(&mut outside, &mut floor)
    );
}

/// Repeats the smallest call and nothing else, for a profiler.
fn profile(host: &Host) {
    let arguments = Arguments::from_text(json!({"value": "x".repeat(100)}).to_string()).unwrap();
    let calls = host.clone();
    let repeated = async move {
        for round in 0..300_000 {
            let outcome = calls.call(ToolCall::new(CallId(round), "echo.text", arguments.clone()), &Silent).await;
            assert!(outcome.verdict.result().is_some());
        }
    };
    run(host.guest_threads().spawn(repeated)).unwrap();
}

fn throughput(host: &Host, cores: usize, calls: usize) {
    let arguments = Arguments::from_text(json!({"value": "x".repeat(100)}).to_string()).unwrap();
    let each = |workers: usize| {
        let began = Instant::now();
        let handle = host.guest_threads();
        run(async {
            let mut all = JoinSet::new();
            for worker in 0..workers {
                let (host, arguments) = (host.clone(), arguments.clone());
                let work = async move {
                    for round in 0..calls / workers {
                        let id = CallId((worker * calls + round) as u128 + (1 << 40));
                        let outcome = host.call(ToolCall::new(id, "echo.text", arguments.clone()), &Silent).await;
                        assert!(outcome.verdict.result().is_some());
                    }
                };
                all.spawn_on(work, &handle);
            }
            all.join_all().await;
        });
        calls as f64 / began.elapsed().as_secs_f64()
    };
    let one = each(1);
    let all = each(cores);
    println!("calls per second, one at a time:     {one:>10.0}");
    println!("calls per second, {cores} at a time:       {all:>10.0}   {:.2} times", all / one);
}

/// Calls that all sleep at the same time, and what the process holds for them.
fn in_flight(host: &Host, calls: usize) {
    let before = resident();
    let arguments = Arguments::from_text(r#"{"millis": 1500}"#).unwrap();
    let peak = run(async {
        let mut all = JoinSet::new();
        for n in 0..calls {
            let (host, arguments) = (host.clone(), arguments.clone());
            all.spawn(async move {
                let outcome =
                    host.call(ToolCall::new(CallId(n as u128 + (1 << 60)), "echo.nap", arguments), &Silent).await;
                assert!(outcome.verdict.result().is_some(), "{:?}", outcome.verdict);
            });
        }
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        let peak = resident();
        all.join_all().await;
        peak
    });
    let held = peak.saturating_sub(before);
    println!("memory for {calls} calls in flight:    {:>7} MiB   {} KiB each", held >> 20, (held / calls as u64) >> 10);
}

fn listing(component: &std::path::Path, count: usize) {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = std::fs::read(component).unwrap();
    for n in 0..count {
        // A custom section of its own makes each file another component.
        bytes.extend([0, 6, 1, b'n']);
        bytes.extend(u32::try_from(n).unwrap().to_le_bytes());
        std::fs::write(folder.path().join(format!("echo-{n}.wasm")), &bytes).unwrap();
    }
    let clock = Arc::new(support::TestClock::at(4_000_000_000_000));
    let began = Instant::now();
    let snapshot = toolcell_host::look(vec![folder.path().to_owned()], clock);
    assert_eq!(snapshot.components().count(), count);
    println!("list {count} components of {} KiB:     {:>10}", bytes.len() >> 10, show(began.elapsed()));
}

/// Resident memory of this process in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or_default() * 4_096
}

pub(crate) struct Times(Vec<Duration>, usize);

impl Times {
    pub(crate) fn new(rounds: usize) -> Self {
        Self(Vec::with_capacity(rounds * 2), rounds / 10)
    }

    pub(crate) fn push(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// A percentile in microseconds; the first tenth warmed up and does not count.
    pub(crate) fn at(&mut self, percent: usize) -> f64 {
        let mut counted = self.0[self.1..].to_vec();
        counted.sort_unstable();
        counted[(counted.len() - 1) * percent / 100].as_secs_f64() * 1e6
    }

    fn shown(&mut self) -> String {
        format!("{:.1} / {:.1}", self.at(50), self.at(95))
    }
}

fn call(tool: &str, arguments: &str, id: u128) -> ToolCall {
    ToolCall::new(CallId(id), tool, Arguments::from_text(arguments).unwrap())
}

pub(crate) fn show(time: Duration) -> String {
    if time < Duration::from_millis(1) {
        format!("{} µs", time.as_micros())
    } else {
        format!("{:.1} ms", time.as_secs_f64() * 1e3)
    }
}

fn base64(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    // All bytes are equal, and their number leaves one over after whole groups of three.
    let mut text = String::new();
    for _ in 0..bytes.len() / 3 {
        let _ = text.write_str("BwcH");
    }
    match bytes.len() % 3 {
        1 => text + "Bw==",
        2 => text + "Bwc=",
        _ => text,
    }
}
