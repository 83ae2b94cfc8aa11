//! What has to be known of function bodies before a compiler may see them.
//!
//! The engine validates bodies when it compiles. This looks only for what makes compiling itself costly (deep
//! nesting, very many locals) and for instructions that decide which engine is needed.

use wasmparser::{FunctionBody, Operator, OperatorsReader, OperatorsReaderAllocations, Parser, Payload, WasmFeatures};

use super::features::Needs;
use super::{ShapeError, caps, error};

/// Reads every function body once, and answers with the proposals that their instructions need.
///
/// The cost is linear in the bytes of code: about ten nanoseconds an instruction. It does not say that a body is valid.
///
/// # Errors
/// [`ShapeError::Over`] for nesting or locals over a cap; [`ShapeError::Invalid`] for code that cannot even be read.
pub fn check_bodies(bytes: &[u8]) -> Result<Needs, ShapeError> {
    error::sniff(bytes)?;
    caps::BYTES.check(bytes.len() as u64)?;
    let invalid = |error: wasmparser::Error| ShapeError::invalid(&error, bytes.len());
    let mut features = WasmFeatures::empty();
    let mut allocations = OperatorsReaderAllocations::default();
    let mut depth = 0_u64;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(invalid)? {
            Payload::ComponentSection { .. } | Payload::ModuleSection { .. } => {
                depth += 1;
                caps::DEPTH.check(depth)?;
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CodeSectionEntry(body) => {
                caps::BODY.check(body.range().len() as u64)?;
                check_locals(&body)?;
                let reader = body.get_binary_reader_for_operators().map_err(invalid)?;
                let mut reader = OperatorsReader::new_with_allocs(reader, allocations);
                check_operators(&mut reader, &mut features)?.map_err(invalid)?;
                allocations = reader.into_allocations();
            }
            _ => {}
        }
    }
    let mut needs = Needs::default();
    needs.add(features);
    Ok(needs)
}

/// Counts declarations without expanding them: one declaration may claim four billion locals.
fn check_locals(body: &FunctionBody<'_>) -> Result<(), ShapeError> {
    let mut total = 0_u64;
    // A declaration that cannot be read is met again, and refused, on the way to the instructions.
    for declaration in body.get_locals_reader().into_iter().flatten() {
        let Ok((count, _)) = declaration else { break };
        total += u64::from(count);
        caps::LOCALS.check(total)?;
    }
    Ok(())
}

fn check_operators(
    reader: &mut OperatorsReader<'_>,
    features: &mut WasmFeatures,
) -> Result<wasmparser::Result<()>, ShapeError> {
    let mut depth = 0_u64;
    while !reader.eof() {
        let operator = match reader.read() {
            Ok(operator) => operator,
            Err(error) => return Ok(Err(error)),
        };
        match operator {
            Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::Try { .. }
            | Operator::TryTable { .. } => {
                depth += 1;
                caps::BLOCKS.check(depth)?;
            }
            Operator::End | Operator::Delegate { .. } => depth = depth.saturating_sub(1),
            _ => {}
        }
        *features |= needed_by(&operator);
    }
    Ok(reader.finish())
}

macro_rules! proposal {
    (mvp) => {
        WasmFeatures::empty()
    };
    (sign_extension) => {
        WasmFeatures::SIGN_EXTENSION
    };
    (saturating_float_to_int) => {
        WasmFeatures::SATURATING_FLOAT_TO_INT
    };
    (bulk_memory) => {
        WasmFeatures::BULK_MEMORY
    };
    (reference_types) => {
        WasmFeatures::REFERENCE_TYPES
    };
    (tail_call) => {
        WasmFeatures::TAIL_CALL
    };
    (simd) => {
        WasmFeatures::SIMD
    };
    (relaxed_simd) => {
        WasmFeatures::RELAXED_SIMD
    };
    (gc) => {
        WasmFeatures::GC
    };
    (function_references) => {
        WasmFeatures::FUNCTION_REFERENCES
    };
    (exceptions) => {
        WasmFeatures::EXCEPTIONS
    };
    (legacy_exceptions) => {
        WasmFeatures::LEGACY_EXCEPTIONS
    };
    (threads) => {
        WasmFeatures::THREADS
    };
    (shared_everything_threads) => {
        WasmFeatures::SHARED_EVERYTHING_THREADS
    };
    (custom_descriptors) => {
        WasmFeatures::CUSTOM_DESCRIPTORS
    };
    (memory_control) => {
        WasmFeatures::MEMORY_CONTROL
    };
    (stack_switching) => {
        WasmFeatures::STACK_SWITCHING
    };
    (wide_arithmetic) => {
        WasmFeatures::WIDE_ARITHMETIC
    };
}

macro_rules! define_needed_by {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        /// The proposal that an instruction belongs to.
        fn needed_by(operator: &Operator<'_>) -> WasmFeatures {
            match operator {
                $(Operator::$op { .. } => proposal!($proposal),)*
                _ => WasmFeatures::empty(),
            }
        }
    };
}
wasmparser::for_each_operator!(define_needed_by);
