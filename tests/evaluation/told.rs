//! The measure, measured: toolboxes of which it is known beforehand how good they are.

use std::sync::Arc;

use async_trait::async_trait;
use toolcell_core::{Arguments, CallId, Events, Outcome, Tenant, ToolCall, Toolbox};

use super::arguments::{Meant, families};
use super::cases::Fault;
use super::execution::{DISTURBANCES, Hope};
use super::measure::{Parts, alike};
use super::report::{Row, rows, shortfalls, table};
use super::{Evaluation, Extent, Stage};
use crate::support::run;

/// Calls again as it was told beforehand.
struct Told {
    inner: Arc<dyn Toolbox>,
    /// The call to be made where one has failed.
    instead: Option<(String, String)>,
    again: usize,
}

#[async_trait]
impl Toolbox for Told {
    async fn call(&self, call: ToolCall, events: &dyn Events) -> Outcome {
        let mut outcome = self.inner.call(call.clone(), events).await;
        for _ in 0..self.again {
            if outcome.verdict.result().is_some() {
                break;
            }
            let (tool, arguments) = match &self.instead {
                Some((tool, arguments)) => (tool.clone(), Arguments::from_text(arguments.as_str()).unwrap()),
                None => (call.tool.clone(), call.arguments.clone()),
            };
            outcome = self.inner.call(ToolCall { tool, arguments, ..call.clone() }, events).await;
        }
        outcome
    }

    fn cancel(&self, call: CallId) -> bool {
        self.inner.cancel(call)
    }
}

/// Which failures an oracle does something about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Arguments,
    Execution,
}

/// Knows what was meant, and what may be done twice.
fn oracle(evaluation: &Evaluation, parts: Parts<'_>, does: &[Part]) -> Arc<dyn Toolbox> {
    let truth = &evaluation.ground.truths[parts.case.truth];
    let card = parts.directory.card(truth.card.id.as_str(), &Tenant::default()).unwrap();
    let right = (card.id.as_str().to_owned(), truth.arguments.to_string());
    let (instead, again) = match &parts.case.fault {
        Fault::Arguments { wrong, .. } if wrong.meant == Meant::Right && does.contains(&Part::Arguments) => {
            (Some(right), 1)
        }
        Fault::Execution { disturbance, .. }
            if disturbance.hope(card.effects) == Hope::Transient && does.contains(&Part::Execution) =>
        {
            (None, 4)
        }
        _ => (None, 0),
    };
    Arc::new(Told { inner: parts.inner, instead, again })
}

/// Makes something up wherever it can, and does everything again.
fn reckless(evaluation: &Evaluation, parts: Parts<'_>) -> Arc<dyn Toolbox> {
    let truths = &evaluation.ground.truths;
    let own = &truths[parts.case.truth];
    let other = truths.iter().find(|truth| truth.card.id == own.card.id && truth.result != own.result);
    let instead = match &parts.case.fault {
        Fault::Arguments { .. } => other.map(|truth| (truth.card.id.as_str().to_owned(), truth.arguments.to_string())),
        Fault::Execution { .. } => None,
    };
    Arc::new(Told { inner: parts.inner, instead, again: 4 })
}

fn of<'r>(rows: &'r [Row], part: &str, of: &str) -> &'r Row {
    rows.iter().find(|row| row.part == part && row.of == of).unwrap()
}

#[test]
fn the_measure_finds_nothing_in_nothing_and_everything_in_the_truth() {
    run(async {
        let evaluation = Evaluation::prepare(Extent::asked_for()).await;
        let table_of_all = evaluation
            .stages(&|stage, parts| match stage {
                Stage::None => parts.inner,
                Stage::Retry => oracle(&evaluation, parts, &[Part::Execution]),
                Stage::Rules | Stage::Memory => oracle(&evaluation, parts, &[Part::Arguments]),
                Stage::All => oracle(&evaluation, parts, &[Part::Arguments, Part::Execution]),
            })
            .await;
        let stage =
            |stage: Stage| table_of_all.iter().filter(|row| row.stage == stage.name()).cloned().collect::<Vec<_>>();
        let none = stage(Stage::None);
        for row in &none {
            assert_eq!((row.recovered, row.exact, row.wrong, row.duplicates), (0, 0, 0, 0), "{row:?}");
        }
        assert!(!shortfalls(&none).is_empty());
        let (retry, rules) = (stage(Stage::Retry), stage(Stage::Rules));
        assert_eq!(of(&retry, "arguments", "all").recovered, 0);
        assert_eq!(of(&rules, "execution", "all").recovered, 0);

        let oracle = stage(Stage::All);
        let (arguments, transient) = (of(&oracle, "arguments", "all"), of(&oracle, "execution", "group transient"));
        let wishes = evaluation.cases.iter().filter(|case| case.family == "extra-wish").count();
        assert_eq!(arguments.recovered, arguments.cases - wishes, "everything but wishes that no tool can fulfil");
        assert_eq!((arguments.exact, arguments.wrong), (arguments.recovered, 0));
        assert_eq!(transient.recovered, transient.cases);
        assert!(oracle.iter().all(|row| row.duplicates == 0));
        assert_eq!(shortfalls(&oracle), Vec::<String>::new());

        let reckless = rows("reckless", &evaluation.run(&|parts| reckless(&evaluation, parts)).await);
        println!("{}", table(&reckless));
        let arguments = of(&reckless, "arguments", "all");
        assert!(arguments.wrong * 4 > arguments.cases && arguments.exact * 20 < arguments.cases, "{arguments:?}");
        let execution = of(&reckless, "execution", "all");
        assert!(execution.duplicates > 0, "{execution:?}");
        assert!(shortfalls(&reckless).iter().any(|missed| missed.contains("wrong repairs")));
        assert!(shortfalls(&reckless).iter().any(|missed| missed.contains("done twice")));
    });
}

#[test]
fn there_are_enough_cases_and_no_component_dominates() {
    run(async {
        let ground = super::Ground::lay().await;
        let cases = super::cases::all(&ground);
        let mut by_component = std::collections::BTreeMap::<String, usize>::new();
        for case in &cases {
            *by_component.entry(ground.truths[case.truth].card.id.component().to_owned()).or_default() += 1;
        }
        println!("{} cases over {} right calls: {by_component:?}", cases.len(), ground.truths.len());
        assert!(cases.len() >= 600, "{}", cases.len());
        assert!(by_component.values().all(|count| count * 4 < cases.len()), "{by_component:?}");
        let mute: Vec<_> = families()
            .iter()
            .map(|family| family.name)
            .chain(DISTURBANCES.iter().map(|disturbance| disturbance.name))
            .filter(|name| !cases.iter().any(|case| case.family == *name))
            .collect();
        assert_eq!(mute, Vec::<&str>::new(), "families without a case");
        let held_out = cases.iter().filter(|case| case.split != super::split::Split::Seen).count();
        assert!((cases.len() / 3..cases.len() * 2 / 3).contains(&held_out), "{held_out} of {}", cases.len());
        let taught =
            cases.iter().filter(|case| matches!(&case.fault, Fault::Arguments { lessons, .. } if !lessons.is_empty()));
        println!("{} are held out, {} can be taught", held_out, taught.count());
    });
}

#[test]
fn arguments_mean_the_same_only_where_they_do() {
    let json = |text: &str| serde_json::from_str(text).unwrap();
    for (a, b) in [
        (r#"{"a":1,"b":null}"#, r#"{"a":1}"#),
        (r#"{"a":5.0}"#, r#"{"a":5}"#),
        (r#"{"a":"[1, 2]"}"#, r#"{"a":"[1,2]"}"#),
    ] {
        assert!(alike(&json(a), &json(b)), "{a} {b}");
    }
    for (a, b) in [
        (r#"{"a":"1"}"#, r#"{"a":1}"#),
        (r#"{"a":[1]}"#, r#"{"a":[1,null]}"#),
        (r#"{"a":""}"#, "{}"),
        (r#"{"a":9007199254740993}"#, r#"{"a":9007199254740992}"#),
        (r#"{"a":" x"}"#, r#"{"a":"x"}"#),
    ] {
        assert!(!alike(&json(a), &json(b)), "{a} {b}");
    }
}
