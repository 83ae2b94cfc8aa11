//! The rules for single values, one file each and all of one shape, listed once in [`RULES`].
//!
//! A rule offers what a value may have meant and decides nothing: whether an offer fits the schema, and whether it is the only one that
//! does, is for the engine to find out. So a rule may be generous, and two that disagree make a case ambiguous.

pub(super) mod boolean;
pub(super) mod bytes;
pub(super) mod case;
pub(super) mod flags;
pub(super) mod format;
pub(super) mod listed;
pub(super) mod null;
pub(super) mod number;
pub(super) mod pairs;
pub(super) mod parsed;
pub(super) mod text;
pub(super) mod unwrapped;
pub(super) mod variant;

use serde_json::Value;
use toolcell_core::ChangeKind;
use toolcell_core::json::Json;

/// Every rule for a single value. Rules for the members of an object stand in `repair/members.rs`.
pub const RULES: &[Rule] = &[
    null::RULE,
    boolean::RULE,
    number::RULE,
    text::RULE,
    case::RULE,
    flags::RULE,
    variant::RULE,
    parsed::RULE,
    unwrapped::RULE,
    listed::RULE,
    pairs::RULE,
    bytes::RULE,
    format::RULE,
];

/// One rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// How a change by it is logged.
    pub kind: ChangeKind,
    /// A name of its own, since some share a kind.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    /// Offers, each as JSON text, what the value may have meant.
    pub(super) offer: fn(&Site<'_>, &mut Vec<String>),
}

/// A value that does not fit its schema.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site<'s> {
    pub(super) value: &'s Json<'s>,
    pub(super) schema: &'s Value,
    /// The member's name, where it is one.
    pub(super) name: Option<&'s str>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_rule_has_a_name_of_its_own_and_says_what_it_does() {
        let mut names = BTreeSet::new();
        for rule in RULES {
            assert!(names.insert(rule.name) && rule.about.ends_with('.'), "{}", rule.name);
        }
    }

    #[test]
    fn no_rule_offers_anything_for_what_it_does_not_know() {
        let nothing = serde_json::json!({"not": {}});
        for value in [Json::Null, Json::Bool(true), Json::Number("1"), Json::String("x".into()), Json::Object(vec![])] {
            for rule in RULES {
                let mut offers = Vec::new();
                (rule.offer)(&Site { value: &value, schema: &nothing, name: None }, &mut offers);
                assert!(offers.is_empty(), "{} offers {offers:?} for {value:?}", rule.name);
            }
        }
    }
}
