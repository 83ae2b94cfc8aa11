//! How much of anything a component may have before it is looked at any closer.
//!
//! Compiling is outside Wasmtime's promise of bounded cost, and validation is only linear where counts are. So sizes are
//! capped first, on bytes and counts alone. Every cap is many times what the largest real components reach; the
//! figures named are those of interpreters compiled to WASM, which are the largest that people ship.

use super::ShapeError;

/// One structural cap.
#[derive(Debug, PartialEq, Eq)]
pub struct Cap {
    /// What is counted, as a plural or a mass noun that fits "too much or many …".
    pub what: &'static str,
    /// The largest value that passes.
    pub most: u64,
    /// The abuse that it stops.
    pub stops: &'static str,
}

macro_rules! caps {
    ($($name:ident, $what:literal, $most:expr, $stops:literal;)*) => {
        $(
            #[doc = concat!("Most ", $what, "; stops ", $stops, ".")]
            pub const $name: Cap = Cap { what: $what, most: $most, stops: $stops };
        )*
        /// Every cap, for the documentation and for tests.
        pub const CAPS: &[&Cap] = &[$(&$name),*];
    };
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

caps! {
    BYTES, "bytes in all", 64 * MIB, "uploads that fill memory before anything is known about them";
    DEPTH, "components inside each other", 16, "nesting that multiplies the work of validation";
    TYPE_DEPTH, "component types inside each other", 32, "nesting that exhausts the stack of every parser that follows it";
    MODULES, "core modules", 250, "compile jobs without end";
    COMPONENTS, "nested components", 250, "bombs of nested components";
    INSTANCES, "component instances", 250, "instantiation bombs, whose types are compared at each step";
    CORE_INSTANCES, "core instances", 1_000, "bombs of core instances, which fill the pool";
    EXPANDED, "parts after everything is instantiated", 300_000, "a kilobyte that becomes millions of instances before anything is compiled";
    FUNCTIONS, "core functions", 200_000, "a million small functions, each with its own cost to compile";
    BODY, "bytes in one function", 2 * MIB, "one huge function, since register allocation costs more than linear time";
    LOCALS, "locals in one function", 50_000, "huge stack frames that cost a few bytes to declare";
    BLOCKS, "blocks inside each other", 1_000, "nested loops, whose compilation costs more than linear time";
    MEMORIES, "memories", 64, "many memories that are each just under a limit";
    TABLES, "tables", 250, "many tables that are each just under a limit";
    GLOBALS, "globals", 100_000, "instances that are costly to create";
    SEGMENTS, "data and element segments", 100_000, "instances that are costly to create";
    ELEMENTS, "elements in table segments", 1_000_000, "tables that are costly to fill";
    CORE_TYPES, "core types", 100_000, "type sections that are costly to compare";
    CORE_NAMES, "core imports and exports", 200_000, "linking without end";
    TYPES, "component types", 50_000, "type sections that are costly to compare";
    TYPE_BYTES, "bytes of component types", MIB, "type sections that are costly to compare";
    ALIASES, "aliases and canonical functions", 200_000, "index spaces without end";
    NAMES, "imports and exports", 5_000, "lists that nobody can review";
    TOOLS, "exported functions", 2_000, "lists that nobody can review, and ids without end";
    NAME_BYTES, "bytes in one name", 1_024, "names that flood logs and reports";
    CUSTOM_BYTES, "bytes in custom sections", 8 * MIB, "ballast; strip debug information from the component";
    MANIFEST_BYTES, "bytes of manifest", toolcell_core::manifest::MAX_MANIFEST_BYTES as u64, "manifests that are costly to parse";
    DOCS_BYTES, "bytes of docs", toolcell_core::docs::MAX_DOCS_BYTES as u64, "descriptions that models pay for on each call";
    PRODUCERS_BYTES, "bytes of a producers section", 64 * KIB, "ballast where a few words belong";
}

impl Cap {
    /// Refuses a value over the cap.
    ///
    /// # Errors
    /// [`ShapeError::Over`], naming this cap.
    pub fn check(&'static self, found: u64) -> Result<(), ShapeError> {
        if found > self.most { Err(ShapeError::Over { cap: self, found }) } else { Ok(()) }
    }
}

/// A running total under a cap.
#[derive(Debug)]
pub(crate) struct Total {
    cap: &'static Cap,
    sum: u64,
}

impl Total {
    pub(crate) const fn new(cap: &'static Cap) -> Self {
        Self { cap, sum: 0 }
    }

    /// The total so far.
    pub(crate) fn sum(&self) -> u64 {
        self.sum
    }

    /// Adds to the total.
    pub(crate) fn add(&mut self, more: impl TryInto<u64>) -> Result<(), ShapeError> {
        self.sum = self.sum.saturating_add(more.try_into().unwrap_or(u64::MAX));
        self.cap.check(self.sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cap_is_finite_and_says_what_it_stops() {
        for cap in CAPS {
            assert!(0 < cap.most && cap.most < 1 << 32, "{cap:?}");
            assert!(cap.check(cap.most).is_ok() && cap.check(cap.most + 1).is_err(), "{cap:?}");
            assert!(!cap.what.is_empty() && !cap.stops.ends_with('.'), "{cap:?}");
        }
    }
}
