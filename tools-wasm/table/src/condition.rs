//! Which rows meet conditions. It owns the operators and how a condition's text is read as its column's kind; it refuses
//! a condition that could never be meant (a word compared with numbers) instead of giving no rows.

use std::cmp::Ordering;

use toolcell_rows::{Kind, Refusal, Value, compare, parse_value, quoted};

use crate::frame::Frame;

/// One condition, as the caller wrote it.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    /// The column's name.
    pub column: String,
    /// The comparison.
    pub operator: Operator,
    /// What to compare with, for operators that take one value.
    pub value: Option<String>,
    /// What to compare with, for operators that take several.
    pub values: Option<Vec<String>>,
}

/// How a value is compared; null meets `IsNull` alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // The signature documents each.
pub(crate) enum Operator {
    Equals,
    Differs,
    Less,
    AtMost,
    Greater,
    AtLeast,
    Between,
    IsOneOf,
    IsNoneOf,
    Contains,
    ContainsIgnoringCase,
    StartsWith,
    EndsWith,
    IsNull,
    IsNotNull,
}

/// Whether all conditions must hold or one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Combine {
    /// All of them.
    #[default]
    All,
    /// At least one.
    Any,
}

/// The most values of `is-one-of`; each costs a step of a binary search.
const MAX_VALUES: usize = 100_000;

/// Keeps the rows that meet the conditions; `pointer` is where their list stands. No condition keeps every row.
pub(crate) fn keep(
    frame: &mut Frame<'_>,
    conditions: &[Condition],
    combine: Combine,
    pointer: &str,
) -> Result<(), Refusal> {
    if conditions.is_empty() {
        return Ok(());
    }
    let tests = conditions
        .iter()
        .enumerate()
        .map(|(index, condition)| Test::new(frame, condition, &format!("{pointer}/{index}")))
        .collect::<Result<Vec<_>, _>>()?;
    let kept: Vec<u32> = crate::frame::row_numbers(frame.rows())
        .into_iter()
        .filter(|row| {
            let meets = |test: &Test<'_>| test.holds(frame, *row as usize);
            match combine {
                Combine::All => tests.iter().all(meets),
                Combine::Any => tests.iter().any(meets),
            }
        })
        .collect();
    frame.pick(&kept);
    Ok(())
}

struct Test<'c> {
    column: usize,
    against: Against<'c>,
}

enum Against<'c> {
    Null(bool),
    /// The comparison must give one of these; `true` for less, equal, greater.
    Order(Value<'c>, [bool; 3]),
    Between(Value<'c>, Value<'c>),
    /// Sorted, so that membership is a binary search; `true` to be in, `false` to be out.
    Among(Vec<Value<'c>>, bool),
    Part(Part, &'c str),
    /// The needle in lower case.
    PartFolded(String),
    /// The column has no values at all, so no comparison holds.
    Never,
}

enum Part {
    Anywhere,
    Start,
    End,
}

impl<'c> Test<'c> {
    fn new(frame: &Frame<'_>, condition: &'c Condition, pointer: &str) -> Result<Self, Refusal> {
        let column = frame.column(&condition.column, &format!("{pointer}/column"))?;
        let kind = frame.columns()[column].kind;
        let against = Against::new(kind, condition, pointer)?;
        Ok(Self { column, against })
    }

    fn holds(&self, frame: &Frame<'_>, row: usize) -> bool {
        let Some(text) = frame.cell(self.column, row) else {
            return matches!(self.against, Against::Null(true));
        };
        let value = || parse_value(frame.columns()[self.column].kind, text);
        match &self.against {
            Against::Null(null) => !null,
            Against::Never => false,
            Against::Part(Part::Anywhere, part) => text.contains(part),
            Against::Part(Part::Start, part) => text.starts_with(part),
            Against::Part(Part::End, part) => text.ends_with(part),
            Against::PartFolded(part) => text.to_lowercase().contains(part.as_str()),
            Against::Order(other, [less, equal, greater]) => {
                value().is_some_and(|value| match compare(&value, other) {
                    Ordering::Less => *less,
                    Ordering::Equal => *equal,
                    Ordering::Greater => *greater,
                })
            }
            Against::Between(low, high) => {
                value().is_some_and(|value| compare(&value, low).is_ge() && compare(&value, high).is_le())
            }
            Against::Among(values, wanted) => {
                value().is_some_and(|value| values.binary_search_by(|other| compare(other, &value)).is_ok() == *wanted)
            }
        }
    }
}

impl<'c> Against<'c> {
    fn new(kind: Kind, condition: &'c Condition, pointer: &str) -> Result<Self, Refusal> {
        use Operator as O;
        let name = &condition.column;
        match condition.operator {
            O::IsNull => return Ok(Self::Null(true)),
            O::IsNotNull => return Ok(Self::Null(false)),
            O::Between | O::IsOneOf | O::IsNoneOf => return Self::of_values(kind, condition, pointer),
            _ => {}
        }
        let pointer = format!("{pointer}/value");
        let Some(text) = condition.value.as_deref() else {
            return Err(Refusal::invalid(
                pointer,
                format!("{} as text", kind_phrase(kind)),
                format!("The condition on {} needs a value; use is-null to find missing ones", quoted(name)),
            ));
        };
        let order = |accepted| {
            Ok(match kind {
                Kind::Empty => Self::Never,
                _ => Self::Order(literal(kind, text, name, &pointer)?, accepted),
            })
        };
        match condition.operator {
            O::Equals => order([false, true, false]),
            O::Differs => order([true, false, true]),
            O::Less => order([true, false, false]),
            O::AtMost => order([true, true, false]),
            O::Greater => order([false, false, true]),
            O::AtLeast => order([false, true, true]),
            O::ContainsIgnoringCase => Ok(Self::PartFolded(text.to_lowercase())),
            O::StartsWith => Ok(Self::Part(Part::Start, text)),
            O::EndsWith => Ok(Self::Part(Part::End, text)),
            // What takes no value or several has returned above.
            O::Contains | O::Between | O::IsOneOf | O::IsNoneOf | O::IsNull | O::IsNotNull => {
                Ok(Self::Part(Part::Anywhere, text))
            }
        }
    }

    fn of_values(kind: Kind, condition: &'c Condition, pointer: &str) -> Result<Self, Refusal> {
        let pointer = format!("{pointer}/values");
        let name = &condition.column;
        let between = condition.operator == Operator::Between;
        let given = condition.values.as_deref().unwrap_or_default();
        let fits = if between { given.len() == 2 } else { (1..=MAX_VALUES).contains(&given.len()) };
        if !fits {
            let expected = if between {
                "two values, the lower end first".to_owned()
            } else {
                format!("1 to {MAX_VALUES} values")
            };
            return Err(Refusal::invalid(
                pointer,
                expected,
                format!("The condition on {} has {} values", quoted(name), given.len()),
            ));
        }
        if kind == Kind::Empty {
            return Ok(Self::Never);
        }
        let mut values = given
            .iter()
            .enumerate()
            .map(|(index, text)| literal(kind, text, name, &format!("{pointer}/{index}")))
            .collect::<Result<Vec<_>, _>>()?;
        if between {
            if compare(&values[0], &values[1]).is_gt() {
                return Err(Refusal::invalid(
                    pointer,
                    "two values, the lower end first",
                    format!("{} lies after {}", quoted(&given[0]), quoted(&given[1])),
                ));
            }
            return Ok(Self::Between(values[0], values[1]));
        }
        values.sort_unstable_by(compare);
        Ok(Self::Among(values, condition.operator == Operator::IsOneOf))
    }
}

/// Numbers may be compared with integers and the other way round, exactly; a date stands for its first instant.
fn literal<'c>(kind: Kind, text: &'c str, column: &str, pointer: &str) -> Result<Value<'c>, Refusal> {
    let value = match kind {
        Kind::Integer | Kind::Number => parse_value(Kind::Integer, text).or_else(|| parse_value(Kind::Number, text)),
        Kind::DateTime => parse_value(kind, text).or_else(|| match parse_value(Kind::Date, text) {
            Some(Value::Date(days)) => Some(Value::Instant(i128::from(days) * 86_400_000_000_000)),
            _ => None,
        }),
        kind => parse_value(kind, text),
    };
    value.ok_or_else(|| {
        Refusal::invalid(
            pointer,
            format!("{} as text", kind_phrase(kind)),
            format!("The column {} is of kind {}, and {} is not", quoted(column), kind.name(), quoted(text)),
        )
        .found(text)
    })
}

fn kind_phrase(kind: Kind) -> &'static str {
    match kind {
        Kind::Integer | Kind::Number => "a number",
        Kind::Boolean => "true or false",
        Kind::Date => "a date, YYYY-MM-DD,",
        Kind::DateTime => "a date and time, YYYY-MM-DDTHH:MM:SS,",
        Kind::Text | Kind::Empty => "a value",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::table;

    fn rows(text: &str, column: &str, operator: Operator, values: &[&str]) -> Result<usize, Refusal> {
        let table = table(text);
        let mut frame = Frame::of(&table);
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        let condition =
            Condition { column: column.to_owned(), operator, value: values.first().cloned(), values: Some(values) };
        keep(&mut frame, &[condition], Combine::All, "/where")?;
        Ok(frame.rows())
    }

    const DATA: &str = "n,t,d,b\n1,Apple,2026-01-01,true\n2,pear,2026-02-01,FALSE\n,,,\n10,apple,2026-03-01,True\n";

    #[test]
    fn each_operator_leaves_nulls_out_but_is_null() {
        use Operator as O;
        for (column, operator, values, count) in [
            ("n", O::Equals, vec!["10"], 1),
            ("n", O::Differs, vec!["10"], 2),
            ("n", O::Less, vec!["2.5"], 2),
            ("n", O::AtMost, vec!["2"], 2),
            ("n", O::Greater, vec!["1.0"], 2),
            ("n", O::AtLeast, vec!["1"], 3),
            ("n", O::Between, vec!["2", "10"], 2),
            ("n", O::IsOneOf, vec!["10", "1", "7"], 2),
            ("n", O::IsNoneOf, vec!["10", "1"], 1),
            ("n", O::StartsWith, vec!["1"], 2),
            ("t", O::Equals, vec!["apple"], 1),
            ("t", O::Contains, vec!["pp"], 2),
            ("t", O::ContainsIgnoringCase, vec!["APP"], 2),
            ("t", O::EndsWith, vec!["r"], 1),
            ("d", O::Greater, vec!["2026-01-31"], 2),
            ("b", O::Equals, vec!["true"], 2),
            ("t", O::IsNull, vec![], 1),
            ("t", O::IsNotNull, vec![], 3),
        ] {
            assert_eq!(rows(DATA, column, operator, &values), Ok(count), "{column} {operator:?}");
        }
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_refused_where_it_stands() {
        let pointer = |result: Result<usize, Refusal>| match result {
            Err(Refusal::Invalid(problem)) => problem.pointer,
            other => panic!("{other:?}"),
        };
        assert_eq!(pointer(rows(DATA, "n", Operator::Less, &["many"])), "/where/0/value");
        assert_eq!(pointer(rows(DATA, "n", Operator::Less, &[])), "/where/0/value");
        assert_eq!(pointer(rows(DATA, "d", Operator::IsOneOf, &["2026-01-01", "May"])), "/where/0/values/1");
        assert_eq!(pointer(rows(DATA, "n", Operator::Between, &["5", "1"])), "/where/0/values");
        assert_eq!(pointer(rows(DATA, "x", Operator::IsNull, &[])), "/where/0/column");
    }

    #[test]
    fn integers_beyond_floats_are_compared_exactly() {
        let data = "n\n9007199254740993\n9007199254740992\n";
        assert_eq!(rows(data, "n", Operator::Greater, &["9007199254740992"]), Ok(1));
    }
}
