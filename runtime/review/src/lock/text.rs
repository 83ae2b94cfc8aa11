//! The lock file as text: one spelling for writing, and strict reading.
//!
//! What is written is sorted and the same whatever the order of decisions, so that a file under version control changes
//! only where a decision did.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;

use serde::Deserialize;
use toml::{Spanned, Value};
use toolcell_core::{Digest, ToolId};
use toolcell_host::schema::inert;

use super::{Approved, Lock, MAX_APPROVALS, MAX_LINE, MAX_LINES, MAX_NAME, Problem};
use crate::moment;

/// The version of the format.
const VERSION: u64 = 1;

/// How much of somebody's text a message shows, in bytes.
const SHOWN: usize = 120;

const HEAD: &str = "\
# What was reviewed and approved. `toolcell approve` writes this file; where policy says `require-approval = true`, a tool
# that can do more than what stands here, or whose bytes are others, is not called.
";

#[derive(Deserialize)]
struct Versioned {
    version: Option<Spanned<u64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(rename = "version")]
    _version: u64,
    #[serde(default)]
    approval: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    tool: Spanned<ToolId>,
    component: Digest,
    manifest: Option<Digest>,
    granted: Spanned<Vec<Spanned<String>>>,
    policy: Digest,
    approved_by: Spanned<String>,
    approved_at: Spanned<String>,
}

/// Where in the text something is wrong, in bytes, and what.
pub(super) type Misread = (usize, Problem);

/// The file's text.
pub(super) fn write(lock: &Lock) -> String {
    let mut text = format!("{HEAD}version = {VERSION}\n");
    for (tool, approved) in lock.iter() {
        let _ = write!(text, "\n[[approval]]\ntool = \"{tool}\"\ncomponent = \"{}\"\n", approved.component);
        if let Some(manifest) = approved.manifest {
            let _ = writeln!(text, "manifest = \"{manifest}\"");
        }
        text.push_str("granted = [");
        for line in &approved.granted {
            let _ = write!(text, "\n    {},", quoted(line));
        }
        text.push_str(if approved.granted.is_empty() { "]\n" } else { "\n]\n" });
        let (by, at) = (quoted(&approved.by), moment::rfc3339(approved.at));
        let _ = write!(text, "policy = \"{}\"\napproved-by = {by}\napproved-at = \"{at}\"\n", approved.policy);
    }
    text
}

/// Text of somebody's as a TOML string.
fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

/// Reads the text.
pub(super) fn read(text: &str) -> Result<Lock, Misread> {
    // The version first: a file of another one has other keys, and those are not what is wrong with it.
    let versioned: Versioned = toml::from_str(text).map_err(|error| syntax(&error))?;
    if let Some(version) = versioned.version.filter(|version| *version.get_ref() != VERSION) {
        return Err((version.span().start, Problem::Version(version.into_inner())));
    }
    let document: Document = toml::from_str(text).map_err(|error| syntax(&error))?;
    let mut lock = Lock::default();
    for written in document.approval {
        let (Range { start: at, .. }, tool) = (written.tool.span(), written.tool.get_ref().clone());
        if lock.approved.len() >= MAX_APPROVALS {
            return Err((at, Problem::TooMany));
        }
        let approved = approved(written)?;
        if lock.approve(tool.clone(), approved).is_some() {
            return Err((at, Problem::Twice(tool.to_string())));
        }
    }
    Ok(lock)
}

fn approved(written: Written) -> Result<Approved, Misread> {
    if written.granted.get_ref().len() > MAX_LINES {
        return Err((written.granted.span().start, Problem::TooManyLines));
    }
    let mut granted = BTreeSet::new();
    for line in written.granted.into_inner() {
        let (at, line) = (line.span().start, line.into_inner());
        let fits = !line.is_empty() && line.len() <= MAX_LINE && inert(&line, MAX_LINE) == line;
        if !fits || granted.contains(&line) {
            return Err((at, Problem::Line(inert(&line, SHOWN))));
        }
        granted.insert(line);
    }
    let (at, by) = (written.approved_by.span().start, written.approved_by.into_inner());
    if by.is_empty() || by.len() > MAX_NAME || by.trim() != by || inert(&by, MAX_NAME) != by {
        return Err((at, Problem::Name(inert(&by, SHOWN))));
    }
    let (at, text) = (written.approved_at.span().start, written.approved_at.into_inner());
    let moment = moment::read(&text).ok_or_else(|| (at, Problem::Moment(inert(&text, SHOWN))))?;
    Ok(Approved {
        component: written.component,
        manifest: written.manifest,
        granted,
        policy: written.policy,
        by,
        at: moment,
    })
}

fn syntax(error: &toml::de::Error) -> Misread {
    (error.span().map_or(0, |span| span.start), Problem::Syntax(inert(error.message(), 4 * SHOWN)))
}
