//! The name that somebody may have meant, at a cost that a file cannot drive up.

use std::cell::Cell;

use super::problem::{SHOWN, shown};

/// The most names that are compared for one file. Beyond it a suggestion is luck.
const MAX_COMPARED: usize = 2_000_000;

/// The longest name for which there is a suggestion, in bytes.
const MAX_NAME: usize = 256;

/// The most names that a message lists where none is near. The longest of our own lists has 12.
const MAX_LISTED: usize = 20;

/// Searches names while it counts what that costs.
#[derive(Default)]
pub(super) struct Nearest {
    compared: Cell<usize>,
}

impl Nearest {
    /// The candidate that is nearest to `name`, within a third of its length and at most three edits.
    pub(super) fn find<'a>(&self, name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        if name.is_empty() || name.len() > MAX_NAME {
            return None;
        }
        let most = (name.len() / 3).clamp(1, 3);
        let mut best: Option<(usize, &str)> = None;
        for candidate in candidates {
            self.compared.set(self.compared.get() + 1);
            if self.compared.get() > MAX_COMPARED {
                break;
            }
            if candidate.len().abs_diff(name.len()) > most {
                continue;
            }
            let distance = strsim::osa_distance(name, candidate);
            if distance <= most && best.is_none_or(|best| (distance, candidate) < best) {
                best = Some((distance, candidate));
            }
        }
        best.map(|(_, candidate)| candidate)
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
