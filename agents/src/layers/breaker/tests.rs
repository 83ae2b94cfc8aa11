use std::time::Duration;

use futures_util::future::join_all;
use toolcell_core::Silent;

use super::*;
use crate::layers::scripted::{Play, Script, call, failing, later, parts, polled};
use crate::layers::{Door, Parts};

const RULES: Rules = Rules {
    window: 10,
    span: Duration::from_mins(1),
    minimum: 4,
    percent: 50,
    cooldown: Duration::from_secs(5),
    longest_cooldown: Duration::from_secs(20),
    probes: 1,
    probe_wait: Duration::from_secs(1),
    patience: Duration::from_millis(100),
    tracked: 3,
};

fn breaker(script: &Arc<Script>) -> Breaker {
    let Parts { toolbox, directory, .. } = parts(script);
    Breaker::around(Arc::new(Door::to(toolbox)), directory, RULES)
}

async fn make(breaker: &Breaker, calls: std::ops::Range<u128>) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for id in calls {
        outcomes.push(breaker.call(call(id, "read"), &Silent).await);
    }
    outcomes
}

fn state(breaker: &Breaker) -> State {
    breaker.circuits()[0].state
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_keeps_failing_is_left_alone_and_then_tried_by_one() {
    let script = Script::new((0..4).map(|_| failing(Kind::Unavailable)), later(50, Play::Gives("1")));
    let breaker = breaker(&script);
    make(&breaker, 0..4).await;
    assert_eq!(breaker.circuits()[0].open_ms, Some(5_000));
    let refused = &make(&breaker, 4..5).await[0];
    let failure = refused.verdict.failure().expect("refused");
    assert_eq!((failure.kind, failure.retry_after_ms, script.calls()), (Kind::Unavailable, Some(5_000), 4));
    assert!(failure.message.starts_with("`shop.read` failed too often"), "by its full id: {}", failure.message);

    tokio::time::advance(Duration::from_secs(5)).await;
    let outcomes = join_all((10..30).map(|id| breaker.call(call(id, "shop.read"), &Silent))).await;
    let good = outcomes.iter().filter(|outcome| outcome.verdict.result().is_some()).count();
    assert_eq!((good, script.calls()), (1, 5), "one probe, and nobody else");
    assert!(outcomes[1].verdict.failure().is_some_and(|failure| failure.retry_after_ms == Some(1_000)));
    assert_eq!(state(&breaker), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn what_says_nothing_of_the_tool_does_not_count() {
    let quick = Kind::Limit(Limit::Time);
    let kinds = [Kind::InvalidArgument, Kind::NotGranted, Kind::NeedsPerson, Kind::Cancelled, Kind::NotFound, quick];
    let script = Script::new(kinds.map(failing), failing(Kind::Limit(Limit::Rate)));
    let breaker = breaker(&script);
    make(&breaker, 0..20).await;
    assert_eq!(breaker.circuits()[0].calls, 0);
    assert_eq!(script.calls(), 20);
}

#[tokio::test(start_paused = true)]
async fn what_speaks_against_the_tool_opens_its_circuit() {
    for kind in [Kind::Unavailable, Kind::Trap, Kind::HostFault, Kind::Limit(Limit::Time), Kind::Limit(Limit::HttpTime)]
    {
        let script = Script::new([], later(100, failing(kind)));
        let breaker = breaker(&script);
        make(&breaker, 0..10).await;
        assert_eq!((script.calls(), state(&breaker)), (4, State::Open), "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_tenant_and_another_tool_are_not_touched() {
    let script = Script::new([], failing(Kind::Unavailable));
    let breaker = breaker(&script);
    make(&breaker, 0..5).await;
    let mut other = call(20, "shop.read");
    other.tenant = Tenant("other".into());
    breaker.call(other, &Silent).await;
    breaker.call(call(21, "shop.put"), &Silent).await;
    assert_eq!(script.calls(), 6);
}

#[tokio::test(start_paused = true)]
async fn names_that_callers_make_up_are_not_remembered_and_tenants_only_so_many() {
    let script = Script::new([], Play::Gives("1"));
    let breaker = breaker(&script);
    for n in 0..50 {
        breaker.call(call(n, &format!("made.up-{n}")), &Silent).await;
        let mut call = call(100 + n, "shop.read");
        call.tenant = Tenant(format!("tenant-{n}").into());
        breaker.call(call, &Silent).await;
    }
    assert_eq!(breaker.circuits().len(), RULES.tracked);
}

#[tokio::test(start_paused = true)]
async fn a_probe_whose_caller_goes_makes_way_for_the_next() {
    for polls in 1..6 {
        let plays = (0..4).map(|_| failing(Kind::Unavailable)).chain([later(50, Play::Hangs)]);
        let script = Script::new(plays, Play::Gives("1"));
        let breaker = breaker(&script);
        make(&breaker, 0..4).await;
        tokio::time::advance(Duration::from_secs(5)).await;
        let probe = breaker.call(call(10, "shop.read"), &Silent);
        assert!(
            polled(tokio::time::timeout(Duration::from_millis(70), probe), polls)
                .await
                .is_none_or(|ended| ended.is_err())
        );
        assert_eq!(state(&breaker), State::HalfOpen);
        make(&breaker, 11..12).await;
        assert_eq!(state(&breaker), State::Closed);
    }
}
