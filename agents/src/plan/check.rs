//! The way from a file to a plan: read, then checked whole, all problems at once.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value as Schema, json};
use toolcell_core::json::tokens;
use toolcell_core::{Card, Directory, Tenant};

use super::draft::{MAX_STEPS, Reader};
use super::fit::{Fit, Item, Results};
use super::holes::{Form, form};
use super::order::order;
use super::problem::{Collected, Problems, SHOWN, Trail, shown};
use super::reach::{self, Reach};
use super::tree::{self, Node, Value};
use super::{Plan, Step};

/// How many steps of a circle are named. A longer one is named by where it begins, and how long it is.
const MAX_NAMED: usize = 20;

/// How a plan file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// TOML 1.0.
    Toml,
    /// JSON by RFC 8259, without duplicate names.
    Json,
}

/// A plan as it was written: TOML or JSON without a mistake, and nothing else checked.
#[derive(Clone, Debug)]
pub struct Written<'t> {
    text: &'t str,
    format: Format,
    root: Node<'t>,
}

/// Reads a plan file: at most [`super::MAX_BYTES`], [`super::MAX_VALUES`] values, [`super::MAX_DEPTH`] deep.
///
/// # Errors
/// Where it is not TOML or JSON, holds a name twice, or is over a bound.
pub fn read(text: &str, format: Format) -> Result<Written<'_>, Problems> {
    let collected = Collected::default();
    let root = tree::read(text, format, &collected);
    let root = collected.or(root, text, format, |_| None)?;
    Ok(Written { text, format, root })
}

/// Checks a plan whole: its form, names, references and circles, and every call against the card of its tool.
///
/// # Errors
/// Everything that is wrong with it, at most [`super::MAX_PROBLEMS`] told in words.
pub fn check(written: &Written<'_>, directory: &dyn Directory, tenant: &Tenant) -> Result<Plan, Problems> {
    checked(written, Some((directory, tenant)))
}

/// Checks what can be checked without knowing any tool: enough to draw a plan, not to run it.
///
/// # Errors
/// As [`check`].
pub fn outline(written: &Written<'_>) -> Result<Plan, Problems> {
    checked(written, None)
}

fn checked(written: &Written<'_>, tools: Option<(&dyn Directory, &Tenant)>) -> Result<Plan, Problems> {
    let collected = Collected::default();
    let mut reader = Reader::new(&written.root, &collected);
    let mut plan = reader.plan();
    // A flood of steps is told and not looked into.
    let order = if plan.steps.len() > MAX_STEPS { None } else { ordered(&reader, &plan.steps) };
    if plan.steps.len() <= MAX_STEPS {
        let cards = Cards::of(&reader, &plan.steps, tools);
        cards.check(&reader);
    }
    let sorted = order.map(|order| {
        sort(&mut plan, &order);
        plan
    });
    let id = |n: usize| {
        let steps = written.root.member("step")?;
        let Value::Array(steps) = &steps.value else { return None };
        steps.get(n)?.member("id")?.as_str().map(|id| shown(id, SHOWN))
    };
    collected.or(sorted, written.text, written.format, id)
}

/// The order of the steps; none where there are circles, which are told.
fn ordered(reader: &Reader<'_, '_>, steps: &[Step]) -> Option<Vec<usize>> {
    let needs: Vec<&[usize]> = steps.iter().map(|step| &step.needs[..]).collect();
    let circles = match order(&needs) {
        Ok(order) => return Some(order),
        Err(circles) => circles,
    };
    for circle in circles {
        let Some(first) = circle.first().copied() else { continue };
        let Some(node) = reader.steps().get(first) else { continue };
        let at = Trail::Member(&Trail::Root, "step");
        reader.refuse(node, &Trail::Item(&at, first), || {
            if circle.len() == 1 {
                return "the step needs itself: no step can begin behind its own end".to_owned();
            }
            let name = |step: &usize| format!("`{}`", shown(&steps[*step].id, SHOWN));
            let mut names: Vec<String> = circle.iter().take(MAX_NAMED).map(name).collect();
            if circle.len() > MAX_NAMED {
                names.push(format!("… ({} steps in all)", circle.len()));
            }
            names.push(name(&first));
            format!("these steps need each other in a circle: {}; remove one of these needs", names.join(" needs "))
        });
    }
    None
}

/// Puts the steps into their order, and every place that names a step with them.
fn sort(plan: &mut Plan, order: &[usize]) {
    if order.iter().enumerate().all(|(new, old)| new == *old) {
        return;
    }
    let mut places = vec![0; order.len()];
    for (new, old) in order.iter().enumerate() {
        places[*old] = new;
    }
    let mut steps: Vec<Option<Step>> = std::mem::take(&mut plan.steps).into_iter().map(Some).collect();
    plan.steps = order.iter().filter_map(|old| steps[*old].take()).collect();
    let mut moved = |place: &mut usize| *place = places[*place];
    for step in &mut plan.steps {
        step.needs.iter_mut().for_each(&mut moved);
        step.needs.sort_unstable();
        step.arguments.each_result(&mut moved);
        step.key.iter_mut().for_each(|key| key.each_result(&mut moved));
        step.for_each.iter_mut().for_each(|each| each.over.each_result(&mut moved));
        step.when.iter_mut().for_each(|when| when.each_result(&mut moved));
    }
    plan.output.iter_mut().for_each(|output| output.each_result(&mut moved));
}

/// What is known of the tools of a plan. Each distinct tool is asked for once.
struct Cards {
    known: Vec<Known>,
    /// For each step the place of its tool in `known`.
    of_step: Vec<Option<usize>>,
    goes_over: Vec<bool>,
}

struct Known {
    card: Arc<Card>,
    /// The schema of the result of a step that goes over a list.
    list: Schema,
}

impl Results for Cards {
    fn schema(&self, step: usize) -> Option<&Schema> {
        let known = &self.known[(*self.of_step.get(step)?)?];
        Some(if self.goes_over[step] { &known.list } else { &*known.card.result })
    }
}

impl Cards {
    fn of(reader: &Reader<'_, '_>, steps: &[Step], tools: Option<(&dyn Directory, &Tenant)>) -> Self {
        let goes_over = steps.iter().map(|step| step.for_each.is_some()).collect();
        let mut own = Self { known: Vec::new(), of_step: vec![None; steps.len()], goes_over };
        let Some((directory, tenant)) = tools else { return own };
        let mut asked: HashMap<&str, Result<usize, String>> = HashMap::new();
        for (n, step) in steps.iter().enumerate().filter(|(_, step)| !step.tool.is_empty()) {
            let answer = asked.entry(&step.tool).or_insert_with(|| match directory.card(&step.tool, tenant) {
                Ok(card) => {
                    let list = json!({"type": "array", "items": &*card.result});
                    own.known.push(Known { card, list });
                    Ok(own.known.len() - 1)
                }
                Err(failure) if failure.hints.is_empty() => Err(failure.message),
                Err(failure) => Err(format!("{}; {}", failure.message, failure.hints.join(" "))),
            });
            match answer {
                Ok(card) => own.of_step[n] = Some(*card),
                Err(message) => {
                    let Some(node) = reader.steps().get(n).and_then(|step| step.member("tool")) else { continue };
                    let steps = Trail::Member(&Trail::Root, "step");
                    let message = &*message;
                    reader.refuse(node, &Trail::Member(&Trail::Item(&steps, n), "tool"), || shown(message, 500));
                }
            }
        }
        own
    }

    fn check(&self, reader: &Reader<'_, '_>) {
        const ANY: &Schema = &Schema::Bool(true);
        let text = json!({"type": ["string", "number"]});
        let list = json!({"type": "array"});
        let number = json!({"type": "number"});
        let in_steps = Trail::Member(&Trail::Root, "step");
        for (n, node) in reader.steps().iter().enumerate().take(self.of_step.len()) {
            let trail = &Trail::Item(&in_steps, n);
            let card = self.of_step[n].map(|card| &*self.known[card].card);
            let mut fit = Fit { reader, results: self, item: Item::Unknown };
            // Where it is no list, that was told already.
            if let Some(over) = node.member("for-each").filter(|_| self.goes_over[n]) {
                fit.check(over, &list, &Trail::Member(trail, "for-each"));
                fit.item = self.item(over, reader);
            }
            if let Some(when) = node.member("when") {
                condition(&fit, when, &number, &Trail::Member(trail, "when"));
            }
            if let Some(key) = node.member("key") {
                let takes = if matches!(form(key, reader), Ok(Form::Plain | Form::Literal(_))) { ANY } else { &text };
                fit.check(key, takes, &Trail::Member(trail, "key"));
            }
            let takes = card.map_or(ANY, |card| &*card.arguments);
            match node.member("arguments") {
                // Told where they were read.
                Some(arguments)
                    if matches!(form(arguments, reader), Ok(Form::Plain))
                        && !matches!(arguments.value, Value::Object(_)) => {}
                Some(arguments) => fit.check(arguments, takes, &Trail::Member(trail, "arguments")),
                None => {
                    let none = Node { at: node.at, value: Value::Object(Vec::new()) };
                    fit.check(&none, takes, trail);
                }
            }
            if let (Some(card), Some(place)) = (card, node.member("answer-at"))
                && let Some(path) = place.as_str().and_then(tokens)
            {
                let problem = match reach::reach(&card.arguments, &path) {
                    Reach::Unknown => None,
                    Reach::Never(token, names) => Some(format!(
                        "the arguments never have `{}`{}",
                        shown(&token, SHOWN),
                        reader.nearest.or_all(&token, &names)
                    )),
                    Reach::Schemas(found) => (found.iter().all(|schema| reach::types(schema) & reach::STRING == 0))
                        .then(|| "a person's answer is a string, and none can stand there".to_owned()),
                };
                if let Some(problem) = problem {
                    reader.refuse(place, &Trail::Member(trail, "answer-at"), || problem);
                }
            }
        }
        if let Some(output) = reader.root.member("output") {
            let fit = Fit { reader, results: self, item: Item::Unknown };
            fit.check(output, ANY, &Trail::Member(&Trail::Root, "output"));
        }
    }

    /// What is known of the items of a list.
    fn item<'n, 't>(&'n self, over: &'n Node<'t>, reader: &Reader<'n, 't>) -> Item<'n, 't> {
        match form(over, reader) {
            Ok(Form::Plain) => match &over.value {
                Value::Array(items) => Item::Nodes(items),
                _ => Item::Unknown,
            },
            Ok(Form::Result(name, pointer)) => {
                let Some(from) = reader.ids.get(name).and_then(|step| self.schema(*step)) else { return Item::Unknown };
                let Reach::Schemas(found) = reach::reach(from, &tokens(pointer).unwrap_or_default()) else {
                    return Item::Unknown;
                };
                let lists = found.into_iter().filter(|schema| reach::types(schema) & reach::ARRAY != 0);
                let items = lists.map(|schema| schema.get("items").filter(|_| schema.get("prefixItems").is_none()));
                items.collect::<Option<Vec<_>>>().map_or(Item::Unknown, Item::Schemas)
            }
            _ => Item::Unknown,
        }
    }
}

/// Checks every value that a condition looks at.
fn condition(fit: &Fit<'_, '_, '_>, node: &Node<'_>, number: &Schema, trail: &Trail<'_>) {
    for (name, inner) in ["all", "any", "not"].iter().filter_map(|name| Some((*name, node.member(name)?))) {
        let trail = &Trail::Member(trail, name);
        match &inner.value {
            Value::Array(parts) => {
                for (n, part) in parts.iter().enumerate() {
                    condition(fit, part, number, &Trail::Item(trail, n));
                }
            }
            _ => condition(fit, inner, number, trail),
        }
    }
    if let Some(value) = node.member("value") {
        let measured = node.member("more-than").or(node.member("less-than")).is_some();
        let takes = if measured { number } else { &Schema::Bool(true) };
        fit.check(value, takes, &Trail::Member(trail, "value"));
    }
}
