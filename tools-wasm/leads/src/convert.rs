//! Between the generated types of the signature and the types of the modules. Nothing is decided here.

use toolcell_rows::{Reading, Source};

use crate::bindings as wit;
use crate::bottlenecks::{Pipeline, Stage};
use crate::lead::{Leads, Outcomes, Part};
use crate::lookalikes::{Candidates, ENOUGH_MODELS, Factor, Match, Ranking, Request, Target};
use crate::rate::{Days, Rate};
use crate::report::{Group, Tier};

impl From<wit::Source> for Source {
    fn from(source: wit::Source) -> Self {
        match source {
            wit::Source::Inline(text) => Self::Inline(text),
            wit::Source::File(path) => Self::File(path),
        }
    }
}

impl From<wit::Reading> for Reading {
    fn from(reading: wit::Reading) -> Self {
        Self { delimiter: reading.delimiter, null_values: reading.null_values.unwrap_or_default(), ..Self::default() }
    }
}

/// The column that the caller names for a part.
pub(crate) fn named(columns: &wit::Columns, part: Part) -> Option<String> {
    match part {
        Part::Id => &columns.id,
        Part::Company => &columns.company,
        Part::Tier => &columns.tier,
        Part::Stage => &columns.stage,
        Part::StageEntered => &columns.stage_entered,
        Part::LostFrom => &columns.lost_from,
        Part::Score => &columns.score,
        Part::Employees => &columns.employees,
        Part::Created => &columns.created,
        Part::Closed => &columns.closed,
        Part::Won => &columns.won,
    }
    .clone()
}

pub(crate) fn request(
    models: Option<Vec<String>>,
    factors: Option<Vec<wit::Factor>>,
    candidates: Option<wit::Candidates>,
    limit: Option<u32>,
) -> Request {
    Request {
        models,
        factors: factors.map(|factors| {
            factors.into_iter().map(|factor| Factor { column: factor.column, importance: factor.importance }).collect()
        }),
        candidates: match candidates {
            None | Some(wit::Candidates::Open) => Candidates::Open,
            Some(wit::Candidates::NotWon) => Candidates::NotWon,
            Some(wit::Candidates::Everyone) => Candidates::Everyone,
        },
        limit,
    }
}

impl From<Rate> for wit::Rate {
    fn from(rate: Rate) -> Self {
        let interval = rate.interval();
        Self {
            count: rate.count,
            n: rate.n,
            rate: rate.value(),
            low: interval.map(|(low, _)| low),
            high: interval.map(|(_, high)| high),
            too_little_data: rate.is_too_little(),
        }
    }
}

impl From<Days> for wit::Days {
    fn from(days: Days) -> Self {
        Self { n: days.n, median: days.median, longest: days.longest, too_little_data: days.is_too_little() }
    }
}

impl From<Outcomes> for wit::Outcomes {
    fn from(outcomes: Outcomes) -> Self {
        Self {
            leads: outcomes.leads(),
            won: outcomes.won,
            lost: outcomes.lost,
            open: outcomes.open,
            win_rate: outcomes.win_rate().into(),
            conversion: outcomes.conversion().into(),
        }
    }
}

impl From<Tier> for wit::Tier {
    fn from(tier: Tier) -> Self {
        Self {
            tier: tier.name,
            share: tier.share.into(),
            outcomes: tier.outcomes.into(),
            median_score: tier.median_score,
        }
    }
}

impl From<Group> for wit::Group {
    fn from(group: Group) -> Self {
        Self { value: group.value, outcomes: group.outcomes.into() }
    }
}

impl From<Stage> for wit::StageFigures {
    fn from(stage: Stage) -> Self {
        Self {
            entered: stage.entered(),
            waiting: stage.waiting,
            moved_on: stage.moved_on,
            lost_here: stage.lost_here,
            drop_off: stage.drop_off().into(),
            waiting_time: stage.waiting_time.map(Into::into),
            stage: stage.name,
        }
    }
}

pub(crate) fn bottleneck_report(total: Outcomes, pipeline: Pipeline) -> wit::BottleneckReport {
    let (drop_off, wait) = pipeline.worst();
    let (largest_drop_off, longest_wait) = (drop_off.map(str::to_owned), wait.map(str::to_owned));
    wit::BottleneckReport {
        total: total.into(),
        largest_drop_off,
        longest_wait,
        stages: pipeline.stages.into_iter().map(Into::into).collect(),
        days_to_won: pipeline.days_to_won.map(Into::into),
        days_to_lost: pipeline.days_to_lost.map(Into::into),
        as_of: pipeline.as_of.map(toolcell_rows::write_date),
        lost_unplaced: pipeline.lost_unplaced,
        open_unplaced: pipeline.open_unplaced,
        notes: pipeline.notes,
    }
}

impl From<Match> for wit::FactorMatch {
    fn from(found: Match) -> Self {
        Self {
            factor: found.factor,
            value: found.value,
            model_share: found.model_share,
            base_share: found.base_share,
            weight: found.weight,
        }
    }
}

fn target(leads: &Leads, rank: u32, target: Target) -> wit::Target {
    let list = |list: Vec<Match>| list.into_iter().map(Into::into).collect();
    wit::Target {
        rank,
        id: leads.label(target.row),
        company: leads.text(Part::Company, target.row).map(str::to_owned),
        stage: leads.text(Part::Stage, target.row).map(str::to_owned),
        score: target.score,
        matched: list(target.matched),
        against: list(target.against),
        unknown: target.unknown,
    }
}

pub(crate) fn lookalike_report(leads: &Leads, ranking: Ranking) -> wit::LookalikeReport {
    wit::LookalikeReport {
        models: ranking.models as u64,
        too_little_data: ranking.models < ENOUGH_MODELS,
        factors: ranking.factors,
        candidates: ranking.candidates as u64,
        targets: (1..).zip(ranking.targets).map(|(rank, it)| target(leads, rank, it)).collect(),
        notes: ranking.notes,
    }
}
