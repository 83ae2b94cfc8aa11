//! Compiles in this process, after structural caps.

use std::sync::Arc;

use super::frame::MAX_REASON;
use crate::code::{Compile, CompileError, CompileRequest};
use crate::engine::Engines;
use crate::schema;

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
