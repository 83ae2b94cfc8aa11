//! What is wrong with a plan: each problem with its place, all at once.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::fmt::Write as _;

use toolcell_core::json::escaped;

use super::Format;

/// The most problems that are kept. Beyond it somebody has given us something that is no plan at all.
pub const MAX_PROBLEMS: usize = 100;

/// All that is wrong with a plan, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems {
    /// The problems; there is at least one, and at most [`MAX_PROBLEMS`].
    pub problems: Vec<Problem>,
    /// How many more there were.
    pub more: usize,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Line in the file, from 1; 1 where the file as a whole is meant.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The step it belongs to, as far as that has a readable id.
    pub step: Option<String>,
    /// JSON pointer into the file, from its root.
    pub pointer: String,
    /// What is wrong and what to write instead. It holds no control characters, whatever the file holds.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.line, self.column)?;
        if let Some(step) = &self.step {
            write!(f, "step `{step}`: ")?;
        }
        f.write_str(&self.message)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        if self.more > 0 {
            write!(f, "\nand {} more", self.more)?;
        }
        Ok(())
    }
}

/// A place in the file. TOML: a byte. JSON: the number of the value in the order of the text, of which the byte is looked up when needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    /// Where a member's name stands.
    Name(u32),
    /// Where a value begins.
    Value(u32),
}

/// The way from the root of the file to a value. It lives on the stack and becomes text for problems alone.
#[derive(Clone, Copy)]
pub(super) enum Trail<'a> {
    Root,
    Member(&'a Trail<'a>, &'a str),
    Item(&'a Trail<'a>, usize),
}

impl Trail<'_> {
    pub(super) fn pointer(&self) -> String {
        let mut tokens = Vec::new();
        let mut here = self;
        loop {
            match here {
                Trail::Root => break,
                Trail::Member(parent, name) => {
                    tokens.push(escaped(name));
                    here = parent;
                }
                Trail::Item(parent, n) => {
                    tokens.push(n.to_string());
                    here = parent;
                }
            }
        }
        tokens.iter().rev().fold(String::new(), |pointer, token| pointer + "/" + token)
    }
}

/// Somebody's text on one line with nothing in it that acts in a terminal, cut at `most` characters.
pub(super) fn shown(text: &str, most: usize) -> String {
    let mut out = String::new();
    for (n, c) in text.chars().enumerate() {
        if n == most {
            out.push('…');
            break;
        }
        // Besides control characters: what reorders or hides its surroundings.
        let acts = c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}');
        if acts {
            let _ = write!(out, "{}", c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// How much of somebody's name a message shows, in characters.
pub(super) const SHOWN: usize = 80;

/// Collects problems while a plan is read and checked.
#[derive(Default)]
pub(super) struct Collected {
    found: RefCell<Vec<Found>>,
    more: Cell<usize>,
}

struct Found {
    place: Place,
    pointer: String,
    message: String,
}

#[derive(Clone, Copy)]
enum Place {
    Whole,
    At(usize, usize),
    Spot(Spot),
}

impl Collected {
    pub(super) fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// Takes in a problem. Its words are only made while it is kept, so that a flood costs little.
    pub(super) fn add(&self, spot: Spot, trail: &Trail<'_>, message: impl FnOnce() -> String) {
        self.push(Place::Spot(spot), || trail.pointer(), message);
    }

    /// Takes in a problem whose words are there already.
    pub(super) fn told(&self, spot: Spot, pointer: String, message: String) {
        self.push(Place::Spot(spot), || pointer, || message);
    }

    /// Takes in a problem of the file as a whole.
    pub(super) fn whole(&self, message: impl FnOnce() -> String) {
        self.push(Place::Whole, String::new, message);
    }

    /// Takes in a problem at a line and column.
    pub(super) fn at(&self, line: usize, column: usize, message: impl FnOnce() -> String) {
        self.push(Place::At(line, column), String::new, message);
    }

    fn push(&self, place: Place, pointer: impl FnOnce() -> String, message: impl FnOnce() -> String) {
        if self.found.borrow().len() < MAX_PROBLEMS {
            // Made before the list is borrowed: making words may look at what was found so far.
            let found = Found { place, pointer: pointer(), message: message() };
            self.found.borrow_mut().push(found);
        } else {
            self.more.set(self.more.get() + 1);
        }
    }

    /// The problems with their places in this text, or the value where there are none. `step_id` names the n-th step.
    pub(super) fn or<T>(
        self,
        value: Option<T>,
        text: &str,
        format: Format,
        step_id: impl Fn(usize) -> Option<String>,
    ) -> Result<T, Problems> {
        let found = self.found.into_inner();
        match value {
            Some(value) if found.is_empty() => return Ok(value),
            _ => {}
        }
        let spots: Vec<Spot> = found
            .iter()
            .filter_map(|found| match found.place {
                Place::Spot(spot) => Some(spot),
                Place::Whole | Place::At(..) => None,
            })
            .collect();
        let mut bytes = match format {
            Format::Toml => spots.iter().map(|(Spot::Name(at) | Spot::Value(at))| *at as usize).collect(),
            Format::Json => json_bytes(text, &spots),
        }
        .into_iter();
        let mut problems: Vec<Problem> = found
            .into_iter()
            .map(|found| {
                let (line, column) = match found.place {
                    Place::Whole => (1, 1),
                    Place::At(line, column) => (line, column),
                    Place::Spot(_) => line_and_column(text, bytes.next().unwrap_or_default()),
                };
                let mut tokens = found.pointer.split('/').skip(1);
                let in_step = tokens.next() == Some("step");
                let step = tokens.next().filter(|_| in_step).and_then(|n| n.parse().ok()).and_then(&step_id);
                Problem { line, column, step, pointer: found.pointer, message: found.message }
            })
            .collect();
        problems.sort();
        problems.dedup();
        Err(Problems { problems, more: self.more.get() })
    }
}

fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = &text[..at];
    let line_begins = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.bytes().filter(|byte| *byte == b'\n').count() + 1, before[line_begins..].chars().count() + 1)
}

/// The bytes at which values, or the names before them, begin, in one pass over JSON that was read before.
fn json_bytes(text: &str, spots: &[Spot]) -> Vec<usize> {
    let mut wanted: Vec<(u32, usize)> =
        spots.iter().enumerate().map(|(n, Spot::Name(value) | Spot::Value(value))| (*value, n)).collect();
    wanted.sort_unstable();
    let mut wanted = wanted.into_iter().peekable();
    let mut found = vec![0; spots.len()];
    let (bytes, mut at, mut values, mut name) = (text.as_bytes(), 0, 0_u32, 0);
    while at < bytes.len() && wanted.peek().is_some() {
        let begins = at;
        match bytes[at] {
            b' ' | b'\t' | b'\r' | b'\n' | b',' | b':' | b']' | b'}' => {
                at += 1;
                continue;
            }
            b'"' => {
                at += 1;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
                let behind = bytes.get(at..).unwrap_or_default().iter().find(|byte| !byte.is_ascii_whitespace());
                if behind == Some(&b':') {
                    name = begins;
                    continue;
                }
            }
            b'{' | b'[' => at += 1,
            _ => {
                while at < bytes.len() && !matches!(bytes[at], b' ' | b'\t' | b'\r' | b'\n' | b',' | b']' | b'}') {
                    at += 1;
                }
            }
        }
        while let Some((_, n)) = wanted.next_if(|(value, _)| *value == values) {
            found[n] = if matches!(spots[n], Spot::Name(_)) { name } else { begins };
        }
        values += 1;
    }
    found
}
