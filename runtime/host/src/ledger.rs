//! The receipt of a call while it is written. However a call ends, and also where its future is just dropped, exactly
//! one receipt is sealed: a ledger that nobody closes seals itself as cancelled, or as the host's fault where the host panics.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;
use toolcell_core::receipt::Used;
use toolcell_core::{Digest, Failure, History, Kind, Outcome, Receipt, ResultText, ToolCall, Verdict};

use crate::host::Inner;
use crate::receipts::ReceiptLog;
use crate::witness::Witness;

/// The receipt of one call, not sealed yet.
pub(crate) struct Ledger {
    log: Arc<ReceiptLog>,
    witness: Witness,
    began: Instant,
    left: Arc<Left>,
    open: Option<Box<Receipt>>,
}

/// Where the outcome of a call is left for its caller: by the guest's thread at the end, or by a ledger that nobody
/// closed. Whoever has cancelled the call finds here how it ended all the same.
#[derive(Default)]
pub(crate) struct Left {
    outcome: Mutex<Option<Outcome>>,
    sealed: Notify,
    cancelled: Notify,
}

impl Left {
    /// Says that the caller does not want the call any more.
    pub(crate) fn cancel(&self) {
        self.cancelled.notify_one();
    }

    /// Waits until somebody says so.
    pub(crate) async fn cancelled(&self) {
        self.cancelled.notified().await;
    }

    /// Waits until an outcome is there.
    pub(crate) async fn outcome(&self) -> Outcome {
        loop {
            let sealed = self.sealed.notified();
            if let Some(outcome) = self.take() {
                return outcome;
            }
            sealed.await;
        }
    }

    /// The outcome, if it is there already.
    pub(crate) fn take(&self) -> Option<Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Leaves an outcome.
    pub(crate) fn leave(&self, outcome: Outcome) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        self.sealed.notify_one();
    }
}

impl Ledger {
    /// The ledger of a call that comes in now.
    pub(crate) fn open(host: &Inner, call: &ToolCall) -> Self {
        let used = Used { argument_bytes: call.arguments.as_str().len() as u64, ..Used::default() };
        Self {
            log: host.receipts.clone(),
            witness: host.witness.clone(),
            began: Instant::now(),
            left: Arc::default(),
            open: Some(Box::new(Receipt {
                call: call.id,
                tool: cut(&call.tool, toolcell_core::tool::MAX_TOOL_ID).to_owned(),
                component: None,
                tenant: call.tenant.clone(),
                caller: cut(&call.caller, 256).to_owned(),
                parent: call.parent,
                arguments: call.arguments.digest(),
                result: None,
                started: host.clock.now(),
                duration_us: 0,
                queued_us: 0,
                verdict: Cow::Borrowed("cancelled"),
                kind: None,
                used,
                host_calls: std::collections::BTreeMap::new(),
                origins: std::collections::BTreeMap::new(),
                denied: Vec::new(),
            })),
        }
    }

    /// Where the outcome will be found if the call's future is dropped, or if it runs elsewhere.
    pub(crate) fn left(&self) -> Arc<Left> {
        self.left.clone()
    }

    /// The receipt, to write into.
    pub(crate) fn write(&mut self) -> &mut Receipt {
        self.open.as_mut().expect("a ledger is written only before it is closed")
    }

    /// Seals the receipt with the end of the call.
    pub(crate) fn close(mut self, end: Result<ResultText, Box<Failure>>) -> Outcome {
        let receipt = self.open.take().expect("a ledger is closed once");
        self.seal(receipt, end)
    }

    fn seal(&self, mut receipt: Box<Receipt>, end: Result<ResultText, Box<Failure>>) -> Outcome {
        let verdict = match end {
            Ok(result) => {
                receipt.used.result_bytes = result.get().len() as u64;
                receipt.result = Some(Digest::of(result.get().as_bytes()));
                Verdict::Completed { result }
            }
            Err(failure) => {
                receipt.kind = Some(failure.kind);
                Verdict::of(*failure)
            }
        };
        receipt.verdict = Cow::Borrowed(verdict.name());
        receipt.duration_us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        if !receipt.denied.is_empty() || receipt.kind.is_some() {
            self.witness.ended(&receipt);
        }
        match self.log.seal(receipt) {
            Ok(receipt) => Outcome { verdict, receipt: Some(receipt), history: History::default() },
            Err(error) => unsealed(&error, &verdict),
        }
    }
}

/// What a caller learns when the receipt log does not take a receipt: the call did run, and there is no proof of it.
/// A result without a receipt is not handed out.
fn unsealed(error: &crate::receipts::SealError, verdict: &Verdict) -> Outcome {
    let message = "the call ended, but its receipt could not be written; no result is given without a receipt";
    let failure = Failure::new(Kind::HostFault, message)
        .detail(error.to_string())
        .hint(format!("The call itself ended as `{}`; the operator must look at the receipt log.", verdict.name()));
    Outcome::unsealed(Verdict::of(failure))
}

impl Drop for Ledger {
    fn drop(&mut self) {
        if let Some(receipt) = self.open.take() {
            // A panic is not the caller's wish.
            let failure = if std::thread::panicking() {
                Failure::new(Kind::HostFault, "the host, or the program around it, broke while the call ran")
            } else {
                Failure::new(Kind::Cancelled, "the call was cancelled before it ended")
            };
            self.left.leave(self.seal(receipt, Err(Box::new(failure))));
        }
    }
}

/// The first bytes of a text, whole characters only.
fn cut(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
