//! `wasi:clocks`: coarse time that begins with the call.
//!
//! The monotonic clock is 0 when the call begins; the wall clock is the time at which the call began, as it was handed
//! in, plus what has passed since. Both go in steps of a millisecond and say so: a finer clock helps to measure what
//! the machine does for others. The machine's wall clock is never read.

use std::time::{Duration, Instant};

use toolcell_core::{Limit, Limits, UnixMillis};
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, timezone, wall_clock};
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

use super::Inner;
use super::crossing::crossing;

/// The step of every clock, in nanoseconds.
const STEP: u64 = 1_000_000;

/// How long after the call's own time limit a sleeper wakes up at the latest. The call has ended by then.
const PAST_THE_END: Duration = Duration::from_secs(1);

crossing! { impl monotonic_clock::Host, "wasi:clocks/monotonic-clock", |state| &mut Inner(state);
    fn now() -> wasmtime::Result<u64> = "now";
    fn resolution() -> wasmtime::Result<u64> = "resolution";
    fn subscribe_instant(when: u64) -> wasmtime::Result<Resource<DynPollable>> = "subscribe-instant";
    fn subscribe_duration(length: u64) -> wasmtime::Result<Resource<DynPollable>> = "subscribe-duration";
}

crossing! { impl wall_clock::Host, "wasi:clocks/wall-clock", |state| &mut Inner(state);
    fn now() -> wasmtime::Result<wall_clock::Datetime> = "now";
    fn resolution() -> wasmtime::Result<wall_clock::Datetime> = "resolution";
}

crossing! { impl timezone::Host, "wasi:clocks/timezone", |state| &mut Inner(state);
    fn display(when: wall_clock::Datetime) -> wasmtime::Result<timezone::TimezoneDisplay> = "display";
    fn utc_offset(when: wall_clock::Datetime) -> wasmtime::Result<i32> = "utc-offset";
}

/// The time of one call.
pub(super) struct CallClock {
    began: Instant,
    started: UnixMillis,
    latest: Duration,
}

impl CallClock {
    pub(super) fn new(started: UnixMillis, limits: &Limits) -> Self {
        Self { began: Instant::now(), started, latest: limits.duration(Limit::Time) + PAST_THE_END }
    }

    /// What has passed, in whole steps, in nanoseconds.
    fn elapsed(&self) -> u64 {
        self.millis().saturating_mul(STEP)
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The wall clock of the call.
    pub(super) fn wall(&self) -> wall_clock::Datetime {
        let millis = self.started.0.saturating_add(self.millis());
        let nanoseconds = u32::try_from(millis % 1_000).expect("less than a thousand") * 1_000_000;
        wall_clock::Datetime { seconds: millis / 1_000, nanoseconds }
    }

    /// A moment of this call, no later than just after its end. It is also what keeps the sum from overflowing.
    fn moment(&self, nanoseconds: u64) -> Instant {
        self.began + Duration::from_nanos(nanoseconds).min(self.latest)
    }
}

impl Inner<'_> {
    fn sleep(&mut self, until: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let sleeper = self.0.table.push(Sleeper(self.0.clock.moment(until)))?;
        subscribe(&mut self.0.table, sleeper)
    }
}

impl monotonic_clock::Host for Inner<'_> {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.0.clock.elapsed())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(STEP)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.sleep(when)
    }

    fn subscribe_duration(&mut self, length: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let passed = u64::try_from(self.0.clock.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.sleep(passed.saturating_add(length))
    }
}

impl wall_clock::Host for Inner<'_> {
    fn now(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Ok(self.0.clock.wall())
    }

    fn resolution(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Ok(wall_clock::Datetime { seconds: 0, nanoseconds: 1_000_000 })
    }
}

/// The time zone of the host is nobody's business.
impl timezone::Host for Inner<'_> {
    fn display(&mut self, _: wall_clock::Datetime) -> wasmtime::Result<timezone::TimezoneDisplay> {
        Ok(timezone::TimezoneDisplay { utc_offset: 0, name: "UTC".to_owned(), in_daylight_saving_time: false })
    }

    fn utc_offset(&mut self, _: wall_clock::Datetime) -> wasmtime::Result<i32> {
        Ok(0)
    }
}

/// Ready at a moment.
struct Sleeper(Instant);

#[async_trait::async_trait]
impl Pollable for Sleeper {
    async fn ready(&mut self) {
        tokio::time::sleep_until(self.0.into()).await;
    }
}
