//! Plans as people write them, and as they get them wrong.

mod checking;
mod hostile;
mod reading;
mod rendering;
mod written_again;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use toolcell_core::{Card, Digest, Directory, Effects, Failure, Kind, Tenant};

use super::*;

/// Four tools, and how often somebody asked for one.
#[derive(Default)]
struct Tools {
    asked: AtomicUsize,
}

fn text() -> Value {
    json!({"type": "string"})
}

fn object(properties: &Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

impl Directory for Tools {
    fn card(&self, tool: &str, _: &Tenant) -> Result<Arc<Card>, Box<Failure>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let count = json!({"type": ["integer", "null"], "minimum": 1, "maximum": 50});
        let big = json!({"type": ["integer", "string"], "minimum": 0, "maximum": u64::MAX, "pattern": "^(0|[1-9][0-9]{0,19})$"});
        let (arguments, result) = match tool {
            "web.search" => (
                object(
                    &json!({
                        "query": {"type": "string", "maxLength": 100},
                        "count": count,
                        "order": {"type": ["string", "null"], "enum": ["newest", "best", null]},
                    }),
                    &["query"],
                ),
                object(
                    &json!({"results": {"type": "array", "items": object(&json!({"url": text(), "rank": {"type": "integer"}}), &["url", "rank"])}, "total": big}),
                    &["results", "total"],
                ),
            ),
            "text.join" => (
                object(
                    &json!({"parts": {"type": "array", "items": text()}, "by": {"oneOf": [{"const": "comma"}, {"type": "object", "properties": {"text": text()}, "required": ["text"], "additionalProperties": false}, {"type": "null"}]}}),
                    &["parts"],
                ),
                text(),
            ),
            "list.concepts" => (
                object(&json!({"topic": text(), "confirmation": {"type": ["string", "null"]}}), &["topic"]),
                object(
                    &json!({"items": {"type": "array", "items": object(&json!({"id": {"type": "integer"}, "name": text()}), &["id", "name"])}}),
                    &["items"],
                ),
            ),
            "any.thing" => (json!({"type": "object"}), json!(true)),
            _ => {
                let mut failure = Failure::new(Kind::UnknownTool, format!("no tool is called `{tool}`"));
                failure.hints.push("did you mean `web.search`?".to_owned());
                return Err(Box::new(failure));
            }
        };
        Ok(Arc::new(Card {
            id: tool.parse().expect("a tool id"),
            component: Digest::of(b""),
            version: None,
            category: None,
            description: None,
            arguments: Arc::new(arguments),
            result: Arc::new(result),
            examples: Vec::new(),
            effects: Effects::ReadOnly,
            grant: Digest::of(b""),
            secrets: false,
            keeps_results: false,
        }))
    }

    fn cards(&self, _: &Tenant) -> Vec<Arc<Card>> {
        Vec::new()
    }
}

/// Reads and checks.
fn plan_of(text: &str, format: Format) -> Result<Plan, Problems> {
    check(&read(text, format)?, &Tools::default(), &Tenant::default())
}

fn toml(text: &str) -> Result<Plan, Problems> {
    plan_of(text, Format::Toml)
}

/// The problems as a person sees them, one on each line.
fn told(text: &str) -> String {
    toml(text).expect_err(text).to_string()
}

/// One of everything.
const LEADS: &str = r#"
name = "leads"
description = "Finds who makes what"
concurrency = 8
deadline = "5m"
input = { topic = "steel", deep = false }
output = { found = { "$result" = "join" }, about = { "$input" = "/topic" } }
[budget]
calls = 500
http-requests = 100

[[step]]
id = "join"
tool = "text.join"
criticality = "critical"
arguments = { parts = [{ "$result" = "search", pointer = "/0/results/0/url" }, "end"], by = { text = ", " } }

[[step]]
id = "search"
tool = "web.search"
needs = ["prepare"]
for-each = { "$result" = "concepts", pointer = "/items" }
each-concurrency = 4
when = { all = [{ value = { "$input" = "/deep" }, equals = true }, { not = { value = { "$result" = "concepts", pointer = "/items" }, empty = true } }] }
timeout = "10s"
criticality = "optional"
key = { "$text" = ["lead-", { "$item" = "/id" }] }
arguments = { query = { "$text" = ["site of ", { "$item" = "/name" }] }, count = 5, order = "best" }

[[step]]
id = "concepts"
tool = "list.concepts"
answer-at = "/confirmation"
fallback = { items = [] }
[step.arguments]
topic = { "$input" = "/topic" }

[[step]]
id = "prepare"
tool = "any.thing"
arguments = { "$literal" = { "$schema" = "kept", when = 1979-05-27, big = 9223372036854775807, real = 1.50, six = 0x10 } }
"#;

fn named<'p>(plan: &'p Plan, id: &str) -> &'p Step {
    plan.steps.iter().find(|step| &*step.id == id).expect("a step of that id")
}
