//! One tree for both forms of the file, each value with its place.
//!
//! Owns the bounds of a file and the way from TOML and JSON to the same tree. Numbers stay the text that was written.
//! Refuses to know what a plan is: that begins in [`super::draft`].

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toolcell_core::json::{self, Bounds, Json, JsonError};

use super::Format;
use super::problem::{Collected, Spot, Trail, shown};

/// The largest file, in bytes.
pub const MAX_BYTES: usize = 64 << 20;

/// The most values of a file, those of arguments included. It bounds the memory that a file of brackets can take.
pub const MAX_VALUES: u64 = 20_000_000;

/// The deepest nesting of a file. What a plan gives to tools may be 64 deep, and a step lies four levels below the file.
pub const MAX_DEPTH: usize = 96;

/// The most mistakes in the TOML itself that are told. Later ones follow from earlier ones.
const MAX_SYNTAX: usize = 10;

/// A value with its place.
#[derive(Clone, Debug)]
pub(super) struct Node<'t> {
    /// TOML: the byte where it begins. JSON: how many values begin before it.
    pub(super) at: u32,
    pub(super) value: Value<'t>,
}

/// A value of either form.
#[derive(Clone, Debug)]
pub(super) enum Value<'t> {
    Null,
    Bool(bool),
    /// In the form of JSON.
    Number(Cow<'t, str>),
    String(Cow<'t, str>),
    Array(Vec<Node<'t>>),
    Object(Vec<Member<'t>>),
}

/// A member of an object, in the order written.
#[derive(Clone, Debug)]
pub(super) struct Member<'t> {
    pub(super) name: Cow<'t, str>,
    /// Where the name stands.
    pub(super) spot: Spot,
    pub(super) node: Node<'t>,
}

/// Reads a file into its tree; none where it has no tree, and then there is at least one problem.
pub(super) fn read<'t>(text: &'t str, format: Format, collected: &Collected) -> Option<Node<'t>> {
    if text.len() > MAX_BYTES {
        collected
            .whole(|| format!("the file is {} bytes long; a plan has at most {} MiB", text.len(), MAX_BYTES >> 20));
        return None;
    }
    match format {
        Format::Json => from_json(text, collected),
        Format::Toml => from_toml(text, collected),
    }
}

fn from_json<'t>(text: &'t str, collected: &Collected) -> Option<Node<'t>> {
    let bounds = Bounds { bytes: MAX_BYTES as u64, values: MAX_VALUES, depth: MAX_DEPTH as u64 };
    match json::parse(text, bounds) {
        Ok(json) => {
            let mut values = 0;
            Some(numbered(json, &mut values))
        }
        Err(JsonError::Malformed { problem, line, column }) => {
            // The reader counts columns in bytes; people and editors count characters.
            let before = text.lines().nth(line - 1).and_then(|line| line.get(..column - 1));
            let column = before.map_or(column, |before| before.chars().count() + 1);
            collected.at(line, column, || format!("this is not JSON: {problem}"));
            None
        }
        Err(JsonError::Over { limit, .. }) => {
            collected.whole(|| match limit {
                toolcell_core::Limit::ArgumentDepth => {
                    format!("the file nests deeper than {MAX_DEPTH}: give deep values as input or let a step make them")
                }
                _ => format!("the file has more than {MAX_VALUES} values: go over a list with `for-each` instead"),
            });
            None
        }
    }
}

/// Numbers every value in the order of the text, by which its place is found again where somebody needs it.
fn numbered<'t>(json: Json<'t>, values: &mut u32) -> Node<'t> {
    let at = *values;
    // `MAX_VALUES` fits 32 bits.
    *values += 1;
    let value = match json {
        Json::Null => Value::Null,
        Json::Bool(yes) => Value::Bool(yes),
        Json::Number(digits) => Value::Number(Cow::Borrowed(digits)),
        Json::String(text) => Value::String(text),
        Json::Array(items) => Value::Array(items.into_iter().map(|item| numbered(item, values)).collect()),
        Json::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(name, json)| Member { name, spot: Spot::Name(*values), node: numbered(json, values) })
                .collect(),
        ),
    };
    Node { at, value }
}

fn from_toml<'t>(text: &'t str, collected: &Collected) -> Option<Node<'t>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors.iter().take(MAX_SYNTAX) {
        let spot = Spot::Value(offset(error.span().unwrap_or_default().start));
        collected.add(spot, &Trail::Root, || format!("this is not TOML: {}", shown(error.message(), 200)));
    }
    if !errors.is_empty() {
        return None;
    }
    let mut values = 0;
    Some(Node { at: 0, value: members(table.into_inner(), &mut values, MAX_DEPTH - 1, &Trail::Root, collected) })
        .filter(|_| collected.is_empty())
}

fn toml_value<'t>(
    value: Spanned<DeValue<'t>>,
    values: &mut u64,
    depth: usize,
    trail: &Trail<'_>,
    collected: &Collected,
) -> Node<'t> {
    let span = value.span();
    let at = offset(span.start);
    let refuse = |message: &str| collected.add(Spot::Value(at), trail, || message.to_owned());
    *values += 1;
    if *values == MAX_VALUES {
        refuse("the file has too many values: go over a list with `for-each` instead");
    }
    let deep = || refuse("this nests too deep: give deep values as input or let a step make them");
    let value = match value.into_inner() {
        _ if *values >= MAX_VALUES => Value::Null,
        DeValue::String(text) => Value::String(text),
        DeValue::Boolean(yes) => Value::Bool(yes),
        DeValue::Datetime(date) => Value::String(date.to_string().into()),
        DeValue::Integer(integer) => {
            let digits = integer.as_str().replace('_', "");
            let number = i128::from_str_radix(digits.strip_prefix('+').unwrap_or(&digits), integer.radix()).ok();
            if let Some(number) = number.filter(|number| (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(number))
            {
                Value::Number(number.to_string().into())
            } else {
                refuse("this number does not fit 64 bits: write it as a string, if the tool takes one");
                Value::Null
            }
        }
        DeValue::Float(float) => {
            let digits = float.as_str().replace('_', "");
            let digits = digits.strip_prefix('+').unwrap_or(&digits);
            if digits.ends_with("inf") || digits.ends_with("nan") {
                refuse("JSON has no such number: write \"NaN\", \"Infinity\" or \"-Infinity\" as a string");
                Value::Null
            } else if digits.len() > json::MAX_NUMBER {
                refuse("this number is too long");
                Value::Null
            } else {
                Value::Number(digits.to_owned().into())
            }
        }
        DeValue::Array(_) | DeValue::Table(_) if depth == 0 => {
            deep();
            Value::Null
        }
        DeValue::Array(items) => Value::Array(
            items
                .into_iter()
                .enumerate()
                .map(|(n, item)| toml_value(item, values, depth - 1, &Trail::Item(trail, n), collected))
                .collect(),
        ),
        DeValue::Table(table) => members(table, values, depth - 1, trail, collected),
    };
    Node { at, value }
}

/// The members of a table. The reader sorts them by name; they are put back into the order of the text.
fn members<'t>(
    table: DeTable<'t>,
    values: &mut u64,
    depth: usize,
    trail: &Trail<'_>,
    collected: &Collected,
) -> Value<'t> {
    let mut entries: Vec<_> = table.into_iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    let member = |(name, value): (Spanned<Cow<'t, str>>, Spanned<DeValue<'t>>)| {
        let spot = Spot::Name(offset(name.span().start));
        let name = name.into_inner();
        let node = toml_value(value, values, depth, &Trail::Member(trail, &name), collected);
        Member { name, spot, node }
    };
    Value::Object(entries.into_iter().map(member).collect())
}

/// A place as 32 bits, which hold every offset of a file of [`MAX_BYTES`].
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

impl<'t> Node<'t> {
    pub(super) fn spot(&self) -> Spot {
        Spot::Value(self.at)
    }

    /// What it is, for a message.
    pub(super) fn what(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "a table",
        }
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The member of that name.
    pub(super) fn member(&self, name: &str) -> Option<&Node<'t>> {
        match &self.value {
            Value::Object(members) => members.iter().find(|member| member.name == name).map(|member| &member.node),
            _ => None,
        }
    }

    /// The value as core's JSON, which borrows from this one.
    pub(super) fn json(&self) -> Json<'_> {
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(yes) => Json::Bool(*yes),
            Value::Number(digits) => Json::Number(digits),
            Value::String(text) => Json::String(Cow::Borrowed(text)),
            Value::Array(items) => Json::Array(items.iter().map(Node::json).collect()),
            Value::Object(members) => {
                Json::Object(members.iter().map(|member| (Cow::Borrowed(&*member.name), member.node.json())).collect())
            }
        }
    }
}
