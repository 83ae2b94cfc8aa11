//! The host end to end: found by dropping a file, limited, cancelled, watched, receipted.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use toolcell_core::manifest::Access;
use toolcell_core::{
    Arguments, Digest, Event, Events, Kind, Limit, Limits, LogLevel, Silent, Tenant, ToolCall, Toolbox as _, UnixMillis,
};
use toolcell_host::catalog::State;
use toolcell_host::receipts::{self, Filter, Trust};
use toolcell_host::{Allow, Pattern, Policy, Rule, Width};

use crate::support::{Cell, WIDTH, built, deny_all, run};

const ECHO: &str = "tests/guests/echo";
const HOSTILE: &str = "tests/red_team/guests/hostile";

/// A component that answers with a number, in the text format.
fn answering(number: u32) -> String {
    format!(
        r#"(component
            (core module $m (func (export "answer") (result i32) (i32.const {number})))
            (core instance $i (instantiate $m))
            (func (export "answer") (result u32) (canon lift (core func $i "answer"))))"#
    )
}

#[test]
fn a_dropped_file_becomes_a_tool_and_a_changed_one_is_reloaded() {
    let cell = Cell::empty(deny_all(), WIDTH);
    run(async {
        assert_eq!(cell.failure("calc.answer", "{}").await.kind, Kind::UnknownTool);
        cell.drop_in("calc", &wat::parse_str(answering(1)).unwrap());
        assert_eq!(cell.host.look().added.len(), 0, "one look is not enough");
        assert_eq!(cell.failure("calc.answer", "{}").await.kind, Kind::Unavailable);
        cell.host.look();
        assert_eq!(cell.result("calc.answer", &json!({})).await, json!(1));
        let old = cell.host.snapshot();
        cell.drop_in("calc", &wat::parse_str(answering(2)).unwrap());
        cell.host.look();
        assert_eq!(
            cell.result("calc.answer", &json!({})).await,
            json!(1),
            "the old one serves until the new one has settled"
        );
        cell.host.look();
        assert_eq!(cell.result("calc.answer", &json!({})).await, json!(2));
        assert!(old.generation < cell.host.snapshot().generation);
        fs::remove_file(cell.tools().join("calc.wasm")).unwrap();
        cell.settle();
        assert_eq!(cell.failure("calc.answer", "{}").await.kind, Kind::UnknownTool);
    });
}

#[test]
fn a_broken_component_is_listed_with_its_reason_and_harms_nothing_else() {
    let cell = Cell::with_text(&[("good", &answering(7))], deny_all());
    cell.drop_in("elf", b"\x7fELF and more");
    cell.drop_in("core", &wat::parse_str("(module)").unwrap());
    cell.settle();
    let snapshot = cell.host.snapshot();
    for name in ["elf", "core"] {
        let listed = snapshot.component(name).unwrap();
        assert!(matches!(&listed.state, State::Broken(reason) if reason.len() > 10), "{name}");
    }
    run(async {
        assert_eq!(cell.failure("elf.anything", "{}").await.kind, Kind::BrokenComponent);
        assert_eq!(cell.result("good.answer", &json!({})).await, json!(7));
    });
}

#[test]
fn a_call_in_flight_finishes_on_the_component_it_began_with() {
    let cell = Cell::with(&[ECHO], deny_all());
    run(async {
        cell.host.warm("echo.nap").await.unwrap();
        let nap = cell.prepare("echo.nap", "{\"millis\": 300}");
        let host = cell.host.clone();
        let watcher = Started::default();
        let running = host.call(nap, &watcher);
        tokio::pin!(running);
        // The call has begun when it has said so.
        while !watcher.has_begun() {
            tokio::select! {
                outcome = &mut running => panic!("ended early: {outcome:?}"),
                () = tokio::task::yield_now() => {}
            }
        }
        fs::remove_file(cell.tools().join("echo.wasm")).unwrap();
        cell.settle();
        assert!(cell.host.snapshot().component("echo").is_none());
        let outcome = running.await;
        assert!(outcome.verdict.result().is_some(), "{outcome:?}");
    });
}

#[derive(Default)]
struct Started(std::sync::atomic::AtomicBool);

impl Started {
    fn has_begun(&self) -> bool {
        self.0.load(std::sync::atomic::Ordering::SeqCst)
    }
}

impl Events for Started {
    fn event(&self, event: Event) {
        if event == Event::Started {
            self.0.store(true, std::sync::atomic::Ordering::SeqCst);
        }
    }
}

#[test]
fn every_call_is_a_fresh_instance() {
    let cell = Cell::with(&[HOSTILE], deny_all());
    run(async {
        for _ in 0..3 {
            assert_eq!(cell.result("hostile.count", &json!({})).await, json!(1));
        }
        let failure = cell.failure("hostile.panic", "{\"message\": \"gone\"}").await;
        assert_eq!(failure.kind, Kind::Trap);
        assert_eq!(cell.result("hostile.count", &json!({})).await, json!(1));
    });
}

#[test]
fn exiting_with_success_completes_only_what_owes_nothing() {
    let cell = Cell::with(&[HOSTILE], deny_all());
    run(async {
        assert_eq!(cell.result("hostile.exit", &json!({ "code": 0 })).await, Value::Null);
        assert_eq!(cell.failure("hostile.exit", "{\"code\": 3}").await.kind, Kind::Exited);
    });
}

#[test]
fn a_cancel_that_comes_while_a_call_ends_never_waits_for_ever() {
    let cell = Cell::with(&[ECHO], deny_all());
    run(async {
        cell.host.warm("echo.text").await.unwrap();
        for round in 0..400_u32 {
            let call = cell.prepare("echo.text", "{\"value\": \"a\"}");
            let (id, host) = (call.id, cell.host.clone());
            let running = tokio::spawn(async move { host.call(call, &Silent).await });
            // Another number of turns each time, so that the cancel meets the call at every point of its way.
            for _ in 0..round % 40 {
                tokio::task::yield_now().await;
            }
            let cancelled = cell.host.cancel(id);
            let outcome = tokio::time::timeout(Duration::from_secs(20), running).await.expect("the call ends").unwrap();
            let receipt = outcome.receipt.unwrap().receipt;
            assert_eq!(receipt.verdict, outcome.verdict.name(), "round {round}, cancelled: {cancelled}");
        }
    });
}

#[test]
fn an_empty_policy_shows_a_tool_nothing_and_the_receipt_counts_what_it_tried() {
    let cell = Cell::with(&[HOSTILE], deny_all());
    run(async {
        assert_eq!(cell.result("hostile.look-around", &json!({})).await, json!([]));
        let outcome = cell.call("hostile.connect", "{\"address\": \"127.0.0.1:1\"}").await;
        assert!(outcome.verdict.failure().is_some(), "{outcome:?}");
        let denied = &outcome.receipt.as_ref().unwrap().receipt.denied;
        assert!(denied.iter().any(|attempt| attempt.function.contains("wasi:sockets")), "{denied:?}");
        let outcome = cell.call("hostile.store", "{\"key\": \"a\"}").await;
        let denied = &outcome.receipt.as_ref().unwrap().receipt.denied;
        assert!(denied.iter().any(|attempt| attempt.function == "toolcell:host/kv.set"), "{denied:?}");
        for path in ["/etc/passwd", "/data", "data", "../..", "/proc/self/environ"] {
            let outcome = cell.call("hostile.read", &json!({ "path": path }).to_string()).await;
            assert!(outcome.verdict.failure().is_some(), "{path}: {outcome:?}");
        }
    });
}

#[test]
fn a_mount_is_as_wide_as_policy_and_manifest_both_say() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("note.txt"), "hello").unwrap();
    let mounted = |access| Policy::deny_all().mount(Pattern::Any, folder.path(), "/data", access).unwrap();
    let cell = Cell::with(&[HOSTILE], mounted(Access::ReadOnly));
    run(async {
        assert_eq!(cell.result("hostile.read", &json!({ "path": "/data/note.txt" })).await, json!("hello"));
        let write = json!({ "path": "/data/new.txt", "megabytes": 1 }).to_string();
        assert!(cell.failure("hostile.write", &write).await.message.contains("Read-only"));
        assert!(!folder.path().join("new.txt").exists());
        cell.host.set_policy(mounted(Access::ReadWrite));
        cell.result("hostile.write", &json!({ "path": "/data/new.txt", "megabytes": 1 })).await;
        assert_eq!(fs::metadata(folder.path().join("new.txt")).unwrap().len(), 1 << 20);
        // The operator's sidecar requests less than the author does, and so nothing is there.
        fs::write(cell.tools().join("hostile.toml"), "name = \"hostile\"\nversion = \"0.1.0\"\n").unwrap();
        cell.settle();
        assert_eq!(
            cell.failure("hostile.read", &json!({ "path": "/data/note.txt" }).to_string()).await.kind,
            Kind::NotFound
        );
        let refusals = cell.host.explain("hostile.read").unwrap().refusals().to_vec();
        assert!(refusals[0].reason.contains("requests no folder at all"), "{refusals:?}");
    });
}

#[test]
fn settings_reach_a_tool_that_requests_them() {
    let rule = Rule::new(Pattern::Any, Allow::Config { key: "unit".into(), value: "metres".into() });
    let cell = Cell::with(&[ECHO], Policy::deny_all().rule(rule));
    run(async {
        assert_eq!(cell.result("echo.setting", &json!({ "key": "unit" })).await, Value::Null);
        let sidecar = "name = \"echo\"\nversion = \"0.1.0\"\n[capabilities]\nconfig = [\"unit\"]\n";
        fs::write(cell.tools().join("echo.toml"), sidecar).unwrap();
        cell.settle();
        assert_eq!(cell.result("echo.setting", &json!({ "key": "unit" })).await, json!("metres"));
    });
}

#[test]
fn clocks_are_coarse_and_relative_to_the_call() {
    let cell = Cell::with(&[ECHO], deny_all());
    run(async {
        let times = cell.result("echo.times", &json!({})).await;
        let wall = times[0].as_str().map_or_else(|| times[0].as_u64(), |text| text.parse().ok()).unwrap();
        // The clock that was handed in, and not the machine's.
        assert!((4_000_000_000_000..4_000_000_060_000).contains(&wall), "{times}");
    });
}

#[derive(Default)]
struct Heard(Mutex<Vec<Event>>);

impl Events for Heard {
    fn event(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

#[test]
fn log_lines_and_progress_reach_the_caller_in_order() {
    let cell = Cell::with(&[ECHO], deny_all());
    let heard = Heard::default();
    let outcome = run(cell.host.call(cell.prepare("echo.chatter", "{\"lines\": 3}"), &heard));
    let events = heard.0.into_inner().unwrap();
    assert_eq!(events[..2], [Event::Preparing, Event::Started]);
    let lines = |level| {
        let of_level = events.iter().filter_map(move |event| match event {
            Event::Log { level: found, message } if *found == level => Some(message.as_str()),
            _ => None,
        });
        of_level.collect::<Vec<_>>()
    };
    assert_eq!(lines(LogLevel::Info), ["line 0", "out 0", "line 1", "out 1", "line 2", "out 2"]);
    assert_eq!(lines(LogLevel::Warn), ["err 0", "err 1", "err 2"]);
    let newest = events.iter().rev().find(|event| matches!(event, Event::Progress { .. }));
    assert!(matches!(newest, Some(Event::Progress { done: 3, total: Some(3), .. })), "{events:?}");
    let receipt = &outcome.receipt.as_ref().unwrap().receipt;
    assert_eq!(receipt.used.log_lines, 9);
    assert_eq!(receipt.host_calls["toolcell:host/log.write"], 3);
    assert_eq!(receipt.host_calls["toolcell:host/progress.report"], 3);
}

#[test]
fn a_cancelled_call_ends_with_a_receipt_that_says_so() {
    let cell = Cell::with(&[HOSTILE], deny_all());
    run(async {
        cell.host.warm("hostile.spin").await.unwrap();
        for tool in ["hostile.spin", "hostile.sleep"] {
            let call = cell.prepare(tool, "{}");
            let id = call.id;
            let host = cell.host.clone();
            let running = tokio::spawn(async move { host.call(call, &Silent).await });
            while !cell.host.cancel(id) {
                tokio::task::yield_now().await;
            }
            let outcome = running.await.unwrap();
            assert_eq!(outcome.verdict.failure().unwrap().kind, Kind::Cancelled);
            assert_eq!(outcome.receipt.unwrap().receipt.verdict, "cancelled");
            assert!(!cell.host.cancel(id), "a call that has ended cannot be cancelled");
        }
    });
}

#[test]
fn a_dropped_future_frees_its_slot_and_leaves_a_receipt() {
    let one = Width { host: 1, tenant: 1, tool: 1, ..WIDTH };
    let cell = Cell::empty(deny_all(), one);
    fs::copy(built(HOSTILE), cell.tools().join("hostile.wasm")).unwrap();
    cell.settle();
    run(async {
        cell.host.warm("hostile.spin").await.unwrap();
        for tool in ["hostile.spin", "hostile.sleep"] {
            let call = cell.prepare(tool, "{}");
            let id = call.id;
            let gone = tokio::time::timeout(Duration::from_millis(20), cell.host.call(call, &Silent)).await;
            let dropped = std::time::Instant::now();
            assert!(gone.is_err(), "{tool} ended by itself");
            // There is one slot; this call gets it only if the one that is gone has given it back.
            assert_eq!(cell.result("hostile.count", &json!({})).await, json!(1));
            println!("{tool}: the next call had come and gone {} ms after the drop", dropped.elapsed().as_millis());
            let filter = Filter { call: Some(id), ..Filter::default() };
            let kept: Vec<_> =
                receipts::list(&cell.home.path().join("receipts"), filter).unwrap().map(Result::unwrap).collect();
            assert_eq!(kept.len(), 1);
            assert_eq!(kept[0].receipt.verdict, "cancelled");
        }
    });
}

#[test]
fn a_caller_can_spend_less_than_the_grant_and_never_more() {
    let cell = Cell::with(&[ECHO], deny_all());
    run(async {
        let mut call = cell.prepare("echo.work", "{\"millions\": 1000}");
        call.budget = Some(Limits::default().with(Limit::Fuel, 1_000_000).unwrap());
        let outcome = cell.host.call(call, &Silent).await;
        let failure = outcome.verdict.failure().unwrap();
        assert_eq!(failure.kind, Kind::Limit(Limit::Fuel));
        assert_eq!(failure.limit.unwrap().value, 1_000_000);
        assert!(outcome.receipt.unwrap().receipt.used.fuel >= 999_000);

        cell.host.set_policy(Policy::deny_all().limit(Limit::Fuel, 1_000_000).unwrap());
        let mut call = cell.prepare("echo.work", "{\"millions\": 1000}");
        call.budget = Some(Limits::ceiling());
        let failure = cell.host.call(call, &Silent).await.verdict.failure().unwrap().clone();
        assert_eq!(failure.limit.unwrap().value, 1_000_000);
    });
}

#[test]
fn a_deadline_that_has_passed_runs_nothing() {
    let cell = Cell::with(&[ECHO], deny_all());
    let mut call = cell.prepare("echo.text", "{\"value\": \"a\"}");
    call.deadline = Some(UnixMillis(1));
    let outcome = run(cell.host.call(call, &Silent));
    assert_eq!(outcome.verdict.failure().unwrap().kind, Kind::Limit(Limit::Time));
    assert_eq!(outcome.receipt.unwrap().receipt.used.fuel, 0);
}

#[test]
fn only_the_component_that_the_call_names_is_run() {
    let cell = Cell::with(&[ECHO], deny_all());
    let digest = cell.host.snapshot().components().next().unwrap().digest;
    run(async {
        let mut call = cell.prepare("echo.text", "{\"value\": \"a\"}");
        call.component = Some(digest);
        assert!(cell.host.call(call, &Silent).await.verdict.result().is_some());
        let mut call = cell.prepare("echo.text", "{\"value\": \"a\"}");
        call.component = Some(Digest::of(b"another"));
        assert_eq!(cell.host.call(call, &Silent).await.verdict.failure().unwrap().kind, Kind::WrongDigest);
    });
}

#[test]
fn arguments_are_checked_before_the_sandbox_with_all_problems_at_once() {
    let cell = Cell::with(&["tools-wasm/graph"], deny_all());
    run(async {
        let arguments =
            r#"{"concepts": [{"id": 7, "need": []}, {"id": "a", "effort": "two"}], "gaol": "a", "known": {}}"#;
        let outcome = cell.call("graph.plan", arguments).await;
        let failure = outcome.verdict.failure().unwrap();
        assert_eq!(failure.kind, Kind::InvalidArgument);
        let by_pointer: BTreeMap<_, _> =
            failure.problems.iter().map(|problem| (problem.pointer.as_str(), problem)).collect();
        for pointer in ["/concepts/0/id", "/concepts/0/need", "/concepts/1/effort", "/gaol", "/known"] {
            assert!(by_pointer.contains_key(pointer), "{pointer} is missing in {failure:?}");
        }
        assert_eq!(by_pointer["/concepts/0/need"].nearest.as_deref(), Some("needs"));
        assert_eq!(by_pointer["/gaol"].nearest.as_deref(), Some("goal"));
        let receipt = outcome.receipt.unwrap().receipt;
        assert_eq!((receipt.used.fuel, receipt.host_calls.len()), (0, 0), "nothing has run");
    });
}

#[test]
fn every_call_leaves_a_receipt_and_the_chain_verifies() {
    let cell = Cell::with(&[ECHO, HOSTILE], deny_all());
    let calls = ["echo.text", "hostile.panic", "hostile.exit", "no.such", "echo.text"];
    let arguments =
        ["{\"value\": \"a\"}", "{\"message\": \"m\"}", "{\"code\": 3}", "{}", "{\"value\": 1, \"value\": 2}"];
    let verdicts: Vec<_> = run(async {
        let mut verdicts = Vec::new();
        for (tool, arguments) in calls.iter().zip(arguments) {
            let mut call = ToolCall::new(cell.id(), *tool, Arguments::from_text(arguments).unwrap());
            call.tenant = Tenant("acme".into());
            let outcome = cell.host.call(call, &Silent).await;
            let kind = outcome.verdict.failure().map(|failure| failure.kind.name());
            let receipt = outcome.receipt.unwrap().receipt;
            assert_eq!(receipt.arguments, Digest::of(arguments.as_bytes()));
            assert_eq!(receipt.verdict, outcome.verdict.name());
            assert_eq!(receipt.result.is_some(), outcome.verdict.result().is_some());
            verdicts.push(kind);
        }
        verdicts
    });
    assert_eq!(verdicts, [None, Some("trap"), Some("exited"), Some("unknown-tool"), Some("invalid-json")]);
    let receipts = cell.home.path().join("receipts");
    let Cell { host, home, .. } = cell;
    drop(host);
    let report = receipts::verify(&receipts, &Trust::default()).unwrap();
    assert!(report.is_intact() && report.entries() == 5, "{report:?}");
    let filter = Filter { tenant: Some("acme".into()), ..Filter::default() };
    assert_eq!(receipts::list(&receipts, filter).unwrap().count(), 5);
    drop(home);
}

#[test]
fn a_call_travels_and_arrives_as_it_was() {
    let mut call =
        ToolCall::new(toolcell_core::CallId(7), "json.query", Arguments::from_text("{\"a\":1,\"a\":2} ").unwrap());
    call.budget = Some(Limits::default().with(Limit::Fuel, 5).unwrap());
    call.parent = Some(toolcell_core::CallId(6));
    let text = serde_json::to_string(&call).unwrap();
    let back: ToolCall = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&back).unwrap(), text);
    assert_eq!(back.arguments.digest(), call.arguments.digest(), "every byte of the arguments arrives");
}

#[test]
fn code_that_was_changed_on_disk_is_not_run() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("tools")).unwrap();
    fs::write(home.path().join("tools/calc.wasm"), wat::parse_str(answering(5)).unwrap()).unwrap();
    let open = || {
        let mut settings = crate::support::settings(home.path(), deny_all(), WIDTH);
        settings.code_cache = Some(home.path().join("code"));
        settings.code_key = home.path().join("key");
        toolcell_host::Host::open(settings).unwrap()
    };
    let answer = |host: &toolcell_host::Host| {
        let outcome =
            run(host.call(ToolCall::new(toolcell_core::CallId(1), "calc.answer", Arguments::none()), &Silent));
        outcome.verdict.result().unwrap().get().to_owned()
    };
    assert_eq!(answer(&open()), "5");
    let entries: Vec<_> = fs::read_dir(home.path().join("code"))
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
    let mut bytes = fs::read(&entries[0]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&entries[0], &bytes).unwrap();
    // The entry is refused and the component compiled anew.
    assert_eq!(answer(&open()), "5");
    assert_ne!(fs::read(&entries[0]).unwrap(), bytes);
}

#[test]
fn no_call_is_cancelled_because_its_sibling_failed() {
    let slow = Rule::new(Pattern::Component("hostile".parse().unwrap()), Allow::Limit(Limit::Fuel, 50_000_000));
    let cell = Cell::with(&[ECHO, HOSTILE], Policy::deny_all().rule(slow));
    run(async {
        let calls = (0..40).map(|n| {
            let (tool, arguments) = match n % 4 {
                0 => ("hostile.spin", "{}".to_owned()),
                1 => ("hostile.panic", "{\"message\": \"m\"}".to_owned()),
                _ => ("echo.text", json!({ "value": n.to_string() }).to_string()),
            };
            let (host, call) = (cell.host.clone(), cell.prepare(tool, &arguments));
            tokio::spawn(async move { (n, host.call(call, &Silent).await) })
        });
        let calls: Vec<_> = calls.collect();
        for call in calls {
            let (n, outcome) = call.await.unwrap();
            match n % 4 {
                0 => assert_eq!(outcome.verdict.failure().unwrap().kind, Kind::Limit(Limit::Fuel)),
                1 => assert_eq!(outcome.verdict.failure().unwrap().kind, Kind::Trap),
                _ => assert_eq!(outcome.verdict.result().unwrap().get(), format!("\"{n}\"")),
            }
        }
    });
}
