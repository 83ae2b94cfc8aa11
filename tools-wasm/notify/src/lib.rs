//! The `notify` tool: messages to Slack and Discord. This file is the door between the contract in `wit/world.wit` and the modules, one for
//! each service; `refusal` makes failures.
//!
//! It speaks the APIs that take a token, not the webhooks: the address of a webhook is itself the secret, and would have to be in the
//! component. The host puts the tokens into the requests after they have left it.

// A test that unwraps says with its panic what went wrong.
#![cfg_attr(test, allow(clippy::unwrap_used))]

#[cfg(test)]
mod cases_tests;
mod discord;
mod refusal;
mod slack;

use toolcell_client::contract::Failure;
use toolcell_client::{Limits, Request, Response, Transport};

use crate::bindings::{Mentions, Posted};
use crate::refusal::Api;

/// The functions, for those who link the tool instead of running it as a component.
pub use bindings::{Guest, Tool};

/// What `wit/world.wit` generates.
mod bindings {
    #![allow(unsafe_code, reason = "the generated glue reads and writes the component's memory")]
    #![allow(missing_docs, clippy::pedantic, clippy::too_many_arguments, reason = "generated code")]
    wit_bindgen::generate!({
        path: ["../../wit/tool", "wit"],
        world: "toolcell:notify/notify",
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
    fn slack(
        channel: String,
        text: String,
        thread: Option<String>,
        mentions: Option<Mentions>,
    ) -> Result<Posted, Failure> {
        slack::post(&transport(), &slack::Message { channel, text, thread, mentions })
    }

    fn discord(
        channel: String,
        text: String,
        reply_to: Option<String>,
        mentions: Option<Mentions>,
    ) -> Result<Posted, Failure> {
        discord::post(&transport(), &discord::Message { channel, text, reply_to, mentions })
    }
}

/// Sends one message. An answer of any status comes back; where there is none, the failure says whether the message may be there.
fn send(transport: &impl Transport, api: &Api, request: &Request) -> Result<Response, Failure> {
    // A receipt for one message is small, whatever a service echoes of it; as a tree of JSON the worst takes a hundred times as much.
    let limits = Limits { body: 1024 * 1024, ..Limits::default() };
    transport.send(request, &limits).map_err(|error| api.of_error(&error))
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
