//! Which WebAssembly proposals a component needs, and whether an engine of ours takes them.

use wasmparser::WasmFeatures;

/// What the engine of the class `standard` takes. WebAssembly 2.0 has `externref`, but a table or global of it asks for a
/// collector's heap, of which the pool of this class has none.
pub const STANDARD: WasmFeatures = WasmFeatures::WASM2
    .difference(WasmFeatures::GC_TYPES)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::RELAXED_SIMD)
    .union(WasmFeatures::COMPONENT_MODEL);

/// What the engine of the class `extended` takes beside that.
pub const EXTENDED: WasmFeatures = STANDARD
    .union(WasmFeatures::EXCEPTIONS)
    .union(WasmFeatures::FUNCTION_REFERENCES)
    .union(WasmFeatures::GC)
    .union(WasmFeatures::GC_TYPES);

/// A class of engine, by the proposals it has switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EngineClass {
    /// What of WebAssembly 2.0 and 3.0 needs no garbage collector.
    Standard,
    /// With exceptions, typed function references and garbage collection, for languages that need them.
    Extended,
}

/// The proposals that a component needs beyond the standard engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs(WasmFeatures);

impl Default for Needs {
    fn default() -> Self {
        Self(WasmFeatures::empty())
    }
}

impl Needs {
    /// Proposals that were found to be needed.
    pub(crate) fn add(&mut self, features: WasmFeatures) {
        self.0 |= features & !STANDARD;
    }

    /// What to validate with.
    pub(crate) fn enabled(self) -> WasmFeatures {
        STANDARD | self.0
    }

    /// The class of engine that runs it, or the names of the needs that none of ours has.
    ///
    /// # Errors
    /// The names, one after the other, for a message.
    pub fn class(self) -> Result<EngineClass, String> {
        let unmet = self.0 & !EXTENDED;
        if !unmet.is_empty() {
            Err(names(unmet).join(", "))
        } else if self.0.is_empty() {
            Ok(EngineClass::Standard)
        } else {
            Ok(EngineClass::Extended)
        }
    }

    /// The names of everything it needs beyond the standard engine.
    pub fn names(self) -> Vec<String> {
        names(self.0)
    }

    /// Both needs together.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Proposals in the words of people; one without words of ours goes by its name in the parser.
fn names(features: WasmFeatures) -> Vec<String> {
    let word = |name: &str| match name {
        "EXCEPTIONS" => "exceptions".to_owned(),
        "LEGACY_EXCEPTIONS" => "the abandoned form of exceptions".to_owned(),
        "GC" | "GC_TYPES" => "garbage collection".to_owned(),
        "FUNCTION_REFERENCES" => "typed function references".to_owned(),
        "THREADS" | "SHARED_EVERYTHING_THREADS" => "threads".to_owned(),
        "CM_ASYNC" | "CM_ASYNC_STACKFUL" | "CM_MORE_ASYNC_BUILTINS" | "CM_THREADING" => {
            "component-model async (WASI 0.3)".to_owned()
        }
        "CM_ERROR_CONTEXT" => "error contexts".to_owned(),
        "CM_FIXED_LENGTH_LISTS" => "lists of fixed length".to_owned(),
        "CM_MAP" => "maps".to_owned(),
        "CM_VALUES" => "component values".to_owned(),
        "MEMORY64" | "CM64" => "64-bit memory".to_owned(),
        other => other.to_ascii_lowercase().replace('_', "-"),
    };
    let mut names: Vec<String> = features.iter_names().map(|(name, _)| word(name)).collect();
    names.sort_unstable();
    names.dedup();
    names
}
