//! Makes a call again that may work later.
//!
//! It makes no call twice that might do something twice: the operator vouches for the tool, or the failure proves that
//! nothing was done, or the call has a key and the operator says that the tool honours keys. It waits as long as it was
//! asked to or not at all, and never beyond the call's deadline.

mod rules;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use toolcell_core::{
    Attempt, CallId, Clock, Digest, Directory, Events, Failure, History, Outcome, Then, ToolCall, Toolbox, Verdict,
};

pub use self::rules::{Attempts, CATEGORIES, Category, MOST_ATTEMPTS, Row, Rules};
use super::cancel::{Cancels, cancelled};
use super::{CallOptions, Layered, Turn, deadline, micros, millis, turn};
use crate::plan::Criticality;

/// Makes a call again that may work later.
pub struct Retry {
    inner: Arc<dyn Layered>,
    directory: Arc<dyn Directory>,
    clock: Arc<dyn Clock>,
    rules: Rules,
    seed: u64,
    cancels: Cancels,
}

impl Retry {
    /// Around another layer. The ids of further attempts and the spread of their waits come from the seed and the first id.
    pub fn around(
        inner: Arc<dyn Layered>,
        directory: Arc<dyn Directory>,
        clock: Arc<dyn Clock>,
        rules: Rules,
        seed: u64,
    ) -> Self {
        Self { inner, directory, clock, rules, seed, cancels: Cancels::default() }
    }

    /// How long to wait before this call, whose last of `made` attempts ended like that, is made again; none where that
    /// was its last. A failure that asked for too much time gets a hint that says so.
    fn wait(
        &self,
        call: &ToolCall,
        made: u32,
        outcome: &mut Outcome,
        criticality: Criticality,
        spread: Duration,
        until: Option<Instant>,
    ) -> Option<Duration> {
        let Turn::Again { after } = turn(outcome) else { return None };
        // A call that burnt fuel began, whatever its failure is called.
        let began = outcome.receipt.as_ref().is_some_and(|sealed| sealed.receipt.used.fuel > 0);
        let failure = failure_of(&mut outcome.verdict)?;
        let nothing_done = !began && Category::of(failure.kind).nothing_done();
        if made >= self.rules.attempts(failure.kind, criticality) || !(nothing_done || self.may_repeat(call)) {
            return None;
        }
        let asked = after.unwrap_or_default();
        if asked > self.rules.longest_asked {
            let (asked, longest) = (asked.as_millis(), self.rules.longest_asked.as_millis());
            failure.hints.push(format!(
                "It was not tried again: that is worth it in {asked} ms only, over the longest wait of {longest} ms."
            ));
            return None;
        }
        let wait = asked.saturating_add(spread);
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| wait >= left) {
            let (wait, left) = (wait.as_millis(), left.unwrap_or_default().as_millis());
            failure.hints.push(format!(
                "It was not tried again: that is worth it in {wait} ms, and the call's deadline is in {left} ms."
            ));
            return None;
        }
        Some(wait)
    }

    fn may_repeat(&self, call: &ToolCall) -> bool {
        // Without a card nobody vouches for anything.
        let Ok(card) = self.directory.card(&call.tool, &call.tenant) else { return false };
        card.effects.may_repeat() || (call.idempotency_key.is_some() && self.rules.keyed.contains(&card.id))
    }

    /// The id of the attempt after so many, and a number that is as likely to be any as another.
    fn draw(&self, first: CallId, made: u32) -> (CallId, u64) {
        let mut source = [0; 28];
        source[..8].copy_from_slice(&self.seed.to_be_bytes());
        source[8..24].copy_from_slice(&first.0.to_be_bytes());
        source[24..].copy_from_slice(&made.to_be_bytes());
        let digest = Digest::of(&source);
        let (id, rest) = digest.as_bytes().split_at(16);
        let id = id.iter().fold(0, |id, byte| id << 8 | u128::from(*byte));
        (CallId(id), rest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }
}

#[async_trait]
impl Layered for Retry {
    async fn call_with(&self, mut call: ToolCall, options: &CallOptions, events: &dyn Events) -> Outcome {
        let first = call.id;
        let underway = self.cancels.enter(first);
        let until = deadline(&call, &*self.clock);
        let mut ceilings = self.rules.ceilings();
        let mut attempts = Vec::new();
        let mut made = 0;
        loop {
            let (id, began) = (call.id, Instant::now());
            let mut outcome = underway.make(&*self.inner, call.clone(), options, events).await;
            let took = began.elapsed();
            made += 1;
            if !matches!(turn(&outcome), Turn::Again { .. }) {
                return behind(attempts, outcome);
            }
            let (next, number) = self.draw(first, made);
            let spread = fraction(ceilings.next().unwrap_or_default(), number);
            let wait = self.wait(&call, made, &mut outcome, options.criticality, spread, until);
            let (Some(wait), false) = (wait, underway.is_cancelled()) else {
                return behind(attempts, outcome);
            };
            tokio::select! {
                biased;
                () = underway.cancelled() => return behind(attempts, Outcome { verdict: cancelled().verdict, ..outcome }),
                () = tokio::time::sleep(wait) => {}
            }
            if let Some(failure) = outcome.verdict.failure() {
                let kind = failure.kind;
                let used = outcome.receipt.map(|sealed| sealed.receipt.used).unwrap_or_default();
                attempts.append(&mut outcome.history.attempts);
                let then = Then::Again { waited_ms: millis(wait) };
                attempts.push(Attempt { call: id, kind, fingerprint: None, duration_us: micros(took), used, then });
            }
            call.id = next;
            call.parent = Some(first);
        }
    }
}

#[async_trait]
impl Toolbox for Retry {
    async fn call(&self, call: ToolCall, events: &dyn Events) -> Outcome {
        self.call_with(call, &CallOptions::default(), events).await
    }

    /// By the first id, whichever attempt is running or waited for.
    fn cancel(&self, call: CallId) -> bool {
        self.cancels.cancel(call) || self.inner.cancel(call)
    }
}

/// The outcome with the attempts before it.
fn behind(mut attempts: Vec<Attempt>, outcome: Outcome) -> Outcome {
    let History { attempts: mut own, kept } = outcome.history;
    attempts.append(&mut own);
    Outcome { history: History { attempts, kept }, ..outcome }
}

fn failure_of(verdict: &mut Verdict) -> Option<&mut Failure> {
    match verdict {
        Verdict::Completed { .. } => None,
        Verdict::Failed { failure }
        | Verdict::Denied { failure }
        | Verdict::Exhausted { failure }
        | Verdict::Trapped { failure }
        | Verdict::Cancelled { failure } => Some(failure),
    }
}

/// The part of a span that a number is of all numbers.
fn fraction(span: Duration, number: u64) -> Duration {
    let nanos = (span.as_nanos().min(u128::from(u64::MAX)) * u128::from(number)) >> 64;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
