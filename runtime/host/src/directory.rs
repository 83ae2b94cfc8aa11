//! What a caller may know of this host's tools before it calls one.

use std::sync::Arc;

use toolcell_core::card::{Card, Directory, Effects};
use toolcell_core::manifest::Access;
use toolcell_core::{Digest, Failure, Kind, Tenant};

use crate::catalog::{Component, Tool};
use crate::grant::Grant;
use crate::host::Host;
use crate::schema::{inert, inert_lines, input_schema, output_schema};

/// The longest description on a card, in bytes: as the schemas' own.
const MAX_DESCRIPTION: usize = crate::schema::json_schema::MAX_DESCRIPTION;

/// The longest category or version on a card, in bytes.
const MAX_WORD: usize = 64;

impl Directory for Host {
    fn card(&self, tool: &str, tenant: &Tenant) -> Result<Arc<Card>, Box<Failure>> {
        let (component, index) = self.snapshot().resolve(tool, None)?;
        let known = self.0.known(&component, index, tenant)?;
        let tool = &component.tools[index];
        known
            .card(|| card(&component, tool, &known.grant))
            .ok_or_else(|| Box::new(Failure::new(Kind::NotCallable, format!("`{}` cannot be called", tool.id))))
    }

    fn cards(&self, tenant: &Tenant) -> Vec<Arc<Card>> {
        let snapshot = self.snapshot();
        let callable = snapshot.tools().filter(|(_, tool)| tool.signature.is_ok());
        callable.filter_map(|(_, tool)| self.card(tool.id.as_str(), tenant).ok()).collect()
    }
}

/// None where the tool is not callable.
fn card(component: &Component, tool: &Tool, grant: &Grant) -> Option<Card> {
    let signature = tool.signature.as_ref().ok()?;
    let docs = component.docs.as_ref().and_then(|docs| docs.tools.get(tool.id.within()));
    let manifest = component.manifest.as_ref();
    let examples = manifest.into_iter().flat_map(|manifest| &manifest.examples);
    Some(Card {
        id: tool.id.clone(),
        component: component.digest,
        version: manifest.map(|manifest| inert(&manifest.version, MAX_WORD)),
        category: manifest.and_then(|manifest| manifest.category.as_ref()).map(|word| inert(word, MAX_WORD)),
        description: docs.map(|docs| inert_lines(&docs.description, MAX_DESCRIPTION)),
        arguments: Arc::new(input_schema(signature, docs)),
        result: Arc::new(output_schema(signature, docs)),
        examples: examples.filter(|example| example.tool == tool.id.within()).cloned().collect(),
        effects: effects(grant),
        // The digest of its words would do, were it not for folders, settings and limits, which no word of it names. Text for
        // debugging changes with versions of this program: then what was kept is made again, no more.
        grant: Digest::of(format!("{grant:?}").as_bytes()),
        secrets: !grant.secrets.is_empty(),
        keeps_results: grant.keeps_results,
    })
}

/// What calling twice does: nothing at all where the grant leaves no way to change anything, which needs nobody's word; else what
/// policy confirms of the author's claims.
fn effects(grant: &Grant) -> Effects {
    let writes = grant.mounts.iter().any(|mount| mount.access != Access::ReadOnly);
    let harmless = !writes && grant.network.is_empty() && grant.kv.is_none() && grant.calls.is_empty();
    let hints = grant.hints_confirmed;
    match (harmless || hints.read_only == Some(true), hints.idempotent == Some(true)) {
        (true, _) => Effects::ReadOnly,
        (false, true) => Effects::Idempotent,
        (false, false) => Effects::Once,
    }
}
