//! What a run has used up, over questions, crashes and resumptions.

use toolcell_core::runs::{Spent, StepKey};

use super::*;

/// What so many scripted calls cost.
fn cost(calls: u64) -> Spent {
    Spent { calls, fuel: 10 * calls, http_requests: calls }
}

pub(super) async fn written_down(runs: &MemoryRuns) -> Spent {
    kept(runs, 1).await.iter().fold(Spent::default(), |all, kept| all.and(kept.record.used))
}

/// Completes what is called `t.one`, and fails what is called anything else.
fn stage() -> Arc<Stage> {
    Stage::new(|call| {
        let act = if call.tool.ends_with("one") { Act::Ok("1".to_owned()) } else { Act::Fail(Kind::Fatal) };
        (Duration::from_millis(10), act)
    })
}

/// Five calls of a list, one more, and one that asks after each failure.
fn asking() -> Plan {
    let mut critical = step("critical", "once.fails", &[]);
    critical.criticality = Criticality::Critical;
    plan(vec![each(step("list", "t.one", &[]), 5, None), critical, step("last", "t.one", &[1])])
}

async fn again(scheduler: &Scheduler, runs: &MemoryRuns, plan: Plan) -> RunEnd {
    let (who, key) = (who("a", "x"), StepKey { step: "critical".into(), item: None });
    runs.answer(&who.tenant, run_id(1), &key, &answered(Answer::Retry)).await.expect("it asks");
    resume(scheduler, runs, 1, plan, &who).await
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_resumed_has_used_what_it_had_used() {
    let (stage, runs) = (stage(), Arc::new(MemoryRuns::default()));
    let scheduler = scheduler(&stage, runs.clone(), WIDE);
    let mut end = start(&scheduler, 1, asking(), who("a", "x")).await.ended().await.expect("the store answers");
    for calls in 6..10 {
        assert_eq!((end.state, end.totals.used), (RunState::Waiting, cost(calls)));
        assert_eq!(written_down(&runs).await, cost(calls), "each attempt is in the record of its step");
        end = again(&scheduler, &runs, asking()).await;
    }
    assert_eq!(stage.made().len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_budget_holds_over_all_resumptions() {
    let budgets = [
        ("calls", Budget { calls: Some(8), ..Budget::default() }),
        ("fuel", Budget { fuel: Some(80), ..Budget::default() }),
        ("http_requests", Budget { http_requests: Some(8), ..Budget::default() }),
    ];
    for (name, budget) in budgets {
        let (stage, runs) = (stage(), Arc::new(MemoryRuns::default()));
        let scheduler = scheduler(&stage, runs.clone(), WIDE);
        let bounded = || Plan { budget, ..asking() };
        let mut end = start(&scheduler, 1, bounded(), who("a", "x")).await.ended().await.expect("the store answers");
        while end.state == RunState::Waiting {
            end = again(&scheduler, &runs, bounded()).await;
        }
        assert_eq!(end.because, Some(format!("the run's budget of {name} is spent")));
        assert_eq!((end.totals.used, stage.made().len()), (cost(8), 8), "{name}");
        assert_eq!(written_down(&runs).await, cost(8), "{name}: also of the step that was still asking");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_person_decides_costs_nothing_and_takes_nothing_back() {
    let given = Answer::Result { result: ResultText::new("7".to_owned()) };
    for (answer, state) in [(given, RunState::Completed), (Answer::Fail, RunState::Failed)] {
        let (stage, runs) = (stage(), Arc::new(MemoryRuns::default()));
        let (scheduler, who) = (scheduler(&stage, runs.clone(), WIDE), who("a", "x"));
        let end = start(&scheduler, 1, asking(), who.clone()).await.ended().await.expect("the store answers");
        assert_eq!(end.totals.used, cost(6));
        let key = StepKey { step: "critical".into(), item: None };
        runs.answer(&who.tenant, run_id(1), &key, &answered(answer)).await.expect("it asks");
        let end = resume(&scheduler, &runs, 1, asking(), &who).await;
        let calls = stage.made().len() as u64;
        assert_eq!((end.state, end.totals.used, written_down(&runs).await), (state, cost(calls), cost(calls)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_went_out_and_never_came_back_is_counted_as_one() {
    let stage = Stage::new(|_| (Duration::ZERO, Act::Hang));
    let runs = Arc::new(MemoryRuns::default());
    let who = who("a", "x");
    let whole = || plan(vec![step("a", "once.one", &[])]);
    let first = scheduler(&stage, runs.clone(), WIDE);
    start(&first, 1, whole(), who.clone()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(first);
    let end = resume(&scheduler(&stage, runs.clone(), WIDE), &runs, 1, whole(), &who).await;
    assert_eq!((end.state, end.totals.used), (RunState::Waiting, Spent::ONE_CALL), "its fuel nobody knows");
    assert_eq!(written_down(&runs).await, Spent::ONE_CALL);
}
