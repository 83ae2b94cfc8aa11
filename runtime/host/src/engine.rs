//! The engines: one for each class of component, their limits and features spelt out.
//!
//! `standard` runs what toolchains for Rust, C and Go make. `extended` adds garbage collection and exceptions, which some languages need
//! and which a rule must allow. `oversized` takes components with more memories, tables or instances than a pooled slot
//! holds, and allocates for each call. All three burn the same fuel and share everything else.

use std::hash::{Hash, Hasher};
use std::sync::OnceLock;

use sha2::{Digest as _, Sha256};
use toolcell_core::{Digest, Limit};
use wasmtime::component::Linker;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, OperatorCost, OptLevel, PoolingAllocationConfig};

use crate::boundary::{self, CallState};
use crate::code::EngineClass;

/// How large the pool of slots is. The numbers come from whoever knows the machine.
#[derive(Clone, Copy, Debug)]
pub struct PoolSize {
    /// Calls that can be in flight at one time.
    pub slots: u32,
}

impl PoolSize {
    /// Places, beside the slots, for calls that calls in flight make: one for every four, at least one, at most 64.
    pub(crate) fn nested(self) -> u32 {
        (self.slots / 4).clamp(1, 64)
    }

    /// A pool for a machine with so much memory: a slot for every 16 MiB, between 16 and 2,000.
    ///
    /// Slots are address space until they are used; 16 MiB is what a busy tool in Rust holds at its peak.
    pub fn for_memory(bytes: u64) -> Self {
        Self { slots: u32::try_from((bytes >> 24).clamp(16, 2_000)).unwrap_or(2_000) }
    }
}

/// An engine with everything linked that the host offers.
pub(crate) struct Class {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<CallState>,
    /// What cached code depends on: version, features, tunables and CPU, as Wasmtime sums them up.
    pub(crate) fingerprint: Digest,
}

/// One engine a class, made when the first component of the class is used.
pub(crate) struct Engines {
    pool: PoolSize,
    classes: [OnceLock<Class>; 3],
}

/// An engine that this machine cannot have.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the WebAssembly engine ({class:?}): {reason}")]
pub struct EngineError {
    class: EngineClass,
    reason: String,
}

/// Core instances that one pooled call may have: the adapters around one module, and small compositions.
const POOLED_INSTANCES: u32 = 64;
/// Memories that one pooled call may have. Toolchains make one. Each is four gibibytes of address space in every slot.
const POOLED_MEMORIES: u32 = 2;
/// Tables that one pooled call may have. Toolchains make one to three.
const POOLED_TABLES: u32 = 8;
/// What stays resident in a free slot between calls: zeroing it again costs less than faulting it in again.
const KEEP_RESIDENT: usize = 1 << 20;

impl Engines {
    pub(crate) fn new(pool: PoolSize) -> Self {
        Self { pool, classes: [const { OnceLock::new() }; 3] }
    }

    pub(crate) fn class(&self, class: EngineClass) -> Result<&Class, EngineError> {
        let place = &self.classes[class as usize];
        if let Some(made) = place.get() {
            return Ok(made);
        }
        let made = self.make(class).map_err(|error| EngineError { class, reason: format!("{error:#}") })?;
        Ok(place.get_or_init(|| made))
    }

    /// The engines in use, to tick.
    pub(crate) fn made(&self) -> impl Iterator<Item = &Engine> {
        self.classes.iter().filter_map(|class| class.get().map(|class| &class.engine))
    }

    fn make(&self, class: EngineClass) -> wasmtime::Result<Class> {
        let engine = Engine::new(&config(class, self.pool))?;
        let mut linker = Linker::new(&engine);
        boundary::link(&mut linker)?;
        let fingerprint = fingerprint(&engine);
        Ok(Class { engine, linker, fingerprint })
    }
}

/// What code for an engine depends on, as one digest: version, features, tunables and CPU. How instances are allocated is no part of it.
pub(crate) fn fingerprint(engine: &Engine) -> Digest {
    let mut hasher = Fingerprint(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    Digest::from_bytes(hasher.0.finalize().into())
}

/// The whole configuration of a class: [`tunables`], and how its instances are allocated.
pub fn config(class: EngineClass, pool: PoolSize) -> Config {
    let mut config = tunables(class);
    if class != EngineClass::Oversized {
        let pool = pooling(pool, class == EngineClass::Extended);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

/// Everything of a class that its code depends on, which is all that a process needs to know that only compiles: a pool would reserve
/// more address space than such a process may have. What is on is named here, what is off is switched off here; Wasmtime's
/// defaults are not relied on where they would let something in.
pub(crate) fn tunables(class: EngineClass) -> Config {
    let extended = class == EngineClass::Extended;
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .wasm_component_model_async(false)
        .concurrency_support(false)
        .wasm_reference_types(true)
        .wasm_bulk_memory(true)
        .wasm_multi_value(true)
        .wasm_multi_memory(true)
        .wasm_simd(true)
        .wasm_relaxed_simd(true)
        .relaxed_simd_deterministic(true)
        .wasm_tail_call(true)
        .wasm_extended_const(true)
        .wasm_function_references(extended)
        .wasm_gc(extended)
        .wasm_exceptions(extended)
        .wasm_memory64(false)
        .wasm_threads(false)
        .wasm_stack_switching(false)
        .wasm_wide_arithmetic(false)
        .wasm_custom_page_sizes(false)
        .shared_memory(false)
        .consume_fuel(true)
        .operator_cost(costs())
        .epoch_interruption(true)
        .max_wasm_stack(usize::try_from(Limit::Stack.row().default).unwrap_or(1 << 20))
        // The guest's stack and what host functions need on top of it.
        .async_stack_size(2 << 20)
        .cranelift_opt_level(OptLevel::Speed)
        .memory_init_cow(true)
        // A trap needs no more than its kind; frames of a stranger's code help nobody who reads a receipt.
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(16))
        .native_unwind_info(false);
    config
}

/// Bulk operations cost by their bytes already; growing memory would cost one unit whatever its size.
fn costs() -> OperatorCost {
    let mut costs = OperatorCost::new();
    costs.variable.memory_grow_per_page = u8::MAX;
    costs
}

fn pooling(size: PoolSize, extended: bool) -> PoolingAllocationConfig {
    let slots = size.slots;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        // As much for every slot as one call may have. With less, a few calls of a component that has the most of
        // everything would leave none for the others, who hold their slots rightly.
        .total_core_instances(slots.saturating_mul(POOLED_INSTANCES))
        .total_memories(slots.saturating_mul(POOLED_MEMORIES))
        .total_tables(slots.saturating_mul(POOLED_TABLES))
        .total_stacks(slots)
        .total_gc_heaps(if extended { slots } else { 0 })
        .max_core_instances_per_component(POOLED_INSTANCES)
        .max_memories_per_component(POOLED_MEMORIES)
        .max_tables_per_component(POOLED_TABLES)
        .max_memories_per_module(POOLED_MEMORIES)
        .max_tables_per_module(POOLED_TABLES)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        .table_elements(usize::try_from(Limit::Table.row().default).unwrap_or(100_000))
        .max_memory_size(usize::try_from(Limit::Memory.row().ceiling).unwrap_or(usize::MAX))
        .max_unused_warm_slots(slots.min(128))
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(64 << 10)
        .async_stack_keep_resident(64 << 10)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Takes everything that Wasmtime hashes into one wide digest.
struct Fingerprint(Sha256);

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Never asked for: the digest is taken whole.
    fn finish(&self) -> u64 {
        0
    }
}
