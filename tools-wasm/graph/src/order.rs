//! Owns the topological order: Kahn's algorithm with a heap, so that the order depends on the list alone. Everything that
//! needs an acyclic graph goes through here, and a cycle is refused here with one cycle named.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::cycles;
use crate::graph::{Graph, GraphError, small};

/// An order, and the stages that it falls into.
#[derive(Debug, PartialEq)]
pub struct Ordering {
    /// All concepts, prerequisites first.
    pub order: Vec<u32>,
    /// The same concepts by the number of stages that must come before.
    pub stages: Vec<Vec<u32>>,
    /// Hours of all concepts together.
    pub total_effort: f64,
}

/// Orders the whole graph.
pub fn order(graph: &Graph<'_>) -> Result<Ordering, GraphError> {
    let order = topological(graph, |_| true)?;
    let mut stage = vec![0u32; graph.size()];
    let mut stages: Vec<Vec<u32>> = Vec::new();
    for &at in &order {
        stage[at as usize] = graph.needs(at).iter().map(|&need| stage[need as usize] + 1).max().unwrap_or(0);
    }
    for at in 0..small(graph.size()) {
        let stage = stage[at as usize] as usize;
        if stages.len() <= stage {
            stages.resize_with(stage + 1, Vec::new);
        }
        stages[stage].push(at);
    }
    let total_effort = order.iter().map(|&at| graph.concept(at).hours()).sum();
    Ok(Ordering { order, stages, total_effort })
}

/// The concepts that `within` holds, prerequisites first; of those that could come next, the first in the list does.
/// Needs outside `within` count as met.
///
/// # Errors
/// [`GraphError::Cycle`] wherever the graph has one, inside `within` or not: a circle is a mistake in the data, and an
/// answer that happens to steer clear of it today would fail for the next goal.
pub fn topological(graph: &Graph<'_>, within: impl Fn(u32) -> bool) -> Result<Vec<u32>, GraphError> {
    let whole = kahn(graph, |_| true);
    if whole.len() < graph.size() {
        return Err(cycles::first(graph));
    }
    // A part of an order is an order of the part, but not always the one with the smallest places first.
    Ok(if (0..small(graph.size())).all(&within) { whole } else { kahn(graph, within) })
}

fn kahn(graph: &Graph<'_>, within: impl Fn(u32) -> bool) -> Vec<u32> {
    let nodes = small(graph.size());
    let mut missing = vec![0u32; graph.size()];
    let mut ready = BinaryHeap::new();
    for at in (0..nodes).filter(|&at| within(at)) {
        missing[at as usize] = small(graph.needs(at).iter().filter(|&&need| within(need)).count());
        if missing[at as usize] == 0 {
            ready.push(Reverse(at));
        }
    }
    let mut order = Vec::with_capacity(graph.size());
    while let Some(Reverse(at)) = ready.pop() {
        order.push(at);
        for &dependent in graph.dependents(at).iter().filter(|&&dependent| within(dependent)) {
            missing[dependent as usize] -= 1;
            if missing[dependent as usize] == 0 {
                ready.push(Reverse(dependent));
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{chain, concepts, ids, random};

    #[test]
    fn prerequisites_come_first_and_the_list_breaks_ties() {
        let list = concepts("d:b,c b:a c:a a: e:");
        let graph = Graph::new(&list).unwrap();
        let ordering = order(&graph).unwrap();
        assert_eq!(ids(&graph, &ordering.order), "a b c d e");
        let stages: Vec<String> = ordering.stages.iter().map(|stage| ids(&graph, stage)).collect();
        assert_eq!(stages, ["a e", "b c", "d"]);
    }

    #[test]
    fn an_empty_graph_has_an_empty_order() {
        let graph = Graph::new(&[]).unwrap();
        assert_eq!(order(&graph).unwrap(), Ordering { order: vec![], stages: vec![], total_effort: 0.0 });
    }

    #[test]
    fn a_cycle_is_named_and_the_pointer_is_at_a_need_that_closes_it() {
        let list = concepts("x: a:x,b b:c c:x,a");
        let error = order(&Graph::new(&list).unwrap()).unwrap_err();
        assert_eq!(error.pointer(), "/concepts/3/needs/1");
        assert!(error.to_string().contains("a needs b needs c needs a"), "{error}");
    }

    #[test]
    fn a_concept_that_needs_itself_is_a_cycle() {
        let list = concepts("a:a");
        let error = order(&Graph::new(&list).unwrap()).unwrap_err();
        assert_eq!(error.pointer(), "/concepts/0/needs/0");
        assert!(error.to_string().contains("a needs a"), "{error}");
    }

    #[test]
    fn a_chain_of_100_000_in_the_worst_order_needs_little_stack() {
        std::thread::Builder::new()
            .stack_size(128 * 1024)
            .spawn(|| {
                let list = chain(100_000);
                let graph = Graph::new(&list).unwrap();
                let ordering = order(&graph).unwrap();
                assert_eq!(ordering.stages.len(), 100_000);
                assert_eq!(graph.id(ordering.order[0]), "c99999");
            })
            .unwrap()
            .join()
            .unwrap();
    }

    #[test]
    fn every_edge_of_a_large_graph_points_forward() {
        let list = random(5_000, 4, 7);
        let graph = Graph::new(&list).unwrap();
        let order = order(&graph).unwrap().order;
        let mut place = vec![0; order.len()];
        for (position, &at) in order.iter().enumerate() {
            place[at as usize] = position;
        }
        for at in 0..small(graph.size()) {
            assert!(graph.needs(at).iter().all(|&need| place[need as usize] < place[at as usize]));
        }
    }
}
