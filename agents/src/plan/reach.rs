//! What a JSON pointer can lead to by a schema, and which types can stand there.
//!
//! It answers only what is certain: a keyword that it does not know makes everything possible. The schemas are those of cards: trees
//! without references.

use serde_json::Value;

/// What lies at a pointer.
pub(super) enum Reach<'s> {
    /// A value of one of these schemas.
    Schemas(Vec<&'s Value>),
    /// Nobody can tell.
    Unknown,
    /// Nothing, ever: the token that leads nowhere, and the names that there are beside it.
    Never(String, Vec<&'s str>),
}

/// Follows a pointer's tokens through a schema.
pub(super) fn reach<'s>(schema: &'s Value, tokens: &[String]) -> Reach<'s> {
    let mut here = vec![schema];
    for token in tokens {
        let (mut next, mut names, mut unknown) = (Vec::new(), Vec::new(), false);
        for schema in here {
            step(schema, token, &mut next, &mut names, &mut unknown);
        }
        if unknown {
            return Reach::Unknown;
        }
        if next.is_empty() {
            names.sort_unstable();
            names.dedup();
            return Reach::Never(token.clone(), names);
        }
        here = next;
    }
    Reach::Schemas(here)
}

fn step<'s>(schema: &'s Value, token: &str, next: &mut Vec<&'s Value>, names: &mut Vec<&'s str>, unknown: &mut bool) {
    let Value::Object(keywords) = schema else {
        *unknown |= schema.as_bool() != Some(false);
        return;
    };
    if ["$ref", "$dynamicRef", "allOf", "if", "patternProperties", "unevaluatedProperties", "not"]
        .iter()
        .any(|k| keywords.contains_key(*k))
    {
        *unknown |= types(schema) != 0;
        return;
    }
    let branches = ["oneOf", "anyOf"].iter().find_map(|choice| keywords.get(*choice)?.as_array());
    if let Some(branches) = branches {
        for branch in branches {
            step(branch, token, next, names, unknown);
        }
        return;
    }
    let types = types(schema);
    let mut open = |rest: Option<&'s Value>| match rest {
        Some(Value::Bool(false)) => {}
        Some(rest) => next.push(rest),
        None => *unknown = true,
    };
    if types & OBJECT != 0 {
        let properties = keywords.get("properties").and_then(Value::as_object);
        names.extend(properties.into_iter().flatten().map(|(name, _)| name.as_str()));
        match properties.and_then(|properties| properties.get(token)) {
            Some(property) => open(Some(property)),
            None => open(keywords.get("additionalProperties")),
        }
    }
    if types & ARRAY != 0 {
        let index = (token == "0" || !token.starts_with('0')).then(|| token.parse::<usize>().ok()).flatten();
        if let Some(index) = index.filter(|_| token.bytes().all(|byte| byte.is_ascii_digit())) {
            match keywords.get("prefixItems").and_then(|items| items.get(index)) {
                Some(item) => open(Some(item)),
                None => open(keywords.get("items")),
            }
        }
    }
}

pub(super) const NULL: u8 = 1;
pub(super) const BOOLEAN: u8 = 2;
pub(super) const INTEGER: u8 = 4;
/// A number that is no integer.
pub(super) const FRACTION: u8 = 8;
pub(super) const STRING: u8 = 16;
pub(super) const ARRAY: u8 = 32;
pub(super) const OBJECT: u8 = 64;
pub(super) const ANY: u8 = 127;

/// The types that a value of a schema can have.
pub(super) fn types(schema: &Value) -> u8 {
    let Value::Object(keywords) = schema else {
        return if schema.as_bool() == Some(false) { 0 } else { ANY };
    };
    let mut types = ANY;
    types &= match keywords.get("type") {
        Some(Value::String(name)) => named(name),
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).fold(0, |all, name| all | named(name)),
        _ => ANY,
    };
    if let Some(values) = keywords.get("enum").and_then(Value::as_array) {
        types &= values.iter().fold(0, |all, value| all | type_of(value));
    }
    if let Some(value) = keywords.get("const") {
        types &= type_of(value);
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(branches) = keywords.get(choice).and_then(Value::as_array) {
            types &= branches.iter().fold(0, |all, branch| all | self::types(branch));
        }
    }
    if keywords.get("not").and_then(Value::as_object).is_some_and(serde_json::Map::is_empty) {
        return 0;
    }
    types
}

fn named(name: &str) -> u8 {
    match name {
        "null" => NULL,
        "boolean" => BOOLEAN,
        "integer" => INTEGER,
        "number" => INTEGER | FRACTION,
        "string" => STRING,
        "array" => ARRAY,
        "object" => OBJECT,
        _ => ANY,
    }
}

fn type_of(value: &Value) -> u8 {
    match value {
        Value::Null => NULL,
        Value::Bool(_) => BOOLEAN,
        Value::Number(number) if number.is_f64() => INTEGER | FRACTION,
        Value::Number(_) => INTEGER,
        Value::String(_) => STRING,
        Value::Array(_) => ARRAY,
        Value::Object(_) => OBJECT,
    }
}

/// Types in words: `a string or null`.
pub(super) fn words(types: u8) -> String {
    let mut names = Vec::new();
    for (bits, name) in [
        (STRING, "a string"),
        (INTEGER | FRACTION, "a number"),
        (BOOLEAN, "a boolean"),
        (ARRAY, "a list"),
        (OBJECT, "a table"),
        (NULL, "null"),
    ] {
        if types & bits == INTEGER && bits != INTEGER {
            names.push("a whole number");
        } else if types & bits != 0 {
            names.push(name);
        }
    }
    if names.is_empty() { "nothing".to_owned() } else { names.join(" or ") }
}

/// Why no value of one schema can ever be one of another; none where some can, as far as is known.
pub(super) fn never(source: &Value, target: &Value, depth: usize) -> Option<String> {
    let (gives, takes) = (types(source), types(target));
    let both = gives & takes;
    if both == 0 && gives != 0 && takes != 0 {
        return Some(format!("it gives {}, and {} belongs here", words(gives), words(takes)));
    }
    if both != OBJECT || depth == 0 {
        return None;
    }
    let closed = source.get("additionalProperties") == Some(&Value::Bool(false));
    for name in target.get("required").and_then(Value::as_array)?.iter().filter_map(Value::as_str) {
        let wanted = target.get("properties").and_then(|properties| properties.get(name));
        match (source.get("properties").and_then(|properties| properties.get(name)), wanted) {
            (None, _) if closed => return Some(format!("it never has `{name}`, which is needed here")),
            (Some(given), Some(wanted)) => {
                if let Some(why) = never(given, wanted, depth - 1) {
                    return Some(format!("its `{name}` does not fit: {why}"));
                }
            }
            _ => {}
        }
    }
    None
}
