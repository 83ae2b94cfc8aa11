//! Owns the walk over right arguments along their schema: every place where something can be got wrong.
//!
//! It reads only what a caller's card shows, JSON Schema as the host writes it for WIT types, and refuses to know of any tool.

use serde_json::{Map, Value};
use toolcell_core::json::escaped;

/// A parameter, a member of an object, or an item of a list.
#[derive(Clone, Debug)]
pub(crate) struct Place<'a> {
    /// JSON pointer to it.
    pub(crate) pointer: String,
    /// JSON pointer to what it stands in.
    pub(crate) parent: String,
    /// Its name, or its number in a list.
    pub(crate) name: String,
    /// What stands there; none where it is left out.
    pub(crate) value: Option<&'a Value>,
    /// What may stand there.
    pub(crate) schema: &'a Value,
    /// What it is a part of.
    pub(crate) within: Within<'a>,
}

/// What a place is a part of.
#[derive(Clone, Debug)]
pub(crate) enum Within<'a> {
    /// An object with these members.
    Record { siblings: Vec<&'a str>, required: bool },
    /// A list.
    List,
    /// The one member of an object that stands for a case.
    Case,
}

impl<'a> Place<'a> {
    /// The names beside it, without its own.
    pub(crate) fn others(&self) -> Vec<&'a str> {
        match &self.within {
            Within::Record { siblings, .. } => siblings.iter().copied().filter(|name| *name != self.name).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether it is a member of a record that is there.
    pub(crate) fn is_member(&self) -> bool {
        matches!(self.within, Within::Record { .. }) && self.value.is_some()
    }

    /// Whether it must be there.
    pub(crate) fn is_required(&self) -> bool {
        matches!(self.within, Within::Record { required: true, .. })
    }
}

/// Every place of right arguments, those included at which something optional is left out. Outer ones come first.
pub(crate) fn places<'a>(schema: &'a Value, right: &'a Value) -> Vec<Place<'a>> {
    let mut found = Vec::new();
    walk(schema, right, "", &mut found);
    found
}

fn walk<'a>(schema: &'a Value, value: &'a Value, pointer: &str, found: &mut Vec<Place<'a>>) {
    match value {
        Value::Object(members) if is_record(schema) => {
            let properties = properties(schema);
            let required = required(schema);
            for (name, inner) in properties {
                let at = format!("{pointer}/{}", escaped(name));
                let value = members.get(name);
                found.push(Place {
                    pointer: at.clone(),
                    parent: pointer.to_owned(),
                    name: name.clone(),
                    value,
                    schema: inner,
                    within: Within::Record {
                        siblings: properties.keys().map(String::as_str).collect(),
                        required: required.contains(&name.as_str()),
                    },
                });
                if let Some(value) = value {
                    walk(inner, value, &at, found);
                }
            }
        }
        Value::Object(members) => {
            let Some((name, value)) = members.iter().next().filter(|_| members.len() == 1) else { return };
            let Some(inner) = cases(schema).into_iter().find_map(|(case, inner)| (case == name).then_some(inner))
            else {
                return;
            };
            let at = format!("{pointer}/{}", escaped(name));
            found.push(Place {
                pointer: at.clone(),
                parent: pointer.to_owned(),
                name: name.clone(),
                value: Some(value),
                schema: inner,
                within: Within::Case,
            });
            walk(inner, value, &at, found);
        }
        Value::Array(items) => {
            let Some(inner) = schema.get("items").filter(|inner| inner.is_object()) else { return };
            for (n, item) in items.iter().enumerate() {
                let at = format!("{pointer}/{n}");
                found.push(Place {
                    pointer: at.clone(),
                    parent: pointer.to_owned(),
                    name: n.to_string(),
                    value: Some(item),
                    schema: inner,
                    within: Within::List,
                });
                walk(inner, item, &at, found);
            }
        }
        _ => {}
    }
}

/// The types that a schema names, without null.
pub(crate) fn types(schema: &Value) -> Vec<&str> {
    let named = match schema.get("type") {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    named.into_iter().filter(|ty| *ty != "null").collect()
}

/// Any text at all.
pub(crate) fn is_text(schema: &Value) -> bool {
    types(schema) == ["string"]
        && ["enum", "const", "pattern", "maxLength", "contentEncoding"].iter().all(|key| schema.get(key).is_none())
}

/// Bytes, as base64.
pub(crate) fn is_bytes(schema: &Value) -> bool {
    schema.get("contentEncoding").is_some_and(|encoding| encoding == "base64")
}

pub(crate) fn is_integer(schema: &Value) -> bool {
    types(schema).contains(&"integer")
}

/// An integer or any other number.
pub(crate) fn is_number(schema: &Value) -> bool {
    is_integer(schema) || types(schema).contains(&"number")
}

pub(crate) fn is_boolean(schema: &Value) -> bool {
    types(schema) == ["boolean"]
}

pub(crate) fn is_list(schema: &Value) -> bool {
    types(schema) == ["array"] && schema.get("items").is_some_and(Value::is_object)
}

/// An object with members of its own; the one that stands for a case is none.
pub(crate) fn is_record(schema: &Value) -> bool {
    types(schema) == ["object"] && schema.get("properties").is_some()
}

/// The cases that carry something.
pub(crate) fn cases(schema: &Value) -> Vec<(&str, &Value)> {
    let choices = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    choices
        .filter(|choice| is_record(choice))
        .flat_map(properties)
        .map(|(name, inner)| (name.as_str(), inner))
        .collect()
}

/// The names that an enum offers, or the cases of a variant that carry nothing.
pub(crate) fn names(schema: &Value) -> Vec<&str> {
    let own = schema.get("enum").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let choices = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    let constant = choices.clone().filter_map(|choice| choice.get("const").and_then(Value::as_str));
    let listed = choices.filter_map(|choice| choice.get("enum").and_then(Value::as_array)).flatten();
    own.chain(constant).chain(listed.filter_map(Value::as_str)).collect()
}

pub(crate) fn required(schema: &Value) -> Vec<&str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

pub(crate) fn properties(schema: &Value) -> &Map<String, Value> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    schema.get("properties").and_then(Value::as_object).unwrap_or(&NONE)
}
