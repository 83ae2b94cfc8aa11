//! How far a schema leads on without a step into the document. The `jsonschema` crate recurses once for each of these hops, on each level of
//! the document, so a long chain would end the call at its stack limit, which says nothing of the schema.
//!
//! Owns the count, made before anything is compiled, in time linear in the schema. It follows references to places, to anchors and to embedded
//! `$id`s as they are written. What it cannot follow it does not count, and where subschemas lead back to one another it counts one way round:
//! the stack limit stands behind it.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::document::{Json, Object};
use crate::pointer::{self, Pointer};

/// The longest chain of subschemas that are all applied to the same value.
#[derive(Debug, PartialEq, Eq)]
pub struct Chain {
    /// How many hops it has.
    pub hops: usize,
    /// JSON Pointer to where it begins.
    pub at: String,
}

/// The longest chain of a schema.
pub fn longest(schema: &Json<'_>) -> Chain {
    let graph = Graph::of(schema);
    let heights = graph.heights();
    let (start, hops) = heights.iter().copied().enumerate().rev().max_by_key(|(_, height)| *height).unwrap_or_default();
    Chain { hops, at: graph.pointer(start) }
}

/// Keywords whose value is a subschema for the same value, or a list of such.
const IN_PLACE: [&str; 7] = ["allOf", "anyOf", "oneOf", "not", "if", "then", "else"];

/// Keywords whose value has a subschema for the same value under each name.
const IN_PLACE_BY_NAME: [&str; 2] = ["dependentSchemas", "dependencies"];

const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];

/// The objects of a schema, each of which may be a subschema.
struct Graph<'a> {
    nodes: Vec<Node<'a>>,
    /// By address.
    places: HashMap<*const Object<'a>, usize>,
    /// By anchor, with `#` before it, and by `$id`.
    names: HashMap<Cow<'a, str>, usize>,
    root: &'a Json<'a>,
}

struct Node<'a> {
    object: &'a Object<'a>,
    /// The node around this one, and the tokens from there.
    parent: Option<(usize, Vec<String>)>,
}

impl<'a> Graph<'a> {
    fn of(root: &'a Json<'a>) -> Self {
        let mut graph = Self { nodes: Vec::new(), places: HashMap::new(), names: HashMap::new(), root };
        graph.add(root, None);
        // Those of a node are added behind it, so that each is visited once.
        let mut next = 0;
        while let Some(node) = graph.nodes.get(next) {
            for (name, value) in node.object {
                graph.within(value, next, vec![name.to_string()]);
            }
            next += 1;
        }
        graph
    }

    /// Adds every object of a value that is not inside of another one. Recursion is bounded by the depth of a document.
    fn within(&mut self, value: &'a Json<'a>, parent: usize, tokens: Vec<String>) {
        match value {
            Json::Object(_) => self.add(value, Some((parent, tokens))),
            Json::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    let inner = tokens.iter().cloned().chain([index.to_string()]).collect();
                    self.within(element, parent, inner);
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, value: &'a Json<'a>, parent: Option<(usize, Vec<String>)>) {
        let Json::Object(object) = value else { return };
        let node = self.nodes.len();
        self.places.insert(&raw const **object, node);
        for (keyword, mark) in [("$anchor", "#"), ("$dynamicAnchor", "#"), ("$id", "")] {
            if let Some(Json::String(name)) = object.get(keyword) {
                self.names.entry(format!("{mark}{name}").into()).or_insert(node);
            }
        }
        self.nodes.push(Node { object, parent });
    }

    /// The subschemas that a node applies to the value that it is applied to.
    fn leads_to(&self, node: usize) -> Vec<usize> {
        let object = self.nodes[node].object;
        let place = |value: &Json<'a>| match value {
            Json::Object(object) => self.places.get(&(&raw const **object)).copied(),
            _ => None,
        };
        let mut found = Vec::new();
        for value in IN_PLACE.iter().filter_map(|keyword| object.get(*keyword)) {
            match value {
                Json::Array(elements) => found.extend(elements.iter().filter_map(place)),
                value => found.extend(place(value)),
            }
        }
        for value in IN_PLACE_BY_NAME.iter().filter_map(|keyword| object.get(*keyword)) {
            if let Json::Object(members) = value {
                found.extend(members.values().filter_map(place));
            }
        }
        let references = REFERENCES.iter().filter_map(|keyword| object.get(*keyword));
        found.extend(references.filter_map(|reference| match reference {
            Json::String(reference) => self.resolve(reference),
            _ => None,
        }));
        found
    }

    fn resolve(&self, reference: &str) -> Option<usize> {
        let by_name = || self.names.get(reference).copied();
        let Some(fragment) = reference.strip_prefix('#').filter(|rest| rest.is_empty() || rest.starts_with('/')) else {
            return by_name();
        };
        let fragment = unescaped(fragment)?;
        let pointer = Pointer::parse(&fragment).ok()?;
        match pointer::get(self.root, pointer.tokens())? {
            Json::Object(object) => self.places.get(&(&raw const **object)).copied(),
            _ => None,
        }
    }

    /// The longest chain from each node, in hops. A way that leads back to where it came from ends there.
    fn heights(&self) -> Vec<usize> {
        let mut heights: Vec<Option<usize>> = vec![None; self.nodes.len()];
        let mut on_the_way = vec![false; self.nodes.len()];
        for start in 0..self.nodes.len() {
            if heights[start].is_some() {
                continue;
            }
            // A stack of our own: what is counted here is what a recursion could not bear.
            let mut way = vec![(start, self.leads_to(start), 0)];
            on_the_way[start] = true;
            while let Some((node, next, height)) = way.last_mut() {
                let Some(target) = next.pop() else {
                    let (node, height) = (*node, *height);
                    heights[node] = Some(height);
                    on_the_way[node] = false;
                    way.pop();
                    if let Some((_, _, around)) = way.last_mut() {
                        *around = (*around).max(height + 1);
                    }
                    continue;
                };
                match heights[target] {
                    Some(known) => *height = (*height).max(known + 1),
                    None if on_the_way[target] => {}
                    None => {
                        on_the_way[target] = true;
                        way.push((target, self.leads_to(target), 0));
                    }
                }
            }
        }
        heights.into_iter().map(Option::unwrap_or_default).collect()
    }

    fn pointer(&self, node: usize) -> String {
        let mut tokens = Vec::new();
        let mut here = self.nodes.get(node).and_then(|node| node.parent.as_ref());
        while let Some((parent, steps)) = here {
            tokens.extend(steps.iter().rev().map(|token| token.replace('~', "~0").replace('/', "~1")));
            here = self.nodes[*parent].parent.as_ref();
        }
        tokens.iter().rev().fold(String::new(), |pointer, token| pointer + "/" + token)
    }
}

/// A fragment without its percent-encoding (RFC 3986, section 2.1); none where that is broken.
fn unescaped(fragment: &str) -> Option<Cow<'_, str>> {
    if !fragment.contains('%') {
        return Some(fragment.into());
    }
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let (high, low) = (char::from(rest.next()?).to_digit(16)?, char::from(rest.next()?).to_digit(16)?);
                u8::try_from(high * 16 + low).ok()?
            }
            _ => byte,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::read;

    fn chain(schema: &str) -> (usize, String) {
        let chain = longest(&read(schema).unwrap());
        (chain.hops, chain.at)
    }

    #[test]
    fn hops_on_one_value_are_counted_and_steps_into_the_document_are_not() {
        for (schema, hops, at) in [
            ("true", 0, ""),
            ("{}", 0, ""),
            (r##"{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{}}}"##, 2, ""),
            (r##"{"items":{"$ref":"#/$defs/a"},"$defs":{"a":{"items":{}}}}"##, 1, "/items"),
            (r#"{"properties":{"a/b":{"allOf":[{},{"not":{"if":{}}}]}}}"#, 3, "/properties/a~1b"),
            (r#"{"not":{"items":{"not":{}}},"if":{"properties":{"x":{"not":{}}}}}"#, 1, ""),
            (r#"{"dependentSchemas":{"x":{"anyOf":[{"oneOf":[{}]}]}}}"#, 3, ""),
            (r##"{"$ref":"#a%62/c","$defs":{"x":{"$anchor":"ab"}}}"##, 0, ""),
            (r##"{"$ref":"#ab","$defs":{"x":{"$anchor":"ab","$ref":"other"},"y":{"$id":"other","not":{}}}}"##, 3, ""),
            (r##"{"$ref":"#/$defs/a%20b","$defs":{"a b":{"not":{}}}}"##, 2, ""),
            (r#"{"$ref":"https://example.com/elsewhere"}"#, 0, ""),
            (r#"{"$ref":"%zz"}"#, 0, ""),
            (r#"{"$ref":7,"allOf":7,"not":true}"#, 0, ""),
        ] {
            assert_eq!(chain(schema), (hops, at.to_owned()), "{schema}");
        }
    }

    #[test]
    fn what_leads_back_is_counted_one_way_round() {
        assert_eq!(chain(r##"{"$ref":"#"}"##).0, 0);
        assert_eq!(chain(r##"{"allOf":[{"$ref":"#"},{"$ref":"#"}]}"##).0, 1);
        assert_eq!(chain(r##"{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}"##).0, 2);
    }

    #[test]
    fn a_chain_of_any_length_is_counted_without_recursion() {
        let definitions: Vec<_> = (0..60_000).map(|n| format!(r##""{n}":{{"$ref":"#/$defs/{}"}}"##, n + 1)).collect();
        let schema =
            format!(r##"{{"items":{{"$ref":"#/$defs/0"}},"$defs":{{{},"60000":{{}}}}}}"##, definitions.join(","));
        assert_eq!(chain(&schema), (60_001, "/items".to_owned()));
    }
}
