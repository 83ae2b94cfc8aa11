//! Leads as rows with known columns. It owns which column plays which part and how a lead ended; it refuses a part that
//! is needed and not there, and says which columns there are.

use toolcell_rows::{Kind, Refusal, Table, Value, quoted};

use crate::rate::Rate;

/// What a column may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Id,
    Company,
    Tier,
    Stage,
    StageEntered,
    LostFrom,
    Score,
    Employees,
    Created,
    Closed,
    Won,
}

impl Part {
    /// The member of the argument `columns`, which is also the usual name of the column.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Company => "company",
            Self::Tier => "tier",
            Self::Stage => "stage",
            Self::StageEntered => "stage_entered",
            Self::LostFrom => "lost_from",
            Self::Score => "score",
            Self::Employees => "employees",
            Self::Created => "created",
            Self::Closed => "closed",
            Self::Won => "won",
        }
    }

    const ALL: [Self; 11] = [
        Self::Id,
        Self::Company,
        Self::Tier,
        Self::Stage,
        Self::StageEntered,
        Self::LostFrom,
        Self::Score,
        Self::Employees,
        Self::Created,
        Self::Closed,
        Self::Won,
    ];
}

/// How a lead ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Won,
    Lost,
    Open,
}

/// A table of leads.
#[derive(Debug)]
pub(crate) struct Leads {
    pub(crate) table: Table,
    places: [Option<usize>; Part::ALL.len()],
    outcomes: Vec<Outcome>,
}

impl Leads {
    /// Finds the parts: named ones must be there and of a fitting kind, others are taken where they have the usual name.
    pub(crate) fn new(table: Table, named: impl Fn(Part) -> Option<String>) -> Result<Self, Refusal> {
        let mut places = [None; Part::ALL.len()];
        for part in Part::ALL {
            let pointer = format!("/columns/{}", part.name());
            let place = match named(part) {
                Some(name) => Some(table.column(&name, &pointer)?),
                None => table.columns().iter().position(|column| folded(column.name()) == folded(part.name())),
            };
            if let Some(place) = place {
                check_kind(&table, place, part, &pointer)?;
            }
            places[part as usize] = place;
        }
        let mut leads = Self { table, places, outcomes: Vec::new() };
        leads.outcomes = (0..leads.len()).map(|row| leads.ended(row)).collect();
        Ok(leads)
    }

    pub(crate) fn len(&self) -> usize {
        self.table.rows()
    }

    pub(crate) fn has(&self, part: Part) -> bool {
        self.places[part as usize].is_some()
    }

    pub(crate) fn place(&self, part: Part) -> Option<usize> {
        self.places[part as usize]
    }

    /// A refusal where the part is not there; `purpose` says what needs it.
    pub(crate) fn require(&self, part: Part, purpose: &str) -> Result<(), Refusal> {
        if self.has(part) {
            return Ok(());
        }
        let names: Vec<&str> = self.table.columns().iter().take(40).map(toolcell_rows::Column::name).collect();
        Err(Refusal::invalid(
            format!("/columns/{}", part.name()),
            format!("one of the columns: {}", names.join(", ")),
            format!(
                "{purpose} needs a column for {}, and none has that name; say which column it is",
                quoted(part.name())
            ),
        ))
    }

    /// A refusal where nothing says how a lead ended.
    pub(crate) fn require_outcome(&self, purpose: &str) -> Result<(), Refusal> {
        if self.has(Part::Won) {
            return Ok(());
        }
        self.require(Part::Stage, purpose)
    }

    pub(crate) fn text(&self, part: Part, row: usize) -> Option<&str> {
        self.table.cell(self.place(part)?, row)
    }

    /// The day of a date or of a date and time, counted from 1970.
    pub(crate) fn day(&self, part: Part, row: usize) -> Option<i32> {
        match self.table.value(self.place(part)?, row)? {
            Value::Date(days) => Some(days),
            Value::Instant(nanos) => i32::try_from(nanos.div_euclid(86_400_000_000_000)).ok(),
            _ => None,
        }
    }

    #[allow(clippy::cast_precision_loss)] // A score or a head count is far below 2^53.
    pub(crate) fn number(&self, place: usize, row: usize) -> Option<f64> {
        match self.table.value(place, row)? {
            Value::Integer(value) => Some(value as f64),
            Value::Number(value) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn outcome(&self, row: usize) -> Outcome {
        self.outcomes[row]
    }

    /// What a person would call this lead.
    pub(crate) fn label(&self, row: usize) -> String {
        self.text(Part::Id, row).map_or_else(|| format!("row {}", row + 1), str::to_owned)
    }

    fn ended(&self, row: usize) -> Outcome {
        let stage = self.text(Part::Stage, row).map(folded);
        let is = |names: [&str; 2]| stage.as_deref().is_some_and(|stage| names.contains(&stage));
        let lost = is(["lost", "closedlost"]);
        match self.text(Part::Won, row) {
            Some("1") => Outcome::Won,
            Some(text) if text.eq_ignore_ascii_case("true") => Outcome::Won,
            None if is(["won", "closedwon"]) => Outcome::Won,
            Some(_) if self.text(Part::Closed, row).is_some() => Outcome::Lost,
            _ if lost => Outcome::Lost,
            _ => Outcome::Open,
        }
    }
}

/// How several leads ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Outcomes {
    pub(crate) won: u64,
    pub(crate) lost: u64,
    pub(crate) open: u64,
}

impl Outcomes {
    pub(crate) fn of(leads: &Leads) -> Self {
        let mut all = Self::default();
        (0..leads.len()).for_each(|row| all.add(leads.outcome(row)));
        all
    }

    pub(crate) fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Won => self.won += 1,
            Outcome::Lost => self.lost += 1,
            Outcome::Open => self.open += 1,
        }
    }

    pub(crate) fn leads(self) -> u64 {
        self.won + self.lost + self.open
    }

    pub(crate) fn win_rate(self) -> Rate {
        Rate { count: self.won, n: self.won + self.lost }
    }

    pub(crate) fn conversion(self) -> Rate {
        Rate { count: self.won, n: self.leads() }
    }
}

/// A name without letter case, spaces, `_` and `-`.
pub(crate) fn folded(name: &str) -> String {
    name.chars().filter(|letter| !matches!(letter, ' ' | '_' | '-')).flat_map(char::to_lowercase).collect()
}

fn check_kind(table: &Table, place: usize, part: Part, pointer: &str) -> Result<(), Refusal> {
    let column = &table.columns()[place];
    let kind = column.kind();
    let (fits, expected) = match part {
        Part::StageEntered | Part::Created | Part::Closed => {
            (matches!(kind, Kind::Date | Kind::DateTime | Kind::Empty), "a column of dates, YYYY-MM-DD")
        }
        Part::Score | Part::Employees => (kind.is_numeric(), "a column of numbers"),
        Part::Won => {
            let truth = |text: &str| matches!(text, "0" | "1");
            let binary = kind == Kind::Integer && (0..table.rows()).all(|row| table.cell(place, row).is_none_or(truth));
            (binary || matches!(kind, Kind::Boolean | Kind::Empty), "a column of true and false, or of 1 and 0")
        }
        _ => (true, ""),
    };
    if fits {
        return Ok(());
    }
    Err(Refusal::invalid(
        pointer,
        expected,
        format!(
            "The column {} is of kind {}; name another, or declare odd values missing with reading.null_values",
            quoted(column.name()),
            kind.name()
        ),
    )
    .found(column.name()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use Outcome::{Lost, Open, Won};
    use toolcell_rows::{Reading, Source};

    pub(crate) fn leads(text: &str) -> Leads {
        try_leads(text).unwrap()
    }

    fn try_leads(text: &str) -> Result<Leads, Refusal> {
        let source = Source::Inline(text.to_owned());
        let table = source.read(&Reading::default(), "/source", "/reading")?;
        Leads::new(table, |_| None)
    }

    #[test]
    fn a_lead_ends_as_its_columns_say() {
        let leads = leads(
            "Stage,closed,won\nnew,,false\nlost,,false\nproposal,2026-01-01,false\nwon,2026-01-01,TRUE\nClosed Won,,\nClosed-Lost,,\n,,\n",
        );
        let ends: Vec<Outcome> = (0..7).map(|row| leads.outcome(row)).collect();
        assert_eq!(ends, [Open, Lost, Lost, Won, Won, Lost, Open]);
        assert_eq!(Outcomes::of(&leads).win_rate(), Rate { count: 2, n: 5 });
    }

    #[test]
    fn a_column_of_the_wrong_kind_is_refused_by_its_part() {
        for (text, part) in [
            ("won\nmaybe\n", "/columns/won"),
            ("won\n2\n", "/columns/won"),
            ("created\nMay\n", "/columns/created"),
            ("employees\nmany\n", "/columns/employees"),
        ] {
            let Err(Refusal::Invalid(problem)) = try_leads(text) else { panic!("{text}") };
            assert_eq!(problem.pointer, part);
        }
    }
}
