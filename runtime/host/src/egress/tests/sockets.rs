//! TLS with authorities of the test, and real sockets.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use super::*;

/// A certificate authority of the test.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A TLS server with a certificate for this name from 2026 to 2028 that answers `answer`.
    fn server(&self, name: &str, alpn: &[&str], answer: Vec<u8>) -> Server {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2028, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("versions").with_no_client_auth();
        let mut config =
            config.with_single_cert(vec![certificate.der().clone()], key).expect("a certificate and its key");
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        server(move |stream, log| {
            let (acceptor, answer) = (acceptor.clone(), answer.clone());
            async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let name = stream.get_ref().1.server_name().unwrap_or("no name").to_owned();
                let mut read = vec![0; 4096];
                let length = stream.read(&mut read).await.unwrap_or(0);
                let text = format!("{name} {}", String::from_utf8_lossy(&read[..length]));
                log.requests.lock().expect("no panic holds it").push(text);
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
            }
        })
    }
}

fn world(authority: &Authority, server: Server) -> World {
    let world = World::new().name("example.com", &[&[PUBLIC]]).server(PUBLIC, server);
    World { authorities: vec![authority.pem.clone()], ..world }
}

async fn ask(world: World) -> (Result<String, EgressError>, Arc<Log>) {
    let (door, log) = world.open();
    let session = session(&log, [grant("https://example.com/", &["GET"])]);
    (outcome(&door, &session, get("https://example.com/x")).await, log)
}

fn tls_detail(result: &Result<String, EgressError>) -> &str {
    match result {
        Err(EgressError::Tls { detail, .. }) => detail,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_host_that_proves_its_name_is_asked_by_that_name() {
    let authority = Authority::new("ours");
    for alpn in [&["http/1.1"][..], &[], &["h2", "http/1.1"]] {
        let (result, log) = ask(world(&authority, authority.server("example.com", alpn, ok("", b"secured")))).await;
        assert_eq!(result.ok().as_deref(), Some("secured"));
        assert!(
            log.requests()[0].starts_with("example.com GET /x HTTP/1.1\r\nhost: example.com\r\n"),
            "{:?}",
            log.requests()
        );
        assert_eq!(log.dialled(), ["93.184.216.34:443"]);
    }
}

#[tokio::test]
async fn a_host_that_does_not_prove_its_name_is_not_asked() {
    let (authority, stranger) = (Authority::new("ours"), Authority::new("a stranger's"));
    let server = |name: &str| authority.server(name, &["http/1.1"], ok("", b""));
    for (world, why) in [
        (world(&authority, server("other.example")), "its certificate is for another name"),
        (world(&authority, server("www.example.com")), "its certificate is for another name"),
        (world(&stranger, server("example.com")), "its certificate was issued by an authority that is not trusted"),
        (
            World { authorities: vec![], ..world(&authority, server("example.com")) },
            "its certificate was issued by an authority that is not trusted",
        ),
        (World { time: 1_900_000_000_000, ..world(&authority, server("example.com")) }, "its certificate has expired"),
        (
            World { time: 1_700_000_000_000, ..world(&authority, server("example.com")) },
            "its certificate is not valid yet",
        ),
        (world(&authority, authority.server("example.com", &["h2"], vec![])), "it ended the handshake with an alert"),
    ] {
        let (result, log) = ask(world).await;
        assert_eq!(tls_detail(&result), why);
        assert_eq!(log.requests(), [""; 0], "{why}");
    }
}

#[tokio::test]
async fn what_does_not_speak_tls_gets_no_request() {
    let authority = Authority::new("ours");
    let plain = server(|mut stream, _| async move {
        let _ = stream.write_all(&ok("", b"in the clear")).await;
    });
    let closes = server(|stream, _| async move { drop(stream) });
    for server in [plain, closes] {
        let (result, _) = ask(world(&authority, server)).await;
        assert!(matches!(result, Err(EgressError::Tls { .. })), "{result:?}");
    }
}

#[tokio::test]
async fn a_flood_within_the_handshake_is_charged() {
    let authority = Authority::new("ours");
    // Handshake records that are empty but for their own heads.
    let floods =
        server(
            |mut stream, _| async move { while stream.write_all(&[22, 3, 3, 0, 1, 0].repeat(1000)).await.is_ok() {} },
        );
    let (door, log) = world(&authority, floods).open();
    let limits = HttpLimits { wire_bytes: 50_000, ..HttpLimits::default() };
    let session = EgressSession { limits, ..session(&log, [grant("https://example.com/", &["GET"])]) };
    assert!(outcome(&door, &session, get("https://example.com/x")).await.is_err());
    assert!(session.meter.wire_bytes() <= 50_000);
}

#[test]
fn authorities_that_are_none_are_refused() {
    for pem in
        ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\n"]
    {
        let refused = Tls::new(Arc::new(Fixed(0)), &[pem.as_bytes()]);
        assert!(matches!(refused, Err(TlsError::Authority { index: 0, .. })), "{pem:?}");
    }
    let good = Authority::new("ours");
    assert!(matches!(
        Tls::new(Arc::new(Fixed(0)), &[good.pem.as_bytes(), b"hello"]),
        Err(TlsError::Authority { index: 1, .. })
    ));
}

#[tokio::test]
async fn a_real_socket_is_dialled_where_a_rule_names_its_network() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut read = vec![0; 4096];
            let _ = stream.read(&mut read).await;
            let _ = stream.write_all(&ok("", b"over a socket")).await;
        }
    });
    let log = Arc::new(Log::default());
    let tls = Tls::new(Arc::new(Fixed(0)), &[]).expect("no settings to be wrong");
    let door = Door::new(Arc::new(SystemResolver::default()), Arc::new(Tcp), tls);
    let url = format!("http://127.0.0.1:{port}/");
    let shut = session(&log, [grant(&url, &["GET"])]);
    let result = outcome(&door, &shut, get(&url)).await;
    assert!(matches!(result, Err(EgressError::Denied { by: DeniedBy::Address, rule_hint: Some(_), .. })), "{result:?}");
    let loopback = NetworkGrant { networks: vec!["127.0.0.0/8".parse().expect("a network")], ..grant(&url, &["GET"]) };
    let open = session(&log, [loopback]);
    assert_eq!(outcome(&door, &open, get(&url)).await.ok().as_deref(), Some("over a socket"));
}

#[tokio::test]
async fn the_systems_resolver_answers_for_this_machine() {
    let resolver = SystemResolver::default();
    let addresses = resolver.resolve("localhost").await.expect("every machine has it");
    assert!(addresses.iter().all(|address| class(*address) == Class::Loopback), "{addresses:?}");
}
