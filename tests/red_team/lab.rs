//! A host whose settings and files a case arranges itself: another code cache, one slot, a thousand components.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;
use toolcell_core::{Arguments, CallId, Outcome, Silent, ToolCall, Toolbox as _};
use toolcell_host::catalog::State;
use toolcell_host::{Host, Policy, Settings};

use super::watch_for_panics;
use crate::support::{WIDTH, run, settings};

/// A home with tools, and the hosts that are opened over it one after the other.
pub(super) struct Lab {
    pub(super) home: TempDir,
    next: AtomicU64,
}

impl Lab {
    pub(super) fn new() -> Self {
        watch_for_panics();
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("tools")).unwrap();
        Self { home, next: AtomicU64::new(1) }
    }

    /// Where a component's file is.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.home.path().join("tools").join(format!("{name}.wasm"))
    }

    pub(super) fn drop_in(&self, name: &str, bytes: &[u8]) {
        fs::write(self.file(name), bytes).unwrap();
    }

    /// Opens a host that shares no compiled code with any other test, and lets it look at the folder until all has settled.
    pub(super) fn open(&self, policy: Policy, arrange: impl FnOnce(&mut Settings)) -> Host {
        let mut settings = settings(self.home.path(), policy, WIDTH);
        settings.code_cache = None;
        settings.code_key = self.home.path().join("code-key");
        arrange(&mut settings);
        let host = Host::open(settings).unwrap();
        host.look();
        host.look();
        host
    }

    pub(super) fn prepare(&self, tool: &str, arguments: &str) -> ToolCall {
        let id = CallId(u128::from(self.next.fetch_add(1, Ordering::SeqCst)));
        ToolCall::new(id, tool, Arguments::from_text(arguments).unwrap())
    }

    pub(super) fn call(&self, host: &Host, tool: &str, arguments: &str) -> Outcome {
        run(host.call(self.prepare(tool, arguments), &Silent))
    }

    /// The result of a call that completes, as JSON text.
    pub(super) fn result(&self, host: &Host, tool: &str, arguments: &str) -> String {
        let outcome = self.call(host, tool, arguments);
        outcome.verdict.result().unwrap_or_else(|| panic!("{tool}: {:?}", outcome.verdict)).get().to_owned()
    }
}

/// Why each component is listed as broken; none for one that serves.
pub(super) fn listed(host: &Host) -> Vec<(String, Option<String>)> {
    let reason = |state: &State| match state {
        State::Broken(reason) => Some(reason.to_string()),
        State::Ready(_) => None,
        other => panic!("it has not settled: {other:?}"),
    };
    host.snapshot().listed().iter().map(|listed| (listed.name.clone(), reason(&listed.state))).collect()
}
