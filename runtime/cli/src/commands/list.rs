//! `toolcell list`

use serde_json::{Value, json};
use toolcell_host::Component;
use toolcell_host::boundary::{Offer, offered};
use toolcell_host::catalog::State;
use toolcell_host::schema::inert;

use super::print_json;
use crate::args::ListArgs;
use crate::exit::{CliError, Exit};
use crate::home;
use crate::paths::Paths;
use crate::terminal::{Style, err, out, say};

pub(crate) fn run(args: &ListArgs) -> Result<Exit, CliError> {
    let paths = Paths::from_environment()?;
    let snapshot = home::look(&paths, &args.folders.tools)?;
    if args.json {
        let tools: Vec<Value> = snapshot
            .tools()
            .map(|(component, tool)| {
                let not_callable = tool.signature.as_ref().err().map(|not| &not.reason);
                json!({
                    "tool": tool.id,
                    "component": component.name,
                    "digest": component.digest,
                    "description": component.docs.as_ref().and_then(|docs| docs.tools.get(tool.id.within())).map(|docs| &docs.description),
                    "hints": component.manifest.as_ref().map(|manifest| manifest.hints_of(tool.id.within())),
                    "not_callable": not_callable,
                    "foreign_imports": foreign(component),
                })
            })
            .collect();
        let unusable: Vec<Value> = snapshot
            .listed()
            .iter()
            .filter_map(|listed| {
                Some(json!({ "component": listed.name, "path": listed.path, "reason": reason(&listed.state)? }))
            })
            .collect();
        let notes: Vec<Value> =
            snapshot.notes().iter().map(|note| json!({ "path": note.path, "text": note.text })).collect();
        print_json(&json!({ "tools": tools, "unusable": unusable, "notes": notes }))?;
        return Ok(Exit::Ok);
    }
    let width = snapshot.tools().map(|(_, tool)| tool.id.as_str().len()).max().unwrap_or(0).min(48);
    for (component, tool) in snapshot.tools() {
        let docs = component.docs.as_ref().and_then(|docs| docs.tools.get(tool.id.within()));
        let text = match &tool.signature {
            Ok(_) if !foreign(component).is_empty() => {
                let names = inert(&foreign(component).join(", "), 160);
                out(Style::Warn, &format!("not callable: imports {names}, which the host does not offer"))
            }
            Ok(_) => docs.map_or_else(String::new, |docs| first_sentence(&docs.description)),
            Err(not) => out(Style::Warn, &format!("not callable yet: {}", inert(&not.reason, 160))),
        };
        say(&format!("{}  {text}", out(Style::Name, &format!("{:<width$}", tool.id.as_str()))));
    }
    for listed in snapshot.listed() {
        if let Some(reason) = reason(&listed.state) {
            say(&format!("{}  {}", out(Style::Bad, &format!("{:<width$}", listed.name)), inert(&reason, 400)));
        }
    }
    for note in snapshot.notes() {
        eprintln!("{} {}: {}", err(Style::Dim, "note:"), note.path.display(), inert(&note.text, 400));
    }
    if snapshot.listed().is_empty() {
        let folder = args.folders.tools.first().cloned().unwrap_or_else(|| paths.tools());
        eprintln!("no components in {}", folder.display());
        eprintln!(
            "{} drop a `.wasm` component there, or write one: `toolcell new my-tool && toolcell build my-tool`",
            err(Style::Good, "next:")
        );
    }
    Ok(Exit::Ok)
}

/// What a component imports that the host does not offer.
fn foreign(component: &Component) -> Vec<&str> {
    component.imports().filter(|import| !matches!(offered(import), Offer::Offered)).collect()
}

/// Why a file does not serve; none where it does.
fn reason(state: &State) -> Option<String> {
    match state {
        State::Ready(_) | State::Changing(_) => None,
        State::Settling => Some("is still being written".to_owned()),
        State::Broken(reason) => Some(reason.to_string()),
        State::Shadowed { by } => Some(format!("another component has this name: {}", by.display())),
    }
}

/// The first sentence of a description, fit for one line.
pub(crate) fn first_sentence(text: &str) -> String {
    let line = text.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    let end = line.find(". ").map_or(line.len(), |at| at + 1);
    inert(&line[..end], 120)
}
