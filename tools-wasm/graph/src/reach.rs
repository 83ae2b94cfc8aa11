//! Owns the count of what each of many concepts leads to. One search per concept would be quadratic, so 256 concepts are
//! followed at once, a bit each, in one pass over the graph; the bits are summed in vertical counters (one word holds the
//! same binary digit of 64 counts), so that a pass costs about the same however much is reached.

use crate::graph::Graph;

const WORDS: usize = 4;
/// How many concepts one pass follows.
const BATCH: usize = WORDS * 64;

type Bits = [u64; WORDS];

/// For each of `sources`, how many concepts of `order` lead back to it. `order` holds the concepts that may be passed,
/// prerequisites first; the sources are among them, and none of them needs another concept of `order`.
pub fn count_dependents(graph: &Graph<'_>, order: &[u32], sources: &[u32]) -> Vec<u32> {
    let mut counts = vec![0; sources.len()];
    // Those that nothing needs have a count of 0; with them left out, a list of loose concepts costs one pass at most.
    let busy: Vec<usize> = (0..sources.len()).filter(|&at| !graph.dependents(sources[at]).is_empty()).collect();
    let mut reached_by: Vec<Bits> = vec![[0; WORDS]; graph.size()];
    for batch in busy.chunks(BATCH) {
        reached_by.fill([0; WORDS]);
        for (bit, &source) in batch.iter().enumerate() {
            reached_by[sources[source] as usize][bit / 64] |= 1 << (bit % 64);
        }
        let mut sums = Sums::default();
        for &at in order {
            let mut bits = [0; WORDS];
            for &need in graph.needs(at) {
                for (word, other) in bits.iter_mut().zip(reached_by[need as usize]) {
                    *word |= other;
                }
            }
            if bits != [0; WORDS] {
                reached_by[at as usize] = bits;
                sums.add(bits);
            }
        }
        for (bit, &source) in batch.iter().enumerate() {
            counts[source] = sums.get(bit);
        }
    }
    counts
}

/// 256 counters of 32 bits, stored digit by digit.
#[derive(Default)]
struct Sums {
    digits: [Bits; 32],
}

impl Sums {
    /// Adds one to each counter whose bit is set. The carry dies out after two digits on average.
    fn add(&mut self, bits: Bits) {
        let mut carry = bits;
        for digit in &mut self.digits {
            for (digit, carry) in digit.iter_mut().zip(&mut carry) {
                let both = *digit & *carry;
                *digit ^= *carry;
                *carry = both;
            }
            if carry == [0; WORDS] {
                return;
            }
        }
    }

    fn get(&self, bit: usize) -> u32 {
        self.digits
            .iter()
            .enumerate()
            .map(|(place, digit)| u32::from(digit[bit / 64] >> (bit % 64) & 1 == 1) << place)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::small;
    use crate::order::topological;
    use crate::samples::{concepts, random};

    #[test]
    fn counts_equal_those_of_one_search_per_concept() {
        // Sparse, so that more than one batch of concepts needs nothing.
        let list = random(3_000, 1, 3);
        let graph = Graph::new(&list).unwrap();
        let order = topological(&graph, |_| true).unwrap();
        let sources: Vec<u32> = (0..small(graph.size())).filter(|&at| graph.needs(at).is_empty()).collect();
        assert!(sources.len() > 2 * BATCH);
        let counts = count_dependents(&graph, &order, &sources);
        for (&source, count) in sources.iter().zip(counts) {
            let mut seen = vec![false; graph.size()];
            let mut open = vec![source];
            let mut expected = 0;
            while let Some(at) = open.pop() {
                for &dependent in graph.dependents(at) {
                    if !seen[dependent as usize] {
                        seen[dependent as usize] = true;
                        expected += 1;
                        open.push(dependent);
                    }
                }
            }
            assert_eq!(count, expected, "{}", graph.id(source));
        }
    }

    #[test]
    fn a_diamond_counts_its_end_once() {
        let list = concepts("a: b:a c:a d:b,c");
        let graph = Graph::new(&list).unwrap();
        assert_eq!(count_dependents(&graph, &[0, 1, 2, 3], &[0]), [3]);
    }
}
