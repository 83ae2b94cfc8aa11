//! What a call reaches outside the sandbox: its way to the network, and the secrets that go with it.
//!
//! Made of a grant for each call, and only where the grant has any: most calls have none and pay nothing. A secret is
//! looked up when the call begins, so a file that has changed is read by the next call and by none that runs.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use toolcell_core::{Limit, Limits};

use crate::boundary::Egress;
use crate::egress::{
    Door, EgressSession, HttpLimits, HttpMeter, NetworkGrant, Notes, Redact, RedactStream, Redirects, SecretGrant,
};
use crate::grant::{Grant, GrantedNetwork};
use crate::nested::Requests;
use crate::policy;
use crate::secrets::{Redactor, Secret, SecretName, SecretStore};

/// What the calls of a host have in common.
pub(crate) struct Outside {
    door: Option<Arc<Door>>,
    secrets: Arc<dyn SecretStore>,
    /// The names of no secrets.
    none: Arc<BTreeSet<String>>,
}

/// What one call has of it.
pub(crate) struct Reach {
    pub(crate) egress: Option<Egress>,
    /// The names of the secrets that are granted and there.
    pub(crate) secrets: Arc<BTreeSet<String>>,
}

impl Outside {
    pub(crate) fn new(door: Option<Arc<Door>>, secrets: Arc<dyn SecretStore>) -> Self {
        Self { door, secrets, none: Arc::default() }
    }

    /// What a call under this grant reaches.
    ///
    /// `above` is what the requests of the call have used that makes this one, if one does.
    pub(crate) fn reach(
        &self,
        grant: &Grant,
        limits: &Limits,
        above: Option<&Requests>,
        notes: impl FnOnce() -> Arc<dyn Notes>,
    ) -> Reach {
        if grant.network.is_empty() && grant.secrets.is_empty() {
            return Reach { egress: None, secrets: self.none.clone() };
        }
        let (mut granted, mut found) = (Vec::new(), Vec::new());
        for secret in grant.secrets.iter() {
            let Ok(name) = secret.from.parse::<SecretName>() else { continue };
            match self.secrets.get(&name) {
                Ok(Some(value)) => {
                    granted.push(SecretGrant {
                        name: secret.name.clone(),
                        destination: secret.destination.clone(),
                        placement: secret.placement.clone(),
                        value: value.clone(),
                    });
                    found.push((name, value));
                }
                Ok(None) => tracing::warn!(secret = %name, "a secret is granted and no store has it"),
                Err(error) => {
                    tracing::warn!(secret = %name, error = &error as &dyn std::error::Error, "a secret cannot be read");
                }
            }
        }
        let secrets = Arc::new(granted.iter().map(|secret| secret.name.clone()).collect());
        let egress = self.door.as_ref().filter(|_| !grant.network.is_empty()).map(|door| Egress {
            door: door.clone(),
            session: EgressSession {
                grants: grant.network.iter().map(network).collect(),
                secrets: granted.into(),
                limits: http_limits(limits),
                meter: Arc::new(
                    above.map_or_else(HttpMeter::default, |above| HttpMeter::within(above.meter.clone(), above.limits)),
                ),
                redact: (!found.is_empty()).then(|| Arc::new(Lazily::new(found)) as Arc<dyn Redact>),
                notes: notes(),
            },
        });
        Reach { egress, secrets }
    }
}

fn network(granted: &GrantedNetwork) -> NetworkGrant {
    NetworkGrant {
        rule: granted.rule.clone(),
        destination: granted.destination.clone(),
        methods: granted.methods.clone(),
        networks: granted.networks.clone(),
        redirects: match granted.redirects {
            policy::Redirects::Return => Redirects::Return,
            policy::Redirects::Follow => Redirects::Follow,
        },
    }
}

/// The limits of requests in the table's numbers. What the table does not name follows from what it does, or is the
/// door's own.
fn http_limits(limits: &Limits) -> HttpLimits {
    let received = limits.get(Limit::HttpReceivedBytes);
    let time = limits.duration(Limit::HttpTime);
    HttpLimits {
        requests: limits.get(Limit::HttpRequests),
        sent_bytes: limits.get(Limit::HttpSentBytes),
        received_bytes: received,
        // Heads, chunk headers and TLS come on top of what a body holds.
        wire_bytes: received.saturating_add(received / 8).saturating_add(1 << 20),
        head_bytes: usize::try_from(limits.get(Limit::HttpHeaderBytes)).unwrap_or(usize::MAX).max(MIN_HEAD),
        request_time: time,
        first_byte: time,
        ..HttpLimits::default()
    }
}

/// The smallest buffer that an HTTP/1.1 client of ours reads a head into, in bytes.
const MIN_HEAD: usize = 8 << 10;

/// A redactor that is made when a first secret has gone out: its automaton costs more than many a call.
struct Lazily {
    secrets: Vec<(SecretName, Arc<Secret>)>,
    made: OnceLock<Option<Redactor>>,
}

impl Lazily {
    fn new(secrets: Vec<(SecretName, Arc<Secret>)>) -> Self {
        Self { secrets, made: OnceLock::new() }
    }

    /// None where the secrets have more forms than an automaton may hold; then nothing is passed on at all.
    fn redactor(&self) -> Option<&Redactor> {
        let make = || Redactor::new(self.secrets.iter().map(|(name, secret)| (name, &**secret as _))).ok();
        self.made.get_or_init(make).as_ref()
    }
}

impl Redact for Lazily {
    fn bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        self.redactor().map_or(Cow::Borrowed(b""), |redactor| redactor.bytes(bytes))
    }

    fn longest(&self) -> usize {
        self.redactor().map_or(0, Redactor::longest)
    }

    fn stream(&self) -> Box<dyn RedactStream> {
        match self.redactor() {
            Some(redactor) => Box::new(redactor.stream()),
            None => Box::new(Withheld),
        }
    }
}

/// Passes nothing on.
struct Withheld;

impl RedactStream for Withheld {
    fn push(&mut self, _: Bytes) -> Bytes {
        Bytes::new()
    }

    fn finish(&mut self) -> Bytes {
        Bytes::new()
    }
}

impl RedactStream for crate::secrets::RedactStream {
    fn push(&mut self, bytes: Bytes) -> Bytes {
        Self::push(self, bytes)
    }

    fn finish(&mut self) -> Bytes {
        Self::finish(self)
    }
}
