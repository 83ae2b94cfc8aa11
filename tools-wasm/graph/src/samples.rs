//! Owns the graphs that tests are made of: small ones written as text, large ones from a fixed generator.

use crate::graph::{Concept, Graph};

/// Reads `a:b,c=2.5` as "a needs b and c and takes 2.5 hours"; concepts are separated by spaces.
pub(crate) fn concepts(text: &str) -> Vec<Concept> {
    text.split_whitespace()
        .map(|word| {
            let (id, rest) = word.split_once(':').unwrap();
            let (needs, effort) = rest.split_once('=').map_or((rest, None), |(needs, hours)| (needs, Some(hours)));
            Concept {
                id: id.to_owned(),
                title: None,
                effort: effort.map(|hours| hours.parse().unwrap()),
                needs: needs.split(',').filter(|need| !need.is_empty()).map(str::to_owned).collect(),
            }
        })
        .collect()
}

/// `c0` needs `c1` needs `c2` and so on: the last of the list comes first.
pub(crate) fn chain(length: usize) -> Vec<Concept> {
    (0..length)
        .map(|at| Concept {
            id: format!("c{at}"),
            needs: (at + 1 < length).then(|| format!("c{}", at + 1)).into_iter().collect(),
            ..Concept::default()
        })
        .collect()
}

/// An acyclic graph of `nodes` concepts with about `degree` needs each, the same for the same seed.
pub(crate) fn random(nodes: usize, degree: usize, seed: u64) -> Vec<Concept> {
    let mut state = seed;
    let mut draw = move |below: usize| {
        // Knuth's MMIX generator; its upper bits are good enough to scatter edges.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    (0..nodes)
        .map(|at| Concept {
            id: format!("n{at}"),
            title: None,
            effort: Some(f64::from(u32::try_from(draw(40)).unwrap()) / 4.0),
            needs: if at == 0 { vec![] } else { (0..draw(degree * 2)).map(|_| format!("n{}", draw(at))).collect() },
        })
        .collect()
}

/// The ids of some concepts as one line.
pub(crate) fn ids(graph: &Graph<'_>, concepts: &[u32]) -> String {
    concepts.iter().map(|&at| graph.id(at)).collect::<Vec<_>>().join(" ")
}
