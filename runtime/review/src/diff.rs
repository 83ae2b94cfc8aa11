//! How two sets of capabilities differ.

use std::collections::BTreeSet;

use toolcell_host::grant::uncovered;

/// What became of capabilities between two moments, line by line. Each list is sorted. What has become narrower is kept in its
/// new words, and removed in its old ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// In the later set, and more than all of the earlier one allows.
    pub added: Vec<String>,
    /// In the earlier set, and more than all of the later one allows.
    pub removed: Vec<String>,
    /// In the later set, and allowed by the earlier one.
    pub kept: Vec<String>,
}

impl Diff {
    /// The difference from `before` to `after`.
    pub fn between(before: &BTreeSet<String>, after: &BTreeSet<String>) -> Self {
        let added = uncovered(after, before);
        let kept = after.iter().filter(|line| added.binary_search(line).is_err()).cloned().collect();
        Self { removed: uncovered(before, after), kept, added }
    }

    /// Whether both sets allow the same.
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

    #[test]
    fn what_has_become_narrower_is_not_added_and_its_old_words_are_removed() {
        let set = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<BTreeSet<_>>();
        let (wide, narrow) = ("kv 9 keys, 1 KiB each, 1 MiB in all", "kv 8 keys, 1 KiB each, 1 MiB in all");
        let diff = Diff::between(&set(&[wide]), &set(&[narrow]));
        assert_eq!((diff.added.len(), diff.removed, diff.kept), (0, vec![wide.to_owned()], vec![narrow.to_owned()]));
        let diff = Diff::between(&set(&[narrow]), &set(&[wide]));
        assert_eq!((diff.added, diff.removed.len(), diff.kept.len()), (vec![wide.to_owned()], 0, 0));
        // The same in other words is no difference.
        let (together, apart) =
            ("network GET,POST https://a.example/", ["GET", "POST"].map(|m| format!("network {m} https://a.example/")));
        assert!(Diff::between(&set(&[together]), &apart.into()).is_empty());
    }
}
