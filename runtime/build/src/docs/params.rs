//! Parameter docs by convention: WIT has no comments on parameters, so they stand as a list in the function's own.
//!
//! ```text
//! /// Finds values in a JSON document.
//! /// - `document`: the JSON text to search; a second
//! ///   line belongs to it where it is indented.
//! /// - `path`: a JSONPath expression.
//! ```

use std::collections::BTreeMap;

/// Splits a function's docs into its description and the docs of its parameters, by WIT name.
///
/// Only items that name a parameter are taken out; every other list stays in the description.
pub(super) fn split(docs: &str, params: &[&str]) -> (String, BTreeMap<String, String>) {
    let mut description: Vec<&str> = Vec::new();
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut current: Option<String> = None;
    for line in docs.lines() {
        if let Some((name, text)) = item(line, params) {
            // A second item for the same parameter continues the first.
            append(found.entry(name.to_owned()).or_default(), text.trim());
            current = Some(name.to_owned());
            continue;
        }
        let continues = line.starts_with([' ', '\t']) && !line.trim().is_empty();
        match &current {
            Some(name) if continues => append(found.entry(name.clone()).or_default(), line.trim()),
            _ => {
                current = None;
                description.push(line);
            }
        }
    }
    (join(&description), found)
}

/// The parameter and the first line of its text, if this line begins an item for one.
fn item<'a>(line: &'a str, params: &[&'a str]) -> Option<(&'a str, &'a str)> {
    let rest = line.trim_start().strip_prefix(['-', '*'])?.trim_start().strip_prefix('`')?;
    let (name, text) = rest.split_once('`')?;
    let text = text.trim_start().strip_prefix(':')?;
    let param = params.iter().find(|param| param.replace('-', "_") == name.replace('-', "_"))?;
    Some((param, text))
}

fn append(to: &mut String, text: &str) {
    if !to.is_empty() && !text.is_empty() {
        to.push('\n');
    }
    to.push_str(text);
}

/// The lines that are left, without blank lines at the ends or in a row where the list was.
fn join(lines: &[&str]) -> String {
    let mut out = String::new();
    for line in lines {
        if line.trim().is_empty() && (out.is_empty() || out.ends_with("\n\n")) {
            continue;
        }
        out.push_str(line);
        out.push('\n');
    }
    out.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_that_name_a_parameter_leave_the_description() {
        let docs = "Finds values.\n\n- `document`: the JSON text;\n  more of it\n- `max-items`: at most this many\n\nIt stops early.\n- `other`: no parameter\n";
        let (description, params) = split(docs, &["document", "max-items"]);
        assert_eq!(description, "Finds values.\n\nIt stops early.\n- `other`: no parameter");
        assert_eq!(params["document"], "the JSON text;\nmore of it");
        assert_eq!(params["max-items"], "at most this many");
    }

    #[test]
    fn snake_case_and_stars_are_understood() {
        let (description, params) = split("* `max_items`: n", &["max-items"]);
        assert_eq!(description, "");
        assert_eq!(params["max-items"], "n");
    }

    #[test]
    fn odd_lists_stay_as_they_are() {
        for docs in [
            "- document: no backticks",
            "- `document` no colon",
            "- `document",
            "-",
            "`document`: no list",
            "- ``: empty",
        ] {
            let (description, params) = split(docs, &["document"]);
            assert_eq!((description.as_str(), params.len()), (docs, 0), "{docs}");
        }
    }

    #[test]
    fn a_huge_comment_costs_linear_time() {
        let docs = "- `a`: x\n  y\n".repeat(50_000);
        let (description, params) = split(&docs, &["a"]);
        assert!(description.is_empty());
        assert_eq!(params["a"].lines().count(), 100_000);
    }
}
