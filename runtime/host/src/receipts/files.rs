//! The files of a receipt folder: their names, and how they are opened, appended to, read from the end and replaced.
//!
//! Refuses symbolic links, FIFOs, devices and folders wherever a file is expected: whoever can write into the folder
//! must not be able to lead a writer or a verifier elsewhere, or to make it wait. Knows nothing of what a line means.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest line that is written or read, in bytes without its newline. It stops one line from taking all memory.
pub(crate) const LINE_MAX: usize = 1 << 20;

/// The most directory entries that are looked at. It stops a folder full of names from taking all memory.
const FILES_MAX: usize = 1_000_000;

/// Appends whole lines. After a failure the file ends where it ended before, or is made to before the next line.
#[derive(Debug)]
pub(crate) struct Appender<M> {
    medium: M,
    len: u64,
    /// False where half a line may stand behind `len`.
    clean: bool,
}

impl<M: Medium> Appender<M> {
    /// Appends to `medium`, which holds `len` bytes.
    pub(crate) fn new(medium: M, len: u64) -> Self {
        Self { medium, len, clean: true }
    }

    /// Writes all of `bytes`, in one `write(2)` where the system takes them at once, or nothing.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.clean {
            self.medium.cut(self.len)?;
            self.clean = true;
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let error = match self.medium.write(rest) {
                Ok(0) => io::Error::from(io::ErrorKind::WriteZero),
                Ok(written) => {
                    rest = &rest[written..];
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            self.clean = self.medium.cut(self.len).is_ok();
            return Err(error);
        }
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Bytes of whole lines.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn medium(&self) -> &M {
        &self.medium
    }
}

/// What an [`Appender`] writes to. A trait so that a full disk can be tested.
pub(crate) trait Medium {
    /// As `write(2)` on a file opened for appending.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Drops everything behind `len`.
    fn cut(&mut self, len: u64) -> io::Result<()>;
}

impl Medium for Arc<File> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&**self).write(bytes)
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}

/// A file operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", path.display())]
pub struct FileError {
    /// What was tried: `open`, `read`, `write`, `create`, `sync`, `lock`, `list`.
    pub action: &'static str,
    /// On which file or folder.
    pub path: PathBuf,
    /// Why it failed.
    #[source]
    pub source: io::Error,
}

impl FileError {
    /// For `map_err`.
    pub(crate) fn of(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { action, path: path.to_owned(), source }
    }
}

/// 64 random bits that name a writer, as 16 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WriterName([u8; 16]);

impl WriterName {
    /// The length of the text form, in bytes.
    pub(crate) const LEN: usize = 16;

    pub(crate) fn random() -> io::Result<Self> {
        let text = format!("{:016x}", u64::from_le_bytes(random()?));
        Ok(Self::parse(text.as_bytes()).expect("sixteen hexadecimal digits are a name"))
    }

    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let name: [u8; 16] = text.try_into().ok()?;
        name.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).then_some(Self(name))
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hexadecimal digits are ASCII")
    }

    /// The receipts, in numbered segments; the first is 1.
    pub(crate) fn segment(&self, number: u32) -> String {
        format!("{self}.{number:06}.jsonl")
    }

    /// The signed checkpoints. The lock on this file is the lock on the writer: it is never replaced, and whoever
    /// deletes it to free the lock leaves receipts without any checkpoint behind, which shows.
    pub(crate) fn checkpoints(&self) -> String {
        format!("{self}.checkpoints.jsonl")
    }

    /// Half lines that a crash left.
    pub(crate) fn torn(&self) -> String {
        format!("{self}.torn.jsonl")
    }

    /// The copy of the last checkpoint in the anchor folder.
    pub(crate) fn head(&self) -> String {
        format!("{self}.head")
    }
}

impl fmt::Display for WriterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for WriterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for WriterName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for WriterName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(text.as_bytes())
            .ok_or_else(|| serde::de::Error::custom("a writer's name is 16 lower-case hexadecimal digits"))
    }
}

/// Bytes from the system's generator.
pub(crate) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes)
}

/// What of one writer lies in a folder.
#[derive(Debug, Default)]
pub(crate) struct WriterFiles {
    /// Whether there is a file of checkpoints.
    pub(crate) checkpoints: bool,
    /// Whether there is a head (in an anchor folder).
    pub(crate) head: bool,
    /// The numbers of its segments, ascending.
    pub(crate) segments: Vec<u32>,
}

/// The writers of a folder, by name. Anything that is not named like a file of ours is passed over.
pub(crate) fn scan(dir: &Path) -> Result<BTreeMap<WriterName, WriterFiles>, FileError> {
    let mut writers = BTreeMap::<_, WriterFiles>::new();
    for (count, entry) in fs::read_dir(dir).map_err(FileError::of("list", dir))?.enumerate() {
        let entry = entry.map_err(FileError::of("list", dir))?;
        if count >= FILES_MAX {
            let error = io::Error::other("it holds more than a million entries; move foreign files away");
            return Err(FileError::of("list", dir)(error));
        }
        let name = entry.file_name();
        let Some((writer, rest)) = name.to_str().and_then(|name| name.split_once('.')) else { continue };
        let Some(writer) = WriterName::parse(writer.as_bytes()) else { continue };
        match rest {
            "checkpoints.jsonl" => writers.entry(writer).or_default().checkpoints = true,
            "head" => writers.entry(writer).or_default().head = true,
            _ => {
                let number = rest.strip_suffix(".jsonl").and_then(|digits| digits.parse().ok());
                if let Some(number) = number.filter(|&number| number > 0 && name == *writer.segment(number)) {
                    writers.entry(writer).or_default().segments.push(number);
                }
            }
        }
    }
    for files in writers.values_mut() {
        files.segments.sort_unstable();
    }
    Ok(writers)
}

/// Makes a folder that only its owner may enter, where there is none.
pub(crate) fn make_folder(dir: &Path) -> Result<(), FileError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(FileError::of("create", dir))
}

/// Opens a regular file for reading.
pub(crate) fn open_read(path: &Path) -> Result<File, FileError> {
    open(OpenOptions::new().read(true), path, "open")
}

/// Opens a regular file for reading and appending.
pub(crate) fn open_append(path: &Path) -> Result<File, FileError> {
    open(OpenOptions::new().read(true).append(true), path, "open")
}

/// Makes a new file for reading and appending.
pub(crate) fn create_append(path: &Path) -> Result<File, FileError> {
    open(OpenOptions::new().read(true).append(true).create_new(true), path, "create")
}

fn open(options: &mut OpenOptions, path: &Path, action: &'static str) -> Result<File, FileError> {
    // Without NONBLOCK, opening a FIFO would wait for its other end.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = options.mode(0o600).custom_flags(flags).open(path).map_err(|error| {
        let link = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
        FileError::of(action, path)(if link { refusal("it is a symbolic link") } else { error })
    })?;
    if file.metadata().map_err(FileError::of(action, path))?.is_file() {
        Ok(file)
    } else {
        Err(FileError::of(action, path)(refusal("it is no regular file")))
    }
}

fn refusal(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{what}, which is refused here; move it away"))
}

/// Reads a small file whole; one longer than `max` bytes is an error.
pub(crate) fn read_small(path: &Path, max: usize) -> Result<Vec<u8>, FileError> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let file = open_read(path)?;
    file.take(max as u64 + 1).read_to_end(&mut bytes).map_err(FileError::of("read", path))?;
    if bytes.len() > max {
        let error = io::Error::new(io::ErrorKind::InvalidData, format!("it is longer than {max} bytes"));
        return Err(FileError::of("read", path)(error));
    }
    Ok(bytes)
}

/// Makes a file that appears whole or not at all. Answers false, and changes nothing, where there is one already.
pub(crate) fn create_once(path: &Path, bytes: &[u8]) -> Result<bool, FileError> {
    let temporary = write_beside(path, bytes)?;
    let linked = fs::hard_link(&temporary, path);
    fs::remove_file(&temporary).map_err(FileError::of("remove", &temporary))?;
    match linked {
        Ok(()) => sync_folder_of(path).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(FileError::of("create", path)(error)),
    }
}

/// Replaces a file by one with `bytes`; a reader sees the old one or the new one.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let temporary = write_beside(path, bytes)?;
    fs::rename(&temporary, path).map_err(FileError::of("write", path))?;
    sync_folder_of(path)
}

fn write_beside(path: &Path, bytes: &[u8]) -> Result<PathBuf, FileError> {
    let suffix = WriterName::random().map_err(FileError::of("create", path))?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{suffix}.new"));
    let temporary = path.with_file_name(name);
    let mut file = create_append(&temporary)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_data());
    if let Err(error) = written {
        // The error that matters is the first one; a left-over temporary file harms nothing.
        let _ = fs::remove_file(&temporary);
        return Err(FileError::of("write", &temporary)(error));
    }
    Ok(temporary)
}

/// Makes the names in a file's folder durable.
pub(crate) fn sync_folder_of(path: &Path) -> Result<(), FileError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(FileError::of("sync", folder))
}

/// The end of a file of lines.
#[derive(Debug)]
pub(crate) struct Tail {
    /// Where the last whole line ends, its newline included.
    pub(crate) whole: u64,
    /// The last whole line without its newline; none where no line is whole.
    pub(crate) last: Option<Vec<u8>>,
    /// What stands behind it: half a line that a crash left.
    pub(crate) torn: Vec<u8>,
}

/// Reads a file's last line, and what may stand behind it. Reads no more than two of the longest lines.
pub(crate) fn tail(file: &File) -> io::Result<Tail> {
    let len = file.metadata()?.len();
    for window in [4 << 10, 64 << 10, 2 * (LINE_MAX as u64 + 1) + 1] {
        let start = len.saturating_sub(window);
        let mut bytes = vec![0; usize::try_from(len - start).expect("a window fits in memory")];
        file.read_exact_at(&mut bytes, start)?;
        let end = bytes.iter().rposition(|&byte| byte == b'\n');
        let begin = end.and_then(|end| bytes[..end].iter().rposition(|&byte| byte == b'\n'));
        let (whole, last) = match (end, begin) {
            (Some(end), Some(begin)) => (end + 1, Some(begin + 1)),
            (Some(end), None) if start == 0 => (end + 1, Some(0)),
            (None, _) if start == 0 => (0, None),
            _ => continue,
        };
        let torn = bytes.split_off(whole);
        let last = last.map(|from| bytes[from..whole - 1].to_vec());
        if torn.len() > LINE_MAX || last.as_ref().is_some_and(|line| line.len() > LINE_MAX) {
            break;
        }
        return Ok(Tail { whole: start + whole as u64, last, torn });
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "its last line is longer than any that we write"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes `room` bytes, then fails as a full disk does.
    #[derive(Default)]
    struct Disk {
        bytes: Vec<u8>,
        room: usize,
        cuts_fail: bool,
    }

    impl Medium for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.room);
            if taken == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= taken;
            self.bytes.extend(&bytes[..taken]);
            Ok(taken)
        }

        fn cut(&mut self, len: u64) -> io::Result<()> {
            if self.cuts_fail {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.bytes.truncate(usize::try_from(len).expect("small"));
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_leaves_whole_lines_and_later_lines_succeed() {
        let mut appender = Appender::new(Disk { room: 5, ..Disk::default() }, 0);
        appender.append(b"one\n").expect("fits");
        assert_eq!(appender.append(b"two\n").expect_err("full").kind(), io::ErrorKind::StorageFull);
        assert_eq!(appender.medium.bytes, b"one\n");
        appender.medium.room = 100;
        appender.append(b"three\n").expect("fits");
        assert_eq!(appender.medium.bytes, b"one\nthree\n");
        assert_eq!(appender.len(), 10);
    }

    #[test]
    fn half_a_line_that_could_not_be_cut_is_cut_before_the_next_line() {
        let mut appender = Appender::new(Disk { room: 2, cuts_fail: true, ..Disk::default() }, 0);
        appender.append(b"one\n").expect_err("full");
        assert_eq!(appender.medium.bytes, b"on");
        appender.medium.room = 100;
        appender.append(b"two\n").expect_err("still cannot be cut");
        assert_eq!(appender.medium.bytes, b"on");
        appender.medium.cuts_fail = false;
        appender.append(b"two\n").expect("fits");
        assert_eq!(appender.medium.bytes, b"two\n");
    }

    #[test]
    fn the_tail_is_the_last_whole_line_and_what_stands_behind_it() {
        let huge = "x".repeat(LINE_MAX);
        for (text, whole, last, torn) in [
            ("", 0, None, ""),
            ("half", 0, None, "half"),
            ("one\n", 4, Some("one"), ""),
            ("one\ntwo\nhalf", 8, Some("two"), "half"),
            (&format!("one\n{huge}\n{huge}"), LINE_MAX as u64 + 5, Some(&*huge), &huge),
            ("one\n\0\0\0", 4, Some("one"), "\0\0\0"),
        ] {
            let mut file = tempfile::tempfile().expect("a file");
            file.write_all(text.as_bytes()).expect("written");
            let tail = tail(&file).expect("reads");
            assert_eq!(tail.whole, whole);
            assert_eq!(tail.last.as_deref(), last.map(str::as_bytes));
            assert_eq!(tail.torn, torn.as_bytes());
        }
    }

    #[test]
    fn a_tail_longer_than_any_line_of_ours_is_refused_without_reading_it_all() {
        for text in ["\0".repeat(LINE_MAX + 1), "x".repeat(4 * LINE_MAX), format!("{}\n", "x".repeat(LINE_MAX + 1))] {
            let mut file = tempfile::tempfile().expect("a file");
            file.write_all(text.as_bytes()).expect("written");
            assert_eq!(tail(&file).expect_err("refused").kind(), io::ErrorKind::InvalidData);
        }
    }

    #[test]
    fn only_regular_files_are_opened_and_a_fifo_makes_nobody_wait() {
        let dir = tempfile::tempdir().expect("a folder");
        let target = dir.path().join("target");
        fs::write(&target, "x").expect("written");
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&target, &link).expect("linked");
        let fifo = dir.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).expect("a fifo");
        for path in [&link, &fifo, &dir.path().to_owned()] {
            open_read(path).expect_err("refused");
            open_append(path).expect_err("refused");
        }
        create_append(&link).expect_err("refused");
        open_read(&target).expect("a regular file");
    }

    #[test]
    fn only_names_of_ours_are_scanned() {
        let dir = tempfile::tempdir().expect("a folder");
        for name in [
            "00000000000000aa.000002.jsonl",
            "00000000000000aa.000001.jsonl",
            "00000000000000aa.000000.jsonl",
            "00000000000000aa.1.jsonl",
            "00000000000000aa.0000003.jsonl",
            "00000000000000aa.+00004.jsonl",
            "00000000000000aa.checkpoints.jsonl",
            "00000000000000AA.000001.jsonl",
            "key",
        ] {
            fs::write(dir.path().join(name), "").expect("written");
        }
        let writers = scan(dir.path()).expect("lists");
        assert_eq!(writers.len(), 1);
        let files = writers.values().next().expect("one");
        assert!(files.checkpoints && !files.head);
        assert_eq!(files.segments, [1, 2]);
    }
}
