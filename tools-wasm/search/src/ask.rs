//! Owns the query language: words, `"words that stand together"`, `+must` and `-must not`. It is forgiving where people are
//! careless (a lone quote or a dash between spaces is punctuation) and refuses only what asks for nothing.

use std::collections::HashMap;

use crate::words::{fold, words};

/// The most bytes of a query.
pub const MOST_BYTES: usize = 4_096;
/// The most words of a query. It bounds the work per word of text, and lets a set of groups be one `u64`.
pub const MOST_WORDS: usize = 64;

/// A query, understood.
#[derive(Debug, PartialEq)]
pub struct Ask {
    /// Every different word, first those that score, in the order of the query.
    pub words: Vec<String>,
    /// How often each scoring word stands in the query: that many times its score counts. Shorter than `words` where words
    /// are only excluded.
    pub weights: Vec<u32>,
    /// What must or must not occur: words (as places in `words`) that stand together.
    pub groups: Vec<Group>,
}

/// Words that stand together, one after the other.
#[derive(Debug, PartialEq)]
pub struct Group {
    /// Places in [`Ask::words`]; never empty.
    pub sequence: Vec<u8>,
    /// Whether it must be there or must not.
    pub rule: Rule,
}

/// What a group asks of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Only documents that hold it.
    Required,
    /// Only documents that don't.
    Excluded,
}

/// Why a query was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// There is no word in it.
    #[error("the query holds no word; give at least one word to look for")]
    Empty,
    /// It only excludes.
    #[error("the query only says what must not occur; give at least one word to look for")]
    OnlyExclusions,
    /// More than [`MOST_BYTES`] or [`MOST_WORDS`].
    #[error("the query is too long; give at most 64 words in at most 4096 bytes, the rarest first")]
    TooLong,
}

/// Reads a query.
pub fn ask(text: &str) -> Result<Ask, AskError> {
    if text.len() > MOST_BYTES {
        return Err(AskError::TooLong);
    }
    let terms = terms(text);
    if terms.iter().map(|term| term.words.len()).sum::<usize>() > MOST_WORDS {
        return Err(AskError::TooLong);
    }
    let mut ask = Ask { words: Vec::new(), weights: Vec::new(), groups: Vec::new() };
    let mut places: HashMap<&str, u8> = HashMap::new();
    let scoring = terms.iter().filter(|term| term.rule != Some(Rule::Excluded));
    for word in scoring.flat_map(|term| &term.words) {
        let place = *places.entry(word).or_insert_with(|| {
            ask.words.push(word.clone());
            ask.weights.push(0);
            place(ask.words.len() - 1)
        });
        ask.weights[place as usize] += 1;
    }
    if ask.words.is_empty() {
        return Err(if terms.is_empty() { AskError::Empty } else { AskError::OnlyExclusions });
    }
    for term in &terms {
        let Some(rule) = term.rule else { continue };
        let sequence = term
            .words
            .iter()
            .map(|word| {
                *places.entry(word).or_insert_with(|| {
                    ask.words.push(word.clone());
                    place(ask.words.len() - 1)
                })
            })
            .collect();
        ask.groups.push(Group { sequence, rule });
    }
    Ok(ask)
}

fn place(index: usize) -> u8 {
    u8::try_from(index).expect("a query has at most 64 words")
}

struct Term {
    rule: Option<Rule>,
    words: Vec<String>,
}

fn terms(text: &str) -> Vec<Term> {
    let mut terms = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let sign = match first {
            '+' => Some(Rule::Required),
            '-' => Some(Rule::Excluded),
            _ => None,
        };
        // A sign binds only to what it touches: in `a - b` and `--flag` it is punctuation.
        let body = if sign.is_some() { &rest[1..] } else { rest };
        let binds = body.starts_with(|letter: char| letter == '"' || letter.is_alphanumeric());
        let (sign, body) = if binds { (sign, body) } else { (None, rest) };
        let quoted = body.strip_prefix('"').and_then(|inner| inner.split_once('"'));
        let (rule, phrase, after) = quoted.map_or_else(
            || {
                let end = body.find(char::is_whitespace).unwrap_or(body.len());
                (sign, &body[..end], &body[end..])
            },
            |(phrase, after)| (sign.or(Some(Rule::Required)), phrase, after),
        );
        let words = folded(phrase);
        if !words.is_empty() {
            terms.push(Term { rule, words });
        }
        rest = after.trim_start();
    }
    terms
}

fn folded(text: &str) -> Vec<String> {
    words(text)
        .map(|word| {
            let mut form = String::new();
            fold(word.raw, &mut form);
            form
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let ask = ask(text).unwrap();
        let mut parts: Vec<String> =
            ask.words.iter().zip(&ask.weights).map(|(word, weight)| format!("{word}*{weight}")).collect();
        for group in &ask.groups {
            let sign = if group.rule == Rule::Required { '+' } else { '-' };
            let words: Vec<&str> = group.sequence.iter().map(|&place| ask.words[place as usize].as_str()).collect();
            parts.push(format!("{sign}{}", words.join("_")));
        }
        parts.join(" ")
    }

    #[test]
    fn words_are_folded_and_counted() {
        assert_eq!(shown("The fox THE Grapes"), "the*2 fox*1 grapes*1");
        assert_eq!(shown("config.toml"), "config*1 toml*1");
    }

    #[test]
    fn quotes_and_signs_make_groups() {
        assert_eq!(shown("\"sour grapes\" fox"), "sour*1 grapes*1 fox*1 +sour_grapes");
        assert_eq!(shown("+fox -crow lion"), "fox*1 lion*1 +fox -crow");
        assert_eq!(shown("lion -\"the crow\" +a.b"), "lion*1 a*1 b*1 -the_crow +a_b");
        assert_eq!(shown("fox -fox"), "fox*1 -fox");
    }

    #[test]
    fn careless_punctuation_is_punctuation() {
        assert_eq!(shown("a - b + c"), "a*1 b*1 c*1");
        assert_eq!(shown("--flag ++x"), "flag*1 x*1");
        assert_eq!(shown("a 5\" pipe"), "a*1 5*1 pipe*1");
        assert_eq!(shown("\"open"), "open*1");
        assert_eq!(shown("\"\" well-known"), "well*1 known*1");
    }

    #[test]
    fn what_asks_for_nothing_is_refused() {
        for text in ["", " \n", "?!", "\"\"", "+", "-", "\u{301}"] {
            assert_eq!(ask(text), Err(AskError::Empty), "{text:?}");
        }
        assert_eq!(ask("-fox -\"the crow\""), Err(AskError::OnlyExclusions));
    }

    #[test]
    fn hostile_queries_are_bounded() {
        assert_eq!(ask(&"a ".repeat(65)), Err(AskError::TooLong));
        assert!(ask(&"a ".repeat(64)).is_ok());
        assert_eq!(ask(&"x".repeat(5_000)), Err(AskError::TooLong));
        assert_eq!(ask(&"\"".repeat(4_096)), Err(AskError::Empty));
        assert_eq!(ask(&"+\"-".repeat(1_000)), Err(AskError::Empty));
        assert_eq!(ask(&"東".repeat(65)), Err(AskError::TooLong));
    }
}
