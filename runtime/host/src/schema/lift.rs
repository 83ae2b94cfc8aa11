//! Results out: the engine's values written straight as JSON text.
//!
//! There is no tree in between. The text is what the schema of the result promises, numbers in one canonical spelling, and
//! writing stops at once where it would go over its bounds. Only what JSON demands is escaped: a result is data, and whoever
//! shows it to a terminal makes it inert there.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use toolcell_core::limits::Limit;
use toolcell_core::types::{Field, MAX_SAFE_INTEGER, Type};
use wasmtime::component::Val;

use super::names::Names;

/// What a result may cost.
#[derive(Clone, Copy, Debug)]
pub struct LiftBounds {
    /// Bytes of JSON text.
    pub bytes: u64,
    /// Values of any type, the names of members not counted.
    pub values: u64,
}

/// A value that was not written to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LiftError {
    /// The text or its values go over a bound.
    #[error("the result is over the limit `{}` of {}", .limit.row().name, .limit.show(*.value))]
    Over {
        /// [`Limit::ResultBytes`] or [`Limit::ResultValues`].
        limit: Limit,
        /// Its value.
        value: u64,
    },
    /// The value is not of the type that the component declares. The engine checks that, so this is a fault of the host.
    #[error("the engine gave a value that is not of the declared type")]
    Mismatch,
}

/// Appends the JSON text of a value to `out`. The bounds hold for this value alone, whatever stands in `out` before.
///
/// # Errors
/// See [`LiftError`]; `out` then holds a part of the text, at most a few bytes longer than the bound.
pub fn lift(ty: &Type, val: &Val, bounds: LiftBounds, out: &mut String) -> Result<(), LiftError> {
    let end = usize::try_from(bounds.bytes).unwrap_or(usize::MAX).saturating_add(out.len());
    let mut writer = Writer { out, end, values: bounds.values, bounds, names: Names::default() };
    writer.value(ty, val)?;
    writer.fits(0)
}

/// Appends base64 text in quotes.
pub(crate) fn lift_bytes(bytes: &[u8], bounds: LiftBounds, out: &mut String) -> Result<(), LiftError> {
    let length = base64::encoded_len(bytes.len(), true).unwrap_or(usize::MAX).saturating_add(2);
    if length as u64 > bounds.bytes {
        return Err(LiftError::Over { limit: Limit::ResultBytes, value: bounds.bytes });
    }
    out.reserve_exact(length);
    out.push('"');
    STANDARD.encode_string(bytes, out);
    out.push('"');
    Ok(())
}

/// Appends a string in quotes, escaped as JSON demands (RFC 8259, section 7) and no further.
pub(crate) fn lift_string(text: &str, bounds: LiftBounds, out: &mut String) -> Result<(), LiftError> {
    let end = usize::try_from(bounds.bytes).unwrap_or(usize::MAX).saturating_add(out.len());
    let mut writer = Writer { out, end, values: bounds.values, bounds, names: Names::default() };
    writer.string(text)
}

struct Writer<'a, 't> {
    out: &'a mut String,
    /// The length at which `out` is full.
    end: usize,
    values: u64,
    bounds: LiftBounds,
    /// A guest chooses how many cases a variant has and how often it returns one.
    names: Names<'t>,
}

impl<'t> Writer<'_, 't> {
    /// Refuses to write more than there is room for.
    fn fits(&self, more: usize) -> Result<(), LiftError> {
        if self.out.len().saturating_add(more) > self.end {
            return Err(LiftError::Over { limit: Limit::ResultBytes, value: self.bounds.bytes });
        }
        Ok(())
    }

    fn value(&mut self, ty: &'t Type, val: &Val) -> Result<(), LiftError> {
        self.values = self
            .values
            .checked_sub(1)
            .ok_or(LiftError::Over { limit: Limit::ResultValues, value: self.bounds.values })?;
        // A scalar other than a string is at most 26 bytes long, so this much may be written before the next look.
        self.fits(1)?;
        match (ty, val) {
            (Type::Bool, Val::Bool(value)) => self.out.push_str(if *value { "true" } else { "false" }),
            (Type::Int(_), Val::U8(value)) => self.integer((*value).into()),
            (Type::Int(_), Val::U16(value)) => self.integer((*value).into()),
            (Type::Int(_), Val::U32(value)) => self.integer((*value).into()),
            (Type::Int(_), Val::S8(value)) => self.integer((*value).into()),
            (Type::Int(_), Val::S16(value)) => self.integer((*value).into()),
            (Type::Int(_), Val::S32(value)) => self.integer((*value).into()),
            (Type::Int(_), Val::S64(value)) => self.wide((*value).into()),
            (Type::Int(_), Val::U64(value)) => self.wide((*value).into()),
            (Type::F32, Val::Float32(value)) => self.float((*value).into(), value),
            (Type::F64, Val::Float64(value)) => self.float(*value, value),
            (Type::Char, Val::Char(value)) => self.string(value.encode_utf8(&mut [0; 4]))?,
            (Type::String, Val::String(text)) => self.string(text)?,
            (Type::Bytes, Val::List(items)) => self.bytes(items)?,
            (Type::List(element), Val::List(items)) => {
                self.sequence(items.iter().map(|item| (&**element, item)))?;
            }
            (Type::Tuple(types), Val::Tuple(items)) if types.len() == items.len() => {
                self.sequence(types.iter().zip(items))?;
            }
            (Type::Option(_), Val::Option(None)) => self.out.push_str("null"),
            (Type::Option(inner), Val::Option(Some(val))) if matches!(**inner, Type::Option(_)) => {
                self.member("some", Some(inner), Some(val))?;
            }
            (Type::Option(inner), Val::Option(Some(val))) => {
                // The option itself is no value in JSON.
                self.values = self.values.saturating_add(1);
                self.value(inner, val)?;
            }
            (Type::Record(fields), Val::Record(vals)) => self.record(fields, vals)?,
            (Type::Variant(cases), Val::Variant(name, payload)) => match payload {
                None => self.string(name)?,
                Some(val) => {
                    let case = self.names.case(cases, name).and_then(|index| cases.get(index));
                    let case = case.ok_or(LiftError::Mismatch)?;
                    self.member(name, case.payload.as_ref(), Some(val))?;
                }
            },
            (Type::Enum(_), Val::Enum(name)) => self.string(name)?,
            (Type::Flags(_), Val::Flags(names)) => {
                self.out.push('[');
                for (index, name) in names.iter().enumerate() {
                    if index > 0 {
                        self.out.push(',');
                    }
                    self.string(name)?;
                }
                self.out.push(']');
            }
            (Type::Result(sides), Val::Result(Ok(val))) => self.member("ok", sides.ok.as_ref(), val.as_deref())?,
            (Type::Result(sides), Val::Result(Err(val))) => self.member("err", sides.err.as_ref(), val.as_deref())?,
            _ => return Err(LiftError::Mismatch),
        }
        Ok(())
    }

    /// An object of one member; no payload is null.
    fn member(&mut self, name: &str, ty: Option<&'t Type>, val: Option<&Val>) -> Result<(), LiftError> {
        self.out.push('{');
        self.string(name)?;
        self.out.push(':');
        match (ty, val) {
            (Some(ty), Some(val)) => self.value(ty, val)?,
            (None, None) => self.out.push_str("null"),
            _ => return Err(LiftError::Mismatch),
        }
        self.out.push('}');
        Ok(())
    }

    fn record(&mut self, fields: &'t [Field], vals: &[(String, Val)]) -> Result<(), LiftError> {
        if fields.len() != vals.len() {
            return Err(LiftError::Mismatch);
        }
        self.out.push('{');
        for (index, (field, (name, val))) in fields.iter().zip(vals).enumerate() {
            if *field.wit != **name {
                return Err(LiftError::Mismatch);
            }
            self.fits(field.json.len())?;
            self.out.push_str(if index > 0 { ",\"" } else { "\"" });
            // A WIT identifier in snake_case holds letters, digits and underscores alone: nothing to escape.
            self.out.push_str(&field.json);
            self.out.push_str("\":");
            self.value(&field.ty, val)?;
        }
        self.out.push('}');
        Ok(())
    }

    fn sequence<'v>(&mut self, items: impl Iterator<Item = (&'t Type, &'v Val)>) -> Result<(), LiftError> {
        self.out.push('[');
        for (index, (ty, val)) in items.enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            self.value(ty, val)?;
        }
        self.out.push(']');
        Ok(())
    }

    fn bytes(&mut self, items: &[Val]) -> Result<(), LiftError> {
        let bytes: Option<Vec<u8>> = items
            .iter()
            .map(|item| match item {
                Val::U8(byte) => Some(*byte),
                _ => None,
            })
            .collect();
        let bytes = bytes.ok_or(LiftError::Mismatch)?;
        let room = self.end.saturating_sub(self.out.len()) as u64;
        lift_bytes(&bytes, LiftBounds { bytes: room, values: 1 }, self.out)
            .map_err(|_| LiftError::Over { limit: Limit::ResultBytes, value: self.bounds.bytes })
    }

    fn integer(&mut self, value: i64) {
        write!(self.out, "{value}").expect("writing to a string does not fail");
    }

    /// Beyond 2^53 - 1 as a decimal string, since many readers would round the number.
    fn wide(&mut self, value: i128) {
        match i64::try_from(value) {
            Ok(value) if i128::from(value).abs() <= MAX_SAFE_INTEGER => self.integer(value),
            _ => write!(self.out, "\"{value}\"").expect("writing to a string does not fail"),
        }
    }

    /// The shortest text that reads back as the same number of the same width; `shown` is the value in its own width.
    fn float(&mut self, value: f64, shown: &impl std::fmt::Debug) {
        if value.is_finite() {
            write!(self.out, "{shown:?}").expect("writing to a string does not fail");
        } else if value.is_nan() {
            self.out.push_str("\"NaN\"");
        } else {
            self.out.push_str(if value > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" });
        }
    }

    fn string(&mut self, text: &str) -> Result<(), LiftError> {
        self.fits(text.len() + 2)?;
        self.out.reserve(text.len() + 2);
        self.out.push('"');
        let mut rest = text;
        loop {
            let plain = plain_length(rest.as_bytes());
            self.out.push_str(&rest[..plain]);
            // Every byte that is escaped is ASCII, so both cuts fall between characters.
            let Some(byte) = rest.as_bytes().get(plain) else { break };
            match byte {
                b'"' => self.out.push_str("\\\""),
                b'\\' => self.out.push_str("\\\\"),
                b'\n' => self.out.push_str("\\n"),
                b'\r' => self.out.push_str("\\r"),
                b'\t' => self.out.push_str("\\t"),
                8 => self.out.push_str("\\b"),
                12 => self.out.push_str("\\f"),
                byte => write!(self.out, "\\u{byte:04x}").expect("writing to a string does not fail"),
            }
            rest = &rest[plain + 1..];
            // Escapes are longer than what they stand for, so the room is looked at again.
            self.fits(rest.len() + 1)?;
        }
        self.out.push('"');
        Ok(())
    }
}

/// How many bytes at the start need no escape.
fn plain_length(bytes: &[u8]) -> usize {
    const CHUNK: usize = 32;
    let escaped = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    let mut length = 0;
    // Without an early exit inside a chunk the compiler looks at all of it at once.
    for chunk in bytes.chunks_exact(CHUNK) {
        if chunk.iter().fold(false, |any, byte| any | escaped(*byte)) {
            break;
        }
        length += CHUNK;
    }
    length + bytes[length..].iter().position(|byte| escaped(*byte)).unwrap_or(bytes.len() - length)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use toolcell_core::types::{Case, Int};

    use super::*;

    fn text(ty: &Type, val: &Val, bytes: u64, values: u64) -> Result<String, LiftError> {
        let mut out = String::new();
        lift(ty, val, LiftBounds { bytes, values }, &mut out).map(|()| out)
    }

    fn list(ty: Type) -> Type {
        Type::List(Arc::new(ty))
    }

    #[test]
    fn bounds_are_met_to_the_byte_and_to_the_value() {
        let over = |limit, value| Err(LiftError::Over { limit, value });
        for (ty, val, length, values) in [
            (Type::String, Val::String("ab\n\u{1}é".into()), 14, 1),
            (Type::Bytes, Val::List(vec![Val::U8(1); 4]), 10, 1),
            (Type::Int(Int::U64), Val::U64(u64::MAX), 22, 1),
            (Type::F64, Val::Float64(-f64::MIN_POSITIVE), 24, 1),
            (list(Type::Bool), Val::List(vec![Val::Bool(true); 3]), 16, 4),
            (list(list(Type::Char)), Val::List(vec![Val::List(vec![]); 2]), 7, 3),
            (Type::Option(Arc::new(Type::Bool)), Val::Option(None), 4, 1),
            (Type::Option(Arc::new(Type::Bool)), Val::Option(Some(Box::new(Val::Bool(false)))), 5, 1),
        ] {
            let whole = text(&ty, &val, length, values).unwrap_or_else(|error| panic!("{val:?}: {error}"));
            assert_eq!(whole.len() as u64, length, "{whole}");
            assert_eq!(text(&ty, &val, length - 1, values), over(Limit::ResultBytes, length - 1), "{whole}");
            assert_eq!(text(&ty, &val, length, values - 1), over(Limit::ResultValues, values - 1), "{whole}");
        }
    }

    #[test]
    fn writing_stops_at_the_bound_whatever_the_size() {
        let mut out = String::new();
        let bounds = LiftBounds { bytes: 1_000, values: 1_000_000 };
        let huge = Val::List(vec![Val::String("x".repeat(300)); 100_000]);
        assert!(lift(&list(Type::String), &huge, bounds, &mut out).is_err());
        assert!(out.len() <= 1_040 && out.capacity() < 10_000, "{} of {}", out.len(), out.capacity());
        assert!(lift(&Type::String, &Val::String("\u{0}".repeat(10_000_000)), bounds, &mut out).is_err());
        assert!(out.capacity() < 10_000);
    }

    #[test]
    fn a_huge_variant_in_a_huge_list_is_written_in_linear_time() {
        let cases: Vec<Case> =
            (0..10_000).map(|n| Case { name: format!("case-{n}").into(), payload: Some(Type::Bool) }).collect();
        let vals = vec![Val::Variant("case-9999".into(), Some(Box::new(Val::Bool(true)))); 500_000];
        let started = Instant::now();
        assert!(text(&list(Type::Variant(cases.into())), &Val::List(vals), 1 << 28, 10_000_000).is_ok());
        assert!(started.elapsed() < Duration::from_secs(20), "took {:?}", started.elapsed());
    }

    #[test]
    fn a_value_of_another_type_is_named_a_mismatch() {
        for (ty, val) in [
            (Type::Bool, Val::U8(1)),
            (Type::Bytes, Val::List(vec![Val::U16(1)])),
            (Type::Tuple([Type::Bool].into()), Val::Tuple(vec![])),
            (Type::Record([Field::new("a", Type::Bool)].into()), Val::Record(vec![("b".into(), Val::Bool(true))])),
            (Type::Unsupported("a stream"), Val::Bool(true)),
        ] {
            assert_eq!(text(&ty, &val, 100, 100), Err(LiftError::Mismatch), "{ty:?}");
        }
    }

    #[test]
    fn strings_are_escaped_wherever_the_escape_falls() {
        for length in 0..100 {
            for special in ["\"", "\\", "\n", "\u{1f}", "\u{8}\u{c}\r\t", "é", "\u{7f}"] {
                let mut original = "a".repeat(length);
                original.push_str(special);
                original.push_str(&"é".repeat(length / 2));
                let json = text(&Type::String, &Val::String(original.clone()), 10_000, 1).expect("fits");
                assert_eq!(serde_json::from_str::<String>(&json).expect("JSON"), original);
            }
        }
    }
}
