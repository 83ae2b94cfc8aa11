//! What is known of a tool before any call of it: its grant, its gate, what runs it.
//!
//! It follows from the component, which never changes, and from the policy, so it is kept with the component, for the
//! policy it was made of, and goes with either.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use tokio::sync::Semaphore;
use toolcell_core::{Card, Tenant};

use crate::catalog::Tool;
use crate::grant::Grant;
use crate::lifting::Cost;
use crate::sandbox::{Prepared, Shared};
use crate::schema::{self, FastPath};

/// What is known of one tool under one policy.
pub(crate) struct Known {
    /// The number of the policy.
    epoch: u64,
    /// Whom it holds for; none where policy does not tell tenants apart.
    tenant: Option<Tenant>,
    pub(crate) grant: Arc<Grant>,
    /// How it is called without a value for each byte, where its signature allows that.
    pub(crate) fast: Option<Arc<FastPath>>,
    /// What its result costs while it is lifted.
    pub(crate) cost: Cost,
    /// Its gate among all calls of this host.
    pub(crate) gate: Arc<Semaphore>,
    /// What runs it, as long as that stays in memory for other reasons.
    run_by: Mutex<Weak<Prepared>>,
    /// What callers may know of it; none where it is not callable.
    card: OnceLock<Option<Arc<Card>>>,
}

impl Known {
    pub(crate) fn new(epoch: u64, tenant: Option<Tenant>, tool: &Tool, grant: Grant, gate: Arc<Semaphore>) -> Self {
        let signature = tool.signature.as_ref().ok();
        let fast = signature.and_then(schema::fast_path).map(Arc::new);
        let cost = Cost::of(signature.and_then(|signature| signature.result.as_ref()), fast.as_deref());
        let (run_by, card) = (Mutex::default(), OnceLock::new());
        Self { epoch, tenant, grant: Arc::new(grant), fast, cost, gate, run_by, card }
    }

    /// What callers may know of the tool, made once.
    pub(crate) fn card(&self, make: impl FnOnce() -> Option<Card>) -> Option<Arc<Card>> {
        self.card.get_or_init(|| make().map(Arc::new)).clone()
    }

    /// What runs the tool, if that takes no work.
    pub(crate) fn ready(&self) -> Option<Shared> {
        self.run_by.lock().unwrap_or_else(PoisonError::into_inner).upgrade()
    }

    /// Remembers what runs the tool.
    pub(crate) fn is_run_by(&self, prepared: &Shared) {
        *self.run_by.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(prepared);
    }
}

/// A place for what is known of each tool of a component, for one tenant after the other.
pub(crate) struct Places(Box<[Mutex<Vec<Arc<Known>>>]>);

/// Tenants for whom a tool is known at one time. Names of tenants may be chosen by callers; beyond this number it is found
/// out again.
const MAX_TENANTS: usize = 64;

impl Places {
    /// Places for so many tools, with nothing known yet.
    pub(crate) fn new(tools: usize) -> Self {
        Self((0..tools).map(|_| Mutex::default()).collect())
    }

    /// What is known of a tool for a tenant under the policy of this number; it is made where nothing is.
    /// What cannot be made is not remembered.
    pub(crate) fn of<E>(
        &self,
        tool: usize,
        epoch: u64,
        tenant: &Tenant,
        make: impl FnOnce() -> Result<Known, E>,
    ) -> Result<Arc<Known>, E> {
        let place = || self.0[tool].lock().unwrap_or_else(PoisonError::into_inner);
        let fits =
            |known: &Arc<Known>| known.epoch == epoch && known.tenant.as_ref().is_none_or(|known| known == tenant);
        if let Some(known) = place().iter().find(|known| fits(known)) {
            return Ok(known.clone());
        }
        // Not under the lock: a signature may have to be checked, over all of the component's bytes.
        let made = Arc::new(make()?);
        let mut place = place();
        place.retain(|known| known.epoch >= epoch);
        if place.len() >= MAX_TENANTS {
            place.clear();
        }
        place.push(made.clone());
        Ok(made)
    }
}
