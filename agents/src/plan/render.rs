//! Fills the holes of a template with what is known by now, and asks conditions.
//!
//! The results are texts that were read once; of a part of them every digit is handed on. Refuses to find something else where a
//! pointer leads nowhere: that is an error with both places.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;

use toolcell_core::json::{self, Bounds, Json, JsonError, escaped, quote};
use toolcell_core::limits::Limit;

use super::number::Decimal;
use super::{Condition, ForEach, Plan, Template, Test};

/// The longest text that a template renders to, in bytes: what a tool's arguments may be at most by default.
pub const MAX_RENDERED: usize = 16 << 20;

/// The most items that a step goes over. Each becomes a call.
pub const MAX_ITEMS: usize = 1_000_000;

/// What holes are filled with.
pub trait Scope {
    /// The run's input.
    fn input(&self) -> &Json<'_>;

    /// The result of a step, by its place in the plan; none where it was skipped or failed without being missed, and then every
    /// reference to it, whatever its pointer, gives null.
    fn result(&self, step: usize) -> Option<&Json<'_>>;

    /// The item that the step is done for, with its place in the list.
    fn item(&self) -> Option<(usize, &Json<'_>)>;
}

/// Values as they were read from their texts.
#[derive(Debug)]
pub struct Texts<'a> {
    input: Json<'a>,
    results: HashMap<usize, Json<'a>>,
}

/// The same values beside one item of a list.
pub struct WithItem<'s> {
    /// Where everything else comes from.
    pub scope: &'s dyn Scope,
    /// The item's place in the list, from 0.
    pub index: usize,
    /// The item.
    pub item: &'s Json<'s>,
}

/// Why a template could not be filled.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A pointer leads nowhere.
    #[error("at `{place}`: {source_of} has nothing at `{pointer}`")]
    Nowhere {
        /// Where the hole is in the template, as a JSON pointer.
        place: String,
        /// What was looked into.
        source_of: Origin,
        /// The pointer.
        pointer: String,
    },
    /// There is no item: the step goes over no list.
    #[error("at `{place}`: there is no item, since the step goes over no list")]
    NoItem {
        /// Where the hole is in the template, as a JSON pointer.
        place: String,
    },
    /// The text becomes longer than it may.
    #[error("the text becomes longer than {most} bytes: refer to a part of the results, not to the whole")]
    TooLong {
        /// The most bytes.
        most: usize,
    },
    /// What is no list is to be gone over.
    #[error("`for-each` needs a list, and this is {what}")]
    NotAList {
        /// What it is.
        what: &'static str,
    },
    /// The list has too many items.
    #[error("the list has {items} items; a step goes over at most {MAX_ITEMS}")]
    TooManyItems {
        /// How many it has.
        items: usize,
    },
    /// A text is not JSON, or beyond the bounds of results.
    #[error("{source_of} cannot be read: {error}")]
    Unreadable {
        /// Which.
        source_of: Origin,
        /// Why.
        error: JsonError,
    },
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The run's input.
    Input,
    /// The result of a step, by its place in the plan.
    Result(usize),
    /// The item that the step is done for.
    Item,
    /// The plan itself.
    Plan,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Input => f.write_str("the input"),
            Self::Result(step) => write!(f, "the result of step {}", step + 1),
            Self::Item => f.write_str("the item"),
            Self::Plan => f.write_str("a value of the plan"),
        }
    }
}

impl RenderError {
    /// The error in words that name the step by its id.
    pub fn describe(&self, plan: &Plan) -> String {
        match self {
            Self::Nowhere { place, source_of: Origin::Result(step), pointer } if *step < plan.steps.len() => {
                format!("at `{place}`: the result of step `{}` has nothing at `{pointer}`", plan.steps[*step].id)
            }
            other => other.to_string(),
        }
    }
}

impl Template {
    /// The JSON text that comes of it, at most [`MAX_RENDERED`] bytes long.
    ///
    /// # Errors
    /// [`RenderError`]: a pointer leads nowhere, there is no item, the text is too long.
    pub fn render(&self, scope: &dyn Scope) -> Result<String, RenderError> {
        self.render_within(scope, MAX_RENDERED)
    }

    /// The same with another bound, in bytes.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub fn render_within(&self, scope: &dyn Scope, most: usize) -> Result<String, RenderError> {
        let mut writer = Writer { scope, most, out: String::new(), place: String::new() };
        writer.template(self)?;
        Ok(writer.out)
    }
}

impl ForEach {
    /// The JSON text of each item, in order.
    ///
    /// # Errors
    /// [`RenderError`]: as for templates, and where it is no list or one of more than [`MAX_ITEMS`].
    pub fn items(&self, scope: &dyn Scope) -> Result<Vec<String>, RenderError> {
        let split = |list: &Json<'_>| match list {
            Json::Array(items) if items.len() > MAX_ITEMS => Err(RenderError::TooManyItems { items: items.len() }),
            Json::Array(items) => Ok(items.iter().map(Json::to_text).collect()),
            other => Err(RenderError::NotAList { what: other.what() }),
        };
        if let Some(list) = referred(&self.over, scope, "")? {
            return split(list);
        }
        let text = self.over.render(scope)?;
        split(&parsed(&text, Origin::Plan)?)
    }
}

impl Condition {
    /// Whether it holds.
    ///
    /// # Errors
    /// [`RenderError`], but never for a pointer that leads nowhere: that gives no value.
    pub fn holds(&self, scope: &dyn Scope) -> Result<bool, RenderError> {
        Ok(match self {
            Self::All(parts) => {
                for part in parts {
                    if !part.holds(scope)? {
                        return Ok(false);
                    }
                }
                true
            }
            Self::Any(parts) => {
                for part in parts {
                    if part.holds(scope)? {
                        return Ok(true);
                    }
                }
                false
            }
            Self::Not(inner) => !inner.holds(scope)?,
            Self::Is(template, test) => match referred(template, scope, "") {
                Ok(Some(value)) => test.passes(Some(value))?,
                Err(RenderError::Nowhere { .. }) => test.passes(None)?,
                Err(error) => return Err(error),
                Ok(None) => match template.render(scope) {
                    Ok(text) => test.passes(Some(&parsed(&text, Origin::Plan)?))?,
                    Err(RenderError::Nowhere { .. }) => test.passes(None)?,
                    Err(error) => return Err(error),
                },
            },
        })
    }
}

impl Test {
    fn passes(&self, value: Option<&Json<'_>>) -> Result<bool, RenderError> {
        let order = |other: &str| match value {
            Some(Json::Number(digits)) => Some(Decimal::new(digits).cmp(&Decimal::new(other))),
            _ => None,
        };
        Ok(match self {
            Self::Equals(text) => match value {
                Some(value) => same(value, &parsed(text, Origin::Plan)?),
                None => false,
            },
            Self::Exists => value.is_some_and(|value| *value != Json::Null),
            Self::Empty => match value {
                None | Some(Json::Null | Json::Bool(false)) => true,
                Some(Json::String(text)) => text.is_empty(),
                Some(Json::Array(items)) => items.is_empty(),
                Some(Json::Object(members)) => members.is_empty(),
                Some(Json::Bool(true) | Json::Number(_)) => false,
            },
            Self::MoreThan(least) => order(least) == Some(Ordering::Greater),
            Self::LessThan(most) => order(most) == Some(Ordering::Less),
        })
    }
}

impl<'a> Texts<'a> {
    /// Values with this input, as JSON text.
    ///
    /// # Errors
    /// [`RenderError::Unreadable`].
    pub fn new(input: &'a str) -> Result<Self, RenderError> {
        Ok(Self { input: parsed(input, Origin::Input)?, results: HashMap::new() })
    }

    /// The same with the result of one more step, as JSON text.
    ///
    /// # Errors
    /// [`RenderError::Unreadable`].
    pub fn with_result(mut self, step: usize, result: &'a str) -> Result<Self, RenderError> {
        self.results.insert(step, parsed(result, Origin::Result(step))?);
        Ok(self)
    }
}

impl Scope for Texts<'_> {
    fn input(&self) -> &Json<'_> {
        &self.input
    }

    fn result(&self, step: usize) -> Option<&Json<'_>> {
        self.results.get(&step)
    }

    fn item(&self) -> Option<(usize, &Json<'_>)> {
        None
    }
}

impl Scope for WithItem<'_> {
    fn input(&self) -> &Json<'_> {
        self.scope.input()
    }

    fn result(&self, step: usize) -> Option<&Json<'_>> {
        self.scope.result(step)
    }

    fn item(&self) -> Option<(usize, &Json<'_>)> {
        Some((self.index, self.item))
    }
}

/// Reads a JSON text within the bounds of results.
///
/// # Errors
/// [`RenderError::Unreadable`].
pub fn parsed(text: &str, source_of: Origin) -> Result<Json<'_>, RenderError> {
    let bounds = Bounds {
        bytes: Limit::ResultBytes.row().ceiling,
        values: Limit::ResultValues.row().ceiling,
        depth: Limit::ArgumentDepth.row().ceiling,
    };
    json::parse(text, bounds).map_err(|error| RenderError::Unreadable { source_of, error })
}

/// What a single reference refers to; none where the template is none.
fn referred<'s>(template: &Template, scope: &'s dyn Scope, place: &str) -> Result<Option<&'s Json<'s>>, RenderError> {
    const NULL: &Json<'static> = &Json::Null;
    let (whole, source_of, pointer) = match template {
        Template::Input(pointer) => (scope.input(), Origin::Input, pointer),
        Template::Result(step, pointer) => match scope.result(*step) {
            Some(result) => (result, Origin::Result(*step), pointer),
            None => return Ok(Some(NULL)),
        },
        Template::Item(pointer) => match scope.item() {
            Some((_, item)) => (item, Origin::Item, pointer),
            None => return Err(RenderError::NoItem { place: place.to_owned() }),
        },
        _ => return Ok(None),
    };
    let nowhere = || RenderError::Nowhere { place: place.to_owned(), source_of, pointer: pointer.to_string() };
    whole.at(pointer).map(Some).ok_or_else(nowhere)
}

struct Writer<'s> {
    scope: &'s dyn Scope,
    most: usize,
    out: String,
    /// The JSON pointer to where the writer is in the template.
    place: String,
}

impl Writer<'_> {
    fn template(&mut self, template: &Template) -> Result<(), RenderError> {
        match template {
            Template::Value(text) => self.out.push_str(text),
            Template::Input(_) | Template::Result(..) | Template::Item(_) => {
                if let Some(value) = referred(template, self.scope, &self.place)? {
                    value.write(&mut self.out);
                }
            }
            Template::Index => self.out.push_str(&self.index()?.to_string()),
            Template::Text(parts) => {
                let mut text = String::new();
                for (n, part) in parts.iter().enumerate() {
                    self.at(&n.to_string(), |writer| writer.part(part, &mut text))?;
                    if text.len() > self.most {
                        return Err(RenderError::TooLong { most: self.most });
                    }
                }
                quote(&text, &mut self.out);
            }
            Template::Array(items) => {
                self.out.push('[');
                for (n, item) in items.iter().enumerate() {
                    if n > 0 {
                        self.out.push(',');
                    }
                    self.at(&n.to_string(), |writer| writer.template(item))?;
                }
                self.out.push(']');
            }
            Template::Object(members) => {
                self.out.push('{');
                for (n, (name, member)) in members.iter().enumerate() {
                    if n > 0 {
                        self.out.push(',');
                    }
                    quote(name, &mut self.out);
                    self.out.push(':');
                    self.at(name, |writer| writer.template(member))?;
                }
                self.out.push('}');
            }
        }
        if self.out.len() > self.most { Err(RenderError::TooLong { most: self.most }) } else { Ok(()) }
    }

    /// Adds a part of a text: a string as it is, anything else as JSON.
    fn part(&mut self, part: &Template, text: &mut String) -> Result<(), RenderError> {
        let mut add = |value: &Json<'_>| match value {
            Json::String(own) => text.push_str(own),
            other => other.write(text),
        };
        if let Some(value) = referred(part, self.scope, &self.place)? {
            add(value);
            return Ok(());
        }
        let begins = self.out.len();
        self.template(part)?;
        let written = self.out.split_off(begins);
        add(&parsed(&written, Origin::Plan)?);
        Ok(())
    }

    fn index(&self) -> Result<usize, RenderError> {
        let item = self.scope.item();
        item.map(|(index, _)| index).ok_or_else(|| RenderError::NoItem { place: self.place.clone() })
    }

    /// Does something one step further down.
    fn at<T>(&mut self, token: &str, then: impl FnOnce(&mut Self) -> Result<T, RenderError>) -> Result<T, RenderError> {
        let length = self.place.len();
        self.place.push('/');
        self.place.push_str(&escaped(token));
        let result = then(self);
        self.place.truncate(length);
        result
    }
}

/// Whether two values are the same: numbers by what they are, objects whatever the order of their members.
fn same(a: &Json<'_>, b: &Json<'_>) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => a == b || Decimal::new(a) == Decimal::new(b),
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Json::Object(a), Json::Object(b)) => {
            let named: HashMap<&Cow<'_, str>, &Json<'_>> = b.iter().map(|(name, value)| (name, value)).collect();
            a.len() == b.len() && a.iter().all(|(name, value)| named.get(name).is_some_and(|other| same(value, other)))
        }
        (a, b) => a == b,
    }
}
