//! The demo's attacker: a real component that really tries, next to honest calls that must not notice.

use std::time::Instant;

use serde_json::json;
use tokio::task::JoinSet;
use toolcell_core::Outcome;
use toolcell_host::Host;

use super::{call, took};
use crate::exit::CliError;
use crate::paths::Paths;
use crate::terminal::{Style, out, say};

/// A component that imports something that no host of ours offers.
const FOREIGN: &str = r#"(component
  (import "evil:backdoor/shell@1.0.0" (instance (export "run" (func))))
  (core module $m (func (export "go")))
  (core instance $i (instantiate $m))
  (func (export "go") (canon lift (core func $i "go"))))"#;

/// What is tried, with which arguments, and the kind that must answer.
const ATTACKS: &[(&str, &str, &str, &str)] = &[
    ("an endless loop", "hostile.spin", "{}", "fuel-limit"),
    ("a sleep without end", "hostile.sleep", "{}", "time-limit"),
    ("a memory bomb", "hostile.hoard", "{}", "memory-limit"),
    ("endless recursion", "hostile.recurse", "{\"depth\":0}", "stack-limit"),
    ("a log flood", "hostile.flood", "{}", "log-lines-limit"),
    ("a 40 MB result", "hostile.blow-up", "{\"megabytes\":40}", "result-bytes-limit"),
    ("random bytes without end", "hostile.drain-random", "{}", "random-limit"),
    ("a foreign import", "foreign.go", "{}", "unsupported-import"),
    ("a crash", "hostile.panic", "{\"message\":\"\\u001b[2J gone\"}", "trap"),
];

/// What a tool reaches for outside its folder. It runs, and is told no.
const ESCAPES: &[(&str, &str, &str)] = &[
    ("hostile.read", "{\"path\":\"/data/../../../../etc/passwd\"}", "a path out of its folder"),
    ("hostile.read", "{\"path\":\"/etc/passwd\"}", "a path that was never mounted"),
    ("hostile.write", "{\"path\":\"/data/evil\",\"megabytes\":1}", "a write to a read-only folder"),
    ("hostile.connect", "{\"address\":\"127.0.0.1:22\"}", "a network connection"),
];

/// Shows every attack; answers whether each ended as it must.
pub(super) async fn show(host: &Host, paths: &Paths) -> Result<bool, CliError> {
    drop_foreign(host, paths)?;
    let honest = tokio::spawn(honest(host.clone()));
    let mut running = JoinSet::new();
    for (index, (_, tool, arguments, _)) in ATTACKS.iter().enumerate() {
        let host = host.clone();
        running.spawn(async move {
            let began = Instant::now();
            let outcome = call(&host, tool, arguments).await;
            (index, outcome, began.elapsed())
        });
    }
    let mut all = true;
    let mut ended: Vec<_> = running.join_all().await;
    ended.sort_by_key(|(index, ..)| *index);
    for (index, outcome, time) in ended {
        let (what, tool, _, expected) = ATTACKS[index];
        let kind = outcome.verdict.failure().map_or("completed", |failure| failure.kind.name());
        all &= kind == expected;
        let mark = if kind == expected { out(Style::Good, "stopped") } else { out(Style::Bad, "NOT AS EXPECTED") };
        say(&format!(
            "  {mark}  {what:<26} {} {} {}",
            out(Style::Dim, &format!("{tool:<22}")),
            out(Style::Warn, &format!("{kind:<20}")),
            out(Style::Dim, &took(time))
        ));
    }
    for (tool, arguments, what) in ESCAPES {
        let outcome = call(host, tool, arguments).await;
        let refused = refused(&outcome);
        all &= refused.is_some();
        let mark = if refused.is_some() { out(Style::Good, "refused") } else { out(Style::Bad, "NOT AS EXPECTED") };
        say(&format!("  {mark}  {what:<30} {} {}", out(Style::Dim, tool), refused.unwrap_or_default()));
    }
    let (calls, slowest) =
        honest.await.map_err(|error| CliError::failed("the honest calls broke off").because(&error))?;
    let calls = calls?;
    say(&format!("  meanwhile {calls} honest calls completed, the slowest in {}", took(slowest)));
    Ok(all)
}

/// What the attacker was told, if it was told no.
fn refused(outcome: &Outcome) -> Option<String> {
    let failure = outcome.verdict.failure()?;
    let denied = outcome.receipt.as_ref().map(|sealed| sealed.receipt.denied.len()).unwrap_or_default();
    let noted = if denied > 0 { format!(", {denied} denied attempt(s) in the receipt") } else { String::new() };
    Some(format!("\"{}\"{noted}", failure.message))
}

/// Drops a component with a foreign import into the tools folder, where the host finds it by itself.
fn drop_foreign(host: &Host, paths: &Paths) -> Result<(), CliError> {
    let bytes = wat::parse_str(FOREIGN)
        .map_err(|error| CliError::failed("the foreign component is no component").because(&error))?;
    let path = paths.tools().join("foreign.wasm");
    std::fs::write(&path, bytes)
        .map_err(|error| CliError::failed(format!("cannot write `{}`", path.display())).because(&error))?;
    host.look();
    host.look();
    Ok(())
}

/// Honest calls, one after the other, while the attacks run.
async fn honest(host: Host) -> (Result<usize, CliError>, std::time::Duration) {
    let mut slowest = std::time::Duration::ZERO;
    for n in 0..100 {
        let began = Instant::now();
        let arguments = json!({ "document": format!("{{\"n\":{n}}}"), "path": "$.n" });
        if let Err(error) = super::result(&host, "json.query", &arguments).await {
            return (Err(error), slowest);
        }
        slowest = slowest.max(began.elapsed());
    }
    (Ok(100), slowest)
}
