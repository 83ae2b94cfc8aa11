//! Where the pipeline loses leads and where they wait. It owns what may be concluded from a snapshot: a lead in a later
//! stage has passed the earlier ones, and a lost lead is placed only where the data says what it was lost from.

use std::collections::HashMap;

use toolcell_rows::{Refusal, parse_date, quoted};

use crate::lead::{Leads, Outcome, Part, folded};
use crate::rate::{Days, Rate};

/// The open stages of a pipeline, where the caller names none.
const USUAL: [&str; 5] = ["new", "contacted", "qualified", "proposal", "negotiation"];
/// The most stages of a pipeline.
const MAX_STAGES: usize = 50;

/// One stage.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Stage {
    pub(crate) name: String,
    pub(crate) waiting: u64,
    pub(crate) moved_on: u64,
    pub(crate) lost_here: u64,
    pub(crate) waiting_time: Option<Days>,
}

impl Stage {
    pub(crate) fn entered(&self) -> u64 {
        self.waiting + self.moved_on + self.lost_here
    }

    pub(crate) fn drop_off(&self) -> Rate {
        Rate { count: self.lost_here, n: self.lost_here + self.moved_on }
    }
}

/// The whole pipeline.
#[derive(Debug, PartialEq)]
pub(crate) struct Pipeline {
    pub(crate) stages: Vec<Stage>,
    pub(crate) days_to_won: Option<Days>,
    pub(crate) days_to_lost: Option<Days>,
    /// Days since 1970.
    pub(crate) as_of: Option<i32>,
    pub(crate) lost_unplaced: u64,
    pub(crate) open_unplaced: u64,
    pub(crate) notes: Vec<String>,
}

impl Pipeline {
    /// The stage with the largest drop-off, and the one with the longest median wait; only stages with enough data
    /// count, and ties go to the earlier one.
    pub(crate) fn worst(&self) -> (Option<&str>, Option<&str>) {
        let largest = |figure: &dyn Fn(&Stage) -> Option<f64>| {
            let mut best: Option<(f64, &str)> = None;
            for stage in &self.stages {
                if let Some(value) = figure(stage)
                    && value > best.map_or(0.0, |(most, _)| most)
                {
                    best = Some((value, &stage.name));
                }
            }
            best.map(|(_, name)| name)
        };
        (
            largest(&|stage| stage.drop_off().value().filter(|_| !stage.drop_off().is_too_little())),
            largest(&|stage| {
                let days = stage.waiting_time.filter(|days| !days.is_too_little())?;
                Some(days.median)
            }),
        )
    }
}

/// Looks at the pipeline as it stands on a day.
pub(crate) fn bottlenecks(leads: &Leads, stages: Option<&[String]>, as_of: Option<&str>) -> Result<Pipeline, Refusal> {
    leads.require(Part::Stage, "A look at bottlenecks")?;
    let names = stage_names(stages)?;
    let order: HashMap<String, usize> = names.iter().enumerate().map(|(place, name)| (folded(name), place)).collect();
    let as_of = match as_of {
        Some(text) => Some(parse_date(text).ok_or_else(|| {
            Refusal::invalid("/as_of", "a date, YYYY-MM-DD", format!("{} is no date", quoted(text))).found(text)
        })?),
        None => latest_day(leads),
    };
    let mut all = Walk {
        leads,
        order,
        as_of,
        pipeline: Pipeline {
            stages: names.into_iter().map(|name| Stage { name, ..Stage::default() }).collect(),
            days_to_won: None,
            days_to_lost: None,
            as_of,
            lost_unplaced: 0,
            open_unplaced: 0,
            notes: Vec::new(),
        },
        waits: Vec::new(),
        unknown: Vec::new(),
        backwards: 0,
    };
    all.waits.resize_with(all.pipeline.stages.len(), Vec::new);
    Ok(all.walk())
}

fn stage_names(stages: Option<&[String]>) -> Result<Vec<String>, Refusal> {
    let Some(given) = stages else {
        return Ok(USUAL.map(str::to_owned).to_vec());
    };
    if given.is_empty() || given.len() > MAX_STAGES {
        return Err(Refusal::invalid(
            "/stages",
            format!("1 to {MAX_STAGES} stages, the first one first"),
            format!("There are {} stages", given.len()),
        ));
    }
    for (index, name) in given.iter().enumerate() {
        let key = folded(name);
        let ending = matches!(key.as_str(), "" | "won" | "lost" | "closedwon" | "closedlost");
        if ending || given[..index].iter().any(|other| folded(other) == key) {
            return Err(Refusal::invalid(
                format!("/stages/{index}"),
                "an open stage that is not in the list yet; won and lost end the pipeline and are not listed",
                format!("{} cannot be a stage here", quoted(name)),
            )
            .found(name));
        }
    }
    Ok(given.to_vec())
}

fn latest_day(leads: &Leads) -> Option<i32> {
    (0..leads.len())
        .flat_map(|row| [Part::StageEntered, Part::Created, Part::Closed].map(|part| leads.day(part, row)))
        .flatten()
        .max()
}

/// One pass over the leads.
struct Walk<'l> {
    leads: &'l Leads,
    order: HashMap<String, usize>,
    as_of: Option<i32>,
    pipeline: Pipeline,
    /// For each stage, how many days each lead in it has waited.
    waits: Vec<Vec<u32>>,
    /// Stages of open leads that are in no list, as first seen.
    unknown: Vec<String>,
    /// Pairs of dates of which the later one comes first.
    backwards: u64,
}

impl Walk<'_> {
    fn walk(mut self) -> Pipeline {
        let mut to_won = Vec::new();
        let mut to_lost = Vec::new();
        for row in 0..self.leads.len() {
            match self.leads.outcome(row) {
                Outcome::Won => {
                    let all = self.pipeline.stages.len();
                    self.pass(all);
                    to_won.extend(self.cycle(row));
                }
                Outcome::Lost => {
                    self.lose(row);
                    to_lost.extend(self.cycle(row));
                }
                Outcome::Open => self.wait(row),
            }
        }
        for (stage, waits) in self.pipeline.stages.iter_mut().zip(&self.waits) {
            stage.waiting_time = Days::of(waits);
        }
        self.pipeline.days_to_won = Days::of(&to_won);
        self.pipeline.days_to_lost = Days::of(&to_lost);
        self.note();
        self.pipeline
    }

    /// The lead went through the first stages.
    fn pass(&mut self, count: usize) {
        for stage in &mut self.pipeline.stages[..count] {
            stage.moved_on += 1;
        }
    }

    fn place_of(&self, part: Part, row: usize) -> Option<usize> {
        self.order.get(&folded(self.leads.text(part, row)?)).copied()
    }

    /// Where `lost_from` is not there, a lead that is lost but whose stage is still an open one was lost from that.
    fn lose(&mut self, row: usize) {
        let place = self.place_of(Part::LostFrom, row).or_else(|| self.place_of(Part::Stage, row));
        match place {
            Some(place) => {
                self.pass(place);
                self.pipeline.stages[place].lost_here += 1;
            }
            None => self.pipeline.lost_unplaced += 1,
        }
    }

    fn wait(&mut self, row: usize) {
        let Some(place) = self.place_of(Part::Stage, row) else {
            self.pipeline.open_unplaced += 1;
            let name = self.leads.text(Part::Stage, row).unwrap_or("(none)");
            if self.unknown.len() < 10 && !self.unknown.iter().any(|known| known == name) {
                self.unknown.push(name.to_owned());
            }
            return;
        };
        self.pass(place);
        self.pipeline.stages[place].waiting += 1;
        if let (Some(since), Some(until)) = (self.leads.day(Part::StageEntered, row), self.as_of)
            && let Some(days) = self.between(since, until)
        {
            self.waits[place].push(days);
        }
    }

    fn cycle(&mut self, row: usize) -> Option<u32> {
        let since = self.leads.day(Part::Created, row)?;
        let until = self.leads.day(Part::Closed, row)?;
        self.between(since, until)
    }

    fn between(&mut self, since: i32, until: i32) -> Option<u32> {
        let days = u32::try_from(until - since).ok();
        self.backwards += u64::from(days.is_none());
        days
    }

    fn note(&mut self) {
        let pipeline = &mut self.pipeline;
        let notes = &mut pipeline.notes;
        if self.leads.len() == 0 {
            notes.push("There are no leads in the source.".to_owned());
        }
        if !self.leads.has(Part::StageEntered) {
            notes.push("No column says when a lead entered its stage, so waiting times are not known.".to_owned());
        }
        if pipeline.lost_unplaced > 0 {
            notes.push(format!(
                "{} lost leads do not say which stage they were lost from; drop-off leaves them out.",
                pipeline.lost_unplaced
            ));
        }
        if pipeline.open_unplaced > 0 {
            let names: Vec<String> = self.unknown.iter().map(|name| quoted(name)).collect();
            notes.push(format!(
                "{} open leads are in none of the stages: {}.",
                pipeline.open_unplaced,
                names.join(", ")
            ));
        }
        if self.backwards > 0 {
            notes.push(format!("{} durations would be negative and are left out.", self.backwards));
        }
        let thin: Vec<String> = pipeline
            .stages
            .iter()
            .filter(|stage| stage.drop_off().is_too_little())
            .map(|stage| format!("{} ({})", stage.name, stage.drop_off().n))
            .collect();
        if !thin.is_empty() {
            notes.push(format!(
                "Fewer than {} leads have left these stages, too little for a drop-off: {}.",
                crate::rate::ENOUGH_FOR_RATE,
                thin.join(", ")
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lead::tests::leads;

    #[test]
    fn a_later_stage_means_that_the_earlier_ones_were_passed() {
        let leads = leads(
            "stage,lost_from,stage_entered\nnew,,2026-01-01\nQualified,,2026-01-05\nlost,contacted,2026-01-03\nlost,,2026-01-03\nwon,,2026-01-11\nparked,,\n",
        );
        let pipeline = bottlenecks(&leads, None, None).unwrap();
        let entered: Vec<u64> = pipeline.stages.iter().map(Stage::entered).collect();
        assert_eq!(entered, [4, 3, 2, 1, 1]);
        assert_eq!(pipeline.stages[1].drop_off(), Rate { count: 1, n: 3 });
        assert_eq!((pipeline.lost_unplaced, pipeline.open_unplaced), (1, 1));
        assert_eq!(pipeline.stages[0].waiting_time.map(|days| days.longest), Some(10));
        assert_eq!(pipeline.worst(), (None, None));
    }

    #[test]
    fn stages_are_checked_where_they_stand() {
        let leads = leads("stage\nnew\n");
        for (stages, pointer) in [(vec!["a", "A"], "/stages/1"), (vec!["a", "won"], "/stages/1"), (vec![], "/stages")] {
            let stages: Vec<String> = stages.into_iter().map(str::to_owned).collect();
            let Err(Refusal::Invalid(problem)) = bottlenecks(&leads, Some(&stages), None) else { panic!("{stages:?}") };
            assert_eq!(problem.pointer, pointer);
        }
        assert!(bottlenecks(&leads, None, Some("tomorrow")).is_err());
    }
}
