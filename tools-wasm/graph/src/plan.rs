//! Owns the plan to a goal: exactly the missing prerequisites, in order. Minimal by construction: the search runs backwards
//! from the goal and stops at what is known, so each step is needed by a later one.

use crate::graph::{Graph, GraphError, small};
use crate::order::topological;

/// The way to a goal.
#[derive(Debug, PartialEq)]
pub struct Plan {
    /// What to learn, in order; the goal is the last.
    pub steps: Vec<u32>,
    /// The known concepts that a step needs directly, in the order of the list.
    pub builds_on: Vec<u32>,
    /// Hours of all steps.
    pub total_effort: f64,
}

/// Plans the way to `goal` for someone who knows `known`.
pub fn plan(graph: &Graph<'_>, goal: &str, known: &[String]) -> Result<Plan, GraphError> {
    let goal = graph.goal(goal)?;
    let known = graph.known(known)?;
    let within = graph.leading_to(goal, |at| known[at as usize]);
    let steps = topological(graph, |at| within[at as usize])?;
    let mut used = vec![false; graph.size()];
    for &step in &steps {
        for &need in graph.needs(step) {
            used[need as usize] |= known[need as usize];
        }
    }
    let builds_on = (0..small(graph.size())).filter(|&at| used[at as usize]).collect();
    let total_effort = steps.iter().map(|&at| graph.concept(at).hours()).sum();
    Ok(Plan { steps, builds_on, total_effort })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{chain, concepts, ids, random};

    fn names(list: &str) -> Vec<String> {
        list.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_plan_holds_what_is_missing_and_nothing_else() {
        let list = concepts("goal:b,c=4 c:a=2 b:a=1 a:root=8 root:=16 other:root=32");
        let graph = Graph::new(&list).unwrap();
        let fresh = plan(&graph, "goal", &[]).unwrap();
        assert_eq!(ids(&graph, &fresh.steps), "root a c b goal");
        assert!((fresh.total_effort - 31.0).abs() < 1e-12 && fresh.builds_on.is_empty());
        let late = plan(&graph, "goal", &names("a other")).unwrap();
        assert_eq!(ids(&graph, &late.steps), "c b goal");
        assert_eq!(ids(&graph, &late.builds_on), "a");
    }

    #[test]
    fn a_known_goal_needs_no_plan() {
        let list = concepts("a: b:a");
        let graph = Graph::new(&list).unwrap();
        assert!(plan(&graph, "b", &names("b")).unwrap().steps.is_empty());
    }

    #[test]
    fn a_misspelt_goal_is_refused_with_the_nearest_name() {
        let list = concepts("linear-algebra: calculus:");
        let graph = Graph::new(&list).unwrap();
        let error = plan(&graph, "linear-algbra", &[]).unwrap_err();
        assert_eq!(error.pointer(), "/goal");
        assert!(error.to_string().contains("did you mean \"linear-algebra\""), "{error}");
    }

    #[test]
    fn a_cycle_anywhere_is_refused() {
        let list = concepts("goal:a a: x:y y:x");
        let graph = Graph::new(&list).unwrap();
        assert!(matches!(plan(&graph, "goal", &[]), Err(GraphError::Cycle { .. })));
    }

    #[test]
    fn leaving_any_step_out_breaks_the_plan() {
        let list = random(800, 2, 9);
        let graph = Graph::new(&list).unwrap();
        let known = names("n3 n8 n21 n34");
        let plan = plan(&graph, "n799", &known).unwrap();
        let known = graph.known(&known).unwrap();
        for (place, &step) in plan.steps.iter().enumerate() {
            let met = |need: &u32| known[*need as usize] || plan.steps[..place].contains(need);
            assert!(graph.needs(step).iter().all(met));
            let needed = plan.steps[place..].iter().any(|&later| graph.needs(later).contains(&step));
            assert!(needed || graph.id(step) == "n799");
        }
    }

    #[test]
    fn a_plan_of_100_000_steps_needs_little_stack() {
        std::thread::Builder::new()
            .stack_size(128 * 1024)
            .spawn(|| {
                let list = chain(100_000);
                let graph = Graph::new(&list).unwrap();
                assert_eq!(plan(&graph, "c0", &[]).unwrap().steps.len(), 100_000);
            })
            .unwrap()
            .join()
            .unwrap();
    }
}
