//! Reading a component and its sidecar, and telling whether they are what they were.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use toolcell_core::digest::Digest;
use toolcell_core::manifest::MAX_MANIFEST_BYTES;

use super::MAX_COMPONENT_BYTES;
use super::component::{Component, REASON};
use super::file::{self, FileError, Links, Stamp};
use super::folder::Place;
use crate::schema::{Shape, inert};

/// How long after its last change a file may still change without a difference in its times, in milliseconds. Kernels stamp
/// files by a tick of some milliseconds; some file systems keep whole seconds, and FAT every second one.
pub const YOUNG_MS: u64 = 2_000;

/// What a component came to: itself, or why it is broken.
pub(super) type Verdict = Result<Arc<Component>, Arc<str>>;

type Reader = dyn Fn(&[u8]) -> Result<Shape, String> + Send + Sync;

/// Reads both files, and describes them where they are not what they were.
pub(super) fn read(place: &Place, sight: &Sight, before: Option<&Seen>, now: u64, describe: &Reader) -> Reading {
    type Bytes = Result<(Vec<u8>, Stamp), String>;
    let bytes = |path: &Path, cap: u64, reason: fn(&FileError) -> String| -> Option<Bytes> {
        match file::read(path, Links::Follow, cap) {
            Ok(read) => Some(Ok(read)),
            Err(fault) if fault.is_passing() => None,
            Err(fault) => Some(Err(reason(&fault))),
        }
    };
    let wasm = match &sight.wasm {
        Ok(_) => bytes(&place.path, MAX_COMPONENT_BYTES, ToString::to_string),
        Err(reason) => Some(Err(reason.clone())),
    };
    let sidecar = match &sight.sidecar {
        Some(Ok(_)) => bytes(&place.sidecar, MAX_MANIFEST_BYTES as u64, sidecar_reason).map(Some),
        Some(Err(reason)) => Some(Some(Err(reason.clone()))),
        None => Some(None),
    };
    let (Some(wasm), Some(sidecar)) = (wasm, sidecar) else { return Reading::Later };

    let digest = |bytes: &Bytes| bytes.as_ref().map(|(bytes, _)| Digest::of(bytes)).map_err(Clone::clone);
    // What was read counts, not what was seen a moment before.
    let stamp = |bytes: &Bytes, sight: &Result<Stamp, String>| {
        bytes.as_ref().map_or_else(|_| sight.clone(), |(_, stamp)| Ok(*stamp))
    };
    let content = Content { wasm: digest(&wasm), sidecar: sidecar.as_ref().map(digest) };
    let sight = Sight {
        wasm: stamp(&wasm, &sight.wasm),
        sidecar: sidecar.as_ref().zip(sight.sidecar.as_ref()).map(|(bytes, sight)| stamp(bytes, sight)),
    };
    let seen = Seen { old: sight.is_old(now), sight, content };
    if before.is_some_and(|before| before.content == seen.content) {
        return Reading::Same(seen);
    }
    let verdict = verdict(
        place,
        wasm.map(|(bytes, _)| bytes),
        sidecar.map(|read| read.map(|(bytes, _)| bytes)),
        &seen.content,
        describe,
    );
    Reading::New(seen, verdict.map(Arc::new).map_err(|reason| inert(&reason, REASON).into()))
}

fn verdict(
    place: &Place,
    wasm: Result<Vec<u8>, String>,
    sidecar: Option<Result<Vec<u8>, String>>,
    content: &Content,
    describe: &Reader,
) -> Result<Component, String> {
    let (bytes, digest) = (wasm?, content.wasm.clone()?);
    let sidecar = sidecar.transpose()?;
    // A reader that breaks on one file must not take down the thread that looks at all of them.
    let shape = catch_unwind(AssertUnwindSafe(|| describe(&bytes)))
        .unwrap_or_else(|_| Err("the reader of component bytes broke on it; please report this file".to_owned()))?;
    Component::new(place.name.clone(), &place.path, (digest, bytes.len() as u64), shape, sidecar.as_deref())
}

/// What a reading saw.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) sight: Sight,
    content: Content,
    /// Whether the files were old enough then for their times to show every later change.
    pub(super) old: bool,
}

/// What can be seen of both files without reading them.
#[derive(Clone, PartialEq)]
pub(super) struct Sight {
    wasm: Result<Stamp, String>,
    sidecar: Option<Result<Stamp, String>>,
}

/// What was read of both files.
#[derive(Clone, PartialEq)]
struct Content {
    wasm: Result<Digest, String>,
    sidecar: Option<Result<Digest, String>>,
}

/// What reading a component brought.
pub(super) enum Reading {
    /// Nothing that could be compared; try again at the next look.
    Later,
    /// The same bytes as the last time.
    Same(Seen),
    /// Other bytes.
    New(Seen, Verdict),
}

impl Sight {
    /// Looks at both files. None where the system was short of something; an error where there is no component to speak of.
    pub(super) fn of(place: &Place) -> Result<Option<Self>, FileError> {
        let wasm = match file::look(&place.path, Links::Follow) {
            Ok(stamp) => Ok(stamp),
            Err(fault) if fault.is_passing() => return Ok(None),
            Err(fault @ FileError::NotAFile(_)) => return Err(fault),
            // Gone since the folder was listed; but a link that leads nowhere is there.
            Err(FileError::Missing) if place.path.symlink_metadata().is_err() => return Err(FileError::Missing),
            Err(FileError::Missing) => Err("it is a symbolic link that leads nowhere".to_owned()),
            Err(fault) => Err(fault.to_string()),
        };
        // It is asked for by name, and not taken from the folder's list: a list may miss a name that is just being replaced,
        // and the author's word must not stand in for the operator's for even one look.
        let sidecar = match file::look(&place.sidecar, Links::Follow) {
            Ok(stamp) => Some(Ok(stamp)),
            Err(fault) if fault.is_passing() => return Ok(None),
            Err(FileError::Missing) if place.sidecar.symlink_metadata().is_err() => None,
            Err(fault) => Some(Err(sidecar_reason(&fault))),
        };
        Ok(Some(Self { wasm, sidecar }))
    }

    fn is_old(&self, now: u64) -> bool {
        let stamps = [self.wasm.as_ref().ok(), self.sidecar.as_ref().and_then(|sidecar| sidecar.as_ref().ok())];
        stamps.into_iter().flatten().all(|stamp| stamp.last_change_ms(now).saturating_add(YOUNG_MS) <= now)
    }
}

fn sidecar_reason(fault: &FileError) -> String {
    format!("the manifest beside it cannot be used: {fault}")
}

/// Does `work` for every item, on up to `threads` threads, the calling one among them. Fewer are used where the system
/// gives no more.
pub(super) fn in_parallel<T: Sync, R: Send>(threads: usize, items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let run = || {
        let mut done = Vec::new();
        while let Some((index, item)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|n| Some((n, items.get(n)?)))
        {
            done.push((index, work(item)));
        }
        done
    };
    let mut done = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(items.len()))
            .map_while(|_| std::thread::Builder::new().name("catalog-look".to_owned()).spawn_scoped(scope, run).ok())
            .collect();
        let mut done = run();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        done
    });
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}
