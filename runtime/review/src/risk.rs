//! What can go wrong with what something can do, in sentences for the person who decides.
//!
//! Pure, and it never decides: a risk is no refusal, and its absence no promise. Each sentence stands for one question that
//! a reviewer would be asked afterwards, and names what it is about.

use std::fmt;

use toolcell_core::manifest::{Access, Hints};
use toolcell_core::net::{HostPattern, Scheme};
use toolcell_host::policy::{Hint, Redirects};
use toolcell_host::schema::inert;

use crate::powers::{Engine, Kept, Powers, Reachable};

/// How many things one sentence names; the rest is counted.
const NAMED: usize = 4;

/// The longest name of a thing in a sentence, in bytes.
const SHOWN: usize = 200;

/// Something that can go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Risk {
    /// How much it matters.
    pub level: Level,
    /// What it is: one sentence that is safe to show.
    pub sentence: String,
}

/// How much a risk matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Good to know.
    Low,
    /// A hostile tool would have something of it.
    Medium,
    /// A hostile tool could do harm that is not undone.
    High,
}

/// What whoever wrote the manifest says of the tool. None of it is known to be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// There is no manifest, so rules alone say what it may do.
    Silent,
    /// There is one.
    Claims {
        /// What it claims of this tool.
        hints: Hints,
        /// What policy confirms of that.
        confirmed: Hints,
    },
}

/// All risks, the highest first.
pub fn risks(powers: &Powers, author: Author) -> Vec<Risk> {
    let mut found = Found(Vec::new());
    found.network(powers);
    found.files(powers);
    found.secrets(powers);
    found.others(powers);
    found.words(powers, author);
    // Stable: of one level, in the order above.
    found.0.sort_by_key(|risk| std::cmp::Reverse(risk.level));
    found.0
}

struct Found(Vec<Risk>);

impl Found {
    fn add(&mut self, level: Level, sentence: String) {
        self.0.push(Risk { level, sentence });
    }

    /// A sentence about everything that is named, if anything is.
    fn about(&mut self, level: Level, named: Vec<String>, sentence: impl FnOnce(&str) -> String) {
        if !named.is_empty() {
            self.add(level, sentence(&list(named)));
        }
    }

    fn network(&mut self, powers: &Powers) {
        let where_to = |takes: &dyn Fn(&Reachable) -> bool| {
            let taken = powers.network.iter().filter(|entry| takes(entry));
            taken.map(|entry| entry.destination.to_string()).collect::<Vec<_>>()
        };
        let any = |entry: &Reachable| entry.destination.host == HostPattern::AnyPublic;
        if powers.network.iter().any(any) {
            let sentence =
                "it can send requests to every public host, so whatever it is given or can read can go anywhere";
            self.add(Level::High, sentence.to_owned());
        }
        let mut private: Vec<_> = powers.network.iter().flat_map(|entry| entry.private.iter().cloned()).collect();
        private.sort();
        private.dedup();
        self.about(Level::High, private, |networks| {
            format!(
                "it can reach machines that are not public, in {networks}; those often trust whoever can reach them"
            )
        });
        let many = where_to(&|entry| matches!(entry.destination.host, HostPattern::Subdomains(_)));
        self.about(Level::Medium, many, |to| {
            format!(
                "it can send requests to every host under {to}; all of them must be trusted, also those of tomorrow"
            )
        });
        let clear = where_to(&|entry| entry.destination.scheme == Scheme::Http);
        self.about(Level::Medium, clear, |to| {
            format!("requests to {to} go in the clear: anybody on the way can read and change them")
        });
        let harmless = |method: &str| matches!(method, "GET" | "HEAD" | "OPTIONS");
        let writes = powers.network.iter().filter(|entry| !any(entry) && !entry.methods.iter().all(harmless));
        let writes = writes.map(|entry| format!("{} ({})", entry.destination, entry.methods)).collect();
        self.about(Level::Medium, writes, |to| format!("it can change things at {to}"));
        let follows = where_to(&|entry| entry.redirects == Redirects::Follow);
        self.about(Level::Low, follows, |to| {
            format!("redirects from {to} are followed, as far as the grant covers each hop")
        });
    }

    fn files(&mut self, powers: &Powers) {
        let all: Vec<_> = powers.mounts.iter().map(|(guest, _)| guest.clone()).collect();
        let writable = powers.mounts.iter().filter(|(_, access)| *access == Access::ReadWrite);
        let writable = writable.map(|(guest, _)| guest.clone()).collect();
        self.about(Level::High, writable, |guests| format!("it can change and delete whatever is mounted at {guests}"));
        if powers.network.is_empty() {
            return;
        }
        let mut to: Vec<_> = powers.network.iter().map(|entry| entry.destination.to_string()).collect();
        to.dedup();
        let to = list(to);
        self.about(Level::High, all, |guests| {
            format!("it can read files and send requests: what is mounted at {guests} can be carried to {to}")
        });
        if powers.kv == Kept::Values {
            let sentence = format!("it keeps values beyond a call and can send them to {to} in a later one");
            self.add(Level::Low, sentence);
        }
    }

    fn secrets(&mut self, powers: &Powers) {
        let all = powers.secrets.iter().map(|(name, to)| format!("`{name}` at {to}")).collect();
        self.about(Level::Medium, all, |secrets| {
            format!(
                "it acts with the rights of {secrets}; it never sees a value, but what the secret may do, it may do"
            )
        });
        let clear = powers.secrets.iter().filter(|(_, to)| to.scheme == Scheme::Http);
        let clear = clear.map(|(name, _)| format!("`{name}`")).collect();
        self.about(Level::High, clear, |secrets| {
            format!("the value of {secrets} is sent in the clear: anybody on the way can keep it")
        });
    }

    fn others(&mut self, powers: &Powers) {
        let calls: Vec<_> = powers.calls.iter().cloned().collect();
        self.about(Level::Medium, calls, |calls| {
            format!("it can call {calls}: what they answer it can keep or send on, as far as both grants go")
        });
        if powers.engine == Engine::Extended {
            let sentence = "it runs in the engine with garbage collection and exceptions, which is more code to trust";
            self.add(Level::Medium, sentence.to_owned());
        }
        let raised: Vec<_> = powers.raised.iter().cloned().collect();
        self.about(Level::Low, raised, |limits| format!("it may use more than the defaults: {limits}"));
    }

    fn words(&mut self, powers: &Powers, author: Author) {
        let (hints, confirmed) = match author {
            Author::Silent if *powers == Powers::default() => return,
            Author::Silent => {
                let sentence = "it has no manifest: nobody has said what it needs, so it gets all that rules allow it";
                return self.add(Level::Medium, sentence.to_owned());
            }
            Author::Claims { hints, confirmed } => (hints, confirmed),
        };
        if hints.destructive == Some(true) {
            self.add(Level::High, "its manifest says that it can destroy something".to_owned());
        }
        if hints.open_world == Some(true) {
            let sentence =
                "its manifest says that it deals with a world that others change: what it answers may be theirs";
            self.add(Level::Low, sentence.to_owned());
        }
        let claims = [
            (Hint::ReadOnly, hints.read_only, confirmed.read_only),
            (Hint::Idempotent, hints.idempotent, confirmed.idempotent),
        ];
        let unconfirmed =
            claims.into_iter().filter(|(_, claim, confirmed)| *claim == Some(true) && *confirmed != Some(true));
        let unconfirmed = unconfirmed.map(|(hint, ..)| format!("`{}`", hint.name())).collect();
        self.about(Level::Low, unconfirmed, |hints| {
            format!("its manifest claims {hints}; policy does not confirm it, so nothing relies on it")
        });
    }
}

/// Some of the things, and how many more there are.
fn list(mut things: Vec<String>) -> String {
    let more = things.len().saturating_sub(NAMED);
    things.truncate(NAMED);
    let named: Vec<_> = things.iter().map(|thing| inert(thing, SHOWN)).collect();
    if more == 0 { named.join(", ") } else { format!("{} and {more} more", named.join(", ")) }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        })
    }
}

#[cfg(test)]
mod tests;
