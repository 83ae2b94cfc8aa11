//! Shares and durations with what they are worth. It owns the two thresholds below which a figure is flagged; it refuses
//! to divide by zero: a rate of nothing is no rate.

use toolcell_rows::median_of_integers;

/// A rate of fewer is flagged. Thirty is the usual rule of thumb for proportions; at 30 the 95% interval of a half is still
/// a third of the whole range wide.
pub(crate) const ENOUGH_FOR_RATE: u64 = 30;
/// A median of fewer durations is flagged.
pub(crate) const ENOUGH_FOR_DAYS: u64 = 10;
/// The 97.5% quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// A share of a whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate {
    pub(crate) count: u64,
    pub(crate) n: u64,
}

impl Rate {
    #[allow(clippy::cast_precision_loss)] // Counts of rows are far below 2^53.
    pub(crate) fn value(self) -> Option<f64> {
        (self.n > 0).then(|| self.count as f64 / self.n as f64)
    }

    /// The 95% score interval (E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927).
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn interval(self) -> Option<(f64, f64)> {
        let rate = self.value()?;
        let n = self.n as f64;
        let scale = 1.0 + Z * Z / n;
        let middle = (rate + Z * Z / (2.0 * n)) / scale;
        let half = Z * (rate * (1.0 - rate) / n + Z * Z / (4.0 * n * n)).sqrt() / scale;
        // At the ends the interval touches 0 and 1 exactly; rounding must not cross them.
        let low = if self.count == 0 { 0.0 } else { (middle - half).max(0.0) };
        let high = if self.count == self.n { 1.0 } else { (middle + half).min(1.0) };
        Some((low, high))
    }

    pub(crate) fn is_too_little(self) -> bool {
        self.n < ENOUGH_FOR_RATE
    }
}

/// Durations of several leads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Days {
    pub(crate) n: u64,
    pub(crate) median: f64,
    pub(crate) longest: u64,
}

impl Days {
    /// None for none. Durations are not negative.
    pub(crate) fn of(durations: &[u32]) -> Option<Self> {
        let mut sorted: Vec<i128> = durations.iter().map(|days| i128::from(*days)).collect();
        let median = median_of_integers(&mut sorted)?;
        Some(Self {
            n: durations.len() as u64,
            median: median.as_number(),
            longest: u64::from(*durations.iter().max()?),
        })
    }

    pub(crate) fn is_too_little(self) -> bool {
        self.n < ENOUGH_FOR_DAYS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wilson_interval_solves_the_score_equation() {
        // The roots of (p - q)^2 n = z^2 q (1 - q), found by bisection in Python; for 0 of n the upper one is z^2 / (n + z^2).
        let (low, high) = Rate { count: 15, n: 50 }.interval().unwrap();
        assert!((low - 0.191_035_535_009).abs() < 1e-10 && (high - 0.437_503_504_645).abs() < 1e-10, "{low} {high}");
        let (low, high) = Rate { count: 0, n: 10 }.interval().unwrap();
        assert!(low == 0.0 && (high - 0.277_532_799_863).abs() < 1e-10, "{low} {high}");
        assert_eq!(Rate { count: 0, n: 0 }.interval(), None);
    }

    #[test]
    fn a_rate_of_twenty_nine_is_flagged_and_one_of_thirty_is_not() {
        assert!(Rate { count: 1, n: 29 }.is_too_little());
        assert!(!Rate { count: 1, n: 30 }.is_too_little());
    }

    #[test]
    fn no_durations_have_no_median() {
        assert_eq!(Days::of(&[]), None);
        assert_eq!(Days::of(&[4, 1]).map(|days| (days.median, days.longest)), Some((2.5, 4)));
    }
}
