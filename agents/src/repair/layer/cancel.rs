//! Cancels calls that are made under other ids than their callers know.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use toolcell_core::{CallId, Events, Outcome, ToolCall};

use crate::layers::{CallOptions, Layered};

/// The calls under way, each with the wish to cancel it.
#[derive(Debug, Default)]
pub(super) struct Cancels(Mutex<HashMap<CallId, Arc<Wish>>>);

#[derive(Debug, Default)]
struct Wish {
    made: AtomicBool,
    told: Notify,
}

/// A call under way. Dropping it takes it out of the list.
#[derive(Debug)]
pub(super) struct Underway<'a> {
    all: &'a Cancels,
    id: CallId,
    wish: Arc<Wish>,
}

impl Cancels {
    /// Puts a call on the list.
    pub(super) fn enter(&self, id: CallId) -> Underway<'_> {
        let wish = Arc::new(Wish::default());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, wish.clone());
        Underway { all: self, id, wish }
    }

    /// Wishes the end of a call. Answers whether it is on the list.
    pub(super) fn cancel(&self, id: CallId) -> bool {
        let wish = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        let Some(wish) = wish else { return false };
        wish.made.store(true, Ordering::Release);
        wish.told.notify_one();
        true
    }
}

impl Underway<'_> {
    /// Whether somebody wished its end.
    pub(super) fn is_cancelled(&self) -> bool {
        self.wish.made.load(Ordering::Acquire)
    }

    /// Makes a call inside, and cancels it where this one is cancelled. The call inside is polled first, so that the toolbox knows it.
    pub(super) async fn make(
        &self,
        inner: &dyn Layered,
        call: ToolCall,
        options: &CallOptions,
        events: &dyn Events,
    ) -> Outcome {
        let id = call.id;
        let mut running = pin!(inner.call_with(call, options, events));
        tokio::select! {
            biased;
            outcome = &mut running => return outcome,
            () = self.wish.told.notified() => {}
        }
        inner.cancel(id);
        running.await
    }
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        let mut all = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Two calls of one id are the caller's fault; the later one keeps its place.
        if all.get(&self.id).is_some_and(|wish| Arc::ptr_eq(wish, &self.wish)) {
            all.remove(&self.id);
        }
    }
}
