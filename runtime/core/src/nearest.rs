//! Finds the name that somebody may have meant: a tool, a member, a key of a policy, an import.
//!
//! Owns the one measure of how near two names are, and what a search for one may cost. Refuses to guess wildly: where nothing
//! is near, it says so. Names come from callers and components that nobody trusts, so neither a long name nor a long list drives the cost up.

/// The longest name that is compared, in bytes: that of a tool id. Nobody misspells more.
pub const MAX_NAME: usize = crate::tool::MAX_TOOL_ID;

/// The most names that one search compares. Beyond it a suggestion is luck; a typing error must not cost more.
pub const MAX_COMPARED: usize = 20_000;

/// The most edits between a name and one that may have been meant, however long they are.
pub const MAX_EDITS: usize = 3;

/// The candidate that was most likely meant by `name`, if one is near; of equally near ones, the first.
///
/// Near is what is the same but for case and separators (`-`, `_` and space), and otherwise what differs by at most a third of the
/// letters of the longer name and at most [`MAX_EDITS`], where an edit inserts, leaves out, changes or swaps. So nothing is
/// near to a name of two letters but itself. Only the first [`MAX_COMPARED`] candidates are looked at, and of these
/// only those up to [`MAX_NAME`] bytes.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut measure = Measure::of(name)?;
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates.into_iter().take(MAX_COMPARED) {
        // What is no better than the best so far is not worth counting out.
        let most = best.map_or(MAX_EDITS, |(edits, _)| edits - 1);
        match measure.near(candidate, most) {
            Some(0) => return Some(candidate),
            Some(edits) => best = Some((edits, candidate)),
            None => {}
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Up to `most` names that may have been meant, the nearest first and equally near ones in the order of their letters.
///
/// Each candidate is the text to compare with and the text to suggest. What is near and what is looked at is as in [`nearest()`].
pub fn nearest_few<'a, 'c>(
    name: &str,
    most: usize,
    candidates: impl IntoIterator<Item = (&'c str, &'a str)>,
) -> Vec<&'a str> {
    let Some(mut measure) = Measure::of(name) else { return Vec::new() };
    let candidates = candidates.into_iter().take(MAX_COMPARED);
    let mut found: Vec<(usize, &str)> =
        candidates.filter_map(|(compared, suggested)| Some((measure.near(compared, MAX_EDITS)?, suggested))).collect();
    found.sort_unstable();
    found.dedup_by_key(|(_, suggested)| *suggested);
    found.into_iter().take(most).map(|(_, suggested)| suggested).collect()
}

/// The edits between two names, case and separators aside, unless they are over `most` or one of the names is empty or over [`MAX_NAME`] bytes.
///
/// For lists that need another threshold than [`nearest()`]. Costs about `most` times the letters of the shorter name.
pub fn edits(a: &str, b: &str, most: usize) -> Option<usize> {
    Measure::of(a)?.within(b, |_| most)
}

/// One name that others are measured against, and room that is kept between comparisons.
struct Measure {
    name: Vec<char>,
    other: Vec<char>,
    /// Three rows of the table of distances between beginnings of the two names: the last but one, the last and this one.
    before: Vec<usize>,
    above: Vec<usize>,
    here: Vec<usize>,
}

impl Measure {
    fn of(name: &str) -> Option<Self> {
        if name.is_empty() || name.len() > MAX_NAME {
            return None;
        }
        let mut letters = Vec::new();
        fold(name, &mut letters);
        Some(Self { name: letters, other: Vec::new(), before: Vec::new(), above: Vec::new(), here: Vec::new() })
    }

    /// The edits to a name that is near.
    fn near(&mut self, other: &str, most: usize) -> Option<usize> {
        self.within(other, |longer| most.min(longer / 3))
    }

    /// The edits to another name, if they are at most what is said for the letters of the longer one.
    fn within(&mut self, other: &str, most: impl FnOnce(usize) -> usize) -> Option<usize> {
        if other.is_empty() || other.len() > MAX_NAME {
            return None;
        }
        fold(other, &mut self.other);
        let longer = self.name.len().max(self.other.len());
        self.distance(most(longer).min(longer))
    }

    /// The optimal string alignment distance between the letters, if it is at most `most`. Only cells within `most` of the
    /// diagonal are computed: every other one is over it.
    fn distance(&mut self, most: usize) -> Option<usize> {
        let Self { name: a, other: b, before, above, here } = self;
        if a.len().abs_diff(b.len()) > most {
            return None;
        }
        let over = most + 1;
        before.clear();
        before.resize(b.len() + 1, over);
        above.clear();
        above.extend((0..=b.len()).map(|column| column.min(over)));
        here.clear();
        here.resize(b.len() + 1, over);
        for (row, left) in a.iter().enumerate() {
            let (from, to) = (row.saturating_sub(most), (row + most + 1).min(b.len()));
            here[from] = if from == 0 { (row + 1).min(over) } else { over };
            let mut least = here[from];
            for (column, right) in b.iter().enumerate().take(to).skip(from) {
                let changed = above[column] + usize::from(left != right);
                let mut cell = changed.min(above[column + 1] + 1).min(here[column] + 1).min(over);
                if row > 0 && column > 0 && *left == b[column - 1] && a[row - 1] == *right {
                    cell = cell.min(before[column - 1] + 1);
                }
                here[column + 1] = cell;
                least = least.min(cell);
            }
            // The next row reaches one column further, and must not read what stood there three rows ago.
            if let Some(beyond) = here.get_mut(to + 1) {
                *beyond = over;
            }
            if least == over {
                return None;
            }
            std::mem::swap(before, above);
            std::mem::swap(above, here);
        }
        Some(above[b.len()]).filter(|edits| *edits <= most)
    }
}

/// The letters that count: lower case, without separators.
fn fold(name: &str, letters: &mut Vec<char>) {
    letters.clear();
    letters.extend(name.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).flat_map(char::to_lowercase));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The textbook table, whole.
    fn plain(a: &[char], b: &[char]) -> usize {
        let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
        for i in 0..=a.len() {
            for j in 0..=b.len() {
                table[i][j] = match (i, j) {
                    (0, _) => j,
                    (_, 0) => i,
                    _ => {
                        let changed = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                        let least = changed.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                        let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                        if swapped { least.min(table[i - 2][j - 2] + 1) } else { least }
                    }
                };
            }
        }
        table[a.len()][b.len()]
    }

    #[test]
    fn the_narrow_table_agrees_with_the_whole_one() {
        let mut words = vec![String::new()];
        for _ in 0..5 {
            words.extend(words.iter().flat_map(|word| ["a", "b"].map(|c| word.clone() + c)).collect::<Vec<_>>());
        }
        words.sort_unstable();
        words.dedup();
        words.extend(["abcabcabc", "bcabcaabc", "cbacba", "acbacb", "aacbb", "cabbage"].map(str::to_owned));
        for a in &words[1..] {
            let mut measure = Measure::of(a).expect("short names");
            let letters: Vec<char> = a.chars().collect();
            for b in &words[1..] {
                let whole = plain(&letters, &b.chars().collect::<Vec<_>>());
                for most in 0..=6 {
                    let expected = Some(whole).filter(|edits| *edits <= most);
                    assert_eq!(measure.within(b, |_| most), expected, "{a:?} {b:?} within {most}");
                }
            }
        }
    }

    #[test]
    fn the_name_that_was_meant_is_found() {
        let valid = ["max-items", "sort-order", "path", "recursive", "json.query"];
        for (name, meant) in [
            ("max_items", Some("max-items")),
            ("maxItems", Some("max-items")),
            ("MAX ITEMS", Some("max-items")),
            ("pth", Some("path")),
            ("paht", Some("path")),
            ("recusrive", Some("recursive")),
            ("JSON.qeury", Some("json.query")),
            ("json_query", Some("json.query")),
            ("sort", None),
            ("zzz", None),
            ("", None),
            ("---", None),
        ] {
            assert_eq!(nearest(name, valid), meant, "{name}");
        }
        assert_eq!(nearest("ab", ["a", "b", "ac", ""]), None, "two letters are too few to guess from");
    }

    #[test]
    fn the_same_but_for_case_and_separators_comes_before_what_differs() {
        assert_eq!(nearest("sort_order", ["sort-orders", "sort-order"]), Some("sort-order"));
        assert_eq!(nearest("kitten", ["mitten", "kittens"]), Some("mitten"), "of equally near ones, the first");
        let names = ["json.query", "json.quest", "json.merge", "json.query"];
        assert_eq!(nearest_few("json.qurey", 3, names.map(|name| (name, name))), ["json.query", "json.quest"]);
        assert_eq!(nearest_few("json.qurey", 1, names.map(|name| (name, name))), ["json.query"]);
        assert_eq!(nearest_few("qurey", 3, [("query", "json.query")]), ["json.query"], "compared with its last part");
    }

    #[test]
    fn another_threshold_counts_the_same_edits() {
        assert_eq!(edits("Incoming-Handler", "outgoing_handler", 16), Some(5));
        assert_eq!(edits("incoming-handler", "outgoing-handler", 3), None);
        assert_eq!(edits("", "a", 3), None);
        assert_eq!(edits("a", &"a".repeat(MAX_NAME + 1), usize::MAX), None);
        assert_eq!(edits("abc", "x", usize::MAX), Some(3));
    }

    #[test]
    fn a_huge_name_or_a_huge_list_costs_a_bounded_amount() {
        let huge = "x".repeat(10_000_000);
        let never = || std::iter::repeat_with(|| unreachable!("nothing is compared with such a name"));
        assert_eq!(nearest(&huge, never()), None);
        assert_eq!(nearest("", never()), None);
        assert_eq!(nearest("x", [huge.as_str()]), None);
        let endless = || std::iter::repeat("near-nothing-that-was-meant");
        assert_eq!(nearest(&"y".repeat(MAX_NAME), endless()), None);
        assert!(nearest_few("near-nothing-at-all", 3, endless().map(|name| (name, name))).is_empty());
    }
}
