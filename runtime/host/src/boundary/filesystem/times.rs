//! Timestamps of files: coarse on the way out, checked on the way in.

use std::fs::FileTimes;
use std::time::{Duration, SystemTime};

use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::{DescriptorStat, ErrorCode, NewTimestamp};

/// Timestamps in the steps of the clocks: finer ones would be a finer clock.
pub(super) fn coarse(mut stat: DescriptorStat) -> DescriptorStat {
    let times =
        [&mut stat.data_access_timestamp, &mut stat.data_modification_timestamp, &mut stat.status_change_timestamp];
    for time in times.into_iter().flatten() {
        time.nanoseconds -= time.nanoseconds % 1_000_000;
    }
    stat
}

/// Both timestamps in the form that a file takes.
pub(super) fn file_times(accessed: NewTimestamp, modified: NewTimestamp) -> FsResult<FileTimes> {
    let mut times = FileTimes::new();
    if let Some(accessed) = system_time(accessed)? {
        times = times.set_accessed(accessed);
    }
    if let Some(modified) = system_time(modified)? {
        times = times.set_modified(modified);
    }
    Ok(times)
}

/// The time of a timestamp, if it is one. Any number can come in; one that no clock of the host can hold is an
/// overflow.
fn system_time(timestamp: NewTimestamp) -> FsResult<Option<SystemTime>> {
    let NewTimestamp::Timestamp(time) = timestamp else { return Ok(None) };
    let seconds = time.seconds.checked_add(u64::from(time.nanoseconds / 1_000_000_000));
    let since = seconds.map(|seconds| Duration::new(seconds, time.nanoseconds % 1_000_000_000));
    let time = since.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since));
    time.map(Some).ok_or_else(|| ErrorCode::Overflow.into())
}
