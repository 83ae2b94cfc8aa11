//! Owns the critical path method: earliest and latest times of every concept if independent ones run side by side, and the
//! longest chain. Method: Kelley and Walker, "Critical-Path Planning and Scheduling" (1959), with concepts as activities.

use crate::graph::{Graph, GraphError, small};
use crate::order::topological;

/// A slack below this share of the whole length is rounding, and is reported as 0.
const ROUNDING: f64 = 1e-12;

/// The longest chain, and the schedule.
#[derive(Debug, PartialEq)]
pub struct Critical {
    /// The chain, first prerequisite first.
    pub path: Vec<u32>,
    /// Its hours.
    pub length: f64,
    /// Hours of all concepts considered, one after the other.
    pub total_effort: f64,
    /// Every concept considered, in the order of the list.
    pub schedule: Vec<Slot>,
}

/// When one concept can start and must be finished, in hours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slot {
    /// The concept.
    pub concept: u32,
    /// Earliest start.
    pub start: f64,
    /// Earliest finish.
    pub finish: f64,
    /// How far it can slip.
    pub slack: f64,
}

/// Schedules the whole graph, or the goal and what it needs.
pub fn critical_path(graph: &Graph<'_>, goal: Option<&str>) -> Result<Critical, GraphError> {
    let within = match goal {
        Some(goal) => graph.leading_to(graph.goal(goal)?, |_| false),
        None => vec![true; graph.size()],
    };
    let order = topological(graph, |at| within[at as usize])?;

    let mut finish = vec![0.0f64; graph.size()];
    let mut start = vec![0.0f64; graph.size()];
    for &at in &order {
        // Whatever a concept inside needs is inside as well, so no need has to be left out here.
        let ready = graph.needs(at).iter().map(|&need| finish[need as usize]).fold(0.0, f64::max);
        start[at as usize] = ready;
        finish[at as usize] = ready + graph.concept(at).hours();
    }
    let length = finish.iter().copied().fold(0.0, f64::max);

    let mut latest = vec![length; graph.size()];
    for &at in order.iter().rev() {
        let begin = latest[at as usize] - graph.concept(at).hours();
        for &need in graph.needs(at) {
            latest[need as usize] = latest[need as usize].min(begin);
        }
    }
    let schedule = (0..small(graph.size()))
        .filter(|&at| within[at as usize])
        .map(|at| {
            let slack = latest[at as usize] - finish[at as usize];
            Slot {
                concept: at,
                start: start[at as usize],
                finish: finish[at as usize],
                slack: if slack <= length * ROUNDING { 0.0 } else { slack },
            }
        })
        .collect();
    let total_effort = order.iter().map(|&at| graph.concept(at).hours()).sum();
    let path = longest_chain(graph, &within, &finish);
    Ok(Critical { path, length, total_effort, schedule })
}

/// Back from the concept that finishes last, always to the need that finishes last; of equals, the first in the list.
fn longest_chain(graph: &Graph<'_>, within: &[bool], finish: &[f64]) -> Vec<u32> {
    let last_of = |best: Option<u32>, at: u32| match best {
        Some(best) if finish[at as usize] <= finish[best as usize] => Some(best),
        _ => Some(at),
    };
    let mut path = Vec::new();
    let mut at = (0..small(graph.size())).filter(|&at| within[at as usize]).fold(None, last_of);
    while let Some(step) = at {
        path.push(step);
        let mut needs = graph.needs(step).to_vec();
        needs.sort_unstable();
        at = needs.into_iter().fold(None, last_of);
    }
    path.reverse();
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{chain, concepts, ids, random};

    #[test]
    fn the_heaviest_chain_wins_and_the_others_have_slack() {
        let list = concepts("a:=3 b:=2 c:a=4 d:b=1 e:c,d=2");
        let graph = Graph::new(&list).unwrap();
        let critical = critical_path(&graph, None).unwrap();
        assert_eq!(ids(&graph, &critical.path), "a c e");
        assert_eq!((critical.length, critical.total_effort), (9.0, 12.0));
        let slacks: Vec<f64> = critical.schedule.iter().map(|slot| slot.slack).collect();
        assert_eq!(slacks, [0.0, 4.0, 0.0, 4.0, 0.0]);
    }

    #[test]
    fn a_goal_narrows_the_view_to_what_it_needs() {
        let list = concepts("a:=3 b:=2 c:a=4 d:b=1 e:c,d=2");
        let graph = Graph::new(&list).unwrap();
        let critical = critical_path(&graph, Some("d")).unwrap();
        assert_eq!(ids(&graph, &critical.path), "b d");
        assert_eq!((critical.length, critical.schedule.len()), (3.0, 2));
        assert_eq!(critical_path(&graph, Some("f")).unwrap_err().pointer(), "/goal");
    }

    #[test]
    fn equal_chains_are_decided_by_the_list() {
        let list = concepts("z:x,y y: x: w:");
        let graph = Graph::new(&list).unwrap();
        assert_eq!(ids(&graph, &critical_path(&graph, None).unwrap().path), "y z");
    }

    #[test]
    fn efforts_of_zero_and_empty_graphs_have_a_length_of_zero() {
        let list = concepts("a:=0 b:a=0");
        let graph = Graph::new(&list).unwrap();
        assert!(critical_path(&graph, None).unwrap().length.abs() < f64::EPSILON);
        let empty = critical_path(&Graph::new(&[]).unwrap(), None).unwrap();
        assert!(empty.path.is_empty() && empty.schedule.is_empty());
    }

    #[test]
    fn rounding_is_not_slack() {
        let list = concepts("a:=0.1 b:a=0.2 c:b=0.3 d:c=0.7");
        let graph = Graph::new(&list).unwrap();
        let critical = critical_path(&graph, None).unwrap();
        assert!(critical.schedule.iter().all(|slot| slot.slack == 0.0));
    }

    #[test]
    fn the_path_is_a_chain_without_slack_whose_hours_are_the_length() {
        let list = random(3_000, 3, 5);
        let graph = Graph::new(&list).unwrap();
        let critical = critical_path(&graph, None).unwrap();
        let hours: f64 = critical.path.iter().map(|&at| graph.concept(at).hours()).sum();
        assert!((hours - critical.length).abs() < 1e-9);
        for step in critical.path.windows(2) {
            assert!(graph.needs(step[1]).contains(&step[0]));
        }
        for &at in &critical.path {
            assert!(critical.schedule[at as usize].slack == 0.0);
        }
    }

    #[test]
    fn a_chain_of_100_000_is_its_own_critical_path() {
        let list = chain(100_000);
        let graph = Graph::new(&list).unwrap();
        let critical = critical_path(&graph, None).unwrap();
        assert_eq!(critical.path.len(), 100_000);
        assert!((critical.length - 100_000.0).abs() < 1e-6);
    }
}
