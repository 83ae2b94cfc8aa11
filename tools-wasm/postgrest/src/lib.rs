//! The `postgrest` tool: rows of a database behind PostgREST. This file is the door between the contract in `wit/world.wit` and
//! the modules: `base` knows where the database is, `grammar` writes PostgREST's query language, `ask` makes requests of
//! arguments, `answer` reads what came back, `refusal` makes failures.
//!
//! It holds no key. The host puts the secret `postgrest-key` into the request after it has left the component.

// A test that unwraps says with its panic what went wrong.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod answer;
mod ask;
mod base;
#[cfg(test)]
mod cases_tests;
mod grammar;
mod refusal;

use toolcell_client::contract::Failure;
use toolcell_client::{Limits, Response, Transport};

use crate::ask::{Ask, Selection};
use crate::base::Base;
use crate::bindings::{Counting, Filter, Rows, SortKey};

/// The functions, for those who link the tool instead of running it as a component.
pub use bindings::{Guest, Tool};

/// What `wit/world.wit` generates.
mod bindings {
    #![allow(unsafe_code, reason = "the generated glue reads and writes the component's memory")]
    #![allow(missing_docs, clippy::pedantic, clippy::too_many_arguments, reason = "generated code")]
    wit_bindgen::generate!({
        path: ["../../wit/tool", "../../wit/host", "wit"],
        world: "toolcell:postgrest/postgrest",
        generate_all,
        with: { "toolcell:tool/types@0.1.0": toolcell_client::contract },
        additional_derives: [PartialEq, serde::Deserialize, serde::Serialize],
    });

    // Natively `select` would take the place of the C library's.
    #[cfg(target_family = "wasm")]
    export!(Tool with_types_in self);

    /// What the exports are implemented for.
    pub struct Tool;
}

impl Guest for Tool {
    fn select(
        table: String,
        columns: Option<Vec<String>>,
        filters: Option<Vec<Filter>>,
        order: Option<Vec<SortKey>>,
        limit: Option<u32>,
        offset: Option<u32>,
        total: Option<Counting>,
    ) -> Result<Rows, Failure> {
        select(&transport(), &base()?, &Selection { table, columns, filters, order, limit, offset, total })
    }

    fn insert(table: String, rows: String) -> Result<Rows, Failure> {
        insert(&transport(), &base()?, &table, &rows)
    }

    fn update(table: String, changes: String, filters: Vec<Filter>, at_most: Option<u32>) -> Result<Rows, Failure> {
        update(&transport(), &base()?, &table, &changes, &filters, at_most)
    }

    fn delete(table: String, filters: Vec<Filter>, at_most: Option<u32>) -> Result<Rows, Failure> {
        delete(&transport(), &base()?, &table, &filters, at_most)
    }

    fn call(function: String, arguments: Option<String>) -> Result<String, Failure> {
        call(&transport(), &base()?, &function, arguments.as_deref())
    }
}

fn select(transport: &impl Transport, base: &Base, selection: &Selection) -> Result<Rows, Failure> {
    let ask = Ask::select(base, selection)?;
    answer::rows(&send(transport, &ask)?).map_err(|error| ask.of_error(&error))
}

fn insert(transport: &impl Transport, base: &Base, table: &str, rows: &str) -> Result<Rows, Failure> {
    let ask = Ask::insert(base, table, rows)?;
    answer::rows(&send(transport, &ask)?).map_err(|error| ask.of_error(&error))
}

fn update(
    transport: &impl Transport,
    base: &Base,
    table: &str,
    changes: &str,
    filters: &[Filter],
    at_most: Option<u32>,
) -> Result<Rows, Failure> {
    let ask = Ask::update(base, table, changes, filters, at_most)?;
    answer::rows(&send(transport, &ask)?).map_err(|error| ask.of_error(&error))
}

fn delete(
    transport: &impl Transport,
    base: &Base,
    table: &str,
    filters: &[Filter],
    at_most: Option<u32>,
) -> Result<Rows, Failure> {
    let ask = Ask::delete(base, table, filters, at_most)?;
    answer::rows(&send(transport, &ask)?).map_err(|error| ask.of_error(&error))
}

fn call(transport: &impl Transport, base: &Base, function: &str, arguments: Option<&str>) -> Result<String, Failure> {
    let ask = Ask::call(base, function, arguments)?;
    answer::value(&send(transport, &ask)?).map_err(|error| ask.of_error(&error))
}

/// The most bytes of a refusal that are read. Rows are only counted, but a refusal becomes a tree of JSON, which takes a hundred times its
/// size at the worst.
const LONGEST_REFUSAL: usize = 64 * 1024;

/// Sends one request; a response that is no success is a failure.
fn send(transport: &impl Transport, ask: &Ask) -> Result<Response, Failure> {
    let mut response = transport.send(&ask.request, &Limits::default()).map_err(|error| ask.of_error(&error))?;
    if !response.is_success() {
        response.body.truncate(LONGEST_REFUSAL);
    }
    match ask.of_response(&response) {
        Some(failure) => Err(failure),
        None => Ok(response),
    }
}

#[cfg(target_family = "wasm")]
fn base() -> Result<Base, Failure> {
    Base::new(bindings::toolcell::host::config::get(base::SETTING).as_deref())
}

/// Outside a component nobody has made settings.
#[cfg(not(target_family = "wasm"))]
fn base() -> Result<Base, Failure> {
    Base::new(None)
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
