//! What is known of a tool before it is called, and who knows it.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::call::Tenant;
use crate::digest::Digest;
use crate::failure::Failure;
use crate::manifest::Example;
use crate::tool::ToolId;

/// What a caller may know of a tool. Its texts are the author's and untrusted; its effects are what policy confirmed.
#[derive(Clone, Debug, Serialize)]
pub struct Card {
    /// The full id.
    pub id: ToolId,
    /// The component's bytes.
    pub component: Digest,
    /// The author's version, where there is a manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// One word to group tools by, where the manifest has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// What it does, inert text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// JSON Schema (2020-12) of the arguments: always an object.
    pub arguments: Arc<Value>,
    /// JSON Schema (2020-12) of the result.
    pub result: Arc<Value>,
    /// Calls worth showing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<Example>,
    /// What calling it twice does, as far as the operator vouches for it.
    pub effects: Effects,
    /// Names what the tool may really do for this tenant: another grant, another digest.
    pub grant: Digest,
    /// Whether secrets may go out with its calls.
    pub secrets: bool,
    /// Whether the operator says that results may be kept though secrets go out with the calls.
    pub keeps_results: bool,
}

/// What calling a tool twice does. Only hints that policy confirmed count (`confirm = […]`); unknown is the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effects {
    /// It changes nothing: it may be called again, and its result may be kept.
    ReadOnly,
    /// Twice is the same as once: it may be called again.
    Idempotent,
    /// Twice may be twice.
    Once,
}

impl Effects {
    /// Whether a call whose outcome is unknown may be made again without asking.
    pub fn may_repeat(self) -> bool {
        self != Self::Once
    }
}

/// Knows tools by name.
pub trait Directory: Send + Sync {
    /// The card of a tool, by its full id or a short form that is unambiguous.
    ///
    /// # Errors
    /// `unknown-tool` with the nearest names, or `not-callable`.
    fn card(&self, tool: &str, tenant: &Tenant) -> Result<Arc<Card>, Box<Failure>>;

    /// The cards of every callable tool, by id.
    fn cards(&self, tenant: &Tenant) -> Vec<Arc<Card>>;
}
