//! Wall-clock time as a value. Libraries here never read the machine's clock; whoever embeds them hands one in.

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(pub u64);

/// Answers what time it is.
pub trait Clock: Send + Sync {
    /// The current wall-clock time.
    fn now(&self) -> UnixMillis;
}
