//! What the chapters about plans share: a plan is run as `toolcell plan run` runs it, and what it claims has to hold.

use std::time::Duration;

use serde_json::Value;
use toolcell_agents::plan::{self, Format};
use toolcell_agents::schedule::{RunEnd, RunHandle, StepEnd};
use toolcell_core::Tenant;

use super::super::plan::{lines, run};
use crate::exit::CliError;
use crate::workbench::Workbench;

/// Checks a plan, runs it with an input, and waits until nothing more happens in it.
pub(super) async fn follow(bench: &Workbench, text: &str, input: &Value) -> Result<RunEnd, CliError> {
    let checked = plan::read(text, Format::Toml)
        .and_then(|written| plan::check(&written, bench.host(), &Tenant::default()))
        .map_err(|problems| {
            let mut error = CliError::failed("a plan of the demo cannot be run");
            error.causes = lines(&problems);
            error
        })?;
    let (handle, _) = run::begin(bench, checked, Some(input.to_string().into()), "toolcell demo").await?;
    ended(handle).await
}

/// Waits until nothing more happens in a run.
pub(super) async fn ended(handle: RunHandle) -> Result<RunEnd, CliError> {
    let id = handle.id();
    handle.ended().await.map_err(|fault| run::stopped(id, &fault))
}

/// The step of that id.
pub(super) fn step<'e>(end: &'e RunEnd, id: &str) -> Result<&'e StepEnd, CliError> {
    let found = end.steps.iter().find(|step| *step.id == *id);
    found.ok_or_else(|| CliError::failed(format!("a plan of the demo has no step `{id}`")))
}

/// The time of a run's steps together: what it would take one after the other.
pub(super) fn together(end: &RunEnd) -> Duration {
    end.steps.iter().map(|step| step.duration).sum()
}

/// A plan of the demo as far as it can be checked without its tools.
#[cfg(test)]
pub(super) fn outline(text: &str) -> plan::Plan {
    plan::read(text, Format::Toml)
        .and_then(|written| plan::outline(&written))
        .unwrap_or_else(|problems| panic!("{}", lines(&problems).join("\n")))
}
