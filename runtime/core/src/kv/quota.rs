//! How much a space may hold. As with every limit there is no unlimited value.

use super::{MAX_KEY_BYTES, Usage};
use crate::units::Bytes;

/// How much a space may hold. The names of the fields are those in policy and messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Entries. It bounds what listing and purging cost, which tiny entries would otherwise make dear.
    pub keys: u64,
    /// Bytes of one value. It bounds what one `get` puts into a host's memory and a guest's.
    pub value_bytes: u64,
    /// Bytes of all keys and values. It bounds what a space takes of the disk.
    pub total_bytes: u64,
}

/// A quota that cannot be set.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("kv quota `{name}` must be between 1 and {ceiling}, not {value}; there is no unlimited value")]
pub struct QuotaError {
    /// The quota's name.
    pub name: &'static str,
    /// What was asked for.
    pub value: u64,
    /// The largest value.
    pub ceiling: u64,
}

/// Which quota a `set` would go over. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverQuota {
    /// One entry too many.
    #[error(
        "the store is full: `keys` allows {limit}; delete keys that are no longer needed, or ask for a larger quota"
    )]
    Keys {
        /// The quota.
        limit: u64,
    },
    /// A value that is too large.
    #[error(
        "the value has {bytes} bytes, and `value_bytes` allows {limit} ({shown}); split it over several keys",
        shown = Bytes(*.limit)
    )]
    Value {
        /// The value's size.
        bytes: u64,
        /// The quota.
        limit: u64,
    },
    /// Too many bytes in all.
    #[error(
        "keys and values would have {bytes} bytes, and `total_bytes` allows {limit} ({shown}); delete keys that are no \
         longer needed, or ask for a larger quota",
        shown = Bytes(*.limit)
    )]
    Total {
        /// What the space would hold.
        bytes: u64,
        /// The quota.
        limit: u64,
    },
}

impl Quota {
    /// Where nobody sets one: room for a tool's notes and caches, of which a thousand spaces fit on a small disk.
    pub const DEFAULT: Self = Self { keys: 10_000, value_bytes: 1 << 20, total_bytes: 64 << 20 };

    /// The largest that can be set: a value that a guest of the default memory can still hold twice, and a space whose
    /// keys can still be counted in seconds.
    pub const CEILING: Self = Self { keys: 1_000_000, value_bytes: 64 << 20, total_bytes: 16 << 30 };

    /// The quota, where each of its numbers is between 1 and [`Quota::CEILING`].
    ///
    /// # Errors
    /// Names the first that is not.
    pub fn checked(self) -> Result<Self, QuotaError> {
        for (name, value, ceiling) in [
            ("keys", self.keys, Self::CEILING.keys),
            ("value_bytes", self.value_bytes, Self::CEILING.value_bytes),
            ("total_bytes", self.total_bytes, Self::CEILING.total_bytes),
        ] {
            if value == 0 || value > ceiling {
                return Err(QuotaError { name, value, ceiling });
            }
        }
        Ok(self)
    }

    /// Whether a value of `bytes` may be set at all; nothing needs to be read to know it.
    ///
    /// # Errors
    /// [`OverQuota::Value`].
    pub fn value_fits(&self, bytes: usize) -> Result<(), OverQuota> {
        let (bytes, limit) = (bytes as u64, self.value_bytes.min(Self::CEILING.value_bytes));
        if bytes > limit { Err(OverQuota::Value { bytes, limit }) } else { Ok(()) }
    }

    /// Whether a space of which `used` is taken may get an entry of `size` bytes (key and value) in the place of one of
    /// `replaced` bytes, or of none. What does not grow always fits.
    ///
    /// # Errors
    /// [`OverQuota::Keys`] or [`OverQuota::Total`].
    pub fn entry_fits(&self, used: Usage, size: u64, replaced: Option<u64>) -> Result<(), OverQuota> {
        let keys = self.keys.min(Self::CEILING.keys);
        if replaced.is_none() && used.keys >= keys {
            return Err(OverQuota::Keys { limit: keys });
        }
        let limit = self.total_bytes.min(Self::CEILING.total_bytes);
        let replaced = replaced.unwrap_or(0);
        let bytes = used.bytes.saturating_sub(replaced).saturating_add(size);
        if size > replaced && bytes > limit { Err(OverQuota::Total { bytes, limit }) } else { Ok(()) }
    }
}

impl Default for Quota {
    fn default() -> Self {
        Self::DEFAULT
    }
}

// A space must be able to hold at least one value of the largest size, under the longest key.
const _: () = assert!(Quota::DEFAULT.value_bytes + MAX_KEY_BYTES as u64 <= Quota::DEFAULT.total_bytes);
const _: () = assert!(Quota::CEILING.value_bytes + MAX_KEY_BYTES as u64 <= Quota::CEILING.total_bytes);

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Quota = Quota { keys: 2, value_bytes: 10, total_bytes: 20 };

    #[test]
    fn no_quota_is_zero_or_unlimited() {
        assert_eq!(Quota::DEFAULT.checked(), Ok(Quota::DEFAULT));
        assert_eq!(Quota::CEILING.checked(), Ok(Quota::CEILING));
        for (quota, name) in [
            (Quota { keys: 0, ..SMALL }, "keys"),
            (Quota { value_bytes: u64::MAX, ..SMALL }, "value_bytes"),
            (Quota { total_bytes: (16 << 30) + 1, ..SMALL }, "total_bytes"),
        ] {
            assert_eq!(quota.checked().expect_err("out of range").name, name);
        }
        let unchecked = Quota { keys: u64::MAX, value_bytes: u64::MAX, total_bytes: u64::MAX };
        assert!(unchecked.value_fits((64 << 20) + 1).is_err());
        assert!(unchecked.entry_fits(Usage { keys: 1_000_000, bytes: 0 }, 1, None).is_err());
        assert!(unchecked.entry_fits(Usage { keys: 1, bytes: 16 << 30 }, u64::MAX, None).is_err());
    }

    #[test]
    fn an_entry_fits_up_to_the_last_byte_and_key() {
        let used = Usage { keys: 1, bytes: 12 };
        assert_eq!(SMALL.entry_fits(used, 8, None), Ok(()));
        assert_eq!(SMALL.entry_fits(used, 9, None), Err(OverQuota::Total { bytes: 21, limit: 20 }));
        assert_eq!(SMALL.entry_fits(used, 20, Some(12)), Ok(()));
        assert_eq!(SMALL.entry_fits(Usage { keys: 2, ..used }, 1, None), Err(OverQuota::Keys { limit: 2 }));
        assert_eq!(SMALL.entry_fits(Usage { keys: 2, ..used }, 1, Some(1)), Ok(()));
        assert_eq!(SMALL.value_fits(10), Ok(()));
        assert_eq!(SMALL.value_fits(11), Err(OverQuota::Value { bytes: 11, limit: 10 }));
    }

    #[test]
    fn a_lowered_quota_still_lets_a_tool_make_room() {
        let used = Usage { keys: 9, bytes: 500 };
        assert_eq!(SMALL.entry_fits(used, 99, Some(100)), Ok(()));
        assert_eq!(SMALL.entry_fits(used, 100, Some(100)), Ok(()));
        assert_eq!(SMALL.entry_fits(used, 101, Some(100)), Err(OverQuota::Total { bytes: 501, limit: 20 }));
    }

    #[test]
    fn a_refusal_names_the_quota_and_the_next_step() {
        let refusal = SMALL.value_fits(11).expect_err("over").to_string();
        assert_eq!(refusal, "the value has 11 bytes, and `value_bytes` allows 10 (10 B); split it over several keys");
    }
}
