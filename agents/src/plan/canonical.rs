//! The one JSON text of a plan, which a run keeps and which reads back as the same plan.

use std::fmt::Write as _;
use std::time::Duration;

use toolcell_core::json::{Json, quote};
use toolcell_core::units::Span;

use super::draft::DEFAULT_CONCURRENCY;
use super::render::{Origin, parsed};
use super::{Condition, Criticality, Plan, Step, Template, Test};

/// Writes a plan as JSON, which [`super::read`] and [`super::check`] turn into the same plan again.
pub fn canonical(plan: &Plan) -> String {
    let mut out = Out { text: String::from("{"), plan };
    out.string("name", &plan.name);
    if let Some(description) = &plan.description {
        out.string("description", description);
    }
    if plan.concurrency != DEFAULT_CONCURRENCY {
        out.raw("concurrency", &plan.concurrency.to_string());
    }
    out.span("deadline", plan.deadline);
    let budget =
        [("calls", plan.budget.calls), ("fuel", plan.budget.fuel), ("http-requests", plan.budget.http_requests)];
    if budget.iter().any(|(_, value)| value.is_some()) {
        out.name("budget");
        out.text.push('{');
        for (name, value) in budget {
            if let Some(value) = value {
                out.raw(name, &value.to_string());
            }
        }
        out.text.push('}');
    }
    if let Some(input) = &plan.input {
        out.name("input");
        out.known(input);
    }
    if let Some(output) = &plan.output {
        out.name("output");
        out.template(output);
    }
    out.name("step");
    out.text.push('[');
    for step in &plan.steps {
        out.begin();
        out.step(step);
    }
    out.text.push_str("]}");
    out.text
}

struct Out<'p> {
    text: String,
    plan: &'p Plan,
}

impl Out<'_> {
    fn step(&mut self, step: &Step) {
        self.text.push('{');
        self.string("id", &step.id);
        self.string("tool", &step.tool);
        if !step.needs.is_empty() {
            self.name("needs");
            self.text.push('[');
            for need in &step.needs {
                self.begin();
                self.id(*need);
            }
            self.text.push(']');
        }
        if let Some(each) = &step.for_each {
            self.name("for-each");
            self.template(&each.over);
            if let Some(concurrency) = each.concurrency {
                self.raw("each-concurrency", &concurrency.to_string());
            }
        }
        if let Some(when) = &step.when {
            self.name("when");
            self.condition(when);
        }
        self.span("timeout", step.timeout);
        if let Some(fallback) = &step.fallback {
            self.name("fallback");
            self.known(fallback.get());
        }
        match step.criticality {
            Criticality::Optional => self.string("criticality", "optional"),
            Criticality::Required => {}
            Criticality::Critical => self.string("criticality", "critical"),
        }
        if let Some(key) = &step.key {
            self.name("key");
            self.template(key);
        }
        if let Some(place) = &step.answer_at {
            self.string("answer-at", place);
        }
        self.name("arguments");
        self.template(&step.arguments);
        self.text.push('}');
    }

    fn template(&mut self, template: &Template) {
        let reference = |out: &mut Self, name: &str, pointer: &str| {
            out.text.push('{');
            out.string(name, pointer);
            out.text.push('}');
        };
        match template {
            Template::Value(text) => self.known(text),
            Template::Input(pointer) => reference(self, "$input", pointer),
            Template::Item(pointer) => reference(self, "$item", pointer),
            Template::Index => self.text.push_str("{\"$index\":true}"),
            Template::Result(step, pointer) => {
                self.text.push_str("{\"$result\":");
                self.id(*step);
                if !pointer.is_empty() {
                    self.string("pointer", pointer);
                }
                self.text.push('}');
            }
            Template::Text(parts) => {
                self.text.push_str("{\"$text\":");
                self.list(parts, Self::template);
                self.text.push('}');
            }
            Template::Array(items) => self.list(items, Self::template),
            Template::Object(members) => {
                self.text.push('{');
                for (name, member) in members {
                    self.name(name);
                    self.template(member);
                }
                self.text.push('}');
            }
        }
    }

    fn condition(&mut self, condition: &Condition) {
        self.text.push('{');
        match condition {
            Condition::Is(value, test) => {
                self.name("value");
                self.template(value);
                match test {
                    Test::Equals(other) => {
                        self.name("equals");
                        self.known(other);
                    }
                    Test::Exists => self.raw("exists", "true"),
                    Test::Empty => self.raw("empty", "true"),
                    Test::MoreThan(number) => self.raw("more-than", number),
                    Test::LessThan(number) => self.raw("less-than", number),
                }
            }
            Condition::All(parts) => {
                self.name("all");
                self.list(parts, Self::condition);
            }
            Condition::Any(parts) => {
                self.name("any");
                self.list(parts, Self::condition);
            }
            Condition::Not(inner) => {
                self.name("not");
                self.condition(inner);
            }
        }
        self.text.push('}');
    }

    fn list<T>(&mut self, items: &[T], write: impl Fn(&mut Self, &T)) {
        self.text.push('[');
        for item in items {
            self.begin();
            write(self, item);
        }
        self.text.push(']');
    }

    /// A value that is known, so that nothing in it is taken for a reference.
    fn known(&mut self, text: &str) {
        // A quick look first: hardly any value has such a name, and then its text can stand as it is.
        let plain = !text.contains("\"$") && !text.contains("\"\\u0024");
        if plain || !parsed(text, Origin::Plan).is_ok_and(|json| has_reserved_name(&json)) {
            self.text.push_str(text);
        } else {
            let _ = write!(self.text, "{{\"$literal\":{text}}}");
        }
    }

    fn id(&mut self, step: usize) {
        let id = self.plan.steps.get(step).map_or("", |step| &step.id);
        quote(id, &mut self.text);
    }

    fn span(&mut self, name: &str, span: Option<Duration>) {
        if let Some(span) = span {
            self.string(name, &Span(span).to_string());
        }
    }

    fn string(&mut self, name: &str, text: &str) {
        self.name(name);
        quote(text, &mut self.text);
    }

    fn raw(&mut self, name: &str, json: &str) {
        self.name(name);
        self.text.push_str(json);
    }

    fn name(&mut self, name: &str) {
        self.begin();
        quote(name, &mut self.text);
        self.text.push(':');
    }

    /// Puts a comma in front of everything but the first.
    fn begin(&mut self) {
        if !self.text.ends_with(['{', '[']) {
            self.text.push(',');
        }
    }
}

fn has_reserved_name(json: &Json<'_>) -> bool {
    match json {
        Json::Array(items) => items.iter().any(has_reserved_name),
        Json::Object(members) => members.iter().any(|(name, value)| name.starts_with('$') || has_reserved_name(value)),
        _ => false,
    }
}
