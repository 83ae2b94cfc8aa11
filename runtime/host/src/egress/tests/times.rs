//! Servers that take their time. The clock of these tests stands still until everything waits.

use std::time::Duration;

use super::*;

/// A world in which something never happens.
struct Never;

#[async_trait]
impl Resolver for Never {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        std::future::pending().await
    }
}

#[async_trait]
impl Dial for Never {
    async fn dial(&self, _: SocketAddr) -> io::Result<Box<dyn Stream>> {
        std::future::pending().await
    }
}

fn tls() -> Tls {
    Tls::new(Arc::new(Fixed(0)), &[]).expect("no settings to be wrong")
}

fn phase(result: &Result<String, EgressError>) -> Option<Phase> {
    match result {
        Err(EgressError::Timeout(phase)) => Some(*phase),
        _ => None,
    }
}

/// A body of which nothing comes and that does not end.
struct Unending;

impl http_body::Body for Unending {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, BodyError>>> {
        std::task::Poll::Pending
    }
}

/// Sends one byte of this at a time, far apart; then nothing, and stays.
fn trickles(answer: impl Into<Vec<u8>>, pause: Duration) -> Server {
    let answer = Arc::new(answer.into());
    server(move |mut stream, log| {
        let answer = answer.clone();
        async move {
            read_request(&mut stream, &log).await.expect("a request");
            for byte in answer.iter() {
                tokio::time::sleep(pause).await;
                if stream.write_all(&[*byte]).await.is_err() {
                    return;
                }
            }
            std::future::pending::<()>().await;
        }
    })
}

#[tokio::test(start_paused = true)]
async fn lookups_connections_and_handshakes_share_the_time_for_connecting() {
    let world = Arc::new(World::new().name("example.com", &[&[PUBLIC, OTHER]]));
    let log = world.log.clone();
    let silent = server(|stream, _| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    });
    let (secured, _) = World::new().name("example.com", &[&[PUBLIC]]).server(PUBLIC, silent).open();
    let grants = [grant("http://example.com/", &["GET"]), grant("https://example.com/", &["GET"])];
    let session = session(&log, grants);
    for (door, url) in
        [(Door::new(Arc::new(Never), Arc::new(Never), tls()), "http://example.com/"), (secured, "https://example.com/")]
    {
        let began = tokio::time::Instant::now();
        assert_eq!(phase(&outcome(&door, &session, get(url)).await), Some(Phase::Connect));
        assert_eq!(began.elapsed().as_secs(), 10);
    }
    // Each of several addresses has its share, so that the last one is tried too.
    let door = Door::new(world, Arc::new(Never), tls());
    let result = outcome(&door, &session, get("http://example.com/")).await;
    assert!(matches!(result, Err(EgressError::Connect { .. } | EgressError::Timeout(Phase::Connect))), "{result:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_or_hints_for_ever_meets_the_time_for_the_first_byte() {
    let interim = "HTTP/1.1 102 Processing\r\n\r\n".repeat(1000);
    for slow in [
        trickles("", Duration::from_secs(1)),
        trickles("HTTP/1.1 200 OK\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", Duration::from_secs(1)),
        trickles(interim, Duration::from_millis(200)),
    ] {
        let (door, log) = World::one(slow);
        let began = tokio::time::Instant::now();
        assert_eq!(
            phase(&outcome(&door, &open_session(&log), get("http://example.com/")).await),
            Some(Phase::FirstByte)
        );
        assert_eq!(began.elapsed().as_secs(), 30);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_or_trickles_has_an_end() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    let stops = server(move |mut stream, log| async move {
        read_request(&mut stream, &log).await.expect("a request");
        stream.write_all(format!("{head}some").as_bytes()).await.expect("a reader");
        std::future::pending::<()>().await;
    });
    let drips = server(move |mut stream, log| async move {
        read_request(&mut stream, &log).await.expect("a request");
        stream.write_all(head.as_bytes()).await.expect("a reader");
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
    });
    for (slow, expected, seconds) in [(stops, Phase::Idle, 15), (drips, Phase::Request, 60)] {
        let (door, log) = World::one(slow);
        let began = tokio::time::Instant::now();
        assert_eq!(phase(&outcome(&door, &open_session(&log), get("http://example.com/")).await), Some(expected));
        assert_eq!(began.elapsed().as_secs(), seconds);
    }
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_pauses_is_not_taken_for_a_silent_server() {
    let (door, log) = World::one(answers(ok("", &vec![b'x'; 200_000])));
    let mut response = send(&door, &open_session(&log), get("http://example.com/")).await.expect("it is answered");
    assert!(response.body_mut().frame().await.is_some_and(|frame| frame.is_ok()));
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert!(text(response).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_guest_may_ask_for_less_time_and_not_for_more() {
    let ask = |seconds| Some(Duration::from_secs(seconds));
    for (asked, spent) in [(5, 5), (3600, 30)] {
        let (door, log) = World::one(trickles("", Duration::from_secs(1)));
        let timeouts = Timeouts { connect: ask(asked), first_byte: ask(asked), between_bytes: ask(asked) };
        let began = tokio::time::Instant::now();
        let result = door.send(&open_session(&log), get("http://example.com/"), timeouts).await;
        assert!(matches!(result, Err(EgressError::Timeout(Phase::FirstByte))));
        assert_eq!(began.elapsed().as_secs(), spent);
    }
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_never_ends_its_body_meets_the_time_of_the_request() {
    let (door, log) = World::one(answers(ok("", b"")));
    let request = Request::post("http://example.com/").body(Unending.boxed_unsync()).expect("a request");
    assert_eq!(phase(&outcome(&door, &open_session(&log), request).await), Some(Phase::Request));
    assert!(log.saw_nothing());
}
