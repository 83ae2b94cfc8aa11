//! A view of rows without copying them: columns of one or two tables, and which row of each table stands in each row of
//! the view. It owns nothing but row numbers, so that a filter, a sort and a join cost four bytes a row and table.

use std::borrow::Cow;
use std::collections::HashSet;

use toolcell_rows::{Kind, Refusal, Table, Value, parse_value, quoted, unknown_column};

/// A row number that stands for "no row on this side".
pub(crate) const ABSENT: u32 = u32::MAX;

/// Rows of one or two tables.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    columns: Vec<FrameColumn<'a>>,
    /// For each table, the row of it that stands in each row of the frame.
    lanes: Vec<Vec<u32>>,
    rows: usize,
}

/// One column of a frame.
#[derive(Debug, Clone)]
pub(crate) struct FrameColumn<'a> {
    /// The name in the frame; it may differ from the table's.
    pub name: Cow<'a, str>,
    /// The kind of its values.
    pub kind: Kind,
    /// The table's column, and the lane that holds its row numbers.
    pub place: Place<'a>,
    /// Where the value comes from in rows in which the first place has no row.
    pub otherwise: Option<Place<'a>>,
}

/// A column of a table in a lane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// Which lane of the frame.
    pub lane: usize,
    /// The table that the lane's numbers are rows of.
    pub table: &'a Table,
    /// Which column of the table.
    pub column: usize,
}

impl<'a> Frame<'a> {
    /// All rows and columns of a table.
    pub(crate) fn of(table: &'a Table) -> Self {
        let columns = (0..table.columns().len()).map(|column| FrameColumn::of(table, 0, column)).collect();
        Self::new(columns, vec![row_numbers(table.rows())])
    }

    /// A frame of given columns; all lanes have the same length.
    pub(crate) fn new(columns: Vec<FrameColumn<'a>>, lanes: Vec<Vec<u32>>) -> Self {
        let rows = lanes.first().map_or(0, Vec::len);
        Self { columns, lanes, rows }
    }

    /// The number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The columns, in order.
    pub(crate) fn columns(&self) -> &[FrameColumn<'a>] {
        &self.columns
    }

    /// The text of a cell, or none for null.
    pub(crate) fn cell(&self, column: usize, row: usize) -> Option<&'a str> {
        let column = &self.columns[column];
        let place = column.place;
        match self.lanes[place.lane][row] {
            ABSENT => {
                let place = column.otherwise?;
                match self.lanes[place.lane][row] {
                    ABSENT => None,
                    row => place.table.cell(place.column, row as usize),
                }
            }
            row => place.table.cell(place.column, row as usize),
        }
    }

    /// The value of a cell, or none for null.
    pub(crate) fn value(&self, column: usize, row: usize) -> Option<Value<'a>> {
        parse_value(self.columns[column].kind, self.cell(column, row)?)
    }

    /// The column called `name`; a refusal at `pointer` otherwise.
    pub(crate) fn column(&self, name: &str, pointer: &str) -> Result<usize, Refusal> {
        self.columns
            .iter()
            .position(|column| column.name == name)
            .ok_or_else(|| unknown_column(name, self.columns.iter().map(|column| column.name.as_ref()), pointer))
    }

    /// The columns of these names; a refusal at `pointer/INDEX` otherwise.
    pub(crate) fn find_all(&self, names: &[String], pointer: &str) -> Result<Vec<usize>, Refusal> {
        let mut seen = HashSet::with_capacity(names.len());
        let mut found = Vec::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            let at = format!("{pointer}/{index}");
            found.push(self.column(name, &at)?);
            if !seen.insert(name.as_str()) {
                return Err(repeated(name, &at));
            }
        }
        Ok(found)
    }

    /// Keeps the rows of these numbers, in this order.
    pub(crate) fn pick(&mut self, rows: &[u32]) {
        for lane in &mut self.lanes {
            *lane = rows.iter().map(|row| lane[*row as usize]).collect();
        }
        self.rows = rows.len();
    }

    /// Keeps only these columns, in this order.
    pub(crate) fn keep_columns(&mut self, columns: &[usize]) {
        self.columns = columns.iter().map(|column| self.columns[*column].clone()).collect();
    }

    /// Renames a column. Names stay distinct only if the caller sees to it.
    pub(crate) fn rename(&mut self, column: usize, name: String) {
        self.columns[column].name = Cow::Owned(name);
    }
}

impl<'a> FrameColumn<'a> {
    /// A table's column as it is.
    pub(crate) fn of(table: &'a Table, lane: usize, column: usize) -> Self {
        let it = &table.columns()[column];
        Self { name: Cow::Borrowed(it.name()), kind: it.kind(), place: Place { lane, table, column }, otherwise: None }
    }
}

/// All row numbers below `rows`; a table has far fewer than 2^32 rows.
pub(crate) fn row_numbers(rows: usize) -> Vec<u32> {
    (0..u32::try_from(rows).expect("a table has at most a million rows")).collect()
}

/// The refusal of a column named twice in one list.
pub(crate) fn repeated(name: &str, pointer: &str) -> Refusal {
    Refusal::invalid(
        pointer,
        "a column that is not in the list yet",
        format!("The column {} is named twice", quoted(name)),
    )
    .found(name)
}
