//! The validator's types as the tree that everything else walks.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use toolcell_core::types::{Case, Field, Int, ResultType, Signature, Type};
use wasmparser::PrimitiveValType;
use wasmparser::component_types::{
    ComponentDefinedType, ComponentDefinedTypeId, ComponentFuncTypeId, ComponentValType,
};
use wasmparser::types::TypesRef;

use super::NotCallable;

/// The most nodes of one signature, shared ones counted each time. WIT types share their parts, so a few hundred bytes can
/// expand to a million nodes, and every schema is written out in full.
pub(crate) const MAX_NODES: u32 = 10_000;

/// The deepest nesting of one signature. Every walk over a type or a value recurses at most this deep.
pub(crate) const MAX_TYPE_DEPTH: u32 = 64;

/// Converts types, each only once however often it is used.
pub(crate) struct Converter<'a> {
    types: TypesRef<'a>,
    done: HashMap<ComponentDefinedTypeId, Converted>,
}

/// A type with its full, expanded size.
#[derive(Clone)]
struct Converted {
    ty: Type,
    nodes: u32,
    depth: u32,
    flaw: Option<Flaw>,
}

/// Why a type has no JSON form; reads on from "its result needs".
#[derive(Clone, Copy)]
enum Flaw {
    Unsupported(&'static str),
    TooLarge,
    TooDeep,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(what) => write!(f, "{what}, which has no JSON form yet"),
            Self::TooLarge => write!(f, "a type that expands to more than {MAX_NODES} parts"),
            Self::TooDeep => write!(f, "a type that is nested more than {MAX_TYPE_DEPTH} deep"),
        }
    }
}

impl<'a> Converter<'a> {
    pub(crate) fn new(types: TypesRef<'a>) -> Self {
        Self { types, done: HashMap::new() }
    }

    /// The signature of a function, or why it cannot be called.
    pub(crate) fn signature(&mut self, id: ComponentFuncTypeId) -> Result<Signature, NotCallable> {
        let types = self.types;
        let function = &types[id];
        if function.async_ {
            return Err(NotCallable { reason: "it is an async function, which needs WASI 0.3".to_owned() });
        }
        let mut nodes = 1_u32;
        let mut params = Vec::with_capacity(function.params.len());
        for (name, ty) in &function.params {
            let converted = self.value(*ty);
            if let Some(flaw) = converted.flaw {
                return Err(NotCallable { reason: format!("its parameter `{name}` needs {flaw}") });
            }
            nodes = nodes.saturating_add(converted.nodes);
            params.push(Field::new(name.as_str(), converted.ty));
        }
        let result = match function.result {
            None => None,
            Some(ty) => {
                let converted = self.value(ty);
                if let Some(flaw) = converted.flaw {
                    return Err(NotCallable { reason: format!("its result needs {flaw}") });
                }
                nodes = nodes.saturating_add(converted.nodes);
                Some(converted.ty)
            }
        };
        if nodes > MAX_NODES {
            return Err(NotCallable { reason: format!("its types expand to more than {MAX_NODES} parts") });
        }
        Ok(Signature { params: params.into(), result })
    }

    fn value(&mut self, ty: ComponentValType) -> Converted {
        match ty {
            ComponentValType::Primitive(primitive) => leaf(primitive_type(primitive)),
            ComponentValType::Type(id) => {
                if let Some(done) = self.done.get(&id) {
                    return done.clone();
                }
                // The validator refuses types nested deeper than 100, which bounds this recursion.
                let converted = self.defined(id);
                self.done.insert(id, converted.clone());
                converted
            }
        }
    }

    fn defined(&mut self, id: ComponentDefinedTypeId) -> Converted {
        let types = self.types;
        match &types[id] {
            ComponentDefinedType::Primitive(primitive) => leaf(primitive_type(*primitive)),
            ComponentDefinedType::Record(record) => {
                let mut parts = Parts::default();
                let fields: Vec<Field> = record
                    .fields
                    .iter()
                    .map(|(name, ty)| Field::new(name.as_str(), parts.take(self.value(*ty))))
                    .collect();
                parts.whole(Type::Record(fields.into()))
            }
            ComponentDefinedType::Variant(variant) => {
                let mut parts = Parts::default();
                let cases: Vec<Case> = variant
                    .cases
                    .iter()
                    .map(|(name, case)| {
                        parts.nodes = parts.nodes.saturating_add(1);
                        Case { name: name.as_str().into(), payload: case.ty.map(|ty| parts.take(self.value(ty))) }
                    })
                    .collect();
                parts.whole(Type::Variant(cases.into()))
            }
            ComponentDefinedType::List { element, .. } => {
                let mut parts = Parts::default();
                match parts.take(self.value(*element)) {
                    Type::Int(Int::U8) => leaf(Type::Bytes),
                    element => parts.whole(Type::List(Arc::new(element))),
                }
            }
            ComponentDefinedType::Tuple(tuple) => {
                let mut parts = Parts::default();
                let items: Vec<Type> = tuple.types.iter().map(|ty| parts.take(self.value(*ty))).collect();
                parts.whole(Type::Tuple(items.into()))
            }
            ComponentDefinedType::Flags(names) => {
                names_type(names.iter().map(|name| name.as_str().into()), Type::Flags)
            }
            ComponentDefinedType::Enum(names) => names_type(names.iter().map(|name| name.as_str().into()), Type::Enum),
            ComponentDefinedType::Option { ty, .. } => {
                let mut parts = Parts::default();
                let inner = parts.take(self.value(*ty));
                parts.whole(Type::Option(Arc::new(inner)))
            }
            ComponentDefinedType::Result { ok, err, .. } => {
                let mut parts = Parts::default();
                let ok = ok.map(|ty| parts.take(self.value(ty)));
                let err = err.map(|ty| parts.take(self.value(ty)));
                parts.whole(Type::Result(Arc::new(ResultType { ok, err })))
            }
            ComponentDefinedType::Map { .. } => leaf(Type::Unsupported("a map")),
            ComponentDefinedType::FixedLengthList { .. } => leaf(Type::Unsupported("a list of fixed length")),
            ComponentDefinedType::Own(_) | ComponentDefinedType::Borrow(_) => {
                leaf(Type::Unsupported("a resource handle"))
            }
            ComponentDefinedType::Future { .. } => leaf(Type::Unsupported("a future")),
            ComponentDefinedType::Stream { .. } => leaf(Type::Unsupported("a stream")),
        }
    }
}

/// What the parts of a type add up to.
#[derive(Default)]
struct Parts {
    nodes: u32,
    depth: u32,
    flaw: Option<Flaw>,
}

impl Parts {
    fn take(&mut self, part: Converted) -> Type {
        self.nodes = self.nodes.saturating_add(part.nodes);
        self.depth = self.depth.max(part.depth);
        self.flaw = self.flaw.or(part.flaw);
        part.ty
    }

    fn whole(self, ty: Type) -> Converted {
        let nodes = self.nodes.saturating_add(1);
        let depth = self.depth.saturating_add(1);
        let flaw = self.flaw.or(match () {
            () if nodes > MAX_NODES => Some(Flaw::TooLarge),
            () if depth > MAX_TYPE_DEPTH => Some(Flaw::TooDeep),
            () => None,
        });
        // A flawed type is never walked, so its parts are dropped here and nothing can grow on them.
        match flaw {
            None => Converted { ty, nodes, depth, flaw },
            Some(_) => Converted { ty: Type::Unsupported("a part without a JSON form"), nodes: 1, depth: 1, flaw },
        }
    }
}

fn leaf(ty: Type) -> Converted {
    let flaw = match ty {
        Type::Unsupported(what) => Some(Flaw::Unsupported(what)),
        _ => None,
    };
    Converted { ty, nodes: 1, depth: 1, flaw }
}

fn names_type(names: impl Iterator<Item = Arc<str>>, make: impl FnOnce(Arc<[Arc<str>]>) -> Type) -> Converted {
    let names: Arc<[Arc<str>]> = names.collect();
    let parts = Parts { nodes: u32::try_from(names.len()).unwrap_or(u32::MAX), ..Parts::default() };
    parts.whole(make(names))
}

fn primitive_type(primitive: PrimitiveValType) -> Type {
    match primitive {
        PrimitiveValType::Bool => Type::Bool,
        PrimitiveValType::S8 => Type::Int(Int::S8),
        PrimitiveValType::U8 => Type::Int(Int::U8),
        PrimitiveValType::S16 => Type::Int(Int::S16),
        PrimitiveValType::U16 => Type::Int(Int::U16),
        PrimitiveValType::S32 => Type::Int(Int::S32),
        PrimitiveValType::U32 => Type::Int(Int::U32),
        PrimitiveValType::S64 => Type::Int(Int::S64),
        PrimitiveValType::U64 => Type::Int(Int::U64),
        PrimitiveValType::F32 => Type::F32,
        PrimitiveValType::F64 => Type::F64,
        PrimitiveValType::Char => Type::Char,
        PrimitiveValType::String => Type::String,
        PrimitiveValType::ErrorContext => Type::Unsupported("an error context"),
    }
}
