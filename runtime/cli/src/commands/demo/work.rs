//! The demo's piece of work: what an agent would ask of four tools about one set of data.

use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use toolcell_host::Host;

use super::{result, took};
use crate::exit::CliError;
use crate::terminal::{Style, out, say};

/// How often the whole work is done for the comparison. Once is over before a person can see it.
const ROUNDS: usize = 8;

pub(super) async fn show(host: &Host, source: &Path) -> Result<(), CliError> {
    let work = work(source)?;
    findings(host, &work).await?;
    let calls = work.len() * ROUNDS;

    let began = Instant::now();
    for _ in 0..ROUNDS {
        for (tool, arguments) in &work {
            result(host, tool, arguments).await?;
        }
    }
    let sequential = began.elapsed();

    let began = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..ROUNDS {
        for (tool, arguments) in &work {
            let (host, tool, arguments) = (host.clone(), *tool, arguments.clone());
            running.spawn(async move { result(&host, tool, &arguments).await.map(drop) });
        }
    }
    while let Some(ended) = running.join_next().await {
        ended.map_err(|error| CliError::failed("a call broke off").because(&error))??;
    }
    let parallel = began.elapsed();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    say("");
    say(&format!("  {calls} calls, each in a fresh sandbox:"));
    say(&format!("    one after the other  {:>10}", took(sequential)));
    say(&format!(
        "    in parallel          {:>10}   {} on {cores} cores",
        took(parallel),
        out(Style::Good, &format!("{:.2} times as fast", sequential.as_secs_f64() / parallel.as_secs_f64()))
    ));
    Ok(())
}

/// The calls of one round; none of them depends on another.
fn work(source: &Path) -> Result<Vec<(&'static str, Value)>, CliError> {
    let graph = source.join("tools-wasm/graph/data/concepts.json");
    let text = std::fs::read_to_string(&graph)
        .map_err(|error| CliError::failed(format!("cannot read `{}`", graph.display())).because(&error))?;
    let concepts: Value = serde_json::from_str(&text)
        .map_err(|error| CliError::failed("the concept graph is no JSON").because(&error))?;
    let leads = std::fs::read_to_string(source.join("tools-wasm/leads/data/leads.csv"))
        .map_err(|error| CliError::failed("cannot read the sample leads").because(&error))?;
    let goal = concepts.as_array().and_then(|all| all.last()).map_or(Value::Null, |last| last["id"].clone());
    let file = json!({ "file": "/data/leads.csv" });
    let companies = json!({ "file": "/data/companies.csv" });
    let leads_inline = json!({ "inline": leads });
    Ok(vec![
        ("leads.tiers", json!({ "source": file })),
        ("leads.conversion", json!({ "source": file, "by": "industry" })),
        ("leads.conversion", json!({ "source": file, "by": "source" })),
        ("leads.bottlenecks", json!({ "source": file })),
        ("leads.lookalikes", json!({ "source": file, "limit": 3 })),
        ("table.describe", json!({ "source": companies })),
        (
            "table.aggregate",
            json!({ "source": leads_inline, "group_by": ["segment"],
                "join": { "right": companies, "on": [{ "left": "company" }], "how": "inner" },
                "aggregates": [{ "function": "count", "name": "leads" }, { "function": "mean", "column": "annual_it_budget", "name": "mean_budget" }],
                "order_by": [{ "column": "leads", "descending": true }], "output": { "rows_as": "json-objects" } }),
        ),
        (
            "table.pivot",
            json!({ "source": leads_inline, "rows": ["industry"], "column": "tier", "value": { "function": "count" } }),
        ),
        ("search.query", json!({ "folder": "/docs", "text": "greedy dog loses everything", "limit": 3 })),
        ("search.query", json!({ "folder": "/docs", "text": "slow and steady wins the race", "limit": 3 })),
        ("search.stats", json!({ "folder": "/docs", "top": 5 })),
        ("graph.order", json!({ "concepts": concepts })),
        ("graph.critical-path", json!({ "concepts": concepts })),
        ("graph.plan", json!({ "concepts": concepts, "goal": goal, "known": [] })),
        ("json.query", json!({ "document": text, "path": "$[?@.effort > 8].id" })),
    ])
}

/// What the work found, in a few lines.
async fn findings(host: &Host, work: &[(&'static str, Value)]) -> Result<(), CliError> {
    let line = |tool: &str, text: String| say(&format!("  {:<20} {text}", out(Style::Name, tool)));
    let of = |tool: &str, nth: usize| {
        work.iter()
            .filter(|(name, _)| *name == tool)
            .nth(nth)
            .map(|(_, arguments)| arguments.clone())
            .unwrap_or_default()
    };

    let tiers = result(host, "leads.tiers", &of("leads.tiers", 0)).await?;
    let shares: Vec<_> = list(&tiers["tiers"])
        .iter()
        .map(|tier| format!("{} {}", text(&tier["tier"]), tier["share"]["count"]))
        .collect();
    line("leads.tiers", format!("{} leads: {}", tiers["total"]["leads"], shares.join(", ")));

    let conversion = result(host, "leads.conversion", &of("leads.conversion", 0)).await?;
    let mut groups: Vec<_> = list(&conversion["groups"])
        .iter()
        .filter(|group| !flag(&group["outcomes"]["win_rate"]["too_little_data"]))
        .collect();
    groups.sort_by(|a, b| rate(b).total_cmp(&rate(a)));
    let best = groups.first().map_or_else(
        || "no industry has enough closed leads for a rate".to_owned(),
        |best| format!("best win rate with enough data: {} {:.0} %", text(&best["value"]), rate(best) * 100.0),
    );
    line("leads.conversion", best);

    let bottlenecks = result(host, "leads.bottlenecks", &of("leads.bottlenecks", 0)).await?;
    line("leads.bottlenecks", format!("most leads are lost in `{}`", text(&bottlenecks["largest_drop_off"])));

    let similar = result(host, "leads.lookalikes", &of("leads.lookalikes", 0)).await?;
    if let Some(target) = list(&similar["targets"]).first() {
        let matched: Vec<_> = list(&target["matched"])
            .iter()
            .map(|factor| format!("{} {}", text(&factor["factor"]), text(&factor["value"])))
            .collect();
        line(
            "leads.lookalikes",
            format!("first of {}: {} ({})", similar["candidates"], text(&target["company"]), matched.join(", ")),
        );
    }

    let segments = result(host, "table.aggregate", &of("table.aggregate", 0)).await?;
    let rows: Vec<Value> = serde_json::from_str(&text(&segments["rows"])).unwrap_or_default();
    let rows: Vec<_> = rows.iter().map(|row| format!("{} {}", text(&row["segment"]), row["leads"])).collect();
    line("table.aggregate", format!("leads joined with companies, by segment: {}", rows.join(", ")));

    let found = result(host, "search.query", &of("search.query", 0)).await?;
    if let Some(hit) = list(&found["hits"]).first() {
        line(
            "search.query",
            format!(
                "\"greedy dog loses everything\": {} ({:.2}) of {}",
                text(&hit["title"]),
                hit["score"].as_f64().unwrap_or_default(),
                found["searched"]["documents"]
            ),
        );
    }

    let path = result(host, "graph.critical-path", &of("graph.critical-path", 0)).await?;
    let steps: Vec<_> = list(&path["path"]).iter().map(text).collect();
    line(
        "graph.critical-path",
        format!(
            "{} hours over {} concepts: … {}",
            path["length"],
            steps.len(),
            steps[steps.len().saturating_sub(3)..].join(" → ")
        ),
    );
    Ok(())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn flag(value: &Value) -> bool {
    value.as_bool().unwrap_or_default()
}

fn rate(group: &Value) -> f64 {
    group["outcomes"]["win_rate"]["rate"].as_f64().unwrap_or_default()
}
