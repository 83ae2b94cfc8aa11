//! The `enrich` tool: the Clearbit Enrichment API as functions. This file is the door between the contract in `wit/world.wit`
//! and the modules: `subject` checks what is looked up, `answer` reads what came back, `refusal` makes failures.
//!
//! It holds no key. The host puts the secret `clearbit-key` into the request after it has left the component.

// A test that unwraps says with its panic what went wrong.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod answer;
#[cfg(test)]
mod cases_tests;
mod refusal;
mod subject;

use serde_json::Value;
use toolcell_client::contract::Failure;
use toolcell_client::{Error, Limits, Request, Transport};

use crate::bindings::{Both, Company, Person};
use crate::subject::Subject;

/// The functions, for those who link the tool instead of running it as a component.
pub use bindings::{Guest, Tool};

/// What `wit/world.wit` generates.
mod bindings {
    #![allow(unsafe_code, reason = "the generated glue reads and writes the component's memory")]
    #![allow(missing_docs, clippy::pedantic, reason = "generated code")]
    wit_bindgen::generate!({
        path: ["../../wit/tool", "wit"],
        world: "toolcell:enrich/enrich",
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
    fn person(email: String) -> Result<Person, Failure> {
        person(&transport(), &email)
    }

    fn company(domain: String) -> Result<Company, Failure> {
        company(&transport(), &domain)
    }

    fn combined(email: String) -> Result<Both, Failure> {
        combined(&transport(), &email)
    }
}

fn person(transport: &impl Transport, email: &str) -> Result<Person, Failure> {
    look_up(transport, "https://person.clearbit.com/v2/people/find", &Subject::email(email)?, answer::person)
}

fn company(transport: &impl Transport, domain: &str) -> Result<Company, Failure> {
    look_up(transport, "https://company.clearbit.com/v2/companies/find", &Subject::domain(domain)?, answer::company)
}

fn combined(transport: &impl Transport, email: &str) -> Result<Both, Failure> {
    look_up(transport, "https://person.clearbit.com/v2/combined/find", &Subject::email(email)?, answer::both)
}

/// The most bytes of an answer that are read. Real ones have a tenth of it; as a tree of JSON the worst takes a hundred times
/// as much, which has to fit into the memory of a call.
const LONGEST_ANSWER: usize = 1024 * 1024;

/// One lookup: one request, and what came of it.
fn look_up<T>(
    transport: &impl Transport,
    url: &str,
    subject: &Subject,
    read: impl FnOnce(&Value) -> Result<T, Error>,
) -> Result<T, Failure> {
    let request = Request::get(url).header("accept", "application/json").query(subject.parameter(), subject.as_str());
    let response = transport
        .send(&request, &Limits { body: LONGEST_ANSWER, ..Limits::default() })
        .map_err(|error| refusal::of_error(&error))?;
    if let Some(failure) = refusal::of_response(&response, subject) {
        return Err(failure);
    }
    let body = response.json().map_err(|error| refusal::of_error(&error))?;
    read(&body).map_err(|error| refusal::of_error(&error))
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
