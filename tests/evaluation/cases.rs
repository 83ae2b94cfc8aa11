//! The cases: families met with right calls, and for each what could have been learnt from the caller's own corrections.

use std::collections::BTreeSet;

use serde_json::Value;

use super::arguments::{Right, Wrong, families};
use super::chance::Chance;
use super::choice::choose;
use super::execution::{DISTURBANCES, Disturbance, Hope};
use super::ground::{Ground, Truth};
use super::places::{names, places};
use super::split::Split;

/// How often the caller has made the same mistake and corrected it itself, before the call that is measured.
const LESSONS: usize = 3;

/// Something goes wrong with a right call.
pub(crate) struct Case {
    /// The family's name.
    pub(crate) family: &'static str,
    /// What the family is about, as text.
    pub(crate) group: String,
    /// What may be looked at.
    pub(crate) split: Split,
    /// Its number among the choices of its family.
    pub(crate) seed: u64,
    /// Which of the ground's truths.
    pub(crate) truth: usize,
    /// What goes wrong.
    pub(crate) fault: Fault,
}

/// What goes wrong.
pub(crate) enum Fault {
    /// The call.
    Arguments {
        /// As it is made.
        wrong: Wrong,
        /// The same mistake with other values of the same tool, and the truths that were meant.
        lessons: Vec<(usize, Wrong)>,
    },
    /// Its execution.
    Execution {
        /// How.
        disturbance: &'static Disturbance,
        /// What can be hoped for.
        hope: Hope,
    },
}

/// Every case of the evaluation.
pub(crate) fn all(ground: &Ground) -> Vec<Case> {
    let calls: Vec<(&str, &str)> =
        ground.truths.iter().map(|truth| (truth.card.id.as_str(), truth.name.as_str())).collect();
    let mut cases = Vec::new();
    let known: Vec<&str> = families().iter().map(|family| family.name).collect();
    for family in families() {
        let made = |truth: usize, seed: u64| {
            let truth = &ground.truths[truth];
            (family.make)(&right(truth), &mut Chance::new(family.name, &truth.name, seed))
        };
        let (first_party, _) = calls.split_at(ground.first_party);
        let mut chosen = choose(family.name, first_party, made);
        if chosen.is_empty() {
            // No first-party tool has a place for it; the guests do.
            let guests = |truth: usize, seed: u64| if truth < ground.first_party { None } else { made(truth, seed) };
            chosen = choose(family.name, &calls, guests);
        }
        for (truth, seed, wrong) in chosen {
            let habit = habit(&ground.truths[truth], &wrong);
            let lessons = lessons(ground, truth, &habit, &made);
            cases.push(Case {
                family: family.name,
                group: word(&family.group),
                split: Split::of(family.name, seed, &known),
                seed,
                truth,
                fault: Fault::Arguments { wrong, lessons },
            });
        }
    }
    let known: Vec<&str> = DISTURBANCES.iter().map(|disturbance| disturbance.name).collect();
    for disturbance in DISTURBANCES {
        for (truth, seed, ()) in choose(disturbance.name, &calls[..ground.first_party], |_, _| Some(())) {
            let hope = disturbance.hope(ground.truths[truth].card.effects);
            cases.push(Case {
                family: disturbance.name,
                group: word(&hope),
                split: Split::of(disturbance.name, seed, &known),
                seed,
                truth,
                fault: Fault::Execution { disturbance, hope },
            });
        }
    }
    cases
}

fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).unwrap().as_str().unwrap().to_owned()
}

fn right(truth: &Truth) -> Right<'_> {
    Right { tool: truth.card.id.as_str(), schema: &truth.card.arguments, arguments: &truth.arguments }
}

/// Other right calls of the same tool with the same mistake, at most [`LESSONS`], each with values of its own.
fn lessons(
    ground: &Ground,
    of: usize,
    habit: &str,
    made: &impl Fn(usize, u64) -> Option<Wrong>,
) -> Vec<(usize, Wrong)> {
    /// Seeds that are tried for one right call. They begin far from those that are measured.
    const SEEDS: std::ops::Range<u64> = 1_000..1_040;
    let own = &ground.truths[of];
    let mut lessons = Vec::new();
    for (n, truth) in ground.truths.iter().enumerate() {
        if lessons.len() == LESSONS {
            break;
        }
        if n == of || truth.card.id != own.card.id || truth.arguments == own.arguments {
            continue;
        }
        let same = |wrong: &Wrong| self::habit(truth, wrong) == habit;
        lessons.extend(SEEDS.filter_map(|seed| made(n, seed)).find(same).map(|wrong| (n, wrong)));
    }
    lessons
}

/// What is the same about a mistake when it is made with other values: the tool's wrong name, members too many and too few, the
/// types that differ, and of enums which word stands for which case.
fn habit(truth: &Truth, wrong: &Wrong) -> String {
    let mut marks = BTreeSet::new();
    if wrong.tool != truth.card.id.as_str() {
        marks.insert(format!("tool {}", wrong.tool));
    }
    match serde_json::from_str(&wrong.arguments) {
        Ok(arguments) => {
            let enums = places(&truth.card.arguments, &truth.arguments);
            let enums =
                enums.iter().filter(|place| !names(place.schema).is_empty()).map(|place| place.pointer.as_str());
            differ(&truth.arguments, &arguments, "", "", &enums.collect(), &mut marks);
        }
        Err(_) => _ = marks.insert("no JSON".to_owned()),
    }
    marks.into_iter().collect::<Vec<_>>().join("; ")
}

/// Marks how `is` differs from `was` at a pointer; `place` is the same with `*` for the numbers of items.
fn differ(was: &Value, is: &Value, pointer: &str, place: &str, enums: &BTreeSet<&str>, marks: &mut BTreeSet<String>) {
    match (was, is) {
        _ if was == is => {}
        (Value::Object(before), Value::Object(after)) => {
            for (name, value) in before {
                match after.get(name) {
                    Some(other) => {
                        differ(value, other, &format!("{pointer}/{name}"), &format!("{place}/{name}"), enums, marks);
                    }
                    None => _ = marks.insert(format!("- {place}/{name}")),
                }
            }
            for (name, value) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
                marks.insert(format!("+ {place}/{name} {}", kind(value)));
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (n, (value, other)) in before.iter().zip(after).enumerate() {
                differ(value, other, &format!("{pointer}/{n}"), &format!("{place}/*"), enums, marks);
            }
        }
        _ if enums.contains(pointer) => _ = marks.insert(format!("{place} {was} as {is}")),
        _ => _ = marks.insert(format!("{place} {} as {}", kind(was), kind(is))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}
