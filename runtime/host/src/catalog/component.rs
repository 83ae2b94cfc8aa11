//! One component as the catalog knows it: read once, described once, never changed.

use std::fmt;
use std::path::{Path, PathBuf};

use toolcell_core::digest::Digest;
use toolcell_core::docs::{Docs, MAX_DOCS_BYTES, MAX_DOCS_PATHS};
use toolcell_core::failure::{Failure, Kind};
use toolcell_core::manifest::Manifest;
use toolcell_core::tool::{ComponentName, ToolId};
use toolcell_core::types::Signature;

use super::MAX_COMPONENT_BYTES;
use super::file::{self, FileError, Links};
use super::resolve::SETTLING_RETRY_MS;
use crate::code::EngineClass;
use crate::known::Places;
use crate::policy::{MAX_SIGNATURE_BYTES, SIGNATURE_ENDING, Signer};
use crate::schema::inert;
use crate::schema::shape::{self, Export, Import, ImportKind, NotCallable, OtherExport, Shape};

/// A component whose bytes have settled and can be read. Calls in flight hold it by its `Arc`, whatever becomes of the file.
pub struct Component {
    /// The operator's name: the file stem.
    pub name: ComponentName,
    /// Where its bytes are.
    pub path: PathBuf,
    /// What its bytes are.
    pub digest: Digest,
    /// How many there are.
    pub size: u64,
    /// Its exported functions, sorted by id.
    pub tools: Vec<Tool>,
    /// What it imports, in its own order.
    pub imports: Vec<Import>,
    /// What it exports beside functions.
    pub others: Vec<OtherExport>,
    /// What it says it was made with; inert, and empty where it says nothing.
    pub producers: String,
    /// What the author says and asks for, or the operator in the author's place.
    pub manifest: Option<Manifest>,
    /// The digest of the manifest's exact bytes, which an approval names. There exactly where the manifest is.
    pub manifest_digest: Option<Digest>,
    /// Who put the manifest there. There exactly where the manifest is.
    pub manifest_source: Option<ManifestSource>,
    /// Descriptions. Untrusted text: whoever shows it makes it inert first.
    pub docs: Option<Docs>,
    /// What was left out or looks wrong though the component is usable, one inert sentence each.
    pub notes: Vec<String>,
    class: EngineClass,
    /// What a host finds out of each tool.
    pub(crate) known: Places,
}

/// Where a manifest was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManifestSource {
    /// In the component's own section: the author's word.
    Embedded,
    /// Beside the component: the operator's word, which replaces the author's as a whole.
    Sidecar,
}

/// One exported function.
#[derive(Clone, Debug)]
pub struct Tool {
    /// The full id.
    pub id: ToolId,
    /// The full name of its interface's export, as an engine looks it up; none at the root.
    pub instance: Option<String>,
    /// The name that an engine looks up within that.
    pub function: String,
    /// Its types, or why it cannot be called.
    pub signature: Result<Signature, NotCallable>,
}

impl Tool {
    /// The last part of the id: the function's own name.
    pub fn name(&self) -> &str {
        self.id.as_str().rsplit('.').next().unwrap_or_default()
    }

    /// Whether the function is exported by an interface, not at the component's root.
    pub fn in_interface(&self) -> bool {
        self.instance.is_some()
    }
}

impl Component {
    /// Reads the component's bytes anew and refuses them where they are not those that were listed: no byte runs that
    /// was not the byte reviewed.
    ///
    /// # Errors
    /// Where the file is gone, cannot be read, or holds something else by now.
    pub fn read(&self) -> Result<Vec<u8>, ReadError> {
        let (bytes, _) = file::read(&self.path, Links::Follow, MAX_COMPONENT_BYTES)
            .map_err(|fault| ReadError::File { component: self.name.clone(), fault })?;
        let found = Digest::of(&bytes);
        if found == self.digest {
            Ok(bytes)
        } else {
            Err(ReadError::Changed { component: self.name.clone(), listed: self.digest, found })
        }
    }

    /// Those of some keys that have signed the component, by the `*.minisig` file beside it.
    ///
    /// # Errors
    /// Why none of them has, as a sentence for the operator: there is no signature, or it does not hold for these bytes.
    pub fn signers(&self, keys: &[Signer]) -> Result<Vec<Signer>, String> {
        let mut path = self.path.clone().into_os_string();
        path.push(SIGNATURE_ENDING);
        let (signature, _) = file::read(Path::new(&path), Links::Follow, MAX_SIGNATURE_BYTES)
            .map_err(|fault| format!("the signature beside it cannot be used: {fault}"))?;
        let bytes = self.read().map_err(|error| error.to_string())?;
        Signer::of(keys, &bytes, &signature).map_err(|error| error.to_string())
    }

    /// The full names of what a host would have to provide, in the component's own order. Types alone need nobody.
    pub fn imports(&self) -> impl Iterator<Item = &str> {
        let provided = |import: &&Import| match &import.kind {
            ImportKind::Interface { functions } => !functions.is_empty(),
            ImportKind::Function => true,
            ImportKind::Other(what) => *what != "type",
        };
        self.imports.iter().filter(provided).map(|import| import.name.as_str())
    }

    /// The class of engine that its declarations need.
    pub fn class(&self) -> EngineClass {
        self.class
    }

    /// The tool of that full id.
    pub fn tool(&self, id: &str) -> Option<&Tool> {
        self.tools.binary_search_by(|tool| tool.id.as_str().cmp(id)).ok().map(|index| &self.tools[index])
    }

    /// Makes a component of bytes and their shape; the sidecar is the operator's manifest, if there is one.
    pub(super) fn new(
        name: ComponentName,
        path: &Path,
        (digest, size): (Digest, u64),
        shape: Shape,
        sidecar: Option<&[u8]>,
    ) -> Result<Self, String> {
        let class = match shape.needs.class() {
            Ok(shape::EngineClass::Standard) => EngineClass::Standard,
            Ok(shape::EngineClass::Extended) => EngineClass::Extended,
            Err(unmet) => return Err(format!("it needs {unmet}, which no engine of this host offers")),
        };
        let stated = match (sidecar, &shape.manifest) {
            (Some(bytes), _) => Some((bytes, ManifestSource::Sidecar)),
            (None, Some(text)) => Some((text.as_bytes(), ManifestSource::Embedded)),
            (None, None) => None,
        };
        let manifest = stated.map(|(bytes, source)| manifest(bytes, source)).transpose()?;
        let mut notes = Vec::new();
        let tools = tools(&name, shape.exports, &mut notes);
        for function in manifest.iter().flat_map(|manifest| manifest.tools.keys()) {
            if !tools.iter().any(|tool| tool.id.within() == function) {
                notes.push(format!("the manifest speaks of `{}`, which is not exported", inert(function, SHOWN)));
            }
        }
        let docs = shape.docs.and_then(|text| match docs(&text, &mut notes) {
            Ok(docs) => Some(docs),
            Err(note) => {
                notes.push(note);
                None
            }
        });
        Ok(Self {
            name,
            path: path.to_owned(),
            digest,
            size,
            known: Places::new(tools.len()),
            tools,
            imports: shape.imports,
            others: shape.others,
            producers: shape.producers,
            manifest,
            manifest_digest: stated.map(|(bytes, _)| Digest::of(bytes)),
            manifest_source: stated.map(|(_, source)| source),
            docs,
            notes,
            class,
        })
    }
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component").field("name", &self.name).field("digest", &self.digest).finish_non_exhaustive()
    }
}

/// How much of a name that somebody else chose a message shows, in bytes.
pub(super) const SHOWN: usize = 80;

/// How much of somebody else's words about a fault a message shows, in bytes.
pub(super) const REASON: usize = 512;

/// Why a component's bytes cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("the bytes of `{component}` cannot be read")]
    File {
        /// Whose.
        component: ComponentName,
        /// Why.
        #[source]
        fault: FileError,
    },
    /// The file holds other bytes than when it was listed.
    #[error("the file of `{component}` holds {found} now, and was listed with {listed}")]
    Changed {
        /// Whose.
        component: ComponentName,
        /// What was listed.
        listed: Digest,
        /// What is there.
        found: Digest,
    },
}

impl ReadError {
    /// The failure of a call that needed the bytes. All of these pass: the next look lists what is there then.
    pub fn failure(&self) -> Failure {
        let (component, detail) = match self {
            Self::File { component, fault } => (component, format!("{self}: {fault}")),
            Self::Changed { component, .. } => (component, self.to_string()),
        };
        let message =
            format!("the file of `{component}` is no longer the one that was listed; try again once it is listed anew");
        let mut failure = Failure::new(Kind::Unavailable, message).detail(detail);
        failure.retry_after_ms = Some(SETTLING_RETRY_MS);
        failure
    }
}

fn manifest(bytes: &[u8], source: ManifestSource) -> Result<Manifest, String> {
    let whose = match source {
        ManifestSource::Embedded => "its manifest",
        ManifestSource::Sidecar => "the manifest beside it",
    };
    Manifest::parse(bytes).map_err(|error| format!("{whose} cannot be used: {error}"))
}

/// Names the exports. One that can have no id is left out with a note.
fn tools(component: &ComponentName, exports: Vec<Export>, notes: &mut Vec<String>) -> Vec<Tool> {
    let mut tools = Vec::with_capacity(exports.len());
    for Export { interface, name, instance, function, signature } in exports {
        match (ToolId::new(component, interface.as_deref(), &name), &signature) {
            (Ok(id), _) => tools.push(Tool { id, instance, function, signature }),
            (Err(_), Err(reason)) => notes.push(format!("the export `{}` is left out: {reason}", inert(&name, SHOWN))),
            (Err(error), Ok(_)) => notes.push(format!("an export is left out: {error}")),
        }
    }
    tools.sort_by(|a, b| a.id.cmp(&b.id));
    tools
}

/// Reads the docs section. Docs that cannot be used never make a component unusable: they are only descriptions.
fn docs(text: &str, notes: &mut Vec<String>) -> Result<Docs, String> {
    if text.len() > MAX_DOCS_BYTES {
        return Err(format!("its docs of {} bytes are ignored; at most {MAX_DOCS_BYTES} are read", text.len()));
    }
    let parsed = serde_json::from_str::<Docs>(text);
    let mut docs = parsed.map_err(|error| format!("its docs are ignored: {}", inert(&error.to_string(), REASON)))?;
    if docs.version != 1 {
        return Err(format!("its docs are ignored: they have version {}, and this host reads version 1", docs.version));
    }
    for (function, tool) in &mut docs.tools {
        if tool.at.len() > MAX_DOCS_PATHS {
            notes.push(format!(
                "the descriptions of the parts of `{}` are ignored: they are {}, and at most {MAX_DOCS_PATHS} are read",
                inert(function, SHOWN),
                tool.at.len()
            ));
            tool.at.clear();
        }
    }
    Ok(docs)
}
