//! JSON Patch (RFC 6902): all operations or none.
//!
//! The document is owned here, so a failed operation drops it and the caller still has the text it sent. What could
//! grow without bound does not: copies are weighed, since `copy` of the whole into itself doubles it, and depth is
//! checked, since later recursion relies on it. Removing keeps the order of the other members.

use std::borrow::Cow;

use thiserror::Error;

use crate::MAX_RESULT_BYTES;
use crate::document::{Json, Object};
use crate::pointer::{self, Pointer, PointerError};
use crate::read::MAX_DEPTH;

/// The bytes that the `copy` operations of one patch may copy in all.
pub const MAX_COPIED_BYTES: usize = 8 << 20;

/// How much of a value a message quotes, in characters.
const QUOTED: usize = 80;

/// Applies a patch, given as its own document.
pub fn apply<'a>(mut document: Json<'a>, patch: &Json<'a>) -> Result<Json<'a>, PatchError> {
    let Json::Array(operations) = patch else {
        return Err(PatchError::NotArray { found: patch.kind() });
    };
    let mut copied = 0;
    for (index, operation) in operations.iter().enumerate() {
        let failed = |problem| PatchError::Operation { index, operation: quote(operation, QUOTED * 2), problem };
        Operation::of(operation).and_then(|operation| operation.apply(&mut document, &mut copied)).map_err(failed)?;
    }
    if document.weight() > MAX_RESULT_BYTES {
        return Err(PatchError::Output);
    }
    Ok(document)
}

/// Why a patch was not applied.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum PatchError {
    /// The patch is something else than a list of operations.
    #[error(
        "a JSON Patch is an array of operations, not {found}; an object that shows the changed members is a merge patch"
    )]
    NotArray {
        /// What it is.
        found: &'static str,
    },
    /// One operation failed; the document is unchanged.
    #[error("operation {index} of the patch (counted from 0), {operation}: {problem}. Nothing was changed")]
    Operation {
        /// Its place in the patch, counted from 0.
        index: usize,
        /// Its text, shortened.
        operation: String,
        /// What is wrong with it.
        problem: OperationProblem,
    },
    /// The document has become too large to be returned.
    #[error("the patched document would be longer than {MAX_RESULT_BYTES} bytes")]
    Output,
}

/// What is wrong with an operation.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum OperationProblem {
    /// Not an object.
    #[error("an operation is an object, not {0}")]
    NotObject(&'static str),
    /// A member is absent.
    #[error("it lacks the member {0:?}")]
    Missing(&'static str),
    /// A member that must be a string is something else.
    #[error("its member {0:?} must be a string")]
    NotString(&'static str),
    /// There is no such operation.
    #[error("there is no such \"op\"; there are add, remove, replace, move, copy and test")]
    Unknown,
    /// A member that must be a pointer is none.
    #[error("its member {member:?} is not a JSON Pointer: {source}")]
    Pointer {
        /// `path` or `from`.
        member: &'static str,
        /// Why not.
        source: PointerError,
    },
    /// Nothing is there.
    #[error("there is nothing at {member:?} in the document at that point")]
    Absent {
        /// `path` or `from`.
        member: &'static str,
    },
    /// The place to add to has no parent that could hold it.
    #[error("there is no object or array in the document at that point that could hold {path:?}")]
    NoParent {
        /// The last token.
        path: String,
    },
    /// An index beyond the end, or no index at all.
    #[error("{token:?} is not a place in an array of {length} elements")]
    Index {
        /// The token.
        token: String,
        /// The length of the array.
        length: usize,
    },
    /// The whole document cannot be removed.
    #[error("the whole document cannot be removed; replace it")]
    Root,
    /// A value cannot be moved into itself.
    #[error("a value cannot be moved into itself")]
    IntoItself,
    /// A `test` did not hold.
    #[error("the document has {found} there")]
    Test {
        /// What is there, shortened.
        found: String,
    },
    /// Too deep.
    #[error("the document would be nested deeper than {MAX_DEPTH} levels")]
    Depth,
    /// Too much was copied.
    #[error("the copies of this patch come to more than {MAX_COPIED_BYTES} bytes")]
    Copies,
}

enum Operation<'o, 'a> {
    Add(Pointer<'o>, &'o Json<'a>),
    Remove(Pointer<'o>),
    Replace(Pointer<'o>, &'o Json<'a>),
    Move { from: Pointer<'o>, path: Pointer<'o> },
    Copy { from: Pointer<'o>, path: Pointer<'o> },
    Test(Pointer<'o>, &'o Json<'a>),
}

impl<'o, 'a> Operation<'o, 'a> {
    /// Members that the operation does not know are ignored, as RFC 6902, section 4, says.
    fn of(operation: &'o Json<'a>) -> Result<Self, OperationProblem> {
        let Json::Object(members) = operation else {
            return Err(OperationProblem::NotObject(operation.kind()));
        };
        let path = || pointer_member(members, "path");
        let from = || pointer_member(members, "from");
        let value = || members.get("value").ok_or(OperationProblem::Missing("value"));
        Ok(match string_member(members, "op")? {
            "add" => Self::Add(path()?, value()?),
            "remove" => Self::Remove(path()?),
            "replace" => Self::Replace(path()?, value()?),
            "move" => Self::Move { from: from()?, path: path()? },
            "copy" => Self::Copy { from: from()?, path: path()? },
            "test" => Self::Test(path()?, value()?),
            _ => return Err(OperationProblem::Unknown),
        })
    }

    fn apply(self, document: &mut Json<'a>, copied: &mut usize) -> Result<(), OperationProblem> {
        match self {
            Self::Add(path, value) => {
                check_depth(&path, value)?;
                add(document, &path, value.clone())
            }
            Self::Remove(path) => remove(document, &path, "path").map(drop),
            Self::Replace(path, value) => {
                check_depth(&path, value)?;
                let target = pointer::get_mut(document, path.tokens());
                *target.ok_or(OperationProblem::Absent { member: "path" })? = value.clone();
                Ok(())
            }
            Self::Move { from, path } => {
                if from.contains(&path) {
                    return Err(OperationProblem::IntoItself);
                }
                if from == path {
                    // Taking it out and putting it back would move a member to the end of its object.
                    let there = pointer::get(document, from.tokens());
                    return there.map(drop).ok_or(OperationProblem::Absent { member: "from" });
                }
                let value = remove(document, &from, "from")?;
                if path.tokens().len() > from.tokens().len() {
                    check_depth(&path, &value)?;
                }
                add(document, &path, value)
            }
            Self::Copy { from, path } => {
                let source = pointer::get(document, from.tokens());
                let source = source.ok_or(OperationProblem::Absent { member: "from" })?;
                *copied = copied.saturating_add(source.weight());
                if *copied > MAX_COPIED_BYTES {
                    return Err(OperationProblem::Copies);
                }
                check_depth(&path, source)?;
                let value = source.clone();
                add(document, &path, value)
            }
            Self::Test(path, expected) => {
                let found = pointer::get(document, path.tokens());
                let found = found.ok_or(OperationProblem::Absent { member: "path" })?;
                if found == expected {
                    return Ok(());
                }
                Err(OperationProblem::Test { found: quote(found, QUOTED) })
            }
        }
    }
}

fn add<'a>(document: &mut Json<'a>, path: &Pointer<'_>, value: Json<'a>) -> Result<(), OperationProblem> {
    let Some((parent, last)) = path.split_last() else {
        *document = value;
        return Ok(());
    };
    match pointer::get_mut(document, parent) {
        Some(Json::Object(members)) => {
            match members.get_mut(last) {
                Some(existing) => *existing = value,
                None => {
                    members.insert(Cow::Owned(last.to_owned()), value);
                }
            }
            Ok(())
        }
        Some(Json::Array(elements)) => {
            let length = elements.len();
            let index = if last == "-" { Some(length) } else { pointer::index(last) };
            let index = index.filter(|index| *index <= length).ok_or_else(|| no_index(last, length))?;
            elements.insert(index, value);
            Ok(())
        }
        _ => Err(OperationProblem::NoParent { path: short(last) }),
    }
}

fn remove<'a>(document: &mut Json<'a>, path: &Pointer<'_>, member: &'static str) -> Result<Json<'a>, OperationProblem> {
    let (parent, last) = path.split_last().ok_or(OperationProblem::Root)?;
    match pointer::get_mut(document, parent) {
        Some(Json::Object(members)) => members.shift_remove(last).ok_or(OperationProblem::Absent { member }),
        Some(Json::Array(elements)) => {
            let length = elements.len();
            let index = pointer::index(last).filter(|index| *index < length);
            Ok(elements.remove(index.ok_or_else(|| no_index(last, length))?))
        }
        _ => Err(OperationProblem::Absent { member }),
    }
}

fn no_index(token: &str, length: usize) -> OperationProblem {
    OperationProblem::Index { token: short(token), length }
}

fn check_depth(path: &Pointer<'_>, value: &Json<'_>) -> Result<(), OperationProblem> {
    if path.tokens().len() + value.depth() > MAX_DEPTH {
        return Err(OperationProblem::Depth);
    }
    Ok(())
}

fn string_member<'o>(members: &'o Object<'_>, name: &'static str) -> Result<&'o str, OperationProblem> {
    match members.get(name) {
        Some(Json::String(text)) => Ok(text),
        Some(_) => Err(OperationProblem::NotString(name)),
        None => Err(OperationProblem::Missing(name)),
    }
}

fn pointer_member<'o>(members: &'o Object<'_>, member: &'static str) -> Result<Pointer<'o>, OperationProblem> {
    let text = string_member(members, member)?;
    Pointer::parse(text).map_err(|source| OperationProblem::Pointer { member, source })
}

/// The text of a value for a message. Only a small value is written out, so that a message never costs more than it
/// is worth.
fn quote(value: &Json<'_>, characters: usize) -> String {
    match value {
        Json::Object(members) if value.weight() > 1_024 => {
            let known = ["op", "path", "from"].iter();
            let shown = known.filter_map(|name| Some(format!("{name} {}", quote(members.get(*name)?, QUOTED))));
            let shown: Vec<_> = shown.collect();
            if shown.is_empty() { "a large object".to_owned() } else { shown.join(", ") }
        }
        Json::Array(_) if value.weight() > 1_024 => "a large array".to_owned(),
        Json::String(text) if text.len() > 1_024 => format!("a string that begins with {:?}", short(text)),
        small => {
            let text = small.to_text();
            match text.char_indices().nth(characters) {
                Some((end, _)) => format!("{}…", &text[..end]),
                None => text,
            }
        }
    }
}

fn short(text: &str) -> String {
    text.chars().take(QUOTED).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::read;

    fn patched(document: &str, patch: &str) -> Result<String, PatchError> {
        apply(read(document).unwrap(), &read(patch).unwrap()).map(|patched| patched.to_text())
    }

    #[test]
    fn untouched_members_keep_their_order_and_spelling() {
        let document = r#"{"a":1.00,"b":2,"c":123456789012345678901234567890,"d":1E5}"#;
        assert_eq!(
            patched(document, r#"[{"op":"remove","path":"/a"},{"op":"replace","path":"/c","value":3.0}]"#).unwrap(),
            r#"{"b":2,"c":3.0,"d":1E5}"#
        );
        assert_eq!(
            patched(document, r#"[{"op":"move","from":"/b","path":"/b"},{"op":"add","path":"/a","value":0}]"#).unwrap(),
            r#"{"a":0,"b":2,"c":123456789012345678901234567890,"d":1E5}"#
        );
    }

    #[test]
    fn test_compares_numbers_by_value_and_objects_without_order() {
        let patch = r#"[{"op":"test","path":"","value":{"b":1.0,"a":[10e-1]}}]"#;
        assert!(patched(r#"{"a":[1],"b":1}"#, patch).is_ok());
        let error = patched(r#"{"a":[1],"b":2}"#, patch).unwrap_err();
        assert!(error.to_string().contains("the document has {\"a\":[1],\"b\":2} there"), "{error}");
    }

    #[test]
    fn every_wrong_operation_is_named_with_its_place_and_cause() {
        for (patch, expected) in [
            ("{}", "a JSON Patch is an array of operations, not an object"),
            ("[1]", "operation 0 of the patch (counted from 0), 1: an operation is an object, not a number"),
            ("[{}]", "it lacks the member \"op\""),
            (r#"[{"op":1,"path":""}]"#, "its member \"op\" must be a string"),
            (r#"[{"op":"spam","path":""}]"#, "there is no such \"op\""),
            (r#"[{"op":"add","value":1}]"#, "it lacks the member \"path\""),
            (r#"[{"op":"add","path":"/x"}]"#, "it lacks the member \"value\""),
            (r#"[{"op":"copy","path":"/x"}]"#, "it lacks the member \"from\""),
            (r#"[{"op":"remove","path":"a"}]"#, "its member \"path\" is not a JSON Pointer"),
            (r#"[{"op":"remove","path":"/x"}]"#, "there is nothing at \"path\""),
            (r#"[{"op":"replace","path":"/x","value":1}]"#, "there is nothing at \"path\""),
            (r#"[{"op":"test","path":"/x","value":1}]"#, "there is nothing at \"path\""),
            (r#"[{"op":"move","from":"/x","path":"/y"}]"#, "there is nothing at \"from\""),
            (r#"[{"op":"remove","path":""}]"#, "the whole document cannot be removed"),
            (r#"[{"op":"move","from":"","path":"/a"}]"#, "a value cannot be moved into itself"),
            (r#"[{"op":"move","from":"/o","path":"/o/x"}]"#, "a value cannot be moved into itself"),
            (r#"[{"op":"add","path":"/a/3","value":1}]"#, "\"3\" is not a place in an array of 2 elements"),
            (r#"[{"op":"add","path":"/a/01","value":1}]"#, "\"01\" is not a place in an array"),
            (r#"[{"op":"remove","path":"/a/-"}]"#, "\"-\" is not a place in an array"),
            (r#"[{"op":"add","path":"/n/x","value":1}]"#, "there is no object or array"),
            (r#"[{"op":"add","path":"/x/y","value":1}]"#, "there is no object or array"),
            (r#"[{"op":"test","path":"/n","value":"1"}]"#, "the document has 1 there"),
            (r#"[{"op":"add","path":"/z","value":1},{"op":"remove","path":"/y"}]"#, "operation 1 of the patch"),
        ] {
            let error = patched(r#"{"a":[1,2],"o":{},"n":1}"#, patch).expect_err(patch).to_string();
            assert!(error.contains(expected), "{patch}: {error}");
        }
    }

    #[test]
    fn copies_that_double_the_document_end_at_the_bound() {
        let operation = r#"{"op":"copy","from":"","path":"/-"}"#;
        let patch = format!("[{}]", vec![operation; 100].join(","));
        let error = patched("[0]", &patch).unwrap_err().to_string();
        assert!(error.contains("the copies of this patch come to more than") || error.contains("nested deeper"));
        let operation = r#"{"op":"copy","from":"/0","path":"/-"}"#;
        let patch = format!("[{}]", vec![operation; 100].join(","));
        let error = patched(&format!("[\"{}\"]", "x".repeat(1 << 20)), &patch).unwrap_err().to_string();
        assert!(error.contains("the copies of this patch come to more than 8388608 bytes"), "{error}");
        assert!(error.len() < 1_000);
    }

    #[test]
    fn depth_stays_bounded_whatever_the_operations() {
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        let patch = format!(r#"[{{"op":"add","path":"{}/0","value":{deep}}}]"#, "/0".repeat(99));
        assert!(patched(&deep, &patch).unwrap_err().to_string().contains("nested deeper than 128 levels"));
        let inside = format!(r#"{{"a":{deep},"b":{deep}}}"#);
        let patch = format!(r#"[{{"op":"move","from":"/a","path":"/b{}/0"}}]"#, "/0".repeat(99));
        assert!(patched(&inside, &patch).unwrap_err().to_string().contains("nested deeper than 128 levels"));
    }

    #[test]
    fn a_huge_operation_is_quoted_in_a_short_message() {
        let patch = format!(r#"[{{"op":"add","path":"/x/y","value":"{}"}}]"#, "é".repeat(1 << 20));
        let error = patched("{}", &patch).unwrap_err().to_string();
        assert!(error.len() < 1_000 && error.contains("op \"add\", path \"/x/y\""), "{error}");
    }
}
