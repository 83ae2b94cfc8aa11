//! Runs one call: prepare, session, invoke, finish.
//!
//! A session is a fresh Store and a fresh instance; it is dropped after its call, whatever the end, and nothing of it
//! lives on. A one-shot call is a session of one invocation.

use std::sync::Arc;
use std::time::Instant;

use toolcell_core::json::Json;
use toolcell_core::types::{Signature, Type};
use toolcell_core::{Failure, Kind, Limit, Limits};
use wasmtime::component::{Component as Compiled, ComponentExportIndex, Instance, InstancePre, Val};
use wasmtime::{Store, Trap, UpdateDeadline, WasmBacktrace};

use crate::boundary::{self, CallState, Exhausted, Exited, Fault, Offer};
use crate::catalog::{Component, Tool};
use crate::engine::Class;
use crate::guests::Ticking;
use crate::ledger::Ledger;
use crate::lifting::{self, Cost, Lifts};
use crate::schema::{self, Conclusion, FastArguments, FastPath, LiftBounds, LiftError, LowerError};

/// A component ready to be instantiated: compiled, its imports found, its exports looked up.
pub(crate) struct Prepared {
    pre: InstancePre<CallState>,
    /// Where each tool of the component is; none where it is not callable.
    tools: Vec<Option<ComponentExportIndex>>,
}

/// What is passed to a tool.
pub(crate) enum Passed {
    /// Values for any signature.
    Values(Vec<Val>),
    /// Texts and bytes, for a signature that has nothing else.
    Typed(Arc<FastPath>, FastArguments<'static>),
}

impl Passed {
    /// Checks arguments against a signature and turns them into values.
    pub(crate) fn check(
        signature: &Signature,
        fast: Option<&Arc<FastPath>>,
        arguments: &Json<'_>,
        limits: &Limits,
    ) -> Result<Self, LowerError> {
        match fast {
            Some(fast) => fast.arguments(arguments).map(|passed| Self::Typed(fast.clone(), passed.into_owned())),
            None => schema::lower(signature, arguments, limits.get(Limit::ArgumentValues)).map(Self::Values),
        }
    }

    /// What of a call's memory is left where these arguments are held beside it, as those of one guest for another are. Texts
    /// and bytes were counted where the guest passed them.
    pub(crate) fn beside(&self, limits: Limits) -> Limits {
        let Self::Values(values) = self else { return limits };
        let left = limits.get(Limit::Memory).saturating_sub(lifting::held(values)).max(1);
        limits.clone().with(Limit::Memory, left).unwrap_or(limits)
    }
}

impl Prepared {
    /// Links compiled code of a component whose imports are offered, as [`refuse_foreign_imports`] finds.
    pub(crate) fn new(class: &Class, code: &[u8], component: &Component) -> Result<Self, Box<Failure>> {
        let broken = |what: &str, error: &wasmtime::Error| {
            let name = &component.name;
            Box::new(
                Failure::new(Kind::BrokenComponent, format!("component `{name}` {what}"))
                    .detail(detail(&format!("{error:#}"))),
            )
        };
        // SAFETY: `code` is what our own engine of this class made from the component's bytes: it comes from the compiler
        // in this process, or from the code cache, which authenticates it under a key that no tenant can read.
        #[allow(unsafe_code, reason = "Wasmtime marks loading of compiled code as unsafe; the cache authenticates it")]
        let compiled = unsafe { Compiled::deserialize(&class.engine, code) };
        let compiled = compiled.map_err(|error| broken("has compiled code that this engine does not load", &error))?;
        let pre = class.linker.instantiate_pre(&compiled).map_err(|error| {
            let message =
                format!("component `{}` imports something in a shape that the host does not offer", component.name);
            Box::new(Failure::new(Kind::UnsupportedImport, message).detail(detail(&format!("{error:#}"))))
        })?;
        let find = |tool: &Tool| {
            tool.signature.as_ref().ok()?;
            let instance = match &tool.instance {
                Some(name) => Some(compiled.get_export_index(None, name.as_str())?),
                None => None,
            };
            compiled.get_export_index(instance.as_ref(), tool.function.as_str())
        };
        let tools = component.tools.iter().map(find).collect();
        Ok(Self { pre, tools })
    }
}

/// A component that imports what we do not offer is refused by name, with the nearest thing that we do offer.
///
/// It looks at names alone, so nothing is compiled for a component that could never run.
pub(crate) fn refuse_foreign_imports(component: &Component) -> Result<(), Box<Failure>> {
    let mut refused = Vec::new();
    for import in component.imports() {
        let hint = match boundary::offered(import) {
            Offer::Offered => continue,
            Offer::OtherVersion(ours) => format!("the host offers `{ours}`"),
            Offer::Wasi03 => "it is built for WASI 0.3; the host offers WASI 0.2".to_owned(),
            Offer::Unknown { nearest: Some(nearest) } => format!("the nearest that the host offers is `{nearest}`"),
            Offer::Unknown { nearest: None } => "the host offers nothing like it".to_owned(),
        };
        refused.push((schema::inert(import, 120), hint));
    }
    if refused.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = refused.iter().map(|(name, _)| format!("`{name}`")).collect();
    let message = format!("component `{}` imports {}, which the host does not offer", component.name, names.join(", "));
    let mut failure = Failure::new(Kind::UnsupportedImport, message);
    failure.hints = refused.into_iter().map(|(name, hint)| format!("`{name}`: {hint}.")).collect();
    Err(Box::new(failure))
}

/// A Store and an instance that serve one caller and are then gone.
pub(crate) struct Session {
    // The store is dropped before the ledger is sealed by `finish` or by the session's own drop.
    store: Option<Store<CallState>>,
    ledger: Option<Ledger>,
    limits: Limits,
    deadline: Instant,
    _ticking: Ticking,
}

impl Session {
    /// A Store with the limits of a call, nothing instantiated in it yet.
    pub(crate) fn new(
        prepared: &Prepared,
        state: CallState,
        limits: Limits,
        deadline: Instant,
        ledger: Ledger,
        ticking: Ticking,
    ) -> Self {
        let mut store = Store::new(prepared.pre.engine(), state);
        store.limiter(|state| &mut state.meter);
        store.set_fuel(limits.get(Limit::Fuel)).expect("every engine of ours consumes fuel");
        store.set_epoch_deadline(1);
        let time = limits.get(Limit::Time);
        store.epoch_deadline_callback(move |_| {
            if Instant::now() >= deadline {
                Err(Exhausted { limit: Limit::Time, value: time }.into())
            } else {
                Ok(UpdateDeadline::Yield(1))
            }
        });
        Self { store: Some(store), ledger: Some(ledger), limits, deadline, _ticking: ticking }
    }

    /// Instantiates, calls one function and concludes.
    pub(crate) async fn invoke(
        &mut self,
        prepared: &Prepared,
        tool: usize,
        signature: &Signature,
        cost: Cost,
        passed: Passed,
    ) -> Result<Conclusion, Box<Failure>> {
        let deadline = self.deadline;
        let time = self.limits.get(Limit::Time);
        let limits = self.limits.clone();
        let bounds = LiftBounds { bytes: limits.get(Limit::ResultBytes), values: limits.get(Limit::ResultValues) };
        let store = self.store.as_mut().expect("a session has its store until it is finished");
        let Some(index) = prepared.tools.get(tool).copied().flatten() else {
            return Err(Box::new(Failure::new(
                Kind::NotCallable,
                "the component does not export this function in a callable form",
            )));
        };
        let lifts = Lifts::new(&limits, cost);
        lifts.watch(store);
        let run = async {
            let instance: Instance = prepared.pre.instantiate_async(&mut *store).await?;
            let function = instance.get_func(&mut *store, index).ok_or_else(|| {
                wasmtime::format_err!("an export that was found in the component is not in its instance")
            })?;
            match passed {
                Passed::Typed(fast, arguments) => fast.call(&mut *store, &function, &arguments, bounds).await,
                Passed::Values(values) => {
                    let mut results = vec![Val::Bool(false); usize::from(signature.result.is_some())];
                    function.call_async(&mut *store, &values, &mut results).await?;
                    Ok(schema::conclude(signature, &results, bounds))
                }
            }
        };
        // The guest yields at every tick and is stopped by its own epoch; this stops a host function that waits.
        let ended = tokio::time::timeout_at(deadline.into(), run).await;
        match ended {
            Ok(Ok(Ok(conclusion))) => Ok(conclusion),
            Ok(Ok(Err(LiftError::Over { limit, value }))) => Err(Box::new(Failure::limit(limit, value))),
            Ok(Ok(Err(error @ LiftError::Mismatch))) => {
                Err(Box::new(Failure::new(Kind::HostFault, "the result cannot be read").detail(error.to_string())))
            }
            // A command says that it is done by exiting with success; whoever owes a value is not done by that.
            Ok(Err(error))
                if owes_nothing(signature) && error.downcast_ref::<Exited>().is_some_and(|exited| exited.ok()) =>
            {
                Ok(Conclusion::Value("null".to_owned()))
            }
            Ok(Err(error)) => {
                let result = || lifts.over(&store.data().meter, &limits);
                Err(Box::new(classify(&error, &limits, result)))
            }
            Err(_elapsed) => Err(Box::new(Failure::limit(Limit::Time, time))),
        }
    }

    /// Drops the store and hands back the ledger with what the call used.
    pub(crate) fn finish(mut self) -> Ledger {
        self.settle().expect("a session is finished once")
    }

    fn settle(&mut self) -> Option<Ledger> {
        let mut ledger = self.ledger.take()?;
        if let Some(mut store) = self.store.take() {
            let fuel = self.limits.get(Limit::Fuel) - store.get_fuel().unwrap_or(0);
            let state = store.data_mut();
            state.finish();
            let receipt = ledger.write();
            let argument_bytes = receipt.used.argument_bytes;
            receipt.used = state.used();
            receipt.used.argument_bytes = argument_bytes;
            receipt.used.fuel = fuel;
            receipt.host_calls = state.host_calls();
            receipt.origins = state.origins();
            receipt.denied = state.denied();
        }
        Some(ledger)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A call whose future was dropped: what it used is written down, then the ledger seals itself as cancelled.
        drop(self.settle());
    }
}

/// Whether a function has nothing to give but that it went well, as `wasi:cli/run.run` has.
fn owes_nothing(signature: &Signature) -> bool {
    match &signature.result {
        None => true,
        Some(Type::Result(sides)) => sides.ok.is_none(),
        Some(_) => false,
    }
}

/// Names what stopped a guest; `result` is the limit of a result that could not be lifted.
fn classify(error: &wasmtime::Error, limits: &Limits, result: impl Fn() -> Exhausted) -> Failure {
    if let Some(exhausted) = boundary::classify(error, limits) {
        if exhausted.limit != Limit::CrossingBytes {
            return Failure::limit(exhausted.limit, exhausted.value);
        }
        // What is raised while a guest runs comes with its frames; without them it was the result that was too much.
        if error.is::<WasmBacktrace>() {
            return Failure::limit(exhausted.limit, exhausted.value).hint(SMALLER_PARTS);
        }
        let Exhausted { limit, value } = result();
        return Failure::limit(limit, value).hint(SMALLER_RESULT);
    }
    if let Some(exited) = error.downcast_ref::<Exited>() {
        return Failure::new(Kind::Exited, format!("the tool ended the call by exiting ({exited})"));
    }
    if let Some(Fault { message, detail: why }) = error.downcast_ref::<Fault>() {
        return Failure::new(Kind::HostFault, *message).detail(detail(why));
    }
    let limit = |limit: Limit| Failure::limit(limit, limits.get(limit));
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => limit(Limit::Fuel),
        Some(Trap::StackOverflow) => limit(Limit::Stack),
        Some(Trap::Interrupt) => limit(Limit::Time),
        Some(Trap::AllocationTooLarge) => limit(Limit::Memory),
        Some(trap) => Failure::new(Kind::Trap, format!("the tool's code broke: {trap}"))
            .detail(detail(&format!("{error:?}")))
            .hint("The tool has a fault that these arguments reach; other arguments may not reach it."),
        None if error.is::<wasmtime::PoolConcurrencyLimitError>() => {
            Failure::new(Kind::HostFault, "the host has no free slot of the kind that this component needs")
                .detail(detail(&format!("{error:#}")))
        }
        // Not the tool's doing: the machine has no address space or memory left for a slot.
        None if error.chain().any(<dyn std::error::Error>::is::<std::io::Error>) => {
            Failure::new(Kind::HostFault, "the host could not get what it needs to run the call")
                .detail(detail(&format!("{error:#}")))
        }
        None => Failure::new(Kind::Trap, "the tool's code broke where it meets the host")
            .detail(detail(&format!("{error:?}"))),
    }
}

const SMALLER_PARTS: &str = "The tool passed more to a host function than one crossing carries; ask for less, so that it passes smaller parts, or \
    let the operator raise `crossing-bytes`.";

const SMALLER_RESULT: &str = "A result is held by the tool and by the host while it crosses; ask for a smaller one, or let the operator raise this \
    limit.";

/// What the engine says, for the operator. The names of functions and imports in it are the guest's words.
fn detail(text: &str) -> String {
    schema::inert_lines(text, MAX_DETAIL)
}

/// The longest detail, in bytes: sixteen frames with names of a sensible length.
const MAX_DETAIL: usize = 8 * 1024;

/// A prepared component is shared between calls.
pub(crate) type Shared = Arc<Prepared>;
