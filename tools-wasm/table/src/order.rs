//! Sorting. It owns the order of values and of nulls (last in both directions); rows that are equal keep their order.

use std::cmp::Ordering;

use toolcell_rows::{Refusal, Value, compare};

use crate::frame::{Frame, repeated, row_numbers};

/// One key, as the caller wrote it.
#[derive(Debug, Clone)]
pub(crate) struct SortKey {
    /// The column's name.
    pub column: String,
    /// Which end comes first.
    pub direction: Direction,
}

/// Which end comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// The smallest.
    Ascending,
    /// The largest.
    Descending,
}

/// Sorts by all keys; `pointer` is where their list stands.
///
/// A stable sort for each key, the last key first, parses every value once and holds one column of values at a time.
pub(crate) fn sort(frame: &mut Frame<'_>, keys: &[SortKey], pointer: &str) -> Result<(), Refusal> {
    let mut columns = Vec::with_capacity(keys.len());
    for (index, key) in keys.iter().enumerate() {
        let at = format!("{pointer}/{index}/column");
        let column = frame.column(&key.column, &at)?;
        if columns.contains(&column) {
            return Err(repeated(&key.column, &at));
        }
        columns.push(column);
    }
    if columns.is_empty() {
        return Ok(());
    }
    let mut order = row_numbers(frame.rows());
    for (column, key) in columns.into_iter().zip(keys).rev() {
        let values: Vec<Option<Value<'_>>> = (0..frame.rows()).map(|row| frame.value(column, row)).collect();
        order.sort_by(|a, b| match (&values[*a as usize], &values[*b as usize]) {
            (Some(a), Some(b)) => match key.direction {
                Direction::Ascending => compare(a, b),
                Direction::Descending => compare(b, a),
            },
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
        });
    }
    frame.pick(&order);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{column, table};

    #[test]
    fn sorting_is_stable_by_value_and_puts_nulls_last_both_ways() {
        let table = table("n,t\n10,a\n,b\n9,c\n10,d\n2,e\n");
        for (direction, expected) in
            [(Direction::Ascending, ["e", "c", "a", "d", "b"]), (Direction::Descending, ["a", "d", "c", "e", "b"])]
        {
            let mut frame = Frame::of(&table);
            let key = SortKey { column: "n".into(), direction };
            sort(&mut frame, &[key], "/keys").unwrap();
            assert_eq!(column(&frame, 1), expected);
        }
    }

    #[test]
    fn a_key_named_twice_is_refused() {
        let table = table("n\n1\n");
        let key = SortKey { column: "n".into(), direction: Direction::Ascending };
        let refusal = sort(&mut Frame::of(&table), &[key.clone(), key], "/keys").unwrap_err();
        assert!(refusal.to_string().contains("twice"), "{refusal}");
    }
}
