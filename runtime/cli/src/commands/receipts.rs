//! `toolcell receipts`

use std::fmt::Write as _;

use toolcell_core::Sealed;
use toolcell_host::receipts::{self, Filter, Order, Severity, Trust};
use toolcell_host::schema::inert;

use super::print_json;
use crate::args::{ReceiptsArgs, ReceiptsCommand, ReceiptsListArgs, VerifyArgs};
use crate::exit::{CliError, Exit};
use crate::paths::Paths;
use crate::terminal::{Style, out, say};

pub(crate) fn run(args: &ReceiptsArgs) -> Result<Exit, CliError> {
    let paths = Paths::from_environment()?;
    if !paths.receipts().exists() {
        eprintln!("no receipts yet; `toolcell run` leaves one for each call");
        return Ok(Exit::Ok);
    }
    match &args.command {
        ReceiptsCommand::List(args) => list(&paths, args),
        ReceiptsCommand::Verify(args) => verify(&paths, args),
    }
}

fn list(paths: &Paths, args: &ReceiptsListArgs) -> Result<Exit, CliError> {
    let mut filter = Filter::default();
    filter.tool.clone_from(&args.listing.tool);
    filter.verdict.clone_from(&args.verdict);
    filter.call = args.call;
    filter.order = Order::NewestFirst;
    filter.limit = Some(args.listing.limit);
    let unreadable = |error: &dyn std::error::Error| CliError::failed("cannot read the receipt log").because(error);
    let entries = receipts::list(&paths.receipts(), filter).map_err(|error| unreadable(&error))?;
    let mut any = false;
    for entry in entries {
        let sealed = entry
            .map_err(|error| unreadable(&error).next("`toolcell receipts verify` says what is wrong with the log."))?;
        any = true;
        if args.listing.json {
            say(&serde_json::to_string(&sealed).map_err(|error| unreadable(&error))?);
        } else {
            say(&row(&sealed));
        }
    }
    if !any && !args.listing.json {
        eprintln!("no receipts; `toolcell run` leaves one for each call");
    }
    Ok(Exit::Ok)
}

/// One receipt on one line.
fn row(sealed: &Sealed) -> String {
    let receipt = &sealed.receipt;
    let style = if receipt.verdict == "completed" { Style::Good } else { Style::Bad };
    let mut line = format!(
        "{}  {}  {:<28}",
        out(Style::Dim, &receipt.call.to_string()),
        out(style, &format!("{:<9}", inert(&receipt.verdict, 16))),
        inert(&receipt.tool, 64),
    );
    let used = &receipt.used;
    let _ = write!(
        line,
        " {:>8.1} ms  {:>12} fuel  {:>6} KiB  {:>5} host calls",
        std::time::Duration::from_micros(receipt.duration_us).as_secs_f64() * 1e3,
        used.fuel,
        used.memory / 1_024,
        used.host_calls
    );
    if let Some(kind) = receipt.kind {
        let _ = write!(line, "  {}", out(Style::Warn, kind.name()));
    }
    for (origin, count) in receipt.origins.iter().take(3) {
        let _ = write!(line, "  {} {}×{count}", out(Style::Name, "to"), inert(origin, 80));
    }
    for denied in &receipt.denied {
        let _ = write!(line, "  {} {}×{}", out(Style::Bad, "denied"), inert(&denied.function, 80), denied.count);
    }
    line
}

fn verify(paths: &Paths, args: &VerifyArgs) -> Result<Exit, CliError> {
    let trust = Trust::default();
    let report = receipts::verify(&paths.receipts(), &trust)
        .map_err(|error| CliError::failed("cannot read the receipt log").because(&error))?;
    let intact = report.is_intact();
    if args.json {
        print_json(&report)?;
    } else {
        for writer in &report.writers {
            let upto = writer.last_checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.sequence);
            say(&format!(
                "{}  {} receipts, signed up to {upto}",
                out(Style::Name, &inert(&writer.writer, 64)),
                writer.entries
            ));
        }
        for finding in report.writers.iter().flat_map(|writer| &writer.findings).chain(&report.findings) {
            let style = if finding.problem.severity() == Severity::Tampered { Style::Bad } else { Style::Warn };
            say(&format!("  {}", out(style, &inert(&finding.to_string(), 400))));
        }
        let verdict = if intact { out(Style::Good, "intact") } else { out(Style::Bad, "TAMPERED WITH") };
        say(&format!("{} receipts: {verdict}", report.entries()));
    }
    Ok(if intact { Exit::Ok } else { Exit::Failed })
}
