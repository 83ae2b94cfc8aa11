//! Owns the comparison of an outcome with what a case expects, and the spelling of variants between JSON and Rust.

use serde_json::Value;

use crate::Refused;

/// How an outcome differs from what a case expects.
pub(crate) fn mismatch(expect: &Value, outcome: Result<Value, Refused>) -> Option<String> {
    match outcome {
        Ok(value) => {
            let holds = match (expect.get("value"), expect.get("includes")) {
                (Some(whole), None) => *whole == value,
                (None, Some(part)) => includes(&value, part),
                _ => false,
            };
            (!holds).then(|| format!("expected {expect}\n  got {value}"))
        }
        Err(refused) => {
            let Refused { kind, pointer, message } = refused;
            let failure = &expect["failure"];
            let holds = failure["kind"] == kind
                && failure.get("pointer").is_none_or(|wanted| wanted.as_str() == pointer.as_deref())
                && failure["message-contains"].as_str().is_none_or(|part| message.contains(part));
            (!holds).then(|| format!("expected {expect}\n  got {kind} at {pointer:?}: {message}"))
        }
    }
}

/// Whether every member of `part` is in `value` and equal; arrays in full length.
fn includes(value: &Value, part: &Value) -> bool {
    match (value, part) {
        (Value::Object(value), Value::Object(part)) => {
            part.iter().all(|(name, part)| value.get(name).is_some_and(|value| includes(value, part)))
        }
        (Value::Array(values), Value::Array(parts)) => {
            values.len() == parts.len() && values.iter().zip(parts).all(|(value, part)| includes(value, part))
        }
        _ => value == part,
    }
}

/// Spells the case at a pointer as the generated types do: `not-null` becomes `NotNull`.
pub(crate) fn rename(value: &mut Value, path: &[&str]) {
    match (path, value) {
        ([], Value::String(case)) => *case = upper_camel(case),
        ([], Value::Object(variant)) => {
            *variant =
                std::mem::take(variant).into_iter().map(|(case, payload)| (upper_camel(&case), payload)).collect();
        }
        (["*", rest @ ..], Value::Array(items)) => items.iter_mut().for_each(|item| rename(item, rest)),
        ([name, rest @ ..], Value::Object(members)) => {
            if let Some(member) = members.get_mut(*name) {
                rename(member, rest);
            }
        }
        _ => {}
    }
}

fn upper_camel(case: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    };
    case.split('-').map(capital).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(kind: &'static str, pointer: Option<&str>, message: &str) -> Result<Value, Refused> {
        Err(Refused { kind, pointer: pointer.map(str::to_owned), message: message.to_owned() })
    }

    #[test]
    fn a_value_is_equal_and_a_part_is_included() {
        let value = || Ok(json!({ "a": 1, "b": [{ "c": 2, "d": 3 }] }));
        for expect in [
            json!({ "value": { "a": 1, "b": [{ "c": 2, "d": 3 }] } }),
            json!({ "includes": { "b": [{ "d": 3 }] } }),
            json!({ "includes": {} }),
        ] {
            assert_eq!(mismatch(&expect, value()), None, "{expect}");
        }
        for expect in [
            json!({ "value": { "a": 1 } }),
            json!({ "includes": { "a": null } }),
            json!({ "includes": { "b": [] } }),
            json!({ "includes": { "b": [{ "c": 3 }] } }),
            json!({ "failure": { "kind": "fatal" } }),
            json!({}),
        ] {
            assert!(mismatch(&expect, value()).is_some(), "{expect}");
        }
    }

    #[test]
    fn a_failure_is_compared_in_what_is_given() {
        let failure = || refused("invalid-argument", Some("/a"), "it has to be b");
        for expect in [
            json!({ "kind": "invalid-argument" }),
            json!({ "kind": "invalid-argument", "pointer": "/a", "message-contains": "has to" }),
        ] {
            assert_eq!(mismatch(&json!({ "failure": expect }), failure()), None, "{expect}");
        }
        for expect in [
            json!({ "kind": "fatal" }),
            json!({ "kind": "invalid-argument", "pointer": "/b" }),
            json!({ "kind": "invalid-argument", "message-contains": "c" }),
        ] {
            assert!(mismatch(&json!({ "failure": expect }), failure()).is_some(), "{expect}");
        }
        assert!(mismatch(&json!({ "value": null }), failure()).is_some());
    }

    #[test]
    fn variants_are_spelled_as_rust_spells_them() {
        let mut value = json!({ "f": [{ "t": { "is": "not-null" } }, { "t": "x-y" }], "g": 1 });
        for path in [&["f", "*", "t"][..], &["f", "*", "t", "Is"], &["absent"], &["g", "*"]] {
            rename(&mut value, path);
        }
        assert_eq!(value, json!({ "f": [{ "t": { "Is": "NotNull" } }, { "t": "XY" }], "g": 1 }));
    }
}
