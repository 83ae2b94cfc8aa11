//! A toolbox that plays a script, for the tests of the layers.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::Instant;
use toolcell_core::receipt::Used;
use toolcell_core::{
    Arguments, CallId, Card, Clock, Digest, Directory, Effects, Events, Failure, Kind, Limit, Outcome, Receipt,
    ResultText, Sealed, Tenant, ToolCall, Toolbox, UnixMillis, Verdict,
};

use super::Parts;

/// What one call does.
#[derive(Clone, Debug)]
pub(crate) enum Play {
    Gives(&'static str),
    Fails(Failure),
    /// Until it is cancelled.
    Hangs,
    /// And heeds no cancellation.
    Deaf,
    After(Duration, Box<Play>),
}

/// Plays what it is told, call by call, and after that always the last.
pub(crate) struct Script {
    plays: Mutex<VecDeque<Play>>,
    last: Play,
    seen: Mutex<Vec<(Instant, ToolCall)>>,
    running: Mutex<HashMap<CallId, Arc<Notify>>>,
    most: AtomicUsize,
}

impl Script {
    pub(crate) fn new(plays: impl IntoIterator<Item = Play>, last: Play) -> Arc<Self> {
        Arc::new(Self {
            plays: Mutex::new(plays.into_iter().collect()),
            last,
            seen: Mutex::default(),
            running: Mutex::default(),
            most: AtomicUsize::new(0),
        })
    }

    /// The calls that came, and when.
    pub(crate) fn seen(&self) -> Vec<(Instant, ToolCall)> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn calls(&self) -> usize {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(crate) fn running(&self) -> usize {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The most calls that were running at one time.
    pub(crate) fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }
}

/// Takes a call off the list when it ends or is dropped.
struct Runs<'a>(&'a Script, CallId);

impl Drop for Runs<'_> {
    fn drop(&mut self) {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

#[async_trait]
impl Toolbox for Script {
    async fn call(&self, call: ToolCall, _: &dyn Events) -> Outcome {
        let told = Arc::new(Notify::new());
        {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            assert!(running.insert(call.id, told.clone()).is_none(), "ids are unique");
            self.most.fetch_max(running.len(), Ordering::Relaxed);
        }
        let _runs = Runs(self, call.id);
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), call.clone()));
        let play = self.plays.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let mut play = play.unwrap_or_else(|| self.last.clone());
        let verdict = loop {
            play = match play {
                Play::Gives(text) => break Verdict::Completed { result: ResultText::new(text.to_owned()) },
                Play::Fails(failure) => break Verdict::of(failure),
                Play::Deaf => std::future::pending().await,
                Play::Hangs => {
                    told.notified().await;
                    Play::Fails(Failure::new(Kind::Cancelled, "cancelled inside"))
                }
                Play::After(span, then) => tokio::select! {
                    () = told.notified() => Play::Fails(Failure::new(Kind::Cancelled, "cancelled inside")),
                    () = tokio::time::sleep(span) => *then,
                },
            };
        };
        let receipt = Some(receipt(&call, &verdict));
        Outcome { verdict, receipt, history: toolcell_core::History::default() }
    }

    fn cancel(&self, call: CallId) -> bool {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.get(&call).map(|told| told.notify_one()).is_some()
    }
}

/// The message of a failure of the gates that a call met with while it ran.
pub(crate) const INSIDE: &str = "inside";

/// The receipt of a scripted call: it used ten of fuel and made one request, unless a gate kept it from beginning.
pub(crate) fn receipt(call: &ToolCall, verdict: &Verdict) -> Sealed {
    let gates = [Kind::Limit(Limit::QueueTime), Kind::Limit(Limit::QueueLength), Kind::Limit(Limit::Rate)];
    let began = verdict.failure().is_none_or(|failure| !gates.contains(&failure.kind) || failure.message == INSIDE);
    let receipt = Receipt {
        call: call.id,
        tool: call.tool.clone(),
        component: Some(Digest::of(b"code")),
        tenant: call.tenant.clone(),
        caller: call.caller.clone(),
        parent: call.parent,
        arguments: call.arguments.digest(),
        result: None,
        started: UnixMillis(0),
        duration_us: 1,
        queued_us: 0,
        verdict: verdict.name().into(),
        kind: verdict.failure().map(|failure| failure.kind),
        used: if began { Used { fuel: 10, http_requests: 1, ..Used::default() } } else { Used::default() },
        host_calls: std::collections::BTreeMap::default(),
        origins: std::collections::BTreeMap::new(),
        denied: Vec::new(),
    };
    let digest = Digest::of(b"");
    Sealed { writer: "script".into(), sequence: 1, previous: digest, hash: digest, receipt: Box::new(receipt) }
}

/// Knows `shop.read`, `shop.put`, `shop.buy` and `shop.login`: read-only, idempotent, once, and read-only with secrets; and
/// `shop.rates`, whose results may be kept all the same.
#[derive(Default)]
pub(crate) struct Shop {
    /// Counts up the grant of every tool.
    pub(crate) grant: AtomicUsize,
}

impl Directory for Shop {
    fn card(&self, tool: &str, tenant: &Tenant) -> Result<Arc<Card>, Box<Failure>> {
        let found = self.cards(tenant).into_iter().find(|card| card.id.as_str() == tool || card.id.within() == tool);
        found.ok_or_else(|| Box::new(Failure::new(Kind::UnknownTool, "no such tool")))
    }

    fn cards(&self, _: &Tenant) -> Vec<Arc<Card>> {
        let grant = Digest::of(&self.grant.load(Ordering::Relaxed).to_be_bytes());
        [("shop.read", Effects::ReadOnly), ("shop.put", Effects::Idempotent), ("shop.buy", Effects::Once)]
            .map(|(id, effects)| Card { grant, ..card(id, effects) })
            .into_iter()
            .chain([
                Card { secrets: true, grant, ..card("shop.login", Effects::ReadOnly) },
                Card { secrets: true, keeps_results: true, grant, ..card("shop.rates", Effects::ReadOnly) },
            ])
            .map(Arc::new)
            .collect()
    }
}

pub(crate) fn card(id: &str, effects: Effects) -> Card {
    Card {
        id: id.parse().expect("an id"),
        component: Digest::of(b"code"),
        version: None,
        category: None,
        description: None,
        arguments: Arc::new(json!({})),
        result: Arc::new(json!({})),
        examples: Vec::new(),
        effects,
        grant: Digest::of(b"grant"),
        secrets: false,
        keeps_results: false,
    }
}

/// Wall-clock time that goes with the tests' own.
pub(crate) struct Wall(Instant);

impl Default for Wall {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Wall {
    fn now(&self) -> UnixMillis {
        UnixMillis(super::millis(self.0.elapsed()))
    }
}

pub(crate) fn parts(script: &Arc<Script>) -> Parts {
    Parts { toolbox: script.clone(), directory: Arc::new(Shop::default()), clock: Arc::new(Wall::default()) }
}

pub(crate) fn call(id: u128, tool: &str) -> ToolCall {
    ToolCall::new(CallId(id), tool, Arguments::none())
}

pub(crate) fn failing(kind: Kind) -> Play {
    Play::Fails(Failure::new(kind, "as the script says"))
}

pub(crate) fn later(millis: u64, play: Play) -> Play {
    Play::After(Duration::from_millis(millis), Box::new(play))
}

/// Drives a future in time that only passes when nothing else can happen.
pub(crate) fn in_virtual_time<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(future)
}

/// Polls a future so many times at most, and drops it then.
pub(crate) async fn polled<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let (mut future, mut left) = (std::pin::pin!(future), times);
    std::future::poll_fn(|context| {
        if left == 0 {
            return std::task::Poll::Ready(None);
        }
        left -= 1;
        let polled = future.as_mut().poll(context).map(Some);
        if left == 0 {
            context.waker().wake_by_ref();
        }
        polled
    })
    .await
}
