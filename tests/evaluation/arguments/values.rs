//! Nothing in the place of something, and words that mean nothing in the place of nothing.

use serde_json::{Value, json};

use super::super::places::{is_boolean, is_list, is_number, is_record, is_text, names};
use super::{Chance, Family, Group, Needs, Place, Right, Wrong};

pub(super) const FAMILIES: &[Family] = &[
    Family { name: "null-required", group: Group::Nulls, make: null_required },
    Family { name: "null-as-word", group: Group::Nulls, make: null_as_word },
    Family { name: "null-as-empty-text", group: Group::Nulls, make: null_as_empty_text },
    Family { name: "null-as-empty-object", group: Group::Nulls, make: null_as_empty_object },
    Family { name: "null-in-list", group: Group::Nulls, make: null_in_list },
    Family { name: "placeholder", group: Group::Missing, make: placeholder },
];

fn null_required(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let place =
        chance.pick(right.places().into_iter().filter(|place| place.is_member() && place.is_required()).collect())?;
    right.put(&place, Value::Null, Needs::Invention)
}

/// An optional member that is left out and whose type a word does not have.
fn left_out<'a>(right: &Right<'a>, chance: &mut Chance, of: impl Fn(&Value) -> bool) -> Option<Place<'a>> {
    let none = |place: &Place<'_>| place.value.is_none() && !place.is_required() && of(place.schema);
    chance.pick(right.places().into_iter().filter(none).collect())
}

fn no_text(schema: &Value) -> bool {
    is_number(schema) || is_boolean(schema) || is_list(schema) || is_record(schema) || !names(schema).is_empty()
}

fn null_as_word(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let word = chance.of(&["null", "None", "undefined", "N/A", "nil"]);
    let place = left_out(right, chance, no_text)?;
    (!names(place.schema).contains(&word)).then(|| right.put(&place, word, Needs::Schema)).flatten()
}

fn null_as_empty_text(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let place = left_out(right, chance, no_text)?;
    right.put(&place, "", Needs::Schema)
}

fn null_as_empty_object(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let place = left_out(right, chance, |schema| !is_record(schema))?;
    right.put(&place, if is_list(place.schema) || chance.below(2) == 0 { json!({}) } else { json!([]) }, Needs::Schema)
}

/// Nothing among the items of a list.
fn null_in_list(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let list = |place: &Place<'_>| is_list(place.schema) && place.value.is_some_and(Value::is_array);
    let place = chance.pick(right.places().into_iter().filter(list).collect())?;
    let mut items = place.value?.as_array()?.clone();
    items.insert(chance.below(items.len() + 1), Value::Null);
    right.put(&place, items, Needs::Schema)
}

/// The shape of a value for the value, in a place whose type it does not have.
fn placeholder(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let place = |place: &Place<'_>| place.is_member() && !is_text(place.schema);
    let place = chance.pick(right.places().into_iter().filter(place).collect())?;
    let texts = [
        format!("<{}>", place.name),
        format!("${{{}}}", place.name),
        format!("{{{{{}}}}}", place.name),
        "TODO".to_owned(),
    ];
    right.put(&place, chance.of(&texts), Needs::Invention)
}
