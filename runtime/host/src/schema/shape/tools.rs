//! Exports as tools: which function is called what, and which names cannot be tools.

use std::collections::HashMap;

use toolcell_core::tool::{MAX_COMPONENT_NAME, MAX_TOOL_ID};
use wasmparser::WasmFeatures;
use wasmparser::component_types::{ComponentEntityType, ComponentFuncTypeId};
use wasmparser::names::{ComponentName, ComponentNameKind};
use wasmparser::types::TypesRef;

use super::convert::Converter;
use super::scan::kind_of;
use super::{Export, NotCallable, OtherExport, ShapeError, caps};
use crate::schema::inert::inert;

pub(crate) struct Exports {
    pub(crate) functions: Vec<Export>,
    pub(crate) others: Vec<OtherExport>,
}

/// Lists the exported functions of a component, and what else it exports.
pub(crate) fn exports(names: &[&str], types: TypesRef<'_>) -> Result<Exports, ShapeError> {
    let mut list = List { converter: Converter::new(types), functions: Vec::new(), others: Vec::new() };
    for name in names {
        let Some(item) = types.component_item_for_export(name) else { continue };
        match &item.ty {
            ComponentEntityType::Func(id) => list.function(None, name, *id)?,
            ComponentEntityType::Instance(id) => {
                let mut functions = 0_usize;
                for (inner, item) in &types[*id].exports {
                    caps::NAME_BYTES.check(inner.len() as u64)?;
                    match &item.ty {
                        ComponentEntityType::Func(id) => {
                            functions += 1;
                            list.function(Some(name), inner, *id)?;
                        }
                        // An interface's types are part of its functions' signatures, not exports that matter.
                        ComponentEntityType::Type { .. } => {}
                        other => list.other(&format!("{name}/{inner}"), kind_of(other))?,
                    }
                }
                if functions == 0 {
                    list.other(name, "interface")?;
                }
            }
            other => list.other(name, kind_of(other))?,
        }
    }
    refuse_shared_ids(&mut list.functions);
    Ok(Exports { functions: list.functions, others: list.others })
}

struct List<'a> {
    converter: Converter<'a>,
    functions: Vec<Export>,
    others: Vec<OtherExport>,
}

impl List<'_> {
    fn function(&mut self, instance: Option<&str>, name: &str, id: ComponentFuncTypeId) -> Result<(), ShapeError> {
        caps::TOOLS.check(self.functions.len() as u64 + 1)?;
        let interface = instance.map(interface_name);
        let (name_shown, odd) = match label(name) {
            Ok(()) => (name.to_owned(), None),
            Err(reason) => (sanitized(name), Some(reason)),
        };
        let (interface, odd_interface) = match interface {
            None => (None, None),
            Some(Ok(short)) => (Some(short), None),
            Some(Err(reason)) => (instance.map(sanitized), Some(reason)),
        };
        let length = name.len() + interface.as_ref().map_or(0, String::len) + 2;
        let signature = if let Some(reason) = odd.or(odd_interface) {
            Err(NotCallable { reason: reason.to_owned() })
        } else if length + MAX_COMPONENT_NAME > MAX_TOOL_ID {
            Err(NotCallable { reason: format!("its id would be longer than {MAX_TOOL_ID} bytes") })
        } else {
            self.converter.signature(id)
        };
        self.functions.push(Export {
            interface,
            name: name_shown,
            instance: instance.map(str::to_owned),
            function: name.to_owned(),
            signature,
        });
        Ok(())
    }

    fn other(&mut self, name: &str, kind: &'static str) -> Result<(), ShapeError> {
        caps::NAMES.check(self.others.len() as u64 + 1)?;
        self.others.push(OtherExport { name: inert(name, 200), kind });
        Ok(())
    }
}

/// The short name of an exported interface: `add-ops` for `docs:calc/add-ops@0.1.0`, or the plain name it was exported under.
fn interface_name(full: &str) -> Result<String, &'static str> {
    let parsed = ComponentName::new_with_features(full, 0, WasmFeatures::all());
    match parsed.as_ref().map(ComponentName::kind) {
        Ok(ComponentNameKind::Label(label)) => Ok(label.as_str().to_owned()),
        Ok(ComponentNameKind::Interface(interface)) => Ok(interface.interface().as_str().to_owned()),
        _ => Err("the name of its interface cannot be part of an id"),
    }
}

/// Whether a function's name can be part of an id.
fn label(name: &str) -> Result<(), &'static str> {
    if name.starts_with("[method]") || name.starts_with("[static]") || name.starts_with("[constructor]") {
        return Err("it belongs to a resource, and resources have no JSON form yet");
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if name.is_empty() || !name.bytes().all(plain) {
        return Err("its name holds something other than letters, digits, `-` and `_`");
    }
    Ok(())
}

/// A name in the letters of an id, for the eye; it may no longer be unique.
fn sanitized(name: &str) -> String {
    const MOST: usize = 80;
    let kept = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' };
    let shown: String = name.chars().take(MOST).map(kept).collect();
    if shown.is_empty() { "_".to_owned() } else { shown }
}

/// Two versions of one interface give the same short id. Which was meant would be a guess, so neither can be called.
fn refuse_shared_ids(functions: &mut [Export]) {
    let mut seen: HashMap<String, usize> = HashMap::with_capacity(functions.len());
    for export in functions.iter() {
        *seen.entry(export.id()).or_default() += 1;
    }
    for export in functions.iter_mut() {
        if export.signature.is_ok() && seen.get(&export.id()).is_some_and(|count| *count > 1) {
            export.signature = Err(NotCallable { reason: "two exports share this id".to_owned() });
        }
    }
}
