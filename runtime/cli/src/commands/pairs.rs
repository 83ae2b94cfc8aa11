//! `--name value` pairs, typed by a tool's signature, as one JSON object.
//!
//! The pairs only choose a JSON form for each text; whether it is valid is for the host to say, with all problems at
//! once and their pointers.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use toolcell_core::types::{Signature, Type, snake_case};

use crate::exit::CliError;

/// Turns pairs into arguments.
pub(crate) fn object(signature: &Signature, words: &[String]) -> Result<String, CliError> {
    let mut object: Map<String, Value> = Map::new();
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        let Some(name) = word.strip_prefix("--").filter(|name| !name.is_empty()) else {
            return Err(CliError::usage(format!("`{word}` is no `--name value` pair"))
                .next("Write `--name value` for each argument, or give all of them with `--json '{…}'`."));
        };
        let (name, given) = match name.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (name, None),
        };
        let json = snake_case(name);
        let ty = signature.params.iter().find(|param| *param.json == json).map(|param| &param.ty);
        let Some(ty) = ty else {
            let names: Vec<_> = signature.params.iter().map(|param| format!("--{}", param.wit)).collect();
            let names =
                if names.is_empty() { "it takes none".to_owned() } else { format!("it takes {}", names.join(", ")) };
            return Err(CliError::usage(format!("the tool takes no argument `--{name}`; {names}")));
        };
        let is_flag = matches!(bare(ty), Type::Bool) && words.peek().is_none_or(|next| next.starts_with("--"));
        let text = match given {
            Some(text) => text,
            None if is_flag => "true".to_owned(),
            None => words.next().cloned().ok_or_else(|| CliError::usage(format!("`--{name}` has no value")))?,
        };
        let value = value(ty, &text).map_err(|error| CliError::usage(format!("`--{name}`: {error}")))?;
        match (object.get_mut(&json), value) {
            // A list may be given piece by piece.
            (Some(Value::Array(items)), Value::Array(more)) => items.extend(more),
            (Some(_), _) => return Err(CliError::usage(format!("`--{name}` is given twice"))),
            (None, value) => drop(object.insert(json, value)),
        }
    }
    Ok(Value::Object(object).to_string())
}

/// Looks through options: they are absent, or what they hold.
fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Option(inner) => bare(inner),
        other => other,
    }
}

/// The JSON form of a text: strings and enums as they are, bytes as base64, everything else as JSON.
fn value(ty: &Type, text: &str) -> Result<Value, String> {
    let literal = |text: &str| {
        serde_json::from_str::<Value>(text).map_err(|error| format!("`{}` is no JSON value: {error}", short(text)))
    };
    match bare(ty) {
        Type::String | Type::Char => Ok(Value::String(contents(text)?)),
        Type::Bytes => match text.strip_prefix('@') {
            Some(path) => std::fs::read(path)
                .map(|bytes| STANDARD.encode(bytes).into())
                .map_err(|error| format!("cannot read `{path}`: {error}")),
            None => Ok(text.into()),
        },
        // A case without a payload may be written as it is; one with a payload is an object.
        Type::Enum(_) => Ok(text.into()),
        Type::Variant(cases) if cases.iter().any(|case| &*case.name == text) => Ok(text.into()),
        // A piece of a list, or the whole of it.
        Type::List(item) if !text.trim_start().starts_with('[') && !text.starts_with('@') => {
            Ok(Value::Array(vec![value(item, text)?]))
        }
        // The host reads numbers itself: text that is one stays as written, digits and all.
        Type::Int(_) | Type::F32 | Type::F64 => match serde_json::from_str::<&RawValue>(text) {
            Ok(_) if text.parse::<f64>().is_ok() => Ok(literal(text).unwrap_or_else(|_| text.into())),
            _ => Ok(text.into()),
        },
        _ => literal(&contents(text)?),
    }
}

/// `@path` stands for the contents of a file; `@@` for a text that begins with `@`.
fn contents(text: &str) -> Result<String, String> {
    match text.strip_prefix('@') {
        Some(rest) if rest.starts_with('@') => Ok(rest.to_owned()),
        Some(path) => {
            std::fs::read_to_string(Path::new(path)).map_err(|error| format!("cannot read `{path}`: {error}"))
        }
        None => Ok(text.to_owned()),
    }
}

fn short(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use toolcell_core::types::{Field, Int};

    fn signature() -> Signature {
        let list = Type::List(Arc::new(Type::String));
        let option = Type::Option(Arc::new(Type::Int(Int::U64)));
        Signature {
            params: Arc::new([
                Field::new("document", Type::String),
                Field::new("max-items", option),
                Field::new("deep", Type::Bool),
                Field::new("names", list),
                Field::new("blob", Type::Bytes),
            ]),
            result: None,
        }
    }

    fn pairs(words: &[&str]) -> Result<String, String> {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        object(&signature(), &words).map_err(|error| error.message)
    }

    #[test]
    fn texts_become_what_the_signature_says() {
        let made = pairs(&["--document", "{\"a\":1}", "--max-items=5", "--deep", "--names", "x", "--names", "y"])
            .expect("pairs");
        let made: Value = serde_json::from_str(&made).expect("JSON");
        assert_eq!(
            made,
            serde_json::json!({"document": "{\"a\":1}", "max_items": 5, "deep": true, "names": ["x", "y"]})
        );
        assert_eq!(
            pairs(&["--max-items", "18446744073709551615"]).expect("pairs"),
            "{\"max_items\":18446744073709551615}"
        );
        assert_eq!(pairs(&["--document", "@@at"]).expect("pairs"), "{\"document\":\"@at\"}");
        assert_eq!(pairs(&[]).expect("pairs"), "{}");
    }

    #[test]
    fn what_is_no_pair_is_refused_by_name() {
        assert!(pairs(&["document"]).expect_err("no pair").contains("`document` is no `--name value` pair"));
        assert!(pairs(&["--documents", "x"]).expect_err("unknown").contains("it takes --document, --max-items"));
        assert!(pairs(&["--document"]).expect_err("no value").contains("has no value"));
        assert!(pairs(&["--document", "a", "--document", "b"]).expect_err("twice").contains("given twice"));
        assert!(pairs(&["--document", "@/no/such/file"]).expect_err("no file").contains("cannot read"));
    }
}
