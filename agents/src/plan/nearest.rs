//! The name that somebody may have meant, at a cost that a file cannot drive up.

use std::cell::Cell;

use toolcell_core::nearest::nearest;

use super::problem::{SHOWN, shown};

/// The most names that are compared for one file. Beyond it a suggestion is luck.
const MAX_COMPARED: usize = 2_000_000;

/// The most names that a message lists where none is near. The longest of our own lists has 12.
const MAX_LISTED: usize = 20;

/// Searches names while it counts what that costs.
#[derive(Default)]
pub(super) struct Nearest {
    compared: Cell<usize>,
}

impl Nearest {
    /// The candidate that is nearest to `name`, by the measure of [`toolcell_core::nearest`].
    pub(super) fn find<'a>(&self, name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        let left = MAX_COMPARED - self.compared.get();
        let count = |_: &&str| self.compared.set(self.compared.get() + 1);
        nearest(name, candidates.into_iter().take(left).inspect(count))
    }

    /// `; the nearest is …`, or what there is where nothing is near.
    pub(super) fn or_all(&self, name: &str, known: &[&str]) -> String {
        if let Some(meant) = self.find(name, known.iter().copied()) {
            return format!("; the nearest is `{}`", shown(meant, SHOWN));
        }
        let listed: Vec<String> = known.iter().take(MAX_LISTED).map(|name| shown(name, SHOWN)).collect();
        match known.len().saturating_sub(MAX_LISTED) {
            0 => format!("; there is {}", listed.join(", ")),
            more => format!("; there is {} and {more} more", listed.join(", ")),
        }
    }
}
