//! One value where a list is wanted.

use toolcell_core::ChangeKind;
use toolcell_core::json::Json;

use super::{Rule, Site, parsed};
use crate::repair::schema::{allows, names};

pub(super) const RULE: Rule = Rule {
    kind: ChangeKind::Listed,
    name: "listed",
    about: "A single value becomes a list of one, and an object of places the list.",
    offer,
};

fn offer(site: &Site<'_>, offers: &mut Vec<String>) {
    let Some(items) = site.schema.get("items").filter(|_| allows(site.schema, "array")) else { return };
    match site.value {
        Json::Array(_) | Json::Null => return,
        // A list written as an object of its places.
        Json::Object(members)
            if !members.is_empty()
                && members.iter().enumerate().all(|(place, (name, _))| *name == place.to_string()) =>
        {
            let items: Vec<String> = members.iter().map(|(_, value)| value.to_text()).collect();
            return offers.push(format!("[{}]", items.join(",")));
        }
        // A list was meant by what reads as one, and by what means nothing none.
        Json::String(text) if parsed::container(text) || text.trim().is_empty() => return,
        Json::String(text)
            if text.contains([',', ';', '|', '\n']) && allows(items, "string") && names(items).is_empty() =>
        {
            // One text or several: nobody can tell, so both are offered.
            offers.push(format!("[{}]", parts(text)));
        }
        _ => {}
    }
    offers.push(format!("[{}]", site.value.to_text()));
}

fn parts(text: &str) -> String {
    let quoted = |part: &str| Json::String(part.trim().into()).to_text();
    text.splitn(8, [',', ';', '|', '\n']).map(quoted).collect::<Vec<_>>().join(",")
}
