//! Between the generated types of the signature and the types of the modules. Nothing is decided here.

use toolcell_rows::{Format, Header, Kind, Reading, Source};

use crate::aggregate::{Aggregate, Function};
use crate::bindings as wit;
use crate::condition::{Combine, Condition, Operator};
use crate::describe::Summary;
use crate::frame::FrameColumn;
use crate::join::{JoinKey, JoinKind};
use crate::order::{Direction, SortKey};
use crate::render::{Form, Output};

/// Converts each element.
pub(crate) fn list<A, B: From<A>>(list: Vec<A>) -> Vec<B> {
    list.into_iter().map(B::from).collect()
}

/// Converts what is there; what is not is the default.
pub(crate) fn optional<A, B: From<A> + Default>(option: Option<A>) -> B {
    option.map(B::from).unwrap_or_default()
}

impl From<wit::Source> for Source {
    fn from(source: wit::Source) -> Self {
        match source {
            wit::Source::Inline(text) => Self::Inline(text),
            wit::Source::File(path) => Self::File(path),
        }
    }
}

impl From<wit::Reading> for Reading {
    fn from(reading: wit::Reading) -> Self {
        Self {
            format: reading.format.map(|format| match format {
                wit::Format::Csv => Format::Csv,
                wit::Format::Json => Format::Json,
            }),
            delimiter: reading.delimiter,
            header: match reading.header {
                Some(wit::Header::None) => Header::None,
                Some(wit::Header::FirstRow) | None => Header::FirstRow,
            },
            null_values: reading.null_values.unwrap_or_default(),
        }
    }
}

impl From<wit::Condition> for Condition {
    fn from(condition: wit::Condition) -> Self {
        use wit::Operator as O;
        Self {
            column: condition.column,
            operator: match condition.operator {
                O::Equals => Operator::Equals,
                O::Differs => Operator::Differs,
                O::Less => Operator::Less,
                O::AtMost => Operator::AtMost,
                O::Greater => Operator::Greater,
                O::AtLeast => Operator::AtLeast,
                O::Between => Operator::Between,
                O::IsOneOf => Operator::IsOneOf,
                O::IsNoneOf => Operator::IsNoneOf,
                O::Contains => Operator::Contains,
                O::ContainsIgnoringCase => Operator::ContainsIgnoringCase,
                O::StartsWith => Operator::StartsWith,
                O::EndsWith => Operator::EndsWith,
                O::IsNull => Operator::IsNull,
                O::IsNotNull => Operator::IsNotNull,
            },
            value: condition.value,
            values: condition.values,
        }
    }
}

impl From<wit::Combine> for Combine {
    fn from(combine: wit::Combine) -> Self {
        match combine {
            wit::Combine::All => Self::All,
            wit::Combine::Any => Self::Any,
        }
    }
}

impl From<wit::SortKey> for SortKey {
    fn from(key: wit::SortKey) -> Self {
        Self {
            column: key.column,
            direction: if key.descending == Some(true) { Direction::Descending } else { Direction::Ascending },
        }
    }
}

impl From<wit::AggregateBy> for Aggregate {
    fn from(aggregate: wit::AggregateBy) -> Self {
        use wit::Function as F;
        Self {
            function: match aggregate.function {
                F::Count => Function::Count,
                F::Distinct => Function::Distinct,
                F::Sum => Function::Sum,
                F::Mean => Function::Mean,
                F::Median => Function::Median,
                F::StdDev => Function::StdDev,
                F::Min => Function::Min,
                F::Max => Function::Max,
                F::First => Function::First,
                F::Last => Function::Last,
            },
            column: aggregate.column,
            name: aggregate.name,
        }
    }
}

impl From<wit::JoinKey> for JoinKey {
    fn from(key: wit::JoinKey) -> Self {
        Self { left: key.left, right: key.right }
    }
}

impl From<wit::JoinKind> for JoinKind {
    fn from(kind: wit::JoinKind) -> Self {
        match kind {
            wit::JoinKind::Inner => Self::Inner,
            wit::JoinKind::Left => Self::Left,
            wit::JoinKind::Right => Self::Right,
            wit::JoinKind::Full => Self::Full,
            wit::JoinKind::Semi => Self::Semi,
            wit::JoinKind::Anti => Self::Anti,
        }
    }
}

impl From<wit::Output> for Output {
    fn from(output: wit::Output) -> Self {
        Self {
            form: match output.rows_as {
                Some(wit::RowsAs::Csv) | None => Form::Csv,
                Some(wit::RowsAs::JsonObjects) => Form::JsonObjects,
                Some(wit::RowsAs::JsonArrays) => Form::JsonArrays,
            },
            limit: output.limit,
            offset: output.offset.unwrap_or(0),
        }
    }
}

impl From<Kind> for wit::Kind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Integer => Self::Integer,
            Kind::Number => Self::Number,
            Kind::Boolean => Self::Boolean,
            Kind::Date => Self::Date,
            Kind::DateTime => Self::DateTime,
            Kind::Text => Self::Text,
            Kind::Empty => Self::Empty,
        }
    }
}

impl From<&FrameColumn<'_>> for wit::Column {
    fn from(column: &FrameColumn<'_>) -> Self {
        Self { name: column.name.clone().into_owned(), kind: column.kind.into() }
    }
}

impl From<Summary> for wit::ColumnSummary {
    fn from(summary: Summary) -> Self {
        Self {
            name: summary.name,
            kind: summary.kind.into(),
            nulls: summary.nulls,
            distinct: summary.distinct,
            min: summary.min,
            max: summary.max,
            mean: summary.mean,
            median: summary.median,
            std_dev: summary.std_dev,
            top: summary.top.into_iter().map(|(value, count)| wit::Frequency { value, count }).collect(),
            remark: summary.remark,
        }
    }
}
