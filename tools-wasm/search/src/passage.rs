//! Owns what is shown of a hit: its title, the positions of the words, and the passage that holds most of the query. Everything
//! is cut at characters, never inside one, and comes out as one line without control characters.

use crate::scan::Scanner;

/// The longest title, in characters.
const TITLE: usize = 120;
/// How many lines are searched for a title.
const TITLE_LINES: usize = 20;
/// How many occurrences are considered for the snippet: enough for the best passage of any text that a person wrote.
const CONSIDERED: usize = 10_000;

/// Where a word of the query stands.
#[derive(Debug, PartialEq, Eq)]
pub struct Position {
    /// The word's place in the query.
    pub word: u8,
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
    /// In bytes.
    pub start: u32,
    /// In bytes.
    pub end: u32,
}

/// What is shown of a hit.
#[derive(Debug, PartialEq, Eq)]
pub struct Passage {
    /// The first positions.
    pub positions: Vec<Position>,
    /// The passage, or nothing where its length is 0.
    pub snippet: String,
}

/// Finds the positions and cuts the snippet, `length` characters long (the … not counted). `weights` says what each word of the
/// query is worth.
pub fn passage(scanner: &mut Scanner<'_>, text: &str, weights: &[f64], length: usize, positions: usize) -> Passage {
    let found: Vec<(u8, usize, usize)> = scanner
        .occurrences(text)
        .map(|(word, at)| (word, at.start, at.end()))
        .take(CONSIDERED.max(positions))
        .collect();
    Passage {
        positions: located(text, &found[..found.len().min(positions)]),
        snippet: snippet(text, &found, weights, length),
    }
}

fn located(text: &str, found: &[(u8, usize, usize)]) -> Vec<Position> {
    let (mut line, mut line_start, mut at) = (1, 0, 0);
    let (mut column, mut column_at) = (1, 0);
    let mut positions = Vec::with_capacity(found.len());
    for &(word, start, end) in found {
        for (offset, _) in text[at..start].match_indices('\n') {
            line += 1;
            line_start = at + offset + 1;
        }
        at = start;
        // Columns are counted on from the last position in the same line, so that one endless line costs one pass.
        if column_at < line_start {
            (column, column_at) = (1, line_start);
        }
        column += small(text[column_at..start].chars().count());
        column_at = start;
        positions.push(Position { word, line, column, start: small(start), end: small(end) });
    }
    positions
}

fn small(count: usize) -> u32 {
    u32::try_from(count).expect("a document is at most 4 MiB")
}

fn snippet(text: &str, found: &[(u8, usize, usize)], weights: &[f64], length: usize) -> String {
    if length == 0 {
        return String::new();
    }
    let Some((first, last)) = best_window(found, weights, length) else { return String::new() };
    // What the window leaves of the length is shared by both sides, two thirds after it: people read forwards.
    let inside = text[first..last].chars().count().min(length);
    let spare = length - inside;
    let start = text[..first].char_indices().rev().take(spare / 3).last().map_or(first, |(at, _)| at);
    let end = text[start..].char_indices().nth(length).map_or(text.len(), |(at, _)| start + at);
    let start = if start == 0 { 0 } else { word_start(text, start, first) };
    let end = if end == text.len() { end } else { word_end(text, end, last.min(end)) };
    let mut line = String::with_capacity(end - start + 6);
    if text[..start].chars().any(|letter| !letter.is_whitespace()) {
        line.push('…');
    }
    push_line(&text[start..end], &mut line);
    if text[end..].chars().any(|letter| !letter.is_whitespace()) {
        line.push('…');
    }
    line
}

/// The stretch of at most `length` bytes from one occurrence to another that is worth most: each different word counts what it
/// weighs, and repeating one counts a little. Of equal ones, the first.
fn best_window(found: &[(u8, usize, usize)], weights: &[f64], length: usize) -> Option<(usize, usize)> {
    const REPEATED: f64 = 0.01;
    let mut inside = vec![0u32; weights.len()];
    let mut best: Option<(f64, usize, usize)> = None;
    let mut low = 0;
    for (high, &(word, _, end)) in found.iter().enumerate() {
        inside[word as usize] += 1;
        while low < high && end - found[low].1 > length {
            inside[found[low].0 as usize] -= 1;
            low += 1;
        }
        let worth: f64 = inside
            .iter()
            .zip(weights)
            .filter(|(times, _)| **times > 0)
            .map(|(times, weight)| weight * (1.0 + REPEATED * f64::from((*times).min(10))))
            .sum();
        if best.is_none_or(|(most, ..)| worth > most) {
            best = Some((worth, found[low].1, end));
        }
    }
    best.map(|(_, first, last)| (first, last))
}

/// The first beginning of a word at or after `at`, but not after `limit`.
fn word_start(text: &str, at: usize, limit: usize) -> usize {
    if text[..at].ends_with(char::is_whitespace) {
        return at;
    }
    text[at..limit].find(char::is_whitespace).map_or(at, |offset| at + offset)
}

/// The last end of a word at or before `at`, but not before `limit`.
fn word_end(text: &str, at: usize, limit: usize) -> usize {
    if text[at..].starts_with(char::is_whitespace) {
        return at;
    }
    text[limit..at].rfind(char::is_whitespace).map_or(at, |offset| limit + offset)
}

/// Appends a text with every run of white space and control characters as one space, and none at the ends.
fn push_line(text: &str, line: &mut String) {
    let mut space = false;
    for letter in text.trim().chars() {
        if letter.is_whitespace() || letter.is_control() {
            space = true;
            continue;
        }
        if std::mem::take(&mut space) {
            line.push(' ');
        }
        line.push(letter);
    }
}

/// The title of a document: the front matter's `title`, or the first line with a word in it, or the file's name.
pub fn title(text: &str, path: &str) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.lines().take(TITLE_LINES).peekable();
    let mut found = None;
    if lines.next_if(|line| line.trim_end() == "---").is_some() {
        for line in lines.by_ref().take_while(|line| line.trim_end() != "---") {
            let name = line.strip_prefix("title:").map(|name| name.trim().trim_matches(['"', '\'']));
            found = found.or(name.filter(|name| !name.is_empty()));
        }
    }
    let heading = |line: &str| line.chars().any(char::is_alphanumeric);
    let line =
        found.or_else(|| lines.find(|line| heading(line)).map(|line| line.trim().trim_matches(['#', '=', '*', ' '])));
    let name = path.rsplit('/').next().unwrap_or(path);
    let whole = line.unwrap_or(name);
    let mut title = String::new();
    match whole.char_indices().nth(TITLE) {
        Some((cut, _)) => {
            push_line(&whole[..cut], &mut title);
            title.push('…');
        }
        None => push_line(whole, &mut title),
    }
    title
}

#[cfg(test)]
#[path = "passage_tests.rs"]
mod tests;
