//! The tool `table`: questions to rows of CSV and JSON. This module owns the way from arguments to an answer and nothing
//! else: each function reads its sources, narrows them, computes and writes a page. What the arguments mean stands in
//! `wit/world.wit`; `convert` turns them into the types of the modules below.

mod aggregate;
mod condition;
mod convert;
mod describe;
mod frame;
mod group;
mod join;
mod order;
mod pivot;
mod render;
#[cfg(test)]
mod testing;

use toolcell_rows::contract::Failure;
use toolcell_rows::{Refusal, Table};

use condition::{Combine, Condition};
use convert::{list, optional};
use frame::Frame;
use order::SortKey;

mod bindings {
    #![allow(missing_docs, clippy::all, clippy::pedantic)] // Generated code.
    wit_bindgen::generate!({
        path: ["../../wit/tool", "wit"],
        world: "toolcell:table/table@0.1.0",
        generate_all,
        with: { "toolcell:tool/types@0.1.0": toolcell_rows::contract },
    });
    export!(Tool with_types_in self);

    /// What the exports are implemented for.
    pub(crate) struct Tool;
}

use bindings as wit;

#[allow(clippy::too_many_arguments)] // The signature's, which a caller fills in by name.
impl wit::Guest for wit::Tool {
    fn describe(
        source: wit::Source,
        reading: Option<wit::Reading>,
        columns: Option<Vec<String>>,
    ) -> Result<wit::Description, Failure> {
        let table = read(source, reading, "/source", "/reading")?;
        let frame = Frame::of(&table);
        let summaries = describe::describe(&frame, columns.as_deref())?;
        Ok(wit::Description { row_count: table.rows() as u64, columns: list(summaries) })
    }

    fn filter(
        source: wit::Source,
        reading: Option<wit::Reading>,
        where_: Vec<wit::Condition>,
        combine: Option<wit::Combine>,
        columns: Option<Vec<String>>,
        order_by: Option<Vec<wit::SortKey>>,
        output: Option<wit::Output>,
    ) -> Result<wit::Rows, Failure> {
        let table = read(source, reading, "/source", "/reading")?;
        let mut frame = Frame::of(&table);
        let conditions: Vec<Condition> = list(where_);
        let combine = combine.map(Combine::from).unwrap_or_default();
        condition::keep(&mut frame, &conditions, combine, "/where")?;
        finish(frame, order_by, columns, output)
    }

    fn select(
        source: wit::Source,
        reading: Option<wit::Reading>,
        columns: Vec<wit::Selection>,
        distinct: Option<bool>,
        output: Option<wit::Output>,
    ) -> Result<wit::Rows, Failure> {
        let table = read(source, reading, "/source", "/reading")?;
        let mut frame = Frame::of(&table);
        select_columns(&mut frame, columns)?;
        if distinct == Some(true) {
            let all: Vec<usize> = (0..frame.columns().len()).collect();
            let firsts = group::group(&frame, &all).first;
            frame.pick(&firsts);
        }
        page(&frame, output)
    }

    fn sort(
        source: wit::Source,
        reading: Option<wit::Reading>,
        keys: Vec<wit::SortKey>,
        output: Option<wit::Output>,
    ) -> Result<wit::Rows, Failure> {
        let table = read(source, reading, "/source", "/reading")?;
        let mut frame = Frame::of(&table);
        let keys: Vec<SortKey> = list(keys);
        if keys.is_empty() {
            return Err(Refusal::invalid(
                "/keys",
                "at least one key, as {\"column\": \"amount\", \"descending\": true}",
                "There is no key to sort by",
            )
            .into());
        }
        order::sort(&mut frame, &keys, "/keys")?;
        page(&frame, output)
    }

    fn aggregate(
        source: wit::Source,
        reading: Option<wit::Reading>,
        join: Option<wit::Lookup>,
        where_: Option<Vec<wit::Condition>>,
        group_by: Vec<String>,
        aggregates: Vec<wit::AggregateBy>,
        order_by: Option<Vec<wit::SortKey>>,
        output: Option<wit::Output>,
    ) -> Result<wit::Rows, Failure> {
        let table = read(source, reading, "/source", "/reading")?;
        let lookup = join.map(Lookup::read).transpose()?;
        let frame = narrowed(&table, lookup.as_ref(), where_)?;
        let aggregates: Vec<aggregate::Aggregate> = list(aggregates);
        let result = aggregate::aggregate(&frame, &group_by, "/group_by", &aggregates, "/aggregates")?;
        finish(Frame::of(&result), order_by, None, output)
    }

    fn join(
        left: wit::Source,
        left_reading: Option<wit::Reading>,
        right: wit::Source,
        right_reading: Option<wit::Reading>,
        on: Vec<wit::JoinKey>,
        how: Option<wit::JoinKind>,
        suffix: Option<String>,
        where_: Option<Vec<wit::Condition>>,
        columns: Option<Vec<String>>,
        order_by: Option<Vec<wit::SortKey>>,
        output: Option<wit::Output>,
    ) -> Result<wit::Rows, Failure> {
        let left = read(left, left_reading, "/left", "/left_reading")?;
        let right = read(right, right_reading, "/right", "/right_reading")?;
        let on: Vec<join::JoinKey> = list(on);
        let mut frame = join::join(
            &Frame::of(&left),
            &Frame::of(&right),
            &on,
            how.map(Into::into).unwrap_or_default(),
            suffix.as_deref().unwrap_or(SUFFIX),
            join::Pointers { on: "/on", suffix: "/suffix" },
        )?;
        let conditions: Vec<Condition> = list(where_.unwrap_or_default());
        condition::keep(&mut frame, &conditions, Combine::All, "/where")?;
        finish(frame, order_by, columns, output)
    }

    fn pivot(
        source: wit::Source,
        reading: Option<wit::Reading>,
        join: Option<wit::Lookup>,
        where_: Option<Vec<wit::Condition>>,
        rows: Vec<String>,
        column: String,
        value: wit::AggregateBy,
        order_by: Option<Vec<wit::SortKey>>,
        output: Option<wit::Output>,
    ) -> Result<wit::Rows, Failure> {
        let table = read(source, reading, "/source", "/reading")?;
        let lookup = join.map(Lookup::read).transpose()?;
        let frame = narrowed(&table, lookup.as_ref(), where_)?;
        let result = pivot::pivot(&frame, &rows, &column, &value.into())?;
        finish(Frame::of(&result), order_by, None, output)
    }
}

/// What a right column gets whose name the left side has too.
const SUFFIX: &str = "_right";

fn read(
    source: wit::Source,
    reading: Option<wit::Reading>,
    pointer: &str,
    reading_pointer: &str,
) -> Result<Table, Refusal> {
    let reading = reading.map(Into::into).unwrap_or_default();
    toolcell_rows::Source::from(source).read(&reading, pointer, reading_pointer)
}

/// A second source that is read, and how it is to be joined.
struct Lookup {
    table: Table,
    on: Vec<join::JoinKey>,
    how: join::JoinKind,
}

impl Lookup {
    fn read(lookup: wit::Lookup) -> Result<Self, Refusal> {
        Ok(Self {
            table: read(lookup.right, lookup.right_reading, "/join/right", "/join/right_reading")?,
            on: list(lookup.on),
            how: lookup.how.map(Into::into).unwrap_or_default(),
        })
    }
}

/// The rows that are left after the join and the conditions.
fn narrowed<'a>(
    table: &'a Table,
    lookup: Option<&'a Lookup>,
    conditions: Option<Vec<wit::Condition>>,
) -> Result<Frame<'a>, Refusal> {
    let mut frame = Frame::of(table);
    if let Some(lookup) = lookup {
        frame = join::join(
            &frame,
            &Frame::of(&lookup.table),
            &lookup.on,
            lookup.how,
            SUFFIX,
            join::Pointers { on: "/join/on", suffix: "/join/right" },
        )?;
    }
    let conditions: Vec<Condition> = list(conditions.unwrap_or_default());
    condition::keep(&mut frame, &conditions, Combine::All, "/where")?;
    Ok(frame)
}

fn select_columns(frame: &mut Frame<'_>, columns: Vec<wit::Selection>) -> Result<(), Refusal> {
    if columns.is_empty() {
        return Err(Refusal::invalid(
            "/columns",
            "at least one column, as {\"column\": \"name\"}",
            "There is no column to keep",
        ));
    }
    let mut chosen = Vec::with_capacity(columns.len());
    let mut names: Vec<String> = Vec::with_capacity(columns.len());
    for (index, selection) in columns.into_iter().enumerate() {
        let pointer = format!("/columns/{index}/column");
        chosen.push(frame.column(&selection.column, &pointer)?);
        let (name, field) = match selection.rename {
            Some(name) => (name, "rename"),
            None => (selection.column, "column"),
        };
        if name.is_empty() || names.contains(&name) {
            return Err(Refusal::invalid(
                format!("/columns/{index}/{field}"),
                "a name that no other column of the result has",
                format!(
                    "The result would have two columns {}, or one without a name; set rename",
                    toolcell_rows::quoted(&name)
                ),
            )
            .found(&name));
        }
        names.push(name);
    }
    frame.keep_columns(&chosen);
    for (index, name) in names.into_iter().enumerate() {
        frame.rename(index, name);
    }
    Ok(())
}

/// Sorts, keeps the columns asked for, and writes a page. Sorting comes first: a key need not be kept.
fn finish(
    mut frame: Frame<'_>,
    order_by: Option<Vec<wit::SortKey>>,
    columns: Option<Vec<String>>,
    output: Option<wit::Output>,
) -> Result<wit::Rows, Failure> {
    let keys: Vec<SortKey> = list(order_by.unwrap_or_default());
    order::sort(&mut frame, &keys, "/order_by")?;
    if let Some(names) = columns {
        let chosen = frame.find_all(&names, "/columns")?;
        frame.keep_columns(&chosen);
    }
    page(&frame, output)
}

fn page(frame: &Frame<'_>, output: Option<wit::Output>) -> Result<wit::Rows, Failure> {
    let output: render::Output = optional(output);
    let page = render::render(frame, output)?;
    Ok(wit::Rows {
        columns: frame.columns().iter().map(Into::into).collect(),
        rows: page.text,
        row_count: page.row_count as u64,
        total_rows: frame.rows() as u64,
        truncated: page.truncated,
    })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use wit::Guest;

    #[test]
    fn a_hundred_thousand_rows_are_joined_with_a_hundred_thousand() {
        const ROWS: usize = 100_000;
        let mut left = String::from("id,amount,owner\n");
        let mut right = String::from("id,industry\n");
        for row in 0..ROWS {
            let _ = writeln!(left, "{row},{}.25,owner {}", row % 977, row % 31);
            // 7 and 100,000 have no common divisor, so every id comes once, in another order.
            let _ = writeln!(right, "{},industry {}", row * 7 % ROWS, row % 40);
        }
        let on = vec![wit::JoinKey { left: "id".to_owned(), right: None }];
        let (left, right) = (wit::Source::Inline(left), wit::Source::Inline(right));
        let rows = wit::Tool::join(left, None, right, None, on, None, None, None, None, None, None).unwrap();
        assert_eq!((rows.total_rows, rows.row_count, rows.truncated), (100_000, 100, true));
        // 7 * 57143 is 1 modulo 100,000, so the industry of id 1 is 57143 modulo 40.
        let second = rows.rows.lines().nth(2);
        assert_eq!(second, Some("1,1.25,owner 1,industry 23"));
    }
}
