//! The right value as another JSON type.

use serde_json::{Number, Value, json};

use super::super::places::{is_boolean, is_integer, is_list, is_number, is_record, is_text};
use super::{Chance, Family, Group, Needs, Place, Right, Wrong};

pub(super) const FAMILIES: &[Family] = &[
    Family { name: "number-as-text", group: Group::Types, make: number_as_text },
    Family { name: "text-as-number", group: Group::Types, make: text_as_number },
    Family { name: "integer-as-float", group: Group::Types, make: integer_as_float },
    Family { name: "number-in-words", group: Group::Types, make: number_in_words },
    Family { name: "boolean-as-text", group: Group::Types, make: boolean_as_text },
    Family { name: "boolean-as-word", group: Group::Types, make: boolean_as_word },
    Family { name: "boolean-as-digit", group: Group::Types, make: boolean_as_digit },
    Family { name: "scalar-for-list", group: Group::Types, make: scalar_for_list },
    Family { name: "joined-list", group: Group::Types, make: joined_list },
    Family { name: "list-for-scalar", group: Group::Types, make: list_for_scalar },
    Family { name: "object-as-text", group: Group::Types, make: object_as_text },
    Family { name: "list-as-text", group: Group::Types, make: list_as_text },
    Family { name: "text-as-json", group: Group::Types, make: text_as_json },
    Family { name: "object-for-list", group: Group::Types, make: object_for_list },
    Family { name: "list-as-object", group: Group::Types, make: list_as_object },
];

/// A place that chance chooses among those with a value to which something can be done.
fn some<'a, T>(
    right: &Right<'a>,
    chance: &mut Chance,
    to: impl Fn(&Place<'a>, &'a Value) -> Option<T>,
) -> Option<(Place<'a>, T)> {
    let found = right.places().into_iter().filter_map(|place| {
        let done = to(&place, place.value?)?;
        Some((place, done))
    });
    chance.pick(found.collect())
}

fn number_as_text(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (place, text) =
        some(right, chance, |place, value| (is_number(place.schema) && value.is_number()).then(|| value.to_string()))?;
    right.put(&place, text, Needs::Schema)
}

/// Text of digits without its quotes. A number whose text is another than the one that was meant does not come back.
fn text_as_number(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (place, number) = some(right, chance, |place, value| {
        let text = value.as_str().filter(|_| is_text(place.schema))?;
        let number: Number = serde_json::from_str(text).ok()?;
        (number.to_string() == text).then_some(number)
    })?;
    right.put(&place, Value::Number(number), Needs::Schema)
}

fn integer_as_float(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (place, n) = some(right, chance, |place, value| value.as_u64().filter(|_| is_integer(place.schema)))?;
    if chance.below(2) == 0 {
        return right.put(&place, format!("{n}.0"), Needs::Schema);
    }
    right.put(&place, Number::from_f64(f64::from(u32::try_from(n).ok()?))?, Needs::Schema)
}

/// `five`: to know it is to know English.
fn number_in_words(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    const WORDS: &[&str] = &["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    let (place, word) = some(right, chance, |place, value| {
        WORDS.get(usize::try_from(value.as_u64()?).ok()?).filter(|_| is_number(place.schema)).copied()
    })?;
    right.put(&place, word, Needs::Invention)
}

fn boolean(right: &Right<'_>, chance: &mut Chance) -> Option<(Value, Wrong)> {
    let (place, value) =
        some(right, chance, |place, value| (is_boolean(place.schema) && value.is_boolean()).then_some(value))?;
    // Any other value: the caller puts its own there.
    Some((value.clone(), right.put(&place, Value::Null, Needs::Schema)?))
}

/// The right arguments with a boolean as another value.
fn boolean_as(right: &Right<'_>, chance: &mut Chance, yes: &[Value], no: &[Value]) -> Option<Wrong> {
    let (value, wrong) = boolean(right, chance)?;
    let other = chance.of(if value == true { yes } else { no });
    right.with(&wrong.at, Needs::Schema, |arguments| {
        *arguments.pointer_mut(&wrong.at)? = other;
        Some(())
    })
}

fn boolean_as_text(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    boolean_as(right, chance, &[json!("true"), json!("True"), json!("TRUE")], &[json!("false"), json!("False")])
}

fn boolean_as_word(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    boolean_as(right, chance, &[json!("yes"), json!("on"), json!("Yes")], &[json!("no"), json!("off")])
}

fn boolean_as_digit(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    boolean_as(right, chance, &[json!(1), json!("1")], &[json!(0), json!("0")])
}

fn scalar_for_list(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (place, only) = some(right, chance, |place, value| {
        let [only] = value.as_array().filter(|_| is_list(place.schema))?.as_slice() else { return None };
        Some(only)
    })?;
    right.put(&place, only.clone(), Needs::Schema)
}

/// Several texts with commas between them. It has two readings: a comma may stand in a text.
fn joined_list(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (place, texts) = some(right, chance, |place, value| {
        let items = value.as_array().filter(|items| is_list(place.schema) && items.len() > 1)?;
        items.iter().map(Value::as_str).collect::<Option<Vec<_>>>()
    })?;
    right.put(&place, texts.join(chance.of(&[",", ", ", ";", "|"])), Needs::Invention)
}

fn list_for_scalar(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (place, value) = some(right, chance, |place, value| {
        (!is_list(place.schema) && !value.is_array() && place.is_member()).then_some(value)
    })?;
    right.put(&place, json!([value]), Needs::Schema)
}

fn object_as_text(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (place, text) = some(right, chance, |_, value| value.is_object().then(|| value.to_string()))?;
    right.put(&place, text, Needs::Schema)
}

fn list_as_text(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (place, text) = some(right, chance, |_, value| value.is_array().then(|| value.to_string()))?;
    right.put(&place, text, Needs::Schema)
}

/// A document itself where its text belongs.
fn text_as_json(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (place, document) = some(right, chance, |place, value| {
        let document: Value = serde_json::from_str(value.as_str().filter(|_| is_text(place.schema))?).ok()?;
        (document.is_object() || document.is_array()).then_some(document)
    })?;
    right.put(&place, document, Needs::Schema)
}

/// The one object of a list without the list.
fn object_for_list(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (place, only) = some(right, chance, |place, value| {
        let items = place.schema.get("items").filter(|items| is_record(items) && is_list(place.schema));
        let [only] = value.as_array().filter(|_| items.is_some())?.as_slice() else { return None };
        Some(only)
    })?;
    right.put(&place, only.clone(), Needs::Schema)
}

/// A list as some serialisers write it: its items under their numbers.
fn list_as_object(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let (place, items) = some(right, chance, |_, value| value.as_array().filter(|items| !items.is_empty()))?;
    let numbered = items.iter().enumerate().map(|(n, item)| (n.to_string(), item.clone())).collect();
    right.put(&place, Value::Object(numbered), Needs::Schema)
}
