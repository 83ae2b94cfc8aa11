//! `toolcell plan check`

use serde_json::{Value, json};
use toolcell_agents::plan::{self, Problems};
use toolcell_core::Tenant;

use super::super::print_json;
use super::{lines, text, written};
use crate::args::PlanCheckArgs;
use crate::exit::{CliError, Exit};
use crate::home;
use crate::paths::Paths;
use crate::terminal::{Style, err, out, say};

pub(super) fn run(paths: &Paths, args: &PlanCheckArgs) -> Result<Exit, CliError> {
    let text = text(&args.file)?;
    let checked = match written(&args.file, &text) {
        Ok(written) => {
            let policy = home::policy(paths, args.allowed.policy.as_deref())?;
            let host = home::open(paths, &args.folders.tools, policy)?;
            plan::check(&written, &host, &Tenant::default())
        }
        Err(problems) => Err(problems),
    };
    match checked {
        Ok(plan) => {
            let tools: std::collections::BTreeSet<_> = plan.steps.iter().map(|step| &*step.tool).collect();
            if args.json {
                print_json(&json!({
                    "ok": true, "name": &*plan.name, "steps": plan.steps.len(), "tools": tools, "problems": [],
                }))?;
            } else {
                let steps = plan.steps.len();
                let count = |many: usize, what: &str| format!("{many} {what}{}", if many == 1 { "" } else { "s" });
                say(&format!(
                    "{} {}: {}, {}",
                    out(Style::Good, "ok"),
                    plan.name,
                    count(steps, "step"),
                    count(tools.len(), "tool"),
                ));
            }
            Ok(Exit::Ok)
        }
        Err(problems) => {
            if args.json {
                print_json(&json!({ "ok": false, "problems": told(&problems), "more": problems.more }))?;
            } else {
                for line in lines(&problems) {
                    say(&format!("{}:{line}", args.file.display()));
                }
                eprintln!("{} `toolcell plan schema` gives editors what a plan may hold", err(Style::Good, "next:"));
            }
            Ok(Exit::Failed)
        }
    }
}

fn told(problems: &Problems) -> Vec<Value> {
    let one = |problem: &plan::Problem| {
        json!({
            "line": problem.line, "column": problem.column, "step": problem.step, "pointer": problem.pointer,
            "message": problem.message,
        })
    };
    problems.problems.iter().map(one).collect()
}
