//! The host: what is open while a process serves calls, and what it can be asked.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::Semaphore;
use toolcell_core::kv::KvStore;
use toolcell_core::types::Signature;
use toolcell_core::{CallId, Clock, Digest, Failure, Kind, Tenant, ToolId};

use crate::admission::{Admission, Width};
use crate::catalog::{self, Catalog, Component, Snapshot, Tool, Watch};
use crate::code::{CodeCache, CodeKey, CodeStore, Compile, EngineClass};
use crate::compile::{Child, Compiler, InProcess};
use crate::egress::Door;
use crate::engine::{Engines, PoolSize};
use crate::grant::{Approval, Approvals, Grant, grant};
use crate::guests::{Guests, Threads};
use crate::known::Known;
use crate::ledger::Left;
use crate::outside::Outside;
use crate::policy::{Policy, Review, Signer, Subject};
use crate::receipts::{self, ReceiptLog};
use crate::sandbox::{Shared, refuse_foreign_imports};
use crate::secrets::SecretStore;
use crate::witness::Witness;
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
    /// What was reviewed and approved; it counts where policy requires it.
    pub approvals: BTreeMap<ToolId, Approval>,
    /// The way of tools to the network; without one, no tool has any.
    pub door: Option<Arc<Door>>,
    /// Where secrets are looked up.
    pub secrets: Arc<dyn SecretStore>,
    /// Where tools keep their keys and values; without one, no tool has a store.
    pub kv: Option<Arc<dyn KvStore>>,
    /// The folder of the audit log; without one, nothing is recorded but receipts.
    pub audit: Option<PathBuf>,
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
    /// The audit log.
    #[error("cannot open the audit log")]
    Audit(#[from] crate::audit::AuditError),
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
    pub(crate) inflight: Mutex<HashMap<CallId, Arc<Left>>>,
    /// The key of all random numbers that guests get.
    pub(crate) secret: Arc<[u8; 32]>,
    /// What calls reach outside their sandbox.
    pub(crate) outside: Outside,
    /// Counts the calls; each has the stream of its number.
    pub(crate) serial: AtomicU64,
    pub(crate) kv: Option<Arc<dyn KvStore>>,
    pub(crate) witness: Witness,
    rules: RwLock<Arc<Rules>>,
    workshop: Arc<Workshop>,
    /// How many components are made ready at one time.
    compilers: Arc<tokio::sync::Semaphore>,
    /// Counts the policies there have been: what is known of a tool holds for one of them.
    epoch: AtomicU64,
}

impl Host {
    /// Opens a host: looks at the folders, starts the guests' threads, continues the receipt log.
    ///
    /// # Errors
    /// Where the engine, the folders for code and receipts, or threads cannot be had. A broken component is no error.
    pub fn open(settings: Settings) -> Result<Self, OpenError> {
        let nested = settings.pool.nested();
        let engines = Arc::new(Engines::new(PoolSize { slots: settings.pool.slots.saturating_add(nested) }));
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
        let witness = Witness::open(settings.audit.as_deref(), &settings.clock, settings.policy.digest())?;
        let receipts = Arc::new(ReceiptLog::open(&settings.receipts, receipts::Options::new(settings.clock.clone()))?);
        let guests = Guests::new(settings.threads, &engines).map_err(OpenError::Threads)?;
        let width = Width { host: settings.width.host.min(settings.pool.slots as usize), ..settings.width };
        Ok(Self(Arc::new(Inner {
            guests,
            catalog: Catalog::open(settings.tools, catalog::Options::new(settings.clock.clone())),
            admission: Admission::new(width, settings.pool.nested() as usize),
            receipts,
            clock: settings.clock,
            inflight: Mutex::default(),
            secret: Arc::new(secret),
            outside: Outside::new(settings.door, settings.secrets),
            serial: AtomicU64::new(0),
            kv: settings.kv,
            witness,
            rules: RwLock::new(Arc::new(Rules { policy: settings.policy, approvals: settings.approvals })),
            workshop: Arc::new(Workshop::new(engines, CodeStore::new(cache, compiler))),
            compilers: Arc::new(Semaphore::new(settings.threads.guests.div_ceil(2).max(1))),
            epoch: AtomicU64::new(0),
        })))
    }

    /// What is in the folders now, as far as the host has looked.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.catalog.snapshot()
    }

    /// Looks at the folders once.
    pub fn look(&self) -> catalog::Changes {
        let changes = self.0.catalog.look();
        self.0.looked(&changes);
        changes
    }

    /// Looks at the folders again and again until the value is dropped. What has changed is recorded as for [`Host::look`].
    ///
    /// # Errors
    /// Where there is no thread to be had.
    pub fn watch(&self, interval: std::time::Duration) -> std::io::Result<Watch> {
        // The watch is no reason for a host to live on.
        let host = Arc::downgrade(&self.0);
        self.0.catalog.watch(interval, move |changes| {
            if let Some(host) = host.upgrade() {
                host.looked(changes);
            }
        })
    }

    /// Replaces the policy. Calls in flight keep the grant they have. That it was replaced is on disk in the audit log when this
    /// returns; where the log does not take it, it is replaced all the same, and only what cannot be recorded is not granted.
    pub fn set_policy(&self, policy: Policy) {
        self.0.witness.reloaded(policy.digest(), vec!["the policy was replaced".to_owned()]);
        self.0.change_rules(|rules| Rules { policy, approvals: rules.approvals.clone() });
        // Not before: what a policy takes away does not wait for a disk.
        self.0.witness.settle();
    }

    /// Replaces the approvals, as [`Host::set_policy`] does the policy.
    pub fn set_approvals(&self, approvals: BTreeMap<ToolId, Approval>) {
        self.0.witness.reloaded(self.0.policy_digest(), vec!["the approvals were replaced".to_owned()]);
        self.0.change_rules(|rules| Rules { policy: rules.policy.clone(), approvals });
        self.0.witness.settle();
    }

    /// What a tool would be granted now, for a person to read.
    ///
    /// # Errors
    /// Where no such tool is there, or the audit log does not take that it is granted something.
    pub fn explain(&self, tool: &str) -> Result<Arc<Grant>, Box<Failure>> {
        let (component, index) = self.snapshot().resolve(tool, None)?;
        Ok(self.0.known(&component, index, &Tenant::default())?.grant.clone())
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
        let known = self.0.known(&component, index, &Tenant::default())?;
        self.0.prepared(&component, &known).await.map(drop)
    }

    /// Signs and syncs the receipts up to now. A process does so before it ends: dropping a host does it too, but only
    /// when the last call has let go of it.
    ///
    /// # Errors
    /// Where the checkpoint cannot be written.
    pub fn settle(&self) -> Result<(), receipts::CheckpointError> {
        self.0.witness.settle();
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

/// All that a grant follows from on the operator's side.
struct Rules {
    policy: Policy,
    approvals: BTreeMap<ToolId, Approval>,
}

impl Inner {
    fn policy_digest(&self) -> Digest {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).policy.digest()
    }

    fn change_rules(&self, change: impl FnOnce(&Rules) -> Rules) {
        let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        *rules = Arc::new(change(&rules));
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }

    /// Records what a look found.
    fn looked(&self, changes: &catalog::Changes) {
        self.witness.looked(changes, || self.policy_digest());
    }

    /// The grant and the typed path of a tool.
    ///
    /// # Errors
    /// Where a grant cannot be recorded. Nothing is remembered then, and the next call tries again.
    pub(crate) fn known(
        &self,
        component: &Component,
        tool: usize,
        tenant: &Tenant,
    ) -> Result<Arc<Known>, Box<Failure>> {
        // Read before the policy: whoever changes it counts afterwards, so nothing made of the old one passes for new.
        let epoch = self.epoch.load(Ordering::SeqCst);
        component.known.of(tool, epoch, tenant, || {
            let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner).clone();
            let tool = &component.tools[tool];
            let whom = rules.policy.tenant_matters().then(|| tenant.clone());
            let grant = grant_of(component, tool, tenant, &rules.policy, &rules.approvals);
            self.witness.granted(tool, component.digest, &grant)?;
            Ok(Known::new(epoch, whom, tool, grant, self.admission.tool(&tool.id)))
        })
    }

    /// A component that is ready to run: from memory, from the code cache, or compiled now.
    pub(crate) async fn prepared(
        self: &Arc<Self>,
        component: &Arc<Component>,
        known: &Known,
    ) -> Result<Shared, Box<Failure>> {
        if let Some(ready) = known.ready() {
            return Ok(ready);
        }
        let made = self.prepared_anew(component, known).await?;
        known.is_run_by(&made);
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
        // A panic that takes the host with it is no end in order.
        if !std::thread::panicking() {
            self.witness.stopped("the host was closed");
        }
    }
}

/// What a tool would be granted under a policy, without a host. Reads the component and its signature where a rule asks
/// for a signer.
pub fn grant_of(
    component: &Component,
    tool: &Tool,
    tenant: &Tenant,
    policy: &Policy,
    approvals: &BTreeMap<ToolId, Approval>,
) -> Grant {
    let unsigned = Subject { tool: &tool.id, component: component.digest, signers: &[], tenant };
    let signers = signers(component, &unsigned, policy);
    let subject = Subject { signers: &signers, ..unsigned };
    let approvals = match policy.review() {
        Review::NotRequired => Approvals::NotRequired,
        // One of all of them: the others are other tools' business, and there may be many.
        Review::Required => Approvals::Required(
            approvals.get_key_value(&tool.id).map(|(id, own)| (id.clone(), own.clone())).into_iter().collect(),
        ),
    };
    grant(&subject, component.manifest.as_ref().zip(component.manifest_digest), policy, &approvals)
}

/// The keys of a policy that have signed a component. A signature that does not hold counts like none at all.
fn signers(component: &Component, subject: &Subject<'_>, policy: &Policy) -> Vec<Signer> {
    let keys: Vec<Signer> = policy.signers(subject).into_iter().cloned().collect();
    if keys.is_empty() {
        return Vec::new();
    }
    component.signers(&keys).unwrap_or_else(|reason| {
        tracing::debug!(component = %component.name, %reason, "the component does not count as signed");
        Vec::new()
    })
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
