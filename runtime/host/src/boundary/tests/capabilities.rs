//! What a call has without any grant.

use std::sync::Arc;
use std::time::{Duration, Instant};

use toolcell_core::Limit;
use wasmtime::component::{Resource, ResourceTableError};
use wasmtime_wasi::p2::bindings::cli::environment::Host as _;
use wasmtime_wasi::p2::bindings::cli::{
    terminal_stderr::Host as _, terminal_stdin::Host as _, terminal_stdout::Host as _,
};
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, timezone::Host as _, wall_clock};
use wasmtime_wasi::p2::bindings::filesystem::preopens::Host as _;
use wasmtime_wasi::p2::bindings::random::insecure::Host as _;
use wasmtime_wasi::p2::bindings::random::insecure_seed::Host as _;
use wasmtime_wasi::p2::bindings::random::random::Host as _;
use wasmtime_wasi::p2::bindings::sockets::instance_network::Host as _;
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::Host as _;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily};
use wasmtime_wasi::p2::bindings::sockets::tcp::HostTcpSocket as _;
use wasmtime_wasi::p2::bindings::sockets::tcp_create_socket::Host as _;
use wasmtime_wasi::p2::bindings::sockets::udp_create_socket::Host as _;
use wasmtime_wasi::p2::{IoError, SocketResult};
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler::Host as _;
use wasmtime_wasi_http::p2::bindings::http::types as http;
use wasmtime_wasi_io::bindings::wasi::io::error::HostError as _;
use wasmtime_wasi_io::bindings::wasi::io::poll::{Host as _, HostPollable as _};

use super::super::offers::{config, kv, secrets};
use super::super::{CallState, Randomness, Setup};
use super::{call, door, limit_of, setup, wait};

#[test]
fn time_is_coarse_and_begins_with_the_call() {
    let mut state = call(&[]);
    let mut door = door(&mut state);
    let now = monotonic_clock::Host::now(&mut door).expect("a time");
    assert!(now < 1_000_000_000 && now.is_multiple_of(1_000_000), "{now}");
    assert_eq!(monotonic_clock::Host::resolution(&mut door).expect("a resolution"), 1_000_000);
    let wall = wall_clock::Host::now(&mut door).expect("a time");
    assert!((1_700_000_000..1_700_000_010).contains(&wall.seconds), "{wall:?}");
    assert_eq!(wall.nanoseconds % 1_000_000, 0);
    assert_eq!(door.utc_offset(wall).expect("an offset"), 0);
    assert_eq!(door.display(wall).expect("a name").name, "UTC");
}

#[test]
fn a_sleep_lasts_as_long_as_it_says_and_never_past_the_call() {
    let mut state = call(&[(Limit::Time, 20)]);
    let mut door = door(&mut state);
    wait(async {
        let before = Instant::now();
        let short = monotonic_clock::Host::subscribe_duration(&mut door, 5_000_000).expect("a pollable").rep();
        door.block(Resource::new_borrow(short)).await.expect("it wakes up");
        assert!(before.elapsed() >= Duration::from_millis(5));
        let past = monotonic_clock::Host::subscribe_instant(&mut door, 0).expect("a pollable").rep();
        assert!(door.ready(Resource::new_borrow(past)).await.expect("an answer"));
        let long = [u64::MAX, u64::MAX / 2, 1 << 62]
            .map(|length| monotonic_clock::Host::subscribe_duration(&mut door, length).expect("a pollable").rep());
        for sleep in long {
            let woken = tokio::time::timeout(Duration::from_secs(20), door.block(Resource::new_borrow(sleep))).await;
            woken.expect("a second after the end of the call").expect("it wakes up");
        }
    });
}

#[test]
fn random_numbers_come_from_the_key_and_the_stream_and_end_at_the_budget() {
    let bytes = |state: &mut CallState, len| door(state).get_random_bytes(len);
    let (mut one, mut same) = (call(&[]), call(&[]));
    let mut other =
        CallState::new(Setup { randomness: Randomness { key: Arc::new([7; 32]), stream: 2 }, ..setup(&[]) });
    let first = bytes(&mut one, 32).expect("bytes");
    assert_eq!(first, bytes(&mut same, 32).expect("bytes"));
    assert_ne!(first, bytes(&mut other, 32).expect("bytes"));
    assert_ne!(first, bytes(&mut one, 32).expect("bytes"));
    for len in [u64::MAX, 1 << 63, 1 << 40, (1 << 20) - 63] {
        assert_eq!(limit_of(&bytes(&mut one, len).expect_err("over the budget")), Some(Limit::RandomBytes));
    }
    assert_eq!((one.used().random_bytes, one.exhausted()), (64, Some(Limit::RandomBytes)));

    let mut state = call(&[(Limit::RandomBytes, 48)]);
    let mut guest = door(&mut state);
    guest.get_random_u64().expect("8");
    guest.get_insecure_random_u64().expect("16");
    guest.get_insecure_random_bytes(16).expect("32");
    guest.insecure_seed().expect("48");
    guest.get_random_bytes(0).expect("nothing costs nothing");
    assert!(
        guest.get_random_u64().is_err()
            && guest.insecure_seed().is_err()
            && guest.get_insecure_random_bytes(1).is_err()
    );
}

#[test]
fn there_is_no_environment_no_terminal_and_no_folder() {
    let mut state = call(&[]);
    let mut door = door(&mut state);
    assert!(door.get_environment().expect("an answer").is_empty());
    assert!(door.get_arguments().expect("an answer").is_empty());
    assert!(door.initial_cwd().expect("an answer").is_none());
    assert!(door.get_directories().expect("an answer").is_empty());
    assert!(door.get_terminal_stdin().expect("an answer").is_none());
    assert!(door.get_terminal_stdout().expect("an answer").is_none());
    assert!(door.get_terminal_stderr().expect("an answer").is_none());
}

#[test]
fn sockets_say_access_denied_and_the_attempts_are_counted() {
    fn denied<T: std::fmt::Debug>(result: SocketResult<T>) {
        assert!(matches!(result.expect_err("denied").downcast_ref(), Some(ErrorCode::AccessDenied)));
    }
    let mut state = call(&[]);
    let mut guest = door(&mut state);
    for family in [IpAddressFamily::Ipv4, IpAddressFamily::Ipv6] {
        denied(guest.create_tcp_socket(family));
        denied(wait(guest.create_udp_socket(family)));
    }
    let network = guest.instance_network().expect("a name for nothing").rep();
    denied(guest.resolve_addresses(Resource::new_borrow(network), "localhost".into()));
    guest.drop_network(network);
    // A socket that was never made is no socket, whatever the guest makes up.
    let error =
        guest.finish_connect(Resource::new_borrow(network)).expect_err("no socket").downcast().expect_err("a trap");
    assert!(error.downcast_ref::<ResourceTableError>().is_some());
    let attempts: Vec<_> =
        state.denied().iter().map(|attempt| (attempt.function.clone().into_owned(), attempt.count)).collect();
    assert_eq!(
        attempts,
        [
            ("wasi:sockets/tcp-create-socket.create-tcp-socket".to_owned(), 2),
            ("wasi:sockets/udp-create-socket.create-udp-socket".to_owned(), 2),
            ("wasi:sockets/ip-name-lookup.resolve-addresses".to_owned(), 1),
        ]
    );
}

impl super::super::Door<'_> {
    fn drop_network(&mut self, network: u32) {
        wasmtime_wasi::p2::bindings::sockets::network::HostNetwork::drop(self, Resource::new_own(network))
            .expect("it was there");
    }
}

#[test]
fn a_request_can_be_built_and_does_not_go_out() {
    let mut state = call(&[]);
    let mut guest = door(&mut state);
    let fields = http::HostFields::from_list(&mut guest, vec![("accept".into(), b"*/*".to_vec())]).expect("fields");
    let request = http::HostOutgoingRequest::new(&mut guest, fields).expect("a request").rep();
    let borrowed = || Resource::new_borrow(request);
    http::HostOutgoingRequest::set_method(&mut guest, borrowed(), http::Method::Post)
        .expect("no trap")
        .expect("a method");
    http::HostOutgoingRequest::set_authority(&mut guest, borrowed(), Some("169.254.169.254".into()))
        .expect("no trap")
        .expect("an authority");
    let options = http::HostRequestOptions::new(&mut guest).expect("options");
    let refused = guest.handle(Resource::new_own(request), Some(options)).expect_err("no egress");
    assert!(matches!(refused.downcast_ref(), Some(http::ErrorCode::HttpRequestDenied)));
    assert_eq!(state.denied()[0].function, "wasi:http/outgoing-handler.handle");
    // Both were taken, so handles cannot pile up here.
    assert!(http::HostOutgoingRequest::method(&mut door(&mut state), borrowed()).is_err());
}

#[test]
fn header_collections_are_small() {
    let mut state = call(&[]);
    let fields = http::HostFields::new(&mut door(&mut state)).expect("fields").rep();
    let mut add = |len: usize| {
        http::HostFields::append(&mut door(&mut state), Resource::new_borrow(fields), "x".into(), vec![b'v'; len])
    };
    add(1_000).expect("room");
    assert!(add(40_000).is_err());
    assert!((0..10_000).any(|_| add(100).is_err()));
}

#[test]
fn poll_lists_are_no_longer_than_a_call_has_handles() {
    let mut state = call(&[(Limit::Handles, 50)]);
    let mut guest = door(&mut state);
    let ready = monotonic_clock::Host::subscribe_instant(&mut guest, 0).expect("a pollable").rep();
    let list = |len: usize| (0..len).map(|_| Resource::new_borrow(ready)).collect();
    assert_eq!(wait(guest.poll(list(50))).expect("all are ready").len(), 50);
    assert_eq!(limit_of(&wait(guest.poll(list(51))).expect_err("too long")), Some(Limit::Handles));
    assert!(wait(guest.poll(list(0))).is_err(), "an empty list would wait for ever");
    let error = (0..100)
        .find_map(|_| monotonic_clock::Host::subscribe_duration(&mut guest, u64::MAX).err())
        .expect("a full table");
    assert_eq!(limit_of(&error), Some(Limit::Handles));
}

#[test]
fn a_stream_error_tells_nothing_of_the_host() {
    let mut state = call(&[]);
    let inner = std::io::Error::new(std::io::ErrorKind::NotFound, "/home/operator/secret/path");
    for error in [IoError::from(inner), wasmtime::format_err!("/home/operator/other")] {
        let error = state.table.push(error).expect("room").rep();
        let text = door(&mut state).to_debug_string(Resource::new_borrow(error)).expect("a text");
        assert!(!text.contains("operator") && !text.contains('/'), "{text}");
    }
}

#[test]
fn settings_are_those_of_the_policy() {
    let values = [("region".to_owned(), "eu".to_owned()), ("mode".to_owned(), "fast".to_owned())];
    let mut state = CallState::new(Setup { config: std::sync::Arc::new(values.into()), ..setup(&[]) });
    let mut guest = door(&mut state);
    assert_eq!(config::Host::keys(&mut guest).expect("keys"), ["mode", "region"]);
    assert_eq!(config::Host::get(&mut guest, "region".into()).expect("no trap").as_deref(), Some("eu"));
    assert_eq!(config::Host::get(&mut guest, "PATH".into()).expect("no trap"), None);
}

#[test]
fn kv_and_secrets_are_refused_with_words() {
    let mut state = call(&[]);
    let mut guest = door(&mut state);
    wait(async {
        let said = |error: kv::Error| matches!(error, kv::Error::NotGranted(text) if !text.is_empty());
        assert!(said(kv::Host::get(&mut guest, "../x\0".into()).await.expect("no trap").expect_err("refused")));
        assert!(said(
            kv::Host::set(&mut guest, "k".into(), vec![0; 1 << 20], None).await.expect("no trap").expect_err("refused")
        ));
        assert!(said(kv::Host::delete(&mut guest, "k".into()).await.expect("no trap").expect_err("refused")));
        assert!(said(
            kv::Host::list_keys(&mut guest, String::new(), None, u32::MAX)
                .await
                .expect("no trap")
                .expect_err("refused")
        ));
    });
    assert!(!secrets::Host::exists(&mut guest, "token".into()).expect("no trap"));
    assert_eq!(state.denied().len(), 5);
}
