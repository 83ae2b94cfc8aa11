//! What is known of a writer's checkpoints from elsewhere than its own files: from the anchor and from other writers.
//!
//! Only what the trusted key signed counts. Of each writer the highest checkpoint is kept; its chain implies the others.

use std::collections::BTreeMap;
use std::path::Path;

use toolcell_core::Digest;

use super::checkpoint::Checkpoint;
use super::files::{self, FileError, LINE_MAX, WriterName};
use super::keys::PublicKey;
use super::lines::{Line, Lines};
use super::problem::Problem;
use super::verify::Findings;

/// The highest checkpoint of each writer that somebody other than its own files vouches for.
#[derive(Default)]
pub(super) struct Known {
    pub(super) heads: BTreeMap<WriterName, Head>,
}

/// A checkpoint that somebody vouches for.
pub(super) struct Head {
    pub(super) number: u64,
    pub(super) line: Digest,
    /// Who does, in words.
    pub(super) by: String,
}

impl Known {
    fn add(&mut self, writer: WriterName, head: Head) {
        let highest = self.heads.get(&writer).is_none_or(|known| known.number < head.number);
        if highest {
            self.heads.insert(writer, head);
        }
    }

    /// Reads what the anchor folder says of each writer.
    pub(super) fn read_heads(
        &mut self,
        anchor: &Path,
        key: Option<PublicKey>,
        common: &mut Findings,
    ) -> Result<(), FileError> {
        for (name, files) in files::scan(anchor)? {
            if !files.head {
                continue;
            }
            let path = anchor.join(name.head());
            let head = files::read_small(&path, LINE_MAX);
            let claim = head.as_deref().ok().and_then(Checkpoint::parse);
            let claim = claim.filter(|claim| key.is_some_and(|key| claim.is_signed_by(key)));
            match claim.filter(|claim| claim.checkpoint.writer_name() == name) {
                Some(claim) => {
                    let signed = claim.signed();
                    self.add(name, Head { number: signed.number, line: signed.line, by: "the anchor".into() });
                }
                None => common.add(&path.display().to_string(), None, None, Problem::BadHead),
            }
        }
        Ok(())
    }

    /// Collects what one writer says about others. What is wrong with its own checkpoints is found later.
    pub(super) fn read_witnesses(&mut self, dir: &Path, name: WriterName, key: Option<PublicKey>) {
        let (Some(key), Ok(file)) = (key, files::open_read(&dir.join(name.checkpoints()))) else { return };
        let mut lines = Lines::new(file, u64::MAX);
        while let Ok(Some((_, line))) = lines.next() {
            let Line::Whole(line) = line else { continue };
            let Some(claim) = Checkpoint::parse(line) else { continue };
            if !claim.checkpoint.witnessed.is_empty() && claim.is_signed_by(key) {
                for witnessed in &claim.checkpoint.witnessed {
                    let head = Head { number: witnessed.number, line: witnessed.line, by: format!("writer {name}") };
                    self.add(witnessed.writer, head);
                }
            }
        }
    }
}
