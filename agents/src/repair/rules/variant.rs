//! Shapes of a variant that other languages write.

use std::borrow::Cow;

use serde_json::Value;
use toolcell_core::ChangeKind;
use toolcell_core::json::{Json, quote};

use super::{Rule, Site};
use crate::repair::names::{Meant, meant};
use crate::repair::schema::{choices, names, only_member};

pub(super) const RULE: Rule = Rule {
    kind: ChangeKind::Case,
    name: "variant",
    about: "A case under another spelling, a tag beside its payload or inside it, and a payload of nothing become the form that the schema has for them.",
    offer,
};

/// Members that name a case, and members that hold its payload (the adjacent form), as common serialisers call them.
const TAGS: &[&str] = &["type", "kind", "tag", "case"];
const PAYLOADS: &[&str] = &["value", "content", "payload", "data"];

type Members<'m> = [(Cow<'m, str>, Json<'m>)];

fn offer(site: &Site<'_>, offers: &mut Vec<String>) {
    let all = std::iter::once(site.schema).chain(choices(site.schema));
    let carrying: Vec<(&str, &Value)> = all.filter_map(only_member).collect();
    let bare = names(site.schema);
    if carrying.is_empty() && bare.is_empty() {
        return;
    }
    let cases: Vec<&str> = carrying.iter().map(|(name, _)| *name).chain(bare.iter().copied()).collect();
    let Json::Object(members) = site.value else { return };
    if let [(name, payload)] = members.as_slice()
        && let Meant::One(case) = meant(name, &cases)
    {
        if carrying.iter().any(|(own, _)| *own == case) {
            if case != name {
                offers.push(of(case, &payload.to_text()));
            }
        } else if *payload == Json::Null || *payload == Json::Object(Vec::new()) {
            offers.push(Json::String(case.into()).to_text());
        }
    }
    let Some((tag, case)) = tagged(members, &cases) else { return };
    let rest: Vec<_> = members.iter().filter(|(name, _)| name != tag).cloned().collect();
    match rest.as_slice() {
        [] if bare.contains(&case) => offers.push(Json::String(case.into()).to_text()),
        [] => {}
        [(name, payload)] if PAYLOADS.contains(&&**name) => {
            offers.push(of(case, &payload.to_text()));
            offers.push(of(case, &Json::Object(rest).to_text()));
        }
        _ => offers.push(of(case, &Json::Object(rest).to_text())),
    }
}

/// The member that names a case, and the case.
fn tagged<'m>(members: &'m Members<'m>, cases: &[&'m str]) -> Option<(&'m str, &'m str)> {
    let mut found =
        members.iter().filter(|(name, _)| TAGS.contains(&&**name)).filter_map(|(name, value)| {
            match meant(value.as_str()?, cases) {
                Meant::One(case) => Some((&**name, case)),
                _ => None,
            }
        });
    found.next().filter(|_| found.next().is_none())
}

fn of(case: &str, payload: &str) -> String {
    let mut out = String::from("{");
    quote(case, &mut out);
    format!("{out}:{payload}}}")
}
