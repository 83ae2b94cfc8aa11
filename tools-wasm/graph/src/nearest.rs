//! Owns the guess at what a caller meant by a name that does not exist. It refuses to guess wildly: a name that differs in
//! more than a third of its characters is another name. Cost is bounded by a band around the diagonal, so that a graph of
//! megabytes of ids can't turn one misspelling into minutes.

/// Names longer than this (in characters) are not compared: nobody misspells a paragraph.
const LONGEST: usize = 64;

/// The candidate with the smallest edit distance to `name`, ignoring letter case, if it is near enough to be meant. Of equally
/// near ones, the first.
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = folded(name)?;
    // One more than the best so far is never worth computing, so the bound shrinks as better ones are found.
    let mut bound = (wanted.len() / 3).max(1);
    let mut best = None;
    for candidate in candidates {
        let Some(letters) = folded(candidate) else { continue };
        if let Some(distance) = distance_within(&wanted, &letters, bound) {
            best = Some(candidate);
            if distance == 0 {
                break;
            }
            bound = distance - 1;
        }
    }
    best
}

fn folded(name: &str) -> Option<Vec<char>> {
    if name.len() > LONGEST * 4 {
        return None;
    }
    let letters: Vec<char> = name.chars().flat_map(char::to_lowercase).collect();
    (letters.len() <= LONGEST).then_some(letters)
}

/// The Levenshtein distance of `a` and `b` if it is at most `bound`, computing only cells within `bound` of the diagonal.
fn distance_within(a: &[char], b: &[char], bound: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > bound {
        return None;
    }
    let far = bound + 1;
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut row = vec![far; b.len() + 1];
    for (i, &from) in a.iter().enumerate() {
        let low = (i + 1).saturating_sub(bound).max(1);
        let high = (i + 1 + bound).min(b.len());
        row[low - 1] = if low == 1 { i + 1 } else { far };
        let mut least = row[low - 1];
        for j in low..=high {
            let step = usize::from(from != b[j - 1]);
            let vertical = if j < i + 1 + bound { above[j] + 1 } else { far };
            row[j] = (above[j - 1] + step).min(vertical).min(row[j - 1] + 1).min(far);
            least = least.min(row[j]);
        }
        if least > bound {
            return None;
        }
        std::mem::swap(&mut above, &mut row);
    }
    Some(above[b.len()]).filter(|distance| *distance <= bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guess(name: &str, candidates: &[&'static str]) -> Option<&'static str> {
        nearest(name, candidates.iter().copied())
    }

    #[test]
    fn a_slip_of_the_pen_finds_its_name() {
        let names = ["linear-algebra", "calculus", "probability"];
        assert_eq!(guess("linear-algbra", &names), Some("linear-algebra"));
        assert_eq!(guess("Calculus", &names), Some("calculus"));
        assert_eq!(guess("calclus", &names), Some("calculus"));
        assert_eq!(guess("probabilities", &names), Some("probability"));
    }

    #[test]
    fn the_nearest_wins_and_the_first_of_equals() {
        assert_eq!(guess("cat", &["cut", "cab", "cats"]), Some("cut"));
        assert_eq!(guess("kitten", &["sitting", "kittens"]), Some("kittens"));
    }

    #[test]
    fn another_name_is_not_guessed() {
        assert_eq!(guess("quantum", &["calculus", "algebra"]), None);
        assert_eq!(guess("", &["calculus"]), None);
        assert_eq!(guess("x", &[]), None);
    }

    #[test]
    fn the_banded_distance_equals_the_full_one() {
        fn full(a: &[char], b: &[char]) -> usize {
            let mut above: Vec<usize> = (0..=b.len()).collect();
            for (i, from) in a.iter().enumerate() {
                let mut row = vec![i + 1];
                for (j, to) in b.iter().enumerate() {
                    let step = usize::from(from != to);
                    row.push((above[j] + step).min(above[j + 1] + 1).min(row[j] + 1));
                }
                above = row;
            }
            above[b.len()]
        }
        let words: Vec<Vec<char>> =
            ["", "a", "ab", "ba", "abc", "acb", "bca", "aabb", "abab", "bbaa", "abcabc", "cbacba"]
                .iter()
                .map(|word| word.chars().collect())
                .collect();
        for a in &words {
            for b in &words {
                for bound in 0..7 {
                    let expected = Some(full(a, b)).filter(|distance| *distance <= bound);
                    assert_eq!(distance_within(a, b, bound), expected, "{a:?} {b:?} {bound}");
                }
            }
        }
    }

    #[test]
    fn huge_names_cost_nothing() {
        let huge = "x".repeat(10_000_000);
        assert_eq!(nearest(&huge, std::iter::repeat_n("abc", 1000)), None);
        assert_eq!(nearest("abc", std::iter::once(huge.as_str())), None);
    }
}
