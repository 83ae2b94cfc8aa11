//! How two sets of capabilities differ.

use std::collections::BTreeSet;

/// What became of capabilities between two moments, line by line. Each list is sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// Only in the later set.
    pub added: Vec<String>,
    /// Only in the earlier set.
    pub removed: Vec<String>,
    /// In both.
    pub kept: Vec<String>,
}

impl Diff {
    /// The difference from `before` to `after`.
    pub fn between(before: &BTreeSet<String>, after: &BTreeSet<String>) -> Self {
        Self {
            added: after.difference(before).cloned().collect(),
            removed: before.difference(after).cloned().collect(),
            kept: before.intersection(after).cloned().collect(),
        }
    }

    /// Whether both sets are the same.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_in_exactly_one_of_three_lists() {
        let set = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<BTreeSet<_>>();
        let (before, after) = (set(&["a", "b", "c"]), set(&["b", "c", "d"]));
        let diff = Diff::between(&before, &after);
        assert_eq!((diff.added, diff.removed), (vec!["d".to_owned()], vec!["a".to_owned()]));
        assert_eq!(diff.kept, ["b", "c"]);
        assert!(Diff::between(&before, &before).is_empty());
        assert!(!Diff::between(&before, &set(&[])).is_empty());
        assert_eq!(Diff::between(&set(&[]), &set(&[])), Diff::default());
    }
}
