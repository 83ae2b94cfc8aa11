//! The boundary as a guest meets it: through the functions of the door, and through real components.

mod capabilities;
mod crossings;
mod files;
mod guests;
mod logs;
mod table;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use toolcell_core::{Event, Limit, Limits, UnixMillis};

use super::{CallState, Door, Interceptor, Mount, Setup};

/// A call with these limits and nothing granted.
fn setup(limits: &[(Limit, u64)]) -> Setup {
    let limits =
        limits.iter().fold(Limits::default(), |limits, (limit, value)| limits.with(*limit, *value).expect("in range"));
    Setup {
        limits,
        mounts: Arc::new([]),
        config: Arc::new(BTreeMap::new()),
        started: UnixMillis(1_700_000_000_123),
        randomness: super::Randomness { key: std::sync::Arc::new([7; 32]), stream: 1 },
        sink: None,
        egress: None,
        kv: None,
        secrets: Arc::default(),
        callees: None,
        interceptor: None,
    }
}

fn call(limits: &[(Limit, u64)]) -> CallState {
    CallState::new(setup(limits))
}

fn intercepted(interceptor: impl Interceptor + 'static) -> CallState {
    CallState::new(Setup { interceptor: Some(Box::new(interceptor)), ..setup(&[]) })
}

/// Everything that a call has said.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Event>>>);

impl Heard {
    fn call(&self, limits: &[(Limit, u64)]) -> CallState {
        let heard = self.0.clone();
        let sink = move |event| heard.lock().expect("no test panics in a sink").push(event);
        CallState::new(Setup { sink: Some(Box::new(sink)), ..setup(limits) })
    }

    fn lines(&self) -> Vec<String> {
        let events = self.0.lock().expect("no test panics in a sink");
        let line = |event: &Event| match event {
            Event::Log { level, message } => Some(format!("{level:?} {message}")),
            _ => None,
        };
        events.iter().filter_map(line).collect()
    }
}

fn mounted(mounts: Vec<Mount>, limits: &[(Limit, u64)]) -> CallState {
    CallState::new(Setup { mounts: mounts.into(), ..setup(limits) })
}

/// The limit behind an error, as the sandbox sees it.
fn limit_of(error: &wasmtime::Error) -> Option<Limit> {
    super::classify(error, &Limits::default()).map(|exhausted| exhausted.limit)
}

fn door(state: &mut CallState) -> Door<'_> {
    Door(state)
}

/// Runs what waits, on this thread, with time.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(future)
}
