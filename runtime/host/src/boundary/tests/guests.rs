//! Real components, written as text: what links, what a guest gets, and what ends it.

use toolcell_core::Limit;
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, Store};

use super::super::{CallState, Exited, FUNCTIONS, Offer, classify, link, offered};
use super::{Heard, call, wait};

fn engine() -> Engine {
    let mut config = Config::new();
    config.wasm_component_model(true).concurrency_support(false).wasm_multi_memory(true);
    Engine::new(&config).expect("an engine")
}

/// Instantiates a component and calls its export `run`, which has no parameters and no result.
fn run(text: &str, state: CallState) -> (wasmtime::Result<()>, CallState) {
    let engine = engine();
    let mut linker = Linker::new(&engine);
    link(&mut linker).expect("everything links once");
    let bytes = wat::parse_str(text).expect("the test's own component");
    let component = Component::from_binary(&engine, &bytes).expect("a valid component");
    let mut store = Store::new(&engine, state);
    store.limiter(|state| &mut state.meter);
    store.set_hostcall_fuel(1 << 20);
    let result = wait(async {
        let instance = linker.instantiate_async(&mut store, &component).await?;
        let run = instance.get_typed_func::<(), ()>(&mut store, "run")?;
        run.call_async(&mut store, ()).await
    });
    (result, store.into_data())
}

/// A component with one core module that imports lowered functions and has a memory.
///
/// `imports` are component-level imports and `lowered` core functions made from them, named `f0`, `f1`, …; `body` is
/// the body of `run`.
fn guest(imports: &str, lowered: &str, uses: &str, body: &str) -> String {
    format!(
        r#"(component
            {imports}
            (core module $memory
                (memory (export "memory") 2)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
            )
            (core instance $memory (instantiate $memory))
            {lowered}
            (core module $main
                (import "m" "memory" (memory 2))
                {uses}
                (func (export "run") {body})
                (data (i32.const 0) "hello\nworld")
            )
            (core instance $main (instantiate $main (with "m" (instance $memory)) (with "h" (instance $host))))
            (func (export "run") (canon lift (core func $main "run")))
        )"#
    )
}

#[test]
fn a_component_without_imports_runs() {
    let text = r#"(component
        (core module $m (func (export "run")))
        (core instance $i (instantiate $m))
        (func (export "run") (canon lift (core func $i "run"))))"#;
    let (result, state) = run(text, call(&[]));
    result.expect("it runs");
    assert_eq!(state.used().host_calls, 0);
}

const STDOUT: &str = r#"
    (import "wasi:io/error@0.2.0" (instance $error (export "error" (type (sub resource)))))
    (alias export $error "error" (type $error-t))
    (import "wasi:io/streams@0.2.0" (instance $streams
        (alias outer 1 $error-t (type $e))
        (export "error" (type $error' (eq $e)))
        (type $failure' (variant (case "last-operation-failed" (own $error')) (case "closed")))
        (export "stream-error" (type $failure (eq $failure')))
        (export "output-stream" (type $out (sub resource)))
        (export "[method]output-stream.blocking-write-and-flush"
            (func (param "self" (borrow $out)) (param "contents" (list u8)) (result (result (error $failure)))))
    ))
    (alias export $streams "output-stream" (type $out-t))
    (import "wasi:cli/stdout@0.2.0" (instance $stdout
        (alias outer 1 $out-t (type $o))
        (export "output-stream" (type $out (eq $o)))
        (export "get-stdout" (func (result (own $out))))
    ))"#;

const STDOUT_LOWERED: &str = r#"
    (core func $get (canon lower (func $stdout "get-stdout")))
    (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush")
        (memory $memory "memory") (realloc (func $memory "realloc"))))
    (core instance $host (export "get" (func $get)) (export "write" (func $write)))"#;

const STDOUT_USES: &str = r#"
    (import "h" "get" (func $get (result i32)))
    (import "h" "write" (func $write (param i32 i32 i32 i32)))"#;

#[test]
fn hello_from_an_older_0_2_is_two_lines_of_log() {
    let heard = Heard::default();
    let text = guest(
        STDOUT,
        STDOUT_LOWERED,
        STDOUT_USES,
        "(call $write (call $get) (i32.const 0) (i32.const 11) (i32.const 1024))",
    );
    let (result, mut state) = run(&text, heard.call(&[]));
    result.expect("it prints");
    state.finish();
    assert_eq!(heard.lines(), ["Info hello", "Info world"]);
    let calls = state.host_calls();
    assert_eq!(calls["wasi:cli/stdout.get-stdout"], 1);
    assert_eq!(calls["wasi:io/streams.[method]output-stream.blocking-write-and-flush"], 1);
    assert_eq!(state.used().log_lines, 2);
}

#[test]
fn a_flood_of_empty_writes_ends_as_a_log_limit() {
    let body = "(local $s i32) (local.set $s (call $get))
        (loop $more (call $write (local.get $s) (i32.const 0) (i32.const 0) (i32.const 1024)) (br $more))";
    let (result, state) = run(&guest(STDOUT, STDOUT_LOWERED, STDOUT_USES, body), call(&[]));
    assert_eq!(super::limit_of(&result.expect_err("it ends")), Some(Limit::LogLines));
    assert_eq!(state.exhausted(), Some(Limit::LogLines));
    assert_eq!(state.used().log_lines, 1_000);
}

#[test]
fn a_spray_of_handles_ends_as_a_handle_limit() {
    let body = "(loop $more (drop (call $get)) (br $more))";
    let (result, _) = run(&guest(STDOUT, STDOUT_LOWERED, STDOUT_USES, body), call(&[(Limit::Handles, 100)]));
    assert_eq!(super::limit_of(&result.expect_err("it ends")), Some(Limit::Handles));
}

#[test]
fn wasmtimes_own_text_for_its_handle_limit_is_known() {
    let engine = engine();
    let mut linker = Linker::new(&engine);
    link(&mut linker).expect("everything links once");
    let text = guest(STDOUT, STDOUT_LOWERED, STDOUT_USES, "(loop $more (drop (call $get)) (br $more))");
    let component =
        Component::from_binary(&engine, &wat::parse_str(text).expect("valid text")).expect("a valid component");
    // More of ours than Wasmtime's own limit of handles in a store.
    let mut store = Store::new(&engine, call(&[(Limit::Handles, 1_000_000)]));
    let error = wait(async {
        let instance = linker.instantiate_async(&mut store, &component).await?;
        instance.get_typed_func::<(), ()>(&mut store, "run")?.call_async(&mut store, ()).await
    });
    assert_eq!(super::limit_of(&error.expect_err("it ends")), Some(Limit::Handles));
}

#[test]
fn too_much_in_one_crossing_ends_as_its_limit() {
    let body = "(drop (memory.grow (i32.const 100)))
        (call $write (call $get) (i32.const 0) (i32.const 4000000) (i32.const 1024))";
    let (result, _) = run(&guest(STDOUT, STDOUT_LOWERED, STDOUT_USES, body), call(&[]));
    let error = result.expect_err("over the hostcall fuel of the test");
    assert_eq!(super::limit_of(&error), Some(Limit::CrossingBytes), "{error:?}");
}

#[test]
fn a_loop_over_a_host_function_ends_as_a_host_call_limit() {
    let imports =
        r#"(import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock (export "now" (func (result u64)))))"#;
    let lowered =
        r#"(core func $now (canon lower (func $clock "now"))) (core instance $host (export "now" (func $now)))"#;
    let uses = r#"(import "h" "now" (func $now (result i64)))"#;
    let text = guest(imports, lowered, uses, "(loop $more (drop (call $now)) (br $more))");
    let (result, state) = run(&text, call(&[(Limit::HostCalls, 10_000)]));
    assert_eq!(super::limit_of(&result.expect_err("it ends")), Some(Limit::HostCalls));
    assert_eq!(state.host_calls()["wasi:clocks/monotonic-clock.now"], 10_001);
}

#[test]
fn exit_ends_the_call_as_exited() {
    for (import, signature, arguments, code) in [
        ("exit", r#"(func (param "status" (result)))"#, "(i32.const 1)", 1),
        ("exit", r#"(func (param "status" (result)))"#, "(i32.const 0)", 0),
        ("exit-with-code", r#"(func (param "status-code" u8))"#, "(i32.const 42)", 42),
    ] {
        let imports = format!(r#"(import "wasi:cli/exit@0.2.12" (instance $exit (export "{import}" {signature})))"#);
        let lowered = format!(
            r#"(core func $e (canon lower (func $exit "{import}"))) (core instance $host (export "exit" (func $e)))"#
        );
        let text = guest(
            &imports,
            &lowered,
            r#"(import "h" "exit" (func $exit (param i32)))"#,
            &format!("(call $exit {arguments}) unreachable"),
        );
        let error = run(&text, call(&[])).0.expect_err("it never returns");
        assert_eq!(error.downcast_ref::<Exited>(), Some(&Exited { code }), "{error:?}");
    }
}

#[test]
fn many_memories_count_together_and_too_many_instances_are_named() {
    let memories = |count: usize, pages: usize| {
        let mut text = format!("(component (core module $m (memory {pages}))");
        for _ in 0..count {
            text.push_str("(core instance (instantiate $m))");
        }
        text + r#"(core module $r (func (export "run"))) (core instance $i (instantiate $r))
            (func (export "run") (canon lift (core func $i "run"))))"#
    };
    let limits = [(Limit::Memory, 1 << 20)];
    run(&memories(4, 4), call(&limits)).0.expect("exactly the limit");
    let error = run(&memories(5, 4), call(&limits)).0.expect_err("one memory more");
    assert_eq!(super::limit_of(&error), Some(Limit::Memory));
    let error = run(&memories(20, 1), call(&[(Limit::Instances, 10)])).0.expect_err("too many instances");
    assert_eq!(super::limit_of(&error), Some(Limit::Instances), "{error:?}");
}

#[test]
fn an_import_that_is_not_offered_does_not_link() {
    for import in ["wasi:cli/environment@0.3.0", "wasi:nn/tensor@0.2.0", "acme:thing/api@1.0.0"] {
        assert_ne!(offered(import), Offer::Offered);
        let text = format!(r#"(component (import "{import}" (instance (export "f" (func)))))"#);
        let engine = engine();
        let mut linker = Linker::<CallState>::new(&engine);
        link(&mut linker).expect("everything links once");
        let component =
            Component::from_binary(&engine, &wat::parse_str(text).expect("valid text")).expect("a valid component");
        assert!(linker.instantiate_pre(&component).is_err(), "{import}");
    }
}

#[test]
fn every_function_in_the_table_is_linked() {
    let engine = engine();
    let mut linker = Linker::<CallState>::new(&engine);
    link(&mut linker).expect("everything links once");
    for name in FUNCTIONS {
        let (interface, function) = name.split_once('.').expect("an interface and a function");
        let version = if interface.starts_with("wasi:") { "0.2.12" } else { "0.1.0" };
        // Linking it once more is refused by name, which shows that it is there.
        let mut instance = linker.instance(&format!("{interface}@{version}")).expect("the interface");
        let error = instance.func_new(function, |_, _, _, _| Ok(())).expect_err(name);
        assert!(error.to_string().contains("defined twice"), "{name}: {error}");
    }
}

#[test]
fn linking_twice_is_an_error() {
    let mut linker = Linker::<CallState>::new(&engine());
    link(&mut linker).expect("the first time");
    assert!(link(&mut linker).is_err());
}

#[test]
fn other_errors_are_no_limit() {
    let error = wasmtime::format_err!("something else");
    assert_eq!(classify(&error, &toolcell_core::Limits::default()), None);
}
