//! What would help, with the evidence for it, and what is known of the tools at all.

use std::fmt::Write as _;

use serde::Serialize;
use toolcell_core::health::{CallRecord, Recovered};
use toolcell_core::{Card, Digest, Effects, Kind, Limit};

use super::patterns::Recurring;

/// A recommended fix.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Advice {
    /// The failure that it is against.
    pub fingerprint: Digest,
    /// The tool.
    pub tool: String,
    /// What to do, in a sentence.
    pub what: &'static str,
    /// What speaks for it, in a sentence with its numbers.
    pub evidence: String,
}

/// What an operator has to help a tool with, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(clippy::struct_excessive_bools, reason = "each is a column of a table")]
pub struct Coverage {
    /// The tool.
    pub tool: String,
    /// Whether it was called in the window.
    pub called: bool,
    /// Whether its author wrote examples.
    pub examples: bool,
    /// What calling it twice does, as far as the operator vouches for it.
    pub effects: Effects,
    /// Whether failed calls may be made again.
    pub retried: bool,
    /// Whether results may be kept.
    pub cached: bool,
    /// Cases that its author tests it with; none where nobody knows.
    pub cases: Option<u32>,
    /// Whether a plan that is known has a fallback for it; none where nobody knows.
    pub fallback: Option<bool>,
}

impl Coverage {
    pub(super) fn of(card: &Card, called: bool, cases: Option<u32>, fallback: Option<bool>) -> Self {
        Self {
            tool: card.id.to_string(),
            called,
            examples: !card.examples.is_empty(),
            effects: card.effects,
            retried: card.effects.may_repeat(),
            cached: card.effects == Effects::ReadOnly && !card.secrets,
            cases,
            fallback,
        }
    }
}

/// What to do about failures that recur.
pub fn advise(recurring: &[Recurring], records: &[CallRecord]) -> Vec<Advice> {
    recurring.iter().map(|recurring| one(recurring, records)).collect()
}

fn one(recurring: &Recurring, records: &[CallRecord]) -> Advice {
    let by = |wanted: Recovered| {
        let same = |record: &&CallRecord| record.fingerprint == Some(recurring.fingerprint);
        records.iter().filter(same).filter(|record| record.recovered == Some(wanted)).count()
    };
    let helped = [
        (Recovered::Retry, "calling again"),
        (Recovered::Rule, "a rule's repair"),
        (Recovered::Memory, "a remembered fix"),
        (Recovered::Model, "a model's repair"),
        (Recovered::Person, "a person's answer"),
        (Recovered::Fallback, "the fallback value"),
    ];
    let helped: Vec<_> =
        helped.iter().map(|(wanted, name)| (by(*wanted), name)).filter(|(count, _)| *count > 0).collect();
    let mut evidence = format!("it came {} times", recurring.count);
    if helped.is_empty() {
        evidence.push_str(", and no call with it completed");
    }
    for (count, name) in &helped {
        let _ = write!(evidence, "; after {name} {count} of those calls completed");
    }
    let all_recovered = recurring.recovered == recurring.count;
    let (fingerprint, tool) = (recurring.fingerprint, recurring.tool.clone());
    Advice { fingerprint, tool, what: what(recurring.kind, all_recovered), evidence }
}

/// What to do about a kind of failure.
fn what(kind: Kind, all_recovered: bool) -> &'static str {
    match kind {
        Kind::InvalidArgument | Kind::InvalidJson | Kind::UnknownTool if all_recovered => {
            "Every such call was repaired; write the right form into the prompt or plan that makes it, to save the attempt."
        }
        Kind::InvalidArgument | Kind::InvalidJson => {
            "Correct the plan or prompt that makes these arguments; `toolcell inspect TOOL` shows what it takes."
        }
        Kind::UnknownTool => "Correct the name; `toolcell list` shows the tools that are there.",
        Kind::NotFound => "Check what is asked for before asking, or give the step a fallback.",
        Kind::Conflict => "Read the newest state before writing, or use an idempotency key.",
        Kind::Unavailable if all_recovered => {
            "Retries help; a cache for it would save them where its results may be kept."
        }
        Kind::Unavailable => {
            "Ask the other side, or give the step a fallback; if the tool may be called twice, confirm its hint `idempotent` so that it is retried."
        }
        Kind::Limit(Limit::Rate | Limit::QueueTime | Limit::QueueLength) => {
            "Lower the plan's concurrency, or give the tenant or tool more room."
        }
        Kind::Limit(_) => "Ask for less at one time, or raise this limit for the tool in policy.",
        Kind::NotGranted => "If it should be allowed, `toolcell policy explain TOOL` shows the rule that would do so.",
        Kind::Refused => "Check the secret and the account that the tool uses.",
        Kind::WrongDigest => "Approve the new component, or put the old one back.",
        Kind::NeedsPerson => "Answer with `toolcell answer`, or give what it asks for in the arguments.",
        Kind::Trap | Kind::Exited | Kind::ToolFailed | Kind::Fatal | Kind::BrokenComponent | Kind::NotCallable => {
            "Report it to the tool's author with the receipt's digests; the same arguments will fail again."
        }
        Kind::CompileLimit | Kind::UnsupportedImport => "Ask the tool's author for a component that this host can run.",
        Kind::HostFault => "See the host's own log: its disk or memory is short.",
        Kind::Cancelled => "Nothing: the caller no longer wanted it.",
    }
}
