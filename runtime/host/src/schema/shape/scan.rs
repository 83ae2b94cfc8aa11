//! One walk over a component's bytes: caps, then validation of everything but function bodies.

use wasmparser::component_types::ComponentEntityType;
use wasmparser::types::Types;
use wasmparser::{
    CustomSectionReader, DataKind, ElementItems, KnownCustom, Parser, Payload, TypeRef, ValidPayload, Validator,
    WasmFeatures,
};

use super::caps::{self, Total};
use super::error::ShapeError;
use super::expand::Expansion;
use super::features::Needs;
use super::nesting;

/// What the walk found.
pub(crate) struct Scan<'a> {
    /// The validator's types of the outermost component.
    pub(crate) types: Types,
    /// The names of its imports, in order.
    pub(crate) imports: Vec<&'a str>,
    /// The names of its exports, in order.
    pub(crate) exports: Vec<&'a str>,
    pub(crate) manifest: Option<&'a str>,
    pub(crate) docs: Option<&'a str>,
    pub(crate) producers: Vec<String>,
    pub(crate) needs: Needs,
    pub(crate) functions: u64,
}

/// Validates with the features of the standard engine, and adds whichever turns out to be missing.
///
/// A component that needs none, as nearly all do, is walked once. Each further walk adds at least one proposal, of which there are
/// some forty, so the number of walks is bounded; an invalid component costs one more.
pub(crate) fn scan(bytes: &[u8]) -> Result<Scan<'_>, ShapeError> {
    let mut needs = Needs::default();
    loop {
        let enabled = needs.enabled();
        match walk(bytes, enabled) {
            Ok(scan) => return Ok(Scan { needs, ..scan }),
            Err(Stop::Refused(error)) => return Err(error),
            Err(Stop::Parser(error)) => {
                let missing = error.missing_wasm_feature().unwrap_or(WasmFeatures::empty()) & !enabled;
                if missing.intersects(WasmFeatures::MEMORY64) {
                    return Err(ShapeError::Memory64);
                }
                if missing.intersects(WasmFeatures::THREADS) {
                    return Err(ShapeError::SharedMemory);
                }
                if !missing.is_empty() {
                    needs.add(missing);
                } else if needs_gc(bytes, enabled) {
                    needs.add(GC);
                } else {
                    return Err(ShapeError::invalid(&error, bytes.len()));
                }
            }
        }
    }
}

/// The proposals that make some index errors go away.
const GC: WasmFeatures = WasmFeatures::GC.union(WasmFeatures::FUNCTION_REFERENCES);

/// Whether an error that names no proposal comes from one nevertheless: without garbage collection, a type that refers to itself
/// is merely an index out of bounds.
fn needs_gc(bytes: &[u8], enabled: WasmFeatures) -> bool {
    !enabled.contains(GC)
        && match walk(bytes, enabled | GC) {
            Ok(_) => true,
            Err(Stop::Refused(_)) => false,
            Err(Stop::Parser(error)) => error.missing_wasm_feature().is_some(),
        }
}

/// Why a walk ended early.
pub(crate) enum Stop {
    Refused(ShapeError),
    Parser(wasmparser::Error),
}

impl From<ShapeError> for Stop {
    fn from(error: ShapeError) -> Self {
        Self::Refused(error)
    }
}

impl From<wasmparser::Error> for Stop {
    fn from(error: wasmparser::Error) -> Self {
        Self::Parser(error)
    }
}

fn walk(bytes: &[u8], features: WasmFeatures) -> Result<Scan<'_>, Stop> {
    let mut validator = Validator::new_with_features(features);
    let mut totals = Totals::new();
    let mut expansion = Expansion::default();
    let mut depth = 0;
    let mut memories = Memories::default();
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let (mut manifest, mut docs) = (None, None);
    let mut producers = Vec::new();
    let mut types = None;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        totals.count(&payload)?;
        expansion.count(&payload)?;
        match &payload {
            Payload::ModuleSection { .. } => {
                memories = Memories::default();
                depth += 1;
            }
            Payload::ComponentSection { .. } => {
                depth += 1;
                caps::DEPTH.check(depth)?;
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CodeSectionEntry(body) => {
                // The validator needs no word of a body; its types are complete without.
                caps::BODY.check(body.range().len() as u64)?;
                continue;
            }
            Payload::ImportSection(section) => {
                for import in section.clone().into_imports() {
                    if let TypeRef::Memory(_) = import?.ty {
                        memories.imported += 1;
                    }
                }
            }
            Payload::MemorySection(section) => {
                for memory in section.clone() {
                    let memory = memory?;
                    let page = 1_u64 << memory.page_size_log2.unwrap_or(16).min(16);
                    memories.own.push(memory.initial.saturating_mul(page));
                }
            }
            Payload::ComponentTypeSection(section) => nesting::check(bytes, section)?,
            Payload::DataSection(section) => memories.check_data(section)?,
            Payload::ElementSection(section) => {
                for element in section.clone() {
                    totals.elements.add(match element?.items {
                        ElementItems::Functions(items) => items.count(),
                        ElementItems::Expressions(_, items) => items.count(),
                    })?;
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section.clone() {
                    let name = import?.name.name;
                    caps::NAME_BYTES.check(name.len() as u64)?;
                    if depth == 0 {
                        imports.push(name);
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section.clone() {
                    let name = export?.name.name;
                    caps::NAME_BYTES.check(name.len() as u64)?;
                    if depth == 0 {
                        exports.push(name);
                    }
                }
            }
            Payload::CustomSection(section) if depth == 0 => match section.name() {
                toolcell_core::manifest::MANIFEST_SECTION => {
                    once(&mut manifest, section, toolcell_core::manifest::MANIFEST_SECTION, &caps::MANIFEST_BYTES)?;
                }
                toolcell_core::docs::DOCS_SECTION => {
                    once(&mut docs, section, toolcell_core::docs::DOCS_SECTION, &caps::DOCS_BYTES)?;
                }
                _ => note_producers(&mut producers, section)?,
            },
            Payload::CustomSection(section) => note_producers(&mut producers, section)?,
            _ => {}
        }
        if let ValidPayload::End(ended) = validator.payload(&payload)? {
            types = Some(ended);
        }
    }
    let types = types.ok_or(ShapeError::Truncated(bytes.len()))?;
    Ok(Scan {
        types,
        imports,
        exports,
        manifest,
        docs,
        producers,
        needs: Needs::default(),
        functions: totals.functions.sum(),
    })
}

/// Takes a section that may stand there once.
fn once<'a>(
    slot: &mut Option<&'a str>,
    section: &CustomSectionReader<'a>,
    name: &'static str,
    cap: &'static caps::Cap,
) -> Result<(), ShapeError> {
    if slot.is_some() {
        return Err(ShapeError::Contradictory(name));
    }
    cap.check(section.data().len() as u64)?;
    *slot = Some(std::str::from_utf8(section.data()).map_err(|_| ShapeError::SectionNotText(name))?);
    Ok(())
}

/// Notes the languages and tools that a producers section names. It is the author's claim, so one that cannot be read is passed over.
fn note_producers(producers: &mut Vec<String>, section: &CustomSectionReader<'_>) -> Result<(), ShapeError> {
    const MOST: usize = 12;
    if section.name() != "producers" {
        return Ok(());
    }
    caps::PRODUCERS_BYTES.check(section.data().len() as u64)?;
    let KnownCustom::Producers(fields) = section.as_known() else { return Ok(()) };
    for field in fields.into_iter().map_while(Result::ok) {
        for value in field.values.into_iter().map_while(Result::ok) {
            let text = crate::schema::inert::inert(format!("{} {}", value.name, value.version).trim(), 60);
            if producers.len() < MOST && !text.is_empty() && !producers.contains(&text) {
                producers.push(text);
            }
        }
    }
    Ok(())
}

/// The memories of the core module that is being walked.
#[derive(Default)]
struct Memories {
    imported: u32,
    /// The bytes that each of its own begins with.
    own: Vec<u64>,
}

impl Memories {
    /// Refuses active data outside its memory: the instance would trap at its start, and a sparse image costs the host before that.
    ///
    /// Only constant offsets into the module's own memories can be known here; the engine checks the others.
    fn check_data(&self, section: &wasmparser::DataSectionReader<'_>) -> Result<(), Stop> {
        for data in section.clone() {
            let data = data?;
            let DataKind::Active { memory_index, offset_expr } = &data.kind else { continue };
            let Some(own) = memory_index.checked_sub(self.imported) else { continue };
            let Some(memory) = self.own.get(own as usize).copied() else { continue };
            let wasmparser::Operator::I32Const { value } = offset_expr.get_operators_reader().read()? else { continue };
            let end = u64::from(value.cast_unsigned()) + data.data.len() as u64;
            if end > memory {
                return Err(ShapeError::DataOutsideMemory { end, memory }.into());
            }
        }
        Ok(())
    }
}

/// Running totals over the whole file, nested modules and components included.
struct Totals {
    modules: Total,
    components: Total,
    instances: Total,
    core_instances: Total,
    functions: Total,
    memories: Total,
    tables: Total,
    globals: Total,
    segments: Total,
    elements: Total,
    core_types: Total,
    core_names: Total,
    types: Total,
    type_bytes: Total,
    aliases: Total,
    names: Total,
    custom: Total,
}

impl Totals {
    fn new() -> Self {
        Self {
            modules: Total::new(&caps::MODULES),
            components: Total::new(&caps::COMPONENTS),
            instances: Total::new(&caps::INSTANCES),
            core_instances: Total::new(&caps::CORE_INSTANCES),
            functions: Total::new(&caps::FUNCTIONS),
            memories: Total::new(&caps::MEMORIES),
            tables: Total::new(&caps::TABLES),
            globals: Total::new(&caps::GLOBALS),
            segments: Total::new(&caps::SEGMENTS),
            elements: Total::new(&caps::ELEMENTS),
            core_types: Total::new(&caps::CORE_TYPES),
            core_names: Total::new(&caps::CORE_NAMES),
            types: Total::new(&caps::TYPES),
            type_bytes: Total::new(&caps::TYPE_BYTES),
            aliases: Total::new(&caps::ALIASES),
            names: Total::new(&caps::NAMES),
            custom: Total::new(&caps::CUSTOM_BYTES),
        }
    }

    /// Counts what a section says that it holds, before anything of it is believed or allocated for.
    fn count(&mut self, payload: &Payload<'_>) -> Result<(), ShapeError> {
        match payload {
            Payload::ModuleSection { .. } => self.modules.add(1_u64),
            Payload::ComponentSection { .. } => self.components.add(1_u64),
            Payload::TypeSection(section) => self.core_types.add(section.count()),
            Payload::CoreTypeSection(section) => self.core_types.add(section.count()),
            Payload::ImportSection(section) => self.core_names.add(section.count()),
            Payload::ExportSection(section) => self.core_names.add(section.count()),
            Payload::FunctionSection(section) => self.functions.add(section.count()),
            Payload::TableSection(section) => self.tables.add(section.count()),
            Payload::MemorySection(section) => self.memories.add(section.count()),
            Payload::GlobalSection(section) => self.globals.add(section.count()),
            Payload::TagSection(section) => self.globals.add(section.count()),
            Payload::ElementSection(section) => self.segments.add(section.count()),
            Payload::DataSection(section) => self.segments.add(section.count()),
            Payload::InstanceSection(section) => self.core_instances.add(section.count()),
            Payload::ComponentInstanceSection(section) => self.instances.add(section.count()),
            Payload::ComponentAliasSection(section) => self.aliases.add(section.count()),
            Payload::ComponentCanonicalSection(section) => self.aliases.add(section.count()),
            Payload::ComponentTypeSection(section) => {
                self.types.add(section.count())?;
                self.type_bytes.add(section.range().len())
            }
            Payload::ComponentImportSection(section) => self.names.add(section.count()),
            Payload::ComponentExportSection(section) => self.names.add(section.count()),
            Payload::CustomSection(section) => {
                self.custom.add(section.data().len())?;
                self.custom.add(section.name().len())
            }
            _ => Ok(()),
        }
    }
}

/// The kind of an entity, in the words of WIT.
pub(crate) fn kind_of(entity: &ComponentEntityType) -> &'static str {
    match entity {
        ComponentEntityType::Module(_) => "core module",
        ComponentEntityType::Func(_) => "function",
        ComponentEntityType::Value(_) => "value",
        ComponentEntityType::Type { .. } => "type",
        ComponentEntityType::Instance(_) => "interface",
        ComponentEntityType::Component(_) => "component",
    }
}
