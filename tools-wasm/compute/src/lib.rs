//! The `compute` tool: Wolfram|Alpha's Short Answers and Full Results APIs as functions. This file is the door between the contract in
//! `wit/world.wit` and the modules: `ask` makes a request of arguments, `answer` reads what came back, `refusal` makes failures.
//!
//! It holds no key. The host puts the secret `wolfram-appid` into the query after the request has left the component.

// A test that unwraps says with its panic what went wrong.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod answer;
mod ask;
#[cfg(test)]
mod cases_tests;
mod refusal;

use toolcell_client::contract::Failure;
use toolcell_client::{Limits, Request, Response, Transport};

use crate::bindings::{Outcome, Units};

/// The functions, for those who link the tool instead of running it as a component.
pub use bindings::{Guest, Tool};

/// What `wit/world.wit` generates.
mod bindings {
    #![allow(unsafe_code, reason = "the generated glue reads and writes the component's memory")]
    #![allow(missing_docs, clippy::pedantic, reason = "generated code")]
    wit_bindgen::generate!({
        path: ["../../wit/tool", "wit"],
        world: "toolcell:compute/compute",
        generate_all,
        with: { "toolcell:tool/types@0.1.0": toolcell_client::contract },
        additional_derives: [PartialEq, serde::Deserialize, serde::Serialize],
    });

    // Natively the exports would be symbols of every test binary.
    #[cfg(target_family = "wasm")]
    export!(Tool with_types_in self);

    /// What the exports are implemented for.
    pub struct Tool;
}

impl Guest for Tool {
    fn answer(question: String, units: Option<Units>) -> Result<String, Failure> {
        short(&transport(), &question, units)
    }

    fn query(question: String, units: Option<Units>, pods: Option<Vec<String>>) -> Result<Outcome, Failure> {
        full(&transport(), &question, units, &pods.unwrap_or_default())
    }
}

/// The short answer to a question.
fn short(transport: &impl Transport, question: &str, units: Option<Units>) -> Result<String, Failure> {
    let request = ask::short(question, units)?;
    let response = send(transport, &request)?;
    if let Some(failure) = refusal::of_short(&response) {
        return Err(failure);
    }
    answer::short(&response).map_err(|error| refusal::of_error(&error))
}

/// Everything about a question.
fn full(transport: &impl Transport, question: &str, units: Option<Units>, pods: &[String]) -> Result<Outcome, Failure> {
    let request = ask::full(question, units, pods)?;
    let response = send(transport, &request)?;
    if let Some(failure) = refusal::of_response(&response) {
        return Err(failure);
    }
    let body = response.json().map_err(|error| refusal::of_error(&error))?;
    if let Some(failure) = refusal::of_result(&body) {
        return Err(failure);
    }
    answer::full(&body).map_err(|error| refusal::of_error(&error))
}

/// The most bytes of an answer that are read. Real ones have a tenth of it; as a tree of JSON the worst takes a hundred times
/// as much, which has to fit into the memory of a call.
const LONGEST_ANSWER: usize = 1024 * 1024;

fn send(transport: &impl Transport, request: &Request) -> Result<Response, Failure> {
    let limits = Limits { body: LONGEST_ANSWER, ..Limits::default() };
    transport.send(request, &limits).map_err(|error| refusal::of_error(&error))
}

#[cfg(target_family = "wasm")]
fn transport() -> toolcell_client::Wasi {
    toolcell_client::Wasi
}

/// Outside a component there is no way out: an empty script denies every request.
#[cfg(not(target_family = "wasm"))]
fn transport() -> toolcell_client::scripted::Script {
    toolcell_client::scripted::Script::new(serde_json::json!({}), ".")
}
