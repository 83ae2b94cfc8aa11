//! Leaves a tool alone that keeps failing, so that its callers lose no time and what it talks to can recover.
//!
//! It counts only what speaks about the tool or what is behind it: never bad arguments, denials, questions or cancellations.
//! Each tenant has its own circuit for a tool: one tenant's upstream says nothing of another's.

mod circuit;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use lru::LruCache;
use serde::Serialize;
use tokio::time::Instant;
use toolcell_core::{
    CallId, Directory, Events, Failure, Kind, Limit, Outcome, Tenant, ToolCall, ToolId, Toolbox, Verdict,
};

use self::circuit::{Circuit, Pass, Sign};
pub use self::circuit::{Rules, State};
use super::{CallOptions, Layered, millis};

/// Refuses the calls of a tool that keeps failing, for a while.
pub struct Breaker {
    inner: Arc<dyn Layered>,
    directory: Arc<dyn Directory>,
    rules: Rules,
    circuits: Mutex<LruCache<Whose, Arc<Mutex<Circuit>>>>,
}

/// Whose calls of which tool.
type Whose = (Tenant, ToolId);

/// How a tool's circuit is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct View {
    /// Whose calls they are.
    pub tenant: Tenant,
    /// The tool.
    pub tool: ToolId,
    /// Whether it is called.
    pub state: State,
    /// Calls that are remembered.
    pub calls: usize,
    /// How many of them speak against it.
    pub failures: usize,
    /// How long it is still left alone, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_ms: Option<u64>,
}

impl Breaker {
    /// Around another layer.
    pub fn around(inner: Arc<dyn Layered>, directory: Arc<dyn Directory>, rules: Rules) -> Self {
        Self { inner, directory, rules, circuits: Mutex::new(LruCache::unbounded()) }
    }

    /// Every circuit that is remembered, by tenant and tool.
    pub fn circuits(&self) -> Vec<View> {
        let circuits = self.circuits.lock().unwrap_or_else(PoisonError::into_inner);
        let all: Vec<_> = circuits.iter().map(|(key, circuit)| (key.clone(), circuit.clone())).collect();
        drop(circuits);
        let now = Instant::now();
        let view = |((tenant, tool), circuit): (Whose, Arc<Mutex<Circuit>>)| {
            let circuit = circuit.lock().unwrap_or_else(PoisonError::into_inner);
            let ((state, open), (calls, failures)) = (circuit.state(now), circuit.counts());
            View { tenant, tool, state, calls, failures, open_ms: open.map(millis) }
        };
        let mut views: Vec<View> = all.into_iter().map(view).collect();
        views.sort_unstable_by(|a, b| (&a.tenant, &a.tool).cmp(&(&b.tenant, &b.tool)));
        views
    }

    fn circuit(&self, tenant: &Tenant, tool: &ToolId) -> Arc<Mutex<Circuit>> {
        let mut circuits = self.circuits.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (tenant.clone(), tool.clone());
        if let Some(circuit) = circuits.get(&key) {
            return circuit.clone();
        }
        while circuits.len() >= self.rules.tracked.max(1) {
            circuits.pop_lru();
        }
        let circuit = Arc::new(Mutex::new(Circuit::new()));
        circuits.put(key, circuit.clone());
        circuit
    }
}

#[async_trait]
impl Layered for Breaker {
    async fn call_with(&self, call: ToolCall, options: &CallOptions, events: &dyn Events) -> Outcome {
        // What is no tool is refused inside, in better words, and names that callers make up are not remembered.
        let Ok(card) = self.directory.card(&call.tool, &call.tenant) else {
            return self.inner.call_with(call, options, events).await;
        };
        let circuit = self.circuit(&call.tenant, &card.id);
        let began = Instant::now();
        let admitted = circuit.lock().unwrap_or_else(PoisonError::into_inner).admit(&self.rules, began);
        let mut out = match admitted {
            Ok(pass) => Out { circuit: &circuit, rules: &self.rules, pass, sign: Sign::None },
            Err(wait) => {
                let wait = millis(wait).max(1);
                let message = format!("`{}` failed too often of late: it is not called for another {wait} ms", card.id);
                let mut failure = Failure::new(Kind::Unavailable, message);
                failure.retry_after_ms = Some(wait);
                return Outcome::unsealed(Verdict::of(failure));
            }
        };
        let outcome = self.inner.call_with(call, options, events).await;
        out.sign = sign(&outcome, &self.rules, began);
        outcome
    }
}

#[async_trait]
impl Toolbox for Breaker {
    async fn call(&self, call: ToolCall, events: &dyn Events) -> Outcome {
        self.call_with(call, &CallOptions::default(), events).await
    }

    fn cancel(&self, call: CallId) -> bool {
        self.inner.cancel(call)
    }
}

/// A call that was let through. It reports on drop, so that a probe whose caller is gone makes way for the next.
struct Out<'a> {
    circuit: &'a Mutex<Circuit>,
    rules: &'a Rules,
    pass: Pass,
    sign: Sign,
}

impl Drop for Out<'_> {
    fn drop(&mut self) {
        let mut circuit = self.circuit.lock().unwrap_or_else(PoisonError::into_inner);
        circuit.report(self.rules, self.pass, self.sign, Instant::now());
    }
}

/// What an outcome says of the tool.
fn sign(outcome: &Outcome, rules: &Rules, began: Instant) -> Sign {
    match outcome.verdict.failure().map(|failure| failure.kind) {
        None => Sign::Good,
        Some(Kind::Unavailable | Kind::Trap | Kind::HostFault) => Sign::Bad,
        Some(Kind::Limit(Limit::Time | Limit::HttpTime)) if began.elapsed() >= rules.patience => Sign::Bad,
        Some(_) => Sign::None,
    }
}

#[cfg(test)]
mod tests;
