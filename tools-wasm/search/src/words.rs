//! Owns what a word is. A word is a run of letters and digits (Unicode `Alphabetic` or `Number`) with the combining marks on
//! them; everything else separates, `_`, `'` and `.` included, so that `config.toml` and `snake_case` are found by their parts.
//! Han, Hiragana and Katakana, which are written without spaces, count one word a character. Words are compared in lower case
//! and in normalisation form C. There are no stop words and no stemming: a score can be checked by hand.

use unicode_normalization::char::is_combining_mark;
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// A longer run is cut here, in characters: it bounds the memory that a file of noise can take. Lucene's standard
/// tokenizer cuts at the same length.
pub const LONGEST: usize = 255;

/// The words of a text as byte ranges, in order.
pub fn words(text: &str) -> Words<'_> {
    Words { text, at: 0 }
}

/// See [`words`].
pub struct Words<'a> {
    text: &'a str,
    at: usize,
}

/// One word where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word<'a> {
    /// As it is written.
    pub raw: &'a str,
    /// The offset of its first byte.
    pub start: usize,
}

impl Word<'_> {
    /// The offset after its last byte.
    pub fn end(&self) -> usize {
        self.start + self.raw.len()
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        let (start, first) = loop {
            self.at += self.run(usize::MAX, |byte| byte.is_ascii() && !byte.is_ascii_alphanumeric());
            let (at, found) = (self.at, self.step()?);
            if matches!(found, Kind::Letter | Kind::Alone) {
                break (at, found);
            }
        };
        let mut length = 1;
        while length < LONGEST {
            if first == Kind::Letter {
                let run = self.run(LONGEST - length, u8::is_ascii_alphanumeric);
                self.at += run;
                length += run;
            }
            let before = self.at;
            match self.step() {
                Some(Kind::Mark) if length < LONGEST => {}
                Some(Kind::Letter) if first == Kind::Letter && length < LONGEST => {}
                Some(_) => {
                    self.at = before;
                    break;
                }
                None => break,
            }
            length += 1;
        }
        Some(Word { raw: &self.text[start..self.at], start })
    }
}

impl Words<'_> {
    /// How many of the next bytes, at most `most`, are of a sort: most texts are ASCII, and its runs are passed without a look
    /// at each character's kind.
    fn run(&self, most: usize, sort: impl Fn(&u8) -> bool) -> usize {
        self.text.as_bytes()[self.at..].iter().take(most).take_while(|byte| sort(byte)).count()
    }

    /// The kind of the next character, which is passed.
    fn step(&mut self) -> Option<Kind> {
        let byte = *self.text.as_bytes().get(self.at)?;
        if byte.is_ascii() {
            self.at += 1;
            return Some(if byte.is_ascii_alphanumeric() { Kind::Letter } else { Kind::Other });
        }
        let letter = self.text[self.at..].chars().next()?;
        self.at += letter.len_utf8();
        Some(kind(letter))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Part of a word.
    Letter,
    /// A word by itself.
    Alone,
    /// Part of the word that it follows.
    Mark,
    /// Between words.
    Other,
}

fn kind(letter: char) -> Kind {
    match letter {
        // Hiragana and Katakana, their extensions and half-width forms; Han with its extensions and compatibility forms.
        '\u{3041}'..='\u{3096}'
        | '\u{309d}'..='\u{309f}'
        | '\u{30a1}'..='\u{30fa}'
        | '\u{30fc}'..='\u{30ff}'
        | '\u{31f0}'..='\u{31ff}'
        | '\u{ff66}'..='\u{ff9d}'
        | '\u{3005}'..='\u{3007}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}' => Kind::Alone,
        _ if is_combining_mark(letter) => Kind::Mark,
        _ if letter.is_alphanumeric() => Kind::Letter,
        _ => Kind::Other,
    }
}

/// Writes the form in which words are compared over `into`.
pub fn fold(raw: &str, into: &mut String) {
    into.clear();
    if raw.is_ascii() {
        into.push_str(raw);
        into.make_ascii_lowercase();
        return;
    }
    let lower = raw.to_lowercase();
    if is_nfc(&lower) {
        into.push_str(&lower);
    } else {
        into.extend(lower.nfc());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> Vec<String> {
        words(text)
            .map(|word| {
                let mut form = String::new();
                fold(word.raw, &mut form);
                assert_eq!(&text[word.start..word.end()], word.raw);
                form
            })
            .collect()
    }

    #[test]
    fn words_are_runs_of_letters_and_digits_in_lower_case() {
        assert_eq!(
            folded("The Fox, who'd 2 snake_case v1.5!"),
            ["the", "fox", "who", "d", "2", "snake", "case", "v1", "5"]
        );
        assert_eq!(folded(""), Vec::<String>::new());
        assert_eq!(folded(" \n\t…—\u{feff}\0"), Vec::<String>::new());
    }

    #[test]
    fn both_spellings_of_an_accent_are_one_word() {
        assert_eq!(folded("CAFÉ cafe\u{301} Ünder"), ["café", "café", "ünder"]);
        assert_eq!(folded("STRASSE Straße ΟΔΟΣ İ"), ["strasse", "straße", "οδος", "i\u{307}"]);
    }

    #[test]
    fn scripts_without_spaces_count_by_the_character() {
        assert_eq!(folded("東京tower タワー"), ["東", "京", "tower", "タ", "ワ", "ー"]);
        assert_eq!(folded("か\u{3099}"), ["が"]);
        assert_eq!(folded("हिन्दी 한국어"), ["हिन्दी", "한국어"]);
    }

    #[test]
    fn a_mark_without_a_letter_is_no_word() {
        assert_eq!(folded("\u{301}\u{301} a"), ["a"]);
    }

    #[test]
    fn a_run_without_end_is_cut() {
        let lengths: Vec<usize> = words(&"x".repeat(600)).map(|word| word.raw.len()).collect();
        assert_eq!(lengths, [255, 255, 90]);
        let zalgo = format!("e{}", "\u{301}".repeat(1_000_000));
        assert!(words(&zalgo).next().unwrap().raw.len() <= LONGEST * 2);
    }
}
