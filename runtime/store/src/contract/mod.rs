//! What every store promises, as clauses that each backend runs against itself.

pub(crate) mod kv;
pub(crate) mod learning;
pub(crate) mod runs;
