//! What divides leads into groups. It owns the bands: fixed ones for head counts, quartiles for other numbers, months for
//! dates. Both `conversion` and `lookalikes` divide this way, so that their words agree.

use std::collections::HashMap;

use toolcell_rows::{Kind, Refusal, compare, median_of_numbers, quoted, write_number};

use crate::lead::{Leads, Part};

/// Numbers with at most this many different values are not divided into bands.
const FEW: usize = 12;
/// The most groups of one dimension; beyond that the column identifies leads instead of dividing them.
pub(crate) const MAX_GROUPS: usize = 200;
/// The first head count of each band after the first.
const HEAD_COUNTS: [(f64, &str); 6] = [
    (11.0, "11-50"),
    (51.0, "51-200"),
    (201.0, "201-500"),
    (501.0, "501-1000"),
    (1001.0, "1001-5000"),
    (5001.0, "5001+"),
];

/// A column divided into groups.
#[derive(Debug)]
pub(crate) struct Dimension {
    pub(crate) name: String,
    /// The names of the groups, in the order in which they are shown.
    pub(crate) groups: Vec<String>,
    /// The group of each lead; none where it has no value.
    pub(crate) of_row: Vec<Option<usize>>,
}

impl Dimension {
    /// Divides by one column; `pointer` is where its name stands.
    pub(crate) fn new(leads: &Leads, column: usize, pointer: &str) -> Result<Self, Refusal> {
        let it = &leads.table.columns()[column];
        let (groups, of_row) = if leads.place(Part::Employees) == Some(column) {
            head_counts(leads, column)
        } else {
            match it.kind() {
                Kind::Date | Kind::DateTime => by_text(leads, column, |text| &text[..7], Order::Value),
                Kind::Integer | Kind::Number => numbers(leads, column),
                _ => by_text(leads, column, |text| text, Order::Size),
            }
        };
        if groups.len() > MAX_GROUPS {
            return Err(Refusal::invalid(
                pointer,
                format!("a column of at most {MAX_GROUPS} different values"),
                format!(
                    "The column {} has {} different values, so it divides nothing",
                    quoted(it.name()),
                    groups.len()
                ),
            )
            .found(it.name()));
        }
        Ok(Self { name: it.name().to_owned(), groups, of_row })
    }
}

type Divided = (Vec<String>, Vec<Option<usize>>);

/// How groups are ordered.
#[derive(Clone, Copy)]
enum Order {
    /// By name.
    Value,
    /// The largest first, ties by name.
    Size,
}

fn by_text<'a>(leads: &'a Leads, column: usize, name: impl Fn(&'a str) -> &'a str, order: Order) -> Divided {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut found: Vec<(&str, usize)> = Vec::new();
    let first: Vec<Option<usize>> = (0..leads.len())
        .map(|row| {
            let name = name(leads.table.cell(column, row)?);
            let place = *places.entry(name).or_insert_with(|| {
                found.push((name, 0));
                found.len() - 1
            });
            found[place].1 += 1;
            Some(place)
        })
        .collect();
    let mut shown: Vec<usize> = (0..found.len()).collect();
    shown.sort_by(|a, b| {
        let (a, b) = (&found[*a], &found[*b]);
        match order {
            Order::Value => a.0.cmp(b.0),
            Order::Size => b.1.cmp(&a.1).then(a.0.cmp(b.0)),
        }
    });
    renumbered(&shown, first, |place| found[place].0.to_owned())
}

fn numbers(leads: &Leads, column: usize) -> Divided {
    let mut values: Vec<f64> = (0..leads.len()).filter_map(|row| leads.number(column, row)).collect();
    values.sort_unstable_by(f64::total_cmp);
    let mut distinct = values.clone();
    distinct.dedup();
    if distinct.len() <= FEW {
        let (groups, of_row) = by_text(leads, column, |text| text, Order::Value);
        let mut shown: Vec<usize> = (0..groups.len()).collect();
        let value = |place: usize| toolcell_rows::parse_value(Kind::Number, &groups[place]);
        shown.sort_by(|a, b| match (value(*a), value(*b)) {
            (Some(a), Some(b)) => compare(&a, &b),
            (a, b) => a.is_none().cmp(&b.is_none()),
        });
        return renumbered(&shown, of_row, |place| groups[place].clone());
    }
    // Quartiles as medians of halves; equal quartiles leave a band empty, and empty bands are not shown.
    let half = values.len() / 2;
    let quartile = |part: &[f64]| median_of_numbers(&mut part.to_vec()).map_or(0.0, toolcell_rows::Median::as_number);
    let edges = [quartile(&values[..half]), quartile(&values), quartile(&values[values.len() - half..])];
    let label = |band: usize| match band {
        0 => format!("up to {}", short(edges[0])),
        3 => format!("over {}", short(edges[2])),
        _ => format!("over {} to {}", short(edges[band - 1]), short(edges[band])),
    };
    banded(leads, column, 4, |value| edges.iter().filter(|edge| value > **edge).count(), label)
}

fn head_counts(leads: &Leads, column: usize) -> Divided {
    let label = |band: usize| match band {
        0 => "1-10".to_owned(),
        band => HEAD_COUNTS[band - 1].1.to_owned(),
    };
    let band = |value: f64| HEAD_COUNTS.iter().filter(|(first, _)| value >= *first).count();
    banded(leads, column, HEAD_COUNTS.len() + 1, band, label)
}

fn banded(
    leads: &Leads,
    column: usize,
    bands: usize,
    band: impl Fn(f64) -> usize,
    label: impl Fn(usize) -> String,
) -> Divided {
    let of_row: Vec<Option<usize>> = (0..leads.len()).map(|row| leads.number(column, row).map(&band)).collect();
    let used: Vec<usize> = (0..bands).filter(|band| of_row.contains(&Some(*band))).collect();
    renumbered(&used, of_row, label)
}

/// Puts the groups in the order of `shown`.
fn renumbered(shown: &[usize], of_row: Vec<Option<usize>>, name: impl Fn(usize) -> String) -> Divided {
    let mut new = vec![0; shown.iter().max().map_or(0, |most| most + 1)];
    for (place, old) in shown.iter().enumerate() {
        new[*old] = place;
    }
    (shown.iter().map(|old| name(*old)).collect(), of_row.into_iter().map(|old| Some(new[old?])).collect())
}

/// Whole numbers without the `.0`.
fn short(number: f64) -> String {
    let text = write_number(number);
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lead::tests::leads;

    fn groups(text: &str) -> (Vec<String>, Vec<Option<usize>>) {
        let leads = leads(text);
        let dimension = Dimension::new(&leads, 0, "/by").unwrap();
        (dimension.groups, dimension.of_row)
    }

    #[test]
    fn head_counts_have_fixed_bands_and_empty_ones_are_left_out() {
        let (names, rows) = groups("employees,x\n10,\n11,\n,\n5001,\n200,\n");
        assert_eq!(names, ["1-10", "11-50", "51-200", "5001+"]);
        assert_eq!(rows, [Some(0), Some(1), None, Some(3), Some(2)]);
    }

    #[test]
    fn texts_come_by_size_dates_by_month_and_few_numbers_by_value() {
        assert_eq!(groups("t\nb\na\nc\nb\n").0, ["b", "a", "c"]);
        assert_eq!(groups("d\n2026-02-01\n2025-12-31\n2026-02-28\n").0, ["2025-12", "2026-02"]);
        assert_eq!(groups("n\n10\n9\n10\n").0, ["9", "10"]);
    }

    #[test]
    fn many_numbers_become_quarters() {
        let text: String =
            std::iter::once("n\n".to_owned()).chain((1..=16).map(|number| format!("{number}\n"))).collect();
        let (names, rows) = groups(&text);
        assert_eq!(names, ["up to 4.5", "over 4.5 to 8.5", "over 8.5 to 12.5", "over 12.5"]);
        assert_eq!(rows.iter().filter(|row| **row == Some(2)).count(), 4);
    }
}
