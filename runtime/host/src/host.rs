//! The host: what is open while a process serves calls, and what it can be asked.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use tokio::sync::Semaphore;
use toolcell_core::types::Signature;
use toolcell_core::{CallId, Clock, Digest, Failure, Kind, ToolId};

use crate::admission::{Admission, Width};
use crate::catalog::{self, Catalog, Component, Snapshot, Tool, Watch};
use crate::code::{CodeCache, CodeKey, CodeStore, Compile, EngineClass};
use crate::compile::{Child, Compiler, InProcess};
use crate::engine::{Engines, PoolSize};
use crate::grant::{Grant, grant};
use crate::guests::{Guests, Threads};
use crate::policy::Policy;
use crate::receipts::{self, ReceiptLog};
use crate::sandbox::{Prepared, Shared, refuse_foreign_imports};
use crate::schema::{self, FastPath};
use crate::workshop::Workshop;

/// Everything a host needs to know, as values: it reads no environment and finds no folder by itself.
pub struct Settings {
    /// Folders of components, the first one first where two hold the same name.
    pub tools: Vec<PathBuf>,
    /// Where compiled code is kept; none keeps nothing beyond the process.
    pub code_cache: Option<PathBuf>,
    /// The key that authenticates compiled code.
    pub code_key: PathBuf,
    /// Who compiles.
    pub compiler: Compiler,
    /// Where receipts go.
    pub receipts: PathBuf,
    /// What is allowed.
    pub policy: Policy,
    /// How many calls at one time.
    pub width: Width,
    /// How large the engine's pool is.
    pub pool: PoolSize,
    /// How many threads guests have.
    pub threads: Threads,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// A host that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The engine.
    #[error(transparent)]
    Engine(#[from] crate::engine::EngineError),
    /// The code cache or its key.
    #[error("cannot open the cache of compiled code")]
    Code(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The receipt log.
    #[error("cannot open the receipt log")]
    Receipts(#[from] crate::receipts::OpenError),
    /// The operating system gave no threads.
    #[error("cannot start the guests' threads")]
    Threads(#[source] std::io::Error),
    /// The operating system gave no random bytes.
    #[error("the operating system gives no random bytes: {0}")]
    Random(getrandom::Error),
}

/// What is in some folders, without a host: nothing is opened that a look does not need.
pub fn look(folders: Vec<PathBuf>, clock: Arc<dyn Clock>) -> Arc<Snapshot> {
    Catalog::open(folders, catalog::Options::new(clock)).snapshot()
}

/// Runs tools. Cloning shares it.
#[derive(Clone)]
pub struct Host(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) guests: Guests,
    pub(crate) catalog: Catalog,
    pub(crate) admission: Admission,
    pub(crate) receipts: Arc<ReceiptLog>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) inflight: Mutex<HashMap<CallId, Arc<tokio::sync::Notify>>>,
    /// The seed of all seeds that guests get.
    pub(crate) secret: [u8; 32],
    /// Counts the calls that got one.
    pub(crate) serial: AtomicU64,
    policy: RwLock<Arc<Policy>>,
    workshop: Arc<Workshop>,
    /// How many components are made ready at one time.
    compilers: Arc<tokio::sync::Semaphore>,
    /// What follows from a tool, its bytes and its manifest alone holds until the policy changes.
    known: Mutex<HashMap<KnownBy, Known>>,
}

/// Tools whose grant is remembered.
const MAX_KNOWN: usize = 10_000;

/// The tool, its component's bytes and its manifest's.
type KnownBy = (ToolId, Digest, Option<Digest>);

/// What is known of a tool before any call of it.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) grant: Arc<Grant>,
    /// How it is called without a value for each byte, where its signature allows that.
    pub(crate) fast: Option<Arc<FastPath>>,
    /// Its gate among all calls of this host.
    pub(crate) gate: Arc<Semaphore>,
    /// What runs it, as long as that stays in memory for other reasons.
    ready: Arc<Mutex<Weak<Prepared>>>,
}

impl Host {
    /// Opens a host: looks at the folders, starts the guests' threads, continues the receipt log.
    ///
    /// # Errors
    /// Where the engine, the folders for code and receipts, or threads cannot be had. A broken component is no error.
    pub fn open(settings: Settings) -> Result<Self, OpenError> {
        let engines = Arc::new(Engines::new(settings.pool));
        let compiler: Arc<dyn Compile> = match &settings.compiler {
            Compiler::InProcess => Arc::new(InProcess::new(engines.clone())),
            Compiler::Child { program, arguments, limits } => {
                Arc::new(Child::new(program.clone(), arguments.clone(), *limits))
            }
        };
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(OpenError::Random)?;
        let cache = match &settings.code_cache {
            Some(folder) => {
                if let Some(parent) = settings.code_key.parent() {
                    std::fs::create_dir_all(parent).map_err(|error| OpenError::Code(error.into()))?;
                }
                let key = CodeKey::load_or_create(&settings.code_key).map_err(|error| OpenError::Code(error.into()))?;
                Some(CodeCache::open(folder, key).map_err(|error| OpenError::Code(error.into()))?)
            }
            None => None,
        };
        let receipts = Arc::new(ReceiptLog::open(&settings.receipts, receipts::Options::new(settings.clock.clone()))?);
        let guests = Guests::new(settings.threads, &engines).map_err(OpenError::Threads)?;
        let width = Width { host: settings.width.host.min(settings.pool.slots as usize), ..settings.width };
        Ok(Self(Arc::new(Inner {
            guests,
            catalog: Catalog::open(settings.tools, catalog::Options::new(settings.clock.clone())),
            admission: Admission::new(width),
            receipts,
            clock: settings.clock,
            inflight: Mutex::default(),
            secret,
            serial: AtomicU64::new(0),
            policy: RwLock::new(Arc::new(settings.policy)),
            workshop: Arc::new(Workshop::new(engines, CodeStore::new(cache, compiler))),
            compilers: Arc::new(Semaphore::new(settings.threads.guests.div_ceil(2).max(1))),
            known: Mutex::default(),
        })))
    }

    /// What is in the folders now, as far as the host has looked.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.catalog.snapshot()
    }

    /// Looks at the folders once.
    pub fn look(&self) -> catalog::Changes {
        self.0.catalog.look()
    }

    /// Looks at the folders again and again until the value is dropped.
    ///
    /// # Errors
    /// Where there is no thread to be had.
    pub fn watch(&self, interval: std::time::Duration) -> std::io::Result<Watch> {
        self.0.catalog.watch(interval)
    }

    /// Replaces the policy. Calls in flight keep the grant they have.
    pub fn set_policy(&self, policy: Policy) {
        *self.0.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What a tool would be granted now, for a person to read.
    ///
    /// # Errors
    /// Where no such tool is there.
    pub fn explain(&self, tool: &str) -> Result<Arc<Grant>, Box<Failure>> {
        let (component, index) = self.snapshot().resolve(tool, None)?;
        Ok(self.0.known(&component, &component.tools[index]).grant)
    }

    /// The signature of a tool.
    ///
    /// # Errors
    /// Where no such tool is there, or it cannot be called.
    pub fn signature(&self, tool: &str) -> Result<Signature, Box<Failure>> {
        let (component, index) = self.snapshot().resolve(tool, None)?;
        component.tools[index]
            .signature
            .clone()
            .map_err(|not| Box::new(Failure::new(Kind::NotCallable, not.reason.clone())))
    }

    /// Compiles a tool's component if nobody has, so that its first call need not wait for that.
    ///
    /// # Errors
    /// Where no such tool is there, or its component cannot be compiled or linked.
    pub async fn warm(&self, tool: &str) -> Result<(), Box<Failure>> {
        let (component, index) = self.snapshot().resolve(tool, None)?;
        let known = self.0.known(&component, &component.tools[index]);
        self.0.prepared(&component, &known).await.map(drop)
    }

    /// Signs and syncs the receipts up to now. A process does so before it ends: dropping a host does it too, but only
    /// when the last call has let go of it.
    ///
    /// # Errors
    /// Where the checkpoint cannot be written.
    pub fn settle(&self) -> Result<(), receipts::CheckpointError> {
        self.0.receipts.checkpoint().map(drop)
    }

    /// The receipt log.
    pub fn receipts(&self) -> &ReceiptLog {
        &self.0.receipts
    }

    /// A handle to the guests' threads. What runs there calls tools without changing threads; it must not block.
    pub fn guest_threads(&self) -> tokio::runtime::Handle {
        self.0.guests.handle().clone()
    }
}

impl Inner {
    /// The grant and the typed path of a tool.
    pub(crate) fn known(&self, component: &Component, tool: &Tool) -> Known {
        let key = (tool.id.clone(), component.digest, component.manifest_digest);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(&key) {
            return known.clone();
        }
        let policy = self.policy.read().unwrap_or_else(PoisonError::into_inner).clone();
        let made = Known {
            grant: Arc::new(grant(&tool.id, component.digest, component.manifest.as_ref(), &policy)),
            fast: tool.signature.as_ref().ok().and_then(schema::fast_path).map(Arc::new),
            gate: self.admission.tool(&tool.id),
            ready: Arc::default(),
        };
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(key, made.clone());
        made
    }

    /// Whether a component is ready without any work.
    pub(crate) fn is_ready(known: &Known) -> bool {
        known.ready.lock().unwrap_or_else(PoisonError::into_inner).strong_count() > 0
    }

    /// A component that is ready to run: from memory, from the code cache, or compiled now.
    pub(crate) async fn prepared(
        self: &Arc<Self>,
        component: &Arc<Component>,
        known: &Known,
    ) -> Result<Shared, Box<Failure>> {
        let ready = || known.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ready) = ready().upgrade() {
            return Ok(ready);
        }
        let made = self.prepared_anew(component, known).await?;
        *ready() = Arc::downgrade(&made);
        Ok(made)
    }

    async fn prepared_anew(
        self: &Arc<Self>,
        component: &Arc<Component>,
        known: &Known,
    ) -> Result<Shared, Box<Failure>> {
        let class = class_of(component, &known.grant)?;
        let key = (component.digest, class);
        if let Some(ready) = self.workshop.remembered(key) {
            return Ok(ready);
        }
        refuse_foreign_imports(component)?;
        // Compiling takes cores for seconds. It has threads of its own, few at one time, so that it never takes those that
        // guests run on or that file calls wait in.
        let turn = self.compilers.clone().acquire_owned().await.expect("the compilers' turns are never closed");
        // Whoever had the turn before may have wanted the same.
        if let Some(ready) = self.workshop.remembered(key) {
            return Ok(ready);
        }
        let (workshop, component) = (self.workshop.clone(), component.clone());
        let (send, receive) = tokio::sync::oneshot::channel();
        let thread = std::thread::Builder::new().name("toolcell-prepare".to_owned()).spawn(move || {
            let ready = workshop.prepare(&component, class);
            // The turn ends with the work and not with the caller, who may be gone: then nobody receives, and what was made
            // ready is remembered all the same.
            drop((workshop, turn));
            let _ = send.send(ready);
        });
        thread.map_err(|error| {
            Box::new(
                Failure::new(Kind::HostFault, "the host has no thread to make the component ready")
                    .detail(error.to_string()),
            )
        })?;
        receive.await.map_err(|_| {
            Box::new(Failure::new(
                Kind::BrokenComponent,
                "the component could not be made ready because the compiler broke",
            ))
        })?
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // A compilation that nobody can get the result of any more need not come to its end.
        self.workshop.close();
    }
}

/// The engine class of a component; the extended one needs a rule.
fn class_of(component: &Component, grant: &Grant) -> Result<EngineClass, Box<Failure>> {
    let class = component.class();
    if class == EngineClass::Extended && !grant.extended {
        let message = format!(
            "component `{}` needs garbage collection or exceptions in the engine, and no rule allows that",
            component.name
        );
        return Err(Box::new(
            Failure::new(Kind::NotGranted, message).hint("Run it with `--extended-engine`, or allow it in policy."),
        ));
    }
    Ok(class)
}
