use std::time::Duration;

use futures_util::StreamExt;
use toolcell_core::failure::Question;
use toolcell_core::runs::Spent;
use toolcell_core::{Arguments, Failure, Kind, Limit, ResultText, Silent, Then, UnixMillis};

use super::*;
use crate::layers::scripted::{Play, Script, call, failing, later, parts, polled};
use crate::plan::Criticality;

fn stack(script: &Arc<Script>, layers: &[Layer]) -> Stack {
    Stack::around(parts(script), Settings::new(3).only(layers), |inner| inner)
}

fn falling_back() -> CallOptions {
    CallOptions { fallback: Some(ResultText::new("\"instead\"".to_owned())), ..CallOptions::default() }
}

fn text(outcome: &Outcome) -> Option<&str> {
    outcome.verdict.result().map(ResultText::get)
}

#[tokio::test(start_paused = true)]
async fn a_question_passes_every_layer_as_it_is() {
    let mut failure = Failure::new(Kind::NeedsPerson, "which?");
    failure.question = Some(Question { text: "which?".to_owned(), choices: vec!["a".to_owned(), "b".to_owned()] });
    failure.retry_after_ms = Some(1);
    for kind in [Kind::NeedsPerson, Kind::Refused, Kind::NotGranted, Kind::WrongDigest] {
        failure.kind = kind;
        let script = Script::new([], Play::Fails(failure.clone()));
        let stack = stack(&script, &Layer::ALL);
        for n in 0..20 {
            let outcome = stack.call_with(call(n, "shop.read"), &falling_back(), &Silent).await;
            assert_eq!(outcome.verdict.failure(), Some(&failure));
            assert!(outcome.history.is_empty());
        }
        assert_eq!(script.calls(), 20, "neither tried again nor kept nor refused");
        assert_eq!(stack.breaker().expect("there is one").circuits()[0].calls, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_that_is_kept_passes_no_other_layer() {
    let script = Script::new([Play::Gives("1")], failing(Kind::Unavailable));
    let stack = stack(&script, &Layer::ALL);
    for n in 0..10 {
        assert_eq!(text(&stack.call(call(n, "shop.read"), &Silent).await), Some("1"));
    }
    assert_eq!(script.calls(), 1);
    assert_eq!(stack.breaker().expect("there is one").circuits()[0].calls, 1);
}

#[tokio::test(start_paused = true)]
async fn a_fallback_value_is_never_kept_and_the_tool_is_what_counts() {
    let script = Script::new((0..4).map(|_| failing(Kind::Unavailable)), Play::Gives("1"));
    let stack = stack(&script, &Layer::ALL);
    let outcome = stack.call_with(call(1, "shop.read"), &falling_back(), &Silent).await;
    assert_eq!(text(&outcome), Some("\"instead\""));
    let thens: Vec<bool> = outcome.history.attempts.iter().map(|one| one.then == Then::FellBack).collect();
    assert_eq!(thens, [false, false, false, true]);
    assert_eq!(Spent::on(&outcome), Spent { calls: 4, fuel: 40, http_requests: 4 });
    let outcome = stack.call_with(call(2, "shop.read"), &falling_back(), &Silent).await;
    assert_eq!((text(&outcome), outcome.history.kept), (Some("1"), None));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_put_in_the_place_of_a_cancellation() {
    let script = Script::new([], Play::Hangs);
    let stack = stack(&script, &Layer::ALL);
    let stop = async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(stack.cancel(CallId(1)));
    };
    let options = falling_back();
    let (outcome, ()) = tokio::join!(stack.call_with(call(1, "shop.read"), &options, &Silent), stop);
    assert_eq!((outcome.verdict.name(), script.running()), ("cancelled", 0));
    assert!(outcome.receipt.is_some(), "the toolbox had the time to seal it");
}

#[test]
fn a_wish_from_another_thread_is_never_lost() {
    let script = Script::new([], Play::Hangs);
    let stack = stack(&script, &Layer::ALL);
    let asks = (0..200).map(|n| {
        let mut call = call(n, if n % 2 == 0 { "shop.read" } else { "shop.buy" });
        call.arguments = Arguments::from_text((n % 7).to_string()).expect("small");
        stack.call(call, &Silent)
    });
    let outcomes = std::thread::scope(|scope| {
        // Some wishes come before the call has reached the toolbox, some after.
        scope.spawn(|| (0..200).for_each(|n| while !stack.cancel(CallId(n)) {}));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(futures_util::future::join_all(asks))
    });
    assert!(outcomes.iter().all(|outcome| outcome.verdict.name() == "cancelled"));
    assert_eq!(script.running(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_has_its_own_time_and_counts_against_the_tool() {
    let script = Script::new([Play::Hangs], later(300, Play::Gives("1")));
    let stack = stack(&script, &Layer::ALL);
    let options = CallOptions { timeout: Some(Duration::from_secs(2)), ..CallOptions::default() };
    let outcome = stack.call_with(call(1, "shop.read"), &options, &Silent).await;
    assert_eq!(text(&outcome), Some("1"));
    assert_eq!(outcome.history.attempts[0].kind, Kind::Limit(Limit::Time));
    assert!(outcome.history.attempts[0].duration_us >= 2_000_000);
    let circuits = stack.breaker().expect("there is one").circuits();
    assert_eq!((circuits[0].calls, circuits[0].failures), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn time_that_is_over_ends_the_call_for_real() {
    for (play, sealed, grace) in [(Play::Hangs, true, 0), (Play::Deaf, false, 500)] {
        let script = Script::new([], play);
        let stack = stack(&script, &[Layer::Timeout]);
        let now = tokio::time::Instant::now();
        let mut call = call(1, "shop.buy");
        call.deadline = Some(UnixMillis(400));
        let outcome = stack.call(call, &Silent).await;
        let failure = outcome.verdict.failure().expect("over");
        assert_eq!((failure.kind, failure.limit.map(|hit| hit.value)), (Kind::Limit(Limit::Time), Some(400)));
        assert_eq!((outcome.receipt.is_some(), script.running()), (sealed, 0));
        assert_eq!(now.elapsed(), Duration::from_millis(400 + grace));
    }
    let script = Script::new([], Play::Gives("1"));
    let stack = stack(&script, &[Layer::Timeout]);
    let mut late = call(1, "shop.buy");
    late.deadline = Some(UnixMillis(0));
    assert_eq!(stack.call(late, &Silent).await.verdict.name(), "exhausted");
    assert_eq!(script.calls(), 0, "nothing is called when the time is over before");
    let mut early = call(2, "shop.buy");
    early.deadline = Some(UnixMillis(u64::MAX));
    assert_eq!(text(&stack.call(early, &Silent).await), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_ended_while_it_was_being_stopped_keeps_its_own_end() {
    let script = Script::new([], later(100, Play::Gives("1")));
    let stack = stack(&script, &[Layer::Timeout]);
    let options = CallOptions { timeout: Some(Duration::from_millis(100)), ..CallOptions::default() };
    assert_eq!(text(&stack.call_with(call(1, "shop.buy"), &options, &Silent).await), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn a_dead_tool_is_called_seldom_however_many_ask() {
    let script = Script::new([], later(20, failing(Kind::Unavailable)));
    let stack = stack(&script, &Layer::ALL);
    let asks = (0..300).map(|n| {
        let mut call = call(n, "shop.read");
        call.arguments = Arguments::from_text(n.to_string()).expect("small");
        stack.call(call, &Silent)
    });
    let began = tokio::time::Instant::now();
    let outcomes: Vec<Outcome> = futures_util::stream::iter(asks).buffer_unordered(8).collect().await;
    assert!(outcomes.iter().all(|outcome| outcome.verdict.failure().is_some_and(|one| one.kind == Kind::Unavailable)));
    // Eight went out before the first was back; after that one probe at a time, each after a longer pause than the last.
    let pauses = began.elapsed().as_secs() / 5;
    assert!((script.calls() as u64) < 8 + pauses && script.calls() < 40, "{} in {:?}", script.calls(), began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_repairs_stands_between_fallback_and_cache() {
    let script = Script::new([], Play::Gives("1"));
    let mut asked = 0;
    let stack = Stack::around(parts(&script), Settings::new(3), |inner| {
        asked += 1;
        inner
    });
    stack.call(call(1, "shop.read"), &Silent).await;
    assert_eq!(asked, 1);
    let without: Vec<Layer> = Layer::ALL.into_iter().filter(|layer| *layer != Layer::Repair).collect();
    Stack::around(parts(&script), Settings::new(3).only(&without), |_| unreachable!("left out"));
}

#[tokio::test(start_paused = true)]
async fn wherever_a_caller_goes_the_next_one_is_served() {
    for polls in 0..24 {
        let script =
            Script::new([later(5, failing(Kind::Unavailable)), later(5, Play::Hangs)], later(5, Play::Gives("1")));
        let stack = stack(&script, &Layer::ALL);
        let timeout = Some(Duration::from_millis(20));
        let options = CallOptions { timeout, criticality: Criticality::Critical, ..CallOptions::default() };
        polled(stack.call_with(call(1, "shop.read"), &options, &Silent), polls).await;
        assert_eq!(script.running(), 0);
        let outcome = stack.call_with(call(2, "shop.read"), &options, &Silent).await;
        assert_eq!(text(&outcome), Some("1"), "after {polls} polls: {outcome:?}");
    }
}
