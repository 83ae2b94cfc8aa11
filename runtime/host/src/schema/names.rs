//! Names of cases and flags: found in constant time, and the nearest one where a name is wrong.

use std::collections::HashMap;
use std::sync::Arc;

use toolcell_core::types::Case;

/// Up to this many names are compared one by one, which is faster than to hash.
pub(super) const FEW: usize = 32;

/// The longest name that is worth a suggestion, in bytes, and how many valid names are compared with it. They bound the
/// cost of one suggestion to about a millisecond whatever the type and the arguments are.
const MAX_NAME: usize = 64;
const MAX_COMPARED: usize = 2_000;

/// Tables of the large name sets of one signature, each built once per call when it is first met.
#[derive(Default)]
pub(super) struct Names<'a> {
    /// By the address of the names, which live as long as the signature.
    tables: HashMap<usize, HashMap<&'a str, usize>>,
}

impl<'a> Names<'a> {
    /// The index of a name of an enum or of flags.
    pub(super) fn index(&mut self, names: &'a [Arc<str>], name: &str) -> Option<usize> {
        if names.len() <= FEW {
            return names.iter().position(|valid| **valid == *name);
        }
        self.table(names.as_ptr().addr(), || names.iter().map(|name| &**name)).get(name).copied()
    }

    /// The index of a case of a variant.
    pub(super) fn case(&mut self, cases: &'a [Case], name: &str) -> Option<usize> {
        if cases.len() <= FEW {
            return cases.iter().position(|case| *case.name == *name);
        }
        self.table(cases.as_ptr().addr(), || cases.iter().map(|case| &*case.name)).get(name).copied()
    }

    fn table<I: Iterator<Item = &'a str>>(
        &mut self,
        key: usize,
        names: impl FnOnce() -> I,
    ) -> &HashMap<&'a str, usize> {
        self.tables.entry(key).or_insert_with(|| names().enumerate().map(|(at, name)| (name, at)).collect())
    }
}

/// The valid name that was most likely meant, if one is near: the same but for case and separators, or at most a third of the letters
/// (and at most three) inserted, left out, changed or swapped.
pub(super) fn nearest<'a>(name: &str, valid: impl Iterator<Item = &'a str>) -> Option<String> {
    if name.is_empty() || name.len() > MAX_NAME {
        return None;
    }
    let meant = plain(name);
    let mut best: Option<(usize, &str)> = None;
    for candidate in valid.take(MAX_COMPARED).filter(|candidate| candidate.len() <= MAX_NAME) {
        let other = plain(candidate);
        let bound = best.map_or(3.min(meant.len().max(other.len()) / 3), |(distance, _)| distance.saturating_sub(1));
        if let Some(distance) = distance(&meant, &other, bound) {
            if distance == 0 {
                return Some(candidate.to_owned());
            }
            best = Some((distance, candidate));
        }
        if best.is_some_and(|(distance, _)| distance == 0) {
            break;
        }
    }
    best.map(|(_, candidate)| candidate.to_owned())
}

/// Lower case, without separators.
fn plain(name: &str) -> Vec<char> {
    name.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).flat_map(char::to_lowercase).collect()
}

/// The optimal string alignment distance, if it is at most `bound`.
fn distance(a: &[char], b: &[char], bound: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > bound {
        return None;
    }
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut row = vec![0; b.len() + 1];
    for (i, x) in a.iter().enumerate() {
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let mut cost = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                cost = cost.min(before[j - 1] + 1);
            }
            row[j + 1] = cost;
        }
        if row.iter().min().is_some_and(|least| *least > bound) {
            return None;
        }
        std::mem::swap(&mut before, &mut last);
        std::mem::swap(&mut last, &mut row);
    }
    Some(last[b.len()]).filter(|distance| *distance <= bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_that_was_meant_is_found() {
        let valid = ["max-items", "sort-order", "path", "recursive"];
        for (name, meant) in [
            ("max_items", Some("max-items")),
            ("maxItems", Some("max-items")),
            ("MAX-ITEMS", Some("max-items")),
            ("pth", Some("path")),
            ("paht", Some("path")),
            ("recusrive", Some("recursive")),
            ("sort", None),
            ("zzz", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, valid.iter().copied()).as_deref(), meant, "{name}");
        }
        assert_eq!(nearest("ab", ["a", "b"].into_iter()), None);
    }

    #[test]
    fn a_huge_name_or_a_huge_set_of_names_costs_a_bounded_amount() {
        assert_eq!(nearest(&"x".repeat(10_000_000), ["x"].into_iter()), None);
        let many: Vec<String> = (0..1_000_000).map(|n| format!("name-{n}-{}", "y".repeat(40))).collect();
        assert!(nearest(&"y".repeat(60), many.iter().map(String::as_str)).is_none());
    }
}
