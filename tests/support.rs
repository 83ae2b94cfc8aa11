//! What every end-to-end test needs: built tools, a host over a folder of its own, calls.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use tempfile::TempDir;
use toolcell_core::{Arguments, CallId, Clock, Failure, Outcome, Silent, ToolCall, Toolbox as _, UnixMillis};
use toolcell_host::egress::Door;
use toolcell_host::secrets::{SecretStore, Stores};
use toolcell_host::{Compiler, Host, Policy, PoolSize, Settings, Threads, Width};

#[path = "built.rs"]
mod built;

pub(crate) use built::*;

/// A clock that a test moves. Without being moved it stands still, far from the times of files.
pub(crate) struct TestClock(AtomicU64);

impl TestClock {
    pub(crate) fn at(millis: u64) -> Self {
        Self(AtomicU64::new(millis))
    }
}

impl Clock for TestClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::SeqCst))
    }
}

/// A host over a home of its own, which goes with it.
pub(crate) struct Cell {
    pub(crate) host: Host,
    pub(crate) home: TempDir,
    next: AtomicU64,
}

/// Nothing is granted.
pub(crate) fn deny_all() -> Policy {
    Policy::deny_all()
}

/// Enough of everything for a test, little enough for a small machine.
pub(crate) const WIDTH: Width = Width { host: 64, tenant: 64, tool: 64, queue: 256, per_minute: 1_000_000 };

impl Cell {
    /// A host with the built tools of some folders.
    pub(crate) fn with(folders: &[&str], policy: Policy) -> Self {
        Self::arranged(folders, policy, |_| {})
    }

    /// A host with the built tools of some folders, whose settings the caller arranges.
    pub(crate) fn arranged(folders: &[&str], policy: Policy, arrange: impl FnOnce(&mut Settings)) -> Self {
        let open = |home: &Path| {
            let mut settings = settings(home, policy, WIDTH);
            arrange(&mut settings);
            settings
        };
        Self::open(open).stocked(folders)
    }

    /// The same with a way to the network and with secrets.
    pub(crate) fn behind(door: Arc<Door>, secrets: Arc<dyn SecretStore>, folders: &[&str]) -> Self {
        Self::arranged(folders, deny_all(), |settings| {
            settings.door = Some(door);
            settings.secrets = secrets;
        })
    }

    /// A host with components in the text format.
    pub(crate) fn with_text(components: &[(&str, &str)], policy: Policy) -> Self {
        let cell = Self::empty(policy, WIDTH);
        for (name, text) in components {
            cell.drop_in(name, &wat::parse_str(text).unwrap());
        }
        cell.settle();
        cell
    }

    /// A host with an empty tools folder.
    pub(crate) fn empty(policy: Policy, width: Width) -> Self {
        Self::open(|home| settings(home, policy, width))
    }

    fn open(settings: impl FnOnce(&Path) -> Settings) -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("tools")).unwrap();
        let host = Host::open(settings(home.path())).unwrap();
        Self { host, home, next: AtomicU64::new(1) }
    }

    fn stocked(self, folders: &[&str]) -> Self {
        for folder in folders {
            let component = built(folder);
            std::fs::copy(&component, self.tools().join(component.file_name().unwrap())).unwrap();
        }
        self.settle();
        self
    }

    pub(crate) fn tools(&self) -> PathBuf {
        self.home.path().join("tools")
    }

    /// Puts a component into the tools folder, whole at once, as careful writers do.
    pub(crate) fn drop_in(&self, name: &str, bytes: &[u8]) {
        let whole = self.tools().join(format!(".{name}.new"));
        std::fs::write(&whole, bytes).unwrap();
        std::fs::rename(whole, self.tools().join(format!("{name}.wasm"))).unwrap();
    }

    /// The two looks after which what lies in the folder is listed.
    pub(crate) fn settle(&self) {
        self.host.look();
        self.host.look();
    }

    pub(crate) fn id(&self) -> CallId {
        CallId(u128::from(self.next.fetch_add(1, Ordering::SeqCst)))
    }

    pub(crate) fn prepare(&self, tool: &str, arguments: &str) -> ToolCall {
        ToolCall::new(self.id(), tool, Arguments::from_text(arguments).unwrap())
    }

    /// Calls a tool.
    pub(crate) async fn call(&self, tool: &str, arguments: &str) -> Outcome {
        self.host.call(self.prepare(tool, arguments), &Silent).await
    }

    /// Calls a tool that must complete.
    pub(crate) async fn result(&self, tool: &str, arguments: &Value) -> Value {
        let outcome = self.call(tool, &arguments.to_string()).await;
        match outcome.verdict.result() {
            Some(result) => serde_json::from_str(result.get()).unwrap(),
            None => panic!("{tool}: {:?}", outcome.verdict),
        }
    }

    /// Calls a tool that must not complete.
    pub(crate) async fn failure(&self, tool: &str, arguments: &str) -> Failure {
        let outcome = self.call(tool, arguments).await;
        match outcome.verdict.failure() {
            Some(failure) => failure.clone(),
            None => panic!("{tool} completed: {:?}", outcome.verdict),
        }
    }
}

/// Settings for a host whose home is one folder.
pub(crate) fn settings(home: &Path, policy: Policy, width: Width) -> Settings {
    Settings {
        tools: vec![home.join("tools")],
        code_cache: Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("code")),
        code_key: Path::new(env!("CARGO_TARGET_TMPDIR")).join("code-key"),
        compiler: Compiler::InProcess,
        receipts: home.join("receipts"),
        policy,
        approvals: BTreeMap::new(),
        door: None,
        secrets: Arc::new(Stores::default()),
        kv: None,
        audit: None,
        width,
        pool: PoolSize { slots: 64 },
        threads: Threads::for_cores(2),
        clock: Arc::new(TestClock::at(4_000_000_000_000)),
    }
}

/// A runtime for the caller's side.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
