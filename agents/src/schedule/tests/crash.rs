//! The process ends after any commit; the run goes on from what is written down.

use std::sync::atomic::AtomicUsize;

use proptest::prelude::*;
use tokio::sync::Notify;
use toolcell_core::runs::{Fence, NewRun, RunError, RunHead, StepKey, StepRecord};
use toolcell_core::store::Unavailable;

use super::*;
use crate::schedule::Fault;

/// A store that takes so many commits and then answers no more, or refuses some.
pub(super) struct Frail {
    inner: Arc<MemoryRuns>,
    left: AtomicUsize,
    refused: AtomicUsize,
    then: Then,
    gone: Notify,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Then {
    /// The process ends before it is written.
    Never,
    /// The process ends when it is written.
    Silent,
    /// It refuses so many times.
    Refuse(usize),
}

#[async_trait]
impl RunStore for Frail {
    async fn create(&self, run: &NewRun) -> Result<(), RunError> {
        self.inner.create(run).await
    }
    async fn claim(&self, tenant: &Tenant, run: RunId) -> Result<RunHead, RunError> {
        self.inner.claim(tenant, run).await
    }
    async fn commit(
        &self,
        run: RunId,
        fence: Fence,
        records: &[StepRecord],
        state: Option<RunState>,
        now: UnixMillis,
    ) -> Result<(), RunError> {
        // As long as a disk takes: what does not wait for it is found out.
        tokio::time::sleep(Duration::from_millis(3)).await;
        let left = self.left.load(Ordering::Relaxed);
        if left > 0 {
            self.left.store(left - 1, Ordering::Relaxed);
            return self.inner.commit(run, fence, records, state, now).await;
        }
        match self.then {
            Then::Never => {}
            Then::Silent => self.inner.commit(run, fence, records, state, now).await?,
            Then::Refuse(times) => {
                if self.refused.fetch_add(1, Ordering::Relaxed) < times {
                    return Err(RunError::Unavailable(Unavailable { detail: "scripted".to_owned() }));
                }
                return self.inner.commit(run, fence, records, state, now).await;
            }
        }
        self.gone.notify_one();
        std::future::pending().await
    }
    async fn head(&self, tenant: &Tenant, run: RunId) -> Result<RunHead, RunError> {
        self.inner.head(tenant, run).await
    }
    async fn steps(&self, run: RunId, after: Option<&StepKey>, limit: u32) -> Result<Vec<Kept>, RunError> {
        self.inner.steps(run, after, limit).await
    }
    async fn list(
        &self,
        tenant: &Tenant,
        state: Option<RunState>,
        before: Option<RunId>,
        limit: u32,
    ) -> Result<Vec<RunHead>, RunError> {
        self.inner.list(tenant, state, before, limit).await
    }
    async fn answer(&self, tenant: &Tenant, run: RunId, key: &StepKey, answer: &Answered) -> Result<(), RunError> {
        self.inner.answer(tenant, run, key, answer).await
    }
    async fn remove(&self, tenant: &Tenant, run: RunId) -> Result<(), RunError> {
        self.inner.remove(tenant, run).await
    }
}

impl Frail {
    pub(super) fn over(inner: &Arc<MemoryRuns>, left: usize, then: Then) -> Arc<Self> {
        Arc::new(Self {
            inner: inner.clone(),
            left: AtomicUsize::new(left),
            refused: AtomicUsize::new(0),
            then,
            gone: Notify::new(),
        })
    }
}

fn mixed() -> Plan {
    let mut steps = vec![
        step("a", "free.t", &[]),
        step("b", "once.t", &[]),
        step("c", "once.t", &[0, 1]),
        each(step("list", "once.t", &[0]), 5, Some(2)),
        each(step("read", "free.t", &[1]), 4, Some(3)),
        step("d", "free.t", &[2, 3]),
    ];
    let mut maybe = step("maybe", "once.fail", &[0]);
    maybe.criticality = Criticality::Optional;
    steps.push(maybe);
    steps.push(step("last", "once.t", &[4, 5, 6]));
    let mut mixed = plan(steps);
    mixed.concurrency = 3;
    mixed
}

fn echo() -> Arc<Stage> {
    Stage::new(|call| {
        let act = if call.tool.ends_with("fail") {
            Act::Fail(Kind::Fatal)
        } else {
            Act::Ok(call.arguments.as_str().to_owned())
        };
        (Duration::from_millis(10), act)
    })
}

/// Runs until the store goes silent, and drops the scheduler there. Answers whether the run came to its end before.
async fn until_the_end(stage: &Arc<Stage>, store: &Arc<Frail>, plan: &Plan, fresh: bool) -> Option<RunEnd> {
    let scheduler = scheduler(stage, store.clone(), WIDE);
    let who = who("a", "x");
    let handle = if fresh {
        start(&scheduler, 1, plan.clone(), who).await
    } else {
        let head = store.claim(&who.tenant, run_id(1)).await.expect("it is there");
        if head.state.ended() {
            return None;
        }
        scheduler.resume(head, kept(&store.inner, 1).await, Arc::new(plan.clone())).expect("it goes on")
    };
    let ended = tokio::select! {
        ended = handle.ended() => Some(ended.expect("it is no fault")),
        () = store.gone.notified() => None,
    };
    drop(scheduler);
    // Long enough for its task to see that.
    tokio::time::sleep(Duration::from_millis(1)).await;
    ended
}

/// Goes on as a person would who can look what took place.
/// The first process may commit as often as the first number says, each further one as the second says.
async fn through(stage: &Arc<Stage>, inner: &Arc<MemoryRuns>, plan: &Plan, commits: [usize; 2], then: Then) -> RunEnd {
    let [mut left, later] = commits;
    let mut fresh = true;
    for _ in 0..200 {
        let end = until_the_end(stage, &Frail::over(inner, left, then), plan, fresh).await;
        (fresh, left) = (false, later);
        let tenant = Tenant("a".into());
        let head = inner.head(&tenant, run_id(1)).await.expect("it is there");
        match end {
            Some(end) if end.state != RunState::Waiting => return end,
            None if head.state.ended() => return written_end(inner, plan, head.state).await,
            _ => {}
        }
        for kept in kept(inner, 1).await {
            let key = &kept.record.key;
            let (StepState::Waiting { .. }, None) = (&kept.record.state, &kept.answer) else { continue };
            let made = stage.ended().contains(&format!("{}:{key}", run_id(1)));
            let text = key.item.map_or_else(|| "{}".to_owned(), |item| format!("{{\"n\":{item}}}"));
            let answer = match plan.steps.iter().find(|step| step.id == key.step) {
                _ if !made => Answer::Retry,
                Some(step) if step.tool.ends_with("fail") => Answer::Fail,
                _ => Answer::Result { result: ResultText::new(text) },
            };
            inner.answer(&tenant, run_id(1), key, &answered(answer)).await.expect("it asks");
        }
    }
    panic!("it never ends")
}

/// The end of a run whose process died while it learnt that the end is written down.
async fn written_end(inner: &Arc<MemoryRuns>, plan: &Plan, state: RunState) -> RunEnd {
    let all: HashMap<_, _> =
        kept(inner, 1).await.into_iter().map(|kept| (kept.record.key.clone(), kept.record)).collect();
    let steps = plan.steps.iter().map(|step| super::super::StepEnd {
        id: step.id.clone(),
        state: all.get(&StepKey { step: step.id.clone(), item: None }).map(|record| record.state.clone()),
        duration: Duration::ZERO,
        history: toolcell_core::History::default(),
    });
    RunEnd {
        run: run_id(1),
        state,
        because: None,
        steps: steps.collect(),
        questions: Vec::new(),
        output: None,
        totals: super::super::Totals::default(),
        makespan: Duration::ZERO,
    }
}

/// The states and results of the steps. A failure that a person told of has other words.
fn states(end: &RunEnd) -> Vec<(&'static str, Option<ResultText>)> {
    let state = |step: &super::super::StepEnd| match step.state.clone() {
        Some(StepState::Done { result }) => ("done", Some(result)),
        state => (state.as_ref().map_or("none", StepState::name), None),
    };
    end.steps.iter().map(state).collect()
}

#[tokio::test(start_paused = true)]
async fn a_run_that_dies_after_any_commit_goes_on_and_does_nothing_twice() {
    let straight = through(&echo(), &Arc::default(), &mixed(), [usize::MAX; 2], Then::Never).await;
    assert_eq!(straight.state, RunState::Completed);
    for then in [Then::Never, Then::Silent] {
        // Only the first process of the run dies after so many commits, or each one does. If each died at its first commit, no
        // call that may not be repeated could ever go out.
        for commits in (0..40).map(|first| [first, usize::MAX]).chain((1..40).map(|each| [each; 2])) {
            let (stage, inner) = (echo(), Arc::new(MemoryRuns::default()));
            let end = through(&stage, &inner, &mixed(), commits, then).await;
            assert_eq!((end.state, states(&end)), (RunState::Completed, states(&straight)), "{then:?} {commits:?}");
            let spent = super::cost::written_down(&inner).await;
            assert!(end.totals.used.is_nothing() || end.totals.used == spent, "{then:?} {commits:?}: {end:?}");
            let mut once: Vec<_> = stage.ended();
            // What took place is counted, and nothing that did not burn fuel has burnt any.
            assert!(spent.fuel <= 10 * once.len() as u64, "{then:?} {commits:?}: {spent:?}");
            once.retain(|key| ["b", "c", "list", "maybe", "last"].iter().any(|step| key.contains(&format!(":{step}"))));
            let all = once.len();
            once.sort();
            once.dedup();
            assert_eq!(
                (all, once.len()),
                (9, 9),
                "{then:?} {commits:?}: nothing is done twice, and nothing is left out"
            );
            assert!(spent.calls >= 9 + 6, "{then:?} {commits:?}: {spent:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_for_a_while_is_waited_for() {
    for after in 0..12 {
        let stage = echo();
        let store = Frail::over(&Arc::default(), after, Then::Refuse(4));
        let end = until_the_end(&stage, &store, &mixed(), true).await.expect("it comes to its end");
        assert_eq!(end.state, RunState::Completed, "{after}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_stays_away_stops_the_run_and_nothing_is_lost() {
    for after in 0..12 {
        let (stage, inner) = (echo(), Arc::new(MemoryRuns::default()));
        let store = Frail::over(&inner, after, Then::Refuse(usize::MAX));
        let scheduler = scheduler(&stage, store, WIDE);
        let handle = start(&scheduler, 1, mixed(), who("a", "x")).await;
        let Err(Fault::Store { error: RunError::Unavailable(_), unwritten }) = handle.ended().await else {
            panic!("the store is away")
        };
        let known = kept(&inner, 1).await.into_iter().map(|kept| kept.record).chain(unwritten);
        let known: Vec<String> = known
            .filter(|record| matches!(record.state, StepState::Done { .. } | StepState::Failed { .. }))
            .map(|record| format!("{}:{}", run_id(1), record.key))
            .collect();
        for key in stage.ended() {
            assert!(known.contains(&key), "{after}: {key} took place and nobody knows");
        }
        assert_eq!(stage.ended().len(), stage.made().len(), "what was under way was awaited");
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_overtaken_stops_at_once_and_calls_nothing_more() {
    let (stage, inner) = (echo(), Arc::new(MemoryRuns::default()));
    let first = scheduler(&stage, inner.clone(), WIDE);
    let steps = vec![step("a", "free.t", &[]), step("b", "once.t", &[0])];
    let handle = start(&first, 1, plan(steps), who("a", "x")).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    inner.claim(&Tenant("a".into()), run_id(1)).await.expect("it is there");
    let fault = handle.ended().await.expect_err("somebody else has it");
    assert!(matches!(fault, Fault::Store { error: RunError::Overtaken, .. }), "{fault}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(stage.made(), [format!("{}:a", run_id(1))]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_plan_that_dies_again_and_again_ends_as_if_it_had_not(
        shapes in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<bool>(), 0..4_u8, prop::option::weighted(0.3, 0..5_usize)),
            1..10,
        ),
        every in 1..12_usize,
        silent in any::<bool>(),
        wide in 1..5_usize,
    ) {
        let build = |(n, (one, other, once, end, items)): (usize, &(prop::sample::Index, prop::sample::Index, bool, u8, Option<usize>))| {
            let mut needs: Vec<usize> = [one, other].iter().filter(|_| n > 0).map(|need| need.index(n)).collect();
            needs.sort_unstable();
            needs.dedup();
            let tool = format!("{}.{}", if *once { "once" } else { "free" }, if *end == 0 { "fail" } else { "t" });
            let mut step = step(&format!("s{n}"), &tool, &needs);
            if let Some(items) = items {
                step = each(step, *items, None);
            }
            if *end == 1 {
                step.criticality = Criticality::Optional;
            }
            step
        };
        let mut whole = plan(shapes.iter().enumerate().map(build).collect());
        whole.concurrency = wide;
        super::random::virtually(async {
            let straight = through(&echo(), &Arc::default(), &whole, [usize::MAX; 2], Then::Never).await;
            let (stage, inner) = (echo(), Arc::new(MemoryRuns::default()));
            let end = through(&stage, &inner, &whole, [every; 2], if silent { Then::Silent } else { Then::Never }).await;
            assert_eq!((end.state, states(&end)), (straight.state, states(&straight)));
            let once = |key: &String| {
                let id = key.split_once(':').expect("a derived key").1.split('[').next().expect("a step");
                whole.steps.iter().any(|step| *step.id == *id && step.tool.starts_with("once"))
            };
            let mut done: Vec<_> = stage.ended().into_iter().filter(once).collect();
            let all = done.len();
            done.sort();
            done.dedup();
            assert_eq!(done.len(), all, "nothing is done twice");
        });
    }
}
