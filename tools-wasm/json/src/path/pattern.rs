//! I-Regexp (RFC 9485), translated to the `regex` crate, which matches in time linear in the text.
//!
//! `^` and `$` are anchors, as the compliance suite has it, and `\d`, `\w`, `\s` and their negations are accepted
//! beyond the RFC because everybody writes them; they mean their ASCII sets. Whatever else I-Regexp lacks is refused.

use std::fmt::Write as _;

use regex::{Regex, RegexBuilder};
use thiserror::Error;

use super::Reach;

/// The largest compiled pattern, in bytes. Stops `(((a{1000}){1000}){1000})` before it takes memory.
const MAX_COMPILED: usize = 1 << 20;
/// The deepest nesting of groups.
const MAX_GROUPS: usize = 50;

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Matcher(Regex);

impl Matcher {
    pub(super) fn new(pattern: &str, reach: Reach) -> Result<Self, PatternError> {
        let translated = Translator::new(pattern).translate()?;
        let source = match reach {
            Reach::Whole => format!("\\A(?:{translated})\\z"),
            Reach::Part => translated,
        };
        RegexBuilder::new(&source).size_limit(MAX_COMPILED).dfa_size_limit(MAX_COMPILED).build().map(Self).map_err(
            |error| match error {
                regex::Error::CompiledTooBig(_) => PatternError::TooLarge,
                _ => PatternError::Invalid,
            },
        )
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

/// Why a string is not a pattern that we run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PatternError {
    /// A character that must not stand there.
    #[error("{found:?} must not stand there in a pattern; escape it with a backslash if it is meant literally")]
    Unexpected {
        /// The character.
        found: char,
    },
    /// The pattern stops in the middle.
    #[error("the pattern ends inside of a group, class, quantifier or escape")]
    End,
    /// An escape that I-Regexp does not have.
    #[error("\\{found} is no escape in a pattern (RFC 9485); look-around, back references and \\b do not exist there")]
    Escape {
        /// What follows the backslash.
        found: char,
    },
    /// `(?`
    #[error("(? is not part of patterns (RFC 9485): there are plain groups only, without flags and look-around")]
    Group,
    /// A range or quantifier whose end is before its start, or an unknown category.
    #[error("a range or quantifier runs backwards, or \\p names an unknown category")]
    Invalid,
    /// Too much to compile.
    #[error("the pattern is too large; use smaller repetitions and fewer groups")]
    TooLarge,
}

/// One pass over the pattern, no recursion: groups are counted, not descended into.
struct Translator<'p> {
    rest: std::iter::Peekable<std::str::Chars<'p>>,
    out: String,
}

impl<'p> Translator<'p> {
    fn new(pattern: &'p str) -> Self {
        Self { rest: pattern.chars().peekable(), out: String::with_capacity(pattern.len() + 8) }
    }

    fn translate(mut self) -> Result<String, PatternError> {
        let mut groups = 0;
        // Whether a quantifier may follow: after an atom, but not after another quantifier.
        let mut quantifiable = false;
        while let Some(character) = self.rest.next() {
            match character {
                '(' if self.rest.peek() == Some(&'?') => return Err(PatternError::Group),
                '(' if groups == MAX_GROUPS => return Err(PatternError::TooLarge),
                '(' => {
                    groups += 1;
                    self.out.push_str("(?:");
                }
                ')' if groups == 0 => return Err(PatternError::Unexpected { found: ')' }),
                ')' => {
                    groups -= 1;
                    self.out.push(')');
                }
                '|' | '^' | '$' => self.out.push(character),
                '*' | '+' | '?' if quantifiable => self.out.push(character),
                '{' if quantifiable => self.repetition()?,
                '*' | '+' | '?' | '{' | '}' | ']' => {
                    return Err(PatternError::Unexpected { found: character });
                }
                '.' => self.out.push_str("[^\\n\\r]"),
                '[' => self.class()?,
                '\\' => self.escape()?,
                plain => self.literal(plain),
            }
            quantifiable = !matches!(character, '(' | '|' | '^' | '$' | '*' | '+' | '?' | '{');
        }
        if groups > 0 {
            return Err(PatternError::End);
        }
        Ok(self.out)
    }

    /// `{2}`, `{2,}` or `{2,5}`, after its opening brace.
    fn repetition(&mut self) -> Result<(), PatternError> {
        self.out.push('{');
        self.bound()?;
        if self.rest.next_if_eq(&',').is_some() {
            self.out.push(',');
            if self.rest.peek() != Some(&'}') {
                self.bound()?;
            }
        }
        match self.rest.next() {
            Some('}') => self.out.push('}'),
            Some(found) => return Err(PatternError::Unexpected { found }),
            None => return Err(PatternError::End),
        }
        Ok(())
    }

    fn bound(&mut self) -> Result<(), PatternError> {
        let start = self.out.len();
        while let Some(digit) = self.rest.next_if(char::is_ascii_digit) {
            self.out.push(digit);
        }
        match self.out.len() - start {
            0 => Err(self.rest.peek().map_or(PatternError::End, |found| PatternError::Unexpected { found: *found })),
            1..=5 => Ok(()),
            _ => Err(PatternError::TooLarge),
        }
    }

    /// `[a-z\p{L}]`, after its opening bracket.
    fn class(&mut self) -> Result<(), PatternError> {
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        let mut empty = true;
        loop {
            let character = self.rest.next().ok_or(PatternError::End)?;
            match character {
                ']' if !empty => break,
                ']' | '[' => return Err(PatternError::Unexpected { found: character }),
                '\\' => self.escape()?,
                // A hyphen is itself at either end and between the ends of a range a range.
                '-' if empty || self.rest.peek() == Some(&']') => self.out.push_str("\\-"),
                '-' => return Err(PatternError::Unexpected { found: '-' }),
                plain => self.literal(plain),
            }
            empty = false;
            self.range_end()?;
        }
        self.out.push(']');
        Ok(())
    }

    /// The `-z` of `a-z`, if it follows.
    fn range_end(&mut self) -> Result<(), PatternError> {
        let mut ahead = self.rest.clone();
        if ahead.next() != Some('-') || matches!(ahead.peek(), Some(']') | None) {
            return Ok(());
        }
        self.rest.next();
        self.out.push('-');
        match self.rest.next() {
            Some('\\') => self.escape(),
            Some(found @ ('[' | '-')) => Err(PatternError::Unexpected { found }),
            Some(plain) => {
                self.literal(plain);
                Ok(())
            }
            None => Err(PatternError::End),
        }
    }

    /// What follows a backslash. The same within a class and outside.
    fn escape(&mut self) -> Result<(), PatternError> {
        let found = self.rest.next().ok_or(PatternError::End)?;
        match found {
            'n' | 'r' | 't' => {
                self.out.push('\\');
                self.out.push(found);
            }
            'd' => self.out.push_str("[0-9]"),
            'D' => self.out.push_str("[^0-9]"),
            'w' => self.out.push_str("[0-9A-Za-z_]"),
            'W' => self.out.push_str("[^0-9A-Za-z_]"),
            's' => self.out.push_str("[ \\t\\n\\r\\x0b\\x0c]"),
            'S' => self.out.push_str("[^ \\t\\n\\r\\x0b\\x0c]"),
            'p' | 'P' => {
                if self.rest.next() != Some('{') {
                    return Err(PatternError::Escape { found });
                }
                let _infallible = write!(self.out, "\\{found}{{");
                while let Some(letter) = self.rest.next_if(char::is_ascii_alphabetic) {
                    self.out.push(letter);
                }
                match self.rest.next() {
                    Some('}') => self.out.push('}'),
                    Some(found) => return Err(PatternError::Unexpected { found }),
                    None => return Err(PatternError::End),
                }
            }
            '(' | ')' | '*' | '+' | '-' | '.' | '?' | '[' | '\\' | ']' | '^' | '{' | '|' | '}' | '$' | '/' => {
                self.literal(found);
            }
            _ => return Err(PatternError::Escape { found }),
        }
        Ok(())
    }

    /// A character that means itself, whatever it means to the `regex` crate.
    fn literal(&mut self, character: char) {
        if character.is_ascii_punctuation() {
            self.out.push('\\');
        }
        self.out.push(character);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_rfc_9485_says() {
        for (pattern, reach, text, expected) in [
            ("a.*", Reach::Whole, "abc", true),
            ("a.*", Reach::Whole, "xabc", false),
            ("a|bc", Reach::Whole, "ac", false),
            ("b", Reach::Part, "abc", true),
            (".", Reach::Whole, "\u{2028}", true),
            (".", Reach::Whole, "\n", false),
            (".", Reach::Whole, "\r", false),
            ("[a-c-]{2,3}", Reach::Whole, "a-c", true),
            ("[-a]+", Reach::Whole, "-a", true),
            ("[^a-c]", Reach::Whole, "d", true),
            ("[a&&b~~c]+", Reach::Whole, "&~c", true),
            ("[\\]\\-\\^]+", Reach::Whole, "]-^", true),
            ("\\p{Lu}\\P{Lu}", Reach::Whole, "Éa", true),
            ("[\\p{L}\\d]+", Reach::Whole, "é7", true),
            ("\\d{3}", Reach::Whole, "٣٣٣", false),
            ("a#b c", Reach::Whole, "a#b c", true),
            ("^ab$", Reach::Part, "ab", true),
            ("x{0}", Reach::Whole, "", true),
            ("", Reach::Whole, "", true),
            ("(a|(b))*c?", Reach::Whole, "abab", true),
        ] {
            let matcher = Matcher::new(pattern, reach).unwrap_or_else(|error| panic!("{pattern}: {error}"));
            assert_eq!(matcher.matches(text), expected, "{pattern} on {text:?}");
        }
    }

    #[test]
    fn what_is_not_a_pattern_is_refused_with_its_reason() {
        for (pattern, expected) in [
            ("(?i)a", PatternError::Group),
            ("(?=a)", PatternError::Group),
            ("\\bword", PatternError::Escape { found: 'b' }),
            ("(a)\\1", PatternError::Escape { found: '1' }),
            ("a**", PatternError::Unexpected { found: '*' }),
            ("a*?", PatternError::Unexpected { found: '?' }),
            ("*", PatternError::Unexpected { found: '*' }),
            ("a)", PatternError::Unexpected { found: ')' }),
            ("(a", PatternError::End),
            ("[a", PatternError::End),
            ("[]", PatternError::Unexpected { found: ']' }),
            ("[[:alpha:]]", PatternError::Unexpected { found: '[' }),
            ("a{,2}", PatternError::Unexpected { found: ',' }),
            ("a{2", PatternError::End),
            ("a{3,2}", PatternError::Invalid),
            ("[z-a]", PatternError::Invalid),
            ("\\p{Nonsense}", PatternError::Invalid),
            ("\\pL", PatternError::Escape { found: 'p' }),
            ("\\", PatternError::End),
            ("a{1000000}", PatternError::TooLarge),
            ("((a{999}){999}){999}", PatternError::TooLarge),
        ] {
            assert_eq!(Matcher::new(pattern, Reach::Part).unwrap_err(), expected, "{pattern}");
        }
        let deep = format!("{}{}", "(".repeat(10_000), ")".repeat(10_000));
        assert_eq!(Matcher::new(&deep, Reach::Part).unwrap_err(), PatternError::TooLarge);
    }

    #[test]
    fn a_pattern_that_ruins_backtracking_engines_is_linear_here() {
        let matcher = Matcher::new("(a*)*b", Reach::Whole).unwrap();
        assert!(!matcher.matches(&"a".repeat(1_000_000)));
    }
}
