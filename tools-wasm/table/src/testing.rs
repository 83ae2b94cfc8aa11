//! Tables for unit tests.

use toolcell_rows::{Reading, Source, Table};

use crate::frame::Frame;

/// The table that a text holds.
pub(crate) fn table(text: &str) -> Table {
    Source::Inline(text.to_owned()).read(&Reading::default(), "/source", "/reading").unwrap()
}

/// The texts of a column; null is `-`.
pub(crate) fn column<'a>(frame: &Frame<'a>, column: usize) -> Vec<&'a str> {
    (0..frame.rows()).map(|row| frame.cell(column, row).unwrap_or("-")).collect()
}

/// All rows, cells joined by a bar; null is `-`.
pub(crate) fn lines(frame: &Frame<'_>) -> Vec<String> {
    (0..frame.rows())
        .map(|row| {
            (0..frame.columns().len())
                .map(|column| frame.cell(column, row).unwrap_or("-"))
                .collect::<Vec<_>>()
                .join("|")
        })
        .collect()
}
