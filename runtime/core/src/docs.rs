//! The `toolcell:docs` section: descriptions that a component cannot carry in its types.
//!
//! `toolcell build` writes it from the WIT doc comments; the host reads it as untrusted text of bounded size.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The custom section that holds [`Docs`] as JSON.
pub const DOCS_SECTION: &str = "toolcell:docs";

/// The most bytes of docs that are written or read. Descriptions go to models, where length is paid for on each call.
pub const MAX_DOCS_BYTES: usize = 256 * 1024;

/// The most paths with a description for one tool. Nested types can name one type at very many places.
pub const MAX_DOCS_PATHS: usize = 2_000;

/// Descriptions of a component and its tools.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Docs {
    /// The version of this format: 1.
    pub version: u32,
    /// The docs of the world the component was built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// By `function` or `interface.function`, in WIT's kebab-case.
    #[serde(default)]
    pub tools: BTreeMap<String, ToolDocs>,
}

/// The descriptions of one tool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolDocs {
    /// What the function does.
    #[serde(default)]
    pub description: String,
    /// Descriptions by place. A place walks the JSON shape: `params/NAME`, then `/field` (in `snake_case`), `/[]` for a list's
    /// element, `/0` for a tuple's, `/case-name` for a case of a variant, enum or flags; options are transparent. A result
    /// begins at `result` (its ok type) or `error`; a nested result continues with `/ok` or `/err`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub at: BTreeMap<String, String>,
}
