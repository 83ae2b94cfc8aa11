//! Gives the caller's own value where a call fails for good.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::Instant;
use toolcell_core::receipt::Used;
use toolcell_core::{Attempt, CallId, Events, Kind, Outcome, Then, ToolCall, Toolbox, Verdict};

use super::{CallOptions, Layered, Turn, micros, turn};

/// Puts a fallback value in the place of a failure, never in the place of a question or of a cancellation.
pub struct Fallback {
    inner: Arc<dyn Layered>,
}

impl Fallback {
    /// Around another layer; outside of all others, so that no fallback value is kept as a result of the tool.
    pub fn around(inner: Arc<dyn Layered>) -> Self {
        Self { inner }
    }
}

#[async_trait]
impl Layered for Fallback {
    async fn call_with(&self, call: ToolCall, options: &CallOptions, events: &dyn Events) -> Outcome {
        let Some(value) = &options.fallback else {
            return self.inner.call_with(call, options, events).await;
        };
        let (id, began) = (call.id, Instant::now());
        let mut outcome = self.inner.call_with(call, options, events).await;
        let kind = match (turn(&outcome), outcome.verdict.failure()) {
            (Turn::Again { .. } | Turn::Repairable | Turn::Over, Some(failure)) if failure.kind != Kind::Cancelled => {
                failure.kind
            }
            _ => return outcome,
        };
        // The receipt stays: it says what the call that failed has used, and so the attempt does not say it again.
        outcome.history.attempts.push(Attempt {
            call: outcome.receipt.as_ref().map_or(id, |sealed| sealed.receipt.call),
            kind,
            fingerprint: None,
            duration_us: micros(began.elapsed()),
            used: Used::default(),
            then: Then::FellBack,
        });
        outcome.verdict = Verdict::Completed { result: value.clone() };
        outcome
    }
}

#[async_trait]
impl Toolbox for Fallback {
    async fn call(&self, call: ToolCall, events: &dyn Events) -> Outcome {
        self.call_with(call, &CallOptions::default(), events).await
    }

    fn cancel(&self, call: CallId) -> bool {
        self.inner.cancel(call)
    }
}
