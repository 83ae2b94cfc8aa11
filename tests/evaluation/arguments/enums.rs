//! The right case of an enum under another name.

use serde_json::Value;

use super::super::places::names;
use super::{Chance, Family, Group, Needs, Place, Right, Slip, Wrong, camel, capital, misspelt, only_means, words};

pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "enum-shouted",
        group: Group::Enums,
        make: |right, chance| styled(right, chance, str::to_uppercase),
    },
    Family { name: "enum-capital", group: Group::Enums, make: |right, chance| styled(right, chance, capital) },
    Family {
        name: "enum-snake-case",
        group: Group::Enums,
        make: |right, chance| styled(right, chance, |name| words(name).join("_")),
    },
    Family { name: "enum-camel-case", group: Group::Enums, make: |right, chance| styled(right, chance, camel) },
    Family {
        name: "enum-spaced",
        group: Group::Enums,
        make: |right, chance| styled(right, chance, |name| words(name).join(" ")),
    },
    Family {
        name: "enum-padded",
        group: Group::Enums,
        make: |right, chance| styled(right, chance, |name| format!(" {name}\n")),
    },
    Family {
        name: "enum-quoted",
        group: Group::Enums,
        make: |right, chance| styled(right, chance, |name| format!("\"{name}\"")),
    },
    Family { name: "enum-typo", group: Group::Enums, make: typo },
    Family { name: "enum-abbreviated", group: Group::Enums, make: abbreviated },
    Family { name: "enum-synonym", group: Group::Enums, make: synonym },
    Family { name: "enum-number", group: Group::Enums, make: number },
    Family { name: "enum-unknown", group: Group::Enums, make: unknown },
    Family { name: "enum-qualified", group: Group::Enums, make: qualified },
];

/// What models call cases, by what they are called here.
const SYNONYMS: &[(&str, &[&str])] = &[
    ("all", &["and", "&&"]),
    ("any", &["or", "||"]),
    ("at-least", &[">=", "gte", "ge"]),
    ("at-most", &["<=", "lte", "le"]),
    ("contains-ignoring-case", &["icontains", "ilike"]),
    ("count", &["number", "size"]),
    ("day", &["24h", "today"]),
    ("descending", &["reverse", "down"]),
    ("ascending", &["up", "forward"]),
    ("differs", &["!=", "ne"]),
    ("equals", &["=", "==", "eq"]),
    ("everyone", &["@everyone", "channel"]),
    ("exact", &["true", "precise"]),
    ("full", &["outer", "full outer"]),
    ("get", &["read", "fetch"]),
    ("greater", &[">", "gt"]),
    ("head", &["headers", "metadata"]),
    ("imperial", &["us", "american"]),
    ("inner", &["join", "intersect"]),
    ("is-null", &["null", "empty"]),
    ("is-one-of", &["in", "any-of"]),
    ("json-arrays", &["arrays", "lists"]),
    ("json-objects", &["json", "objects", "records"]),
    ("less", &["<", "lt"]),
    ("mean", &["avg", "average"]),
    ("metric", &["si", "celsius"]),
    ("month", &["30d", "past-month"]),
    ("none", &["no", "false"]),
    ("off", &["none", "disabled"]),
    ("people", &["users", "individuals"]),
    ("post", &["create", "submit"]),
    ("std-dev", &["stdev", "sigma"]),
    ("strict", &["high", "on"]),
    ("sum", &["total", "add"]),
];

/// The right arguments with one case, which chance chooses, under another name.
fn other(
    right: &Right<'_>,
    chance: &mut Chance,
    mut other: impl FnMut(&str, &[&str], &mut Chance) -> Option<(Value, Needs)>,
) -> Option<Wrong> {
    let mut candidates: Vec<(Place<'_>, Value, Needs)> = Vec::new();
    for place in right.places() {
        let offered = names(place.schema);
        let Some(case) = place.value.and_then(Value::as_str).filter(|case| offered.contains(case)) else { continue };
        let others: Vec<&str> = offered.into_iter().filter(|name| *name != case).collect();
        if let Some((value, needs)) = other(case, &others, chance)
            && value != case
            && value.as_str().is_none_or(|name| !others.contains(&name))
        {
            candidates.push((place, value, needs));
        }
    }
    let (place, value, needs) = chance.pick(candidates)?;
    right.put(&place, value, needs)
}

fn styled(right: &Right<'_>, chance: &mut Chance, style: impl Fn(&str) -> String) -> Option<Wrong> {
    other(right, chance, |case, _, _| Some((style(case).into(), Needs::Schema)))
}

fn typo(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    other(right, chance, |case, others, chance| {
        let how = chance.of(&[Slip::Transposed, Slip::Dropped, Slip::Doubled, Slip::Replaced]);
        let slipped = misspelt(case, how, chance)?;
        let needs = only_means(&slipped, case, others);
        Some((slipped.into(), needs))
    })
}

/// The beginning of a case. It means one thing where no other case begins so.
fn abbreviated(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    other(right, chance, |case, others, chance| {
        let short: String = case.chars().take(3 + chance.below(2)).collect();
        let alone = !others.iter().any(|other| other.starts_with(&short));
        (short.len() + 1 < case.len()).then_some((short.into(), if alone { Needs::Schema } else { Needs::Memory }))
    })
}

fn synonym(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    other(right, chance, |case, _, chance| {
        let (_, words) = SYNONYMS.iter().find(|(name, _)| *name == case)?;
        Some((chance.of(words).into(), Needs::Memory))
    })
}

/// The number of a case, from 0 or from 1: nobody can tell which.
fn number(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    other(right, chance, |_, others, chance| Some((chance.below(others.len() + 1).into(), Needs::Invention)))
}

/// A case that the enum does not have and that is no other name for one.
fn unknown(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    other(right, chance, |_, _, chance| {
        Some((chance.of(&["custom", "auto", "default", "other", "mixed"]).into(), Needs::Invention))
    })
}

/// The case as programming languages write it. What stands before the last dot is no case, and what stands behind it is one.
fn qualified(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    other(right, chance, |case, _, chance| {
        let names = [
            format!("Mode.{}", case.to_uppercase().replace('-', "_")),
            format!("mode::{case}"),
            format!("${{{case}}}"),
        ];
        Some((chance.of(&names).into(), Needs::Memory))
    })
}
