//! `toolcell:host`: log, progress and config work; kv, secrets and calling other tools are refused with words.

use toolcell_core::{Event, LogLevel};

use super::Inner;
use super::crossing::{Door, crossing};
use crate::schema::inert;

pub(super) use bindings::toolcell::host::{config, kv, log, progress, secrets, toolbox};
pub(super) use bindings::toolcell::tool::types;

/// What bindgen makes of `wit/host`.
#[allow(clippy::all, clippy::pedantic, reason = "generated code")]
pub(super) mod bindings {
    wasmtime::component::bindgen!({
        path: ["../../wit/tool", "../../wit/host"],
        world: "toolcell:host/offers",
        imports: {
            // These wait, for a store or for another tool.
            "toolcell:host/kv": async | trappable,
            "toolcell:host/toolbox": async | trappable,
            default: trappable,
        },
    });
}

/// The longest note of a progress report, in bytes, as `wit/host` promises.
const MAX_NOTE: usize = 256;

crossing! { impl log::Host, "toolcell:host/log", |state| &mut Inner(state);
    fn write(level: log::Level, message: String) -> wasmtime::Result<()> = "write";
}

crossing! { impl progress::Host, "toolcell:host/progress", |state| &mut Inner(state);
    fn report(done: u64, total: Option<u64>, note: Option<String>) -> wasmtime::Result<()> = "report";
}

crossing! { impl config::Host, "toolcell:host/config", |state| &mut Inner(state);
    fn get(key: String) -> wasmtime::Result<Option<String>> = "get";
    fn keys() -> wasmtime::Result<Vec<String>> = "keys";
}

crossing! { impl kv::Host, "toolcell:host/kv", |state| &mut Inner(state);
    async fn get(key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, kv::Error>> = "get";
    async fn set(key: String, value: Vec<u8>, ttl_ms: Option<u64>) -> wasmtime::Result<Result<(), kv::Error>> = "set";
    async fn delete(key: String) -> wasmtime::Result<Result<(), kv::Error>> = "delete";
    async fn list_keys(
        prefix: String, cursor: Option<String>, limit: u32
    ) -> wasmtime::Result<Result<kv::Page, kv::Error>> = "list-keys";
}

crossing! { impl secrets::Host, "toolcell:host/secrets", |state| &mut Inner(state);
    fn exists(name: String) -> wasmtime::Result<bool> = "exists";
}

impl types::Host for Door<'_> {}

const NO_SECRET: &str = "the call has no such secret: the manifest must request it, a rule must grant it, and a store of the host must hold it";

impl log::Host for Inner<'_> {
    fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warn => LogLevel::Warn,
            log::Level::Error => LogLevel::Error,
        };
        Ok(self.0.shared().say(level, &message)?)
    }
}

impl progress::Host for Inner<'_> {
    fn report(&mut self, done: u64, total: Option<u64>, note: Option<String>) -> wasmtime::Result<()> {
        if let Some(sink) = &self.0.shared().sink {
            sink(Event::Progress { done, total, note: note.map(|note| inert(&note, MAX_NOTE)) });
        }
        Ok(())
    }
}

impl config::Host for Inner<'_> {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        Ok(self.0.config.get(&key).cloned())
    }

    fn keys(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.0.config.keys().cloned().collect())
    }
}

impl secrets::Host for Inner<'_> {
    fn exists(&mut self, name: String) -> wasmtime::Result<bool> {
        let there = self.0.secrets.contains(&name);
        if !there {
            self.0.deny(NO_SECRET);
        }
        Ok(there)
    }
}
