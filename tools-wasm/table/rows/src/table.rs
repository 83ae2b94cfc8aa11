//! Columns of cells. It owns the memory layout: one text for the whole table and eight bytes a cell, so that a hundred
//! thousand rows cost little more than their bytes. It refuses an unknown column with the nearest name.

use crate::kind::{Kind, Shape, Tally, Value, parse_value, shape_of};
use crate::refusal::{Refusal, nearest, quoted};

/// Rows by columns; every cell is null or a text of its column's kind.
#[derive(Debug, Default)]
pub struct Table {
    text: String,
    columns: Vec<Column>,
    rows: usize,
}

/// One column of a table.
#[derive(Debug)]
pub struct Column {
    name: String,
    kind: Kind,
    cells: Vec<Span>,
}

/// Adds one computed column to a table, cell by cell.
pub struct ColumnBuilder<'a> {
    table: &'a mut Table,
    name: String,
    kind: Kind,
    cells: Vec<Span>,
}

/// A piece of the table's text; `NULL` is no piece at all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    start: u32,
    length: u32,
}

impl Span {
    const NULL: Self = Self { start: u32::MAX, length: 0 };
}

impl Table {
    /// A table without columns; `rows` is how many cells each added column must have.
    pub fn of_rows(rows: usize) -> Self {
        Self { rows, ..Self::default() }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The columns, in their order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The text of a cell, or none for null. Panics outside the table, as indexing does.
    pub fn cell(&self, column: usize, row: usize) -> Option<&str> {
        let span = self.columns[column].cells[row];
        (span.start != u32::MAX).then(|| &self.text[span.start as usize..(span.start + span.length) as usize])
    }

    /// The value of a cell, or none for null.
    pub fn value(&self, column: usize, row: usize) -> Option<Value<'_>> {
        parse_value(self.columns[column].kind, self.cell(column, row)?)
    }

    /// The column called `name`, exactly.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The column called `name`; a refusal at `pointer` otherwise.
    pub fn column(&self, name: &str, pointer: &str) -> Result<usize, Refusal> {
        self.find(name).ok_or_else(|| unknown_column(name, self.columns.iter().map(Column::name), pointer))
    }

    /// Starts a computed column.
    pub fn add_column(&mut self, name: impl Into<String>, kind: Kind) -> ColumnBuilder<'_> {
        let rows = self.rows;
        ColumnBuilder { table: self, name: name.into(), kind, cells: Vec::with_capacity(rows) }
    }
}

impl Column {
    /// The column's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kind of its values.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

impl ColumnBuilder<'_> {
    /// Adds the next cell. The text must be of the column's kind.
    pub fn push(&mut self, cell: Option<&str>) {
        self.cells.push(match cell {
            Some(text) => append(&mut self.table.text, text),
            None => Span::NULL,
        });
    }

    /// Ends the column.
    ///
    /// # Panics
    ///
    /// If it has not exactly one cell a row, which is a fault of the caller's code and never of data.
    pub fn finish(self) {
        assert_eq!(self.cells.len(), self.table.rows, "one cell a row");
        self.table.columns.push(Column { name: self.name, kind: self.kind, cells: self.cells });
    }
}

/// The refusal of a column name that is not there.
pub fn unknown_column<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone, pointer: &str) -> Refusal {
    const SHOWN: usize = 40;
    let mut list: Vec<&str> = known.clone().take(SHOWN + 1).collect();
    let more = if list.len() > SHOWN {
        list.truncate(SHOWN);
        format!(" and {} more", known.clone().count() - SHOWN)
    } else {
        String::new()
    };
    let hint = match nearest(name, known) {
        Some(near) => format!("did you mean {}?", quoted(near)),
        None => "no column has a similar name".to_owned(),
    };
    Refusal::invalid(
        pointer,
        format!("one of the columns: {}{more}", list.join(", ")),
        format!("There is no column {}; {hint}", quoted(name)),
    )
    .found(name)
}

/// A table while it is read: columns may still appear, and kinds are open.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    text: String,
    columns: Vec<DraftColumn>,
}

#[derive(Debug)]
struct DraftColumn {
    name: String,
    cells: Vec<Span>,
    tally: Tally,
}

impl Draft {
    /// `bytes` is how much text may come, so that the text is allocated once.
    pub(crate) fn with_text(bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), columns: Vec::new() }
    }

    pub(crate) fn width(&self) -> usize {
        self.columns.len()
    }

    pub(crate) fn name(&self, column: usize) -> &str {
        &self.columns[column].name
    }

    /// How many cells a column has so far.
    pub(crate) fn depth(&self, column: usize) -> usize {
        self.columns[column].cells.len()
    }

    /// A further column whose first `rows` cells are null.
    pub(crate) fn add_column(&mut self, name: String, rows: usize) {
        self.columns.push(DraftColumn { name, cells: vec![Span::NULL; rows], tally: Tally::default() });
    }

    pub(crate) fn push(&mut self, column: usize, text: &str, shape: Shape) {
        let span = append(&mut self.text, text);
        let column = &mut self.columns[column];
        column.tally.add(shape);
        column.cells.push(span);
    }

    /// A cell whose shape its text says.
    pub(crate) fn push_untyped(&mut self, column: usize, text: &str) {
        self.push(column, text, shape_of(text));
    }

    pub(crate) fn push_null(&mut self, column: usize) {
        self.columns[column].cells.push(Span::NULL);
    }

    /// Ends the row: columns that had no cell in it get null.
    pub(crate) fn end_row(&mut self, rows: usize) {
        for column in &mut self.columns {
            if column.cells.len() < rows {
                column.cells.push(Span::NULL);
            }
        }
    }

    pub(crate) fn finish(self, rows: usize) -> Table {
        Table {
            text: self.text,
            columns: self
                .columns
                .into_iter()
                .map(|column| Column { name: column.name, kind: column.tally.kind(), cells: column.cells })
                .collect(),
            rows,
        }
    }
}

/// Sources and results are bounded far below 4 GiB, which is what makes 32 bits enough.
fn append(all: &mut String, text: &str) -> Span {
    let start = u32::try_from(all.len()).expect("a table's text is bounded far below 4 GiB");
    let length = u32::try_from(text.len()).expect("a cell is bounded far below 4 GiB");
    all.push_str(text);
    Span { start, length }
}
