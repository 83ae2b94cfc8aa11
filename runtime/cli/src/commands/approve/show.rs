//! What a reviewer is shown before anything is decided.
//!
//! Whatever the author wrote is inert, on lines of its own, and said to be the author's: nothing of it can pass for a line
//! of ours.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::{Value, json};
use toolcell_core::Tenant;
use toolcell_host::catalog::ManifestSource;
use toolcell_host::schema::inert;
use toolcell_host::{Component, Policy};
use toolcell_review::{Case, Level, Lock, Request, Risk, Standing, requests, rfc3339};

use super::sha256;
use crate::terminal::{Style, out, say};

/// The longest line that is shown, in bytes; parts of it are the author's.
const SHOWN: usize = 4_096;

fn label(style: Style, text: &str) -> String {
    out(style, &format!("{text:<10}"))
}

/// Shows a component and some of its tools.
pub(super) fn print(component: &Component, policy: &Policy, cases: &[Case], lock: &Lock) {
    let dim = |text: &str| label(Style::Dim, text);
    say(&format!("{} {}", dim("component"), out(Style::Bold, component.name.as_str())));
    say(&format!("{} {}", dim("digest"), sha256(component.digest)));
    say(&format!("{} {}", dim("policy"), sha256(policy.digest())));
    let whose = whose(component);
    match component.manifest_digest {
        Some(digest) => say(&format!("{} {}, {}", dim("manifest"), sha256(digest), whose.place)),
        None => say(&format!("{} none: nobody says what it needs", dim("manifest"))),
    }
    for Request { line, reason } in asked(component) {
        say(&format!("{} {line}", dim("requests")));
        if !reason.is_empty() {
            say(&format!("{} {}: {}", dim(""), whose.says, out(Style::Dim, &reason)));
        }
    }
    for case in cases {
        say("");
        print_case(case, lock);
    }
}

fn print_case(case: &Case, lock: &Lock) {
    say(&out(Style::Name, case.tool.as_str()));
    let lines = case.lines();
    for line in &lines {
        let only = case.only_for(line).map(|tenants| format!(" (for {})", names(&tenants))).unwrap_or_default();
        say(&format!("{} {}{only}", label(Style::Good, "granted"), inert(line, SHOWN)));
    }
    if lines.is_empty() {
        say(&format!("{} nothing", label(Style::Good, "granted")));
    }
    for refusal in &case.refusals {
        let told = format!("{}: {}", refusal.what, refusal.reason);
        say(&format!("{} {}", label(Style::Warn, "refused"), inert(&told, SHOWN)));
    }
    for (guest, folders) in &case.folders {
        for folder in folders {
            let told = format!("{guest} is {} by this policy", folder.display());
            say(&format!("{} {}", label(Style::Dim, "folder"), inert(&told, SHOWN)));
        }
    }
    for risk in case.risks() {
        say(&format!("{} {:<6} {}", label(style(risk.level), "risk"), risk.level, risk.sentence));
    }
    for risk in case.risks_of_request() {
        say(&format!("{} {:<6} {}", label(Style::Dim, "if granted"), risk.level, risk.sentence));
    }
    let Some(approved) = lock.get(case.tool.as_str()) else {
        return say(&format!("{} not yet", label(Style::Warn, "approved")));
    };
    let who = format!("by {} at {}", approved.by, rfc3339(approved.at));
    let standing = case.standing(Some(approved));
    let style = if standing == Standing::Holds { Style::Good } else { Style::Warn };
    say(&format!("{} {who}; {}", label(style, "approved"), told(&standing, approved)));
    let diff = case.since(approved);
    for line in &diff.added {
        say(&format!("{} {} {}", label(Style::Dim, ""), out(Style::Bad, "+"), inert(line, SHOWN)));
    }
    for line in &diff.removed {
        say(&format!("{} {} {}", label(Style::Dim, ""), out(Style::Good, "-"), inert(line, SHOWN)));
    }
}

/// The same for a machine. `approved` says whether exactly this is approved now; `before` is how it was when it was shown.
pub(super) fn json(component: &Component, policy: &Policy, cases: &[Case], lock: &Lock, approved: bool) -> Value {
    let requested: Vec<Value> = asked(component)
        .into_iter()
        .map(|Request { line, reason }| json!({ "line": line, whose(component).key: reason }))
        .collect();
    json!({
        "component": component.name,
        "digest": component.digest,
        "manifest": component.manifest_digest,
        "policy": policy.digest(),
        "approved": approved,
        "requested": requested,
        "tools": cases.iter().map(|case| case_json(case, lock)).collect::<Vec<_>>(),
    })
}

fn case_json(case: &Case, lock: &Lock) -> Value {
    let told = |risks: Vec<Risk>| -> Vec<Value> {
        risks.iter().map(|risk| json!({ "level": risk.level.to_string(), "sentence": risk.sentence })).collect()
    };
    let granted: Vec<Value> = case
        .lines()
        .iter()
        .map(|line| {
            let tenants =
                case.only_for(line).map(|tenants| tenants.iter().map(|tenant| &*tenant.0).collect::<Vec<_>>());
            json!({ "line": line, "tenants": tenants })
        })
        .collect();
    let refused: Vec<Value> = case
        .refusals
        .iter()
        .map(|refusal| json!({ "what": refusal.what, "reason": refusal.reason, "toml": refusal.toml }))
        .collect();
    let shown = |folders: &BTreeSet<PathBuf>| folders.iter().map(|folder| folder.display().to_string()).collect();
    let folders: BTreeMap<&String, Vec<String>> =
        case.folders.iter().map(|(guest, folders)| (guest, shown(folders))).collect();
    let before = lock.get(case.tool.as_str());
    let diff = before.map(|approved| case.since(approved)).unwrap_or_default();
    let before = json!({
        "standing": case.standing(before).name(),
        "by": before.map(|approved| &approved.by),
        "at": before.map(|approved| rfc3339(approved.at)),
        "component": before.map(|approved| approved.component),
        "manifest": before.and_then(|approved| approved.manifest),
        "policy": before.map(|approved| approved.policy),
        "added": diff.added,
        "removed": diff.removed,
    });
    json!({
        "tool": case.tool,
        "granted": granted,
        "folders": folders,
        "refused": refused,
        "risks": told(case.risks()),
        "risks_if_granted": told(case.risks_of_request()),
        "before": before,
    })
}

fn asked(component: &Component) -> Vec<Request> {
    component.manifest.as_ref().map(|manifest| requests(&manifest.capabilities)).unwrap_or_default()
}

/// Whose words a manifest is made of.
struct Whose {
    place: &'static str,
    says: &'static str,
    key: &'static str,
}

fn whose(component: &Component) -> Whose {
    match component.manifest_source {
        Some(ManifestSource::Sidecar) => Whose {
            place: "from the file beside the component, in place of the author's own",
            says: "the file beside it says",
            key: "sidecar_says",
        },
        _ => Whose { place: "from the component itself", says: "the author says", key: "author_says" },
    }
}

/// How an approval stands, in words.
pub(super) fn told(standing: &Standing, approved: &toolcell_review::Approved) -> String {
    match standing {
        Standing::Unapproved => "not yet".to_owned(),
        Standing::OtherComponent => format!("with other bytes, {}", sha256(approved.component)),
        Standing::OtherManifest => match approved.manifest {
            Some(digest) => format!("with another manifest, {}", sha256(digest)),
            None => "without a manifest".to_owned(),
        },
        Standing::Wider => "it can do more now".to_owned(),
        Standing::Holds => "it holds".to_owned(),
    }
}

fn style(level: Level) -> Style {
    match level {
        Level::High => Style::Bad,
        Level::Medium => Style::Warn,
        Level::Low => Style::Dim,
    }
}

fn names(tenants: &[&Tenant]) -> String {
    let names: Vec<_> = tenants.iter().map(|tenant| inert(&tenant.0, 64)).collect();
    format!("tenant{} {}", if names.len() == 1 { "" } else { "s" }, names.join(", "))
}
