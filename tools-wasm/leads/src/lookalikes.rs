//! Leads ranked by likeness to model leads. It owns the score, which is a sum of logarithms of lifts (a naive Bayes
//! score), so that each factor's part can be shown and the parts add up. Values that few model leads have are drawn
//! towards the average, and a missing value says nothing.

use std::cmp::Ordering;
use std::collections::HashSet;

use toolcell_rows::{Refusal, compare, nearest, quoted};

use crate::dimension::Dimension;
use crate::lead::{Leads, Outcome, Part};

/// Fewer model leads are flagged.
pub(crate) const ENOUGH_MODELS: usize = 10;
/// As how many average model leads the base counts.
const PRIOR: f64 = 5.0;
/// What is compared where the caller names nothing.
const USUAL: [&str; 5] = ["industry", "employees", "revenue", "country", "source"];
const MAX_FACTORS: usize = 30;
const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 1_000;

/// A column to compare by, as the caller wrote it.
#[derive(Debug, Clone)]
pub(crate) struct Factor {
    pub(crate) column: String,
    pub(crate) importance: Option<f64>,
}

/// Which leads are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Candidates {
    #[default]
    Open,
    NotWon,
    Everyone,
}

/// What the caller asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) models: Option<Vec<String>>,
    pub(crate) factors: Option<Vec<Factor>>,
    pub(crate) candidates: Candidates,
    pub(crate) limit: Option<u32>,
}

/// One value of one factor.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Match {
    pub(crate) factor: String,
    pub(crate) value: String,
    pub(crate) model_share: f64,
    pub(crate) base_share: f64,
    pub(crate) weight: f64,
}

/// One ranked lead.
#[derive(Debug, PartialEq)]
pub(crate) struct Target {
    pub(crate) row: usize,
    pub(crate) score: f64,
    pub(crate) matched: Vec<Match>,
    pub(crate) against: Vec<Match>,
    pub(crate) unknown: Vec<String>,
}

/// The ranking.
#[derive(Debug, PartialEq)]
pub(crate) struct Ranking {
    pub(crate) models: usize,
    pub(crate) factors: Vec<String>,
    pub(crate) candidates: usize,
    pub(crate) targets: Vec<Target>,
    pub(crate) notes: Vec<String>,
}

/// Ranks the candidates.
pub(crate) fn lookalikes(leads: &Leads, request: &Request) -> Result<Ranking, Refusal> {
    let limit = request.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Refusal::invalid(
            "/limit",
            format!("1 to {MAX_LIMIT}"),
            format!("{limit} targets cannot be given"),
        )
        .found(&limit.to_string()));
    }
    if request.candidates != Candidates::Everyone || request.models.is_none() {
        leads.require_outcome("A ranking by won leads")?;
    }
    let is_model = models(leads, request.models.as_deref())?;
    let models = is_model.iter().filter(|is| **is).count();
    let mut notes = Vec::new();
    if models < ENOUGH_MODELS {
        notes.push(format!(
            "There are only {models} model leads; fewer than {ENOUGH_MODELS} are too little for a ranking to rely on."
        ));
    }
    let scales = scales(leads, request.factors.as_deref(), &is_model, &mut notes)?;
    let mut ranked: Vec<(f64, usize)> = (0..leads.len())
        .filter(|row| !is_model[*row])
        .filter(|row| match (request.candidates, leads.outcome(*row)) {
            (Candidates::Everyone, _) | (_, Outcome::Open) | (Candidates::NotWon, Outcome::Lost) => true,
            (Candidates::Open | Candidates::NotWon, _) => false,
        })
        .map(|row| (scales.iter().map(|scale| scale.weight(row)).sum(), row))
        .collect();
    ranked.sort_by(|(a, row_a), (b, row_b)| {
        b.total_cmp(a).then_with(|| by_id(leads, *row_a, *row_b)).then(row_a.cmp(row_b))
    });
    let candidates = ranked.len();
    if candidates == 0 {
        notes.push("There is no candidate to rank.".to_owned());
    }
    ranked.truncate(limit as usize);
    Ok(Ranking {
        models,
        factors: scales.iter().map(|scale| scale.dimension.name.clone()).collect(),
        candidates,
        targets: ranked.into_iter().map(|(score, row)| target(&scales, row, score)).collect(),
        notes,
    })
}

fn models(leads: &Leads, ids: Option<&[String]>) -> Result<Vec<bool>, Refusal> {
    let Some(ids) = ids else {
        let won: Vec<bool> = (0..leads.len()).map(|row| leads.outcome(row) == Outcome::Won).collect();
        if !won.contains(&true) {
            return Err(Refusal::invalid(
                "/models",
                "the ids of leads to resemble",
                "No lead is won, so there is nothing to resemble; name model leads by id",
            ));
        }
        return Ok(won);
    };
    leads.require(Part::Id, "A list of model leads")?;
    if ids.is_empty() {
        return Err(Refusal::invalid(
            "/models",
            "at least one id",
            "The list of model leads is empty; leave it out to take the won ones",
        ));
    }
    let known: HashSet<&str> = (0..leads.len()).filter_map(|row| leads.text(Part::Id, row)).collect();
    for (index, id) in ids.iter().enumerate() {
        if !known.contains(id.as_str()) {
            let mut names: Vec<&str> = known.iter().copied().collect();
            names.sort_unstable();
            let hint = nearest(id, names.into_iter().take(10_000))
                .map(|near| format!("; did you mean {}?", quoted(near)))
                .unwrap_or_default();
            return Err(Refusal::invalid(
                format!("/models/{index}"),
                "the id of a lead in the source",
                format!("There is no lead {}{hint}", quoted(id)),
            )
            .found(id));
        }
    }
    let wanted: HashSet<&str> = ids.iter().map(String::as_str).collect();
    Ok((0..leads.len()).map(|row| leads.text(Part::Id, row).is_some_and(|id| wanted.contains(id))).collect())
}

/// One factor with the weight of each of its values.
struct Scale {
    dimension: Dimension,
    /// For each group: its share of the model leads, of all leads, and its weight.
    values: Vec<(f64, f64, f64)>,
}

impl Scale {
    #[allow(clippy::cast_precision_loss)] // Counts of rows are far below 2^53.
    fn new(dimension: Dimension, importance: f64, is_model: &[bool]) -> Option<Self> {
        let mut all = vec![0_u32; dimension.groups.len()];
        let mut model = all.clone();
        for (group, is_model) in dimension.of_row.iter().zip(is_model) {
            if let Some(group) = group {
                all[*group] += 1;
                model[*group] += u32::from(*is_model);
            }
        }
        let models = f64::from(model.iter().sum::<u32>());
        let total = f64::from(all.iter().sum::<u32>());
        if models == 0.0 {
            return None;
        }
        let values = all
            .into_iter()
            .zip(model)
            .map(|(all, model)| {
                let (base, model) = (f64::from(all) / total, f64::from(model));
                let lift = (model + PRIOR * base) / (models + PRIOR) / base;
                (model / models, base, importance * lift.ln())
            })
            .collect();
        Some(Self { dimension, values })
    }

    fn weight(&self, row: usize) -> f64 {
        self.dimension.of_row[row].map_or(0.0, |group| self.values[group].2)
    }
}

fn scales(
    leads: &Leads,
    factors: Option<&[Factor]>,
    is_model: &[bool],
    notes: &mut Vec<String>,
) -> Result<Vec<Scale>, Refusal> {
    let mut wanted: Vec<(usize, f64, String)> = Vec::new();
    if let Some(factors) = factors {
        if factors.is_empty() || factors.len() > MAX_FACTORS {
            return Err(Refusal::invalid(
                "/factors",
                format!("1 to {MAX_FACTORS} factors"),
                format!("There are {} factors; leave the list out for the usual ones", factors.len()),
            ));
        }
        for (index, factor) in factors.iter().enumerate() {
            let pointer = format!("/factors/{index}");
            let column = leads.table.column(&factor.column, &format!("{pointer}/column"))?;
            if wanted.iter().any(|(other, ..)| *other == column) {
                return Err(Refusal::invalid(
                    format!("{pointer}/column"),
                    "a column that is not in the list yet",
                    format!("The factor {} is named twice", quoted(&factor.column)),
                )
                .found(&factor.column));
            }
            let importance = factor.importance.unwrap_or(1.0);
            if !(0.0..=10.0).contains(&importance) {
                return Err(Refusal::invalid(
                    format!("{pointer}/importance"),
                    "a number from 0 to 10",
                    format!("{importance} is no importance"),
                )
                .found(&importance.to_string()));
            }
            wanted.push((column, importance, format!("{pointer}/column")));
        }
    } else {
        for name in USUAL {
            let place = match name {
                "employees" => leads.place(Part::Employees),
                name => leads.table.columns().iter().position(|column| crate::lead::folded(column.name()) == name),
            };
            wanted.extend(place.map(|place| (place, 1.0, "/factors".to_owned())));
        }
    }
    let mut scales = Vec::with_capacity(wanted.len());
    for (column, importance, pointer) in wanted {
        let dimension = match Dimension::new(leads, column, &pointer) {
            // A usual column that identifies leads instead of dividing them is passed over, not the caller's fault.
            Err(refusal) if factors.is_none() => {
                notes.push(format!("{refusal}."));
                continue;
            }
            other => other?,
        };
        let name = dimension.name.clone();
        match Scale::new(dimension, importance, is_model) {
            Some(scale) => scales.push(scale),
            None => notes.push(format!("No model lead has a value for {}.", quoted(&name))),
        }
    }
    if scales.is_empty() {
        return Err(Refusal::invalid(
            "/factors",
            "columns in which model leads have values",
            "There is no factor to compare by; name columns that describe the leads",
        ));
    }
    Ok(scales)
}

fn target(scales: &[Scale], row: usize, score: f64) -> Target {
    let mut target = Target { row, score, matched: Vec::new(), against: Vec::new(), unknown: Vec::new() };
    for scale in scales {
        let factor = scale.dimension.name.clone();
        let Some(group) = scale.dimension.of_row[row] else {
            target.unknown.push(factor);
            continue;
        };
        let (model_share, base_share, weight) = scale.values[group];
        let found = Match { factor, value: scale.dimension.groups[group].clone(), model_share, base_share, weight };
        if weight > 0.0 {
            target.matched.push(found);
        } else if weight < 0.0 {
            target.against.push(found);
        }
    }
    target.matched.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    target.against.sort_by(|a, b| a.weight.total_cmp(&b.weight));
    target
}

fn by_id(leads: &Leads, a: usize, b: usize) -> Ordering {
    let Some(place) = leads.place(Part::Id) else {
        return Ordering::Equal;
    };
    match (leads.table.value(place, a), leads.table.value(place, b)) {
        (Some(a), Some(b)) => compare(&a, &b),
        (a, b) => a.is_none().cmp(&b.is_none()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lead::tests::leads;

    const DATA: &str = "id,industry,country,stage\n1,tech,DE,won\n2,tech,FR,won\n3,food,DE,lost\n5,tech,DE,new\n4,tech,DE,new\n6,food,,new\n";

    fn ids(leads: &Leads, ranking: &Ranking) -> Vec<String> {
        ranking.targets.iter().map(|target| leads.label(target.row)).collect()
    }

    #[test]
    fn likeness_ranks_and_equal_scores_go_by_id() {
        let leads = leads(DATA);
        let ranking = lookalikes(&leads, &Request::default()).unwrap();
        assert_eq!(ids(&leads, &ranking), ["4", "5", "6"]);
        assert_eq!(ranking.factors, ["industry", "country"]);
        let best = &ranking.targets[0];
        // tech: 4 of 6 leads, 2 of 2 models: ((2 + 5 * 2/3) / 7) / (2/3) = 8/7.
        assert!((best.matched[0].weight - (8.0_f64 / 7.0).ln()).abs() < 1e-12);
        assert_eq!(ranking.targets[2].unknown, ["country"]);
        assert!(ranking.notes[0].contains("only 2 model leads"));
    }

    #[test]
    fn named_models_and_importance_change_the_ranking() {
        let leads = leads(DATA);
        let factor = |column: &str, importance| Factor { column: column.to_owned(), importance };
        let request = Request {
            models: Some(vec!["3".to_owned()]),
            factors: Some(vec![factor("industry", Some(2.0)), factor("country", Some(0.0))]),
            candidates: Candidates::Everyone,
            limit: Some(2),
        };
        let ranking = lookalikes(&leads, &request).unwrap();
        assert_eq!(ids(&leads, &ranking), ["6", "1"]);
        assert_eq!(ranking.candidates, 5);
    }

    #[test]
    fn what_cannot_be_ranked_is_refused_where_it_stands() {
        let leads = leads(DATA);
        let pointer = |request: Request| match lookalikes(&leads, &request) {
            Err(Refusal::Invalid(problem)) => problem.pointer,
            other => panic!("{other:?}"),
        };
        let factor = |column: &str, importance| Some(vec![Factor { column: column.to_owned(), importance }]);
        let models = Some(vec!["1".to_owned(), "99".to_owned()]);
        assert_eq!(pointer(Request { models, ..Request::default() }), "/models/1");
        assert_eq!(pointer(Request { factors: factor("x", None), ..Request::default() }), "/factors/0/column");
        assert_eq!(
            pointer(Request { factors: factor("industry", Some(f64::NAN)), ..Request::default() }),
            "/factors/0/importance"
        );
        assert_eq!(pointer(Request { limit: Some(0), ..Request::default() }), "/limit");
    }
}
