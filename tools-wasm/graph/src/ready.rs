//! Owns the answer to "what next": the concepts whose needs are all known, ranked by how much they open. It takes the
//! learner's word: what is known is known, even where its own prerequisites are not listed.

use crate::graph::{Graph, GraphError, small};
use crate::order::topological;
use crate::reach::count_dependents;

/// The most candidates that one answer lists.
pub const MOST: u32 = 1_000;

/// How many are listed where the caller does not say.
pub const DEFAULT_LIMIT: u32 = 10;

/// How many of the concepts that a candidate unlocks are named.
const UNLOCKED_NAMED: usize = 10;

/// What can be learnt now.
#[derive(Debug, PartialEq)]
pub struct Ready {
    /// Best first, at most as many as asked for.
    pub candidates: Vec<Candidate>,
    /// How many there are in all.
    pub total: u32,
    /// How many concepts are not known yet.
    pub remaining: u32,
    /// Their hours.
    pub remaining_effort: f64,
}

/// A concept that can be learnt now.
#[derive(Debug, PartialEq)]
pub struct Candidate {
    /// The concept.
    pub concept: u32,
    /// How many unknown concepts need it, directly or not.
    pub leads_to: u32,
    /// How many become learnable at once.
    pub unlocks: u32,
    /// The first of those.
    pub unlocked: Vec<u32>,
}

/// Ranks what can be learnt now; with a goal, only what leads to it, and only what leads to it is counted.
pub fn next(graph: &Graph<'_>, known: &[String], goal: Option<&str>, limit: Option<u32>) -> Result<Ready, GraphError> {
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if limit == 0 || limit > MOST {
        return Err(GraphError::BadLimit { limit, most: MOST });
    }
    let known = graph.known(known)?;
    let wanted = match goal {
        Some(goal) => graph.leading_to(graph.goal(goal)?, |at| known[at as usize]),
        None => known.iter().map(|known| !known).collect(),
    };
    let order = topological(graph, |at| wanted[at as usize])?;
    let missing = |at: u32| graph.needs(at).iter().filter(|&&need| !known[need as usize]).count();

    let ready: Vec<u32> = (0..small(graph.size())).filter(|&at| wanted[at as usize] && missing(at) == 0).collect();
    let leads_to = count_dependents(graph, &order, &ready);
    let mut candidates: Vec<Candidate> = ready
        .iter()
        .zip(leads_to)
        .map(|(&concept, leads_to)| Candidate { concept, leads_to, unlocks: 0, unlocked: Vec::new() })
        .collect();
    for candidate in &mut candidates {
        for &dependent in graph.dependents(candidate.concept) {
            if wanted[dependent as usize] && missing_is_one(graph, dependent, &known) {
                candidate.unlocks += 1;
                if candidate.unlocked.len() < UNLOCKED_NAMED {
                    candidate.unlocked.push(dependent);
                }
            }
        }
    }
    candidates.sort_by(|a, b| {
        (b.leads_to, b.unlocks)
            .cmp(&(a.leads_to, a.unlocks))
            .then_with(|| graph.concept(a.concept).hours().total_cmp(&graph.concept(b.concept).hours()))
    });
    candidates.truncate(limit as usize);
    Ok(Ready {
        candidates,
        total: small(ready.len()),
        remaining: small(order.len()),
        remaining_effort: order.iter().map(|&at| graph.concept(at).hours()).sum(),
    })
}

/// Stops at the second missing need, so that a concept which needs thousands is not counted to the end for each of them.
fn missing_is_one(graph: &Graph<'_>, at: u32, known: &[bool]) -> bool {
    graph.needs(at).iter().filter(|&&need| !known[need as usize]).nth(1).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{chain, concepts, ids};

    fn names(list: &str) -> Vec<String> {
        list.split_whitespace().map(str::to_owned).collect()
    }

    fn offered(graph: &Graph<'_>, ready: &Ready) -> String {
        let concepts: Vec<u32> = ready.candidates.iter().map(|candidate| candidate.concept).collect();
        ids(graph, &concepts)
    }

    const COURSE: &str =
        "algebra:=20 geometry:=10 calculus:algebra=40 logic:=5 statistics:calculus,sets=30 sets:logic=8";

    #[test]
    fn what_opens_most_comes_first() {
        let list = concepts(COURSE);
        let graph = Graph::new(&list).unwrap();
        let ready = next(&graph, &[], None, None).unwrap();
        // Algebra and logic both lead to two and unlock one; logic is shorter.
        assert_eq!(offered(&graph, &ready), "logic algebra geometry");
        assert_eq!((ready.total, ready.remaining), (3, 6));
        assert_eq!(ids(&graph, &ready.candidates[0].unlocked), "sets");
    }

    #[test]
    fn what_is_known_is_not_offered_and_opens_what_needs_it() {
        let list = concepts(COURSE);
        let graph = Graph::new(&list).unwrap();
        let ready = next(&graph, &names("algebra logic sets"), None, None).unwrap();
        assert_eq!(offered(&graph, &ready), "calculus geometry");
        assert_eq!(ids(&graph, &ready.candidates[0].unlocked), "statistics");
    }

    #[test]
    fn a_goal_leaves_out_what_does_not_lead_to_it() {
        let list = concepts(COURSE);
        let graph = Graph::new(&list).unwrap();
        let ready = next(&graph, &[], Some("calculus"), None).unwrap();
        assert_eq!(offered(&graph, &ready), "algebra");
        assert_eq!((ready.remaining, ready.remaining_effort), (2, 60.0));
        assert_eq!(ready.candidates[0].leads_to, 1);
    }

    #[test]
    fn a_known_concept_stands_for_its_prerequisites() {
        let list = concepts("a: b:a c:b");
        let graph = Graph::new(&list).unwrap();
        let ready = next(&graph, &names("b"), Some("c"), None).unwrap();
        assert_eq!((offered(&graph, &ready).as_str(), ready.remaining), ("c", 1));
    }

    #[test]
    fn when_the_goal_or_everything_is_known_nothing_is_left() {
        let list = concepts("a: b:a");
        let graph = Graph::new(&list).unwrap();
        for goal in [None, Some("b")] {
            let ready = next(&graph, &names("a b a"), goal, None).unwrap();
            assert_eq!((ready.candidates.len(), ready.total, ready.remaining), (0, 0, 0));
        }
    }

    #[test]
    fn limits_and_names_are_checked() {
        let list = concepts("a: b:a");
        let graph = Graph::new(&list).unwrap();
        for limit in [0, 1_001, u32::MAX] {
            assert_eq!(next(&graph, &[], None, Some(limit)).unwrap_err().pointer(), "/limit");
        }
        assert_eq!(next(&graph, &names("a x"), None, None).unwrap_err().pointer(), "/known/1");
        assert_eq!(next(&graph, &[], Some("x"), None).unwrap_err().pointer(), "/goal");
        assert_eq!(next(&graph, &[], None, Some(1)).unwrap().candidates.len(), 1);
    }

    #[test]
    fn a_concept_that_thousands_lead_to_costs_no_more_than_its_needs() {
        let mut text: Vec<String> = (0..20_000).map(|at| format!("r{at}:")).collect();
        let all: Vec<String> = (0..20_000).map(|at| format!("r{at}")).collect();
        text.push(format!("hub:{}", all.join(",")));
        let list = concepts(&text.join(" "));
        let graph = Graph::new(&list).unwrap();
        let ready = next(&graph, &[], None, Some(3)).unwrap();
        assert_eq!((ready.total, ready.candidates[0].leads_to, ready.candidates[0].unlocks), (20_000, 1, 0));
    }

    #[test]
    fn a_chain_of_100_000_offers_its_beginning() {
        let list = chain(100_000);
        let graph = Graph::new(&list).unwrap();
        let ready = next(&graph, &[], None, None).unwrap();
        assert_eq!((offered(&graph, &ready).as_str(), ready.candidates[0].leads_to), ("c99999", 99_999));
    }
}
