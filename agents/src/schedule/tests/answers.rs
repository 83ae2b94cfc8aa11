//! Questions, and what a person's answers do.

use super::*;
use toolcell_core::runs::StepKey;

fn asking(call: &ToolCall) -> (Duration, Act) {
    let act = match call.tool.as_str() {
        "t.ask" if !call.arguments.as_str().contains("said") => Act::Ask,
        "t.fail" => Act::Fail(Kind::Fatal),
        _ => Act::Ok(call.arguments.as_str().to_owned()),
    };
    (Duration::from_secs(1), act)
}

fn key(step: &str, item: Option<u32>) -> StepKey {
    StepKey { step: step.into(), item }
}

struct Desk {
    stage: Arc<Stage>,
    runs: Arc<MemoryRuns>,
    scheduler: Scheduler,
    plan: Plan,
}

impl Desk {
    async fn open(plan: Plan) -> (Self, RunEnd) {
        let (stage, runs) = (Stage::new(asking), Arc::new(MemoryRuns::default()));
        let scheduler = scheduler(&stage, runs.clone(), WIDE);
        let end = start(&scheduler, 1, plan.clone(), who("a", "x")).await.ended().await.expect("the store answers");
        (Self { stage, runs, scheduler, plan }, end)
    }

    async fn answer(&self, key: StepKey, answer: Answer) -> RunEnd {
        let who = who("a", "x");
        self.runs.answer(&who.tenant, run_id(1), &key, &answered(answer)).await.expect("it asks");
        resume(&self.scheduler, &self.runs, 1, self.plan.clone(), &who).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_pauses_its_step_and_an_answer_goes_into_one_call_only() {
    let mut ask = step("ask", "t.ask", &[]);
    ask.answer_at = Some("/answer".into());
    let (desk, end) = Desk::open(plan(vec![ask, step("then", "t.one", &[0]), step("beside", "t.one", &[])])).await;
    assert_eq!(end.state, RunState::Waiting);
    assert_eq!(state_names(&end), ["waiting", "none", "done"]);
    assert_eq!((end.questions[0].0.clone(), &*end.questions[0].1.text), (key("ask", None), "which?"));

    let end = desk.answer(key("ask", None), Answer::Say { text: "not it".to_owned() }).await;
    assert_eq!(end.state, RunState::Waiting, "the tool asks again");
    let end = desk.answer(key("ask", None), Answer::Retry).await;
    assert_eq!(end.state, RunState::Waiting);
    let made = desk.stage.seen.lock().expect("free").arguments.clone();
    assert_eq!(made.iter().filter(|arguments| arguments.contains("not it")).count(), 1, "{made:?}");
    assert_eq!(made.last().map(String::as_str), Some("{}"));

    let end = desk.answer(key("ask", None), Answer::Say { text: "said".to_owned() }).await;
    assert_eq!((end.state, state_names(&end)), (RunState::Completed, vec!["done"; 3]));
    let mut keys: Vec<_> = desk.stage.made().into_iter().filter(|key| key.contains(":ask")).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 3, "the call as it is, and one for each thing that was said");
    assert_eq!(desk.stage.made().iter().filter(|key| key.ends_with(":beside")).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_place_is_refused_and_asked_again() {
    let mut placeless = step("b", "t.ask", &[]);
    placeless.answer_at = Some("/a/b/c".into());
    let (desk, _) = Desk::open(plan(vec![step("a", "t.ask", &[]), placeless])).await;
    for step in ["a", "b", "a"] {
        let end = desk.answer(key(step, None), Answer::Say { text: "said".to_owned() }).await;
        assert_eq!(end.state, RunState::Waiting);
        let (_, question) = end.questions.iter().find(|(asked, _)| &*asked.step == step).expect("it asks again");
        assert!(question.text.starts_with("which?\nThe last answer could not be used: "), "{}", question.text);
        assert_eq!(question.text.lines().count(), 2, "the reasons do not pile up");
    }
    assert_eq!(desk.stage.made().len(), 2, "no call was made for it");
}

#[tokio::test(start_paused = true)]
async fn results_and_failures_can_be_given_by_a_person_for_items_too() {
    let list = each(step("list", "t.ask", &[]), 3, None);
    let mut critical = step("critical", "t.fail", &[]);
    critical.criticality = Criticality::Critical;
    let (desk, end) = Desk::open(plan(vec![list, critical, step("last", "t.one", &[0])])).await;
    assert_eq!((end.state, state_names(&end)), (RunState::Waiting, vec!["waiting", "waiting", "none"]));
    assert_eq!(end.questions.len(), 4);
    for item in 0..3 {
        let result = ResultText::new(format!("{item}.0"));
        let end = desk.answer(key("list", Some(item)), Answer::Result { result }).await;
        assert_eq!(end.questions.len(), 3 - item as usize);
    }
    let end = desk.answer(key("critical", None), Answer::Fail).await;
    assert_eq!((end.state, state_names(&end)), (RunState::Failed, vec!["done", "failed", "done"]));
    let Some(StepState::Done { result }) = &end.steps[0].state else { panic!("it is done") };
    assert_eq!(result.get(), "[0.0,1.0,2.0]");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_while_the_run_goes_on_is_not_overlooked() {
    let stage = Stage::new(|call| match call.tool.as_str() {
        "t.slow" => (Duration::from_mins(1), Act::Ok("1".to_owned())),
        _ => asking(call),
    });
    let runs = Arc::new(MemoryRuns::default());
    let scheduler = scheduler(&stage, runs.clone(), WIDE);
    let steps = vec![step("ask", "t.ask", &[]), step("slow", "t.slow", &[]), each(step("l", "t.ask", &[]), 2, Some(1))];
    let handle = start(&scheduler, 1, plan(steps), who("a", "x")).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let given = answered(Answer::Result { result: ResultText::new("7".to_owned()) });
    for key in [key("ask", None), key("l", Some(0)), key("l", Some(1))] {
        runs.answer(&Tenant("a".into()), run_id(1), &key, &given).await.expect("it asks");
    }
    let end = handle.ended().await.expect("the store answers");
    assert_eq!((end.state, state_names(&end)), (RunState::Completed, vec!["done"; 3]));
}
