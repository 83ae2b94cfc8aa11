//! Embeds Wasmtime: finds components, makes grants, holds calls to their limits, and seals a receipt for each.
//!
//! Owns everything between a [`toolcell_core::ToolCall`] and its [`toolcell_core::Outcome`]. Refuses to read the
//! environment, the terminal or the wall clock, and to know of HTTP services, agents or the command line: what it needs
//! comes in as [`Settings`].

mod admission;
pub mod audit;
pub mod boundary;
pub mod catalog;
pub mod code;
pub mod compile;
mod directory;
pub mod egress;
mod engine;
pub mod grant;
mod guests;
mod host;
mod known;
mod ledger;
mod lifting;
mod nested;
mod outside;
pub mod policy;
pub mod receipts;
mod run;
mod sandbox;
pub mod schema;
pub mod secrets;
pub mod wall;
mod witness;
mod workshop;

pub use admission::Width;
pub use catalog::{Component, Snapshot};
pub use compile::{CompileLimits, Compiler};
pub use engine::{EngineError, PoolSize, config as engine_config};
pub use grant::{Grant, Refusal};
pub use guests::Threads;
pub use host::{Host, OpenError, Settings, grant_of, look};
pub use policy::{Allow, Pattern, Policy, PolicyError, Review, Rule};
