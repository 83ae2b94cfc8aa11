//! JSON Schema 2020-12 for arguments and results.
//!
//! A schema is sent to a model with each call, so each is as small as it can be while it still says everything that the
//! check of arguments will demand. Two things a schema of reasonable size cannot say, and the check still refuses: a
//! decimal string beyond 64 bits, and a string that is not base64.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use toolcell_core::docs::ToolDocs;
use toolcell_core::types::{Case, Field, Int, MAX_SAFE_INTEGER, Signature, Type};

use super::inert::inert_lines;
use super::lower::number::MAX_F32;

/// The longest description that goes into a schema, in bytes. Whoever calls a tool pays for each of them.
pub const MAX_DESCRIPTION: usize = 2_048;

/// The schema of a tool's arguments: an object with one member for each parameter.
pub fn input_schema(signature: &Signature, docs: Option<&ToolDocs>) -> Value {
    let mut writer = Writer { docs, path: "params".to_owned() };
    Value::Object(writer.object(&signature.params))
}

/// The schema of what a call gives when it completes. The error side of a `result` at the top is a failure, not a value, and is
/// left out.
pub fn output_schema(signature: &Signature, docs: Option<&ToolDocs>) -> Value {
    let mut writer = Writer { docs, path: "result".to_owned() };
    let ty = match &signature.result {
        Some(Type::Result(sides)) => sides.ok.as_ref(),
        other => other.as_ref(),
    };
    Value::Object(ty.map_or_else(null, |ty| writer.described(ty)))
}

/// Writes schemas while it keeps the place, in the path grammar of [`ToolDocs::at`].
struct Writer<'a> {
    docs: Option<&'a ToolDocs>,
    path: String,
}

type Schema = Map<String, Value>;

impl Writer<'_> {
    /// Does something one step further down.
    fn at<T>(&mut self, step: &str, then: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        if self.docs.is_some() {
            self.path.push('/');
            self.path.push_str(step);
        }
        let result = then(self);
        self.path.truncate(length);
        result
    }

    fn description(&self) -> Option<String> {
        let text = self.docs?.at.get(&self.path)?.trim();
        (!text.is_empty()).then(|| inert_lines(text, MAX_DESCRIPTION))
    }

    /// The schema of a type at this place, with its description.
    fn described(&mut self, ty: &Type) -> Schema {
        let mut schema = self.ty(ty);
        if let Some(text) = self.description() {
            schema.insert("description".to_owned(), text.into());
        }
        schema
    }

    fn ty(&mut self, ty: &Type) -> Schema {
        match ty {
            Type::Bool => of_type("boolean"),
            Type::Int(int) => integer(*int),
            Type::F32 => float(Some(MAX_F32)),
            Type::F64 => float(None),
            Type::Char => schema(json!({"type": "string", "minLength": 1, "maxLength": 1})),
            Type::String => of_type("string"),
            Type::Bytes => schema(json!({"type": "string", "contentEncoding": "base64"})),
            Type::List(element) => {
                let items = self.at("[]", |writer| writer.described(element));
                schema(json!({"type": "array", "items": items}))
            }
            Type::Option(inner) => match **inner {
                // An option in an option needs a form in which "there, but none" differs from "not there".
                Type::Option(_) => {
                    let some = self.ty(inner);
                    nullable(one_member("some", &some))
                }
                _ => nullable(self.ty(inner)),
            },
            Type::Tuple(items) => self.tuple(items),
            Type::Record(fields) => self.object(fields),
            Type::Variant(cases) => self.variant(cases),
            Type::Enum(names) => self.names(names.iter().map(|name| &**name)),
            Type::Flags(names) => {
                let items = self.names(names.iter().map(|name| &**name));
                schema(json!({"type": "array", "items": items, "uniqueItems": true}))
            }
            Type::Result(sides) => {
                let ok = self.side("ok", sides.ok.as_ref());
                let err = self.side("err", sides.err.as_ref());
                schema(json!({"oneOf": [ok, err]}))
            }
            // A signature with such a type is not callable and has no schema; nothing is a value of it.
            Type::Unsupported(_) => schema(json!({"not": {}})),
        }
    }

    fn side(&mut self, name: &str, ty: Option<&Type>) -> Schema {
        let inner = self.at(name, |writer| ty.map_or_else(null, |ty| writer.described(ty)));
        one_member(name, &inner)
    }

    fn object(&mut self, fields: &[Field]) -> Schema {
        let mut properties = Map::with_capacity(fields.len());
        let mut required = Vec::new();
        for field in fields {
            let inner = self.at(&field.json, |writer| writer.described(&field.ty));
            properties.insert(field.json.to_string(), Value::Object(inner));
            if !matches!(field.ty, Type::Option(_)) {
                required.push(Value::from(&*field.json));
            }
        }
        let mut object = of_type("object");
        object.insert("properties".to_owned(), Value::Object(properties));
        if !required.is_empty() {
            object.insert("required".to_owned(), required.into());
        }
        object.insert("additionalProperties".to_owned(), false.into());
        object
    }

    fn tuple(&mut self, items: &[Type]) -> Schema {
        let mut name = String::new();
        let mut prefix = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            name.clear();
            write!(name, "{index}").expect("writing to a string does not fail");
            prefix.push(Value::Object(self.at(&name, |writer| writer.described(item))));
        }
        schema(json!({"type": "array", "prefixItems": prefix, "items": false, "minItems": items.len()}))
    }

    /// A choice of names. Where one of them is described, each is a schema of its own, for `enum` has no place for descriptions.
    fn names<'n>(&mut self, names: impl Iterator<Item = &'n str> + Clone) -> Schema {
        let described: Vec<Value> = match self.docs {
            None => Vec::new(),
            Some(_) => names.clone().map(|name| self.constant(name)).collect(),
        };
        if described.iter().any(|schema| schema.get("description").is_some()) {
            return schema(json!({"oneOf": described}));
        }
        let names: Vec<Value> = names.map(Value::from).collect();
        schema(json!({"type": "string", "enum": names}))
    }

    fn constant(&mut self, name: &str) -> Value {
        let mut constant = schema(json!({"const": name}));
        if let Some(text) = self.at(name, |writer| writer.description()) {
            constant.insert("description".to_owned(), text.into());
        }
        Value::Object(constant)
    }

    fn variant(&mut self, cases: &[Case]) -> Schema {
        let bare = cases.iter().filter(|case| case.payload.is_none()).map(|case| &*case.name);
        let mut choices = Vec::new();
        if bare.clone().next().is_some() {
            let mut names = self.names(bare);
            match names.remove("oneOf") {
                Some(Value::Array(described)) => choices = described,
                _ => choices.push(Value::Object(names)),
            }
        }
        for case in cases {
            if let Some(payload) = &case.payload {
                let inner = self.at(&case.name, |writer| writer.described(payload));
                choices.push(Value::Object(one_member(&case.name, &inner)));
            }
        }
        match (choices.len(), choices.pop()) {
            (1, Some(Value::Object(only))) => only,
            (_, last) => {
                choices.extend(last);
                schema(json!({"oneOf": choices}))
            }
        }
    }
}

fn schema(value: Value) -> Schema {
    match value {
        Value::Object(map) => map,
        _ => Schema::new(),
    }
}

fn of_type(name: &str) -> Schema {
    schema(json!({"type": name}))
}

fn null() -> Schema {
    of_type("null")
}

/// An object of exactly one member.
fn one_member(name: &str, inner: &Schema) -> Schema {
    schema(json!({"type": "object", "properties": {name: inner}, "required": [name], "additionalProperties": false}))
}

/// The same schema, which also takes null.
///
/// Keywords speak only of values of their own type, so where the type is named, null is one more type. Otherwise it is one more choice.
fn nullable(mut inner: Schema) -> Schema {
    if let Some(choices) = inner.get_mut("oneOf").and_then(Value::as_array_mut) {
        choices.push(Value::Object(null()));
        return inner;
    }
    if let Some(names) = inner.get_mut("enum").and_then(Value::as_array_mut) {
        names.push(Value::Null);
    }
    match inner.get_mut("type") {
        Some(Value::Array(types)) => types.push("null".into()),
        Some(ty) => *ty = Value::Array(vec![ty.take(), "null".into()]),
        None => {
            // Only an unsupported type has neither: nothing but null is left of it.
            return null();
        }
    }
    inner
}

/// A range; 64 bits may also come as a decimal string, for readers that keep only 53 bits of a number.
fn integer(int: Int) -> Schema {
    let (least, most) = int.range();
    // Every bound of a WIT integer fits one of the two.
    let bound = |value: i128| {
        i64::try_from(value).map_or_else(|_| json!(u64::try_from(value).unwrap_or(u64::MAX)), |n| json!(n))
    };
    let mut schema = schema(json!({"type": "integer", "minimum": bound(least), "maximum": bound(most)}));
    if most > MAX_SAFE_INTEGER {
        schema.insert("type".to_owned(), json!(["integer", "string"]));
        let pattern = if least < 0 { "^-?(0|[1-9][0-9]{0,18})$" } else { "^(0|[1-9][0-9]{0,19})$" };
        schema.insert("pattern".to_owned(), pattern.into());
    }
    schema
}

fn float(largest: Option<f64>) -> Schema {
    let mut schema = schema(json!({"type": ["number", "string"], "pattern": "^(NaN|-?Infinity)$"}));
    if let Some(largest) = largest {
        schema.insert("minimum".to_owned(), json!(-largest));
        schema.insert("maximum".to_owned(), json!(largest));
    }
    schema
}
