//! Tier distribution and conversion. It owns how leads are counted by group and the notes that go with the counts.

use std::collections::BTreeMap;

use toolcell_rows::{Refusal, median_of_numbers};

use crate::dimension::Dimension;
use crate::lead::{Leads, Outcomes, Part};
use crate::rate::{ENOUGH_FOR_RATE, Rate};

/// One tier.
#[derive(Debug, PartialEq)]
pub(crate) struct Tier {
    pub(crate) name: String,
    pub(crate) share: Rate,
    pub(crate) outcomes: Outcomes,
    pub(crate) median_score: Option<f64>,
}

/// The tiers and how many leads have none.
pub(crate) fn tiers(leads: &Leads) -> Result<(Vec<Tier>, u64), Refusal> {
    leads.require(Part::Tier, "A distribution over tiers")?;
    let score = leads.place(Part::Score);
    let mut found: BTreeMap<&str, (Outcomes, Vec<f64>)> = BTreeMap::new();
    let mut without = 0;
    for row in 0..leads.len() {
        let Some(name) = leads.text(Part::Tier, row) else {
            without += 1;
            continue;
        };
        let (outcomes, scores) = found.entry(name).or_default();
        outcomes.add(leads.outcome(row));
        scores.extend(score.and_then(|place| leads.number(place, row)));
    }
    if found.len() > crate::dimension::MAX_GROUPS {
        return Err(Refusal::invalid(
            "/columns/tier",
            format!("a column of at most {} tiers", crate::dimension::MAX_GROUPS),
            format!("The tier column has {} different values", found.len()),
        ));
    }
    let n = leads.len() as u64 - without;
    let tiers = found
        .into_iter()
        .map(|(name, (outcomes, mut scores))| Tier {
            name: name.to_owned(),
            share: Rate { count: outcomes.leads(), n },
            outcomes,
            median_score: median_of_numbers(&mut scores).map(toolcell_rows::Median::as_number),
        })
        .collect();
    Ok((tiers, without))
}

/// The leads of one value.
#[derive(Debug, PartialEq)]
pub(crate) struct Group {
    pub(crate) value: Option<String>,
    pub(crate) outcomes: Outcomes,
}

/// Counts the leads of each value of a column.
pub(crate) fn conversion(leads: &Leads, by: Option<&str>) -> Result<Vec<Group>, Refusal> {
    leads.require_outcome("A conversion rate")?;
    let Some(by) = by else {
        return Ok(Vec::new());
    };
    let column = leads.table.column(by, "/by")?;
    let dimension = Dimension::new(leads, column, "/by")?;
    let mut groups: Vec<Group> =
        dimension.groups.into_iter().map(|value| Group { value: Some(value), outcomes: Outcomes::default() }).collect();
    let mut without = Outcomes::default();
    for (row, group) in dimension.of_row.into_iter().enumerate() {
        let outcomes = group.map_or(&mut without, |group| &mut groups[group].outcomes);
        outcomes.add(leads.outcome(row));
    }
    if without.leads() > 0 {
        groups.push(Group { value: None, outcomes: without });
    }
    Ok(groups)
}

/// Says which of the win rates rest on too few decided leads.
pub(crate) fn notes<'a>(leads: &Leads, groups: impl Iterator<Item = (&'a str, Outcomes)>) -> Vec<String> {
    let mut notes = Vec::new();
    if leads.len() == 0 {
        notes.push("There are no leads in the source.".to_owned());
        return notes;
    }
    let total = Outcomes::of(leads).win_rate();
    if total.is_too_little() {
        notes.push(format!(
            "Only {} leads are decided; fewer than {ENOUGH_FOR_RATE} are too little for a win rate.",
            total.n
        ));
    }
    let thin: Vec<String> = groups
        .filter(|(_, outcomes)| outcomes.win_rate().is_too_little())
        .map(|(name, outcomes)| format!("{name} ({})", outcomes.win_rate().n))
        .collect();
    if !thin.is_empty() {
        let shown = thin.len().min(20);
        let more = if thin.len() > shown { ", …" } else { "" };
        notes.push(format!(
            "Fewer than {ENOUGH_FOR_RATE} decided leads, too little for a win rate: {}{more}.",
            thin[..shown].join(", ")
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lead::tests::leads;

    #[test]
    fn tiers_are_sorted_and_leads_without_one_are_counted_apart() {
        let leads = leads("tier,score,stage\nB,10,won\nA,,lost\nB,20,new\n,1,won\n");
        let (tiers, without) = tiers(&leads).unwrap();
        assert_eq!(without, 1);
        assert_eq!((tiers[0].name.as_str(), tiers[0].median_score), ("A", None));
        assert_eq!(tiers[1].share, Rate { count: 2, n: 3 });
        assert_eq!(tiers[1].median_score, Some(15.0));
    }

    #[test]
    fn leads_without_a_value_are_the_last_group() {
        let leads = leads("industry,stage\nx,won\n,lost\ny,new\nx,lost\n");
        let groups = conversion(&leads, Some("industry")).unwrap();
        let names: Vec<Option<&str>> = groups.iter().map(|group| group.value.as_deref()).collect();
        assert_eq!(names, [Some("x"), Some("y"), None]);
        assert_eq!(groups[0].outcomes.win_rate(), Rate { count: 1, n: 2 });
    }

    #[test]
    fn without_stage_and_won_there_is_no_conversion() {
        let leads = leads("industry\nx\n");
        assert!(conversion(&leads, None).unwrap_err().to_string().contains("stage"));
    }
}
