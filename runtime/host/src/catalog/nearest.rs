//! Finds the names that somebody may have meant, at a cost that neither the name nor the catalog can drive up.

/// The most names that one search compares. Beyond it a suggestion is luck; a caller's typing error must not cost more.
const MAX_COMPARED: usize = 20_000;

/// The longest name for which there are suggestions, in bytes: that of a tool id.
const MAX_NAME: usize = toolcell_core::tool::MAX_TOOL_ID;

/// The most suggestions.
const MAX_SUGGESTIONS: usize = 3;

/// Up to three of `candidates` that are within a third of the name's length (at most three edits) of `name`, the nearest first.
/// Each candidate is the text to compare with and the text to suggest.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<&'a str> {
    if name.is_empty() || name.len() > MAX_NAME {
        return Vec::new();
    }
    let most = (name.len() / 3).clamp(1, 3);
    let mut rows = Rows::default();
    let mut found: Vec<(usize, &str)> = Vec::new();
    for (compared, suggested) in candidates.take(MAX_COMPARED) {
        if let Some(distance) = rows.distance(name.as_bytes(), compared.as_bytes(), most) {
            found.push((distance, suggested));
        }
    }
    found.sort_unstable();
    found.dedup_by_key(|(_, suggested)| *suggested);
    found.into_iter().take(MAX_SUGGESTIONS).map(|(_, suggested)| suggested).collect()
}

/// Two rows of the edit-distance table, kept between comparisons.
#[derive(Default)]
struct Rows {
    above: Vec<usize>,
    here: Vec<usize>,
}

impl Rows {
    /// The number of insertions, deletions and replacements between two names, unless it is over `most`. Only the cells
    /// within `most` of the diagonal are computed, since every other one is over it anyway.
    fn distance(&mut self, a: &[u8], b: &[u8], most: usize) -> Option<usize> {
        if a.len().abs_diff(b.len()) > most {
            return None;
        }
        let over = most + 1;
        self.above.clear();
        self.above.extend((0..=b.len()).map(|column| column.min(over)));
        self.here.clear();
        self.here.resize(b.len() + 1, over);
        for (row, left) in a.iter().enumerate() {
            let (from, to) = (row.saturating_sub(most), (row + most + 1).min(b.len()));
            self.here.fill(over);
            self.here[0] = (row + 1).min(over);
            let mut best = self.here[0];
            for (column, right) in b.iter().enumerate().take(to).skip(from) {
                let replaced = self.above[column] + usize::from(left != right);
                let cell = replaced.min(self.above[column + 1] + 1).min(self.here[column] + 1).min(over);
                self.here[column + 1] = cell;
                best = best.min(cell);
            }
            if best == over {
                return None;
            }
            std::mem::swap(&mut self.above, &mut self.here);
        }
        Some(self.above[b.len()]).filter(|distance| *distance <= most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The textbook table, whole.
    fn plain(a: &[u8], b: &[u8]) -> usize {
        let mut row: Vec<usize> = (0..=b.len()).collect();
        for (i, x) in a.iter().enumerate() {
            let mut corner = std::mem::replace(&mut row[0], i + 1);
            for (j, y) in b.iter().enumerate() {
                let cell = (corner + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
                corner = std::mem::replace(&mut row[j + 1], cell);
            }
        }
        row[b.len()]
    }

    #[test]
    fn the_narrow_table_agrees_with_the_whole_one() {
        let mut words = vec![Vec::new()];
        for _ in 0..5 {
            let longer: Vec<Vec<u8>> =
                words.iter().flat_map(|w| b"ab".iter().map(|c| [w.clone(), vec![*c]].concat())).collect();
            words.extend(longer);
        }
        words.sort_unstable();
        words.dedup();
        let mut rows = Rows::default();
        for a in &words {
            for b in &words {
                for most in 1..=3 {
                    let expected = Some(plain(a, b)).filter(|distance| *distance <= most);
                    assert_eq!(rows.distance(a, b, most), expected, "{a:?} {b:?} within {most}");
                }
            }
        }
    }

    #[test]
    fn a_name_that_no_tool_could_have_costs_nothing() {
        let candidates = || std::iter::repeat_with(|| unreachable!("nothing is compared"));
        assert!(nearest(&"x".repeat(1_000_000), candidates()).is_empty());
        assert!(nearest("", candidates()).is_empty());
    }

    #[test]
    fn the_nearest_comes_first() {
        let names = ["json.query", "json.quest", "json.merge"];
        assert_eq!(nearest("json.qurey", names.iter().map(|n| (*n, *n))), ["json.query", "json.quest"]);
    }
}
