//! A value that means nothing, where null is allowed.

use toolcell_core::ChangeKind;
use toolcell_core::json::Json;

use super::{Rule, Site};
use crate::repair::schema::takes_null;

pub(super) const RULE: Rule = Rule {
    kind: ChangeKind::Null,
    name: "null",
    about: "An empty value, or a word for nothing, becomes null where null is allowed and the word is no value.",
    offer,
};

/// The words for nothing, in lower case: those of JSON, Python, Go, JavaScript and spreadsheets.
const NOTHING: &[&str] = &[
    "",
    "-",
    "default",
    "n/a",
    "na",
    "nan",
    "nil",
    "none",
    "not applicable",
    "not provided",
    "not specified",
    "null",
    "undefined",
    "unspecified",
];

fn offer(site: &Site<'_>, offers: &mut Vec<String>) {
    if means_nothing(site.value) && takes_null(site.schema) {
        offers.push("null".to_owned());
    }
}

fn means_nothing(value: &Json<'_>) -> bool {
    match value {
        Json::String(text) => text.len() <= 24 && NOTHING.contains(&text.trim().to_lowercase().as_str()),
        Json::Array(items) => items.is_empty(),
        Json::Object(members) => members.is_empty(),
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    }
}
