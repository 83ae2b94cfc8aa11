//! Arguments that are almost JSON.
//!
//! What is read here beyond JSON is a closed list, of which each part has one meaning: a byte order mark, the fence of a
//! Markdown block, comments, commas that end a list, names without quotes, single quotes, Python's words for true, false and
//! null, line breaks and tabs inside of strings, a member said twice with the same value, and the brackets that are missing at
//! the very end. A text that breaks off inside of a word, a number or a string is none of these: what was cut off is not known.

use toolcell_core::json::{parse, quote};

use super::BOUNDS;

/// The JSON that was meant, where the text is no JSON and one thing was meant.
pub(super) fn mended(text: &str) -> Option<String> {
    if text.len() as u64 > BOUNDS.bytes {
        return None;
    }
    let bare = unfenced(text.trim_start_matches('\u{feff}').trim());
    let mut reader = Reader { rest: bare, out: String::with_capacity(bare.len()), open: Vec::new() };
    reader.space()?;
    reader.value()?;
    reader.space()?;
    let mended = reader.rest.is_empty().then_some(reader.out)?;
    (mended != text && parse(&mended, BOUNDS).is_ok()).then_some(mended)
}

fn unfenced(text: &str) -> &str {
    let Some(inside) = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```")) else { return text };
    let (first, rest) = inside.split_once('\n').unwrap_or(("", inside));
    // The first line names the language, or is a part of the text.
    if first.trim().is_empty() || first.trim().eq_ignore_ascii_case("json") { rest.trim() } else { inside.trim() }
}

/// Reads what is almost JSON and writes what is. It works without recursion: depth costs a stranger nothing.
struct Reader<'t> {
    rest: &'t str,
    out: String,
    open: Vec<Open>,
}

/// An array or object that has not ended.
enum Open {
    Array {
        values: usize,
    },
    /// With where in the output each member begins.
    Object {
        members: Vec<usize>,
    },
}

/// The most members of one object in which one may be said twice.
const MAX_COMPARED: usize = 64;

impl Reader<'_> {
    fn value(&mut self) -> Option<()> {
        loop {
            match self.rest.chars().next()? {
                '{' => {
                    self.take("{");
                    self.open.push(Open::Object { members: Vec::new() });
                }
                '[' => {
                    self.take("[");
                    self.open.push(Open::Array { values: 0 });
                }
                '"' | '\'' => {
                    let text = self.string()?;
                    quote(&text, &mut self.out);
                }
                _ => self.word()?,
            }
            // What has ended, up to where the next value begins.
            if !self.onward()? {
                return Some(());
            }
        }
    }

    /// Goes on to the next value; false where everything has ended.
    fn onward(&mut self) -> Option<bool> {
        loop {
            self.space()?;
            let Some(open) = self.open.last_mut() else { return Some(false) };
            let (first, object) = match open {
                Open::Array { values } => (*values == 0 && self.out.ends_with('['), false),
                Open::Object { members } => (members.is_empty(), true),
            };
            let mut divided = first;
            if !first {
                self.settle();
                if let Some(rest) = self.rest.strip_prefix(',') {
                    self.rest = rest;
                    self.space()?;
                    divided = true;
                }
            }
            let closer = if object { '}' } else { ']' };
            if self.rest.is_empty() || self.rest.starts_with(closer) {
                // Missing at the end of the text, or there.
                self.rest = self.rest.strip_prefix(closer).unwrap_or(self.rest);
                self.out.push(closer);
                self.open.pop();
                continue;
            }
            if !divided {
                return None;
            }
            if !self.out.ends_with(['[', '{']) {
                self.out.push(',');
            }
            if object {
                self.name()?;
            }
            return Some(true);
        }
    }

    /// A value of an open array or object has ended. A member that was said before with the same value is taken back.
    fn settle(&mut self) {
        match self.open.last_mut() {
            Some(Open::Array { values }) => *values += 1,
            Some(Open::Object { members }) if members.len() > 1 && members.len() <= MAX_COMPARED => {
                let (last, before) = members.split_last().expect("there are two");
                let said = &self.out[*last..];
                // Each ends at the comma before the next.
                let ends = |at: usize| before.get(at + 1).unwrap_or(last) - 1;
                let twice = before.iter().enumerate().any(|(at, begins)| self.out[*begins..ends(at)] == *said);
                if twice {
                    self.out.truncate(last - 1);
                    members.pop();
                }
            }
            _ => {}
        }
    }

    /// A member's name and its colon.
    fn name(&mut self) -> Option<()> {
        let begins = self.out.len();
        if self.rest.starts_with(['"', '\'']) {
            let text = self.string()?;
            quote(&text, &mut self.out);
        } else {
            let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '-');
            let length = self.rest.find(|c| !plain(c)).unwrap_or(self.rest.len());
            let (name, rest) = self.rest.split_at(length);
            if !name.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '$')) {
                return None;
            }
            quote(name, &mut self.out);
            self.rest = rest;
        }
        self.space()?;
        self.rest = self.rest.strip_prefix(':')?;
        self.out.push(':');
        self.space()?;
        if let Some(Open::Object { members }) = self.open.last_mut() {
            members.push(begins);
        }
        Some(())
    }

    /// Space and comments.
    fn space(&mut self) -> Option<()> {
        loop {
            self.rest = self.rest.trim_start();
            let line = self.rest.strip_prefix("//").or_else(|| self.rest.strip_prefix('#'));
            if let Some(comment) = line {
                self.rest = comment.find('\n').map_or("", |end| &comment[end..]);
            } else if let Some(comment) = self.rest.strip_prefix("/*") {
                self.rest = &comment[comment.find("*/")? + 2..];
            } else {
                return Some(());
            }
        }
    }

    /// A string's content, up to the quote that it began with.
    fn string(&mut self) -> Option<String> {
        let mut chars = self.rest.char_indices();
        let (_, end) = chars.next()?;
        let mut strict = String::from("\"");
        while let Some((at, c)) = chars.next() {
            match c {
                c if c == end => {
                    self.rest = &self.rest[at + c.len_utf8()..];
                    strict.push('"');
                    return match parse(&strict, BOUNDS) {
                        Ok(toolcell_core::json::Json::String(text)) => Some(text.into_owned()),
                        _ => None,
                    };
                }
                '\\' => match chars.next()?.1 {
                    // JSON knows no escape for it, and inside of single quotes it needs one.
                    '\'' => strict.push('\''),
                    other => strict.extend(['\\', other]),
                },
                '"' => strict.push_str("\\\""),
                '\n' => strict.push_str("\\n"),
                '\r' => strict.push_str("\\r"),
                '\t' => strict.push_str("\\t"),
                c => strict.push(c),
            }
        }
        None
    }

    /// A number or a word.
    fn word(&mut self) -> Option<()> {
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '+' | '-' | '.');
        let length = self.rest.find(|c| !plain(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(length);
        // A word at the very end of a text with open brackets may have been cut.
        if word.is_empty() || rest.is_empty() && !self.open.is_empty() && word.ends_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        self.out.push_str(match word {
            "True" => "true",
            "False" => "false",
            "None" => "null",
            word => word,
        });
        self.rest = rest;
        Some(())
    }

    fn take(&mut self, bracket: &str) {
        self.rest = &self.rest[bracket.len()..];
        self.out.push_str(bracket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_says_nothing_is_taken_away() {
        for (text, found) in [
            ("\u{feff}{}", Some("{}")),
            ("```json\n{\"a\":1}\n```", Some("{\"a\":1}")),
            ("```\n{\"a\":1}\n```", Some("{\"a\":1}")),
            ("{\"a\":[1,2,],}", Some("{\"a\":[1,2]}")),
            ("{\"a\":\",]\\\",}\",}", Some("{\"a\":\",]\\\",}\"}")),
            ("{# as asked\n\"a\": /* one */ 1 // yes\n}", Some("{\"a\":1}")),
            ("{a: 1, b-c: {$d: []}}", Some("{\"a\":1,\"b-c\":{\"$d\":[]}}")),
            ("{'a': 'it\\'s \"so\"'}", Some("{\"a\":\"it's \\\"so\\\"\"}")),
            ("{'a': True, 'b': [None, False]}", Some("{\"a\":true,\"b\":[null,false]}")),
            ("{\"a\":\"x\ny\tz\"}", Some("{\"a\":\"x\\ny\\tz\"}")),
            ("{\"a\":{\"b\":[true,\"x\"", Some("{\"a\":{\"b\":[true,\"x\"]}}")),
            ("{\"a\":[1,2],", Some("{\"a\":[1,2]}")),
            ("{\"u\":\"m\",\"b\":1,\"u\":\"m\"}", Some("{\"u\":\"m\",\"b\":1}")),
            ("{\"u\":1.50,\"u\":1.50,}", Some("{\"u\":1.50}")),
        ] {
            assert_eq!(mended(text).as_deref(), found, "{text}");
        }
    }

    #[test]
    fn what_may_mean_two_things_means_none() {
        for text in [
            "",
            "{}",
            "{\"a\":[1,,2]}",
            "{\"a\":1,\"a\":2,}",
            "{\"a\":1,\"a\":1.0,}",
            "{\"a\":12",
            "{\"a\":\"b",
            "{\"a\":tr",
            "{\"a\":",
            "{\"a\"",
            "{1:2}",
            "{\"a\":1]}",
            "{\"a\" 1}",
            "{\"a\":1 \"b\":2}",
            "{} {}",
            "{\"a\":undefined}",
            "{\"a\":NaN}",
            "/* {",
            "[1 2]",
            "}",
        ] {
            assert_eq!(mended(text), None, "{text}");
        }
    }

    #[test]
    fn a_text_full_of_anything_costs_no_more_than_its_length() {
        assert_eq!(mended(&",".repeat(1_000_000)), None);
        assert_eq!(mended(&"[1 ,".repeat(100_000)), None);
        assert_eq!(mended(&"[".repeat(1_000_000)), None);
        assert_eq!(mended(&"{a:".repeat(100_000)), None);
        assert_eq!(mended(&"{\"a\":\"x\",".repeat(10_000)), None);
        assert_eq!(mended(&"/*".repeat(500_000)), None);
        assert_eq!(mended(&format!("{{{}", "a:1,".repeat(100_000))).as_deref(), Some("{\"a\":1}"));
        let many: Vec<String> = (0..50_000).map(|n| format!("a{n}:1")).collect();
        assert!(mended(&format!("{{{}", many.join(","))).is_none(), "the last number may have been cut");
        assert!(mended(&format!("{{{}}}", many.join(","))).is_some());
    }
}
