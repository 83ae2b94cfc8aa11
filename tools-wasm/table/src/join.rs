//! Rows of two sources side by side. It owns which rows match and what the columns are called. It counts the pairs before
//! it makes any, so that a key which repeats on both sides is refused while memory is still whole.

use std::borrow::Cow;
use std::hash::RandomState;

use hashbrown::HashTable;
use toolcell_rows::{Refusal, quoted};

use crate::frame::{ABSENT, Frame, FrameColumn, Place, row_numbers};
use crate::group::{Equality, KeyColumn, Part, hash_row, same};

/// The most rows that a join may give.
pub(crate) const MAX_JOINED_ROWS: u64 = 1_000_000;
/// The most pairs of key columns.
const MAX_KEYS: usize = 32;

/// A pair of columns that must be equal.
#[derive(Debug, Clone)]
pub(crate) struct JoinKey {
    /// The left column's name.
    pub left: String,
    /// The right column's name; the same where absent.
    pub right: Option<String>,
}

/// Which rows are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)] // The signature documents each.
pub(crate) enum JoinKind {
    #[default]
    Inner,
    Left,
    Right,
    Full,
    Semi,
    Anti,
}

/// Where the arguments of a join stand, for refusals.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pointers<'p> {
    /// The list of keys.
    pub on: &'p str,
    /// The suffix of repeated names.
    pub suffix: &'p str,
}

/// Joins two frames of one lane each.
pub(crate) fn join<'a>(
    left: &Frame<'a>,
    right: &Frame<'a>,
    on: &[JoinKey],
    how: JoinKind,
    suffix: &str,
    at: Pointers<'_>,
) -> Result<Frame<'a>, Refusal> {
    let (left_keys, right_keys) = key_columns(left, right, on, at.on)?;
    let matches = Matches::find(left, &left_keys, right, &right_keys);
    let total = matches.total(how);
    if total > MAX_JOINED_ROWS {
        return Err(too_many(left, &left_keys, &matches, total, at.on));
    }
    let lanes = matches.lanes(how, usize::try_from(total).expect("checked above"));
    let columns = columns(left, &left_keys, right, &right_keys, how, suffix, at.suffix)?;
    Ok(Frame::new(columns, lanes))
}

fn key_columns(
    left: &Frame<'_>,
    right: &Frame<'_>,
    on: &[JoinKey],
    pointer: &str,
) -> Result<(Vec<KeyColumn>, Vec<KeyColumn>), Refusal> {
    if on.is_empty() || on.len() > MAX_KEYS {
        return Err(Refusal::invalid(
            pointer,
            format!("1 to {MAX_KEYS} keys, as {{\"left\": \"id\"}}"),
            format!("There are {} keys", on.len()),
        ));
    }
    let mut keys = (Vec::new(), Vec::new());
    for (index, key) in on.iter().enumerate() {
        let a = left.column(&key.left, &format!("{pointer}/{index}/left"))?;
        let name = key.right.as_ref().unwrap_or(&key.left);
        let b = right.column(name, &format!("{pointer}/{index}/right")).map_err(|refusal| match refusal {
            Refusal::Invalid(mut problem) => {
                problem.message = format!("In the right source: {}", problem.message);
                Refusal::Invalid(problem)
            }
            other => other,
        })?;
        let equality = Equality::between(left.columns()[a].kind, right.columns()[b].kind);
        keys.0.push(KeyColumn { column: a, equality });
        keys.1.push(KeyColumn { column: b, equality });
    }
    Ok(keys)
}

/// Which right rows each left row matches.
struct Matches {
    /// For each left row, its group of right rows, or `ABSENT`.
    of_left: Vec<u32>,
    /// For each group, its first right row and how many it has.
    groups: Vec<(u32, u32)>,
    /// For each right row, the next of its group, or `ABSENT`.
    next: Vec<u32>,
    /// For each group, whether a left row matches it.
    matched: Vec<bool>,
    /// For each right row, its group, or `ABSENT` where its key is null.
    of_right: Vec<u32>,
}

impl Matches {
    fn find(left: &Frame<'_>, left_keys: &[KeyColumn], right: &Frame<'_>, right_keys: &[KeyColumn]) -> Self {
        let seed = RandomState::new();
        let mut index: HashTable<u32> = HashTable::new();
        let mut groups: Vec<(u32, u32)> = Vec::new();
        let mut lasts: Vec<u32> = Vec::new();
        let mut next = vec![ABSENT; right.rows()];
        let mut of_right = vec![ABSENT; right.rows()];
        for row in row_numbers(right.rows()) {
            if has_null(right, right_keys, row as usize) {
                continue;
            }
            let hash = hash_row(&seed, right, right_keys, row as usize);
            let found = index.find(hash, |group| {
                let first = groups[*group as usize].0 as usize;
                same(right, right_keys, first, right, right_keys, row as usize)
            });
            let group = if let Some(group) = found {
                let last = &mut lasts[*group as usize];
                next[*last as usize] = row;
                *last = row;
                groups[*group as usize].1 += 1;
                *group
            } else {
                let group = u32::try_from(groups.len()).expect("no more groups than rows");
                groups.push((row, 1));
                lasts.push(row);
                index.insert_unique(hash, group, |group| {
                    let first = groups[*group as usize].0 as usize;
                    hash_row(&seed, right, right_keys, first)
                });
                group
            };
            of_right[row as usize] = group;
        }
        let mut matched = vec![false; groups.len()];
        let of_left = (0..left.rows())
            .map(|row| {
                if has_null(left, left_keys, row) {
                    return ABSENT;
                }
                let hash = hash_row(&seed, left, left_keys, row);
                let found = index.find(hash, |group| {
                    let first = groups[*group as usize].0 as usize;
                    same(right, right_keys, first, left, left_keys, row)
                });
                found.map_or(ABSENT, |group| {
                    matched[*group as usize] = true;
                    *group
                })
            })
            .collect();
        Self { of_left, groups, next, matched, of_right }
    }

    fn is_unmatched_right(&self, row: u32) -> bool {
        match self.of_right[row as usize] {
            ABSENT => true,
            group => !self.matched[group as usize],
        }
    }

    fn total(&self, how: JoinKind) -> u64 {
        use JoinKind as J;
        let mut pairs = 0_u64;
        let mut alone = 0_u64;
        for group in &self.of_left {
            match *group {
                ABSENT => alone += 1,
                group => pairs += u64::from(self.groups[group as usize].1),
            }
        }
        let left = self.of_left.len() as u64;
        let alone_right =
            || row_numbers(self.of_right.len()).into_iter().filter(|row| self.is_unmatched_right(*row)).count() as u64;
        match how {
            J::Inner => pairs,
            J::Left => pairs + alone,
            J::Right => pairs + alone_right(),
            J::Full => pairs + alone + alone_right(),
            J::Semi => left - alone,
            J::Anti => alone,
        }
    }

    fn lanes(&self, how: JoinKind, total: usize) -> Vec<Vec<u32>> {
        use JoinKind as J;
        let mut lefts = Vec::with_capacity(total);
        let mut rights = Vec::with_capacity(total);
        for (row, group) in row_numbers(self.of_left.len()).into_iter().zip(&self.of_left) {
            let unmatched = *group == ABSENT;
            match how {
                J::Semi | J::Anti if unmatched == (how == J::Anti) => {
                    lefts.push(row);
                    rights.push(ABSENT);
                }
                J::Semi | J::Anti => {}
                J::Left | J::Full if unmatched => {
                    lefts.push(row);
                    rights.push(ABSENT);
                }
                _ if unmatched => {}
                _ => {
                    let mut other = self.groups[*group as usize].0;
                    while other != ABSENT {
                        lefts.push(row);
                        rights.push(other);
                        other = self.next[other as usize];
                    }
                }
            }
        }
        if matches!(how, J::Right | J::Full) {
            for row in row_numbers(self.of_right.len()) {
                if self.is_unmatched_right(row) {
                    lefts.push(ABSENT);
                    rights.push(row);
                }
            }
        }
        vec![lefts, rights]
    }
}

fn has_null(frame: &Frame<'_>, keys: &[KeyColumn], row: usize) -> bool {
    keys.iter().any(|key| frame.cell(key.column, row).is_none())
}

/// Left columns, then right ones without the keys that both sides call the same.
fn columns<'a>(
    left: &Frame<'a>,
    left_keys: &[KeyColumn],
    right: &Frame<'a>,
    right_keys: &[KeyColumn],
    how: JoinKind,
    suffix: &str,
    pointer: &str,
) -> Result<Vec<FrameColumn<'a>>, Refusal> {
    let mut columns: Vec<FrameColumn<'a>> = left.columns().to_vec();
    if matches!(how, JoinKind::Semi | JoinKind::Anti) {
        return Ok(columns);
    }
    let mut shared = vec![false; right.columns().len()];
    for (a, b) in left_keys.iter().zip(right_keys) {
        let other = &right.columns()[b.column];
        if columns[a.column].name == other.name {
            shared[b.column] = true;
            if matches!(how, JoinKind::Right | JoinKind::Full) {
                let column = &mut columns[a.column];
                column.kind = column.kind.joined_with(other.kind);
                column.otherwise = Some(Place { lane: 1, ..other.place });
            }
        }
    }
    let mut names: std::collections::HashSet<Cow<'a, str>> = columns.iter().map(|column| column.name.clone()).collect();
    for (index, column) in right.columns().iter().enumerate() {
        if shared[index] {
            continue;
        }
        let mut column = column.clone();
        column.place.lane = 1;
        if names.contains(&column.name) {
            column.name = Cow::Owned(format!("{}{suffix}", column.name));
        }
        if !names.insert(column.name.clone()) {
            return Err(Refusal::invalid(
                pointer,
                "a suffix that makes every column name distinct",
                format!("The result would have two columns {}", quoted(&column.name)),
            )
            .found(suffix));
        }
        columns.push(column);
    }
    Ok(columns)
}

/// Names the key that gives the most pairs, since one blank-like value is the usual cause.
fn too_many(left: &Frame<'_>, left_keys: &[KeyColumn], matches: &Matches, total: u64, pointer: &str) -> Refusal {
    let mut lefts = vec![0_u64; matches.groups.len()];
    for group in &matches.of_left {
        if *group != ABSENT {
            lefts[*group as usize] += 1;
        }
    }
    let worst = (0..lefts.len())
        .max_by_key(|group| (lefts[*group] * u64::from(matches.groups[*group].1), usize::MAX - group))
        .and_then(|group| {
            let row = matches.of_left.iter().position(|of| *of as usize == group)?;
            let key: Vec<&str> = left_keys
                .iter()
                .filter_map(|key| match key.equality.part(left.cell(key.column, row)) {
                    Part::Null => None,
                    _ => left.cell(key.column, row),
                })
                .collect();
            Some(format!(
                "; {} alone stands in {} left and {} right rows",
                quoted(&key.join(", ")),
                lefts[group],
                matches.groups[group].1
            ))
        })
        .unwrap_or_default();
    Refusal::invalid(
        pointer,
        format!("keys that give at most {MAX_JOINED_ROWS} rows"),
        format!(
            "The join would have {total} rows, and at most {MAX_JOINED_ROWS} are made{worst}; add a key, or aggregate one side first"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{lines, table};

    fn run(left: &str, right: &str, on: &[(&str, Option<&str>)], how: JoinKind) -> Result<Vec<String>, Refusal> {
        let (left, right) = (table(left), table(right));
        let on: Vec<JoinKey> = on
            .iter()
            .map(|(left, right)| JoinKey { left: (*left).to_owned(), right: right.map(str::to_owned) })
            .collect();
        let at = Pointers { on: "/on", suffix: "/suffix" };
        let joined = join(&Frame::of(&left), &Frame::of(&right), &on, how, "_right", at)?;
        let names: Vec<&str> = joined.columns().iter().map(|column| column.name.as_ref()).collect();
        let mut all = vec![names.join("|")];
        all.extend(lines(&joined));
        Ok(all)
    }

    const LEFT: &str = "id,v\n1,a\n2,b\n,c\n2,d\n4,e\n";
    const RIGHT: &str = "id,v,w\n2,B,10\n2,BB,20\n1,A,30\n9,Z,40\n,N,50\n";

    #[test]
    fn each_kind_keeps_its_rows_in_the_order_of_the_left() {
        let pairs = ["1|a|A|30", "2|b|B|10", "2|b|BB|20", "2|d|B|10", "2|d|BB|20"];
        let head = "id|v|v_right|w";
        let on = [("id", None)];
        let all = |rows: &[&str]| {
            let mut all = vec![head.to_owned()];
            all.extend(rows.iter().map(|row| (*row).to_owned()));
            all
        };
        assert_eq!(run(LEFT, RIGHT, &on, JoinKind::Inner).unwrap(), all(&pairs));
        assert_eq!(
            run(LEFT, RIGHT, &on, JoinKind::Left).unwrap(),
            all(&[pairs[0], pairs[1], pairs[2], "-|c|-|-", pairs[3], pairs[4], "4|e|-|-"])
        );
        assert_eq!(
            run(LEFT, RIGHT, &on, JoinKind::Right).unwrap(),
            all(&[&pairs[..], &["9|-|Z|40", "-|-|N|50"]].concat())
        );
        assert_eq!(run(LEFT, RIGHT, &on, JoinKind::Full).unwrap().len(), 1 + 5 + 2 + 2);
        assert_eq!(run(LEFT, RIGHT, &on, JoinKind::Semi).unwrap(), ["id|v", "1|a", "2|b", "2|d"]);
        assert_eq!(run(LEFT, RIGHT, &on, JoinKind::Anti).unwrap(), ["id|v", "-|c", "4|e"]);
    }

    #[test]
    fn integers_equal_numbers_but_not_beyond_what_floats_hold() {
        let left = "k\n1\n9007199254740993\n";
        let right = "k,w\n1.0,x\n9007199254740992.0,y\n";
        assert_eq!(run(left, right, &[("k", None)], JoinKind::Inner).unwrap(), ["k|w", "1|x"]);
        let text = "k,w\n1,x\nn/a,y\n";
        assert_eq!(run("k\n1\n", text, &[("k", None)], JoinKind::Inner).unwrap(), ["k|w", "1|x"]);
    }

    #[test]
    fn an_explosion_is_counted_and_refused_before_it_happens() {
        use std::fmt::Write as _;
        let mut many = String::from("k,n\n");
        for row in 0..2_000 {
            let _ = writeln!(many, "same,{row}");
        }
        let refusal = run(&many, &many, &[("k", None)], JoinKind::Inner).unwrap_err();
        let message = refusal.to_string();
        assert!(message.contains("4000000 rows") && message.contains("\"same\" alone"), "{message}");
        assert_eq!(run(&many, &many, &[("k", None)], JoinKind::Semi).unwrap().len(), 2_001);
    }

    #[test]
    fn unknown_keys_name_their_side_and_element() {
        let problem = |on: &[(&str, Option<&str>)]| match run(LEFT, RIGHT, on, JoinKind::Inner) {
            Err(Refusal::Invalid(problem)) => problem,
            other => panic!("{other:?}"),
        };
        assert_eq!(problem(&[("id", None), ("x", None)]).pointer, "/on/1/left");
        let right = problem(&[("id", Some("idd"))]);
        assert_eq!(right.pointer, "/on/0/right");
        assert!(right.message.starts_with("In the right source") && right.message.contains("\"id\"?"));
        assert_eq!(problem(&[]).pointer, "/on");
    }
}
