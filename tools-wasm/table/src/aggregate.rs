//! One row for each group. It owns the figures; it refuses arithmetic on columns that hold no numbers, and a sum that
//! leaves its range.

use std::borrow::Cow;

use toolcell_rows::{
    ExactSum, Kind, Median, Refusal, Table, Value, compare, median_of_integers, median_of_numbers, quoted, write_number,
};

use crate::frame::Frame;
use crate::group::{Groups, group};

/// One figure, as the caller wrote it.
#[derive(Debug, Clone)]
pub(crate) struct Aggregate {
    /// What is computed.
    pub function: Function,
    /// From which column.
    pub column: Option<String>,
    /// Under which name.
    pub name: Option<String>,
}

/// What is computed for a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // The signature documents each.
pub(crate) enum Function {
    Count,
    Distinct,
    Sum,
    Mean,
    Median,
    StdDev,
    Min,
    Max,
    First,
    Last,
}

/// The most figures of one call; each is a pass over all rows.
const MAX_AGGREGATES: usize = 100;

/// Groups by columns and computes figures. `group_pointer` and `pointer` are where the two lists stand.
pub(crate) fn aggregate(
    frame: &Frame<'_>,
    group_by: &[String],
    group_pointer: &str,
    aggregates: &[Aggregate],
    pointer: &str,
) -> Result<Table, Refusal> {
    let columns = frame.find_all(group_by, group_pointer)?;
    if aggregates.len() > MAX_AGGREGATES || (aggregates.is_empty() && columns.is_empty()) {
        return Err(Refusal::invalid(
            pointer,
            format!("1 to {MAX_AGGREGATES} aggregates, as {{\"function\": \"count\"}}"),
            format!("There are {} aggregates", aggregates.len()),
        ));
    }
    let wanted = aggregates
        .iter()
        .enumerate()
        .map(|(index, aggregate)| Figure::of(frame, aggregate, &format!("{pointer}/{index}")))
        .collect::<Result<Vec<_>, _>>()?;
    let mut names: Vec<&str> = group_by.iter().map(String::as_str).collect();
    for (index, figure) in wanted.iter().enumerate() {
        if names.contains(&figure.name.as_str()) {
            return Err(Refusal::invalid(
                format!("{pointer}/{index}/name"),
                "a name that no other column of the result has",
                format!("The result would have two columns {}", quoted(&figure.name)),
            )
            .found(&figure.name));
        }
        names.push(&figure.name);
    }
    let mut groups = group(frame, &columns);
    if columns.is_empty() && groups.is_empty() {
        // No rows at all are still one group when nothing divides them.
        groups.first.push(0);
    }
    let mut result = Table::of_rows(groups.len());
    for column in columns {
        let it = &frame.columns()[column];
        let mut builder = result.add_column(it.name.as_ref(), it.kind);
        for row in &groups.first {
            builder.push(frame.cell(column, *row as usize));
        }
        builder.finish();
    }
    for figure in wanted {
        let (kind, cells) = figure.compute(frame, &groups)?;
        let mut builder = result.add_column(figure.name, kind);
        for cell in &cells {
            builder.push(cell.as_deref());
        }
        builder.finish();
    }
    Ok(result)
}

/// The cells of one figure, one a group.
pub(crate) type Cells<'a> = Vec<Option<Cow<'a, str>>>;

/// A figure whose column is known to exist and to be of a fitting kind.
#[derive(Debug)]
pub(crate) struct Figure {
    function: Function,
    column: Option<usize>,
    pointer: String,
    pub(crate) name: String,
}

impl Figure {
    /// Checks one aggregate; `pointer` is where it stands.
    pub(crate) fn of(frame: &Frame<'_>, aggregate: &Aggregate, pointer: &str) -> Result<Self, Refusal> {
        use Function as F;
        let function = aggregate.function;
        let pointer = format!("{pointer}/column");
        let Some(column_name) = &aggregate.column else {
            if function == F::Count {
                return Ok(Self {
                    function,
                    column: None,
                    pointer,
                    name: aggregate.name.clone().unwrap_or_else(|| "count".to_owned()),
                });
            }
            return Err(Refusal::invalid(
                pointer,
                "the name of a column",
                format!("{} needs a column; only count works without one", function.name()),
            ));
        };
        let column = frame.column(column_name, &pointer)?;
        let kind = frame.columns()[column].kind;
        let arithmetic = matches!(function, F::Sum | F::Mean | F::Median | F::StdDev);
        if arithmetic && !kind.is_numeric() {
            let example = (0..frame.rows())
                .find_map(|row| {
                    let text = frame.cell(column, row)?;
                    toolcell_rows::parse_value(Kind::Number, text).is_none().then_some(text)
                })
                .map(|text| format!("; it holds {}", quoted(text)))
                .unwrap_or_default();
            return Err(Refusal::invalid(
                pointer,
                "a column of kind integer or number",
                format!(
                    "{} needs numbers, and the column {} is of kind {}{example}",
                    function.name(),
                    quoted(column_name),
                    kind.name()
                ),
            )
            .found(column_name));
        }
        let name = aggregate.name.clone().unwrap_or_else(|| format!("{}_{column_name}", function.name()));
        Ok(Self { function, column: Some(column), pointer, name })
    }

    /// What a group without rows has.
    pub(crate) fn of_nothing(&self) -> Option<&'static str> {
        matches!(self.function, Function::Count | Function::Distinct).then_some("0")
    }

    /// Computes the figure for every group.
    pub(crate) fn compute<'a>(&self, frame: &Frame<'a>, groups: &Groups) -> Result<(Kind, Cells<'a>), Refusal> {
        use Function as F;
        let Some(column) = self.column else {
            let mut counts = vec![0_u64; groups.len()];
            groups.of_row.iter().for_each(|group| counts[*group as usize] += 1);
            return Ok((Kind::Integer, whole_numbers(&counts)));
        };
        let rows = Rows { frame, groups, column };
        let kind = frame.columns()[column].kind;
        Ok(match self.function {
            F::Count => (Kind::Integer, whole_numbers(&rows.counts())),
            F::Distinct => (Kind::Integer, whole_numbers(&rows.distinct())),
            F::Sum if kind == Kind::Number => {
                let totals = rows.number_totals().map_err(|()| self.overflow())?;
                let cells = totals.into_iter().map(|total| total.map(|(sum, _)| number(sum)));
                (kind, cells.collect())
            }
            F::Sum => {
                let totals = rows.integer_totals().map_err(|()| self.overflow())?;
                let cells = totals.into_iter().map(|total| total.map(|(sum, _)| Cow::Owned(sum.to_string())));
                (kind, cells.collect())
            }
            F::Mean => {
                let means = rows.means(kind).map_err(|()| self.overflow())?;
                (Kind::Number, means.into_iter().map(|mean| mean.map(number)).collect())
            }
            F::StdDev => {
                let deviations = rows.std_devs(kind).map_err(|()| self.overflow())?;
                (Kind::Number, deviations.into_iter().map(|it| it.map(number)).collect())
            }
            F::Median => rows.medians(kind),
            F::Min => (kind, rows.chosen(|new, old| compare(new, old).is_lt())),
            F::Max => (kind, rows.chosen(|new, old| compare(new, old).is_gt())),
            F::First => (kind, rows.chosen(|_, _| false)),
            F::Last => (kind, rows.chosen(|_, _| true)),
        })
    }

    fn overflow(&self) -> Refusal {
        Refusal::invalid(
            self.pointer.clone(),
            "a column whose sum stays within 128-bit integers or 64-bit floats",
            "The sum leaves the range of its numbers; filter the extreme values out, or ask for min, max or median",
        )
    }
}

impl Function {
    /// The name that results and messages use.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Distinct => "distinct",
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Median => "median",
            Self::StdDev => "std_dev",
            Self::Min => "min",
            Self::Max => "max",
            Self::First => "first",
            Self::Last => "last",
        }
    }
}

/// One column of the rows of all groups.
struct Rows<'f, 'a> {
    frame: &'f Frame<'a>,
    groups: &'f Groups,
    column: usize,
}

impl<'a> Rows<'_, 'a> {
    /// The group, row number and value of each row that has one.
    fn values(&self) -> impl Iterator<Item = (usize, usize, Value<'a>)> {
        let rows = self.groups.of_row.iter().enumerate();
        rows.filter_map(|(row, group)| Some((*group as usize, row, self.frame.value(self.column, row)?)))
    }

    fn counts(&self) -> Vec<u64> {
        let mut counts = vec![0; self.groups.len()];
        for (row, group) in self.groups.of_row.iter().enumerate() {
            if self.frame.cell(self.column, row).is_some() {
                counts[*group as usize] += 1;
            }
        }
        counts
    }

    fn distinct(&self) -> Vec<u64> {
        let values = group(self.frame, &[self.column]);
        let mut pairs: Vec<(u32, u32)> = Vec::new();
        for (row, group) in self.groups.of_row.iter().enumerate() {
            if self.frame.cell(self.column, row).is_some() {
                pairs.push((*group, values.of_row[row]));
            }
        }
        pairs.sort_unstable();
        pairs.dedup();
        let mut counts = vec![0; self.groups.len()];
        for (group, _) in pairs {
            counts[group as usize] += 1;
        }
        counts
    }

    fn integer_totals(&self) -> Result<Vec<Option<(i128, u64)>>, ()> {
        let mut totals: Vec<Option<(i128, u64)>> = vec![None; self.groups.len()];
        for (group, _, value) in self.values() {
            if let Value::Integer(value) = value {
                let (sum, count) = totals[group].get_or_insert((0, 0));
                *sum = sum.checked_add(value).ok_or(())?;
                *count += 1;
            }
        }
        Ok(totals)
    }

    fn number_totals(&self) -> Result<Vec<Option<(f64, u64)>>, ()> {
        self.exact_totals(|_, value| as_number(value))
    }

    fn exact_totals(&self, term: impl Fn(usize, Value<'a>) -> Option<f64>) -> Result<Vec<Option<(f64, u64)>>, ()> {
        let mut sums: Vec<(ExactSum, u64)> = vec![Default::default(); self.groups.len()];
        for (group, _, value) in self.values() {
            if let Some(term) = term(group, value) {
                sums[group].0.add(term);
                sums[group].1 += 1;
            }
        }
        sums.into_iter()
            .map(|(sum, count)| match count {
                0 => Ok(None),
                _ => Ok(Some((sum.total().ok_or(())?, count))),
            })
            .collect()
    }

    #[allow(clippy::cast_precision_loss)] // A mean is a float by nature.
    fn means(&self, kind: Kind) -> Result<Vec<Option<f64>>, ()> {
        Ok(if kind == Kind::Integer {
            let totals = self.integer_totals()?.into_iter();
            totals.map(|total| total.map(|(sum, count)| sum as f64 / count as f64)).collect()
        } else {
            let totals = self.number_totals()?.into_iter();
            totals.map(|total| total.map(|(sum, count)| sum / count as f64)).collect()
        })
    }

    /// Two passes: squares of distances from the mean do not cancel as squares of the values would.
    #[allow(clippy::cast_precision_loss)]
    fn std_devs(&self, kind: Kind) -> Result<Vec<Option<f64>>, ()> {
        let means = self.means(kind)?;
        let squares = self.exact_totals(|group, value| {
            let distance = as_number(value)? - means[group]?;
            Some(distance * distance)
        })?;
        Ok(squares
            .into_iter()
            .map(|total| match total {
                Some((sum, count)) if count > 1 => Some((sum / (count - 1) as f64).sqrt()),
                _ => None,
            })
            .collect())
    }

    fn medians(&self, kind: Kind) -> (Kind, Cells<'a>) {
        let medians: Vec<Option<Median>> = if kind == Kind::Integer {
            let integer = |value| match value {
                Value::Integer(value) => Some(value),
                _ => None,
            };
            self.by_group(0, integer, median_of_integers)
        } else {
            self.by_group(0.0, as_number, median_of_numbers)
        };
        let cells = medians.into_iter().map(|median| median.map(|median| Cow::Owned(median.write())));
        (Kind::Number, cells.collect())
    }

    /// Lays the values of each group side by side in one list, and gives `figure` each group's part of it.
    fn by_group<T: Clone, R>(
        &self,
        blank: T,
        take: impl Fn(Value<'a>) -> Option<T>,
        figure: impl Fn(&mut [T]) -> Option<R>,
    ) -> Vec<Option<R>> {
        let mut ends: Vec<usize> = Vec::with_capacity(self.groups.len());
        let mut total = 0;
        for count in self.counts() {
            ends.push(total);
            total += usize::try_from(count).expect("no more values than rows");
        }
        let mut all = vec![blank; total];
        for (group, _, value) in self.values() {
            if let Some(value) = take(value) {
                all[ends[group]] = value;
                ends[group] += 1;
            }
        }
        let mut start = 0;
        ends.into_iter()
            .map(|end| {
                let part = &mut all[start..end];
                start = end;
                figure(part)
            })
            .collect()
    }

    /// The text of one row of each group: the last for which `better(value, chosen so far)` holds.
    fn chosen(&self, better: impl Fn(&Value<'a>, &Value<'a>) -> bool) -> Cells<'a> {
        let mut chosen: Vec<Option<(usize, Value<'a>)>> = vec![None; self.groups.len()];
        for (group, row, value) in self.values() {
            let old = &mut chosen[group];
            if old.as_ref().is_none_or(|(_, old)| better(&value, old)) {
                *old = Some((row, value));
            }
        }
        chosen.into_iter().map(|chosen| Some(Cow::Borrowed(self.frame.cell(self.column, chosen?.0)?))).collect()
    }
}

#[allow(clippy::cast_precision_loss)]
fn as_number(value: Value<'_>) -> Option<f64> {
    match value {
        Value::Integer(value) => Some(value as f64),
        Value::Number(value) => Some(value),
        _ => None,
    }
}

fn number<'a>(number: f64) -> Cow<'a, str> {
    Cow::Owned(write_number(number))
}

fn whole_numbers<'a>(counts: &[u64]) -> Cells<'a> {
    counts.iter().map(|count| Some(Cow::Owned(count.to_string()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{lines, table};

    fn run(text: &str, by: &[&str], figures: &[(Function, &str)]) -> Result<Vec<String>, Refusal> {
        let table = table(text);
        let by: Vec<String> = by.iter().map(|name| (*name).to_owned()).collect();
        let figures: Vec<Aggregate> = figures
            .iter()
            .map(|(function, column)| Aggregate {
                function: *function,
                column: (!column.is_empty()).then(|| (*column).to_owned()),
                name: None,
            })
            .collect();
        let result = aggregate(&Frame::of(&table), &by, "/group_by", &figures, "/aggregates")?;
        Ok(lines(&Frame::of(&result)))
    }

    const ALL: [Function; 10] = [
        Function::Count,
        Function::Distinct,
        Function::Sum,
        Function::Mean,
        Function::Median,
        Function::StdDev,
        Function::Min,
        Function::Max,
        Function::First,
        Function::Last,
    ];

    #[test]
    fn every_figure_leaves_nulls_out() {
        let text = "g,n,x\na,3,0.1\nb,,\na,1,0.2\na,,0.3\nb,,\na,3,\n";
        let of = |column| ALL.map(|function| (function, column));
        assert_eq!(
            run(text, &["g"], &of("n")).unwrap(),
            ["a|3|2|7|2.3333333333333335|3|1.1547005383792515|1|3|3|3", "b|0|0|-|-|-|-|-|-|-|-"]
        );
        assert_eq!(
            run(text, &[], &of("x")).unwrap(),
            ["3|3|0.6|0.19999999999999998|0.2|0.09999999999999999|0.1|0.3|0.1|0.3"]
        );
    }

    #[test]
    fn no_rows_are_one_group_without_columns_and_none_with() {
        let figures = [(Function::Count, ""), (Function::Sum, "n")];
        assert_eq!(run("g,n\n", &[], &figures).unwrap(), ["0|-"]);
        assert!(run("g,n\n", &["g"], &figures).unwrap().is_empty());
    }

    #[test]
    fn integer_sums_are_exact_and_refuse_to_overflow() {
        let long = "n\n9007199254740993\n9007199254740993\n1\n";
        assert_eq!(run(long, &[], &[(Function::Sum, "n")]).unwrap(), ["18014398509481987"]);
        let most = i128::MAX;
        let text = format!("n\n{most}\n1\n");
        let refusal = run(&text, &[], &[(Function::Sum, "n")]).unwrap_err();
        assert!(refusal.to_string().contains("range"), "{refusal}");
        let text = "n\n1.5e308\n1.5e308\n";
        assert!(run(text, &[], &[(Function::Mean, "n")]).is_err());
    }

    #[test]
    fn figures_that_cannot_be_are_refused_where_they_stand() {
        let pointer = |result: Result<Vec<String>, Refusal>| match result {
            Err(Refusal::Invalid(problem)) => problem.pointer,
            other => panic!("{other:?}"),
        };
        let text = "g,n\na,1\n";
        let count = (Function::Count, "");
        assert_eq!(pointer(run(text, &["g"], &[count, (Function::Sum, "g")])), "/aggregates/1/column");
        assert_eq!(pointer(run(text, &["g"], &[(Function::Sum, "")])), "/aggregates/0/column");
        assert_eq!(pointer(run(text, &["g"], &[count, count])), "/aggregates/1/name");
        assert_eq!(pointer(run(text, &["n", "x"], &[count])), "/group_by/1");
        assert_eq!(pointer(run(text, &["n", "n"], &[count])), "/group_by/1");
        assert_eq!(pointer(run(text, &[], &[])), "/aggregates");
    }
}
