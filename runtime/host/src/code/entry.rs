//! One entry of the code cache: native code under a seal that names what it was compiled from, and for what.

use std::ops::{Deref, Range};
use std::sync::Arc;

use hmac::{Hmac, Mac};
use sha2::Sha256;
use toolcell_core::digest::Digest;

use super::key::CodeKey;

/// Native code, cheap to clone. It derefs to exactly the bytes that were compiled, inside the buffer that was checked.
#[derive(Clone)]
pub struct Code {
    buffer: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl Code {
    /// Code that was compiled just now.
    pub fn new(code: Vec<u8>) -> Self {
        Self { range: 0..code.len(), buffer: Arc::new(code) }
    }
}

impl Deref for Code {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buffer[self.range.clone()]
    }
}

impl AsRef<[u8]> for Code {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Code({} bytes)", self.len())
    }
}

/// What code is of, and for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    /// The component that it was compiled from.
    pub component: Digest,
    /// What it depends on beside that: the engine's version and settings and the processor's features, as one digest.
    pub engine: Digest,
}

/// Why an entry is not used. Each of these removes the file.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Refused {
    /// It is shorter than the header of every entry.
    #[error("it has {0} bytes, fewer than the header of an entry")]
    TooShort(usize),
    /// It does not begin as an entry does.
    #[error("it is no entry of a code cache")]
    NotAnEntry,
    /// Another version of this program wrote it.
    #[error("it has format {0}, and this host reads format {FORMAT}")]
    OtherFormat(u32),
    /// It is shorter or longer than it says.
    #[error("it says that it holds {stated} bytes of code, and it holds {found}")]
    WrongLength {
        /// What it says.
        stated: u64,
        /// What is there.
        found: u64,
    },
    /// It was altered, or it was sealed for another component, for another engine, or with another key.
    #[error("its seal does not hold for this component, this engine and this host's key")]
    BrokenSeal,
    /// It cannot be read as a file, or is over the size of every entry.
    #[error("{0}")]
    File(String),
}

/// The format of an entry: magic (8 bytes), format (4), length of the code (8), seal (32), code. Numbers are little-endian.
pub(super) const FORMAT: u32 = 1;

const MAGIC: [u8; 8] = *b"tc-code\n";

/// Keeps these seals apart from anything else that may ever be authenticated with the same key.
const DOMAIN: &[u8] = b"toolcell code cache entry\0";

pub(super) const HEADER: usize = MAGIC.len() + 4 + 8 + 32;

/// The header that makes `code` an entry.
pub(super) fn seal(key: &CodeKey, subject: Subject, code: &[u8]) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    let (plain, seal) = header.split_at_mut(HEADER - 32);
    plain[..8].copy_from_slice(&MAGIC);
    plain[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    plain[12..].copy_from_slice(&(code.len() as u64).to_le_bytes());
    seal.copy_from_slice(&mac(key, subject, plain, code).finalize().into_bytes());
    header
}

/// Checks a whole entry and gives its code, in the buffer that was checked.
pub(super) fn open(key: &CodeKey, subject: Subject, entry: Vec<u8>) -> Result<Code, Refused> {
    let Some((header, code)) = entry.split_at_checked(HEADER) else { return Err(Refused::TooShort(entry.len())) };
    let (plain, seal) = header.split_at(HEADER - 32);
    if plain[..8] != MAGIC {
        return Err(Refused::NotAnEntry);
    }
    let format = u32::from_le_bytes(plain[8..12].try_into().expect("four bytes"));
    if format != FORMAT {
        return Err(Refused::OtherFormat(format));
    }
    let stated = u64::from_le_bytes(plain[12..].try_into().expect("eight bytes"));
    if stated != code.len() as u64 {
        return Err(Refused::WrongLength { stated, found: code.len() as u64 });
    }
    mac(key, subject, plain, code).verify_slice(seal).map_err(|_| Refused::BrokenSeal)?;
    Ok(Code { range: HEADER..entry.len(), buffer: Arc::new(entry) })
}

/// Everything before the code has a fixed length, so no two different entries give the same input.
fn mac(key: &CodeKey, subject: Subject, plain: &[u8], code: &[u8]) -> Hmac<Sha256> {
    key.mac()
        .chain_update(DOMAIN)
        .chain_update(subject.component.as_bytes())
        .chain_update(subject.engine.as_bytes())
        .chain_update(plain)
        .chain_update(code)
}
