//! `toolcell doctor`

use serde_json::json;
use toolcell_build::State;

use super::print_json;
use crate::args::DoctorArgs;
use crate::exit::{CliError, Exit};
use crate::home;
use crate::paths::Paths;
use crate::terminal::{Style, out, say};

pub(crate) fn run(args: &DoctorArgs) -> Result<Exit, CliError> {
    let paths = Paths::from_environment()?;
    let languages = toolcell_build::doctor(&home::build_context(&paths));
    let missing = languages.iter().flat_map(|(_, findings)| findings).any(|finding| finding.state == State::Missing);
    if args.json {
        let name = |state| match state {
            State::Ok => "ok",
            State::Missing => "missing",
            State::WillSetUp => "will-set-up",
        };
        let findings: Vec<_> = languages
            .iter()
            .flat_map(|(language, findings)| findings.iter().map(move |finding| (language, finding)))
            .map(|(language, finding)| {
                json!({ "language": language, "what": finding.what, "state": name(finding.state), "detail": finding.detail, "next_step": finding.next_step })
            })
            .collect();
        print_json(&json!({ "home": paths.home(), "cache": paths.cache(), "findings": findings }))?;
    } else {
        say(&format!("{} {}", out(Style::Dim, "home "), paths.home().display()));
        say(&format!("{} {}", out(Style::Dim, "cache"), paths.cache().display()));
        for (language, findings) in &languages {
            say(&format!("\n{}", out(Style::Bold, language)));
            for finding in findings {
                let mark = match finding.state {
                    State::Ok => out(Style::Good, "ok     "),
                    State::Missing => out(Style::Bad, "missing"),
                    State::WillSetUp => out(Style::Warn, "set-up "),
                };
                say(&format!("  {mark} {:<24} {}", finding.what, finding.detail));
                if let Some(next) = &finding.next_step {
                    say(&format!("          {} {next}", out(Style::Good, "next:")));
                }
            }
        }
    }
    Ok(if missing { Exit::Failed } else { Exit::Ok })
}
