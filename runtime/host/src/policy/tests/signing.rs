//! Signatures: the prehashed form by a named key, and nothing else.

use super::super::signer::{SignatureError, Signer};

/// The example of the library, whose signatures are of the four bytes `test`.
const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
const PREHASHED: &str = "untrusted comment: signature from minisign secret key
RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=
trusted comment: timestamp:1556193335\tfile:test
y/rUw2y8/hOUYjZU71eHp/Wo1KZ40fGy2VJEDl34XMJM+TX48Ss/17u3IvIfbVR1FkZZSNCisQbuQY+bHwhEBg==";
const LEGACY: &str = "untrusted comment: signature from minisign secret key
RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eKL8OC351vwIasSSbXxwA=
trusted comment: timestamp:1555779966\tfile:test
QtKMXWyYcwdpZAlPF7tE2ENJkRd1ujvKjlj1m9RtHTBnZPa5WKU5uWRs5GoP5M/VqE81QFuMKI5k/SfNQUaOAA==";

#[test]
fn a_signature_counts_for_its_own_bytes_key_and_comment_only() {
    let key: Signer = KEY.parse().expect("a key");
    let of = |bytes: &[u8], signature: &str| Signer::of(std::slice::from_ref(&key), bytes, signature.as_bytes());
    assert_eq!(of(b"test", PREHASHED), Ok(vec![key.clone()]));
    assert_eq!(of(b"tesT", PREHASHED), Err(SignatureError::NotByThese));
    assert_eq!(of(b"test", &PREHASHED.replace("file:test", "file:other")), Err(SignatureError::NotByThese));
    assert_eq!(of(b"test", LEGACY), Err(SignatureError::NotByThese), "the older form would be a downgrade");
    let other: Signer = KEY.replace("GFO3", "GFO4").parse().expect("another key");
    assert_eq!(Signer::of(&[other], b"test", PREHASHED.as_bytes()), Err(SignatureError::NotByThese));
    assert_eq!(Signer::of(&[], b"test", PREHASHED.as_bytes()), Err(SignatureError::NotByThese));
}

#[test]
fn what_is_no_signature_or_no_key_is_refused() {
    let key: Signer = KEY.parse().expect("a key");
    for cut in 0..PREHASHED.len() - 1 {
        let signature = PREHASHED.get(..cut).unwrap_or_default();
        assert!(Signer::of(std::slice::from_ref(&key), b"test", signature.as_bytes()).is_err(), "{cut}");
    }
    assert!(Signer::of(&[key], b"test", &[0xff; 300]).is_err());
    for text in ["", "RW", &KEY[1..], &format!("{KEY}="), &KEY.replace("RW", "AA"), &"R".repeat(100_000), "RWé"] {
        assert!(text.parse::<Signer>().is_err(), "{text:.80}");
    }
}
