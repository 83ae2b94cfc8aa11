//! The `search` tool: full-text search over a mounted folder. This file converts between the component's types and plain Rust and
//! delegates; nothing below it sees a binding.

// A test that unwraps says with its panic what went wrong.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod ask;
mod bm25;
mod folder;
mod glob;
mod nearby;
mod passage;
mod query;
mod refusal;
mod scan;
mod stats;
mod words;

use bindings::toolcell::tool::types::{Failure, Problem};
use bindings::{
    Answer, Coverage, Filter, Hit, Options, Overview, Position, SkipReason, SkippedFile, WordCount, WordStat,
    WordWeight,
};

use crate::folder::{FolderError, Reason};
use crate::glob::Glob;
use crate::refusal::Refusal;

/// What `wit/world.wit` generates.
mod bindings {
    #![allow(unsafe_code, reason = "the generated glue reads and writes the component's memory")]
    #![allow(missing_docs, clippy::pedantic, clippy::too_many_arguments, reason = "generated code")]
    wit_bindgen::generate!({ path: ["../../wit/tool", "wit"], world: "toolcell:search/search", generate_all });

    use super::Tool;
    export!(Tool);
}

/// The most patterns of one list.
const MOST_PATTERNS: usize = 16;
/// How much of a refused value is repeated, in characters.
const REPEATED: usize = 100;

struct Tool;

impl bindings::Guest for Tool {
    fn query(
        folder: String,
        text: String,
        limit: Option<u32>,
        filter: Option<Filter>,
        options: Option<Options>,
    ) -> Result<Answer, Failure> {
        let found = patterns(filter)
            .and_then(|filter| query::query(&folder, &text, &filter, settings(limit, options.as_ref())))
            .map_err(|refusal| failure(&refusal, &text))?;
        let word = |place: u8| found.words[place as usize].0.clone();
        let hits = found
            .hits
            .into_iter()
            .map(|hit| Hit {
                path: hit.path,
                title: hit.title,
                score: hit.score,
                length: hit.length,
                matches: hit.matches.iter().map(|&(place, count)| WordCount { word: word(place), count }).collect(),
                snippet: hit.snippet,
                positions: hit.positions.iter().map(|at| position(at, word(at.word))).collect(),
            })
            .collect();
        Ok(Answer {
            hits,
            total: found.total,
            searched: coverage(found.coverage, found.length),
            words: found.words.into_iter().map(|(word, documents, idf)| WordWeight { word, documents, idf }).collect(),
        })
    }

    fn stats(folder: String, top: Option<u32>, filter: Option<Filter>) -> Result<Overview, Failure> {
        let found = patterns(filter)
            .and_then(|filter| stats::stats(&folder, &filter, top))
            .map_err(|refusal| failure(&refusal, ""))?;
        let documents = f64::from(found.coverage.documents.max(1));
        Ok(Overview {
            distinct_words: found.distinct,
            distinct_complete: found.distinct_complete,
            average_length: f64::from(found.length) / documents,
            frequent: found.frequent.into_iter().map(word_stat).collect(),
            distinctive: found.distinctive.into_iter().map(word_stat).collect(),
            read: coverage(found.coverage, found.length),
        })
    }
}

fn settings(limit: Option<u32>, options: Option<&Options>) -> query::Options {
    let mut settings = query::Options::default();
    let set = |slot: &mut u32, value: Option<u32>| *slot = value.unwrap_or(*slot);
    set(&mut settings.limit, limit);
    if let Some(options) = options {
        set(&mut settings.snippet, options.snippet);
        set(&mut settings.positions, options.positions);
        let parameters = &mut settings.parameters;
        parameters.k1 = options.k1.unwrap_or(parameters.k1);
        parameters.b = options.b.unwrap_or(parameters.b);
    }
    settings
}

fn patterns(filter: Option<Filter>) -> Result<folder::Filter, Refusal> {
    let read = |list: Option<Vec<String>>, name: &str| {
        let list = list.unwrap_or_default();
        let refused = |at: usize, expected: String| Refusal::Pattern {
            pointer: format!("/filter/{name}/{at}"),
            expected,
            found: list[at].chars().take(REPEATED).collect(),
        };
        if list.len() > MOST_PATTERNS {
            return Err(refused(MOST_PATTERNS, format!("one of at most {MOST_PATTERNS} patterns")));
        }
        list.iter()
            .enumerate()
            .map(|(at, pattern)| {
                let expected = || format!("a glob of 1 to {} characters, such as *.md", glob::LONGEST);
                Glob::new(pattern).ok_or_else(|| refused(at, expected()))
            })
            .collect()
    };
    let Some(filter) = filter else { return Ok(folder::Filter::default()) };
    Ok(folder::Filter { include: read(filter.include, "include")?, exclude: read(filter.exclude, "exclude")? })
}

fn position(at: &passage::Position, word: String) -> Position {
    Position { word, line: at.line, column: at.column, start: at.start, end: at.end }
}

fn word_stat(stat: stats::WordStat) -> WordStat {
    WordStat { word: stat.word, count: stat.count, documents: stat.documents }
}

fn coverage(found: folder::Coverage, words: u32) -> Coverage {
    let skipped = found.skipped.into_iter().map(|(path, reason)| SkippedFile {
        path,
        reason: match reason {
            Reason::Link => SkipReason::Link,
            Reason::NotText => SkipReason::NotText,
            Reason::TooLarge => SkipReason::TooLarge,
            Reason::TooDeep => SkipReason::TooDeep,
            Reason::Unreadable => SkipReason::Unreadable,
            Reason::OverLimit => SkipReason::OverLimit,
        },
    });
    Coverage {
        documents: found.documents,
        words,
        bytes: found.bytes,
        skipped_total: found.skipped_total,
        skipped: skipped.collect(),
        complete: !found.cut,
    }
}

fn failure(refusal: &Refusal, text: &str) -> Failure {
    let message = refusal.to_string();
    let short = |text: &str| text.chars().take(REPEATED).collect::<String>();
    let problem = |pointer: &str, expected: &str, found: &str| {
        Failure::InvalidArgument(Problem {
            pointer: pointer.to_owned(),
            expected: expected.to_owned(),
            found: (!found.is_empty()).then(|| short(found)),
            message: message.clone(),
        })
    };
    match refusal {
        Refusal::Ask(_) => problem("/text", "at least one word to look for, and at most 64 in 4,096 bytes", text),
        Refusal::OutOfRange { pointer, expected, found } => problem(pointer, expected, found),
        Refusal::Pattern { pointer, expected, found } => problem(pointer, expected, found),
        Refusal::Folder(FolderError::NotAPath(found)) => problem("/folder", "the path of a mounted folder", found),
        Refusal::Folder(FolderError::NotAFolder(found)) => problem("/folder", "the path of a folder", found),
        Refusal::Folder(FolderError::Missing(folder)) => {
            Failure::NotFound(format!("{}. {}", short(&message), nearby::hint(folder, &nearby::mounted())))
        }
        Refusal::Folder(FolderError::Refused { .. }) => Failure::Denied(message),
    }
}
