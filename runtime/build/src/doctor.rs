//! What is there, what is missing, and what a build would do about it, without doing it.

use crate::context::Context;
use crate::languages::LANGUAGES;

/// Looks at everything that any language needs. Nothing is changed, downloaded or installed.
pub fn doctor(context: &Context) -> Vec<(&'static str, Vec<Finding>)> {
    LANGUAGES.iter().map(|language| (language.name(), language.doctor(context))).collect()
}

/// One thing that a language needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The thing: "cargo", "target wasm32-wasip2".
    pub what: &'static str,
    /// Whether it is there.
    pub state: State,
    /// What was found, or why it was not.
    pub detail: String,
    /// What the user can do, or what a build would do by itself; none where all is well.
    pub next_step: Option<String>,
}

/// Whether something is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is there.
    Ok,
    /// It is not, and a build cannot get it.
    Missing,
    /// It is not, and the first build will set it up.
    WillSetUp,
}
