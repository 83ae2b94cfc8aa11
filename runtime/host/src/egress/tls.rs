//! TLS to the destinations: whom it trusts and what it says.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, IpAddr, ServerName, UnixTime};
use tokio_rustls::TlsConnector;
use toolcell_core::Clock;
use toolcell_core::net::{Host, Target};

use super::EgressError;
use super::error::of_io;
use super::limits::Metered;

/// The most certificates of further authorities.
const MAX_AUTHORITIES: usize = 512;

/// How connections to destinations are secured. Made once.
pub struct Tls {
    connector: TlsConnector,
}

/// Settings that TLS cannot be made of.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Not PEM, or no certificate that can sign others.
    #[error("certificate authority {index} cannot be read: {detail}; give a PEM file of certificates")]
    Authority {
        /// Which of the given files, from 0.
        index: usize,
        /// What is wrong.
        detail: String,
    },
    /// Over 512 of them.
    #[error("more than {MAX_AUTHORITIES} further certificate authorities")]
    TooMany,
    /// The cryptography has no protocol in common with itself, which no build of it has.
    #[error("TLS cannot be set up: {0}")]
    Provider(rustls::Error),
}

impl Tls {
    /// TLS 1.2 and 1.3 that trusts Mozilla's authorities and these, each the text of a PEM file.
    ///
    /// # Errors
    /// Where a file holds no certificate, or one that is none.
    pub fn new(clock: Arc<dyn Clock>, authorities: &[&[u8]]) -> Result<Self, TlsError> {
        let mut roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        for (index, pem) in authorities.iter().enumerate() {
            let refuse = |detail: String| TlsError::Authority { index, detail };
            let before = roots.len();
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|error| refuse(error.to_string()))?;
                roots.add(certificate).map_err(|error| refuse(error.to_string()))?;
                if roots.len() > webpki_roots::TLS_SERVER_ROOTS.len() + MAX_AUTHORITIES {
                    return Err(TlsError::TooMany);
                }
            }
            if roots.len() == before {
                return Err(refuse("there is no certificate in it".to_owned()));
            }
        }
        let builder = ClientConfig::builder_with_details(Arc::new(ring::default_provider()), Arc::new(Time(clock)));
        let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::Provider)?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        // HTTP/2 has more ways to cost us something than one request at a time needs.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A ticket would tell a server that two tenants are the same host, and one tenant when another was there.
        config.resumption = Resumption::disabled();
        Ok(Self { connector: TlsConnector::from(Arc::new(config)) })
    }

    /// Secures a connection to the host of the target; the certificate has to be for that name.
    pub(super) async fn connect(
        &self,
        target: &Target,
        stream: Metered,
    ) -> Result<tokio_rustls::client::TlsStream<Metered>, EgressError> {
        let name = target.host.to_string();
        let server = match &target.host {
            Host::Name(name) => ServerName::try_from(name.clone()).ok(),
            Host::Ip(address) => Some(ServerName::IpAddress(IpAddr::from(*address))),
        };
        let Some(server) = server else {
            return Err(EgressError::Tls { name, detail: "no certificate can name it".to_owned() });
        };
        self.connector.connect(server, stream).await.map_err(|error| match of_io(Some(&error)) {
            Some(over) => EgressError::Over(over),
            None => EgressError::Tls { name, detail: words(&error).to_owned() },
        })
    }
}

/// What went wrong, in our own words: those of the other end are not passed on.
fn words(error: &io::Error) -> &'static str {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(problem)) => match problem {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired",
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "its certificate is for another name"
            }
            CertificateError::UnknownIssuer => "its certificate was issued by an authority that is not trusted",
            CertificateError::Revoked => "its certificate was revoked",
            _ => "its certificate is not valid",
        },
        Some(rustls::Error::AlertReceived(_)) => "it ended the handshake with an alert",
        Some(rustls::Error::PeerIncompatible(_)) => "it has no TLS version or cipher in common with us",
        Some(_) => "it does not speak TLS as the standard has it",
        None => "the connection was closed during the handshake",
    }
}

/// The clock as rustls asks for it.
struct Time(Arc<dyn Clock>);

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Time")
    }
}

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(self.0.now().0)))
    }
}
