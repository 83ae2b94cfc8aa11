//! Puts every step behind those that it needs, and names the circles where that cannot be done.
//!
//! It goes over each step and each need a fixed number of times and never calls itself, so a chain of a million steps costs a
//! million times a short one and no stack.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The order in which each step stands behind its needs, as near to the one given as can be, given the needs of each.
///
/// # Errors
/// The circles, each in the order in which its steps need each other.
pub(super) fn order(needs: &[&[usize]]) -> Result<Vec<usize>, Vec<Vec<usize>>> {
    let mut missing: Vec<usize> = needs.iter().map(|needs| needs.len()).collect();
    // The steps that need each step lie behind each other in one list; `begins` says where.
    let mut begins = vec![0; needs.len() + 1];
    for need in needs.iter().copied().flatten() {
        begins[need + 1] += 1;
    }
    for step in 0..needs.len() {
        begins[step + 1] += begins[step];
    }
    let mut dependants = vec![0; begins[needs.len()]];
    let mut free = begins.clone();
    for (step, needs) in needs.iter().enumerate() {
        for need in *needs {
            dependants[free[*need]] = step;
            free[*need] += 1;
        }
    }
    let mut ready: BinaryHeap<Reverse<usize>> =
        (0..needs.len()).filter(|step| missing[*step] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(needs.len());
    while let Some(Reverse(step)) = ready.pop() {
        order.push(step);
        for dependant in &dependants[begins[step]..begins[step + 1]] {
            missing[*dependant] -= 1;
            if missing[*dependant] == 0 {
                ready.push(Reverse(*dependant));
            }
        }
    }
    if order.len() == needs.len() { Ok(order) } else { Err(circles(needs, &missing)) }
}

/// Every step that is left misses one that is left too, so following the first of those ends in a circle.
fn circles(needs: &[&[usize]], missing: &[usize]) -> Vec<Vec<usize>> {
    const UNSEEN: usize = usize::MAX;
    let mut walk_of = vec![UNSEEN; needs.len()];
    let mut circles = Vec::new();
    for start in (0..needs.len()).filter(|step| missing[*step] > 0) {
        let mut walk = Vec::new();
        let mut here = start;
        while walk_of[here] == UNSEEN {
            walk_of[here] = start;
            walk.push(here);
            let Some(next) = needs[here].iter().find(|need| missing[**need] > 0) else { break };
            here = *next;
        }
        // Otherwise the walk has run into an earlier one, whose circle is known.
        if walk_of[here] == start
            && let Some(begins) = walk.iter().position(|step| *step == here)
        {
            circles.push(walk.split_off(begins));
        }
    }
    circles
}
