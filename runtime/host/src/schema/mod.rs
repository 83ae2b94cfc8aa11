//! What stands between JSON and a component: types from its bytes, JSON Schema from types, arguments in, results out.
//!
//! Owns every conversion between the two worlds, so that one table ("WIT | JSON") is written down once and its four readers (the schema, the
//! check of arguments, the result, the typed path) are tested against each other. Refuses to compile or to run anything,
//! and to trust a word of what it reads: a component, its arguments and its results all come from strangers, so
//! each conversion has a bounded cost and a typed error.

pub mod conclude;
pub mod fast;
pub mod inert;
pub mod json_schema;
pub mod lift;
pub mod lower;
mod names;
pub mod shape;

#[cfg(test)]
mod corpus;

pub use conclude::{Conclusion, conclude};
pub use fast::{FastArguments, FastPath, fast_path};
pub use inert::{inert, inert_lines};
pub use json_schema::{input_schema, output_schema};
pub use lift::{LiftBounds, LiftError, lift};
pub use lower::{LowerError, lower};
pub use shape::{Shape, ShapeError, check_bodies, shape};
