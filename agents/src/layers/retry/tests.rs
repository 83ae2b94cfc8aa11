use std::collections::BTreeSet;

use proptest::prelude::*;
use toolcell_core::runs::Spent;
use toolcell_core::{Kind, Limit, Silent, UnixMillis};

use super::*;
use crate::layers::scripted::{INSIDE, Play, Script, call, failing, in_virtual_time, later, parts, polled};
use crate::layers::{Door, Parts};

fn retry(script: &Arc<Script>, rules: Rules) -> Retry {
    let Parts { toolbox, directory, clock } = parts(script);
    Retry::around(Arc::new(Door::to(toolbox)), directory, clock, rules, 7)
}

fn asking(kind: Kind, millis: u64) -> Play {
    let mut failure = Failure::new(kind, "later");
    failure.retry_after_ms = Some(millis);
    Play::Fails(failure)
}

fn options(criticality: Criticality) -> CallOptions {
    CallOptions { criticality, ..CallOptions::default() }
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_again_until_it_has() {
    let script = Script::new([failing(Kind::Unavailable), failing(Kind::HostFault)], Play::Gives("1"));
    let rules = Rules { attempts: Rules::default().attempts.map(|(category, _)| (category, FIVE)), ..Rules::default() };
    let outcome = retry(&script, rules).call(call(1, "shop.read"), &Silent).await;
    assert_eq!(outcome.verdict.result().map(toolcell_core::ResultText::get), Some("1"));
    let seen: Vec<ToolCall> = script.seen().into_iter().map(|(_, call)| call).collect();
    assert_eq!(seen.iter().map(|call| call.id).collect::<BTreeSet<_>>().len(), 3, "each attempt has its own id");
    assert_eq!(seen.iter().map(|call| call.parent).collect::<Vec<_>>(), [None, Some(CallId(1)), Some(CallId(1))]);
    let kinds: Vec<(CallId, Kind)> = outcome.history.attempts.iter().map(|one| (one.call, one.kind)).collect();
    assert_eq!(kinds, [(seen[0].id, Kind::Unavailable), (seen[1].id, Kind::HostFault)]);
    assert_eq!(Spent::on(&outcome), Spent { calls: 3, fuel: 30, http_requests: 3 });
}

const FIVE: Attempts = Attempts { optional: 5, required: 5, critical: 5 };

#[tokio::test(start_paused = true)]
async fn what_matters_more_is_tried_more() {
    for (criticality, attempts) in [(Criticality::Optional, 2), (Criticality::Required, 4), (Criticality::Critical, 6)]
    {
        let script = Script::new([], failing(Kind::Unavailable));
        let outcome =
            retry(&script, Rules::default()).call_with(call(1, "shop.read"), &options(criticality), &Silent).await;
        assert_eq!((script.calls(), outcome.history.attempts.len()), (attempts, attempts - 1));
        assert_eq!(outcome.verdict.failure().map(|failure| failure.kind), Some(Kind::Unavailable));
    }
}

#[tokio::test(start_paused = true)]
async fn what_must_not_be_repeated_is_not_unless_nothing_was_done() {
    for (tool, key, kind, calls) in [
        ("shop.buy", None, Kind::Unavailable, 1),
        ("shop.buy", None, Kind::Limit(Limit::Time), 1),
        ("shop.buy", Some("k"), Kind::Unavailable, 4),
        ("shop.buy", None, Kind::Limit(Limit::QueueLength), 4),
        ("shop.buy", None, Kind::Limit(Limit::Rate), 4),
        ("shop.put", None, Kind::Unavailable, 4),
        ("shop.nothing", None, Kind::Unavailable, 1),
        ("shop.read", None, Kind::Limit(Limit::Fuel), 1),
        ("shop.read", None, Kind::InvalidArgument, 1),
        ("shop.read", None, Kind::Trap, 2),
        ("shop.buy", None, Kind::Trap, 1),
        ("shop.read", None, Kind::NeedsPerson, 1),
        ("shop.read", None, Kind::Cancelled, 1),
    ] {
        let script = Script::new([], failing(kind));
        let rules = Rules { keyed: ["shop.buy".parse().expect("an id")].into(), ..Rules::default() };
        let mut call = call(1, tool);
        call.idempotency_key = key.map(str::to_owned);
        let outcome = retry(&script, rules).call(call.clone(), &Silent).await;
        assert_eq!(script.calls(), calls, "{tool} {kind}");
        assert_eq!(outcome.verdict.failure().map(|failure| failure.kind), Some(kind));
        let script = Script::new([], failing(kind));
        retry(&script, Rules::default()).call(call, &Silent).await;
        let calls = if key.is_some() { 1 } else { calls };
        assert_eq!(script.calls(), calls, "a key is worth what the operator says of the tool");
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_that_a_running_call_met_with_proves_nothing() {
    let script = Script::new([], Play::Fails(Failure::new(Kind::Limit(Limit::QueueTime), INSIDE)));
    retry(&script, Rules::default()).call(call(1, "shop.buy"), &Silent).await;
    assert_eq!(script.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_was_asked_for_is_kept_or_the_failure_says_why_not() {
    let script = Script::new([asking(Kind::Unavailable, 2_000)], Play::Gives("1"));
    let began = Instant::now();
    retry(&script, Rules::default()).call(call(1, "shop.read"), &Silent).await;
    let waited = script.seen()[1].0 - began;
    assert!(waited >= Duration::from_secs(2) && waited <= Duration::from_millis(2_100), "{waited:?}");

    for (asked, deadline, says) in
        [(60_001, None, "over the longest wait of 60000 ms"), (2_000, Some(1_500), "deadline is in 1500 ms")]
    {
        let script = Script::new([], asking(Kind::Unavailable, asked));
        let mut call = call(1, "shop.read");
        call.deadline = deadline.map(UnixMillis);
        let outcome = retry(&script, Rules::default()).call(call, &Silent).await;
        let hints = outcome.verdict.failure().map(|failure| failure.hints.join(" ")).unwrap_or_default();
        assert_eq!(script.calls(), 1);
        assert!(hints.contains(says), "{hints}");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_failed_together_do_not_come_back_together() {
    let script = Script::new((0..200).map(|_| asking(Kind::Unavailable, 1_000)), Play::Gives("1"));
    let retry = retry(&script, Rules::default());
    let began = Instant::now();
    futures_util::future::join_all((0..200).map(|n| retry.call(call(n, "shop.read"), &Silent))).await;
    let mut crowds = std::collections::BTreeMap::new();
    for (at, _) in script.seen().iter().skip(200) {
        assert!(*at - began >= Duration::from_secs(1));
        *crowds.entry((*at - began).as_millis()).or_insert(0) += 1;
    }
    assert!(crowds.len() > 40 && crowds.values().all(|crowd| *crowd < 16), "{crowds:?}");
}

#[tokio::test(start_paused = true)]
async fn cancelling_by_the_first_id_ends_whatever_is_going_on() {
    for (at, calls) in [(50, 1), (150, 1), (2_300, 2)] {
        let plays = [later(100, asking(Kind::Unavailable, 2_000))];
        let script = Script::new(plays, Play::Hangs);
        let retry = retry(&script, Rules { first_wait: Duration::from_millis(100), ..Rules::default() });
        let stop = async {
            tokio::time::sleep(Duration::from_millis(at)).await;
            assert!(retry.cancel(CallId(1)) && !retry.cancel(CallId(2)));
        };
        let began = Instant::now();
        let (outcome, ()) = tokio::join!(retry.call(call(1, "shop.read"), &Silent), stop);
        assert_eq!(outcome.verdict.name(), "cancelled");
        assert_eq!((began.elapsed(), script.calls()), (Duration::from_millis(at), calls), "at once");
        assert_eq!((script.running(), retry.cancels.len()), (0, 0));
        assert_eq!(Spent::on(&outcome).calls, calls as u64);
    }
}

#[tokio::test(start_paused = true)]
async fn a_toolbox_that_heeds_no_cancellation_is_left() {
    let script = Script::new([], Play::Deaf);
    let retry = retry(&script, Rules::default());
    let stop = async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(retry.cancel(CallId(1)));
    };
    let (outcome, ()) = tokio::join!(retry.call(call(1, "shop.read"), &Silent), stop);
    assert_eq!((outcome.verdict.name(), script.running()), ("cancelled", 0));
}

#[tokio::test(start_paused = true)]
async fn wherever_its_caller_goes_nothing_is_left_behind() {
    for polls in 0..20 {
        let script =
            Script::new([later(5, failing(Kind::Unavailable)), later(5, failing(Kind::HostFault))], Play::Hangs);
        let retry = retry(&script, Rules::default());
        polled(tokio::time::timeout(Duration::from_secs(1), retry.call(call(1, "shop.read"), &Silent)), polls).await;
        assert_eq!((script.running(), retry.cancels.len()), (0, 0), "after {polls} polls");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn whatever_fails_no_rule_is_broken(
        kinds in prop::collection::vec((0_usize..10, prop::option::of(0_u64..100_000), 0_u64..500), 0..12),
        tool in prop::sample::select(vec!["shop.read", "shop.put", "shop.buy", "shop.none"]),
        deadline in prop::option::of(0_u64..200_000),
        criticality in prop::sample::select(vec![Criticality::Optional, Criticality::Required, Criticality::Critical]),
        seed in any::<u64>(),
    ) {
        const KINDS: [Kind; 10] = [
            Kind::Unavailable, Kind::HostFault, Kind::Trap, Kind::NeedsPerson, Kind::Limit(Limit::QueueTime),
            Kind::Limit(Limit::Rate), Kind::Limit(Limit::Time), Kind::InvalidArgument, Kind::Cancelled, Kind::NotGranted,
        ];
        let play = |(kind, after, took): &(usize, Option<u64>, u64)| {
            let mut failure = Failure::new(KINDS[*kind], "no");
            failure.retry_after_ms = *after;
            later(*took, Play::Fails(failure))
        };
        let script = Script::new(kinds.iter().map(play), Play::Gives("1"));
        let rules = Rules::default();
        let Parts { toolbox, directory, clock } = in_virtual_time(async { parts(&script) });
        let outcome = in_virtual_time(async {
            let retry = Retry::around(Arc::new(Door::to(toolbox)), directory, clock, rules.clone(), seed);
            let mut call = call(1, tool);
            call.deadline = deadline.map(UnixMillis);
            retry.call_with(call, &options(criticality), &Silent).await
        });
        let seen = script.seen();
        prop_assert_eq!(outcome.history.attempts.len() + 1, seen.len());
        prop_assert!(seen.len() <= 5);
        for (n, pair) in seen.windows(2).enumerate() {
            let (kind, after, took) = kinds[n];
            let (kind, waited) = (KINDS[kind], pair[1].0 - pair[0].0);
            prop_assert!(waited >= Duration::from_millis(after.unwrap_or_default() + took));
            prop_assert!(n + 1 < rules.attempts(kind, criticality) as usize);
            let may = matches!(tool, "shop.read" | "shop.put") || Category::of(kind).nothing_done();
            prop_assert!(may, "{tool} after {kind}");
            let again = matches!(turn(&Outcome::unsealed(Verdict::of(Failure::new(kind, "no")))), Turn::Again { .. });
            prop_assert!(again, "{kind} is no matter of trying again");
            let until = deadline.map(Duration::from_millis);
            prop_assert!(until.is_none_or(|until| pair[1].0 - seen[0].0 < until + Duration::from_millis(1)));
        }
    }
}
