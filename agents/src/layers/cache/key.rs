//! What makes two calls the same: whose, which code, under which grant, with which arguments.

use toolcell_core::json::{Bounds, Json, parse, quote};
use toolcell_core::{Card, Digest, Limit, ToolCall, ToolId};

/// Names a result within a tenant. It holds digests, no argument.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) tool: ToolId,
    digest: Digest,
}

impl Key {
    /// The name of a call's result; none where its arguments are over `largest` bytes or are refused anyway.
    pub(super) fn of(call: &ToolCall, card: &Card, largest: usize) -> Option<Self> {
        let text = call.arguments.as_str();
        if text.len() > largest {
            return None;
        }
        // A value takes a byte at least, so that the bytes bound the values too.
        let bounds =
            Bounds { bytes: largest as u64, values: text.len() as u64, depth: Limit::ArgumentDepth.row().ceiling };
        let arguments = parse(text, bounds).ok()?;
        let mut source = String::with_capacity(text.len() + 256);
        source.push_str(card.component.hex().as_str());
        source.push_str(card.grant.hex().as_str());
        // A smaller ceiling on the result may refuse what a larger one lets through.
        for limit in [Limit::ResultBytes, Limit::ResultValues] {
            let value = call.budget.as_ref().map_or(limit.row().ceiling, |budget| budget.get(limit));
            source.push_str(&value.to_string());
            source.push(' ');
        }
        canonical(&arguments, &mut source);
        Some(Self { tool: card.id.clone(), digest: Digest::of(source.as_bytes()) })
    }

    /// What it takes in memory beside its own fields.
    pub(super) fn bytes(&self) -> u64 {
        self.tool.as_str().len() as u64
    }
}

/// Writes a value so that what two readers read alike is written alike: without spaces, members sorted by the bytes of
/// their names, strings with the fewest escapes, numbers as they were written (`1` and `1.0` are two: a tool may tell them apart).
fn canonical(value: &Json<'_>, out: &mut String) {
    match value {
        Json::Array(items) => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                canonical(item, out);
            }
            out.push(']');
        }
        Json::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_unstable_by(|a, b| a.0.cmp(&b.0));
            out.push('{');
            for (n, (name, value)) in sorted.into_iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                quote(name, out);
                out.push(':');
                canonical(value, out);
            }
            out.push('}');
        }
        leaf => leaf.write(out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::scripted::{call, card};
    use proptest::prelude::*;
    use toolcell_core::{Arguments, Effects, Limits};

    fn key(text: &str) -> Option<Key> {
        let mut call = call(1, "shop.read");
        call.arguments = Arguments::from_text(text.to_owned()).expect("small");
        Key::of(&call, &card("shop.read", Effects::ReadOnly), 1 << 16)
    }

    #[test]
    fn what_reads_alike_has_one_name() {
        let one = key(r#"{"a":[1,{"x":"é","y":null}],"b":2}"#).expect("a name");
        for same in [
            r#" { "b" : 2 , "a" : [ 1 , { "y":null,"x":"\u00e9" } ] } "#,
            "{\"b\":2,\"\\u0061\":[1,{\"x\":\"é\",\"y\":null}]}",
        ] {
            assert_eq!(key(same).as_ref(), Some(&one), "{same}");
        }
        for other in [
            r#"{"a":[1.0,{"x":"é","y":null}],"b":2}"#,
            r#"{"a":[{"x":"é","y":null},1],"b":2}"#,
            r#"{"a":[1,{"x":"é"}],"b":2}"#,
            r#"{"a":"[1,{\"x\":\"é\",\"y\":null}]","b":2}"#,
        ] {
            assert_ne!(key(other).as_ref(), Some(&one), "{other}");
        }
    }

    #[test]
    fn what_the_tool_would_be_refused_has_no_name() {
        for text in ["", "{", "{\"a\":1,\"a\":1}", &"[".repeat(10_000), &format!("\"{}\"", "x".repeat(1 << 16))] {
            assert_eq!(key(text), None);
        }
    }

    #[test]
    fn other_code_another_grant_or_another_ceiling_is_another_name() {
        let (mut call, card) = (call(1, "shop.read"), card("shop.read", Effects::ReadOnly));
        let one = Key::of(&call, &card, 100).expect("a name");
        let other = Card { grant: Digest::of(b"another"), ..card.clone() };
        assert_ne!(Key::of(&call, &other, 100).as_ref(), Some(&one));
        let other = Card { component: Digest::of(b"another"), ..card.clone() };
        assert_ne!(Key::of(&call, &other, 100).as_ref(), Some(&one));
        call.budget = Some(Limits::ceiling());
        assert_eq!(Key::of(&call, &card, 100).as_ref(), Some(&one), "a ceiling of everything is none");
        call.budget = Some(Limits::ceiling().with(Limit::Fuel, 7).expect("in range"));
        assert_eq!(Key::of(&call, &card, 100).as_ref(), Some(&one), "fuel changes no result");
        call.budget = Some(Limits::ceiling().with(Limit::ResultBytes, 7).expect("in range"));
        assert_ne!(Key::of(&call, &card, 100).as_ref(), Some(&one));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}|[\\[\\]{}\",:0-9a-e\\\\u ]{0,80}") {
            let _ = key(&text);
        }

        #[test]
        fn the_order_of_members_never_matters(names in prop::collection::btree_set("[a-c\u{e9}\"]{0,3}", 0..8), turn in 0_usize..8) {
            let member = |name: &String| format!("{}:{}", serde_json::to_string(name).expect("a string"), name.len());
            let mut members: Vec<String> = names.iter().map(member).collect();
            let straight = key(&format!("{{{}}}", members.join(",")));
            let turn = turn % members.len().max(1);
            members.rotate_left(turn);
            prop_assert_eq!(key(&format!("{{{}}}", members.join(", "))), straight);
        }
    }
}
