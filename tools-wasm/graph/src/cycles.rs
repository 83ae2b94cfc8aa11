//! Owns the search for cycles: every strongly connected component (Tarjan's algorithm, without recursion), and a shortest
//! cycle through its first member as the proof. It refuses to list every cycle, because there can be exponentially many.

use std::collections::VecDeque;

use crate::graph::{Graph, GraphError, short, small};

/// How many concepts of a cycle an error message names before it says how many more there are.
const NAMED: usize = 12;

/// A group of concepts that need each other.
#[derive(Debug, PartialEq)]
pub struct Knot {
    /// All of them, in the order of the list.
    pub members: Vec<u32>,
    /// A shortest cycle through the first member: each needs the next, and the first stands again at the end.
    pub path: Vec<u32>,
}

/// Every group, in the order of their first members; empty where the graph has no cycle.
pub fn cycles(graph: &Graph<'_>) -> Vec<Knot> {
    let (component, count) = components(graph);
    let mut members: Vec<Vec<u32>> = vec![Vec::new(); count as usize];
    for at in 0..small(graph.size()) {
        members[component[at as usize] as usize].push(at);
    }
    members.retain(|group| group.len() > 1 || graph.needs(group[0]).contains(&group[0]));
    members.sort_unstable_by_key(|group| group[0]);
    // Shared by all searches: components don't overlap, so no place is ever used by two of them.
    let mut needed_by = vec![u32::MAX; graph.size()];
    members
        .into_iter()
        .map(|members| {
            let path = shortest_through(graph, members[0], &component, &mut needed_by);
            Knot { members, path }
        })
        .collect()
}

/// The refusal of a graph that is known to have a cycle.
pub(crate) fn first(graph: &Graph<'_>) -> GraphError {
    let knots = cycles(graph);
    let path = &knots.first().expect("a graph that Kahn's algorithm can't finish has a cycle").path;
    let at = path[path.len() - 2];
    let closing = &graph.concept(path[0]).id;
    let entry = graph.concept(at).needs.iter().position(|need| need == closing);
    GraphError::Cycle {
        at: at as usize,
        entry: entry.expect("each concept of a cycle needs the next one"),
        path: readable(graph, path),
    }
}

fn readable(graph: &Graph<'_>, path: &[u32]) -> String {
    let names = |part: &[u32]| part.iter().map(|&at| short(&graph.concept(at).id)).collect::<Vec<_>>().join(" needs ");
    if path.len() <= NAMED + 1 {
        return names(path);
    }
    let more = path.len() - 1 - NAMED;
    format!("{} needs … ({more} more) needs {}", names(&path[..NAMED]), names(&path[..1]))
}

/// The component of each concept, and how many components there are.
fn components(graph: &Graph<'_>) -> (Vec<u32>, u32) {
    const NEW: u32 = u32::MAX;
    let nodes = graph.size();
    let mut found = vec![NEW; nodes];
    let mut low = vec![0u32; nodes];
    let mut component = vec![NEW; nodes];
    let mut stack: Vec<u32> = Vec::new();
    // What recursion would keep on the machine's stack: a concept, and how many of its needs are done.
    let mut open: Vec<(u32, u32)> = Vec::new();
    let (mut time, mut count) = (0u32, 0u32);
    for root in 0..small(nodes) {
        if found[root as usize] != NEW {
            continue;
        }
        open.push((root, 0));
        while let Some((at, done)) = open.last_mut() {
            let node = *at as usize;
            if *done == 0 && found[node] == NEW {
                found[node] = time;
                low[node] = time;
                time += 1;
                stack.push(*at);
            }
            if let Some(&need) = graph.needs(*at).get(*done as usize) {
                *done += 1;
                let next = need as usize;
                if found[next] == NEW {
                    open.push((need, 0));
                } else if component[next] == NEW {
                    low[node] = low[node].min(found[next]);
                }
                continue;
            }
            if low[node] == found[node] {
                while let Some(member) = stack.pop() {
                    component[member as usize] = count;
                    if member as usize == node {
                        break;
                    }
                }
                count += 1;
            }
            open.pop();
            if let Some(&(parent, _)) = open.last() {
                low[parent as usize] = low[parent as usize].min(low[node]);
            }
        }
    }
    (component, count)
}

/// Breadth first from `start` along needs, inside its component, until `start` is needed again.
fn shortest_through(graph: &Graph<'_>, start: u32, component: &[u32], needed_by: &mut [u32]) -> Vec<u32> {
    let inside = component[start as usize];
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for &need in graph.needs(at) {
            if need == start {
                let mut path = vec![start, at];
                let mut back = at;
                while back != start {
                    back = needed_by[back as usize];
                    path.push(back);
                }
                path.reverse();
                return path;
            }
            if component[need as usize] == inside && needed_by[need as usize] == u32::MAX {
                needed_by[need as usize] = at;
                queue.push_back(need);
            }
        }
    }
    unreachable!("every member of a strongly connected component reaches itself")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{chain, concepts, ids, random};

    fn shown(text: &str) -> Vec<(String, String)> {
        let list = concepts(text);
        let graph = Graph::new(&list).unwrap();
        cycles(&graph).iter().map(|knot| (ids(&graph, &knot.members), ids(&graph, &knot.path))).collect()
    }

    fn pair(members: &str, path: &str) -> (String, String) {
        (members.to_owned(), path.to_owned())
    }

    #[test]
    fn an_acyclic_graph_has_none() {
        assert!(shown("a: b:a c:a,b").is_empty());
        assert!(shown("").is_empty());
    }

    #[test]
    fn a_concept_that_needs_itself_is_a_cycle_of_one() {
        assert_eq!(shown("a: b:a,b"), [pair("b", "b b")]);
    }

    #[test]
    fn each_knot_is_reported_once_with_a_shortest_cycle_through_its_first_member() {
        assert_eq!(shown("x:y y:x a:b b:c c:d,a d:a e:a"), [pair("x y", "x y x"), pair("a b c d", "a b c a")]);
    }

    #[test]
    fn every_path_is_a_cycle_of_the_graph_itself() {
        // Random needs without regard to order: large knots, many detours.
        let mut list = random(2_000, 3, 11);
        for at in (0..list.len()).step_by(37) {
            let later = format!("n{}", (at + 101) % list.len());
            list[at].needs.push(later);
        }
        let graph = Graph::new(&list).unwrap();
        let knots = cycles(&graph);
        assert!(!knots.is_empty());
        for knot in knots {
            assert_eq!(knot.path.first(), knot.path.last());
            assert!(knot.path.len() >= 2);
            for step in knot.path.windows(2) {
                assert!(graph.needs(step[0]).contains(&step[1]));
                assert!(knot.members.binary_search(&step[0]).is_ok());
            }
        }
    }

    #[test]
    fn a_circle_of_100_000_needs_little_stack_and_a_short_message() {
        std::thread::Builder::new()
            .stack_size(128 * 1024)
            .spawn(|| {
                let mut list = chain(100_000);
                list[99_999].needs.push("c0".to_owned());
                let graph = Graph::new(&list).unwrap();
                let knots = cycles(&graph);
                assert_eq!((knots.len(), knots[0].path.len()), (1, 100_001));
                let message = first(&graph).to_string();
                assert!(message.contains("(99988 more)") && message.len() < 400, "{message}");
            })
            .unwrap()
            .join()
            .unwrap();
    }
}
