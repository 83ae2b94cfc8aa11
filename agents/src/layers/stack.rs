//! All layers around one toolbox, in the one order that makes sense.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use toolcell_core::{CallId, Clock, Directory, Events, Outcome, ToolCall, Toolbox};

use super::{Breaker, Cache, CallOptions, Door, Fallback, Layered, Retry, Timeout, breaker, cache, retry};

/// The layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// Outside of all: its value is neither kept as a result, nor repaired, nor counted for the tool.
    Fallback,
    /// Whatever else looks at a call that failed, and may change it; a changed call is looked for in the cache anew.
    Repair,
    /// Outside of retry: a result that is there costs no attempt, and one call's attempts serve all who wait for them.
    Cache,
    /// Outside of the breaker: each attempt asks whether the tool is called at all, and waits as long as it is told.
    Retry,
    /// Outside of the timeout: an attempt that took too long counts against the tool. What it refuses has no receipt and
    /// proves nothing to retry, so a call that must not be repeated fails at once.
    Breaker,
    /// Next to the toolbox: it measures one attempt.
    Timeout,
}

impl Layer {
    /// Every layer, from the outside to the toolbox.
    pub const ALL: [Self; 6] = [Self::Fallback, Self::Repair, Self::Cache, Self::Retry, Self::Breaker, Self::Timeout];
}

/// Which layers there are, and by which rules.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The layers; one that is not named is left out, and costs nothing.
    pub layers: BTreeSet<Layer>,
    /// The rules of the cache.
    pub cache: cache::Rules,
    /// The rules of retry.
    pub retry: retry::Rules,
    /// The rules of the breaker.
    pub breaker: breaker::Rules,
    /// What ids and waits are drawn from; another one in each process.
    pub seed: u64,
}

impl Settings {
    /// All layers by their default rules.
    pub fn new(seed: u64) -> Self {
        Self {
            layers: Layer::ALL.into_iter().collect(),
            cache: cache::Rules::default(),
            retry: retry::Rules::default(),
            breaker: breaker::Rules::default(),
            seed,
        }
    }

    /// The same with these layers and no others.
    #[must_use]
    pub fn only(mut self, layers: &[Layer]) -> Self {
        self.layers = layers.iter().copied().collect();
        self
    }
}

/// What the layers stand around, and what they know of it.
#[derive(Clone)]
pub struct Parts {
    /// Executes calls.
    pub toolbox: Arc<dyn Toolbox>,
    /// Knows the tools.
    pub directory: Arc<dyn Directory>,
    /// The clock that deadlines are written in.
    pub clock: Arc<dyn Clock>,
}

/// Layers around a toolbox.
pub struct Stack {
    outermost: Arc<dyn Layered>,
    cache: Option<Arc<Cache>>,
    breaker: Option<Arc<Breaker>>,
}

impl Stack {
    /// Puts the layers around a toolbox. `repair` puts whatever repairs calls around the layers that it is given; where
    /// nothing does, it gives them back as they are.
    pub fn around(parts: Parts, settings: Settings, repair: impl FnOnce(Arc<dyn Layered>) -> Arc<dyn Layered>) -> Self {
        let Parts { toolbox, directory, clock } = parts;
        let Settings { layers, cache: cache_rules, retry, breaker: breaker_rules, seed } = settings;
        let mut repair = Some(repair);
        let mut outermost: Arc<dyn Layered> = Arc::new(Door::to(toolbox));
        let (mut cache, mut breaker) = (None, None);
        for layer in Layer::ALL.iter().rev().filter(|layer| layers.contains(layer)) {
            let inner = outermost.clone();
            outermost = match layer {
                Layer::Timeout => Arc::new(Timeout::around(inner, clock.clone())),
                Layer::Breaker => {
                    breaker.insert(Arc::new(Breaker::around(inner, directory.clone(), breaker_rules))).clone()
                }
                Layer::Retry => Arc::new(Retry::around(inner, directory.clone(), clock.clone(), retry.clone(), seed)),
                Layer::Cache => {
                    cache.insert(Arc::new(Cache::around(inner, directory.clone(), clock.clone(), cache_rules))).clone()
                }
                Layer::Repair => repair.take().map_or(inner.clone(), |repair| repair(inner)),
                Layer::Fallback => Arc::new(Fallback::around(inner)),
            };
        }
        Self { outermost, cache, breaker }
    }

    /// The cache, where there is one.
    pub fn cache(&self) -> Option<&Cache> {
        self.cache.as_deref()
    }

    /// The breaker, where there is one.
    pub fn breaker(&self) -> Option<&Breaker> {
        self.breaker.as_deref()
    }
}

#[async_trait]
impl Layered for Stack {
    async fn call_with(&self, call: ToolCall, options: &CallOptions, events: &dyn Events) -> Outcome {
        self.outermost.call_with(call, options, events).await
    }
}

#[async_trait]
impl Toolbox for Stack {
    async fn call(&self, call: ToolCall, events: &dyn Events) -> Outcome {
        self.outermost.call(call, events).await
    }

    fn cancel(&self, call: CallId) -> bool {
        self.outermost.cancel(call)
    }
}

#[cfg(test)]
mod tests;
