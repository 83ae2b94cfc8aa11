//! Plans: graphs of calls, as data.
//!
//! Owns the plan file (read, checked whole, described by a schema, written again, drawn) and the filling of its holes. Refuses to run
//! anything, and to read files: a plan comes as text, and what is known of tools through a [`toolcell_core::Directory`].

mod canonical;
mod check;
mod draft;
mod fit;
mod graph;
mod holes;
mod nearest;
mod number;
mod order;
mod problem;
mod reach;
mod render;
mod template;
#[cfg(test)]
mod tests;
mod tree;

use std::sync::Arc;
use std::time::Duration;

use toolcell_core::ResultText;

pub use self::canonical::canonical;
pub use self::check::{Format, Written, check, outline, read};
pub use self::draft::{DEFAULT_CONCURRENCY, MAX_CONCURRENCY, MAX_DEADLINE, MAX_STEP_ID, MAX_STEPS, MAX_TIMEOUT};
pub use self::graph::{Done, Edge, EdgeKind, Graph, GraphNode, Times, graph};
pub use self::problem::{MAX_PROBLEMS, Problem, Problems};
pub use self::render::{MAX_ITEMS, MAX_RENDERED, Origin, RenderError, Scope, Texts, WithItem, parsed};
pub use self::template::{Condition, Template, Test};
pub use self::tree::{MAX_BYTES, MAX_DEPTH, MAX_VALUES};

/// The JSON Schema (2020-12) of a plan file. What a schema cannot say (names, circles, tools) [`check()`] says.
pub fn schema() -> &'static str {
    include_str!("plan.schema.json")
}

/// A graph of calls that was checked: names are resolved, nothing goes in a circle, every pointer is one.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What it is called.
    pub name: Arc<str>,
    /// What it is for, in a sentence.
    pub description: Option<Arc<str>>,
    /// The steps, each behind those that it needs.
    pub steps: Vec<Step>,
    /// How many calls of the run may be under way at one time, 1 to 10,000.
    pub concurrency: usize,
    /// The longest that the run may take; waiting for a person is not in it.
    pub deadline: Option<Duration>,
    /// What the run may use up in all.
    pub budget: Budget,
    /// What the run gives back; absent: the results of the steps that nothing needs, by id.
    pub output: Option<Template>,
    /// What `Input` refers to where whoever runs the plan gives nothing; JSON text.
    pub input: Option<Arc<str>>,
}

/// What a run may use up in all, attempts that failed included. Absent: what its plan, deadline and grants come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// Calls.
    pub calls: Option<u64>,
    /// Fuel.
    pub fuel: Option<u64>,
    /// HTTP requests.
    pub http_requests: Option<u64>,
}

/// One node.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its name in the plan: letters, digits, `-` and `_`, at most 64.
    pub id: Arc<str>,
    /// The tool, as the plan names it.
    pub tool: Arc<str>,
    /// The steps that must have ended before this one begins, as places in [`Plan::steps`], ascending: those that the plan
    /// names and those that its references name.
    pub needs: Vec<usize>,
    /// What it is called with.
    pub arguments: Template,
    /// Where it is done once for each item of a list.
    pub for_each: Option<ForEach>,
    /// Where it is done only under a condition.
    pub when: Option<Condition>,
    /// The longest that one attempt may take.
    pub timeout: Option<Duration>,
    /// The result where it fails in a way that nothing helps against.
    pub fallback: Option<ResultText>,
    /// How much its success matters.
    pub criticality: Criticality,
    /// Makes two calls the same call to whoever deduplicates; a text when rendered.
    pub key: Option<Template>,
    /// JSON pointer to where in the arguments a person's answer goes.
    pub answer_at: Option<Arc<str>>,
}

/// A step that goes over a list. Its result is the list of the results, in the order of the items.
#[derive(Clone, Debug, PartialEq)]
pub struct ForEach {
    /// Renders to an array.
    pub over: Template,
    /// How many of its calls may be under way at one time; absent: as many as the run allows.
    pub concurrency: Option<usize>,
}

/// How much a step's success matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Criticality {
    /// The run completes without it; what refers to its result finds null. It is retried least.
    Optional,
    /// The run fails where it fails; whatever does not need it goes on.
    #[default]
    Required,
    /// As `required`, retried most; and before it fails for good a person is asked.
    Critical,
}
