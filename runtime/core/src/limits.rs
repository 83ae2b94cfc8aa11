//! The ceilings of a call, in one table. No limit has an unlimited value: each has a default and a largest value.

use std::fmt;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One limit of a call. [`Limit::row`] says what it counts and which abuse it stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the table below documents each")]
pub enum Limit {
    Fuel,
    Time,
    QueueTime,
    QueueLength,
    Rate,
    Memory,
    Table,
    Instances,
    Handles,
    Stack,
    ArgumentBytes,
    ArgumentValues,
    ArgumentDepth,
    ResultBytes,
    ResultValues,
    LogBytes,
    LogLines,
    HostCalls,
    HostBytes,
    CrossingBytes,
    RandomBytes,
    FileReadBytes,
    FileWriteBytes,
    OpenFiles,
    HttpRequests,
    HttpSentBytes,
    HttpReceivedBytes,
    HttpHeaderBytes,
    HttpTime,
    NestedCalls,
    CallDepth,
}

/// What a limit counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Unit {
    Fuel,
    Millis,
    Bytes,
    Count,
}

/// A row of the table of limits.
#[derive(Debug)]
pub struct Row {
    /// The limit.
    pub limit: Limit,
    /// Its name in policy, manifests and receipts, in `snake_case`.
    pub name: &'static str,
    /// The failure kind when it is hit.
    pub kind: &'static str,
    /// What it counts in.
    pub unit: Unit,
    /// The value where nobody sets one.
    pub default: u64,
    /// The largest value that can be set.
    pub ceiling: u64,
    /// Whether a call may have its own value; the others belong to the engine or to admission.
    pub per_call: bool,
    /// The abuse it stops.
    pub stops: &'static str,
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

macro_rules! rows {
    ($($limit:ident, $name:literal, $kind:literal, $unit:ident, $default:expr, $ceiling:expr, $per_call:expr, $stops:literal;)*) => {
        /// Every limit, in the order of [`Limit`].
        pub const LIMITS: &[Row] = &[$(Row {
            limit: Limit::$limit, name: $name, kind: $kind, unit: Unit::$unit, default: $default, ceiling: $ceiling,
            per_call: $per_call, stops: $stops,
        }),*];
        const COUNT: usize = [$(Limit::$limit),*].len();
    };
}

rows! {
    Fuel, "fuel", "fuel-limit", Fuel, 20_000_000_000, 10_000_000_000_000, true, "endless loops and needless work, the same on every machine";
    Time, "time", "time-limit", Millis, 30_000, 3_600_000, true, "waiting for ever, host calls included";
    QueueTime, "queue_time", "queue-time-limit", Millis, 10_000, 600_000, true, "callers piling up behind a busy tool";
    QueueLength, "queue_length", "queue-full", Count, 4_096, 1_000_000, false, "callers piling up faster than anything is served";
    Rate, "calls_per_minute", "rate-limit", Count, 60_000, 60_000_000, false, "one caller taking the service from the others";
    Memory, "memory", "memory-limit", Bytes, 256 * MIB, 4 * GIB, true, "memory bombs; all linear memories of a call count together";
    Table, "table_elements", "table-limit", Count, 100_000, 10_000_000, true, "table.grow bombs; all tables of a call count together";
    Instances, "instances", "instance-limit", Count, 64, 1_000, true, "bombs of nested instances";
    Handles, "handles", "handle-limit", Count, 4_096, 1_000_000, true, "sprays of streams, pollables and other resources";
    Stack, "stack", "stack-limit", Bytes, MIB, MIB, false, "endless recursion and huge frames";
    ArgumentBytes, "argument_bytes", "argument-bytes-limit", Bytes, 16 * MIB, 256 * MIB, true, "huge requests";
    ArgumentValues, "argument_values", "argument-values-limit", Count, 1_000_000, 20_000_000, true, "small requests that become many values";
    ArgumentDepth, "argument_depth", "argument-depth-limit", Count, 64, 128, true, "nesting that would exhaust a stack";
    ResultBytes, "result_bytes", "result-bytes-limit", Bytes, 16 * MIB, 256 * MIB, true, "results that flood the caller or its model";
    ResultValues, "result_values", "result-values-limit", Count, 2_000_000, 20_000_000, true, "results that become very many values";
    LogBytes, "log_bytes", "log-bytes-limit", Bytes, 256 * KIB, 64 * MIB, true, "log floods by size";
    LogLines, "log_lines", "log-lines-limit", Count, 1_000, 1_000_000, true, "log floods by number, empty writes included";
    HostCalls, "host_calls", "host-call-limit", Count, 1_000_000, 1_000_000_000, true, "loops over host functions, which cost the guest little fuel";
    HostBytes, "host_bytes", "host-bytes-limit", Bytes, GIB, 64 * GIB, true, "bytes moved through host functions, over the whole call";
    CrossingBytes, "crossing_bytes", "crossing-bytes-limit", Bytes, 17 * MIB, 256 * MIB, true, "one huge argument of a host function, of which the host makes a copy before it looks at it";
    RandomBytes, "random_bytes", "random-limit", Bytes, MIB, GIB, true, "draining the generator or the CPU behind it";
    FileReadBytes, "file_read_bytes", "file-read-limit", Bytes, 512 * MIB, 64 * GIB, true, "reading a mount again and again";
    FileWriteBytes, "file_write_bytes", "file-write-limit", Bytes, 64 * MIB, 64 * GIB, true, "filling the disk, holes in sparse files included";
    OpenFiles, "open_files", "open-files-limit", Count, 256, 4_096, true, "using up the host's file descriptors";
    HttpRequests, "http_requests", "http-requests-limit", Count, 32, 100_000, true, "floods of requests, redirects that are followed included";
    HttpSentBytes, "http_sent_bytes", "http-sent-bytes-limit", Bytes, 4 * MIB, 4 * GIB, true, "carrying data out in bulk";
    HttpReceivedBytes, "http_received_bytes", "http-received-bytes-limit", Bytes, 32 * MIB, 16 * GIB, true, "endless bodies and compression bombs; bytes count as they are decoded";
    HttpHeaderBytes, "http_header_bytes", "http-header-bytes-limit", Bytes, 64 * KIB, MIB, true, "a million response headers";
    HttpTime, "http_time", "http-time-limit", Millis, 20_000, 3_600_000, true, "one slow upstream that takes the whole time of a call";
    NestedCalls, "nested_calls", "nested-calls-limit", Count, 64, 100_000, true, "tools that call tools in a loop";
    CallDepth, "call_depth", "call-depth-limit", Count, 4, 16, true, "tools that call each other for ever";
}

impl Limit {
    /// Its row in the table.
    pub fn row(self) -> &'static Row {
        &LIMITS[self as usize]
    }

    /// The limit of that name in the table.
    pub fn named(name: &str) -> Option<Self> {
        LIMITS.iter().find(|row| row.name == name).map(|row| row.limit)
    }

    /// Shows a value of this limit with its unit.
    pub fn show(self, value: u64) -> String {
        match self.row().unit {
            Unit::Fuel => format!("{value} fuel"),
            Unit::Millis => format!("{value} ms"),
            Unit::Bytes => crate::units::Bytes(value).to_string(),
            Unit::Count => value.to_string(),
        }
    }
}

/// A value for every limit. Without settings, the defaults of the table.
#[derive(Clone, PartialEq, Eq)]
pub struct Limits([u64; COUNT]);

/// A limit that was set to something it cannot be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LimitError {
    /// Zero, or over the largest value.
    #[error("limit `{name}` must be between 1 and {ceiling}, not {value}; there is no unlimited value")]
    OutOfRange {
        /// The limit's name.
        name: &'static str,
        /// What was asked for.
        value: u64,
        /// The largest value.
        ceiling: u64,
    },
    /// A limit that is not set per call.
    #[error("limit `{name}` belongs to the host and cannot be set for a call")]
    NotPerCall {
        /// The limit's name.
        name: &'static str,
    },
    /// No such limit.
    #[error("there is no limit `{0}`")]
    Unknown(String),
}

impl Default for Limits {
    fn default() -> Self {
        let mut values = [0; COUNT];
        for row in LIMITS {
            values[row.limit as usize] = row.default;
        }
        Self(values)
    }
}

impl Limits {
    /// The largest value of every limit: what meets with any other limits without changing them.
    pub fn ceiling() -> Self {
        let mut values = [0; COUNT];
        for row in LIMITS {
            values[row.limit as usize] = row.ceiling;
        }
        Self(values)
    }

    /// The value of one limit, in its own unit.
    pub fn get(&self, limit: Limit) -> u64 {
        self.0[limit as usize]
    }

    /// The value of a limit counted in milliseconds.
    pub fn duration(&self, limit: Limit) -> Duration {
        debug_assert_eq!(limit.row().unit, Unit::Millis, "{limit:?} is no time");
        Duration::from_millis(self.get(limit))
    }

    /// The same limits with one of them set for a call.
    ///
    /// # Errors
    /// Where the value is zero or over the ceiling, or where the limit is not a call's to set.
    pub fn with(mut self, limit: Limit, value: u64) -> Result<Self, LimitError> {
        let row = limit.row();
        if !row.per_call {
            return Err(LimitError::NotPerCall { name: row.name });
        }
        if value == 0 || value > row.ceiling {
            return Err(LimitError::OutOfRange { name: row.name, value, ceiling: row.ceiling });
        }
        self.0[limit as usize] = value;
        Ok(self)
    }

    /// The smaller of each pair: what both sides allow.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        let mut values = self.0;
        for (value, theirs) in values.iter_mut().zip(other.0) {
            *value = (*value).min(theirs);
        }
        Self(values)
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(LIMITS.iter().map(|row| (row.name, self.get(row.limit)))).finish()
    }
}

impl Serialize for Limits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(LIMITS.iter().map(|row| (row.name, self.get(row.limit))))
    }
}

impl<'de> Deserialize<'de> for Limits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = std::collections::BTreeMap::<String, u64>::deserialize(deserializer)?;
        let mut limits = Self::default();
        for (name, value) in given {
            let limit = Limit::named(&name).ok_or_else(|| D::Error::custom(LimitError::Unknown(name)))?;
            if limit.row().per_call {
                limits = limits.with(limit, value).map_err(D::Error::custom)?;
            }
        }
        Ok(limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_stands_at_its_own_index_and_is_finite() {
        for (index, row) in LIMITS.iter().enumerate() {
            assert_eq!(row.limit as usize, index, "{}", row.name);
            assert!(0 < row.default && row.default <= row.ceiling && row.ceiling < u64::MAX / 2, "{}", row.name);
            assert_eq!(Limit::named(row.name), Some(row.limit));
        }
    }

    #[test]
    fn no_limit_can_be_set_to_nothing_or_to_everything() {
        for row in LIMITS {
            for value in [0, row.ceiling + 1, u64::MAX] {
                assert!(Limits::default().with(row.limit, value).is_err(), "{} = {value}", row.name);
            }
        }
    }

    #[test]
    fn what_both_allow_is_the_smaller_of_each() {
        let small = Limits::default().with(Limit::Fuel, 5).expect("in range");
        assert_eq!(Limits::default().meet(&small).get(Limit::Fuel), 5);
        assert_eq!(small.meet(&Limits::default()), small);
    }
}
