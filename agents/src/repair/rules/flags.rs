//! Several names in one string, or as an object of booleans, where a list is wanted.

use toolcell_core::ChangeKind;
use toolcell_core::json::{Json, quote};

use super::{Rule, Site};
use crate::repair::schema::{self, allows};

pub(super) const RULE: Rule = Rule {
    kind: ChangeKind::Listed,
    name: "flags",
    about: "A string of parts between commas, bars or semicolons becomes a list where its items are no free text; an object of booleans becomes the list of what is true.",
    offer,
};

/// The most parts that one string is taken apart into.
const MAX_PARTS: usize = 1_000;

fn offer(site: &Site<'_>, offers: &mut Vec<String>) {
    if !allows(site.schema, "array") {
        return;
    }
    let Some(items) = site.schema.get("items") else { return };
    let names = schema::names(items);
    match site.value {
        // Free text holds commas of its own.
        Json::String(text) if !names.is_empty() || !allows(items, "string") => {
            offers.extend([',', '|', ';'].iter().filter_map(|separator| apart(text, *separator)));
        }
        Json::Object(members) if !names.is_empty() && !members.is_empty() => offers.extend(switched_on(members)),
        _ => {}
    }
}

fn apart(text: &str, separator: char) -> Option<String> {
    let parts: Vec<&str> = text.split(separator).take(MAX_PARTS + 1).map(str::trim).collect();
    let sound = (2..=MAX_PARTS).contains(&parts.len()) && parts.iter().all(|part| !part.is_empty());
    let brackets = text.contains(['[', ']', '{', '}']);
    (sound && !brackets).then(|| list(parts.into_iter()))
}

fn switched_on(members: &[(std::borrow::Cow<'_, str>, Json<'_>)]) -> Option<String> {
    let all = members.iter().all(|(_, value)| matches!(value, Json::Bool(_)));
    all.then(|| list(members.iter().filter(|(_, value)| *value == Json::Bool(true)).map(|(name, _)| &**name)))
}

fn list<'p>(parts: impl Iterator<Item = &'p str>) -> String {
    let mut out = String::from("[");
    for part in parts {
        if out.len() > 1 {
            out.push(',');
        }
        quote(part, &mut out);
    }
    out.push(']');
    out
}
