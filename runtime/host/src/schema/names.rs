//! Names of cases and flags: found in constant time, and the nearest one where a name is wrong.

use std::collections::HashMap;
use std::sync::Arc;

use toolcell_core::nearest;
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

/// The valid name that was most likely meant, if one is near: see [`toolcell_core::nearest`]. Cheaper than that bounds it, since one
/// call may have many wrong names.
pub(super) fn nearest<'a>(name: &str, valid: impl Iterator<Item = &'a str>) -> Option<String> {
    let name = Some(name).filter(|name| name.len() <= MAX_NAME)?;
    nearest::nearest(name, valid.take(MAX_COMPARED)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_huge_name_or_a_huge_set_of_names_costs_a_bounded_amount() {
        assert_eq!(nearest(&"x".repeat(10_000_000), ["x"].into_iter()), None);
        let many: Vec<String> = (0..1_000_000).map(|n| format!("name-{n}-{}", "y".repeat(40))).collect();
        assert!(nearest(&"y".repeat(60), many.iter().map(String::as_str)).is_none());
    }
}
