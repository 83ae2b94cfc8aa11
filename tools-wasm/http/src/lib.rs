//! The `http` tool: requests, and web pages as text. This file converts between the component's types and plain Rust and delegates;
//! nothing below it sees a binding.

// A test that unwraps says with its panic what went wrong.
#![cfg_attr(test, allow(clippy::unwrap_used))]
// The component calls all of this; a native build is for tests, and has no exports that would.
#![cfg_attr(not(target_family = "wasm"), allow(dead_code))]

mod ask;
#[cfg(test)]
mod cases;
mod fetch;
mod follow;
mod links;
mod media;
mod page;
mod read;

#[cfg(target_family = "wasm")]
mod component;
