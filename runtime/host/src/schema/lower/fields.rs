//! Records and parameters: members matched to fields, in time linear in both.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use toolcell_core::failure::Problem;
use toolcell_core::json::Json;
use toolcell_core::types::{Field, Type};
use wasmtime::component::Val;

use super::expect::{self, expected};
use super::{Check, MAX_POINTER_NAME, Step};
use crate::schema::inert::inert;
use crate::schema::names::{self, nearest};

impl<'a> Check<'a> {
    /// The values of fields or parameters, in their order; every unknown, missing and wrong member is noted.
    pub(super) fn fields<T>(
        &mut self,
        fields: &'a [Field],
        members: &'a [(Cow<'a, str>, Json<'a>)],
        make: impl Fn(&'a Field, Val) -> T,
    ) -> Option<Vec<T>> {
        let before = self.problems.len();
        let mut lookup = Lookup::new(members, fields.len());
        let mut out = Vec::with_capacity(fields.len().min(usize::try_from(self.left).unwrap_or(usize::MAX)));
        for field in fields {
            let val = match lookup.find(&field.json) {
                Some(json) => self.within(Step::Member(&field.json), |check| check.value(&field.ty, json)),
                None => self.absent(field),
            };
            match val {
                Some(val) => out.push(make(field, val)),
                None if self.full() => return None,
                None => {}
            }
        }
        if lookup.hits < members.len() {
            self.unknown(fields, members);
        }
        (self.problems.len() == before && !self.over).then_some(out)
    }

    fn absent(&mut self, field: &'a Field) -> Option<Val> {
        if let Type::Option(_) = field.ty {
            self.take(1)?;
            return Some(Val::Option(None));
        }
        if !self.full() {
            let pointer = self.within(Step::Member(&field.json), |check| check.pointer());
            self.problems.push(Problem {
                pointer,
                expected: expected(&field.ty),
                found: Some("nothing: it is required".to_owned()),
                nearest: None,
            });
        }
        None
    }

    fn unknown(&mut self, fields: &'a [Field], members: &'a [(Cow<'a, str>, Json<'a>)]) {
        let mut valid = HashSet::new();
        if fields.len() > names::FEW {
            valid = fields.iter().map(|field| &*field.json).collect();
        }
        for (name, _) in members {
            let known = if valid.is_empty() {
                fields.iter().any(|field| *field.json == **name)
            } else {
                valid.contains(&**name)
            };
            if known {
                continue;
            }
            if self.full() {
                return;
            }
            let shown = name.len() <= MAX_POINTER_NAME && inert(name, MAX_POINTER_NAME) == **name;
            let pointer = if shown { self.within(Step::Member(name), |check| check.pointer()) } else { self.pointer() };
            self.problems.push(Problem {
                pointer,
                expected: expect::one_of("no other member than", fields.iter().map(|field| &*field.json)),
                found: Some(format!("the unknown member {}", expect::quoted(name))),
                nearest: nearest(name, fields.iter().map(|field| &*field.json)),
            });
        }
    }
}

/// Finds members by name. Callers mostly write them in the order of the signature, so the next one is tried first.
struct Lookup<'a> {
    members: &'a [(Cow<'a, str>, Json<'a>)],
    next: usize,
    hits: usize,
    /// Built when the order was wrong once and the object is large, so that the cost stays linear.
    by_name: HashMap<&'a str, usize>,
    few: bool,
}

impl<'a> Lookup<'a> {
    fn new(members: &'a [(Cow<'a, str>, Json<'a>)], fields: usize) -> Self {
        Self {
            members,
            next: 0,
            hits: 0,
            by_name: HashMap::new(),
            few: members.len().min(fields) <= names::FEW && members.len() * fields <= 1_024,
        }
    }

    fn find(&mut self, name: &str) -> Option<&'a Json<'a>> {
        let index = match self.members.get(self.next) {
            Some((next, _)) if next == name => self.next,
            _ if self.few => self.members.iter().position(|(member, _)| member == name)?,
            _ => {
                if self.by_name.is_empty() {
                    self.by_name = self.members.iter().enumerate().map(|(at, (name, _))| (&**name, at)).collect();
                }
                *self.by_name.get(name)?
            }
        };
        self.next = index + 1;
        self.hits += 1;
        Some(&self.members[index].1)
    }
}
