//! `toolcell approve`

mod list;
mod show;

use std::sync::Arc;

use toolcell_core::{Clock as _, Digest, ToolId};
use toolcell_host::audit::{AuditError, AuditEvent, AuditLog, Decision, Options};
use toolcell_host::schema::inert;
use toolcell_host::{Component, Policy, Review, Snapshot};
use toolcell_review::{Approved, Case, Edit, Lock, LockError, Reviewer};

use super::{inspect, print_json};
use crate::args::ApproveArgs;
use crate::environment::USER;
use crate::exit::{CliError, Exit};
use crate::home::{self, SystemClock, unusable_lock};
use crate::paths::Paths;
use crate::terminal::{Answer, Style, ask, err, out, say};

pub(crate) fn run(args: &ApproveArgs) -> Result<Exit, CliError> {
    let paths = Paths::from_environment()?;
    match (&args.target, &args.revoke) {
        (Some(target), _) => approve(&paths, args, target),
        (None, Some(target)) => revoke(&paths, args, target),
        (None, None) => list::run(&paths, args),
    }
}

fn approve(paths: &Paths, args: &ApproveArgs, target: &str) -> Result<Exit, CliError> {
    let policy = home::policy(paths, args.allowed.policy.as_deref())?;
    let lock = read(paths)?;
    let snapshot = home::look(paths, &args.folders.tools)?;
    let (component, cases) = cases(&snapshot, target, &reviewer(&policy)?)?;
    let by = reviewers_name(args);
    // What stands there already keeps its reviewer and its date.
    let is_open = |case: &&Case| {
        lock.get(case.tool.as_str()).is_none_or(|approved| !approved.says_what(&case.approved(&by, SystemClock.now())))
    };
    let open: Vec<&Case> = cases.iter().filter(is_open).collect();
    let said = |approved: bool| show::json(&component, &policy, &cases, &lock, approved);
    if !args.json {
        show::print(&component, &policy, &cases, &lock);
    }
    if open.is_empty() {
        if args.json {
            print_json(&said(true))?;
        } else {
            say(&format!("\n{}: exactly this is approved", out(Style::Good, "nothing to decide")));
        }
        return Ok(Exit::Ok);
    }
    if !args.yes {
        if args.json {
            print_json(&said(false))?;
            return Ok(Exit::Failed);
        }
        if !asked(&open)? {
            say("nothing was approved");
            return Ok(Exit::Failed);
        }
    }
    let decided: Vec<_> = open.iter().map(|case| (case.tool.clone(), case.approved(&by, SystemClock.now()))).collect();
    record(paths, &decided)?;
    if args.json {
        print_json(&said(true))?;
    } else {
        for case in &open {
            say(&format!("{} {}", out(Style::Good, "approved"), case.tool));
        }
    }
    if policy.review() == Review::NotRequired {
        let note = "policy does not ask for approvals, so nothing depends on this yet; `require-approval = true` does";
        eprintln!("{} {note}", err(Style::Warn, "note:"));
    }
    Ok(Exit::Ok)
}

/// Whether a person at the terminal says yes.
fn asked(open: &[&Case]) -> Result<bool, CliError> {
    let tools: Vec<_> = open.iter().map(|case| case.tool.as_str()).collect();
    let question = format!("\nApprove {} with exactly these bytes and capabilities?", tools.join(", "));
    match ask(&question) {
        Some(answer) => Ok(answer == Answer::Yes),
        None => Err(CliError::usage("nothing was approved: there is no terminal to ask at")
            .next("Read what is shown, then say it with `--yes`.")),
    }
}

/// Keeps approvals. What widens is in the audit log before it holds.
fn record(paths: &Paths, decided: &[(ToolId, Approved)]) -> Result<(), CliError> {
    let mut edit = Edit::open(&paths.lock()).map_err(|error| unusable_lock(&error))?;
    for (tool, approved) in decided {
        edit.lock.approve(tool.clone(), approved.clone());
    }
    let prepared = edit.prepare().map_err(|error| unkept(&error))?;
    let events = decided.iter().map(|(tool, approved)| event(tool, approved, Decision::Approved, &approved.by));
    audit(paths, events).map_err(|error| {
        CliError::failed("the audit log cannot be written, so nothing was approved").because(&error)
    })?;
    prepared.commit().map_err(|error| {
        CliError::failed("nothing was approved, though the audit log says so already: the file cannot be replaced")
            .because(&error)
    })
}

fn revoke(paths: &Paths, args: &ApproveArgs, target: &str) -> Result<Exit, CliError> {
    let mut edit = Edit::open(&paths.lock()).map_err(|error| unusable_lock(&error))?;
    let meant = |tool: &&ToolId| tool.as_str() == target || tool.component() == target;
    let tools: Vec<ToolId> = edit.lock.iter().map(|(tool, _)| tool).filter(meant).cloned().collect();
    if tools.is_empty() {
        return Err(CliError::failed(format!("nothing of `{}` is approved", inert(target, 120)))
            .next("`toolcell approve --list` shows what is; name a component, or a tool in full."));
    }
    let revoked: Vec<_> =
        tools.into_iter().filter_map(|tool| edit.lock.revoke(tool.as_str()).map(|approved| (tool, approved))).collect();
    // What narrows never waits for a log: it holds first.
    edit.commit().map_err(|error| unkept(&error))?;
    let by = reviewers_name(args);
    let events = revoked.iter().map(|(tool, approved)| event(tool, approved, Decision::Revoked, &by));
    audit(paths, events)
        .map_err(|error| CliError::failed("it is revoked, but the audit log does not know").because(&error))?;
    if args.json {
        print_json(&serde_json::json!({ "revoked": revoked.iter().map(|(tool, _)| tool).collect::<Vec<_>>() }))?;
    } else {
        for (tool, _) in &revoked {
            say(&format!("{} {tool}", out(Style::Warn, "revoked")));
        }
    }
    Ok(Exit::Ok)
}

fn event(tool: &ToolId, approved: &Approved, decision: Decision, by: &str) -> AuditEvent {
    AuditEvent::Approval {
        tool: tool.to_string(),
        component: approved.component,
        grant: approved.grant_digest(),
        decision,
        reviewer: by.to_owned(),
    }
}

fn audit(paths: &Paths, events: impl Iterator<Item = AuditEvent>) -> Result<(), AuditError> {
    let log = AuditLog::open(&paths.audit(), Options::new(Arc::new(SystemClock)))?;
    for event in events {
        log.record(event)?;
    }
    log.sync()
}

fn read(paths: &Paths) -> Result<Lock, CliError> {
    Lock::read(&paths.lock()).map_err(|error| unusable_lock(&error))
}

fn reviewer(policy: &Policy) -> Result<Reviewer, CliError> {
    Reviewer::new(policy).map_err(|error| CliError::failed("this policy cannot be reviewed").because(&error))
}

fn unkept(error: &LockError) -> CliError {
    CliError::failed("the decision cannot be kept, so all is as it was").because(error)
}

/// Who decides: what was typed, else who is logged in, else the number of the user.
fn reviewers_name(args: &ApproveArgs) -> String {
    let logged_in = || USER.get().and_then(|name| name.into_string().ok());
    let number = || format!("user {}", rustix::process::getuid().as_raw());
    args.by.clone().or_else(logged_in).unwrap_or_else(number)
}

/// What is meant: a component with every tool that can be called, or one tool.
fn cases(snapshot: &Snapshot, target: &str, reviewer: &Reviewer) -> Result<(Arc<Component>, Vec<Case>), CliError> {
    if snapshot.component(target).is_none() {
        let (component, index) = snapshot.resolve(target, None).map_err(|failure| {
            let mut error = CliError::failed(failure.message.clone()).next("`toolcell list` shows what is there.");
            error.causes.clone_from(&failure.hints);
            error
        })?;
        let case = reviewer.case(&component, &component.tools[index]);
        return Ok((component, vec![case]));
    }
    let component = inspect::find(snapshot, target)?;
    let callable = component.tools.iter().filter(|tool| tool.signature.is_ok());
    let cases: Vec<_> = callable.map(|tool| reviewer.case(&component, tool)).collect();
    if cases.is_empty() {
        return Err(CliError::failed(format!("`{}` has no tool that can be called", component.name))
            .next(format!("`toolcell inspect {}` says why.", component.name)));
    }
    Ok((component, cases))
}

/// A digest as people compare it.
fn sha256(digest: Digest) -> String {
    format!("sha256:{digest}")
}
