//! Sums and medians that do not depend on the order of rows. It owns the arithmetic, and refuses to answer with an
//! infinity: a sum beyond the range of a 64-bit float is none.

/// A sum of floats without rounding between the terms (J. R. Shewchuk, "Adaptive Precision Floating-Point Arithmetic",
/// 1997; Python's `math.fsum` is the same algorithm). The result is the same in whatever order the terms come.
#[derive(Debug, Clone, Default)]
pub struct ExactSum {
    partials: Vec<f64>,
    overflowed: bool,
}

/// A median, kept exact for integers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Median {
    /// An integer.
    Whole(i128),
    /// The middle of two integers of different parity: this one and a half.
    AndHalf(i128),
    /// A float.
    Number(f64),
}

impl ExactSum {
    /// Adds one finite term.
    pub fn add(&mut self, term: f64) {
        let mut x = term;
        let mut kept = 0;
        for index in 0..self.partials.len() {
            let mut y = self.partials[index];
            if x.abs() < y.abs() {
                std::mem::swap(&mut x, &mut y);
            }
            let high = x + y;
            let low = y - (high - x);
            if low != 0.0 {
                self.partials[kept] = low;
                kept += 1;
            }
            x = high;
        }
        self.partials.truncate(kept);
        self.overflowed |= !x.is_finite();
        self.partials.push(x);
    }

    /// The sum, rounded once; none where it left the range of a 64-bit float.
    pub fn total(&self) -> Option<f64> {
        if self.overflowed {
            return None;
        }
        let mut rest = self.partials.iter().rev();
        let mut high = rest.next().copied().unwrap_or(0.0);
        let mut low = 0.0;
        for y in rest.by_ref() {
            let x = high;
            high = x + y;
            low = y - (high - x);
            if low != 0.0 {
                break;
            }
        }
        // Half-way cases round to even only if what lies below the half is looked at.
        if let Some(next) = rest.next()
            && ((low < 0.0 && *next < 0.0) || (low > 0.0 && *next > 0.0))
        {
            let twice = low * 2.0;
            let rounded = high + twice;
            #[allow(clippy::float_cmp)] // Exactness is the question here.
            if twice == rounded - high {
                high = rounded;
            }
        }
        high.is_finite().then_some(high)
    }
}

impl Median {
    /// As a float, rounded once.
    #[allow(clippy::cast_precision_loss)]
    pub fn as_number(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::AndHalf(whole) => whole as f64 + 0.5,
            Self::Number(number) => number,
        }
    }

    /// As a JSON number, every digit of it.
    pub fn write(self) -> String {
        match self {
            Self::Whole(whole) => whole.to_string(),
            // Minus one and a half is -2 and a half above it.
            Self::AndHalf(-1) => "-0.5".to_owned(),
            Self::AndHalf(whole) if whole < 0 => format!("{}.5", whole + 1),
            Self::AndHalf(whole) => format!("{whole}.5"),
            Self::Number(number) => write_number(number),
        }
    }
}

/// The median of integers; sorts them. None for none.
pub fn median_of_integers(values: &mut [i128]) -> Option<Median> {
    values.sort_unstable();
    let middle = values.len() / 2;
    let high = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(Median::Whole(high));
    }
    let low = values[middle - 1];
    // The midpoint without the sum, which might not fit.
    let floor = (low & high) + ((low ^ high) >> 1);
    Some(if (low ^ high) & 1 == 0 { Median::Whole(floor) } else { Median::AndHalf(floor) })
}

/// The median of finite floats; sorts them. None for none.
pub fn median_of_numbers(values: &mut [f64]) -> Option<Median> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    let high = *values.get(middle)?;
    Some(Median::Number(if values.len() % 2 == 1 { high } else { f64::midpoint(values[middle - 1], high) }))
}

/// The shortest JSON number that reads back as the same float. `number` is finite.
pub fn write_number(number: f64) -> String {
    serde_json::Number::from_f64(number).map_or_else(|| "null".to_owned(), |it| it.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_the_same_in_any_order_and_rounded_once() {
        let mut forward = ExactSum::default();
        let mut backward = ExactSum::default();
        let terms = [1e16, 1.0, -1e16, 0.1, 0.2, 0.3];
        for index in 0..terms.len() {
            forward.add(terms[index]);
            backward.add(terms[terms.len() - 1 - index]);
        }
        assert_eq!(forward.total(), backward.total());
        assert_eq!(forward.total(), Some(1.6));
    }

    #[test]
    fn ten_tenths_are_one() {
        let mut sum = ExactSum::default();
        (0..10).for_each(|_| sum.add(0.1));
        assert_eq!(sum.total(), Some(1.0));
    }

    #[test]
    fn an_overflow_is_none_and_nothing_is_zero() {
        let mut sum = ExactSum::default();
        assert_eq!(sum.total(), Some(0.0));
        sum.add(f64::MAX);
        sum.add(f64::MAX);
        assert_eq!(sum.total(), None);
    }

    #[test]
    fn medians_of_integers_are_exact_below_zero_too() {
        let write = |values: &mut [i128]| median_of_integers(values).map(Median::write);
        assert_eq!(write(&mut [3, 1, 2]), Some("2".to_owned()));
        assert_eq!(write(&mut [1, 2]), Some("1.5".to_owned()));
        assert_eq!(write(&mut [-1, 0]), Some("-0.5".to_owned()));
        assert_eq!(write(&mut [-2, -1]), Some("-1.5".to_owned()));
        assert_eq!(write(&mut [i128::MAX, i128::MAX]), Some(i128::MAX.to_string()));
        assert_eq!(write(&mut []), None);
    }
}
