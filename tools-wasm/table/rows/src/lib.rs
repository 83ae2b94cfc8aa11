//! Rows as two tools need them: CSV text or a JSON array of objects, read once into columns whose kinds are inferred.
//!
//! It owns reading, kinds, values and the refusals that name a line or a column. It refuses to guess: a ragged row, a
//! repeated header or an unclosed quote is a refusal with its line, never a repaired row. It stands apart from the
//! tools because their exports must not be linked into one another.
//!
//! A cell keeps the text that stood in the source, so that a number which is only passed through is never rounded. It
//! is parsed where an operation needs its value.

mod csv;
mod json;
mod kind;
mod refusal;
mod source;
mod stats;
mod table;

/// The types that a tool over rows fails with, for `with` of its bindings.
pub use toolcell_contract as contract;

pub use kind::{Kind, Shape, Value, compare, days_of, parse_date, parse_value, shape_of, write_date};
pub use refusal::{Refusal, nearest, quoted};
pub use source::{Format, Header, Reading, Source};
pub use stats::{ExactSum, Median, median_of_integers, median_of_numbers, write_number};
pub use table::{Column, ColumnBuilder, Table, unknown_column};

/// The most bytes that one source may have: 32 MiB. Text, spans and one join of two such tables stay inside 256 MiB.
pub const MAX_SOURCE_BYTES: usize = 32 << 20;
/// The most rows that one table may have; the index of a join costs some 40 bytes a row.
pub const MAX_ROWS: usize = 1_000_000;
/// The most cells (rows times columns) that one table may have, at 8 bytes each beside their text.
pub const MAX_CELLS: usize = 4_000_000;
/// The most columns that one table may have. A source with more is nearly always a wrong delimiter.
pub const MAX_COLUMNS: usize = 1_000;
