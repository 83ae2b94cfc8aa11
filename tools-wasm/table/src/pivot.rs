//! A cross table. It owns the order and names of its columns; it refuses one that would be wider than anybody reads.

use toolcell_rows::{Refusal, Table, compare, quoted};

use crate::aggregate::{Aggregate, Figure};
use crate::frame::Frame;
use crate::group::group;

/// The most columns that values may become.
pub(crate) const MAX_PIVOT_COLUMNS: usize = 200;
/// What the column of nulls is called.
const NULL_NAME: &str = "(null)";
const NONE: u32 = u32::MAX;

/// One row for each combination of `rows`, one column for each value of `column`, `value` in the cells.
pub(crate) fn pivot(frame: &Frame<'_>, rows: &[String], column: &str, value: &Aggregate) -> Result<Table, Refusal> {
    let mut by = frame.find_all(rows, "/rows")?;
    let across = frame.column(column, "/column")?;
    if by.contains(&across) {
        return Err(Refusal::invalid(
            "/column",
            "a column that is not among rows",
            format!("The column {} is among rows already", quoted(column)),
        )
        .found(column));
    }
    let figure = Figure::of(frame, value, "/value")?;
    let downs = group(frame, &by);
    let acrosses = group(frame, &[across]);
    if acrosses.len() > MAX_PIVOT_COLUMNS {
        return Err(Refusal::invalid(
            "/column",
            format!("a column of at most {MAX_PIVOT_COLUMNS} different values"),
            format!(
                "The column {} has {} different values; filter them, or put it among rows",
                quoted(column),
                acrosses.len()
            ),
        )
        .found(column));
    }
    by.push(across);
    let cells = group(frame, &by);
    by.pop();
    let (kind, figures) = figure.compute(frame, &cells)?;

    let mut result = Table::of_rows(downs.len());
    for column in by {
        let it = &frame.columns()[column];
        let mut builder = result.add_column(it.name.as_ref(), it.kind);
        for row in &downs.first {
            builder.push(frame.cell(column, *row as usize));
        }
        builder.finish();
    }
    let width = acrosses.len();
    let mut places = vec![NONE; downs.len() * width];
    for (cell, row) in (0_u32..).zip(&cells.first) {
        let down = downs.of_row[*row as usize] as usize;
        places[down * width + acrosses.of_row[*row as usize] as usize] = cell;
    }
    for index in sorted(frame, across, &acrosses.first) {
        let name = frame.cell(across, acrosses.first[index] as usize).unwrap_or(NULL_NAME);
        if result.find(name).is_some() {
            return Err(Refusal::invalid(
                "/column",
                "a column whose values differ from the names of rows",
                format!("The result would have two columns {}", quoted(name)),
            )
            .found(column));
        }
        let mut builder = result.add_column(name, kind);
        for down in 0..downs.len() {
            builder.push(match places[down * width + index] {
                NONE => figure.of_nothing(),
                cell => figures[cell as usize].as_deref(),
            });
        }
        builder.finish();
    }
    Ok(result)
}

/// The groups in the order of their values, null last.
fn sorted(frame: &Frame<'_>, column: usize, first: &[u32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..first.len()).collect();
    order.sort_by(|a, b| {
        let value = |group: usize| frame.value(column, first[group] as usize);
        match (value(*a), value(*b)) {
            (Some(a), Some(b)) => compare(&a, &b),
            (a, b) => a.is_none().cmp(&b.is_none()),
        }
    });
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::Function;
    use crate::testing::{lines, table};

    fn run(text: &str, rows: &[&str], column: &str, function: Function) -> Result<Vec<String>, Refusal> {
        let table = table(text);
        let rows: Vec<String> = rows.iter().map(|row| (*row).to_owned()).collect();
        let value = Aggregate { function, column: Some("n".to_owned()), name: None };
        let result = pivot(&Frame::of(&table), &rows, column, &value)?;
        let result = Frame::of(&result);
        let names: Vec<&str> = result.columns().iter().map(|column| column.name.as_ref()).collect();
        let mut all = vec![names.join("|")];
        all.extend(lines(&result));
        Ok(all)
    }

    const DATA: &str = "r,q,n\nb,10,1\na,9,2\nb,9,3\nb,10,4\na,,5\n";

    #[test]
    fn columns_are_sorted_by_value_and_holes_are_null_or_zero() {
        assert_eq!(run(DATA, &["r"], "q", Function::Sum).unwrap(), ["r|9|10|(null)", "b|3|5|-", "a|2|-|5"]);
        assert_eq!(run(DATA, &["r"], "q", Function::Count).unwrap(), ["r|9|10|(null)", "b|1|2|0", "a|1|0|1"]);
        assert_eq!(run(DATA, &[], "r", Function::Max).unwrap(), ["a|b", "5|4"]);
    }

    #[test]
    fn too_wide_a_table_and_clashing_names_are_refused() {
        use std::fmt::Write as _;
        let mut wide = String::from("r,q,n\n");
        for index in 0..300 {
            let _ = writeln!(wide, "x,{index},1");
        }
        assert!(run(&wide, &["r"], "q", Function::Sum).unwrap_err().to_string().contains("300 different"));
        assert!(run("r,q,n\n1,r,1\n", &["r"], "q", Function::Sum).unwrap_err().to_string().contains("two columns"));
        assert!(run(DATA, &["r"], "r", Function::Sum).is_err());
    }
}
