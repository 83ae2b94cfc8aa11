//! Ends an attempt that takes longer than it may.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use toolcell_core::{CallId, Clock, Events, Failure, Kind, Limit, Outcome, ToolCall, Toolbox, Verdict};

use super::{CallOptions, Layered, cancel, deadline};

/// Gives an attempt the time that its caller gives it, waiting for a slot included, and none beyond the caller's deadline.
pub struct Timeout {
    inner: Arc<dyn Layered>,
    clock: Arc<dyn Clock>,
}

impl Timeout {
    /// Around another layer. The clock is the one that callers' deadlines are written in.
    pub fn around(inner: Arc<dyn Layered>, clock: Arc<dyn Clock>) -> Self {
        Self { inner, clock }
    }
}

#[async_trait]
impl Layered for Timeout {
    async fn call_with(&self, call: ToolCall, options: &CallOptions, events: &dyn Events) -> Outcome {
        let began = Instant::now();
        let own = options.timeout.and_then(|span| began.checked_add(span));
        let deadline = deadline(&call, &*self.clock);
        let Some(until) = own.into_iter().chain(deadline).min() else {
            return self.inner.call_with(call, options, events).await;
        };
        let span = until.saturating_duration_since(began);
        if span.is_zero() {
            return Outcome::unsealed(Verdict::of(
                out_of_time(span).hint("Nothing was called: the time was over before."),
            ));
        }
        let id = call.id;
        let mut running = pin!(self.inner.call_with(call, options, events));
        tokio::select! {
            biased;
            outcome = &mut running => return outcome,
            () = tokio::time::sleep_until(until) => {}
        }
        let failure = out_of_time(span).hint("Give it more time, or ask for less.");
        match cancel::stop(&*self.inner, id, running).await {
            // That we cancelled it is no news to the caller; that the time was over is. The receipt is the attempt's own.
            Some(mut outcome) if outcome.verdict.failure().is_some_and(|failure| failure.kind == Kind::Cancelled) => {
                outcome.verdict = Verdict::of(failure);
                outcome
            }
            // It came to its own end meanwhile.
            Some(outcome) => outcome,
            None => Outcome::unsealed(Verdict::of(failure)),
        }
    }
}

#[async_trait]
impl Toolbox for Timeout {
    async fn call(&self, call: ToolCall, events: &dyn Events) -> Outcome {
        self.call_with(call, &CallOptions::default(), events).await
    }

    fn cancel(&self, call: CallId) -> bool {
        self.inner.cancel(call)
    }
}

/// The failure of a call whose time is over.
pub(super) fn out_of_time(span: Duration) -> Failure {
    Failure::limit(Limit::Time, u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}
