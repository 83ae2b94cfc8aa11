//! `toolcell:host/toolbox`: one tool calls another, inside what is left of its own call.
//!
//! The function is linked by hand because it needs the store: what the nested call burns is taken from the fuel of
//! this one before the guest goes on. It passes the door like every other.

use async_trait::async_trait;
use toolcell_core::failure::{Problem, Question};
use toolcell_core::json::Json;
use toolcell_core::receipt::Used;
use toolcell_core::{Failure, Kind, Limit, Limits};
use wasmtime::component::{Linker, LinkerInstance, Val};
use wasmtime::{AsContextMut, StoreContextMut};

use super::CallState;
use super::crossing::Door;
use super::functions::FunctionId;
use super::offers::{toolbox, types};
use super::tally::Tally;
use crate::lifting;

/// Who runs the tools that a call calls. The host gives one to each call that may call any.
#[async_trait]
pub trait Callees: Send + Sync {
    /// Runs a tool with so much and no more.
    async fn call(&self, tool: String, arguments: String, left: Limits) -> Called;

    /// How many calls were made, which this call shares with those above and below it.
    fn tally(&self) -> &Tally;
}

/// How a nested call ended.
pub struct Called {
    /// Its result as JSON, or why there is none.
    pub ended: Result<String, NoResult>,
    /// What it used, which this call pays for.
    pub used: Used,
}

/// Why a nested call has no result.
pub enum NoResult {
    /// It was not made. The reason goes to the guest and into the receipt.
    NotGranted(String),
    /// The depth of calls within calls ends here, and this call with it.
    TooDeep,
    /// It failed, or ended otherwise.
    Ended(Box<Failure>),
}

const CALL: FunctionId = FunctionId::of("toolcell:host/toolbox", "call");

const NO_TOOLBOX: &str = "this call may not call other tools; request them in the manifest under `tools`, and allow them by `call` in a rule";

/// What one value of arguments takes while it is checked: as JSON, and as the engine's value made of it, each in a vector
/// that has doubled.
const READ_VALUE: u64 = 2 * (size_of::<Json<'_>>() + size_of::<Val>()) as u64;

type Answer = Result<String, toolbox::Error>;

/// Links the interface.
pub(super) fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    let mut interface: LinkerInstance<'_, CallState> = linker.instance("toolcell:host/toolbox@0.1.0")?;
    interface.func_wrap_async(
        "call",
        |mut store: StoreContextMut<'_, CallState>, (tool, arguments): (String, String)| {
            Box::new(async move {
                let weight = (tool.len() + arguments.len()) as u64;
                let entered =
                    Door(store.data_mut()).enter::<wasmtime::Result<Answer>>(CALL, weight, &[&tool, &arguments]);
                let answer = if let Some(over) = entered {
                    over
                } else {
                    let answer = call(store.as_context_mut(), tool, arguments).await;
                    Door(store.data_mut()).leave(CALL, answer)
                };
                Ok((answer?,))
            })
        },
    )
}

async fn call(mut store: StoreContextMut<'_, CallState>, tool: String, arguments: String) -> wasmtime::Result<Answer> {
    let fuel = store.get_fuel()?;
    let state = store.data_mut();
    let Some(callees) = state.callees.clone() else {
        state.deny(NO_TOOLBOX);
        return Ok(Err(toolbox::Error::NotGranted(NO_TOOLBOX.to_owned())));
    };
    if callees.tally().charge().is_err() {
        return Err(state.budget.over(Limit::NestedCalls).into());
    }
    let left = left(state, fuel, arguments.len() as u64);
    let Called { ended, used } = callees.call(tool, arguments, left).await;
    pay(store.data_mut(), &used);
    store.set_fuel(fuel.saturating_sub(used.fuel))?;
    let state = store.data_mut();
    if callees.tally().is_over() {
        return Err(state.budget.over(Limit::NestedCalls).into());
    }
    Ok(match ended {
        Ok(result) => Ok(result),
        Err(NoResult::NotGranted(reason)) => {
            state.deny(reason.clone());
            Err(toolbox::Error::NotGranted(reason))
        }
        Err(NoResult::TooDeep) => return Err(state.budget.over(Limit::CallDepth).into()),
        Err(NoResult::Ended(failure)) => Err(ended_as(*failure)),
    })
}

/// What this call can still spend. Each limit is worth at least one, because no limit can be zero: what is really used
/// up is met by the nested call at once. Requests and nested calls are not among them: those are charged to this call as they
/// happen, so that not one goes out for which there is no room here.
///
/// While the nested call runs, the host holds its arguments twice: as they came, and as values. They count as memory, and of
/// values there are no more than memory has room for.
fn left(state: &CallState, fuel: u64, arguments: u64) -> Limits {
    let (limits, used) = (&state.budget.limits, state.used());
    let values = limits.get(Limit::ArgumentValues);
    let room = lifting::spare(limits.get(Limit::Memory), &state.meter) / READ_VALUE;
    let spent = [
        (Limit::ArgumentValues, values.saturating_sub(room)),
        (Limit::Fuel, limits.get(Limit::Fuel) - fuel.min(limits.get(Limit::Fuel))),
        (Limit::Memory, state.meter.memory_now().saturating_add(arguments.saturating_mul(2))),
        (Limit::HostCalls, used.host_calls),
        (Limit::HostBytes, used.host_bytes),
        (Limit::RandomBytes, used.random_bytes),
        (Limit::LogBytes, used.log_bytes),
        (Limit::LogLines, used.log_lines),
        (Limit::FileReadBytes, used.file_read_bytes),
        (Limit::FileWriteBytes, used.file_write_bytes),
    ];
    spent.into_iter().fold(limits.clone(), |left, (limit, spent)| {
        let value = limits.get(limit).saturating_sub(spent).max(1);
        left.clone().with(limit, value).unwrap_or(left)
    })
}

/// Writes what a nested call used to this call's account, but for what was charged to it already.
fn pay(state: &mut CallState, used: &Used) {
    state.budget.host_calls = state.budget.host_calls.saturating_add(used.host_calls);
    state.budget.host_bytes = state.budget.host_bytes.saturating_add(used.host_bytes);
    state.budget.random_bytes = state.budget.random_bytes.saturating_add(used.random_bytes);
    if used.log_bytes + used.log_lines + used.file_read_bytes + used.file_write_bytes > 0 {
        state.shared().pay(used);
    }
}

/// A failure in the words of `wit/host`: as the other tool's own failure where it is one.
fn ended_as(failure: Failure) -> toolbox::Error {
    let message = failure.message.clone();
    let failed = match failure.kind {
        Kind::InvalidArgument => {
            let Problem { pointer, expected, found, .. } = failure.problems.into_iter().next().unwrap_or_default();
            types::Failure::InvalidArgument(types::Problem { pointer, expected, found, message })
        }
        Kind::Unavailable => {
            types::Failure::Unavailable(types::Outage { message, retry_after_ms: failure.retry_after_ms })
        }
        Kind::NotFound => types::Failure::NotFound(message),
        Kind::Conflict => types::Failure::Conflict(message),
        Kind::Refused => types::Failure::Denied(message),
        Kind::NeedsPerson => {
            let Question { text, choices } =
                failure.question.unwrap_or(Question { text: message, choices: Vec::new() });
            types::Failure::NeedsPerson(types::Question { text, choices })
        }
        Kind::Fatal => types::Failure::Fatal(message),
        kind => return toolbox::Error::Ended(toolbox::Ended { kind: kind.name().to_owned(), message }),
    };
    toolbox::Error::Failed(failed)
}
