use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use toolcell_core::health::{CallRecord, Recovered};
use toolcell_core::{Digest, Kind, Limit, Tenant, UnixMillis};

use super::{FEWEST, Report, View, report};

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
const DAY: Duration = Duration::from_hours(24);

fn view() -> View<'static> {
    static NOTHING: BTreeMap<String, u32> = BTreeMap::new();
    static NONE: BTreeMap<String, bool> = BTreeMap::new();
    View { now: NOW, window: DAY, objective: 0.99, cards: &[], cases: &NOTHING, fallbacks: &NONE }
}

/// A call so many minutes ago.
fn call(tool: &str, minutes_ago: u64, kind: Option<Kind>) -> CallRecord {
    CallRecord {
        at: UnixMillis(NOW.0 - minutes_ago * 60_000),
        tenant: Tenant::default(),
        tool: tool.to_owned(),
        component: None,
        profile: "scout".to_owned(),
        upstream: None,
        verdict: if kind.is_some() { "failed" } else { "completed" }.into(),
        kind,
        recovery: kind.map(Kind::recovery),
        fingerprint: kind.map(|kind| Digest::of(format!("{tool} {kind}").as_bytes())),
        message: kind.map(|kind| format!("{kind} <number>")),
        duration_us: 1_000 + minutes_ago,
        recovered: None,
    }
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

fn of(records: &[CallRecord]) -> Report {
    report(records, &view())
}

#[test]
fn nothing_gives_an_empty_report() {
    let empty = of(&[]);
    assert!(empty.tools.is_empty() && empty.spikes.is_empty() && empty.budget.left.is_none() && empty.attempts == 0);
}

#[test]
fn there_is_no_score_without_evidence() {
    let few: Vec<_> = (0..FEWEST - 1).map(|n| call("t", n, None)).collect();
    let summary = &of(&few).tools[0];
    assert_eq!((summary.score, summary.missing), (None, 1));
    assert!(summary.share.is_some_and(|share| share.low < 0.9));
    let enough: Vec<_> = (0..FEWEST).map(|n| call("t", n, None)).collect();
    assert_eq!(of(&enough).tools[0].score, Some(100));
}

#[test]
fn a_tool_is_not_blamed_for_its_callers() {
    let mut records: Vec<_> = (0..30).map(|n| call("t", n, None)).collect();
    records.extend((0..30).map(|n| call("t", n, Some(Kind::InvalidArgument))));
    records.extend((0..5).map(|n| call("t", n, Some(Kind::NotGranted))));
    let report = of(&records);
    assert_eq!(report.tools[0].score, Some(100));
    assert_eq!(report.tools[0].failures["invalid-argument"], 30);
    assert_eq!(report.profiles[0].score, Some(46), "30 of 65 of its calls completed");
    for record in &mut records {
        record.recovered = record.kind.map(|_| Recovered::Rule);
    }
    assert_eq!(of(&records).profiles[0].score, Some(100), "what was recovered costs the caller nothing");
}

#[test]
fn a_spike_is_found_and_told_with_its_numbers() {
    let mut records: Vec<_> = (0..1_400).map(|n| call("t", n, (n % 100 == 99).then_some(Kind::Unavailable))).collect();
    records.extend((0..12).map(|n| call("t", n * 4, Some(Kind::Trap))));
    let spikes = of(&records).spikes;
    assert_eq!(spikes.len(), 1);
    assert_eq!((spikes[0].failed, spikes[0].calls, spikes[0].failed_before), (12, 61 + 12, 14));
    assert!(spikes[0].chance < 1e-6);
}

#[test]
fn quiet_days_raise_no_alarms() {
    let mut dice = Dice(7);
    let mut alarms = 0;
    for _ in 0..300 {
        let records: Vec<_> = (0..1_000)
            .map(|_| {
                let (tool, minutes) = (dice.below(5), dice.below(1_440));
                call(&format!("t{tool}"), minutes, (dice.below(20) == 0).then_some(Kind::Unavailable))
            })
            .collect();
        let report = of(&records);
        alarms += usize::from(!report.spikes.is_empty()) + usize::from(!report.together.is_empty());
    }
    // Two kinds of findings at a level of one percent each, 300 times: six are expected at the very most.
    assert!(alarms <= 6, "{alarms} alarms");
}

#[test]
fn tools_that_fail_at_the_same_time_are_named_together() {
    let mut dice = Dice(3);
    let mut records = Vec::new();
    for hour in 0..24_u64 {
        let down = hour % 4 == 0;
        for tool in ["a", "b", "c"] {
            for _ in 0..10 {
                let fails = if tool == "c" { dice.below(40) == 0 } else { down && dice.below(2) == 0 };
                records.push(call(tool, hour * 60 + 1 + dice.below(58), fails.then_some(Kind::Unavailable)));
            }
        }
    }
    let together = of(&records).together;
    assert_eq!(together.len(), 1, "{together:?}");
    assert_eq!((together[0].one.as_str(), together[0].other.as_str()), ("a", "b"));
    assert_eq!(together[0].failed, (6, 6, 6));
}

#[test]
fn what_recurs_is_told_with_what_helped() {
    let mut records: Vec<_> = (0..9).map(|n| call("t", n, Some(Kind::Unavailable))).collect();
    for record in &mut records[..4] {
        record.recovered = Some(Recovered::Retry);
    }
    records.extend([call("u", 1, Some(Kind::Trap)), call("u", 2, Some(Kind::Trap))]);
    let report = of(&records);
    assert_eq!(report.recurring.len(), 1, "twice is not again and again");
    let recurring = &report.recurring[0];
    assert_eq!((recurring.count, recurring.recovered, recurring.last), (9, 4, NOW));
    assert_eq!(recurring.message.as_deref(), Some("unavailable <number>"));
    assert_eq!(report.advice[0].evidence, "it came 9 times; after calling again 4 of those calls completed");
}

#[test]
fn budgets_burn_as_in_the_books_examples() {
    // 99 %: one failure in a hundred is allowed. 20 % failures in the last hour burn at 20.
    let mut records: Vec<_> = (0..60).map(|n| call("t", n, (n % 5 == 0).then_some(Kind::Unavailable))).collect();
    records.extend((0..60).map(|n| call("t", n % 5, (n % 5 == 0).then_some(Kind::Unavailable))));
    let budget = of(&records).budget;
    assert_eq!((budget.calls, budget.failed), (120, 24));
    assert!((budget.allowed - 1.2).abs() < 1e-9 && budget.left.is_some_and(|left| (left + 19.0).abs() < 1e-6));
    let burn = &budget.burning[0];
    assert_eq!((burn.long_minutes, burn.short_minutes), (60, 5));
    assert!((burn.long - 20.0).abs() < 1e-6 && burn.short > 14.4, "{burn:?}");
    // The same failures a day ago burn no more.
    let old: Vec<_> = records
        .iter()
        .map(|record| CallRecord { at: UnixMillis(record.at.0 - 82_800_000), ..record.clone() })
        .collect();
    assert!(of(&old).budget.burning.iter().all(|burn| burn.long_minutes > 360));
    let few = [call("t", 1, Some(Kind::Trap))];
    assert!(of(&few).budget.burning.is_empty(), "one call is no rate");
}

#[test]
fn a_million_records_are_within_reach() {
    let mut dice = Dice(1);
    let records: Vec<_> = (0..50_000)
        .map(|_| call(&format!("t{}", dice.below(300)), dice.below(1_440), (dice.below(9) == 0).then_some(Kind::Trap)))
        .collect();
    let report = of(&records);
    assert_eq!((report.attempts, report.tools.len()), (50_000, 200));
}

fn kinds() -> impl Strategy<Value = Option<Kind>> {
    prop_oneof![
        4 => Just(None),
        1 => Just(Some(Kind::Unavailable)),
        1 => Just(Some(Kind::InvalidArgument)),
        1 => Just(Some(Kind::Limit(Limit::Time))),
        1 => Just(Some(Kind::Cancelled)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn another_failure_never_raises_a_score(mix in proptest::collection::vec((kinds(), 0..1_440_u64), 20..200)) {
        let mut records: Vec<_> = mix.iter().map(|(kind, ago)| call("t", *ago, *kind)).collect();
        let score = |records: &[CallRecord]| of(records).tools.first().and_then(|summary| summary.score);
        let before = score(&records);
        records.push(call("t", 3, Some(Kind::Trap)));
        if let (Some(before), Some(after)) = (before, score(&records)) {
            prop_assert!(after <= before);
        }
    }

    #[test]
    fn any_mix_gives_numbers_that_are_numbers(
        mix in proptest::collection::vec((kinds(), 0..100_000_u64, "[a-c]{0,2}"), 0..300),
        minutes in 0..100_000_u64,
        objective in -1.0..2.0_f64,
    ) {
        let records: Vec<_> = mix.iter().map(|(kind, ago, tool)| call(tool, *ago, *kind)).collect();
        let view = View { window: Duration::from_mins(minutes), objective, ..view() };
        let report = report(&records, &view);
        let shares = report.tools.iter().chain(&report.profiles).filter_map(|summary| summary.share);
        for share in shares {
            prop_assert!(0.0 <= share.low && share.low <= share.share && share.share <= share.high && share.high <= 1.0);
        }
        prop_assert!(report.spikes.iter().all(|spike| (0.0..=0.01).contains(&spike.chance)));
        prop_assert!(report.budget.left.is_none_or(f64::is_finite));
        prop_assert!(serde_json::to_string(&report).is_ok());
    }
}
