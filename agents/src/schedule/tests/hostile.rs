//! Input, results and records that nobody should have to deal with.

use super::crash::{Frail, Then};
use super::*;
use crate::schedule::StartError;
use futures_util::FutureExt as _;
use toolcell_core::runs::{RunError, Spent, StepKey, StepRecord};

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_fails_those_who_refer_to_it_and_nobody_else() {
    let stage = Stage::new(|call| {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        (Duration::ZERO, Act::Ok(if call.tool == "t.deep" { deep } else { "1".to_owned() }))
    });
    let refers = |id: &str, template| Step { arguments: template, ..step(id, "t.one", &[0]) };
    let steps = vec![
        step("deep", "t.deep", &[]),
        refers("result", Template::Result(0, "/0".into())),
        refers("input", Template::Input("".into())),
        refers("neither", value("{}")),
    ];
    let scheduler = scheduler(&stage, Arc::new(MemoryRuns::default()), WIDE);
    for (n, input) in ["", "{", "{\"a\":1,\"a\":2}", "\u{0}"].into_iter().enumerate() {
        let plan = Arc::new(plan(steps.clone()));
        let start = Start { id: run_id(n as u64), plan, text: "".into(), input: input.into(), who: who("a", "x") };
        let end = scheduler.start(start).await.expect("a new run").ended().await.expect("the store answers");
        assert_eq!(state_names(&end), ["done", "failed", "failed", "done"]);
        for step in &end.steps[1..3] {
            let Some(StepState::Failed { failure }) = &step.state else { panic!("it failed") };
            assert_eq!(failure.kind, Kind::InvalidJson, "{failure}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_beyond_all_measure_is_refused_before_anything_is_called() {
    let stage = Stage::new(|_| ok());
    let mut long = step("long", "t.one", &[]);
    long.for_each = Some(ForEach { over: value(&format!("[0{}]", ",0".repeat(1_000_000))), concurrency: None });
    let end = run(&stage, plan(vec![long])).await;
    assert_eq!((state_names(&end), stage.made().len()), (vec!["failed"], 0));
}

#[tokio::test(start_paused = true)]
async fn a_plan_without_steps_completes() {
    let end = run(&Stage::new(|_| ok()), plan(Vec::new())).await;
    assert_eq!((end.state, end.output.as_ref().map(ResultText::get)), (RunState::Completed, Some("{}")));
}

#[tokio::test(start_paused = true)]
async fn records_of_another_plan_and_runs_that_ended_are_not_resumed() {
    let (stage, runs) = (Stage::new(|_| ok()), Arc::new(MemoryRuns::default()));
    let scheduler = scheduler(&stage, runs.clone(), WIDE);
    let plan = plan(vec![step("a", "t.one", &[])]);
    start(&scheduler, 1, plan.clone(), who("a", "x")).await.ended().await.expect("the store answers");
    let mut head = runs.claim(&Tenant("a".into()), run_id(1)).await.expect("it is there");
    let plan = Arc::new(plan);
    let refused = scheduler.resume(head.clone(), Vec::new(), plan.clone()).expect_err("it has ended");
    assert!(matches!(refused, StartError::Ended(RunState::Completed)), "{refused}");
    head.state = RunState::Running;
    for key in [StepKey { step: "b".into(), item: None }, StepKey { step: "a".into(), item: Some(3) }] {
        let state = StepState::Cancelled;
        let (used, history) = (Spent::ONE_CALL, History::default());
        let record = StepRecord { key, state, started: UnixMillis(0), duration_us: u64::MAX, used, history };
        let kept = vec![Kept { record, answer: None }];
        let refused = scheduler.resume(head.clone(), kept, plan.clone()).expect_err("it is not of this plan");
        assert!(matches!(refused, StartError::OtherPlan(_)), "{refused}");
    }
    let again = Start { id: run_id(1), plan, text: "".into(), input: "".into(), who: who("a", "x") };
    assert!(matches!(scheduler.start(again).await, Err(StartError::Store(RunError::Exists))));
    assert_eq!(scheduler.shared.gate.remembered(), 0, "who was refused leaves nothing behind");
}

#[tokio::test(start_paused = true)]
async fn nothing_begins_before_what_it_needs_is_written_down() {
    let runs = Arc::new(MemoryRuns::default());
    let store = runs.clone();
    let stage = Stage::new(move |call| {
        let written = store.steps(run_id(1), None, 10_000).now_or_never().expect("at once").expect("in memory");
        let state = |step: &str, item| {
            let key = StepKey { step: step.into(), item };
            written.iter().find(|kept| kept.record.key == key).map(|kept| kept.record.state.name())
        };
        let key = call.idempotency_key.as_deref().and_then(|key| key.split_once(':')).expect("a derived key").1;
        let sound = match key {
            "first" => true,
            "list[0]" | "list[1]" => {
                let item = key[5..6].parse().ok();
                state("first", None) == Some("done") && state("list", item) == Some("started")
            }
            _ => state("list", None) == Some("done"),
        };
        (Duration::from_millis(1), if sound { Act::Ok("1".to_owned()) } else { Act::Fail(Kind::Fatal) })
    });
    let slow = Frail::over(&runs, usize::MAX, Then::Never);
    let scheduler = scheduler(&stage, slow, WIDE);
    let steps =
        vec![step("first", "t.one", &[]), each(step("list", "once.two", &[0]), 2, None), step("last", "t.one", &[1])];
    let end = start(&scheduler, 1, plan(steps), who("a", "x")).await.ended().await.expect("the store answers");
    assert_eq!(end.state, RunState::Completed);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_person_takes_nothing_from_the_deadline_and_working_does() {
    let stage = Stage::new(|call| match call.tool.as_str() {
        "t.ask" => (Duration::from_secs(3), Act::Ask),
        _ => (Duration::from_secs(3), Act::Ok("1".to_owned())),
    });
    let runs = Arc::new(MemoryRuns::default());
    let scheduler = scheduler(&stage, runs.clone(), WIDE);
    let mut timed = plan(vec![step("ask", "t.ask", &[]), step("b", "t.one", &[0]), step("c", "t.one", &[1])]);
    timed.deadline = Some(Duration::from_secs(8));
    let who = who("a", "x");
    let end = start(&scheduler, 1, timed.clone(), who.clone()).await.ended().await.expect("the store answers");
    assert_eq!(end.state, RunState::Waiting);
    tokio::time::sleep(Duration::from_hours(24)).await;
    let given = answered(Answer::Result { result: ResultText::new("1".to_owned()) });
    runs.answer(&who.tenant, run_id(1), &end.questions[0].0, &given).await.expect("it asks");
    let end = resume(&scheduler, &runs, 1, timed, &who).await;
    assert_eq!((end.state, end.makespan), (RunState::Cancelled, Duration::from_secs(5)), "3 s were used before");
    assert_eq!(state_names(&end), ["done", "done", "cancelled"]);
}
