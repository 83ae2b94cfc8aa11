//! Who waits for whom, so that the end of a step touches those that need it and nobody else.

use crate::plan::Plan;

/// The steps that need each step, one list behind the other.
#[derive(Debug)]
pub(super) struct Graph {
    from: Vec<usize>,
    needed_by: Vec<usize>,
}

impl Graph {
    pub(super) fn of(plan: &Plan) -> Self {
        let mut from = vec![0; plan.steps.len() + 1];
        for need in plan.steps.iter().flat_map(|step| &step.needs) {
            from[need + 1] += 1;
        }
        for place in 1..from.len() {
            from[place] += from[place - 1];
        }
        let mut next = from.clone();
        let mut needed_by = vec![0; from.last().copied().unwrap_or_default()];
        for (place, step) in plan.steps.iter().enumerate() {
            for need in &step.needs {
                needed_by[next[*need]] = place;
                next[*need] += 1;
            }
        }
        Self { from, needed_by }
    }

    /// The steps that need this one, ascending.
    pub(super) fn needing(&self, step: usize) -> &[usize] {
        &self.needed_by[self.from[step]..self.from[step + 1]]
    }
}
