//! Compiles in this process, after structural caps. The seam is [`Compile`]: a compiler in a child process will stand behind
//! the same trait.

use std::sync::Arc;

use crate::code::{Compile, CompileError, CompileRequest};
use crate::engine::Engines;
use crate::schema;

/// The longest reason for a refusal, in bytes. It goes to a caller, and names in it are the component's.
const MAX_REASON: usize = 1_024;

/// The compiler of this process.
pub(crate) struct InProcess {
    engines: Arc<Engines>,
}

impl InProcess {
    pub(crate) fn new(engines: Arc<Engines>) -> Self {
        Self { engines }
    }
}

impl Compile for InProcess {
    fn compile(&self, request: CompileRequest<'_>) -> Result<Vec<u8>, CompileError> {
        // Cranelift's cost grows with shapes that mere size does not show: they are refused before it sees them.
        schema::check_bodies(request.wasm).map_err(|error| CompileError::refused(error.to_string()))?;
        let class = self.engines.class(request.class).map_err(|error| CompileError::host(error.to_string()))?;
        let refused = |error: wasmtime::Error| CompileError::refused(schema::inert(&format!("{error:#}"), MAX_REASON));
        class.engine.precompile_component(request.wasm).map_err(refused)
    }
}
