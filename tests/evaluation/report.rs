//! The report: rates of the measure, by split, by what a case needs and by group, as a table and as JSON; and the goals.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::arguments::Needs;
use super::cases::{Case, Fault};
use super::execution::{Hope, Pattern};
use super::measure::{Became, Seen};
use super::split::Split;

/// The goals, for what is held out as for what is not.
pub(crate) mod goals {
    use std::time::Duration;

    /// Of the transient failures after which calling again is safe, so many are recovered.
    pub(crate) const TRANSIENT: f64 = 0.90;
    /// Of all wrong arguments, also those that nobody can know, so many are recovered by rule and memory.
    pub(crate) const ARGUMENTS: f64 = 0.60;
    /// Of all wrong arguments, at most so many are changed into something that was not meant.
    pub(crate) const WRONG: f64 = 0.01;
    /// The time to recovery in the middle, waiting that an upstream asked for aside. It stands under the table and decides over no
    /// test: on a machine with other work to do it would tell of that.
    pub(crate) const MEDIAN: Duration = Duration::from_millis(50);
}

/// What was measured of some cases.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Row {
    /// The stages that were there.
    pub(crate) stage: &'static str,
    /// `arguments` or `execution`.
    pub(crate) part: &'static str,
    /// What the cases have in common.
    pub(crate) of: String,
    /// How many there are.
    pub(crate) cases: usize,
    /// How many of them can be recovered without inventing anything and without doing anything twice.
    pub(crate) recoverable: usize,
    /// How many gave the right result in the end.
    pub(crate) recovered: usize,
    /// How many of those with the right arguments, in meaning.
    pub(crate) exact: usize,
    /// How many completed with arguments that were not meant, whatever the result: the right one by luck counts here too.
    pub(crate) wrong: usize,
    /// How many completed with another result than the right one, though nothing was changed.
    pub(crate) fooled: usize,
    /// What was done again though it may be done once, in all.
    pub(crate) duplicates: u64,
    /// Time to recovery in the middle, in milliseconds, without the waiting that was asked for.
    pub(crate) median_ms: Option<f64>,
    /// The same for nineteen of twenty.
    pub(crate) p95_ms: Option<f64>,
    /// The waiting that was asked for, in milliseconds, in all.
    pub(crate) asked_ms: u64,
}

/// Every row of one stage: all, by split, by need, by pattern of what is transient, by group.
pub(crate) fn rows(stage: &'static str, seen: &[(&Case, Seen)]) -> Vec<Row> {
    let mut rows = Vec::new();
    for part in ["arguments", "execution"] {
        let cases: Vec<&(&Case, Seen)> = seen.iter().filter(|(case, _)| part_of(case) == part).collect();
        let mut add = |of: String, keep: &dyn Fn(&Case) -> bool| {
            let kept: Vec<_> = cases.iter().copied().filter(|(case, _)| keep(case)).collect();
            if !kept.is_empty() {
                rows.push(row(stage, part, of, &kept));
            }
        };
        add("all".to_owned(), &|_| true);
        for split in Split::ALL {
            add(split.name().to_owned(), &|case| case.split == split);
        }
        for needs in [Needs::Schema, Needs::Memory, Needs::Invention] {
            let is = |case: &Case| matches!(&case.fault, Fault::Arguments { wrong, .. } if wrong.needs == needs);
            add(format!("needs {}", needs.name()), &is);
        }
        add(
            "taught".to_owned(),
            &|case| matches!(&case.fault, Fault::Arguments { wrong, lessons } if wrong.needs == Needs::Memory && !lessons.is_empty()),
        );
        for pattern in Pattern::ALL {
            let is = |case: &Case| matches!(&case.fault, Fault::Execution { disturbance, hope: Hope::Transient } if disturbance.pattern == pattern);
            add(format!("pattern {}", pattern.name()), &is);
        }
        let mut groups: Vec<&str> = cases.iter().map(|(case, _)| case.group.as_str()).collect();
        groups.sort_unstable();
        groups.dedup();
        for group in groups {
            add(format!("group {group}"), &|case| case.group == group);
        }
    }
    rows
}

fn part_of(case: &Case) -> &'static str {
    match case.fault {
        Fault::Arguments { .. } => "arguments",
        Fault::Execution { .. } => "execution",
    }
}

fn row(stage: &'static str, part: &'static str, of: String, cases: &[&(&Case, Seen)]) -> Row {
    let count = |is: &dyn Fn(Became) -> bool| cases.iter().filter(|(_, seen)| is(seen.became)).count();
    let recoverable = |case: &Case| match &case.fault {
        Fault::Arguments { wrong, .. } => wrong.needs != Needs::Invention,
        Fault::Execution { hope, .. } => *hope == Hope::Transient,
    };
    let mut took: Vec<Duration> = cases.iter().filter_map(|(_, seen)| seen.took).collect();
    took.sort_unstable();
    let at = |percent: usize| {
        let rank = (took.len() * percent).div_ceil(100).saturating_sub(1);
        took.get(rank).map(|took| took.as_secs_f64() * 1e3)
    };
    Row {
        stage,
        part,
        of,
        cases: cases.len(),
        recoverable: cases.iter().filter(|(case, _)| recoverable(case)).count(),
        recovered: count(&|became| became.is_recovered()),
        exact: count(&|became| became == Became::Right),
        wrong: count(&|became| became.is_wrong()),
        fooled: count(&|became| became == Became::Delusion),
        duplicates: cases.iter().map(|(_, seen)| seen.duplicates).sum(),
        median_ms: at(50),
        p95_ms: at(95),
        asked_ms: cases.iter().map(|(_, seen)| u64::try_from(seen.asked.as_millis()).unwrap_or(u64::MAX)).sum(),
    }
}

/// The rows as a table, in the order given.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<8} {:<10} {:<18} {:>5} {:>8} {:>9} {:>6} {:>5} {:>6} {:>5} {:>9} {:>9}\n",
        "stage",
        "part",
        "of",
        "cases",
        "possible",
        "recovered",
        "exact",
        "wrong",
        "fooled",
        "twice",
        "median ms",
        "p95 ms"
    );
    for row in rows {
        let millis = |millis: Option<f64>| millis.map_or_else(|| "-".to_owned(), |millis| format!("{millis:.1}"));
        let _ = writeln!(
            text,
            "{:<8} {:<10} {:<18} {:>5} {:>8} {:>9} {:>6} {:>5} {:>6} {:>5} {:>9} {:>9}",
            row.stage,
            row.part,
            row.of,
            row.cases,
            row.recoverable,
            row.recovered,
            row.exact,
            row.wrong,
            row.fooled,
            row.duplicates,
            millis(row.median_ms),
            millis(row.p95_ms)
        );
    }
    let _ = writeln!(text, "The goal for the median is below {} ms.", goals::MEDIAN.as_millis());
    text
}

/// What of the goals is not reached, one sentence each; over everything, and over what is held out alone.
pub(crate) fn shortfalls(rows: &[Row]) -> Vec<String> {
    let mut missed = Vec::new();
    let mut rate = |row: &Row, what: &str, part: usize, of: usize, holds: &dyn Fn(f64) -> bool| {
        let share = f64::from(u32::try_from(part).unwrap()) / f64::from(u32::try_from(of.max(1)).unwrap());
        if !holds(share) {
            missed.push(format!("{} of {} ({}): {what} {part} of {of}", row.part, row.of, row.stage));
        }
    };
    let overall = |row: &&Row| row.of == "all" || Split::ALL.iter().any(|split| row.of == split.name());
    for row in rows.iter().filter(|row| overall(row) && row.part == "arguments") {
        rate(row, "recovered", row.recovered, row.cases, &|share| share >= goals::ARGUMENTS);
        rate(row, "wrong repairs", row.wrong, row.cases, &|share| share <= goals::WRONG);
    }
    for row in rows.iter().filter(|row| row.of == "group transient") {
        rate(row, "recovered", row.recovered, row.cases, &|share| share >= goals::TRANSIENT);
    }
    for row in rows.iter().filter(|row| row.of == "all") {
        rate(row, "done twice", usize::try_from(row.duplicates).unwrap(), row.cases, &|share| share <= 0.0);
    }
    missed
}

/// What went wrong and what was missed, one line each, of the cases that may be looked at: those of which nothing is held out.
pub(crate) fn listing(seen: &[(&Case, Seen)]) -> String {
    let shown = |text: &str| text.chars().take(200).collect::<String>().escape_debug().to_string();
    let mut text = String::new();
    for (case, seen) in seen.iter().filter(|(case, _)| case.split == Split::Seen) {
        let (wanted, said) = match &case.fault {
            Fault::Arguments { wrong, .. } => (wrong.needs != Needs::Invention, wrong.arguments.as_str()),
            Fault::Execution { hope, .. } => (*hope == Hope::Transient, ""),
        };
        let what = match seen {
            seen if seen.became.is_wrong() => "wrong",
            Seen { duplicates: 1.., .. } => "twice",
            Seen { became: Became::Failure, .. } if wanted => "missed",
            _ => continue,
        };
        let (family, seed, said, sent, end) =
            (case.family, case.seed, shown(said), shown(&seen.sent), shown(&seen.end));
        let _ = writeln!(text, "{what} {family} {seed}\n  said {said}\n  sent {sent}\n  {end}");
    }
    text
}
