//! Arguments in: JSON checked against a signature and turned into values for the engine, in one walk.
//!
//! Everything that is wrong is said at once, each with its place, what would have been accepted and what stood there, because a
//! model that repairs a call should need one try. Nothing is guessed: a value is taken exactly or refused. The walk is linear in
//! the arguments and the values made of them, and recurses no deeper than the type does.

mod expect;
mod fields;
pub(crate) mod number;

#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use toolcell_core::failure::Problem;
use toolcell_core::json::Json;
use toolcell_core::limits::Limit;
use toolcell_core::types::{Case, Int, Signature, Type};
use wasmtime::component::Val;

use self::expect::{expected, found};
use super::names::{Names, nearest};

/// The most problems that are reported of one call. Nobody repairs more at once, and each costs memory and a model's attention.
pub const MAX_PROBLEMS: usize = 100;

/// The longest member name that a pointer repeats, in bytes. A longer one, or one that could act on a terminal, is reported at its object.
pub const MAX_POINTER_NAME: usize = 256;

/// Checks arguments against a signature, and makes the engine's values of them, one for each parameter in order.
///
/// `values` bounds how many engine values may be made, since an absent option, and each byte of a `list<u8>`, becomes one.
///
/// # Errors
/// [`LowerError::Problems`] with everything that is wrong, at most [`MAX_PROBLEMS`]; [`LowerError::Over`] beyond the bound.
pub fn lower(signature: &Signature, arguments: &Json<'_>, values: u64) -> Result<Vec<Val>, LowerError> {
    let mut check = Check::new(values);
    let lowered = check.arguments(signature, arguments);
    check.end(lowered)
}

/// What is wrong with arguments that are known not to fit, without making values of the bytes among them.
pub(crate) fn problems(signature: &Signature, arguments: &Json<'_>) -> Vec<Problem> {
    let mut check = Check { bytes: Bytes::Checked, ..Check::new(u64::MAX) };
    check.arguments(signature, arguments);
    check.problems
}

/// Why arguments were not taken.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LowerError {
    /// They do not fit the signature.
    #[error("the arguments do not fit: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Problems(Vec<Problem>),
    /// They fit, but become too many values.
    #[error("the arguments become more values than the limit `{}` of {value}", .limit.row().name)]
    Over {
        /// Which limit: [`Limit::ArgumentValues`].
        limit: Limit,
        /// Its value.
        value: u64,
    },
}

/// Bytes of standard base64 (RFC 4648, section 4), with or without padding.
///
/// # Errors
/// Where the text holds anything else, white space included.
pub(crate) fn decode_base64(text: &str) -> Result<Vec<u8>, base64::DecodeError> {
    const ENGINE: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    // The decoder would also take a part of the padding.
    if text.ends_with('=') && !text.len().is_multiple_of(4) {
        return Err(base64::DecodeError::InvalidPadding);
    }
    ENGINE.decode(text)
}

/// One step of the way from the arguments to a value.
#[derive(Clone, Copy)]
enum Step<'a> {
    Member(&'a str),
    Index(usize),
}

/// There is no value, and the problem has been noted.
struct Noted;

/// The state of one check. `'a` is the signature's and the arguments' lifetime.
pub(super) struct Check<'a> {
    path: Vec<Step<'a>>,
    problems: Vec<Problem>,
    names: Names<'a>,
    /// How many values may still be made.
    left: u64,
    values: u64,
    over: bool,
    bytes: Bytes,
}

/// What becomes of a `list<u8>`.
#[derive(Clone, Copy, PartialEq)]
enum Bytes {
    /// A value for each byte.
    Lowered,
    /// Nothing: it is only checked.
    Checked,
}

impl<'a> Check<'a> {
    pub(super) fn new(values: u64) -> Self {
        Self {
            path: Vec::new(),
            problems: Vec::new(),
            names: Names::default(),
            left: values,
            values,
            over: false,
            bytes: Bytes::Lowered,
        }
    }

    fn end<T>(self, lowered: Option<T>) -> Result<T, LowerError> {
        match lowered {
            Some(lowered) if self.problems.is_empty() => Ok(lowered),
            _ if self.over => Err(LowerError::Over { limit: Limit::ArgumentValues, value: self.values }),
            _ => Err(LowerError::Problems(self.problems)),
        }
    }

    fn arguments(&mut self, signature: &'a Signature, arguments: &'a Json<'a>) -> Option<Vec<Val>> {
        match arguments {
            Json::Object(members) => self.fields(&signature.params, members, |_, val| val),
            other => {
                self.problem(|| "an object of the parameters by name".to_owned(), other);
                None
            }
        }
    }

    /// Whether to stop: enough was found, or the bound is met.
    fn full(&self) -> bool {
        self.over || self.problems.len() >= MAX_PROBLEMS
    }

    /// Counts values before they are made.
    fn take(&mut self, values: usize) -> Option<()> {
        let left = self.left.checked_sub(values as u64);
        self.over |= left.is_none();
        self.left = left?;
        Some(())
    }

    fn within<T>(&mut self, step: Step<'a>, then: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(step);
        let result = then(self);
        self.path.pop();
        result
    }

    fn problem(&mut self, expectation: impl FnOnce() -> String, json: &Json<'_>) {
        if !self.full() {
            let problem =
                Problem { pointer: self.pointer(), expected: expectation(), found: Some(found(json)), nearest: None };
            self.problems.push(problem);
        }
    }

    /// The value of a type, or none where a problem has been noted.
    fn value(&mut self, ty: &'a Type, json: &'a Json<'a>) -> Option<Val> {
        self.take(1)?;
        let val = match (ty, json) {
            (Type::String, Json::String(text)) => Val::String(text.to_string()),
            (Type::Bool, Json::Bool(value)) => Val::Bool(*value),
            (Type::Int(int), _) => integer(*int, json).or_note(self, ty, json)?,
            (Type::F32, _) => number::float32(json).map(Val::Float32).or_note(self, ty, json)?,
            (Type::F64, _) => number::float64(json).map(Val::Float64).or_note(self, ty, json)?,
            (Type::Char, Json::String(text)) => single(text).map(Val::Char).or_note(self, ty, json)?,
            (Type::Bytes, Json::String(text)) => {
                let mut bytes = decode_base64(text).ok().or_note(self, ty, json)?;
                if self.bytes == Bytes::Checked {
                    bytes.clear();
                }
                self.take(bytes.len())?;
                Val::List(bytes.into_iter().map(Val::U8).collect())
            }
            (Type::List(element), Json::Array(items)) => Val::List(self.items(items, |_| Some(element))?),
            (Type::Option(_), Json::Null) => Val::Option(None),
            (Type::Option(inner), _) => Val::Option(Some(Box::new(self.some(inner, ty, json)?))),
            (Type::Tuple(types), Json::Array(items)) if items.len() == types.len() => {
                Val::Tuple(self.items(items, |index| types.get(index))?)
            }
            (Type::Record(fields), Json::Object(members)) => {
                Val::Record(self.fields(fields, members, |field, val| (field.wit.to_string(), val))?)
            }
            (Type::Variant(cases), _) => self.variant(cases, ty, json)?,
            (Type::Enum(names), Json::String(name)) => {
                let index = self.names.index(names, name);
                Val::Enum(self.named(index.map(|_| name), ty, name, || names.iter().map(|name| &**name))?.to_string())
            }
            (Type::Flags(names), Json::Array(items)) => self.flags(names, ty, items)?,
            (Type::Result(sides), Json::Object(members)) => match members.as_slice() {
                [(name, payload)] if name == "ok" => {
                    Val::Result(Ok(self.side("ok", sides.ok.as_ref(), payload).ok()?))
                }
                [(name, payload)] if name == "err" => {
                    Val::Result(Err(self.side("err", sides.err.as_ref(), payload).ok()?))
                }
                _ => None.or_note(self, ty, json)?,
            },
            _ => None.or_note(self, ty, json)?,
        };
        Some(val)
    }

    fn items(&mut self, items: &'a [Json<'a>], ty: impl Fn(usize) -> Option<&'a Type>) -> Option<Vec<Val>> {
        let mut vals = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let ty = ty(index)?;
            if let Some(val) = self.within(Step::Index(index), |check| check.value(ty, item)) {
                vals.push(val);
            } else if self.full() {
                return None;
            }
        }
        (vals.len() == items.len()).then_some(vals)
    }

    /// What an option holds: the value itself, or a `some` around it where it is an option again.
    fn some(&mut self, inner: &'a Type, ty: &'a Type, json: &'a Json<'a>) -> Option<Val> {
        if !matches!(inner, Type::Option(_)) {
            return self.value(inner, json);
        }
        match json {
            Json::Object(members) => match members.as_slice() {
                [(name, inside)] if name == "some" => {
                    self.within(Step::Member("some"), |check| check.value(inner, inside))
                }
                _ => None.or_note(self, ty, json)?,
            },
            _ => None.or_note(self, ty, json)?,
        }
    }

    /// The payload of one side of a result, which may carry nothing.
    fn side(
        &mut self,
        name: &'static str,
        ty: Option<&'a Type>,
        payload: &'a Json<'a>,
    ) -> Result<Option<Box<Val>>, Noted> {
        self.within(Step::Member(name), |check| match (ty, payload) {
            (Some(ty), _) => check.value(ty, payload).map(|val| Some(Box::new(val))).ok_or(Noted),
            (None, Json::Null) => Ok(None),
            (None, _) => {
                check.problem(|| "null".to_owned(), payload);
                Err(Noted)
            }
        })
    }

    fn variant(&mut self, cases: &'a [Case], ty: &'a Type, json: &'a Json<'a>) -> Option<Val> {
        let (name, payload) = match json {
            Json::String(name) => (name, None),
            Json::Object(members) => match members.as_slice() {
                [(name, payload)] => (name, Some(payload)),
                _ => None.or_note(self, ty, json)?,
            },
            _ => None.or_note(self, ty, json)?,
        };
        let case = self.names.case(cases, name).and_then(|index| cases.get(index));
        let case = self.named(case, ty, name, || cases.iter().map(|case| &*case.name))?;
        let val = match (&case.payload, payload) {
            (None, None) => None,
            (Some(ty), Some(payload)) => {
                Some(Box::new(self.within(Step::Member(&case.name), |check| check.value(ty, payload))?))
            }
            (Some(ty), None) => {
                self.problem(|| format!("{{\"{}\": …}} with {}", case.name, expected(ty)), json);
                return None;
            }
            (None, Some(_)) => {
                self.problem(|| format!("\"{}\", which carries nothing", case.name), json);
                return None;
            }
        };
        Some(Val::Variant(case.name.to_string(), val))
    }

    fn flags(&mut self, names: &'a [std::sync::Arc<str>], ty: &'a Type, items: &'a [Json<'a>]) -> Option<Val> {
        let mut set = vec![false; names.len()];
        let mut sound = true;
        for (at, item) in items.iter().enumerate() {
            sound &= self
                .within(Step::Index(at), |check| {
                    let Json::String(name) = item else {
                        check.problem(|| "the name of a flag".to_owned(), item);
                        return None;
                    };
                    let index = check.names.index(names, name);
                    let index = check.named(index, ty, name, || names.iter().map(|name| &**name))?;
                    check.take(1)?;
                    if std::mem::replace(set.get_mut(index)?, true) {
                        check.problem(|| "each flag at most once".to_owned(), item);
                        return None;
                    }
                    Some(())
                })
                .is_some();
            if self.full() {
                return None;
            }
        }
        let on = names.iter().zip(&set).filter(|(_, on)| **on).map(|(name, _)| name.to_string());
        sound.then(|| Val::Flags(on.collect()))
    }

    /// What a name stands for, or a problem with the nearest name that would have been valid.
    fn named<'n, T, I: Iterator<Item = &'n str>>(
        &mut self,
        meant: Option<T>,
        ty: &Type,
        name: &str,
        valid: impl FnOnce() -> I,
    ) -> Option<T> {
        if meant.is_none() && !self.full() {
            self.problems.push(Problem {
                pointer: self.pointer(),
                expected: expected(ty),
                found: Some(expect::quoted(name)),
                nearest: nearest(name, valid()),
            });
        }
        meant
    }

    /// The JSON pointer (RFC 6901) of the place.
    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for step in &self.path {
            pointer.push('/');
            match step {
                Step::Index(index) => pointer.push_str(&index.to_string()),
                Step::Member(name) if name.contains(['~', '/']) => {
                    pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
                }
                Step::Member(name) => pointer.push_str(name),
            }
        }
        pointer
    }
}

/// Notes a problem where there is no value.
trait OrNote<T> {
    fn or_note(self, check: &mut Check<'_>, ty: &Type, json: &Json<'_>) -> Option<T>;
}

impl<T> OrNote<T> for Option<T> {
    fn or_note(self, check: &mut Check<'_>, ty: &Type, json: &Json<'_>) -> Option<T> {
        if self.is_none() {
            check.problem(|| expected(ty), json);
        }
        self
    }
}

fn integer(int: Int, json: &Json<'_>) -> Option<Val> {
    let value = number::integer(json, int)?;
    // `number::integer` has checked the range, so each of these conversions succeeds.
    match int {
        Int::U8 => u8::try_from(value).ok().map(Val::U8),
        Int::U16 => u16::try_from(value).ok().map(Val::U16),
        Int::U32 => u32::try_from(value).ok().map(Val::U32),
        Int::U64 => u64::try_from(value).ok().map(Val::U64),
        Int::S8 => i8::try_from(value).ok().map(Val::S8),
        Int::S16 => i16::try_from(value).ok().map(Val::S16),
        Int::S32 => i32::try_from(value).ok().map(Val::S32),
        Int::S64 => i64::try_from(value).ok().map(Val::S64),
    }
}

fn single(text: &str) -> Option<char> {
    let mut characters = text.chars();
    characters.next().filter(|_| characters.next().is_none())
}
