//! One sealed receipt as one line of text: how it is laid out, hashed, written and read back.
//!
//! The layout is fixed to the byte, and what is hashed is the receipt's text as written. A line has one spelling, so
//! no byte of it can change unseen; a reader that parsed and re-serialised could not promise that.

use serde_json::Error as JsonError;
use sha2::{Digest as _, Sha256};
use toolcell_core::{Digest, Receipt, Sealed};

use super::files::{LINE_MAX, WriterName};
use super::spell::spell;

/// Separates these hashes from every other use of SHA-256; a changed layout changes the number.
const DOMAIN: &[u8] = b"toolcell receipt v1\n";

const WRITER: &[u8] = b"{\"writer\":\"";
const SEQUENCE: &[u8] = b"\",\"sequence\":";
const PREVIOUS: &[u8] = b",\"previous\":\"";
const HASH: &[u8] = b"\",\"hash\":\"";
const RECEIPT: &[u8] = b"\",\"receipt\":";
const END: &[u8] = b"}\n";

const HEX: usize = 64;
/// `u64::MAX` has twenty digits.
const DIGITS_MAX: usize = 20;
const HEADER_MAX: usize = WRITER.len()
    + WriterName::LEN
    + SEQUENCE.len()
    + DIGITS_MAX
    + PREVIOUS.len()
    + HEX
    + HASH.len()
    + HEX
    + RECEIPT.len();

/// A receipt serialised and hashed as far as that goes before its place in the chain is known.
///
/// The place comes last in what is hashed, so under the chain's lock one or two blocks remain to be hashed.
pub(super) struct Draft {
    /// Room for the longest header, then the receipt, then the end of the line.
    buffer: Vec<u8>,
    hasher: Sha256,
}

/// Why a receipt cannot become a line.
#[derive(Debug)]
pub(super) enum DraftError {
    Json(JsonError),
    TooLong(usize),
}

impl Draft {
    pub(super) fn new(writer: WriterName, receipt: &Receipt) -> Result<Self, DraftError> {
        Self::write(writer, |buffer| spell(receipt, buffer))
    }

    /// With the JSON text that is written to the buffer.
    pub(super) fn write(
        writer: WriterName,
        text: impl FnOnce(&mut Vec<u8>) -> Result<(), JsonError>,
    ) -> Result<Self, DraftError> {
        let mut buffer = Vec::with_capacity(2048);
        buffer.resize(HEADER_MAX, 0);
        text(&mut buffer).map_err(DraftError::Json)?;
        let hasher = hash_text(writer, &buffer[HEADER_MAX..]);
        buffer.extend_from_slice(END);
        if buffer.len() > LINE_MAX {
            return Err(DraftError::TooLong(buffer.len()));
        }
        Ok(Self { buffer, hasher })
    }

    /// The hash and the whole line for this place in the chain.
    pub(super) fn line(&mut self, writer: WriterName, sequence: u64, previous: Digest) -> (Digest, &[u8]) {
        let hash = hash_place(self.hasher.clone(), sequence, previous);
        let mut at = HEADER_MAX;
        let mut put_before = |bytes: &[u8]| {
            self.buffer[at - bytes.len()..at].copy_from_slice(bytes);
            at -= bytes.len();
        };
        put_before(RECEIPT);
        put_before(hash.hex().as_str().as_bytes());
        put_before(HASH);
        put_before(previous.hex().as_str().as_bytes());
        put_before(PREVIOUS);
        put_before(sequence.to_string().as_bytes());
        put_before(SEQUENCE);
        put_before(writer.as_str().as_bytes());
        put_before(WRITER);
        (hash, &self.buffer[at..])
    }
}

/// A line that is laid out as an entry. Nothing it states is checked yet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Entry<'a> {
    pub(super) writer: WriterName,
    pub(super) sequence: u64,
    pub(super) previous: Digest,
    pub(super) hash: Digest,
    receipt: &'a [u8],
}

impl<'a> Entry<'a> {
    /// Reads a line without its newline; none where it is no entry.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        let (writer, rest) = line.strip_prefix(WRITER)?.split_at_checked(WriterName::LEN)?;
        let rest = rest.strip_prefix(SEQUENCE)?;
        let digits = rest.iter().take(DIGITS_MAX + 1).take_while(|byte| byte.is_ascii_digit()).count();
        let (sequence, rest) = rest.split_at(digits);
        if sequence.first() == Some(&b'0') {
            return None;
        }
        let (previous, rest) = digest(rest.strip_prefix(PREVIOUS)?)?;
        let (hash, rest) = digest(rest.strip_prefix(HASH)?)?;
        let receipt = rest.strip_prefix(RECEIPT)?.strip_suffix(b"}")?;
        Some(Self {
            writer: WriterName::parse(writer)?,
            sequence: std::str::from_utf8(sequence).ok()?.parse().ok()?,
            previous,
            hash,
            receipt,
        })
    }

    /// Whether the hash is that of the text and the place that the line states.
    pub(super) fn is_genuine(&self) -> bool {
        hash_place(hash_text(self.writer, self.receipt), self.sequence, self.previous) == self.hash
    }

    /// The receipt, which may have been written by a version that knows other words.
    pub(super) fn receipt(&self) -> Result<Receipt, JsonError> {
        serde_json::from_slice(self.receipt)
    }

    pub(super) fn sealed(&self, receipt: Receipt) -> Sealed {
        Sealed {
            writer: self.writer.to_string().into(),
            sequence: self.sequence,
            previous: self.previous,
            hash: self.hash,
            receipt: Box::new(receipt),
        }
    }
}

/// What the first entry and the first checkpoint of a writer name as the hash before them.
pub(super) fn genesis(writer: WriterName) -> Digest {
    Digest::of(writer.as_str().as_bytes())
}

fn digest(text: &[u8]) -> Option<(Digest, &[u8])> {
    let (hex, rest) = text.split_at_checked(HEX)?;
    Some((std::str::from_utf8(hex).ok()?.parse().ok()?, rest))
}

/// Names have one length and the text's length precedes it, so no two entries hash the same bytes.
fn hash_text(writer: WriterName, text: &[u8]) -> Sha256 {
    Sha256::new()
        .chain_update(DOMAIN)
        .chain_update(writer.as_str())
        .chain_update((text.len() as u64).to_le_bytes())
        .chain_update(text)
}

fn hash_place(hasher: Sha256, sequence: u64, previous: Digest) -> Digest {
    let hash = hasher.chain_update(sequence.to_le_bytes()).chain_update(previous.as_bytes()).finalize();
    Digest::from_bytes(hash.into())
}

#[cfg(test)]
mod tests {
    use super::super::tests::receipt;
    use super::*;

    fn writer() -> WriterName {
        WriterName::parse(b"0123456789abcdef").expect("a name")
    }

    #[test]
    fn a_line_is_the_json_of_a_sealed_receipt() {
        let receipt = receipt(7);
        for sequence in [1, u64::MAX] {
            let mut draft = Draft::new(writer(), &receipt).expect("fits");
            let (hash, line) = draft.line(writer(), sequence, genesis(writer()));
            let sealed: Sealed = serde_json::from_slice(line).expect("is JSON");
            assert_eq!((sealed.sequence, sealed.hash, &*sealed.receipt), (sequence, hash, &receipt));
            assert_eq!(serde_json::to_vec(&sealed).expect("serialises"), line[..line.len() - 1]);
            let entry = Entry::parse(&line[..line.len() - 1]).expect("reads back");
            assert!(entry.is_genuine());
            assert_eq!(entry.sealed(entry.receipt().expect("reads")), sealed);
        }
    }

    #[test]
    fn no_byte_of_a_line_can_change_unseen() {
        let mut draft = Draft::new(writer(), &receipt(7)).expect("fits");
        let (hash, line) = draft.line(writer(), 42, genesis(writer()));
        let mut line = line[..line.len() - 1].to_vec();
        for at in 0..line.len() {
            for change in [1, 0x20, 0x80] {
                line[at] ^= change;
                // A changed hash is seen by whoever compares it with the next entry's or a checkpoint's; here it is ours.
                let seen = Entry::parse(&line).is_none_or(|entry| !entry.is_genuine() || entry.hash != hash);
                assert!(seen, "byte {at}");
                line[at] ^= change;
            }
        }
        assert!(Entry::parse(&line).expect("restored").is_genuine());
    }

    #[test]
    fn other_lines_are_no_entries() {
        let mut draft = Draft::new(writer(), &receipt(7)).expect("fits");
        let (_, line) = draft.line(writer(), 42, genesis(writer()));
        let line = std::str::from_utf8(&line[..line.len() - 1]).expect("text");
        for other in [
            String::new(),
            "{}".into(),
            "\0".repeat(100),
            format!(" {line}"),
            format!("{line} "),
            line.replace(":42,", ":042,"),
            line.replace(":42,", ":,"),
            line.replace(":42,", ":+42,"),
            line.replace(":42,", ":99999999999999999999,"),
            line[..line.len() / 2].into(),
        ] {
            assert_eq!(Entry::parse(other.as_bytes()), None, "{other}");
        }
    }
}
