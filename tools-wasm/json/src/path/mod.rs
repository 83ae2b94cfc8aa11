//! `JSONPath` (RFC 9535): an expression is parsed and type-checked once into a [`Query`], then evaluated.
//!
//! Nothing here can run away: nesting is bounded where the expression is parsed, steps, nodes and output where it is
//! evaluated, and patterns run on an automaton in linear time. That, and escapes in normalized paths, is why it is not
//! one of the crates for `JSONPath`: `$[0,0][0,0][0,0]…` doubles with each segment, and they follow it until memory ends.

mod evaluate;
mod parse;
mod pattern;

use thiserror::Error;

use crate::document::Json;
pub use evaluate::{MAX_SELECTED, MAX_STEPS, Selection};
pub use parse::{MAX_NESTING, PathError, PathProblem};
use pattern::Matcher;
pub use pattern::PatternError;

/// Selects from `document` what `path` describes.
pub fn select(document: &Json<'_>, path: &str) -> Result<Selection, QueryError> {
    let query = parse::parse(path)?;
    evaluate::evaluate(&query, document)
}

/// Why a query gave no result.
#[derive(Debug, Error)]
pub enum QueryError {
    /// The expression is not valid.
    #[error(transparent)]
    Path(#[from] PathError),
    /// It is valid, and asks for too much work on this document.
    #[error(
        "the expression takes more than {MAX_STEPS} steps on this document; use fewer `..` and wildcards, or name more of the path"
    )]
    Steps,
    /// It selects more than a caller could use.
    #[error("the expression selects more than {limit} nodes; select fewer, for instance with a slice such as [0:100]")]
    Nodes {
        /// How many nodes it may select at that point.
        limit: usize,
    },
    /// The selected values and paths are too long.
    #[error(
        "the selected values and their paths take more than {limit} bytes; select less, for instance the members that you need"
    )]
    Output {
        /// How many bytes they may take.
        limit: usize,
    },
    /// A pattern that comes from the document is too large to be run.
    #[error("a pattern that the expression takes from the document is too large")]
    Pattern,
}

/// `$` or `@` and what follows.
#[derive(Debug)]
struct Query<'p> {
    root: Root,
    segments: Vec<Segment<'p>>,
}

impl Query<'_> {
    /// Whether the query can select one node at most, so that its value can be compared (RFC 9535, 2.3.5.1).
    fn is_singular(&self) -> bool {
        self.segments.iter().all(|segment| {
            !segment.descends && matches!(segment.selectors[..], [Selector::Name(_) | Selector::Index(_)])
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Root {
    /// `$`
    Document,
    /// `@`
    Current,
}

/// `[…]`, `.name`, or with `descends` their `..` form. There is at least one selector.
#[derive(Debug)]
struct Segment<'p> {
    descends: bool,
    selectors: Vec<Selector<'p>>,
}

#[derive(Debug)]
enum Selector<'p> {
    Name(String),
    Wildcard,
    Index(i64),
    Slice(Slice),
    Filter(Test<'p>),
}

#[derive(Debug, Clone, Copy)]
struct Slice {
    start: Option<i64>,
    end: Option<i64>,
    step: i64,
}

/// A logical expression.
#[derive(Debug)]
enum Test<'p> {
    Any(Vec<Test<'p>>),
    All(Vec<Test<'p>>),
    Not(Box<Test<'p>>),
    Exists(Query<'p>),
    Compare(Operand<'p>, Comparison, Operand<'p>),
    Match(Operand<'p>, Pattern<'p>),
}

/// Something with a value, or with none.
#[derive(Debug)]
enum Operand<'p> {
    Literal(Json<'p>),
    /// A singular query.
    Query(Query<'p>),
    Length(Box<Operand<'p>>),
    Count(Query<'p>),
    /// `value()`: the value if the query selects exactly one node.
    Only(Query<'p>),
}

/// The second argument of `match` and `search`.
#[derive(Debug)]
enum Pattern<'p> {
    Literal(Matcher),
    Computed(Operand<'p>, Reach),
}

/// How much of a string a pattern must match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Reach {
    /// `match`
    Whole,
    /// `search`
    Part,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}
