//! What a component is, read from its bytes alone: imports, exported functions with their signatures, embedded sections.
//!
//! Listing and inspecting never compile, and never validate function bodies: [`bodies::check_bodies`] does the little that is
//! needed of those before a compiler sees them. Everything that is read here was written by a stranger, so each count is capped
//! ([`caps`]) and a component that is odd, but valid, still has a shape, in which what cannot be called carries its reason.

pub mod bodies;
pub mod caps;
mod convert;
mod error;
mod expand;
pub mod features;
mod nesting;
mod scan;
mod tools;

#[cfg(test)]
mod tests;

use toolcell_core::types::Signature;
use wasmparser::component_types::ComponentEntityType;
use wasmparser::names::{ComponentName, ComponentNameKind};

pub use bodies::check_bodies;
pub use error::ShapeError;
pub use features::{EngineClass, Needs};

/// Reads the shape of a component.
///
/// The cost is linear in the number of declarations, about a third of a millisecond for what a Rust toolchain makes of a small tool; code,
/// data and custom sections are skipped. It is bounded, but not small, for a component made to be costly: the worst that was
/// found within the caps, 250 instantiations of two kilobytes whose types expand to a quarter of a million parts, took a second and a half.
///
/// # Errors
/// Where the bytes are no valid component, or one over a cap; see [`ShapeError`].
pub fn shape(bytes: &[u8]) -> Result<Shape, ShapeError> {
    error::sniff(bytes)?;
    caps::BYTES.check(bytes.len() as u64)?;
    let scan = scan::scan(bytes)?;
    let types = scan.types.as_ref();
    let mut imports = Vec::with_capacity(scan.imports.len());
    for name in &scan.imports {
        if let Some(item) = types.component_item_for_import(name) {
            imports.push(import(name, &item.ty, types));
        }
    }
    let tools::Exports { functions, others } = tools::exports(&scan.exports, types)?;
    Ok(Shape {
        imports,
        exports: functions,
        others,
        manifest: scan.manifest.map(str::to_owned),
        docs: scan.docs.map(str::to_owned),
        needs: scan.needs,
        producers: scan.producers.join(", "),
        core_functions: scan.functions,
    })
}

/// What listing and inspection know of a component.
#[derive(Clone, Debug)]
pub struct Shape {
    /// What it imports, in its own order.
    pub imports: Vec<Import>,
    /// Every function that it exports, at its root or in an interface.
    pub exports: Vec<Export>,
    /// What it exports beside functions and the interfaces that hold them.
    pub others: Vec<OtherExport>,
    /// The text of its `toolcell:manifest` section: the author's claim, unparsed.
    pub manifest: Option<String>,
    /// The text of its `toolcell:docs` section, unparsed.
    pub docs: Option<String>,
    /// The proposals that its declarations need beyond the standard engine. Its bodies may need more: see [`check_bodies`].
    pub needs: Needs,
    /// The languages and tools it says it was made with, inert, for people; empty where it says nothing.
    pub producers: String,
    /// How many core functions it defines.
    pub core_functions: u64,
}

/// Something that a component imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The full name: `wasi:clocks/wall-clock@0.2.6`.
    pub name: String,
    /// The version in the name.
    pub version: Option<String>,
    /// What is imported.
    pub kind: ImportKind,
}

/// What is imported under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportKind {
    /// An interface, with the names of its functions, methods included (`[method]descriptor.read`), in order.
    Interface {
        /// The names as they stand in the component.
        functions: Vec<String>,
    },
    /// A function at the world's root.
    Function,
    /// Anything else: "component", "core module", "type", "value".
    Other(&'static str),
}

/// An exported function.
#[derive(Clone, Debug)]
pub struct Export {
    /// The short name of its interface, where it stands in one; fit for ids and for the eye, whatever the component says.
    pub interface: Option<String>,
    /// Its own name; fit for ids and for the eye.
    pub name: String,
    /// The full name of the interface's export, as the engine looks it up; none at the root.
    pub instance: Option<String>,
    /// The name that the engine looks up within that.
    pub function: String,
    /// Its types, or why it cannot be called.
    pub signature: Result<Signature, NotCallable>,
}

impl Export {
    /// `function` or `interface.function`: the tool's id without the component.
    pub fn id(&self) -> String {
        match &self.interface {
            Some(interface) => format!("{interface}.{}", self.name),
            None => self.name.clone(),
        }
    }
}

/// Why an exported function cannot be called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NotCallable {
    /// A clause for people: "its parameter `body` needs a stream, which has no JSON form yet".
    pub reason: String,
}

/// An export that is no function and no interface of functions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherExport {
    /// Its name, inert.
    pub name: String,
    /// "component", "core module", "type", "value", "interface".
    pub kind: &'static str,
}

fn import(name: &str, entity: &ComponentEntityType, types: wasmparser::types::TypesRef<'_>) -> Import {
    let kind = match entity {
        ComponentEntityType::Func(_) => ImportKind::Function,
        ComponentEntityType::Instance(id) => ImportKind::Interface {
            functions: types[*id]
                .exports
                .iter()
                .filter(|(_, item)| matches!(item.ty, ComponentEntityType::Func(_)))
                .map(|(name, _)| name.clone())
                .collect(),
        },
        other => ImportKind::Other(scan::kind_of(other)),
    };
    Import { name: name.to_owned(), version: version(name), kind }
}

/// The version at the end of an interface's full name.
fn version(name: &str) -> Option<String> {
    let parsed = ComponentName::new_with_features(name, 0, wasmparser::WasmFeatures::all()).ok()?;
    match parsed.kind() {
        ComponentNameKind::Interface(interface) => interface.version(None).ok()?.map(|version| version.to_string()),
        _ => None,
    }
}
