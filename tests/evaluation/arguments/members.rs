//! Members that are missing, and members too many.

use serde_json::{Map, Value, json};

use super::super::places::{is_record, properties, required};
use super::{Chance, Family, Group, Meant, Needs, Place, Right, Wrong};

pub(super) const FAMILIES: &[Family] = &[
    Family { name: "missing-required", group: Group::Missing, make: missing_required },
    Family { name: "missing-inside", group: Group::Missing, make: missing_inside },
    Family { name: "missing-beside-stranger", group: Group::Missing, make: missing_beside_stranger },
    Family { name: "missing-everything", group: Group::Missing, make: missing_everything },
    Family { name: "extra-thought", group: Group::Extra, make: extra_thought },
    Family { name: "extra-empty", group: Group::Extra, make: extra_empty },
    Family { name: "extra-wish", group: Group::Extra, make: extra_wish },
    Family { name: "extra-inside", group: Group::Extra, make: extra_inside },
    Family { name: "drift-dropped", group: Group::Drift, make: dropped_by_version },
];

/// What models add about themselves.
const THOUGHTS: &[(&str, &str)] = &[
    ("reasoning", "The user wants to know this."),
    ("thought", "I should call the tool now."),
    ("explanation", "This gets what was asked for."),
    ("description", "A call of the tool"),
    ("call_id", "call_8fK2"),
];

fn without(right: &Right<'_>, chance: &mut Chance, which: impl Fn(&Place<'_>) -> bool) -> Option<(String, Wrong)> {
    let chosen = right.places().into_iter().filter(|place| place.is_member() && place.is_required() && which(place));
    let place = chance.pick(chosen.collect())?;
    let wrong = right.with(&place.pointer, Needs::Invention, |arguments| {
        arguments.pointer_mut(&place.parent)?.as_object_mut()?.remove(&place.name).map(drop)
    })?;
    Some((place.parent, wrong))
}

fn missing_required(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    without(right, chance, |place| place.parent.is_empty()).map(|(_, wrong)| wrong)
}

fn missing_inside(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    without(right, chance, |place| !place.parent.is_empty()).map(|(_, wrong)| wrong)
}

/// Something is missing and something else is there that has nothing to do with it: who puts one for the other has invented it.
fn missing_beside_stranger(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (parent, wrong) = without(right, chance, |place| place.value.is_some_and(Value::is_string))?;
    let (name, value) = chance.of(THOUGHTS);
    let mut arguments: Value = serde_json::from_str(&wrong.arguments).ok()?;
    arguments.pointer_mut(&parent)?.as_object_mut()?.insert(name.to_owned(), value.into());
    Some(Wrong { arguments: arguments.to_string(), ..wrong })
}

fn missing_everything(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let nothing = chance.of(&["{}", "", "null", "\"\""]);
    (!required(right.schema).is_empty()).then(|| right.said(nothing.to_owned(), "", Needs::Invention))
}

/// The right arguments with a member more in some object.
fn with_member(right: &Right<'_>, parent: &str, name: &str, value: Value, needs: Needs) -> Option<Wrong> {
    right.with(parent, needs, |arguments| {
        let members = arguments.pointer_mut(parent)?.as_object_mut()?;
        members.insert(name.to_owned(), value).is_none().then_some(())
    })
}

/// Words about the call in the call. That they say nothing to the tool is known from experience alone.
fn extra_thought(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (name, value) = chance.of(THOUGHTS);
    let known = properties(right.schema).contains_key(name);
    (!known).then(|| with_member(right, "", name, value.into(), Needs::Memory)).flatten()
}

/// A member that says nothing.
fn extra_empty(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let name = chance.of(&["metadata", "context", "extra", "timeout_hint", "session"]);
    let value = chance.of(&[Value::Null, json!({}), json!([]), json!("")]);
    let known = properties(right.schema).contains_key(name);
    (!known).then(|| with_member(right, "", name, value, Needs::Schema)).flatten()
}

/// A wish that the tool cannot fulfil. Whoever drops it does something else than was asked for.
fn extra_wish(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (name, value) = chance.of(&[
        ("dry_run", json!(true)),
        ("since", json!("2026-01-01")),
        ("exclude_archived", json!(true)),
        ("visible_to", json!("admins")),
        ("round_to", json!(2)),
    ]);
    let known = properties(right.schema).contains_key(name);
    let wrong = (!known).then(|| with_member(right, "", name, value, Needs::Invention)).flatten()?;
    Some(Wrong { meant: Meant::Otherwise, ..wrong })
}

/// Words about an object inside.
fn extra_inside(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let inside = |place: &Place<'_>| is_record(place.schema) && place.value.is_some_and(Value::is_object);
    let place = chance.pick(right.places().into_iter().filter(inside).collect())?;
    let (name, value) = chance.of(&[("comment", "as discussed"), ("note", "see above"), ("$comment", "main one")]);
    with_member(right, &place.pointer, name, value.into(), Needs::Memory)
}

/// What an older version had to be told.
fn dropped_by_version(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let members: Map<String, Value> = match chance.below(3) {
        0 => [("api_version".to_owned(), json!("1"))].into_iter().collect(),
        1 => [("encoding".to_owned(), json!("utf-8"))].into_iter().collect(),
        _ => [("strict_mode".to_owned(), json!(false)), ("locale".to_owned(), json!("en"))].into_iter().collect(),
    };
    right.with("", Needs::Memory, |arguments| {
        arguments.as_object_mut()?.extend(members);
        Some(())
    })
}
