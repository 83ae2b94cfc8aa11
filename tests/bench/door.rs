//! What policy and the door cost a call: the same work with and without them, in one run.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Full};
use serde_json::json;
use toolcell_core::{Arguments, CallId, Silent, ToolCall, Toolbox as _};
use toolcell_host::egress::{
    Body, Door, EgressSession, HttpLimits, HttpMeter, NetworkGrant, Notes, Redirects, SystemResolver, Tcp, Timeouts,
    Tls, Unrecorded,
};
use toolcell_host::{Host, Policy};

use crate::Times;
use crate::support::{Cell, TestClock, run};

/// Calls under a policy of very many rules against calls under none. A grant is made once and kept, so the first call
/// pays for all of them.
pub(crate) fn policy(host: &Host, rounds: usize) {
    const RULES: usize = 1_000;
    let arguments = Arguments::from_text(json!({ "value": "x".repeat(100) }).to_string()).unwrap();
    let measure = || {
        let (host, arguments) = (host.clone(), arguments.clone());
        run(host.guest_threads().spawn(async move {
            let mut times = Times::new(rounds);
            for round in 0..rounds + rounds / 10 {
                let call = ToolCall::new(CallId(round as u128 + (1 << 50)), "echo.text", arguments.clone());
                let began = Instant::now();
                let outcome = host.call(call, &Silent).await;
                times.push(began.elapsed());
                assert!(outcome.verdict.result().is_some(), "{outcome:?}");
            }
            times
        }))
        .unwrap()
    };
    let mut without = measure();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.toml");
    let rule = |n: usize| {
        format!(
            "[[rule]]\nname = \"rule {n}\"\ntools = [\"tool-{n}\", \"echo\"]\n\
             network = [{{ url = \"https://host-{n}.example.com/v1/\", methods = [\"GET\"] }}]\n"
        )
    };
    let text: String = std::iter::once("version = 1\n".to_owned()).chain((0..RULES).map(rule)).collect();
    std::fs::write(&file, text).unwrap();
    let began = Instant::now();
    let loaded = Policy::load(&file).unwrap();
    let load = began.elapsed();
    host.set_policy(loaded);
    let began = Instant::now();
    host.explain("echo.text").unwrap();
    let grant = began.elapsed();
    let mut with = measure();
    host.set_policy(Policy::deny_all());
    println!("read a policy of {RULES} rules:        {:>10}", super::show(load));
    println!("make a grant of all of them:         {:>10}", super::show(grant));
    println!(
        "call without and with it, p50:       {:>7.1} and {:.1} µs   {:.2} times",
        without.at(50),
        with.at(50),
        with.at(50) / without.at(50)
    );
}

/// A request through the door against the same request by the bare client that the door uses, to the same server.
pub(crate) fn door(rounds: usize) {
    let rounds = rounds.min(2_000);
    let at = serve();
    let door = Arc::new(Door::new(
        Arc::new(SystemResolver::default()),
        Arc::new(Tcp),
        Tls::new(Arc::new(TestClock::at(4_000_000_000_000)), &[]).unwrap(),
    ));
    let session = EgressSession {
        grants: [NetworkGrant {
            rule: "a rule".to_owned(),
            destination: format!("http://{at}/").parse().unwrap(),
            methods: toolcell_core::net::Methods::parse(["GET"]).unwrap(),
            networks: vec!["127.0.0.0/8".parse().unwrap()],
            redirects: Redirects::Return,
        }]
        .into(),
        secrets: Arc::new([]),
        limits: HttpLimits { requests: u64::MAX, lookups: u64::MAX, ..HttpLimits::default() },
        meter: Arc::new(HttpMeter::default()),
        redact: None,
        notes: Arc::new(Unheard),
    };
    let (mut bare, mut through, mut denied) = run(async {
        let (mut bare, mut through, mut denied) = (Times::new(rounds), Times::new(rounds), Times::new(rounds));
        for _ in 0..rounds + rounds / 10 {
            let began = Instant::now();
            assert_eq!(ask(at).await, "ok");
            bare.push(began.elapsed());
            let began = Instant::now();
            let answer = door.send(&session, request(at, "/"), Timeouts::default()).await.unwrap();
            assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "ok");
            through.push(began.elapsed());
            let began = Instant::now();
            let other: SocketAddr = "127.0.0.1:9".parse().unwrap();
            assert!(door.send(&session, request(other, "/"), Timeouts::default()).await.is_err());
            denied.push(began.elapsed());
        }
        (bare, through, denied)
    });
    println!(
        "request, bare and through the door:  {:>7.0} and {:.0} µs   {:.2} times (p50, connection included)",
        bare.at(50),
        through.at(50),
        through.at(50) / bare.at(50)
    );
    println!("request that is denied:              {:>7.1} µs (p50)", denied.at(50));
    whole(at, rounds);
}

/// The same request by a tool in its sandbox.
fn whole(at: SocketAddr, rounds: usize) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.toml");
    let text = format!(
        "version = 1\n[[rule]]\nname = \"loopback\"\ntools = [\"reach\"]\n\
         network = [{{ url = \"http://{at}/\", methods = [\"GET\"], addresses = [\"127.0.0.0/8\"] }}]\n"
    );
    std::fs::write(&file, text).unwrap();
    let cell = Cell::arranged(&["tests/red_team/guests/reach"], Policy::load(&file).unwrap(), |settings| {
        settings.door = Some(Arc::new(Door::new(
            Arc::new(SystemResolver::default()),
            Arc::new(Tcp),
            Tls::new(settings.clock.clone(), &[]).unwrap(),
        )));
    });
    // The manifest is a ceiling: one beside the component asks for what the benchmark sends.
    let manifest = format!(
        "name = \"reach\"\nversion = \"0.1.0\"\n[capabilities]\n\
         network = [{{ url = \"http://{at}/\", methods = [\"GET\"] }}]\n"
    );
    std::fs::write(cell.tools().join("reach.toml"), manifest).unwrap();
    cell.settle();
    let arguments = json!({ "request": {
        "method": "GET", "scheme": "http", "authority": at.to_string(), "target": "/", "fields": [], "trailers": [],
    }});
    let mut times = Times::new(rounds);
    run(async {
        for _ in 0..rounds + rounds / 10 {
            let began = Instant::now();
            cell.result("reach.send", &arguments).await;
            times.push(began.elapsed());
        }
    });
    println!("call of a tool that sends it:        {:>7.0} µs (p50)", times.at(50));
}

fn request(at: SocketAddr, path: &str) -> http::Request<Body> {
    let body = Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync();
    http::Request::get(format!("http://{at}{path}")).body(body).unwrap()
}

/// By hyper alone, one connection, as the door has it.
async fn ask(at: SocketAddr) -> Bytes {
    let stream = tokio::net::TcpStream::connect(at).await.unwrap();
    let (mut send, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
    let driver = tokio::spawn(connection);
    let request = http::Request::get("/").header("host", at.to_string()).body(Full::<Bytes>::default()).unwrap();
    let answer = send.send_request(request).await.unwrap();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    driver.abort();
    bytes
}

/// A server that answers `ok` to whatever it is sent, one connection after the other.
fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
            let (mut head, mut buffer) = (Vec::new(), [0; 4_096]);
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                match stream.read(&mut buffer) {
                    Ok(read) if read > 0 => head.extend_from_slice(&buffer[..read]),
                    _ => break,
                }
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
        }
    });
    at
}

struct Unheard;

impl Notes for Unheard {
    fn denied(&self, _: &str) {}

    fn secret_used(&self, _: &str, _: &str) -> Result<(), Unrecorded> {
        Ok(())
    }
}
