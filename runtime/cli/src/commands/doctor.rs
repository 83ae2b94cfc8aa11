//! `toolcell doctor`: what builds tools here, and what holds them.

use std::time::Instant;

use serde_json::json;
use toolcell_build::State;
use toolcell_core::units::{Bytes, Span};
use toolcell_host::compile;
use toolcell_host::wall::{Held, Wall};

use super::print_json;
use crate::args::DoctorArgs;
use crate::exit::{CliError, Exit};
use crate::home;
use crate::paths::Paths;
use crate::terminal::{Style, out, say};
use crate::wall;

pub(crate) fn run(args: &DoctorArgs) -> Result<Exit, CliError> {
    let paths = Paths::from_environment()?;
    let mut sections: Vec<_> = toolcell_build::doctor(&home::build_context(&paths))
        .into_iter()
        .map(|(language, findings)| (language, findings.into_iter().map(Finding::from).collect::<Vec<_>>()))
        .collect();
    sections.push((HOLDING, holding()));
    let missing = sections.iter().flat_map(|(_, findings)| findings).any(|finding| finding.mark == Mark::Missing);
    if args.json {
        let row = |section: &str, finding: &Finding| {
            let section_key = if section == HOLDING { "section" } else { "language" };
            json!({ section_key: section, "what": finding.what, "state": finding.mark.name(), "detail": finding.detail, "next_step": finding.next_step })
        };
        let rows =
            sections.iter().flat_map(|(section, findings)| findings.iter().map(move |finding| row(section, finding)));
        print_json(&json!({ "home": paths.home(), "cache": paths.cache(), "findings": rows.collect::<Vec<_>>() }))?;
    } else {
        say(&format!("{} {}", out(Style::Dim, "home "), paths.home().display()));
        say(&format!("{} {}", out(Style::Dim, "cache"), paths.cache().display()));
        for (section, findings) in &sections {
            say(&format!("\n{}", out(Style::Bold, section)));
            for finding in findings {
                let (style, word) = finding.mark.shown();
                say(&format!("  {} {:<24} {}", out(style, word), finding.what, finding.detail));
                if let Some(next) = &finding.next_step {
                    say(&format!("          {} {next}", out(Style::Good, "next:")));
                }
            }
        }
    }
    Ok(if missing { Exit::Failed } else { Exit::Ok })
}

/// The section beside those of the languages.
const HOLDING: &str = "holding tools";

struct Finding {
    what: &'static str,
    mark: Mark,
    detail: String,
    next_step: Option<String>,
}

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    Ok,
    /// It is not there, and the first build will set it up.
    WillSetUp,
    /// It is not there, and everything works without it, less well.
    Absent,
    /// It is not there, and something does not work.
    Missing,
}

impl Mark {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::WillSetUp => "will-set-up",
            Self::Absent => "absent",
            Self::Missing => "missing",
        }
    }

    fn shown(self) -> (Style, &'static str) {
        match self {
            Self::Ok => (Style::Good, "ok     "),
            Self::WillSetUp => (Style::Warn, "set-up "),
            Self::Absent => (Style::Warn, "absent "),
            Self::Missing => (Style::Bad, "missing"),
        }
    }
}

impl From<toolcell_build::Finding> for Finding {
    fn from(found: toolcell_build::Finding) -> Self {
        let mark = match found.state {
            State::Ok => Mark::Ok,
            State::Missing => Mark::Missing,
            State::WillSetUp => Mark::WillSetUp,
        };
        Self { what: found.what, mark, detail: found.detail, next_step: found.next_step }
    }
}

/// What this machine holds tools with, found out by trying it.
fn holding() -> Vec<Finding> {
    let mut findings = Vec::new();
    match Wall::probe() {
        Ok(standing) => {
            let version = standing.landlock.map_or_else(String::new, |version| format!("Landlock {version}"));
            findings.push(part("wall: files", &standing.files, &version));
            findings.push(part("wall: system calls", &standing.calls, "seccomp"));
        }
        Err(error) => findings.push(lacking("wall", error.to_string(), "Tools run only with TOOLCELL_WALL=off here.")),
    }
    if wall::is_off() {
        findings.push(lacking("wall", "it is switched off".to_owned(), "Unset TOOLCELL_WALL."));
    }
    findings.push(paths_below());
    findings.push(compiling());
    findings
}

fn part(what: &'static str, held: &Held, by: &str) -> Finding {
    match held {
        Held::Whole => Finding { what, mark: Mark::Ok, detail: by.to_owned(), next_step: None },
        Held::Partly { reason } => {
            Finding { what, mark: Mark::Ok, detail: format!("{by}, in part: {reason}"), next_step: None }
        }
        // The sandbox holds without it, so a machine that has none is no failure of the command.
        Held::Not { reason } => {
            lacking(what, reason.clone(), "The sandbox holds tools without it; a newer kernel would hold them twice.")
        }
    }
}

/// Something that is not as it could be, and without which tools run all the same.
fn lacking(what: &'static str, detail: String, next: &str) -> Finding {
    Finding { what, mark: Mark::Absent, detail, next_step: Some(next.to_owned()) }
}

/// Whether the kernel resolves a path below a folder by itself.
fn paths_below() -> Finding {
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
    let what = "paths below a mount";
    let opened = rustix::fs::openat2(CWD, ".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::BENEATH);
    match opened {
        Ok(_) => Finding { what, mark: Mark::Ok, detail: "openat2, by the kernel".to_owned(), next_step: None },
        Err(_) => {
            lacking(what, "step by step, without openat2".to_owned(), "It is as safe, and slower; Linux 5.6 has it.")
        }
    }
}

/// Compiles the smallest component that there is, as a call would.
fn compiling() -> Finding {
    let what = "compiling apart";
    let (program, arguments, limits) = home::compiler();
    let began = Instant::now();
    match compile::trial(program, arguments, limits) {
        Ok(()) => {
            let (time, processor) = (Span(limits.most_time()), Span(limits.most_processor()));
            let (memory, code) = (Bytes(limits.most_memory()), Bytes(limits.most_code()));
            let least = began.elapsed().as_millis();
            let detail = format!(
                "in a process that is ready in {least} ms, with {time} by the clock, {processor} of processor time, {memory} of memory, {code} of code"
            );
            Finding { what, mark: Mark::Ok, detail, next_step: None }
        }
        Err(error) => Finding {
            what,
            mark: Mark::Missing,
            detail: error.to_string(),
            next_step: Some("No component that is not in the code cache can be run; `-v` says more.".to_owned()),
        },
    }
}
