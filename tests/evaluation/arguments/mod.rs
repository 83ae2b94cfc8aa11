//! Wrong arguments made of right ones: what language models get wrong when they call tools, one family each.
//!
//! A family is a pure function of chance, a tool's schema and right arguments. It says by construction what is to be known to
//! come back: the schema, an earlier call, or what nobody can know. Nothing here looks at how calls are repaired, and no
//! family may be changed once a rule has been measured by it; new ones may come.
//!
//! The families follow what is published of wrong calls: the error types of the Berkeley function-calling leaderboard (wrong
//! function, name, type, value, missing or needless parameter, no JSON), of `ToolScan` (insufficient calls, incorrect name, type
//! or value of an argument, incorrect format), and schema drift as services show it between versions.

mod enums;
mod formats;
mod members;
mod names;
mod order;
mod text;
mod types;
mod values;
mod wrappers;

use serde::Serialize;
use serde_json::Value;

use super::chance::Chance;
use super::places::{Place, places};

/// A right call that something is to be got wrong of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Right<'a> {
    /// The tool's full id.
    pub(crate) tool: &'a str,
    /// JSON Schema of its arguments.
    pub(crate) schema: &'a Value,
    /// Its arguments.
    pub(crate) arguments: &'a Value,
}

/// A call with something wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// The tool that is called.
    pub(crate) tool: String,
    /// The arguments as text, which need not be JSON.
    pub(crate) arguments: String,
    /// JSON pointer to what is wrong, in the right arguments.
    pub(crate) at: String,
    /// What it takes to come back.
    pub(crate) needs: Needs,
    /// What the caller meant.
    pub(crate) meant: Meant,
}

/// What it takes to come back from wrong arguments to the right ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Needs {
    /// The wrong arguments, the schema and the failure say it; there is no second reading.
    Schema,
    /// Somebody who has seen the same mistake and its correction can know it.
    Memory,
    /// Whoever brings arguments back has invented something.
    Invention,
}

impl Needs {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Schema => "schema",
            Self::Memory => "memory",
            Self::Invention => "invention",
        }
    }
}

/// What the caller meant by wrong arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meant {
    /// The right ones.
    Right,
    /// Something that the tool cannot do: whatever completes has done something else.
    Otherwise,
}

/// One way of getting arguments wrong.
pub(crate) struct Family {
    /// Its name, kebab-case.
    pub(crate) name: &'static str,
    /// What it is about.
    pub(crate) group: Group,
    /// Makes wrong of right, where there is anything of that kind to be got wrong.
    pub(crate) make: fn(&Right<'_>, &mut Chance) -> Option<Wrong>,
}

/// What a family is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub(crate) enum Group {
    Names,
    Wrappers,
    Types,
    Formats,
    Enums,
    Missing,
    Extra,
    Nulls,
    Order,
    Drift,
    Text,
    Tool,
}

/// Every family.
pub(crate) fn families() -> Vec<&'static Family> {
    [
        names::FAMILIES,
        wrappers::FAMILIES,
        types::FAMILIES,
        formats::FAMILIES,
        enums::FAMILIES,
        members::FAMILIES,
        values::FAMILIES,
        order::FAMILIES,
        text::FAMILIES,
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl<'a> Right<'a> {
    fn places(&self) -> Vec<Place<'a>> {
        places(self.schema, self.arguments)
    }

    /// The right arguments after a change.
    fn with(&self, at: &str, needs: Needs, change: impl FnOnce(&mut Value) -> Option<()>) -> Option<Wrong> {
        let mut arguments = self.arguments.clone();
        change(&mut arguments)?;
        (arguments != *self.arguments).then(|| self.said(arguments.to_string(), at, needs))
    }

    /// The right arguments with another value at a place.
    fn put(&self, place: &Place<'_>, value: impl Into<Value>, needs: Needs) -> Option<Wrong> {
        let value = value.into();
        self.with(&place.pointer, needs, |arguments| {
            match arguments.pointer_mut(&place.pointer) {
                Some(there) => *there = value,
                None => _ = arguments.pointer_mut(&place.parent)?.as_object_mut()?.insert(place.name.clone(), value),
            }
            Some(())
        })
    }

    /// Any text in place of the arguments.
    fn said(&self, text: String, at: &str, needs: Needs) -> Wrong {
        Wrong { tool: self.tool.to_owned(), arguments: text, at: at.to_owned(), needs, meant: Meant::Right }
    }
}

/// The words of a name in any style.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for c in name.chars() {
        if matches!(c, '_' | '-' | ' ' | '.') {
            words.push(String::new());
        } else {
            words.last_mut().expect("there is one from the beginning").push(c);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// `max items` as `maxItems`.
fn camel(name: &str) -> String {
    let words = words(name);
    words.iter().enumerate().map(|(n, word)| if n == 0 { word.clone() } else { capital(word) }).collect()
}

/// `max items` as `MaxItems`.
fn pascal(name: &str) -> String {
    words(name).iter().map(|word| capital(word)).collect()
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// A misspelling of a kind that keyboards make, or nothing where the word is too short to be recognised.
fn misspelt(word: &str, how: Slip, chance: &mut Chance) -> Option<String> {
    let mut chars: Vec<char> = word.chars().collect();
    if chars.len() < 4 {
        return None;
    }
    let at = 1 + chance.below(chars.len() - 2);
    match how {
        Slip::Transposed => chars.swap(at, at + 1),
        Slip::Dropped => drop(chars.remove(at)),
        Slip::Doubled => chars.insert(at, chars[at]),
        Slip::Replaced => chars[at] = if chars[at] == 'e' { 'r' } else { 'e' },
    }
    let slipped: String = chars.into_iter().collect();
    (slipped != word).then_some(slipped)
}

/// What a finger does wrong.
#[derive(Clone, Copy, Debug)]
enum Slip {
    Transposed,
    Dropped,
    Doubled,
    Replaced,
}

/// Whether a misspelling can mean one name alone: no other is as near to it. Styles of writing do not count.
fn only_means(slipped: &str, meant: &str, others: &[&str]) -> Needs {
    let bare = |name: &str| words(name).concat().to_lowercase();
    let far = |name: &str| distance(&bare(slipped), &bare(name));
    let own = far(meant);
    if own <= 2 && others.iter().all(|other| far(other) > own + 1) { Needs::Schema } else { Needs::Memory }
}

/// Levenshtein's distance with neighbours changing places counted once (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests;
