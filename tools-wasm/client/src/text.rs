//! Owns how text of others is made fit for a message: one line, bounded, and nothing in it that a terminal or a reader obeys.

/// `text` as one line of at most `most` characters. Runs of white space and control characters become one space, and characters
/// that are invisible or turn the direction of writing are left out. What was cut ends in `…`.
pub fn cleaned(text: &str, most: usize) -> String {
    let mut line = String::new();
    let mut length = 0;
    let mut gap = false;
    for letter in text.chars() {
        if letter.is_whitespace() || letter.is_control() {
            gap = length > 0;
            continue;
        }
        if invisible(letter) {
            continue;
        }
        let needed = 1 + usize::from(gap);
        if length + needed > most {
            // The ellipsis takes the place of the last character where there is no room left.
            if length == most {
                line.pop();
            }
            line.push('…');
            break;
        }
        if gap {
            line.push(' ');
            gap = false;
        }
        line.push(letter);
        length += needed;
    }
    line
}

/// Formatting characters (Unicode's category Cf) that hide text or change its order, and the private language tags.
fn invisible(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_becomes_one_bounded_line() {
        assert_eq!(cleaned("  a\r\n\tb\u{1b}[31mc\0 ", 50), "a b [31mc");
        assert_eq!(cleaned("a\u{202e}b\u{200b}c\u{feff}", 50), "abc");
        assert_eq!(cleaned("abcdef", 6), "abcdef");
        assert_eq!(cleaned("abcdefg", 6), "abcde…");
        assert_eq!(cleaned("ab cd", 3), "ab…");
        assert_eq!(cleaned("", 3), "");
        assert_eq!(cleaned(&"ü".repeat(1_000_000), 10).chars().count(), 10);
    }
}
