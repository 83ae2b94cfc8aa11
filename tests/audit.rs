//! The audit log of a whole host: what it is told without anybody asking.

use std::path::Path;
use std::time::{Duration, Instant};

use toolcell_host::Host;
use toolcell_host::audit::{AuditEvent, Filter, Recorded, list, verify};

use crate::support::{WIDTH, deny_all, settings};

const TOOL: &str = r#"(component
    (core module $m (func (export "go")))
    (core instance $i (instantiate $m))
    (func (export "go") (canon lift (core func $i "go"))))"#;

/// The events of a log, the oldest first, as a line each.
fn told(audit: &Path) -> Vec<String> {
    let entries = list(audit, &Filter::default()).unwrap().into_iter().map(|entry| entry.event);
    let mut lines: Vec<_> = entries
        .map(|event| match event {
            Recorded::Event(AuditEvent::Reload { changes, .. }) => changes.join(", "),
            Recorded::Event(AuditEvent::Stopped { reason }) => format!("stopped: {reason}"),
            event => event.kind().to_owned(),
        })
        .collect();
    lines.reverse();
    lines
}

/// Waits until the log ends with this. A look of the watch comes every ten milliseconds.
fn comes(audit: &Path, line: &str) {
    let until = Instant::now() + Duration::from_mins(1);
    while told(audit).last().is_none_or(|last| last != line) {
        assert!(Instant::now() < until, "{line:?} never came: {:?}", told(audit));
        std::thread::yield_now();
    }
}

#[test]
fn what_a_watch_finds_is_recorded_and_so_is_the_end() {
    let home = tempfile::tempdir().unwrap();
    let (tools, audit) = (home.path().join("tools"), home.path().join("audit"));
    std::fs::create_dir(&tools).unwrap();
    let open = || {
        let mut settings = settings(home.path(), deny_all(), WIDTH);
        settings.audit = Some(audit.clone());
        Host::open(settings).unwrap()
    };
    let host = open();
    let watch = host.watch(Duration::ZERO).unwrap();
    let put = |bytes: &[u8]| {
        std::fs::write(tools.join(".one"), bytes).unwrap();
        std::fs::rename(tools.join(".one"), tools.join("one.wasm")).unwrap();
    };
    put(&wat::parse_str(TOOL).unwrap());
    comes(&audit, "added one");
    put(&wat::parse_str(TOOL.replace("$m", "$other")).unwrap());
    comes(&audit, "changed one");
    std::fs::remove_file(tools.join("one.wasm")).unwrap();
    comes(&audit, "removed one");
    put(b"no component");
    comes(&audit, "broken one");
    // The watch holds no host: it ends in order while somebody still watches.
    drop(host);
    comes(&audit, "stopped: the host was closed");
    put(&wat::parse_str(TOOL).unwrap());
    drop(watch);
    drop(open());
    let told = told(&audit);
    let ends = ["started", "added one", "changed one", "removed one", "broken one", "stopped: the host was closed"];
    assert_eq!(told[..6], ends);
    assert_eq!(told[6..], ["started", "stopped: the host was closed"], "nobody looked any more");
    assert!(verify(&audit).unwrap().is_intact());
}

#[test]
fn a_host_that_cannot_say_that_it_begins_does_not_begin() {
    let home = tempfile::tempdir().unwrap();
    let audit = home.path().join("audit");
    std::fs::write(&audit, "in its place").unwrap();
    let mut settings = settings(home.path(), deny_all(), WIDTH);
    settings.audit = Some(audit);
    let error = Host::open(settings).map(drop).unwrap_err();
    assert_eq!(error.to_string(), "cannot open the audit log");
}
