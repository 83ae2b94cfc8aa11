//! `toolcell policy explain`

use serde_json::{Value, json};
use toolcell_core::Tenant;
use toolcell_core::net::Target;
use toolcell_host::grant::{Decision, Grant, Question, Said};
use toolcell_host::grant_of;
use toolcell_host::policy::Source;
use toolcell_host::schema::inert;

use crate::args::PolicyExplainArgs;
use crate::commands::print_json;
use crate::exit::{CliError, Exit};
use crate::home;
use crate::paths::Paths;
use crate::terminal::{Style, out, say};

/// The longest line that is shown, in bytes; parts of it are the author's.
const SHOWN: usize = 4_096;

pub(super) fn run(paths: &Paths, args: &PolicyExplainArgs) -> Result<Exit, CliError> {
    let policy = home::policy(paths, args.allowed.policy.as_deref())?;
    let snapshot = home::look(paths, &args.folders.tools)?;
    let (component, index) = snapshot.resolve(&args.tool, None).map_err(|failure| {
        let mut error = CliError::failed(failure.message.clone()).next("`toolcell list` shows what is there.");
        error.causes.clone_from(&failure.hints);
        error
    })?;
    let tool = &component.tools[index];
    let tenant = args.tenant.as_deref().map_or_else(Tenant::default, |name| Tenant(name.into()));
    let grant = grant_of(&component, tool, &tenant, &policy, &home::approvals(paths)?);
    let target;
    let question = match (&args.request, &args.secret, &args.mount) {
        (Some(request), _, _) => {
            let [method, url] = request.as_slice() else {
                return Err(CliError::usage("write `--request METHOD URL`"));
            };
            target = target_of(url)?;
            Some(Question::Request { method, target: &target })
        }
        (_, Some(name), _) => Some(Question::Secret(name)),
        (_, _, Some(guest)) => Some(Question::Mount(guest)),
        (None, None, None) => None,
    };
    if let Some(question) = question {
        return answer(&grant.decide(&question), args.json);
    }
    if args.json {
        let mut whole = grant_json(&grant);
        whole["tool"] = json!(tool.id);
        whole["component"] = json!(component.digest);
        whole["policy"] = json!(policy.digest());
        whole["limits"] = json!(grant.limits());
        print_json(&whole)?;
        return Ok(Exit::Ok);
    }
    let label = |text: &str| out(Style::Dim, &format!("{text:<10}"));
    say(&format!("{} {}", label("tool"), out(Style::Name, tool.id.as_str())));
    say(&format!("{} sha256:{}", label("policy"), policy.digest()));
    for said in grant.rules() {
        say(&format!("{} `{}` {}", label("rule"), inert(&said.rule, SHOWN), out(Style::Dim, &place(said))));
    }
    if grant.rules().is_empty() {
        say(&format!("{} none names it", label("rule")));
    }
    print_grant(&grant);
    Ok(Exit::Ok)
}

/// What is granted and what is not, for a person.
pub(crate) fn print_grant(grant: &Grant) {
    let label = |style, text: &str| out(style, &format!("{text:<10}"));
    if let Some(inert_for) = grant.inert() {
        say(&format!("{} {}", label(Style::Bad, "inert"), inert(&inert_for.reason, SHOWN)));
        for line in &inert_for.added {
            say(&format!("{} + {}", label(Style::Warn, ""), inert(line, SHOWN)));
        }
        for line in &inert_for.removed {
            say(&format!("{} - {}", label(Style::Warn, ""), inert(line, SHOWN)));
        }
    } else {
        for line in grant.lines() {
            say(&format!("{} {}", label(Style::Good, "granted"), inert(line, SHOWN)));
        }
        if grant.lines().is_empty() {
            say(&format!("{} nothing", label(Style::Good, "granted")));
        }
    }
    for refusal in grant.refusals() {
        let told = format!("{}: {}", refusal.what, refusal.reason);
        say(&format!("{} {}", label(Style::Warn, "refused"), inert(&told, SHOWN)));
    }
}

/// The same for a machine.
pub(crate) fn grant_json(grant: &Grant) -> Value {
    let rules: Vec<Value> = grant
        .rules()
        .iter()
        .map(|said| match &said.source {
            Source::InPerson => json!({ "rule": said.rule }),
            Source::File { path, line } => json!({ "rule": said.rule, "file": path, "line": line }),
        })
        .collect();
    let refusals: Vec<Value> = grant
        .refusals()
        .iter()
        .map(|refusal| {
            json!({ "what": refusal.what, "reason": refusal.reason, "toml": refusal.toml, "rule": refusal.rule })
        })
        .collect();
    let inert =
        grant.inert().map(|inert| json!({ "reason": inert.reason, "added": inert.added, "removed": inert.removed }));
    json!({ "rules": rules, "lines": grant.lines(), "refusals": refusals, "inert": inert })
}

fn place(said: &Said) -> String {
    match &said.source {
        Source::InPerson => String::new(),
        Source::File { path, line } => format!("{}:{line}", path.display()),
    }
}

fn answer(decision: &Decision, json: bool) -> Result<Exit, CliError> {
    match decision {
        Decision::Granted { rule, line } => {
            if json {
                print_json(&json!({ "granted": true, "line": line, "rule": rule }))?;
            } else {
                let by = rule.as_ref().map(|rule| format!(", by rule `{rule}`")).unwrap_or_default();
                say(&format!("{} {}", out(Style::Good, "granted"), inert(&format!("{line}{by}"), SHOWN)));
            }
            Ok(Exit::Ok)
        }
        Decision::Refused { reasons } => {
            if json {
                print_json(&json!({ "granted": false, "reasons": reasons }))?;
            } else {
                for reason in reasons {
                    say(&format!("{} {}", out(Style::Bad, "refused"), inert(reason, SHOWN)));
                }
            }
            Ok(Exit::Denied)
        }
    }
}

/// A URL as a request would name it.
fn target_of(url: &str) -> Result<Target, CliError> {
    let no_url =
        || CliError::usage(format!("`{}` is no URL", inert(url, 200))).next("Write it whole: https://host/path");
    let (scheme, rest) = url.split_once("://").ok_or_else(no_url)?;
    let border = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(border);
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Target::parse(scheme, authority, &path).map_err(|error| no_url().because(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_whole_or_not_at_all() {
        for url in ["https://a.example", "https://a.example/x?y=1", "http://127.0.0.1:80/", "https://a.example?y=1"] {
            assert!(target_of(url).is_ok(), "{url}");
        }
        for url in ["", "a.example", "ftp://a.example/", "https://", "https://u@a.example/", "https://127.1/"] {
            assert!(target_of(url).is_err(), "{url}");
        }
    }
}
