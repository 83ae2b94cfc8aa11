//! Makes components ready to run: code from the cache or the compiler, linked, and kept as long as there is room.
//!
//! Apart from the host, because making a component ready goes on when the caller that wanted it is gone, and must not keep the host
//! alive: when that goes, compilations under way are ended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use toolcell_core::{Digest, Failure, Kind};

use crate::catalog::Component;
use crate::code::{Code, CodeStore, EngineClass};
use crate::engine::Engines;
use crate::sandbox::{Prepared, Shared};

/// Components that stay linked in memory. Each holds its code, from a hundred kilobytes to tens of megabytes.
const MAX_PREPARED: usize = 256;

/// Where components are made ready.
pub(crate) struct Workshop {
    engines: Arc<Engines>,
    code: CodeStore,
    prepared: Mutex<Ready>,
}

/// Components that are linked, each with the number of the request that was the last to ask for it.
#[derive(Default)]
struct Ready {
    linked: HashMap<(Digest, EngineClass), (Shared, u64)>,
    requests: u64,
}

impl Workshop {
    pub(crate) fn new(engines: Arc<Engines>, code: CodeStore) -> Self {
        Self { engines, code, prepared: Mutex::default() }
    }

    /// Ends compilations under way, and begins no more.
    pub(crate) fn close(&self) {
        self.code.close();
    }

    /// Makes a component ready. It blocks for as long as compiling takes.
    pub(crate) fn prepare(&self, component: &Component, class: EngineClass) -> Result<Shared, Box<Failure>> {
        let code = self.code(component, class)?;
        let ready = match self.link(component, class, &code) {
            // What fits no slot of the pool is allocated for each call instead.
            Err(failure) if class == EngineClass::Standard && failure.kind == Kind::BrokenComponent => {
                let code = self.code(component, EngineClass::Oversized)?;
                self.link(component, EngineClass::Oversized, &code)?
            }
            linked => linked?,
        };
        self.remember((component.digest, class), &ready);
        Ok(ready)
    }

    /// A component that is ready already.
    pub(crate) fn remembered(&self, key: (Digest, EngineClass)) -> Option<Shared> {
        let ready = &mut *self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        ready.requests += 1;
        let (linked, asked) = ready.linked.get_mut(&key)?;
        *asked = ready.requests;
        Some(linked.clone())
    }

    fn code(&self, component: &Component, class: EngineClass) -> Result<Code, Box<Failure>> {
        let code = self.code.obtain(component, class, || self.engines.class(class).map(|class| class.fingerprint));
        code.map_err(|error| Box::new(error.failure()))
    }

    fn link(&self, component: &Component, class: EngineClass, code: &Code) -> Result<Shared, Box<Failure>> {
        let class =
            self.engines.class(class).map_err(|error| Box::new(Failure::new(Kind::HostFault, error.to_string())))?;
        Prepared::new(class, code, component).map(Arc::new)
    }

    fn remember(&self, key: (Digest, EngineClass), linked: &Shared) {
        let ready = &mut *self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if ready.linked.len() >= MAX_PREPARED {
            // The one that nobody has asked for the longest goes; its calls in flight keep it alive.
            if let Some(oldest) = ready.linked.iter().min_by_key(|(_, (_, asked))| *asked).map(|(key, _)| *key) {
                ready.linked.remove(&oldest);
            }
        }
        ready.linked.insert(key, (linked.clone(), ready.requests));
    }
}
