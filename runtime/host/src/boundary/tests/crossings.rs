//! Entering and leaving: what is counted, and how an interceptor takes over.

use std::any::Any;
use std::sync::{Arc, Mutex};

use toolcell_core::Limit;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::cli::environment::Host as _;
use wasmtime_wasi::p2::bindings::clocks::wall_clock::{self, Datetime};
use wasmtime_wasi::p2::bindings::random::random::Host as _;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily};
use wasmtime_wasi::p2::bindings::sockets::tcp::HostTcpSocket as _;
use wasmtime_wasi::p2::bindings::sockets::tcp_create_socket::Host as _;
use wasmtime_wasi::p2::{DynOutputStream, SocketError, SocketResult, StreamError, TcpSocket};
use wasmtime_wasi_io::bindings::wasi::io::streams::HostOutputStream as _;

use super::super::offers::config::Host as _;
use super::super::offers::log;
use super::super::{Crossed, Entry, FunctionId, Interceptor, Refused, WrongAnswer};
use super::{call, door, intercepted, limit_of, wait};

/// An interceptor from one closure; it records the conversation.
struct Script<F> {
    enter: F,
    heard: Arc<Mutex<Vec<String>>>,
}

impl<F> Script<F>
where
    F: FnMut(FunctionId, &[&dyn Crossed], &mut ResourceTable) -> Entry + Send + 'static,
{
    fn new(enter: F) -> (Self, Arc<Mutex<Vec<String>>>) {
        let heard = Arc::new(Mutex::new(Vec::new()));
        (Self { enter, heard: heard.clone() }, heard)
    }
}

impl<F> Interceptor for Script<F>
where
    F: FnMut(FunctionId, &[&dyn Crossed], &mut ResourceTable) -> Entry + Send,
{
    fn enter(&mut self, function: FunctionId, arguments: &[&dyn Crossed], table: &mut ResourceTable) -> Entry {
        self.heard.lock().expect("no panics").push(format!("> {function:?} {arguments:?}"));
        (self.enter)(function, arguments, table)
    }

    fn leave(&mut self, function: FunctionId, result: &dyn Crossed) {
        self.heard.lock().expect("no panics").push(format!("< {function:?} {result:?}"));
    }
}

#[test]
fn a_crossing_is_counted_by_function_with_its_bytes() {
    let mut state = call(&[]);
    for _ in 0..3 {
        door(&mut state).get_environment().expect("nothing in it");
    }
    log::Host::write(&mut door(&mut state), log::Level::Info, "12345".to_owned()).expect("said");
    let calls = state.host_calls();
    assert_eq!(calls.len(), 2);
    assert_eq!((calls["wasi:cli/environment.get-environment"], calls["toolcell:host/log.write"]), (3, 1));
    let used = state.used();
    assert_eq!(used.host_calls, 4);
    // Three empty lists of eight bytes; the level, and a text of five bytes beside its pointer and length.
    assert_eq!(used.host_bytes, 3 * 8 + 1 + 8 + 5);
}

#[test]
fn bytes_in_both_directions_end_at_the_limit() {
    let mut state = call(&[(Limit::HostBytes, 100)]);
    let error = door(&mut state).get("x".repeat(93)).expect_err("with its pointer and length it is over");
    assert_eq!(limit_of(&error), Some(Limit::HostBytes));
    let mut state = call(&[(Limit::HostBytes, 100)]);
    let error = door(&mut state).get_random_bytes(93).expect_err("the result is over");
    assert_eq!((limit_of(&error), state.exhausted()), (Some(Limit::HostBytes), Some(Limit::HostBytes)));
}

#[test]
fn an_interceptor_can_answer_and_the_host_is_not_asked() {
    let (script, heard) = Script::new(|function, _, _| match function.name() {
        "wasi:clocks/wall-clock.now" => {
            Entry::Answer(Box::new(wasmtime::Result::<Datetime>::Ok(Datetime { seconds: 42, nanoseconds: 0 })))
        }
        _ => Entry::Proceed,
    });
    let mut state = intercepted(script);
    assert_eq!(wall_clock::Host::now(&mut door(&mut state)).expect("answered").seconds, 42);
    assert_eq!(wall_clock::Host::resolution(&mut door(&mut state)).expect("it took its course").nanoseconds, 1_000_000);
    let heard = heard.lock().expect("no panics");
    assert_eq!(heard.len(), 4);
    assert!(heard[0].starts_with("> wasi:clocks/wall-clock.now []"), "{heard:?}");
    assert!(heard[1].contains("seconds: 42"), "{heard:?}");
    assert_eq!(state.host_calls()["wasi:clocks/wall-clock.now"], 1);
}

#[test]
fn an_interceptor_sees_arguments_and_results_as_their_own_types() {
    let seen = Arc::new(Mutex::new(0));
    let length = seen.clone();
    let (script, _) = Script::new(move |_, arguments, _| {
        let argument: &dyn Any = arguments[0];
        *length.lock().expect("no panics") = *argument.downcast_ref::<u64>().expect("the length is a number");
        Entry::Proceed
    });
    let mut state = intercepted(script);
    assert_eq!(door(&mut state).get_random_bytes(5).expect("five bytes").len(), 5);
    assert_eq!(*seen.lock().expect("no panics"), 5);
}

#[test]
fn a_denial_is_the_interfaces_own_error_where_it_has_one() {
    let (script, _) = Script::new(|_, _, _| Entry::Deny("the test says so".into()));
    let mut state = intercepted(script);
    let denied = door(&mut state).create_tcp_socket(IpAddressFamily::Ipv4).expect_err("denied");
    assert!(matches!(denied.downcast_ref(), Some(ErrorCode::AccessDenied)));
    let written = door(&mut state).write_zeroes(Resource::new_borrow(1), 1);
    assert!(matches!(written, Err(StreamError::LastOperationFailed(_))));
    // The clock has no error to say it with.
    let error = wall_clock::Host::now(&mut door(&mut state)).expect_err("denied");
    assert_eq!(error.downcast_ref::<Refused>().expect("a refusal").reason, "the test says so");
    assert_eq!(state.denied().len(), 3);
    assert!(state.denied().iter().all(|attempt| attempt.count == 1 && attempt.reason == "the test says so"));
}

#[test]
fn a_whole_resource_can_be_faked() {
    struct Fake;
    let (script, _) = Script::new(|function, arguments, table| match function.name() {
        "wasi:sockets/tcp-create-socket.create-tcp-socket" => {
            let socket = Resource::<TcpSocket>::new_own(table.push(Fake).expect("room").rep());
            Entry::Answer(Box::new(SocketResult::Ok(socket)))
        }
        "wasi:sockets/tcp.[method]tcp-socket.is-listening" => {
            let socket = (arguments[0] as &dyn Any).downcast_ref::<Resource<TcpSocket>>().expect("the socket");
            let known = table.get(&Resource::<Fake>::new_borrow(socket.rep())).is_ok();
            Entry::Answer(Box::new(wasmtime::Result::<bool>::Ok(known)))
        }
        _ => Entry::Proceed,
    });
    let mut state = intercepted(script);
    let socket = door(&mut state).create_tcp_socket(IpAddressFamily::Ipv4).expect("a fake one").rep();
    assert!(door(&mut state).is_listening(Resource::new_borrow(socket)).expect("the fake answers"));
    // What the fake leaves out has nothing behind it.
    let error: SocketError = door(&mut state).hop_limit(Resource::new_borrow(socket)).expect_err("no such socket");
    assert!(error.downcast().is_err(), "a trap");
    wasmtime_wasi::p2::bindings::sockets::tcp::HostTcpSocket::drop(&mut door(&mut state), Resource::new_own(socket))
        .expect("nothing to end");
}

#[test]
fn an_answer_of_another_type_is_our_fault_and_named() {
    let (script, _) = Script::new(|_, _, _| Entry::Answer(Box::new("text")));
    let error = wall_clock::Host::now(&mut door(&mut intercepted(script))).expect_err("no date");
    assert!(error.downcast_ref::<WrongAnswer>().is_some(), "{error:?}");
}

#[test]
fn async_functions_are_intercepted_as_well() {
    let (script, heard) =
        Script::new(|_, _, _| Entry::Answer(Box::new(Result::<(), StreamError>::Err(StreamError::Closed))));
    let mut state = intercepted(script);
    let stream = Resource::<DynOutputStream>::new_borrow(77);
    let result = wait(door(&mut state).blocking_write_and_flush(stream, b"abc".to_vec()));
    assert!(matches!(result, Err(StreamError::Closed)));
    assert!(heard.lock().expect("no panics")[0].contains("[97, 98, 99]"));
}

#[test]
fn denied_attempts_are_told_apart_up_to_a_bound() {
    let mut number = 0;
    let (script, _) = Script::new(move |_, _, _| {
        number += 1;
        Entry::Deny(format!("reason {number}").into())
    });
    let mut state = intercepted(script);
    for _ in 0..1_000 {
        let _ = door(&mut state).get_environment();
    }
    let denied = state.denied();
    assert_eq!(denied.len(), 64);
    assert_eq!(denied.iter().map(|attempt| attempt.count).sum::<u64>(), 1_000);
    assert_eq!((denied[63].function.as_ref(), denied[63].count), ("others", 1_000 - 63));
}
