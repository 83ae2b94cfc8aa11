//! The shape of a tool's parameters and result: WIT's types as a tree, independent of any engine.
//!
//! The tree comes from the component's own binary. JSON Schema, argument checks and conversions all walk it.

use std::sync::Arc;

/// A WIT type. Named types are expanded where they are used: WIT types cannot be recursive.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// `bool`
    Bool,
    /// An integer of the given width and sign.
    Int(Int),
    /// `f32`
    F32,
    /// `f64`
    F64,
    /// `char`
    Char,
    /// `string`
    String,
    /// `list<u8>`: base64 in JSON.
    Bytes,
    /// `list<T>` of anything but `u8`.
    List(Arc<Type>),
    /// `option<T>`
    Option(Arc<Type>),
    /// `tuple<…>`
    Tuple(Arc<[Type]>),
    /// `record`
    Record(Arc<[Field]>),
    /// `variant`
    Variant(Arc<[Case]>),
    /// `enum`; the case names.
    Enum(Arc<[Arc<str>]>),
    /// `flags`; the flag names.
    Flags(Arc<[Arc<str>]>),
    /// `result<ok, err>`
    Result(Arc<ResultType>),
    /// A type that has no JSON form yet; the text says which: "a resource handle", "a stream", "a future", "a map", …
    Unsupported(&'static str),
}

/// An integer type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Int {
    U8,
    U16,
    U32,
    U64,
    S8,
    S16,
    S32,
    S64,
}

impl Int {
    /// The smallest and the largest value.
    pub const fn range(self) -> (i128, i128) {
        match self {
            Self::U8 => (0, u8::MAX as i128),
            Self::U16 => (0, u16::MAX as i128),
            Self::U32 => (0, u32::MAX as i128),
            Self::U64 => (0, u64::MAX as i128),
            Self::S8 => (i8::MIN as i128, i8::MAX as i128),
            Self::S16 => (i16::MIN as i128, i16::MAX as i128),
            Self::S32 => (i32::MIN as i128, i32::MAX as i128),
            Self::S64 => (i64::MIN as i128, i64::MAX as i128),
        }
    }

    /// The WIT name.
    pub const fn wit(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::S8 => "s8",
            Self::S16 => "s16",
            Self::S32 => "s32",
            Self::S64 => "s64",
        }
    }
}

/// The largest integer that every JSON reader keeps exact: 2^53 - 1 (RFC 8259, section 6).
pub const MAX_SAFE_INTEGER: i128 = (1 << 53) - 1;

/// A field of a record, or a parameter of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// The name as WIT has it: kebab-case. The engine wants this one.
    pub wit: Arc<str>,
    /// The name in JSON: `snake_case`.
    pub json: Arc<str>,
    /// Its type.
    pub ty: Type,
}

impl Field {
    /// A field by its WIT name.
    pub fn new(wit: &str, ty: Type) -> Self {
        Self { wit: wit.into(), json: snake_case(wit).into(), ty }
    }
}

/// A case of a variant.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The name, kebab-case in WIT and in JSON.
    pub name: Arc<str>,
    /// What it carries.
    pub payload: Option<Type>,
}

/// Both sides of a `result`.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultType {
    /// The type of success; none for `result<_, E>`.
    pub ok: Option<Type>,
    /// The type of failure; none for `result<T>`.
    pub err: Option<Type>,
}

/// The signature of an exported function.
#[derive(Clone, Debug, PartialEq)]
pub struct Signature {
    /// Parameters in order.
    pub params: Arc<[Field]>,
    /// What it returns; none where it returns nothing.
    pub result: Option<Type>,
}

/// A WIT identifier as a JSON name: `max-items` becomes `max_items`; letters keep their case (WIT allows `URL-of`).
pub fn snake_case(wit: &str) -> String {
    wit.replace('-', "_")
}
