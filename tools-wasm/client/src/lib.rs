//! Blocking HTTP for tools. Owns how a request leaves a component (`wasi:http` 0.2) and what comes back, within limits of bytes and
//! time; and what an answer that is no success means in the words of `toolcell:tool/types.failure`.
//!
//! It refuses what is not plain: URLs with user names, methods that open tunnels, header values with line breaks. It never retries, never
//! follows a redirect and holds no secret: the host puts secrets into requests, and the caller of the tool decides what is tried again.
//!
//! It stands apart from the tools so that each of them is only its own API. A tool takes a [`Transport`]; in a component that is
//! `Wasi`, and in native tests it is [`scripted::Script`], which reads the same `upstream` member of test cases that the test
//! runner serves from a real socket.
//!
//! ```
//! use toolcell_client::{Limits, Request, Service, Transport, failure};
//!
//! const SERVICE: Service<'static> = Service { name: "the word service", secret: Some("word-key") };
//!
//! fn look_up(transport: &impl Transport, word: &str) -> Result<String, failure::Failure> {
//!     let request = Request::get("https://api.example.com/v1/words").query("q", word).header("accept", "application/json");
//!     let response = transport.send(&request, &Limits::default()).map_err(|error| failure::of_error(&SERVICE, &error))?;
//!     if let Some(failure) = failure::of_response(&SERVICE, &response) {
//!         return Err(failure);
//!     }
//!     let body = response.json().map_err(|error| failure::of_error(&SERVICE, &error))?;
//!     Ok(toolcell_client::json::text(&body, "/meaning").unwrap_or_default().to_owned())
//! }
//! ```

// A test that unwraps says with its panic what went wrong.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod error;
pub mod failure;
pub mod json;
mod request;
mod response;
#[cfg(not(target_family = "wasm"))]
pub mod scripted;
pub mod text;
#[cfg(target_family = "wasm")]
mod wasi;

use std::time::Duration;

/// The types that a tool fails with, for `with` of its bindings.
pub use toolcell_contract as contract;

pub use error::Error;
pub use failure::{Failure, Service};
pub use request::{HeaderProblem, Method, Request, Target, check_header};
pub use response::{Headers, Response};
#[cfg(target_family = "wasm")]
pub use wasi::Wasi;

/// The way a request takes. A tool's logic is generic over it, so that its tests need no component.
pub trait Transport {
    /// Sends one request and reads the whole answer. A response of any status is a success here.
    fn send(&self, request: &Request, limits: &Limits) -> Result<Response, Error>;
}

/// What one request may cost the tool. The host has limits of its own, which hold as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of a response's body that are kept, after decompression. Stops an endless answer from filling the memory.
    pub body: usize,
    /// What to do with a body that is longer.
    pub excess: Excess,
    /// The longest time from sending to the last byte. Stops a slow upstream from using up the call's deadline.
    pub time: Duration,
}

impl Default for Limits {
    /// 4 MiB, refused beyond; 20 seconds, which leaves a call of the usual 30 time to say what happened.
    fn default() -> Self {
        Self { body: 4 * 1024 * 1024, excess: Excess::Refuse, time: Duration::from_secs(20) }
    }
}

/// What happens to a body over its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// The request fails with [`Error::TooLarge`]: half an answer would be taken for a whole one.
    Refuse,
    /// The body is cut at the limit and [`Response::truncated`] says so; the rest is not read.
    Cut,
}
