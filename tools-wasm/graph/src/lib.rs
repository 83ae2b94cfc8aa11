//! The `graph` tool: prerequisite graphs of concepts. This file converts between the component's types and plain Rust and
//! delegates; the graph itself never sees a binding.

// A test that unwraps says with its panic what went wrong.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod critical;
mod cycles;
mod graph;
mod nearest;
mod order;
mod plan;
mod reach;
mod ready;
#[cfg(test)]
mod samples;

use bindings::toolcell::tool::types::{Failure, Problem};
use bindings::{
    Candidate, Concept, CriticalReport, CycleReport, Knot, NextReport, Ordering, PlanStep, Slot, StudyPlan,
};

use crate::graph::{Graph, GraphError};

/// What `wit/world.wit` generates.
mod bindings {
    #![allow(unsafe_code, reason = "the generated glue reads and writes the component's memory")]
    #![allow(missing_docs, clippy::pedantic, clippy::too_many_arguments, reason = "generated code")]
    wit_bindgen::generate!({ path: ["../../wit/tool", "wit"], world: "toolcell:graph/graph", generate_all });

    use super::Tool;
    export!(Tool);
}

struct Tool;

impl bindings::Guest for Tool {
    fn order(concepts: Vec<Concept>) -> Result<Ordering, Failure> {
        let concepts = plain(concepts);
        let graph = Graph::new(&concepts)?;
        let found = order::order(&graph)?;
        Ok(Ordering {
            order: ids(&graph, &found.order),
            stages: found.stages.iter().map(|stage| ids(&graph, stage)).collect(),
            total_effort: found.total_effort,
        })
    }

    fn cycles(concepts: Vec<Concept>) -> Result<CycleReport, Failure> {
        let concepts = plain(concepts);
        let graph = Graph::new(&concepts)?;
        let knots: Vec<Knot> = cycles::cycles(&graph)
            .iter()
            .map(|knot| Knot { members: ids(&graph, &knot.members), path: ids(&graph, &knot.path) })
            .collect();
        Ok(CycleReport { acyclic: knots.is_empty(), knots })
    }

    fn critical_path(concepts: Vec<Concept>, goal: Option<String>) -> Result<CriticalReport, Failure> {
        let concepts = plain(concepts);
        let graph = Graph::new(&concepts)?;
        let found = critical::critical_path(&graph, goal.as_deref())?;
        let slot = |slot: &critical::Slot| Slot {
            id: graph.id(slot.concept),
            start: slot.start,
            finish: slot.finish,
            slack: slot.slack,
        };
        Ok(CriticalReport {
            path: ids(&graph, &found.path),
            length: found.length,
            total_effort: found.total_effort,
            schedule: found.schedule.iter().map(slot).collect(),
        })
    }

    fn next(
        concepts: Vec<Concept>,
        known: Vec<String>,
        goal: Option<String>,
        limit: Option<u32>,
    ) -> Result<NextReport, Failure> {
        let concepts = plain(concepts);
        let graph = Graph::new(&concepts)?;
        let found = ready::next(&graph, &known, goal.as_deref(), limit)?;
        let candidate = |candidate: &ready::Candidate| {
            let concept = graph.concept(candidate.concept);
            Candidate {
                id: concept.id.clone(),
                title: concept.title.clone(),
                effort: concept.hours(),
                leads_to: candidate.leads_to,
                unlocks: candidate.unlocks,
                unlocked: ids(&graph, &candidate.unlocked),
            }
        };
        Ok(NextReport {
            ready: found.candidates.iter().map(candidate).collect(),
            ready_total: found.total,
            remaining: found.remaining,
            remaining_effort: found.remaining_effort,
        })
    }

    fn plan(concepts: Vec<Concept>, goal: String, known: Vec<String>) -> Result<StudyPlan, Failure> {
        let concepts = plain(concepts);
        let graph = Graph::new(&concepts)?;
        let found = plan::plan(&graph, &goal, &known)?;
        let mut done_after = 0.0;
        let step = |&at: &u32| {
            let concept = graph.concept(at);
            done_after += concept.hours();
            PlanStep { id: concept.id.clone(), title: concept.title.clone(), effort: concept.hours(), done_after }
        };
        Ok(StudyPlan {
            steps: found.steps.iter().map(step).collect(),
            total_effort: found.total_effort,
            builds_on: ids(&graph, &found.builds_on),
        })
    }
}

fn plain(concepts: Vec<Concept>) -> Vec<graph::Concept> {
    concepts
        .into_iter()
        .map(|concept| graph::Concept {
            id: concept.id,
            title: concept.title,
            effort: concept.effort,
            needs: concept.needs.unwrap_or_default(),
        })
        .collect()
}

fn ids(graph: &Graph<'_>, concepts: &[u32]) -> Vec<String> {
    concepts.iter().map(|&at| graph.id(at)).collect()
}

impl From<GraphError> for Failure {
    fn from(error: GraphError) -> Self {
        Self::InvalidArgument(Problem {
            pointer: error.pointer(),
            expected: error.expected(),
            found: error.found(),
            message: error.to_string(),
        })
    }
}
