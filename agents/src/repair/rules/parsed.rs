//! JSON inside a string, where the value itself is wanted.

use toolcell_core::ChangeKind;
use toolcell_core::json::{Json, parse};

use super::{Rule, Site};
use crate::repair::BOUNDS;
use crate::repair::schema::{allows, choices};

pub(super) const RULE: Rule = Rule {
    kind: ChangeKind::Parsed,
    name: "parsed",
    about: "A string that holds the JSON text of an object or array becomes that value.",
    offer,
};

fn offer(site: &Site<'_>, offers: &mut Vec<String>) {
    let Json::String(text) = site.value else { return };
    let wanted = |schema: &serde_json::Value| allows(schema, "object") || allows(schema, "array");
    if !(wanted(site.schema) || choices(site.schema).iter().any(wanted)) {
        return;
    }
    let mut text = text.clone();
    for _ in 0..MAX_QUOTED {
        if container(&text) {
            return offers.push(text.trim().to_owned());
        }
        // Text that was made text once more.
        let inner = match parse(text.trim(), BOUNDS) {
            Ok(Json::String(inner)) => inner.into_owned(),
            _ => return,
        };
        text = inner.into();
    }
}

/// How often a value may have been made text.
const MAX_QUOTED: usize = 3;

/// Whether a text is a JSON object or array.
pub(super) fn container(text: &str) -> bool {
    let text = text.trim();
    text.starts_with(['{', '[']) && parse(text, BOUNDS).is_ok()
}
