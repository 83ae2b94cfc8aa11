use std::sync::atomic::Ordering;

use futures_util::future::join_all;
use proptest::prelude::*;
use toolcell_core::runs::Spent;
use toolcell_core::{Arguments, Failure, Limit, Limits, ResultText, Silent, UnixMillis};

use super::*;
use crate::layers::scripted::{Play, Script, Shop, Wall, call, failing, in_virtual_time, later, parts, polled};
use crate::layers::{Door, Parts};

fn cache(script: &Arc<Script>, rules: Rules) -> Cache {
    let Parts { toolbox, directory, clock } = parts(script);
    Cache::around(Arc::new(Door::to(toolbox)), directory, clock, rules)
}

fn text(outcome: &Outcome) -> Option<&str> {
    outcome.verdict.result().map(ResultText::get)
}

fn counts(cache: &Cache) -> Counts {
    cache.statistics().into_values().next().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_result_is_kept_for_its_time_and_says_whose_it_is() {
    let script = Script::new([Play::Gives("1")], Play::Gives("2"));
    let cache = cache(&script, Rules::default());
    let first = cache.call(call(1, "shop.read"), &Silent).await;
    tokio::time::advance(Duration::from_secs(7)).await;
    let second = cache.call(call(2, "read"), &Silent).await;
    assert_eq!((text(&first), text(&second)), (Some("1"), Some("1")));
    assert_eq!(second.history.kept, Some(Kept { call: CallId(1), age_ms: 7_000, joined: false }));
    assert_eq!(second.receipt, first.receipt, "the receipt is that of the call that made it");
    assert_eq!((Spent::on(&first).calls, Spent::on(&second)), (1, Spent::default()));
    tokio::time::advance(Duration::from_secs(293)).await;
    assert_eq!(text(&cache.call(call(3, "shop.read"), &Silent).await), Some("2"));
    let Counts { hits, misses, entries, bytes, .. } = counts(&cache);
    assert_eq!((hits, misses, entries), (1, 2, 1));
    assert!(bytes > 1_000);
    cache.clear(Some(&Tenant::default()));
    assert_eq!(counts(&cache).entries, 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_for_the_cache_is_simply_called() {
    let idempotent = Rules { effects: Effects::Idempotent, ..Rules::default() };
    let once = Rules { effects: Effects::Once, ..Rules::default() };
    let secrets = Rules { secrets: Secrets::Keep, ..Rules::default() };
    let small = Rules { largest_arguments: 1, ..Rules::default() };
    for (tool, key, rules, calls) in [
        ("shop.read", None, Rules::default(), 1),
        ("shop.read", Some("k"), Rules::default(), 1),
        ("shop.read", None, small, 2),
        ("shop.put", None, Rules::default(), 2),
        ("shop.put", None, idempotent, 1),
        ("shop.put", Some("k"), idempotent, 2),
        ("shop.buy", None, once, 2),
        ("shop.login", None, Rules::default(), 2),
        ("shop.login", None, secrets, 1),
        ("shop.rates", None, Rules::default(), 1),
        ("shop.none", None, once, 2),
    ] {
        let script = Script::new([], Play::Gives("1"));
        let cache = cache(&script, rules);
        for n in 0..2 {
            let mut call = call(n, tool);
            call.idempotency_key = key.map(str::to_owned);
            cache.call(call, &Silent).await;
        }
        assert_eq!(script.calls(), calls, "{tool} {key:?}");
    }
    let script = Script::new([], Play::Gives("1"));
    let cache = cache(&script, Rules::default());
    for n in 0..2 {
        let mut call = call(n, "shop.read");
        call.component = Some(toolcell_core::Digest::of(b"other code"));
        cache.call(call, &Silent).await;
    }
    assert_eq!(script.calls(), 2, "other code is refused inside");
}

#[tokio::test(start_paused = true)]
async fn another_tenant_another_grant_and_other_arguments_are_other_results() {
    let script = Script::new([], Play::Gives("1"));
    let shop = Arc::new(Shop::default());
    let clock = Arc::new(Wall::default());
    let cache = Cache::around(Arc::new(Door::to(script.clone())), shop.clone(), clock, Rules::default());
    let plain = |id| call(id, "shop.read");
    cache.call(plain(1), &Silent).await;
    let mut other = plain(2);
    other.tenant = Tenant("other".into());
    cache.call(other, &Silent).await;
    assert_eq!(script.calls(), 2);
    let mut other = plain(3);
    other.arguments = Arguments::from_text("{\"a\":1}").expect("small");
    cache.call(other, &Silent).await;
    assert_eq!(script.calls(), 3);
    shop.grant.fetch_add(1, Ordering::Relaxed);
    cache.call(plain(4), &Silent).await;
    assert_eq!(script.calls(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_result_whose_grant_changed_on_the_way_is_not_kept() {
    let script = Script::new([], later(100, Play::Gives("1")));
    let shop = Arc::new(Shop::default());
    let clock = Arc::new(Wall::default());
    let cache = Cache::around(Arc::new(Door::to(script.clone())), shop.clone(), clock, Rules::default());
    let change = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        shop.grant.fetch_add(1, Ordering::Relaxed);
    };
    let (outcome, ()) = tokio::join!(cache.call(call(1, "shop.read"), &Silent), change);
    assert_eq!(text(&outcome), Some("1"));
    shop.grant.store(0, Ordering::Relaxed);
    cache.call(call(2, "shop.read"), &Silent).await;
    assert_eq!(script.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn calls_that_come_together_are_made_once() {
    for play in [Play::Gives("1"), failing(Kind::Unavailable), failing(Kind::NeedsPerson)] {
        let script = Script::new([], later(100, play.clone()));
        let cache = cache(&script, Rules::default());
        let outcomes = join_all((0..100).map(|n| cache.call(call(n, "shop.read"), &Silent))).await;
        assert_eq!(script.calls(), 1, "{play:?}");
        let joined = outcomes.iter().filter(|one| one.history.kept.is_some_and(|kept| kept.joined)).count();
        assert_eq!((joined, counts(&cache).joins), (99, 99));
        assert!(outcomes.iter().all(|one| one.verdict.name() == outcomes[0].verdict.name()));
        assert_eq!(outcomes.iter().map(|one| Spent::on(one).calls).sum::<u64>(), 1);
        assert_eq!((cache.flights.len(), cache.cancels.len()), (0, 0));
        cache.call(call(200, "shop.read"), &Silent).await;
        let kept = matches!(play, Play::Gives(_));
        assert_eq!(script.calls(), if kept { 1 } else { 2 }, "failures are shared and not kept");
    }
}

#[tokio::test(start_paused = true)]
async fn who_cancels_takes_nothing_from_the_others() {
    let script = Script::new([], later(100, Play::Gives("1")));
    let cache = cache(&script, Rules::default());
    let stop = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(cache.cancel(CallId(3)), "one that waits");
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(cache.cancel(CallId(0)), "the one that makes it");
    };
    let all = join_all((0..5).map(|n| cache.call(call(n, "shop.read"), &Silent)));
    let (outcomes, ()) = tokio::join!(all, stop);
    let names: Vec<&str> = outcomes.iter().map(|one| one.verdict.name()).collect();
    assert_eq!(names, ["cancelled", "completed", "completed", "cancelled", "completed"]);
    assert_eq!((script.calls(), script.most()), (2, 1), "the next in line makes the call");
    assert_eq!((script.running(), cache.flights.len(), cache.cancels.len()), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_comes_of_ones_own_ceilings_is_not_given_to_others() {
    for narrow in [true, false] {
        let failure = Failure::limit(Limit::Fuel, 5);
        let script = Script::new([later(10, Play::Fails(failure))], later(10, Play::Gives("1")));
        let cache = cache(&script, Rules::default());
        let budget = |fuel| Some(Limits::ceiling().with(Limit::Fuel, fuel).expect("in range"));
        let (mut first, mut second) = (call(1, "shop.read"), call(2, "shop.read"));
        (first.budget, second.budget) = if narrow { (budget(5), budget(9)) } else { (budget(9), budget(5)) };
        let (_, second) = tokio::join!(cache.call(first, &Silent), cache.call(second, &Silent));
        assert_eq!((second.verdict.result().is_some(), script.calls()), if narrow { (true, 2) } else { (false, 1) });
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_another_waits_no_longer_than_its_own_deadline() {
    let script = Script::new([], later(1_000, Play::Gives("1")));
    let cache = cache(&script, Rules::default());
    let mut hurried = call(2, "shop.read");
    hurried.deadline = Some(UnixMillis(300));
    let (first, second) = tokio::join!(cache.call(call(1, "shop.read"), &Silent), cache.call(hurried, &Silent));
    assert_eq!(text(&first), Some("1"));
    assert_eq!(second.verdict.failure().map(|failure| failure.kind), Some(Kind::Limit(Limit::Time)));
    assert_eq!(script.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn wherever_a_caller_goes_those_who_wait_are_served() {
    for polls in 0..8 {
        let script = Script::new([], later(10, Play::Gives("1")));
        let cache = cache(&script, Rules::default());
        let goes = polled(cache.call(call(0, "shop.read"), &Silent), polls);
        let stay = join_all((1..4).map(|n| cache.call(call(n, "shop.read"), &Silent)));
        let (_, outcomes) = tokio::join!(goes, stay);
        assert!(outcomes.iter().all(|one| text(one) == Some("1")), "after {polls} polls");
        assert_eq!(script.most(), 1);
        assert_eq!((script.running(), cache.flights.len(), cache.cancels.len()), (0, 0, 0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn under_any_mix_each_call_ends_and_no_two_make_the_same(
        calls in prop::collection::vec((0_u64..40, 0_u8..3, 0_u8..5, prop::option::of(0_u64..60)), 1..30),
        fails in prop::collection::vec(any::<bool>(), 0..20),
    ) {
        in_virtual_time(async {
            let play = |fails: &bool| later(10, if *fails { failing(Kind::Unavailable) } else { Play::Gives("1") });
            let script = Script::new(fails.iter().map(play), later(10, Play::Gives("1")));
            let cache = cache(&script, Rules { keep_for: Duration::from_millis(15), ..Rules::default() });
            let one = |(n, (at, tool, what, bound)): (usize, &(u64, u8, u8, Option<u64>))| {
                let (cache, id) = (&cache, CallId(n as u128));
                let mut call = call(id.0, ["shop.read", "shop.login", "shop.read"][usize::from(*tool)]);
                call.arguments = Arguments::from_text(format!("{}", tool % 2)).expect("small");
                let (at, what, bound) = (*at, *what, *bound);
                async move {
                    tokio::time::sleep(Duration::from_millis(at)).await;
                    let span = Duration::from_millis(bound.unwrap_or(1_000));
                    match what {
                        0 => { let _ = tokio::time::timeout(span, cache.call(call, &Silent)).await; }
                        1 => {
                            let stop = async { tokio::time::sleep(span).await; cache.cancel(id); };
                            let _ = futures_util::future::join(cache.call(call, &Silent), stop).await;
                        }
                        _ => { cache.call(call, &Silent).await; }
                    }
                }
            };
            let all = join_all(calls.iter().enumerate().map(one));
            let ended = tokio::time::timeout(Duration::from_mins(1), all).await;
            prop_assert!(ended.is_ok(), "somebody waits for ever");
            prop_assert_eq!((script.running(), cache.flights.len(), cache.cancels.len()), (0, 0, 0));
            // Of the calls that are for the cache, whose arguments are all the same, one runs at a time.
            let logins = calls.iter().filter(|one| one.1 == 1).count();
            prop_assert!(script.most() <= 1 + logins);
            Ok(())
        })?;
    }
}
