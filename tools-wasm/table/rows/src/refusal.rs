//! Why rows were not read or not used. It owns the wording that all operations share: how a value is quoted, how a
//! near name is found. A refusal has only those of the contract's failures that rows can end in.

use toolcell_contract::{Failure, Problem};

/// Why an operation was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An argument that cannot be accepted as it stands.
    #[error("{}", .0.message)]
    Invalid(Problem),
    /// A file that is not there.
    #[error("{0}")]
    NotFound(String),
    /// A file that may not be read.
    #[error("{0}")]
    Denied(String),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid(problem) => Self::InvalidArgument(problem),
            Refusal::NotFound(message) => Self::NotFound(message),
            Refusal::Denied(message) => Self::Denied(message),
        }
    }
}

impl Refusal {
    /// A refusal of the argument at `pointer`.
    pub fn invalid(pointer: impl Into<String>, expected: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(Problem {
            pointer: pointer.into(),
            expected: expected.into(),
            found: None,
            message: message.into(),
        })
    }

    /// The same refusal, with what was found, shortened to 120 characters.
    #[must_use]
    pub fn found(mut self, found: &str) -> Self {
        if let Self::Invalid(problem) = &mut self {
            problem.found = Some(shortened(found));
        }
        self
    }
}

/// The text in double quotes, at most 120 characters of it, so that a message stays a sentence whatever a cell holds.
pub fn quoted(text: &str) -> String {
    format!("{:?}", shortened(text))
}

/// The name closest to `wanted`, or none where nothing is close: equal but for letter case, spaces, `_` and `-`
/// first, then at most two fifths of the letters different. Ties go to the earlier name.
pub fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = folded(wanted);
    let mut best: Option<(usize, &str)> = None;
    for name in names {
        let distance = distance(&wanted, &folded(name));
        if best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, name));
        }
    }
    best.filter(|(distance, name)| {
        let longer = wanted.len().max(folded(name).len());
        *distance * 5 <= longer.max(3) * 2
    })
    .map(|(_, name)| name)
}

fn shortened(text: &str) -> String {
    const MOST: usize = 120;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Sixty-four letters are enough to tell names apart, and bound the quadratic distance.
fn folded(name: &str) -> Vec<char> {
    name.chars().filter(|letter| !matches!(letter, ' ' | '_' | '-')).flat_map(char::to_lowercase).take(64).collect()
}

/// Edits between two names, two neighbours that changed places being one edit (optimal string alignment).
fn distance(from: &[char], to: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut row = Vec::with_capacity(to.len() + 1);
        row.push(i + 1);
        for (j, b) in to.iter().enumerate() {
            let mut least = (above[j] + usize::from(a != b)).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_through_case_and_typos_and_not_through_nothing() {
        let names = ["region", "Amount", "closed_at"];
        assert_eq!(nearest("amuont", names.into_iter()), Some("Amount"));
        assert_eq!(nearest("Closed At", names.into_iter()), Some("closed_at"));
        assert_eq!(nearest("teir", ["stage", "tier"].into_iter()), Some("tier"));
        assert_eq!(nearest("zzzzzz", names.into_iter()), None);
        assert_eq!(nearest("x", [].into_iter()), None);
    }

    #[test]
    fn a_long_value_is_shortened_on_a_character_boundary() {
        let refusal = Refusal::invalid("/a", "b", "c").found(&"ß".repeat(500));
        let Refusal::Invalid(problem) = refusal else { panic!("not an invalid argument") };
        assert_eq!(problem.found.map(|found| found.chars().count()), Some(121));
    }
}
