//! Lines of a file from front to back, for whoever reads a whole file: bounded memory whatever the file holds.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::ops::ControlFlow;

use super::files::LINE_MAX;

/// Reads lines, and says of each whether it is one of ours by length and end.
pub(crate) struct Lines {
    reader: BufReader<io::Take<File>>,
    buffer: Vec<u8>,
    number: u64,
}

/// A line without its newline.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    Whole(&'a [u8]),
    /// Longer than [`LINE_MAX`]; it was passed over.
    TooLong,
    /// The file ends without a newline after so many bytes.
    Torn(u64),
}

impl Lines {
    /// Reads the first `len` bytes of `file`: what is appended meanwhile is left out.
    pub(crate) fn new(file: File, len: u64) -> Self {
        Self { reader: BufReader::with_capacity(64 << 10, file.take(len)), buffer: Vec::new(), number: 0 }
    }

    /// The next line and its number, the first being 1; none at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<(u64, Line<'_>)>> {
        self.buffer.clear();
        let limit = LINE_MAX as u64 + 1;
        if self.reader.by_ref().take(limit).read_until(b'\n', &mut self.buffer)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        if self.buffer.last() == Some(&b'\n') {
            self.buffer.pop();
            return Ok(Some((self.number, Line::Whole(&self.buffer))));
        }
        let mut length = self.buffer.len() as u64;
        if length < limit {
            return Ok(Some((self.number, Line::Torn(length))));
        }
        loop {
            let chunk = self.reader.fill_buf()?;
            let step = match chunk.iter().position(|&byte| byte == b'\n') {
                Some(end) => ControlFlow::Break((end + 1, Line::TooLong)),
                None if chunk.is_empty() => ControlFlow::Break((0, Line::Torn(length))),
                None => ControlFlow::Continue(chunk.len()),
            };
            match step {
                ControlFlow::Break((consumed, line)) => {
                    self.reader.consume(consumed);
                    return Ok(Some((self.number, line)));
                }
                ControlFlow::Continue(consumed) => {
                    self.reader.consume(consumed);
                    length += consumed as u64;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn lines_of_any_length_are_told_apart() {
        let longest = "x".repeat(LINE_MAX);
        let longer = "y".repeat(3 * LINE_MAX);
        let path = tempfile::NamedTempFile::new().expect("a file");
        write!(path.as_file(), "one\n\n{longest}\n{longer}\nhalf").expect("written");
        let mut lines = Lines::new(path.reopen().expect("opens"), u64::MAX);
        for expected in [
            Some((1, Line::Whole(b"one"))),
            Some((2, Line::Whole(b""))),
            Some((3, Line::Whole(longest.as_bytes()))),
            Some((4, Line::TooLong)),
            Some((5, Line::Torn(4))),
            None,
        ] {
            assert!(lines.next().expect("reads") == expected);
        }
        let mut lines = Lines::new(path.reopen().expect("opens"), 2);
        assert_eq!(lines.next().expect("reads"), Some((1, Line::Torn(2))));
    }
}
