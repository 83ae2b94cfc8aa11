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
    /// It is a number above this one.
    MoreThan(f64),
    /// It is a number below this one.
    LessThan(f64),
}
