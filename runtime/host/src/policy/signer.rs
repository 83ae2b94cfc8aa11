//! Keys that sign components, and the check of a signature.
//!
//! Owns one form only: minisign with a prehashed signature. The older form, which signs the bytes themselves, is refused, so
//! that nobody can offer the weaker of two; and a signature counts only together with its signed comment.

use std::fmt;
use std::str::FromStr;

use minisign_verify::{PublicKey, Signature};

/// The end of a signature's file name, after the component's: `json.wasm.minisig`.
pub const SIGNATURE_ENDING: &str = ".minisig";

/// The largest signature file, in bytes. A signature has under 400 and a comment.
pub const MAX_SIGNATURE_BYTES: u64 = 16 * 1024;

/// A minisign public key, as in the second line of `minisign.pub`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signer(String);

/// Why a component does not count as signed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SignatureError {
    /// Not text, or not a signature.
    #[error("the signature cannot be read: {0}")]
    Unreadable(String),
    /// None of the keys made it for these bytes.
    #[error(
        "the signature is by none of the keys that policy names, or not of these bytes in the prehashed form (`minisign -SH`)"
    )]
    NotByThese,
}

/// Text that is no key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "a signer is a minisign public key: the base64 text that begins with `RW`, from the second line of `minisign.pub`"
)]
pub struct NotAKey;

impl Signer {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Those of `signers` that made this signature of these bytes.
    ///
    /// # Errors
    /// Where that is none of them, or where it is no signature at all.
    pub fn of(signers: &[Self], bytes: &[u8], signature: &[u8]) -> Result<Vec<Self>, SignatureError> {
        let unreadable = |reason: &dyn fmt::Display| SignatureError::Unreadable(reason.to_string());
        let text = std::str::from_utf8(signature).map_err(|error| unreadable(&error))?;
        let signature = Signature::decode(text).map_err(|error| unreadable(&error))?;
        let made = |signer: &&Self| {
            PublicKey::from_base64(&signer.0).is_ok_and(|key| key.verify(bytes, &signature, false).is_ok())
        };
        let found: Vec<_> = signers.iter().filter(made).cloned().collect();
        if found.is_empty() { Err(SignatureError::NotByThese) } else { Ok(found) }
    }
}

impl FromStr for Signer {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        // The decoder is lenient about length; a key has 42 bytes, which are 56 digits.
        if text.len() != 56 || !text.starts_with("RW") {
            return Err(NotAKey);
        }
        PublicKey::from_base64(text).map(|_| Self(text.to_owned())).map_err(|_| NotAKey)
    }
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.0)
    }
}
