//! Walks a function's types and puts each comment at the place where its value stands in JSON.
//!
//! WIT types cannot be recursive, yet a few lines of them can name one type at a billion places, so the walk is breadth
//! first and bounded in steps: shallow places, which a caller meets first, win.

use std::collections::{BTreeMap, VecDeque};

use toolcell_core::docs::{MAX_DOCS_PATHS, ToolDocs};
use toolcell_core::types::snake_case;
use wit_parser::{Function, Resolve, Type, TypeDefKind, TypeOwner};

use super::params;

/// The most types that one function's walk visits; types without comments cost steps without giving places.
const MAX_STEPS: usize = 20_000;

/// The longest place in bytes, and so the deepest: a place costs its length at every step below it.
const MAX_PLACE: usize = 1_024;

/// Describes one function. What a bound leaves out is counted in `dropped`.
pub(super) fn describe(resolve: &Resolve, function: &Function, dropped: &mut usize) -> ToolDocs {
    let names: Vec<&str> = function.params.iter().map(|param| param.name.as_str()).collect();
    let (description, mut of_params) = params::split(function.docs.contents.as_deref().unwrap_or_default(), &names);

    let mut walk = Walk { resolve, at: BTreeMap::new(), queue: VecDeque::new(), steps: 0, dropped: 0 };
    for param in &function.params {
        let own = of_params.remove(&param.name).unwrap_or_default();
        walk.queue.push_back((format!("params/{}", snake_case(&param.name)), own, Some(param.ty)));
    }
    match function.result.map(|ty| (ty, outer_result(resolve, ty))) {
        Some((_, Some((ok, err)))) => {
            walk.queue.extend(ok.map(|ty| ("result".to_owned(), String::new(), Some(ty))));
            walk.queue.extend(err.map(|ty| ("error".to_owned(), String::new(), Some(ty))));
        }
        Some((ty, None)) => walk.queue.push_back(("result".to_owned(), String::new(), Some(ty))),
        None => {}
    }
    walk.run();
    *dropped += walk.dropped;
    ToolDocs { description, at: walk.at }
}

/// Both sides of a function's result, where its type is a WIT `result`.
fn outer_result(resolve: &Resolve, ty: Type) -> Option<(Option<Type>, Option<Type>)> {
    let mut ty = ty;
    loop {
        let Type::Id(id) = ty else { return None };
        match &resolve.types[id].kind {
            TypeDefKind::Result(result) => return Some((result.ok, result.err)),
            // A chain of aliases is finite: WIT refuses a type that depends on itself.
            TypeDefKind::Type(target) => ty = *target,
            _ => return None,
        }
    }
}

struct Walk<'a> {
    resolve: &'a Resolve,
    at: BTreeMap<String, String>,
    /// Place, the docs of the field or case that stands there, and the type, if it has one.
    queue: VecDeque<(String, String, Option<Type>)>,
    steps: usize,
    dropped: usize,
}

impl Walk<'_> {
    fn run(&mut self) {
        while let Some((place, own, ty)) = self.queue.pop_front() {
            self.steps += 1;
            if self.steps > MAX_STEPS {
                self.dropped += 1 + self.queue.len();
                return;
            }
            let named = ty.map(|ty| self.enter(&place, ty)).unwrap_or_default();
            let text = match (own.is_empty(), named.is_empty()) {
                (_, true) => own,
                (true, _) => named,
                (false, false) => format!("{own}\n\n{named}"),
            };
            if text.is_empty() {
                continue;
            }
            if self.at.len() < MAX_DOCS_PATHS {
                self.at.insert(place, text);
            } else {
                self.dropped += 1;
            }
        }
    }

    /// Queues what is inside a type and gives the docs of its name.
    fn enter(&mut self, place: &str, ty: Type) -> String {
        let mut ty = ty;
        let mut named = String::new();
        loop {
            let Type::Id(id) = ty else { return named };
            let def = &self.resolve.types[id];
            if self.is_contract_failure(id) {
                // The host knows what every case of its own contract means; repeating it would be paid for in each tool.
                return String::new();
            }
            if named.is_empty() {
                named = text(&def.docs);
            }
            match &def.kind {
                TypeDefKind::Type(target) | TypeDefKind::Option(target) => {
                    // An option of an option has a JSON form of its own, `{"some": …}`, which no place names.
                    ty = *target;
                }
                TypeDefKind::List(item) | TypeDefKind::FixedLengthList(item, _) => {
                    self.push(place, "[]", String::new(), Some(*item));
                    return named;
                }
                TypeDefKind::Tuple(tuple) => {
                    for (index, item) in tuple.types.iter().enumerate() {
                        self.push(place, &index.to_string(), String::new(), Some(*item));
                    }
                    return named;
                }
                TypeDefKind::Record(record) => {
                    for field in &record.fields {
                        self.push(place, &snake_case(&field.name), text(&field.docs), Some(field.ty));
                    }
                    return named;
                }
                TypeDefKind::Variant(variant) => {
                    for case in &variant.cases {
                        self.push(place, &case.name, text(&case.docs), case.ty);
                    }
                    return named;
                }
                TypeDefKind::Enum(cases) => {
                    for case in &cases.cases {
                        self.push(place, &case.name, text(&case.docs), None);
                    }
                    return named;
                }
                TypeDefKind::Flags(flags) => {
                    for flag in &flags.flags {
                        self.push(place, &flag.name, text(&flag.docs), None);
                    }
                    return named;
                }
                TypeDefKind::Result(result) => {
                    for (side, ty) in [("ok", result.ok), ("err", result.err)] {
                        if ty.is_some() {
                            self.push(place, side, String::new(), ty);
                        }
                    }
                    return named;
                }
                // No JSON form: such a function is listed as not callable, so there is no place to describe.
                TypeDefKind::Map(..)
                | TypeDefKind::Resource
                | TypeDefKind::Handle(_)
                | TypeDefKind::Future(_)
                | TypeDefKind::Stream(_)
                | TypeDefKind::Unknown => return named,
            }
        }
    }

    fn push(&mut self, place: &str, step: &str, own: String, ty: Option<Type>) {
        if place.len() + step.len() >= MAX_PLACE || self.queue.len() >= MAX_STEPS {
            self.dropped += 1;
        } else {
            self.queue.push_back((format!("{place}/{step}"), own, ty));
        }
    }

    fn is_contract_failure(&self, id: wit_parser::TypeId) -> bool {
        let def = &self.resolve.types[id];
        let TypeOwner::Interface(owner) = def.owner else { return false };
        let interface = &self.resolve.interfaces[owner];
        let package = interface.package.map(|package| &self.resolve.packages[package].name);
        def.name.as_deref() == Some("failure")
            && interface.name.as_deref() == Some("types")
            && package.is_some_and(|name| name.namespace == "toolcell" && name.name == "tool")
    }
}

fn text(docs: &wit_parser::Docs) -> String {
    docs.contents.as_deref().unwrap_or_default().trim().to_owned()
}
