//! `toolcell health`

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use toolcell_agents::health::{Budget, Coverage, Report, Summary, View, report};
use toolcell_agents::plan::{self, Format};
use toolcell_core::health::HealthStore as _;
use toolcell_core::runs::{RunError, RunStore as _};
use toolcell_core::{Card, Clock as _, Directory as _, Effects, Tenant, UnixMillis};
use toolcell_host::schema::inert;
use toolcell_review::rfc3339;

use super::plan::stored;
use super::print_json;
use crate::args::HealthArgs;
use crate::exit::{CliError, Exit};
use crate::home::{self, SystemClock};
use crate::paths::Paths;
use crate::terminal::{Style, err, out, say};

/// Records that a report is made of at most; the newest.
const MOST_RECORDS: u32 = 1_000_000;

/// Lines of each part that a person is shown.
const SHOWN: usize = 20;

pub(crate) fn run(args: &HealthArgs) -> Result<Exit, CliError> {
    if !(50.0..100.0).contains(&args.objective) {
        return Err(CliError::usage(format!("an objective of {} % cannot be", args.objective))
            .next("Write a number from 50 to below 100, such as 99.5."));
    }
    let paths = Paths::from_environment()?;
    let now = SystemClock.now();
    let since = UnixMillis(now.0.saturating_sub(u64::try_from(args.window.0.as_millis()).unwrap_or(u64::MAX)));
    let records = match home::store_if_there(&paths)? {
        Some(store) => {
            home::runtime()?.block_on(store.since(Some(&Tenant::default()), since, MOST_RECORDS)).map_err(|error| {
                let mut told = CliError::failed("the call records cannot be read").because(&error);
                told.causes.push(error.detail.clone());
                told
            })?
        }
        None => Vec::new(),
    };
    let cards = cards(&paths, args)?;
    let cases = cases(&cards, &args.sources)?;
    let fallbacks = fallbacks(&paths, &cards)?;
    let view = View {
        now,
        window: args.window.0,
        objective: args.objective / 100.0,
        cards: &cards,
        cases: &cases,
        fallbacks: &fallbacks,
    };
    let report = report(&records, &view);
    if args.json {
        print_json(&report)?;
    } else {
        tell(&report);
    }
    Ok(Exit::Ok)
}

/// Runs whose plans are looked into for fallback values; the newest.
const MOST_RUNS: u32 = 100;

/// How many cases the authors of tools test them with, as far as their sources are named. A source folder is called as its
/// component.
fn cases(cards: &[Arc<Card>], sources: &[PathBuf]) -> Result<BTreeMap<String, u32>, CliError> {
    let mut counted = BTreeMap::new();
    for source in sources {
        let cases = toolcell_build::cases::load(source).map_err(|error| {
            CliError::failed(format!("the cases of `{}` cannot be read", source.display())).because(&error)
        })?;
        let component = source.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        for card in cards.iter().filter(|card| card.id.component() == component) {
            let own = cases.iter().filter(|case| case.tool == card.id.within()).count();
            counted.insert(card.id.to_string(), u32::try_from(own).unwrap_or(u32::MAX));
        }
    }
    Ok(counted)
}

/// Whether the plans of recent runs have a fallback value for each tool that they call.
fn fallbacks(paths: &Paths, cards: &[Arc<Card>]) -> Result<BTreeMap<String, bool>, CliError> {
    let Some(store) = home::store_if_there(paths)? else { return Ok(BTreeMap::new()) };
    let plans = home::runtime()?.block_on(async {
        let mut plans = BTreeSet::new();
        for head in store.list(&Tenant::default(), None, None, MOST_RUNS).await? {
            plans.insert(store.head(&Tenant::default(), head.run.id).await?.run.plan);
        }
        Ok(plans)
    });
    let plans = plans.map_err(|error: RunError| stored::unusable(&error))?;
    let mut found = BTreeMap::new();
    for text in &plans {
        // A plan of another version says nothing here.
        let Ok(plan) = plan::read(text, Format::Json).and_then(|written| plan::outline(&written)) else { continue };
        for step in &plan.steps {
            let meant = |card: &&Arc<Card>| card.id.as_str() == &*step.tool || card.id.within() == &*step.tool;
            for card in cards.iter().filter(meant) {
                // One step without is one that fails with the tool.
                let all = found.entry(card.id.to_string()).or_insert(true);
                *all &= step.fallback.is_some();
            }
        }
    }
    Ok(found)
}

fn cards(paths: &Paths, args: &HealthArgs) -> Result<Vec<Arc<Card>>, CliError> {
    let policy = home::policy(paths, args.allowed.policy.as_deref())?;
    let host = home::open(paths, &args.folders.tools, policy)?;
    Ok(host.cards(&Tenant::default()))
}

fn tell(report: &Report) {
    say(&format!("{} attempts of calls from {} to {}", report.attempts, rfc3339(report.from), rfc3339(report.until)));
    if report.attempts == 0 {
        eprintln!(
            "{} calls of plans and agents are written down; `toolcell plan run` makes some",
            err(Style::Dim, "note:")
        );
    }
    budget(&report.budget);
    part("tools", &report.tools);
    part("callers", &report.profiles);
    part("hosts outside", &report.upstreams);
    heading("what stands out", report.spikes.len() + report.together.len());
    for spike in report.spikes.iter().take(SHOWN) {
        say(&format!(
            "  {} {} of {} calls failed since {}, before that {} of {}; by chance {:.1e}",
            name(&spike.tool),
            spike.failed,
            spike.calls,
            rfc3339(spike.since),
            spike.failed_before,
            spike.calls_before,
            spike.chance,
        ));
    }
    for pair in report.together.iter().take(SHOWN) {
        let (one, other, both) = pair.failed;
        say(&format!(
            "  {} and {} fail together: in {both} of {} parts of the window ({one} and {other} by themselves); by chance {:.1e}",
            name(&pair.one),
            name(&pair.other),
            pair.parts,
            pair.chance,
        ));
    }
    heading("what recurs, and what would help", report.recurring.len());
    for (recurring, advice) in report.recurring.iter().zip(&report.advice).take(SHOWN) {
        let message = recurring.message.as_deref().map(|text| format!(": {}", inert(text, 200))).unwrap_or_default();
        say(&format!("  {} {}{message}", name(&recurring.tool), out(Style::Bad, recurring.kind.name())));
        say(&format!("    {} {}", out(Style::Dim, "evidence"), inert(&advice.evidence, 400)));
        say(&format!("    {} {}", out(Style::Good, "advice"), advice.what));
    }
    coverage(&report.coverage);
}

fn heading(text: &str, many: usize) {
    if many > 0 {
        say(&out(Style::Bold, text));
    }
}

fn budget(budget: &Budget) {
    let Some(left) = budget.left else { return };
    let (style, rest) = if left < 0.0 {
        (Style::Bad, format!("spent {:.1} times over", 1.0 - left))
    } else {
        (Style::Good, format!("{:.0} % left", left * 100.0))
    };
    say(&format!(
        "error budget at {:.2} %: {} of {} calls failed, {:.1} are allowed, {}",
        budget.objective * 100.0,
        budget.failed,
        budget.calls,
        budget.allowed,
        out(style, &rest),
    ));
    for burn in &budget.burning {
        let text = format!(
            "  burning at {:.1} times the rate over {} and {:.1} over {}; {} is too fast",
            burn.long,
            span(burn.long_minutes),
            burn.short,
            span(burn.short_minutes),
            burn.threshold
        );
        say(&out(Style::Bad, &text));
    }
}

/// Minutes, or hours where they come out even.
fn span(minutes: u64) -> String {
    if minutes.is_multiple_of(60) { format!("{}h", minutes / 60) } else { format!("{minutes}m") }
}

fn part(title: &str, summaries: &[Summary]) {
    heading(title, summaries.len());
    for summary in summaries.iter().take(SHOWN) {
        let score = match summary.score {
            Some(score) => {
                let style = if score >= 99 {
                    Style::Good
                } else if score >= 90 {
                    Style::Warn
                } else {
                    Style::Bad
                };
                out(style, &format!("{score:>3}"))
            }
            None => out(Style::Dim, "  ?"),
        };
        let short = if summary.score.is_none() {
            out(Style::Dim, &format!("; a score needs {} more", summary.missing))
        } else {
            String::new()
        };
        let interval = summary.share.map_or_else(String::new, |share| {
            format!(" ({:.0} to {:.0} % with 95 % confidence)", share.low * 100.0, share.high * 100.0)
        });
        let latency = summary.latency.map_or_else(String::new, |latency| {
            format!("; p50 {:.1} ms, p95 {:.1} ms", ms(latency.p50_us), ms(latency.p95_us))
        });
        say(&format!(
            "  {score}  {}  {} of {} attempts completed{interval}{latency}{short}",
            name(&summary.name),
            summary.completed,
            summary.attempts,
        ));
        for (words, counts) in [("failed", &summary.failures), ("made good by", &summary.recovered)] {
            if !counts.is_empty() {
                let list: Vec<_> = counts.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
                say(&format!("       {} {}", out(Style::Dim, words), list.join(", ")));
            }
        }
    }
    if summaries.len() > SHOWN {
        say(&format!("  and {} more", summaries.len() - SHOWN));
    }
}

fn coverage(coverage: &[Coverage]) {
    heading("what there is to help with", coverage.len());
    if coverage.is_empty() {
        return;
    }
    let count = |has: fn(&Coverage) -> bool| coverage.iter().filter(|coverage| has(coverage)).count();
    let all = coverage.len();
    say(&format!(
        "  of {all} tools: {} called, {} with examples, {} may be retried, {} may be kept in the cache",
        count(|coverage| coverage.called),
        count(|coverage| coverage.examples),
        count(|coverage| coverage.retried),
        count(|coverage| coverage.cached),
    ));
    let once: Vec<_> = coverage
        .iter()
        .filter(|coverage| coverage.effects == Effects::Once)
        .map(|coverage| name(&coverage.tool))
        .collect();
    if !once.is_empty() {
        let more = if once.len() > SHOWN { format!(" and {} more", once.len() - SHOWN) } else { String::new() };
        say(&format!("  never called twice: {}{more}", once[..once.len().min(SHOWN)].join(", ")));
    }
    let with_cases = coverage.iter().filter(|coverage| coverage.cases.is_some_and(|cases| cases > 0)).count();
    let known = coverage.iter().filter(|coverage| coverage.cases.is_some()).count();
    if known > 0 {
        say(&format!("  of {known} tools whose sources were named, {with_cases} have cases"));
    } else {
        say(&format!(
            "  {} whether they have cases is not known; `--sources FOLDER` says so",
            out(Style::Dim, "note:")
        ));
    }
    let planned = coverage.iter().filter(|coverage| coverage.fallback.is_some()).count();
    let covered = coverage.iter().filter(|coverage| coverage.fallback == Some(true)).count();
    if planned > 0 {
        say(&format!(
            "  of {planned} tools in plans that were run, {covered} have a fallback value wherever they are called"
        ));
    }
}

fn name(text: &str) -> String {
    out(Style::Name, &inert(text, 120))
}

#[allow(clippy::cast_precision_loss, reason = "a time shown with one digit behind the point")]
fn ms(micros: u64) -> f64 {
    micros as f64 / 1_000.0
}
