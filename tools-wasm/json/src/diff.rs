//! The difference of two documents as a JSON Patch (RFC 6902).
//!
//! Objects are compared by name. Arrays are aligned on their longest common subsequence, so that one element inserted
//! at the front gives one `add`; where an array is too long for that, only its common start and end are aligned, and
//! the patch is right but longer.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::document::{Json, Object, write_string};
use crate::{number, pointer};

/// The largest table for aligning two arrays, in cells. Stops two arrays of a million elements from asking for 10^12.
const MAX_CELLS: usize = 1_000_000;

/// The text of a patch that turns `before` into `after`.
pub fn diff(before: &Json<'_>, after: &Json<'_>) -> String {
    let mut writer = Writer { out: String::from("["), path: String::new() };
    writer.value(before, after);
    writer.out.push(']');
    writer.out
}

struct Writer {
    out: String,
    /// The pointer to the value at hand.
    path: String,
}

impl Writer {
    fn value(&mut self, before: &Json<'_>, after: &Json<'_>) {
        match (before, after) {
            (Json::Object(before), Json::Object(after)) => self.object(before, after),
            (Json::Array(before), Json::Array(after)) => self.array(before, after),
            _ if before == after => {}
            _ => self.operation("replace", Some(after)),
        }
    }

    fn object(&mut self, before: &Object<'_>, after: &Object<'_>) {
        for (name, value) in before {
            self.at_name(name, |writer| match after.get(name) {
                Some(other) => writer.value(value, other),
                None => writer.operation("remove", None),
            });
        }
        for (name, value) in after {
            if !before.contains_key(name) {
                self.at_name(name, |writer| writer.operation("add", Some(value)));
            }
        }
    }

    fn array(&mut self, before: &[Json<'_>], after: &[Json<'_>]) {
        let start = before.iter().zip(after).take_while(|(left, right)| left == right).count();
        let (before, after) = (&before[start..], &after[start..]);
        let end = before.iter().rev().zip(after.iter().rev()).take_while(|(left, right)| left == right).count();
        let (before, after) = (&before[..before.len() - end], &after[..after.len() - end]);

        // `at` is where the next element stands in the array as the patch has made it so far.
        let mut at = start;
        let (mut left, mut right) = (0, 0);
        let no_more = (before.len(), after.len());
        for (kept_left, kept_right) in align(before, after).into_iter().chain([no_more]) {
            at = self.gap(at, &before[left..kept_left], &after[right..kept_right]) + 1;
            (left, right) = (kept_left + 1, kept_right + 1);
        }
    }

    /// Turns one run of elements into another: changes as many as both have, then removes or adds the rest. Returns
    /// the place after the run.
    fn gap(&mut self, start: usize, before: &[Json<'_>], after: &[Json<'_>]) -> usize {
        let both = before.len().min(after.len());
        for (index, (left, right)) in before.iter().zip(after).enumerate() {
            self.at_index(start + index, |writer| writer.value(left, right));
        }
        // From the back, so that the places of those before stay what they are and nothing moves twice.
        for index in (both..before.len()).rev() {
            self.at_index(start + index, |writer| writer.operation("remove", None));
        }
        for (index, value) in after.iter().enumerate().skip(both) {
            self.at_index(start + index, |writer| writer.operation("add", Some(value)));
        }
        start + after.len()
    }

    fn operation(&mut self, name: &str, value: Option<&Json<'_>>) {
        if self.out.len() > 1 {
            self.out.push(',');
        }
        let _infallible = write!(self.out, "{{\"op\":\"{name}\",\"path\":");
        write_string(&self.path, &mut self.out);
        if let Some(value) = value {
            self.out.push_str(",\"value\":");
            value.write(&mut self.out);
        }
        self.out.push('}');
    }

    fn at_name(&mut self, name: &str, inner: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        pointer::push_name(name, &mut self.path);
        inner(self);
        self.path.truncate(length);
    }

    fn at_index(&mut self, index: usize, inner: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        let _infallible = write!(self.path, "/{index}");
        inner(self);
        self.path.truncate(length);
    }
}

/// The pairs of indexes of equal elements that a longest common subsequence keeps, in order; none where the table for
/// it would be too large.
fn align(before: &[Json<'_>], after: &[Json<'_>]) -> Vec<(usize, usize)> {
    let width = after.len() + 1;
    if before.is_empty() || after.is_empty() || (before.len() + 1).saturating_mul(width) > MAX_CELLS {
        return Vec::new();
    }
    // Elements are numbered first, so that the table compares numbers and not documents.
    let mut numbers = HashMap::new();
    let mut number_all = |elements: &[Json<'_>]| -> Vec<usize> {
        let number = |element| {
            let next = numbers.len();
            *numbers.entry(canonical(element)).or_insert(next)
        };
        elements.iter().map(number).collect()
    };
    let (left, right) = (number_all(before), number_all(after));

    // lengths[i * width + j]: the longest common subsequence of left[i..] and right[j..].
    let mut lengths = vec![0_u32; (left.len() + 1) * width];
    for i in (0..left.len()).rev() {
        for j in (0..right.len()).rev() {
            let below = (i + 1) * width + j;
            lengths[i * width + j] = if left[i] == right[j] {
                lengths[below + 1] + 1
            } else {
                lengths[below].max(lengths[i * width + j + 1])
            };
        }
    }
    let mut kept = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < left.len() && j < right.len() {
        if left[i] == right[j] {
            kept.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if lengths[(i + 1) * width + j] >= lengths[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    kept
}

/// A text that equal values share and different ones do not.
fn canonical(value: &Json<'_>) -> String {
    fn write(value: &Json<'_>, out: &mut String) {
        match value {
            Json::Number(text) => out.push_str(&number::canonical(text)),
            Json::Array(elements) => {
                out.push('[');
                for element in elements {
                    write(element, out);
                    out.push(',');
                }
                out.push(']');
            }
            Json::Object(members) => {
                let mut sorted: Vec<_> = members.iter().collect();
                sorted.sort_unstable_by_key(|(name, _)| *name);
                out.push('{');
                for (name, member) in sorted {
                    write_string(name, out);
                    out.push(':');
                    write(member, out);
                    out.push(',');
                }
                out.push('}');
            }
            scalar => scalar.write(out),
        }
    }
    let mut out = String::new();
    write(value, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patch::apply;
    use crate::read::read;

    fn difference(before: &str, after: &str) -> String {
        diff(&read(before).unwrap(), &read(after).unwrap())
    }

    #[test]
    fn a_difference_is_as_small_as_one_would_write_it() {
        for (before, after, expected) in [
            ("{}", "{}", "[]"),
            ("[1,2.0]", "[1.0,2]", "[]"),
            (r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#, "[]"),
            ("1", "2", r#"[{"op":"replace","path":"","value":2}]"#),
            ("[]", "{}", r#"[{"op":"replace","path":"","value":{}}]"#),
            (r#"{"a/b":{"~":1}}"#, r#"{"a/b":{}}"#, r#"[{"op":"remove","path":"/a~1b/~0"}]"#),
            ("[1,2,3]", "[0,1,2,3]", r#"[{"op":"add","path":"/0","value":0}]"#),
            ("[1,2,3]", "[1,3]", r#"[{"op":"remove","path":"/1"}]"#),
            ("[1,2,3,4]", "[1,4]", r#"[{"op":"remove","path":"/2"},{"op":"remove","path":"/1"}]"#),
            (r#"[{"a":1,"b":[1]}]"#, r#"[{"a":1,"b":[2]}]"#, r#"[{"op":"replace","path":"/0/b/0","value":2}]"#),
            (
                "[1,2,3,4]",
                "[2,9,4,5]",
                r#"[{"op":"remove","path":"/0"},{"op":"replace","path":"/1","value":9},{"op":"add","path":"/3","value":5}]"#,
            ),
        ] {
            assert_eq!(difference(before, after), expected, "{before} to {after}");
        }
    }

    /// A small linear congruential generator: the same documents each run.
    struct Generator(u64);

    impl Generator {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % bound
        }

        fn document(&mut self, depth: u64) -> String {
            let count = self.below(6);
            match self.below(if depth == 0 { 4 } else { 8 }) {
                0 => self.below(4).to_string(),
                1 => format!("{}.0", self.below(3)),
                2 => ["null", "true", "\"~/\"", "\"\""][usize::try_from(self.below(4)).unwrap()].to_owned(),
                3 => "\"x\"".to_owned(),
                4 | 5 => {
                    let all: Vec<_> = (0..count).map(|_| self.document(depth - 1)).collect();
                    format!("[{}]", all.join(","))
                }
                _ => {
                    let start = self.below(3);
                    let names = ["a", "b/", "~c", "", "e", "f", "g", "h"];
                    let all: Vec<_> = (start..start + count)
                        .map(|n| format!("{:?}:{}", names[usize::try_from(n).unwrap()], self.document(depth - 1)))
                        .collect();
                    format!("{{{}}}", all.join(","))
                }
            }
        }
    }

    #[test]
    fn applying_the_difference_gives_the_second_document() {
        let mut generator = Generator(7);
        for _ in 0..5_000 {
            let (before, after) = (generator.document(4), generator.document(4));
            let patch = difference(&before, &after);
            let result = apply(read(&before).unwrap(), &read(&patch).unwrap());
            assert!(result.unwrap() == read(&after).unwrap(), "{before}\n{after}\n{patch}");
        }
    }

    #[test]
    fn arrays_beyond_the_table_still_give_a_right_patch_at_bounded_cost() {
        let numbers = |from: usize| {
            let all: Vec<_> = (from..from + 20_000).map(|n| n.to_string()).collect();
            format!("[{}]", all.join(","))
        };
        let (before, after) = (numbers(0), numbers(1));
        let patch = difference(&before, &after);
        let result = apply(read(&before).unwrap(), &read(&patch).unwrap());
        assert!(result.unwrap() == read(&after).unwrap());
    }
}
