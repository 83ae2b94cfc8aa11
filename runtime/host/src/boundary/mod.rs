//! The boundary: every host function passes here, and nothing is linked otherwise.
//!
//! Owns what one call may touch ([`CallState`], the data of its Store), the functions of WASI 0.2 and `toolcell:host`
//! that a guest can import, and the count of all that crosses. Refuses what the call has no grant for, with the
//! interface's own error where it has one, and notes the attempt for the receipt. It stands apart from the sandbox so
//! that there is one place to read when one asks what a guest can reach: `wasmtime-wasi` is never linked by its own
//! functions, only called from behind ours.
//!
//! A call without any grant has coarse time of its own, a generator of its own under a budget, no arguments, no
//! environment, no folders, no input; what it prints is log; leaving is an outcome; sockets and HTTP say "denied".

mod budget;
mod cli;
mod clocks;
mod crossing;

mod ends;
mod filesystem;
mod functions;
mod http;
mod io;
mod kv;
mod log;
mod meter;
mod offer;
mod offers;
mod outgoing;
mod random;
mod sockets;
mod tally;
#[cfg(test)]
mod tests;
mod toolbox;
mod weights;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::sync::Arc;

use chacha20::ChaCha12Rng;
use toolcell_core::manifest::Access;
use toolcell_core::receipt::{DeniedAttempt, Used};
use toolcell_core::{Event, Limit, Limits, UnixMillis};
use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::filesystem::WasiFilesystemCtx;
use wasmtime_wasi::p2::bindings::{
    cli as wasi_cli, clocks as wasi_clocks, filesystem as wasi_filesystem, random as wasi_random,
    sockets as wasi_sockets,
};
use wasmtime_wasi_http::WasiHttpCtx;
use wasmtime_wasi_http::p2::bindings::http as wasi_http;
use wasmtime_wasi_io::bindings::wasi::io as wasi_io;

pub use self::crossing::{Crossed, Door, Entry, Interceptor, WrongAnswer};
pub use self::ends::{Exhausted, Exited, Fault, Refused, classify};
pub use self::functions::{FUNCTIONS, FunctionId};
pub use self::kv::Kv;
pub use self::meter::Meter;
pub use self::offer::{Offer, offered};
pub use self::outgoing::Egress;
pub use self::tally::Tally;
pub use self::toolbox::{Called, Callees, NoResult};

use self::budget::{Budget, Shared};

/// Receives log lines and progress of one call, in order. It is called on the guest's thread and must not block.
pub type Sink = Box<dyn Fn(Event) + Send + Sync>;

/// A folder of the host at a place in the guest.
#[derive(Clone, Debug)]
pub struct Mount {
    /// Where the guest sees it.
    pub guest: String,
    /// The folder itself, held by descriptor since the policy was made: whatever its path leads to later, this is it.
    pub dir: Arc<File>,
    /// What may be done with it.
    pub access: Access,
}

impl Mount {
    /// Whether both are the same folder, held by the same descriptor at the same place.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.guest == other.guest && Arc::ptr_eq(&self.dir, &other.dir)
    }
}

/// What a call is given.
pub struct Setup {
    /// Its limits.
    pub limits: Limits,
    /// Its folders.
    pub mounts: Arc<[Mount]>,
    /// Its settings.
    pub config: Arc<BTreeMap<String, String>>,
    /// The wall-clock time at which it starts.
    pub started: UnixMillis,
    /// What its random numbers come from.
    pub randomness: Randomness,
    /// Who listens to its log and progress; none where nobody does.
    pub sink: Option<Sink>,
    /// Its way to the network; none where it may send nothing.
    pub egress: Option<Egress>,
    /// Its key-value store; none where it has none.
    pub kv: Option<Kv>,
    /// The names of the secrets that it is granted and that are there.
    pub secrets: Arc<BTreeSet<String>>,
    /// Who runs the tools that it calls; none where it may call none.
    pub callees: Option<Arc<dyn Callees>>,
    /// Who sees, answers or refuses its host calls; none where they take their course.
    pub interceptor: Option<Box<dyn Interceptor>>,
}

/// What random numbers come from: a key that nobody can guess, and a stream that no other call has. `ChaCha` is a
/// pseudorandom function of both, so that what one call sees of its stream says nothing of another's.
#[derive(Clone)]
pub struct Randomness {
    /// Shared by the calls of a host.
    pub key: Arc<[u8; 32]>,
    /// Of this call alone.
    pub stream: u64,
}

/// How many different denied attempts a receipt tells apart. The reasons are ours, so this is far more than there are;
/// an interceptor can bring its own.
const MAX_DENIED: usize = 64;

/// The data of a Store: all that one call may touch.
///
/// It is made for each call, so it allocates nothing until the call uses something.
pub struct CallState {
    /// Memory, tables and instances; give it to [`wasmtime::Store::limiter`].
    pub meter: Meter,
    budget: Budget,
    current: FunctionId,
    denied: Vec<DeniedAttempt>,
    table: ResourceTable,
    interceptor: Option<Box<dyn Interceptor>>,
    shared: Option<Arc<Shared>>,
    sink: Option<Sink>,
    clock: clocks::CallClock,
    randomness: Randomness,
    generator: Option<Box<ChaCha12Rng>>,
    mounts: Arc<[Mount]>,
    config: Arc<BTreeMap<String, String>>,
    filesystem: WasiFilesystemCtx,
    http: WasiHttpCtx,
    egress: outgoing::Outgoing,
    kv: Option<Kv>,
    secrets: Arc<BTreeSet<String>>,
    callees: Option<Arc<dyn Callees>>,
}

impl CallState {
    /// The state at the beginning of a call; its time begins now.
    pub fn new(setup: Setup) -> Self {
        let Setup { limits, mounts, config, started, randomness, sink, egress, kv, secrets, callees, interceptor } =
            setup;
        let mut table = ResourceTable::new();
        table.set_max_capacity(usize::try_from(limits.get(Limit::Handles)).unwrap_or(usize::MAX));
        Self {
            meter: Meter::new(&limits),
            current: const { FunctionId::of("wasi:cli/environment", "get-environment") },
            denied: Vec::new(),
            table,
            interceptor,
            shared: None,
            sink,
            clock: clocks::CallClock::new(started, &limits),
            randomness,
            generator: None,
            mounts,
            config,
            filesystem: WasiFilesystemCtx::default(),
            http: http::context(),
            egress: outgoing::Outgoing::new(egress),
            kv,
            secrets,
            callees,
            budget: Budget::new(limits),
        }
    }

    /// Ends the lines that the guest has begun and not ended. Call it once, when the guest has stopped.
    pub fn finish(&mut self) {
        if let Some(shared) = &self.shared {
            shared.finish();
        }
    }

    /// What the call has used so far. Fuel and the bytes of arguments and result are not known here and are zero.
    pub fn used(&self) -> Used {
        let mut used = Used {
            memory: self.meter.peak_memory(),
            host_calls: self.budget.host_calls,
            host_bytes: self.budget.host_bytes,
            random_bytes: self.budget.random_bytes,
            nested_calls: self.callees.as_ref().map_or(0, |callees| callees.tally().used()),
            ..Used::default()
        };
        self.egress.used(&mut used);
        if let Some(shared) = &self.shared {
            let log = shared.log();
            (used.log_bytes, used.log_lines) = (log.bytes, log.lines);
            used.file_read_bytes = shared.read.used();
            used.file_write_bytes = shared.written.used();
        }
        used
    }

    /// How often each host function was called.
    pub fn host_calls(&self) -> BTreeMap<Cow<'static, str>, u64> {
        self.budget.by_function()
    }

    /// Where its requests went, and how many.
    pub fn origins(&self) -> BTreeMap<String, u64> {
        self.egress.origins()
    }

    /// What the call has tried and was refused.
    pub fn denied(&mut self) -> Vec<DeniedAttempt> {
        // Refusals of requests come from beside the guest; they are told apart and counted like all others.
        self.current = const { FunctionId::of("wasi:http/outgoing-handler", "handle") };
        for reason in self.egress.take_denied() {
            self.deny(reason);
        }
        self.denied.clone()
    }

    /// The limit that was reached where the guest meets the host, if one was. Fuel and time are not seen here.
    pub fn exhausted(&self) -> Option<Limit> {
        let shared = || self.shared.as_ref().and_then(|shared| shared.exhausted());
        let sent = || self.egress.over().map(|over| over.limit);
        self.budget.exhausted.or_else(|| self.meter.exhausted()).or_else(shared).or_else(sent)
    }

    /// Notes that the host function which is running was refused. Past [`MAX_DENIED`] different ones, the last place
    /// counts the others.
    fn deny(&mut self, reason: impl Into<Cow<'static, str>>) {
        let (function, reason) = (self.current.name(), reason.into());
        if let Some(known) = self.denied.iter_mut().find(|known| known.function == function && known.reason == reason) {
            known.count += 1;
        } else if self.denied.len() < MAX_DENIED - 1 {
            self.denied.push(DeniedAttempt { function: function.into(), reason, count: 1 });
        } else if let Some(others) = self.denied.get_mut(MAX_DENIED - 1) {
            others.count += 1;
        } else {
            self.denied.push(DeniedAttempt {
                function: "others".into(),
                reason: "more kinds of attempts than are told apart".into(),
                count: 1,
            });
        }
    }

    fn shared(&mut self) -> &Arc<Shared> {
        self.shared.get_or_insert_with(|| Arc::new(Shared::new(&self.budget.limits, self.sink.take())))
    }
}

/// What stands behind the door where the work is ours.
struct Inner<'a>(&'a mut CallState);

struct HasDoor;

impl HasData for HasDoor {
    type Data<'a> = Door<'a>;
}

/// Links every host function there is, and none otherwise.
///
/// # Errors
/// Where something of the same name is linked already.
pub fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    macro_rules! interfaces {
        ($($interface:path $(, $options:expr)?;)*) => {{
            $({
                use $interface as interface;
                interface::add_to_linker::<CallState, HasDoor>(linker, $($options,)? |state| Door(state))?;
            })*
        }};
    }
    interfaces! {
        wasi_io::error;
        wasi_io::poll;
        wasi_io::streams;
        wasi_cli::environment;
        wasi_cli::exit;
        wasi_cli::stdin;
        wasi_cli::stdout;
        wasi_cli::stderr;
        wasi_cli::terminal_input;
        wasi_cli::terminal_output;
        wasi_cli::terminal_stdin;
        wasi_cli::terminal_stdout;
        wasi_cli::terminal_stderr;
        wasi_clocks::monotonic_clock;
        wasi_clocks::wall_clock;
        wasi_clocks::timezone, wasi_clocks::timezone::LinkOptions::default().clocks_timezone(true);
        wasi_filesystem::types;
        wasi_filesystem::preopens;
        wasi_random::random;
        wasi_random::insecure;
        wasi_random::insecure_seed;
        wasi_sockets::network, wasi_sockets::network::LinkOptions::default().network_error_code(true);
        wasi_sockets::instance_network;
        wasi_sockets::ip_name_lookup;
        wasi_sockets::tcp;
        wasi_sockets::tcp_create_socket;
        wasi_sockets::udp;
        wasi_sockets::udp_create_socket;
        wasi_http::types, wasi_http::types::LinkOptions::default().informational_outbound_responses(true);
        wasi_http::outgoing_handler;
        offers::log;
        offers::progress;
        offers::config;
        offers::kv;
        offers::secrets;
        offers::types;
    }
    toolbox::link(linker)
}
