//! Which rows have equal keys. It owns what "equal" means for each kind, and an index that holds row numbers instead of
//! copies of keys. Hashes are seeded for each call, so that nobody can choose keys that collide.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use hashbrown::HashTable;
use toolcell_rows::{Kind, Shape, Value, parse_value, shape_of};

use crate::frame::Frame;

/// Rows divided into groups of equal keys, in the order of their first rows.
#[derive(Debug)]
pub(crate) struct Groups {
    /// The group of each row.
    pub of_row: Vec<u32>,
    /// The first row of each group.
    pub first: Vec<u32>,
}

impl Groups {
    /// The number of groups.
    pub(crate) fn len(&self) -> usize {
        self.first.len()
    }

    /// Whether there is no group.
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_empty()
    }
}

/// Groups the rows by columns; nulls are equal to one another here.
pub(crate) fn group(frame: &Frame<'_>, columns: &[usize]) -> Groups {
    let keys: Vec<KeyColumn> = columns
        .iter()
        .map(|column| KeyColumn { column: *column, equality: Equality::of(frame.columns()[*column].kind) })
        .collect();
    let seed = RandomState::new();
    let mut index: HashTable<u32> = HashTable::new();
    let mut first: Vec<u32> = Vec::new();
    let mut of_row = Vec::with_capacity(frame.rows());
    for row in crate::frame::row_numbers(frame.rows()) {
        let hash = hash_row(&seed, frame, &keys, row as usize);
        let found =
            index.find(hash, |group| same(frame, &keys, first[*group as usize] as usize, frame, &keys, row as usize));
        let group = if let Some(group) = found {
            *group
        } else {
            let group = u32::try_from(first.len()).expect("no more groups than rows");
            first.push(row);
            index.insert_unique(hash, group, |group| hash_row(&seed, frame, &keys, first[*group as usize] as usize));
            group
        };
        of_row.push(group);
    }
    Groups { of_row, first }
}

/// A key column and how its values are compared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyColumn {
    /// The column of the frame.
    pub column: usize,
    /// What makes two of its values equal.
    pub equality: Equality,
}

/// What makes two values of a key equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Equality {
    /// The same text.
    Text,
    /// The same number, however it is written.
    Number,
    /// The same truth value.
    Boolean,
    /// The same instant.
    Instant,
}

/// A key value in the form in which it is hashed and compared.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) enum Part<'a> {
    /// No value.
    Null,
    /// A text, a date, or an integer too long for a float: as it is written.
    Text(&'a str),
    /// The bits of a float, minus zero being zero.
    Number(u64),
    /// Nanoseconds.
    Instant(i128),
}

impl Equality {
    /// What makes two values of one column equal. Integers have one way to be written.
    pub(crate) fn of(kind: Kind) -> Self {
        match kind {
            Kind::Number => Self::Number,
            Kind::Boolean => Self::Boolean,
            Kind::DateTime => Self::Instant,
            Kind::Integer | Kind::Date | Kind::Text | Kind::Empty => Self::Text,
        }
    }

    /// What makes values of two columns equal.
    pub(crate) fn between(left: Kind, right: Kind) -> Self {
        if left == right {
            Self::of(left)
        } else if left.is_numeric() && right.is_numeric() {
            Self::Number
        } else {
            Self::Text
        }
    }

    /// The part that a cell is compared as.
    pub(crate) fn part(self, cell: Option<&str>) -> Part<'_> {
        let Some(text) = cell else {
            return Part::Null;
        };
        match self {
            Self::Text => Part::Text(text),
            Self::Number => match (shape_of(text), parse_value(Kind::Number, text)) {
                (Shape::LongInteger, _) => Part::Text(text),
                // Adding zero turns minus zero into zero.
                (_, Some(Value::Number(number))) => Part::Number((number + 0.0).to_bits()),
                _ => Part::Text(text),
            },
            Self::Boolean => match parse_value(Kind::Boolean, text) {
                Some(Value::Boolean(truth)) => Part::Number(u64::from(truth)),
                _ => Part::Text(text),
            },
            Self::Instant => match parse_value(Kind::DateTime, text) {
                Some(Value::Instant(instant)) => Part::Instant(instant),
                _ => Part::Text(text),
            },
        }
    }
}

/// The hash of a row's key.
pub(crate) fn hash_row(seed: &RandomState, frame: &Frame<'_>, keys: &[KeyColumn], row: usize) -> u64 {
    let mut hasher = seed.build_hasher();
    for key in keys {
        key.equality.part(frame.cell(key.column, row)).hash(&mut hasher);
    }
    hasher.finish()
}

/// Whether two rows have equal keys; nulls are equal here.
pub(crate) fn same(
    left: &Frame<'_>,
    left_keys: &[KeyColumn],
    left_row: usize,
    right: &Frame<'_>,
    right_keys: &[KeyColumn],
    right_row: usize,
) -> bool {
    left_keys.iter().zip(right_keys).all(|(a, b)| {
        a.equality.part(left.cell(a.column, left_row)) == b.equality.part(right.cell(b.column, right_row))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::table;

    #[test]
    fn equal_values_written_differently_are_one_group_and_nulls_are_one() {
        let table =
            table("n,b,t\n1.0,true,2026-01-01T01:00+01:00\n1,TRUE,2026-01-01T00:00Z\n,,\n-0,false,\n0.0,False,\n");
        let frame = Frame::of(&table);
        assert_eq!(group(&frame, &[0]).of_row, [0, 0, 1, 2, 2]);
        assert_eq!(group(&frame, &[1]).of_row, [0, 0, 1, 2, 2]);
        assert_eq!(group(&frame, &[2]).of_row, [0, 0, 1, 1, 1]);
        assert_eq!(group(&frame, &[0, 2]).first, [0, 2, 3]);
    }
}
