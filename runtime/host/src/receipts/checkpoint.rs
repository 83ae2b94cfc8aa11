//! Checkpoints: signed statements about how far a chain has come, in a chain of their own.
//!
//! Owns their layout, signature and order. What is signed is the body's text as written, and the line around it has
//! one spelling, so that a checkpoint is either the very bytes that its writer wrote or refused.

use serde::{Deserialize, Serialize};
use toolcell_core::{Digest, UnixMillis};

use super::entry::genesis;
use super::files::{LINE_MAX, WriterName};
use super::keys::{Hex, PublicKey, Signer, unhex};

/// Separates these signatures from every other use of the key; a changed layout changes the number.
const DOMAIN: &[u8] = b"toolcell checkpoint v1\n";

const BODY: &[u8] = b"{\"body\":";
const SIGNATURE: &[u8] = b",\"signature\":\"";
const END: &[u8] = b"\"}";
const SIGNATURE_HEX: usize = 128;

/// What a writer signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The chain.
    writer: WriterName,
    /// Its place among the writer's checkpoints; the first is 1 and is made before the first receipt.
    pub number: u64,
    /// The sequence of the last receipt that it covers; 0 before the first.
    pub sequence: u64,
    /// That receipt's hash.
    pub hash: Digest,
    /// The digest of the checkpoint before it, as the line was written; of the writer's name for the first.
    pub previous: Digest,
    /// When it was signed.
    pub at: UnixMillis,
    /// The key that signed it.
    pub key: PublicKey,
    /// The last of the receipts that an earlier process left unsigned and this one found and went on from. The
    /// signature says that they were there at opening, not that they are what that process wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted: Option<u64>,
    /// Half lines found at opening and set aside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub torn: Vec<Torn>,
    /// The last checkpoints of some other writers in the folder, so that deleting all files of one leaves a trace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub witnessed: Vec<Witnessed>,
}

/// Half a line that a crash left, moved to the writer's `.torn.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Torn {
    /// The file's name.
    pub file: String,
    /// Where in the file it stood.
    pub offset: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its digest.
    pub digest: Digest,
}

/// Another writer's last checkpoint, as seen by the one who signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witnessed {
    /// The other writer.
    pub(super) writer: WriterName,
    /// The number of its checkpoint.
    pub number: u64,
    /// The digest of that checkpoint's line.
    pub line: Digest,
}

/// What a checkpoint says beside the place of the chain.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes {
    pub(super) adopted: Option<u64>,
    pub(super) torn: Vec<Torn>,
    pub(super) witnessed: Vec<Witnessed>,
}

/// The last checkpoint of a writer: what the next one builds on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signed {
    pub(super) number: u64,
    pub(super) sequence: u64,
    pub(super) hash: Digest,
    /// The digest of its line.
    pub(super) line: Digest,
}

impl Signed {
    /// What the first checkpoint of a writer builds on.
    pub(super) fn nothing(writer: WriterName) -> Self {
        Self { number: 0, sequence: 0, hash: genesis(writer), line: genesis(writer) }
    }
}

impl Checkpoint {
    /// The checkpoint after `last` for a chain that has come to `sequence` and `hash`.
    pub(super) fn after(
        last: Signed,
        writer: WriterName,
        (sequence, hash): (u64, Digest),
        at: UnixMillis,
        key: PublicKey,
        notes: &Notes,
    ) -> Self {
        let Notes { adopted, torn, witnessed } = notes.clone();
        Self { writer, number: last.number + 1, sequence, hash, previous: last.line, at, key, adopted, torn, witnessed }
    }

    /// The signed line, without a newline.
    pub(super) fn line(&self, signer: &Signer) -> Vec<u8> {
        let body = serde_json::to_vec(self).expect("a checkpoint holds text and numbers alone");
        let signature = signer.sign(&message(&body));
        [BODY, &body, SIGNATURE, Hex(&signature).to_string().as_bytes(), END].concat()
    }

    /// Reads a line. The signature is not checked yet, so nothing in it may be believed.
    pub(super) fn parse(line: &[u8]) -> Option<Claim<'_>> {
        if line.len() > LINE_MAX {
            return None;
        }
        let rest = line.strip_prefix(BODY)?.strip_suffix(END)?;
        let (rest, signature) = rest.split_at_checked(rest.len().checked_sub(SIGNATURE_HEX)?)?;
        let body = rest.strip_suffix(SIGNATURE)?;
        let signature = unhex(std::str::from_utf8(signature).ok()?)?;
        Some(Claim { checkpoint: serde_json::from_slice(body).ok()?, body, signature, line })
    }

    /// The writer's name.
    pub fn writer(&self) -> &str {
        self.writer.as_str()
    }

    pub(super) fn writer_name(&self) -> WriterName {
        self.writer
    }
}

/// A checkpoint as a line states it.
pub(super) struct Claim<'a> {
    pub(super) checkpoint: Checkpoint,
    body: &'a [u8],
    signature: [u8; 64],
    line: &'a [u8],
}

impl Claim<'_> {
    /// Whether `key` signed it, and it says so.
    pub(super) fn is_signed_by(&self, key: PublicKey) -> bool {
        self.checkpoint.key == key && key.verifies(&message(self.body), &self.signature)
    }

    pub(super) fn signed(&self) -> Signed {
        let Checkpoint { number, sequence, hash, .. } = self.checkpoint;
        Signed { number, sequence, hash, line: Digest::of(self.line) }
    }
}

fn message(body: &[u8]) -> Vec<u8> {
    [DOMAIN, body].concat()
}

#[cfg(test)]
mod tests {
    use super::super::keys::{PUBLIC, SECRET};
    use super::*;

    #[test]
    fn no_byte_of_a_checkpoint_can_change() {
        let dir = tempfile::tempdir().expect("a folder");
        let signer = Signer::load_or_create(&dir.path().join(SECRET), &dir.path().join(PUBLIC)).expect("a key");
        let writer = WriterName::random().expect("a name");
        let last = Signed { number: 6, ..Signed::nothing(writer) };
        let notes = Notes {
            adopted: Some(13),
            torn: vec![Torn { file: "f".into(), offset: 1, bytes: 2, digest: Digest::of(b"") }],
            witnessed: vec![Witnessed { writer, number: 1, line: Digest::of(b"") }],
        };
        let checkpoint = Checkpoint::after(last, writer, (20, Digest::of(b"x")), UnixMillis(5), signer.public, &notes);
        let mut line = checkpoint.line(&signer);
        let claim = Checkpoint::parse(&line).expect("reads back");
        assert!(claim.is_signed_by(signer.public));
        assert_eq!(claim.checkpoint, checkpoint);

        for at in 0..line.len() {
            line[at] ^= 1;
            let refused = Checkpoint::parse(&line).is_none_or(|claim| !claim.is_signed_by(signer.public));
            assert!(refused, "byte {at}");
            line[at] ^= 1;
        }
        for end in 0..line.len() {
            assert!(Checkpoint::parse(&line[..end]).is_none());
        }
    }
}
