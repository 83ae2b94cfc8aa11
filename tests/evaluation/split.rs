//! Owns what is held out: which families and which seeds nobody may look at while rules are written.
//!
//! Both are decided by arithmetic over names and numbers, before anything was measured. A third of the seeds is held out: those
//! that leave 2 when divided by 3. A third of the families of each kind is held out: of all their names, by FNV-1a, the lowest.

use serde::Serialize;

use super::chance::fnv;

/// How far a case is from what anybody has looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Split {
    /// Its family and its seed may be looked at.
    Seen,
    /// Its family may be looked at, its seed not.
    HeldOutSeed,
    /// Nothing of its family may be looked at.
    HeldOutFamily,
}

impl Split {
    pub(crate) const ALL: [Self; 3] = [Self::Seen, Self::HeldOutSeed, Self::HeldOutFamily];

    /// The split of a case, among families of these names.
    pub(crate) fn of(family: &str, seed: u64, families: &[&str]) -> Self {
        if held_out(families).contains(&family) {
            Self::HeldOutFamily
        } else if seed % 3 == 2 {
            Self::HeldOutSeed
        } else {
            Self::Seen
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::HeldOutSeed => "held-out seed",
            Self::HeldOutFamily => "held-out family",
        }
    }
}

/// The third of some names whose FNV-1a is lowest.
pub(crate) fn held_out<'n>(names: &[&'n str]) -> Vec<&'n str> {
    let mut names = names.to_vec();
    names.sort_by_key(|name| fnv(name.bytes()));
    names.truncate(names.len().div_ceil(3));
    names
}

#[test]
fn a_third_is_held_out_and_the_order_of_names_does_not_matter() {
    let names: Vec<String> = (0..30).map(|n| format!("family-{n}")).collect();
    let forth: Vec<&str> = names.iter().map(String::as_str).collect();
    let back: Vec<&str> = names.iter().rev().map(String::as_str).collect();
    assert_eq!(held_out(&forth), held_out(&back));
    assert_eq!(held_out(&forth).len(), 10);
    let seen: Vec<_> = forth.iter().filter(|name| !held_out(&forth).contains(name)).collect();
    assert_eq!(Split::of(seen[0], 1, &forth), Split::Seen);
    assert_eq!(Split::of(seen[0], 2, &forth), Split::HeldOutSeed);
    assert_eq!(Split::of(held_out(&forth)[0], 1, &forth), Split::HeldOutFamily);
}
