//! From what a function returned to how the call ended: a value, or a failure with its recovery.
//!
//! The error side of a `result` at the top is a failure. Where it is the `toolcell:tool/types.failure` variant, by its
//! structure and not by its name, each case maps to a kind without guessing. A plain string is classified by a few words; anything
//! else is shown as it is. Every text in it comes from the tool, so it is made inert and cut before anybody sees it.

use std::sync::{Arc, OnceLock};

use toolcell_core::failure::{Failure, Kind, Problem, Question};
use toolcell_core::types::{Case, Field, Int, Signature, Type};
use wasmtime::component::Val;

use super::inert::{inert, inert_lines};
use super::lift::{LiftBounds, LiftError, lift};

/// The longest message, in bytes. It goes to a caller and a model.
pub const MAX_MESSAGE: usize = 4_096;
/// The longest pointer and the longest excerpt of what stood there, in bytes.
pub const MAX_POINTER: usize = 1_024;
/// The longest wait that a tool can ask for: one day. Longer ones would park a plan for good.
pub const MAX_RETRY_AFTER_MS: u64 = 86_400_000;
/// The most answers that a question offers, and the longest of them in bytes.
pub const MAX_CHOICES: usize = 32;
/// See [`MAX_CHOICES`].
pub const MAX_CHOICE: usize = 256;

/// How a call ended that returned.
#[derive(Clone, Debug, PartialEq)]
pub enum Conclusion {
    /// The result as JSON text.
    Value(String),
    /// The tool said that it failed.
    Failure(Box<Failure>),
}

/// What the values that a function returned mean.
///
/// # Errors
/// [`LiftError`] where the value goes over its bounds. A failure never does: it is cut.
pub fn conclude(signature: &Signature, results: &[Val], bounds: LiftBounds) -> Result<Conclusion, LiftError> {
    let value = |ty: &Type, val: &Val| {
        let mut out = String::new();
        lift(ty, val, bounds, &mut out)?;
        Ok(Conclusion::Value(out))
    };
    match (&signature.result, results) {
        (None, []) => Ok(Conclusion::Value("null".to_owned())),
        (Some(Type::Result(sides)), [Val::Result(result)]) => match (result, &sides.ok, &sides.err) {
            (Ok(Some(val)), Some(ty), _) => value(ty, val),
            (Ok(None), None, _) => Ok(Conclusion::Value("null".to_owned())),
            (Err(Some(val)), _, Some(ty)) => Ok(Conclusion::Failure(Box::new(failure(ty, val)?))),
            (Err(None), _, None) => Ok(Conclusion::Failure(Box::new(silent()))),
            _ => Err(LiftError::Mismatch),
        },
        (Some(ty), [val]) => value(ty, val),
        _ => Err(LiftError::Mismatch),
    }
}

fn failure(ty: &Type, val: &Val) -> Result<Failure, LiftError> {
    match (ty, val) {
        (Type::String, Val::String(text)) => Ok(failure_of_text(text)),
        (Type::Variant(_), Val::Variant(case, payload)) if is_failure(ty) => {
            let payload = payload.as_deref().ok_or(LiftError::Mismatch)?;
            named_failure(case, payload).ok_or(LiftError::Mismatch)
        }
        _ => {
            let mut json = String::new();
            let bounds = LiftBounds { bytes: MAX_MESSAGE as u64, values: MAX_MESSAGE as u64 };
            match lift(ty, val, bounds, &mut json) {
                Ok(()) => {}
                // What was written until then is shown.
                Err(LiftError::Over { .. }) => json.push('…'),
                Err(mismatch) => return Err(mismatch),
            }
            Ok(Failure::new(Kind::ToolFailed, message(&format!("the tool failed with {json}"))))
        }
    }
}

fn silent() -> Failure {
    Failure::new(Kind::ToolFailed, "the tool failed without saying why")
}

fn message(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() { "the tool failed without saying why".to_owned() } else { inert_lines(text, MAX_MESSAGE) }
}

/// The failure for a tool's plain text.
pub(crate) fn failure_of_text(text: &str) -> Failure {
    Failure::new(classify(text), message(text))
}

/// Words that name a class beyond doubt. They are looked for in the first [`CLASSIFIED`] bytes, as whole words, whatever their case, and
/// the first row that matches decides. Anything else is `tool-failed`, whose recovery is to repair, as it is for most of these.
const CLASSES: &[(Kind, &[&str])] = &[
    (
        Kind::Unavailable,
        &[
            "rate limit",
            "rate limited",
            "too many requests",
            "timed out",
            "temporarily unavailable",
            "service unavailable",
            "connection reset",
            "connection refused",
        ],
    ),
    (Kind::Refused, &["permission denied", "access denied", "unauthorized", "forbidden"]),
    (Kind::NotFound, &["not found", "no such file or directory", "does not exist"]),
    (Kind::Conflict, &["already exists"]),
];

/// How much of a text is classified, in bytes. What went wrong stands at the start.
const CLASSIFIED: usize = 512;

fn classify(text: &str) -> Kind {
    let start = &text[..text.floor_char_boundary(CLASSIFIED)].to_lowercase();
    let whole = |at: usize, words: &str| {
        let letter = |c: char| c.is_alphanumeric() || c == '_';
        !start[..at].ends_with(letter) && !start[at + words.len()..].starts_with(letter)
    };
    let says = |words: &&str| start.match_indices(*words).any(|(at, _)| whole(at, words));
    CLASSES.iter().find(|(_, words)| words.iter().any(says)).map_or(Kind::ToolFailed, |(kind, _)| *kind)
}

/// The failure for a case of the `failure` variant; none where the payload is not of its type.
fn named_failure(case: &str, payload: &Val) -> Option<Failure> {
    match (case, payload) {
        ("invalid-argument", Val::Record(fields)) => match fields.as_slice() {
            [
                (_, Val::String(pointer)),
                (_, Val::String(expected)),
                (_, Val::Option(found)),
                (_, Val::String(text)),
            ] => {
                let found = match found.as_deref() {
                    None => None,
                    Some(Val::String(found)) => Some(found.as_str()),
                    Some(_) => return None,
                };
                Some(invalid_argument(pointer, expected, found, text))
            }
            _ => None,
        },
        ("unavailable", Val::Record(fields)) => match fields.as_slice() {
            [(_, Val::String(text)), (_, Val::Option(wait))] => {
                let wait = match wait.as_deref() {
                    None => None,
                    Some(Val::U64(wait)) => Some(*wait),
                    Some(_) => return None,
                };
                Some(unavailable(text, wait))
            }
            _ => None,
        },
        ("needs-person", Val::Record(fields)) => match fields.as_slice() {
            [(_, Val::String(text)), (_, Val::List(choices))] => {
                let choices: Option<Vec<&str>> = choices
                    .iter()
                    .take(MAX_CHOICES)
                    .map(|choice| if let Val::String(choice) = choice { Some(choice.as_str()) } else { None })
                    .collect();
                Some(needs_person(text, &choices?))
            }
            _ => None,
        },
        (case, Val::String(text)) => plain_kind(case).map(|kind| Failure::new(kind, message(text))),
        _ => None,
    }
}

/// The kind of a case that carries one sentence.
fn plain_kind(case: &str) -> Option<Kind> {
    match case {
        "not-found" => Some(Kind::NotFound),
        "conflict" => Some(Kind::Conflict),
        "denied" => Some(Kind::Refused),
        "fatal" => Some(Kind::Fatal),
        _ => None,
    }
}

pub(crate) fn invalid_argument(pointer: &str, expected: &str, found: Option<&str>, text: &str) -> Failure {
    // A pointer is empty or begins with a slash (RFC 6901, section 3), and one that was escaped or cut would point elsewhere.
    let sound = pointer.len() <= MAX_POINTER
        && (pointer.is_empty() || pointer.starts_with('/'))
        && inert(pointer, MAX_POINTER) == pointer;
    let problem = Problem {
        pointer: if sound { pointer.to_owned() } else { String::new() },
        expected: inert(expected, MAX_POINTER),
        found: found.map(|found| inert(found, MAX_POINTER)),
        nearest: None,
    };
    let text = if text.trim().is_empty() { problem.to_string() } else { message(text) };
    Failure::new(Kind::InvalidArgument, text).problems(vec![problem])
}

pub(crate) fn unavailable(text: &str, retry_after_ms: Option<u64>) -> Failure {
    let mut failure = Failure::new(Kind::Unavailable, message(text));
    failure.retry_after_ms = retry_after_ms.map(|wait| wait.min(MAX_RETRY_AFTER_MS));
    failure
}

pub(crate) fn needs_person(text: &str, choices: &[impl AsRef<str>]) -> Failure {
    let mut failure = Failure::new(Kind::NeedsPerson, message(text));
    failure.question = Some(Question {
        text: failure.message.clone(),
        choices: choices.iter().take(MAX_CHOICES).map(|choice| inert(choice.as_ref(), MAX_CHOICE)).collect(),
    });
    failure
}

pub(crate) fn plain(kind: Kind, text: &str) -> Failure {
    Failure::new(kind, message(text))
}

/// Whether a type is the `failure` variant of `toolcell:tool/types@0.1.0`.
pub(crate) fn is_failure(ty: &Type) -> bool {
    static FAILURE: OnceLock<Type> = OnceLock::new();
    let same = FAILURE.get_or_init(|| {
        let option = |ty| Type::Option(Arc::new(ty));
        let record = |fields: Vec<Field>| Some(Type::Record(fields.into()));
        let case = |name: &str, payload| Case { name: name.into(), payload };
        let text = |name| Field::new(name, Type::String);
        Type::Variant(Arc::new([
            case(
                "invalid-argument",
                record(vec![
                    text("pointer"),
                    text("expected"),
                    Field::new("found", option(Type::String)),
                    text("message"),
                ]),
            ),
            case(
                "unavailable",
                record(vec![text("message"), Field::new("retry-after-ms", option(Type::Int(Int::U64)))]),
            ),
            case("not-found", Some(Type::String)),
            case("conflict", Some(Type::String)),
            case("denied", Some(Type::String)),
            case("needs-person", record(vec![text("text"), Field::new("choices", Type::List(Arc::new(Type::String)))])),
            case("fatal", Some(Type::String)),
        ]))
    });
    ty == same
}

#[cfg(test)]
mod tests {
    use super::*;
    use toolcell_core::failure::Recovery;
    use toolcell_core::limits::Limit;
    use toolcell_core::types::ResultType;

    const BOUNDS: LiftBounds = LiftBounds { bytes: 100, values: 100 };

    fn of(ok: Option<Type>, err: Option<Type>, val: Result<Option<Val>, Option<Val>>) -> Result<Conclusion, LiftError> {
        let signature = Signature { params: [].into(), result: Some(Type::Result(Arc::new(ResultType { ok, err }))) };
        conclude(&signature, &[Val::Result(val.map(|val| val.map(Box::new)).map_err(|val| val.map(Box::new)))], BOUNDS)
    }

    fn failed(conclusion: Result<Conclusion, LiftError>) -> Failure {
        match conclusion {
            Ok(Conclusion::Failure(failure)) => *failure,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_function_without_a_result_gives_null() {
        let nothing = Signature { params: [].into(), result: None };
        assert_eq!(conclude(&nothing, &[], BOUNDS), Ok(Conclusion::Value("null".into())));
        assert_eq!(of(None, None, Ok(None)), Ok(Conclusion::Value("null".into())));
        assert_eq!(of(Some(Type::Bool), None, Ok(Some(Val::Bool(true)))), Ok(Conclusion::Value("true".into())));
    }

    #[test]
    fn an_error_that_says_nothing_is_still_a_failure() {
        let failure = failed(of(Some(Type::Bool), None, Err(None)));
        assert_eq!((failure.kind, failure.recovery), (Kind::ToolFailed, Recovery::Repair));
        assert_eq!(failure.message, "the tool failed without saying why");
        assert_eq!(failed(of(None, Some(Type::String), Err(Some(Val::String(" \n".into()))))), failure);
    }

    #[test]
    fn an_error_of_any_other_type_is_shown_as_json_inert_and_cut() {
        let ty = Type::Record([Field::new("code", Type::Int(Int::U8)), Field::new("why", Type::String)].into());
        let val = |why: String| Val::Record(vec![("code".into(), Val::U8(7)), ("why".into(), Val::String(why))]);
        let failure = failed(of(None, Some(ty.clone()), Err(Some(val("\u{1b}[2J\u{202e}".into())))));
        assert_eq!(failure.kind, Kind::ToolFailed);
        assert_eq!(failure.message, "the tool failed with {\"code\":7,\"why\":\"\\u001b[2J\\u{202e}\"}");
        let failure = failed(of(None, Some(ty), Err(Some(val("x".repeat(1_000_000))))));
        assert_eq!(failure.message, "the tool failed with {\"code\":7,\"why\":…");
    }

    #[test]
    fn a_result_over_its_bounds_is_no_value() {
        let long = Val::String("x".repeat(99));
        let over = Err(LiftError::Over { limit: Limit::ResultBytes, value: 100 });
        assert_eq!(of(Some(Type::String), None, Ok(Some(long))), over);
    }

    #[test]
    fn a_variant_that_only_resembles_the_failure_variant_is_no_failure_by_name() {
        let cases = [Case { name: "not-found".into(), payload: Some(Type::String) }];
        let ty = Type::Variant(cases.into());
        let val = Val::Variant("not-found".into(), Some(Box::new(Val::String("x".into()))));
        let failure = failed(of(None, Some(ty), Err(Some(val))));
        assert_eq!(failure.kind, Kind::ToolFailed);
        assert_eq!(failure.message, "the tool failed with {\"not-found\":\"x\"}");
    }
}
