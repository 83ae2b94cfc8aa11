//! From a source to a table. It owns files, encodings and the choice of format; it refuses what is not UTF-8 and what
//! is larger than the limits, before anything is allocated for it.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::refusal::{Refusal, nearest, quoted};
use crate::table::Table;
use crate::{MAX_SOURCE_BYTES, csv, json};

/// Where rows come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The text itself.
    Inline(String),
    /// The path of a file under a mounted folder.
    File(String),
}

/// How the text of a source is to be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// The format; detected where absent.
    pub format: Option<Format>,
    /// The delimiter of CSV; detected where absent.
    pub delimiter: Option<char>,
    /// Whether the first CSV record names the columns.
    pub header: Header,
    /// Texts that mean null, beside the empty CSV field.
    pub null_values: Vec<String>,
}

/// The format of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180, with any delimiter.
    Csv,
    /// A JSON array of objects.
    Json,
}

/// Where the names of CSV columns come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Header {
    /// The first record names the columns.
    #[default]
    FirstRow,
    /// Every record is data; columns are called `column_1` and so on.
    None,
}

impl Source {
    /// Reads the rows. `pointer` is where the source stands in the arguments, `/source` for instance; `reading_pointer`
    /// is the same for how it is read.
    pub fn read(&self, reading: &Reading, pointer: &str, reading_pointer: &str) -> Result<Table, Refusal> {
        match self {
            Self::Inline(text) => parse(text, reading, &format!("{pointer}/inline"), reading_pointer),
            Self::File(path) => {
                let pointer = format!("{pointer}/file");
                let bytes = read_file(path, &pointer)?;
                let text = String::from_utf8(bytes)
                    .map_err(|error| not_utf8(error.as_bytes(), error.utf8_error(), &pointer))?;
                parse(&text, reading, &pointer, reading_pointer)
            }
        }
    }
}

fn parse(text: &str, reading: &Reading, pointer: &str, reading_pointer: &str) -> Result<Table, Refusal> {
    if text.len() > MAX_SOURCE_BYTES {
        return Err(too_large(pointer));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let format = reading.format.unwrap_or_else(|| match text.trim_start().as_bytes().first() {
        Some(b'[' | b'{') => Format::Json,
        _ => Format::Csv,
    });
    match format {
        Format::Csv => csv::read(text, reading, pointer, reading_pointer),
        Format::Json => json::read(text, reading, pointer),
    }
}

fn read_file(path: &str, pointer: &str) -> Result<Vec<u8>, Refusal> {
    if path.is_empty() || path.contains('\0') {
        return Err(Refusal::invalid(
            pointer,
            "the path of a file under a mounted folder",
            "The path is empty or holds a NUL",
        )
        .found(path));
    }
    let unread = |error: &std::io::Error| file_refusal(path, error, pointer);
    let file = File::open(path).map_err(|error| unread(&error))?;
    let about = file.metadata().map_err(|error| unread(&error))?;
    if !about.is_file() {
        return Err(Refusal::invalid(
            pointer,
            "the path of a file under a mounted folder",
            format!("{} is not a file", quoted(path)),
        )
        .found(path));
    }
    let limit = MAX_SOURCE_BYTES as u64;
    if about.len() > limit {
        return Err(too_large(pointer));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(about.len()).unwrap_or(0) + 1);
    // The file may grow while it is read.
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| unread(&error))?;
    if bytes.len() > MAX_SOURCE_BYTES {
        return Err(too_large(pointer));
    }
    Ok(bytes)
}

fn file_refusal(path: &str, error: &std::io::Error, pointer: &str) -> Refusal {
    match error.kind() {
        ErrorKind::NotFound => {
            let hint = match nearest_file(path) {
                Some(near) => format!("did you mean {}?", quoted(&near)),
                None => "files lie under the folders that are mounted for this tool".to_owned(),
            };
            Refusal::NotFound(format!("There is no file {}; {hint}", quoted(path)))
        }
        ErrorKind::PermissionDenied => Refusal::Denied(format!(
            "The file {} may not be read; it lies outside the mounted folders, or its folder does not allow reading",
            quoted(path)
        )),
        _ => Refusal::invalid(
            pointer,
            "the path of a readable file under a mounted folder",
            format!("The file {} cannot be read: {error}", quoted(path)),
        )
        .found(path),
    }
}

/// Looks at no more than a thousand neighbours: it is a hint, not a search.
fn nearest_file(path: &str) -> Option<String> {
    let path = Path::new(path);
    let folder = path.parent()?;
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .ok()?
        .take(1_000)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort_unstable();
    let near = nearest(path.file_name()?.to_str()?, names.iter().map(String::as_str))?;
    Some(folder.join(near).to_str()?.to_owned())
}

fn too_large(pointer: &str) -> Refusal {
    Refusal::invalid(
        pointer,
        format!("at most {} MiB", MAX_SOURCE_BYTES >> 20),
        format!(
            "The source is larger than {} MiB; split it, or leave out columns that are not needed",
            MAX_SOURCE_BYTES >> 20
        ),
    )
}

fn not_utf8(bytes: &[u8], error: std::str::Utf8Error, pointer: &str) -> Refusal {
    let before = &bytes[..error.valid_up_to()];
    let message = if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        "The file is UTF-16; save it as UTF-8".to_owned()
    } else {
        let line = before.split(|byte| *byte == b'\n').count();
        format!("Line {line} is not UTF-8; save the file as UTF-8")
    };
    Refusal::invalid(pointer, "text in UTF-8", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(source: &Source) -> Refusal {
        source.read(&Reading::default(), "/source", "/reading").expect_err("refused")
    }

    #[test]
    fn a_file_is_read_and_a_missing_one_names_its_neighbour() {
        let folder = std::env::temp_dir().join(format!("toolcell-rows-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("leads.csv"), "\u{feff}a,b\r\n1,2\r\n").unwrap();
        std::fs::write(folder.join("latin.csv"), b"a\n\xe4\n").unwrap();
        let path = |name: &str| Source::File(folder.join(name).to_str().unwrap().to_owned());

        let table = path("leads.csv").read(&Reading::default(), "/source", "/reading").unwrap();
        assert_eq!(table.columns()[0].name(), "a");
        let Refusal::NotFound(message) = refusal(&path("lead.csv")) else { panic!("not found") };
        assert!(message.contains("leads.csv"), "{message}");
        assert!(refusal(&path("latin.csv")).to_string().contains("Line 2"));
        assert!(refusal(&Source::File(folder.to_str().unwrap().to_owned())).to_string().contains("not a file"));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn an_empty_path_and_one_with_a_nul_are_refused() {
        assert!(matches!(refusal(&Source::File(String::new())), Refusal::Invalid(_)));
        assert!(matches!(refusal(&Source::File("a\0b".into())), Refusal::Invalid(_)));
    }
}
