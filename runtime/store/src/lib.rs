//! `SQLite` behind the store traits of core; nothing else knows SQL.
//!
//! Owns the database file: how it is made, who may read it, which version it has, and that what was answered as written
//! is on the disk. Refuses to read paths, settings or clocks from anywhere but its arguments, and to show an error of the
//! database to a guest. It stands apart so that another database can take its place behind the same traits.

#[cfg(test)]
mod contract;
mod error;
mod file;
mod fixes;
mod health;
mod kv;
mod open;
mod runs;
mod schema;
#[cfg(test)]
mod tests;
mod work;

pub use error::StoreError;
pub use open::{Options, Store};
