//! The few statistics that honest sentences need, exact where counts are small.

/// The share of successes with the interval that holds the true one with 95 % confidence (Wilson 1927; it stays sensible for
/// few trials and for shares near 0 and 1). None where nothing was tried.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Share {
    /// Successes over trials.
    pub share: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// The 97.5th percentile of the normal distribution: two-sided 95 %.
const Z: f64 = 1.959_964;

impl Share {
    /// The share of `good` among `all`.
    pub fn of(good: u64, all: u64) -> Option<Self> {
        if all == 0 {
            return None;
        }
        let (n, p) = (float(all), float(good.min(all)) / float(all));
        let z2 = Z * Z;
        let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let half = Z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
        // At the ends the interval touches the share itself; rounding must not put it outside.
        Some(Self { share: p, low: (centre - half).clamp(0.0, p), high: (centre + half).clamp(p, 1.0) })
    }
}

/// Logarithms of factorials, for tests that would overflow otherwise.
pub(super) struct Factorials(Vec<f64>);

impl Factorials {
    /// Up to `most`!.
    pub(super) fn up_to(most: u64) -> Self {
        let mut sum = 0.0;
        let logs = (1..=most).map(|n| {
            sum += float(n).ln();
            sum
        });
        Self(std::iter::once(0.0).chain(logs).collect())
    }

    /// Fisher's exact test, one-sided: of `all` things `marked` are marked; how likely is it that of `drawn` drawn blindly at
    /// least `found` are? Numbers that do not fit each other are as likely as can be: 1.
    pub(super) fn at_least(&self, found: u64, drawn: u64, marked: u64, all: u64) -> f64 {
        if marked > all || drawn > all || found > drawn.min(marked) || found == 0 {
            return if found > drawn.min(marked) { 0.0 } else { 1.0 };
        }
        let choose = |n: u64, k: u64| self.log(n) - self.log(k) - self.log(n - k);
        let whole = choose(all, drawn);
        let fits = |k: &u64| drawn - k <= all - marked;
        let one = |k: u64| (choose(marked, k) + choose(all - marked, drawn - k) - whole).exp();
        (found..=drawn.min(marked)).filter(fits).map(one).sum::<f64>().min(1.0)
    }

    fn log(&self, n: u64) -> f64 {
        usize::try_from(n).ok().and_then(|n| self.0.get(n)).copied().unwrap_or(f64::INFINITY)
    }
}

/// A count as a float; exact up to 2^53, and no count of calls comes near.
#[allow(clippy::cast_precision_loss, reason = "see above")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 5e-4
    }

    #[test]
    fn the_interval_is_wilsons() {
        // Worked by R's `binom::binom.confint(x, n, methods = "wilson")`.
        for (good, all, low, high) in
            [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (50, 100, 0.4038, 0.5962), (1, 1, 0.2065, 1.0)]
        {
            let share = Share::of(good, all).expect("tried");
            assert!(near(share.low, low) && near(share.high, high), "{good}/{all}: {share:?}");
        }
        assert_eq!(Share::of(0, 0), None);
    }

    #[test]
    fn fishers_test_is_exact() {
        let factorials = Factorials::up_to(100);
        // The lady tasting tea: all four of four among eight by chance, 1 in 70.
        assert!(near(factorials.at_least(4, 4, 4, 8), 1.0 / 70.0));
        assert!(near(factorials.at_least(3, 4, 4, 8), 17.0 / 70.0));
        assert!(near(factorials.at_least(0, 4, 4, 8), 1.0));
        assert!(near(factorials.at_least(1, 4, 4, 8), 69.0 / 70.0));
        assert!(near(factorials.at_least(5, 4, 4, 8), 0.0));
        assert!(near(factorials.at_least(9, 9, 8, 8), 0.0));
    }
}
