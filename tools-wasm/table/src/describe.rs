//! What a table holds, column by column. It owns the figures and the remark on columns that are nearly of another kind.

use toolcell_rows::{ExactSum, Kind, Refusal, Shape, Value, compare, median_of_numbers, quoted, shape_of};

use crate::frame::Frame;
use crate::group::group;

/// How many frequent values are named.
const TOP: usize = 5;
/// Values in a summary are cut at this many characters.
const SHOWN: usize = 120;

/// One column in figures; the signature documents each field.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub(crate) struct Summary {
    pub name: String,
    pub kind: Kind,
    pub nulls: u64,
    pub distinct: u64,
    pub min: Option<String>,
    pub max: Option<String>,
    pub mean: Option<f64>,
    pub median: Option<f64>,
    pub std_dev: Option<f64>,
    pub top: Vec<(String, u64)>,
    pub remark: Option<String>,
}

/// Describes the named columns, or all.
pub(crate) fn describe(frame: &Frame<'_>, columns: Option<&[String]>) -> Result<Vec<Summary>, Refusal> {
    let columns = match columns {
        Some(names) => frame.find_all(names, "/columns")?,
        None => (0..frame.columns().len()).collect(),
    };
    Ok(columns.into_iter().map(|column| summary(frame, column)).collect())
}

fn summary(frame: &Frame<'_>, column: usize) -> Summary {
    let it = &frame.columns()[column];
    let groups = group(frame, &[column]);
    let mut counts = vec![0_u64; groups.len()];
    groups.of_row.iter().for_each(|group| counts[*group as usize] += 1);
    let text = |group: usize| frame.cell(column, groups.first[group] as usize);
    let mut nulls = 0;
    let mut least: Option<(Value<'_>, &str)> = None;
    let mut most: Option<(Value<'_>, &str)> = None;
    let mut frequent: Vec<usize> = Vec::new();
    let mut distinct = 0;
    for (group, count) in counts.iter().enumerate() {
        let Some(text) = text(group) else {
            nulls = *count;
            continue;
        };
        distinct += 1;
        if *count > 1 {
            frequent.push(group);
        }
        if let Some(value) = frame.value(column, groups.first[group] as usize) {
            if least.is_none_or(|(least, _)| compare(&value, &least).is_lt()) {
                least = Some((value, text));
            }
            if most.is_none_or(|(most, _)| compare(&value, &most).is_gt()) {
                most = Some((value, text));
            }
        }
    }
    frequent.sort_by_key(|group| std::cmp::Reverse(counts[*group]));
    let (mean, median, std_dev) = moments(frame, column);
    Summary {
        name: it.name.clone().into_owned(),
        kind: it.kind,
        nulls,
        distinct,
        min: least.map(|(_, text)| cut(text)),
        max: most.map(|(_, text)| cut(text)),
        mean,
        median,
        std_dev,
        top: frequent.into_iter().take(TOP).filter_map(|group| Some((cut(text(group)?), counts[group]))).collect(),
        remark: remark(frame, column),
    }
}

/// Mean, median and sample standard deviation. A sum beyond the range of floats leaves mean and deviation out.
#[allow(clippy::cast_precision_loss)]
fn moments(frame: &Frame<'_>, column: usize) -> (Option<f64>, Option<f64>, Option<f64>) {
    if !frame.columns()[column].kind.is_numeric() {
        return (None, None, None);
    }
    let mut values: Vec<f64> = (0..frame.rows())
        .filter_map(|row| match frame.value(column, row)? {
            Value::Integer(value) => Some(value as f64),
            Value::Number(value) => Some(value),
            _ => None,
        })
        .collect();
    let count = values.len() as f64;
    let total = |terms: &mut dyn Iterator<Item = f64>| {
        let mut sum = ExactSum::default();
        terms.for_each(|term| sum.add(term));
        sum.total()
    };
    let mean = if values.is_empty() { None } else { total(&mut values.iter().copied()).map(|sum| sum / count) };
    let std_dev = mean.filter(|_| values.len() > 1).and_then(|mean| {
        let squares = total(&mut values.iter().map(|value| (value - mean) * (value - mean)))?;
        Some((squares / (count - 1.0)).sqrt())
    });
    let median = median_of_numbers(&mut values).map(toolcell_rows::Median::as_number);
    (mean, median, std_dev)
}

/// Four in five values that look alike are a column with a few slips in it.
fn remark(frame: &Frame<'_>, column: usize) -> Option<String> {
    if frame.columns()[column].kind != Kind::Text {
        return None;
    }
    let mut counts = [0_usize; 4];
    let mut strangers: [Option<(usize, &str)>; 4] = [None; 4];
    let mut values = 0;
    for row in 0..frame.rows() {
        let Some(text) = frame.cell(column, row) else {
            continue;
        };
        values += 1;
        let looks = match shape_of(text) {
            Shape::Integer | Shape::LongInteger | Shape::Number => 0,
            Shape::Date => 1,
            Shape::ZonedTime | Shape::LocalTime => 2,
            Shape::Boolean => 3,
            Shape::Text => 4,
        };
        for (index, stranger) in strangers.iter_mut().enumerate() {
            if index == looks {
                counts[index] += 1;
            } else if stranger.is_none() {
                *stranger = Some((row, text));
            }
        }
    }
    let (index, count) = counts.into_iter().enumerate().max_by_key(|(index, count)| (*count, usize::MAX - index))?;
    if values < 2 || count * 5 < values * 4 {
        return None;
    }
    let kind = ["numbers", "dates", "dates with times", "booleans"][index];
    Some(match strangers[index] {
        Some((row, text)) => format!(
            "{count} of {values} values are {kind}; the first that is not is {} in row {} (null_values can declare it missing)",
            quoted(text),
            row + 1
        ),
        None => match index {
            0 => "all values are numbers, but they are JSON strings, or integers beyond 2^53 stand beside fractions"
                .to_owned(),
            2 => "all values are dates with times, but some have an offset and some have none".to_owned(),
            _ => format!("all values look like {kind}, but they are JSON strings"),
        },
    })
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::table;

    #[test]
    fn a_numeric_column_has_moments_and_a_text_column_has_frequent_values() {
        let table = table("n,t\n1,x\n2,y\n,x\n2,x\n3,\n");
        let all = describe(&Frame::of(&table), None).unwrap();
        assert_eq!(all[0].kind, Kind::Integer);
        assert_eq!((all[0].nulls, all[0].distinct), (1, 3));
        assert_eq!((all[0].mean, all[0].median), (Some(2.0), Some(2.0)));
        assert_eq!(all[0].std_dev, Some((2.0_f64 / 3.0).sqrt()));
        assert_eq!(all[0].top, [("2".to_owned(), 2)]);
        assert_eq!(all[1].top, [("x".to_owned(), 3)]);
        assert_eq!((all[1].min.as_deref(), all[1].max.as_deref()), (Some("x"), Some("y")));
    }

    #[test]
    fn a_slip_in_a_column_of_numbers_is_named() {
        let table = table("n\n1\n2\nn/a\n4\n5\n");
        let all = describe(&Frame::of(&table), None).unwrap();
        let remark = all[0].remark.as_deref().unwrap();
        assert!(remark.starts_with("4 of 5 values are numbers") && remark.contains("row 3"), "{remark}");
    }

    #[test]
    fn a_table_without_rows_is_described_too() {
        let table = table("a,b\n");
        let all = describe(&Frame::of(&table), None).unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].kind, all[0].distinct, all[0].mean), (Kind::Empty, 0, None));
    }
}
