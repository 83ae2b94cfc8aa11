//! `toolcell approve --list`

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use toolcell_host::Review;
use toolcell_host::schema::inert;
use toolcell_review::{Case, Standing, rfc3339};

use super::{read, reviewer, show};
use crate::args::ApproveArgs;
use crate::commands::print_json;
use crate::exit::{CliError, Exit};
use crate::home;
use crate::paths::Paths;
use crate::terminal::{Style, out, say};

/// Lists every approval and how it stands, and, where policy requires approvals, the tools that wait for one.
pub(super) fn run(paths: &Paths, args: &ApproveArgs) -> Result<Exit, CliError> {
    let policy = home::policy(paths, args.allowed.policy.as_deref())?;
    let (lock, snapshot) = (read(paths)?, home::look(paths, &args.folders.tools)?);
    let reviewer = reviewer(&policy)?;
    let wanted = |id: &str| policy.review() == Review::Required || lock.get(id).is_some();
    let callable = snapshot.tools().filter(|(_, tool)| tool.signature.is_ok() && wanted(tool.id.as_str()));
    let cases: BTreeMap<_, Case> =
        callable.map(|(component, tool)| (tool.id.clone(), reviewer.case(component, tool))).collect();
    let tools: BTreeSet<_> = lock.iter().map(|(tool, _)| tool).chain(cases.keys()).collect();
    let width = tools.iter().map(|tool| tool.as_str().len()).max().unwrap_or(0).min(48);
    let mut rows: Vec<Value> = Vec::new();
    for tool in tools {
        let (approved, case) = (lock.get(tool.as_str()), cases.get(tool));
        let standing = case.map(|case| case.standing(approved));
        let name = standing.as_ref().map_or("gone", Standing::name);
        let added = case.zip(approved).map(|(case, approved)| case.since(approved).added).unwrap_or_default();
        if args.json {
            rows.push(json!({
                "tool": tool,
                "standing": name,
                "component": approved.map(|approved| approved.component),
                "manifest": approved.and_then(|approved| approved.manifest),
                "granted": approved.map(|approved| &approved.granted),
                "added": added,
                "policy": approved.map(|approved| approved.policy),
                "by": approved.map(|approved| &approved.by),
                "at": approved.map(|approved| rfc3339(approved.at)),
            }));
            continue;
        }
        let style = if standing == Some(Standing::Holds) { Style::Good } else { Style::Warn };
        let who = approved.map(|approved| format!("by {} at {}", approved.by, rfc3339(approved.at)));
        let why = match (&standing, approved) {
            (Some(standing), Some(approved)) if *standing != Standing::Holds => {
                format!("; {}", show::told(standing, approved))
            }
            (None, _) => "; the tool is not there".to_owned(),
            _ => String::new(),
        };
        let (tool, name) =
            (out(Style::Name, &format!("{:<width$}", tool.as_str())), out(style, &format!("{name:<15}")));
        say(format!("{tool}  {name}  {}{why}", who.unwrap_or_default()).trim_end());
        for line in added {
            say(&format!("{:<width$}  {} {}", "", out(Style::Bad, "+"), inert(&line, 4_096)));
        }
    }
    if args.json {
        print_json(
            &json!({ "lock": paths.lock().display().to_string(), "require_approval": policy.review() == Review::Required, "tools": rows }),
        )?;
    } else if lock.iter().next().is_none() {
        eprintln!("nothing is approved yet; `toolcell approve TOOL` shows a tool and asks");
    }
    Ok(Exit::Ok)
}
