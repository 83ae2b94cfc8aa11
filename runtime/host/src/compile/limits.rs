//! What one compilation may cost.

use std::num::NonZeroUsize;
use std::time::Duration;

/// What one compilation may cost. The kernel holds processor time and memory, the parent holds the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    time: Duration,
    processor: Duration,
    memory: u64,
    code: u64,
    threads: NonZeroUsize,
}

/// A limit that could not be meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("compiling cannot be given {value} as its {name}: the range is {least} to {most}")]
pub struct LimitsError {
    name: &'static str,
    value: u64,
    least: u64,
    most: u64,
}

impl Default for CompileLimits {
    /// Two minutes by the clock and of processor time, 2 GiB of address space, 512 MiB of code, 2 threads. An 18 MB Python component,
    /// the largest that any toolchain is known to make, takes 18 s of processor time, 610 MiB, and 45 MB of code.
    fn default() -> Self {
        Self {
            time: Duration::from_mins(2),
            processor: Duration::from_mins(2),
            memory: 2 << 30,
            code: 512 << 20,
            threads: NonZeroUsize::new(2).expect("two is not zero"),
        }
    }
}

impl CompileLimits {
    /// Time by the clock, which also bounds a child that waits for something that never comes. Whole milliseconds up to an hour.
    ///
    /// # Errors
    /// Out of that range.
    pub fn time(self, time: Duration) -> Result<Self, LimitsError> {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        within("milliseconds", millis, 1, 3_600_000)?;
        Ok(Self { time, ..self })
    }

    /// Processor time over all threads, in whole seconds up to an hour: the kernel counts no finer. It is what a compilation really
    /// costs, however busy the machine is.
    ///
    /// # Errors
    /// Out of that range.
    pub fn processor(self, seconds: u64) -> Result<Self, LimitsError> {
        within("seconds of processor time", seconds, 1, 3_600)?;
        Ok(Self { processor: Duration::from_secs(seconds), ..self })
    }

    /// Address space in bytes, the program itself and its threads' stacks included; from 256 MiB, without which no thread would
    /// start, to 1 TiB.
    ///
    /// # Errors
    /// Out of that range.
    pub fn memory(self, bytes: u64) -> Result<Self, LimitsError> {
        within("bytes of memory", bytes, 256 << 20, 1 << 40)?;
        Ok(Self { memory: bytes, ..self })
    }

    /// Compiled code in bytes, which the host holds in its own memory; up to the largest entry of the code cache.
    ///
    /// # Errors
    /// Out of that range.
    pub fn code(self, bytes: u64) -> Result<Self, LimitsError> {
        within("bytes of code", bytes, 1, crate::code::MAX_ENTRY_BYTES)?;
        Ok(Self { code: bytes, ..self })
    }

    /// Threads that compile functions side by side, up to 64. Each takes address space.
    ///
    /// # Errors
    /// Out of that range.
    pub fn threads(self, threads: NonZeroUsize) -> Result<Self, LimitsError> {
        within("threads", threads.get() as u64, 1, 64)?;
        Ok(Self { threads, ..self })
    }

    /// Time by the clock.
    pub fn most_time(&self) -> Duration {
        self.time
    }

    /// Processor time.
    pub fn most_processor(&self) -> Duration {
        self.processor
    }

    /// Address space in bytes.
    pub fn most_memory(&self) -> u64 {
        self.memory
    }

    /// Compiled code in bytes.
    pub fn most_code(&self) -> u64 {
        self.code
    }

    /// Threads.
    pub fn most_threads(&self) -> usize {
        self.threads.get()
    }
}

fn within(name: &'static str, value: u64, least: u64, most: u64) -> Result<(), LimitsError> {
    if (least..=most).contains(&value) { Ok(()) } else { Err(LimitsError { name, value, least, most }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_limit_can_be_nothing_or_unlimited() {
        let limits = CompileLimits::default;
        assert!(limits().time(Duration::ZERO).is_err() && limits().time(Duration::MAX).is_err());
        assert!(limits().processor(0).is_err() && limits().processor(u64::MAX).is_err());
        assert!(limits().memory(1 << 20).is_err() && limits().memory(u64::MAX).is_err());
        assert!(limits().code(0).is_err() && limits().code(u64::MAX).is_err());
        assert!(limits().threads(NonZeroUsize::MAX).is_err());
        let error = limits().processor(9_999).expect_err("too much").to_string();
        assert_eq!(error, "compiling cannot be given 9999 as its seconds of processor time: the range is 1 to 3600");
    }
}
