//! `toolcell audit`

use toolcell_core::{Clock as _, UnixMillis};
use toolcell_host::audit::{self, AuditEvent, Decision, Entry, Filter, Recorded, Upkeep};
use toolcell_host::schema::inert;
use toolcell_review::rfc3339;

use super::print_json;
use crate::args::{AuditArgs, AuditCommand, AuditListArgs, VerifyArgs};
use crate::exit::{CliError, Exit};
use crate::home::SystemClock;
use crate::paths::Paths;
use crate::terminal::{Style, out, say};

pub(crate) fn run(args: &AuditArgs) -> Result<Exit, CliError> {
    let paths = Paths::from_environment()?;
    if !paths.audit().exists() {
        eprintln!("no audit events yet; calls, approvals and changes of policy leave them");
        return Ok(Exit::Ok);
    }
    match &args.command {
        AuditCommand::List(args) => list(&paths, args),
        AuditCommand::Verify(args) => verify(&paths, args),
    }
}

fn unreadable(error: &dyn std::error::Error) -> CliError {
    CliError::failed("cannot read the audit log").because(error)
}

fn list(paths: &Paths, args: &AuditListArgs) -> Result<Exit, CliError> {
    let ago = |span: toolcell_core::units::Span| u64::try_from(span.0.as_millis()).unwrap_or(u64::MAX);
    let filter = Filter {
        kind: args.kind.clone(),
        tool: args.listing.tool.clone(),
        since: args.since.map(|span| UnixMillis(SystemClock.now().0.saturating_sub(ago(span)))),
        limit: args.listing.limit,
    };
    let entries = audit::list(&paths.audit(), &filter).map_err(|error| unreadable(&error))?;
    for entry in &entries {
        if args.listing.json {
            say(&serde_json::to_string(entry).map_err(|error| unreadable(&error))?);
        } else {
            say(&row(entry));
        }
    }
    if entries.is_empty() && !args.listing.json {
        eprintln!("no such audit events");
    }
    Ok(Exit::Ok)
}

/// One event on one line.
fn row(entry: &Entry) -> String {
    let kind = entry.event.kind();
    let style = match kind {
        "denial" | "healed" => Style::Bad,
        "approval" | "grant" | "reload" | "secret-used" => Style::Warn,
        _ => Style::Dim,
    };
    let text = match &entry.event {
        Recorded::Event(event) => text(event),
        Recorded::Upkeep(Upkeep::Rotated { through, .. }) => {
            format!("events up to {through} were deleted to make room")
        }
        Recorded::Upkeep(Upkeep::Healed { bytes, .. }) => {
            format!("half a line of {bytes} bytes was cut off after a crash")
        }
    };
    let (at, kind) = (out(Style::Dim, &rfc3339(entry.at)), out(style, &format!("{kind:<11}")));
    format!("{at}  {kind}  {}", inert(&text, 2_000))
}

fn text(event: &AuditEvent) -> String {
    let list = |lines: &[String], omitted: u64| {
        let more = if omitted > 0 { format!(" and {omitted} more") } else { String::new() };
        if lines.is_empty() { "nothing".to_owned() } else { format!("{}{more}", lines.join(", ")) }
    };
    match event {
        AuditEvent::Started { version, policy } => format!("version {version}, policy sha256:{policy}"),
        AuditEvent::Stopped { reason } => reason.clone(),
        AuditEvent::Grant { tool, component, summary, omitted } => {
            format!("{tool} sha256:{component}: {}", list(summary, *omitted))
        }
        AuditEvent::Denial { call, tenant, tool, function, reason, count } => {
            format!("{tool} for {tenant} in {call}: {function}×{count}: {reason}")
        }
        AuditEvent::Approval { tool, component, grant, decision, reviewer } => {
            let decision = match decision {
                Decision::Approved => "approved",
                Decision::Revoked => "revoked",
            };
            format!("{tool} {decision} by {reviewer}: component sha256:{component}, grant sha256:{grant}")
        }
        AuditEvent::Reload { policy, changes, omitted } => {
            format!("policy sha256:{policy}; {}", list(changes, *omitted))
        }
        AuditEvent::SecretUsed { name, call, tool, target } => format!("{name} to {target} by {tool} in {call}"),
    }
}

fn verify(paths: &Paths, args: &VerifyArgs) -> Result<Exit, CliError> {
    let report = audit::verify(&paths.audit()).map_err(|error| unreadable(&error))?;
    let intact = report.is_intact();
    if args.json {
        print_json(&report)?;
    } else {
        for writer in &report.writers {
            let name = out(Style::Name, &inert(&writer.writer, 64));
            say(&format!("{name}  {} events, durable up to {}", writer.entries, writer.synced.unwrap_or(0)));
            for finding in &writer.findings {
                let style = if finding.problem.is_tampering() { Style::Bad } else { Style::Warn };
                let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
                let told = format!("{}{line}: {}", finding.file, finding.problem);
                say(&format!("  {}", out(style, &inert(&told, 400))));
            }
            if writer.more_findings > 0 {
                say(&format!("  and {} more findings", writer.more_findings));
            }
        }
        let verdict = if intact { out(Style::Good, "intact") } else { out(Style::Bad, "TAMPERED WITH") };
        say(&format!("{} events: {verdict}", report.entries()));
    }
    Ok(if intact { Exit::Ok } else { Exit::Failed })
}
