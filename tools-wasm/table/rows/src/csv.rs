//! CSV as RFC 4180 has it. It owns the corners: quotes, newlines inside them, CRLF, LF and CR line ends, a missing last
//! line end, empty lines (skipped). It refuses what other readers repair without a word: ragged rows, an unclosed quote,
//! text after a closing quote, two columns of one name. Every refusal names its line.

use std::borrow::Cow;

use crate::refusal::{Refusal, quoted};
use crate::source::{Header, Reading};
use crate::table::{Draft, Table};
use crate::{MAX_CELLS, MAX_COLUMNS, MAX_ROWS};

/// Reads a whole text; `pointer` is where it stands in the arguments.
pub(crate) fn read(text: &str, reading: &Reading, pointer: &str, reading_pointer: &str) -> Result<Table, Refusal> {
    let delimiter = match reading.delimiter {
        Some(given) => checked_delimiter(given, reading_pointer)?,
        None => detected_delimiter(text),
    };
    let mut parser = Parser { text, bytes: text.as_bytes(), at: 0, line: 1, delimiter, pointer };
    let mut draft = Draft::with_text(text.len());
    let mut fields: Vec<Cow<'_, str>> = Vec::new();
    let mut rows = 0;
    let Some(first_line) = parser.record(&mut fields)? else {
        return Err(Refusal::invalid(
            pointer,
            "CSV text with a header, or a JSON array of objects",
            "The source is empty",
        ));
    };
    match reading.header {
        Header::FirstRow => {
            for name in header_names(&fields, first_line, pointer)? {
                draft.add_column(name, 0);
            }
        }
        Header::None => {
            for number in 1..=fields.len() {
                draft.add_column(format!("column_{number}"), 0);
            }
            add_row(&mut draft, &fields, reading);
            rows = 1;
        }
    }
    let width = draft.width();
    let most_rows = MAX_ROWS.min(MAX_CELLS / width);
    while let Some(line) = parser.record(&mut fields)? {
        if fields.len() != width {
            return Err(parser.ragged(line, fields.len(), width));
        }
        if rows == most_rows {
            return Err(Refusal::invalid(
                pointer,
                format!("at most {most_rows} rows of {width} columns"),
                format!("Line {line} would be row {}; split the source", rows + 1),
            ));
        }
        add_row(&mut draft, &fields, reading);
        rows += 1;
    }
    Ok(draft.finish(rows))
}

fn add_row(draft: &mut Draft, fields: &[Cow<'_, str>], reading: &Reading) {
    for (column, field) in fields.iter().enumerate() {
        if field.is_empty() || reading.null_values.iter().any(|null| null == field) {
            draft.push_null(column);
        } else {
            draft.push_untyped(column, field);
        }
    }
}

/// Names without the space around them; an empty one becomes `column_N`.
fn header_names(fields: &[Cow<'_, str>], line: usize, pointer: &str) -> Result<Vec<String>, Refusal> {
    if fields.len() > MAX_COLUMNS {
        return Err(Refusal::invalid(
            pointer,
            format!("at most {MAX_COLUMNS} columns"),
            format!("Line {line} names {} columns", fields.len()),
        ));
    }
    let mut names: Vec<String> = Vec::with_capacity(fields.len());
    for (index, field) in fields.iter().enumerate() {
        let name = match field.trim() {
            "" => format!("column_{}", index + 1),
            name => name.to_owned(),
        };
        if let Some(earlier) = names.iter().position(|other| *other == name) {
            return Err(Refusal::invalid(
                pointer,
                "a header whose names are distinct",
                format!(
                    "Line {line} names {} twice, in fields {} and {}; rename one of them, or set reading.header to none",
                    quoted(&name),
                    earlier + 1,
                    index + 1
                ),
            )
            .found(&name));
        }
        names.push(name);
    }
    Ok(names)
}

fn checked_delimiter(given: char, reading_pointer: &str) -> Result<u8, Refusal> {
    match u8::try_from(given) {
        Ok(byte) if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n') => Ok(byte),
        _ => Err(Refusal::invalid(
            format!("{reading_pointer}/delimiter"),
            "one ASCII character that is neither a quote nor a line end",
            format!("{given:?} cannot be a delimiter"),
        )
        .found(&given.to_string())),
    }
}

/// The one of comma, semicolon, tab and bar that stands most often in the first record, outside quotes; the comma where
/// none does. Ties go to the earlier in this list.
fn detected_delimiter(text: &str) -> u8 {
    const CANDIDATES: [u8; 4] = [b',', b';', b'\t', b'|'];
    let mut counts = [0_usize; 4];
    let mut inside = false;
    for byte in text.trim_start_matches(['\r', '\n']).bytes() {
        match byte {
            b'"' => inside = !inside,
            b'\r' | b'\n' if !inside => break,
            _ if inside => {}
            _ => {
                if let Some(index) = CANDIDATES.iter().position(|candidate| *candidate == byte) {
                    counts[index] += 1;
                }
            }
        }
    }
    let mut best = 0;
    for index in 1..counts.len() {
        if counts[index] > counts[best] {
            best = index;
        }
    }
    CANDIDATES[best]
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// The number of the line at `at`, from 1.
    line: usize,
    delimiter: u8,
    pointer: &'a str,
}

impl<'a> Parser<'a> {
    /// Reads the next record that is not an empty line; gives the line it begins on, or none at the end.
    fn record(&mut self, fields: &mut Vec<Cow<'a, str>>) -> Result<Option<usize>, Refusal> {
        fields.clear();
        while self.end_line() {}
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        let begun = self.line;
        loop {
            let field = if self.bytes.get(self.at) == Some(&b'"') { self.quoted_field()? } else { self.plain_field() };
            fields.push(field);
            if self.bytes.get(self.at) == Some(&self.delimiter) {
                self.at += 1;
                continue;
            }
            self.end_line();
            return Ok(Some(begun));
        }
    }

    /// Takes one line end, if there is one here.
    fn end_line(&mut self) -> bool {
        let length = match self.bytes[self.at..] {
            [b'\r', b'\n', ..] => 2,
            [b'\r' | b'\n', ..] => 1,
            _ => return false,
        };
        self.at += length;
        self.line += 1;
        true
    }

    /// A quote inside an unquoted field is a character like any other, as `5" pipe`.
    fn plain_field(&mut self) -> Cow<'a, str> {
        let rest = &self.bytes[self.at..];
        let length =
            rest.iter().position(|byte| *byte == self.delimiter || matches!(byte, b'\r' | b'\n')).unwrap_or(rest.len());
        let field = &self.text[self.at..self.at + length];
        self.at += length;
        Cow::Borrowed(field)
    }

    fn quoted_field(&mut self) -> Result<Cow<'a, str>, Refusal> {
        let opened = self.line;
        self.at += 1;
        let mut whole: Option<String> = None;
        let mut begin = self.at;
        loop {
            match self.bytes.get(self.at) {
                None => {
                    return Err(Refusal::invalid(
                        self.pointer,
                        "CSV in which every quote is closed",
                        format!(
                            "The quote opened on line {opened} is never closed; a quote inside a quoted field is written twice"
                        ),
                    ));
                }
                Some(b'"') => {
                    let piece = &self.text[begin..self.at];
                    if self.bytes.get(self.at + 1) == Some(&b'"') {
                        let whole = whole.get_or_insert_default();
                        whole.push_str(piece);
                        whole.push('"');
                        self.at += 2;
                        begin = self.at;
                        continue;
                    }
                    self.at += 1;
                    let after = self.bytes.get(self.at);
                    if after.is_some_and(|byte| *byte != self.delimiter && !matches!(byte, b'\r' | b'\n')) {
                        return Err(Refusal::invalid(
                            self.pointer,
                            "a delimiter or a line end after a closing quote",
                            format!(
                                "On line {} text follows a closing quote; a quote inside a quoted field is written twice",
                                self.line
                            ),
                        ));
                    }
                    return Ok(match whole {
                        Some(mut whole) => {
                            whole.push_str(piece);
                            Cow::Owned(whole)
                        }
                        None => Cow::Borrowed(piece),
                    });
                }
                Some(b'\n') => {
                    self.line += 1;
                    self.at += 1;
                }
                // A CR counts as a line of its own only where no LF follows.
                Some(b'\r') => {
                    self.line += usize::from(self.bytes.get(self.at + 1) != Some(&b'\n'));
                    self.at += 1;
                }
                Some(_) => self.at += 1,
            }
        }
    }

    fn ragged(&self, line: usize, found: usize, width: usize) -> Refusal {
        Refusal::invalid(
            self.pointer,
            format!("{width} fields on every line"),
            format!(
                "Line {line} has {found} fields and the first has {width} (delimiter {:?}); quote fields that hold the delimiter, or set reading.delimiter",
                char::from(self.delimiter)
            ),
        )
        .found(&format!("{found} fields"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    fn rows(text: &str) -> Vec<Vec<Option<String>>> {
        let table = table(text).unwrap();
        (0..table.rows())
            .map(|row| (0..table.columns().len()).map(|column| table.cell(column, row).map(str::to_owned)).collect())
            .collect()
    }

    fn table(text: &str) -> Result<Table, Refusal> {
        read(text, &Reading::default(), "/source/inline", "/reading")
    }

    fn message(text: &str) -> String {
        table(text).unwrap_err().to_string()
    }

    fn some(fields: &[&str]) -> Vec<Option<String>> {
        fields.iter().map(|field| Some((*field).to_owned())).collect()
    }

    #[test]
    fn quotes_newlines_and_all_line_ends_are_read() {
        let expected = vec![some(&["x, y", "say \"hi\""]), some(&["two\r\nlines", "ü"])];
        for end in ["\n", "\r\n", "\r"] {
            for last in ["", end] {
                let text = format!("a,b{end}\"x, y\",\"say \"\"hi\"\"\"{end}{end}\"two\r\nlines\",ü{last}");
                assert_eq!(rows(&text), expected, "{text:?}");
            }
        }
    }

    #[test]
    fn an_empty_field_is_null_quoted_or_not_and_a_trailing_delimiter_is_a_field() {
        assert_eq!(rows("a,b,c\n,\"\",\n"), vec![vec![None, None, None]]);
        assert_eq!(rows("a\n\"\"\n"), vec![vec![None]]);
    }

    #[test]
    fn a_quote_inside_an_unquoted_field_is_kept() {
        assert_eq!(rows("a,b\n5\" pipe,2\n"), vec![some(&["5\" pipe", "2"])]);
    }

    #[test]
    fn ragged_rows_and_broken_quotes_name_their_line() {
        assert!(message("a,b\n\"x\ny\",2\n3\n").starts_with("Line 4 has 1 fields"));
        assert!(message("a,b\n1,2\n3,\"open\n\n").contains("line 3"));
        assert!(message("a\n\"x\"y\n").contains("On line 2"));
        assert!(message("a, a\n1,2\n").contains("fields 1 and 2"));
        assert!(message("").contains("empty"));
        assert!(message("\n\r\n").contains("empty"));
    }

    #[test]
    fn the_delimiter_is_found_outside_quotes() {
        assert_eq!(rows("\"a,b,c\";d\n1;2\n"), vec![some(&["1", "2"])]);
        assert_eq!(rows("a\tb\n1\t2\n"), vec![some(&["1", "2"])]);
    }

    #[test]
    fn kinds_are_inferred_over_whole_columns() {
        let table = table("i,n,b,d,t,z,e\n1,1,true,2026-01-01,1,007,\n-2,2.5,FALSE,2026-02-01,x,12,\n").unwrap();
        let kinds: Vec<Kind> = table.columns().iter().map(crate::Column::kind).collect();
        assert_eq!(
            kinds,
            [Kind::Integer, Kind::Number, Kind::Boolean, Kind::Date, Kind::Text, Kind::Text, Kind::Empty]
        );
    }

    #[test]
    fn long_integers_beside_fractions_stay_text() {
        let table = table("a\n9007199254740993\n0.5\n").unwrap();
        assert_eq!(table.columns()[0].kind(), Kind::Text);
    }

    #[test]
    fn too_many_columns_and_a_silly_delimiter_are_refused() {
        assert!(message(&",".repeat(2_000)).contains("2001 columns"));
        let reading = Reading { delimiter: Some('"'), ..Reading::default() };
        let refusal = read("a\n1", &reading, "/source/inline", "/reading").unwrap_err();
        let Refusal::Invalid(problem) = refusal else { panic!("invalid") };
        assert_eq!(problem.pointer, "/reading/delimiter");
    }

    #[test]
    fn any_garbage_ends_in_a_table_or_a_refusal() {
        let alphabet = ["\"", ",", "\n", "\r", "a", "ä", ";", "\u{0}"];
        let mut state = 7_u32;
        for _ in 0..2_000 {
            let mut text = String::new();
            for _ in 0..24 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                text.push_str(alphabet[(state >> 24) as usize % alphabet.len()]);
            }
            let _ = table(&text);
        }
    }
}
