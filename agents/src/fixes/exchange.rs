//! Fixes as lines of JSON, to be carried elsewhere and checked on arrival.

use toolcell_core::Tenant;
use toolcell_core::fixes::{Edit, Fix, FixStore};
use toolcell_core::json::{Bounds, parse, tokens};
use toolcell_core::store::Unavailable;

use super::edits::{MAX_EDITS, MAX_FIX_BYTES};
use super::fingerprint::MAX_MESSAGE;
use super::learner::id;

/// The longest line, in bytes: a fix of the largest size, with what is around it.
const MAX_LINE: usize = 4 * MAX_FIX_BYTES;

/// The most lines of one import.
const MAX_LINES: usize = 100_000;

/// How many fixes are asked of the store at one time.
const PAGE: u32 = 1_000;

/// Why fixes were not taken. None of them was.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A line that is no fix, or one that no learner would have made.
    #[error("line {line}: {problem}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// Too many lines.
    #[error("there are more than {MAX_LINES} lines; import them in parts")]
    TooMany,
    /// The store does not answer. Fixes before this point may have been added; import them again.
    #[error("fixes could not be kept")]
    Store(#[source] Unavailable),
}

/// Every fix of a tenant, one JSON object a line, by id. The tenant's name is in it and means nothing to whoever imports it.
///
/// # Errors
/// Where the store does not answer.
pub async fn export(store: &dyn FixStore, tenant: &Tenant) -> Result<String, Unavailable> {
    let (mut out, mut after) = (String::new(), None);
    loop {
        let page = store.list(tenant, after, PAGE).await?;
        for fix in &page {
            out.push_str(&line(fix));
            out.push('\n');
        }
        match page.last() {
            Some(last) if page.len() >= PAGE as usize => after = Some(last.id),
            _ => return Ok(out),
        }
    }
}

fn line(fix: &Fix) -> String {
    serde_json::to_string(fix).expect("a fix is strings and numbers, which JSON can always hold")
}

/// Adds fixes to a tenant, whoever's they were. All lines are checked before the first is added. Where they helped elsewhere is no
/// proof that they help here: they are on trial, with one try that worked. What is known here already stays as it is. Answers how many
/// were new.
///
/// # Errors
/// [`ImportError`].
pub async fn import(store: &dyn FixStore, tenant: &Tenant, text: &str) -> Result<usize, ImportError> {
    let mut fixes = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if at >= MAX_LINES {
            return Err(ImportError::TooMany);
        }
        if line.trim().is_empty() {
            continue;
        }
        let refused = |problem: String| ImportError::Line { line: at + 1, problem };
        if line.len() > MAX_LINE {
            return Err(refused(format!("it is longer than {MAX_LINE} bytes")));
        }
        let fix: Fix = serde_json::from_str(line).map_err(|error| refused(error.to_string()))?;
        check(&fix).map_err(|problem| refused(problem.to_owned()))?;
        fixes.push(Fix { tenant: tenant.clone(), tried: 1, worked: 1, ..fix });
    }
    let mut added = 0;
    for fix in &fixes {
        // What is known here already keeps its own counts: importing twice proves nothing.
        let known = store.find(tenant, fix.fingerprint).await.map_err(ImportError::Store)?;
        if known.iter().all(|known| known.id != fix.id) {
            store.add(fix).await.map_err(ImportError::Store)?;
            added += 1;
        }
    }
    Ok(added)
}

fn check(fix: &Fix) -> Result<(), &'static str> {
    const SMALL: Bounds = Bounds { bytes: MAX_FIX_BYTES as u64, values: 1_000, depth: 64 };
    if fix.edits.is_empty() || fix.edits.len() > MAX_EDITS {
        return Err("a fix has 1 to 16 edits");
    }
    if fix.id != id(fix.fingerprint, &fix.edits) {
        return Err("the id is not that of the fingerprint and the edits; export it again");
    }
    if fix.message.len() > 4 * MAX_MESSAGE || fix.tool.len() > toolcell_core::tool::MAX_TOOL_ID {
        return Err("the message or the tool's id is too long");
    }
    let sound = |edit: &Edit| match edit {
        Edit::Rename { at, .. } | Edit::Apply { at, .. } | Edit::Remove { at } => tokens(at).is_some(),
        Edit::Replace { at, from, to } => {
            tokens(at).is_some() && parse(from, SMALL).is_ok() && parse(to, SMALL).is_ok()
        }
        Edit::Tool { .. } => true,
    };
    if fix.edits.iter().all(sound) {
        Ok(())
    } else {
        Err("an edit has a place that is no JSON pointer, or a value that is no JSON")
    }
}
