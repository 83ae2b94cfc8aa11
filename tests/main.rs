//! End to end: real components, built as any author would build them, called through the host.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(missing_docs, reason = "test names say what holds")]

mod audit;
mod canary;
mod evaluation;
mod fuzz;
mod host;
mod house;
mod policy;
mod red_team;
mod suites;
mod support;
mod tools;
mod upstream;
