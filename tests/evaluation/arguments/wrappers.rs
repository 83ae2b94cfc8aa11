//! The right values one level too deep or too high.

use serde_json::{Map, Value, json};

use super::super::places::{cases, is_record, properties, types};
use super::{Chance, Family, Group, Needs, Place, Right, Wrong};

pub(super) const FAMILIES: &[Family] = &[
    Family { name: "wrapped-arguments", group: Group::Wrappers, make: wrapped_arguments },
    Family { name: "wrapped-call", group: Group::Wrappers, make: wrapped_call },
    Family { name: "wrapped-in-list", group: Group::Wrappers, make: wrapped_in_list },
    Family { name: "wrapped-value", group: Group::Wrappers, make: wrapped_value },
    Family { name: "flattened", group: Group::Wrappers, make: flattened },
    Family { name: "dotted", group: Group::Wrappers, make: dotted },
    Family { name: "drift-moved-in", group: Group::Drift, make: moved_in },
    Family { name: "case-tagged", group: Group::Wrappers, make: case_tagged },
    Family { name: "case-left-out", group: Group::Wrappers, make: case_left_out },
];

fn wrapped_arguments(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let around = chance.of(&["arguments", "args", "input", "parameters", "params", "kwargs", "request"]);
    let known = properties(right.schema).contains_key(around);
    (!known).then(|| right.said(json!({ around: right.arguments }).to_string(), "", Needs::Schema))
}

/// The whole call in the place of its arguments.
fn wrapped_call(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let inside = chance.of(&["arguments", "parameters", "input"]);
    let outside = chance.of(&["name", "tool", "function"]);
    let known = [inside, outside].iter().any(|name| properties(right.schema).contains_key(*name));
    (!known).then(|| right.said(json!({ outside: right.tool, inside: right.arguments }).to_string(), "", Needs::Schema))
}

#[allow(clippy::unnecessary_wraps, reason = "families may have nothing to get wrong; this one always has")]
fn wrapped_in_list(right: &Right<'_>, _: &mut Chance) -> Option<Wrong> {
    Some(right.said(json!([right.arguments]).to_string(), "", Needs::Schema))
}

/// A value with an object around it, as typed settings have it.
fn wrapped_value(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let plain = |place: &Place<'_>| place.is_member() && !types(place.schema).contains(&"object");
    let place =
        chance.pick(right.places().into_iter().filter(plain).filter(|p| cases(p.schema).is_empty()).collect())?;
    let value = place.value?;
    let around = match chance.below(3) {
        0 => json!({ "value": value }),
        1 => json!({ &place.name: value }),
        _ => json!({ "type": types(place.schema).first().unwrap_or(&"string"), "value": value }),
    };
    right.put(&place, around, Needs::Schema)
}

/// The members of an object beside it instead of in it. They belong in one place alone where no other object has such names.
fn flattened(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let place = chance.pick(records(right).collect())?;
    let inner = place.value?.as_object()?.clone();
    let outer = place.others();
    if inner.is_empty() || inner.keys().any(|name| outer.contains(&name.as_str())) {
        return None;
    }
    let elsewhere = |name: &str| {
        let objects = properties(right.schema).iter().filter(|(own, _)| **own != place.name);
        objects.filter(|(_, schema)| properties(schema).contains_key(name)).count() > 0
    };
    let needs = if inner.keys().any(|name| elsewhere(name)) { Needs::Memory } else { Needs::Schema };
    right.with(&place.pointer, needs, |arguments| {
        let members = arguments.pointer_mut(&place.parent)?.as_object_mut()?;
        members.remove(&place.name);
        members.extend(inner);
        Some(())
    })
}

/// `{"options.limit": 3}`
fn dotted(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let place = chance.pick(records(right).collect())?;
    let inner = place.value?.as_object()?.clone();
    let joint = chance.of(&[".", "/", "__"]);
    right.with(&place.pointer, Needs::Schema, |arguments| {
        let members = arguments.pointer_mut(&place.parent)?.as_object_mut()?;
        members.remove(&place.name);
        members.extend(inner.into_iter().map(|(name, value)| (format!("{}{joint}{name}", place.name), value)));
        Some(())
    })
}

/// Members of an object of the top level that are there.
fn records<'a>(right: &Right<'a>) -> impl Iterator<Item = Place<'a>> {
    right.places().into_iter().filter(|place| place.is_member() && place.parent.is_empty() && is_record(place.schema))
}

/// An older version had optional parameters in an object of their own.
fn moved_in(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let into = chance.of(&["options", "settings", "config", "opts"]);
    if properties(right.schema).contains_key(into) {
        return None;
    }
    let moved: Vec<_> =
        right.places().into_iter().filter(|p| p.is_member() && p.parent.is_empty() && !p.is_required()).collect();
    (!moved.is_empty()).then_some(())?;
    right.with("", Needs::Schema, |arguments| {
        let members = arguments.as_object_mut()?;
        let inner: Map<String, Value> =
            moved.iter().filter_map(|place| Some((place.name.clone(), members.remove(&place.name)?))).collect();
        members.insert(into.to_owned(), Value::Object(inner));
        Some(())
    })
}

/// A case as other languages write it: the tag and the value side by side.
fn case_tagged(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (place, case, value) = chance.pick(chosen(right))?;
    let tag = chance.of(&["type", "kind"]);
    let content = chance.of(&["value", "content", "data"]);
    right.put(&place, json!({ tag: case, content: value }), Needs::Schema)
}

/// What a case carries, without saying which case it is.
fn case_left_out(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (place, case, value) = chance.pick(chosen(right))?;
    let same = |schema: &Value| match value {
        Value::String(_) => types(schema).contains(&"string"),
        Value::Array(_) => types(schema).contains(&"array"),
        _ => types(schema).contains(&"object"),
    };
    let alone = cases(place.schema).into_iter().all(|(name, schema)| name == case || !same(schema));
    right.put(&place, value.clone(), if alone { Needs::Schema } else { Needs::Invention })
}

/// Every place where one of several cases stands: it, the case, what that carries.
fn chosen<'a>(right: &Right<'a>) -> Vec<(Place<'a>, &'a str, &'a Value)> {
    let of = |place: Place<'a>| {
        let members = place.value?.as_object().filter(|members| members.len() == 1)?;
        let (case, value) = members.iter().next()?;
        cases(place.schema).iter().any(|(name, _)| name == case).then_some((place, case.as_str(), value))
    };
    right.places().into_iter().filter_map(of).collect()
}
