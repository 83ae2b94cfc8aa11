//! One value too deep: in a list of one, or in an object around it.

use toolcell_core::ChangeKind;
use toolcell_core::json::{Json, quote};

use super::{Rule, Site};
use crate::repair::names::are_alike;
use crate::repair::schema::{allows, only_member};

pub(super) const RULE: Rule = Rule {
    kind: ChangeKind::Unwrapped,
    name: "unwrapped",
    about: "The only item of a list, or the only member of an object called `value`, `some`, `items` or as the argument itself, or the `value` beside its `type`, takes the place of what is around it; what wants `some` around it gets that.",
    offer,
};

/// The names of JSON Schema's types (2020-12, Validation, section 6.1.1).
const TYPES: &[&str] = &["array", "boolean", "integer", "null", "number", "object", "string"];

/// Names of members that only hold a value.
const HOLDERS: &[&str] = &["value", "some", "items"];

fn offer(site: &Site<'_>, offers: &mut Vec<String>) {
    if site.schema.get("not").is_some() {
        return;
    }
    // What an option inside an option holds.
    if let Some(("some", _)) = only_member(site.schema)
        && site.value.member("some").is_none()
    {
        offers.push(format!("{{\"some\":{}}}", site.value.to_text()));
    }
    match site.value {
        Json::Array(items) => {
            // A list in a list is looked into by the walk.
            if let ([only], false) = (items.as_slice(), allows(site.schema, "array")) {
                offers.push(only.to_text());
            }
        }
        Json::Object(members) => {
            if let [(name, inside)] = members.as_slice() {
                let own = site.name.is_some_and(|own| are_alike(own, name));
                if own || HOLDERS.contains(&&**name) {
                    offers.push(inside.to_text());
                }
            }
            // A value beside the name of its type, as schemas write examples.
            if let [(a, first), (b, second)] = members.as_slice() {
                let typed =
                    |name: &str, value: &Json<'_>| name == "type" && value.as_str().is_some_and(|t| TYPES.contains(&t));
                if typed(a, first) && b == "value" {
                    offers.push(second.to_text());
                } else if typed(b, second) && a == "value" {
                    offers.push(first.to_text());
                }
            }
        }
        // A name in quotes inside its quotes.
        Json::String(text) if text.len() > 2 && text.starts_with('"') && text.ends_with('"') => {
            let mut inner = String::new();
            quote(&text[1..text.len() - 1], &mut inner);
            offers.push(inner);
        }
        _ => {}
    }
}
