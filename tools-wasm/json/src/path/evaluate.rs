//! Running a [`Query`] over a document, within bounds.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::rc::Rc;

use super::{
    Comparison, Matcher, Operand, Pattern, PatternError, Query, QueryError, Reach, Root, Segment, Selector, Slice, Test,
};
use crate::document::{Json, write_control};
use crate::{MAX_RESULT_BYTES, number};

/// How many nodes a query may visit and compare. A node costs some hundred instructions at most, so this stays below
/// the default fuel of a call, and a query that would exceed it ends with a sentence that says so.
pub const MAX_STEPS: u64 = 10_000_000;
/// How many nodes a query may return.
pub const MAX_SELECTED: usize = 100_000;
/// How many nodes one segment may hand to the next. Stops `$[0,0][0,0]…`, which doubles with each segment.
const MAX_NODES: usize = 500_000;
/// How many patterns from the document are kept compiled.
const MAX_PATTERNS: usize = 16;
/// What compiling a pattern is charged, in steps.
const PATTERN_STEPS: u64 = 1_000;

/// What a query selected: the same number of values and paths, in the same order.
#[derive(Debug, PartialEq, Eq)]
pub struct Selection {
    /// The text of a JSON array.
    pub values: String,
    /// Normalized paths (RFC 9535, 2.7).
    pub paths: Vec<String>,
}

pub(super) fn evaluate(query: &Query<'_>, document: &Json<'_>) -> Result<Selection, QueryError> {
    let mut evaluator = Evaluator { document, steps: MAX_STEPS, patterns: HashMap::new() };
    let nodes = evaluator.run::<Located>(query, document)?;
    if nodes.len() > MAX_SELECTED {
        return Err(QueryError::Nodes { limit: MAX_SELECTED });
    }
    let mut bytes = 0;
    let mut values = String::from("[");
    let mut paths = Vec::with_capacity(nodes.len());
    for node in &nodes {
        if !paths.is_empty() {
            values.push(',');
        }
        node.value.write(&mut values);
        let path = node.trail.normalized();
        bytes += path.len();
        paths.push(path);
        if bytes + values.len() > MAX_RESULT_BYTES {
            return Err(QueryError::Output { limit: MAX_RESULT_BYTES });
        }
    }
    values.push(']');
    Ok(Selection { values, paths })
}

/// How a node remembers where it stands. Filters need values only, and pay nothing for places.
trait Trail<'d>: Clone {
    fn root() -> Self;
    fn name(&self, name: &'d str) -> Self;
    fn index(&self, index: usize) -> Self;
}

impl Trail<'_> for () {
    fn root() -> Self {}
    fn name(&self, _: &str) -> Self {}
    fn index(&self, _: usize) -> Self {}
}

/// A place as a chain towards the root, so that a step costs the same however deep it is. As long as the document is
/// deep, so dropping it recurses no further.
#[derive(Clone)]
struct Located<'d>(Option<Rc<Link<'d>>>);

struct Link<'d> {
    parent: Located<'d>,
    step: Step<'d>,
}

#[derive(Clone, Copy)]
enum Step<'d> {
    Name(&'d str),
    Index(usize),
}

impl<'d> Trail<'d> for Located<'d> {
    fn root() -> Self {
        Self(None)
    }

    fn name(&self, name: &'d str) -> Self {
        self.then(Step::Name(name))
    }

    fn index(&self, index: usize) -> Self {
        self.then(Step::Index(index))
    }
}

impl<'d> Located<'d> {
    fn then(&self, step: Step<'d>) -> Self {
        Self(Some(Rc::new(Link { parent: self.clone(), step })))
    }

    fn normalized(&self) -> String {
        let mut steps = Vec::new();
        let mut place = self;
        while let Some(link) = &place.0 {
            steps.push(link.step);
            place = &link.parent;
        }
        let mut out = String::from("$");
        for step in steps.into_iter().rev() {
            match step {
                Step::Name(name) => write_name(name, &mut out),
                Step::Index(index) => {
                    let _infallible = write!(out, "[{index}]");
                }
            }
        }
        out
    }
}

/// Appends `['name']` as normalized paths spell it: single quotes, and escapes only where they must be.
fn write_name(name: &str, out: &mut String) {
    out.push_str("['");
    for character in name.chars() {
        match character {
            '\'' => out.push_str("\\'"),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\0'..='\u{1f}' => write_control(character as u8, out),
            plain => out.push(plain),
        }
    }
    out.push_str("']");
}

struct Node<'d, T> {
    value: &'d Json<'d>,
    trail: T,
}

/// Adds a node, unless there are too many.
fn keep<'d, T>(nodes: &mut Vec<Node<'d, T>>, node: Node<'d, T>) -> Result<(), QueryError> {
    if nodes.len() == MAX_NODES {
        return Err(QueryError::Nodes { limit: MAX_NODES });
    }
    nodes.push(node);
    Ok(())
}

/// The value of an operand.
enum Value<'v> {
    Nothing,
    Json(&'v Json<'v>),
    /// A length or a count, spelt as a number.
    Size(String),
}

struct Evaluator<'d> {
    document: &'d Json<'d>,
    steps: u64,
    /// Patterns that came from the document; `None` for those that are no patterns.
    patterns: HashMap<(String, Reach), Option<Matcher>>,
}

impl<'d> Evaluator<'d> {
    fn charge(&mut self, steps: usize) -> Result<(), QueryError> {
        let left = self.steps.checked_sub(steps as u64);
        self.steps = left.ok_or(QueryError::Steps)?;
        Ok(())
    }

    fn run<T: Trail<'d>>(&mut self, query: &Query<'_>, current: &'d Json<'d>) -> Result<Vec<Node<'d, T>>, QueryError> {
        let mut nodes = vec![Node { value: self.start(query, current), trail: T::root() }];
        for segment in &query.segments {
            let mut next = Vec::new();
            for node in nodes {
                if segment.descends {
                    self.descend(segment, node, &mut next)?;
                } else {
                    self.children(segment, &node, &mut next)?;
                }
            }
            nodes = next;
        }
        Ok(nodes)
    }

    fn start(&self, query: &Query<'_>, current: &'d Json<'d>) -> &'d Json<'d> {
        match query.root {
            Root::Document => self.document,
            Root::Current => current,
        }
    }

    /// Applies a segment to a node and to everything below it, parents first. The stack lives on the heap because
    /// filters may nest this, and each level of the document would cost a frame for each filter.
    fn descend<T: Trail<'d>>(
        &mut self,
        segment: &Segment<'_>,
        node: Node<'d, T>,
        out: &mut Vec<Node<'d, T>>,
    ) -> Result<(), QueryError> {
        let mut waiting = vec![node];
        while let Some(node) = waiting.pop() {
            self.charge(1)?;
            self.children(segment, &node, out)?;
            match node.value {
                Json::Array(elements) => {
                    let children = elements.iter().enumerate().rev();
                    waiting.extend(
                        children
                            .filter(|(_, value)| is_container(value))
                            .map(|(index, value)| Node { value, trail: node.trail.index(index) }),
                    );
                }
                Json::Object(members) => {
                    let children = members.iter().rev();
                    waiting.extend(
                        children
                            .filter(|(_, value)| is_container(value))
                            .map(|(name, value)| Node { value, trail: node.trail.name(name) }),
                    );
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn children<T: Trail<'d>>(
        &mut self,
        segment: &Segment<'_>,
        node: &Node<'d, T>,
        out: &mut Vec<Node<'d, T>>,
    ) -> Result<(), QueryError> {
        for selector in &segment.selectors {
            self.charge(1)?;
            match (selector, node.value) {
                (Selector::Name(name), Json::Object(members)) => {
                    if let Some((name, value)) = members.get_key_value(name.as_str()) {
                        let trail = node.trail.name(name);
                        keep(out, Node { value, trail })?;
                    }
                }
                (Selector::Index(index), Json::Array(elements)) => {
                    if let Some(index) = absolute(*index, elements.len()) {
                        let (value, trail) = (&elements[index], node.trail.index(index));
                        keep(out, Node { value, trail })?;
                    }
                }
                (Selector::Slice(slice), Json::Array(elements)) => {
                    for index in slice.indexes(elements.len()) {
                        self.charge(1)?;
                        let (value, trail) = (&elements[index], node.trail.index(index));
                        keep(out, Node { value, trail })?;
                    }
                }
                (Selector::Wildcard, Json::Array(_) | Json::Object(_)) => self.each(node, None, out)?,
                (Selector::Filter(test), Json::Array(_) | Json::Object(_)) => self.each(node, Some(test), out)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Every child, or every child for which `test` holds.
    fn each<T: Trail<'d>>(
        &mut self,
        node: &Node<'d, T>,
        test: Option<&Test<'_>>,
        out: &mut Vec<Node<'d, T>>,
    ) -> Result<(), QueryError> {
        match node.value {
            Json::Array(elements) => {
                for (index, value) in elements.iter().enumerate() {
                    if self.admits(test, value)? {
                        let trail = node.trail.index(index);
                        keep(out, Node { value, trail })?;
                    }
                }
            }
            Json::Object(members) => {
                for (name, value) in members.iter() {
                    if self.admits(test, value)? {
                        let trail = node.trail.name(name);
                        keep(out, Node { value, trail })?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn admits(&mut self, test: Option<&Test<'_>>, child: &'d Json<'d>) -> Result<bool, QueryError> {
        self.charge(1)?;
        test.map_or(Ok(true), |test| self.holds(test, child))
    }

    fn holds(&mut self, test: &Test<'_>, current: &'d Json<'d>) -> Result<bool, QueryError> {
        match test {
            Test::Any(terms) => {
                for term in terms {
                    if self.holds(term, current)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Test::All(terms) => {
                for term in terms {
                    if !self.holds(term, current)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Test::Not(inner) => Ok(!self.holds(inner, current)?),
            Test::Exists(query) if query.is_singular() => Ok(self.one(query, current)?.is_some()),
            Test::Exists(query) => Ok(!self.run::<()>(query, current)?.is_empty()),
            Test::Compare(left, comparison, right) => {
                let left = self.value(left, current)?;
                let right = self.value(right, current)?;
                self.compare(&left, *comparison, &right)
            }
            Test::Match(subject, pattern) => {
                let Value::Json(Json::String(subject)) = self.value(subject, current)? else {
                    return Ok(false);
                };
                self.matches(subject, pattern, current)
            }
        }
    }

    fn value<'v>(&mut self, operand: &'v Operand<'v>, current: &'d Json<'d>) -> Result<Value<'v>, QueryError>
    where
        'd: 'v,
    {
        Ok(match operand {
            Operand::Literal(json) => Value::Json(json),
            Operand::Query(query) => self.one(query, current)?.map_or(Value::Nothing, Value::Json),
            Operand::Only(query) => match self.run::<()>(query, current)?[..] {
                [Node { value, .. }] => Value::Json(value),
                _ => Value::Nothing,
            },
            Operand::Count(query) => Value::Size(self.run::<()>(query, current)?.len().to_string()),
            Operand::Length(inner) => {
                let length = match self.value(inner, current)? {
                    Value::Json(Json::String(text)) => {
                        self.charge(text.len() / 64)?;
                        text.chars().count()
                    }
                    Value::Json(Json::Array(elements)) => elements.len(),
                    Value::Json(Json::Object(members)) => members.len(),
                    _ => return Ok(Value::Nothing),
                };
                Value::Size(length.to_string())
            }
        })
    }

    /// The node of a singular query, found without building lists.
    fn one(&mut self, query: &Query<'_>, current: &'d Json<'d>) -> Result<Option<&'d Json<'d>>, QueryError> {
        self.charge(query.segments.len())?;
        let mut value = self.start(query, current);
        for segment in &query.segments {
            let next = match (&segment.selectors[0], value) {
                (Selector::Name(name), Json::Object(members)) => members.get(name.as_str()),
                (Selector::Index(index), Json::Array(elements)) => {
                    absolute(*index, elements.len()).map(|index| &elements[index])
                }
                _ => None,
            };
            let Some(next) = next else { return Ok(None) };
            value = next;
        }
        Ok(Some(value))
    }

    fn compare(&mut self, left: &Value<'_>, comparison: Comparison, right: &Value<'_>) -> Result<bool, QueryError> {
        Ok(match comparison {
            Comparison::Equal => self.equal(left, right)?,
            Comparison::NotEqual => !self.equal(left, right)?,
            Comparison::Less => self.order(left, right)? == Some(Ordering::Less),
            Comparison::Greater => self.order(left, right)? == Some(Ordering::Greater),
            Comparison::LessOrEqual => self.order(left, right)? == Some(Ordering::Less) || self.equal(left, right)?,
            Comparison::GreaterOrEqual => {
                self.order(left, right)? == Some(Ordering::Greater) || self.equal(left, right)?
            }
        })
    }

    fn equal(&mut self, left: &Value<'_>, right: &Value<'_>) -> Result<bool, QueryError> {
        if let (Some(left), Some(right)) = (left.number(), right.number()) {
            self.charge(left.len().min(right.len()) / 64)?;
            return Ok(number::compare(left, right).is_eq());
        }
        match (left, right) {
            (Value::Nothing, Value::Nothing) => Ok(true),
            (Value::Json(left), Value::Json(right)) => {
                if is_container(left) && is_container(right) {
                    self.charge(left.weight() / 8)?;
                } else if let (Json::String(left), Json::String(right)) = (left, right) {
                    self.charge(left.len().min(right.len()) / 64)?;
                }
                Ok(left == right)
            }
            _ => Ok(false),
        }
    }

    /// The order of two numbers or two strings; nothing else has one.
    fn order(&mut self, left: &Value<'_>, right: &Value<'_>) -> Result<Option<Ordering>, QueryError> {
        if let (Some(left), Some(right)) = (left.number(), right.number()) {
            self.charge(left.len().min(right.len()) / 64)?;
            return Ok(Some(number::compare(left, right)));
        }
        if let (Value::Json(Json::String(left)), Value::Json(Json::String(right))) = (left, right) {
            self.charge(left.len().min(right.len()) / 64)?;
            // The order of UTF-8 bytes is that of Unicode scalar values, which the RFC asks for.
            return Ok(Some(left.cmp(right)));
        }
        Ok(None)
    }

    fn matches(&mut self, text: &str, pattern: &Pattern<'_>, current: &'d Json<'d>) -> Result<bool, QueryError> {
        self.charge(1 + text.len() / 16)?;
        let (source, reach) = match pattern {
            Pattern::Literal(matcher) => return Ok(matcher.matches(text)),
            Pattern::Computed(operand, reach) => (self.value(operand, current)?, *reach),
        };
        let Value::Json(Json::String(source)) = source else {
            return Ok(false);
        };
        let key = (source.to_string(), reach);
        if !self.patterns.contains_key(&key) {
            self.steps = self.steps.checked_sub(PATTERN_STEPS).ok_or(QueryError::Steps)?;
            let matcher = match Matcher::new(source, reach) {
                Ok(matcher) => Some(matcher),
                Err(PatternError::TooLarge) => return Err(QueryError::Pattern),
                // RFC 9535, 2.4.6: what is not an I-Regexp matches nothing.
                Err(_) => None,
            };
            if self.patterns.len() == MAX_PATTERNS {
                self.patterns.clear();
            }
            self.patterns.insert(key.clone(), matcher);
        }
        let matcher = self.patterns.get(&key).and_then(Option::as_ref);
        Ok(matcher.is_some_and(|matcher| matcher.matches(text)))
    }
}

impl Value<'_> {
    fn number(&self) -> Option<&str> {
        match self {
            Value::Json(Json::Number(text)) => Some(text),
            Value::Size(text) => Some(text),
            _ => None,
        }
    }
}

impl Slice {
    /// The indexes that this slice selects from an array of that length, in order (RFC 9535, 2.3.4.2.2).
    fn indexes(self, length: usize) -> impl Iterator<Item = usize> {
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        let normal = |index: i64| if index < 0 { length + index } else { index };
        let forwards = self.step > 0;
        let (low, high) = if forwards { (0, length) } else { (-1, length - 1) };
        let start = self.start.map_or(if forwards { 0 } else { length - 1 }, normal).clamp(low, high);
        let end = self.end.map_or(if forwards { length } else { -1 }, normal).clamp(low, high);
        let mut index = start;
        std::iter::from_fn(move || {
            let inside = match self.step.cmp(&0) {
                Ordering::Greater => index < end,
                Ordering::Less => index > end,
                Ordering::Equal => false,
            };
            let selected = usize::try_from(index).ok().filter(|_| inside)?;
            index = index.saturating_add(self.step);
            Some(selected)
        })
    }
}

/// The place that an index means, negative ones counting from the end.
fn absolute(index: i64, length: usize) -> Option<usize> {
    if index >= 0 {
        return usize::try_from(index).ok().filter(|index| *index < length);
    }
    length.checked_sub(usize::try_from(index.unsigned_abs()).ok()?)
}

fn is_container(value: &Json<'_>) -> bool {
    matches!(value, Json::Array(_) | Json::Object(_))
}

#[cfg(test)]
mod tests {
    use crate::path::{QueryError, select};
    use crate::read::read;

    fn selected(document: &str, path: &str) -> Result<String, QueryError> {
        select(&read(document).unwrap(), path).map(|selection| selection.values)
    }

    #[test]
    fn numbers_in_filters_are_compared_by_value_and_returned_as_spelt() {
        let document = "[1,1.0,1e0,2,9007199254740992,9007199254740993,\"1\"]";
        assert_eq!(selected(document, "$[?@ == 1]").unwrap(), "[1,1.0,1e0]");
        assert_eq!(selected(document, "$[?@ > 9007199254740992]").unwrap(), "[9007199254740993]");
        assert_eq!(selected("[[],[1,2]]", "$[?length(@) == 2.0]").unwrap(), "[[1,2]]");
    }

    #[test]
    fn a_pattern_from_the_document_that_is_none_matches_nothing() {
        let document = r#"{"p":"(?i)a","v":["a"]}"#;
        assert_eq!(selected(document, "$.v[?match(@, $.p)]").unwrap(), "[]");
        let document = r#"{"p":"((a{999}){999}){999}","v":["a"]}"#;
        assert!(matches!(selected(document, "$.v[?match(@, $.p)]"), Err(QueryError::Pattern)));
    }

    #[test]
    fn work_nodes_and_output_are_bounded() {
        let nested = format!("{}0{}", "[".repeat(30), "]".repeat(30));
        let doubling = format!("${}", "[0,0]".repeat(30));
        assert!(matches!(selected(&nested, &doubling), Err(QueryError::Nodes { .. })));

        let wide = format!("[{}0]", "0,".repeat(20_000));
        assert!(matches!(selected(&wide, "$[?$[?$[?@]]]"), Err(QueryError::Steps)));

        let long_name = format!(r#"{{"{}":[{}0]}}"#, "k".repeat(10_000), "0,".repeat(5_000));
        assert!(matches!(selected(&long_name, "$.*.*"), Err(QueryError::Output { .. })));
    }
}
