//! Which fix is worth a try: by how often it helped, with doubt where it was tried seldom.

use toolcell_core::fixes::Fix;

/// The quantile of the normal distribution for a confidence of 95 %, both sides.
pub const Z: f64 = 1.96;

/// From this lower bound on a fix is trusted: it helped four times of four, or about three times of four over many tries.
pub const TRUSTED_BOUND: f64 = 0.5;

/// Below this lower bound a fix is no longer tried once its [`TRIALS`] are over: it helps less than every fourth time.
pub const LEAST_BOUND: f64 = 0.25;

/// How often a fix is tried before it may be retired. With four, one that always helps is trusted when its trial ends.
pub const TRIALS: u64 = 4;

/// What a fix is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It is not tried any more.
    Retired,
    /// It is tried until its worth is known.
    OnTrial,
    /// It helps.
    Trusted,
}

/// The lower end of the interval in which the true rate of success lies with a confidence of 95 %, from 0 to 1: Wilson,
/// "Probable inference, the law of succession, and statistical inference", 1927. Without a try it is 0.
pub fn lower_bound(worked: u64, tried: u64) -> f64 {
    if tried == 0 {
        return 0.0;
    }
    // Counts beyond 2^53 lose their last digits, which changes nothing here.
    #[allow(clippy::cast_precision_loss, reason = "a rate needs no more than 53 bits")]
    let (n, worked) = (tried as f64, worked.min(tried) as f64);
    let (rate, square) = (worked / n, Z * Z);
    let spread = Z * (rate * (1.0 - rate) / n + square / (4.0 * n * n)).sqrt();
    ((rate + square / (2.0 * n) - spread) / (1.0 + square / n)).max(0.0)
}

/// What a fix is worth by what is known of it.
pub fn standing(fix: &Fix) -> Standing {
    let bound = lower_bound(fix.worked, fix.tried);
    if bound >= TRUSTED_BOUND {
        Standing::Trusted
    } else if fix.tried < TRIALS || bound >= LEAST_BOUND {
        Standing::OnTrial
    } else {
        Standing::Retired
    }
}

/// The fixes that are worth a try, the best first; equally good ones by id, so that the order never varies.
pub fn ranked(mut fixes: Vec<Fix>) -> Vec<Fix> {
    fixes.retain(|fix| standing(fix) != Standing::Retired);
    let bound = |fix: &Fix| lower_bound(fix.worked, fix.tried);
    fixes.sort_by(|a, b| bound(b).total_cmp(&bound(a)).then(a.id.cmp(&b.id)));
    fixes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_that_of_the_literature() {
        // Computed from the formula with more digits than compared.
        for (worked, tried, bound) in [
            (0, 0, 0.0),
            (0, 10, 0.0),
            (1, 1, 0.206_5),
            (3, 3, 0.438_5),
            (4, 4, 0.510_1),
            (5, 10, 0.236_6),
            (81, 263, 0.255_3),
            (u64::MAX, u64::MAX, 1.0),
            (7, 3, 0.438_5),
        ] {
            assert!(
                (lower_bound(worked, tried) - bound).abs() < 0.000_1,
                "{worked}/{tried}: {}",
                lower_bound(worked, tried)
            );
        }
    }

    #[test]
    fn a_fix_is_promoted_by_helping_and_retired_by_failing() {
        let of = |worked, tried| standing(&super::super::shelf::tests::fix(1, worked, tried));
        assert_eq!(of(1, 1), Standing::OnTrial);
        assert_eq!(of(0, 3), Standing::OnTrial);
        assert_eq!(of(4, 4), Standing::Trusted);
        assert_eq!(of(1, 4), Standing::Retired);
        assert_eq!(of(3, 5), Standing::Retired);
        assert_eq!(of(4, 6), Standing::OnTrial);
        assert_eq!(of(75, 100), Standing::Trusted);
        assert_eq!(of(10, 100), Standing::Retired);
    }

    #[test]
    fn the_best_is_first_and_what_is_retired_is_not_there() {
        use super::super::shelf::tests::fix;
        let order: Vec<_> = ranked(vec![fix(3, 0, 9), fix(1, 1, 1), fix(2, 9, 9)]);
        assert_eq!(order, [fix(2, 9, 9), fix(1, 1, 1)]);
    }
}
