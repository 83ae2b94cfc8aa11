//! What one call may really do: the manifest's request met with policy and, where that is required, with an approval.
//! Pure, and it explains each refusal.
//!
//! A [`Grant`] can only be made here, from values that only the operator's side has; agents, tools and models have no
//! constructor for one. The order of rules never matters: rules only add, and where two say something about the same thing
//! the narrower one holds.

mod approval;
mod capability;
mod choose;
mod meet;
mod network;
mod question;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;
use toolcell_core::Digest;
use toolcell_core::limits::{Limit, Limits};
use toolcell_core::manifest::{Callee, Hints, Manifest};
use toolcell_core::net::{Destination, Methods, Placement};

pub use approval::{Approval, Approvals, Inert};
pub use capability::uncovered;
pub use question::{Decision, Question};

use crate::boundary::Mount;
use crate::policy::{Allow, Hint, KvQuota, Pattern, Policy, Redirects, Rule, Source, Subject};

/// What one call may really do.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The limits of a call.
    pub(crate) limits: Limits,
    /// The folders of a call.
    pub(crate) mounts: Arc<[Mount]>,
    /// The rule that mounts the folder at each place.
    pub(crate) mounted_by: BTreeMap<String, String>,
    /// The settings that a call may read.
    pub(crate) config: Arc<BTreeMap<String, String>>,
    /// Whether the engine may have garbage collection and exceptions.
    pub(crate) extended: bool,
    /// Where a call may send requests to. One entry suffices for a request.
    pub(crate) network: Arc<[GrantedNetwork]>,
    /// The secrets that the host puts into requests. Where two stand at one place of a request, they are the same secret
    /// under two names.
    pub(crate) secrets: Arc<[GrantedSecret]>,
    /// What a call may keep; none keeps nothing.
    pub(crate) kv: Option<KvQuota>,
    /// Other tools that a call may call, each under the intersection of both grants.
    pub(crate) calls: Arc<[Pattern]>,
    /// The claims of the author that policy confirms; only what is `Some(true)` may be relied on.
    pub(crate) hints_confirmed: Hints,
    /// Whether results may be kept though secrets go out with the calls.
    pub(crate) keeps_results: bool,
    /// The rules that name the tool, sorted by name.
    pub(crate) rules: Vec<Said>,
    /// What is not in the grant, and why.
    pub(crate) refusals: Vec<Refusal>,
    /// The capabilities, one line each, sorted: what a reviewer approves. Limits are none.
    pub(crate) lines: Vec<String>,
    /// Why the tool may not be called at all; everything above is empty then but limits, refusals and the lines that wait
    /// for approval.
    pub(crate) inert: Option<Inert>,
}

/// Requests that are granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantedNetwork {
    /// The rule that grants them.
    pub rule: String,
    /// Where to.
    pub destination: Destination,
    /// By which methods.
    pub methods: Methods,
    /// Networks with addresses that are not public and may be dialled all the same.
    pub networks: Vec<IpNet>,
    /// What becomes of redirects.
    pub redirects: Redirects,
}

/// A secret that is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantedSecret {
    /// The rule that grants it.
    pub rule: String,
    /// Its name in the manifest's words.
    pub name: String,
    /// Its name in the secret stores.
    pub from: String,
    /// The one host, port and path prefix it goes to.
    pub destination: Destination,
    /// Where in the request it stands.
    pub placement: Placement,
}

/// A rule that names a tool.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Said {
    /// Its name.
    pub rule: String,
    /// Who said it, and where.
    pub source: Source,
}

/// Something that was requested and not granted, or allowed and not requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What it is about: "read-write access to /data", "config key `region`".
    pub what: String,
    /// Why it is not in the grant, and what would put it there.
    pub reason: String,
    /// The line of a rule that would allow it; none where a rule is there and the manifest does not ask.
    pub toml: Option<String>,
    /// The rule that it is about: the one that allows in vain, or the one to add the line to.
    pub rule: Option<String>,
}

impl Grant {
    /// The limits of a call.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The folders of a call.
    pub fn mounts(&self) -> &[Mount] {
        &self.mounts
    }

    /// The rules that name the tool, sorted by name.
    pub fn rules(&self) -> &[Said] {
        &self.rules
    }

    /// What is not in the grant, and why.
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    /// Where a call may send requests to.
    pub fn network(&self) -> &[GrantedNetwork] {
        &self.network
    }

    /// The secrets that the host puts into requests.
    pub fn secrets(&self) -> &[GrantedSecret] {
        &self.secrets
    }

    /// The claims of the author that may be relied on.
    pub fn hints_confirmed(&self) -> Hints {
        self.hints_confirmed
    }

    /// The capabilities, one line each, sorted: what a reviewer approves. Limits are none.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Why the tool may not be called at all.
    pub fn inert(&self) -> Option<&Inert> {
        self.inert.as_ref()
    }

    fn empty(limits: Limits) -> Self {
        Self {
            limits,
            mounts: Arc::new([]),
            mounted_by: BTreeMap::new(),
            config: Arc::default(),
            extended: false,
            network: Arc::new([]),
            secrets: Arc::new([]),
            kv: None,
            calls: Arc::new([]),
            hints_confirmed: Hints::default(),
            keeps_results: false,
            rules: Vec::new(),
            refusals: Vec::new(),
            lines: Vec::new(),
            inert: None,
        }
    }
}

/// The meeting of what a component asks for, what policy allows to this tool of it, and what was approved.
///
/// The manifest is a ceiling: what it does not request, policy cannot add. A component without any manifest requests
/// nothing in words, so there the rules that name it are the whole of it. `manifest` comes with the digest of its exact
/// bytes, which an approval names.
pub fn grant(
    subject: &Subject<'_>,
    manifest: Option<(&Manifest, Digest)>,
    policy: &Policy,
    approvals: &Approvals,
) -> Grant {
    let meeting = Meeting {
        subject,
        manifest: manifest.map(|(manifest, _)| manifest),
        rules: policy.rules().iter().filter(|rule| rule.whom.names(subject)).collect(),
    };
    let mut grant = Grant::empty(meeting.limits(policy.limits()));
    let said = |rule: &&Rule| Said { rule: rule.name.clone(), source: rule.source.clone() };
    grant.rules = meeting.rules.iter().map(said).collect();
    grant.rules.sort();
    let refusals = &mut grant.refusals;
    let mounts = meeting.mounts(refusals);
    grant.mounted_by = mounts.iter().map(|(rule, mount)| (mount.guest.clone(), rule.name.clone())).collect();
    grant.mounts = mounts.into_iter().map(|(_, mount)| mount).collect();
    grant.config = Arc::new(meeting.config(refusals));
    grant.network = meeting.network(refusals).into();
    grant.secrets = meeting.secrets(refusals).into();
    grant.kv = meeting.kv(refusals);
    let calls = meeting.calls(refusals);
    grant.hints_confirmed = meeting.hints(refusals);
    grant.keeps_results = meeting.allowed().any(|(_, allow)| matches!(allow, Allow::Confirm(Hint::KeepsResults)));
    grant.extended = meeting.allowed().any(|(_, allow)| matches!(allow, Allow::ExtendedEngine));
    grant.lines = words::lines(&grant, &calls);
    grant.calls = calls.into_iter().map(Pattern::from).collect();
    grant.refusals.sort_by(|a, b| (&a.what, &a.reason).cmp(&(&b.what, &b.reason)));
    grant.refusals.dedup();
    approval::hold(grant, subject, manifest.map(|(_, digest)| digest), approvals)
}

/// Both sides of a grant: what is asked for, and the rules that name the tool.
struct Meeting<'a> {
    subject: &'a Subject<'a>,
    manifest: Option<&'a Manifest>,
    rules: Vec<&'a Rule>,
}

impl<'a> Meeting<'a> {
    /// Everything that is allowed to the tool, with the rule that says so.
    fn allowed(&self) -> impl Iterator<Item = (&'a Rule, &'a Allow)> {
        self.rules.iter().flat_map(|rule| rule.allow.iter().map(move |allow| (*rule, allow)))
    }

    /// The limits for every call, replaced by what rules set for this tool, and never over what the manifest asks for.
    fn limits(&self, every_call: &Limits) -> Limits {
        let mut set: BTreeMap<Limit, Vec<(&Rule, u64)>> = BTreeMap::new();
        for (rule, allow) in self.allowed() {
            if let Allow::Limit(limit, value) = allow {
                set.entry(*limit).or_default().push((rule, *value));
            }
        }
        let mut limits = every_call.clone();
        for (limit, said) in set {
            let narrowest =
                choose::by_authority(said, |(rule, _)| &rule.source).into_iter().map(|(_, value)| value).min();
            // Values were checked when the rule was made; one that is out of range changes nothing.
            if let Some(Ok(with)) = narrowest.map(|value| limits.clone().with(limit, value)) {
                limits = with;
            }
        }
        self.manifest.map_or_else(|| limits.clone(), |manifest| limits.meet(&requested(manifest)))
    }

    fn kv(&self, refusals: &mut Vec<Refusal>) -> Option<KvQuota> {
        let asked = self.manifest.map(|manifest| manifest.capabilities.kv.as_ref());
        let quota = |keys, value_bytes, total_bytes| KvQuota { keys, value_bytes, total_bytes };
        let narrower = |a: KvQuota, b: &KvQuota| {
            quota(a.keys.min(b.keys), a.value_bytes.min(b.value_bytes), a.total_bytes.min(b.total_bytes))
        };
        let mut allowed = self.allowed().filter_map(|(rule, allow)| match allow {
            Allow::Kv(quota) => Some((rule, quota)),
            _ => None,
        });
        let first = allowed.next();
        let allowed = first.map(|(rule, first)| (rule, allowed.fold(*first, |met, (_, quota)| narrower(met, quota))));
        let request = asked.flatten().map(|kv| quota(kv.keys, kv.value_bytes.0, kv.total_bytes.0));
        match (asked, allowed) {
            (None, Some((_, quota))) => Some(quota),
            (Some(_), Some((rule, quota))) => {
                if request.is_none() {
                    refusals.push(Self::not_requested("kv".to_owned(), rule, "kv"));
                }
                request.map(|request| narrower(request, &quota))
            }
            (_, None) => {
                if let Some(request) = request {
                    refusals.push(self.not_allowed(words::kv(&request), words::kv_toml(&request)));
                }
                None
            }
        }
    }

    fn calls(&self, refusals: &mut Vec<Refusal>) -> Vec<Callee> {
        let mut calls = Vec::new();
        let asked = self.manifest.map(|manifest| manifest.capabilities.tools.as_slice());
        for (rule, allow) in self.allowed() {
            let Allow::Call(callee) = allow else { continue };
            let met: Vec<_> = match asked {
                None => vec![callee.clone()],
                Some(asked) => asked.iter().filter_map(|request| request.meet(callee)).collect(),
            };
            if met.is_empty() {
                refusals.push(Self::not_requested(format!("calls of {callee}"), rule, "tools"));
            }
            calls.extend(met);
        }
        calls.sort();
        calls.dedup();
        for request in asked.into_iter().flatten() {
            if !calls.iter().any(|callee| request.covers(callee)) {
                refusals.push(self.not_allowed(format!("calls of {request}"), format!("call = [\"{request}\"]")));
            }
        }
        calls
    }

    fn hints(&self, refusals: &mut Vec<Refusal>) -> Hints {
        let claimed = self.manifest.map(|manifest| manifest.hints_of(self.subject.tool.within()));
        let mut confirmed = Hints::default();
        for (rule, allow) in self.allowed() {
            let Allow::Confirm(hint) = allow else { continue };
            let (claim, confirmed) = match hint {
                Hint::ReadOnly => (claimed.map(|hints| hints.read_only), &mut confirmed.read_only),
                Hint::Idempotent => (claimed.map(|hints| hints.idempotent), &mut confirmed.idempotent),
                // The author cannot know whose secrets they are.
                Hint::KeepsResults => continue,
            };
            if matches!(claim, None | Some(Some(true))) {
                *confirmed = Some(true);
            } else {
                refusals.push(Refusal {
                    what: format!("the hint `{}`", hint.name()),
                    reason: format!(
                        "rule `{}` confirms it, but the author does not claim it; have the author write `{} = true` under [hints]",
                        rule.name,
                        hint.name()
                    ),
                    toml: None,
                    rule: Some(rule.name.clone()),
                });
            }
        }
        confirmed
    }

    /// Something that the manifest asks for and no rule allows.
    fn not_allowed(&self, what: String, toml: String) -> Refusal {
        self.not_allowed_because(what, "the manifest requests it and no rule allows it", toml)
    }

    fn not_allowed_because(&self, what: String, why: &str, toml: String) -> Refusal {
        let (place, rule) = self.place_for(&toml);
        Refusal { what, reason: format!("{why}; `{toml}` in {place} would"), toml: Some(toml), rule }
    }

    /// Something that a rule allows and the manifest does not ask for.
    fn not_requested(what: String, rule: &Rule, key: &str) -> Refusal {
        Refusal {
            what,
            reason: format!(
                "rule `{}` allows it, but the manifest does not request it under [capabilities] {key}; have the author request it, or put a manifest that does beside the component",
                rule.name
            ),
            toml: None,
            rule: Some(rule.name.clone()),
        }
    }

    /// Where a line for this tool belongs, in words: the first by name of the rules that are for this tool alone, else a
    /// new one. A rule for others too is not named: the line would widen theirs as well.
    fn place_for(&self, toml: &str) -> (String, Option<String>) {
        let alone = |rule: &&&Rule| {
            let ours = |callee: &Callee| callee.names(self.subject.tool);
            rule.source != Source::InPerson && rule.whom.tools.as_ref().is_some_and(|tools| tools.iter().all(ours))
        };
        let Some(rule) = self.rules.iter().filter(alone).min_by_key(|rule| &rule.name) else {
            return (format!("a [[rule]] with `tools = [\"{}\"]`", self.subject.tool.component()), None);
        };
        let key = toml.split(' ').next().unwrap_or_default();
        let place = if rule.allow.iter().any(|allow| allow.key() == key) {
            format!("the rule `{}`, joined with its own `{key}`,", rule.name)
        } else {
            format!("the rule `{}`", rule.name)
        };
        (place, Some(rule.name.clone()))
    }
}

/// The limits a manifest asks for; the ceiling where it asks for none, because meeting with it changes nothing.
fn requested(manifest: &Manifest) -> Limits {
    let asked = &manifest.limits;
    let time = asked.timeout.map(|span| u64::try_from(span.0.as_millis()).unwrap_or(u64::MAX));
    let mut limits = Limits::ceiling();
    for (limit, value) in [(Limit::Memory, asked.memory.map(|b| b.0)), (Limit::Fuel, asked.fuel), (Limit::Time, time)] {
        if let Some(met) = value.and_then(|value| limits.clone().with(limit, value).ok()) {
            limits = met;
        }
    }
    limits
}

#[cfg(test)]
mod tests;
