//! Sees every call go by and writes down how it went, without the tool or the agent doing anything.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::Instant;
use toolcell_core::health::{CallRecord, HealthStore, Recovered};
use toolcell_core::history::{Attempt, Repairer, Then};
use toolcell_core::store::Unavailable;
use toolcell_core::{CallId, Card, Clock, Digest, Directory, Events, Failure, Outcome, ToolCall, Toolbox};

use crate::layers::{CallOptions, Layered};

/// Records that wait for the store at most; beyond, the oldest are lost, and counted.
const MOST_WAITING: usize = 10_000;

/// Records that go to the store at one time.
const BATCH: usize = 500;

/// How long records may wait for others to go with, where somebody keeps writing.
const PAUSE: Duration = Duration::from_millis(500);

/// The longest name of a tool, caller or upstream that is kept, in bytes.
const MAX_NAME: usize = 256;

/// What a failure is recognised by, and its message without what differs from call to call.
pub type Recognise = fn(&Card, &Failure) -> (Digest, String);

/// A layer around all others. It never delays or fails a call: what the store cannot take in time is lost, and counted.
pub struct Tracker {
    inner: Arc<dyn Layered>,
    directory: Arc<dyn Directory>,
    clock: Arc<dyn Clock>,
    recognise: Recognise,
    waiting: Mutex<Waiting>,
    full: Notify,
}

#[derive(Default)]
struct Waiting {
    records: VecDeque<CallRecord>,
    lost: u64,
}

impl Tracker {
    /// Tracks what goes through `inner`.
    pub fn around(
        inner: Arc<dyn Layered>,
        directory: Arc<dyn Directory>,
        clock: Arc<dyn Clock>,
        recognise: Recognise,
    ) -> Self {
        Self { inner, directory, clock, recognise, waiting: Mutex::default(), full: Notify::new() }
    }

    /// Hands everything that waits to a store.
    ///
    /// # Errors
    /// Where the store does not answer; what it did not take waits on.
    pub async fn flush(&self, store: &dyn HealthStore) -> Result<(), Unavailable> {
        loop {
            let batch: Vec<_> = {
                let mut waiting = self.waiting();
                let many = waiting.records.len().min(BATCH);
                waiting.records.drain(..many).collect()
            };
            if batch.is_empty() {
                return Ok(());
            }
            if let Err(unavailable) = store.record(&batch).await {
                let mut waiting = self.waiting();
                let room = MOST_WAITING - waiting.records.len();
                let lost = batch.len().saturating_sub(room);
                waiting.lost += lost as u64;
                for record in batch.into_iter().skip(lost).rev() {
                    waiting.records.push_front(record);
                }
                return Err(unavailable);
            }
        }
    }

    /// Hands records to a store for as long as it is polled: in batches, and none waits much longer than half a second.
    pub async fn keep_writing(&self, store: &dyn HealthStore) {
        loop {
            // Both are only hints to look; what is lost by the store is tried again at the next.
            let _ = tokio::time::timeout(PAUSE, self.full.notified()).await;
            if let Err(unavailable) = self.flush(store).await {
                tracing::warn!(detail = unavailable.detail, "how calls went could not be written down");
            }
        }
    }

    /// How many records were lost, because the store was slower than the calls.
    pub fn lost(&self) -> u64 {
        self.waiting().lost
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, records: impl IntoIterator<Item = CallRecord>) {
        let mut waiting = self.waiting();
        for record in records {
            if waiting.records.len() == MOST_WAITING {
                waiting.records.pop_front();
                waiting.lost += 1;
            }
            waiting.records.push_back(record);
        }
        if waiting.records.len() >= BATCH {
            self.full.notify_one();
        }
    }

    /// What is written down of a call: its attempts that failed, and its end unless nothing was called for that.
    fn records(&self, call: &Called, outcome: &Outcome, took: Duration) -> Vec<CallRecord> {
        let card = self.directory.card(&call.tool, &call.tenant).ok();
        let completed = outcome.verdict.result().is_some();
        // Where most of its requests went. Attempts of one call want the same of the same host.
        let upstream = outcome.receipt.as_ref().and_then(|sealed| {
            let origins = &sealed.receipt.origins;
            origins.iter().max_by_key(|(_, count)| **count).map(|(origin, _)| name(origin))
        });
        let blank = CallRecord {
            at: self.clock.now(),
            tenant: call.tenant.clone(),
            tool: card.as_ref().map_or_else(|| name(&call.tool), |card| card.id.to_string()),
            component: card.as_ref().map(|card| card.component),
            profile: name(&call.caller),
            upstream,
            verdict: outcome.verdict.name().into(),
            kind: None,
            recovery: None,
            fingerprint: None,
            message: None,
            duration_us: 0,
            recovered: None,
        };
        let failed = |attempt: &Attempt| CallRecord {
            verdict: toolcell_core::outcome::Verdict::of(Failure::new(attempt.kind, "")).name().into(),
            kind: Some(attempt.kind),
            recovery: Some(attempt.kind.recovery()),
            fingerprint: attempt.fingerprint,
            duration_us: attempt.duration_us,
            recovered: completed.then(|| recovered(&attempt.then)),
            ..blank.clone()
        };
        let mut records: Vec<_> = outcome.history.attempts.iter().map(failed).collect();
        let fell_back = outcome.history.attempts.last().is_some_and(|attempt| attempt.then == Then::FellBack);
        if outcome.history.kept.is_some() || fell_back {
            return records;
        }
        let before: u64 = outcome.history.attempts.iter().map(|attempt| attempt.duration_us).sum();
        let whole = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let own = outcome.receipt.as_ref().map(|sealed| sealed.receipt.duration_us);
        let mut last = CallRecord { duration_us: own.unwrap_or(whole.saturating_sub(before)), ..blank };
        if let Some(failure) = outcome.verdict.failure() {
            (last.kind, last.recovery) = (Some(failure.kind), Some(failure.recovery));
            if let Some(card) = &card {
                let (fingerprint, message) = (self.recognise)(card, failure);
                (last.fingerprint, last.message) = (Some(fingerprint), Some(message));
            }
        }
        records.push(last);
        records
    }
}

/// What is known of a call once it is on its way.
struct Called {
    tool: String,
    tenant: toolcell_core::Tenant,
    caller: String,
}

#[async_trait]
impl Layered for Tracker {
    async fn call_with(&self, call: ToolCall, options: &CallOptions, events: &dyn Events) -> Outcome {
        let called = Called { tool: call.tool.clone(), tenant: call.tenant.clone(), caller: call.caller.clone() };
        let began = Instant::now();
        let outcome = self.inner.call_with(call, options, events).await;
        self.push(self.records(&called, &outcome, began.elapsed()));
        outcome
    }
}

#[async_trait]
impl Toolbox for Tracker {
    async fn call(&self, call: ToolCall, events: &dyn Events) -> Outcome {
        self.call_with(call, &CallOptions::default(), events).await
    }

    fn cancel(&self, call: CallId) -> bool {
        self.inner.cancel(call)
    }
}

fn recovered(then: &Then) -> Recovered {
    match then {
        Then::Again { .. } => Recovered::Retry,
        Then::Changed { by: Repairer::Rule, .. } => Recovered::Rule,
        Then::Changed { by: Repairer::Memory, .. } => Recovered::Memory,
        Then::Changed { by: Repairer::Model, .. } => Recovered::Model,
        Then::Changed { by: Repairer::Person, .. } => Recovered::Person,
        Then::FellBack => Recovered::Fallback,
    }
}

/// A name that callers chose, cut, and unable to act on a terminal.
fn name(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let shown = if c.is_control() { '\u{fffd}' } else { c };
        if out.len() + shown.len_utf8() > MAX_NAME {
            break;
        }
        out.push(shown);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use toolcell_core::{Kind, Silent, Tenant, UnixMillis};

    use super::*;
    use crate::layers::scripted::{Play, Script, call, failing, in_virtual_time, parts};
    use crate::layers::{Settings, Stack};

    /// Keeps records in memory, as long as it is not told to be away.
    #[derive(Default)]
    struct Kept {
        records: Mutex<Vec<CallRecord>>,
        away: AtomicBool,
    }

    #[async_trait]
    impl HealthStore for Kept {
        async fn record(&self, records: &[CallRecord]) -> Result<(), Unavailable> {
            if self.away.load(Ordering::Relaxed) {
                return Err(Unavailable { detail: "away".to_owned() });
            }
            self.records.lock().expect("no panic").extend_from_slice(records);
            Ok(())
        }

        async fn since(&self, _: Option<&Tenant>, _: UnixMillis, _: u32) -> Result<Vec<CallRecord>, Unavailable> {
            Ok(self.records.lock().expect("no panic").clone())
        }

        async fn forget(&self, _: UnixMillis, _: u64) -> Result<u64, Unavailable> {
            Ok(0)
        }
    }

    fn recognise(card: &Card, failure: &Failure) -> (Digest, String) {
        (Digest::of(card.id.as_str().as_bytes()), failure.message.clone())
    }

    fn tracked(plays: impl IntoIterator<Item = Play>, last: Play) -> Tracker {
        let parts = parts(&Script::new(plays, last));
        let (directory, clock) = (parts.directory.clone(), parts.clock.clone());
        Tracker::around(Arc::new(Stack::around(parts, Settings::new(1), |inner| inner)), directory, clock, recognise)
    }

    fn after(tracker: &Tracker, calls: &[ToolCall]) -> Vec<CallRecord> {
        let store = Kept::default();
        in_virtual_time(async {
            for call in calls {
                tracker.call(call.clone(), &Silent).await;
            }
            tracker.flush(&store).await.expect("the store is there");
        });
        store.records.into_inner().expect("no panic")
    }

    #[test]
    fn every_attempt_is_written_down_with_what_was_done_about_it() {
        let tracker = tracked([failing(Kind::Unavailable)], Play::Gives("1"));
        let records = after(&tracker, &[ToolCall { caller: "scout\u{1b}".to_owned(), ..call(1, "read") }]);
        let told: Vec<_> = records.iter().map(|record| (record.kind, record.recovered, &*record.verdict)).collect();
        assert_eq!(told, [(Some(Kind::Unavailable), Some(Recovered::Retry), "failed"), (None, None, "completed")],);
        assert!(records.iter().all(|record| record.tool == "shop.read" && record.profile == "scout\u{fffd}"));
    }

    #[test]
    fn what_nothing_helped_against_is_recognised() {
        let records = after(&tracked([], failing(Kind::Trap)), &[call(1, "shop.buy"), call(2, "gone")]);
        assert_eq!(records.len(), 2);
        assert_eq!(records[0].fingerprint, Some(Digest::of(b"shop.buy")));
        assert_eq!(records[0].message.as_deref(), Some("as the script says"));
        assert!(records.iter().all(|record| record.recovered.is_none()));
        assert_eq!((records[1].tool.as_str(), records[1].fingerprint), ("gone", None));
    }

    #[test]
    fn a_result_that_was_there_already_is_no_call() {
        let records = after(&tracked([], Play::Gives("1")), &[call(1, "read"), call(2, "read"), call(3, "read")]);
        assert_eq!(records.len(), 1);
    }

    #[test]
    fn a_store_that_is_away_costs_no_call_and_only_the_oldest_records() {
        let tracker = tracked([], Play::Gives("1"));
        let store = Kept { away: AtomicBool::new(true), ..Kept::default() };
        in_virtual_time(async {
            for id in 0..MOST_WAITING as u128 + 5 {
                assert!(tracker.call(call(id, "shop.buy"), &Silent).await.verdict.result().is_some());
            }
            assert!(tracker.flush(&store).await.is_err());
            assert_eq!(tracker.lost(), 5);
            store.away.store(false, Ordering::Relaxed);
            tracker.flush(&store).await.expect("it is back");
        });
        assert_eq!(store.records.into_inner().expect("no panic").len(), MOST_WAITING);
    }

    #[test]
    fn somebody_who_keeps_writing_needs_no_flush() {
        let (tracker, store) = (tracked([], Play::Gives("1")), Kept::default());
        in_virtual_time(async {
            tokio::select! {
                () = tracker.keep_writing(&store) => {}
                () = async {
                    tracker.call(call(1, "shop.buy"), &Silent).await;
                    tokio::time::sleep(PAUSE * 2).await;
                } => {}
            }
        });
        assert_eq!(store.records.into_inner().expect("no panic").len(), 1);
    }
}
