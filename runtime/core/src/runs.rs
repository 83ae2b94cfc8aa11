//! Runs that outlive the process: what is written down of each step, and the store that keeps it.
//!
//! Owns the order in which a run becomes durable: a step that may not be repeated is written down as started before its call
//! goes out, and the end of every step before anything that depends on it begins. Refuses to know how a plan is written
//! or scheduled; a plan is text here.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::call::{CallId, NotACallId, Tenant};
use crate::clock::UnixMillis;
use crate::failure::{Failure, Question};
use crate::history::{History, Then};
use crate::outcome::{Outcome, ResultText};
use crate::receipt::Used;
use crate::store::Unavailable;

/// Keeps runs. Whatever it has answered survives the end of the process and a loss of power.
#[async_trait]
pub trait RunStore: Send + Sync {
    /// Writes down a new run, in state `running`.
    ///
    /// # Errors
    /// [`RunError::Exists`], [`RunError::Unavailable`].
    async fn create(&self, run: &NewRun) -> Result<(), RunError>;

    /// Takes a run over: raises its fence, so that whoever held it before can commit nothing any more, and sets a run that
    /// waited to `running`. A run that has ended is given as it is.
    ///
    /// # Errors
    /// [`RunError::NotFound`], [`RunError::Unavailable`].
    async fn claim(&self, tenant: &Tenant, run: RunId) -> Result<RunHead, RunError>;

    /// Writes down steps, and the run's own state where it changes, all or nothing. A record replaces the one of its key, and
    /// takes with it the answer that was given to that.
    ///
    /// # Errors
    /// [`RunError::Overtaken`] where the fence is not the newest, or the run has ended; nothing is written then.
    /// [`RunError::NotFound`], [`RunError::Unavailable`].
    async fn commit(
        &self,
        run: RunId,
        fence: Fence,
        records: &[StepRecord],
        state: Option<RunState>,
        now: UnixMillis,
    ) -> Result<(), RunError>;

    /// A run without its steps.
    ///
    /// # Errors
    /// [`RunError::NotFound`], also where it is another tenant's; [`RunError::Unavailable`].
    async fn head(&self, tenant: &Tenant, run: RunId) -> Result<RunHead, RunError>;

    /// The records of a run by key, from behind `after` on, at most `limit` (1 to 10,000) of them.
    ///
    /// # Errors
    /// [`RunError::Unavailable`].
    async fn steps(&self, run: RunId, after: Option<&StepKey>, limit: u32) -> Result<Vec<Kept>, RunError>;

    /// Runs of a tenant, the newest first, from behind `before` on, at most `limit` (1 to 1,000) of them; of one state where
    /// one is named. Their plans and inputs are left empty.
    ///
    /// # Errors
    /// [`RunError::Unavailable`].
    async fn list(
        &self,
        tenant: &Tenant,
        state: Option<RunState>,
        before: Option<RunId>,
        limit: u32,
    ) -> Result<Vec<RunHead>, RunError>;

    /// Answers the question of a step, once.
    ///
    /// # Errors
    /// [`RunError::NotWaiting`] where the step asks nothing or the run has ended, [`RunError::Answered`] where somebody was first,
    /// [`RunError::NotFound`], [`RunError::Unavailable`].
    async fn answer(&self, tenant: &Tenant, run: RunId, key: &StepKey, answer: &Answered) -> Result<(), RunError>;

    /// Removes a run that has ended, and everything of it.
    ///
    /// # Errors
    /// [`RunError::NotEnded`], [`RunError::NotFound`], [`RunError::Unavailable`].
    async fn remove(&self, tenant: &Tenant, run: RunId) -> Result<(), RunError>;
}

/// 128 random bits that name a run, written as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub CallId);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RunId {
    type Err = NotACallId;

    fn from_str(text: &str) -> Result<Self, NotACallId> {
        text.parse().map(Self)
    }
}

/// A run as it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRun {
    /// Its name.
    pub id: RunId,
    /// Whose it is.
    pub tenant: Tenant,
    /// Who started it, in words of the caller's own.
    pub caller: String,
    /// The plan, as text that can be read again.
    pub plan: Arc<str>,
    /// The input, as JSON text.
    pub input: Arc<str>,
    /// When it began.
    pub created: UnixMillis,
    /// When it ends at the latest.
    pub deadline: Option<UnixMillis>,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// Somebody works on it, or died while doing so.
    Running,
    /// Nothing can go on until a person has answered.
    Waiting,
    /// Every step that matters is done.
    Completed,
    /// A step that matters failed.
    Failed,
    /// Somebody wanted it no longer, or its deadline or budget ended it.
    Cancelled,
}

impl RunState {
    /// Every state and its stable name.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Running, "running"),
        (Self::Waiting, "waiting"),
        (Self::Completed, "completed"),
        (Self::Failed, "failed"),
        (Self::Cancelled, "cancelled"),
    ];

    /// The stable name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }

    /// The state of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// Whether nothing of the run can change any more.
    pub fn ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// Grows with each claim of a run. Only the newest may commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fence(pub u64);

/// A run as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunHead {
    /// What it began with.
    pub run: NewRun,
    /// Where it stands.
    pub state: RunState,
    /// When it ended.
    pub ended: Option<UnixMillis>,
    /// The newest claim.
    pub fence: Fence,
}

/// Names a step of a run, or one item of a step that goes over a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StepKey {
    /// The step's id.
    pub step: Arc<str>,
    /// The item's place in the list, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<u32>,
}

impl fmt::Display for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.item {
            Some(item) => write!(f, "{}[{item}]", self.step),
            None => f.write_str(&self.step),
        }
    }
}

/// What is written down of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Which.
    pub key: StepKey,
    /// Where it stands.
    pub state: StepState,
    /// When it began.
    pub started: UnixMillis,
    /// From beginning to end, in microseconds; waiting for a person is not in it.
    pub duration_us: u64,
    /// What it has used up of the run's budget, whatever records of it this one replaces included. The sum over a run's
    /// records is what the run has used up.
    #[serde(default, skip_serializing_if = "Spent::is_nothing")]
    pub used: Spent,
    /// What happened on the way.
    #[serde(default, skip_serializing_if = "History::is_empty")]
    pub history: History,
}

/// What was used up of a run's budget, attempts that failed included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spent {
    /// Calls that left the layers. An attempt that the breaker refused or the deadline forestalled counts too: the layers
    /// never count too few.
    pub calls: u64,
    /// Fuel.
    pub fuel: u64,
    /// HTTP requests.
    pub http_requests: u64,
}

impl Spent {
    /// One call of whose cost nothing is known yet.
    pub const ONE_CALL: Self = Self { calls: 1, fuel: 0, http_requests: 0 };

    /// What an outcome cost. One that another call made costs nothing but the attempts before it.
    pub fn on(outcome: &Outcome) -> Self {
        let History { attempts, kept } = &outcome.history;
        // Where the call fell back, the attempt that failed is the one that the outcome's own receipt speaks of.
        let before = attempts.iter().filter(|attempt| attempt.then != Then::FellBack).count() as u64;
        let mut spent = Self { calls: before, ..Self::default() };
        for attempt in attempts {
            spent.take(&attempt.used);
        }
        if kept.is_some() {
            return spent;
        }
        spent.calls += 1;
        if let Some(sealed) = &outcome.receipt {
            spent.take(&sealed.receipt.used);
        }
        spent
    }

    /// Both together, at most what the numbers can say.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_add(other.calls),
            fuel: self.fuel.saturating_add(other.fuel),
            http_requests: self.http_requests.saturating_add(other.http_requests),
        }
    }

    /// Whether nothing was used up.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    fn take(&mut self, used: &Used) {
        self.fuel = self.fuel.saturating_add(used.fuel);
        self.http_requests = self.http_requests.saturating_add(used.http_requests);
    }
}

/// Where a step stands. A step that was not written down has not begun, or may be begun again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    /// Its call, which may not be repeated, is going out or has gone out. Found after a crash, only a person can tell.
    Started {
        /// The call.
        call: CallId,
    },
    /// It asks a person.
    Waiting {
        /// What.
        question: Question,
        /// The failure behind it; none where the outcome of a call is unknown.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Box<Failure>>,
    },
    /// It has a result.
    Done {
        /// The result.
        result: ResultText,
    },
    /// It has none, and will not.
    Failed {
        /// Why.
        failure: Box<Failure>,
    },
    /// It was not needed, or could not begin.
    Skipped {
        /// Why, in a sentence.
        because: String,
    },
    /// The run ended before it did.
    Cancelled,
}

impl StepState {
    /// The stable name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Waiting { .. } => "waiting",
            Self::Done { .. } => "done",
            Self::Failed { .. } => "failed",
            Self::Skipped { .. } => "skipped",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A record as the store has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// The record.
    pub record: StepRecord,
    /// What a person answered to it since.
    pub answer: Option<Answered>,
}

/// What a person decided, who, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    /// The decision.
    pub answer: Answer,
    /// Who, as the operator names people.
    pub by: String,
    /// When.
    pub at: UnixMillis,
}

/// What a person can decide about a step that asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Make the call (again): the person has removed what was in the way, or knows that it did not take place.
    Retry,
    /// The answer to the tool's question; it goes into the arguments where the plan says, and the call is made again.
    Say {
        /// The answer.
        text: String,
    },
    /// This is the step's result; no call is made.
    Result {
        /// The result.
        result: ResultText,
    },
    /// The step has failed.
    Fail,
}

/// Why a run store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// A run of this id is there.
    #[error("there is a run of this id")]
    Exists,
    /// There is none, or it is another tenant's.
    #[error("there is no such run")]
    NotFound,
    /// Somebody else has claimed the run since.
    #[error("somebody else has taken this run over")]
    Overtaken,
    /// The step asks nothing.
    #[error("this step does not wait for an answer")]
    NotWaiting,
    /// The step was answered before.
    #[error("this step was answered already")]
    Answered,
    /// The run has not ended.
    #[error("this run has not ended")]
    NotEnded,
    /// The store itself.
    #[error(transparent)]
    Unavailable(Unavailable),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_found_by_its_name() {
        for (state, name) in RunState::ALL {
            assert_eq!((state.name(), RunState::named(name)), (name, Some(state)));
        }
    }

    #[test]
    fn a_record_survives_the_journey() {
        let key = StepKey { step: "search".into(), item: Some(3) };
        assert_eq!(key.to_string(), "search[3]");
        let record = StepRecord {
            key,
            state: StepState::Done { result: ResultText::new("{\"n\":1.50}".to_owned()) },
            started: UnixMillis(5),
            duration_us: 7,
            used: Spent { calls: 2, fuel: 900, http_requests: 1 },
            history: History::default(),
        };
        let text = serde_json::to_string(&record).expect("serialises");
        assert_eq!(serde_json::from_str::<StepRecord>(&text).expect("reads back"), record);
        let bare = StepRecord { used: Spent::default(), ..record };
        let text = serde_json::to_string(&bare).expect("serialises");
        assert!(!text.contains("used"), "{text}");
        assert_eq!(serde_json::from_str::<StepRecord>(&text).expect("reads back"), bare);
    }
}
