//! Text from tools, made safe to show.
//!
//! A message, a log line or a description that a tool wrote ends up in a terminal, a browser or a model's context. What
//! could act there is replaced by a visible escape: control characters (ANSI and OSC sequences begin with one), bidirectional overrides
//! and invisible characters. Whatever stays is exactly what the tool wrote.

use std::fmt::Write as _;

/// The text on one line, with everything that could act escaped as `\u{…}`, `\n`, `\r` or `\t`, cut at `max` bytes.
///
/// A cut text ends in `…`, which counts. The result is at most `max` bytes long where `max` is at least 3. A backslash stays as it is:
/// the aim is text that is safe to show, not text that can be read back.
pub fn inert(text: &str, max: usize) -> String {
    make(text, max, Lines::Escaped)
}

/// The same for text of several lines: a line feed stays, and a carriage return before one is dropped.
pub fn inert_lines(text: &str, max: usize) -> String {
    make(text, max, Lines::Kept)
}

#[derive(Clone, Copy, PartialEq)]
enum Lines {
    Escaped,
    Kept,
}

const CUT: char = '…';

fn make(text: &str, max: usize, lines: Lines) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    if text.len() <= max && text.bytes().all(plain) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len().min(max));
    // Where the text can still be cut so that the mark of the cut fits.
    let mut fits = 0;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let before = out.len();
        match character {
            '\n' if lines == Lines::Kept => out.push('\n'),
            '\r' if lines == Lines::Kept && characters.peek() == Some(&'\n') => {}
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            character if acts(character) => {
                write!(out, "\\u{{{:x}}}", u32::from(character)).expect("writing to a string does not fail");
            }
            character => out.push(character),
        }
        if before + CUT.len_utf8() <= max {
            fits = before;
        }
        if out.len() > max {
            out.truncate(fits);
            out.push(CUT);
            return out;
        }
    }
    out
}

/// Whether a character does something other than to be seen.
///
/// The invisible ones are the format characters (category Cf) and fillers of Unicode 16 that render as nothing or reorder their surroundings, and the
/// private and tag characters that can carry hidden text. Zero-width joiners are among them, so an emoji that is
/// joined from several falls apart into its parts; that is the price.
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{600}'..='\u{605}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
            | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_act_on_a_terminal_becomes_visible() {
        assert_eq!(inert("\u{1b}[2J\u{7}", 100), "\\u{1b}[2J\\u{7}");
        assert_eq!(inert("\u{1b}]52;c;aGk=\u{9c}", 100), "\\u{1b}]52;c;aGk=\\u{9c}");
        assert_eq!(inert("ok\nERROR forged\r\n", 100), "ok\\nERROR forged\\r\\n");
        assert_eq!(
            inert("a\u{202e}b\u{200b}c\u{2066}d\u{feff}\u{e0041}", 100),
            "a\\u{202e}b\\u{200b}c\\u{2066}d\\u{feff}\\u{e0041}"
        );
        assert_eq!(inert("\0\u{7f}\u{85}", 100), "\\u{0}\\u{7f}\\u{85}");
    }

    #[test]
    fn what_is_only_seen_stays() {
        for text in ["", "plain", "a\\b", "Grüße, 世界 🎉 — “quoted”", "עברית العربية"] {
            assert_eq!(inert(text, 100), text);
        }
        assert_eq!(inert_lines("one\r\ntwo\n\u{1b}three\rfour", 100), "one\ntwo\n\\u{1b}three\\rfour");
    }

    #[test]
    fn a_cut_never_splits_a_character_or_an_escape_and_never_exceeds_its_bound() {
        let hostile = "ab\u{1b}é\u{202e}🎉\n".repeat(50);
        for max in 3..120 {
            let cut = inert(&hostile, max);
            assert!(cut.len() <= max, "{max}: {}", cut.len());
            assert!(cut.ends_with('…'), "{cut}");
            assert!(!cut.chars().any(acts));
            let body = cut.trim_end_matches('…');
            assert!(body.matches("\\u{").count() == body.matches('}').count(), "{cut}");
        }
        assert_eq!(inert("abcdef", 6), "abcdef");
        assert_eq!(inert("abcdefg", 6), "abc…");
    }

    #[test]
    fn a_huge_text_costs_no_more_than_its_cut() {
        let huge = "\u{1b}".repeat(10_000_000);
        assert!(inert(&huge, 1_000).len() <= 1_000);
    }
}
