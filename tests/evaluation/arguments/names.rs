//! Members under names that the schema does not have, and tools under names that nobody has.

use super::{
    Chance, Family, Group, Needs, Place, Right, Slip, Wrong, camel, capital, misspelt, only_means, pascal, words,
};

pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "name-transposed",
        group: Group::Names,
        make: |right, chance| typo(right, chance, Slip::Transposed),
    },
    Family {
        name: "name-dropped-letter",
        group: Group::Names,
        make: |right, chance| typo(right, chance, Slip::Dropped),
    },
    Family {
        name: "name-doubled-letter",
        group: Group::Names,
        make: |right, chance| typo(right, chance, Slip::Doubled),
    },
    Family {
        name: "name-replaced-letter",
        group: Group::Names,
        make: |right, chance| typo(right, chance, Slip::Replaced),
    },
    Family { name: "name-camel-case", group: Group::Names, make: |right, chance| style(right, chance, camel) },
    Family {
        name: "name-kebab-case",
        group: Group::Names,
        make: |right, chance| style(right, chance, |name| words(name).join("-")),
    },
    Family { name: "name-pascal-case", group: Group::Names, make: |right, chance| style(right, chance, pascal) },
    Family { name: "name-shouted", group: Group::Names, make: |right, chance| style(right, chance, str::to_uppercase) },
    Family { name: "name-every-style", group: Group::Names, make: every_style },
    Family { name: "name-number", group: Group::Names, make: number },
    Family { name: "name-synonym", group: Group::Names, make: synonym },
    Family { name: "name-abbreviated", group: Group::Names, make: abbreviated },
    Family { name: "name-with-context", group: Group::Names, make: with_context },
    Family { name: "drift-renamed", group: Group::Drift, make: renamed_by_version },
    Family { name: "tool-typo", group: Group::Tool, make: tool_typo },
    Family { name: "tool-style", group: Group::Tool, make: tool_style },
];

/// What models call things, by what they are called here.
const SYNONYMS: &[(&str, &[&str])] = &[
    ("aggregates", &["metrics", "measures"]),
    ("after", &["new", "modified"]),
    ("as_of", &["date", "today"]),
    ("before", &["old", "original"]),
    ("body", &["data", "payload"]),
    ("by", &["group", "dimension"]),
    ("channel", &["to", "room", "conversation"]),
    ("changes", &["values", "data"]),
    ("column", &["field", "key"]),
    ("columns", &["fields", "select"]),
    ("concepts", &["nodes", "graph"]),
    ("count", &["num_results", "max_results"]),
    ("document", &["data", "json", "input"]),
    ("domain", &["website", "hostname"]),
    ("effort", &["hours", "duration"]),
    ("email", &["address", "mail"]),
    ("filters", &["where", "conditions"]),
    ("folder", &["path", "directory"]),
    ("function", &["name", "procedure"]),
    ("goal", &["target", "objective"]),
    ("group_by", &["by", "dimensions"]),
    ("how", &["type", "mode"]),
    ("id", &["name", "key"]),
    ("keys", &["sort_by", "fields"]),
    ("known", &["completed", "done"]),
    ("limit", &["max_results", "top_k", "n"]),
    ("mentions", &["ping", "allow"]),
    ("needs", &["dependencies", "prerequisites", "requires"]),
    ("on", &["keys", "condition"]),
    ("operator", &["op", "comparison"]),
    ("options", &["settings", "config"]),
    ("output", &["format", "result"]),
    ("patch", &["operations", "changes"]),
    ("path", &["expression", "selector", "jsonpath"]),
    ("query", &["q", "search", "term"]),
    ("question", &["query", "input", "prompt"]),
    ("rows", &["records", "data"]),
    ("schema", &["definition", "spec"]),
    ("source", &["data", "file", "input"]),
    ("table", &["relation", "from"]),
    ("text", &["query", "message", "content"]),
    ("title", &["label", "name"]),
    ("url", &["link", "uri", "address"]),
    ("value", &["equals", "operand"]),
    ("where", &["filters", "conditions"]),
];

/// The right arguments with one member, which chance chooses, under another name.
fn renamed(
    right: &Right<'_>,
    chance: &mut Chance,
    mut other: impl FnMut(&Place<'_>, &mut Chance) -> Option<(String, Needs)>,
) -> Option<Wrong> {
    let mut candidates = Vec::new();
    for place in right.places().into_iter().filter(Place::is_member) {
        if let Some((name, needs)) = other(&place, chance)
            && name != place.name
            && !place.others().contains(&name.as_str())
        {
            candidates.push((place, name, needs));
        }
    }
    let (place, name, needs) = chance.pick(candidates)?;
    right.with(&place.pointer, needs, |arguments| {
        let members = arguments.pointer_mut(&place.parent)?.as_object_mut()?;
        let value = members.remove(&place.name)?;
        members.insert(name, value);
        Some(())
    })
}

fn typo(right: &Right<'_>, chance: &mut Chance, how: Slip) -> Option<Wrong> {
    renamed(right, chance, |place, chance| {
        let slipped = misspelt(&place.name, how, chance)?;
        let needs = only_means(&slipped, &place.name, &place.others());
        Some((slipped, needs))
    })
}

fn style(right: &Right<'_>, chance: &mut Chance, styled: impl Fn(&str) -> String) -> Option<Wrong> {
    renamed(right, chance, |place, _| Some((styled(&place.name), Needs::Schema)))
}

/// A caller that writes all names its own way.
fn every_style(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let styled = chance.of(&[camel as fn(&str) -> String, pascal]);
    right.with("", Needs::Schema, |arguments| {
        let mut members: Vec<_> = right.places().into_iter().filter(Place::is_member).collect();
        // Inner ones first: the pointers of outer ones still lead to them.
        members.reverse();
        for place in members {
            let members = arguments.pointer_mut(&place.parent)?.as_object_mut()?;
            let value = members.remove(&place.name)?;
            members.insert(styled(&place.name), value);
        }
        Some(())
    })
}

/// One for many, and many for one.
fn number(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    renamed(right, chance, |place, _| {
        let name = &place.name;
        let other = match name.strip_suffix('s').filter(|stem| stem.len() > 2 && !stem.ends_with('s')) {
            Some(one) => one.to_owned(),
            None if name.len() > 2 => format!("{name}s"),
            None => return None,
        };
        let needs = only_means(&other, name, &place.others());
        Some((other, needs))
    })
}

fn synonym(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    renamed(right, chance, |place, chance| {
        let (_, words) = SYNONYMS.iter().find(|(name, _)| *name == place.name)?;
        Some((chance.of(words).to_owned(), Needs::Memory))
    })
}

/// The beginning of a name. It means one thing where no other name begins so.
fn abbreviated(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    renamed(right, chance, |place, chance| {
        let short: String = place.name.chars().take(3 + chance.below(2)).collect();
        let alone = !place.others().iter().any(|other| other.starts_with(&short));
        (short.len() + 2 < place.name.len()).then_some((short, if alone { Needs::Schema } else { Needs::Memory }))
    })
}

/// A word before or behind, from what the caller thinks about: `search_query`, `input_text`, `url_string`.
fn with_context(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    renamed(right, chance, |place, chance| {
        let name = &place.name;
        let names = [
            format!("input_{name}"),
            format!("the_{name}"),
            format!("{name}_value"),
            format!("{name}_param"),
            format!("user_{name}"),
        ];
        Some((chance.of(&names), Needs::Memory))
    })
}

/// A name of an older version, which nothing of today's recalls.
fn renamed_by_version(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    const OLD: &[&str] = &["arg0", "param1", "in", "src", "spec", "val", "p"];
    renamed(right, chance, |_, chance| Some((chance.of(OLD).to_owned(), Needs::Memory)))
}

fn tool_typo(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (component, function) = right.tool.split_once('.')?;
    let how = chance.of(&[Slip::Transposed, Slip::Dropped, Slip::Doubled]);
    let tool = match chance.below(2) {
        0 => format!("{component}.{}", misspelt(function, how, chance)?),
        _ => format!("{}.{function}", misspelt(component, how, chance)?),
    };
    let wrong = right.said(right.arguments.to_string(), "", Needs::Schema);
    Some(Wrong { tool, ..wrong })
}

/// The tool's name as other protocols write it.
fn tool_style(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (component, function) = right.tool.split_once('.')?;
    let names = [
        format!("{component}_{function}"),
        format!("{component}/{function}"),
        format!("{}.{}", capital(component), capital(function)),
        format!("functions.{component}.{function}"),
        format!("{component}.{}", function.replace('-', "_")),
    ];
    let tool = chance.of(&names);
    let wrong = right.said(right.arguments.to_string(), "", Needs::Schema);
    (tool != right.tool).then_some(Wrong { tool, ..wrong })
}
