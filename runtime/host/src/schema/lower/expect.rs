//! The words of a problem: what would have been accepted, and what stood there.

use toolcell_core::json::Json;
use toolcell_core::types::{MAX_SAFE_INTEGER, Type};

use crate::schema::inert::inert;

/// The longest excerpt of what stood there, in bytes.
const MAX_FOUND: usize = 80;

/// How many names an expectation lists, and the most bytes of them.
const MAX_LISTED: usize = 24;
const MAX_LIST_BYTES: usize = 400;

/// A noun phrase for the values of a type.
pub(super) fn expected(ty: &Type) -> String {
    match ty {
        Type::Bool => "true or false".to_owned(),
        Type::Int(int) => {
            let (least, most) = int.range();
            let also = if most > MAX_SAFE_INTEGER { ", or the same as a decimal string" } else { "" };
            format!("an integer from {least} to {most}{also}")
        }
        Type::F32 => "a number of single precision, \"NaN\", \"Infinity\" or \"-Infinity\"".to_owned(),
        Type::F64 => "a number of double precision, \"NaN\", \"Infinity\" or \"-Infinity\"".to_owned(),
        Type::Char => "a string of exactly one character".to_owned(),
        Type::String => "a string".to_owned(),
        Type::Bytes => "a string of standard base64".to_owned(),
        Type::List(_) => "an array".to_owned(),
        Type::Option(inner) => match **inner {
            Type::Option(_) => "{\"some\": …} or null".to_owned(),
            _ => format!("{}, or null", expected(inner)),
        },
        Type::Tuple(items) => format!("an array of exactly {} items", items.len()),
        Type::Record(fields) => one_of("an object with the members", fields.iter().map(|field| &*field.json)),
        Type::Variant(cases) => {
            let (mut bare, mut carrying) = (Vec::new(), Vec::new());
            for case in cases.iter() {
                if case.payload.is_some() { &mut carrying } else { &mut bare }.push(&*case.name);
            }
            match (bare.is_empty(), carrying.is_empty()) {
                (false, true) => one_of("one of the strings", bare.into_iter()),
                (true, _) => one_of("an object of one member, one of", carrying.into_iter()),
                (false, false) => format!(
                    "{}, or {}",
                    one_of("one of the strings", bare.into_iter()),
                    one_of("an object of one member, one of", carrying.into_iter())
                ),
            }
        }
        Type::Enum(names) => one_of("one of the strings", names.iter().map(|name| &**name)),
        Type::Flags(names) => one_of("an array of distinct strings, each one of", names.iter().map(|name| &**name)),
        Type::Result(_) => "{\"ok\": …} or {\"err\": …}".to_owned(),
        Type::Unsupported(_) => "nothing: this type has no JSON form yet".to_owned(),
    }
}

/// A phrase and a list of names, which ends in `…` where it is cut.
pub(super) fn one_of<'a>(phrase: &str, names: impl Iterator<Item = &'a str>) -> String {
    let mut out = format!("{phrase}: ");
    let start = out.len();
    for (index, name) in names.enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        if index == MAX_LISTED || out.len() - start + name.len() > MAX_LIST_BYTES {
            out.push('…');
            break;
        }
        out.push_str(name);
    }
    out
}

/// What stands there, short and inert.
pub(super) fn found(json: &Json<'_>) -> String {
    match json {
        Json::Null => "null".to_owned(),
        Json::Bool(value) => value.to_string(),
        Json::Number(text) => format!("the number {}", inert(text, MAX_FOUND)),
        Json::String(text) => format!("the string {}", quoted(text)),
        Json::Array(items) => format!("an array of {} items", items.len()),
        Json::Object(members) if members.is_empty() => "an empty object".to_owned(),
        Json::Object(members) => {
            let names = one_of("an object of", members.iter().take(MAX_LISTED).map(|(name, _)| &**name));
            inert(&names, MAX_FOUND)
        }
    }
}

/// A text in quotes, short and inert.
pub(super) fn quoted(text: &str) -> String {
    // The quotes count, so that the whole stays within the bound.
    format!("\"{}\"", inert(text, MAX_FOUND - 2))
}
