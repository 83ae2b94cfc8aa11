//! Right values in each other's places.

use serde_json::Value;

use super::super::places::{is_boolean, is_list, is_number, is_record, is_text};
use super::{Chance, Family, Group, Needs, Place, Right, Wrong};

pub(super) const FAMILIES: &[Family] = &[
    Family { name: "swapped-alike", group: Group::Order, make: |right, chance| swapped(right, chance, Kinds::Alike) },
    Family { name: "swapped-apart", group: Group::Order, make: |right, chance| swapped(right, chance, Kinds::Apart) },
    Family { name: "positional", group: Group::Order, make: positional },
    Family { name: "shifted", group: Group::Order, make: shifted },
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kinds {
    Alike,
    Apart,
}

/// What a value must be, as far as two places can be told apart by it.
fn sort(schema: &Value) -> u8 {
    let sorts = [is_text(schema), is_number(schema), is_boolean(schema), is_list(schema), is_record(schema)];
    sorts.iter().position(|is| *is).map_or(9, |n| u8::try_from(n).expect("there are five"))
}

/// Two members with each other's values. Values that only fit where they do not stand say themselves where they belong.
fn swapped(right: &Right<'_>, chance: &mut Chance, kinds: Kinds) -> Option<Wrong> {
    let members: Vec<Place<'_>> = right.places().into_iter().filter(Place::is_member).collect();
    let mut pairs = Vec::new();
    for (n, one) in members.iter().enumerate() {
        for other in &members[n + 1..] {
            let kind = if sort(one.schema) == sort(other.schema) { Kinds::Alike } else { Kinds::Apart };
            let (a, b) = (sort(one.schema), sort(other.schema));
            if one.parent == other.parent && kind == kinds && a != 9 && b != 9 {
                pairs.push((one, other));
            }
        }
    }
    let (one, other) = chance.pick(pairs)?;
    let needs = if kinds == Kinds::Alike { Needs::Invention } else { Needs::Schema };
    right.with(&one.pointer, needs, |arguments| {
        let members = arguments.pointer_mut(&one.parent)?.as_object_mut()?;
        members.insert(one.name.clone(), other.value?.clone());
        members.insert(other.name.clone(), one.value?.clone());
        Some(())
    })
}

/// Values without names. JSON Schema gives members no order, so nobody can say which is which.
fn positional(right: &Right<'_>, _: &mut Chance) -> Option<Wrong> {
    let values: Vec<&Value> = right.arguments.as_object()?.values().collect();
    (values.len() > 1)
        .then(|| right.said(serde_json::to_string(&values).expect("values are JSON"), "", Needs::Invention))
}

/// Each value one place on, as when a parameter was left out of a list of them.
fn shifted(right: &Right<'_>, _: &mut Chance) -> Option<Wrong> {
    let names: Vec<&String> = right.arguments.as_object()?.keys().collect();
    (names.len() > 2).then_some(())?;
    right.with("", Needs::Invention, |arguments| {
        let moved = names.iter().zip(names.iter().cycle().skip(1));
        *arguments =
            Value::Object(moved.map(|(to, from)| ((*to).clone(), right.arguments[from.as_str()].clone())).collect());
        Some(())
    })
}
