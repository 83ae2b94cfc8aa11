//! What stands out: failures that came suddenly, that come again and again, and that come together.
//!
//! Each finding is a test against chance with the level stated below, divided by the number of tests that were made
//! (Bonferroni), so that a quiet day of many tools raises no alarm.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use toolcell_core::health::CallRecord;
use toolcell_core::{Digest, Kind, UnixMillis};

use super::odds::{Factorials, float};
use super::{About, about};

/// How often chance may raise one false alarm of a kind in a report of a quiet time.
const LEVEL: f64 = 0.01;

/// Parts that a window is cut into.
const BUCKETS: usize = 24;

/// Failures that a spike has at least.
const FEWEST: u64 = 5;

/// Occurrences from which on a failure recurs.
const RECURS: u64 = 3;

/// Findings of a kind that are told.
const MOST: usize = 20;

/// Tools that are compared with each other: those with the most failures.
const MOST_COMPARED: usize = 40;

/// Failures of a tool that came suddenly.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spike {
    /// The tool.
    pub tool: String,
    /// Where the last part of the window begins, in which they came.
    pub since: UnixMillis,
    /// Calls in it.
    pub calls: u64,
    /// Failures in it that speak about the tool.
    pub failed: u64,
    /// Calls before it.
    pub calls_before: u64,
    /// Failures before it.
    pub failed_before: u64,
    /// How likely that many or more are by chance, were nothing changed.
    pub chance: f64,
}

/// A failure that comes again and again.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recurring {
    /// What it is recognised by.
    pub fingerprint: Digest,
    /// The tool.
    pub tool: String,
    /// Its kind.
    pub kind: Kind,
    /// Its message, without what differs from call to call, where one was written down.
    pub message: Option<String>,
    /// How often.
    pub count: u64,
    /// How often the call completed all the same.
    pub recovered: u64,
    /// The first time in the window.
    pub first: UnixMillis,
    /// The last time.
    pub last: UnixMillis,
}

/// Two tools that fail in the same parts of the window more often than chance makes them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Together {
    /// One of them.
    pub one: String,
    /// The other.
    pub other: String,
    /// Parts of the window in which both were called.
    pub parts: u64,
    /// Parts in which the one failed, the other failed, and both.
    pub failed: (u64, u64, u64),
    /// How likely that is by chance, were they independent.
    pub chance: f64,
}

/// Calls and failures of a tool in one part of the window.
#[derive(Clone, Copy, Default)]
struct Part {
    calls: u64,
    failed: u64,
}

/// Calls by tool and part of the window.
pub(super) struct Parts<'a> {
    from: UnixMillis,
    each: u64,
    by_tool: BTreeMap<&'a str, [Part; BUCKETS]>,
    factorials: Factorials,
}

impl<'a> Parts<'a> {
    /// Sorts records that lie between `from` and `until`.
    pub(super) fn of(records: &'a [CallRecord], from: UnixMillis, until: UnixMillis) -> Self {
        let each = ((until.0 - from.0) / BUCKETS as u64).max(1);
        let mut by_tool: BTreeMap<&str, [Part; BUCKETS]> = BTreeMap::new();
        for record in records {
            let speaks = record.kind.map(about);
            if !matches!(speaks, None | Some(About::Tool)) {
                continue;
            }
            let place = usize::try_from(record.at.0.saturating_sub(from.0) / each).unwrap_or(usize::MAX);
            let part = &mut by_tool.entry(&record.tool).or_default()[place.min(BUCKETS - 1)];
            part.calls += 1;
            part.failed += u64::from(speaks.is_some());
        }
        let most = by_tool.values().map(|parts| parts.iter().map(|part| part.calls).sum::<u64>()).max().unwrap_or(0);
        Self { from, each, by_tool, factorials: Factorials::up_to(most.max(BUCKETS as u64)) }
    }

    /// Failures in the newest part, against all before it.
    pub(super) fn spikes(&self) -> Vec<Spike> {
        let last = BUCKETS - 1;
        let mut spikes = Vec::new();
        let mut tests = 0;
        for (tool, parts) in &self.by_tool {
            let now = parts[last];
            let before = parts[..last].iter().fold(Part::default(), |sum, part| Part {
                calls: sum.calls + part.calls,
                failed: sum.failed + part.failed,
            });
            if now.calls == 0 || before.calls == 0 {
                continue;
            }
            tests += 1;
            if now.failed < FEWEST {
                continue;
            }
            let (marked, all) = (now.failed + before.failed, now.calls + before.calls);
            spikes.push(Spike {
                tool: (*tool).to_owned(),
                since: UnixMillis(self.from.0 + self.each * (BUCKETS as u64 - 1)),
                calls: now.calls,
                failed: now.failed,
                calls_before: before.calls,
                failed_before: before.failed,
                chance: self.factorials.at_least(now.failed, now.calls, marked, all),
            });
        }
        significant(spikes, tests, |spike| spike.chance)
    }

    /// Tools that fail at the same time.
    pub(super) fn together(&self) -> Vec<Together> {
        let total = |parts: &[Part]| parts.iter().map(|part| part.failed).sum::<u64>();
        let mut failing: Vec<_> = self.by_tool.iter().filter(|(_, parts)| total(&parts[..]) > 0).collect();
        failing.sort_by_key(|(_, parts)| std::cmp::Reverse(total(&parts[..])));
        failing.truncate(MOST_COMPARED);
        let mut found = Vec::new();
        let mut tests = 0;
        for (place, (one, a)) in failing.iter().enumerate() {
            for (other, b) in &failing[place + 1..] {
                let both = a.iter().zip(b.iter()).filter(|(a, b)| a.calls > 0 && b.calls > 0);
                let (mut parts, mut failed) = (0, (0, 0, 0));
                for (a, b) in both {
                    let (a, b) = (u64::from(a.failed > 0), u64::from(b.failed > 0));
                    (parts, failed) = (parts + 1, (failed.0 + a, failed.1 + b, failed.2 + a * b));
                }
                if failed.2 == 0 {
                    continue;
                }
                tests += 1;
                let chance = self.factorials.at_least(failed.2, failed.0, failed.1, parts);
                let (one, other) = ((**one).to_owned(), (**other).to_owned());
                found.push(Together { one, other, parts, failed, chance });
            }
        }
        significant(found, tests, |pair| pair.chance)
    }
}

/// Those that chance would not make among so many tests, the least likely first.
fn significant<T>(mut found: Vec<T>, tests: u64, chance: impl Fn(&T) -> f64) -> Vec<T> {
    found.retain(|finding| chance(finding) * float(tests.max(1)) <= LEVEL);
    found.sort_by(|a, b| chance(a).total_cmp(&chance(b)));
    found.truncate(MOST);
    found
}

/// Failures that come again and again, the most frequent first.
pub(super) fn recurring(records: &[CallRecord]) -> Vec<Recurring> {
    let mut found: BTreeMap<Digest, Recurring> = BTreeMap::new();
    for record in records {
        let (Some(fingerprint), Some(kind)) = (record.fingerprint, record.kind) else { continue };
        let entry = found.entry(fingerprint).or_insert_with(|| Recurring {
            fingerprint,
            tool: record.tool.clone(),
            kind,
            message: None,
            count: 0,
            recovered: 0,
            first: record.at,
            last: record.at,
        });
        entry.count += 1;
        entry.recovered += u64::from(record.recovered.is_some());
        entry.first = entry.first.min(record.at);
        entry.last = entry.last.max(record.at);
        if entry.message.is_none() {
            entry.message.clone_from(&record.message);
        }
    }
    let mut found: Vec<_> = found.into_values().filter(|recurring| recurring.count >= RECURS).collect();
    found.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.fingerprint.cmp(&b.fingerprint)));
    found.truncate(MOST);
    found
}

/// The tools that records speak of.
pub(super) fn tools(records: &[CallRecord]) -> BTreeSet<&str> {
    records.iter().map(|record| record.tool.as_str()).collect()
}
