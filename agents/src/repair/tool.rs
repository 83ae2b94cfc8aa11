//! Which tool was meant by a name that no tool has.

use toolcell_core::{Card, Directory, Effects, Failure, Kind, Tenant};

use super::names::{Meant, alike, meant};

/// Words that models write before a tool's id, with the separator behind them.
const PREFIXES: &[&str] = &["functions.", "tools.", "tool.", "mcp__"];

/// What an unknown name may have meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OtherTool {
    /// The tool of this full id.
    One(String),
    /// More than one.
    Ambiguous,
    /// None that may be called on a guess.
    Nothing,
}

/// The tool that was meant by a name. The same name in another spelling is any tool's; a misspelling leads only to a tool that changes
/// nothing, since the wrong one would otherwise do something.
pub fn other_tool(directory: &dyn Directory, tenant: &Tenant, name: &str, failure: &Failure) -> OtherTool {
    if failure.kind != Kind::UnknownTool {
        return OtherTool::Nothing;
    }
    let cards = directory.cards(tenant);
    let all: Vec<&str> = cards.iter().map(|card| card.id.as_str()).collect();
    let bare = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
    let harmless = |id: &str| {
        cards.iter().any(|card: &std::sync::Arc<Card>| card.id.as_str() == id && card.effects == Effects::ReadOnly)
    };
    match alike(bare, &all) {
        Meant::One(id) if id != name => OtherTool::One(id.to_owned()),
        Meant::Several => OtherTool::Ambiguous,
        _ => match meant(bare, &all) {
            Meant::One(id) if id != name && harmless(id) => OtherTool::One(id.to_owned()),
            Meant::Several => OtherTool::Ambiguous,
            _ => OtherTool::Nothing,
        },
    }
}
