//! One event as one line of text: how it is laid out, hashed, written and read back.
//!
//! As with receipts, the layout is fixed to the byte and what is hashed is the event's text as written, so a line has
//! one spelling and no byte of it can change unseen.

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use toolcell_core::{Digest, UnixMillis};

use super::event::Recorded;

/// The longest line, in bytes with its newline. It bounds what one event can take of disk and memory.
pub(super) const LINE_MAX: usize = 8 << 10;

/// Separates these hashes from every other use of SHA-256; a changed layout changes the number.
const DOMAIN: &[u8] = b"toolcell audit v1\n";

const SEQUENCE: &[u8] = b"{\"sequence\":";
const AT: &[u8] = b",\"at\":";
const PREVIOUS: &[u8] = b",\"previous\":\"";
const HASH: &[u8] = b"\",\"hash\":\"";
const EVENT: &[u8] = b"\",\"event\":";
const END: &[u8] = b"}";

/// An event with its place in the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its place; the first of a chain is 1.
    pub sequence: u64,
    /// When it was recorded.
    pub at: UnixMillis,
    /// The hash of the line before it; the digest of the writer's name for the first.
    pub previous: Digest,
    /// The hash of this line.
    pub hash: Digest,
    /// What happened.
    pub event: Recorded,
}

/// The line for this place, its newline included, and its hash.
pub(super) fn write(sequence: u64, at: UnixMillis, previous: Digest, event: &[u8]) -> (Vec<u8>, Digest) {
    let hash = hash(sequence, at, previous, event);
    let mut line = Vec::with_capacity(event.len() + 256);
    for part in [
        SEQUENCE,
        sequence.to_string().as_bytes(),
        AT,
        at.0.to_string().as_bytes(),
        PREVIOUS,
        previous.hex().as_str().as_bytes(),
        HASH,
        hash.hex().as_str().as_bytes(),
        EVENT,
        event,
        END,
        b"\n",
    ] {
        line.extend_from_slice(part);
    }
    (line, hash)
}

/// A line that is laid out as an entry. Nothing it states is checked yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim<'a> {
    pub(super) sequence: u64,
    pub(super) at: UnixMillis,
    pub(super) previous: Digest,
    pub(super) hash: Digest,
    event: &'a [u8],
}

impl<'a> Claim<'a> {
    /// Reads a line without its newline; none where it is no entry.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        if line.len() >= LINE_MAX {
            return None;
        }
        let (sequence, rest) = number(line.strip_prefix(SEQUENCE)?)?;
        let (at, rest) = number(rest.strip_prefix(AT)?)?;
        let (previous, rest) = digest(rest.strip_prefix(PREVIOUS)?)?;
        let (hash, rest) = digest(rest.strip_prefix(HASH)?)?;
        let event = rest.strip_prefix(EVENT)?.strip_suffix(END)?;
        Some(Self { sequence, at: UnixMillis(at), previous, hash, event })
    }

    /// Whether the hash is that of what the line states.
    pub(super) fn is_genuine(&self) -> bool {
        hash(self.sequence, self.at, self.previous, self.event) == self.hash
    }

    /// The entry; none where its text is no event of this version.
    pub(super) fn entry(&self) -> Option<Entry> {
        let Self { sequence, at, previous, hash, .. } = *self;
        Some(Entry { sequence, at, previous, hash, event: serde_json::from_slice(self.event).ok()? })
    }
}

/// All but the text have one length, so no two lines hash the same bytes.
fn hash(sequence: u64, at: UnixMillis, previous: Digest, event: &[u8]) -> Digest {
    let hasher = Sha256::new()
        .chain_update(DOMAIN)
        .chain_update(sequence.to_le_bytes())
        .chain_update(at.0.to_le_bytes())
        .chain_update(previous.as_bytes())
        .chain_update(event);
    Digest::from_bytes(hasher.finalize().into())
}

fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    // `u64::MAX` has twenty digits.
    let digits = text.iter().take(21).take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(digits);
    let has_one_spelling = digits == b"0" || digits.first() != Some(&b'0');
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    has_one_spelling.then_some((number, rest))
}

fn digest(text: &[u8]) -> Option<(Digest, &[u8])> {
    let (hex, rest) = text.split_at_checked(64)?;
    let hex = std::str::from_utf8(hex).ok().filter(|hex| hex.len() == 64)?;
    Some((hex.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::super::event::AuditEvent;
    use super::*;

    #[test]
    fn a_line_is_the_json_of_its_entry_and_no_byte_of_it_can_change_unseen() {
        let event = Recorded::Event(AuditEvent::Stopped { reason: "asked to".into() });
        let previous = Digest::of(b"before");
        let (line, written) = write(u64::MAX, UnixMillis(0), previous, &event.clone().text());
        let mut line = line.strip_suffix(b"\n").expect("a line").to_vec();
        let entry = Claim::parse(&line).expect("reads").entry().expect("an event");
        assert_eq!(serde_json::to_vec(&entry).expect("serialises"), line);
        assert_eq!((entry.sequence, entry.hash, entry.event), (u64::MAX, written, event));
        for at in 0..line.len() {
            for change in [1, 0x20, 0x80] {
                line[at] ^= change;
                // A changed hash is seen by whoever compares it with the next line's or the head's; here it is ours.
                let seen = Claim::parse(&line).is_none_or(|claim| !claim.is_genuine() || claim.hash != written);
                assert!(seen, "byte {at}");
                line[at] ^= change;
            }
        }
    }

    #[test]
    fn garbage_is_no_entry() {
        for garbage in ["", "{", "{}", "{\"sequence\":", "{\"sequence\":01,\"at\":1", &"{\"sequence\":1".repeat(10_000)] {
            assert!(Claim::parse(garbage.as_bytes()).is_none());
        }
    }
}
