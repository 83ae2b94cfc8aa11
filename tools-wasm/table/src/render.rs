//! A page of rows as text. It owns the three forms and the size of a page, counted as it will be inside a JSON string, so
//! that a page never meets the limit on results.

use toolcell_rows::{Kind, Refusal};

use crate::frame::Frame;

/// How many rows a page has unless the caller says otherwise.
pub(crate) const DEFAULT_LIMIT: u32 = 100;
/// The most rows of a page.
pub(crate) const MAX_LIMIT: u32 = 100_000;
/// The most bytes of a page, escapes of a JSON string included.
pub(crate) const MAX_PAGE_BYTES: usize = 8 << 20;

/// What is written, and how.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Output {
    /// The form.
    pub form: Form,
    /// The most rows; `DEFAULT_LIMIT` where absent.
    pub limit: Option<u32>,
    /// How many rows are skipped.
    pub offset: u32,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Form {
    /// CSV with a header.
    #[default]
    Csv,
    /// An array of objects.
    JsonObjects,
    /// An array of arrays.
    JsonArrays,
}

/// A page, written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    /// The rows.
    pub text: String,
    /// How many there are.
    pub row_count: usize,
    /// Whether more follow.
    pub truncated: bool,
}

/// Writes a page of the frame.
pub(crate) fn render(frame: &Frame<'_>, output: Output) -> Result<Page, Refusal> {
    let limit = output.limit.unwrap_or(DEFAULT_LIMIT);
    if limit > MAX_LIMIT {
        return Err(Refusal::invalid(
            "/output/limit",
            format!("0 to {MAX_LIMIT}"),
            format!("A page of {limit} rows is too long; use offset to read page by page"),
        )
        .found(&limit.to_string()));
    }
    let start = (output.offset as usize).min(frame.rows());
    let end = (start + limit as usize).min(frame.rows());
    let mut page = Writer { frame, form: output.form, text: String::new() };
    page.open();
    let mut bytes = escaped_length(&page.text);
    let mut row_count = 0;
    for row in start..end {
        let before = page.text.len();
        page.row(row, row_count == 0);
        bytes += escaped_length(&page.text[before..]);
        if bytes > MAX_PAGE_BYTES {
            if row_count == 0 {
                return Err(Refusal::invalid(
                    "/output",
                    format!("rows of at most {} MiB", MAX_PAGE_BYTES >> 20),
                    format!("Row {} alone is larger than a page; select fewer columns", row + 1),
                ));
            }
            page.text.truncate(before);
            break;
        }
        row_count += 1;
    }
    page.close(row_count == 0);
    Ok(Page { text: page.text, row_count, truncated: start + row_count < frame.rows() })
}

struct Writer<'f, 'a> {
    frame: &'f Frame<'a>,
    form: Form,
    text: String,
}

impl Writer<'_, '_> {
    fn open(&mut self) {
        if self.form == Form::Csv {
            let single = self.frame.columns().len() == 1;
            for (index, column) in self.frame.columns().iter().enumerate() {
                if index > 0 {
                    self.text.push(',');
                }
                csv_field(&mut self.text, &column.name, single);
            }
            self.text.push('\n');
        } else {
            self.text.push('[');
        }
    }

    fn row(&mut self, row: usize, first: bool) {
        let columns = self.frame.columns();
        if self.form == Form::Csv {
            for index in 0..columns.len() {
                if index > 0 {
                    self.text.push(',');
                }
                let cell = canonical(columns[index].kind, self.frame.cell(index, row));
                csv_field(&mut self.text, cell.unwrap_or(""), columns.len() == 1);
            }
            self.text.push('\n');
            return;
        }
        let objects = self.form == Form::JsonObjects;
        self.text.push_str(if first { "\n" } else { ",\n" });
        self.text.push(if objects { '{' } else { '[' });
        for (index, column) in columns.iter().enumerate() {
            if index > 0 {
                self.text.push(',');
            }
            if objects {
                json_string(&mut self.text, &column.name);
                self.text.push(':');
            }
            match canonical(column.kind, self.frame.cell(index, row)) {
                None => self.text.push_str("null"),
                Some(cell) => match column.kind {
                    Kind::Integer | Kind::Number | Kind::Boolean => self.text.push_str(cell),
                    _ => json_string(&mut self.text, cell),
                },
            }
        }
        self.text.push(if objects { '}' } else { ']' });
    }

    fn close(&mut self, empty: bool) {
        if self.form != Form::Csv {
            self.text.push_str(if empty { "]" } else { "\n]" });
        }
    }
}

/// Booleans are written in lower case, as JSON has them; everything else as it stood in the source.
fn canonical(kind: Kind, cell: Option<&str>) -> Option<&str> {
    let text = cell?;
    Some(match kind {
        Kind::Boolean if text.eq_ignore_ascii_case("true") => "true",
        Kind::Boolean => "false",
        _ => text,
    })
}

/// A line that holds one empty field is quoted, since an empty line is no row.
fn csv_field(text: &mut String, field: &str, single: bool) {
    let quotes = field.contains([',', '"', '\n', '\r']) || (single && field.is_empty());
    if !quotes {
        text.push_str(field);
        return;
    }
    text.push('"');
    for (index, piece) in field.split('"').enumerate() {
        if index > 0 {
            text.push_str("\"\"");
        }
        text.push_str(piece);
    }
    text.push('"');
}

fn json_string(text: &mut String, value: &str) {
    use std::fmt::Write as _;
    text.push('"');
    let mut begin = 0;
    for (at, byte) in value.bytes().enumerate() {
        let short = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..=0x1f => "",
            _ => continue,
        };
        text.push_str(&value[begin..at]);
        begin = at + 1;
        if short.is_empty() {
            let _ = write!(text, "\\u{byte:04x}");
        } else {
            text.push_str(short);
        }
    }
    text.push_str(&value[begin..]);
    text.push('"');
}

fn escaped_length(text: &str) -> usize {
    text.bytes()
        .map(|byte| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
            0..=0x1f => 6,
            _ => 1,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::table;

    fn page(text: &str, form: Form, limit: Option<u32>, offset: u32) -> Page {
        let table = table(text);
        render(&Frame::of(&table), Output { form, limit, offset }).unwrap()
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let text = "a,b\n\"x, \"\"y\"\"\nz\",TRUE\n,false\n";
        let written = page(text, Form::Csv, None, 0).text;
        assert_eq!(written, "a,b\n\"x, \"\"y\"\"\nz\",true\n,false\n");
        assert_eq!(page(&written, Form::Csv, None, 0).text, written);
        let json = page(text, Form::JsonObjects, None, 0).text;
        assert_eq!(page(&json, Form::Csv, None, 0).text, written);
        assert_eq!(page("a\n1\n\"\"\n", Form::Csv, None, 0).text, "a\n1\n\"\"\n");
    }

    #[test]
    fn json_keeps_every_digit_and_escapes_controls() {
        let text = "[{\"n\":12345678901234567890,\"t\":\"\\u0001\\t\"},{\"n\":null}]";
        assert_eq!(
            page(text, Form::JsonArrays, None, 0).text,
            "[\n[12345678901234567890,\"\\u0001\\t\"],\n[null,null]\n]"
        );
    }

    #[test]
    fn a_page_says_whether_more_follow() {
        let text = "n\n1\n2\n3\n";
        assert!(page(text, Form::Csv, Some(2), 0).truncated);
        let last = page(text, Form::JsonArrays, Some(2), 2);
        assert_eq!((last.text.as_str(), last.truncated), ("[\n[3]\n]", false));
        assert_eq!(page(text, Form::JsonArrays, Some(2), 9).text, "[]");
        assert!(page(text, Form::Csv, Some(0), 0).truncated);
    }

    #[test]
    fn a_page_ends_before_its_bytes_do() {
        let text = format!("n\n{0}\n{0}\n{0}\n", "x".repeat(3 << 20));
        let page = page(&text, Form::Csv, None, 0);
        assert_eq!((page.row_count, page.truncated), (2, true));
    }
}
