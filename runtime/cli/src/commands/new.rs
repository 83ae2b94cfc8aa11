//! `toolcell new`

use serde_json::json;
use toolcell_build::scaffold;

use super::print_json;
use crate::args::NewArgs;
use crate::exit::{CliError, Exit};
use crate::terminal::{Style, err, say};

pub(crate) fn run(args: &NewArgs) -> Result<Exit, CliError> {
    let created = scaffold(&args.name, &args.lang, &args.path)
        .map_err(|error| CliError::usage(format!("`{}` was not written", args.name)).because(&error))?;
    if args.json {
        print_json(&json!({ "folder": created.folder, "files": created.files }))?;
        return Ok(Exit::Ok);
    }
    for file in &created.files {
        say(&created.folder.join(file).display().to_string());
    }
    eprintln!("{} `toolcell build {}`", err(Style::Good, "next:"), created.folder.display());
    Ok(Exit::Ok)
}
