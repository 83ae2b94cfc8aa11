//! Whom a rule is for: names and digests, all exact. Nothing here matches by part of a name.

use std::collections::BTreeSet;

use toolcell_core::manifest::Callee;
use toolcell_core::{ComponentName, Digest, Tenant, ToolId};

use super::signer::Signer;

/// Names tools without any chance of naming too many: there are no wildcards inside a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Every tool.
    Any,
    /// Every tool of a component, by the operator's name of it.
    Component(ComponentName),
    /// One tool.
    Tool(ToolId),
    /// Every tool of the component with exactly these bytes.
    Digest(Digest),
}

/// Whom a rule is for. Every condition that is there must hold; one that is absent asks nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whom {
    /// Components and tools by the operator's names; absent: every tool.
    pub tools: Option<BTreeSet<Callee>>,
    /// The component's bytes.
    pub digests: Option<BTreeSet<Digest>>,
    /// Keys, one of which has signed the component.
    pub signers: Option<BTreeSet<Signer>>,
    /// The tenants on whose behalf the call is made; absent: every tenant.
    pub tenants: Option<BTreeSet<String>>,
}

/// What a rule is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The tool.
    pub tool: &'a ToolId,
    /// Its component's bytes.
    pub component: Digest,
    /// Those of the policy's keys that have signed these bytes.
    pub signers: &'a [Signer],
    /// On whose behalf it is called.
    pub tenant: &'a Tenant,
}

impl Whom {
    /// Whether the rule is for this call.
    pub fn names(&self, subject: &Subject<'_>) -> bool {
        self.names_if_signed(subject)
            && self.signers.as_ref().is_none_or(|keys| subject.signers.iter().any(|signer| keys.contains(signer)))
    }

    /// Whether the rule is for this call, whoever has signed the component. Where it is not, no signature need be checked.
    pub fn names_if_signed(&self, subject: &Subject<'_>) -> bool {
        // What names few is asked first: of many rules nearly all are for other tools.
        self.tools.as_ref().is_none_or(|tools| tools.iter().any(|callee| callee.names(subject.tool)))
            && self.digests.as_ref().is_none_or(|digests| digests.contains(&subject.component))
            && self.tenants.as_ref().is_none_or(|tenants| tenants.contains(&*subject.tenant.0))
    }
}

impl Pattern {
    /// Whether a tool of a component is named.
    pub fn names(&self, tool: &ToolId, component: Digest) -> bool {
        match self {
            Self::Any => true,
            Self::Component(name) => tool.component() == name.as_str(),
            Self::Tool(id) => id == tool,
            Self::Digest(digest) => *digest == component,
        }
    }
}

impl From<Pattern> for Whom {
    fn from(pattern: Pattern) -> Self {
        let tools = |callee| Self { tools: Some([callee].into()), ..Self::default() };
        match pattern {
            Pattern::Any => Self::default(),
            Pattern::Component(name) => tools(Callee::Component(name)),
            Pattern::Tool(id) => tools(Callee::Tool(id)),
            Pattern::Digest(digest) => Self { digests: Some([digest].into()), ..Self::default() },
        }
    }
}

impl From<Callee> for Pattern {
    fn from(callee: Callee) -> Self {
        match callee {
            Callee::Component(name) => Self::Component(name),
            Callee::Tool(id) => Self::Tool(id),
        }
    }
}
