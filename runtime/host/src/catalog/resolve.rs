//! From what a caller wrote to one tool: exactly, or by a short form that can mean only one, or with what may have been meant.

use std::sync::Arc;

use toolcell_core::digest::Digest;
use toolcell_core::failure::{Failure, Kind};
use toolcell_core::nearest::nearest_few;

use super::component::{Component, SHOWN, Tool};
use super::snapshot::{Place, Snapshot, State};
use crate::schema::inert;

/// When a call of a component that is still being written is worth trying again, in milliseconds: two looks a second apart.
pub const SETTLING_RETRY_MS: u64 = 2_000;

/// The most names that a name which is not there is answered with.
const MAX_SUGGESTIONS: usize = 3;

/// The most candidates that an ambiguous name is answered with.
const MAX_CANDIDATES: usize = 8;

impl Snapshot {
    /// Finds the callable tool of that name, as its component and its place in [`Component::tools`]. The component serves for
    /// as long as it is held, whatever becomes of its file. A name is a full id, or where only one thing can be meant, `function`, `component` (of
    /// one that exports a single function), or `component.function` for `component.interface.function`. A full id always
    /// means itself, whatever else is there.
    ///
    /// # Errors
    /// A failure of kind [`Kind::UnknownTool`] with hints where nothing, or more than one thing, has the name;
    /// [`Kind::BrokenComponent`], [`Kind::Unavailable`] (it settles), [`Kind::WrongDigest`] and [`Kind::NotCallable`].
    pub fn resolve(&self, name: &str, expected: Option<Digest>) -> Result<(Arc<Component>, usize), Box<Failure>> {
        let place = match self.by_id.get(name) {
            Some(place) => *place,
            None => self.short(name)?,
        };
        let (component, tool) = self.at(place);
        if let Some(expected) = expected.filter(|expected| *expected != component.digest) {
            return Err(Box::new(wrong_digest(component, expected)));
        }
        match &tool.signature {
            Ok(_) => Ok((Arc::clone(component), place.tool)),
            Err(reason) => {
                Err(Box::new(Failure::new(Kind::NotCallable, format!("`{}` cannot be called: {reason}", tool.id))))
            }
        }
    }

    fn short(&self, name: &str) -> Result<Place, Box<Failure>> {
        match self.by_short.get(name).map(Vec::as_slice) {
            Some([place]) => Ok(*place),
            Some(places) => {
                let message = format!("`{}` can mean {} tools; write the full id", inert(name, SHOWN), places.len());
                let ids = places.iter().take(MAX_CANDIDATES).map(|place| self.at(*place).1.id.as_str());
                Err(Box::new(ids.fold(Failure::new(Kind::UnknownTool, message), |failure, id| {
                    failure.hint(format!("Write `{id}`."))
                })))
            }
            None => Err(Box::new(self.unknown(name))),
        }
    }

    /// Says why a name means nothing. A name that begins with a component's is about that component.
    fn unknown(&self, name: &str) -> Failure {
        let owner = name.split('.').next().unwrap_or(name);
        let Some(listed) = self.component(owner) else {
            let failure = Failure::new(Kind::UnknownTool, format!("no tool is called `{}`", inert(name, SHOWN)));
            let is_id = name.contains('.');
            let compared = |tool: &'_ Tool| if is_id { tool.id.as_str().len() } else { tool.name().len() };
            let candidates = self.tools().map(|(_, tool)| {
                let id = tool.id.as_str();
                (&id[id.len() - compared(tool)..], id)
            });
            // Without a dot a component may have been meant as well as a function.
            let components = self
                .components()
                .filter(|_| !is_id)
                .map(|component| (component.name.as_str(), component.name.as_str()));
            return meant(failure, &nearest_few(name, MAX_SUGGESTIONS, candidates.chain(components)));
        };
        match &listed.state {
            State::Broken(reason) => Failure::new(Kind::BrokenComponent, format!("`{owner}` cannot be used: {reason}"))
                .detail(format!("the file is {}", listed.path.display())),
            State::Settling | State::Shadowed { .. } => {
                let mut failure =
                    Failure::new(Kind::Unavailable, format!("`{owner}` is still being written; try again shortly"));
                failure.retry_after_ms = Some(SETTLING_RETRY_MS);
                failure
            }
            State::Ready(component) | State::Changing(component) => {
                let ids = component.tools.iter().map(|tool| tool.id.as_str());
                let (message, hints) = if name == owner {
                    let message =
                        format!("`{owner}` is a component of {} tools; write the id of one", component.tools.len());
                    (message, ids.take(MAX_CANDIDATES).collect())
                } else {
                    let message = format!(
                        "the component `{owner}` has no tool called `{}`",
                        inert(&name[owner.len() + 1..], SHOWN)
                    );
                    let near = nearest_few(name, MAX_SUGGESTIONS, ids.clone().map(|id| (id, id)));
                    let few = component.tools.len() <= MAX_CANDIDATES;
                    (message, if near.is_empty() && few { ids.collect() } else { near })
                };
                meant(Failure::new(Kind::UnknownTool, message), &hints)
            }
        }
    }
}

fn meant(failure: Failure, names: &[&str]) -> Failure {
    names.iter().fold(failure, |failure, name| failure.hint(format!("Did you mean `{name}`?")))
}

fn wrong_digest(component: &Component, expected: Digest) -> Failure {
    Failure::new(
        Kind::WrongDigest,
        format!("`{}` is {} here, and the call is for {expected}", component.name, component.digest),
    )
    .hint("Look at what has changed, and name the digest that you mean to call.")
}
