//! `toolcell fixes`

use std::io::Read as _;
use std::path::Path;

use toolcell_agents::fixes::{Standing, export, import, lower_bound, standing};
use toolcell_core::fixes::{Fix, FixStore as _};
use toolcell_core::store::Unavailable;
use toolcell_core::{Digest, Tenant};
use toolcell_host::schema::inert;
use toolcell_store::Store;

use crate::args::{FixesArgs, FixesCommand};
use crate::exit::{CliError, Exit};
use crate::home;
use crate::paths::Paths;
use crate::terminal::{Style, out, say};

/// Fixes that are read at one time.
const PAGE: u32 = 1_000;

/// The largest file that is imported, in bytes.
const MOST_BYTES: u64 = 64 << 20;

pub(crate) fn run(args: &FixesArgs) -> Result<Exit, CliError> {
    let paths = Paths::from_environment()?;
    let tenant = Tenant::default();
    if let Some(FixesCommand::Import { file }) = &args.command {
        let text = read(file)?;
        let store = home::store(&paths)?;
        let many = home::runtime()?.block_on(import(&store, &tenant, &text)).map_err(|error| {
            CliError::failed(format!("`{}` was not imported", file.display()))
                .because(&error)
                .next("`toolcell fixes export` writes what can be imported.")
        })?;
        let trial =
            if many > 0 { ", on trial until they have helped here" } else { "; what is known here stays as it is" };
        say(&format!("{} {many} new fixes{trial}", out(Style::Good, "imported")));
        return Ok(Exit::Ok);
    }
    let store = home::store_if_there(&paths)?;
    let Some(store) = store else {
        eprintln!("no fixes yet; what helps against a failure is remembered");
        return Ok(Exit::Ok);
    };
    match &args.command {
        Some(FixesCommand::Forget { id }) => forget(&store, &tenant, id),
        Some(FixesCommand::Export) => {
            let text = home::runtime()?.block_on(export(&store, &tenant)).map_err(|error| unusable(&error))?;
            if !text.is_empty() {
                say(text.trim_end());
            }
            Ok(Exit::Ok)
        }
        _ => list(&store, &tenant, args),
    }
}

fn list(store: &Store, tenant: &Tenant, args: &FixesArgs) -> Result<Exit, CliError> {
    let fixes = all(store, tenant)?;
    for fix in &fixes {
        if args.json {
            say(&serde_json::to_string(fix).map_err(|error| CliError::failed("cannot write JSON").because(&error))?);
        } else {
            let (style, word) = match standing(fix) {
                Standing::Trusted => (Style::Good, "trusted"),
                Standing::OnTrial => (Style::Warn, "on trial"),
                Standing::Retired => (Style::Dim, "retired"),
            };
            let id = &fix.id.to_string()[..12];
            let bound = lower_bound(fix.worked, fix.tried);
            let word = out(style, &format!("{word:<8}"));
            let tool = out(Style::Name, &inert(&fix.tool, 120));
            let at = if fix.pointer.is_empty() { "(the whole)" } else { &fix.pointer };
            say(&format!(
                "{id}  {word}  {} of {} worked (at least {:.0} %)  {tool} {}",
                fix.worked,
                fix.tried,
                bound * 100.0,
                inert(at, 160)
            ));
            let edits = serde_json::to_string(&fix.edits).unwrap_or_default();
            say(&format!(
                "    {} {}",
                out(Style::Dim, "against"),
                inert(&format!("{}: {}", fix.kind, fix.message), 300)
            ));
            say(&format!("    {} {}", out(Style::Dim, "edits"), inert(&edits, 600)));
        }
    }
    if fixes.is_empty() && !args.json {
        eprintln!("no fixes yet; what helps against a failure is remembered");
    }
    Ok(Exit::Ok)
}

fn forget(store: &Store, tenant: &Tenant, id: &str) -> Result<Exit, CliError> {
    let start = id.to_ascii_lowercase();
    if start.len() < 4 {
        return Err(CliError::usage("write at least four digits of the fix's id"));
    }
    let ids: Vec<Digest> =
        all(store, tenant)?.iter().map(|fix| fix.id).filter(|id| id.to_string().starts_with(&start)).collect();
    match ids.as_slice() {
        [one] => {
            home::runtime()?.block_on(store.forget(tenant, *one)).map_err(|error| unusable(&error))?;
            say(&format!("{} {}", out(Style::Warn, "forgotten"), &one.to_string()[..12]));
            Ok(Exit::Ok)
        }
        [] => Err(CliError::failed(format!("no fix begins with `{}`", inert(&start, 64)))
            .next("`toolcell fixes` lists them.")),
        several => {
            Err(CliError::usage(format!("{} fixes begin with `{start}`", several.len())).next("Write more digits."))
        }
    }
}

fn all(store: &Store, tenant: &Tenant) -> Result<Vec<Fix>, CliError> {
    home::runtime()?.block_on(async {
        let mut all: Vec<Fix> = Vec::new();
        loop {
            let page =
                store.list(tenant, all.last().map(|fix| fix.id), PAGE).await.map_err(|error| unusable(&error))?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    })
}

fn read(file: &Path) -> Result<String, CliError> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(MOST_BYTES).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|open| open.take(MOST_BYTES).read_to_string(&mut text))
    };
    read.map_err(|error| CliError::failed(format!("cannot read `{}`", file.display())).because(&error))?;
    Ok(text)
}

fn unusable(error: &Unavailable) -> CliError {
    let mut told = CliError::failed("the store of fixes cannot be used").because(error);
    told.causes.push(error.detail.clone());
    told
}
