//! `toolcell plan`

mod check;
mod live;
pub(crate) mod run;
pub(crate) mod stored;
mod wire;

use std::io::Read as _;
use std::path::Path;

use toolcell_agents::plan::{self, Format, MAX_BYTES, Problems, Written};
use toolcell_host::schema::inert;

use crate::args::{Language, PlanArgs, PlanCommand, PlanGraphArgs};
use crate::exit::{CliError, Exit};
use crate::paths::Paths;
use crate::terminal::say;

pub(crate) fn run(args: &PlanArgs) -> Result<Exit, CliError> {
    match &args.command {
        PlanCommand::Schema => {
            say(plan::schema().trim_end());
            return Ok(Exit::Ok);
        }
        PlanCommand::Graph(args) => return graph(args),
        _ => {}
    }
    let paths = Paths::from_environment()?;
    match &args.command {
        PlanCommand::Check(args) => check::run(&paths, args),
        PlanCommand::Run(args) => run::run(&paths, args),
        PlanCommand::Resume(args) => run::resume(&paths, args),
        PlanCommand::List(args) => stored::list(&paths, args),
        PlanCommand::Show(args) => stored::show(&paths, args),
        PlanCommand::Cancel(args) => stored::cancel(&paths, args),
        PlanCommand::Remove(args) => stored::remove(&paths, args),
        PlanCommand::Schema | PlanCommand::Graph(_) => unreachable!("answered above"),
    }
}

fn graph(args: &PlanGraphArgs) -> Result<Exit, CliError> {
    let text = text(&args.file)?;
    let plan = written(&args.file, &text).and_then(|written| plan::outline(&written)).map_err(|problems| {
        let mut error = CliError::failed(format!("`{}` is no plan that can be drawn", args.file.display()));
        error.causes = lines(&problems);
        error
    })?;
    let graph = plan::graph(&plan);
    say(match args.format {
        Language::Mermaid => graph.to_mermaid(),
        Language::Dot => graph.to_dot(),
    }
    .trim_end());
    Ok(Exit::Ok)
}

/// The text of a plan file, no further than a plan may go.
fn text(file: &Path) -> Result<String, CliError> {
    let most = MAX_BYTES as u64 + 1;
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|open| open.take(most).read_to_end(&mut bytes))
    };
    read.map_err(|error| CliError::failed(format!("cannot read the plan `{}`", file.display())).because(&error))?;
    String::from_utf8(bytes).map_err(|error| {
        CliError::failed(format!("the plan `{}` is not UTF-8", file.display())).because(&error.utf8_error())
    })
}

/// Reads a plan in the format that the file's name says; without a name, in the one that it begins like.
fn written<'t>(file: &Path, text: &'t str) -> Result<Written<'t>, Problems> {
    let json = match file.extension().and_then(|ending| ending.to_str()) {
        Some(ending) => ending.eq_ignore_ascii_case("json"),
        None => text.trim_start().starts_with('{'),
    };
    plan::read(text, if json { Format::Json } else { Format::Toml })
}

/// Problems, one a line, unable to act on a terminal.
pub(crate) fn lines(problems: &Problems) -> Vec<String> {
    let mut lines: Vec<_> = problems.problems.iter().map(|problem| inert(&problem.to_string(), 2_000)).collect();
    if problems.more > 0 {
        lines.push(format!(" there are {} more problems", problems.more));
    }
    lines
}
