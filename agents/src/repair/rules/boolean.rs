//! Words and digits for true and false.

use toolcell_core::ChangeKind;
use toolcell_core::json::Json;

use super::{Rule, Site};
use crate::repair::schema::allows;

pub(super) const RULE: Rule = Rule {
    kind: ChangeKind::Boolean,
    name: "boolean",
    about: "A word or digit of a closed table becomes true or false.",
    offer,
};

/// The words, in lower case: those of YAML 1.1 (`bool`), with the digits.
const WORDS: &[(&str, bool)] = &[
    ("true", true),
    ("false", false),
    ("yes", true),
    ("no", false),
    ("on", true),
    ("off", false),
    ("y", true),
    ("n", false),
    ("1", true),
    ("0", false),
];

fn offer(site: &Site<'_>, offers: &mut Vec<String>) {
    let word = match site.value {
        Json::String(text) if text.len() <= 16 => text.trim().to_lowercase(),
        Json::Number(text @ ("0" | "1")) => (*text).to_owned(),
        _ => return,
    };
    if allows(site.schema, "boolean")
        && let Some((_, value)) = WORDS.iter().find(|(own, _)| *own == word)
    {
        offers.push(value.to_string());
    }
}
