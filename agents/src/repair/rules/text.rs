//! Numbers and booleans where a string is wanted, and JSON where its text is.

use toolcell_core::ChangeKind;
use toolcell_core::json::{Json, quote};

use super::{Rule, Site};
use crate::repair::schema::allows;

pub(super) const RULE: Rule = Rule {
    kind: ChangeKind::Text,
    name: "text",
    about: "A number or boolean becomes its text, digit by digit; an object or array does where the schema says that JSON text is meant.",
    offer,
};

fn offer(site: &Site<'_>, offers: &mut Vec<String>) {
    // A number's digits are also valid base64, and would become bytes that nobody meant.
    if !allows(site.schema, "string") || site.schema.get("contentEncoding").is_some() {
        return;
    }
    match site.value {
        Json::Bool(_) | Json::Number(_) => {}
        Json::Array(_) | Json::Object(_) if says_json(site) => {}
        _ => return,
    }
    let mut text = String::new();
    quote(&site.value.to_text(), &mut text);
    offers.push(text);
}

fn says_json(site: &Site<'_>) -> bool {
    let of = |keyword: &str| site.schema.get(keyword).and_then(serde_json::Value::as_str).unwrap_or_default();
    of("contentMediaType") == "application/json"
        || of("description").split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word.eq_ignore_ascii_case("json"))
}
