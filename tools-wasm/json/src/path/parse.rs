//! From the text of an expression to a [`Query`]: the grammar of RFC 9535, and its typing of functions (2.4.3).

use std::borrow::Cow;

use thiserror::Error;

use super::{Comparison, Matcher, Operand, Pattern, PatternError, Query, Reach, Root, Segment, Selector, Slice, Test};
use crate::document::Json;
use crate::number::MAX_EXPONENT_DIGITS;

/// How deep filters, parentheses and function calls may nest. Stops `$[?((((…` from overflowing the stack.
pub const MAX_NESTING: usize = 32;

/// The longest expression, in bytes. A segment of two bytes becomes fifty, so `.a.a.a…` would fill the memory.
pub const MAX_EXPRESSION: usize = 64 << 10;

/// The bounds of I-JSON (RFC 7493), which RFC 9535 sets for every index and slice: ±(2^53 − 1).
const MAX_INTEGER: i64 = (1 << 53) - 1;

pub(super) fn parse(path: &str) -> Result<Query<'_>, PathError> {
    let mut parser = Parser { text: path, at: 0, nesting: 0 };
    parser.expression().map_err(|problem| PathError { character: path[..parser.at].chars().count() + 1, problem })
}

/// Why a text is not a `JSONPath` expression, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("character {character} of the JSONPath expression: {problem}")]
pub struct PathError {
    /// Counted from 1.
    pub character: usize,
    /// What is wrong there.
    pub problem: PathProblem,
}

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PathProblem {
    /// The expression stops too early.
    #[error("it ends where {expected} should stand")]
    End {
        /// What should have come.
        expected: &'static str,
    },
    /// Something else stands there.
    #[error("{found:?} stands where {expected} should")]
    Unexpected {
        /// What should have come.
        expected: &'static str,
        /// What came.
        found: char,
    },
    /// An index or slice bound that is not a plain integer in range.
    #[error("an index is an integer between -(2^53 - 1) and 2^53 - 1, without leading zeros and without -0")]
    Integer,
    /// A number literal that no comparison could be exact about.
    #[error("an exponent of more than {MAX_EXPONENT_DIGITS} digits")]
    Exponent,
    /// An escape that the quotes around it do not allow.
    #[error(
        "\\{found} is not an escape in this string; a string in single quotes escapes ' only, one in double quotes \" only"
    )]
    Escape {
        /// The character after the backslash.
        found: char,
    },
    /// Half of a surrogate pair.
    #[error("\\u{code:04x} is half of a surrogate pair")]
    Surrogate {
        /// Its code.
        code: u32,
    },
    /// A query that may select several nodes stands where one value must.
    #[error(
        "only a query that selects at most one value can be compared: names and indexes, without `*`, `..`, slices, filters and lists; count() or value() may help"
    )]
    NotSingular,
    /// A literal or a number-valued function stands alone as a condition.
    #[error("this has a value but is not a condition; compare it, for instance with ==")]
    NotCondition,
    /// `match` or `search` compared or passed on.
    #[error("match and search are conditions themselves; they cannot be compared or passed to a function")]
    NotValue,
    /// A function that RFC 9535 does not define.
    #[error("there is no function {name}; there are length, count, value, match and search")]
    NoFunction {
        /// The name, cut after 32 characters.
        name: String,
    },
    /// A literal pattern that cannot be run.
    #[error("the pattern: {0}")]
    Pattern(#[from] PatternError),
    /// Longer than anybody would write.
    #[error("the expression is longer than {MAX_EXPRESSION} bytes")]
    Length,
    /// Nested too deep.
    #[error("nested deeper than {MAX_NESTING} filters, parentheses and functions")]
    Nesting,
}

struct Parser<'p> {
    text: &'p str,
    at: usize,
    nesting: usize,
}

/// What is expected where a lone `=` stands, the most common slip in filters.
const COMPARISON: &str = "== (one = is no comparison)";

type Parsed<T> = Result<T, PathProblem>;

/// What a function call is, after its name has been looked up.
enum Call<'p> {
    Value(Operand<'p>),
    Condition(Test<'p>),
}

impl<'p> Parser<'p> {
    fn expression(&mut self) -> Parsed<Query<'p>> {
        if self.text.len() > MAX_EXPRESSION {
            return Err(PathProblem::Length);
        }
        if !self.skip("$") {
            return Err(self.unexpected("$, which begins every JSONPath expression,"));
        }
        let query = self.query(Root::Document)?;
        match self.peek() {
            None => Ok(query),
            Some(_) => Err(self.unexpected("a segment such as .name, ..name or [0], or the end of the expression,")),
        }
    }

    /// The segments after `$` or `@`.
    fn query(&mut self, root: Root) -> Parsed<Query<'p>> {
        let mut segments = Vec::new();
        loop {
            let before = self.at;
            self.blank();
            let Some(segment) = self.segment()? else {
                // White space belongs to what follows, and nothing may follow the whole expression.
                self.at = before;
                return Ok(Query { root, segments });
            };
            segments.push(segment);
        }
    }

    fn segment(&mut self) -> Parsed<Option<Segment<'p>>> {
        let (descends, selectors) = if self.skip("..") {
            if self.peek() == Some('[') { (true, self.brackets()?) } else { (true, vec![self.shorthand()?]) }
        } else if self.skip(".") {
            (false, vec![self.shorthand()?])
        } else if self.peek() == Some('[') {
            (false, self.brackets()?)
        } else {
            return Ok(None);
        };
        Ok(Some(Segment { descends, selectors }))
    }

    /// `*` or a name without quotes, after one or two dots.
    fn shorthand(&mut self) -> Parsed<Selector<'p>> {
        if self.skip("*") {
            return Ok(Selector::Wildcard);
        }
        let is_first = |character: char| character.is_ascii_alphabetic() || character == '_' || !character.is_ascii();
        if !self.peek().is_some_and(is_first) {
            return Err(
                self.unexpected("a name or * after the dot (a name that is no identifier is written ['like this'])")
            );
        }
        let name = self.take_while(|character| is_first(character) || character.is_ascii_digit());
        Ok(Selector::Name(name.to_owned()))
    }

    fn brackets(&mut self) -> Parsed<Vec<Selector<'p>>> {
        self.at += 1;
        let mut selectors = Vec::new();
        loop {
            self.blank();
            selectors.push(self.selector()?);
            self.blank();
            if self.skip("]") {
                return Ok(selectors);
            }
            if !self.skip(",") {
                return Err(self.unexpected("a comma or ]"));
            }
        }
    }

    fn selector(&mut self) -> Parsed<Selector<'p>> {
        match self.peek() {
            Some('\'' | '"') => self.string().map(|name| Selector::Name(name.into_owned())),
            Some('*') => {
                self.at += 1;
                Ok(Selector::Wildcard)
            }
            Some('?') => {
                self.at += 1;
                self.blank();
                self.nested(Self::any).map(Selector::Filter)
            }
            Some('-' | '0'..='9' | ':') => self.index_or_slice(),
            _ => Err(self.unexpected("a name in quotes, an index, a slice, * or a filter ?")),
        }
    }

    fn index_or_slice(&mut self) -> Parsed<Selector<'p>> {
        let start = self.integer()?;
        let after = self.at;
        self.blank();
        if !self.skip(":") {
            self.at = after;
            // Without a colon this is an index, and `selector` has seen its first character.
            return start.map(Selector::Index).ok_or(PathProblem::Integer);
        }
        self.blank();
        let end = self.integer()?;
        self.blank();
        let mut step = None;
        if self.skip(":") {
            self.blank();
            step = self.integer()?;
        }
        Ok(Selector::Slice(Slice { start, end, step: step.unwrap_or(1) }))
    }

    /// An integer as indexes and slices have it, if one stands here.
    fn integer(&mut self) -> Parsed<Option<i64>> {
        if !matches!(self.peek(), Some('-' | '0'..='9')) {
            return Ok(None);
        }
        let start = self.at;
        self.skip("-");
        let digits = self.take_while(|character| character.is_ascii_digit());
        let text = &self.text[start..self.at];
        let plain = !digits.is_empty() && (!digits.starts_with('0') || text == "0");
        let value = text.parse().ok().filter(|value: &i64| plain && value.abs() <= MAX_INTEGER);
        if value.is_none() {
            self.at = start;
            return Err(PathProblem::Integer);
        }
        Ok(value)
    }

    /// `a || b`
    fn any(&mut self) -> Parsed<Test<'p>> {
        self.chain("||", Self::all, Test::Any)
    }

    /// `a && b`
    fn all(&mut self) -> Parsed<Test<'p>> {
        self.chain("&&", Self::condition, Test::All)
    }

    fn chain(
        &mut self,
        operator: &str,
        term: fn(&mut Self) -> Parsed<Test<'p>>,
        join: fn(Vec<Test<'p>>) -> Test<'p>,
    ) -> Parsed<Test<'p>> {
        let first = term(self)?;
        let mut terms = vec![first];
        loop {
            let before = self.at;
            self.blank();
            if !self.skip(operator) {
                self.at = before;
                break;
            }
            self.blank();
            terms.push(term(self)?);
        }
        // Most filters have one term, which needs no list around it.
        Ok(if terms.len() == 1 { terms.remove(0) } else { join(terms) })
    }

    fn condition(&mut self) -> Parsed<Test<'p>> {
        if self.skip("!") {
            self.blank();
            let inner = if self.peek() == Some('(') { self.parentheses()? } else { self.lone_test()? };
            return Ok(Test::Not(Box::new(inner)));
        }
        if self.peek() == Some('(') {
            return self.parentheses();
        }
        let start = self.at;
        let left = match self.peek() {
            Some('@' | '$') => {
                let query = self.filter_query()?;
                if !self.comparison_follows() {
                    let end = self.at;
                    self.blank();
                    if self.peek() == Some('=') {
                        return Err(self.unexpected(COMPARISON));
                    }
                    self.at = end;
                    return Ok(Test::Exists(query));
                }
                self.singular(query, start)?
            }
            Some('a'..='z') if !self.word_follows() => match self.call()? {
                Call::Condition(_) if self.comparison_follows() => {
                    self.at = start;
                    return Err(PathProblem::NotValue);
                }
                Call::Condition(test) => return Ok(test),
                Call::Value(operand) => operand,
            },
            _ => Operand::Literal(self.literal()?),
        };
        self.blank();
        let Some(comparison) = self.comparison() else {
            if self.peek() == Some('=') {
                return Err(self.unexpected(COMPARISON));
            }
            self.at = start;
            return Err(PathProblem::NotCondition);
        };
        self.blank();
        let right = self.operand()?;
        Ok(Test::Compare(left, comparison, right))
    }

    fn parentheses(&mut self) -> Parsed<Test<'p>> {
        self.at += 1;
        self.blank();
        let inner = self.nested(Self::any)?;
        self.blank();
        if !self.skip(")") {
            return Err(self.unexpected(")"));
        }
        Ok(inner)
    }

    /// What `!` may stand before, without parentheses: a query or a condition function.
    fn lone_test(&mut self) -> Parsed<Test<'p>> {
        let start = self.at;
        match self.peek() {
            Some('@' | '$') => self.filter_query().map(Test::Exists),
            Some('a'..='z') if !self.word_follows() => match self.call()? {
                Call::Condition(test) => Ok(test),
                Call::Value(_) => {
                    self.at = start;
                    Err(PathProblem::NotCondition)
                }
            },
            _ => Err(self.unexpected("a query, match, search or parentheses after !")),
        }
    }

    /// One side of a comparison, or an argument that is a value.
    fn operand(&mut self) -> Parsed<Operand<'p>> {
        let start = self.at;
        match self.peek() {
            Some('@' | '$') => {
                let query = self.filter_query()?;
                self.singular(query, start)
            }
            Some('a'..='z') if !self.word_follows() => match self.call()? {
                Call::Value(operand) => Ok(operand),
                Call::Condition(_) => {
                    self.at = start;
                    Err(PathProblem::NotValue)
                }
            },
            _ => self.literal().map(Operand::Literal),
        }
    }

    fn filter_query(&mut self) -> Parsed<Query<'p>> {
        let root = match self.peek() {
            Some('@') => Root::Current,
            Some('$') => Root::Document,
            _ => return Err(self.unexpected("a query that begins with @ or $")),
        };
        self.at += 1;
        self.query(root)
    }

    fn singular(&mut self, query: Query<'p>, start: usize) -> Parsed<Operand<'p>> {
        if query.is_singular() {
            return Ok(Operand::Query(query));
        }
        self.at = start;
        Err(PathProblem::NotSingular)
    }

    fn call(&mut self) -> Parsed<Call<'p>> {
        let start = self.at;
        let name = self.take_while(|character| matches!(character, 'a'..='z' | '0'..='9' | '_'));
        if !matches!(name, "length" | "count" | "value" | "match" | "search") {
            self.at = start;
            let name = name.chars().take(32).collect();
            return Err(PathProblem::NoFunction { name });
        }
        if !self.skip("(") {
            return Err(self.unexpected("( directly after the name of a function"));
        }
        self.blank();
        let call = self.nested(|parser| parser.arguments(name))?;
        self.blank();
        if !self.skip(")") {
            return Err(self.unexpected(") after the arguments of the function"));
        }
        Ok(call)
    }

    fn arguments(&mut self, function: &str) -> Parsed<Call<'p>> {
        let reach = match function {
            "length" => return Ok(Call::Value(Operand::Length(Box::new(self.operand()?)))),
            "count" => return Ok(Call::Value(Operand::Count(self.filter_query()?))),
            "value" => return Ok(Call::Value(Operand::Only(self.filter_query()?))),
            "match" => Reach::Whole,
            _ => Reach::Part,
        };
        let text = self.operand()?;
        self.blank();
        if !self.skip(",") {
            return Err(self.unexpected("a comma and a pattern"));
        }
        self.blank();
        let start = self.at;
        let pattern = match self.operand()? {
            Operand::Literal(Json::String(pattern)) => {
                let matcher = Matcher::new(&pattern, reach).inspect_err(|_| self.at = start)?;
                Pattern::Literal(matcher)
            }
            computed => Pattern::Computed(computed, reach),
        };
        Ok(Call::Condition(Test::Match(text, pattern)))
    }

    fn comparison_follows(&mut self) -> bool {
        let before = self.at;
        self.blank();
        let follows = self.comparison().is_some();
        self.at = before;
        follows
    }

    fn comparison(&mut self) -> Option<Comparison> {
        // The longer operators come first, as `<` begins `<=`.
        const OPERATORS: [(&str, Comparison); 6] = [
            ("==", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        OPERATORS.into_iter().find_map(|(text, comparison)| self.skip(text).then_some(comparison))
    }

    fn literal(&mut self) -> Parsed<Json<'p>> {
        match self.peek() {
            Some('\'' | '"') => self.string().map(Json::String),
            Some('-' | '0'..='9') => self.number().map(Json::Number),
            _ if self.word_follows() => {
                let word = self.take_while(|character| character.is_ascii_lowercase());
                Ok(match word {
                    "true" => Json::Bool(true),
                    "false" => Json::Bool(false),
                    _ => Json::Null,
                })
            }
            _ => Err(self.unexpected("a query, a function, a string in quotes, a number, true, false or null")),
        }
    }

    /// Whether `true`, `false` or `null` stands here as a whole word.
    fn word_follows(&self) -> bool {
        let rest = &self.text[self.at..];
        let end =
            rest.find(|character: char| !matches!(character, 'a'..='z' | '0'..='9' | '_' | '(')).unwrap_or(rest.len());
        matches!(&rest[..end], "true" | "false" | "null")
    }

    fn number(&mut self) -> Parsed<&'p str> {
        let start = self.at;
        self.skip("-");
        if !self.skip("0") {
            self.digits()?;
        }
        if self.skip(".") {
            self.digits()?;
        }
        if self.skip("e") || self.skip("E") {
            let _sign = self.skip("+") || self.skip("-");
            if self.digits()?.trim_start_matches('0').len() > MAX_EXPONENT_DIGITS {
                self.at = start;
                return Err(PathProblem::Exponent);
            }
        }
        Ok(&self.text[start..self.at])
    }

    fn digits(&mut self) -> Parsed<&'p str> {
        let digits = self.take_while(|character| character.is_ascii_digit());
        if digits.is_empty() {
            return Err(self.unexpected("a digit"));
        }
        Ok(digits)
    }

    /// A string in either kind of quotes, from its opening quote.
    fn string(&mut self) -> Parsed<Cow<'p, str>> {
        let quote = if self.skip("'") {
            '\''
        } else {
            self.at += 1;
            '"'
        };
        let mut resolved = String::new();
        let mut clean = self.at;
        loop {
            match self.peek() {
                Some(end) if end == quote => {
                    let rest = &self.text[clean..self.at];
                    self.at += 1;
                    if resolved.is_empty() {
                        return Ok(Cow::Borrowed(rest));
                    }
                    resolved.push_str(rest);
                    return Ok(Cow::Owned(resolved));
                }
                Some('\\') => {
                    resolved.push_str(&self.text[clean..self.at]);
                    self.at += 1;
                    resolved.push(self.escape(quote)?);
                    clean = self.at;
                }
                Some('\0'..='\u{1f}') => return Err(self.unexpected("an escape for this control character")),
                Some(plain) => self.at += plain.len_utf8(),
                None => return Err(self.unexpected("the closing quote of a string")),
            }
        }
    }

    fn escape(&mut self, quote: char) -> Parsed<char> {
        let plain = match self.peek() {
            Some('u') => {
                self.at += 1;
                return self.unicode_escape();
            }
            Some(same @ ('\\' | '/')) => same,
            Some(same) if same == quote => same,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some(found) => return Err(PathProblem::Escape { found }),
            None => return Err(self.unexpected("an escape")),
        };
        self.at += 1;
        Ok(plain)
    }

    fn unicode_escape(&mut self) -> Parsed<char> {
        let first = self.four_hex()?;
        let code = match first {
            0xd800..=0xdbff if self.skip("\\u") => match self.four_hex()? {
                second @ 0xdc00..=0xdfff => 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00),
                _ => return Err(PathProblem::Surrogate { code: first }),
            },
            other => other,
        };
        char::from_u32(code).ok_or(PathProblem::Surrogate { code })
    }

    fn four_hex(&mut self) -> Parsed<u32> {
        let mut code = 0;
        for _ in 0..4 {
            let Some(digit) = self.peek().and_then(|character| character.to_digit(16)) else {
                return Err(self.unexpected("a hexadecimal digit"));
            };
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }

    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.nesting == MAX_NESTING {
            return Err(PathProblem::Nesting);
        }
        self.nesting += 1;
        let result = inner(self);
        self.nesting -= 1;
        result
    }

    fn blank(&mut self) {
        self.take_while(|character| matches!(character, ' ' | '\t' | '\n' | '\r'));
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'p str {
        let rest = &self.text[self.at..];
        let end = rest.find(|character| !accept(character)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn skip(&mut self, expected: &str) -> bool {
        let there = self.text[self.at..].starts_with(expected);
        if there {
            self.at += expected.len();
        }
        there
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn unexpected(&self, expected: &'static str) -> PathProblem {
        match self.peek() {
            Some(found) => PathProblem::Unexpected { expected, found },
            None => PathProblem::End { expected },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(path: &str) -> PathError {
        parse(path).expect_err(path)
    }

    #[test]
    fn every_error_names_its_character_and_a_way_out() {
        for (path, expected) in [
            ("", "character 1 of the JSONPath expression: it ends where $"),
            ("a.b", "character 1 of the JSONPath expression: 'a' stands where $"),
            ("$ ", "character 2 of the JSONPath expression: ' ' stands where a segment"),
            ("$.", "character 3 of the JSONPath expression: it ends where a name or *"),
            ("$.é['x'", "character 8 of the JSONPath expression: it ends where a comma or ]"),
            ("$.first name", "character 8"),
            ("$[01]", "without leading zeros"),
            ("$[9007199254740992]", "between -(2^53 - 1)"),
            ("$[?@.a = 1]", "one = is no comparison"),
            ("$[?@.* == 1]", "count() or value() may help"),
            ("$[?1]", "compare it, for instance with =="),
            ("$[?count(@.*)]", "compare it, for instance with =="),
            ("$[?match(@, 'a') == true]", "they cannot be compared"),
            ("$[?length(match(@, 'a')) == 1]", "they cannot be compared"),
            ("$[?lower(@) == 'a']", "there is no function lower"),
            ("$[?match(@, '(?i)a')]", "character 13 of the JSONPath expression: the pattern: (? is not part"),
            ("$[?@ == 1e1234567890123456]", "an exponent of more than 15 digits"),
            ("$['\\\"']", "a string in single quotes escapes ' only"),
            ("$['\\ud800']", "half of a surrogate pair"),
        ] {
            let error = problem(path).to_string();
            assert!(error.contains(expected), "{path}: {error}");
        }
    }

    #[test]
    fn long_and_deep_expressions_are_refused_at_bounded_cost() {
        assert_eq!(problem(&format!("${}", ".a".repeat(5_000_000))).problem, PathProblem::Length);
        for (open, close) in [("(", ")"), ("@[?", "]"), ("length(", ")")] {
            let path = format!("$[?{}@{}]", open.repeat(1_000), close.repeat(1_000));
            assert_eq!(problem(&path).problem, PathProblem::Nesting, "{open}");
        }
        let allowed = MAX_NESTING - 1;
        assert!(parse(&format!("$[?{}@{}]", "(".repeat(allowed), ")".repeat(allowed))).is_ok());
    }
}
