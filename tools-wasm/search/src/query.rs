//! Owns the ranking: one pass over the folder to count, then the scores, then a second look at the few texts that are shown. The
//! folder is read anew for each call, because an index that is older than the files answers wrongly without saying so.

use crate::ask::{Ask, ask};
use crate::bm25::{Parameters, contribution, idf};
use crate::folder::{self, Coverage, Document, Filter};
use crate::passage::{Position, passage, title};
use crate::refusal::Refusal;
use crate::scan::{Counts, Scanner};

/// The most hits of one answer.
pub const MOST_HITS: u32 = 100;
/// The longest snippet, in characters.
pub const MOST_SNIPPET: u32 = 2_000;
/// The most positions of one hit.
pub const MOST_POSITIONS: u32 = 1_000;

/// How to rank and how much to show.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Hits, at most.
    pub limit: u32,
    /// The formula's parameters.
    pub parameters: Parameters,
    /// Characters of a snippet.
    pub snippet: u32,
    /// Positions of a hit, at most.
    pub positions: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { limit: 10, parameters: Parameters::default(), snippet: 240, positions: 10 }
    }
}

/// The answer to a query.
#[derive(Debug)]
pub struct Answer {
    /// Best first; equal ones by path.
    pub hits: Vec<Hit>,
    /// How many documents match.
    pub total: u32,
    /// The words that score: the word, how many documents hold it, its inverse document frequency.
    pub words: Vec<(String, u32, f64)>,
    /// Words of all documents.
    pub length: u32,
    /// What was read.
    pub coverage: Coverage,
}

/// A document that matches.
#[derive(Debug)]
pub struct Hit {
    /// Where it is.
    pub path: String,
    /// Its heading.
    pub title: String,
    /// Its score.
    pub score: f64,
    /// Its words.
    pub length: u32,
    /// Places in [`Answer::words`], and occurrences.
    pub matches: Vec<(u8, u32)>,
    /// The best passage.
    pub snippet: String,
    /// Where the words stand.
    pub positions: Vec<Position>,
}

/// Searches a folder.
pub fn query(folder: &str, text: &str, filter: &Filter, options: Options) -> Result<Answer, Refusal> {
    options.check()?;
    let ask = ask(text)?;
    let mut scanner = Scanner::new(&ask);
    let mut found: Vec<(Document, Counts)> = Vec::new();
    let mut holding = vec![0u32; ask.weights.len()];
    let mut length = 0u32;
    let coverage = folder::read(folder, filter, |document| {
        let counts = scanner.count(&document.text);
        length += counts.length;
        for (holding, times) in holding.iter_mut().zip(&counts.times) {
            *holding += u32::from(*times > 0);
        }
        if scanner.accepts(&counts) {
            found.push((document, counts));
        }
    })?;

    let idfs: Vec<f64> = holding.iter().map(|&holding| idf(coverage.documents, holding)).collect();
    let average = f64::from(length) / f64::from(coverage.documents);
    let total = u32::try_from(found.len()).expect("documents are limited");
    let mut ranked: Vec<(f64, Document, Counts)> = found
        .into_iter()
        .map(|(document, counts)| (score(&ask, &counts, &idfs, average, options.parameters), document, counts))
        .collect();
    // The documents came by path, and the sort is stable.
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    ranked.truncate(options.limit as usize);

    let hits = ranked
        .into_iter()
        .map(|(score, document, counts)| {
            let shown =
                passage(&mut scanner, &document.text, &idfs, options.snippet as usize, options.positions as usize);
            let matches = (0u8..).zip(counts.times).take(idfs.len()).filter(|(_, times)| *times > 0).collect();
            Hit {
                title: title(&document.text, &document.path),
                path: document.path,
                score,
                length: counts.length,
                matches,
                snippet: shown.snippet,
                positions: shown.positions,
            }
        })
        .collect();
    let words =
        ask.words.iter().zip(holding).zip(idfs).map(|((word, holding), idf)| (word.clone(), holding, idf)).collect();
    Ok(Answer { hits, total, words, length, coverage })
}

fn score(ask: &Ask, counts: &Counts, idfs: &[f64], average: f64, parameters: Parameters) -> f64 {
    ask.weights
        .iter()
        .zip(&counts.times)
        .zip(idfs)
        .map(|((&weight, &times), &idf)| {
            f64::from(weight) * contribution(idf, times, counts.length, average, parameters)
        })
        .sum()
}

impl Options {
    fn check(&self) -> Result<(), Refusal> {
        let within = |pointer, value: u32, least, most| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            Err(Refusal::OutOfRange {
                pointer,
                expected: format!("a number from {least} to {most}"),
                found: value.to_string(),
            })
        };
        let between = |pointer, value: f64, most: f64| {
            // Written so that NaN, which compares as neither, is refused too.
            if (0.0..=most).contains(&value) {
                return Ok(());
            }
            Err(Refusal::OutOfRange {
                pointer,
                expected: format!("a number from 0 to {most}"),
                found: value.to_string(),
            })
        };
        within("/limit", self.limit, 1, MOST_HITS)?;
        between("/options/k1", self.parameters.k1, 100.0)?;
        between("/options/b", self.parameters.b, 1.0)?;
        within("/options/snippet", self.snippet, 0, MOST_SNIPPET)?;
        within("/options/positions", self.positions, 0, MOST_POSITIONS)
    }
}

#[cfg(test)]
#[path = "query_tests.rs"]
mod tests;
