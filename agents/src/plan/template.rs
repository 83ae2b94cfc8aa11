//! Values with holes: what a plan writes where a result is not known yet.

use std::sync::Arc;

/// A value that is known, or made of what other steps give.
#[derive(Clone, Debug, PartialEq)]
pub enum Template {
    /// A JSON value without holes, as text.
    Value(Arc<str>),
    /// `{"$input": "/pointer"}`: a part of the run's input.
    Input(Arc<str>),
    /// `{"$result": "step", "pointer": "/pointer"}`: a part of a step's result, by the step's place in the plan.
    Result(usize, Arc<str>),
    /// `{"$item": "/pointer"}`: a part of the item that a step is done for.
    Item(Arc<str>),
    /// `{"$index": true}`: the item's place in the list, from 0.
    Index,
    /// `{"$text": [ … ]}`: the parts one behind the other, as a string; what is no string stands as JSON.
    Text(Vec<Template>),
    /// An array with holes.
    Array(Vec<Template>),
    /// An object with holes, in the order written.
    Object(Vec<(Arc<str>, Template)>),
}

/// When a step is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// A value passes a test.
    Is(Template, Test),
    /// All of them hold.
    All(Vec<Condition>),
    /// One of them holds.
    Any(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
}

/// A test of a value. A pointer that leads nowhere gives no value; only `exists` and `empty` speak of that.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// It is this JSON value, numbers compared as numbers.
    Equals(Arc<str>),
    /// It is there and not null.
    Exists,
    /// It is missing, null, false, or a string, array or object of length 0.
    Empty,
    /// It is a number above this one, which is kept with every digit.
    MoreThan(Arc<str>),
    /// It is a number below this one, which is kept with every digit.
    LessThan(Arc<str>),
}

impl Template {
    /// Calls with every step, by its place, whose result it refers to, and lets that place be changed.
    pub(super) fn each_result(&mut self, with: &mut impl FnMut(&mut usize)) {
        match self {
            Self::Result(step, _) => with(step),
            Self::Text(parts) | Self::Array(parts) => parts.iter_mut().for_each(|part| part.each_result(with)),
            Self::Object(members) => members.iter_mut().for_each(|(_, member)| member.each_result(with)),
            Self::Value(_) | Self::Input(_) | Self::Item(_) | Self::Index => {}
        }
    }
}

impl Condition {
    /// The same for every template in it.
    pub(super) fn each_result(&mut self, with: &mut impl FnMut(&mut usize)) {
        match self {
            Self::Is(template, _) => template.each_result(with),
            Self::All(parts) | Self::Any(parts) => parts.iter_mut().for_each(|part| part.each_result(with)),
            Self::Not(inner) => inner.each_result(with),
        }
    }
}
