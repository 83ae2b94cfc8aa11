//! The tree of a file becomes steps: every key known, every value of its type, every name of a step resolved.
//!
//! It goes on after a problem, so that all of them are told at once. What could not be read keeps its place among the steps, and the
//! plan that holds it is thrown away.

use std::collections::HashMap;
use std::str::FromStr as _;
use std::time::Duration;

use toolcell_core::ResultText;
use toolcell_core::json::tokens;
use toolcell_core::units::Span;

use super::holes::{Form, Items, form};
use super::nearest::Nearest;
use super::problem::{Collected, SHOWN, Trail, shown};
use super::tree::{Member, Node, Value};
use super::{Budget, Criticality, ForEach, Plan, Step, Template};

/// The most steps of a plan.
pub const MAX_STEPS: usize = 1_000_000;

/// The largest `concurrency` of a plan or a step.
pub const MAX_CONCURRENCY: usize = 10_000;

/// What `concurrency` is where a plan names none.
pub const DEFAULT_CONCURRENCY: usize = 16;

/// The longest id of a step, in bytes.
pub const MAX_STEP_ID: usize = 64;

/// The longest `deadline`: 30 days.
pub const MAX_DEADLINE: Duration = Duration::from_hours(720);

/// The longest `timeout`: what one call may take at most, by the ceiling of its limit `time`.
pub const MAX_TIMEOUT: Duration = Duration::from_hours(1);

/// The longest name of a tool or plan, in bytes: that of a tool id.
const MAX_NAME: usize = toolcell_core::tool::MAX_TOOL_ID;

/// The longest description, in bytes.
const MAX_DESCRIPTION: usize = 4_096;

const PLAN: &[&str] =
    &["$schema", "name", "description", "concurrency", "deadline", "input", "output", "budget", "step"];
const STEP: &[&str] = &[
    "id",
    "tool",
    "needs",
    "for-each",
    "each-concurrency",
    "when",
    "timeout",
    "fallback",
    "criticality",
    "key",
    "answer-at",
    "arguments",
];

/// What every reader of a part of the file needs.
pub(super) struct Reader<'n, 't> {
    pub(super) root: &'n Node<'t>,
    pub(super) collected: &'n Collected,
    pub(super) nearest: Nearest,
    /// The place of each step in the file, by its id.
    pub(super) ids: HashMap<&'n str, usize>,
}

impl<'n, 't> Reader<'n, 't> {
    pub(super) fn new(root: &'n Node<'t>, collected: &'n Collected) -> Self {
        Self { root, collected, nearest: Nearest::default(), ids: HashMap::new() }
    }

    /// The tables of the steps, in the order of the file.
    pub(super) fn steps(&self) -> &'n [Node<'t>] {
        match self.root.member("step").map(|node| &node.value) {
            Some(Value::Array(steps)) => steps,
            _ => &[],
        }
    }

    pub(super) fn refuse(&self, node: &Node<'_>, trail: &Trail<'_>, message: impl FnOnce() -> String) {
        self.collected.add(node.spot(), trail, message);
    }

    /// Reads the plan; its steps stand in the order of the file.
    pub(super) fn plan(&mut self) -> Plan {
        let (root, trail) = (self.root, Trail::Root);
        self.table(root, &trail, "a plan", PLAN);
        let at = |key| root.member(key);
        let name = if let Some(node) = at("name") {
            self.text(node, &Trail::Member(&trail, "name"), MAX_NAME).unwrap_or_default()
        } else {
            self.refuse(root, &trail, || "`name` is missing: write `name = \"…\"`".to_owned());
            ""
        };
        if let Some(steps) = at("step") {
            self.take_ids(steps, &Trail::Member(&trail, "step"));
        } else {
            self.refuse(root, &trail, || "there is no step: a plan has at least one `[[step]]`".to_owned());
        }
        let in_steps = Trail::Member(&trail, "step");
        let steps =
            self.steps().iter().enumerate().map(|(n, node)| self.step(node, &Trail::Item(&in_steps, n))).collect();
        let description = at("description");
        let description =
            description.and_then(|node| self.text(node, &Trail::Member(&trail, "description"), MAX_DESCRIPTION));
        let output = at("output").and_then(|node| {
            const NONE: Items =
                Items::Unknown("`output` goes over no list: only `$input` and `$result` mean something here");
            self.template(node, &Trail::Member(&trail, "output"), NONE, &mut Vec::new())
        });
        let input = at("input").and_then(|node| self.known(node, &Trail::Member(&trail, "input"), "`input`"));
        Plan {
            name: name.into(),
            description: description.map(Into::into),
            steps,
            concurrency: at("concurrency")
                .and_then(|node| self.concurrency(node, &Trail::Member(&trail, "concurrency")))
                .unwrap_or(DEFAULT_CONCURRENCY),
            deadline: at("deadline").and_then(|node| self.span(node, &Trail::Member(&trail, "deadline"), MAX_DEADLINE)),
            budget: at("budget")
                .map_or_else(Budget::default, |node| self.budget(node, &Trail::Member(&trail, "budget"))),
            output,
            input: input.map(Into::into),
        }
    }

    /// Takes down every id, so that a step may refer to one that stands behind it.
    fn take_ids(&mut self, node: &'n Node<'t>, trail: &Trail<'_>) {
        match &node.value {
            Value::Array(steps) if steps.is_empty() => {
                self.refuse(node, trail, || "there is no step: a plan has at least one".to_owned());
            }
            Value::Array(steps) if steps.len() > MAX_STEPS => {
                self.refuse(node, trail, || {
                    format!(
                        "there are {} steps; a plan has at most {MAX_STEPS}: go over a list with `for-each`",
                        steps.len()
                    )
                });
            }
            Value::Array(_) => {}
            _ => self.refuse(node, trail, || format!("`step` is a list of tables (`[[step]]`), not {}", node.what())),
        }
        for (n, step) in self.steps().iter().enumerate() {
            let Some((node, id)) = step.member("id").and_then(|node| Some((node, node.as_str()?))) else { continue };
            if let Some(first) = self.ids.get(id) {
                let first = *first;
                let trail = Trail::Item(trail, n);
                self.refuse(node, &Trail::Member(&trail, "id"), || {
                    format!("the id `{}` stands twice: step {} has it already", shown(id, SHOWN), first + 1)
                });
            } else {
                self.ids.insert(id, n);
            }
        }
    }

    fn step(&self, node: &'n Node<'t>, trail: &Trail<'_>) -> Step {
        let mut step = Step {
            id: "".into(),
            tool: "".into(),
            needs: Vec::new(),
            arguments: Template::Value("{}".into()),
            for_each: None,
            when: None,
            timeout: None,
            fallback: None,
            criticality: Criticality::default(),
            key: None,
            answer_at: None,
        };
        let Some(members) = self.table(node, trail, "a step", STEP) else { return step };
        let goes_over = node.member("for-each").is_some();
        let items =
            if goes_over { Items::Known } else { Items::Unknown("there is no item here: the step has no `for-each`") };
        let mut refers = Vec::new();
        for required in ["id", "tool"] {
            if node.member(required).is_none() {
                self.refuse(node, trail, || format!("`{required}` is missing: write `{required} = \"…\"`"));
            }
        }
        for Member { name, node: value, .. } in members {
            let trail = &Trail::Member(trail, name);
            match &**name {
                "id" => step.id = self.id(value, trail).unwrap_or_default().into(),
                "tool" => step.tool = self.text(value, trail, MAX_NAME).unwrap_or_default().into(),
                "needs" => self.needs(value, trail, &mut refers),
                "for-each" => {
                    let over = self.over(value, trail, &mut refers);
                    step.for_each = over.map(|over| ForEach { over, concurrency: None });
                }
                "each-concurrency" if !goes_over => {
                    self.refuse(value, trail, || "`each-concurrency` goes with `for-each`: remove it".to_owned());
                }
                "when" => {
                    const ONCE: Items = Items::Unknown(
                        "`when` is asked once for the step, before its list is known: only `$input` and `$result` mean something here",
                    );
                    step.when = self.condition(value, trail, ONCE, &mut refers);
                }
                "timeout" => step.timeout = self.span(value, trail, MAX_TIMEOUT),
                "fallback" => step.fallback = self.known(value, trail, "`fallback`").map(ResultText::new),
                "criticality" => step.criticality = self.criticality(value, trail).unwrap_or_default(),
                "key" => {
                    step.key = self.template(value, trail, items, &mut refers);
                    self.key(value, trail, goes_over);
                }
                "answer-at" => step.answer_at = self.answer_at(value, trail, node.member("arguments")).map(Into::into),
                "arguments" => {
                    if let Ok(Form::Plain) = form(value, self)
                        && !matches!(value.value, Value::Object(_))
                    {
                        self.refuse(value, trail, || format!("`arguments` is a table, not {}", value.what()));
                    }
                    if let Some(arguments) = self.template(value, trail, items, &mut refers) {
                        step.arguments = arguments;
                    }
                }
                // Told above, or read below once `for-each` is there.
                _ => {}
            }
        }
        if let (Some(each), Some(value)) = (&mut step.for_each, node.member("each-concurrency")) {
            each.concurrency = self.concurrency(value, &Trail::Member(trail, "each-concurrency"));
        }
        refers.sort_unstable();
        refers.dedup();
        step.needs = refers;
        step
    }

    fn id(&self, node: &'n Node<'t>, trail: &Trail<'_>) -> Option<&'n str> {
        let id = self.text(node, trail, usize::MAX)?;
        let fits = id.len() <= MAX_STEP_ID && is_word(id);
        if !fits {
            self.refuse(node, trail, || {
                format!("`{}` names no step: write 1 to {MAX_STEP_ID} letters, digits, `-` and `_`", shown(id, SHOWN))
            });
        }
        fits.then_some(id)
    }

    /// The step of that id.
    pub(super) fn step_named(&self, id: &str, node: &Node<'_>, trail: &Trail<'_>) -> Option<usize> {
        let found = self.ids.get(id).copied();
        if found.is_none() {
            self.refuse(node, trail, || {
                let ids = self.steps().iter().filter_map(|step| step.member("id")?.as_str());
                let id = (id, shown(id, SHOWN));
                match self.nearest.find(id.0, ids) {
                    Some(meant) => format!("there is no step `{}`; the nearest is `{}`", id.1, shown(meant, SHOWN)),
                    None => format!("there is no step `{}`: name the `id` of a step of this plan", id.1),
                }
            });
        }
        found
    }

    fn needs(&self, node: &Node<'t>, trail: &Trail<'_>, refers: &mut Vec<usize>) {
        let Value::Array(names) = &node.value else {
            self.refuse(node, trail, || format!("`needs` is a list of ids, not {}", node.what()));
            return;
        };
        let mut seen = HashMap::new();
        for (n, name) in names.iter().enumerate() {
            let trail = &Trail::Item(trail, n);
            let Some(id) = name.as_str() else {
                self.refuse(name, trail, || format!("write the id of a step in quotes here, not {}", name.what()));
                continue;
            };
            if seen.insert(id, n).is_some() {
                self.refuse(name, trail, || format!("`{}` stands twice in `needs`: remove one", shown(id, SHOWN)));
            } else {
                refers.extend(self.step_named(id, name, trail));
            }
        }
    }

    fn over(&self, node: &Node<'t>, trail: &Trail<'_>, refers: &mut Vec<usize>) -> Option<Template> {
        const NONE: Items = Items::Unknown("the list cannot refer to its own items");
        let list = match form(node, self) {
            Ok(Form::Literal(inner)) => matches!(inner.value, Value::Array(_)),
            Ok(Form::Plain) => matches!(node.value, Value::Array(_)),
            Ok(Form::Text(_)) => false,
            // Told, or looked into, elsewhere.
            Ok(Form::Input(_) | Form::Result(..) | Form::Item(_) | Form::Index) | Err(_) => true,
        };
        if !list {
            self.refuse(node, trail, || {
                "`for-each` is a list, or a reference to one such as `{ \"$result\" = \"step\", pointer = \"/items\" }`"
                    .to_owned()
            });
            return None;
        }
        self.template(node, trail, NONE, refers)
    }

    /// A key that cannot tell two calls apart, or is no text, is refused.
    fn key(&self, node: &Node<'t>, trail: &Trail<'_>, goes_over: bool) {
        let Ok(form) = form(node, self) else { return };
        let fits = match &form {
            Form::Plain => node.as_str().is_some_and(|text| !text.is_empty()),
            Form::Literal(inner) => inner.as_str().is_some_and(|text| !text.is_empty()),
            Form::Text(parts) => !parts.is_empty(),
            _ => true,
        };
        if !fits {
            self.refuse(node, trail, || {
                "`key` is a text that is not empty: a string, a reference to one, or `{ \"$text\" = [ … ] }`".to_owned()
            });
        } else if goes_over && !self.speaks_of_items(node) {
            self.refuse(node, trail, || {
                "every item would have the same key, and so be the same call: put `$item` or `$index` into the key"
                    .to_owned()
            });
        }
    }

    fn speaks_of_items(&self, node: &Node<'t>) -> bool {
        match form(node, self) {
            Ok(Form::Item(_) | Form::Index) | Err(_) => true,
            Ok(Form::Text(parts)) => parts.iter().any(|part| self.speaks_of_items(part)),
            Ok(Form::Plain) => match &node.value {
                Value::Array(items) => items.iter().any(|item| self.speaks_of_items(item)),
                Value::Object(members) => members.iter().any(|member| self.speaks_of_items(&member.node)),
                _ => false,
            },
            Ok(_) => false,
        }
    }

    /// A person's answer goes into a member of something that the arguments have, or of what a reference gives.
    fn answer_at(&self, node: &'n Node<'t>, trail: &Trail<'_>, arguments: Option<&Node<'t>>) -> Option<&'n str> {
        let text = self.text(node, trail, usize::MAX)?;
        let Some((last, into)) =
            tokens(text).as_deref().and_then(<[String]>::split_last).map(|(l, i)| (l.clone(), i.to_vec()))
        else {
            self.refuse(node, trail, || {
                format!(
                    "`{}` is no place in the arguments: write a JSON pointer such as \"/confirmation\"",
                    shown(text, SHOWN)
                )
            });
            return None;
        };
        let mut here = arguments;
        for (depth, token) in into.iter().enumerate() {
            let Some(inside) = here else { break };
            if !matches!(form(inside, self), Ok(Form::Plain)) {
                return Some(text);
            }
            here = match &inside.value {
                Value::Array(items) => token.parse().ok().and_then(|n: usize| items.get(n)),
                _ => inside.member(token),
            };
            if here.is_none() {
                self.refuse(node, trail, || {
                    let missing = shown(&into[..=depth].join("/"), SHOWN);
                    format!("the arguments have nothing at `/{missing}` that could hold `{}`", shown(&last, SHOWN))
                });
                return None;
            }
        }
        Some(text)
    }

    fn criticality(&self, node: &Node<'t>, trail: &Trail<'_>) -> Option<Criticality> {
        let named = match node.as_str() {
            Some("optional") => return Some(Criticality::Optional),
            Some("required") => return Some(Criticality::Required),
            Some("critical") => return Some(Criticality::Critical),
            other => other,
        };
        self.refuse(node, trail, || {
            let meant = self.nearest.or_all(named.unwrap_or_default(), &["optional", "required", "critical"]);
            let what = named.map_or_else(|| node.what().to_owned(), |named| format!("`{}`", shown(named, SHOWN)));
            format!("{what} is no criticality{meant}")
        });
        None
    }

    fn budget(&self, node: &'n Node<'t>, trail: &Trail<'_>) -> Budget {
        self.table(node, trail, "a budget", &["calls", "fuel", "http-requests"]);
        let at = |key| {
            let value = node.member(key)?;
            self.whole(value, &Trail::Member(trail, key), 1, u64::MAX)
        };
        Budget { calls: at("calls"), fuel: at("fuel"), http_requests: at("http-requests") }
    }

    fn concurrency(&self, node: &Node<'t>, trail: &Trail<'_>) -> Option<usize> {
        self.whole(node, trail, 1, MAX_CONCURRENCY as u64).and_then(|number| usize::try_from(number).ok())
    }

    fn whole(&self, node: &Node<'t>, trail: &Trail<'_>, least: u64, most: u64) -> Option<u64> {
        let number = match &node.value {
            Value::Number(digits) => digits.parse().ok().filter(|number| (least..=most).contains(number)),
            _ => None,
        };
        if number.is_none() {
            self.refuse(node, trail, || format!("write a whole number from {least} to {most} here"));
        }
        number
    }

    fn span(&self, node: &Node<'t>, trail: &Trail<'_>, most: Duration) -> Option<Duration> {
        let text = self.text(node, trail, MAX_NAME)?;
        let problem = match Span::from_str(text) {
            Ok(Span(span)) if !span.is_zero() && span <= most => return Some(span),
            Ok(_) => format!("this is 1ms to {}", Span(most)),
            Err(error) => error.to_string(),
        };
        self.refuse(node, trail, || problem);
        None
    }

    /// A string that is not empty and at most so many bytes long.
    fn text(&self, node: &'n Node<'t>, trail: &Trail<'_>, most: usize) -> Option<&'n str> {
        let text = node.as_str();
        match text {
            None => self.refuse(node, trail, || format!("write a string in quotes here, not {}", node.what())),
            Some("") => self.refuse(node, trail, || "this must not be empty".to_owned()),
            Some(text) if text.len() > most => {
                self.refuse(node, trail, || format!("this is {} bytes long and may be {most}", text.len()));
                return None;
            }
            Some(_) => {}
        }
        text
    }

    /// A table of which every key is known. `what` names it in messages: "a step".
    pub(super) fn table<'m>(
        &self,
        node: &'m Node<'t>,
        trail: &Trail<'_>,
        what: &str,
        known: &[&str],
    ) -> Option<&'m [Member<'t>]> {
        let Value::Object(members) = &node.value else {
            self.refuse(node, trail, || format!("{what} is a table, not {}", node.what()));
            return None;
        };
        for member in members {
            if !known.contains(&&*member.name) {
                self.collected.add(member.spot, &Trail::Member(trail, &member.name), || {
                    let name = shown(&member.name, SHOWN);
                    format!("{what} has no key `{name}`{}", self.nearest.or_all(&member.name, known))
                });
            }
        }
        Some(members)
    }
}

/// Letters, digits, `-` and `_`, at least one.
pub(super) fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}
