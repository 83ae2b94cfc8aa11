//! A map, where a list of pairs is wanted, since WIT has no maps.

use serde_json::Value;
use toolcell_core::ChangeKind;
use toolcell_core::json::{Json, quote};

use super::{Rule, Site};
use crate::repair::schema::allows;

pub(super) const RULE: Rule = Rule {
    kind: ChangeKind::Listed,
    name: "pairs",
    about: "An object becomes the list of its names and values where the items are pairs, or records of `name` or `key` and `value`.",
    offer,
};

fn offer(site: &Site<'_>, offers: &mut Vec<String>) {
    let Json::Object(members) = site.value else { return };
    let Some(items) = site.schema.get("items").filter(|_| allows(site.schema, "array")) else { return };
    let Some(form) = Form::of(items) else { return };
    // What is one of the items already is a list of one instead.
    if matches!(form, Form::Record(key) if members.iter().any(|(name, _)| name == key)) {
        return;
    }
    let mut out = String::from("[");
    for (name, value) in members {
        if out.len() > 1 {
            out.push(',');
        }
        let mut quoted = String::new();
        quote(name, &mut quoted);
        let value = value.to_text();
        let pair = match form {
            Form::Tuple => format!("[{quoted},{value}]"),
            Form::Record(key) => format!("{{\"{key}\":{quoted},\"value\":{value}}}"),
        };
        out.push_str(&pair);
    }
    out.push(']');
    offers.push(out);
}

#[derive(Clone, Copy)]
enum Form {
    Tuple,
    Record(&'static str),
}

impl Form {
    fn of(items: &Value) -> Option<Self> {
        if let Some([first, _]) = items.get("prefixItems").and_then(Value::as_array).map(Vec::as_slice) {
            return allows(first, "string").then_some(Self::Tuple);
        }
        let properties = items.get("properties")?.as_object()?;
        let key =
            ["name", "key"].into_iter().find(|key| properties.get(*key).is_some_and(|of| allows(of, "string")))?;
        (properties.len() == 2 && properties.contains_key("value")).then_some(Self::Record(key))
    }
}
