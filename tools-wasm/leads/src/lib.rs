//! The tool `leads`: figures about sales leads, computed only from the rows that are given. This module owns the way from
//! arguments to an answer and nothing else; what the arguments mean stands in `wit/world.wit`.

mod bottlenecks;
mod convert;
mod dimension;
mod lead;
mod lookalikes;
mod rate;
mod report;

use toolcell_rows::contract::Failure;
use toolcell_rows::{Reading, Refusal, Source};

use lead::{Leads, Outcomes, Part};

mod bindings {
    #![allow(missing_docs, clippy::all, clippy::pedantic)] // Generated code.
    wit_bindgen::generate!({
        path: ["../../wit/tool", "wit"],
        world: "toolcell:leads/leads@0.1.0",
        generate_all,
        with: { "toolcell:tool/types@0.1.0": toolcell_rows::contract },
    });
    export!(Tool with_types_in self);

    /// What the exports are implemented for.
    pub(crate) struct Tool;
}

use bindings as wit;

impl wit::Guest for wit::Tool {
    fn tiers(
        source: wit::Source,
        reading: Option<wit::Reading>,
        columns: Option<wit::Columns>,
    ) -> Result<wit::TierReport, Failure> {
        let leads = read(source, reading, columns.as_ref())?;
        let (tiers, without_tier) = report::tiers(&leads)?;
        let named = tiers.iter().map(|tier| (tier.name.as_str(), tier.outcomes));
        let mut notes = report::notes(&leads, named);
        if !leads.has(Part::Stage) && !leads.has(Part::Won) {
            notes.push("No column says how leads ended, so all of them count as open.".to_owned());
        }
        Ok(wit::TierReport {
            total: Outcomes::of(&leads).into(),
            notes,
            tiers: tiers.into_iter().map(Into::into).collect(),
            without_tier,
        })
    }

    fn conversion(
        source: wit::Source,
        reading: Option<wit::Reading>,
        columns: Option<wit::Columns>,
        by: Option<String>,
    ) -> Result<wit::ConversionReport, Failure> {
        let leads = read(source, reading, columns.as_ref())?;
        let groups = report::conversion(&leads, by.as_deref())?;
        let named = groups.iter().map(|group| (group.value.as_deref().unwrap_or("(none)"), group.outcomes));
        Ok(wit::ConversionReport {
            total: Outcomes::of(&leads).into(),
            by,
            notes: report::notes(&leads, named),
            groups: groups.into_iter().map(Into::into).collect(),
        })
    }

    fn bottlenecks(
        source: wit::Source,
        reading: Option<wit::Reading>,
        columns: Option<wit::Columns>,
        stages: Option<Vec<String>>,
        as_of: Option<String>,
    ) -> Result<wit::BottleneckReport, Failure> {
        let leads = read(source, reading, columns.as_ref())?;
        let pipeline = bottlenecks::bottlenecks(&leads, stages.as_deref(), as_of.as_deref())?;
        Ok(convert::bottleneck_report(Outcomes::of(&leads), pipeline))
    }

    fn lookalikes(
        source: wit::Source,
        reading: Option<wit::Reading>,
        columns: Option<wit::Columns>,
        models: Option<Vec<String>>,
        factors: Option<Vec<wit::Factor>>,
        candidates: Option<wit::Candidates>,
        limit: Option<u32>,
    ) -> Result<wit::LookalikeReport, Failure> {
        let leads = read(source, reading, columns.as_ref())?;
        let request = convert::request(models, factors, candidates, limit);
        let ranking = lookalikes::lookalikes(&leads, &request)?;
        Ok(convert::lookalike_report(&leads, ranking))
    }
}

fn read(source: wit::Source, reading: Option<wit::Reading>, columns: Option<&wit::Columns>) -> Result<Leads, Refusal> {
    let reading = reading.map(Reading::from).unwrap_or_default();
    let table = Source::from(source).read(&reading, "/source", "/reading")?;
    Leads::new(table, |part| convert::named(columns?, part))
}
