//! Owns the pass over one text: how often each word of the query stands in it, and which groups of words stand together. It
//! keeps no list of places, so that a file of nothing but one word costs no memory; places are found again for the few hits.

use crate::ask::{Ask, MOST_WORDS, Rule};
use crate::words::{Word, fold, words};

/// Looks for the words of one query.
pub struct Scanner<'a> {
    ask: &'a Ask,
    /// The query's words by [`key`], for a binary search over integers: a hash that resists attacks costs several times as much.
    places: Vec<(u64, &'a str, u8)>,
    /// The first bytes that a word of the query can have: most words of a text are dismissed by one look.
    first_bytes: [bool; 256],
    /// The groups that end with a word, by the word's place.
    ending: Vec<Vec<u8>>,
    form: String,
}

/// What a text holds of the query.
#[derive(Debug, PartialEq, Eq)]
pub struct Counts {
    /// All words of the text.
    pub length: u32,
    /// Occurrences, by the word's place in the query.
    pub times: Vec<u32>,
    /// The groups that occur, a bit each.
    groups: u64,
}

impl<'a> Scanner<'a> {
    /// Prepares for a query.
    pub fn new(ask: &'a Ask) -> Self {
        let mut first_bytes = [false; 256];
        let mut places: Vec<(u64, &str, u8)> =
            ask.words.iter().zip(0..).map(|(word, place)| (key(word.as_bytes()), word.as_str(), place)).collect();
        places.sort_unstable();
        for word in &ask.words {
            first_bytes[word.as_bytes()[0] as usize] = true;
        }
        let mut ending = vec![Vec::new(); ask.words.len()];
        for (index, group) in (0u8..).zip(&ask.groups) {
            let last = *group.sequence.last().expect("a group is never empty");
            ending[last as usize].push(index);
        }
        Self { ask, places, first_bytes, ending, form: String::new() }
    }

    /// Counts a whole text.
    pub fn count(&mut self, text: &str) -> Counts {
        let mut counts = Counts { length: 0, times: vec![0; self.ask.words.len()], groups: 0 };
        // The last words of the text as places in the query: a ring as long as the longest group can be.
        let mut recent = [NONE; MOST_WORDS];
        for word in words(text) {
            let place = self.place(word);
            recent[counts.length as usize % MOST_WORDS] = place.unwrap_or(NONE);
            counts.length += 1;
            let Some(place) = place else { continue };
            counts.times[place as usize] += 1;
            for &group in &self.ending[place as usize] {
                if counts.groups & (1 << group) == 0 && self.stands(group, &recent, counts.length) {
                    counts.groups |= 1 << group;
                }
            }
        }
        counts
    }

    /// Whether a text with these counts answers the query.
    pub fn accepts(&self, counts: &Counts) -> bool {
        let scoring = &counts.times[..self.ask.weights.len()];
        let rules = (0..).zip(&self.ask.groups);
        scoring.iter().any(|times| *times > 0)
            && rules
                .into_iter()
                .all(|(index, group)| (counts.groups >> index & 1 == 1) == (group.rule == Rule::Required))
    }

    /// The places of the query's scoring words in a text, in order: which word, and where.
    pub fn occurrences<'t>(&mut self, text: &'t str) -> impl Iterator<Item = (u8, Word<'t>)> {
        let scoring = self.ask.weights.len();
        words(text).filter_map(move |word| {
            let place = self.place(word).filter(|place| (*place as usize) < scoring)?;
            Some((place, word))
        })
    }

    fn place(&mut self, word: Word<'_>) -> Option<u8> {
        // ASCII, which most texts are, is compared as it stands; the rest has to be folded first.
        let bytes = if word.raw.is_ascii() {
            word.raw.as_bytes()
        } else {
            fold(word.raw, &mut self.form);
            self.form.as_bytes()
        };
        if !self.first_bytes[bytes[0].to_ascii_lowercase() as usize] {
            return None;
        }
        let key = key(bytes);
        let first = self.places.partition_point(|(other, ..)| *other < key);
        let same_key = self.places[first..].iter().take_while(|(other, ..)| *other == key);
        let is_it = |other: &str| other.as_bytes().eq_ignore_ascii_case(bytes);
        same_key.into_iter().find(|(_, other, _)| is_it(other)).map(|(.., place)| *place)
    }

    fn stands(&self, group: u8, recent: &[u8; MOST_WORDS], seen: u32) -> bool {
        let sequence = &self.ask.groups[group as usize].sequence;
        let seen = seen as usize;
        sequence.len() <= seen
            && sequence.iter().rev().enumerate().all(|(back, place)| recent[(seen - 1 - back) % MOST_WORDS] == *place)
    }
}

/// The first eight bytes of a word in lower case, as a number.
fn key(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).fold(0, |key, byte| key << 8 | u64::from(byte.to_ascii_lowercase()))
}

/// Stands for a word that the query does not hold; a query has fewer words than this.
const NONE: u8 = u8::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::ask;

    fn answers(query: &str, text: &str) -> bool {
        let ask = ask(query).unwrap();
        let mut scanner = Scanner::new(&ask);
        let counts = scanner.count(text);
        scanner.accepts(&counts)
    }

    #[test]
    fn words_are_counted_in_any_case() {
        let ask = ask("fox grapes É").unwrap();
        let counts = Scanner::new(&ask).count("The Fox, the FOX; e\u{301} foxes");
        assert_eq!((counts.length, counts.times), (6, vec![2, 0, 1]));
    }

    #[test]
    fn words_with_the_same_beginning_are_told_apart() {
        let ask = ask("mountain mountains mountaineer MOUNTAINEERING").unwrap();
        let counts = Scanner::new(&ask).count("Mountains, mountain; mountaineering MOUNTAINEER mountaineers mountai");
        assert_eq!((counts.length, counts.times), (6, vec![1, 1, 1, 1]));
    }

    #[test]
    fn quoted_words_stand_together() {
        assert!(answers("\"sour grapes\"", "They were SOUR\n grapes."));
        assert!(!answers("\"sour grapes\"", "grapes sour"));
        assert!(!answers("\"sour grapes\"", "sour green grapes"));
        assert!(answers("\"a a b\"", "a a a b"));
        assert!(!answers("\"a b\"", "b"));
    }

    #[test]
    fn signs_require_and_exclude() {
        assert!(answers("+fox lion", "fox") && !answers("+fox lion", "lion"));
        assert!(!answers("fox -crow", "fox crow") && answers("fox -crow", "fox"));
        assert!(answers("fox -\"the crow\"", "fox crow the"));
        assert!(!answers("fox -fox", "fox") && !answers("fox -lion", "crow"));
    }

    #[test]
    fn the_longest_phrase_is_found_across_the_rings_end() {
        let phrase: Vec<String> = (0..64).map(|number| format!("w{number}")).collect();
        let phrase = phrase.join(" ");
        for before in [0, 1, 63, 64, 65, 100] {
            let text = format!("{}{phrase} end", "x ".repeat(before));
            assert!(answers(&format!("\"{phrase}\""), &text), "{before}");
            assert!(!answers(&format!("\"{phrase}\""), &text.replace("w30", "x")), "{before}");
        }
    }

    #[test]
    fn a_text_of_one_word_and_a_query_of_its_phrases_stay_cheap() {
        let query = "\"a a a a a a a b\" ".repeat(8);
        let ask = ask(&query).unwrap();
        let counts = Scanner::new(&ask).count(&"a ".repeat(500_000));
        assert_eq!(counts.times[0], 500_000);
    }
}
