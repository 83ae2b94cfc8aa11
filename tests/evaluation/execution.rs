//! Failures of the execution, injected between the layers and the host: what fails, when, and whether the tool had already done it.
//!
//! [`Faulty`] stands where the host stands. It follows a script that was made before the first call, counts what really reached
//! the tool, and refuses to know what anybody makes of a failure.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use serde_json::Value;
use toolcell_core::{CallId, Effects, Events, Failure, Kind, Limit, Outcome, ResultText, ToolCall, Toolbox, Verdict};

use super::chance::Chance;

/// What happens instead of, or to, a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// Something outside does not answer; nothing is said about later.
    Unavailable,
    /// The same, with a time to wait, in milliseconds.
    Busy(u64),
    /// More calls than a minute may have.
    RateLimit,
    /// The upstream took too long. The tool has done it.
    Timeout,
    /// Nothing comes for so many milliseconds; then the call's own time is over.
    Stall(u64),
    /// The connection broke while the answer was on its way. The tool has done it.
    Reset,
    /// The host could not go on before it began.
    Host,
    /// The tool's code broke before it did anything.
    Trap,
    /// The upstream says that it will never do this.
    Refused,
    /// The tool says that nothing helps.
    Fatal,
    /// What was asked for is gone.
    Gone,
    /// The result is over its limit, and the call says so. The tool has done it.
    CutLoudly,
    /// The result is cut, and the call completes. The tool has done it.
    CutQuietly,
    /// The result lacks a member that its schema demands, and the call completes. The tool has done it.
    Misshapen,
    /// The result is another one of the right shape, and the call completes. The tool has done it.
    Plausible,
}

/// On which attempts of one call it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pattern {
    /// On the first.
    Single,
    /// On the first two or three.
    Burst,
    /// On the first, and then on some of the next three.
    Intermittent,
    /// On all.
    Persistent,
}

impl Pattern {
    /// Every pattern.
    pub(crate) const ALL: [Self; 4] = [Self::Single, Self::Burst, Self::Intermittent, Self::Persistent];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Burst => "burst",
            Self::Intermittent => "intermittent",
            Self::Persistent => "persistent",
        }
    }
}

/// What can be hoped for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Hope {
    /// Calling again is safe and works.
    Transient,
    /// Calling again may do it twice: whoever does without asking is wrong.
    Unsafe,
    /// It fails for good; the right end is that failure.
    Permanent,
    /// The call completes with what is not the result, and nothing about it shows.
    Silent,
}

/// A family of failures: a fault and its pattern.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disturbance {
    /// Its name, kebab-case.
    pub(crate) name: &'static str,
    /// What happens.
    pub(crate) fault: Fault,
    /// When.
    pub(crate) pattern: Pattern,
}

/// Every family. The times are short, so that a whole evaluation is: what is measured is what is done, not how long an upstream sleeps.
pub(crate) const DISTURBANCES: &[Disturbance] = &[
    Disturbance { name: "unavailable-single", fault: Fault::Unavailable, pattern: Pattern::Single },
    Disturbance { name: "unavailable-burst", fault: Fault::Unavailable, pattern: Pattern::Burst },
    Disturbance { name: "unavailable-intermittent", fault: Fault::Unavailable, pattern: Pattern::Intermittent },
    Disturbance { name: "unavailable-persistent", fault: Fault::Unavailable, pattern: Pattern::Persistent },
    Disturbance { name: "busy-single", fault: Fault::Busy(20), pattern: Pattern::Single },
    Disturbance { name: "busy-burst", fault: Fault::Busy(10), pattern: Pattern::Burst },
    Disturbance { name: "rate-limit-single", fault: Fault::RateLimit, pattern: Pattern::Single },
    Disturbance { name: "rate-limit-burst", fault: Fault::RateLimit, pattern: Pattern::Burst },
    Disturbance { name: "timeout-single", fault: Fault::Timeout, pattern: Pattern::Single },
    Disturbance { name: "timeout-intermittent", fault: Fault::Timeout, pattern: Pattern::Intermittent },
    Disturbance { name: "timeout-persistent", fault: Fault::Timeout, pattern: Pattern::Persistent },
    Disturbance { name: "stall-single", fault: Fault::Stall(40), pattern: Pattern::Single },
    Disturbance { name: "reset-single", fault: Fault::Reset, pattern: Pattern::Single },
    Disturbance { name: "reset-burst", fault: Fault::Reset, pattern: Pattern::Burst },
    Disturbance { name: "reset-intermittent", fault: Fault::Reset, pattern: Pattern::Intermittent },
    Disturbance { name: "host-fault-single", fault: Fault::Host, pattern: Pattern::Single },
    Disturbance { name: "host-fault-persistent", fault: Fault::Host, pattern: Pattern::Persistent },
    Disturbance { name: "trap-single", fault: Fault::Trap, pattern: Pattern::Single },
    Disturbance { name: "trap-persistent", fault: Fault::Trap, pattern: Pattern::Persistent },
    Disturbance { name: "refused-persistent", fault: Fault::Refused, pattern: Pattern::Persistent },
    Disturbance { name: "fatal-persistent", fault: Fault::Fatal, pattern: Pattern::Persistent },
    Disturbance { name: "gone-persistent", fault: Fault::Gone, pattern: Pattern::Persistent },
    Disturbance { name: "cut-loudly-persistent", fault: Fault::CutLoudly, pattern: Pattern::Persistent },
    Disturbance { name: "cut-quietly-single", fault: Fault::CutQuietly, pattern: Pattern::Single },
    Disturbance { name: "misshapen-single", fault: Fault::Misshapen, pattern: Pattern::Single },
    Disturbance { name: "plausible-single", fault: Fault::Plausible, pattern: Pattern::Single },
];

impl Fault {
    /// Whether the tool has done its work when this happens.
    fn is_after(self) -> bool {
        use Fault::{CutLoudly, CutQuietly, Misshapen, Plausible, Reset, Timeout};
        matches!(self, Timeout | Reset | CutLoudly | CutQuietly | Misshapen | Plausible)
    }

    /// Whether the failure itself says that the tool was never reached.
    fn says_it_never_began(self) -> bool {
        self == Self::RateLimit
    }
}

impl Disturbance {
    /// What can be hoped for with a tool of these effects. Where the failure does not say whether the tool has begun, a tool
    /// that may not be called twice must not be.
    pub(crate) fn hope(&self, effects: Effects) -> Hope {
        match (self.fault, self.pattern) {
            (Fault::CutQuietly | Fault::Misshapen | Fault::Plausible, _) => Hope::Silent,
            (Fault::Refused | Fault::Fatal | Fault::Gone | Fault::CutLoudly, _) | (_, Pattern::Persistent) => {
                Hope::Permanent
            }
            (fault, _) if effects.may_repeat() || fault.says_it_never_began() => Hope::Transient,
            _ => Hope::Unsafe,
        }
    }

    /// On which attempts it happens, from 0; none means on all.
    pub(crate) fn script(&self, chance: &mut Chance) -> Option<Vec<u64>> {
        match self.pattern {
            Pattern::Single => Some(vec![0]),
            Pattern::Burst => Some((0..2 + u64::from(chance.below(2) == 1)).collect()),
            Pattern::Intermittent => {
                // The last of the four always works, so that there is something to be reached.
                Some(std::iter::once(0).chain((1..3).filter(|_| chance.below(2) == 1)).collect())
            }
            Pattern::Persistent => None,
        }
    }
}

/// A toolbox that fails by a script. It counts one call's attempts, whatever their ids are.
pub(crate) struct Faulty<T> {
    inner: T,
    fault: Fault,
    /// Attempts that fail; none means all.
    script: Option<Vec<u64>>,
    chance: Mutex<Chance>,
    attempts: AtomicU64,
    reached: AtomicU64,
}

impl<T> fmt::Debug for Faulty<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty").field("fault", &self.fault).field("script", &self.script).finish_non_exhaustive()
    }
}

impl<T: Toolbox> Faulty<T> {
    pub(crate) fn new(inner: T, disturbance: &Disturbance, mut chance: Chance) -> Self {
        let script = disturbance.script(&mut chance);
        let (attempts, reached) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { inner, fault: disturbance.fault, script, chance: Mutex::new(chance), attempts, reached }
    }

    /// How often it was called.
    pub(crate) fn attempts(&self) -> u64 {
        self.attempts.load(Ordering::SeqCst)
    }

    /// How often the tool itself was called and completed: what it does in the world, it has done so often.
    pub(crate) fn reached(&self) -> u64 {
        self.reached.load(Ordering::SeqCst)
    }

    async fn really(&self, call: ToolCall, events: &dyn Events) -> Outcome {
        let outcome = self.inner.call(call, events).await;
        if outcome.verdict.result().is_some() {
            self.reached.fetch_add(1, Ordering::SeqCst);
        }
        outcome
    }

    /// The outcome of an attempt that fails, given what the tool itself has said where it was called.
    fn spoilt(&self, outcome: Option<Outcome>) -> Outcome {
        let failed = |kind: Kind, message: &str| Outcome::unsealed(Verdict::of(Failure::new(kind, message)));
        match self.fault {
            Fault::Unavailable => failed(Kind::Unavailable, "the service answered 503"),
            Fault::Busy(millis) => {
                let mut failure =
                    Failure::new(Kind::Unavailable, format!("the service answered 429; again in {millis} ms"));
                failure.retry_after_ms = Some(millis);
                Outcome::unsealed(Verdict::of(failure))
            }
            Fault::RateLimit => {
                let mut failure = Failure::limit(Limit::Rate, 60);
                failure.retry_after_ms = Some(10);
                Outcome::unsealed(Verdict::of(failure))
            }
            Fault::Timeout => failed(Kind::Unavailable, "the service did not answer within 20 s"),
            Fault::Stall(_) => Outcome::unsealed(Verdict::of(Failure::limit(Limit::Time, 30_000))),
            Fault::Reset => failed(Kind::Unavailable, "the connection was reset by the service"),
            Fault::Host => failed(Kind::HostFault, "the host could not write its receipt"),
            Fault::Trap => failed(Kind::Trap, "wasm `unreachable` instruction executed"),
            Fault::Refused => failed(Kind::Refused, "the service answered 403"),
            Fault::Fatal => failed(Kind::Fatal, "the service has ended this interface"),
            Fault::Gone => failed(Kind::NotFound, "the service answered 410"),
            Fault::CutLoudly => Outcome::unsealed(Verdict::of(Failure::limit(Limit::ResultBytes, 64))),
            Fault::CutQuietly | Fault::Misshapen | Fault::Plausible => {
                let outcome = outcome.expect("these faults happen after the tool was called");
                let Some(result) = outcome.verdict.result() else { return outcome };
                let mut value: Value = serde_json::from_str(result.get()).unwrap();
                let mut chance = self.chance.lock().unwrap().clone();
                match self.fault {
                    Fault::CutQuietly => shorten(&mut value),
                    Fault::Misshapen => lose_member(&mut value, &mut chance),
                    _ => alter(&mut value),
                }
                let result = ResultText::new(value.to_string());
                Outcome { verdict: Verdict::Completed { result }, ..outcome }
            }
        }
    }
}

#[async_trait]
impl<T: Toolbox> Toolbox for Faulty<T> {
    async fn call(&self, call: ToolCall, events: &dyn Events) -> Outcome {
        let attempt = self.attempts.fetch_add(1, Ordering::SeqCst);
        if self.script.as_ref().is_some_and(|fails| !fails.contains(&attempt)) {
            return self.really(call, events).await;
        }
        let outcome = if self.fault.is_after() { Some(self.really(call, events).await) } else { None };
        if let Fault::Stall(millis) = self.fault {
            tokio::time::sleep(Duration::from_millis(millis)).await;
        }
        // What the tool refuses by itself is its own answer, and nothing was spoilt.
        match outcome {
            Some(outcome) if outcome.verdict.result().is_none() => outcome,
            outcome => self.spoilt(outcome),
        }
    }

    fn cancel(&self, call: CallId) -> bool {
        self.inner.cancel(call)
    }
}

/// Half of the longest list, or of the longest text where there is no list.
fn shorten(value: &mut Value) {
    match value {
        Value::Array(items) => items.truncate(items.len() / 2),
        Value::String(text) => *text = text.chars().take(text.chars().count() / 2).collect(),
        Value::Object(members) => {
            if let Some(longest) = members.values_mut().max_by_key(|value| value.to_string().len()) {
                shorten(longest);
            }
        }
        _ => {}
    }
}

/// Without one of its members; what is no object becomes null.
fn lose_member(value: &mut Value, chance: &mut Chance) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            let name = chance.of(&members.keys().cloned().collect::<Vec<_>>());
            members.remove(&name);
        }
        other => *other = Value::Null,
    }
}

/// Every number one more and every text backwards: the right shape and nothing right in it.
fn alter(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(n) = number.as_u64() {
                *value = n.saturating_add(1).into();
            }
        }
        Value::String(text) => *text = text.chars().rev().collect(),
        Value::Array(items) => items.iter_mut().for_each(alter),
        Value::Object(members) => members.values_mut().for_each(alter),
        Value::Bool(truth) => *truth = !*truth,
        Value::Null => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use toolcell_core::{Arguments, Silent};

    use super::*;

    /// Completes every call.
    struct Works;

    #[async_trait]
    impl Toolbox for Works {
        async fn call(&self, _: ToolCall, _: &dyn Events) -> Outcome {
            let result = ResultText::new(r#"{"list":[1,2,3,4],"text":"some"}"#.to_owned());
            Outcome::unsealed(Verdict::Completed { result })
        }

        fn cancel(&self, _: CallId) -> bool {
            false
        }
    }

    /// Six attempts, by the words of their verdicts, and how many reached the tool.
    async fn attempts(disturbance: &Disturbance, seed: u64) -> (Vec<String>, u64) {
        let faulty = Faulty::new(Works, disturbance, Chance::new(disturbance.name, "test", seed));
        let mut ends = Vec::new();
        for n in 0..6 {
            let outcome = faulty.call(ToolCall::new(CallId(n), "a.b", Arguments::none()), &Silent).await;
            let end = outcome.verdict.failure().map(|failure| failure.kind.name());
            ends.push(end.map_or_else(|| outcome.verdict.result().unwrap().get().to_owned(), str::to_owned));
        }
        assert_eq!(faulty.attempts(), 6);
        (ends, faulty.reached())
    }

    #[tokio::test(start_paused = true)]
    async fn every_disturbance_follows_its_pattern_and_counts_what_was_done() {
        let right = r#"{"list":[1,2,3,4],"text":"some"}"#;
        let mut names = BTreeSet::new();
        for disturbance in DISTURBANCES {
            assert!(names.insert(disturbance.name), "{}", disturbance.name);
            for seed in 0..8 {
                let (ends, reached) = attempts(disturbance, seed).await;
                assert_eq!(
                    (ends.clone(), reached),
                    attempts(disturbance, seed).await,
                    "the same seed is the same script"
                );
                let spoilt = ends.iter().filter(|end| *end != right).count();
                let expected = match disturbance.pattern {
                    Pattern::Single => 1..=1,
                    Pattern::Burst => 2..=3,
                    Pattern::Intermittent => 1..=3,
                    Pattern::Persistent => 6..=6,
                };
                assert!(expected.contains(&spoilt) && ends[0] != right, "{}: {ends:?}", disturbance.name);
                let failed = u64::try_from(spoilt).unwrap();
                let after = if disturbance.fault.is_after() { failed } else { 0 };
                assert_eq!(reached, 6 - failed + after, "{}", disturbance.name);
            }
        }
    }

    #[test]
    fn what_may_not_be_done_twice_is_no_transient_failure_unless_it_never_began() {
        for disturbance in DISTURBANCES {
            let (once, often) = (disturbance.hope(Effects::Once), disturbance.hope(Effects::ReadOnly));
            assert_ne!(often, Hope::Unsafe, "{}", disturbance.name);
            if once == Hope::Transient {
                assert_eq!(disturbance.fault, Fault::RateLimit);
            }
        }
    }
}
