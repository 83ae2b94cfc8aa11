//! The `websearch` tool: the Brave Search API as functions. This file is the door between the contract in `wit/world.wit` and the modules:
//! `ask` makes a request of arguments, `answer` makes findings of what came back, `refusal` makes failures.
//!
//! It holds no key. The host puts the secret `brave-key` into the request after it has left the component.

// A test that unwraps says with its panic what went wrong.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod answer;
mod ask;
#[cfg(test)]
mod cases_tests;
mod markup;
mod refusal;

use toolcell_client::contract::Failure;
use toolcell_client::{Limits, Transport};

use crate::ask::{Ask, Kind};
use crate::bindings::{Findings, Freshness, SafeSearch};

/// The functions, for those who link the tool instead of running it as a component.
pub use bindings::{Guest, Tool};

/// What `wit/world.wit` generates.
mod bindings {
    #![allow(unsafe_code, reason = "the generated glue reads and writes the component's memory")]
    #![allow(missing_docs, clippy::pedantic, clippy::too_many_arguments, reason = "generated code")]
    wit_bindgen::generate!({
        path: ["../../wit/tool", "wit"],
        world: "toolcell:websearch/websearch",
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
    fn web(
        query: String,
        count: Option<u32>,
        page: Option<u32>,
        country: Option<String>,
        language: Option<String>,
        freshness: Option<Freshness>,
        safe_search: Option<SafeSearch>,
    ) -> Result<Findings, Failure> {
        search(&transport(), Kind::Web, &Ask { query, count, page, country, language, freshness, safe_search })
    }

    fn news(
        query: String,
        count: Option<u32>,
        page: Option<u32>,
        country: Option<String>,
        language: Option<String>,
        freshness: Option<Freshness>,
        safe_search: Option<SafeSearch>,
    ) -> Result<Findings, Failure> {
        search(&transport(), Kind::News, &Ask { query, count, page, country, language, freshness, safe_search })
    }
}

/// The most bytes of an answer that are read. Real ones have a tenth of it; as a tree of JSON the worst takes a hundred times
/// as much, which has to fit into the memory of a call.
const LONGEST_ANSWER: usize = 1024 * 1024;

/// One search: one request, and what came of it.
fn search(transport: &impl Transport, kind: Kind, ask: &Ask) -> Result<Findings, Failure> {
    let request = ask.request(kind)?;
    let response = transport
        .send(&request, &Limits { body: LONGEST_ANSWER, ..Limits::default() })
        .map_err(|error| refusal::of_error(&error))?;
    if let Some(failure) = refusal::of_response(&response) {
        return Err(failure);
    }
    let body = response.json().map_err(|error| refusal::of_error(&error))?;
    answer::findings(kind, &body).map_err(|error| refusal::of_error(&error))
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
