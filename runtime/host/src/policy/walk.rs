//! Walks through TOML that remembers its places, and refuses whatever is not exactly what was expected there.
//!
//! It goes on after a problem, so that all of them are reported at once; whatever could not be read is simply not there.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toolcell_core::nearest::nearest;
use toolcell_core::units::{Bytes, Span};

use super::problem::Collected;
use crate::schema::inert;

/// How much of somebody's text a message shows, in bytes.
const SHOWN: usize = 80;

/// A value with its place.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// One file, on the way through it.
pub(super) struct Walk<'w> {
    file: &'w Path,
    text: &'w str,
    /// Where each line begins, in bytes.
    lines: Vec<usize>,
    collected: &'w Collected,
}

/// A table whose keys are all known.
pub(super) struct Fields<'w, 't> {
    walk: &'w Walk<'w>,
    table: &'t DeTable<'t>,
    span: Range<usize>,
}

impl<'w> Walk<'w> {
    pub(super) fn new(file: &'w Path, text: &'w str, collected: &'w Collected) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { file, text, lines: std::iter::once(0).chain(ends).collect(), collected }
    }

    pub(super) fn file(&self) -> &'w Path {
        self.file
    }

    /// A path as this file means it: relative ones begin at the file's own folder.
    pub(super) fn path(&self, text: &str) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(text)
    }

    /// The line of a byte, from 1.
    fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|begin| *begin <= at).max(1)
    }

    /// Line and column of a byte, from 1, in characters.
    fn place(&self, at: usize) -> (usize, usize) {
        let at = at.min(self.text.len());
        let line = self.line(at);
        let before = self.text.get(self.lines[line - 1]..at).unwrap_or_default();
        (line, before.chars().count() + 1)
    }

    pub(super) fn refuse(&self, span: Range<usize>, message: impl Display) {
        self.collected.add(self.file, || (Some(self.place(span.start)), message.to_string()));
    }

    /// A value's table, with every key known. `what` names the table in messages: "a rule".
    pub(super) fn table<'t>(&'w self, value: &'t Value<'t>, what: &str, known: &[&str]) -> Option<Fields<'w, 't>> {
        match value.get_ref() {
            DeValue::Table(table) => Some(self.fields(table, value.span(), what, known)),
            other => {
                self.refuse(value.span(), format_args!("{what} is a table, not {}", kind(other)));
                None
            }
        }
    }

    /// The same for a table that is there without a value around it.
    pub(super) fn fields<'t>(
        &'w self,
        table: &'t DeTable<'t>,
        span: Range<usize>,
        what: &str,
        known: &[&str],
    ) -> Fields<'w, 't> {
        for key in table.keys() {
            if !known.contains(&key.get_ref().as_ref()) {
                self.refuse(key.span(), self.unknown(key.get_ref(), what, known));
            }
        }
        Fields { walk: self, table, span }
    }

    /// The words for a key that nobody knows.
    #[allow(clippy::unused_self, reason = "it is called like its neighbours")]
    pub(super) fn unknown(&self, key: &str, what: &str, known: &[&str]) -> String {
        let meant = nearest(key, known.iter().copied());
        let key = inert(key, SHOWN);
        match meant {
            Some(meant) => format!("{what} has no key `{key}`; the nearest is `{meant}`"),
            None => format!("{what} has no key `{key}`; it has {}", known.join(", ")),
        }
    }

    pub(super) fn string<'t>(&self, value: &'t Value<'t>) -> Option<&'t str> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.refuse(value.span(), format_args!("write a string in quotes here, not {}", kind(value.get_ref())));
        }
        text
    }

    /// A string that is read as something.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&self, value: &Value<'_>) -> Option<T> {
        self.checked(value, |text| text.parse().map_err(|error: T::Err| error.to_string()))
    }

    /// A string that is made into something, or refused with a sentence.
    pub(super) fn checked<T>(&self, value: &Value<'_>, make: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        match make(self.string(value)?) {
            Ok(made) => Some(made),
            Err(problem) => {
                self.refuse(value.span(), problem);
                None
            }
        }
    }

    /// The entries of a list that has at least one.
    pub(super) fn list<'t>(&self, value: &'t Value<'t>) -> &'t [Value<'t>] {
        match value.get_ref() {
            DeValue::Array(entries) if entries.is_empty() => {
                self.refuse(value.span(), "an empty list means none, never all: remove the key, or name at least one");
                &[]
            }
            DeValue::Array(entries) => entries,
            other => {
                self.refuse(value.span(), format_args!("write a list in brackets here, not {}", kind(other)));
                &[]
            }
        }
    }

    /// A list of things that may each be there once. None where nothing of it could be read.
    pub(super) fn set<T: Ord>(&self, value: &Value<'_>, read: impl Fn(&Value<'_>) -> Option<T>) -> Option<BTreeSet<T>> {
        let mut set = BTreeSet::new();
        for entry in self.list(value) {
            if let Some(made) = read(entry)
                && !set.insert(made)
            {
                self.refuse(entry.span(), "this is in the list twice");
            }
        }
        (!set.is_empty()).then_some(set)
    }

    /// `true`. Its opposite is what holds without the key, and is refused so that there is one way to say it.
    pub(super) fn only_true(&self, value: &Value<'_>) -> bool {
        match value.get_ref().as_bool() {
            Some(true) => true,
            Some(false) => {
                self.refuse(value.span(), "`false` is what holds without this key: remove it");
                false
            }
            None => {
                self.refuse(value.span(), format_args!("write `true` here, not {}", kind(value.get_ref())));
                false
            }
        }
    }

    pub(super) fn boolean(&self, value: &Value<'_>) -> Option<bool> {
        let boolean = value.get_ref().as_bool();
        if boolean.is_none() {
            self.refuse(value.span(), format_args!("write `true` or `false` here, not {}", kind(value.get_ref())));
        }
        boolean
    }

    /// A whole number that is not negative.
    pub(super) fn number(&self, value: &Value<'_>) -> Option<u64> {
        let integer = value.get_ref().as_integer();
        let number = integer.and_then(|integer| {
            let digits = integer.as_str().replace('_', "");
            u64::from_str_radix(digits.strip_prefix('+').unwrap_or(&digits), integer.radix()).ok()
        });
        if number.is_none() {
            let found = if integer.is_some() { "another number" } else { kind(value.get_ref()) };
            self.refuse(value.span(), format_args!("write a whole number from 0 up here, not {found}"));
        }
        number
    }

    /// A number of bytes: a whole number, or a string such as `"64 KiB"`.
    pub(super) fn bytes(&self, value: &Value<'_>) -> Option<u64> {
        if value.get_ref().is_integer() { self.number(value) } else { self.parsed::<Bytes>(value).map(|bytes| bytes.0) }
    }

    /// A time in milliseconds, written `"10s"`.
    pub(super) fn millis(&self, value: &Value<'_>) -> Option<u64> {
        self.parsed::<Span>(value).map(|span| u64::try_from(span.0.as_millis()).unwrap_or(u64::MAX))
    }
}

impl<'w, 't> Fields<'w, 't> {
    pub(super) fn get(&self, key: &str) -> Option<&'t Value<'t>> {
        self.table.get(key)
    }

    /// A key without which the table makes no sense.
    pub(super) fn required(&self, key: &str, example: &str) -> Option<&'t Value<'t>> {
        let value = self.get(key);
        if value.is_none() {
            self.walk.refuse(self.span.clone(), format_args!("`{key}` is missing: write {example}"));
        }
        value
    }

    pub(super) fn walk(&self) -> &'w Walk<'w> {
        self.walk
    }

    pub(super) fn refuse(&self, message: impl Display) {
        self.walk.refuse(self.span.clone(), message);
    }

    /// The line on which the table begins.
    pub(super) fn line(&self) -> usize {
        self.walk.line(self.span.start)
    }
}

/// What stands there, in words.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "`true` or `false`",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
