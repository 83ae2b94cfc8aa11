//! The types of `toolcell:tool/types`, generated once. Each tool's own bindings would generate them anew, as types that have nothing to do
//! with those of its neighbours, and whatever the tools share about failures would stand in each of them.
//!
//! A tool says `with: { "toolcell:tool/types@0.1.0": toolcell_contract }` to `wit_bindgen::generate!`, and shares them. It owns no decision.

pub use bindings::toolcell::tool::types::{Failure, Outage, Problem, Question};

/// What `wit/world.wit` generates.
mod bindings {
    #![allow(unsafe_code, reason = "the generated glue reads and writes the component's memory")]
    #![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]
    wit_bindgen::generate!({
        path: ["../../wit/tool", "wit"],
        world: "toolcell:contract/contract",
        generate_all,
        generate_unused_types: true,
        additional_derives: [PartialEq, Eq],
    });
}
