//! Owns the score. The formula is the BM25 of Lucene 8 and later (Robertson and Zaragoza, "The Probabilistic Relevance Framework:
//! BM25 and Beyond", 2009, without the constant factor k1 + 1, which changes no order), with exact document lengths:
//!
//! ```text
//! score(d, q) = Σ over the words t of q, repeats included:  idf(t) · tf / (tf + k1 · (1 − b + b · |d| / avg))
//! idf(t)      = ln(1 + (N − n + 0.5) / (n + 0.5))
//! ```
//!
//! with tf the occurrences of t in d, |d| the words of d, avg the mean of |d| over all N documents (empty ones included), and n
//! the documents that hold t. The `+ 1` inside the logarithm keeps the weight of a word positive that is in most documents.

/// How much repeating a word helps, where the caller does not say.
pub const K1: f64 = 1.2;
/// How much longer documents are held back, where the caller does not say.
pub const B: f64 = 0.75;

/// The two free parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameters {
    /// From 0 (only presence counts) upwards.
    pub k1: f64,
    /// From 0 (length does not count) to 1.
    pub b: f64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self { k1: K1, b: B }
    }
}

/// The inverse document frequency of a word that `holding` of `documents` hold.
pub fn idf(documents: u32, holding: u32) -> f64 {
    let (documents, holding) = (f64::from(documents), f64::from(holding));
    (1.0 + (documents - holding + 0.5) / (holding + 0.5)).ln()
}

/// What one word adds to the score of a document: `times` occurrences among `length` words.
pub fn contribution(idf: f64, times: u32, length: u32, average: f64, parameters: Parameters) -> f64 {
    if times == 0 {
        return 0.0;
    }
    let times = f64::from(times);
    let Parameters { k1, b } = parameters;
    idf * times / (times + k1 * (1.0 - b + b * f64::from(length) / average))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_computed_by_hand() {
        // Three documents of 3, 4 and 0 words, "dog" twice in the second:
        // ln(1 + 2.5 / 1.5) · 2 / (2 + 1.2 · (0.25 + 0.75 · 4 / (7 / 3))).
        let score = contribution(idf(3, 1), 2, 4, 7.0 / 3.0, Parameters::default());
        assert!((score - 0.510_468_756_214_281_3).abs() < 1e-15, "{score}");
    }

    #[test]
    fn the_weight_of_a_word_is_positive_and_falls_with_its_frequency() {
        let weights: Vec<f64> = (1..=100).map(|holding| idf(100, holding)).collect();
        assert!(weights.windows(2).all(|pair| pair[0] > pair[1]));
        assert!(weights[99] > 0.0);
    }

    #[test]
    fn the_parameters_do_what_they_are_for() {
        let with = |k1, b, times, length| contribution(1.0, times, length, 10.0, Parameters { k1, b });
        assert!((with(0.0, 0.75, 1, 10) - with(0.0, 0.75, 9, 10)).abs() < 1e-15);
        assert!((with(1.2, 0.0, 2, 1) - with(1.2, 0.0, 2, 1_000)).abs() < 1e-15);
        assert!(with(1.2, 0.75, 2, 1) > with(1.2, 0.75, 2, 1_000));
        assert!(with(100.0, 1.0, u32::MAX, u32::MAX).is_finite());
    }
}
