//! A secret's bytes in memory: wiped when dropped, lent and never shown.

use std::fmt;

use zeroize::Zeroizing;

pub use crate::egress::SecretValue;

/// The value of one secret. There is no `Display`, no `Clone` and no `serde`, and `Debug` shows nothing of it.
///
/// Its memory is wiped when it is dropped. It is not locked: the operating system may write it to swap or to a core
/// dump, so a host with secrets should have neither.
pub struct Secret(Zeroizing<Box<[u8]>>);

/// Bytes that cannot be a secret. Says how many there were and nothing of what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotASecret {
    /// Too short to be taken out of a text.
    #[error(
        "a secret of {0} bytes is refused: fewer than 8 occur by chance in ordinary text, so it could be neither hidden nor taken out of what is shown; use a longer one"
    )]
    TooShort(usize),
    /// Too long.
    #[error("a secret of {0} bytes is refused: it may have at most 65536; secrets are keys and tokens, not data")]
    TooLong(usize),
}

impl Secret {
    /// The least number of bytes. Below it redaction would maul ordinary text and guessing would be easy.
    pub const MIN: usize = 8;
    /// The most bytes: a large private key with its chain fits.
    pub const MAX: usize = 64 << 10;

    /// Takes a value over. The bytes are used as they are: a newline at the end belongs to the value.
    ///
    /// # Errors
    /// Where there are fewer than [`Self::MIN`] or more than [`Self::MAX`]; the bytes are wiped then, too.
    pub fn new(bytes: impl Into<Zeroizing<Vec<u8>>>) -> Result<Self, NotASecret> {
        let bytes = bytes.into();
        match bytes.len() {
            short if short < Self::MIN => Err(NotASecret::TooShort(short)),
            long if long > Self::MAX => Err(NotASecret::TooLong(long)),
            // A copy of exact size, because shrinking in place could move the bytes and leave the old ones behind.
            _ => Ok(Self(Zeroizing::new(bytes.as_slice().into()))),
        }
    }

    /// The number of bytes.
    pub fn size(&self) -> usize {
        self.0.len()
    }
}

impl SecretValue for Secret {
    fn expose(&self, use_: &mut dyn FnMut(&[u8])) {
        use_(&self.0);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_lent_and_never_shown() {
        let secret = Secret::new(b"correct horse".to_vec()).expect("a secret");
        let mut seen = Vec::new();
        secret.expose(&mut |bytes| seen.extend_from_slice(bytes));
        assert_eq!(seen, b"correct horse");
        assert_eq!((format!("{secret:?}"), secret.size()), ("Secret(..)".to_owned(), 13));
    }

    #[test]
    fn the_length_is_bounded_both_ways_and_the_message_says_why() {
        let of = |length: usize| Secret::new(vec![b'x'; length]);
        assert!(of(Secret::MIN).is_ok() && of(Secret::MAX).is_ok());
        let short = of(Secret::MIN - 1).expect_err("too short");
        assert_eq!(short, NotASecret::TooShort(7));
        assert!(short.to_string().contains("by chance"));
        assert_eq!(of(0).expect_err("empty"), NotASecret::TooShort(0));
        assert_eq!(of(Secret::MAX + 1).expect_err("too long"), NotASecret::TooLong(65_537));
    }
}
