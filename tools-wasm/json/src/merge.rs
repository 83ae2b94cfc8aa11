//! JSON Merge Patch (RFC 7396). It cannot fail: every document is a merge patch for every other.

use crate::document::{Json, Object};

/// Merges `patch` into `document`. Members keep their places; new ones follow in the order of the patch. The result is
/// no deeper than the deeper of the two, so the recursion is bounded.
pub fn merge<'a>(document: Json<'a>, patch: Json<'a>) -> Json<'a> {
    let Json::Object(changes) = patch else {
        return patch;
    };
    let mut members = match document {
        Json::Object(members) => members,
        _ => Box::new(Object::new()),
    };
    if changes.values().any(|change| matches!(change, Json::Null)) {
        // One pass over all members: removing them singly would move the rest each time.
        members.retain(|name, _| !matches!(changes.get(name), Some(Json::Null)));
    }
    for (name, change) in *changes {
        if matches!(change, Json::Null) {
            continue;
        }
        match members.get_mut(&name) {
            Some(existing) => {
                let before = std::mem::replace(existing, Json::Null);
                *existing = merge(before, change);
            }
            None => {
                // Merged into nothing, so that nulls inside of the new member vanish as well.
                members.insert(name, merge(Json::Null, change));
            }
        }
    }
    Json::Object(members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::read;

    #[test]
    fn members_that_the_patch_does_not_name_keep_place_and_spelling() {
        let merged = merge(
            read(r#"{"z":1.50,"a":{"x":1,"y":2E0},"m":12345678901234567890,"k":0}"#).unwrap(),
            read(r#"{"k":null,"a":{"x":null,"w":{"n":null,"v":1e2}},"new":[null]}"#).unwrap(),
        );
        assert_eq!(merged.to_text(), r#"{"z":1.50,"a":{"y":2E0,"w":{"v":1e2}},"m":12345678901234567890,"new":[null]}"#);
    }

    #[test]
    fn a_hundred_thousand_removals_take_one_pass() {
        let members = |value: &str| {
            let all: Vec<_> = (0..100_000).map(|n| format!("\"k{n}\":{value}")).collect();
            format!("{{{}}}", all.join(","))
        };
        let (document, patch) = (members("1"), members("null"));
        assert_eq!(merge(read(&document).unwrap(), read(&patch).unwrap()).to_text(), "{}");
    }
}
