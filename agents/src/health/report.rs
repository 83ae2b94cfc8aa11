//! The report: everything above as one value.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use toolcell_core::health::{CallRecord, Recovered};
use toolcell_core::{Card, Kind, UnixMillis};

use super::advice::{Advice, Coverage, advise};
use super::burn::Budget;
use super::odds::{Share, float};
use super::patterns::{Parts, Recurring, Spike, Together, recurring, tools};
use super::{About, about};

/// Calls from which on there is a score: with 20 good calls out of 20 the true share is above 0.83 with 95 % confidence, with fewer nothing
/// worth a number is known.
pub const FEWEST: u64 = 20;

/// Names that are told of each kind; those with the most calls.
const MOST_NAMES: usize = 200;

/// What a report is made over.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The end of the window.
    pub now: UnixMillis,
    /// How long it is, 1 minute to 30 days.
    pub window: Duration,
    /// The share of calls that should complete, 0 to 1.
    pub objective: f64,
    /// The tools that are there.
    pub cards: &'a [Arc<Card>],
    /// How many cases each tool's author tests it with, where somebody knows.
    pub cases: &'a BTreeMap<String, u32>,
    /// Whether a known plan has a fallback for a tool, where somebody knows.
    pub fallbacks: &'a BTreeMap<String, bool>,
}

/// How calls went.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The window's beginning.
    pub from: UnixMillis,
    /// Its end.
    pub until: UnixMillis,
    /// Attempts that were made.
    pub attempts: u64,
    /// All tools together.
    pub budget: Budget,
    /// Each tool that was called, those with the lowest scores first.
    pub tools: Vec<Summary>,
    /// Each agent or caller.
    pub profiles: Vec<Summary>,
    /// Each host outside, as far as receipts name them.
    pub upstreams: Vec<Summary>,
    /// Failures that came suddenly.
    pub spikes: Vec<Spike>,
    /// Failures that come again and again.
    pub recurring: Vec<Recurring>,
    /// Tools that fail at the same time.
    pub together: Vec<Together>,
    /// What would help.
    pub advice: Vec<Advice>,
    /// What there is to help with.
    pub coverage: Vec<Coverage>,
}

/// How the calls of one tool, agent or host went.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Its name.
    pub name: String,
    /// Attempts.
    pub attempts: u64,
    /// Attempts that completed.
    pub completed: u64,
    /// The share of calls that completed, among those that completed and those whose failure speaks about the tool or its
    /// upstream. For a caller every failure counts that nothing recovered.
    pub share: Option<Share>,
    /// 100 times that share, rounded down; none where fewer than [`FEWEST`] calls count.
    pub score: Option<u8>,
    /// Calls that are missing until there is a score.
    pub missing: u64,
    /// Failures by kind.
    pub failures: BTreeMap<&'static str, u64>,
    /// Failures in calls that completed all the same, by what was done.
    pub recovered: BTreeMap<&'static str, u64>,
    /// How long attempts took; none where there was none.
    pub latency: Option<Latency>,
    /// Its error budget.
    pub budget: Budget,
}

/// How long attempts took, in microseconds: the smallest time that so many percent did not exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Latency {
    pub p50_us: u64,
    pub p95_us: u64,
    pub p99_us: u64,
}

/// Makes a report. It is a function of its arguments alone.
pub fn report(records: &[CallRecord], view: &View<'_>) -> Report {
    let window = view.window.clamp(Duration::from_mins(1), Duration::from_hours(720));
    let until = view.now;
    let from = UnixMillis(until.0.saturating_sub(u64::try_from(window.as_millis()).unwrap_or(u64::MAX)));
    let records: Vec<_> = records.iter().filter(|record| record.at >= from && record.at <= until).cloned().collect();
    let parts = Parts::of(&records, from, until);
    let recurring = recurring(&records);
    let called = tools(&records);
    let coverage = view.cards.iter().map(|card| {
        let id = card.id.as_str();
        Coverage::of(card, called.contains(id), view.cases.get(id).copied(), view.fallbacks.get(id).copied())
    });
    let by_tool = summaries(&records, view, Whose::Tool, |record| Some(record.tool.as_str()));
    let of_tools = |record: &CallRecord| counts(record, Whose::Tool).map(|completed| (record.at, completed));
    Report {
        from,
        until,
        attempts: records.len() as u64,
        budget: Budget::of(&records.iter().filter_map(of_tools).collect::<Vec<_>>(), view.objective, until),
        tools: by_tool,
        profiles: summaries(&records, view, Whose::Caller, |record| Some(record.profile.as_str())),
        upstreams: summaries(&records, view, Whose::Tool, |record| record.upstream.as_deref()),
        spikes: parts.spikes(),
        together: parts.together(),
        advice: advise(&recurring, &records),
        recurring,
        coverage: coverage.collect(),
    }
}

/// Whose score it is.
#[derive(Clone, Copy, PartialEq)]
enum Whose {
    /// A tool's or an upstream's: what speaks about it counts.
    Tool,
    /// A caller's: what nothing recovered counts.
    Caller,
}

/// Whether an attempt counts, and whether it completed.
fn counts(record: &CallRecord, whose: Whose) -> Option<bool> {
    match (record.kind, whose) {
        (None, _) => Some(true),
        (Some(kind), Whose::Tool) => (about(kind) == About::Tool).then_some(false),
        (Some(kind), Whose::Caller) => (record.recovered.is_none() && about(kind) != About::Nobody).then_some(false),
    }
}

fn summaries<'a>(
    records: &'a [CallRecord],
    view: &View<'_>,
    whose: Whose,
    name: impl Fn(&'a CallRecord) -> Option<&'a str>,
) -> Vec<Summary> {
    let mut by_name: BTreeMap<&str, Vec<&CallRecord>> = BTreeMap::new();
    for record in records {
        if let Some(name) = name(record).filter(|name| !name.is_empty()) {
            by_name.entry(name).or_default().push(record);
        }
    }
    let mut busiest: Vec<_> = by_name.into_iter().collect();
    busiest.sort_by_key(|(_, records)| std::cmp::Reverse(records.len()));
    busiest.truncate(MOST_NAMES);
    let mut all: Vec<_> = busiest.into_iter().map(|(name, records)| summary(name, &records, view, whose)).collect();
    all.sort_by(|a, b| a.score.unwrap_or(101).cmp(&b.score.unwrap_or(101)).then_with(|| a.name.cmp(&b.name)));
    all
}

fn summary(name: &str, records: &[&CallRecord], view: &View<'_>, whose: Whose) -> Summary {
    let (mut failures, mut recovered) = (BTreeMap::new(), BTreeMap::new());
    for record in records {
        if let Some(kind) = record.kind {
            *failures.entry(Kind::name(kind)).or_default() += 1;
        }
        if let Some(how) = record.recovered {
            *recovered.entry(word(how)).or_default() += 1;
        }
    }
    let counted: Vec<_> = records.iter().filter_map(|record| Some((record.at, counts(record, whose)?))).collect();
    let (all, good) = (counted.len() as u64, counted.iter().filter(|(_, completed)| *completed).count() as u64);
    Summary {
        name: name.to_owned(),
        attempts: records.len() as u64,
        completed: records.iter().filter(|record| record.kind.is_none()).count() as u64,
        share: Share::of(good, all),
        score: (all >= FEWEST).then(|| score(good, all)),
        missing: FEWEST.saturating_sub(all),
        failures,
        recovered,
        latency: latency(records.iter().map(|record| record.duration_us).collect()),
        budget: Budget::of(&counted, view.objective, view.now),
    }
}

/// 100 times the share, rounded down, so that only a tool without any failure has 100.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share lies between 0 and 1")]
fn score(good: u64, all: u64) -> u8 {
    (float(good) / float(all) * 100.0).floor() as u8
}

/// Nearest ranks.
fn latency(mut times: Vec<u64>) -> Option<Latency> {
    times.sort_unstable();
    let rank = |percent: usize| times.get((times.len() * percent).div_ceil(100).max(1) - 1).copied();
    Some(Latency { p50_us: rank(50)?, p95_us: rank(95)?, p99_us: rank(99)? })
}

fn word(recovered: Recovered) -> &'static str {
    match recovered {
        Recovered::Retry => "retry",
        Recovered::Rule => "rule",
        Recovered::Memory => "memory",
        Recovered::Model => "model",
        Recovered::Person => "person",
        Recovered::Fallback => "fallback",
    }
}
