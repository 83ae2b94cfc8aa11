//! `toolcell build`

use serde_json::json;
use toolcell_build::{Freshness, Request, build_all};

use super::print_json;
use crate::args::BuildArgs;
use crate::exit::{CliError, Exit};
use crate::home;
use crate::paths::Paths;
use crate::progress::Shown;
use crate::terminal::{Style, complain, err};

pub(crate) fn run(args: &BuildArgs) -> Result<Exit, CliError> {
    let paths = Paths::from_environment()?;
    let out = args.out.clone().unwrap_or_else(|| paths.tools());
    let request = |folder: &std::path::PathBuf| Request {
        folder: folder.clone(),
        out: out.clone(),
        name: None,
        freshness: Freshness::Trust,
    };
    let requests: Vec<_> = args.folders.iter().map(request).collect();
    let results = {
        let shown = Shown::new();
        build_all(&home::build_context(&paths), &requests, &shown)
    };
    let mut exit = Exit::Ok;
    let mut rows = Vec::new();
    for (folder, result) in args.folders.iter().zip(&results) {
        match result {
            Ok(built) => rows.push(json!({
                "folder": folder, "component": built.name, "output": built.output, "digest": built.digest, "bytes": built.size, "fresh": built.fresh,
            })),
            Err(error) => {
                exit = Exit::Failed;
                let shown = CliError::failed(format!("`{}` was not built", folder.display())).because(error);
                rows.push(json!({ "folder": folder, "error": shown.causes.join(": ") }));
                complain(&shown);
            }
        }
    }
    if args.json {
        print_json(&rows)?;
    } else if exit == Exit::Ok {
        let names: Vec<_> = results.iter().flatten().map(|built| built.name.as_str()).collect();
        eprintln!("{} `toolcell inspect {}`", err(Style::Good, "next:"), names.first().copied().unwrap_or_default());
    }
    Ok(exit)
}
