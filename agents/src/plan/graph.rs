//! A plan as a picture, in Mermaid and in DOT.
//!
//! Every name in a picture was chosen by somebody else: nodes are named by their places, and labels hold nothing that either
//! language, or a browser behind it, could take for more than text.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{Condition, Criticality, Plan, Template};

/// The longest label, in characters.
const MAX_LABEL: usize = 120;

/// What there is to draw of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    /// The plan's name.
    pub name: String,
    /// The steps, in the order of the plan.
    pub nodes: Vec<GraphNode>,
    /// Who stands behind whom.
    pub edges: Vec<Edge>,
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphNode {
    /// Its id.
    pub id: String,
    /// Its tool.
    pub tool: String,
    /// How much its success matters.
    pub criticality: Criticality,
    /// How often it is done.
    pub times: Times,
    /// Whether it hangs on a condition.
    pub done: Done,
}

/// How often a step is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// Once.
    Once,
    /// Once for each item of a list.
    ForEach,
}

/// Whether a step hangs on a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// It does not.
    Always,
    /// It does.
    Conditionally,
}

/// One step stands behind another; both by their places in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The step that is needed.
    pub from: usize,
    /// The step that needs it.
    pub to: usize,
    /// What for.
    pub kind: EdgeKind,
}

/// What a step is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdgeKind {
    /// Its end, or its result.
    Need,
    /// Its result decides whether the other is done at all.
    Condition,
}

/// What there is to draw of a plan.
pub fn graph(plan: &Plan) -> Graph {
    let mut edges = Vec::new();
    for (to, step) in plan.steps.iter().enumerate() {
        let mut deciding = BTreeSet::new();
        if let Some(when) = &step.when {
            decides(when, &mut deciding);
        }
        edges.extend(step.needs.iter().map(|from| {
            let kind = if deciding.contains(from) { EdgeKind::Condition } else { EdgeKind::Need };
            Edge { from: *from, to, kind }
        }));
    }
    let nodes = plan
        .steps
        .iter()
        .map(|step| GraphNode {
            id: step.id.to_string(),
            tool: step.tool.to_string(),
            criticality: step.criticality,
            times: if step.for_each.is_some() { Times::ForEach } else { Times::Once },
            done: if step.when.is_some() { Done::Conditionally } else { Done::Always },
        })
        .collect();
    Graph { name: plan.name.to_string(), nodes, edges }
}

impl Graph {
    /// As a Mermaid flowchart.
    pub fn to_mermaid(&self) -> String {
        let mut out = format!("---\ntitle: \"{}\"\n---\nflowchart TD\n", label(&self.name, yaml_text));
        for (n, node) in self.nodes.iter().enumerate() {
            let (open, close) = match node.times {
                Times::Once => ("[", "]"),
                // Drawn as something of which there are several.
                Times::ForEach => ("[[", "]]"),
            };
            let _ = write!(out, "  n{n}{open}\"{}", label(&node.id, mermaid_text));
            for line in node.lines() {
                let _ = write!(out, "<br/>{}", label(line, mermaid_text));
            }
            let _ = writeln!(out, "\"{close}{}", node.class());
        }
        for Edge { from, to, kind } in &self.edges {
            let arrow = match kind {
                EdgeKind::Need => "-->",
                EdgeKind::Condition => "-.->",
            };
            let _ = writeln!(out, "  n{from} {arrow} n{to}");
        }
        out.push_str("  classDef optional stroke-dasharray:2,fill:#f4f4f4,color:#444\n  classDef critical stroke:#b00020,stroke-width:3px\n");
        out
    }

    /// As a graph for Graphviz.
    pub fn to_dot(&self) -> String {
        let mut out = format!("digraph \"{}\" {{\n  node [shape=box];\n", label(&self.name, dot_text));
        for (n, node) in self.nodes.iter().enumerate() {
            let _ = write!(out, "  n{n} [label=\"{}", label(&node.id, dot_text));
            for line in node.lines() {
                let _ = write!(out, "\\n{}", label(line, dot_text));
            }
            out.push('"');
            if node.times == Times::ForEach {
                out.push_str(", shape=box3d");
            }
            match node.criticality {
                Criticality::Optional => out.push_str(", style=dotted"),
                Criticality::Required => {}
                Criticality::Critical => out.push_str(", color=\"#b00020\", penwidth=3"),
            }
            out.push_str("];\n");
        }
        for Edge { from, to, kind } in &self.edges {
            let style = match kind {
                EdgeKind::Need => "",
                EdgeKind::Condition => " [style=dashed]",
            };
            let _ = writeln!(out, "  n{from} -> n{to}{style};");
        }
        out.push_str("}\n");
        out
    }
}

impl GraphNode {
    /// What stands below the id.
    fn lines(&self) -> impl Iterator<Item = &str> {
        let criticality = match self.criticality {
            Criticality::Optional => Some("optional"),
            Criticality::Required => None,
            Criticality::Critical => Some("critical"),
        };
        let times = (self.times == Times::ForEach).then_some("for each");
        let done = (self.done == Done::Conditionally).then_some("when");
        std::iter::once(&*self.tool).chain(criticality).chain(times).chain(done)
    }

    fn class(&self) -> &'static str {
        match self.criticality {
            Criticality::Optional => ":::optional",
            Criticality::Required => "",
            Criticality::Critical => ":::critical",
        }
    }
}

fn decides(condition: &Condition, steps: &mut BTreeSet<usize>) {
    match condition {
        Condition::Is(template, _) => looks_at(template, steps),
        Condition::All(parts) | Condition::Any(parts) => parts.iter().for_each(|part| decides(part, steps)),
        Condition::Not(inner) => decides(inner, steps),
    }
}

fn looks_at(template: &Template, steps: &mut BTreeSet<usize>) {
    match template {
        Template::Result(step, _) => {
            steps.insert(*step);
        }
        Template::Text(parts) | Template::Array(parts) => parts.iter().for_each(|part| looks_at(part, steps)),
        Template::Object(members) => members.iter().for_each(|(_, member)| looks_at(member, steps)),
        Template::Value(_) | Template::Input(_) | Template::Item(_) | Template::Index => {}
    }
}

fn label(text: &str, write: fn(char, &mut String)) -> String {
    let mut out = String::new();
    for (n, c) in text.chars().enumerate() {
        if n == MAX_LABEL {
            out.push('…');
            break;
        }
        write(if c.is_control() { ' ' } else { c }, &mut out);
    }
    out
}

/// What is no letter, digit or harmless sign becomes the entity of its number, which Mermaid shows and never reads.
fn mermaid_text(c: char, out: &mut String) {
    if c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.' | '/' | ',' | '…') {
        out.push(c);
    } else {
        let _ = write!(out, "#{};", u32::from(c));
    }
}

/// In a quoted text of YAML a backslash and a quote act; the title is then shown as text.
fn yaml_text(c: char, out: &mut String) {
    match c {
        '"' | '\\' => out.extend(['\\', c]),
        '<' | '>' | '&' => {
            let _ = write!(out, "#{};", u32::from(c));
        }
        c => out.push(c),
    }
}

fn dot_text(c: char, out: &mut String) {
    if matches!(c, '"' | '\\') {
        out.push('\\');
    }
    out.push(c);
}
