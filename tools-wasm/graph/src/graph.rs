//! Owns the graph: concepts checked once, with edges as indices. Refuses what no function could answer for (ids that repeat
//! or are empty, efforts that are no hours, needs that name nothing), and says where it stands. It accepts cycles, because
//! finding them is one of the functions; the others refuse them when they meet one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::nearest::nearest;

/// The most hours that one concept may take. It keeps every sum finite: a million concepts stay far below `f64::MAX`.
pub const MAX_EFFORT: f64 = 1e9;

/// The hours of a concept that names none.
pub const DEFAULT_EFFORT: f64 = 1.0;

/// A concept as the caller wrote it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Concept {
    /// What other concepts call it.
    pub id: String,
    /// A name for people.
    pub title: Option<String>,
    /// Hours; [`DEFAULT_EFFORT`] where there is none.
    pub effort: Option<f64>,
    /// Ids of the concepts that come before.
    pub needs: Vec<String>,
}

impl Concept {
    /// The hours that count.
    pub fn hours(&self) -> f64 {
        self.effort.unwrap_or(DEFAULT_EFFORT)
    }
}

/// A checked graph. A concept is known by its index in the list, which is also how ties are broken everywhere.
#[derive(Debug)]
pub struct Graph<'a> {
    concepts: &'a [Concept],
    index: HashMap<&'a str, u32>,
    needs: Edges,
    dependents: Edges,
}

impl<'a> Graph<'a> {
    /// Checks the concepts and resolves their needs. A need that is named twice by one concept counts once.
    ///
    /// # Errors
    /// The first problem in the order of the list: ids before efforts before needs.
    pub fn new(concepts: &'a [Concept]) -> Result<Self, GraphError> {
        let mut index = HashMap::with_capacity(concepts.len());
        for (at, concept) in concepts.iter().enumerate() {
            if concept.id.is_empty() {
                return Err(GraphError::EmptyId { at });
            }
            match index.entry(concept.id.as_str()) {
                Entry::Vacant(slot) => {
                    slot.insert(small(at));
                }
                Entry::Occupied(first) => {
                    let first = *first.get() as usize;
                    return Err(GraphError::DuplicateId { at, first, id: short(&concept.id) });
                }
            }
        }
        for (at, concept) in concepts.iter().enumerate() {
            let effort = concept.hours();
            // Written so that NaN, which compares as neither, is refused too.
            if !(0.0..=MAX_EFFORT).contains(&effort) {
                return Err(GraphError::BadEffort { at, effort });
            }
        }
        let needs = resolve_needs(concepts, &index)?;
        let dependents = needs.reversed();
        Ok(Self { concepts, index, needs, dependents })
    }

    /// How many concepts there are.
    pub fn size(&self) -> usize {
        self.concepts.len()
    }

    /// The concept at an index that this graph gave out.
    pub fn concept(&self, at: u32) -> &'a Concept {
        &self.concepts[at as usize]
    }

    /// The id of the concept at an index, for results.
    pub fn id(&self, at: u32) -> String {
        self.concept(at).id.clone()
    }

    /// What a concept needs directly, each once.
    pub fn needs(&self, at: u32) -> &[u32] {
        self.needs.of(at)
    }

    /// What needs a concept directly, each once, in the order of the list.
    pub fn dependents(&self, at: u32) -> &[u32] {
        self.dependents.of(at)
    }

    /// The goal's index.
    pub fn goal(&self, goal: &str) -> Result<u32, GraphError> {
        self.index
            .get(goal)
            .copied()
            .ok_or_else(|| GraphError::UnknownGoal { name: short(goal), nearest: self.nearest(goal) })
    }

    /// Which concepts are known, by index. Naming one twice does no harm.
    pub fn known(&self, known: &[String]) -> Result<Vec<bool>, GraphError> {
        let mut flags = vec![false; self.size()];
        for (entry, name) in known.iter().enumerate() {
            let at = self.index.get(name.as_str()).ok_or_else(|| GraphError::UnknownKnown {
                entry,
                name: short(name),
                nearest: self.nearest(name),
            })?;
            flags[*at as usize] = true;
        }
        Ok(flags)
    }

    /// The goal and everything it needs, directly or not, going no further where `stop` says so. The goal itself is
    /// outside, too, where `stop` holds it.
    pub fn leading_to(&self, goal: u32, stop: impl Fn(u32) -> bool) -> Vec<bool> {
        let mut within = vec![false; self.size()];
        if stop(goal) {
            return within;
        }
        within[goal as usize] = true;
        let mut open = vec![goal];
        while let Some(at) = open.pop() {
            for &need in self.needs(at) {
                if !within[need as usize] && !stop(need) {
                    within[need as usize] = true;
                    open.push(need);
                }
            }
        }
        within
    }

    fn nearest(&self, name: &str) -> Option<String> {
        nearest(name, self.concepts.iter().map(|concept| concept.id.as_str())).map(str::to_owned)
    }
}

fn resolve_needs(concepts: &[Concept], index: &HashMap<&str, u32>) -> Result<Edges, GraphError> {
    let mut edges = Edges { starts: Vec::with_capacity(concepts.len() + 1), ends: Vec::new() };
    edges.starts.push(0);
    // Which concept last named this one: a stamp instead of a set, so that repeated needs cost nothing.
    let mut named_by = vec![u32::MAX; concepts.len()];
    for (at, concept) in concepts.iter().enumerate() {
        for (entry, name) in concept.needs.iter().enumerate() {
            let Some(&need) = index.get(name.as_str()) else {
                return Err(GraphError::UnknownNeed {
                    at,
                    entry,
                    id: short(&concept.id),
                    name: short(name),
                    nearest: nearest(name, concepts.iter().map(|other| other.id.as_str())).map(str::to_owned),
                });
            };
            if named_by[need as usize] != small(at) {
                named_by[need as usize] = small(at);
                edges.ends.push(need);
            }
        }
        edges.starts.push(small(edges.ends.len()));
    }
    Ok(edges)
}

/// Adjacency lists in two flat arrays: the edges of node `n` are `ends[starts[n]..starts[n + 1]]`.
#[derive(Debug)]
struct Edges {
    starts: Vec<u32>,
    ends: Vec<u32>,
}

impl Edges {
    fn of(&self, node: u32) -> &[u32] {
        let node = node as usize;
        &self.ends[self.starts[node] as usize..self.starts[node + 1] as usize]
    }

    /// The same edges the other way round, by counting sort, so that each list is in ascending order.
    fn reversed(&self) -> Self {
        let nodes = self.starts.len() - 1;
        let mut starts = vec![0u32; nodes + 1];
        for &end in &self.ends {
            starts[end as usize + 1] += 1;
        }
        for node in 0..nodes {
            starts[node + 1] += starts[node];
        }
        let mut free = starts.clone();
        let mut ends = vec![0u32; self.ends.len()];
        for node in 0..nodes {
            let from = small(node);
            for &end in self.of(from) {
                let slot = &mut free[end as usize];
                ends[*slot as usize] = from;
                *slot += 1;
            }
        }
        Self { starts, ends }
    }
}

/// Node and edge counts as `u32`: half the memory, and what the results carry.
pub(crate) fn small(count: usize) -> u32 {
    u32::try_from(count).expect("arguments are bounded far below 2^32 values")
}

/// Why a graph, or a name that points into it, was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GraphError {
    /// A concept without an id.
    #[error("concept {at} has an empty id")]
    EmptyId {
        /// Its place in the list.
        at: usize,
    },
    /// An id that stands in the list before.
    #[error("concept {at} repeats the id {id:?} of concept {first}; give each concept an id of its own")]
    DuplicateId {
        /// The place of the second one.
        at: usize,
        /// The place of the first one.
        first: usize,
        /// The id of both.
        id: String,
    },
    /// An effort that is negative, NaN, infinite or absurd.
    #[error("concept {at} has an effort of {effort}; efforts are hours from 0 to 1,000,000,000")]
    BadEffort {
        /// Its place in the list.
        at: usize,
        /// What stood there.
        effort: f64,
    },
    /// A need that is not in the list.
    #[error("{id:?} needs {name:?}, which is not among the concepts{}", did_you_mean(nearest.as_deref()))]
    UnknownNeed {
        /// The place of the concept that needs it.
        at: usize,
        /// The place among that concept's needs.
        entry: usize,
        /// The concept that needs it.
        id: String,
        /// The name that was not found.
        name: String,
        /// The id that looks most like it.
        nearest: Option<String>,
    },
    /// A known concept that is not in the list.
    #[error("{name:?} is said to be known but is not among the concepts{}", did_you_mean(nearest.as_deref()))]
    UnknownKnown {
        /// The place in `known`.
        entry: usize,
        /// The name that was not found.
        name: String,
        /// The id that looks most like it.
        nearest: Option<String>,
    },
    /// A goal that is not in the list.
    #[error("the goal {name:?} is not among the concepts{}", did_you_mean(nearest.as_deref()))]
    UnknownGoal {
        /// The name that was not found.
        name: String,
        /// The id that looks most like it.
        nearest: Option<String>,
    },
    /// Concepts that need each other.
    #[error(
        "the concepts need each other in a circle: {path}; drop one of these needs (the function `cycles` lists every circle)"
    )]
    Cycle {
        /// The place of the concept whose need closes the cycle.
        at: usize,
        /// The place of that need among its needs.
        entry: usize,
        /// The cycle, shortened for reading.
        path: String,
    },
    /// A limit that is out of range.
    #[error("the limit is {limit}; it goes from 1 to {most}")]
    BadLimit {
        /// What stood there.
        limit: u32,
        /// The highest that is accepted.
        most: u32,
    },
}

impl GraphError {
    /// The JSON pointer (RFC 6901) of the argument to blame.
    pub fn pointer(&self) -> String {
        match self {
            Self::EmptyId { at } | Self::DuplicateId { at, .. } => format!("/concepts/{at}/id"),
            Self::BadEffort { at, .. } => format!("/concepts/{at}/effort"),
            Self::UnknownNeed { at, entry, .. } | Self::Cycle { at, entry, .. } => {
                format!("/concepts/{at}/needs/{entry}")
            }
            Self::UnknownKnown { entry, .. } => format!("/known/{entry}"),
            Self::UnknownGoal { .. } => "/goal".to_owned(),
            Self::BadLimit { .. } => "/limit".to_owned(),
        }
    }

    /// What would have been accepted there.
    pub fn expected(&self) -> String {
        match self {
            Self::EmptyId { .. } => "an id of at least one character".to_owned(),
            Self::DuplicateId { .. } => "an id that no other concept has".to_owned(),
            Self::BadEffort { .. } => "hours from 0 to 1,000,000,000".to_owned(),
            Self::UnknownNeed { nearest, .. }
            | Self::UnknownKnown { nearest, .. }
            | Self::UnknownGoal { nearest, .. } => match nearest {
                Some(nearest) => format!("the id of a concept in the list, such as {nearest:?}"),
                None => "the id of a concept in the list".to_owned(),
            },
            Self::Cycle { .. } => "a concept that does not need this one in turn".to_owned(),
            Self::BadLimit { most, .. } => format!("a number from 1 to {most}"),
        }
    }

    /// What stood there instead, where repeating it helps.
    pub fn found(&self) -> Option<String> {
        match self {
            Self::EmptyId { .. } | Self::Cycle { .. } => None,
            Self::DuplicateId { id, .. } => Some(id.clone()),
            Self::BadEffort { effort, .. } => Some(effort.to_string()),
            Self::UnknownNeed { name, .. } | Self::UnknownKnown { name, .. } | Self::UnknownGoal { name, .. } => {
                Some(name.clone())
            }
            Self::BadLimit { limit, .. } => Some(limit.to_string()),
        }
    }
}

/// A name as a message repeats it: whole, unless it is absurdly long.
pub(crate) fn short(name: &str) -> String {
    const LONGEST: usize = 100;
    match name.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", &name[..cut]),
        None => name.to_owned(),
    }
}

fn did_you_mean(nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!("; did you mean {nearest:?}?"),
        None => "; add it to the list, or drop it here".to_owned(),
    }
}

#[cfg(test)]
#[path = "graph_tests.rs"]
mod tests;
