//! One value where a list is wanted.

use toolcell_core::ChangeKind;
use toolcell_core::json::Json;

use super::{Rule, Site, parsed};
use crate::repair::schema::{allows, names};

pub(super) const RULE: Rule =
    Rule { kind: ChangeKind::Listed, name: "listed", about: "A single value becomes a list of one.", offer };

fn offer(site: &Site<'_>, offers: &mut Vec<String>) {
    let Some(items) = site.schema.get("items").filter(|_| allows(site.schema, "array")) else { return };
    match site.value {
        Json::Array(_) | Json::Null => return,
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
