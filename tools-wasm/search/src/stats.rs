//! Owns the overview of a folder: its words, the frequent and the distinctive ones. The vocabulary is bounded, because a folder
//! of noise has as many different words as words.

use std::collections::HashMap;

use crate::folder::{self, Coverage, Filter};
use crate::refusal::Refusal;
use crate::words::{fold, words};

/// The most words that one list shows.
pub const MOST_LISTED: u32 = 1_000;
/// How many are listed where the caller does not say.
pub const DEFAULT_LISTED: u32 = 20;
/// The most different words that are counted; about 100 MB at worst. Dictionaries of a language have fewer.
pub const MOST_DISTINCT: usize = 500_000;
/// A word longer than this, in bytes, is counted in the length but is no vocabulary: it is a key, a hash or noise.
const LONGEST_COUNTED: usize = 64;

/// What a folder holds.
#[derive(Debug)]
pub struct Overview {
    /// Different words.
    pub distinct: u32,
    /// Whether that is all of them.
    pub distinct_complete: bool,
    /// Words of all documents.
    pub length: u32,
    /// Most frequent first; equal ones in alphabetical order.
    pub frequent: Vec<WordStat>,
    /// By occurrences times ln(documents / documents that hold it).
    pub distinctive: Vec<WordStat>,
    /// What was read.
    pub coverage: Coverage,
}

/// A word of the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordStat {
    /// In lower case.
    pub word: String,
    /// Occurrences in all documents.
    pub count: u32,
    /// Documents that hold it.
    pub documents: u32,
}

#[derive(Clone, Copy)]
struct Tally {
    count: u32,
    documents: u32,
    /// The last document that held it, so that each counts once.
    last: u32,
}

/// Describes a folder.
pub fn stats(folder: &str, filter: &Filter, top: Option<u32>) -> Result<Overview, Refusal> {
    let top = top.unwrap_or(DEFAULT_LISTED);
    if top > MOST_LISTED {
        return Err(Refusal::OutOfRange {
            pointer: "/top",
            expected: format!("a number from 0 to {MOST_LISTED}"),
            found: top.to_string(),
        });
    }
    let mut tallies: HashMap<Box<str>, Tally> = HashMap::new();
    let mut distinct_complete = true;
    let (mut length, mut current) = (0u32, 0u32);
    let mut form = String::new();
    let coverage = folder::read(folder, filter, |document| {
        current += 1;
        for word in words(&document.text) {
            length += 1;
            if word.raw.len() > LONGEST_COUNTED {
                distinct_complete = false;
                continue;
            }
            fold(word.raw, &mut form);
            if let Some(tally) = tallies.get_mut(form.as_str()) {
                tally.count += 1;
                tally.documents += u32::from(tally.last != current);
                tally.last = current;
            } else if tallies.len() < MOST_DISTINCT {
                tallies.insert(form.as_str().into(), Tally { count: 1, documents: 1, last: current });
            } else {
                distinct_complete = false;
            }
        }
    })?;
    let documents = f64::from(coverage.documents);
    let all: Vec<(&str, Tally)> = tallies.iter().map(|(word, tally)| (&**word, *tally)).collect();
    let frequent = best(&all, top, |tally| f64::from(tally.count));
    let distinctive = best(&all, top, |tally| f64::from(tally.count) * (documents / f64::from(tally.documents)).ln());
    Ok(Overview {
        distinct: u32::try_from(all.len()).expect("the vocabulary is limited"),
        distinct_complete,
        length,
        frequent,
        // A word that all documents hold tells none of them apart, however short the list.
        distinctive: distinctive.into_iter().filter(|stat| stat.documents < coverage.documents).collect(),
        coverage,
    })
}

fn best(all: &[(&str, Tally)], top: u32, worth: impl Fn(&Tally) -> f64) -> Vec<WordStat> {
    let mut ranked: Vec<(f64, &str, Tally)> = all.iter().map(|(word, tally)| (worth(tally), *word, *tally)).collect();
    let by_worth = |a: &(f64, &str, Tally), b: &(f64, &str, Tally)| b.0.total_cmp(&a.0).then(a.1.cmp(b.1));
    let top = top as usize;
    if top < ranked.len() {
        ranked.select_nth_unstable_by(top, by_worth);
        ranked.truncate(top);
    }
    ranked.sort_unstable_by(by_worth);
    ranked
        .into_iter()
        .map(|(_, word, tally)| WordStat { word: word.to_owned(), count: tally.count, documents: tally.documents })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::fs;

    use super::*;

    fn of(documents: &[&str], top: u32) -> Overview {
        let root = tempfile::tempdir().unwrap();
        for (number, text) in documents.iter().enumerate() {
            fs::write(root.path().join(format!("{number}.txt")), text).unwrap();
        }
        stats(root.path().to_str().unwrap(), &Filter::default(), Some(top)).unwrap()
    }

    fn shown(list: &[WordStat]) -> Vec<(&str, u32, u32)> {
        list.iter().map(|stat| (stat.word.as_str(), stat.count, stat.documents)).collect()
    }

    #[test]
    fn words_are_counted_across_documents() {
        let overview = of(&["the fox the grapes", "The lion", ""], 3);
        assert_eq!(shown(&overview.frequent), [("the", 3, 2), ("fox", 1, 1), ("grapes", 1, 1)]);
        assert_eq!(shown(&overview.distinctive), [("the", 3, 2), ("fox", 1, 1), ("grapes", 1, 1)]);
        assert_eq!((overview.distinct, overview.length, overview.distinct_complete), (4, 6, true));
    }

    #[test]
    fn a_word_of_every_document_is_not_distinctive() {
        let overview = of(&["the the fox fox", "the the lion"], 10);
        assert_eq!(shown(&overview.distinctive), [("fox", 2, 1), ("lion", 1, 1)]);
    }

    #[test]
    fn nothing_is_nothing() {
        let overview = of(&[], 10);
        assert_eq!((overview.distinct, overview.length, overview.frequent.len()), (0, 0, 0));
        assert!(of(&["a b c"], 0).frequent.is_empty());
    }

    #[test]
    fn a_vocabulary_of_noise_is_bounded() {
        let mut text = String::new();
        for number in 0..(MOST_DISTINCT / 2 + 10) {
            write!(text, "{number:x} ").unwrap();
        }
        let other = text.replace(' ', "z ");
        let overview = of(&[&text, &other], 5);
        assert_eq!(overview.distinct as usize, MOST_DISTINCT);
        assert!(!overview.distinct_complete);
    }

    #[test]
    fn too_long_a_list_is_refused() {
        let refused = stats("/", &Filter::default(), Some(1_001)).unwrap_err();
        assert!(matches!(refused, Refusal::OutOfRange { pointer: "/top", .. }));
    }
}
